package security

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/fail"
)

// A Duty is something the law wants by a moment: a word to an authority, or to the
// people whose data it is. The desk knows the clock; what applies to the organisation a
// person decides.
type Duty struct {
	Law  string    `json:"law"`  // "GDPR"
	Name string    `json:"name"` // "Notice to the supervisory authority"
	By   time.Time `json:"by"`
	Done time.Time `json:"done,omitzero"`
	Who  string    `json:"who,omitempty"` // did it, or said why it is not owed
	Why  string    `json:"why,omitempty"`
	Told int       `json:"told,omitempty"`
}

// next is when somebody is told of it: half the time before the end, then the end.
func (d *Duty) next() time.Time {
	switch {
	case !d.Done.IsZero():
		return time.Time{}
	case d.Told == 0:
		return d.By.Add(-12 * time.Hour)
	case d.Told == 1:
		return d.By
	}
	return time.Time{}
}

// A Regime is a law with its clocks.
type Regime struct {
	ID, Name string
	Starts   string // what starts it
	Duties   []Term
}

// Term is a duty and how long after the start it is due.
type Term struct {
	Name  string
	After time.Duration
}

// Regimes are the templates. Their clocks run from the moment somebody here knew.
var Regimes = []Regime{
	{"gdpr", "GDPR, articles 33 and 34", "personal data exposed", []Term{{"Notice to the supervisory authority", 72 * time.Hour}, {"Decide whether the people are told", 72 * time.Hour}}},
	{"cra", "Cyber Resilience Act, article 14", "actively exploited, in a product", []Term{{"Early warning to the CSIRT and ENISA", day}, {"Notification", 72 * time.Hour}, {"Final report", 14 * day}}},
	{"nis2", "NIS 2, article 23", "a significant incident", []Term{{"Early warning", day}, {"Incident notification", 72 * time.Hour}, {"Final report", 30 * day}}},
	{"dora", "DORA, article 19", "a major incident at a financial entity", []Term{{"Initial notification, four hours after it is classified, a day after it is known at the latest", day}, {"Intermediate report", 72 * time.Hour}, {"Final report", 30 * day}}},
}

// ParseLaws reads the regimes that apply to an organisation, with commas between.
func ParseLaws(list string) (out []string, err error) {
	for id := range strings.SplitSeq(list, ",") {
		id = strings.ToLower(strings.TrimSpace(id))
		if id == "" {
			continue
		}
		if !slices.ContainsFunc(Regimes, func(g Regime) bool { return g.ID == id }) {
			return nil, fail.New(fail.Invalid, "%q is none of gdpr, cra, nis2, dora", id)
		}
		out = append(out, id)
	}
	return out, nil
}

// MarkLaw starts the clocks that a mark starts: exposed data those of the GDPR, what is
// exploited the others; as far as the law applies to the organisation. The
// two are the marks before.
func (r *Report) MarkLaw(p *Promises, exploited, exposed bool, now time.Time) {
	for _, id := range p.Laws {
		if id == "gdpr" && r.Exposed && !exposed || id != "gdpr" && r.Exploited && !exploited {
			r.StartLaw(id, now)
		}
	}
}

// AsksLaw reports whether a mark is set that may have started a duty by law, and nobody
// has said yet which.
func (r *Report) AsksLaw() bool { return (r.Exposed || r.Exploited) && len(r.Law) == 0 }

// StartLaw starts the clocks of a regime at the moment somebody knew; those that run
// already stay.
func (r *Report) StartLaw(id string, knew time.Time) bool {
	for _, g := range Regimes {
		if g.ID != id {
			continue
		}
		for _, d := range r.Law {
			if d.Law == g.ID {
				return true
			}
		}
		for _, t := range g.Duties {
			r.Law = append(r.Law, Duty{Law: g.ID, Name: t.Name, By: knew.Add(t.After)})
		}
		return true
	}
	return false
}

// DoneLaw notes that a duty was done, or why it is not owed.
func (r *Report) DoneLaw(n, by, why string, now time.Time) error {
	i, err := strconv.Atoi(n)
	if err != nil || i < 0 || i >= len(r.Law) || !r.Law[i].Done.IsZero() {
		return fail.New(fail.Invalid, "choose what was done")
	}
	if len(why) < 5 {
		return fail.New(fail.Invalid, "say what was done, or why it is not owed")
	}
	r.Law[i].Done, r.Law[i].Who, r.Law[i].Why = now, by, why
	return nil
}
