// What an attack on the ladder, on what counts as canned, on surveys and on the page
// "Is this from you?" tried; each of these once went through.

package app

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/figures"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/outbox"
)

func undoes(p *pages, who string, c *cases.Case, m cases.MessageID) int {
	return p.do(who, "POST", "/desk/cases/"+string(c.ID)+"/messages/"+string(m)+"/undo", nil).Code
}

func closes(p *pages, who string, c *cases.Case) int {
	return p.do(who, "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}}).Code
}

func libraryOf(p *pages, text string) *centre.Library {
	p.canned(centre.Reply{Name: "R" + db.NewID(), Texts: centre.Texts{lang.English: text}})
	return p.d.centre.Library()
}

func TestAttackCannedDisguised(t *testing.T) {
	p := openPages(t, "")
	libraryOf(p, hoursText)
	german := "Wir sind für Sie von Montag bis Freitag geöffnet, natürlich außer an Feiertagen, und Sie erreichen uns während dieser Zeit über die übliche Nummer."
	libraryOf(p, german)
	lib := p.d.centre.Library()
	words := strings.Fields(hoursText)
	for i := range words {
		if i%3 == 0 && len(words[i]) > 1 {
			words[i] = words[i][:1] + "\u200b" + words[i][1:]
		}
	}
	cyr := strings.NewReplacer("a", "\u0430", "e", "\u0435", "o", "\u043e").Replace(hoursText)
	for name, text := range map[string]string{
		"quoted":     "> " + strings.ReplaceAll(hoursText, ". ", ".\n> "),
		"zero width": strings.Join(words, " "),
		"NFD":        norm.NFD.String(german),
		"homoglyphs": cyr,
	} {
		if m := lib.Measure(centre.Sample{Text: centre.Read(text, nil)}); !m.Is() {
			t.Errorf("%s: %.2f canned", name, m.Share)
		}
	}
	if m := lib.Measure(centre.Sample{Text: centre.Read(german, nil)}); !m.Is() {
		t.Error("control")
	}
}

// A canned reply as the desk itself fills it in is not recognised.
func TestAttackFilledInIsNotCanned(t *testing.T) {
	p := openPages(t, "")
	body := "Dear {name},\n\nthank you for your message about {topic}. Your reference is {reference}. Somebody at {organisation} answers you {promise}.\n\nKind regards\n{agent}"
	long := "Dear {name},\n\nthank you for writing to {organisation} about {topic}. We have noted what you wrote under {reference}. Our colleagues work through all messages in the order in which they come, and you will hear from us {promise}. Until then you need not do anything.\n\nKind regards\n{agent}"
	values := map[string]string{"name": "Ada Brandt", "reference": "PN-7K2M-9QX", "topic": "Payments and bills", "organisation": "Northmere Savings Bank", "promise": "within one working day", "agent": "Mara Stein"}
	for name, text := range map[string]string{"short": body, "long": long} {
		lib := libraryOf(p, text)
		filled, _ := centre.Fill(text, values)
		if m := lib.Measure(centre.Sample{Text: centre.Read(filled, []string{"Ada Brandt", "PN-7K2M-9QX", "Payments and bills", "Northmere Savings Bank", "within one working day", "Mara Stein"})}); !m.Is() {
			t.Errorf("%s: %.2f canned: %s", name, m.Share, filled)
		}
	}
}

// An answer that goes to somebody else ends what the customer was promised.
func TestAttackAnswerToSomebodyElse(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		other := p.write0("friend@x.example", "Me", "I am the agent's friend.")
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.answered("agent", c, hoursText)
		later(time.Hour)
		if _, err := p.d.outbox.Send(p.Context(), &outbox.Answer{Case: c.ID, Staff: p.staffID("agent"), Text: "Nothing for you, ignore this please.", To: []contacts.ID{other.Contact}}); err != nil {
			p.Fatal(err)
		}
		if !p.fresh(c).Scripted {
			p.Error("words to somebody else count as own words to her: a second canned answer can go out")
		}
		d := p.write0("emre@y.example", "Something", "Please help.")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(d.Ref), nil)
		if _, err := p.d.outbox.Send(p.Context(), &outbox.Answer{Case: d.ID, Staff: p.staffID("triager"), Text: "For my own friend only.", To: []contacts.ID{other.Contact}}); err != nil {
			p.Fatal(err)
		}
		if now := p.fresh(d); !now.Lifted {
			p.Errorf("a call is ended by a mail to somebody else; due %v", now.Due)
		}
	})
}

