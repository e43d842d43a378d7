package security

import (
	"slices"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/fail"
)

// Wrote counts a word of theirs, by any door.
func (r *Report) Wrote(p *Promises, now time.Time) {
	r.Came = max(r.Came, r.Contacts) + 1
	if r.Qualified.IsZero() || r.State == Dismissed {
		r.Contacts++
	}
	r.Proposal = nil // it was made without what they write now
	if r.State.Open() && r.State != NeedsInfo && r.Running(ClockFirst) == nil && r.State != Flagged {
		// A word while it is worked on is answered within the time of an update; asking
		// for news shortens it to that of a first word.
		if c := r.Running(ClockUpdate); c != nil {
			if sooner := p.Calendar.Days(now, firstLimit); sooner.Before(c.Target) {
				c.Target, c.Limit = sooner, sooner
			}
		}
	}
}

// Spoke counts a word of ours that a person wrote in their own words and sent. Nothing
// else stops the clock of the first word: no script, no repeat, no program. qualified:
// whoever wrote it may triage.
func (r *Report) Spoke(p *Promises, m cases.MessageID, qualified bool, now time.Time) {
	k := Counted{Message: m, At: now, First: r.Running(ClockFirst) != nil, FirstEver: r.FirstReply.IsZero(), Qualified: qualified && r.Qualified.IsZero(), Heard: r.Heard}
	if k.FirstEver {
		r.FirstReply = now
	}
	if k.Qualified {
		r.Qualified = now
	}
	r.Heard = now
	r.met(ClockFirst, now)
	if c := r.Running(ClockUpdate); c != nil && r.State != NeedsInfo {
		k.Update = c.From
		r.met(ClockUpdate, now)
		r.startUpdate(p, now)
	}
	const kept = 8
	r.Counted = append(r.Counted, k)
	r.Counted = r.Counted[max(0, len(r.Counted)-kept):]
}

// Unspoke takes that back, of a word that never reached them: the clocks run from when
// they ran.
func (r *Report) Unspoke(m cases.MessageID) bool {
	n := slices.IndexFunc(r.Counted, func(k Counted) bool { return k.Message == m })
	if n < 0 || m == "" {
		return false
	}
	k := r.Counted[n]
	newest := n == len(r.Counted)-1
	r.Counted = slices.Delete(slices.Clone(r.Counted), n, n+1)
	if !newest { // they heard from us since
		return false
	}
	r.Heard = k.Heard
	if k.FirstEver {
		r.FirstReply = time.Time{}
	}
	if k.Qualified {
		r.Qualified = time.Time{}
	}
	for i := range r.Clocks {
		c := &r.Clocks[i]
		switch {
		case c.Name == ClockFirst && k.First && c.Met.Equal(k.At), c.Name == ClockUpdate && c.From.Equal(k.Update) && c.Met.Equal(k.At):
			c.Met = time.Time{}
		case c.Name == ClockUpdate && !k.Update.IsZero() && c.From.Equal(k.At) && c.Runs():
			c.Void = k.At
		}
	}
	return true
}

// Ask asks them something. A question is one that they can answer; "please provide a
// proof of concept" is none.
func (r *Report) Ask(questions []string, now time.Time) error {
	for _, q := range questions {
		if q = strings.TrimSpace(q); len(q) < 15 || idle(q) {
			return fail.New(fail.Invalid, "%q is no question that somebody can answer: ask for one thing that you need to know, such as which page it was", clip(q))
		}
	}
	if len(questions) == 0 || len(questions) > 12 {
		return fail.New(fail.Invalid, "ask between one and twelve questions")
	}
	for _, q := range questions {
		r.Questions = append(r.Questions, Question{Text: strings.TrimSpace(q), Asked: now})
	}
	return nil
}

