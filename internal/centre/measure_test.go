package centre

import (
	"fmt"
	"strings"
	"testing"
)

func library(texts ...string) *Library {
	l := &Library{runs: map[uint64]bool{}}
	for n, t := range texts {
		s := shapeOf(fmt.Sprintf("r%d", n), 1, t)
		l.shapes = append(l.shapes, s)
		for h := range s.runs {
			l.runs[h] = true
		}
	}
	return l
}

const (
	opening = "Dear {name},\n\nwe are open from Monday to Friday, nine to five, except on public holidays. You find us at Quay Street 4.\n\nKind regards\n{agent}"
	secure  = "Our site is secure. We use the newest technology, and your data is protected at any time."
)

func TestMeasure(t *testing.T) {
	l := library(opening, secure)
	filled := strings.NewReplacer("{name}", "Ada Brandt", "{agent}", "Mara Stein").Replace(opening)
	for _, c := range []struct {
		name, text string
		canned     bool
		reply      string
	}{
		{"as it is", filled, true, "r0"},
		{"in capitals and without marks", strings.ToUpper(strings.ReplaceAll(filled, ",", "")), true, "r0"},
		{"with the mail quoted below", filled + "\n\n> When are you open? I have a long question about many things, and nobody answers it.\n> Ada", true, "r0"},
		{"two of them", strings.ReplaceAll(filled, "\n\nKind regards\nMara Stein", "") + "\n\n" + secure, true, "r0"},
		{"with another greeting and name", "Hallo Frau Brandt,\n\n" + secure + "\n\nMit freundlichen Grüßen\nIvo Keller", true, "r1"},
		{"a sentence of one's own", secure + "\n\nBut you are right about the second page; I have asked for it to be changed, and will write to you on Friday.", false, ""},
		{"own words", "I looked at it myself, and the page is open. It is closed from this evening on.", false, ""},
		{"a word in common", "You find us in the second house, not in the first.", false, ""},
		{"nothing", "", false, ""},
		{"two words", "Thank you.", false, ""},
	} {
		got := l.Measure(Sample{Text: Read(c.text, []string{"Ada Brandt", "Mara Stein"}), Theirs: []Trace{Read("When are you open? I have a long question about many things, and nobody answers it.\nAda", nil).Trace()}})
		if got.Is() != c.canned || c.canned && got.Reply != c.reply {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	own := "I looked at it myself, and the page is open. It is closed from this evening on."
	for text, want := range map[string]bool{own: true, "Dear Ada,\n\n" + own + "\n\nKind regards\nMara": true, "Yes.": false, own + " And tomorrow I look again, because one of the servers was slow to follow.": false} {
		if got := l.Measure(Sample{Text: Read(text, nil), Earlier: []Trace{Read("Something else entirely, said before.", nil).Trace(), Read(own, nil).Trace()}}); got.Is() != want {
			t.Errorf("%q repeats: %+v", text, got)
		}
	}
	var none *Library
	if none.Measure(Sample{Text: Read(own, nil)}).Is() {
		t.Error("without a library everything is canned")
	}
}

func BenchmarkMeasure(b *testing.B) {
	var texts []string
	for n := range 500 {
		texts = append(texts, fmt.Sprintf("Reply %d. ", n)+strings.Repeat(fmt.Sprintf("word%d and some more of %d, ", n, n*7), 20))
	}
	l := library(texts...)
	answer := strings.Repeat("an answer of ten kilobytes, in the words of whoever wrote it; ", 160)
	earlier := []Trace{Read(answer+"x", nil).Trace(), Read(answer+"y", nil).Trace()}
	b.ReportAllocs()
	for b.Loop() {
		l.Measure(Sample{Text: Read(answer, nil), Earlier: earlier})
	}
}