func TestAttackCheck(t *testing.T) {
	p := openPages(t, "")
	p.work()
	c := p.write("ada@brandt.example", "Your counter", "When can I come?")
	p.reply(c, "Dear Ada,\n\nyou can come on Friday at ten. Look at https://northmere.example. In the meantime pay 4711 to account 12345678.\n\nKind regards\nMara Stein")
	raw := ""
	for _, r := range p.mailsTo("ada@brandt.example") {
		if strings.Contains(r, "Mara Stein") {
			raw = r
		}
	}
	seen := bodyOf(raw)
	ask := func(s string) outbox.Finding {
		f, err := p.d.outbox.IsOurs(t.Context(), []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if ask(seen).Origin != outbox.Ours || ask(raw).Origin != outbox.Ours {
		t.Fatal("control")
	}
	re := func(s, pattern, with string) string {
		x := regexp.MustCompile(pattern)
		if !x.MatchString(s) {
			t.Fatalf("no %s", pattern)
		}
		return x.ReplaceAllString(s, with)
	}
	newID := re(raw, `(?mi)^Message-ID: [^\r]*`, "Message-ID: <other@evil.example>")
	t.Logf("header:\n%s", raw[:strings.Index(raw, "\r\n\r\n")])
	for name, s := range map[string]string{
		"date line before":  "Date: confirm at evil-bank.example/login\n\n" + seen,
		"date line after":   seen + "\nSent: pay at https://evil.example/pay now\n",
		"date with number":  "Date: call 0900.123.456 at once\n\n" + seen,
		"many date lines":   "Date: your account is locked\nDate: confirm it within the hour at\nDate: https://evil.example/login\n\n" + seen,
		"bidi override":     strings.Replace(seen, "12345678", "\u202e12345678\u202c", 1),
		"space taken away":  strings.Replace(seen, "northmere.example. In", "northmere.example.In", 1),
		"space in a number": strings.Replace(seen, "4711 to", "47 11 to", 1),
		"new id, reply-to":  re(newID, `(?m)^Reply-To: [^\r]*`, "Reply-To: evil@evil.example"),
		"new id, subject":   re(newID, `(?m)^Subject: [^\r]*(\r\n [^\r]*)*`, "Subject: Confirm at https://evil.example"),
		"new id, name":      re(newID, `(?m)^From: [^<\r]*<`, "From: Call 0900 123456 <"),
		"to":                re(raw, `(?m)^To: [^\r]*`, "To: victim@elsewhere.example"),
		"sender added":      "Sender: x@evil.example\r\n" + raw,
		"list-unsubscribe":  "List-Unsubscribe: <https://evil.example>\r\n" + raw,
	} {
		if f := ask(s); f.Origin == outbox.Ours {
			t.Errorf("%s: it says that it is ours, by %s", name, f.How)
		}
	}
}

func TestAttackCheckCost(t *testing.T) {
	p := openPages(t, "")
	p.work()
	c := p.write("ada@brandt.example", "Your counter", "When can I come?")
	text := "[" + p.d.cases.Tokens.Make(c.Ref) + "]\n" + strings.Repeat("x\n", 20) + strings.Repeat("ä b c d ", 100_000) + strings.Repeat("\nx", 20)
	t.Log(len(text))
	at := time.Now()
	if _, err := p.d.outbox.IsOurs(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(at); d > time.Second {
		t.Errorf("one question of %d bytes keeps a core for %v", len(text), d)
	}
}

// An agent cancels the survey by the way back for answers.
func TestAttackSurveyUndone(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		p.closed(c)
		m := p.one(`SELECT message_id FROM deliveries WHERE kind = 'survey'`)
		code := undoes(p, "agent", c, cases.MessageID(m))
		if got := p.one(`SELECT state FROM deliveries WHERE kind = 'survey'`); got == "undone" {
			p.Errorf("an agent took the survey back (%d); it counts as asked: %d, and nobody is asked again", code, p.count(`SELECT COUNT(*) FROM surveys`))
		}
	})
}

// A canned answer that failed, or waits, goes out into a case that was lifted meanwhile.
func TestAttackCannedLeavesAfterLift(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Card", "Where is it?")
		m := p.answered("agent", c, hoursText)
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'failed', done_at = 1 WHERE message_id = $1`, m)
			return err
		})
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		p.lifted(c, ladder.Triagers, ladder.Asked)
		w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/messages/"+string(m)+"/release", nil)
		if got := p.one(`SELECT state FROM deliveries WHERE message_id = $1`, m); got == "waiting" {
			p.Errorf("%d: a canned answer is on its way into a lifted case", w.Code)
		}
	})
}

var secondOf = regexp.MustCompile(`(datetime="[0-9T:-]+):\d\dZ"`)

// Who types a customer's address into the form learns whether a case of theirs was answered by a script.
func TestAttackFormOracle(t *testing.T) {
	p := openPages(t, "")
	p.work()
	p.hoursReply()
	c := p.write("ada@brandt.example", "Question about interest", "When can I come?")
	p.answered("agent", c, hoursText)
	p.write("bob@brandt.example", "Question about interest", "When can I come?")
	page := func(n, address string) string {
		x := p.visitor(n)
		ref, code := x.sendForm("something-else", "interest", "", address)
		x.step(x.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		s := x.get("/case/" + ref).Body.String()
		s = secondOf.ReplaceAllString(s, `$1:00Z"`)
		return strings.ReplaceAll(strings.ReplaceAll(s, ref, "REF"), address, "ADDRESS")
	}
	if s := time.Now().Second(); s > 50 { // both within one minute: they are asked one after the other
		time.Sleep(time.Duration(61-s) * time.Second)
	}
	a, b := page("192.0.2.1", "ada@brandt.example"), page("192.0.2.2", "bob@brandt.example")
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] && strings.Contains(la[i], "How it stands") {
			t.Errorf("a stranger sees the difference:\n%s\n%s", la[i], lb[i])
		}
	}
}

