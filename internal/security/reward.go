package security

import (
	"strings"
	"time"

	"postern/internal/fail"
)

// A Reward is what they get. It never hangs on silence: nothing here asks for any.
type Reward struct {
	State    RewardState `json:"state,omitempty"`
	Cents    int64       `json:"cents,omitempty"`
	Currency string      `json:"currency,omitempty"`
	Thing    string      `json:"thing,omitempty"` // a present instead of money
	By       string      `json:"by,omitempty"`    // who proposed it
	Second   string      `json:"second,omitempty"`
	Why      string      `json:"why,omitempty"`
	To       string      `json:"to,omitempty"` // donated to
	Log      []RewardAct `json:"log,omitempty"`
}

// RewardState is where a reward stands.
type RewardState string

const (
	NoReward  RewardState = "none" // decided: none, with a reason
	Proposed  RewardState = "proposed"
	Approved  RewardState = "approved"
	Offered   RewardState = "offered"
	Accepted  RewardState = "accepted"
	Paid      RewardState = "paid"
	Donated   RewardState = "donated"
	Declined  RewardState = "declined"
	Undecided RewardState = ""
)

// A RewardAct is a line of the ledger.
type RewardAct struct {
	State    RewardState `json:"state"`
	At       time.Time   `json:"at"`
	By       string      `json:"by"`
	Cents    int64       `json:"cents,omitempty"` // as it was then
	Currency string      `json:"currency,omitempty"`
	Thing    string      `json:"thing,omitempty"`
	Why      string      `json:"why,omitempty"`
	To       string      `json:"to,omitempty"` // given to
}

// Open reports whether it is not settled.
func (w *Reward) Open() bool {
	switch w.State {
	case NoReward, Paid, Donated, Declined:
		return false
	}
	return true
}

var rewardMoves = map[RewardState][]RewardState{
	Undecided: {Proposed, NoReward},
	Proposed:  {Approved, Undecided},
	Approved:  {Offered},
	Offered:   {Accepted, Donated, Declined},
	Accepted:  {Paid},
	NoReward:  {Proposed},
}

// ProposeReward says what they shall get; none takes a reason, and so does less than the
// table promises.
func (r *Report) ProposeReward(t *Rewards, w Reward, by Actor, now time.Time) error {
	table := r.TableOf(t)
	w.Why, w.Currency = strings.TrimSpace(w.Why), table.InCurrency()
	promised := r.promised(t)
	switch {
	case w.State == NoReward:
		if len(w.Why) < 10 {
			return fail.New(fail.Invalid, "say why there is no reward; they read it")
		}
	case w.Cents <= 0 && strings.TrimSpace(w.Thing) == "":
		return fail.New(fail.Invalid, "say how much, or what")
	case w.Cents < promised && len(w.Why) < 10:
		return fail.New(fail.Invalid, "the table promises %s for this; say why it is less, they read it", Money(promised, w.Currency))
	}
	if w.State != NoReward {
		w.State = Proposed
	}
	w.Log, w.By, w.Second = r.Reward.Log, by.ID, ""
	if err := r.rewardTo(w.State, by, now); err != nil {
		return err
	}
	log := r.Reward.Log
	r.Reward = w
	r.Reward.Log = log
	r.noteReward()
	return nil
}

// noteReward writes what the reward is beside the newest step.
func (r *Report) noteReward() {
	w := &r.Reward
	a := &w.Log[len(w.Log)-1]
	a.Cents, a.Currency, a.Thing, a.Why, a.To = w.Cents, w.Currency, w.Thing, w.Why, w.To
}

// TableOf is the table that holds for the finding: that of the day they reported, also if
// there was no money then. today's stands in where none was kept, and names the currency
// where the other has none.
func (r *Report) TableOf(today *Rewards) Rewards {
	if r.Table == nil {
		return *today
	}
	t := *r.Table
	if t.Currency == "" {
		t.Currency = today.Currency
	}
	return t
}

// promised is what that table has for it.
func (r *Report) promised(today *Rewards) int64 {
	t := r.TableOf(today)
	cents, _ := t.Of(r.Asset, r.Severity)
	return cents
}

// MoveReward takes the next step; approving takes another person than proposing.
func (r *Report) MoveReward(t *Rewards, to RewardState, by Actor, now time.Time) error {
	if to == Proposed || to == NoReward {
		return fail.New(fail.Conflict, "a reward is proposed with what it is")
	}
	if to == Approved && by.ID == r.Reward.By {
		return fail.New(fail.Denied, "another person than who proposed it approves a reward")
	}
	if promised := r.promised(t); (to == Approved || to == Offered) && r.Reward.Cents < promised && len(r.Reward.Why) < 10 {
		return fail.New(fail.Conflict, "the finding is rated otherwise now, and the table promises %s; take it back and propose it anew", Money(promised, r.Reward.Currency))
	}
	if err := r.rewardTo(to, by, now); err != nil {
		return err
	}
	r.Reward.State = to
	r.noteReward()
	if to == Approved {
		r.Reward.Second = by.ID
	}
	return nil
}

// GiveAway is their word that it goes to a cause; which one, if they say so.
func (r *Report) GiveAway(t *Rewards, cause string, by Actor, now time.Time) error {
	was := r.Reward.To
	r.Reward.To = strings.ToValidUTF8(cause[:min(len(cause), 200)], "")
	err := r.MoveReward(t, Donated, by, now)
	if err != nil {
		r.Reward.To = was
	}
	return err
}

// LessThanPromised reports whether there is no reward, or less than the table has: then
// they read why.
func (r *Report) LessThanPromised(t *Rewards) bool {
	return r.Reward.State == NoReward || r.Reward.Cents < r.promised(t)
}

func (r *Report) rewardTo(to RewardState, by Actor, now time.Time) error {
	theirs := r.Reward.State == Offered && (to == Accepted || to == Donated || to == Declined)
	switch {
	case r.Extortion:
		return fail.New(fail.Conflict, "the reward stands still: somebody demanded money for silence. A lead takes that mark away, or nothing is paid")
	case theirs && by.Kind != ByReporter && !by.qualified(), !theirs && !by.qualified():
		return fail.New(fail.Denied, "that takes somebody who is qualified to triage")
	case r.State == Flagged || r.State == Dismissed || r.State == Acknowledged || r.State == Assessing || r.State == NeedsInfo:
		return fail.New(fail.Conflict, "a reward is decided once the finding was reproduced")
	}
	for _, s := range rewardMoves[r.Reward.State] {
		if s == to {
			r.Reward.Log = append(r.Reward.Log, RewardAct{State: to, At: now, By: by.ID})
			if to != Proposed && to != Undecided {
				r.met(ClockReward, now)
			}
			return nil
		}
	}
	return fail.New(fail.Conflict, "a reward that is %q does not become %q", r.Reward.State, to)
}

// Next lists the steps a reward can take from here.
func (w *Reward) Next() []RewardState { return rewardMoves[w.State] }
