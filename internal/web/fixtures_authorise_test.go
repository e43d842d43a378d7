package web_test

import (
	"postern/internal/web"
	"postern/internal/web/desk"
)

func authorisationPage(state string) desk.AuthorisationPage {
	return desk.AuthorisationPage{Staff: staff("authorisations", ""), ID: "i1", Title: "A payment", Who: "Ada Brandt", Contact: "c1", Case: "3", Ref: "NM-4711", State: state, Words: "Waits for the customer’s proof",
		Text: wishText, Quote: "Please pay Zoë 1250 EUR, her account is DE89 3704 0044 0532 0130 00", Need: "a call-back code", Tries: 5, Proposer: "Ivo Keller", Made: at(-.2), Until: at(24), Ready: at(12), Approvals: 2,
		Bind: "9f2c6d0a1b8e4f7730c5a2d1e6b94f08a7c3d2e1f0b9a8c7d6e5f40312233445", Phones: []desk.PhoneChoice{{ID: "p1", Shown: "•• 42"}, {ID: "p2", Shown: "•• 17", No: "This number was changed on 10 November 2026, and a changed number counts only after 30 days."}}}
}

func authoriseFixtures() []fixture {
	d := desk.Templates
	call := authorisationPage("proposed")
	call.MayCall, call.MayCancel = true, true
	call.Code = &desk.AccessCode{Code: "4821 0937", Who: "Ada Brandt", Phone: "+44 555 0142", Until: at(.2), Tries: 5}
	call.Errors = web.Errors{{Field: "code", Text: "That did not prove it. Nothing was changed."}}
	decide := authorisationPage("proved")
	decide.Words, decide.MayApprove, decide.MayRefuse, decide.Proof, decide.Attested, decide.Proved, decide.Approvers = "Proved, waits for approval", true, true, "a call-back code", "Noor Bakker", at(-.1), []string{"Noor Bakker"}
	own := authorisationPage("proved")
	own.WhyNot = "You proposed it, so somebody else must approve it."
	do := authorisationPage("approved")
	do.Words, do.MayDo, do.MayRefuse, do.Proof, do.Proved = "Approved, to be done", true, true, "a passkey", at(-1)
	done := authorisationPage("executed")
	done.Words, done.Proof, done.Proved, done.Result, done.Waits = "Done", "a checked signature", at(-1), "booked as 4471", false
	rows := []desk.AuthorisationRow{{ID: "i1", Title: "A payment", Who: "Ada Brandt", Ref: "NM-4711", State: "Proved, waits for approval", Yours: true, At: at(-.2)}, {ID: "i2", Title: "A new postal address", Who: "نور الشامي", Ref: "NM-4690", State: "Waits for the customer’s proof", At: at(-5)}}
	propose := desk.ProposePage{Staff: staff("inbox", ""), Case: "3", Ref: "NM-4711", Message: "m3", Type: "payment", Title: "A payment", Who: []desk.Option{{ID: "c1", Name: "Ada Brandt", On: true}}, Quote: "Please pay Zoë 1250 EUR", Usually: "Ada Brandt usually signs; this message is not signed.",
		Fields: []desk.ProposeField{{Name: "amount", Label: "Amount", Value: "1250 €", Error: "write an amount with its currency, such as 1250.00 EUR"}, {Name: "kind", Label: "Kind", Choices: []string{"Once", "Every month"}}, {Name: "key", Label: "Key", Long: true}}}
	propose.Errors = web.Errors{{Field: "amount", Text: "Amount: write an amount with its currency, such as 1250.00 EUR."}}
	choose := propose
	choose.Title, choose.Fields, choose.Errors, choose.Types = "", nil, nil, []desk.Option{{ID: "payment", Name: "A payment"}, {ID: "limit", Name: "Another limit"}}
	kind := desk.TypePage{Staff: staff("types", ""), ID: "payment", Title: "A payment", Level: []desk.Option{{ID: "call", Name: "A call-back code"}, {ID: "passkey", Name: "A passkey", On: true}}, Signer: []desk.Option{{ID: "passkey", Name: "A passkey", On: true}}, Approver: []desk.Option{{Name: "Whoever works with customers", On: true}, {ID: "triager", Name: "Triagers"}}, People: "1", Expiry: "48", Cooling: "24",
		Fields: "amount | Amount | amount\npayee | Payee | name", Raise: "amount > 1000.00 EUR | passkey | 1", Risky: true, Customer: true, Hooks: []desk.Option{{ID: "h1", Name: "A system of ours: core.northmere.example"}}}
	fresh := kind
	fresh.New, fresh.ID, fresh.Title = true, "", ""
	fresh.People, fresh.Expiry, fresh.Fields = "9", "abc", "payee | Payee | nome"
	fresh.Errors = web.Errors{{Field: "title", Text: "Give it a title of at most 80 characters."}, {Field: "signer", Text: "Of who has a checked key or a passkey, ask for as much as of others, or for more."}, {Field: "people", Text: "Write how many people approve it: 0, 1, 2 or 3."},
		{Field: "expiry", Text: "Write for how many hours it is open: a whole number, from 1 to 2160."}, {Field: "fields", Text: "Field \"payee\": there is no kind \"nome\"."}, {Field: "raise", Text: "Write a rule for more as: amount > 1000.00 EUR | passkey | 1."}}
	hooked := desk.WebhooksPage{Staff: staff("webhooks", ""), Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretOf: "core.northmere.example/postern/payments", URL: "core", Events: []desk.Option{{ID: "instruction.approved", Name: "instruction.approved", On: true}, {ID: "message.sent", Name: "message.sent"}},
		Rows: []desk.WebhookRow{{ID: "h1", Address: "core.northmere.example/postern/payments", Events: "instruction.approved", Enabled: true, Made: at(-90), Calls: []desk.CallRow{{ID: "d1", Event: "instruction.due", State: "failed", Reason: "it answered 500", Tries: 10, At: at(-2), Again: true}, {ID: "d2", Event: "instruction.approved", State: "sent", Tries: 1, At: at(-3)}}},
			{ID: "h2", Address: "old.northmere.example/", Events: "message.sent", Why: "It answered that it is gone.", Made: at(-900)}}}
	asked := desk.WebhooksPage{Staff: staff("webhooks", ""), Rows: hooked.Rows, Events: hooked.Events}
	asked.Errors = web.Errors{{Field: "rotate-h1", Text: "This webhook has got a new secret already, and it was shown then; tick again if you need another."}, {Field: "remove-h2", Text: "Tick that you mean it."}}
	return []fixture{
		{"authorisations", d, "authorisations", desk.AuthorisationsPage{Staff: staff("authorisations", ""), Waiting: rows, Ended: rows}},
		{"authorisations-none", d, "authorisations", desk.AuthorisationsPage{Staff: staff("authorisations", "")}},
		{"authorisation-call", d, "authorisation", call},
		{"authorisation-decide", d, "authorisation", decide},
		{"authorisation-own", d, "authorisation", own},
		{"authorisation-do", d, "authorisation", do},
		{"authorisation-done", d, "authorisation", done},
		{"propose", d, "propose", propose},
		{"propose-choose", d, "propose", choose},
		{"types", d, "types", desk.TypesPage{Staff: staff("types", ""), Rows: []desk.TypeRow{{ID: "payment", Title: "A payment", Level: "A code of the authenticator app", Signer: "A passkey", People: "0", Waits: "0", Does: "A person does it"}, {ID: "old", Title: "An old kind", Level: "A passkey", Signer: "A passkey", People: "2", Waits: "24", Does: "A system of ours does it", Closed: "Closed"}},
			Waiting: []desk.WaitingKind{{ID: "payment", Title: "A payment", By: "Lea Ortiz", From: at(71), Changes: []desk.KindChange{{What: "Proof it needs at least", Was: []string{"A passkey"}, Is: []string{"A call-back code"}}, {What: "Asks for more when", Was: []string{"amount > 1000.00 EUR | passkey | 1", "amount > 20000.00 EUR | passkey | 2"}, Is: []string{"nothing"}}}},
				{ID: "limit", Title: "Another limit", Mine: true, From: at(12), Changes: []desk.KindChange{{What: "People who approve", Was: []string{"1"}, Is: []string{"0"}}}}}}},
		{"type", d, "type", kind},
		{"type-new", d, "type", fresh},
		{"webhooks", d, "webhooks", hooked},
		{"webhooks-asked", d, "webhooks", asked},
		{"webhooks-none", d, "webhooks", desk.WebhooksPage{Staff: staff("webhooks", ""), Events: []desk.Option{{ID: "message.sent", Name: "message.sent"}}}},
	}
}