// What came of a canned answer is not noted where the next contact came by another case.
func TestAttackOutcomeInAnotherCase(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Wrong interest", "Why?")
		m := p.answered("agent", c, hoursText)
		later(time.Hour)
		closes(p, "agent", c)
		later(time.Hour)
		d := p.write0("ada@brandt.example", "The interest again", "That was no answer.")
		p.lifted(d, ladder.Triagers, ladder.AfterCanned)
		if got := p.one(`SELECT outcome FROM answers WHERE message_id = $1`, m); got == "solved" {
			p.Errorf("the canned reply counts as: %s", got)
		}
	})
}

func TestAttackFigures(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		of := func() (f *figures.Figures) {
			p.must(func(ctx context.Context, tx *db.Tx) (err error) {
				f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 4))
				return err
			})
			return f
		}
		// Closed without a word: nobody was answered, and no promise was missed.
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		closes(p, "agent", c)
		later(24 * time.Hour * 5)
		p.d.ladder.Run(p.Context())
		if f := of(); f.Missed == 0 {
			p.Errorf("closed unanswered: kept %d, missed %d, of %d cases", f.Kept, f.Missed, f.Cases)
		}
		// An agent's words below a call count as promises kept, each.
		d := p.write0("emre@x.example", "Something", "Please help.")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(d.Ref), nil)
		before := of().Kept
		for range 3 {
			p.answered("agent", d, "A word of mine "+db.NewID()+" "+db.NewID())
		}
		if n := of().Kept - before; n != 0 {
			p.Errorf("%d promises kept, and the triager was never there", n)
		}
		// The longest wait.
		e := p.write0("kim@z.example", "Waiting", "Please help.")
		for range 3 {
			later(30 * time.Hour)
			p.intakeAgain(e, "kim@z.example", "Still waiting.")
		}
		p.must(func(ctx context.Context, tx *db.Tx) error { // of the others, nobody waits
			_, err := tx.Exec(ctx, `UPDATE cases SET due_at = 0 WHERE id <> $1`, e.ID)
			return err
		})
		if f := of(); f.Oldest < 80*time.Hour {
			p.Errorf("who writes daily for %v has waited %v", 90*time.Hour, f.Oldest)
		}
	})
}

func (p *pages) intakeAgain(c *cases.Case, from, text string) {
	p.write0(from, "Re: "+c.Subject+" ["+p.d.cases.Tokens.Make(c.Ref)+"]", text)
}

// By API a canned text goes out beside a lifted case.
func TestAttackSystemBeginsAnother(t *testing.T) {
	p := openPages(t, "")
	p.hoursReply()
	c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
	p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
	p.lifted(c, ladder.Triagers, ladder.Asked)
	pr, err := p.d.outbox.PrepareSystem(t.Context(), &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Subject: "Hello", Mailbox: c.Mailbox, Text: hoursText})
	if err == nil {
		err = p.d.db.Update(t.Context(), func(tx *db.Tx) error { _, err := p.d.outbox.QueueSystem(t.Context(), tx, pr); return err })
	}
	if !fail.Is(err, fail.Conflict) {
		t.Errorf("a canned letter beside a lifted case: %v", err)
	}
}

// A button wakes the executive every ten minutes, from one network, without a limit.
func TestAttackButtonFlood(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		link, ok := "/person/"+p.d.cases.Tokens.Make(c.Ref), 0
		for range 200 {
			if p.do("", "POST", link, nil).Code == 200 {
				ok++
			}
		}
		for range 24 {
			later(10 * time.Minute)
			p.do("", "POST", link, nil)
		}
		n := p.count(`SELECT COUNT(*) FROM climbs WHERE rung = 3`)
		if ok == 200 || n > 4 {
			p.Errorf("%d of 200 posts at once are let in; %d calls of the executive in four hours", ok, n)
		}
	})
}

