package web_test

import (
	"postern/internal/consent"
	"postern/internal/lang"
	"postern/internal/web"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

// protectionFixtures are the pages of what somebody gave up of their protection,
// and the composer that writes to them.
func protectionFixtures() []fixture {
	opted := casePage()
	opted.Messages, opted.Notices, opted.Links, opted.Sensitive = thread()[:1], nil, nil, "personal data"
	opted.Contact = &desk.ContactCard{ID: "c7", Name: "Priya Raman", Trust: web.KeyNone(),
		GivenUp: []desk.GivenUp{{Title: "Encryption of my mails", Since: day(2026, 5, 12)}, {Title: "The second proof on the secure page", Since: at(-2), From: at(22)}}}
	opted.Compose = desk.Composer{Case: "3", UndoFor: 15, Fixed: "This case is sensitive: personal data", Text: "Dear Priya,\n\nyour balance is 4,200.\n\nMara Stein", Preview: desk.Preview{
		To:       []desk.Recipient{{ID: "c7", Name: "Priya Raman", Detail: "On this case", Protection: web.GoesOpted(day(2026, 5, 12)), Why: "Because it is sensitive, and they chose to get such mail readable."}},
		Findings: []desk.Finding{{ID: "own:c7", Class: "warn", Icon: "alert", Title: "It is sensitive and leaves readable.", Text: "They chose that for their own data. Other people’s stays protected.", Confirm: "Nothing in it is about anybody but Priya Raman"}},
		Send:     web.SendFor("opted-out", true), Shown: "opted-out", Todo: "Confirm it is sensitive and leaves readable."}}
	out := []fixture{
		{"contact-opted-out", desk.Templates, "contact", desk.ContactPage{Staff: staff("contacts", ""), Card: *opted.Contact}},
		{"case-opted-out", desk.Templates, "case", opted},
	}
	for _, l := range []lang.Lang{lang.English, lang.German, lang.Pseudo} {
		out = append(out, spoken(l, protectionIn(l))...)
	}
	return out
}

func protectionIn(l lang.Lang) []fixture {
	p, at, day, say := public.Templates, hoursOf(l), daysOf(l), l.Must
	mails := []string{"p••••a@raman.example", "p••••n@work.example"}
	sum := "7f3df8fd36f154c0e437504ca548bbb5b2e6f91262a99195ebb38fc5114ed0d1"
	scope := func(id consent.Scope) (public.Scope, consent.Wording) {
		w, err := consent.In(id, l)
		if err != nil {
			panic(err)
		}
		return public.Scope{ID: string(id), Title: w.Title, Means: w.Means, Lines: w.Lines[:]}, w
	}
	mail, wording := scope(consent.Encryption)
	link, _ := scope(consent.Factor)
	waits, _ := scope(consent.Signature)
	away := mail
	away.Away, away.Since, away.Until, away.How = true, day(2026, 5, 12), day(2027, 5, 12), say("prot.how.page", l.Said("passkey"))
	waits.Away, waits.Since, waits.From, waits.Until, waits.How = true, at(-2), at(22), day(2027, 5, 12), say("prot.how.page", l.Said("access code"))
	form := public.GiveUpPage{Public: in(l), Scope: mail, Still: wording.Still, Version: wording.Version, Today: at(0), Ends: day(2027, 11, 22),
		Phrase: wording.Phrase(), Mail: "support@northmere.example"}
	again := form
	again.Waits = true
	again.Scope, again.Errors = away, web.Errors{{Field: "agree", Text: say("prot.tick")}}
	return []fixture{
		{"p-protection", p, "protection", public.ProtectionPage{Public: in(l), Scopes: []public.Scope{away, waits, link}, Mails: mails}},
		{"p-give-up", p, "give-up", form}, {"p-give-up-error", p, "give-up", again},
		{"p-protection-receipt", p, "protection-receipt", public.ReceiptPage{Public: in(l), Scope: away, Version: wording.Version, Sum: sum, Mails: mails}},
		{"p-protection-waits", p, "protection-receipt", public.ReceiptPage{Public: in(l), Scope: waits, Version: wording.Version, Sum: sum, Mails: mails}},
		{"p-protection-on", p, "protection-receipt", public.ReceiptPage{Public: in(l), Scope: mail, Mails: mails[:1]}},
		{"p-back", p, "protection-back", public.BackPage{Public: in(l), Scope: away, Link: "/back/x"}},
		{"p-back-done", p, "protection-back", public.BackPage{Public: in(l), Scope: mail, Link: "/back/x", Done: true}},
		{"p-back-idle", p, "protection-back", public.BackPage{Public: in(l), Scope: mail, Link: "/back/x"}},
		{"p-open-alone", p, "open", public.OpenPage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", To: "p••••a@raman.example", Until: day(2026, 12, 22), Alone: true}},
	}
}
