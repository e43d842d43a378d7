package instructions

import (
	"strings"
	"testing"
	"time"
)

func TestValuesHaveOneForm(t *testing.T) {
	for _, c := range []struct {
		kind     Kind
		in, want string
	}{
		{Amount, "1,250.5 eur", "1250.50 EUR"}, {Amount, "EUR 1250.50", "1250.50 EUR"}, {Amount, "0.01 CHF", "0.01 CHF"},
		{IBAN, "de89 3704-0044 0532013000", "DE89 3704 0044 0532 0130 00"}, {Phone, "+49 (30) 123-4567", "+49301234567"},
		{Date, "2026-12-01", "2026-12-01"}, {Mail, "ada@example.org", "ada@example.org"}, {Name, "  Zoë   Müller ", "Zoë Müller"},
		{Key, "b8f1 c2d3 e4f5 0617 2839 4a5b 6c7d 8e9f a0b1 c2d3", "B8F1 C2D3 E4F5 0617 2839 4A5B 6C7D 8E9F A0B1 C2D3"},
	} {
		f := Field{Name: "x", Kind: c.kind}
		if got, err := f.Normal(c.in); err != nil || got != c.want {
			t.Errorf("%s %q: %q, %v", c.kind, c.in, got, err)
		}
	}
}

func TestP3LookAlikesAreRefused(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		in   string
	}{
		{Name, "Jоhn Smith"},           // a Cyrillic o
		{Name, "Αlpha Bank"},           // a Greek capital alpha
		{Name, "John\u202eSmith"},      // turns the direction
		{Name, "John\u200bSmith"},      // zero width
		{Name, "Jo\u00adhn"},           // soft hyphen
		{Name, "\U0001d409ohn"},        // a letter for formulas
		{Name, "Ｊohn"},                 // full width
		{Text, "pay\u2066me\u2069"},    // isolates
		{Text, "two\u2028lines\u0007"}, // a control character
		{IBAN, "DE88 3704 0044 0532 0130 00"},
		{IBAN, "DE89 3704 0044 0532 0130 0O"},
		{IBAN, "DЕ89 3704 0044 0532 0130 00"}, // a Cyrillic E
		{Amount, "1.250,00 EUR"}, {Amount, "1,25 EUR"}, {Amount, "-5 EUR"}, {Amount, "0 EUR"}, {Amount, "1e3 EUR"}, {Amount, "100 €"}, {Amount, "100"},
		{Mail, "Ada <ada@example.org>"}, {Mail, "аda@example.org"}, {Phone, "030 1234567"}, {Phone, "+4930123456a"}, {Date, "01.12.2026"}, {Key, "ABCD"},
		{Name, "Aⅽme Hoⅼding"}, {Name, "John ⠀⠀ Smith"}, {Text, "a͏b"}, {Text, "឴"}, {Text, "￼"}, {Text, "󠁁x"}, {Text, "́x"}, {Name, "J¹"},
		{Text, ""}, {Text, strings.Repeat("x", 141)},
	} {
		f := Field{Name: "x", Kind: c.kind}
		if got, err := f.Normal(c.in); err == nil {
			t.Errorf("%s %q was let in as %q", c.kind, c.in, got)
		}
	}
}

func TestLettersBeyondAZAreNamed(t *testing.T) {
	ty := Shipped()[1]
	text := ty.Canonical(Facts{Org: "Northmere", Ref: NewRef(), For: "Ada", By: "by you", Values: map[string]string{"payee": "Аррӏе", "account": "DE89"}})
	if !strings.Contains(text, "А is Cyrillic U+0410") {
		t.Errorf("a name all in Cyrillic is not named:\n%s", text)
	}
	for _, f := range []string{"Payee: Аррӏе", "Account (IBAN): DE89", "Reference: ", "24 hours after the proof"} {
		if !strings.Contains(text, f) {
			t.Errorf("the text lacks %q:\n%s", f, text)
		}
	}
}

func TestRaisesAskForMore(t *testing.T) {
	pay := Shipped()[0]
	for _, c := range []struct {
		amount string
		level  Level
		people int64
	}{{"999.99 EUR", TOTP, 0}, {"1000.00 EUR", TOTP, 0}, {"1000.01 EUR", Passkey, 1}, {"20000.01 EUR", Passkey, 2}, {"5.00 USD", Passkey, 2}} {
		if l, p := pay.Needs(map[string]string{"amount": c.amount}); l != c.level || p != c.people {
			t.Errorf("%s: %s and %d people, want %s and %d", c.amount, KindOf(l), p, KindOf(c.level), c.people)
		}
	}
}

func TestShippedTypesHold(t *testing.T) {
	for _, ty := range Shipped() {
		if err := ty.Check(); err != nil {
			t.Errorf("%s: %v", ty.ID, err)
		}
		if ty.Risky && ty.Signer < Passkey {
			t.Errorf("%s is risky, and a signer may use less than a passkey", ty.ID)
		}
	}
}

func TestTypeIsRefusedThatCannotHold(t *testing.T) {
	good := Shipped()[0]
	for name, spoil := range map[string]func(*Type){
		"no fields":       func(t *Type) { t.Fields = nil },
		"no proof":        func(t *Type) { t.Level = 0 },
		"signers less":    func(t *Type) { t.Level, t.Signer = Signature, Call },
		"no end":          func(t *Type) { t.Expiry = 0 },
		"twin fields":     func(t *Type) { t.Fields = append(t.Fields, t.Fields[0]) },
		"colon in label":  func(t *Type) { t.Fields = []Field{{Name: "xx", Label: "A: b", Kind: Text}} },
		"unknown kind":    func(t *Type) { t.Fields = []Field{{Name: "xx", Label: "A", Kind: "sum"}} },
		"raise of a text": func(t *Type) { t.Raise = []Raise{{Field: "payee", Above: "1.00 EUR"}} },
		"a wait for ever": func(t *Type) { t.Cooling = 365 * 24 * time.Hour },
		"a choice of two lines": func(t *Type) {
			t.Fields = []Field{{Name: "xx", Label: "A", Kind: Choice, Choices: []string{"No", "No\n  Payee: Bob"}}}
		},
		"a label of the form":  func(t *Type) { t.Fields = []Field{{Name: "xx", Label: "Letters", Kind: Text}} },
		"a title of two lines": func(t *Type) { t.Title = "A\u2028B" },
		"bad name":             func(t *Type) { t.ID = "A b" },
	} {
		bad := good
		if spoil(&bad); bad.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
