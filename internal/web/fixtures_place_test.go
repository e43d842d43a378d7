package web_test

import (
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

func wishPage(state string) public.InstructionPage {
	return public.InstructionPage{Public: pub(), Path: "/my/authorised/i1", Title: "A payment", Lines: wishLines(), Text: wishText, Approve: "I approve 7QK2-M9TD-4XRH-WC8P", Ref: "7QK2-M9TD-4XRH-WC8P",
		By: "by our staff", Made: at(-.2), Until: at(24), Tries: 5, State: state, Words: "It waits for you until tomorrow at 8:20. Nothing is done without you.", Need: "a code of the authenticator app",
		Phone: "•• 42", Bind: "9f2c6d0a1b8e4f7730c5a2d1e6b94f08a7c3d2e1f0b9a8c7d6e5f40312233445", CanStop: state == "proposed" || state == "approved"}
}

func placeFixtures() []fixture {
	p := public.Templates
	full := wishPage("proposed")
	full.Passkey, full.App, full.Call, full.Sign, full.Mine = true, true, true, true, true
	code := wishPage("proposed")
	code.Call, code.Code, code.Tries = true, "4821 0937", 4
	code.Errors = web.Errors{{Field: "code", Text: "That did not prove it. Nothing was changed."}}
	none := wishPage("proposed")
	none.Missing = "It needs a passkey, or something stronger, and we hold none of yours. Add a passkey under “My devices and sessions”, or call us."
	young := wishPage("proposed")
	young.Call, young.Called, young.Mine = true, true, true
	young.Young = "Your passkey is new. For something that could cost you much it counts from 27 November 2026 on."
	young.Missing = "Nothing else of yours counts for this. It stays open until 29 November 2026; come back then, or call us."
	frozen := wishPage("frozen")
	frozen.Words = "You said that you did not ask for this. It is stopped, and our security people look at it."
	done := wishPage("executed")
	done.Words, done.Proof, done.Proved, done.Result = "It was done today at 8:20.", "a passkey", at(-.1), "booked as 20261122-4471"
	wrong := public.EnterPage{Public: pub(), Address: "ada@brandt.example", Codes: true}
	wrong.Errors = web.Errors{{Field: "code", Text: "That did not let you in. Check the address and the code."}}
	wish := public.WishPage{Public: pub(), ID: "payment", Title: "A payment", Need: "a passkey", Fields: []public.WishField{
		{Name: "amount", Label: "Amount", Value: "100", Hint: "With its currency, such as 1250.00 EUR.", Error: "write an amount with its currency, such as 1250.00 EUR", Type: "text"},
		{Name: "payee", Label: "Payee", Type: "text"}, {Name: "kind", Label: "Kind", Choices: []string{"Once", "Every month"}}, {Name: "key", Label: "Key", Key: true}}}
	wish.Errors = web.Errors{{Field: "amount", Text: "Amount: write an amount with its currency, such as 1250.00 EUR."}}
	badKey := public.MyKeysPage{Public: pub(), Typed: "-----BEGIN PGP PUBLIC", Keys: []public.MyKey{{ID: "k1", Fingerprint: adaKey, State: "Checked with you by call-back", Use: true, Made: day(2024, 2, 1), Expires: day(2028, 2, 1), Revocable: true},
		{ID: "k2", Fingerprint: adaKey2, State: "It came to us beside your checked key, and counts for nothing", Made: day(2026, 11, 20), Revocable: true}}}
	badKey.Errors = web.Errors{{Field: "key", Text: "This is not an OpenPGP key: paste the whole block, from BEGIN PGP PUBLIC KEY BLOCK to END."}}
	agreed := public.AccessPage{Public: pub(), Add: true, May: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3)}}, Codes: true, Agree: true, Agreed: true, Since: day(2026, 9, 9)}
	agreed.Errors = web.Errors{{Field: "agreed", Text: "This code is among those that are tried first; take a line of words."}}
	return []fixture{
		{"my-enter", p, "enter", public.EnterPage{Public: pub(), Codes: true}},
		{"my-enter-wrong", p, "enter", wrong},
		{"my-enter-texts", p, "enter", public.EnterPage{Public: pub(), Codes: true, Texts: true}},
		{"my-enter-asked", p, "enter", public.EnterPage{Public: pub(), Address: "ada@brandt.example", Codes: true, Texts: true, Asked: true}},
		{"my-enter-strict", p, "enter", public.EnterPage{Public: pub()}},
		{"my-place", p, "place", public.PlacePage{Public: pub(), Name: "Ada Brandt", Factor: "With a code by telephone", Waiting: 2, Unread: 1, Lowered: 1}},
		{"my-place-quiet", p, "place", public.PlacePage{Public: pub(), Name: "نور الشامي", Factor: "With your passkey", Passkeys: 2, Key: adaKey}},
		{"my-messages", p, "my-messages", public.LettersPage{Public: pub(), Rows: []public.LetterRow{{ID: "1", Ref: "NM-4711", At: at(-1), New: true}, {ID: "2", Ref: "NM-4690", At: at(-200)}, {ID: "3", Ref: "NM-4600", At: at(-900), Gone: "recalled"}}}},
		{"my-messages-none", p, "my-messages", public.LettersPage{Public: pub()}},
		{"my-message", p, "my-message", public.LetterPage{Public: pub(), Path: "/my/messages/1", Reply: "Thank you", Ref: "NM-4711", Subject: "Your question about the statement", Until: at(600), Item: public.Letter{ID: "item", From: "Northmere Savings", At: at(-1), Text: "Dear Ada,\n\nthe page is here.", Files: []public.File{{Name: "page.pdf", Size: 88000}}}}},
		{"my-authorised", p, "authorised", public.AuthorisedPage{Public: pub(), Waiting: []public.InstructionRow{{ID: "i1", Title: "A payment", State: "Waits for you", Open: true, At: at(-.2)}},
			Others: []public.InstructionRow{{ID: "i2", Title: "A new postal address", State: "Done", At: at(-400)}, {ID: "i3", Title: "Closing the account", State: "Stopped: you did not ask for it", At: at(-700)}}, Types: []public.TypeChoice{{ID: "payment", Title: "A payment"}, {ID: "limit", Title: "Another limit"}}}},
		{"my-instruction", p, "instruction", full},
		{"my-instruction-code", p, "instruction", code},
		{"my-instruction-none", p, "instruction", none},
		{"my-instruction-young", p, "instruction", young},
		{"my-instruction-frozen", p, "instruction", frozen},
		{"my-instruction-done", p, "instruction", done},
		{"my-wish", p, "wish", wish},
		{"my-keys", p, "my-keys", badKey},
		{"my-keys-none", p, "my-keys", public.MyKeysPage{Public: pub()}},
		{"my-access", p, "my-access", public.AccessPage{Public: pub(), Add: true, May: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3), Used: at(-2)}}, App: true, AppSince: day(2026, 6, 1),
			Sessions: []public.MySession{{How: "With your passkey", Made: at(-.1), Here: true}, {How: "With a code of your app", Made: at(-1)}}}},
		{"my-access-setup", p, "my-access", public.AccessPage{Public: pub(), Add: true, May: true, Codes: true, Agree: true, Setup: &public.AppSetup{Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", Address: "otpauth://totp/x"}, Sessions: []public.MySession{{How: "With a code by telephone", Made: at(-.1), Here: true}}}},
		{"my-access-agreed", p, "my-access", agreed},
		{"my-access-agreed-only", p, "my-access", public.AccessPage{Public: pub(), Codes: true, Agreed: true, Since: day(2026, 9, 9), Sessions: []public.MySession{{How: "With the code that you chose", Made: at(-.1), Here: true}}}},
		{"my-access-closed", p, "my-access", public.AccessPage{Public: pub(), Add: true, Why: "Come in with your passkey to change this. If you have lost it, ask us for a recovery: you hear of it on every address.", Codes: true, Passkeys: []public.MyPasskey{{ID: "p1", Name: "Portal", Made: day(2026, 5, 3)}}}},
		{"address", p, "address", public.AddressPage{Public: pub(), Token: "t"}},
		{"stop", p, "stop", public.StopPage{Public: pub(), Token: "t"}},
		{"stop-done", p, "stop", public.StopPage{Public: pub(), Done: true}},
		{"person", p, "person", public.PersonPage{Public: pub(), Token: "PN-1234-567.abcdefgh"}},
		{"person-done", p, "person", public.PersonPage{Public: pub(), Ref: "PN-1234-567"}},
		{"address-done", p, "address", public.AddressPage{Public: pub(), Done: true}},
		{"my-data", p, "my-data", public.DataPage{Public: pub(), Name: "Ada Brandt", Addresses: []string{"ada@brandt.example", "ada@work.example"}, Phones: []string{"•• 42"}, Cases: []string{"NM-4711", "NM-4690"}, Since: day(2025, 5, 3)}},
	}
}
