package security

import (
	"slices"
	"time"
)

// ClockName says what a clock waits for.
type ClockName string

const (
	ClockLook    ClockName = "look"    // somebody qualified looks at what is flagged
	ClockFirst   ClockName = "first"   // a person's first word
	ClockAssess  ClockName = "assess"  // it is assessed
	ClockUpdate  ClockName = "update"  // they hear from us again
	ClockFix     ClockName = "fix"     // it is fixed
	ClockAsk     ClockName = "ask"     // they are asked to retest
	ClockRetest  ClockName = "retest"  // somebody retested
	ClockInfo    ClockName = "info"    // they answer; ours does not run meanwhile
	ClockReward  ClockName = "reward"  // the reward is decided
	ClockPublish ClockName = "publish" // it is published
	ClockAppeal  ClockName = "appeal"  // the appeal is answered
	ClockRisk    ClockName = "risk"    // the accepted risk is looked at again
	ClockExit    ClockName = "exit"    // they may appeal; then it is closed
)

// A Clock runs from its start until it is met, or until nobody waits any more.
type Clock struct {
	Name   ClockName `json:"name"`
	From   time.Time `json:"from"`
	Target time.Time `json:"target"`         // what we promise
	Limit  time.Time `json:"limit"`          // then the next rung is called; never before the target
	Met    time.Time `json:"met,omitzero"`   // when it was kept, late or not
	Void   time.Time `json:"void,omitzero"`  // when nobody waited any more
	Missed int       `json:"missed"`         // how often it was called out: at the target, at the limit
	Paused time.Time `json:"pause,omitzero"` // since when it stands still
}

// Runs reports whether somebody waits for it.
func (c *Clock) Runs() bool { return c.Met.IsZero() && c.Void.IsZero() }

// Next is when somebody is told of it next; zero: not again.
func (c *Clock) Next() time.Time {
	switch {
	case !c.Runs() || !c.Paused.IsZero():
		return time.Time{}
	case c.Missed == 0:
		return c.Target
	case c.Missed == 1:
		return c.Limit
	}
	return time.Time{}
}

// Running returns the clock of that name that runs; nil: none does.
func (r *Report) Running(name ClockName) *Clock {
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Name == name && c.Runs() {
			return c
		}
	}
	return nil
}

func (r *Report) start(name ClockName, from, target, limit time.Time) {
	if r.Running(name) != nil {
		return
	}
	if limit.Before(target) {
		limit = target
	}
	r.Clocks = append(r.Clocks, Clock{Name: name, From: from, Target: target, Limit: limit})
}

func (r *Report) met(name ClockName, now time.Time) {
	if c := r.Running(name); c != nil {
		c.Met = now
	}
}

// again gives a clock that could do nothing a further week.
func (r *Report) again(name ClockName, now time.Time) {
	if c := r.Running(name); c != nil {
		c.Target, c.Limit, c.Missed = now.Add(7*day), now.Add(7*day), 0
	}
}

func (r *Report) void(now time.Time, names ...ClockName) {
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Runs() && slices.Contains(names, c.Name) {
			c.Void = now
		}
	}
}

// pause holds our clocks while we wait for them; resume lets them run on, later by as
// long as they stood.
func (r *Report) pause(now time.Time, names ...ClockName) {
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Runs() && c.Paused.IsZero() && slices.Contains(names, c.Name) {
			c.Paused = now
		}
	}
}

func (r *Report) resume(now time.Time) {
	for i := range r.Clocks {
		c := &r.Clocks[i]
		if c.Paused.IsZero() || c.Name == ClockReward && r.Extortion {
			continue
		}
		d := now.Sub(c.Paused)
		c.Target, c.Limit, c.Paused = c.Target.Add(d), c.Limit.Add(d), time.Time{}
	}
}

// Freeze marks that money is demanded for silence: the reward stands still, and so does
// the promise to decide it. Thaw takes the mark away.
func (r *Report) Freeze(now time.Time) {
	r.Extortion = true
	r.pause(now, ClockReward)
}

func (r *Report) Thaw(now time.Time) {
	if r.Extortion = false; r.State != NeedsInfo { // then it waits with the others
		r.resume(now)
	}
}

// next is the moment when the first of the clocks strikes; zero: none runs.
func (r *Report) next() (at time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for i := range r.Clocks {
		sooner(r.Clocks[i].Next())
	}
	for i := range r.Law {
		sooner(r.Law[i].next())
	}
	if c := r.Running(ClockInfo); c != nil {
		switch len(r.Reminded) {
		case 0:
			sooner(c.From.Add(firstRemind))
		case 1:
			sooner(c.From.Add(secondRemind))
		}
	}
	return at
}

// Nearest is the clock that strikes first, for those who look at the board; nil: none
// runs.
func (r *Report) Nearest() (c *Clock) {
	for i := range r.Clocks {
		k := &r.Clocks[i]
		if k.Runs() && k.Paused.IsZero() && (c == nil || k.Target.Before(c.Target)) {
			c = k
		}
	}
	return c
}

// forThem are the clocks that a reporter sees, what comes first before the rest.
var forThem = []ClockName{ClockFirst, ClockAppeal, ClockAsk, ClockFix, ClockAssess, ClockUpdate, ClockReward, ClockPublish}

// NextForThem is the promise that who reported waits for next; nil: none runs.
func (r *Report) NextForThem() *Clock {
	for _, name := range forThem {
		if c := r.Running(name); c != nil {
			return c
		}
	}
	return nil
}

// A Strike is a clock that ran out.
type Strike struct {
	Clock  ClockName
	Limit  bool   // the limit, and not only the promise
	Begins bool   // it is the first time that this clock says so
	Law    string // of a duty by law
	Act    Act    // what the desk does by itself
}

// Act is what the desk does by itself when a moment has come.
type Act string

const (
	ActRemind Act = "remind" // write to them again
	ActClose  Act = "close"  // close what they did not answer, without penalty
	ActOwn    Act = "own"    // our own retest suffices now
	ActReview Act = "review" // an accepted risk has run out
)

// Strikes notes what has run out and says what follows. Asked again at the same moment
// it says nothing.
func (r *Report) Strikes(now time.Time) (out []Strike) {
	for i := range r.Clocks {
		c := &r.Clocks[i]
		for at := c.Next(); !at.IsZero() && !at.After(now); at = c.Next() {
			c.Missed++
			s := Strike{Clock: c.Name, Limit: c.Missed == 2, Begins: c.Missed == 1}
			if !s.Limit && c.Limit.Equal(c.Target) {
				c.Missed, s.Limit = 2, true
			}
			switch c.Name {
			case ClockInfo, ClockExit:
				s.Act = ActClose
			case ClockRetest:
				s.Act = ActOwn
			case ClockRisk:
				s.Act = ActReview
			}
			out = append(out, s)
		}
	}
	if c := r.Running(ClockInfo); c != nil && r.State == NeedsInfo {
		for n, after := range []time.Duration{firstRemind, secondRemind} {
			if len(r.Reminded) == n && !c.From.Add(after).After(now) {
				r.Reminded = append(r.Reminded, now)
				out = append(out, Strike{Clock: ClockInfo, Act: ActRemind})
			}
		}
	}
	for i := range r.Law {
		if d := &r.Law[i]; !d.next().IsZero() && !d.next().After(now) {
			d.Told++
			out = append(out, Strike{Law: d.Name, Limit: true})
		}
	}
	return out
}
