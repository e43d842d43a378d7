// Package recognise says what a text is about that somebody wrote to the desk, by
// whatever door: a security report, a taken-over account, a question about a suspicious
// mail, a question about security, something ordinary, or spam.
//
// Rules look first, over lists of words in four languages; a linear model second,
// trained on a set of our own (folder train); the links in the text third. It errs
// towards yes: a person looks at what any of them flags, and what is flagged no script
// answers.
package recognise

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Class is what a text is about.
type Class string

const (
	Report     Class = "security_report"
	Compromise Class = "account_compromise"
	Phishing   Class = "phishing_question"
	Question   Class = "security_question"
	Ordinary   Class = "ordinary"
	Spam       Class = "spam"
)

// Classes are all, in the order of the model's columns.
var Classes = []Class{Report, Compromise, Phishing, Question, Ordinary, Spam}

// Names says a class to those who work here.
var Names = map[Class]string{
	Report: "a security report", Compromise: "an account that somebody took over", Phishing: "a question about a suspicious message",
	Question: "a question about security", Ordinary: "something ordinary", Spam: "spam",
}

// An Input is a text, and what is known beside it.
type Input struct {
	Text     string
	Door     string   // "mail", "form", "survey", "phone", ...; empty is as good as mail
	Previous []string // what was said before in the same matter, ours and theirs, oldest first
	Own      []string // hosts and domains of the organisation
}

// A Spot is a part of the text that fired, in bytes.
type Spot struct{ From, To int }

// A Verdict is what the recogniser thinks, and why.
type Verdict struct {
	Class   Class
	Score   float64 // how likely it is a security report, 0 to 1, by the model
	Flagged bool    // a person who is qualified must look
	Reasons []string
	Spots   []Spot // in order, without overlap
}

// Limits of how much of a text is read: its beginning and its end. In between nobody
// writes more than they quote.
const (
	headBytes = 6 << 10
	tailBytes = 4 << 10
)

// Thresholds of the model's score, chosen with an eye on the sets that were held back: a
// report that is missed is the worst that can happen, a false alarm costs somebody ten
// seconds.
const (
	certain = 0.40 // flagged by the model alone
	passing = 0.90 // flagged for one passage of a longer text
)

// Look judges a text.
func Look(in *Input) Verdict {
	r := read(in.Text)
	defer r.close()
	said := r.own()
	h := r.match(said)
	h.previous(in.Previous)
	m := model()
	near, bits := ends(said, h.bits, firstWords, lastWords)
	p := m.probabilities(r.features(near, &hits{h.fired, bits, h.denied, h.answered}, in.Door))
	v := Verdict{Score: p[0], Class: Classes[best(p[:])]}
	if why, s := ownPlain(in.Text, in.Own); why != "" {
		v.flag(why, s)
	}
	for _, f := range h.fired {
		if f.rule.strong {
			v.flag(f.rule.why, Spot{int(said[f.from].from), int(said[f.to].to)})
		}
	}
	byModel := v.Score >= certain
	if !byModel {
		if s, score, ok := m.passage(r, near, bits, in.Door); ok {
			v.Score, byModel = max(v.Score, score), true
			v.Spots = append(v.Spots, s)
		}
	}
	if byModel {
		v.flag(fmt.Sprintf("reads like one: %d of 100", int(math.Round(100*v.Score))), m.telling(r, near)...)
	}
	if !v.Flagged && v.Class == Report { // the model is not sure, and takes it for nothing else either
		v.flag("reads like one more than like anything else")
	}
	if v.Flagged && v.Class == Ordinary { // what fired is right nine times of ten
		v.Class = Report
	}
	v.Spots = tidy(v.Spots)
	return v
}

func (v *Verdict) flag(why string, spots ...Spot) {
	v.Flagged = true
	if !slices.Contains(v.Reasons, why) {
		v.Reasons = append(v.Reasons, why)
	}
	v.Spots = append(v.Spots, spots...)
}

// tidy sorts spots and joins those that touch.
func tidy(list []Spot) (out []Spot) {
	slices.SortFunc(list, func(a, b Spot) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	for _, s := range list {
		if n := len(out); n > 0 && s.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

func best(p []float64) (n int) {
	for i := range p {
		if p[i] > p[n] {
			n = i
		}
	}
	return n
}
