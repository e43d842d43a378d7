package centre

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Canned is how much of an answer somebody did not write for this person: it counts
// as canned from nine tenths on, however it got into the answer.
type Canned struct {
	Share   float64 // of its words, 0 to 1
	Reply   string  // the canned reply that most of it is of; empty: none
	Version int64
	Repeats bool // nine tenths stood in an earlier answer
}

// CannedFrom is the share from which an answer counts as canned.
const CannedFrom = 0.9

// Is reports whether it counts as canned.
func (c Canned) Is() bool { return c.Share >= CannedFrom || c.Repeats }

// run is how many words in a row have to agree. Shorter ones agree by chance.
const run = 4

var seed = maphash.MakeSeed()

// shape is a text by its runs of words.
type shape struct {
	reply   string
	version int64
	runs    map[uint64]bool
}

// filled stands for whatever was filled in, in what is compared.
const filled = " \u25ca "

func shapeOf(reply string, version int64, text string) shape {
	s := shape{reply: reply, version: version, runs: map[uint64]bool{}}
	for _, h := range runsOf(wordsOf(place.ReplaceAllString(text, filled))) {
		s.runs[h] = true
	}
	return s
}

// twins are letters of other alphabets that look like ours: a text that nobody can tell
// apart is the same.
var twins = strings.NewReplacer("а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "у", "y", "х", "x", "і", "i", "ј", "j", "ѕ", "s", "һ", "h", "ԁ", "d", "ո", "n", "α", "a", "ο", "o", "ν", "v", "ρ", "p", "τ", "t", "ι", "i", "κ", "k", "υ", "u", "χ", "x", "к", "k", "м", "m", "т", "t", "в", "b", "н", "h", "ı", "i", "ɑ", "a", "ɡ", "g")

// wordsOf are the words of a text without case and marks, as an eye sees them.
func wordsOf(text string) []string {
	plain := true
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			plain = false
			break
		}
	}
	text = strings.ToLower(text)
	if !plain {
		text = twins.Replace(strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, norm.NFKD.String(text)))
	}
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\u25ca' })
}

// runsOf hashes each run of four words; of fewer words, all of them.
func runsOf(words []string) []uint64 {
	if len(words) == 0 {
		return nil
	}
	n := min(run, len(words))
	each := make([]uint64, len(words))
	for i, w := range words {
		each[i] = maphash.String(seed, w)
	}
	out := make([]uint64, 0, len(words)-n+1)
	for i := 0; i+n <= len(words); i++ {
		h := uint64(n)
		for _, w := range each[i : i+n] {
			h = bits.RotateLeft64(h, 23)*0x9e3779b97f4a7c15 ^ w
		}
		out = append(out, h)
	}
	return out
}

// body is an answer's words without the lines that every letter has, the greeting and
// the name below, and without what it quotes of theirs.
func body(text string, theirs []Trace) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if bare := strings.TrimLeft(line, "> |"); bare != line && len(theirs) > 0 {
			w := wordsOf(bare)
			if len(w) < run || shared(w, runsOf(w), func(h uint64) bool { return slices.ContainsFunc(theirs, func(t Trace) bool { return t.has(h) }) }) >= CannedFrom {
				continue
			}
			line = bare
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > 1 && greets(lines[0]) {
		lines = lines[1:]
	}
	for n := 0; n < 3 && len(lines) > 1; n++ {
		last := len(lines) - 1
		if !closes(lines[last]) && !(closes(lines[last-1]) && len(wordsOf(lines[last])) <= 6) {
			break
		}
		lines = lines[:last]
	}
	return wordsOf(strings.Join(lines, "\n"))
}

var greetings = []string{"dear", "hello", "hi", "good", "sehr", "liebe", "lieber", "guten", "hallo"}

func greets(line string) bool {
	w := wordsOf(line)
	return len(w) > 0 && len(w) <= 6 && slices.Contains(greetings, w[0])
}

var closings = []string{"kind", "best", "yours", "regards", "sincerely", "thank", "mit", "freundliche", "viele", "beste", "herzliche"}

func closes(line string) bool {
	w := wordsOf(line)
	return len(w) > 0 && len(w) <= 5 && slices.Contains(closings, w[0])
}

// A Trace is a text by its runs of words, in order: small, and quick to compare with.
type Trace []uint64

// TraceOf is the trace of a text, with what a reply would be filled in with left open.
func TraceOf(text string, values []string) Trace {
	t := runsOf(wordsOf(opened(text, values)))
	slices.Sort(t)
	return t
}

func (t Trace) has(h uint64) bool { _, ok := slices.BinarySearch(t, h); return ok }

// opened puts the mark of what is filled in where such a value stands.
func opened(text string, values []string) string {
	for _, v := range values {
		if len([]rune(v)) >= 3 {
			text = strings.ReplaceAll(text, v, filled)
		}
	}
	return text
}

// A Sample is an answer to be measured, with what it is measured against.
type Sample struct {
	Text    string
	Earlier []Trace  // answers to the same person
	Theirs  []Trace  // what they wrote: quoting that is no trick
	Filled  []string // what a reply would be filled in with in this case
}

// Quotes reports whether a text has lines that are marked as somebody else's.
func Quotes(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.TrimLeft(line, "> |") != line {
			return true
		}
	}
	return false
}

// Measure says how much of an answer stands in canned replies, any version of any, or
// in earlier answers to the same person. An answer without a word of its own is canned.
func (l *Library) Measure(s Sample) Canned {
	words := body(opened(s.Text, s.Filled), s.Theirs)
	if len(words) == 0 {
		if len(wordsOf(s.Text)) > 0 { // nothing but what they wrote themselves
			return Canned{Share: 1}
		}
		return Canned{}
	}
	runs := runsOf(words)
	var out Canned
	if l != nil {
		out.Share = shared(words, runs, func(h uint64) bool { return l.runs[h] })
		best := 0.5
		for _, s := range l.shapes {
			if out.Share < best {
				break
			}
			if n := shared(words, runs, func(h uint64) bool { return s.runs[h] }); n > best {
				best, out.Reply, out.Version = n, s.reply, s.version
			}
		}
	}
	if len(words) < run || len(s.Earlier) == 0 || out.Is() {
		return out
	}
	out.Repeats = shared(words, runs, func(h uint64) bool {
		return l != nil && l.runs[h] || slices.ContainsFunc(s.Earlier, func(t Trace) bool { return t.has(h) })
	}) >= CannedFrom
	return out
}

// shared is the share of the words that stand in runs which are somewhere else too.
func shared(words []string, runs []uint64, have func(uint64) bool) float64 {
	n, end := 0, 0 // words counted, and where the last run ended
	width := min(run, len(words))
	for i, h := range runs {
		if have(h) {
			n += i + width - max(i, end)
			end = i + width
		}
	}
	return float64(n) / float64(len(words))
}
