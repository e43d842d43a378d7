package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/outbox"
)

const hoursText = "We are open from Monday to Friday, nine to five, except on public holidays. You find us at Quay Street 4; the nearest stop of the tram is Harbour."

// canned adds a canned reply and returns its text.
func (p *pages) canned(r centre.Reply) *centre.Reply {
	p.Helper()
	if field, err := p.d.centre.SaveReply(p.Context(), "test", &r); err != nil {
		p.Fatal(field, err)
	}
	return &r
}

func (p *pages) hoursReply() {
	p.canned(centre.Reply{Name: "Hours", Prefix: "hours", Texts: centre.Texts{lang.English: hoursText}})
}

// eachWatch is eachPages with people who come back however long it took.
func eachWatch(t *testing.T, f func(p *pages, later func(time.Duration))) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		f(p, func(d time.Duration) { later(d); p.signAllIn(nil) })
	})
}

// answerAs sends an answer of somebody's into a case; its error is what the agent is told.
func (p *pages) answerAs(who string, c *cases.Case, text string) (cases.MessageID, error) {
	return p.d.outbox.Send(p.Context(), &outbox.Answer{Case: c.ID, Staff: p.staffID(who), Text: text, To: []contacts.ID{c.Contact}})
}

func (p *pages) answered(who string, c *cases.Case, text string) cases.MessageID {
	p.Helper()
	m, err := p.answerAs(who, c, text)
	if err != nil {
		p.Fatal(err)
	}
	return m
}

