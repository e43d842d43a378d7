package security

import (
	"time"

	"postern/internal/fail"
	"postern/internal/hours"
)

// Promises are the times the organisation gives itself, in days; they stand on the
// policy page. Working days are those of its calendar.
type Promises struct {
	Calendar *hours.Hours

	Look     int    // hours of work until a flagged case is looked at
	First    int    // working days until a person's first word
	Assess   int    // working days until it is assessed
	Update   int    // days between two words of ours
	Fix      [4]int // days for critical, high, medium, low
	Reward   int    // working days after it was verified
	Publish  int    // days from the report to its publication
	Appeal   int    // working days until an appeal is answered
	AskAgain int    // working days to ask for a retest once it is fixed

	Rewards Rewards  // what is paid
	Laws    []string // regimes that apply to the organisation: a mark starts their clocks by itself
}

// Standard are the times that apply where the organisation sets none.
func Standard(c *hours.Hours) Promises {
	return Promises{Calendar: c, Look: 4, First: 1, Assess: 5, Update: 14, Fix: [4]int{3, 14, 60, 90}, Reward: 5, Publish: 90, Appeal: 3, AskAgain: 3}
}

// Check refuses times that are longer than what is proper: whoever promises less
// promises nothing.
func (p *Promises) Check() error {
	for _, x := range []struct {
		name       string
		value, max int
	}{
		{"a look at a flagged case, in hours of work", p.Look, 8}, {"the first word of a person, in working days", p.First, 3}, {"the assessment, in working days", p.Assess, 7},
		{"a word while it is open, in days", p.Update, 14}, {"the fix of what is critical, in days", p.Fix[0], 14}, {"the fix of what is high, in days", p.Fix[1], 30},
		{"the fix of what is medium, in days", p.Fix[2], 90}, {"the fix of what is low, in days", p.Fix[3], 90}, {"the reward, in working days", p.Reward, 20},
		{"publication, in days", p.Publish, 120}, {"the answer to an appeal, in working days", p.Appeal, 5}, {"asking for a retest, in working days", p.AskAgain, 5},
	} {
		if x.value < 1 || x.value > x.max {
			return fail.New(fail.Invalid, "%s: between 1 and %d, not %d", x.name, x.max, x.value)
		}
	}
	return nil
}

// table is what is paid now, to be kept with a report; without rows: no money.
func (p *Promises) table() *Rewards {
	t := p.Rewards
	return &t
}

// FixDays is how long a fix may take.
func (p *Promises) FixDays(s Severity) int {
	for i, x := range Severities {
		if x == s {
			return p.Fix[i]
		}
	}
	return p.Fix[0] // what nobody rated is the worst
}

const day = 24 * time.Hour

// limits that no setting moves.
const (
	lookLimit    = 1        // working days
	firstLimit   = 3        // working days
	assessLimit  = 7 * day  //
	retestWait   = 14 * day // then our own retest suffices
	firstRemind  = 7 * day  //
	secondRemind = 14 * day //
	infoWait     = 30 * day // then it is closed without penalty
	changeNotice = 14 * day // before another day of publication
)

// AppealWindow is how long they can appeal.
const AppealWindow = 30 * day