// An answer that came back leaves nobody waiting for anything.
func TestAttackBouncedAnswer(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		m := p.answered("triager", c, "I am here and look at it now.")
		id := p.one(`SELECT mail_id FROM deliveries WHERE message_id = $1`, m)
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := p.d.outbox.Bounced(ctx, tx, id, "5.1.1", true)
			return err
		})
		later(90 * 24 * time.Hour)
		p.d.ladder.Run(p.Context())
		if now := p.fresh(c); !now.Lifted && now.Due.IsZero() {
			p.Errorf("the answer came back, and: %s, unread %v, held %v, alarm %q, nothing due; closing: %d", now.State, now.Unread, now.Held, now.Alarm, closes(p, "agent", c))
		}
	})
}

// The executive's own letter can be lifted, and nobody can end that.
func TestAttackSummaryIsLifted(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		err := p.d.outbox.TellHouse(p.Context(), &outbox.HouseLetter{ID: "summary-x", Kind: outbox.Summary, To: []string{"executive@northmere.example"}, Subject: "The week", Text: "Figures."})
		if err != nil {
			p.Fatal(err)
		}
		ref := p.one(`SELECT ref FROM cases`)
		c := p.byRef(ref)
		w := p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		if now := p.fresh(c); now.Lifted {
			p.Errorf("%d: a letter to the house is a case that waits for the %s; contact %q; closing: %d", w.Code, ladder.Name(now.Rung), now.Contact, closes(p, "executive", c))
		}
	})
}

func TestAttackLiftedIsPutAside(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"waiting"}})
		if now := p.fresh(c); now.State != cases.Open {
			p.Errorf("an agent put a lifted case to %s", now.State)
		}
	})
}

func TestAttackCSV(t *testing.T) {
	f := &figures.Figures{Topics: []figures.Opinion{{Name: "x"}}}
	s := string(f.CSV(figures.Names{Topic: func(string) string { return `Bills;=HYPERLINK("https://evil.example")` }, Reply: func(s string) string { return s }}))
	s2 := string(f.CSV(figures.Names{Topic: func(string) string { return `Bills;=1+1` }, Reply: func(s string) string { return s }}))
	if strings.Contains(s2, "topic,Bills;=1+1,") {
		t.Errorf("a spreadsheet with semicolons computes: %q %q", s2, s)
	}
}

// Asking "is this from you" loses the form that somebody had begun.
func TestAttackCheckTakesTheForm(t *testing.T) {
	p := openPages(t, "")
	p.work()
	x := p.visitor("192.0.2.1")
	x.step(x.post("/contact/about/payments-and-bills", url.Values{"text": {"half a page of mine"}}), http.StatusSeeOther, "/contact/you")
	x.upload("/check", url.Values{"text": {"Dear customer, pay at https://evil.example"}}, nil)
	if w := x.post("/contact/you", url.Values{"name": {""}}); w.Header().Get("Location") != "/contact/check" {
		t.Errorf("the form that was begun is gone: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// taken by whoever answered stays taken after it was taken back.
func TestAttackUnsaidLeavesTaken(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		m := p.answered("triager", c, "I am here and look at it now.")
		undoes(p, "triager", c, m)
		now := p.fresh(c)
		steps := p.steps(c)
		if steps[0].By != "" || now.Assignee != "" {
			p.Errorf("nobody took it, and it counts as taken by %s, with %s", steps[0].By, now.Assignee)
		}
		if now.State == cases.Closed {
			p.Error("closed")
		}
	})
}

// Sent, closed, taken back: open with the time of closing, and asked about.
func TestAttackClosedThenTakenBack(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		m := p.answered("agent", c, "I am here and look at it now.")
		closes(p, "agent", c)
		undoes(p, "agent", c, m)
		now := p.fresh(c)
		p.Logf("%s %v %v", now.State, now.ClosedAt, now.Due)
		if now.State != cases.Closed && !now.ClosedAt.IsZero() || now.State == cases.Closed {
			p.Errorf("%s, closed at %v, due %v", now.State, now.ClosedAt, now.Due)
		}
		// With nothing due: by hand reopened, nothing is due.
		d := p.write0("emre@x.example", "Something", "Please help.")
		closes(p, "agent", d)
		p.do("agent", "POST", "/desk/cases/"+string(d.ID)+"/state", url.Values{"to": {"open"}})
		if now := p.fresh(d); now.State == cases.Open && now.Due.IsZero() {
			p.Error("closed unanswered and opened again: nothing is due any more")
		}
	})
}

var _ = fail.Conflict

