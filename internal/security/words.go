package security

import (
	"slices"

	"postern/internal/staff"
)

// A Word is what somebody is told about a report: what happened, and to whom it
// matters. It holds nothing of what they wrote.
type Word struct {
	What  What
	Clock ClockName
	Law   string
	State State
	To    []staff.Person
}

// What happened.
type What string

const (
	WordFlagged  What = "flagged"  // somebody qualified must look
	WordStruck   What = "struck"   // a clock has run out
	WordLaw      What = "law"      // the law wants a word soon
	WordRed      What = "red"      // a probe is red: it is back
	WordBlind    What = "blind"    // a probe sees nothing any more
	WordFrozen   What = "frozen"   // they demand money for silence
	WordAppeal   What = "appeal"   // they appeal
	WordAnswered What = "answered" // they answered a question
	WordRemind   What = "remind"   // to them: we still wait
	WordClosed   What = "closed"   // to them: closed without an answer, and how to go on
	WordWrote    What = "wrote"    // they wrote about one that is over
	WordMoved    What = "moved"    // to them: it has come further
	WordDecided  What = "decided"  // to them: their appeal is answered
	WordChanged  What = "changed"  // to them: a day that we promised moves, and why
	WordReopened What = "reopened" // to them: it is back, and worked on again
)

// stated is what they hear of when it changes, though the report stays where it is.
type stated struct {
	decided       bool // their appeal
	days, publish int  // how often a promised day moved
	not           bool // nothing is published
}

func (r *Report) stated() stated {
	return stated{r.Appeal != nil && !r.Appeal.Done.IsZero(), len(r.Changes), len(r.Disclosure.Changes), r.Disclosure.Not != ""}
}

// OnPage reports whether a report was made by who holds the receipt of its case: by form or
// through a system of ours, on the case page, or in a survey. There they read all of it.
func (r *Report) OnPage() bool {
	return r.Door == "form" || r.Door == "api" || r.Door == "page" || r.Door == "survey"
}

// Says is what they must read of us in our own words, besides how far it has come: what
// we ask them, why it ended, what came of their appeal, why a day moved.
func (r *Report) Says(w Word) (kind string, lines []string) {
	switch {
	case w.What == WordDecided && r.Appeal != nil:
		return "answer", []string{r.Appeal.Answer}
	case w.What == WordChanged && r.Disclosure.Not != "":
		return "unpublished", []string{r.Disclosure.Not}
	case w.What == WordChanged:
		newest := Change{}
		for _, c := range slices.Concat(r.Changes, r.Disclosure.Changes) {
			if c.At.After(newest.At) {
				newest = c
			}
		}
		return "changed", []string{newest.To.Format("2006-01-02") + ": " + newest.Why}
	case r.State == NeedsInfo && (w.What == WordMoved || w.What == WordRemind):
		for _, q := range r.Questions {
			if q.Answered.IsZero() {
				lines = append(lines, q.Text)
			}
		}
		return "questions", lines
	case r.State.IsExit() && w.What == WordMoved && r.Reason != "":
		return "reason", []string{r.Reason}
	}
	return "", nil
}
