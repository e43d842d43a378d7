package web_test

import (
	"strings"
	"time"

	"postern/internal/lang"
	"postern/internal/web"
	"postern/internal/web/public"
)

const wishText = `INSTRUCTION TO Northmere Savings
Reference: 7QK2-M9TD-4XRH-WC8P
For: Ada Brandt, ada@brandt.example
What: A payment
  Amount: 1250.00 EUR
  Payee: Zoë Müller
    Letters: ë is Latin U+00EB, ü is Latin U+00FC
  Account (IBAN): DE89 3704 0044 0532 0130 00
  Purpose: (nothing)
Proposed: 22 November 2026, 07:20 UTC, by our staff
Open until: 23 November 2026, 07:20 UTC
END OF INSTRUCTION (form 1)
`

func wishLines() []public.TextLine {
	return []public.TextLine{{Name: "Amount", Value: "1250.00 EUR"}, {Name: "Payee", Value: "Zoë Müller", Letters: "ë is Latin U+00EB, ü is Latin U+00FC"},
		{Name: "Account (IBAN)", Value: "DE89 3704 0044 0532 0130 00"}, {Name: "Purpose", Value: "(nothing)"}}
}

func wishPage(l lang.Lang, state string) public.InstructionPage {
	at := hoursOf(l)
	return public.InstructionPage{Public: in(l), Path: "/my/authorised/i1", Title: "A payment", Lines: wishLines(), Text: wishText, Approve: "I approve 7QK2-M9TD-4XRH-WC8P", Ref: "7QK2-M9TD-4XRH-WC8P",
		Until: at(24), Tries: 5, State: state, Words: l.Must("ins.proposed", at(24).Inside()), Need: l.Said("a code of the authenticator app"),
		Phone: "•• 42", Bind: "9f2c6d0a1b8e4f7730c5a2d1e6b94f08a7c3d2e1f0b9a8c7d6e5f40312233445", CanStop: state == "proposed" || state == "approved"}
}

// hoursOf places moments on the clock of a page in a language.
func hoursOf(l lang.Lang) func(hours float64) web.When {
	return func(hours float64) web.When {
		w := in(l)
		return w.When(now.Add(time.Duration(hours * float64(time.Hour))))
	}
}

// daysOf is hoursOf for days.
func daysOf(l lang.Lang) func(y, m, d int) web.When {
	return func(y, m, d int) web.When {
		w := in(l)
		return w.When(time.Date(y, time.Month(m), d, 9, 0, 0, 0, time.UTC))
	}
}

// spoken names the pictures of a page's fixtures in another language than English.
func spoken(l lang.Lang, list []fixture) []fixture {
	for i := range list {
		if l != lang.English {
			list[i].file += "-" + strings.ToLower(string(l))
		}
	}
	return list
}

// placeFixtures are the pages of the customer's place, in every language and in the
// pseudo one.
func placeFixtures() (out []fixture) {
	for _, l := range []lang.Lang{lang.English, lang.German, lang.Pseudo} {
		out = append(out, spoken(l, placeIn(l))...)
	}
	return out
}

