package security

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/recognise"
	"postern/internal/vault"
)

// walks is how many random lives of a report each database sees.
func walks(t testing.TB) int {
	if s := os.Getenv("POSTERN_WALKS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 100_000
}

// TestP10TheMachineHolds walks at random through the lives of reports, with people who
// may and who may not, with what is needed and without it, while time passes; and
// holds what happened against a table of its own.
func TestP10TheMachineHolds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v, err := vault.New(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		const group = 500
		total, seen := walks(t), map[State]int{}
		var lanes []*walker
		for n := range 2 {
			lanes = append(lanes, &walker{t: t, v: v, seen: map[State]int{}, rnd: rand.New(rand.NewPCG(uint64(n), 1))})
		}
		done := make(chan error, len(lanes))
		for n, w := range lanes {
			go func() {
				var err error
				for at := n * group; at < total && err == nil && !t.Failed(); at += group * len(lanes) {
					err = d.Update(t.Context(), func(tx *db.Tx) error { return w.batch(t.Context(), tx, at, min(at+group, total)) })
				}
				done <- err
			}()
		}
		for range lanes {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range lanes {
			for s, n := range w.seen {
				seen[s] += n
			}
		}
		for _, s := range States {
			if seen[s] < total/1000 {
				t.Errorf("%s was reached %d times in %d walks: the walk does not go there", s, seen[s], total)
			}
		}
	})
}

type walker struct {
	t    *testing.T
	v    *vault.Vault
	rnd  *rand.Rand
	seen map[State]int

	r      *Report
	p      Promises
	now    time.Time
	spoke  map[time.Time]bool // starts of first-word clocks during which a person spoke
	qualif map[State][]string // who, qualified, proposed a state since the last move
	path   []string
	bold   bool // mostly goes on, as a good day does
}