func TestAttackCheckBySignature(t *testing.T) {
	p := openPages(t, "")
	p.work()
	c := p.write("ada@brandt.example", "Your counter", "When can I come?")
	p.reply(c, "Dear Ada,\n\nyou can come on Friday at ten.\n\nKind regards\nMara Stein")
	raw := ""
	for _, r := range p.mailsTo("ada@brandt.example") {
		if strings.Contains(r, "Mara Stein") {
			raw = r
		}
	}
	ask := func(s string) outbox.Finding {
		f, err := p.d.outbox.IsOurs(t.Context(), []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	re := func(s, pattern, with string) string { return regexp.MustCompile(pattern).ReplaceAllString(s, with) }
	all := map[string]string{
		"as it is": raw,
		"new id":   re(raw, `(?mi)^Message-ID: [^\r]*`, "Message-ID: <other@evil.example>"),
		"no id":    re(raw, `(?mi)^Message-ID: [^\r]*\r\n`, ""),
		"reply-to": re(raw, `(?m)^Reply-To: [^\r]*`, "Reply-To: evil@evil.example"),
		"subject":  re(raw, `(?m)^Subject: [^\r]*(\r\n [^\r]*)*`, "Subject: Confirm at https://evil.example"),
		"name":     re(raw, `(?m)^From: [^<\r]*<`, "From: Call 0900 123456 <"),
	}
	all["no id, reply-to"] = re(all["reply-to"], `(?mi)^Message-ID: [^\r]*\r\n`, "")
	all["no id, subject"] = re(all["subject"], `(?mi)^Message-ID: [^\r]*\r\n`, "")
	all["no id, name"] = re(all["name"], `(?mi)^Message-ID: [^\r]*\r\n`, "")
	for name, s := range all {
		f := ask(s)
		t.Logf("%s: %s by %s", name, f.Origin, f.How)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM message_ids`)
		return err
	})
	for name, s := range all {
		f := ask(s)
		t.Logf("forgotten, %s: %s by %s", name, f.Origin, f.How)
	}
}

func TestAttackOneBadRowStopsAll(t *testing.T) {
	p := openPages(t, "")
	c := p.write0("ada@brandt.example", "Hello", "Hello.")
	d := p.write0("emre@x.example", "Something", "Hello.")
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE cases SET due_at = 1, subject = $2 WHERE id = $1`, c.ID, []byte("damaged")); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE cases SET due_at = 2 WHERE id = $1`, d.ID)
		return err
	})
	err := p.d.ladder.Run(t.Context())
	if !p.fresh(d).Lifted {
		t.Errorf("another case is overdue, and nobody is called: %v", err)
	}
}

func TestAttackAfterthoughts(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Hello.")
		for range 12 {
			later(9 * time.Minute)
			p.intakeAgain(c, "ada@brandt.example", "Hello? "+db.NewID())
		}
		if now := p.fresh(c); now.Contacts == 1 {
			p.Errorf("thirteen mails in two hours are one contact")
		}
		for _, s := range []string{"One", "Two", "Three"} {
			d := p.write0("kim@x.example", "Statement "+s, "Hello.")
			if p.fresh(d).Lifted {
				p.Errorf("three mails within a minute, each a case of its own, are three contacts: %v", p.fresh(d).Alarm)
			}
		}
	})
}

func TestAttackStitched(t *testing.T) {
	p := openPages(t, "")
	lib := libraryOf(p, hoursText)
	before := "I have looked at your account and I can see that everything is as it should be, so please wait until the end of the month and look again."
	if m := lib.Measure(centre.Sample{Text: centre.Read(hoursText+"\n\n"+before, nil), Earlier: []centre.Trace{centre.Read(before, nil).Trace()}}); !m.Is() {
		t.Errorf("a canned reply and an earlier answer, nothing else: %.2f, repeats %v", m.Share, m.Repeats)
	}
	a, b := "The first of my standing answers says nothing at all about what you asked us last week.", "The second one of them says it again with other and even friendlier words than before."
	if m := lib.Measure(centre.Sample{Text: centre.Read(a+"\n\n"+b, nil), Earlier: []centre.Trace{centre.Read(a, nil).Trace(), centre.Read(b, nil).Trace()}}); !m.Is() {
		t.Errorf("two earlier answers, nothing else: %.2f, repeats %v", m.Share, m.Repeats)
	}
}

// Closed, opened before the mail leaves, closed again: nobody is asked.
func TestAttackSurveyDodged(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		p.closed(c)
		p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"open"}})
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE kind = 'survey'`)
			return err
		})
		p.eventually("it happens", func() bool { return p.one(`SELECT state FROM deliveries WHERE kind = 'survey'`) == "undone" })
		p.closed(c)
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'survey' AND state <> 'undone'`); n == 0 {
			p.Errorf("opened for a moment and closed again: no survey is on its way; counted as asked: %d", p.count(`SELECT COUNT(*) FROM surveys`))
		}
	})
}

// A bounce and an automatic answer count as people who wrote.
func TestAttackAutomaticCounts(t *testing.T) {
	p := openPages(t, "")
	c := p.write0("ada@brandt.example", "Hello", "Hello.")
	if err := p.d.intake.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.d.intake.Stop()
	p.write("ada@brandt.example", "Re: Hello ["+p.d.cases.Tokens.Make(c.Ref)+"]\r\nAuto-Submitted: auto-replied", "I am away.")
	var f *figures.Figures
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 1))
		return err
	})
	if f.Contacts != 1 {
		t.Errorf("one person wrote once, and %d contacts are counted", f.Contacts)
	}
}

// An answer that is held, and left there: nobody is waited for any more.
func TestAttackHeld(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		m := p.answered("triager", c, "I am here and look at it now.")
		p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/sensitive", url.Values{"to": {"sensitive"}})
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE message_id = $1`, m)
			return err
		})
		p.eventually("it happens", func() bool { return p.one(`SELECT state FROM deliveries WHERE message_id = $1`, m) == "held" })
		later(90 * 24 * time.Hour)
		p.d.ladder.Run(p.Context())
		if now := p.fresh(c); p.one(`SELECT state FROM deliveries WHERE message_id = $1`, m) == "held" && !now.Lifted && now.Due.IsZero() {
			p.Errorf("held for 90 days: %s, due never, lifted no", now.State)
		}
	})
}

