package centre

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode"
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
	words   int
}

func shapeOf(reply string, version int64, text string) shape {
	s := shape{reply: reply, version: version, runs: map[uint64]bool{}}
	for _, piece := range place.Split(text, -1) { // what is filled in breaks no run of the rest
		w := wordsOf(piece)
		s.words += len(w)
		for _, h := range runsOf(w) {
			s.runs[h] = true
		}
	}
	return s
}

// wordsOf are the words of a text without case, marks and quoted lines.
func wordsOf(text string) []string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), ">") {
			kept.WriteString(line)
		}
	}
	return strings.FieldsFunc(strings.ToLower(kept.String()), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
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

// body is an answer's words without the lines that every letter has: the greeting
// and the name below.
func body(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
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

// Measure says how much of an answer stands in canned replies, any version of any, or
// in earlier answers to the same person.
func (l *Library) Measure(text string, earlier []string) Canned {
	words := body(text)
	if len(words) == 0 {
		return Canned{}
	}
	runs := runsOf(words)
	var out Canned
	if l != nil {
		out.Share = shared(words, runs, l.runs)
		best := 0.5
		for _, s := range l.shapes {
			if out.Share < best {
				break
			}
			if n := shared(words, runs, s.runs); n > best {
				best, out.Reply, out.Version = n, s.reply, s.version
			}
		}
	}
	for _, e := range earlier {
		out.Repeats = out.Repeats || len(words) >= run && shared(words, runs, setOf(runsOf(body(e)))) >= CannedFrom
	}
	return out
}

func setOf(list []uint64) map[uint64]bool {
	out := make(map[uint64]bool, len(list))
	for _, h := range list {
		out[h] = true
	}
	return out
}

// shared is the share of the words that stand in runs which a text has too.
func shared(words []string, runs []uint64, have map[uint64]bool) float64 {
	n, end := 0, 0 // words counted, and where the last run ended
	width := min(run, len(words))
	for i, h := range runs {
		if have[h] {
			n += i + width - max(i, end)
			end = i + width
		}
	}
	return float64(n) / float64(len(words))
}
