package security

import (
	"regexp"
	"strings"
	"time"

	"postern/internal/fail"
)

// Disclosure is how it is published. The default is a plain note: what was wrong, what
// was done, the days.
type Disclosure struct {
	Day       time.Time `json:"day,omitzero"` // planned; the clock's target where nobody planned
	Text      string    `json:"text,omitempty"`
	Hidden    string    `json:"hidden,omitempty"` // what is left out, and why
	CVE       string    `json:"cve,omitempty"`
	Product   string    `json:"product,omitempty"` // where a product is affected: then there is an advisory
	Credit    string    `json:"credit,omitempty"`  // the name they want to be thanked under
	CreditAt  time.Time `json:"credit_at,omitzero"`
	Published time.Time `json:"published,omitzero"`
	Advisory  string    `json:"advisory,omitempty"` // its id
	Not       string    `json:"not,omitempty"`      // why nothing is published
	Changes   []Change  `json:"changes,omitempty"`
}

// Open reports whether it is not settled.
func (d *Disclosure) Open() bool { return d.Published.IsZero() && d.Not == "" }

// Plan sets the day of publication. A later one takes a reason, and notice of fourteen
// days before the day that was promised, or their yes.
func (r *Report) Plan(to time.Time, why string, agreed bool, by Actor, now time.Time) error {
	c := r.Running(ClockPublish)
	switch {
	case !by.qualified():
		return fail.New(fail.Denied, "that takes somebody who is qualified to triage")
	case c == nil:
		return fail.New(fail.Conflict, "nothing is to be published")
	case to.Before(now):
		return fail.New(fail.Invalid, "that day is over")
	}
	was := c.Target
	if !r.Disclosure.Day.IsZero() {
		was = r.Disclosure.Day
	}
	if to.After(was) {
		if len(strings.TrimSpace(why)) < 10 {
			return fail.New(fail.Invalid, "say why it is published later; they read it")
		}
		if now.After(was.Add(-changeNotice)) && !agreed {
			return fail.New(fail.Conflict, "a later day takes fourteen days' notice, and it is due on %s; agree it with them and say so, or publish", was.Format("2 January 2006"))
		}
		r.Disclosure.Changes = append(r.Disclosure.Changes, Change{From: was, To: to, Why: why, Agreed: agreed, By: by.ID, At: now})
	}
	r.Disclosure.Day, c.Target, c.Limit, c.Missed = to, to, to, 0
	return nil
}

// PublishNot settles that nothing is published, with the reason.
func (r *Report) PublishNot(why string, by Actor, now time.Time) error {
	if !by.qualified() {
		return fail.New(fail.Denied, "that takes somebody who is qualified to triage")
	}
	if len(strings.TrimSpace(why)) < 10 {
		return fail.New(fail.Invalid, "say why nothing is published; they read it")
	}
	r.Disclosure.Not = why
	r.void(now, ClockPublish)
	return nil
}

// callsAway finds what leads readers of a name somewhere: a number to call, a site.
var callsAway = regexp.MustCompile(`(?i)[0-9][0-9 ().-]{3,}|[a-z0-9-]{2,}\.[a-z]{2,}`)

// SetCredit notes under which name they want to be thanked; none takes the wish back.
func (r *Report) SetCredit(name string, now time.Time) error {
	name = strings.Join(strings.Fields(name), " ")
	// It stands on a page of ours: it is a name, and calls nobody anywhere.
	if len(name) > 120 || strings.ContainsAny(name, "<>\x00@/:\\") || callsAway.MatchString(name) {
		return fail.New(fail.Invalid, "write a name of up to 120 letters, without addresses, links and numbers")
	}
	r.Disclosure.Credit, r.Disclosure.CreditAt = name, now
	if name == "" {
		r.Disclosure.CreditAt = time.Time{}
	}
	return nil
}