// leaves lets an answer go that waits to be taken back, and waits until it is out.
func (p *pages) leaves(m cases.MessageID) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE message_id = $1`, m)
		return err
	})
	p.eventually("it leaves", func() bool {
		return p.count(`SELECT COUNT(*) FROM deliveries WHERE message_id = $1 AND done_at > 0`, m) > 0
	})
}

// again has somebody write into a case that is there.
func (p *pages) again(c *cases.Case, from, text string) *cases.Case {
	p.Helper()
	return p.write(from, "Re: "+c.Subject+" ["+p.d.cases.Tokens.Make(c.Ref)+"]", text)
}

func (p *pages) fresh(c *cases.Case) *cases.Case {
	p.Helper()
	var out *cases.Case
	p.must(func(ctx context.Context, tx *db.Tx) (err error) { out, err = p.d.cases.Get(ctx, tx, c.ID); return err })
	return out
}

func (p *pages) steps(c *cases.Case) (out []ladder.Climb) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) { out, err = p.d.ladder.Of(ctx, tx, c.ID); return err })
	return out
}

// lifted must be: on this rung, for this reason, with somebody still owing an answer.
func (p *pages) lifted(c *cases.Case, rung int64, why ladder.Why) *cases.Case {
	p.Helper()
	c = p.fresh(c)
	steps := p.steps(c)
	if !c.Lifted || c.Rung != rung || c.State != cases.Open || c.Due.IsZero() || c.Alarm == "" || len(steps) == 0 || steps[len(steps)-1].Why != why {
		p.Fatalf("want rung %d for %s: rung %d, lifted %v, %s, due %v, %q, %+v", rung, why, c.Rung, c.Lifted, c.State, c.Due, c.Alarm, steps)
	}
	return c
}

// TestP9AWordAfterACannedAnswer: whoever writes again after a canned answer gets a
// person one rung up; no canned reply goes out, nobody closes the case, an agent's own
// help does not end the call, and the triager's words do.
func TestP9AWordAfterACannedAnswer(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		p.hoursReply()
		c := p.write("ada@brandt.example", "Your counter", "When can I come?")
		m := p.answered("agent", c, "Dear Ada,\n\n"+hoursText+"\n\nKind regards\nMara Stein")
		if got := p.one(`SELECT CASE WHEN canned THEN 'canned' ELSE 'own' END FROM messages WHERE id = $1`, m); got != "canned" {
			p.Fatal(got)
		}
		p.leaves(m)
		if c = p.fresh(c); !c.Scripted || c.Lifted || c.Rung != 0 {
			p.Fatalf("%+v", c)
		}
		later(time.Hour)
		p.again(c, "ada@brandt.example", "That was not my question.")
		c = p.lifted(c, ladder.Triagers, ladder.AfterCanned)
		if got := p.one(`SELECT outcome FROM answers WHERE message_id = $1`, m); got != "escalated" {
			p.Errorf("what came of the reply: %q", got)
		}

		// No script ends it.
		later(time.Minute)
		if _, err := p.answerAs("agent", c, hoursText); !fail.Is(err, fail.Conflict) {
			p.Errorf("a canned answer: %v", err)
		}
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}}); w.Code != http.StatusConflict {
			p.Errorf("closing it: %d", w.Code)
		}
		page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String()
		for _, want := range []string{"They wrote again after a canned answer", "nobody has taken it yet", "A person’s word is due", "Somebody further up was called: no canned reply"} {
			if !strings.Contains(page, want) {
				p.Errorf("the case does not say %q", want)
			}
		}
		if strings.Contains(page, `value="canned"`) || strings.Contains(page, "Take it</button>") {
			p.Error("the agent is offered a canned reply, or the case")
		}
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/take", nil); w.Code != http.StatusForbidden {
			p.Errorf("an agent takes it: %d", w.Code)
		}
		p.answered("agent", c, "Sorry. What was your question? I am looking for somebody who knows.")
		c = p.lifted(c, ladder.Triagers, ladder.AfterCanned)

		if w := p.do("triager", "POST", "/desk/cases/"+string(c.ID)+"/take", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("the triager takes it: %d", w.Code)
		}
		if c = p.fresh(c); c.Assignee != p.staffID("triager") || !c.Lifted {
			p.Fatalf("%+v", c)
		}
		p.answered("triager", c, "I have read all of it. The counter opens for you on Saturday at ten, I will be there myself.")
		if c = p.fresh(c); c.Lifted || c.Alarm != "" || !c.Due.IsZero() || c.Contacts != 0 || c.State != cases.Waiting {
			p.Errorf("after a person answered: %+v", c)
		}
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/state", url.Values{"to": {"closed"}}); w.Code != http.StatusSeeOther {
			p.Errorf("closing it now: %d", w.Code)
		}
		for _, act := range []string{"case.lifted", "case.taken"} {
			if len(only(p.acts(c), act)) != 1 {
				p.Errorf("%s is not in the log once", act)
			}
		}
	})
}

// TestP9ASecondCannedAnswerInARow does not go out, however it got into the answer:
// picked, pasted, stitched of two, in an older version, with another greeting; nor does
// an answer that was sent before. The case goes up, and nothing of the draft is lost.
func TestP9ASecondCannedAnswerInARow(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		p.hoursReply()
		safe := p.canned(centre.Reply{Name: "Safe", Texts: centre.Texts{lang.English: "Our site is secure. We use the newest technology and follow all the standards of our industry, and your data is protected at any time."}})
		old := safe.Texts[lang.English]
		safe.Texts[lang.English], safe.Version = "Security is our highest priority, and we check all our systems every day of the year without exception.", 1
		p.canned(*safe)
		own := "I looked at your account myself: the fee of the third of May was a mistake of ours, and it goes back today."
		for name, second := range map[string]string{"the same": hoursText, "another": safe.Texts[lang.English], "an older version": old, "stitched": hoursText[:70] + "\n\n" + old,
			"greeted": "Hello Mr Wilk,\n\n" + strings.ToUpper(old) + "\n\nBest regards\nThe whole team", "with a word of one's own": old + "\n\nThank you!"} {
			c := p.write(db.NewID()+"@x.example", "Question "+db.NewID(), "What about the fee?")
			p.answered("agent", c, hoursText)
			later(time.Minute)
			w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/send", url.Values{"text": {second}, "to": {string(c.Contact)}})
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "the case was handed up") || !strings.Contains(w.Body.String(), strings.Fields(second)[len(strings.Fields(second))-1]) {
				p.Errorf("%s: %d", name, w.Code)
			}
			p.lifted(c, ladder.Triagers, ladder.SecondCanned)
			if n := p.count(`SELECT COUNT(*) FROM messages WHERE case_id = $1 AND kind = 'out' AND door = 'desk'`, c.ID); n != 1 {
				p.Errorf("%s: %d answers", name, n)
			}
		}
		// Own words go out, and those again do not pass for new ones.
		c := p.write("wilk@x.example", "The fee of May", "What about the fee?")
		p.answered("agent", c, own)
		if c = p.fresh(c); c.Scripted {
			p.Error("own words count as canned")
		}
		later(time.Hour)
		p.again(c, "wilk@x.example", "It is not back.")
		p.answered("agent", c, "Dear Mr Wilk,\n\n"+own)
		if c = p.fresh(c); !c.Scripted {
			p.Error("the same answer again does not count as canned")
		}
		later(time.Hour)
		p.again(c, "wilk@x.example", "Still not.")
		p.lifted(c, ladder.Triagers, ladder.AfterCanned)
	})
}

// TestP9ThreeContactsOnOneMatter: by mail, by form and by telephone, in more than one
// case; what follows within minutes is the same contact, and another matter is another.
func TestP9ThreeContactsOnOneMatter(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		a := p.write("ada@brandt.example", "Wrong interest on my statement", "It is wrong.")
		later(3 * time.Minute)
		p.again(a, "ada@brandt.example", "I forgot the page number: 3.")
		if a = p.fresh(a); a.Lifted || a.Contacts != 1 {
			p.Fatalf("an afterthought: %+v", a)
		}
		other := p.write("ada@brandt.example", "Parking", "Where can I park?")
		if p.fresh(other).Lifted {
			p.Fatal("another matter counts")
		}
		later(2 * time.Hour)
		b := p.write("ada@brandt.example", "The interest again", "Nobody answered.")
		if p.fresh(b).Lifted {
			p.Fatal("the second contact")
		}
		later(2 * time.Hour)
		if w := p.do("agent", "POST", "/desk/cases/"+string(b.ID)+"/note", url.Values{"text": {"She asks about the interest again."}, "phone": {"1"}}); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		p.lifted(b, ladder.Triagers, ladder.Third)
		page := p.do("agent", "GET", "/desk/cases/"+string(b.ID), nil).Body.String()
		if !strings.Contains(page, "Noted by phone by agent; nobody proved who") {
			p.Error("what was said by phone carries no trust word")
		}

		// A person's answer begins the count anew.
		c := p.write("emre@x.example", "Card", "Where is it?")
		for _, text := range []string{"It was sent on Tuesday, I asked the printer myself just now.", "That one is still being made; they told me Friday, and I will look again then.", "Yes. Your daughter's goes with it, in the same envelope, to the address of your last letter."} {
			later(2 * time.Hour)
			p.answered("agent", c, text)
			later(2 * time.Hour)
			p.again(c, "emre@x.example", "Thanks, and the other "+db.NewID()+"?")
		}
		if c = p.fresh(c); c.Lifted {
			p.Errorf("a conversation between people went up: %+v", p.steps(c))
		}
	})
}

// TestP9TheirOwnClick lifts it, from the mail and from the case page; five clicks are
// one cry, and a later one, when nobody came, is the next.
func TestP9TheirOwnClick(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Help", "Please help.")
		link := "/person/" + p.d.cases.Tokens.Make(c.Ref)
		if w := p.do("", "GET", link, nil); w.Code != http.StatusOK || p.fresh(c).Lifted {
			p.Fatalf("a scanner that follows links: %d", w.Code)
		}
		for range 5 {
			p.do("", "POST", link, nil)
		}
		c = p.lifted(c, ladder.Triagers, ladder.Asked)
		if n := len(only(p.acts(c), "person.asked")); n != 1 {
			p.Errorf("asked %d times", n)
		}
		later(time.Hour) // who was called has time to come
		p.do("", "POST", link, nil)
		if len(p.steps(c)) != 1 {
			p.Error("a second call before the first had time to come")
		}
		for rung, who := range []string{"triager", "lead", "executive"} {
			if w := p.do(who, "POST", "/desk/cases/"+string(c.ID)+"/take", nil); w.Code != http.StatusSeeOther {
				p.Fatalf("%s: %d", who, w.Code)
			}
			p.do("", "POST", link, nil) // at once: they have only just come
			later(time.Hour)
			p.do("", "POST", link, nil)
			c = p.lifted(c, min(int64(rung+2), ladder.Executive), ladder.Asked)
		}
		// Higher there is nobody, and the case still waits.
		p.answered("triager", c, "I look at it now, in my own words.")
		c = p.lifted(c, ladder.Executive, ladder.Asked)
		p.answered("executive", c, "This is mine. I will call you today at four.")
		if p.fresh(c).Lifted {
			p.Error("the executive answered, and it is still open")
		}
		if w := p.do("", "POST", "/person/"+strings.ToUpper("made-up"), nil); w.Code != http.StatusNotFound {
			p.Errorf("a made-up link: %d", w.Code)
		}
	})
}

// TestP9MissedPromises: nobody answers, then nobody takes it: rung by rung, to the top
// and there again and again; the people are written to, once for each step.
func TestP9MissedPromises(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		p.hoursReply()
		run := func() {
			p.Helper()
			for range 2 { // twice is harmless
				if err := p.d.ladder.Run(p.Context()); err != nil {
					p.Fatal(err)
				}
			}
		}
		c := p.write("ada@brandt.example", "Hello", "Is anybody there?")
		if c = p.fresh(c); c.Due.IsZero() {
			p.Fatal("nothing is promised")
		}
		run()
		if p.fresh(c).Lifted {
			p.Fatal("before its time")
		}
		until := func() { later(p.fresh(c).Due.Sub(p.d.db.Now())) }
		until()
		run()
		c = p.lifted(c, ladder.Triagers, ladder.Missed)
		until()
		run()
		c = p.lifted(c, ladder.Leads, ladder.NobodyTook)
		if w := p.do("lead", "POST", "/desk/cases/"+string(c.ID)+"/take", nil); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		until()
		run()
		c = p.lifted(c, ladder.Executive, ladder.Missed) // taken, and not answered
		until()
		run()
		c = p.lifted(c, ladder.Executive, ladder.NobodyTook)
		if n := len(p.steps(c)); n != 4 {
			p.Errorf("%d steps", n)
		}
		p.answered("executive", c, "I am sorry that you had to wait. Yes: I am here, and I will see to it myself.")
		later(90 * 24 * time.Hour)
		run()
		if c = p.fresh(c); c.Lifted {
			p.Errorf("it was answered: %+v", p.steps(c))
		}
		// A canned answer by an agent keeps the promise, once.
		d := p.write("emre@x.example", "Hours", "When?")
		p.answered("agent", d, hoursText)
		later(90 * 24 * time.Hour)
		run()
		if p.fresh(d).Lifted {
			p.Error("it was answered, by a script that may do so once")
		}
	})
}

// TestP9AnAnswerTakenBackCountsForNothing: whoever sends and undoes has not answered.
func TestP9AnAnswerTakenBackCountsForNothing(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		was := p.lifted(c, ladder.Triagers, ladder.Asked)
		m := p.answered("triager", c, "I am here and look at it now.")
		if p.fresh(c).Lifted {
			p.Fatal("answered")
		}
		if w := p.do("triager", "POST", "/desk/cases/"+string(c.ID)+"/messages/"+string(m)+"/undo", nil); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		now := p.lifted(c, ladder.Triagers, ladder.Asked)
		if !now.Due.Equal(was.Due) || now.Contacts != was.Contacts {
			p.Errorf("due %v, was %v; %d contacts, were %d", now.Due, was.Due, now.Contacts, was.Contacts)
		}
		if n := p.count(`SELECT COUNT(*) FROM answers`); n != 0 {
			p.Errorf("%d answers count", n)
		}
		// The words that were taken back are not a repetition.
		m = p.answered("triager", c, "I am here and look at it now.")
		if got := p.one(`SELECT CASE WHEN canned THEN 'canned' ELSE 'own' END FROM messages WHERE id = $1`, m); got != "own" {
			p.Error(got)
		}
	})
}

// TestP9TheExitWakesAPerson: in the desk, by mail and by webhook, with not a word of
// the customer's in what leaves the desk.
func TestP9TheExitWakesAPerson(t *testing.T) {
	eachSystem(t, func(x *caller, s *system, later func(time.Duration)) {
		p := x.pages
		p.work()
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		if err := p.d.hooks.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		t.Cleanup(func() { p.d.jobs.Stop(context.Background()); p.d.hooks.Stop() })
		x.addHook(x.key(apikeys.WebhooksManage), s.URL+"/pager", "case.lifted")
		c := p.write("ada@brandt.example", "canary-subject", "canary-text")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		p.lifted(c, ladder.Triagers, ladder.Asked)
		x.until("a mail to the triager", func() bool { return len(p.mailsTo("triager@northmere.example")) == 1 })
		raw := p.mailsTo("triager@northmere.example")[0]
		for _, want := range []string{string(c.Ref), "multipart/signed", "Auto-Submitted: auto-generated", "/desk/cases/"} {
			if !strings.Contains(raw, want) {
				p.Errorf("the call does not hold %q", want)
			}
		}
		x.until("the webhook", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.calls) > 0 })
		s.mu.Lock()
		body := s.calls[0].body
		s.mu.Unlock()
		for _, want := range []string{`"case.lifted"`, string(c.Ref), `"triager"`, `"asked"`} {
			if !strings.Contains(body, want) {
				p.Errorf("the webhook does not hold %q: %s", want, body)
			}
		}
		if strings.Contains(raw+body, "canary") || strings.Contains(raw+body, "ada@") {
			p.Error("a customer's words leave the desk")
		}
		page := p.do("triager", "GET", "/desk/inbox/lifted", nil).Body.String()
		if !strings.Contains(page, "canary-subject") || !strings.Contains(page, "Handed up") {
			p.Error("the desk does not show it")
		}
		for _, nobody := range []string{"agent", "lead", "executive", "admin"} {
			if n := len(p.mailsTo(nobody + "@northmere.example")); n != 0 {
				p.Errorf("%s was called too", nobody)
			}
		}
	})
}

// TestP9SystemsAreNoWayAround: by API a canned letter into a case that waits for a
// person is refused, and hands the case up.
func TestP9SystemsAreNoWayAround(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.hoursReply()
		x := newCaller(p)
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.answered("agent", c, hoursText)
		later(time.Minute)
		s := &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Case: c.ID, Text: hoursText}
		if _, err := x.d.outbox.PrepareSystem(t.Context(), s); !fail.Is(err, fail.Conflict) {
			p.Errorf("a canned letter by a system: %v", err)
		}
		p.lifted(c, ladder.Triagers, ladder.SecondCanned)
		// Another person's case is not touched by it.
		d := p.write0("emre@x.example", "Hello", "Is anybody there?")
		s.Case = d.ID
		if _, err := x.d.outbox.PrepareSystem(t.Context(), s); err == nil {
			p.Error("a letter into somebody else's case")
		}
		if p.fresh(d).Lifted {
			p.Error("somebody else's case went up")
		}
	})
}

// TestP9SomebodyIsAlwaysCalled: with no triager the lead is, with nobody above the
// agents are, and then one of them may end it.
func TestP9SomebodyIsAlwaysCalled(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		off := func(who string) {
			id := p.staffID(who)
			p.must(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE staff SET disabled = $2 WHERE id = $1`, id, true)
				return err
			})
		}
		off("triager")
		c := p.write0("ada@brandt.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(c.Ref), nil)
		p.lifted(c, ladder.Leads, ladder.Asked)
		off("lead")
		off("executive")
		d := p.write0("emre@x.example", "Hello", "Is anybody there?")
		p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(d.Ref), nil)
		p.lifted(d, ladder.Triagers, ladder.Asked)
		if n := p.count(`SELECT COUNT(*) FROM river_job WHERE kind = 'call_people'`); n != 2 {
			p.Errorf("%d calls", n)
		}
		p.answered("agent", d, "There is nobody else, so I answer you myself.")
		if p.fresh(d).Lifted {
			p.Error("nobody can end it")
		}
	})
}

