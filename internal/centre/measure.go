package centre

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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
	text = strings.ToLower(text)
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			text = twins.Replace(strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
					return -1
				}
				return r
			}, norm.NFKD.String(text)))
			return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\u25ca' })
		}
	}
	out := make([]string, 0, len(text)/6+1)
	for i := 0; i < len(text); i++ { // ASCII: most texts, and many times as fast
		from := i
		for i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= '0' && text[i] <= '9') {
			i++
		}
		if i > from {
			out = append(out, text[from:i])
		}
	}
	return out
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

// A Text is one that is read: its lines, with their words.
type Text struct{ lines []line }

type line struct {
	quoted bool // marked as somebody else's
	words  []string
}

// Read reads a text. values are what a reply would be filled in with: they are left open.
func Read(text string, values []string) *Text {
	for _, v := range values {
		if utf8.RuneCountInString(v) >= 3 {
			text = strings.ReplaceAll(text, v, filled)
		}
	}
	t := &Text{}
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if words := wordsOf(l); len(words) > 0 {
			t.lines = append(t.lines, line{l[0] == '>' || l[0] == '|', words})
		}
	}
	return t
}

// Quotes reports whether a text has lines that are marked as somebody else's.
func (t *Text) Quotes() bool {
	return slices.ContainsFunc(t.lines, func(l line) bool { return l.quoted })
}

// Trace is the text by its runs of words.
func (t *Text) Trace() Trace {
	runs := runsOf(joined(t.lines))
	out := make(Trace, len(runs))
	for i, h := range runs {
		out[i] = uint32(h)
	}
	return out
}

func joined(lines []line) (words []string) {
	n := 0
	for _, l := range lines {
		n += len(l.words)
	}
	words = make([]string, 0, n)
	for _, l := range lines {
		words = append(words, l.words...)
	}
	return words
}

// body is an answer's words without the lines that every letter has, the greeting and
// the name below, and without what it quotes of theirs.
func (t *Text) body(theirs []Trace) []string {
	lines := t.lines
	if len(theirs) > 0 && t.Quotes() {
		have := map[uint32]bool{}
		for _, trace := range theirs {
			for _, h := range trace {
				have[h] = true
			}
		}
		lines = slices.DeleteFunc(slices.Clone(lines), func(l line) bool {
			return l.quoted && (len(l.words) < run || shared(l.words, runsOf(l.words), func(h uint64) bool { return have[uint32(h)] }) >= CannedFrom)
		})
	}
	if len(lines) > 1 && lines[0].among(6, greetings) {
		lines = lines[1:]
	}
	for n := 0; n < 3 && len(lines) > 1; n++ {
		last := len(lines) - 1
		if !lines[last].among(5, closings) && !(lines[last-1].among(5, closings) && len(lines[last].words) <= 6) {
			break
		}
		lines = lines[:last]
	}
	return joined(lines)
}

// among reports whether a short line begins with one of the words.
func (l line) among(most int, words []string) bool {
	return len(l.words) <= most && slices.Contains(words, l.words[0])
}

var greetings = []string{"dear", "hello", "hi", "good", "sehr", "liebe", "lieber", "guten", "hallo"}

var closings = []string{"kind", "best", "yours", "regards", "sincerely", "thank", "mit", "freundliche", "viele", "beste", "herzliche"}

// A Trace is a text by its runs of words: small, and quick to compare with. Each run is
// a number of 32 bits: that two are taken for one happens, and never to nine tenths.
type Trace []uint32

// A Sample is an answer to be measured, with what it is measured against.
type Sample struct {
	Text    *Text
	Earlier []Trace // answers to the same person
	Theirs  []Trace // what they wrote: quoting that is no trick
}

// Measure says how much of an answer stands in canned replies, any version of any, or
// in earlier answers to the same person. An answer without a word of its own is canned.
func (l *Library) Measure(s Sample) Canned {
	words := s.Text.body(s.Theirs)
	if len(words) == 0 {
		if len(s.Text.lines) > 0 { // nothing but what they wrote themselves
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
	said := common(runs, s.Earlier)
	out.Repeats = shared(words, runs, func(h uint64) bool { return said[uint32(h)] || l != nil && l.runs[h] }) >= CannedFrom
	return out
}

// common are the runs that stand in one of the traces, and perhaps a few others of the
// traces. Most of a trace are not among the runs, and a glance at 16 bits tells.
func common(runs []uint64, traces []Trace) map[uint32]bool {
	var sieve [1 << 10]uint64
	for _, h := range runs {
		sieve[uint16(h)>>6] |= 1 << (h & 63)
	}
	out := map[uint32]bool{}
	for _, t := range traces {
		for _, h := range t {
			if sieve[uint16(h)>>6]&(1<<(h&63)) != 0 {
				out[h] = true
			}
		}
	}
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