func (w *walker) batch(ctx context.Context, tx *db.Tx, from, to int) error {
	walked := map[cases.ID]*Report{}
	for n := from; n < to; n++ {
		w.rnd = rand.New(rand.NewPCG(uint64(n), 77))
		if err := w.walk(ctx, tx, n); err != nil {
			return fmt.Errorf("walk %d: %w\n%v", n, err, w.path)
		}
		walked[w.r.Case] = w.r
	}
	kept, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM reports`)
	if err != nil {
		return err
	}
	if len(kept) != len(walked) {
		return fmt.Errorf("%d reports are kept of %d", len(kept), len(walked))
	}
	for i := range kept {
		r, err := kept[i].open(w.v.Desk())
		if err != nil {
			return err
		}
		if want := walked[r.Case]; !reflect.DeepEqual(r, want) {
			return fmt.Errorf("kept is\n%+v, not\n%+v", r, want)
		}
	}
	return tx.Put(ctx, `DELETE FROM reports`)
}

var people = []string{"ivo", "mara", "noor", "lea"}

func (w *walker) walk(ctx context.Context, tx *db.Tx, n int) error {
	k := w.v.Desk()
	w.p, w.now, w.path = Standard(nil), time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), nil
	w.spoke, w.qualif = map[time.Time]bool{}, map[State][]string{}
	w.r = &Report{Case: cases.ID(fmt.Sprint("walk-", n)), State: Dismissed, Doc: Doc{Received: w.now, Contacts: 1}}
	if err := w.r.Move(&w.p, Flagged, Actor{Kind: ByDesk}, w.now); err != nil {
		return err
	}
	if err := add(ctx, tx, k, w.r); err != nil {
		return err
	}
	w.bold = w.rnd.IntN(2) == 0
	for range 6 + w.rnd.IntN(24) {
		before := *w.r
		before.Clocks = slices.Clone(w.r.Clocks)
		changed, err := w.step()
		if err != nil {
			return err
		}
		if err := w.holds(&before); err != nil {
			return err
		}
		if !changed || w.rnd.IntN(12) > 0 {
			continue
		}
		if err := save(ctx, tx, k, w.r); err != nil {
			return err
		}
	}
	return save(ctx, tx, k, w.r)
}

func (w *walker) actor() Actor {
	switch k := ActorKind(w.rnd.IntN(6)); k {
	case ByAgent, ByTriager:
		return Actor{people[w.rnd.IntN(len(people))], k}
	default:
		if w.rnd.IntN(2) == 0 {
			return Actor{people[w.rnd.IntN(len(people))], ByTriager}
		}
		return Actor{Kind: k}
	}
}

// step does one thing that somebody may do, or may try.
func (w *walker) step() (changed bool, err error) {
	r, by, ok := w.r, w.actor(), func(err error) bool { return err == nil }
	note := func(what string, err error) {
		w.path = append(w.path, fmt.Sprintf("%s by %d: %v;", what, by.Kind, err))
	}
	what := w.rnd.IntN(16)
	if w.bold && w.rnd.IntN(2) == 0 {
		what = 5
	}
	switch what {
	case 0, 1, 2, 3: // along the map
		to := r.Next(ByTriager)
		if len(to) == 0 {
			return false, nil
		}
		s := to[w.rnd.IntN(len(to))]
		w.fill(s)
		err := w.move(s, by)
		note("move to "+string(s), err)
		return ok(err), w.proper(err)
	case 4, 5: // as a qualified person does it
		to := r.Next(ByTriager)
		if len(to) == 0 {
			return false, nil
		}
		s := to[w.rnd.IntN(len(to))]
		if next := (map[State]State{Flagged: Acknowledged, Acknowledged: Assessing, Assessing: Verified, NeedsInfo: Assessing, Verified: Fixing, Fixing: FixReady, FixReady: Retest, Retest: Resolved, Resolved: Disclosed, Disclosed: Closed})[r.State]; next != "" && w.rnd.IntN(4) > 0 {
			s = next
		}
		w.fill(s)
		w.fill(s)
		if r.second(s) && !r.agreed(s, Actor{"ivo", ByTriager}) {
			if err := r.Propose(s, Actor{"mara", ByTriager}, "I think so", w.now); err == nil {
				w.qualif = map[State][]string{s: {"mara"}}
			}
		}
		err := w.move(s, Actor{"ivo", ByTriager})
		note("work on to "+string(s), err)
		return ok(err), w.proper(err)
	case 6: // anywhere
		s := States[w.rnd.IntN(len(States))]
		err := w.move(s, by)
		note("jump to "+string(s), err)
		return ok(err), w.proper(err)
	case 7:
		s := States[w.rnd.IntN(len(States))]
		if to := r.Next(ByTriager); len(to) > 0 {
			s = to[w.rnd.IntN(len(to))]
		}
		err := r.Propose(s, by, "I think so", w.now)
		if err == nil {
			w.qualif[s] = nil
			for other := range w.qualif { // the newest proposal counts
				delete(w.qualif, other)
			}
			if by.Kind == ByTriager {
				w.qualif[s] = []string{by.ID}
			}
		}
		note("propose "+string(s), err)
		return ok(err), w.proper(err)
	case 8:
		r.Wrote(&w.p, w.now)
		return true, nil
	case 9:
		for i := range r.Clocks {
			if c := &r.Clocks[i]; c.Name == ClockFirst && c.Runs() {
				w.spoke[c.From] = true
			}
		}
		r.Spoke(&w.p, cases.MessageID(fmt.Sprint(len(w.path))), w.rnd.IntN(2) == 0, w.now)
		return true, nil
	case 10, 11:
		w.now = w.now.Add(time.Duration(w.rnd.IntN(20*24)) * time.Hour)
		for _, s := range r.Strikes(w.now) {
			if s.Act == ActClose {
				err := w.move(Closed, Actor{Kind: ByDesk})
				note("time closes", err)
				if err := w.proper(err); err != nil {
					return true, err
				}
			}
		}
		return true, nil
	case 12:
		r.Score = w.rnd.Float64() // whatever the model thinks now
		r.Class = recognise.Ordinary
		if r.State == Flagged {
			r.Class = Unclassed
		}
		return true, nil
	case 13:
		err := r.Appeals(&w.p, "You looked at another page", w.now)
		note("appeal", err)
		return ok(err), w.proper(err)
	case 14:
		err := r.DecideAppeal(by, w.rnd.IntN(2) == 0, "We looked again, and this is what we found.", w.now)
		if err == nil && by.Kind != ByTriager {
			return true, fmt.Errorf("an appeal was decided by %d", by.Kind)
		}
		return ok(err), w.proper(err)
	default:
		return w.reward(by)
	}
}

func (w *walker) reward(by Actor) (bool, error) {
	r := w.r
	if w.rnd.IntN(8) == 0 {
		r.Extortion = !r.Extortion
		return true, nil
	}
	was := r.Reward
	var err error
	if w.rnd.IntN(3) == 0 {
		err = r.ProposeReward(&w.p.Rewards, Reward{Cents: 10000, Currency: "EUR"}, by, w.now)
	} else {
		err = r.MoveReward(&w.p.Rewards, []RewardState{Approved, Offered, Accepted, Paid, Donated, Declined}[w.rnd.IntN(6)], by, w.now)
	}
	if err == nil && r.Extortion {
		return true, fmt.Errorf("the reward moved to %s while it stands still", r.Reward.State)
	}
	if err == nil && r.Reward.State == Approved && (was.By == by.ID || r.Reward.Second == r.Reward.By) {
		return true, fmt.Errorf("one person proposed and approved a reward")
	}
	return err == nil, w.proper(err)
}

// proper passes the refusals that people get, and no other error.
func (w *walker) proper(err error) error {
	switch fail.KindOf(err) {
	case fail.Invalid, fail.Denied, fail.Conflict:
		return nil
	}
	return err
}

// fill sometimes fills in what a state needs, sometimes only some of it.
func (w *walker) fill(s State) {
	all := w.rnd.IntN(4) > 0
	some := func() bool { return all || w.rnd.IntN(3) > 0 }
	w.r.Fill(w.now, func(r *Report) {
		set := func(p *string, v string) {
			if some() {
				*p = v
			}
		}
		switch {
		case s == Dismissed:
			set(&r.Reason, "it is about a parcel")
			if some() {
				r.Class = recognise.Ordinary
			}
		case s == Acknowledged:
			set(&r.Owner, "ivo")
			set(&r.Deputy, people[w.rnd.IntN(2)])
			set(&r.Contact, "by this case")
			set(&r.Publish, "not said")
			if some() {
				r.Lang = lang.English
			}
		case s == Assessing:
			set(&r.Scope, "in scope")
			set(&r.Safety, "nothing is exposed")
			r.Sought = some()
		case s == NeedsInfo:
			if some() {
				r.Ask([]string{"Which page was it, and when?"}, w.now)
			}
		case s == Verified:
			set(&r.Asset, "pay.example")
			set(&r.Steps, "open the page")
			set(&r.CWE, "CWE-319")
			set(&r.CVSS, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N")
			set(&r.Verifier, "mara")
			if some() {
				r.Severity = Severities[w.rnd.IntN(4)]
			}
		case s.IsExit():
			set(&r.Reason, "We looked at the page and found this instead.")
			if some() {
				r.Original, r.Vendor, r.Accepter, r.Until = "other", "the vendor, by mail", "Lea Lead", w.now.Add(100*day)
			}
		case s == Fixing:
			set(&r.Fixer, "noor")
			if some() && r.Target.IsZero() {
				r.MoveTarget(w.now.Add(2*day), "", "ivo", w.now)
			}
		case s == FixReady:
			set(&r.Changed, "it redirects now")
			if some() {
				r.Probes = []string{"p1"}
			}
		case s == Retest:
			if some() {
				r.Asked = w.now
			}
		case s == Resolved:
			if some() {
				r.Retests = append(r.Retests, RetestSay{By: []string{"reporter", "noor", "mara"}[w.rnd.IntN(3)], Gone: w.rnd.IntN(4) > 0, At: w.now})
			}
			r.Green = some()
		case s == Disclosed:
			set(&r.Disclosure.Text, "What was wrong")
			if some() {
				r.Disclosure.Published = w.now
			}
		case s == Closed:
			if some() {
				r.Disclosure.Not = "nothing to tell"
				if r.Reward.State == Undecided {
					r.ProposeReward(&w.p.Rewards, Reward{State: NoReward, Why: "there is no money in it"}, Actor{"ivo", ByTriager}, w.now)
				}
			}
		}
	})
}

func (w *walker) move(to State, by Actor) error {
	r := w.r
	from, contacts, asked := r.State, r.Contacts, w.qualif[to]
	reopened := r.Reopened
	info := r.Running(ClockInfo)
	err := r.Move(&w.p, to, by, w.now)
	if err != nil {
		if r.State != from {
			return fmt.Errorf("refused, and it moved: %w", err)
		}
		return err
	}
	w.seen[to]++
	w.qualif = map[State][]string{}
	bad := func(s string, a ...any) error { return fmt.Errorf("%s to %s: "+s, append([]any{from, to}, a...)...) }
	switch {
	case by.Kind == ByAgent && to != Flagged:
		return bad("an agent moved it")
	case (to == Dismissed || to.IsExit() || to == Acknowledged || to == Verified) && (by.Kind != ByTriager || by.ID == ""):
		return bad("by %d", by.Kind)
	case (to == NotReproducible || (to == NotSecurity || to == Dismissed || to == Spam) && contacts >= 2) && (len(asked) == 0 || asked[0] == by.ID):
		return bad("one person decided alone; contacts %d", contacts)
	case from == NeedsInfo && to == Closed && (info == nil || w.now.Before(info.From.Add(infoWait))):
		return bad("they had time left")
	case from.IsExit() && to == Closed && r.Appeal == nil && w.now.Before(r.Exited.Add(AppealWindow)):
		return bad("they could still appeal")
	case to == Assessing && (from == Closed || from == Resolved || from == Disclosed) && r.Reopened != reopened+1:
		return bad("it was not counted")
	}
	return w.needs(to, bad)
}

// needs is the table of what a state takes, a second time and on its own.
func (w *walker) needs(to State, bad func(string, ...any) error) error {
	r := w.r
	has := map[State][]bool{
		Dismissed:       {r.Class != "", r.Reason != ""},
		Acknowledged:    {r.Owner != "", r.Deputy != "", r.Deputy != r.Owner, r.Lang != "", r.Contact != "", r.Publish != ""},
		Assessing:       {r.Scope != "", r.Safety != "", r.Sought},
		NeedsInfo:       {len(r.Questions) > 0},
		Verified:        {r.Asset != "", r.Steps != "", r.CWE != "", r.CVSS != "" || r.SSVC != (SSVC{}), r.Severity != "", r.Verifier != ""},
		Duplicate:       {r.Reason != "", r.Original != "", r.Original != r.Case},
		NotSecurity:     {r.Reason != ""},
		OtherVendor:     {r.Reason != "", r.Vendor != ""},
		OutOfScope:      {r.Reason != ""},
		NotReproducible: {r.Reason != ""},
		AcceptedRisk:    {r.Accepter != "", r.Until.After(w.now)},
		Fixing:          {r.Fixer != "", !r.Target.IsZero()},
		FixReady:        {r.Changed != "", len(r.Probes) > 0},
		Retest:          {!r.Asked.IsZero()},
		Resolved:        {r.Green, len(r.Retests) > 0 && r.Retests[len(r.Retests)-1].Gone, len(r.Retests) > 0 && r.Retests[len(r.Retests)-1].By != r.Fixer},
		Disclosed:       {r.Disclosure.Text != "", !r.Disclosure.Published.IsZero()},
	}
	if slices.Contains(has[to], false) {
		return bad("without what it takes: %v", has[to])
	}
	return nil
}

// holds checks what is true at every moment.
func (w *walker) holds(before *Report) error {
	r := w.r
	must := map[State][]ClockName{Flagged: {ClockLook}, Acknowledged: {ClockAssess, ClockUpdate}, Assessing: {ClockAssess, ClockUpdate}, NeedsInfo: {ClockInfo},
		Verified: {ClockFix}, Fixing: {ClockFix}, FixReady: {ClockAsk}, Retest: {ClockRetest}}
	for _, name := range must[r.State] {
		if r.Running(name) == nil {
			return fmt.Errorf("no clock %s runs in %s", name, r.State)
		}
	}
	if r.State == NeedsInfo && r.Running(ClockAssess) != nil && r.Running(ClockAssess).Paused.IsZero() {
		return fmt.Errorf("our clock runs while we wait for them")
	}
	if r.State != NeedsInfo && r.Running(ClockAssess) != nil && !r.Running(ClockAssess).Paused.IsZero() {
		return fmt.Errorf("our clock stands still in %s", r.State)
	}
	for i := range r.Clocks {
		c := &r.Clocks[i]
		if c.Name == ClockFirst && !c.Met.IsZero() && !w.spoke[c.From] {
			return fmt.Errorf("the clock of the first word stopped, and nobody spoke")
		}
		if i < len(before.Clocks) && before.Clocks[i].Runs() && c.Runs() && c.Limit.Before(before.Clocks[i].Limit) && c.Name != ClockUpdate && c.Name != ClockFix {
			return fmt.Errorf("clock %s was shortened", c.Name)
		}
	}
	before.Strikes(w.now)
	for i := range before.Clocks { // after time was told, nothing that ran out is unsaid
		if c := &before.Clocks[i]; c.Runs() && c.Paused.IsZero() && !c.Limit.After(w.now) && c.Missed < 2 {
			return fmt.Errorf("clock %s ran out and nobody was told", c.Name)
		}
	}
	if r.State == before.State && r.Score != before.Score && len(r.Clocks) != len(before.Clocks) {
		return fmt.Errorf("a score moved a clock")
	}
	return nil
}
