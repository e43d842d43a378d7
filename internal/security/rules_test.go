package security

import (
	"testing"
	"time"

	"postern/internal/fail"
)

var at = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func TestAskWantsQuestions(t *testing.T) {
	for _, q := range []string{"please provide PoC", "Please provide a proof of concept.", "more details please", "why?", ""} {
		if err := (&Report{}).Ask([]string{q}, at); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q: %v", q, err)
		}
	}
	r := &Report{}
	if err := r.Ask([]string{"Which page was it, and when?", "Can you send the proof of concept that you mention in your second paragraph?"}, at); err != nil {
		t.Error(err)
	}
	if err := r.Answer(0, " ", at); !fail.Is(err, fail.Invalid) {
		t.Errorf("an empty answer: %v", err)
	}
	if err := r.Answer(0, "I do not know", at); err != nil || r.unanswered() != 1 {
		t.Errorf("%v, %d open", err, r.unanswered())
	}
	if err := r.Answer(0, "again", at); !fail.Is(err, fail.Conflict) {
		t.Errorf("answered twice: %v", err)
	}
}

func TestRate(t *testing.T) {
	for vector, want := range map[string]Severity{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": Critical, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N": High, "CVSS:3.1/AV:N/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N": Low,
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N": "", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H": Critical} {
		if _, got, err := Rate(vector); err != nil || got != want {
			t.Errorf("%s: %q, %v", vector, got, err)
		}
	}
	for _, bad := range []string{"", "9.8", "CVSS:3.1/AV:N", "CVSS:2.0/AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS:4.0/AV:X"} {
		if _, _, err := Rate(bad); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for s, ok := range map[string]bool{"": true, "CWE-319": true, "CWE-0": false, "319": false, "CWE-319 ": false} {
		if err := CheckCWE(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestTheFixIsNotPutOffSilently: a day later than promised takes a reason, and ninety
// days are the end of it.
func TestTheFixIsNotPutOffSilently(t *testing.T) {
	r := &Report{}
	r.start(ClockFix, at, at.Add(3*day), at.Add(3*day))
	if err := r.MoveTarget(at.Add(88*day), "", "ivo", at); !fail.Is(err, fail.Invalid) || !r.Target.IsZero() {
		t.Errorf("without a reason: %v", err)
	}
	if err := r.MoveTarget(at.Add(2*day), "", "ivo", at); err != nil {
		t.Error(err)
	}
	if err := r.MoveTarget(at.Add(20*day), "the vendor needs two weeks more", "ivo", at); err != nil || len(r.Changes) != 1 || !r.Running(ClockFix).Target.Equal(at.Add(20*day)) {
		t.Errorf("with one: %v, %+v", err, r.Changes)
	}
	if err := r.MoveTarget(at.Add(91*day), "the vendor needs a year more", "ivo", at); !fail.Is(err, fail.Invalid) {
		t.Errorf("for ever: %v", err)
	}
	if err := r.MoveTarget(at.Add(-day), "yesterday it was done", "ivo", at); !fail.Is(err, fail.Invalid) {
		t.Errorf("yesterday: %v", err)
	}
}

// TestTheLawsClocks run from when somebody knew, tell twice, and end with a reason.
func TestTheLawsClocks(t *testing.T) {
	r := &Report{}
	if r.StartLaw("unknown", at) || !r.StartLaw("cra", at) || !r.StartLaw("cra", at.Add(day)) || len(r.Law) != 3 {
		t.Fatalf("%+v", r.Law)
	}
	if !r.Law[0].By.Equal(at.Add(day)) || !r.next().Equal(at.Add(12*time.Hour)) {
		t.Errorf("by %s, next %s", r.Law[0].By, r.next())
	}
	if s := r.Strikes(at.Add(13 * time.Hour)); len(s) != 1 || s[0].Law == "" {
		t.Errorf("%+v", s)
	}
	if s := r.Strikes(at.Add(13 * time.Hour)); len(s) != 0 {
		t.Errorf("told twice of one moment: %+v", s)
	}
	for n, why := range map[string]string{"0": "", "7": "it was done", "x": "it was done"} {
		if err := r.DoneLaw(n, "ivo", why, at); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s %q: %v", n, why, err)
		}
	}
	if err := r.DoneLaw("0", "ivo", "told by telephone", at); err != nil || len(r.Strikes(at.Add(25*time.Hour))) != 0 {
		t.Errorf("done, and told of it all the same: %v", err)
	}
}

func TestPromisesAreChecked(t *testing.T) {
	p := Standard(nil)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(*Promises){func(p *Promises) { p.First = 4 }, func(p *Promises) { p.Fix[0] = 0 }, func(p *Promises) { p.Publish = 365 }, func(p *Promises) { p.Appeal = 30 }} {
		bad := p
		if spoil(&bad); bad.Check() == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

// TestOnlyPromisesOfOursAreMissed: a reminder to them, the end of a wait for them and the
// end of a report are no promise that was broken; a promise is missed once.
func TestOnlyPromisesOfOursAreMissed(t *testing.T) {
	count := func(r *Report, until time.Time) (n int) {
		for now := at; !now.After(until); now = now.Add(6 * time.Hour) {
			for _, s := range r.Strikes(now) {
				if s.missed() {
					n++
				}
			}
		}
		return n
	}
	r := &Report{State: NeedsInfo}
	r.start(ClockInfo, at, at.Add(infoWait), at.Add(infoWait))
	r.start(ClockExit, at, at.Add(5*day), at.Add(5*day))
	r.start(ClockRetest, at, at.Add(5*day), at.Add(5*day))
	if n := count(r, at.Add(40*day)); n != 0 {
		t.Errorf("%d promises missed where none was given", n)
	}
	r = &Report{State: Assessing}
	r.start(ClockAssess, at, at.Add(2*day), at.Add(4*day))
	r.start(ClockFix, at, at.Add(3*day), at.Add(3*day))
	if n := count(r, at.Add(40*day)); n != 2 {
		t.Errorf("%d promises missed, want 2", n)
	}
}

// A base vector has the score of the base formula: that of the environment rounds otherwise
// where the scope changes, though none of its metrics is given.
func TestABaseVectorHasItsBaseScore(t *testing.T) {
	for vector, want := range map[string]float64{"CVSS:3.1/AV:P/AC:H/PR:L/UI:N/S:C/C:H/I:H/A:L": 7, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H": 10,
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U": 7.8, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MAV:P": 6.8} {
		if got, _, err := Rate(vector); err != nil || got != want {
			t.Errorf("%s: %v, want %v, %v", vector, got, want, err)
		}
	}
}

// TestP10WorseIsSooner: a finding that turns out worse is fixed in the time of that, from
// then on; one that turns out lesser keeps its day.
func TestP10WorseIsSooner(t *testing.T) {
	p := Standard(nil)
	r := &Report{Doc: Doc{Severity: Low}}
	r.start(ClockFix, at, at.Add(90*day), at.Add(90*day))
	r.Target = at.Add(80 * day)
	r.Severity = Critical
	r.Rerated(&p, at.Add(5*day))
	want := at.Add(5*day + time.Duration(p.FixDays(Critical))*day)
	if c := r.Running(ClockFix); !c.Target.Equal(want) || !c.Limit.Equal(want) || !r.Target.Equal(want) {
		t.Errorf("%+v, %s, want %s", c, r.Target, want)
	}
	r.Severity = Low
	if r.Rerated(&p, at.Add(6*day)); !r.Running(ClockFix).Target.Equal(want) {
		t.Error("rated lower, it is put off")
	}
}

// TestP10TheyLookFirst: until those who told us had their time, our own look ends nothing.
func TestP10TheyLookFirst(t *testing.T) {
	r := &Report{State: Retest, Doc: Doc{Fixer: "fritz"}}
	r.start(ClockRetest, at, at.Add(retestWait), at.Add(retestWait))
	if err := r.SayRetest("mara", "mara", true, "looked", at.Add(day)); !fail.Is(err, fail.Conflict) {
		t.Errorf("at once: %v", err)
	}
	if err := r.SayRetest("mara", "mara", false, "it is still there", at.Add(day)); err != nil {
		t.Errorf("that it is still there: %v", err)
	}
	r.Strikes(at.Add(retestWait))
	if err := r.SayRetest("mara", "mara", true, "looked", at.Add(retestWait)); err != nil {
		t.Errorf("after their time: %v", err)
	}
}

// TestP10NothingWaitsForEver: what cannot be closed yet is tried again.
func TestP10NothingWaitsForEver(t *testing.T) {
	r := &Report{State: NeedsInfo}
	r.start(ClockInfo, at, at.Add(infoWait), at.Add(infoWait))
	r.Reminded = []time.Time{at, at}
	now := at.Add(infoWait)
	for range 3 {
		if s := r.Strikes(now); len(s) != 1 || s[0].Act != ActClose {
			t.Fatalf("%+v", s)
		}
		r.again(ClockInfo, now)
		if now = r.next(); now.IsZero() {
			t.Fatal("nothing comes after")
		}
	}
}

// TestP10ASecondPersonCountsEveryWord: that somebody qualified wrote back makes no contact
// unsaid.
func TestP10ASecondPersonCountsEveryWord(t *testing.T) {
	p := Standard(nil)
	r := &Report{State: Assessing, Doc: Doc{Contacts: 1}}
	r.Spoke(&p, "m", true, at)
	if r.TakesTwo(NotSecurity) {
		t.Error("one word takes two people")
	}
	for range 3 {
		r.Wrote(&p, at)
	}
	if !r.TakesTwo(NotSecurity) || r.Contacts != 1 {
		t.Errorf("written four times: takes two %v, %d contacts before a qualified person", r.TakesTwo(NotSecurity), r.Contacts)
	}
}

// TestP11TheDayMovesWithNoticeOrTheirYes: a later day of publication takes a reason and
// fourteen days, unless they agreed.
func TestP11TheDayMovesWithNoticeOrTheirYes(t *testing.T) {
	mara := Actor{Kind: ByTriager, ID: "mara"}
	r := &Report{}
	r.start(ClockPublish, at, at.Add(90*day), at.Add(90*day))
	late := at.Add(80 * day)
	if err := r.Plan(at.Add(100*day), "the vendor asks for ten days", false, mara, late); !fail.Is(err, fail.Conflict) {
		t.Errorf("ten days before: %v", err)
	}
	if err := r.Plan(at.Add(100*day), "", true, mara, late); !fail.Is(err, fail.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if err := r.Plan(at.Add(100*day), "the vendor asks for ten days", true, mara, late); err != nil || len(r.Disclosure.Changes) != 1 || !r.Disclosure.Changes[0].Agreed {
		t.Errorf("agreed: %v, %+v", err, r.Disclosure.Changes)
	}
}

// The table of the day they reported holds, in its currency; also if it had nothing.
func TestTheTableOfTheDayHolds(t *testing.T) {
	now := Rewards{Currency: "USD", Rows: []RewardRow{{"*", [4]int64{900, 800, 700, 600}}}}
	r := &Report{Doc: Doc{Severity: Critical, Table: &Rewards{Currency: "EUR", Rows: []RewardRow{{"*", [4]int64{1000, 500, 200, 50}}}}}}
	if got := r.TableOf(&now); got.InCurrency() != "EUR" || r.promised(&now) != 1000 {
		t.Errorf("%+v", got)
	}
	r.Table = &Rewards{}
	if got := r.TableOf(&now); got.InCurrency() != "USD" || r.promised(&now) != 0 {
		t.Errorf("no money then: %+v", got)
	}
	r.Table = nil
	if r.promised(&now) != 900 {
		t.Error("none was kept")
	}
}

// TestP10WhatIsOverCloses: a fixed report of which nothing is open closes by itself after a
// week, and not before; one with something open does not.
func TestP10WhatIsOverCloses(t *testing.T) {
	p := Standard(nil)
	r := &Report{State: Resolved, Doc: Doc{Disclosure: Disclosure{Not: "they asked us not to"}}}
	owed := &Report{State: Resolved}
	for _, x := range []*Report{r, owed} {
		x.settle(at)
		x.settle(at.Add(time.Hour))
	}
	if owed.Running(ClockExit) != nil {
		t.Error("what is to be published closes")
	}
	if s := r.Strikes(at.Add(6 * day)); len(s) != 0 {
		t.Errorf("after six days: %+v", s)
	}
	if s := r.Strikes(at.Add(7 * day)); len(s) != 1 || s[0].Act != ActClose {
		t.Fatalf("after seven: %+v", s)
	}
	if err := r.Move(&p, Closed, Actor{Kind: ByDesk}, at.Add(7*day)); err != nil || r.State != Closed || r.Running(ClockExit) != nil {
		t.Errorf("%v, %s", err, r.State)
	}
}
