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
	for _, sensitive := range []bool{true, false} {
		for _, address := range []bool{true, false} {
			for _, key := range []KeyState{Verified, Unverified, Unusable, NoKey} {
				for _, factor := range []Factor{Passkey, Call, NoFactor} {
					f(Facts{sensitive, address, key, factor})
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

func TestProtectionNeverFallsAfterItWasShown(t *testing.T) {
	for _, c := range []struct {
		shown, now Protection
		want       bool
	}{
		{Encrypted, Encrypted, true}, {Encrypted, Portal, true}, {Encrypted, Signed, false}, {Encrypted, Blocked, false},
		{Portal, Encrypted, true}, {Portal, Signed, false}, {Signed, Signed, true}, {Signed, Encrypted, true}, {Signed, Blocked, false}, {Blocked, Signed, false},
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
		Encrypted: v(Encrypted, Encrypted), Portal: v(Encrypted, Portal), Signed: v(Portal, Signed, Encrypted), Blocked: v(Encrypted, Blocked, Signed),
	} {
		if got := Weakest(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
	if Weakest(nil) != Blocked {
		t.Error("nobody to send to must block")
	}
}
