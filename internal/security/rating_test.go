package security

import (
	"strings"
	"testing"
)

// The calculators make vectors that the standard's own libraries read, whatever is
// answered; half an answer is none.
func TestTheCalculatorsMakeVectors(t *testing.T) {
	for i := range Calculators {
		c := &Calculators[i]
		for n := range 4 { // the first answer to each, the second, ...
			v, err := c.Vector(func(id string) string {
				for _, m := range c.Metrics {
					if m.ID == id {
						return m.Values[min(n, len(m.Values)-1)].ID
					}
				}
				return ""
			})
			if err != nil || !strings.HasPrefix(v, "CVSS:"+c.Version+"/AV:") {
				t.Errorf("%s: %q, %v", c.Version, v, err)
			}
		}
		if v, err := c.Vector(func(string) string { return "" }); v != "" || err != nil {
			t.Errorf("%s from nothing: %q, %v", c.Version, v, err)
		}
		if v, err := c.Vector(func(id string) string { return map[string]string{"AV": "N"}[id] }); err == nil || v != "" {
			t.Errorf("%s from one answer: %q", c.Version, v)
		}
		if _, err := c.Vector(func(string) string { return "Q" }); err == nil {
			t.Errorf("%s takes answers that there are not", c.Version)
		}
	}
	// The examples that the specifications give.
	for vector, want := range map[string]float64{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:L/I:L/A:N": 7.2, "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H": 10} {
		if got, _, err := Rate(vector); err != nil || got != want {
			t.Errorf("%s: %v, %v", vector, got, err)
		}
	}
}

// The tree, row by row, as CISA's guide has it.
func TestTheTreeOfSSVC(t *testing.T) {
	for _, x := range []struct {
		d    SSVC
		want string
	}{
		{SSVC{"none", false, false, "high"}, "track"}, {SSVC{"none", false, true, "high"}, "track*"}, {SSVC{"none", true, true, "high"}, "attend"},
		{SSVC{"poc", false, true, "medium"}, "track*"}, {SSVC{"poc", true, false, "high"}, "attend"}, {SSVC{"active", false, false, "low"}, "track"},
		{SSVC{"active", false, true, "high"}, "act"}, {SSVC{"active", true, true, "medium"}, "act"}, {SSVC{"active", true, false, "low"}, "attend"},
	} {
		if got, err := x.d.Decide(); got != x.want || err != nil {
			t.Errorf("%+v: %q, %v", x.d, got, err)
		}
	}
	for _, d := range []SSVC{{}, {Exploitation: "poc"}, {People: "high"}, {Exploitation: "maybe", People: "high"}} {
		if got, err := d.Decide(); err == nil {
			t.Errorf("%+v decides %q", d, got)
		}
	}
}

// A vector says how severe it is; else a person does; else the tree.
func TestHowSevereItIs(t *testing.T) {
	r := &Report{Doc: Doc{SSVC: SSVC{"none", false, false, "low"}}}
	want := func(s Severity, by string) {
		t.Helper()
		if err := r.Rates(); err != nil || r.Severity != s {
			t.Fatalf("%s: %q, %v", by, r.Severity, err)
		}
	}
	want(Low, "by the tree")
	r.SSVC.Exploitation, r.SSVC.Automatable, r.SSVC.Total, r.SSVC.People = "active", true, true, "high"
	want(Critical, "by the tree, once it is exploited")
	r.Said = Medium
	want(Medium, "by a person")
	r.CVSS = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
	want(High, "by the vector")
	r.CVSS, r.Said, r.SSVC = "", "", SSVC{}
	want("", "by nothing any more")
	for _, bad := range []func(){func() { r.CVSS = "CVSS:3.1/AV:N" }, func() { r.CVSS, r.CWE = "", "319" }, func() { r.CWE, r.SSVC = "", SSVC{People: "high"} }, func() { r.SSVC, r.Said = SSVC{}, "terrible" }} {
		if bad(); r.Rates() == nil {
			t.Errorf("%+v is taken", r.Doc)
		}
	}
}

// The table of rewards: what the settings may say, what a finding is worth by it, and
// that less takes a reason.
func TestTheTableOfRewardsHolds(t *testing.T) {
	table, err := ParseRewards("eur; *: 1000 500 200 50; pay.bank.example: 2500 1000 400 100; bank.example: 1500 700 300 60;")
	if err != nil || table.Currency != "EUR" || len(table.Rows) != 3 {
		t.Fatal(table, err)
	}
	for _, x := range []struct {
		asset string
		s     Severity
		want  int64
	}{{"the shop", High, 50000}, {"https://PAY.bank.example/update", Critical, 250000}, {"www.bank.example", Low, 6000}} {
		if got, ok := table.Of(x.asset, x.s); !ok || got != x.want {
			t.Errorf("%s, %s: %d", x.asset, x.s, got)
		}
	}
	if _, ok := table.Of("the shop", ""); ok {
		t.Error("what nobody rated has a price")
	}
	for _, bad := range []string{"1000", "EURO; *: 4 3 2 1", "EUR; pay: 4 3 2 1", "EUR; *: 4 3 2", "EUR; *: 1 2 3 4", "EUR; *: 4 3 2 -1", "EUR; *: 4 3 2 1; *: 4 3 2 1", "EUR; <b>: 4 3 2 1; *: 4 3 2 1", "EUR; *: 4,5 3 2 1", "EUR;"} {
		if _, err := ParseRewards(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	ivo := Actor{"ivo", ByTriager}
	r := &Report{State: Verified, Doc: Doc{Asset: "pay.bank.example", Severity: High}}
	if err := r.ProposeReward(&table, Reward{Cents: 99900}, ivo, at); err == nil || r.Reward.State != Undecided {
		t.Error("less than the table, without a reason")
	}
	if err := r.ProposeReward(&table, Reward{Cents: 99900, Why: "It was known in part"}, ivo, at); err != nil || r.Reward.Currency != "EUR" || r.Reward.Why == "" {
		t.Error(err)
	}
	// Rated higher before it is approved: what was proposed is less than promised now.
	r = &Report{State: Verified, Doc: Doc{Asset: "the shop", Severity: Low}}
	if err := r.ProposeReward(&table, Reward{Cents: 5000}, ivo, at); err != nil {
		t.Fatal(err)
	}
	r.Severity = Critical
	if err := r.MoveReward(&table, Approved, Actor{"lea", ByTriager}, at); err == nil {
		t.Error("approved below the table")
	}
	// The table of the day on which they reported holds.
	r = &Report{State: Verified, Doc: Doc{Severity: High, Table: &table}}
	if err := r.ProposeReward(&Rewards{}, Reward{Cents: 100}, ivo, at); err == nil {
		t.Error("less than what was promised when they reported")
	}
	for text, is := range map[string]bool{"bank.example": true, "https://pay.bank.example/x": true, "notbank.example": false, "bank.examples": false, "bank-example": false} {
		if names(text, "bank.example") != is {
			t.Errorf("%q names it: %v", text, !is)
		}
	}
	var none Rewards
	r = &Report{State: Verified, Doc: Doc{Severity: High}}
	if err := r.ProposeReward(&none, Reward{Cents: 100}, ivo, at); err != nil {
		t.Errorf("without a table: %v", err)
	}
}
