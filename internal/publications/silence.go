package publications

import (
	"html"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// What a policy must never say: sign a non-disclosure agreement, or be silent for
// ever. It is judged by what people read, sentence by sentence. A sentence that could
// be meant either way is refused: there is always a plainer one.

var (
	ndaWords = regexp.MustCompile(`\bndas?\b|non-? ?disclosure|confidentiality (agreement|clause|undertaking|obligation)|\bsecrecy\b|geheimhaltung|verschwiegenheit|vertraulichkeits|stillschweigen`)
	// A sentence about such an agreement must say no to it, and demand nothing.
	noWords     = regexp.MustCompile(`\b(no|never|not|without|neither|nor|nobody|none|niemand|kein|keine|keinen|keiner|keinerlei|nie|niemals|nicht|ohne)\b`)
	withoutIt   = regexp.MustCompile(`\b(without|ohne)\b`)
	demandWords = regexp.MustCompile(`\b(must|shall|have to|has to|needs? to|requires?|required|unless|until|only|before|after|conditions?|sign|signed|signing|agrees?|agreed|accepts?|muss|müssen|soll|sollen|nur|erst|bevor|nachdem|sofern|außer|bedingung|voraussetzung|unterschreib\w*|unterzeichn\w*|zustimm\w*|akzeptier\w*)\b`)

	tellWords = regexp.MustCompile(`\bpublish|\bpublicat|\bdisclos|\bpublic\b|\bpublicly\b|\btalk|\btell (anyone|anybody|others)|\bwrite about|veröffentlich|offenleg|offenzulegen|offen legen|öffentlich|publik|\bberichten\b|\bweitererzähl|bekannt ?(geben|machen|zu)`)
	keepWords = regexp.MustCompile(`\b(confidential|secret|silent|silence|vertraulich|geheim|schweigen)\b`)
	everWords = regexp.MustCompile(`\b(for ?ever|ever|never|indefinitely|permanently|perpetu\w+|for life|for good|at no time|under no circumstances|in any circumstances|nie|niemals|ewig|für immer|dauerhaft|auf dauer|unbefristet|zeitlebens|auf unbestimmte zeit|unter keinen umständen|keinesfalls)\b`)
	banWords  = regexp.MustCompile(`\b(forbidden|prohibited|must not|mustn't|may not|shall not|cannot|can not|can't|do not|don't|not (be )?(allowed|permitted|authori[sz]ed|published|disclosed)|refrain|abstain|verboten|untersagt|unzulässig|nicht|nichts|keine|keinen|unterlassen)\b`)
	// Publishing that hangs on our leave; the first say so whoever the sentence is about.
	leaveOf = regexp.MustCompile(`\b(without|ohne) (our|us|prior|written|express|explicit|unsere|unser|vorherige|schriftliche|ausdrückliche)\b|\b(our|its|unserem?|eigenem) (sole |own |freien )?(discretion|ermessen)\b|\b(subject to|needs?|requires?) (our|prior) `)
	untilWe = regexp.MustCompile(`\b(only|nur) (with|after|once|if|when|mit|nach|wenn) (our|we|unserer|unserem|unser|wir)\b|\b(until|unless|bis|sofern|es sei denn) (we|our|wir|unsere)\b`)
	// Whose publishing a sentence is about; what we ourselves do not is no demand.
	oursWords = regexp.MustCompile(`\b(we|wir) ([^ ]+ ){0,4}(never|not|nie|niemals|nicht|keine?n?)\b|\b(never|not|nie|niemals|nicht) ([^ ]+ ){0,2}(we|wir)\b`)
	yourWords = regexp.MustCompile(`\b(you|your|reporters?|finders?|researchers?|whoever|sie|meldende\w*|findende\w*|wer)\b`)
	dataWords = regexp.MustCompile(`\b(personal data|personal information|data of others|other people's data|personenbezogene\w* daten|daten anderer|fremde\w* daten)\b`)
)

// demandsSilence returns the first sentence that demands silence, as it is read; ""
// is a text that may stand. window is how the time that we ask for is written: a
// sentence with it has an end.
func demandsSilence(rendered, window string) string {
	for _, s := range sentences(rendered) {
		low := strings.ToLower(s)
		if silences(low, strings.ToLower(window)) {
			return s
		}
	}
	return ""
}

func silences(s, window string) bool {
	if ndaWords.MatchString(s) { // "no answer without one" says no twice
		twice := withoutIt.MatchString(s) && len(noWords.FindAllString(s, 2)) == 2
		return !noWords.MatchString(s) || demandWords.MatchString(s) || twice
	}
	tell, keep := tellWords.MatchString(s), keepWords.MatchString(s)
	if !tell && !keep || dataWords.MatchString(s) && !everWords.MatchString(s) {
		return false
	}
	if leaveOf.MatchString(s) || untilWe.MatchString(s) && (banWords.MatchString(s) || yourWords.MatchString(s)) {
		return true
	}
	limited := strings.Contains(s, window)
	s = theirs(s)
	tell, keep = tellWords.MatchString(s), keepWords.MatchString(s)
	switch {
	case !tell && !keep:
		return false
	case everWords.MatchString(s):
		return true
	}
	return !limited && tell && banWords.MatchString(s)
}

// theirs is a sentence without the clauses that say what we ourselves do not do.
func theirs(s string) string {
	clauses := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",;:()", r) })
	return strings.Join(slices.DeleteFunc(clauses, oursWords.MatchString), ",")
}

var (
	blockEnds = regexp.MustCompile(`(?i)</?(p|li|ul|ol|h[1-6]|tr|td|th|table|thead|tbody|blockquote|pre|br|hr)\b[^>]*>`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
	ends      = regexp.MustCompile(`[.!?]+(\s|$)|\n\n+`)
)

// sentences are what somebody reads of a page: its text without marks, blocks apart.
func sentences(rendered string) (out []string) {
	text := strings.ReplaceAll(rendered, "\n", " ")
	text = html.UnescapeString(anyTag.ReplaceAllString(blockEnds.ReplaceAllString(text, "\n\n"), ""))
	text = norm.NFKC.String(strings.NewReplacer("’", "'", "‐", "-", "‑", "-", "–", "-").Replace(text))
	for _, s := range ends.Split(text, -1) {
		if s = strings.Join(strings.Fields(s), " "); s != "" {
			out = append(out, s)
		}
	}
	return out
}
