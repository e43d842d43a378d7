package instructions

import (
	"strings"
	"testing"

	"postern/internal/lang"
)

// TestP12AProofIsNamedAsWhatItWas: a comparison with our staff is no call-back code, in any
// language, and by no other way than it was made.
func TestP12AProofIsNamedAsWhatItWas(t *testing.T) {
	first := func(way string) *Instruction {
		return &Instruction{Doc: Doc{Does: DoesFirstKey, Values: map[string]string{"compared": way}}}
	}
	by := &StoredProof{Level: Call, Attested: "ivo"}
	for way, want := range map[string]string{"in person": "in person", "letter": "by letter", "video call": "in a video call", "call-back": "on the telephone"} {
		got := first(way).ProvedBy(by)
		if !strings.Contains(got, want) || !strings.Contains(got, "our staff") || strings.Contains(got, "code") {
			t.Errorf("%s: %q", way, got)
		}
		if german := lang.German.Said(got); german == got {
			t.Errorf("%q has no German", got)
		}
		if kind := first(way).ProvedKind(by); kind != "compared" {
			t.Errorf("%s: %s", way, kind)
		}
	}
	other := &Instruction{Doc: Doc{Does: DoesKey, Values: map[string]string{"compared": "in person"}}}
	for _, i := range []*Instruction{first(""), first("by e-mail"), other, {}} {
		if got, kind := i.ProvedBy(by), i.ProvedKind(by); got != Words(Call) || kind != "call" {
			t.Errorf("%+v: %s, %s", i.Doc, got, kind)
		}
	}
}
