package web_test

import (
	"postern/internal/web"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

// protectionFixtures are the pages of what somebody gave up of their protection,
// and the composer that writes to them.
func protectionFixtures() []fixture {
	p := public.Templates
	mails := []string{"p••••a@raman.example", "p••••n@work.example"}
	sum := "7f3df8fd36f154c0e437504ca548bbb5b2e6f91262a99195ebb38fc5114ed0d1"
	mail := public.Scope{ID: "encryption", Title: "Encryption of my mails", Means: "What is sensitive comes in a signed mail that can be read on the way, and no longer encrypted or on our secure page.",
		Lines: []string{"Whoever runs a mail server, a network or a wireless hot spot on the way can read the mail. Nobody notices.",
			"One wrong letter in an address, ours or yours, and a stranger has it. A mail cannot be called back.",
			"Whoever gets into your mailbox, now or in ten years, reads everything that we ever sent you.",
			"With an account number, a date of birth and a statement others can pretend to be you, to us and elsewhere.",
			"Copies stay where mail is forwarded, backed up, printed, or shown on a screen that you share."}}
	away, link := mail, mail
	away.Away, away.Since, away.Until, away.How = true, day(2026, 5, 12), day(2027, 5, 12), "on this page, proved by passkey"
	link.ID, link.Title, link.Means = "factor", "The second proof on the secure page", "A message that waits on our secure page opens by the link in our mail and one button, without a code and without your passkey."
	waits := away
	waits.ID, waits.Title, waits.Since, waits.From, waits.How = "signature", "Signatures on my mails", at(-2), at(22), "on this page, proved by access code"
	form := public.GiveUpPage{Public: pub(), Scope: mail, Still: "Other people’s data, and topics that we list, stay protected whatever you choose.", Version: 1, Today: at(0), Ends: day(2027, 11, 22),
		Phrase: "I give up: encryption of my mails (version 1)", Mail: "support@northmere.example"}
	again := form
	again.Waits = true
	again.Scope, again.Errors = away, web.Errors{{Field: "agree", Text: "Tick that you have read what can happen, or keep the protection."}}
	opted := casePage()
	opted.Messages, opted.Notices, opted.Links, opted.Sensitive = thread()[:1], nil, nil, "personal data"
	opted.Contact = &desk.ContactCard{ID: "c7", Name: "Priya Raman", Trust: web.KeyNone(),
		GivenUp: []desk.GivenUp{{Title: "Encryption of my mails", Since: day(2026, 5, 12)}, {Title: "The second proof on the secure page", Since: at(-2), From: at(22)}}}
	opted.Compose = desk.Composer{Case: "3", UndoFor: 15, Fixed: "This case is sensitive: personal data", Text: "Dear Priya,\n\nyour balance is 4,200.\n\nMara Stein", Preview: desk.Preview{
		To:       []desk.Recipient{{ID: "c7", Name: "Priya Raman", Detail: "On this case", Protection: web.GoesOpted(day(2026, 5, 12)), Why: "Because it is sensitive, and they chose to get such mail readable."}},
		Findings: []desk.Finding{{ID: "own:c7", Class: "warn", Icon: "alert", Title: "It is sensitive and leaves readable.", Text: "They chose that for their own data. Other people’s stays protected.", Confirm: "Nothing in it is about anybody but Priya Raman"}},
		Send:     web.SendFor("opted-out", true), Shown: "opted-out", Todo: "Confirm it is sensitive and leaves readable."}}
	return []fixture{
		{"contact-opted-out", desk.Templates, "contact", desk.ContactPage{Staff: staff("contacts", ""), Card: *opted.Contact}},
		{"case-opted-out", desk.Templates, "case", opted},
		{"p-protection", p, "protection", public.ProtectionPage{Public: pub(), Scopes: []public.Scope{away, waits, link}, Mails: mails}},
		{"p-give-up", p, "give-up", form}, {"p-give-up-error", p, "give-up", again},
		{"p-protection-receipt", p, "protection-receipt", public.ReceiptPage{Public: pub(), Scope: away, Version: 1, Sum: sum, Mails: mails}},
		{"p-protection-waits", p, "protection-receipt", public.ReceiptPage{Public: pub(), Scope: waits, Version: 1, Sum: sum, Mails: mails}},
		{"p-protection-on", p, "protection-receipt", public.ReceiptPage{Public: pub(), Scope: mail, Mails: mails[:1]}},
		{"p-back", p, "protection-back", public.BackPage{Public: pub(), Scope: away, Link: "/back/x"}},
		{"p-back-done", p, "protection-back", public.BackPage{Public: pub(), Scope: mail, Link: "/back/x", Done: true}},
		{"p-back-idle", p, "protection-back", public.BackPage{Public: pub(), Scope: mail, Link: "/back/x"}},
		{"p-open-alone", p, "open", public.OpenPage{Public: pub(), Link: "/m/x", Ref: "NS-4690-D", To: "p••••a@raman.example", Until: day(2026, 12, 22), Alone: true}},
	}
}
