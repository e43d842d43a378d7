package web_test

import (
	"html/template"
	"slices"
	"time"

	"postern/internal/lang"
	"postern/internal/web"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

// A fixture is a page with rich made-up data: for the type check, for the
// structure check, and for pictures.
type fixture struct {
	file string // of its picture
	set  *template.Template
	name string // of the template
	page any
}

var (
	now   = time.Date(2026, 11, 22, 7, 20, 0, 0, time.UTC)
	clock = web.Clock{Now: now, Zone: time.FixedZone("CET", 3600)}
	org   = web.Org{Name: "Northmere Savings", Host: "support.northmere.example", Mail: "support@northmere.example",
		SecurityMail: "security@northmere.example", Phone: "0555 0100", Hours: "weekdays 8:00 to 18:00",
		Address: "4 Quay Street, Northmere", Key: ourKey}
)

const (
	ourKey  web.Fingerprint = "8C1E55A0D7F3422B90AA6E41CC0799F1B3D85510"
	adaKey  web.Fingerprint = "D4F011B893AC0E6A5C7761E20B1D48F37C1E2A90"
	adaKey2 web.Fingerprint = "7719E0AC25BB41F09D3280C6A4F1E35509DD41F7"
)

// at is a moment so many hours from now.
func at(hours float64) web.When {
	return clock.When(now.Add(time.Duration(hours * float64(time.Hour))))
}

func day(y, m, d int) web.When {
	return clock.When(time.Date(y, time.Month(m), d, 9, 0, 0, 0, time.UTC))
}

func staff(place, view string) web.Staff {
	s := web.Staff{Org: org, Clock: clock, At: place, Me: web.Me{Name: "Mara Stein", Roles: "Agent and admin", Cases: true, Work: true, Write: true, Sums: true, Guard: true, Admin: true},
		Counts: web.Counts{Unread: 8, Tray: 12, Quarantine: 2, Health: 2, Flagged: 2}}
	if place == "inbox" {
		for _, v := range []struct {
			id string
			n  int
		}{{"open", 41}, {"mine", 9}, {"unassigned", 5}, {"waiting", 14}, {"held", 3}, {"lifted", 2}, {"closed", 1000}} {
			s.Views = append(s.Views, web.View{ID: v.id, Count: v.n, On: v.id == view})
		}
	}
	return s
}

func pub() web.Public { return web.Public{Org: org, Clock: clock} }

var (
	encrypted = web.GoesEncrypted(adaKey, day(2026, 5, 3))
	byPortal  = web.GoesByPortal("it is sensitive, they have no key; a signed notice goes out, and a code that you give by telephone opens it")
	readable  = web.GoesSigned("nothing in it is sensitive, they have no key")
	blocked   = web.GoesNowhere("it is sensitive, they have no key, and no second factor is known: put a phone number on file, or compare a key with them")
)

func rows() []desk.Row {
	checked := web.TrustChecked("Ada", "call-back", day(2026, 5, 3))
	return []desk.Row{
		{ID: "1", Who: "Anonymous reporter", Subject: "Your payment page sends the name over plain HTTP", At: at(-.4), Trust: web.TrustSent(), Unread: true, Assignee: "Triage desk", Lifted: true, Due: at(-.2), Late: true},
		{ID: "2", Who: "Jonas Feld", Subject: "Please pay 4,200 to a new payee", At: at(-1), Trust: web.TrustOther(), Assignee: "Ivo Keller", Due: at(5)},
		{ID: "3", Who: "Ada Brandt", Subject: "✔ New address from 1 December", At: at(-1.5), Trust: web.TrustUsual(), Unread: true, Assignee: "Mara Stein", On: true},
		{ID: "4", Who: "Tomasz Wilk", Subject: "Re: My yearly statement has a page missing", At: at(-3), Trust: checked, Unread: true},
		{ID: "5", Who: "Emre Yıldız", Subject: "Statement to my accountant", At: at(-12), Trust: checked, Alarm: true, Held: true, Assignee: "Mara Stein"},
		{ID: "6", Who: "Hanna Lindqvist", Subject: "The survey did not let me say what was wrong", At: at(-15), Trust: web.TrustSent(), Unread: true, Assignee: "Mara Stein"},
		{ID: "7", Who: "Leïla Haddad", Subject: "Closing my late mother’s account", At: at(-20), Trust: web.TrustUnchecked(), Assignee: "Mara Stein"},
		{ID: "8", Who: "Sam Whitlock", Subject: "Is the mail of Friday from you?", At: at(-30), Trust: web.TrustNone(), Unread: true},
		{ID: "9", Who: "Bellwether Dental Clinic, accounts and practice management", Subject: "Fwd: invoices, batch 11, and the reminder that came before the invoice it was reminding us of", At: at(-40), Trust: web.TrustPart(), Unread: true},
		{ID: "10", Who: "", Subject: "", At: at(-60), Trust: web.TrustFailed(), Assignee: "Noor Bakker"},
		{ID: "11", Who: "نور الشامي", Subject: "سؤال عن بطاقتي الجديدة", At: at(-90), Trust: web.TrustSent(), Assignee: "Noor Bakker"},
		{ID: "12", Who: "Giulia Ferro", Subject: "Re: Re: Card lost in Trieste", At: at(-200), Trust: checked, Waiting: true, Assignee: "Ivo Keller"},
	}
}

func adaMessage() desk.Message {
	return desk.Message{ID: "m1", Case: "3", Kind: "in", Who: "Ada Brandt", Did: "wrote to support", At: at(-15), Open: true, HasMail: true,
		Trust: web.TrustChecked("Ada Brandt", "call-back", day(2026, 5, 3)), How: []string{web.HowEncrypted, web.HowDMARC},
		Facts: []desk.Fact{{Name: "Signature", Text: "Valid over everything shown below, made 21 November 17:01"}, {Name: "Key", Fingerprint: adaKey},
			{Name: "Belongs to Ada", Text: "Noor Bakker compared the fingerprint by call-back, 3 May.", URL: "/desk/audit?about=c1"}, {Name: "Sender", Text: "From is an address of this key"}},
		Text:  "Good morning,\n\nwe are moving on 1 December. From then on please send everything to Tannery Lane 12, 2nd floor. My new card can still go to the old address, I am there until the 30th.\n\nDo you need anything else from me?\nAda Brandt",
		Files: []desk.File{{Name: "lease-page-1.pdf", Size: 212_000, URL: "/desk/cases/3/messages/m1/files/0"}}}
}

func unsignedMessage() desk.Message {
	return desk.Message{ID: "m3", Case: "3", Kind: "in", Who: "Ada Brandt", Did: "wrote to support", At: at(-.5), HTML: true, HasMail: true,
		Trust: web.TrustUsual(), How: []string{web.HowTLS, web.HowDMARC},
		Facts:  []desk.Fact{{Name: "Signature", Text: "None. Ada signed her last 31 messages"}, {Name: "Domain", Text: "The domain vouches, not the person"}},
		Notice: &web.Notice{Class: "warn", Icon: "alert", Title: "Nothing in this message can be acted on.", Text: "Ada signed her last 31 messages. Ask through the portal, or call her on the number we hold."},
		Text:   "Hi, sorry, in a hurry, writing from my phone. Please also change the payee for the rent, details are here: Rent form\n\n✔ Verified message. Signed by Ada Brandt.\n\nThanks, A.",
		Quoted: "> Dear Ada,\n> thank you for your message.",
		Foot:   []desk.Foot{{Icon: "link", Text: "1 link, to rent-forms.example"}, {Icon: "image", Text: "5 images from 2 hosts not loaded"}}}
}

func thread() []desk.Message {
	undo := clock.When(now.Add(11 * time.Second))
	return []desk.Message{
		adaMessage(),
		{ID: "m2", Case: "3", Kind: "note", Who: "Ivo Keller", Did: "to the desk", At: at(-14.5), Text: "Card is already printed, goes out Tuesday. Old address is right for it. Please get her approval before you touch the record."},
		{ID: "m7", Case: "3", Kind: "in", Who: "Ada Brandt", Did: "wrote to support", At: at(-14), Automatic: "Automatic answer", Trust: web.TrustNone(), How: []string{web.HowTLS, web.HowNoDMARC}, Text: "I am out of the office until Monday."},
		unsignedMessage(),
		{ID: "m8", Case: "3", Kind: "in", Who: "Emre Yıldız", Did: "wrote to support", At: at(-.45), Trust: web.TrustPart(), How: []string{web.HowTLS}, Facts: []desk.Fact{{Name: "Signature", Text: "Valid, over the middle part alone"}},
			Parts: []desk.Part{{Text: "See the statement of my tax adviser below."}, {Signed: true, Text: "I confirm that the documents may be sent to me.\nR. Olsen, tax adviser"}, {Text: "List of the office, do not answer."}}},
		{ID: "m9", Case: "3", Kind: "in", Who: "Emre Yıldız", Did: "wrote to support", At: at(-.44), Trust: web.TrustFailed(), How: []string{web.HowClear}, HasMail: true, Unread: "This message is encrypted, but not to a key of ours. It is kept as it came. Ask them to use the key on our key page."},
		{ID: "m4", Case: "3", Kind: "out", Who: "Mara Stein", Did: "to Ada Brandt, Emre Yıldız", At: at(-.25),
			Reasons: []string{"The text holds a card number: •••• 4242. Emre Yıldız has no key and no second factor."},
			Text:    "Dear Ada, please find the confirmation of your October standing orders attached.",
			Files:   []desk.File{{Name: "standing-orders-1140.pdf", Size: 88_000, URL: "/desk/cases/3/messages/m4/files/0"}}},
		{ID: "m5", Case: "3", Kind: "out", Who: "Noor Bakker", Did: "to four people", At: at(-.2), Text: "Dear all,\n\nthe papers are ready. Nothing else is needed from you.\n\nKind regards\nNoor Bakker",
			Ways: []desk.Way{
				{ID: "d1", Who: "Ada Brandt", Protection: encrypted, State: "sent", At: at(-.19)},
				{ID: "d2", Who: "Emre Yıldız", Protection: byPortal, State: "fetched", At: at(-.1), Detail: "A scanner may have done that. Nothing was shown.", Track: []desk.Step{{State: "placed", At: at(-.19)}, {State: "notified", At: at(-.18)}, {State: "fetched", At: at(-.1)}}, Recallable: true, Codeable: true, Phone: "•• 42"},
				{ID: "d3", Who: "Lena Brandt", Protection: readable, State: "deferred", At: at(-.1), Detail: "Next try Today 8:35. Their server said: 451 4.7.1 try again later"},
				{ID: "d6", Who: "Priya Raman", Protection: web.GoesOpted(day(2026, 5, 12)), State: "sent", At: at(-.1)},
				{ID: "d4", Who: "R. Olsen", Protection: readable, State: "bounced", At: at(-.1), Detail: "Their server said: 550 5.1.1 no such user"}}},
		{ID: "m6", Case: "3", Kind: "out", Who: "Mara Stein", Did: "to Ada Brandt", At: at(-.001), Undo: &undo, Text: "Dear Ada,\n\nthank you, that is all.\n\nMara Stein",
			Ways: []desk.Way{{ID: "d5", Who: "Ada Brandt", Protection: encrypted, State: "waiting"}}},
	}
}

func card() *desk.ContactCard {
	r := rows()
	r[11].Closed, r[11].Waiting = true, false
	return &desk.ContactCard{ID: "c1", Name: "Ada Brandt", Source: "Wrote by mail first on 14 March 2024", Trust: web.KeyChecked("call-back", day(2026, 5, 3)), Signs: "Signed the last 31 messages but one",
		Addresses: []desk.Address{{Shown: "a••@brandt-family.example", Source: "from her mails"}},
		Phones:    []desk.Phone{{ID: "p1", Shown: "•• 42", Source: "from our records, entered by Noor Bakker"}},
		Keys: []desk.Key{{ID: "k1", Fingerprint: adaKey, Trust: "verified", Use: true, Via: "call-back", By: "Noor Bakker", At: day(2026, 5, 3), Made: day(2024, 3, 1), Expires: day(2028, 6, 1), Emails: []string{"ada@brandt-family.example"}},
			{ID: "k2", Fingerprint: adaKey2, Trust: "harvested", Source: "With the message of today", Made: day(2026, 11, 20), Emails: []string{"ada@brandt-family.example"}, Comparable: true}},
		Pending:  &desk.Key{ID: "k2", Fingerprint: adaKey2, Trust: "harvested"},
		Passkeys: 1,
		History:  []desk.Event{{At: at(-.25), Text: "Reply held: a card number"}, {At: at(-.5), Text: "Message in, not signed"}, {At: at(-14.6), Text: "Ivo Keller raised the case to sensitive"}, {At: at(-15), Text: "Receipt sent, signed"}, {At: day(2026, 5, 3), Text: "Key checked by Noor Bakker"}},
		Cases:    []desk.Row{r[11], r[6]}}
}

func composer() desk.Composer {
	return desk.Composer{Case: "3", Text: "Dear Ada,\n\nthank you. We can change the address as soon as you approve it.\n\nYour new card goes to the old address on Tuesday.\n\nKind regards,\nMara Stein", Saved: at(0), Fixed: "This case is sensitive: personal data", UndoFor: 15,
		Files: []desk.File{{Name: "form-b12.pdf", Size: 48_000}}, Find: "Lena", Searched: true, Found: []desk.Candidate{{ID: "c4", Name: "Lena Brandt", Detail: "lena@brandt-family.example"}},
		Preview: desk.Preview{
			To: []desk.Recipient{{ID: "c1", Name: "Ada Brandt", Detail: "On this case", Protection: encrypted, Why: "Because their key was compared with them and works."},
				{ID: "c2", Name: "Emre Yıldız", Detail: "Contact, added by you", Protection: byPortal, Why: "Because it is sensitive and they have no key."},
				{ID: "c3", Name: "R. Olsen", Detail: "Contact, added by you", Protection: blocked, Why: "Because no second factor is known."}},
			Findings: []desk.Finding{{ID: "first:c2", Class: "warn", Icon: "people", Title: "First time to this person on this case.", Confirm: "I mean Emre Yıldız, e••••z@kestrelmail.example"},
				{ID: "link", Class: "stop", Icon: "link", Title: "A link that is not encrypted cannot leave.", Text: "http://support.northmere.example/a/7QK2"}},
			Send: web.SendFor("portal", true), Shown: "portal", Todo: "It cannot go to R. Olsen; confirm first time to this person on this case; change the link."}}
}

func casePage() desk.CasePage {
	return desk.CasePage{Staff: staff("inbox", ""), ID: "3", Ref: "NS-4711-K", Subject: "New address from 1 December", State: "open", Sensitive: "personal data", Alarm: "Its owner says: I did not ask for this instruction. Somebody may be in their account", With: []string{"Ada Brandt", "Emre Yıldız"}, Mailbox: "support@northmere.example", Last: at(-.5), Assignee: "Mara Stein",
		Staffers: []desk.Option{{ID: "s1", Name: "Mara Stein", On: true}, {ID: "s2", Name: "Ivo Keller"}, {ID: "s3", Name: "Noor Bakker"}},
		Links:    []desk.LinkedCase{{ID: "99", Ref: "NS-4790-P", Subject: "Re: New address", Why: "A stranger wrote with this reference. It became a case of its own."}},
		Notices:  []web.Notice{{Class: "warn", Icon: "jar", Title: "A mail of Ada is in quarantine.", Text: "It could not be opened.", URL: "/desk/quarantine/q1", Link: "Look at it"}},
		Messages: thread(), Compose: composer(), Contact: card()}
}

func fixtures() []fixture {
	return slices.Concat(deskFixtures(), publicFixtures(), protectionFixtures(), placeFixtures(), authoriseFixtures(), centreFixtures(), securityFixtures(), publicationFixtures())
}

func deskFixtures() []fixture {
	d := desk.Templates
	routine := casePage()
	routine.Sensitive, routine.Notices, routine.Links = "", nil, nil
	routine.Messages = thread()[:1]
	routine.Contact = &desk.ContactCard{ID: "c2", Name: "Emre Yıldız", Trust: web.KeyNone()}
	routine.Compose = desk.Composer{Case: "3", UndoFor: 15, Preview: desk.Preview{To: []desk.Recipient{{ID: "c2", Name: "Emre Yıldız", Detail: "On this case", Protection: readable, Why: "Because nothing in it is sensitive."}}, Send: web.SendFor("signed", false), Shown: "signed"}}
	framed := casePage()
	framed.Messages = []desk.Message{unsignedMessage()}
	framed.Messages[0].Framed = true
	framed.Compose = desk.Composer{Case: "3", Note: true, Text: "Called her, no answer."}
	framed.Code = &desk.AccessCode{Code: "4071 8836", Who: "Emre Yıldız", Phone: "+44 555 0142", Until: at(.16), Tries: 5}
	framed.Errors = web.Errors{{Field: "text", Text: "Write the note before you keep it"}}
	peek := desk.InboxPage{Staff: staff("inbox", "open"), View: "open", Total: 41, Unread: 6, Rows: rows(), Older: "/desk/inbox/open?after=x",
		Peek: &desk.Peek{ID: "3", Ref: "NS-4711-K", Subject: "New address from 1 December", Who: "Ada Brandt", Sensitive: true, Message: unsignedMessage(), Protection: encrypted}}
	wide := peek
	wide.Peek, wide.Newer = nil, "/desk/inbox/open"
	empty := desk.InboxPage{Staff: staff("inbox", "held"), View: "held"}
	out := []fixture{
		{"inbox", d, "inbox", wide}, {"inbox-peek", d, "inbox", peek}, {"inbox-empty", d, "inbox", empty},
		{"case", d, "case", casePage()}, {"case-routine", d, "case", routine}, {"case-html-note", d, "case", framed},
		{"search", d, "search", desk.SearchPage{Staff: staff("inbox", ""), Query: "Brandt", Rows: rows()[2:4], Contacts: contactRows()[:2], More: true}},
		{"search-none", d, "search", desk.SearchPage{Staff: staff("inbox", ""), Query: "Brnadt"}},
	}
	return append(append(out, contactFixtures()...), houseFixtures()...)
}

func contactRows() []desk.ContactRow {
	return []desk.ContactRow{
		{ID: "c1", Name: "Ada Brandt", Address: "ada@brandt-family.example", Key: web.KeyChecked("call-back", day(2026, 5, 3)), Last: at(-.5), Open: 1},
		{ID: "c4", Name: "Lena Brandt", Address: "lena@brandt-family.example", Key: web.KeyNone(), Last: at(-500), Waiting: 1},
		{ID: "c2", Name: "Emre Yıldız", Address: "emre.yildiz@kestrelmail.example", Key: web.KeyUnchecked(), Last: at(-12), Open: 2, Waiting: 1},
		{ID: "c5", Name: "Jonas Feld", Address: "j.feld@averyveryverylongdomainnamethatdoesnotend.example", Key: web.KeyPending(), Last: at(-30), Open: 1},
		{ID: "c6", Name: "Giulia Ferro", Address: "giulia@ferro.example", Key: web.KeyDead()},
	}
}

func contactFixtures() []fixture {
	d := desk.Templates
	bad := staff("contacts", "")
	bad.Errors = web.Errors{{Field: "address", Text: "Write one mail address, like name@house.example"}, {Field: "key", Text: "This is not an OpenPGP public key"}}
	refused := staff("contacts", "")
	refused.Errors = web.Errors{{Field: "phone", Text: "A number is on file already; another takes its place only by an instruction of theirs, proposed from a case."}}
	done := staff("contacts", "")
	done.Done = &web.Notice{Class: "good", Icon: "key", Title: "The key was added.", Text: "It counts after you compare it."}
	return []fixture{
		{"contacts", d, "contacts", desk.ContactsPage{Staff: staff("contacts", ""), Rows: contactRows(), Older: "/desk/contacts?after=x"}},
		{"contacts-none", d, "contacts", desk.ContactsPage{Staff: staff("contacts", ""), Query: "Nobody"}},
		{"contact", d, "contact", desk.ContactPage{Staff: done, Card: *card(), MayCall: true, Propose: "3", Code: &desk.AccessCode{Code: "4071 8836", Who: "Ada Brandt", Phone: "+44 555 0142", Until: at(.16), Tries: 5}}},
		{"contact-number", d, "contact", desk.ContactPage{Staff: refused, Card: *card(), MayCall: true, Number: &desk.ShownNumber{Who: "Ada Brandt", Number: "+44 555 0142"}}},
		{"new-contact", d, "new-contact", desk.NewContactPage{Staff: bad, ContactDraft: desk.ContactDraft{Name: "Lena Brandt", Address: "lena@", Key: "nonsense"}}},
	}
}

const rawMail = "Received: from mail.brandt-family.example by support.northmere.example with ESMTPS\r\nFrom: Northmere Savings <support@northmere.example>\r\nTo: ada@brandt-family.example\r\nSubject: Case NS-4711-K\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b1\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nwV4DkYbUJ9VfMjgSAQdAm3aXnq0v3WmS1m6cA9hjS2kqS1Jr0Jm0mZ1o2wKX0iEw\r\n-----END PGP MESSAGE-----\r\n--b1--\r\n"

func houseFixtures() []fixture {
	d := desk.Templates
	tray := []desk.TrayRow{{ID: "t1", To: "ada@brandt-family.example", Subject: "Case NS-4711-K", At: at(-.2), Kind: "Answer", Protection: encrypted, Size: 4_210},
		{ID: "t2", To: "emre.yildiz@kestrelmail.example", Subject: "You have a secure message from Northmere Savings, case NS-4690-D", At: at(-.3), Kind: "Notice", Protection: web.GoesByPortal("the content waits here"), Size: 2_980},
		{ID: "t3", To: "sam@whitlock.example", Subject: "We have your message, NS-4801-C", At: at(-40), Kind: "Receipt", Protection: readable, Size: 2_100}}
	jar := []desk.QuarantineRow{{ID: "q1", From: "Ada Brandt <ada@brandt-family.example>", To: "support@northmere.example", At: at(-.3), Reason: "Encrypted to a key we do not have", Size: 9_800, Tries: 1},
		{ID: "q2", From: "", To: "support@northmere.example", At: at(-70), Reason: "More than one From; nobody knows which one counts", Size: 1_900_000, Tries: 3}}
	roles := func(on ...bool) []desk.Option {
		return []desk.Option{{ID: "agent", Name: "Agent", On: on[0]}, {ID: "triager", Name: "Triager", On: on[1]}, {ID: "admin", Name: "Admin", On: on[2]}}
	}
	people := desk.PeoplePage{Staff: staff("people", ""), Roles: roles(true, false, false), Invite: &desk.OneTimeLink{URL: "https://desk.northmere.example/desk/link/KQ5ZJ3T7WX2M4N6P8R9S", For: "Ines Calder", Until: at(24)},
		Rows: []desk.Person{{ID: "s1", Name: "Mara Stein", Email: "mara@northmere.example", Roles: roles(true, false, true), Passkeys: 2, Password: true, Last: at(0), Me: true},
			{ID: "s2", Name: "Ivo Keller", Email: "ivo@northmere.example", Roles: roles(true, true, false), Passkeys: 1, Last: at(-2)},
			{ID: "s3", Name: "Noor Bakker", Email: "noor@northmere.example", Roles: roles(false, false, false), Password: true, Last: at(-700), Disabled: true},
			{ID: "s4", Name: "Ines Calder", Email: "ines@northmere.example", Roles: roles(true, false, false)}}}
	audit := desk.AuditPage{Staff: staff("audit", ""), Entries: 88_214, Head: "c41f7be0a2d95b6e18f0c3a7d4e2916b50f8ac7713de42906b1fe58a24cd09ae", Checked: at(-.3), Who: "Mara", Kinds: []desk.Option{{ID: "case.closed", Name: "Case closed", On: true}}, Older: "/desk/audit?before=1",
		Rows: []desk.AuditRow{{N: 88214, At: at(-.2), Who: "Mara Stein", What: "Queued an answer", About: "NS-4711-K", URL: "/desk/cases/3"}, {N: 88213, At: at(-4800), Who: "Noor Bakker", What: "Marked key …7C1E 2A90 as checked by call-back", About: "Ada Brandt", URL: "/desk/contacts/c1"}, {N: 88212, At: at(-4801), Who: "The desk", What: "Took in a mail", About: "NS-4711-K"}}}
	broken := audit
	broken.Broken, broken.Rows = "Entry 4,102 does not fit to the one before it.", nil
	return []fixture{
		{"tray", d, "tray", desk.TrayPage{Staff: staff("tray", ""), Rows: tray, Older: "/desk/tray?after=x"}},
		{"tray-texts", d, "tray", desk.TrayPage{Staff: staff("tray", ""), Rows: tray, Texts: []desk.TrayText{{To: "+44 555 0142", At: at(-.1), Text: "Northmere Savings: 4821 0937 is your code to come into your place on support.northmere.example. It is good for ten minutes and once. Type it there yourself and never read it to anybody: we never ask for it. You did not ask for it? Then do nothing."}, {To: "+44 555 0177", At: at(-3), Text: "Northmere Savings: 1234 5678 is your code."}}}},
		{"tray-empty", d, "tray", desk.TrayPage{Staff: staff("tray", ""), Relay: "mail.northmere.example"}},
		{"tray-mail", d, "tray-mail", desk.TrayMailPage{Staff: staff("tray", ""), TrayRow: tray[0], Headers: []desk.Header{{Name: "From", Value: "Northmere Savings <support@northmere.example>"}, {Name: "Content-Type", Value: "multipart/encrypted; protocol=\"application/pgp-encrypted\""}, {Name: "Autocrypt", Value: "addr=support@northmere.example; keydata=" + string(ourKey) + string(ourKey) + string(ourKey)}}, Raw: rawMail, Cut: true}},
		{"quarantine", d, "quarantine", desk.QuarantinePage{Staff: staff("quarantine", ""), Rows: jar}},
		{"quarantine-mail", d, "quarantine-mail", desk.QuarantineMailPage{Staff: staff("quarantine", ""), QuarantineRow: jar[0], Detail: "No session key for 0x1122334455667788.", Raw: rawMail}},
		{"people", d, "people", people},
		{"mailboxes", d, "mailboxes", desk.MailboxesPage{Staff: staff("mailboxes", ""), Rows: []desk.Mailbox{{ID: "b1", Address: "support@northmere.example", Name: "Northmere Savings"}, {ID: "b2", Address: "estates@northmere.example", Name: "Northmere Savings, Estates", Sensitive: true}, {ID: "b3", Address: "old@northmere.example", Name: "Northmere Savings", Disabled: true}}}},
		{"keys", d, "keys", desk.KeysPage{Staff: staff("keys", ""), Keys: []desk.OwnKey{{ID: "o1", Fingerprint: ourKey, Users: []string{"Northmere Savings <support@northmere.example>"}, Made: day(2026, 11, 1), Current: true, Published: []desk.Published{{URL: "https://openpgpkey.northmere.example/.well-known/openpgpkey/northmere.example/hu/8yt6s1zk", Found: true}, {URL: "https://support.northmere.example/keys"}}}, {ID: "o2", Fingerprint: adaKey2, Users: []string{"support@northmere.example"}, Made: day(2024, 1, 1), Expires: day(2026, 10, 1)}}}},
		{"audit", d, "audit", audit}, {"audit-broken", d, "audit", broken},
		{"health", d, "health", healthPage()}, {"account", d, "account", accountPage()}, {"account-first", d, "account", firstAccountPage()},
		{"sign-in", d, "sign-in", desk.SignInPage{Org: org}},
		{"sign-in-error", d, "sign-in", desk.SignInPage{Org: org, Email: "mara@northmere.example", Errors: web.Errors{{Field: "email", Text: "These do not fit together. Check all three"}}, Notice: &web.Notice{Class: "warn", Icon: "clock", Title: "You were signed out after 30 minutes."}}},
		{"link", d, "link", desk.LinkPage{Org: org, Token: "T", Name: "Ines Calder", Roles: "Agent", Until: at(24), First: true}},
		{"setup", d, "setup", desk.SetupPage{Token: "T", Host: "support.northmere.example", Errors: web.Errors{{Field: "support", Text: "Write one mail address, like support@house.example"}}, SupportAddress: "support"}},
	}
}

func healthPage() desk.HealthPage {
	return desk.HealthPage{Staff: staff("health", ""), Checked: at(0), Needs: 2, Version: "Postern 0.1.0, SQLite, one node. 61 GB free of 80.",
		Figures: []desk.Figure{{Name: "Longest wait at intake today", Value: "0.4 s", Note: "The limit is 2 s"}, {Name: "Messages in yesterday", Value: "136", Note: "Most from 8 to 9"}, {Name: "Waiting to leave", Value: "3", Note: "Oldest 4 min"}},
		Checks: []desk.Check{{State: "bad", Name: "No backup for 3 days", Cause: "The folder /var/backups/postern is not writable.", Mend: "Give the user postern the right to write there.", URL: "/desk/health#backup", Link: "Look again"},
			{State: "soon", Name: "The certificate runs out in 6 days", Cause: "It does not renew by itself: ACME is off."}, {State: "good", Name: "Incoming mail is on disk before we say yes", Cause: "Longest wait since midnight 0.4 s; 0 in the queue"},
			{State: "good", Name: "Audit log unbroken", Cause: "88,214 entries, verified at 8:00", URL: "/desk/audit", Link: "Audit log"}, {State: "off", Name: "Relay", Cause: "No relay is set; outgoing mail lands in the tray.", Mend: "Set relay.host in the configuration."}}}
}

func accountPage() desk.AccountPage {
	p := desk.AccountPage{Staff: staff("account", ""), Email: "mara@northmere.example", Password: true, Left: 8, Codes: []string{"moss-4417", "tiller-0932", "oboe-7710", "crane-5523", "linen-8842", "quay-1109", "amber-3391", "fjord-6604"},
		Passkeys: []desk.Passkey{{ID: "a", Name: "Laptop", Made: day(2026, 2, 1), Used: at(-1)}, {ID: "b", Name: "Phone", Made: day(2026, 3, 9)}},
		Setup:    &desk.TOTPSetup{Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", Address: "otpauth://totp/Postern:mara?secret=JBSWY3DP"},
		Sessions: []desk.Session{{ID: "1", Browser: "Firefox on Linux", Began: at(-6), Seen: at(0), Until: at(6), Me: true}, {ID: "2", Browser: "Safari on iPhone", Began: at(-30), Seen: at(-20), Until: at(2)}}}
	for i := range 25 {
		row := make([]byte, 25)
		for j := range row {
			row[j] = '0' + byte((i*j+i+j*j/3)%3&1)
		}
		p.Setup.QR = append(p.Setup.QR, string(row))
	}
	return p
}

func firstAccountPage() desk.AccountPage {
	p := desk.AccountPage{Staff: staff("account", ""), Email: "ines@northmere.example", Sessions: accountPage().Sessions[:1]}
	p.Done = &web.Notice{Class: "warn", Icon: "pass", Title: "Add a passkey, or a password and code, before you go on.", Text: "The link you came by works once. Without one of these your way in is lost when this session ends, and an admin has to make you a new link.", URL: "/desk", Link: "Go on without one"}
	return p
}

func publicFixtures() []fixture {
	d := public.Templates
	home := public.HomePage{Public: pub(), Topics: topics(lang.English), Mailboxes: []public.Mailbox{{Address: "support@northmere.example", Name: "Everything; answered within one working day"}, {Address: "estates@northmere.example", Name: "After a death in the family"}}}
	prove := public.ProvePage{Public: pub(), Link: "/m/x", Ref: "NS-4690-D", Passkey: true, Phone: "•• 42", Issued: true, Tries: 4}
	wrong := prove
	wrong.Passkey, wrong.Errors = false, web.Errors{{Field: "code", Text: "This code is not right, or its ten minutes are over"}}
	locked := prove
	locked.Locked = true
	message := public.MessagePage{Public: pub(), Link: "/m/x", Ref: "NS-4690-D", Subject: "Your statement for October", Until: day(2026, 12, 22), Opened: at(-.1), Factor: "access code", Agent: "Mara Stein", Enrol: true,
		Item: public.Letter{ID: "i", From: "Mara Stein, Northmere Savings", At: at(-.6), Text: "Dear Emre,\n\nhere is the October statement for your accountant. The two entries you asked about are one payment: the first attempt was returned by the other bank on the 14th, and the second went through on the 15th.\n\nIf you would rather have such papers by encrypted mail, send us your key.\n\nKind regards,\nMara Stein",
			Files: []public.File{{Name: "statement-october.pdf", Size: 96_000, URL: "/m/x/files/0"}, {Name: "a-very-long-file-name-that-somebody-gave-to-the-scan-of-the-second-page-of-it.tiff", Size: 4_400_000, URL: "/m/x/files/1"}}},
		Earlier: []public.Letter{{ID: "e1", Mine: true, At: at(-40), Text: "May I have a copy for my accountant?"}, {ID: "e2", From: "Noor Bakker, Northmere Savings", At: at(-60), Text: "Good morning. What can we do for you?"}}}
	person := message
	person.Asked, person.Errors, person.Reply = true, web.Errors{{Field: "files", Text: "The files are larger than 20 MB together"}}, "Here is what you asked for."
	gone := func(why string) public.GonePage {
		return public.GonePage{Public: pub(), Ref: "NS-4690-D", Why: why, At: at(-1)}
	}
	return []fixture{
		{"p-home", d, "home", home}, {"p-something-else", d, "something-else", home}, {"p-report", d, "report", home},
		{"p-keys", d, "keys", public.KeysPage{Public: pub(), Keys: []public.Key{{Fingerprint: ourKey, Addresses: []string{"support@northmere.example", "estates@northmere.example"}, Made: day(2026, 11, 1), Current: true, URL: "/keys/" + string(ourKey) + ".asc", WKD: true}}}},
		{"p-open", d, "open", public.OpenPage{Public: pub(), Link: "/m/x", Ref: "NS-4690-D", To: "e••••z@kestrelmail.example", Phone: "•• 42", Until: day(2026, 12, 22), Passed: true}},
		{"p-prove", d, "prove", prove}, {"p-prove-wrong", d, "prove", wrong}, {"p-prove-locked", d, "prove", locked},
		{"p-message", d, "message", message}, {"p-message-error", d, "message", person},
		{"p-sent", d, "sent", public.SentPage{Public: pub(), Link: "/m/x", Ref: "NS-4690-D", At: at(0)}},
		{"p-recalled", d, "gone", gone("recalled")}, {"p-expired", d, "gone", gone("expired")}, {"p-gone", d, "gone", gone("unknown")},
		{"p-signed-out", d, "signed-out", public.SignedOutPage{Public: pub()}},
		{"p-error", d, "error", web.ErrorPage{Public: pub(), Status: 500, Kind: "internal", Incident: "K7Q2MTX4"}},
		{"p-error-404", d, "error", web.ErrorPage{Public: pub(), Status: 404, Kind: "notfound", Text: "There is no such page."}},
		{"error-staff", desk.Templates, "error", web.ErrorPage{Public: pub(), Staff: true, Status: 409, Kind: "conflict", Text: "Somebody else changed this case in the meantime; look at it again."}},
	}
}