// write0 is write with the workers running for this one mail.
func (p *pages) write0(from, subject, text string) *cases.Case {
	p.Helper()
	if err := p.d.intake.Start(p.Context()); err != nil {
		p.Fatal(err)
	}
	defer p.d.intake.Stop()
	return p.write(from, subject, text)
}

// TestP9WhoFloodsUsFloodsNobody: ten mails about one matter call somebody once; fifty
// cases that ask for a person in one hour are all handed up, and thirty mails and one
// say so.
func TestP9WhoFloodsUsFloodsNobody(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		for range 10 {
			p.write("ada@brandt.example", "Wrong interest", "It is wrong.")
			later(11 * time.Minute)
		}
		if n := p.count(`SELECT COUNT(*) FROM climbs`); n != 1 {
			p.Errorf("%d calls about one matter", n)
		}
		later(2 * time.Hour)
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		defer p.d.jobs.Stop(context.Background())
		for n := range 50 {
			x := p.visitor(fmt.Sprintf("192.0.2.%d", n))
			ref, _ := x.sendForm(centre.SomethingElse, fmt.Sprintf("Number %d", n), "", "")
			p.do("", "POST", "/person/"+p.d.cases.Tokens.Make(cases.Ref(ref)), nil)
		}
		if n := p.count(`SELECT COUNT(*) FROM cases WHERE lifted AND topic = $1`, centre.SomethingElse); n != 50 {
			p.Errorf("%d were handed up", n)
		}
		p.eventually("it happens", func() bool {
			return p.count(`SELECT COUNT(*) FROM river_job WHERE kind = 'call_people' AND state <> 'completed'`) == 0 && p.count(`SELECT COUNT(*) FROM deliveries WHERE done_at = 0`) == 0
		})
		mails := p.mailsTo("triager@northmere.example")
		if len(mails) != 1+30+1 {
			p.Errorf("%d mails to the triager", len(mails))
		}
	})
}