// An agent reads the survey's link in the case, and gives the five themselves; the last word counts.
func TestAttackAgentAnswersTheSurvey(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		link := p.closed(c)
		p.do("", "POST", link, url.Values{"score": {"1"}, "comment": {"Bad."}})
		page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String()
		seen := surveyLink.FindString(page)
		if seen == "" {
			return
		}
		p.do("", "POST", seen, url.Values{"score": {"5"}})
		if got := p.one(`SELECT CAST(score AS TEXT) FROM surveys WHERE case_id = $1`, c.ID); got == "5" {
			p.Errorf("the agent read the link in the case and made a 1 a %s", got)
		}
	})
}

// A stranger's words, and a link over plain HTTP, in the subject of a mail that we sign.
func TestAttackSubject(t *testing.T) {
	p := openPages(t, "")
	p.work()
	c := p.write("ada@brandt.example", "Northmere: confirm your account at http://evil.example/pay", "Hello.")
	p.reply(c, "Dear Ada,\n\nwe are here, what can we do?\n\nKind regards\nMara Stein")
	for _, raw := range p.mailsTo("ada@brandt.example") {
		if strings.Contains(raw, "Mara Stein") && strings.Contains(strings.ReplaceAll(raw, "\r\n ", " "), "http://evil.example/pay") {
			f, _ := p.d.outbox.IsOurs(t.Context(), []byte(raw))
			t.Errorf("a signed mail of ours says it in its subject; is it from us? %s", f.Origin)
			g, _ := p.d.outbox.IsOurs(t.Context(), []byte("Subject: Northmere: confirm your account at http://evil.example/pay\n\n"+bodyOf(raw)))
			t.Errorf("and its text below that line: %s", g.Origin)
		}
	}
	if _, err := p.d.outbox.PrepareSystem(t.Context(), &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Subject: "Pay at http://pay.northmere.example", Mailbox: c.Mailbox, Text: "Please see the subject."}); err == nil {
		t.Error("by API a subject may lead over plain HTTP")
	}
	for _, text := range []string{"> http://pay.northmere.example/update", "www.northmere.example/update", "_http://pay.northmere.example"} {
		if err := func() error { _, err := p.answerAs("agent", c, "Look at\n"+text+"\nplease "+db.NewID()); return err }(); err == nil {
			t.Errorf("%s leaves", text)
		}
	}
}

// An agent closes a security report that nobody looked at.
func TestAttackAlarmIsClosed(t *testing.T) {
	p := openPages(t, "")
	p.work()
	x := p.visitor("192.0.2.1")
	ref, _ := x.sendForm(centre.Security, "Your page has an open redirect, and customers' data is read.", "", "")
	c := p.byRef(ref)
	if code := closes(p, "agent", c); code == 303 {
		t.Errorf("an agent closed a security report unanswered: %s, alarm %q, due %v", p.fresh(c).State, p.fresh(c).Alarm, p.fresh(c).Due)
	}
}

// Five of five: the rung never comes down.
func TestAttackRungStays(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		for _, who := range []string{"triager", "lead", "executive"} {
			p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
			if _, err := p.answerAs(who, c, "Answered within a minute: "+db.NewID()+" "+db.NewID()); err != nil {
				p.Fatal(err)
			}
			if who == "lead" {
				later(365 * 24 * time.Hour)
			}
		}
		if now := p.fresh(c); now.Rung == ladder.Executive {
			p.Errorf("answered at once each time, a year between: the third click calls the %s", ladder.Name(now.Rung))
		}
	})
}