// idle finds the question that asks for nothing in particular.
func idle(q string) bool {
	q = strings.ToLower(q)
	for _, s := range []string{"proof of concept", "poc", "more information", "more details", "mehr informationen", "weitere informationen", "exploit code"} {
		if rest := strings.TrimSpace(strings.Replace(q, s, "", 1)); rest != q && len(strings.Fields(rest)) <= 5 {
			return true
		}
	}
	return false
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// Answer notes what they answered to a question.
func (r *Report) Answer(n int, text string, now time.Time) error {
	if n < 0 || n >= len(r.Questions) || !r.Questions[n].Answered.IsZero() {
		return fail.New(fail.Conflict, "this question is answered already")
	}
	if strings.TrimSpace(text) == "" {
		return fail.New(fail.Invalid, "write an answer; “I do not know” is one")
	}
	r.Questions[n].Answer, r.Questions[n].Answered = text, now
	return nil
}

func (r *Report) unanswered() (n int) {
	for _, q := range r.Questions {
		if q.Answered.IsZero() {
			n++
		}
	}
	return n
}

// Appeals notes that they do not agree with how it ended: once, within thirty days.
func (r *Report) Appeals(p *Promises, text string, now time.Time) error {
	switch {
	case !r.State.IsExit():
		return fail.New(fail.Conflict, "there is nothing to appeal against: it is being worked on, or it was fixed")
	case r.Appeal != nil:
		return fail.New(fail.Conflict, "you have appealed already; who answers it is another person than before")
	case now.After(r.Exited.Add(AppealWindow)):
		return fail.New(fail.Conflict, "the thirty days for an appeal are over; write to us all the same, and a person reads it")
	case len(strings.TrimSpace(text)) < 10:
		return fail.New(fail.Invalid, "say in a few words what we got wrong")
	}
	r.Appeal = &Appeal{Text: text, At: now, Exit: r.State, Closers: r.Exiters}
	at := p.Calendar.Days(now, p.Appeal)
	r.start(ClockAppeal, now, at, at)
	return nil
}

// DecideAppeal answers the appeal; who closed the report does not. Upheld, the caller
// moves it back to Assessing.
func (r *Report) DecideAppeal(by Actor, upheld bool, answer string, now time.Time) error {
	switch {
	case r.Appeal == nil || !r.Appeal.Done.IsZero():
		return fail.New(fail.Conflict, "there is no appeal to answer")
	case !by.qualified() || slices.Contains(r.Appeal.Closers, by.ID):
		return fail.New(fail.Denied, "an appeal is answered by somebody else than who closed the report")
	case len(strings.TrimSpace(answer)) < 20:
		return fail.New(fail.Invalid, "answer them in your own words")
	}
	r.Appeal.By, r.Appeal.Upheld, r.Appeal.Answer, r.Appeal.Done = by.ID, upheld, answer, now
	r.met(ClockAppeal, now)
	if !upheld && r.State != AcceptedRisk { // closed in a while, if nobody says more
		r.void(now, ClockExit)
		r.start(ClockExit, now, now.Add(7*day), now.Add(7*day))
	}
	return nil
}

// SayRetest notes what a retest found: by "reporter", or by somebody here who did not
// fix it.
func (r *Report) SayRetest(by, noter string, gone bool, notes string, now time.Time) error {
	switch {
	case r.State != Retest:
		return fail.New(fail.Conflict, "nothing waits for a retest")
	case by == "reporter" && noter == "" && len(r.Retests) > 0 && r.Retests[len(r.Retests)-1].By == by && r.Retests[len(r.Retests)-1].At.After(r.Asked):
		return fail.New(fail.Conflict, "you have told us already; thank you")
	case by == r.Fixer || noter == r.Fixer && noter != "":
		return fail.New(fail.Conflict, "who fixed it does not retest it")
	case !gone && strings.TrimSpace(notes) == "":
		return fail.New(fail.Invalid, "say what is still to be seen")
	}
	if c := r.Running(ClockRetest); gone && by != "reporter" && c != nil && c.Missed == 0 {
		return fail.New(fail.Conflict, "they have until %s to look themselves; our own look suffices after that", c.Target.Format("2 January 2006"))
	}
	r.Retests = append(r.Retests, RetestSay{By: by, Noter: noter, Gone: gone, Notes: notes, At: now})
	return nil
}

// gone reports whether the newest retest found it gone, and was not by who fixed it.
func (r *Report) gone() bool {
	if len(r.Retests) == 0 {
		return false
	}
	last := r.Retests[len(r.Retests)-1]
	return last.Gone && last.By != r.Fixer
}
