package app

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
)

var surveyLink = regexp.MustCompile(`/survey/[a-z0-9]+-[a-z0-9]+`)

// closed has an agent close a case and the desk ask about it.
func (p *pages) closed(c *cases.Case) string {
	p.Helper()
	if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}, "reason": {"There is nothing to answer."}}); w.Code != http.StatusSeeOther {
		p.Fatal(w.Code, w.Body)
	}
	if err := p.d.outbox.AskSurvey(p.Context(), c.ID, "agent"); err != nil {
		p.Fatal(err)
	}
	id := p.rows(`SELECT id FROM surveys WHERE case_id = '` + string(c.ID) + `'`)
	if len(id) == 0 {
		return ""
	}
	return "/survey/" + p.d.centre.SurveyToken(id[0])
}

// TestP8SurveysAreRead: what is said in a survey is a message of the case; a low score,
// "not solved" and a comment that asks open it and call the next rung; a kind word moves
// nothing; a made-up link opens nothing; the last word counts.
func TestP8SurveysAreRead(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		for name, x := range map[string]struct {
			form url.Values
			why  ladder.Why
		}{
			"kind":         {url.Values{"score": {"5"}, "comment": {"Thank you, that was quick."}}, ""},
			"no comment":   {url.Values{"score": {"3"}}, ""},
			"low":          {url.Values{"score": {"2"}}, ladder.LowScore},
			"not solved":   {url.Values{"score": {"5"}, "do": {"unsolved"}}, ladder.LowScore},
			"only that":    {url.Values{"do": {"unsolved"}}, ladder.LowScore},
			"asks":         {url.Values{"score": {"5"}, "comment": {"And when does the card come?"}}, ladder.Comment},
			"asks, German": {url.Values{"score": {"4"}, "comment": {"Bitte rufen Sie mich an."}}, ladder.Comment},
			"a report":     {url.Values{"score": {"5"}, "comment": {"Nice. Your login page has an open redirect by the way."}}, ladder.Comment},
		} {
			c := p.write(db.NewID()+"@x.example", "About "+db.NewID(), "A question.")
			p.answered("agent", c, "This is what I found for you in the papers of "+db.NewID()+".")
			link := p.closed(c)
			if w := p.do("", "GET", link, nil); w.Code != http.StatusOK || p.fresh(c).State != cases.Closed {
				p.Fatalf("%s: opening the link: %d", name, w.Code)
			}
			w := p.do("", "POST", link, x.form)
			if w.Code != http.StatusOK {
				p.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if x.why != "" {
				p.lifted(c, ladder.Triagers, x.why)
			} else if now := p.fresh(c); now.State != cases.Closed || !now.Unread || now.Lifted {
				p.Errorf("%s: %+v", name, now)
			}
			if n := p.count(`SELECT COUNT(*) FROM messages WHERE case_id = $1 AND kind = 'in' AND door = 'survey'`, c.ID); n != 1 {
				p.Errorf("%s: %d messages", name, n)
			}
		}
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		link := p.closed(c)
		for _, wrong := range []string{link + "x", link[:len(link)-1], "/survey/" + db.NewID() + "-" + strings.Repeat("a", 24), "/survey/x"} {
			if w := p.do("", "POST", wrong, url.Values{"do": {"unsolved"}}); w.Code != http.StatusNotFound {
				p.Errorf("%s: %d", wrong, w.Code)
			}
		}
		for _, form := range []url.Values{{}, {"score": {"9"}}, {"score": {"-1"}, "comment": {"x"}}, {"score": {"x"}}} {
			if w := p.do("", "POST", link, form); w.Code != http.StatusUnprocessableEntity {
				p.Errorf("%v: %d", form, w.Code)
			}
		}
		if p.fresh(c).State != cases.Closed {
			p.Error("nonsense opened it")
		}
		p.do("", "POST", link, url.Values{"score": {"1"}})
		p.do("", "POST", link, url.Values{"score": {"4"}, "comment": {"It came."}})
		if got := p.one(`SELECT CAST(score AS TEXT) FROM surveys WHERE case_id = $1`, c.ID); got != "4" {
			p.Errorf("the last word: %s", got)
		}
		later(91 * 24 * time.Hour)
		if w := p.do("", "GET", link, nil); w.Code != http.StatusNotFound {
			p.Errorf("after three months: %d", w.Code)
		}
	})
}

