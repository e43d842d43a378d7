package app

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
)

// TestP9TheSecondStory: the stone wall, event by event. An organisation's mail leads
// to a page without encryption; who notices finds no right door, gets a script, answers
// into nothing, fills in a survey that nobody reads, comes back late, asks for somebody
// higher. Here each step meets what it should have met.
func TestP9TheSecondStory(t *testing.T) {
	eachPagesOf(t, func(c *config.Config) { c.Answer = 8 }, func(p *pages, clock func(time.Duration)) {
		later := func(d time.Duration) { clock(d); p.signAllIn(nil) }
		p.work()
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		t.Cleanup(func() { p.d.jobs.Stop(context.Background()) })
		secure := "Thank you for your message. Our site is secure: we use the newest technology, and your data is protected at any time. We hope that this answers your question."
		p.canned(centre.Reply{Name: "Our site is secure", Texts: centre.Texts{lang.English: secure}})
		p.canned(centre.Reply{Name: "About bills", Auto: "payments-and-bills", Texts: centre.Texts{lang.English: "Bills are sent on the first of the month. You find all of them in your account, under Documents."}})
		x := newCaller(p)
		mailed := func(to string, n int) []string {
			t.Helper()
			x.until("mail to "+to, func() bool { return len(p.mailsTo(to)) >= n })
			return p.mailsTo(to)
		}

		// 1. The careless mail. Through the desk it does not leave.
		c := p.write("ada@brandt.example", "Hello", "A question.")
		w := x.call(ask{Key: x.key(apikeys.MessagesSend), Method: "POST", Path: "/messages", Once: "careless", Body: `{"contact":"` + string(c.Contact) + `","subject":"Your details","sensitive":false,"text":"Please confirm your address at http://pay.northmere.example/update until Friday."}`})
		if w.Code < 400 || !strings.Contains(w.Body.String(), "plain HTTP") {
			p.Fatalf("the careless mail: %d %s", w.Code, w.Body)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'reply'`); n != 0 {
			p.Fatal("it left")
		}

		// 2. Sent past the desk, it is noticed. The reporter takes the wrong door.
		reporter := p.visitor("192.0.2.7")
		ref, code := reporter.sendForm("payments-and-bills", "The link in your mail leads to http://pay.northmere.example/update. That page asks for name and address without encryption; anybody in the same network can read along.", "", "finder@x.example")
		c = p.byRef(ref)
		if c.State != cases.Open || c.Due.IsZero() || c.Topic != "payments-and-bills" || c.Scripted {
			p.Fatalf("after the report: %+v", c)
		}
		for _, raw := range mailed("finder@x.example", 1) {
			if strings.Contains(raw, "first of the month") {
				p.Error("a rule answered what may be a security report")
			}
		}

		// 3. It was recognised, at the wrong door; no script answers. A triager in a hurry
		// says that it is none; only then does one.
		later(time.Hour)
		if c.Security != cases.Suspected || len(mailed("triager@northmere.example", 1)) == 0 {
			p.Fatalf("not recognised: %+v", c)
		}
		if _, err := p.answerAs("agent", c, "Dear customer,\n\n"+secure); !fail.Is(err, fail.Conflict) {
			p.Fatalf("a script: %v", err)
		}
		if w := p.decide("agent", c, "dismiss"); w.Code != http.StatusSeeOther || p.fresh(c).Security != cases.Suspected {
			p.Fatalf("an agent dismissed it: %d", w.Code)
		}
		p.decide("triager", c, "dismiss")
		if c = p.fresh(c); c.Security != cases.NoReport {
			p.Fatalf("not dismissed: %+v", c)
		}
		p.answered("agent", c, "Dear customer,\n\n"+secure)
		if c = p.fresh(c); !c.Scripted || c.State != cases.Waiting {
			p.Fatalf("after the script: %+v", c)
		}

		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE kind = 'reply'`)
			return err
		})
		mailed("finder@x.example", 2)

		// 4. The reply does not go nowhere: with their second message somebody qualified is called.
		later(time.Hour)
		reporter.step(reporter.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		reporter.step(reporter.post("/case/"+ref+"/reply", url.Values{"text": {"Your site may be. The page that your mail leads to is not."}, "do": {"send"}}), http.StatusSeeOther, "/case/"+ref+"?sent=1")
		c = p.lifted(c, ladder.Triagers, ladder.AfterCanned)
		if n := p.count(`SELECT COUNT(*) FROM messages WHERE case_id = $1 AND kind = 'in'`, c.ID); n != 2 {
			p.Fatalf("%d messages until somebody qualified was called", n)
		}
		for _, call := range mailed("triager@northmere.example", 3) { // flagged, flagged again, called
			if !strings.Contains(call, ref) || strings.Contains(call, "not is") {
				p.Error("the call")
			}
		}
		if c.Security != cases.Suspected {
			p.Fatal("who comes back is not looked at again")
		}
		if page := reporter.get("/case/" + ref).Body.String(); !strings.Contains(page, "A person must look at it now") {
			p.Error("the reporter does not see that a person was called")
		}
		later(time.Minute)
		if _, err := p.answerAs("agent", c, secure); !fail.Is(err, fail.Conflict) {
			p.Errorf("the script again: %v", err)
		}
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}}); w.Code != http.StatusConflict {
			p.Errorf("closed without a person: %d", w.Code)
		}
		p.do("triager", "POST", "/desk/cases/"+string(c.ID)+"/take", nil)
		p.answered("triager", c, "I have looked at it myself and you are right about the first page. We change the address in the mail today.")
		p.dismissed(c)
		if c = p.fresh(c); c.Lifted || c.Assignee != p.staffID("triager") {
			p.Fatalf("after the triager: %+v", c)
		}

		// 5. Closed too early; the survey is read.
		later(25 * time.Hour) // one automatic mail a day
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}}); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		x.until("the survey is asked", func() bool { return p.count(`SELECT COUNT(*) FROM surveys`) == 1 })
		later(time.Hour)
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE kind = 'survey'`)
			return err
		})
		link := ""
		for _, raw := range mailed("finder@x.example", 4) {
			if m := surveyLink.FindString(strings.ReplaceAll(raw, "=\r\n", "")); m != "" {
				link = m
			}
		}
		if link == "" {
			p.Fatal("no link to the survey")
		}
		if w := reporter.get(link); w.Code != http.StatusOK || p.fresh(c).State != cases.Closed {
			p.Fatalf("opening the link: %d", w.Code)
		}
		w2 := reporter.post(link, url.Values{"score": {"4"}, "comment": {"Friendly, but the form still sends everything in clear."}, "do": {"send"}})
		if w2.Code != http.StatusOK || !strings.Contains(w2.Body.String(), "is open again") {
			p.Fatalf("the survey: %d", w2.Code)
		}
		c = p.lifted(c, ladder.Leads, ladder.Comment)
		mailed("lead@northmere.example", 1)
		if c.Security != cases.Suspected {
			p.Fatal("the comment in the survey was not recognised")
		}
		if page := p.do("lead", "GET", "/desk/cases/"+string(c.ID), nil).Body.String(); !strings.Contains(page, "the form still sends everything in clear") || !strings.Contains(page, "answered the survey") {
			p.Error("the comment is not in the case")
		}

		// 6. The lead answers and closes. Six weeks later they write again, from another address.
		p.answered("lead", c, "You are right again: the form itself was still open. I had it switched off five minutes ago.")
		p.dismissed(c)
		p.do("lead", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}})
		if c = p.fresh(c); c.State != cases.Closed {
			p.Fatalf("%+v", c)
		}
		later(42 * 24 * time.Hour)
		late := p.again(c, "finder@x.example", "It is back.")
		if late.ID != c.ID || p.fresh(c).State != cases.Open {
			p.Fatalf("the late word went to %s", late.Ref)
		}
		c = p.lifted(c, ladder.Executive, ladder.CameBack)
		if c.Security != cases.Suspected {
			p.Fatal("who comes back late is not looked at again")
		}
		other := p.again(c, "finder@elsewhere.example", "I write from my other address: it is back.")
		if other.ID == c.ID {
			p.Fatal("a stranger's mail came into the case")
		}
		if p.count(`SELECT COUNT(*) FROM case_links WHERE case_id = $1 AND other = $2`, other.ID, c.ID) != 1 {
			p.Error("the two are not linked")
		}

		// 7. They ask for somebody higher, on the case that came from elsewhere.
		later(time.Hour)
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(other.Ref), nil)
		p.lifted(other, ladder.Triagers, ladder.Asked)
		mailed("executive@northmere.example", 1)
		if w := p.do("executive", "POST", "/desk/cases/"+string(c.ID)+"/take", nil); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		p.answered("executive", c, "I am the one who answers for this house. The page is off for good; thank you for your patience with us.")
		if c = p.fresh(c); c.Lifted {
			p.Errorf("%+v", c)
		}
		var row []string
		for _, s := range p.steps(c) {
			row = append(row, string(s.Why))
		}
		if got := strings.Join(row, " "); got != "after-canned comment came-back" {
			p.Errorf("the ladder: %s", got)
		}
	})
}
