package web_test

import (
	"strconv"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/figures"
	"postern/internal/lang"
	"postern/internal/web"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

func topics(l lang.Lang) []centre.Choice {
	t, err := centre.Parse(strings.Replace(centre.Default, "A complaint", "  A bill that is too high | Say which\n  de: Eine zu hohe Rechnung | Sagen Sie, welche\nA complaint", 1))
	if err != nil {
		panic(err)
	}
	return t.List(l)
}

// in is the base of a page in a language.
func in(l lang.Lang) web.Public {
	p := pub()
	p.Lang, p.Langs = l, []lang.Lang{lang.German}
	if l == lang.German {
		p.Langs = []lang.Lang{lang.English}
	}
	return p
}

// centreFixtures are the support centre's pages, each in every language and in the
// pseudo one.
func centreFixtures() []fixture {
	d := public.Templates
	var out []fixture
	for _, l := range []lang.Lang{lang.English, lang.German, lang.Pseudo} {
		at := func(hours float64) web.When {
			w := in(l)
			return w.When(now.Add(time.Duration(hours * float64(time.Hour))))
		}
		add := func(file, name string, page any) {
			out = append(out, fixture{"c-" + file + "-" + strings.ToLower(string(l)), d, name, page})
		}
		boxes := []public.Mailbox{{Address: "support@northmere.example", Name: "Support"}}
		home := public.HomePage{Public: in(l), Topics: topics(l), Mailboxes: boxes}
		for _, name := range []string{"home", "something-else", "report"} {
			add(name, name, home)
		}
		asked1 := public.CheckedPage{Public: in(l)}
		add("check", "check", asked1)
		asked1.Errors = web.Errors{{Field: "text", Text: l.Must("check.empty") + "."}}
		add("check-error", "check", asked1)
		add("check-ours", "check", public.CheckedPage{Public: in(l), Asked: true, Origin: "ours", How: "signature", Sent: at(-30), Key: ourKey, To: "a••••a@brandt-family.example"})
		add("check-changed", "check", public.CheckedPage{Public: in(l), Asked: true, Origin: "changed", How: "register", Sent: at(-30), To: "a••••a@brandt-family.example", Filed: true, See: true})
		add("check-foreign", "check", public.CheckedPage{Public: in(l), Asked: true, Origin: "foreign"})
		leaves := []public.Leaf{{URL: "/help/card-lost", Title: "Card lost or stolen", Lang: "en", First: "Block it at once, at any hour, by one button or one call. A new one is with you in four days."}, {URL: "/help/bill-twice", Title: "A bill came twice, and one of the two bears the reference of the year before", Lang: "en"}}
		full := home
		full.Articles = leaves
		add("home-articles", "home", full)
		add("help", "help", public.HelpPage{Public: in(l), Articles: leaves, Topics: topics(l)})
		add("help-found", "help", public.HelpPage{Public: in(l), Query: "card", Articles: leaves[:1], Topics: topics(l)})
		add("help-nothing", "help", public.HelpPage{Public: in(l), Query: "xyzzy", Topics: topics(l)})
		body, err := centre.ArticleIn{Text: "Block it **at once**, at any hour.\n\n## What to do\n\n1. Call the number on the back.\n2. Say which card.\n\n- [Our keys](/keys)\n\n> Nobody will ask you for your PIN.\n\n| Card | Days |\n|---|---|\n| Debit | 4 |\n"}.HTML()
		if err != nil {
			panic(err)
		}
		read := public.ArticlePage{Public: in(l), ID: "card-lost", Title: "Card lost or stolen", In: "en", Topic: "something-else", Body: body, Changed: at(-300)}
		add("article", "article", read)
		read.Said = "no"
		add("article-no", "article-said", read)
		read.Said = "yes"
		add("article-yes", "article-said", read)
		add("keys", "keys", public.KeysPage{Public: in(l), Keys: []public.Key{{Fingerprint: ourKey, Addresses: []string{"support@northmere.example"}, Made: at(-480), Current: true, URL: "/keys/x.asc", WKD: true}, {Fingerprint: ourKey, Addresses: []string{"cert@northmere.example"}, Made: at(-480), Current: true, URL: "/keys/y.asc", Team: true}}})
		add("contact", "contact", public.TopicsPage{Public: in(l), Topics: topics(l), Draft: true})
		topic := topics(l)[0].Name
		files := []public.FormFile{{N: 0, Name: "bill-november.pdf", Size: 212_000}, {N: 1, Name: "a-very-long-file-name-that-somebody-gave-to-the-scan-of-the-second-page-of-it.tiff", Size: 4_400_000}}
		write := public.WritePage{Public: in(l), ID: "payments-and-bills", Topic: topic, Text: "My bill of November came twice.", Files: files}
		add("message", "contact-message", write)
		wrong := write
		wrong.Security, wrong.ID, wrong.Text = true, centre.Security, ""
		wrong.Errors = web.Errors{{Field: "text", Text: l.Must("form.text.empty") + "."}, {Field: "website", Text: l.Must("form.trap.filled") + "."}}
		add("message-error", "contact-message", wrong)
		you := public.YouPage{Public: in(l), ID: "payments-and-bills", Name: "Hanna Lindqvist", Address: "hanna@", Nudge: true}
		you.Errors = web.Errors{{Field: "address", Text: l.Must("form.address.bad") + "."}}
		add("you", "contact-you", you)
		sum := public.CheckPage{Public: in(l), ID: "payments-and-bills", Topic: topic, Text: "My bill of November came twice.\n\nWhich of them do I pay?", Files: files, Task: "1.x", Articles: leaves}
		add("check-answers", "contact-check", sum)
		sum.Wait, sum.Nudge = "1.y", "hanna@lindqvist.example"
		add("check-wait", "contact-check", sum)
		done := public.DonePage{Public: in(l), Ref: "NS-4711-K", Code: "4071 8836 1189 0027", Sent: at(0)}
		add("done", "contact-done", done)
		done.Code, done.Address, done.Security = "", "h••••a@kestrelmail.example", true
		add("done-gone", "contact-done", done)
		find := public.FindPage{Public: in(l), Ref: "NS-4711-K"}
		find.Errors = web.Errors{{Field: "ref", Text: l.Must("yourcase.wrong") + "."}}
		add("find", "case-find", find)
		add("case", "case-page", public.CasePage{Public: in(l), Ref: "NS-4711-K", State: "open", Role: "agent", Sent: true, Thread: []public.Word{
			{ID: "1", At: at(-30), Way: "yourcase.way.form", Shown: true, Text: "My bill of November came twice.", Files: []public.WordFile{{Name: "bill-november.pdf", Size: 212_000, URL: "/case/x/files/1/0"}}},
			{ID: "2", Ours: true, At: at(-20), Way: "yourcase.way.here", Shown: true, Text: "Good morning,\n\nthe second one is void. You need do nothing.\n\nKind regards,\nMara Stein"},
			{ID: "3", Ours: true, At: at(-10), Way: "yourcase.way.mail.sent", To: "h••••a@kestrelmail.example"},
			{ID: "4", At: at(-.1), Way: "yourcase.way.page", Shown: true, Text: "And the first?"}}})
		asked := public.CasePage{Public: in(l), Ref: "NS-4711-K", State: "closed", Person: true, Text: " "}
		asked.Errors = web.Errors{{Field: "text", Text: l.Must("yourcase.empty") + "."}}
		add("case-asked", "case-page", asked)
		scores := []public.Score{}
		for n := 1; n <= 5; n++ {
			scores = append(scores, public.Score{N: n, Words: l.Must("survey." + strconv.Itoa(n))})
		}
		poll := public.SurveyPage{Public: in(l), Token: "t", Ref: "NS-4711-K", Scores: scores, Again: true}
		add("survey", "survey", poll)
		poll.Errors = web.Errors{{Field: "score", Text: l.Must("survey.choose") + "."}}
		add("survey-error", "survey", poll)
		add("survey-done", "survey", public.SurveyPage{Public: in(l), Ref: "NS-4711-K", Done: true, Open: true})
		ended := asked
		ended.Errors, ended.Person, ended.Survey = nil, false, "t"
		add("report-affected", "report-affected", public.AffectedPage{Public: in(l), Affected: "pay.northmere.example"})
		wrongAffected := public.AffectedPage{Public: in(l)}
		wrongAffected.Errors = web.Errors{{Field: "affected", Text: l.Must("form.text.long") + "."}}
		add("report-affected-error", "report-affected", wrongAffected)
		add("report-files", "report-files", public.FilesPage{Public: in(l), Files: []public.FormFile{{Name: "screen.png", Size: 120_000}}})
		add("case-closed", "case-page", ended)
		face := &public.ReportFace{State: "report.state.retest", Severity: "report.severity.high", Next: at(90), NextWhat: "report.next.fix", Questions: []public.Question{{Text: l.Must("report.retest"), Answer: l.Must("report.gone")}, {N: 1, Text: l.Must("report.retest"), Open: true}},
			Retest: true, Offered: "250.00 EUR", Credit: true, Changes: []string{l.Must("report.paused")}, Name: "Ines"}
		over := &public.ReportFace{State: "report.state.out-of-scope", Reason: l.Must("report.offer.how"), Appeal: true, Reward: "report.reward.none", RewardWhy: l.Must("form.text.long"), Advisory: "/security-advisories/x", Parts: []cases.Ref{"M3RT-9P1C"}, Paused: true, NextWhat: "report.next.assess"}
		add("case-report", "case-page", public.CasePage{Public: in(l), Ref: "K7QM-2V4X", State: "open", Role: "triager", Due: at(30), Report: face})
		add("case-report-ended", "case-page", public.CasePage{Public: in(l), Ref: "K7QM-2V4X", State: "closed", Report: over})
		add("open", "open", public.OpenPage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", To: "e••••z@kestrelmail.example", Phone: "•• 42", Until: at(700), Passed: true})
		add("open-alone", "open", public.OpenPage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", To: "e••••z@kestrelmail.example", Until: at(700), Alone: true})
		proof := public.ProvePage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", Passkey: true, Phone: "•• 42", Issued: true, Tries: 3}
		proof.Errors = web.Errors{{Field: "code", Text: l.Must("portal.refused.left", 3) + "."}}
		add("prove", "prove", proof)
		proof.Locked, proof.Errors = true, nil
		add("prove-locked", "prove", proof)
		letter := public.Letter{Lang: l, ID: "item", From: "Northmere", At: at(-3), Text: "Dear Emre,\n\nhere it is."}
		add("portal", "message", public.MessagePage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", Subject: "Papers", Until: at(700), Opened: at(-1), Factor: "access code", Item: letter, Earlier: []public.Letter{{Lang: l, ID: "e1", Mine: true, At: at(-9), Text: "Please."}}, Enrol: true, Asked: true})
		add("portal-sent", "sent", public.SentPage{Public: in(l), Link: "/m/x", Ref: "NS-4690-D", At: at(0), Person: true})
		for _, why := range []string{"recalled", "expired", "unknown"} {
			add("portal-"+why, "gone", public.GonePage{Public: in(l), Why: why, At: at(-4), Ref: "NS-4690-D"})
		}
		add("portal-out", "signed-out", public.SignedOutPage{Public: in(l)})
		add("person", "person", public.PersonPage{Public: in(l), Token: "t"})
		add("person-done", "person", public.PersonPage{Public: in(l), Ref: "NS-4690-D"})
		add("error", "error", web.ErrorPage{Public: in(l), Status: 429, Kind: "many", Text: l.Must("form.many") + "."})
	}
	out = append(out, ladderFixtures()...)
	t := desk.TopicsPage{Staff: staff("topics", ""), Text: centre.Default, List: topics(lang.English), German: topics(lang.German)}
	bad := t
	bad.Errors = web.Errors{{Field: "text", Text: "Line 3: “Something else” stands at the end of the list by itself and cannot be moved, renamed or marked; leave it out."}}
	return append(out, fixture{"topics", desk.Templates, "topics", t}, fixture{"topics-error", desk.Templates, "topics", bad})
}

// ladderFixtures are the desk's pages about prepared texts and cases that went up.
func ladderFixtures() []fixture {
	d := desk.Templates
	lifted := casePage()
	lifted.Alarm, lifted.Links, lifted.Notices = "", nil, nil
	lifted.Due, lifted.Late, lifted.Topic = at(-1.2), true, "Payments and bills"
	lifted.Call = &desk.Called{To: "leads", Why: "They wrote again after a canned answer", May: true, End: true}
	lifted.Steps = []desk.Rise{{At: at(-4), To: "Triagers", Why: "They wrote again after a canned answer", By: "Ivo Keller"}, {At: at(-1), To: "Leads", Why: "Nobody below took it in the promised time"}}
	lifted.Compose.CannedOff = "Somebody further up was called: no canned reply goes out until they have answered in own words."
	calm := casePage()
	calm.Alarm, calm.Links, calm.Notices, calm.Due, calm.MayLift = "", nil, nil, at(4), true
	calm.Compose.Canned = []desk.CannedFolder{{Items: []desk.Option{{ID: "r0", Name: "Received (;ok)"}}}, {Name: "Cards", Items: []desk.Option{{ID: "r1", Name: "Card lost (;lost)"}, {ID: "r2", Name: "New card, how long it takes"}}}}
	calm.Compose.Changes, calm.Compose.Macro = []string{"it is about Cards", "it is closed"}, "r1"
	calm.Compose.Findings = append([]desk.Finding{{ID: "canned", Class: "warn", Icon: "note", Title: "97 % of this is prepared text.", Text: "It counts as canned: if they write again, the case goes one rung up."}}, calm.Compose.Findings...)
	row := func(id, name, prefix, auto string, use centre.Use) desk.ReplyRow {
		return desk.ReplyRow{ID: id, Name: name, Prefix: prefix, Auto: auto, Langs: []string{"English", "Deutsch"}, Version: 3, Changed: at(-80), Use: use}
	}
	list := desk.RepliesPage{Staff: staff("replies", ""), Retired: []desk.ReplyRow{row("r9", "Christmas hours of last year", "", "", centre.Use{Sent: 81, Solved: 60, Answered: 12})},
		Folders: []desk.ReplyFolder{{Rows: []desk.ReplyRow{row("r0", "Received", "ok", "", centre.Use{Sent: 12, Solved: 3, Answered: 8, Escalated: 4})}},
			{Name: "Cards", Rows: []desk.ReplyRow{row("r1", "Card lost", "lost", "Cards and accounts", centre.Use{Sent: 310, Solved: 282, Answered: 20, Escalated: 8}), row("r2", "New card, and how long it takes until it is in your letter box when you live abroad", "", "", centre.Use{})}}}}
	edit := desk.ReplyPage{Staff: staff("replies", ""), ID: "r1", Version: 3, Name: "Card lost", Folder: "Cards", Prefix: "lost", Close: true, Use: centre.Use{Sent: 310, Solved: 282, Answered: 20, Escalated: 8},
		Roles:  []desk.Option{{ID: "agent", Name: "Agents", On: true}, {ID: "triager", Name: "Triagers"}, {ID: "lead", Name: "Leads"}, {ID: "executive", Name: "Executives"}},
		Texts:  []desk.ReplyText{{Lang: "en", Name: "English", Text: "Dear {name},\n\nyour card is blocked since this minute.", Preview: "Dear Ada Brandt,\n\nyour card is blocked since this minute."}, {Lang: "de", Name: "Deutsch", Text: "Guten Tag {name},\n\nIhre Karte ist seit dieser Minute gesperrt.", Preview: "Guten Tag Ada Brandt,\n\nIhre Karte ist seit dieser Minute gesperrt."}},
		Places: []desk.Option{{ID: "{name}", Name: "their name, as they gave it"}, {ID: "{reference}", Name: "the case's reference"}}, Auto: []desk.Option{{ID: "cards", Name: "Cards"}}, Topics: []desk.Option{{ID: "cards", Name: "Cards", On: true}},
		Versions: []desk.ReplyVersion{{N: 3, At: at(-80), By: "Noor Bakker", Text: "Dear {name},\n\nyour card is blocked since this minute."}, {N: 2, At: at(-800), By: "Noor Bakker", Text: "Your card is blocked."}}}
	wrong := edit
	wrong.ID, wrong.Versions = "new", nil
	wrong.Texts = []desk.ReplyText{{Lang: "en", Name: "English", Text: "Dear {nane}", Error: "{nane} is not known; what can be filled in is listed below the text."}}
	wrong.Errors = web.Errors{{Field: "text-en", Text: "{nane} is not known; what can be filled in is listed below the text."}}
	shelf := desk.ArticlesPage{Staff: staff("articles", ""), Rows: []desk.ArticleRow{{ID: "card-lost", Title: "Card lost or stolen", Topic: "Cards and accounts", Langs: []string{"English", "Deutsch"}, Published: true, Changed: at(-40), Votes: centre.Votes{Yes: 120, No: 9}}, {ID: "x", Title: "Draft of something", Langs: []string{"English"}, Changed: at(-1)}}}
	reads, err := centre.ArticleIn{Text: "Block it **at once**.\n\n## Then\n\n- Call us."}.HTML()
	if err != nil {
		panic(err)
	}
	art := desk.ArticlePage{Staff: staff("articles", ""), ID: "card-lost", Title: "Card lost or stolen", Version: 2, Published: true, Topics: []desk.Option{{ID: "cards", Name: "Cards", On: true}},
		Texts: []desk.ArticleText{{Lang: "en", Name: "English", Title: "Card lost or stolen", Text: "Block it **at once**.", Preview: reads}, {Lang: "de", Name: "Deutsch"}}, Versions: []desk.ReplyVersion{{N: 2, At: at(-40), By: "Noor Bakker", Text: "Card lost or stolen\n\nBlock it **at once**."}}}
	badArt := art
	badArt.Texts = []desk.ArticleText{{Lang: "en", Name: "English", Text: "x", Wrong: "Give it a title of up to 120 letters."}}
	badArt.Errors = web.Errors{{Field: "title-en", Text: "Give it a title of up to 120 letters."}}
	weeks := func(n ...int64) []int64 { return n }
	labels := []string{"7 Sep", "14 Sep", "21 Sep", "28 Sep", "5 Oct", "12 Oct", "19 Oct", "26 Oct"}
	sums := desk.FiguresPage{Staff: staff("figures", ""), Weeks: 8, From: at(-24 * 60), To: at(-24), Wait: "3 h", Slowest: "4 days", Oldest: "9 h", Silent: "3 days",
		Figures: &figures.Figures{Kept: 412, Missed: 9, OnlyBy: 61, Answered: 388, Answers: 540, Canned: 131, Back: 12, Untaken: 3, Waiting: 24, Late: 1, Spam: 40, Security: figures.Security{Cases: 9, Answered: 8, OnlyBy: 1, WrongDoor: []figures.Count{{Name: "mail", N: 3}, {Name: "form", N: 1}}, Until: []figures.Count{{Name: "1", N: 5}, {Name: "2", N: 2}, {Name: "3 and more"}}},
			Until: []figures.Count{{Name: "1", N: 301}, {Name: "2", N: 40}, {Name: "3 and more", N: 6}}, Doors: []figures.Count{{Name: "mail", N: 620}, {Name: "form", N: 211}, {Name: "phone", N: 40}, {Name: "survey", N: 33}}},
		Lifts:  []figures.Count{{Name: "They wrote again after a canned answer", N: 28}, {Name: "Nobody below took it in the promised time", N: 3}},
		Topics: []figures.Opinion{{Name: "Payments and bills", Asked: 120, Answered: 44, Scored: 40, Sum: 160, Unsolved: 3}, {Name: "No topic", Asked: 12}}, Replies: []figures.Opinion{{Name: "Card lost", Asked: 80, Answered: 20, Scored: 20, Sum: 91}},
		Groups: []figures.Opinion{{Name: "Agent", Asked: 130, Answered: 40, Scored: 38, Sum: 150}}}
	sums.Charts = []desk.Chart{desk.ChartOf("Promises of a person’s word", labels, desk.Series{Name: "kept", N: weeks(50, 48, 61, 55, 40, 52, 58, 48)}, desk.Series{Name: "missed", N: weeks(0, 2, 1, 0, 4, 0, 0, 2), Tone: desk.Bad}), desk.ChartOf("Cases that went up", labels, desk.Series{Name: "steps", N: weeks(3, 5, 2, 8, 4, 3, 1, 5)})}
	quiet := desk.FiguresPage{Staff: staff("figures", ""), Weeks: 1, From: at(-24 * 7), To: at(-24), Wait: "none yet", Slowest: "none yet", Oldest: "none yet", Figures: &figures.Figures{}, Charts: []desk.Chart{desk.ChartOf("Answers", []string{"23 Nov"}, desk.Series{Name: "canned", N: weeks(0)})}}
	none := desk.RepliesPage{Staff: staff("replies", "")}
	empty := desk.InboxPage{Staff: staff("inbox", "lifted"), View: "lifted"}
	return []fixture{{"d-case-lifted", d, "case", lifted}, {"d-case-canned", d, "case", calm}, {"d-articles", d, "articles", shelf}, {"d-articles-none", d, "articles", desk.ArticlesPage{Staff: staff("articles", "")}}, {"d-article", d, "article-edit", art}, {"d-article-error", d, "article-edit", badArt}, {"d-figures", d, "figures", sums}, {"d-figures-none", d, "figures", quiet}, {"d-replies", d, "replies", list}, {"d-replies-none", d, "replies", none},
		{"d-reply", d, "reply-edit", edit}, {"d-reply-error", d, "reply-edit", wrong}, {"d-inbox-lifted", d, "inbox", empty}}
}