// TestP8NobodyIsAskedInVain: not twice in a week, not where nobody answered, not about
// a case that was opened again before the mail left.
func TestP8NobodyIsAskedInVain(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		spam := p.write("spam@x.example", "Buy", "Buy this.")
		if link := p.closed(spam); link != "" {
			p.Error("somebody who got no answer is asked how it was")
		}
		later(25 * time.Hour)
		c := p.write("ada@brandt.example", "Card", "Where is it?")
		p.answered("agent", c, "On its way since this morning, I saw it leave.")
		if link := p.closed(c); link == "" {
			p.Fatal("not asked")
		}
		p.again(c, "ada@brandt.example", "Not yet here.")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE kind = 'survey'`)
			return err
		})
		p.eventually("the survey is dealt with", func() bool { return p.one(`SELECT state FROM deliveries WHERE kind = 'survey'`) == "undone" })
		if got := p.one(`SELECT state FROM deliveries WHERE kind = 'survey'`); got != "undone" {
			p.Errorf("asked about an open case: %s", got)
		}
		p.answered("agent", c, "It is in your letter box by noon, the postman says.")
		p.closed(c)
		if n := p.count(`SELECT COUNT(*) FROM surveys`); n != 1 {
			p.Errorf("asked %d times in a week", n)
		}
	})
}

// TestP8NoMailboxIsDeaf: an address that says that nobody reads it cannot be set up.
func TestP8NoMailboxIsDeaf(t *testing.T) {
	p := openPages(t, "")
	for _, a := range []string{"no-reply@northmere.example", "noreply@northmere.example", "DoNotReply@northmere.example", "do-not-reply@northmere.example", "bank-no_reply@northmere.example", "nicht-antworten@northmere.example"} {
		if _, err := p.d.boxes.Add(t.Context(), "test", "Northmere", a, false); !fail.Is(err, fail.Invalid) {
			p.Errorf("%s: %v", a, err)
		}
		if w := p.do("admin", "POST", "/desk/mailboxes", url.Values{"name": {"Northmere"}, "address": {a}}); w.Code == http.StatusSeeOther {
			p.Errorf("%s by the desk: %d", a, w.Code)
		}
		cfg := testConfig(t, "")
		cfg.Mailbox = a
		if d, err := Open(t.Context(), cfg, p.d.log, nil); err == nil {
			d.close()
			p.Errorf("%s by a setting", a)
		}
	}
	if n := len(p.d.boxes.All()); n != 1 {
		p.Errorf("%d mailboxes", n)
	}
}

// TestP2ANudgeSaysNothing: who wants only to be told that there is an answer is told so,
// once a day, without a word of it.
func TestP2ANudgeSaysNothing(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		x := p.visitor("192.0.2.1")
		x.step(x.post("/contact/about/payments-and-bills", url.Values{"text": {"canary-question"}}), http.StatusSeeOther, "/contact/you")
		x.step(x.post("/contact/you", url.Values{"address": {"finder@x.example"}, "nudge": {"1"}}), http.StatusSeeOther, "/contact/check")
		if page := x.get("/contact/check").Body.String(); !strings.Contains(page, "without a word of it") {
			p.Error("the check does not say how")
		}
		x.step(x.post("/contact/send", nil), http.StatusSeeOther, "/contact/done")
		c := p.byRef(refWords.FindStringSubmatch(x.get("/contact/done").Body.String())[1])
		for _, text := range []string{"canary-answer one, which I looked up for you.", "canary-second, with something new in it altogether."} {
			if how := p.reply(c, text); how != "page" {
				p.Errorf("it went %s", how)
			}
		}
		p.eventually("the survey is dealt with", func() bool { return len(p.mailsTo("finder@x.example")) > 0 })
		mails := p.mailsTo("finder@x.example")
		if len(mails) != 1 || strings.Contains(mails[0], "canary") || !strings.Contains(mails[0], string(c.Ref)) || !strings.Contains(mails[0], "multipart/signed") {
			p.Errorf("%d mails: %s", len(mails), mails)
		}
		if n := p.count(`SELECT COUNT(*) FROM contact_addresses WHERE contact_id = $1`, contacts.ID(c.Contact)); n != 0 {
			p.Error("the address became the contact's")
		}
		for _, v := range p.rows(`SELECT nudge FROM receipts`) {
			if strings.Contains(v, "finder") {
				p.Error("the address is kept in clear")
			}
		}
	})
}