func placeIn(l lang.Lang) []fixture {
	p, at, day, say := public.Templates, hoursOf(l), daysOf(l), l.Must
	said := func(english string) string { return l.Said(english) + "." }
	full := wishPage(l, "proposed")
	full.Passkey, full.App, full.Call, full.Sign, full.Mine = true, true, true, true, true
	code := wishPage(l, "proposed")
	code.Call, code.Code, code.Tries = true, "4821 0937", 4
	code.Errors = web.Errors{{Field: "code", Text: said("that did not prove it. Nothing was changed. Look at the text again and try once more, or call us")}}
	none := wishPage(l, "proposed")
	none.Missing = say("ins.missing", l.Said("a passkey")) + " " + say("ins.missing.risky")
	young := wishPage(l, "proposed")
	young.Call, young.Called, young.Mine = true, true, true
	young.Young = say("ins.young.passkey", day(2026, 11, 27).Inside())
	young.Missing = say("ins.missing.young", day(2026, 11, 29).Inside())
	frozen := wishPage(l, "frozen")
	frozen.Words = say("ins.frozen")
	done := wishPage(l, "executed")
	done.Words, done.Proof, done.Proved, done.Result = say("ins.done", at(-.1).Inside()), l.Said("a passkey"), at(-.1), l.Said("the new key is in use")
	wrong := public.EnterPage{Public: in(l), Address: "ada@brandt.example", Codes: true}
	wrong.Errors = web.Errors{{Field: "code", Text: say("enter.refused")}}
	wish := public.WishPage{Public: in(l), ID: "payment", Title: "A payment", Fields: []public.WishField{
		{Name: "amount", Label: "Amount", Value: "100", Hint: say("wish.hint.amount"), Error: l.Said("write an amount with its currency, such as 1250.00 EUR"), Type: "text"},
		{Name: "payee", Label: "Payee", Type: "text"}, {Name: "kind", Label: "Kind", Choices: []string{"Once", "Every month"}}, {Name: "key", Label: "Key", Key: true}}}
	wish.Errors = web.Errors{{Field: "amount", Text: "Amount: " + said("write an amount with its currency, such as 1250.00 EUR")}}
	badKey := public.MyKeysPage{Public: in(l), Typed: "-----BEGIN PGP PUBLIC", Keys: []public.MyKey{{ID: "k1", Fingerprint: adaKey, State: say("mykeys.state.checked", l.Said("call-back")), Use: true, Made: day(2024, 2, 1), Expires: day(2028, 2, 1), Revocable: true},
		{ID: "k2", Fingerprint: adaKey2, State: say("mykeys.state.pending"), Made: day(2026, 11, 20), Revocable: true}}}
	badKey.Errors = web.Errors{{Field: "key", Text: said("this is not an OpenPGP key: paste the whole block, from BEGIN PGP PUBLIC KEY BLOCK to END")}}
	agreed := public.AccessPage{Public: in(l), Add: true, May: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3)}}, Codes: true, Agree: true, Agreed: true, Since: day(2026, 9, 9)}
	agreed.Errors = web.Errors{{Field: "agreed", Text: said("this code is among those that are tried first; take a line of words")}}
	return []fixture{
		{"my-enter", p, "enter", public.EnterPage{Public: in(l), Codes: true}},
		{"my-enter-wrong", p, "enter", wrong},
		{"my-enter-texts", p, "enter", public.EnterPage{Public: in(l), Codes: true, Texts: true}},
		{"my-enter-asked", p, "enter", public.EnterPage{Public: in(l), Address: "ada@brandt.example", Codes: true, Texts: true, Asked: true}},
		{"my-enter-strict", p, "enter", public.EnterPage{Public: in(l)}},
		{"my-place", p, "place", public.PlacePage{Public: in(l), Name: "Ada Brandt", Factor: say("factor.call"), Waiting: 2, Unread: 1, Lowered: 1}},
		{"my-place-quiet", p, "place", public.PlacePage{Public: in(l), Name: "نور الشامي", Factor: say("factor.passkey"), Passkeys: 2, Key: adaKey}},
		{"my-messages", p, "my-messages", public.LettersPage{Public: in(l), Rows: []public.LetterRow{{ID: "1", Ref: "NM-4711", At: at(-1), New: true}, {ID: "2", Ref: "NM-4690", At: at(-200)}, {ID: "3", Ref: "NM-4600", At: at(-900), Gone: "recalled"}}}},
		{"my-messages-none", p, "my-messages", public.LettersPage{Public: in(l)}},
		{"my-message", p, "my-message", public.LetterPage{Public: in(l), Path: "/my/messages/1", Reply: "Thank you", Ref: "NM-4711", Subject: "Your question about the statement", Until: at(600), Item: public.Letter{Lang: l, ID: "item", From: "Northmere Savings", At: at(-1), Text: "Dear Ada,\n\nthe page is here.", Files: []public.File{{Name: "page.pdf", Size: 88000}}}}},
		{"my-authorised", p, "authorised", public.AuthorisedPage{Public: in(l), Waiting: []public.InstructionRow{{ID: "i1", Title: "A payment", State: say("state.proposed"), Open: true, At: at(-.2)}},
			Others: []public.InstructionRow{{ID: "i2", Title: "A new postal address", State: say("state.executed"), At: at(-400)}, {ID: "i3", Title: "Closing the account", State: say("state.frozen"), At: at(-700)}}, Types: []public.TypeChoice{{ID: "payment", Title: "A payment"}, {ID: "limit", Title: "Another limit"}}}},
		{"my-instruction", p, "instruction", full},
		{"my-instruction-code", p, "instruction", code},
		{"my-instruction-none", p, "instruction", none},
		{"my-instruction-young", p, "instruction", young},
		{"my-instruction-frozen", p, "instruction", frozen},
		{"my-instruction-done", p, "instruction", done},
		{"my-wish", p, "wish", wish},
		{"my-keys", p, "my-keys", badKey},
		{"my-keys-none", p, "my-keys", public.MyKeysPage{Public: in(l)}},
		{"my-access", p, "my-access", public.AccessPage{Public: in(l), Add: true, May: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3), Used: at(-2)}}, App: true, AppSince: day(2026, 6, 1),
			Sessions: []public.MySession{{How: say("factor.passkey"), Made: at(-.1), Here: true}, {How: say("factor.app"), Made: at(-1)}}}},
		{"my-access-setup", p, "my-access", public.AccessPage{Public: in(l), Add: true, May: true, Codes: true, Agree: true, Setup: &public.AppSetup{Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", Address: "otpauth://totp/x"}, Sessions: []public.MySession{{How: say("factor.call"), Made: at(-.1), Here: true}}}},
		{"my-access-agreed", p, "my-access", agreed},
		{"my-access-agreed-only", p, "my-access", public.AccessPage{Public: in(l), Codes: true, Agreed: true, Since: day(2026, 9, 9), Sessions: []public.MySession{{How: say("factor.agreed"), Made: at(-.1), Here: true}}}},
		{"my-access-closed", p, "my-access", public.AccessPage{Public: in(l), Add: true, Why: said("come in with your passkey to change this. If you have lost it, ask us for a recovery: you hear of it on every address"), Codes: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3)}}}},
		{"address", p, "address", public.AddressPage{Public: in(l), Token: "t"}},
		{"stop", p, "stop", public.StopPage{Public: in(l), Token: "t"}},
		{"stop-done", p, "stop", public.StopPage{Public: in(l), Done: true}},
		{"address-done", p, "address", public.AddressPage{Public: in(l), Done: true}},
		{"my-data", p, "my-data", public.DataPage{Public: in(l), Name: "Ada Brandt", Addresses: []string{"ada@brandt.example", "ada@work.example"}, Phones: []string{"•• 42"}, Cases: []string{"NM-4711", "NM-4690"}, Since: day(2025, 5, 3)}},
	}
}
