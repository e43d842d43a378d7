package cases

import (
	"strings"
	"testing"

	"postern/internal/vault"
)

func tokens(t testing.TB) Tokens {
	v, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return NewTokens(v)
}

func TestTokenIsFoundWhereItStandsAlone(t *testing.T) {
	tk := tokens(t)
	ref := NewRef()
	good := tk.Make(ref)
	flipped := good[:len(good)-1] + string("0123456789abcdefghjkmnpqrstvwxyz"[(strings.IndexByte("0123456789abcdefghjkmnpqrstvwxyz", good[len(good)-1])+1)%32])
	for text, want := range map[string]bool{
		"Re: [" + good + "] hello":              true,
		strings.ToLower(good):                   true,
		"x" + good:                              false,
		good + "9":                              false,
		`<a href="` + good + `">`:               false,
		string(ref):                             false, // a reference alone admits nobody
		"[" + string(ref) + "]":                 false,
		flipped:                                 false,
		tokens(t).Make(ref):                     false, // another desk's
		strings.Repeat("PN-", 30000):            false,
		good[:len(good)-1]:                      false,
		strings.Repeat("a ", 40000) + good:      false, // beyond what a subject may hold
		"support+" + strings.ToLower(good) + "": true,
	} {
		if got := len(tk.Find(text)) == 1; got != want {
			t.Errorf("%.60q: found %v, want %v", text, got, want)
		}
	}
}

func TestReferenceSurvivesTheTelephone(t *testing.T) {
	ref := NewRef()
	for _, s := range []string{string(ref), strings.ToLower(string(ref)), " " + string(ref) + " ", strings.ReplaceAll(string(ref), "-", " "), "[" + string(ref) + "]",
		"PN-" + strings.NewReplacer("0", "O", "1", "I").Replace(string(ref)[3:])} {
		if got, ok := ParseRef(s); !ok || got != ref {
			t.Errorf("%q: %q %v, want %q", s, got, ok, ref)
		}
	}
	s := []byte(ref)
	for i := 3; i < len(s); i++ {
		if s[i] == '-' {
			continue
		}
		bad := append([]byte(nil), s...)
		bad[i] = alphabet[(strings.IndexByte(alphabet, s[i])+1)%32]
		if _, ok := ParseRef(string(bad)); ok && i == len(s)-1 {
			t.Errorf("%s passed for %s", bad, s)
		}
	}
}

func TestPlusAddress(t *testing.T) {
	tk, ref := tokens(t), NewRef()
	a := tk.PlusAddress("support@northmere.example", ref)
	box, token := SplitPlus(a)
	if box != "support@northmere.example" || len(tk.Find(token)) != 1 {
		t.Errorf("%s: %q %q", a, box, token)
	}
}

func FuzzFindToken(f *testing.F) {
	tk := tokens(f)
	f.Add("Re: [" + tk.Make(NewRef()) + "]")
	f.Add("PN-0000-000.00000000")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range tk.Find(s) {
			if !strings.Contains(asciiUpper(s), string(r)) {
				t.Errorf("found %q in %q", r, s)
			}
		}
		ParseRef(s)
		SplitPlus(s)
	})
}
