package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/staff"
)

// TestCannedRepliesInTheComposer: who may use one is offered it, filled in, by list and
// by short name, in the language of the case; what is still open does not leave; a macro
// changes the case with sending, and not out of a topic that stays protected.
func TestCannedRepliesInTheComposer(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		r := p.canned(centre.Reply{Folder: "Cards", Name: "Lost", Prefix: "lost", Texts: centre.Texts{lang.English: "Dear {name},\n\nyour card is blocked ({reference}). {organisation} sends you another, and you hear from {agent} {promise}.", lang.German: "Guten Tag {name},\n\nIhre Karte ist gesperrt ({reference})."}, Do: centre.Do{Topic: "payments-and-bills", Assign: true, Close: true}})
		leads := p.canned(centre.Reply{Name: "For leads", Prefix: "lead", Roles: []staff.Role{staff.Lead}, Texts: centre.Texts{lang.English: "canary-leads only"}})
		c := p.write("Ada Brandt <ada@brandt.example>", "My card", "It is gone, and I do not know where it is.")
		path := "/desk/cases/" + string(c.ID)

		// By list.
		page := p.do("agent", "GET", path, nil).Body.String()
		if !strings.Contains(page, "Lost (;lost)") || strings.Contains(page, "For leads") || !strings.Contains(p.do("lead", "GET", path, nil).Body.String(), "For leads") {
			p.Error("who is offered what")
		}
		put := p.do("agent", "POST", path+"/draft", url.Values{"text": {"First of all: sorry."}, "to": {string(c.Contact)}, "do": {"canned"}, "canned": {r.ID}}).Body.String()
		for _, want := range []string{"First of all: sorry.\n\nDear Ada Brandt,", string(c.Ref), p.d.org.get() + " sends you", "from agent within one working day", "With sending: it is about Payments and bills; it is yours; it is closed"} {
			if !strings.Contains(put, want) {
				p.Errorf("the composer does not hold %q", want)
			}
		}
		if w := p.do("agent", "POST", path+"/draft", url.Values{"text": {"x"}, "do": {"canned"}, "canned": {leads.ID}}); w.Code != http.StatusNotFound {
			p.Errorf("another role's reply: %d", w.Code)
		}

		// By short name.
		var got struct {
			Name, Text, Macro string
			Open              []string
		}
		w := p.do("agent", "GET", path+"/canned/lost", nil)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !strings.Contains(got.Text, "Dear Ada Brandt,") || len(got.Open) != 0 || got.Macro != r.ID {
			p.Errorf("%s: %v", w.Body, err)
		}
		for who, want := range map[string]int{"agent": 404, "lead": 200, "admin": 403} {
			if w := p.do(who, "GET", path+"/canned/lead", nil); w.Code != want {
				p.Errorf("%s by short name: %d", who, w.Code)
			}
		}

		// In the language of the case; without a name it stays open, and does not leave.
		g := p.write("x@brandt.example", "Karte", "Guten Tag, meine Karte ist weg und ich weiß nicht, wo sie ist.")
		w = p.do("agent", "GET", "/desk/cases/"+string(g.ID)+"/canned/lost", nil)
		json.Unmarshal(w.Body.Bytes(), &got)
		if !strings.HasPrefix(got.Text, "Guten Tag {name},") || len(got.Open) != 1 {
			p.Errorf("%s", w.Body)
		}
		w = p.do("agent", "POST", "/desk/cases/"+string(g.ID)+"/send", url.Values{"text": {got.Text}, "to": {string(g.Contact)}})
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "{name} is still open") {
			p.Errorf("what is open leaves: %d", w.Code)
		}

		// With sending.
		w = p.do("agent", "POST", path+"/send", url.Values{"text": {"Dear Ada Brandt,\n\nyour card is blocked. I did that myself a minute ago, and have seen that nobody used it."}, "to": {string(c.Contact)}, "macro": {r.ID}})
		if w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		if c = p.fresh(c); c.Topic != "payments-and-bills" || c.Assignee != p.staffID("agent") || c.State != cases.Closed {
			p.Errorf("%+v", c)
		}
		// Taken back, it is open again.
		m := p.one(`SELECT id FROM messages WHERE case_id = $1 AND door = 'desk'`, c.ID)
		if w := p.do("agent", "POST", path+"/messages/"+m+"/undo", nil); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		if c = p.fresh(c); c.State != cases.Open || c.Due.IsZero() || c.Contacts != 1 {
			p.Errorf("after taking it back: %+v", c)
		}
		d := p.write("emre@x.example", "Papers", "Please send them to me by mail.")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE cases SET topic = 'documents-and-copies' WHERE id = $1`, d.ID)
			return err
		})
		p.withPhoneOf(d)
		p.do("agent", "POST", "/desk/cases/"+string(d.ID)+"/send", url.Values{"text": {"I have put them together for you just now, with my own hands."}, "to": {string(d.Contact)}, "macro": {r.ID}})
		if d = p.fresh(d); d.Topic != "documents-and-copies" {
			p.Errorf("a macro took a case out of its protected topic: %s", d.Topic)
		}
	})
}

func (p *pages) withPhoneOf(c *cases.Case) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		return p.d.contacts.AddPhone(ctx, tx, c.Contact, "0171 5550143", "staff", "zara")
	})
}

// TestRulesSendOnce: what a rule sends goes with the acknowledgement, marked as
// automatic, once in a case; never to what may be a security report, nor by the door
// for those; and whoever writes again gets a person.
func TestRulesSendOnce(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		p.canned(centre.Reply{Name: "Bills", Auto: "payments-and-bills", Texts: centre.Texts{lang.English: "Bills are sent on the first of the month, canary-rule. Your reference is {reference}.", lang.German: "Rechnungen kommen am Ersten, canary-regel."}})
		x := p.visitor("192.0.2.1")
		ref, _ := x.sendForm("payments-and-bills", "When do bills come?", "Ada", "ada@brandt.example")
		c := p.byRef(ref)
		mail := func(to string, n int) string {
			p.Helper()
			p.eventually("a mail to "+to, func() bool { return len(p.mailsTo(to)) >= n })
			return p.mailsTo(to)[0]
		}
		raw := mail("ada@brandt.example", 1)
		if !strings.Contains(raw, "canary-rule") || !strings.Contains(raw, "Auto-Submitted: auto-replied") || !strings.Contains(raw, "prepared text") || strings.Contains(raw, "Ada") {
			p.Error(raw)
		}
		if !c.Scripted {
			p.Error("it does not count as canned")
		}
		later(25 * time.Hour)
		p.again(c, "ada@brandt.example", "And mine of October?")
		p.lifted(c, 1, "after-canned")
		if n := p.count(`SELECT COUNT(*) FROM answers WHERE case_id = $1 AND staff_id = ''`, c.ID); n != 1 {
			p.Errorf("sent %d times", n)
		}

		// Who gave no address reads it on the page, in their language.
		y := p.visitor("192.0.2.2")
		y.speaks = "de"
		ref, code := y.sendForm("payments-and-bills", "Wann kommen die Rechnungen?", "", "")
		p.eventually("the rule answers", func() bool {
			return p.count(`SELECT COUNT(*) FROM deliveries WHERE case_id = $1 AND state = 'sent'`, p.byRef(ref).ID) == 1
		})
		y.open(ref, code)
		if page := y.get("/case/" + ref).Body.String(); !strings.Contains(page, "canary-regel") || !strings.Contains(page, "liest trotzdem ein Mensch") {
			p.Error("the page does not hold what the rule says")
		}

		// Not to a suspicion.
		for n, text := range []string{"Your bill page is http://bills.example and not encrypted.", "I found a security hole in your bills.", "I saw another customer's bill."} {
			z := p.visitor("192.0.2." + string(rune('3'+n)))
			ref, _ := z.sendForm("payments-and-bills", text, "", "finder"+string(rune('0'+n))+"@x.example")
			if strings.Contains(mail("finder"+string(rune('0'+n))+"@x.example", 1), "canary") || p.byRef(ref).Scripted {
				p.Errorf("a script answered %q", text)
			}
		}
		// Nor can one be set up for that door, nor with words of theirs.
		for _, r := range []centre.Reply{{Name: "a", Auto: centre.Security, Texts: centre.Texts{lang.English: "x"}}, {Name: "b", Auto: "moving-name-telephone", Texts: centre.Texts{lang.English: "Dear {name}"}}, {Name: "c", Auto: "payments-and-bills", Texts: centre.Texts{lang.English: "x"}}, {Name: "d", Texts: centre.Texts{lang.English: "http://x.example"}}, {Name: "e", Texts: centre.Texts{lang.English: "{nane}"}}, {Name: "f"}, {Texts: centre.Texts{lang.English: "x"}}} {
			if _, err := p.d.centre.SaveReply(t.Context(), "test", &r); err == nil || !fail.Is(err, fail.Invalid) && !fail.Is(err, fail.Conflict) {
				p.Errorf("%q was saved: %v", r.Name, err)
			}
		}
	})
}

// TestRepliesAreEditedByWhoMay: versions stay, a change in between is refused, what is
// retired is used no more and still counts as canned.
func TestRepliesAreEditedByWhoMay(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		form := url.Values{"name": {"Hours"}, "prefix": {"hours"}, "text-en": {hoursText}, "do": {"save"}}
		for who, want := range map[string]int{"agent": 403, "triager": 403, "executive": 403, "lead": 303} {
			if w := p.do(who, "POST", "/desk/replies/new", form); w.Code != want {
				p.Errorf("%s: %d", who, w.Code)
			}
		}
		id := p.d.centre.Library().All()[0].ID
		if w := p.do("lead", "POST", "/desk/replies/new", form); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "this short name already") {
			p.Errorf("the same short name twice: %d", w.Code)
		}
		form.Set("text-en", "We are open at any time of the day, and on every day of the week.")
		form.Set("version", "1")
		if w := p.do("lead", "POST", "/desk/replies/"+id, form); w.Code != http.StatusSeeOther {
			p.Errorf("%d %s", w.Code, w.Body)
		}
		if w := p.do("admin", "POST", "/desk/replies/"+id, form); w.Code != http.StatusConflict {
			p.Errorf("over somebody's change: %d", w.Code)
		}
		form.Set("version", "2")
		form.Set("do", "retire")
		if w := p.do("lead", "POST", "/desk/replies/"+id, form); w.Code != http.StatusSeeOther {
			p.Errorf("%d", w.Code)
		}
		if page := p.do("lead", "GET", "/desk/replies/"+id, nil).Body.String(); !strings.Contains(page, "Version 3") || !strings.Contains(page, "nine to five") {
			p.Error("what it said is not kept")
		}
		c := p.write("ada@brandt.example", "Hours", "When?")
		if page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String(); strings.Contains(page, ";hours") {
			p.Error("a retired one is offered")
		}
		p.answered("agent", c, hoursText)
		if !p.fresh(c).Scripted {
			p.Error("a retired one does not count as canned")
		}
		// Articles are edited likewise.
		art := url.Values{"title-en": {"Card lost"}, "text-en": {"Block it."}, "published": {"1"}, "do": {"save"}}
		for who, want := range map[string]int{"agent": 403, "lead": 303} {
			if w := p.do(who, "POST", "/desk/articles/new", art); w.Code != want {
				p.Errorf("article by %s: %d", who, w.Code)
			}
		}
		for _, wrong := range []url.Values{{"title-en": {"x"}}, {"text-en": {"x"}}, {}, {"title-en": {"x"}, "text-en": {"see http://x.example"}}, {"title-en": {"x"}, "text-en": {"y"}, "topic": {"no-such"}}} {
			if w := p.do("lead", "POST", "/desk/articles/new", wrong); w.Code != http.StatusUnprocessableEntity {
				p.Errorf("%v: %d", wrong, w.Code)
			}
		}
		x := p.visitor("192.0.2.1")
		if page := x.get("/help?q=cards").Body.String(); !strings.Contains(page, "/help/card-lost") || !strings.Contains(page, "/report") || !strings.Contains(page, "/something-else") {
			p.Error("it is not found, or the doors are gone")
		}
		if page := x.get("/help?q=zebra").Body.String(); strings.Contains(page, "/help/card-lost") || !strings.Contains(page, "/report") || !strings.Contains(page, "/something-else") {
			p.Error("it is found, or the doors are gone")
		}
		for n := range 10 {
			x.post("/help/card-lost", url.Values{"helped": {[]string{"yes", "no"}[n%2]}})
		}
		if n := p.count(`SELECT CAST(SUM(yes + no) AS BIGINT) FROM article_votes`); n != 3 {
			p.Errorf("one network counted %d times", n)
		}
		art.Del("published")
		art.Set("version", "1")
		p.do("lead", "POST", "/desk/articles/card-lost", art)
		if w := x.get("/help/card-lost"); w.Code != http.StatusNotFound {
			p.Errorf("a draft is read: %d", w.Code)
		}
	})
}