// A customer's answer to a letter of a system that was canned is no word after a canned answer.
func TestAttackSystemCannedThenWord(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		pr, err := p.d.outbox.PrepareSystem(p.Context(), &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Subject: "Your parcel", Mailbox: c.Mailbox, Text: hoursText})
		if err != nil {
			p.Fatal(err)
		}
		var q *outbox.Queued
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			q, err = p.d.outbox.QueueSystem(ctx, tx, pr)
			return err
		})
		later(time.Hour)
		p.intakeAgain(q.Case, "ada@brandt.example", "That was not my question.")
		if now := p.fresh(q.Case); !now.Lifted {
			p.Errorf("a word after a canned answer by API, and nobody is called")
		}
	})
}

// The figures say what was given as a promise and is now only said by a script.
func TestAttackCannedKeepsAPersonsPromise(t *testing.T) {
	p := openPages(t, "")
	p.hoursReply()
	c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
	p.answered("agent", c, hoursText)
	var f *figures.Figures
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 1))
		return err
	})
	if f.Kept != 0 {
		t.Errorf("\"promises of a person's word\": %d kept, by a script", f.Kept)
	}
}

// Who was answered is asked for a second time by the answer that failed: two nodes, one press each.
func TestAttackUndoLateNewestByClock(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		// A canned answer that is taken back after they wrote again.
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		m := p.answered("agent", c, hoursText)
		p.intakeAgain(c, "ada@brandt.example", "And one more thing.")
		was := p.fresh(c)
		if undoes(p, "agent", c, m) != 303 {
			p.Fatal("undo")
		}
		now := p.fresh(c)
		p.Logf("lifted %v contacts %d scripted %v due %v; before %+v", now.Lifted, now.Contacts, now.Scripted, now.Due, was.Contacts)
		if now.Contacts > 2 {
			p.Errorf("%d contacts of two", now.Contacts)
		}
	})
}

// Held answers of a lifted case, seen by the customer's page: the oracle of /case for a stranger's form, by topic.
func TestAttackSurveyRepeats(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		link := p.closed(c)
		for range 6 {
			p.do("", "POST", link, url.Values{"score": {"1"}})
			later(11 * time.Minute)
		}
		p.Logf("%d steps, rung %d, returns %d, contacts %d", len(p.steps(c)), p.fresh(c).Rung, p.fresh(c).Returns, p.fresh(c).Contacts)
		if n := p.count(`SELECT COUNT(*) FROM climbs WHERE rung = 3`); n > 1 {
			p.Errorf("one survey, filled in six times in an hour, calls the executive %d times", n)
		}
	})
}

func TestAttackClosedAtStays(t *testing.T) {
	p := openPages(t, "")
	c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
	m := p.answered("agent", c, "I am here and look at it now.")
	a := closes(p, "agent", c)
	was := p.fresh(c)
	b := undoes(p, "agent", c, m)
	now := p.fresh(c)
	t.Logf("%d %s %v; %d %s %v alarm %q due %v", a, was.State, was.ClosedAt, b, now.State, now.ClosedAt, now.Alarm, now.Due)
	if now.State == cases.Open && !now.ClosedAt.IsZero() {
		t.Errorf("open, and closed at %v", now.ClosedAt)
	}
}

// A stranger's name is words of ours, in what the desk fills in.
func TestAttackName(t *testing.T) {
	p := openPages(t, "")
	p.canned(centre.Reply{Name: "Hello", Prefix: "hello", Texts: centre.Texts{lang.English: "Dear {name},\n\nwe have looked at it and you need not do anything about it at all."}})
	c := p.write0("\"Confirm at https evil.example/pay or https://evil.example/pay\" <ada@brandt.example>", "Hello", "Hello.")
	w := p.do("agent", "GET", "/desk/cases/"+string(c.ID)+"/canned/hello", nil)
	if strings.Contains(w.Body.String(), "evil.example/pay") {
		t.Errorf("%s", w.Body)
	}
}

// A double click: the second one goes out too, and counts as canned.
func TestAttackSentTwice(t *testing.T) {
	p := openPages(t, "")
	c := p.write0("ada@brandt.example", "Hello", "Hello.")
	p.answered("agent", c, "I looked at it myself, and it is on its way to you now.")
	if _, err := p.answerAs("agent", c, "I looked at it myself, and it is on its way to you now."); err == nil && p.fresh(c).Scripted {
		t.Error("the same answer twice within a second: both go out, and the case counts as answered by a script")
	}
}

