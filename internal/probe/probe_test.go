package probe

import (
	"strings"
	"testing"
	"time"

	"postern/internal/fail"
)

// TestTake is the state machine as a table: results in, states and turns out.
func TestTake(t *testing.T) {
	for _, x := range []struct{ name, results, states, turns string }{
		{"fine", "green green", "green green", ". ."},
		{"a hiccup", "green red green", "green amber green", ". . ."},
		{"red at the second", "green red red", "green amber red", ". . red"},
		{"red once for each turn", "red red red red", "amber red red red", ". red . ."},
		{"mended", "red red green", "amber red green", ". red green"},
		{"mended, with something to do", "red red amber", "amber red amber", ". red green"},
		{"back again", "red red green red red", "amber red green amber red", ". red green . red"},
		{"unknown is told, and never counts", "green unknown unknown unknown unknown red", "green unknown unknown unknown unknown amber", ". . . blind . ."},
		{"unknown takes nothing away", "green red unknown red", "green amber unknown red", ". . . red"},
		{"not seen is not mended", "red red unknown unknown green", "amber red red red green", ". red . . green"},
		{"amber is not bad", "amber red amber red", "amber amber amber amber", ". . . ."},
	} {
		now := time.Unix(1e9, 0)
		p := &Probe{State: New, Made: now, Since: now}
		var states, turns []string
		for r := range strings.FieldsSeq(x.results) {
			turns = append(turns, [...]string{".", "red", "green", "blind"}[p.take(State(r), now)])
			states = append(states, string(p.State))
			if (p.State == Red) == p.Failing.IsZero() {
				t.Errorf("%s: %s, failing %v", x.name, p.State, p.Failing)
			}
			now = p.Next
		}
		if got := strings.Join(states, " "); got != x.states {
			t.Errorf("%s: states %s, want %s", x.name, got, x.states)
		}
		if got := strings.Join(turns, " "); got != x.turns {
			t.Errorf("%s: turns %s, want %s", x.name, got, x.turns)
		}
	}
}

func TestWhenItIsAskedAgain(t *testing.T) {
	made := time.Unix(1e9, 0)
	for _, x := range []struct {
		age  time.Duration
		was  State
		r    State
		want time.Duration
	}{
		{0, New, Green, time.Hour}, {7*day - 1, Green, Green, time.Hour}, {7 * day, Green, Green, day}, {90*day - 1, Green, Green, day}, {90 * day, Green, Green, 7 * day}, {9999 * day, Green, Green, 7 * day},
		{30 * day, Green, Red, 5 * time.Minute}, {30 * day, Amber, Red, 5 * time.Minute}, {30 * day, Red, Red, day}, {30 * day, Green, Unknown, 5 * time.Minute}, {30 * day, Unknown, Unknown, day},
	} {
		p := &Probe{State: x.was, Made: made}
		now := made.Add(x.age)
		p.take(x.r, now)
		if got := p.Next.Sub(now); got != x.want {
			t.Errorf("%v old, %s, then %s: again in %v, want %v", x.age, x.was, x.r, got, x.want)
		}
	}
	// What was mended just now breaks soonest: the week of hours begins with the mend.
	m := &Probe{State: Red, Failing: made.Add(300 * day), Made: made}
	for _, x := range []struct{ age, want time.Duration }{{360 * day, time.Hour}, {366 * day, time.Hour}, {368 * day, day}, {451 * day, 7 * day}} {
		m.take(Green, made.Add(x.age))
		if got := m.Next.Sub(made.Add(x.age)); got != x.want {
			t.Errorf("mended on day 360, green on day %d: again in %v, want %v", x.age/day, got, x.want)
		}
	}
	p := &Probe{State: Amber, bad: 1, Made: made}
	p.take(Red, made.Add(200*day))
	if got := p.Next.Sub(made.Add(200 * day)); got != time.Hour {
		t.Errorf("freshly red: again in %v", got)
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, p := range map[string]Probe{
		"no kind":           {Target: "https://a.example/"},
		"http":              {Kind: Status, Target: "http://a.example/", Spec: Spec{Status: 200}},
		"userinfo":          {Kind: Link, Target: "https://u@a.example/"},
		"no header":         {Kind: Header, Target: "https://a.example/"},
		"header with colon": {Kind: Header, Target: "https://a.example/", Spec: Spec{Name: "X:"}},
		"no words":          {Kind: Body, Target: "https://a.example/"},
		"no code":           {Kind: Status, Target: "https://a.example/"},
		"too many days":     {Kind: Certificate, Target: "https://a.example/", Spec: Spec{Days: 400}},
		"a mail port":       {Kind: Link, Target: "https://a.example:25/"},
	} {
		if err := p.check(); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := Probe{Kind: Link, Target: "http://A.example/x"}
	if err := good.check(); err != nil || good.Host != "a.example" {
		t.Errorf("%+v, %v", good, err)
	}
}
