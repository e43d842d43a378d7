package policy

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func table(f func(Facts)) {
	for _, choice := range []Facts{{}, {OptedOut: true}, {OptedOut: true, Protected: "somebody else's data is in it"}} {
		for _, sensitive := range []bool{true, false} {
			for _, reach := range []Facts{{Address: true}, {}, {Receipt: true}} {
				for _, key := range []KeyState{Verified, Unverified, Unusable, NoKey} {
					for _, factor := range []Factor{Passkey, Call, Link, NoFactor} {
						f(Facts{sensitive, reach.Address, reach.Receipt, key, factor, choice.OptedOut, choice.Protected})
					}
				}
			}
		}
	}
}

func TestDecisionTable(t *testing.T) {
	var b strings.Builder
	table(func(f Facts) {
		v := Decide(f)
		fmt.Fprintf(&b, "%s -> %-9s %s\n", f, v.Protection, v.Why)
	})
	const golden = "testdata/decide.golden"
	if *update {
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the decision table changed; read it, then run with -update:\n%s", b.String())
	}
}

func TestP2SensitiveContentNeverTravelsInClear(t *testing.T) {
	table(func(f Facts) {
		v := Decide(f)
		if f.Sensitive && v.Protection == Signed {
			t.Errorf("%s goes in clear", f)
		}
		if v.Protection == OptedOut && (!f.Sensitive || !f.OptedOut || f.Protected != "") {
			t.Errorf("%s goes in clear, and nobody chose that", f)
		}
		if v.Protection == Encrypted && f.Key != Verified {
			t.Errorf("%s is encrypted to a key nobody verified", f)
		}
		if v.Why == "" {
			t.Errorf("%s has no reason", f)
		}
	})
}

func TestP4WithoutAFactorNothingIsPromised(t *testing.T) {
	table(func(f Facts) {
		if v := Decide(f); v.Protection == Portal && f.Factor == NoFactor {
			t.Errorf("%s waits on the portal and nobody can open it", f)
		}
	})
	if v := Decide(Facts{}); v.Protection != Blocked {
		t.Errorf("no facts at all: %v, want blocked", v)
	}
}

// TestP2APageIsForWhoHasNoOtherWay: with an address on file an answer never waits
// behind a receipt, which whoever typed that address may hold.
func TestP2APageIsForWhoHasNoOtherWay(t *testing.T) {
	table(func(f Facts) {
		if f.Receipt {
			f.Address = true
			if v := Decide(f); v.Protection == Page {
				t.Errorf("%s waits on the case page although mail reaches them", f)
			}
		}
	})
}

func TestProtectionNeverFallsAfterItWasShown(t *testing.T) {
	for _, c := range []struct {
		shown, now Protection
		want       bool
	}{
		{Encrypted, Encrypted, true}, {Encrypted, Portal, true}, {Encrypted, Signed, false}, {Encrypted, Blocked, false},
		{Portal, Encrypted, true}, {Portal, Signed, false}, {Page, Page, true}, {Page, Portal, true}, {Page, Signed, false}, {Page, OptedOut, false}, {Signed, Page, true}, {Signed, Signed, true}, {Signed, Encrypted, true}, {Signed, Blocked, false}, {Blocked, Signed, false},
		{OptedOut, OptedOut, true}, {OptedOut, Encrypted, true}, {OptedOut, Portal, true}, {OptedOut, Signed, true}, {OptedOut, Blocked, false},
		{Encrypted, OptedOut, false}, {Portal, OptedOut, false}, {Signed, OptedOut, false}, {Blocked, OptedOut, false}, {"", OptedOut, false},
	} {
		if got := StillHolds(c.shown, c.now); got != c.want {
			t.Errorf("shown %s, now %s: %v", c.shown, c.now, got)
		}
	}
}

func TestWeakestNamesTheButton(t *testing.T) {
	v := func(p ...Protection) (out []Verdict) {
		for _, x := range p {
			out = append(out, Verdict{Protection: x})
		}
		return out
	}
	for want, in := range map[Protection][]Verdict{
		Encrypted: v(Encrypted, Encrypted), Portal: v(Encrypted, Portal), Signed: v(Portal, Signed, Encrypted), Blocked: v(Encrypted, Blocked, OptedOut, Signed),
		OptedOut: v(Encrypted, OptedOut, Signed, Portal), Page: v(Encrypted, Page),
	} {
		if got := Weakest(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
	if Weakest(nil) != Blocked {
		t.Error("nobody to send to must block")
	}
}

// TestP5AChoiceChangesNothingElse: to whoever chose nothing, and to what stays
// protected, a message goes as ever; a choice never blocks and never needs more.
func TestP5AChoiceChangesNothingElse(t *testing.T) {
	table(func(f Facts) {
		plain := f
		plain.OptedOut, plain.Protected = false, ""
		was, now := Decide(plain), Decide(f)
		switch {
		case f.Protected != "" && f.Factor != Link && now.Protection != was.Protection:
			t.Errorf("%s: %s, and %s without the choice", f, now.Protection, was.Protection)
		case f.OptedOut && f.Protected == "" && f.Sensitive && f.Address && now.Protection != OptedOut:
			t.Errorf("%s: the choice does not count: %s", f, now.Protection)
		case !f.Address && !f.Receipt && now.Protection != Blocked, !f.Address && f.Receipt && now.Protection != Page:
			t.Errorf("%s goes nowhere as %s", f, now.Protection)
		}
		if f.Protected != "" {
			f.OptedOut = false
			if got := Decide(f).Protection; got != was.Protection && f.Factor != Link {
				t.Errorf("%s: %s, and %s where nothing is protected", f, got, was.Protection)
			}
		}
	})
}

// TestP5ALinkAloneOpensNothingProtected: where other people's data may be, the
// second proof is asked for, or nothing goes.
func TestP5ALinkAloneOpensNothingProtected(t *testing.T) {
	f := Facts{Sensitive: true, Address: true, Key: NoKey, Factor: Link}
	if got := Decide(f).Protection; got != Portal {
		t.Errorf("their own: %s", got)
	}
	f.Protected = "somebody else's data is in it"
	if got := Decide(f).Protection; got != Blocked {
		t.Errorf("protected: %s", got)
	}
}

func TestP5OtherPeoplesDataAndListedTopicsStayProtected(t *testing.T) {
	for _, c := range []struct {
		name   string
		owner  string
		others []string
		listed bool
		stays  bool
	}{
		{"their own case", "ada", []string{"ada"}, false, false},
		{"nobody has joined yet", "ada", nil, false, false},
		{"another's case", "ben", []string{"ada"}, false, true},
		{"nobody's case", "", nil, false, true},
		{"somebody else is part of it", "ada", []string{"ada", "ben"}, false, true},
		{"a listed topic", "ada", []string{"ada"}, true, true},
	} {
		if got := Stays("ada", c.owner, c.others, c.listed); (got != "") != c.stays {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if Stays("", "", nil, false) == "" {
		t.Error("nobody chose anything")
	}
}