// Many customers' cases beside: a stranger who types her address has her matter handed up.
func TestAttackStrangerLiftsByAddress(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.write0("ada@brandt.example", "Hello", "Hello.")
		for n := range 3 {
			later(11 * time.Minute)
			x := p.visitor("192.0.2." + string(rune('1'+n)))
			x.sendForm("payments-and-bills", "bills", "", "ada@brandt.example")
		}
		if n := p.count(`SELECT COUNT(*) FROM climbs WHERE why = 'third-contact'`); n > 0 {
			p.Errorf("typed addresses make a third contact: %d", n)
		}
	})
}

// Held: eight canned answers at once, and a button at the same time.
func TestAttackAtOnce(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		done := make(chan bool)
		for range 8 {
			go func() { _, err := p.answerAs("agent", c, hoursText); done <- err == nil }()
			go func() {
				done <- p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil).Code != 200
			}()
		}
		n := 0
		for range 16 {
			if <-done {
				n++
			}
		}
		if n > 1 || !p.fresh(c).Lifted || len(p.steps(c)) != 1 {
			p.Errorf("%d out, or presses lost; lifted %v, %d steps", n, p.fresh(c).Lifted, len(p.steps(c)))
		}
		own := p.write0("emre@x.example", "Hello", "Is anybody there?")
		for range 4 {
			go func() {
				_, err := p.answerAs("agent", own, "I looked at it myself, and it is on its way to you now.")
				done <- err == nil
			}()
		}
		for range 4 {
			<-done
		}
		p.Logf("the same own words, four times at once: %d counted as canned", p.count(`SELECT COUNT(*) FROM answers WHERE case_id = $1 AND canned`, own.ID))
	})
}

// TestAttackTakenBackInOrder: of two answers the later is taken back first; then the call
// stands as it stood, and no canned one slips through between.
func TestAttackTakenBackInOrder(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		was := p.lifted(c, ladder.Triagers, ladder.Asked)
		a := p.answered("triager", c, "Words number one that nobody will ever get.")
		b := p.answered("triager", c, "Something else, number two, also never sent.")
		if code := undoes(p, "triager", c, a); code != http.StatusConflict {
			p.Errorf("the earlier first: %d", code)
		}
		if undoes(p, "triager", c, b) != http.StatusSeeOther || undoes(p, "triager", c, a) != http.StatusSeeOther {
			p.Fatal("undo")
		}
		if now := p.lifted(c, ladder.Triagers, ladder.Asked); !now.Due.Equal(was.Due) || now.Contacts != was.Contacts {
			p.Errorf("%+v", now)
		}
		own := p.answered("triager", c, "Something of my own that is to be taken back.")
		p.answered("agent", c, hoursText)
		if code := undoes(p, "triager", c, own); code != http.StatusConflict {
			p.Errorf("own words from under a canned answer: %d", code)
		}
		// Where it was stopped on its way instead, the call is open again.
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'held' WHERE message_id = $1`, own)
			return err
		})
		p.do("triager", "POST", "/desk/cases/"+string(c.ID)+"/messages/"+string(own)+"/discard", nil)
		if now := p.fresh(c); !now.Lifted || !now.Scripted || now.Due.IsZero() {
			p.Errorf("%+v", now)
		}
	})
}

// TestAttackNoCallLastsForEver: what cannot or need not be answered is ended by somebody
// of the rung, with a reason that stays; nobody below ends it.
func TestAttackNoCallLastsForEver(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		d := p.write0("spam@spam.example", "Buy cheap pills", "Pills!")
		for range 2 {
			later(time.Hour)
			p.intakeAgain(d, "spam@spam.example", "Pills!")
		}
		p.lifted(d, ladder.Triagers, ladder.Third)
		end := func(who, reason string) int {
			return p.do(who, "POST", "/desk/cases/"+string(d.ID)+"/end-call", url.Values{"reason": {reason}}).Code
		}
		if code := end("agent", "It is spam."); code != http.StatusForbidden {
			p.Errorf("an agent: %d", code)
		}
		if code := end("triager", ""); code != http.StatusUnprocessableEntity {
			p.Errorf("without a reason: %d", code)
		}
		p.do("triager", "POST", "/desk/cases/"+string(d.ID)+"/take", nil)
		due := p.fresh(d).Due
		later(time.Hour)
		p.do("lead", "POST", "/desk/cases/"+string(d.ID)+"/take", nil)
		if now := p.fresh(d); !now.Due.Equal(due) {
			p.Errorf("who takes it over has until %v, and not until %v", now.Due, due)
		}
		if code := end("triager", "It is spam."); code != http.StatusSeeOther {
			p.Errorf("%d", code)
		}
		if code := closes(p, "agent", d); code != http.StatusSeeOther {
			p.Errorf("closing it: %d", code)
		}
		if page := p.do("agent", "GET", "/desk/cases/"+string(d.ID), nil).Body.String(); !strings.Contains(page, "The call was ended without an answer: It is spam.") {
			p.Error("the reason is not kept")
		}
	})
}
