package web_test

import (
	"strings"
	"time"

	"postern/internal/centre"
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
		for _, name := range []string{"home", "something-else", "report", "check"} {
			add(name, name, home)
		}
		add("keys", "keys", public.KeysPage{Public: in(l), Keys: []public.Key{{Fingerprint: ourKey, Addresses: []string{"support@northmere.example"}, Made: at(-480), Current: true, URL: "/keys/x.asc", WKD: true}}})
		add("contact", "contact", public.TopicsPage{Public: in(l), Topics: topics(l), Draft: true})
		topic := topics(l)[0].Name
		files := []public.FormFile{{N: 0, Name: "bill-november.pdf", Size: 212_000}, {N: 1, Name: "a-very-long-file-name-that-somebody-gave-to-the-scan-of-the-second-page-of-it.tiff", Size: 4_400_000}}
		write := public.WritePage{Public: in(l), ID: "payments-and-bills", Topic: topic, Text: "My bill of November came twice.", Files: files}
		add("message", "contact-message", write)
		wrong := write
		wrong.Security, wrong.ID, wrong.Text = true, centre.Security, ""
		wrong.Errors = web.Errors{{Field: "text", Text: l.Must("form.text.empty") + "."}, {Field: "website", Text: l.Must("form.trap.filled") + "."}}
		add("message-error", "contact-message", wrong)
		you := public.YouPage{Public: in(l), ID: "payments-and-bills", Name: "Hanna Lindqvist", Address: "hanna@"}
		you.Errors = web.Errors{{Field: "address", Text: l.Must("form.address.bad") + "."}}
		add("you", "contact-you", you)
		add("check-answers", "contact-check", public.CheckPage{Public: in(l), ID: "payments-and-bills", Topic: topic, Text: "My bill of November came twice.\n\nWhich of them do I pay?", Files: files})
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
		add("error", "error", web.ErrorPage{Public: in(l), Status: 429, Kind: "many", Text: l.Must("form.many") + "."})
	}
	t := desk.TopicsPage{Staff: staff("topics", ""), Text: centre.Default, List: topics(lang.English), German: topics(lang.German)}
	bad := t
	bad.Errors = web.Errors{{Field: "text", Text: "Line 3: “Something else” stands at the end of the list by itself and cannot be moved, renamed or marked; leave it out."}}
	return append(out, fixture{"topics", desk.Templates, "topics", t}, fixture{"topics-error", desk.Templates, "topics", bad})
}
