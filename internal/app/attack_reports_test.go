package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/probe"
	"postern/internal/security"
)

const aReport = "Your login page is not secure, and when I changed the number in the address I saw the invoice of another customer."

func eachReport(t *testing.T, f func(p *pages, later func(time.Duration))) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, clock func(time.Duration)) {
		p.work()
		f(p, func(d time.Duration) { clock(d); p.signAllIn(nil) })
	})
}

// onReport does an act on the security desk and returns the status.
func (p *pages) onReport(who string, c *cases.Case, act string, form url.Values) int {
	p.Helper()
	return p.do(who, "POST", "/desk/security/"+string(c.ID)+"/"+act, form).Code
}

// assessing brings a flagged case to where it is worked on.
func (p *pages) assessing(c *cases.Case) {
	p.Helper()
	p.decide("triager", c, "report")
	p.onReport("triager", c, "fill", url.Values{"known": {"1"}, "scope": {"in scope"}, "sought": {"1"}, "safety": {"nothing is exposed"}})
	if code := p.onReport("triager", c, "move", url.Values{"to": {"assessing"}}); code != http.StatusSeeOther {
		p.Fatalf("to assessing: %d", code)
	}
}

// set changes a report as no page does.
func (p *pages) set(c *cases.Case, f func(x *security.Report)) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		return p.d.security.Change(ctx, tx, c.ID, security.Actor{Kind: security.ByDesk}, "report.filled", "", func(x *security.Report, _ *cases.Case) error { f(x); return nil })
	})
}

// TestAttackNeedsInfo: an answer by mail is an answer; silence closes after thirty days
// and two reminders, and holds up no other clock.
func TestAttackNeedsInfo(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		ask := url.Values{"questions": {"Which browser was it, and which page exactly?"}}
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		p.onReport("triager", c, "ask", ask)
		later(48 * time.Hour)
		p.again(c, "finder@x.example", "It was the invoice page, in two browsers.")
		if s := p.reportOf(c).State; s != security.Assessing {
			p.Errorf("answered by mail: %s", s)
		}
		silent := p.write("silent@x.example", "Problem", aReport)
		p.assessing(silent)
		p.onReport("triager", silent, "ask", ask)
		for n := range 10 {
			later(4 * 24 * time.Hour)
			if err := p.d.security.Run(t.Context()); err != nil {
				p.Fatal(err)
			}
			if x := p.reportOf(silent); n < 7 && x.State != security.NeedsInfo {
				p.Fatalf("closed after %d days", 4*(n+1))
			}
		}
		if x := p.reportOf(silent); x.State != security.Closed || !x.Unanswered || len(x.Reminded) != 2 {
			p.Errorf("%s, reminded %d times", x.State, len(x.Reminded))
		}
		p.again(silent, "silent@x.example", "Sorry, I was away.")
		if x := p.reportOf(silent); x.State != security.Assessing || p.fresh(silent).Security != cases.Report {
			p.Errorf("a word does not open it: %s", x.State)
		}
	})
}

// TestAttackCircleIsClosed: who was not let in learns nothing of a report, by no page.
func TestAttackCircleIsClosed(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		p.answered("triager", c, "I am looking at the invoice page myself, and write again on Friday.")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE kind = 'reply'`)
			return err
		})
		p.eventually("the answer is in the tray", func() bool {
			return p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'reply' AND state = 'captured'`) == 1
		})
		mail := p.one(`SELECT id FROM deliveries WHERE kind = 'reply'`)
		for _, path := range []string{"/desk/cases/" + string(c.ID), "/desk/security/" + string(c.ID), "/desk/tray/" + mail, "/desk/tray/" + mail + "/raw"} {
			if w := p.do("agent", "GET", path, nil); w.Code != http.StatusNotFound {
				p.Errorf("%s: %d", path, w.Code)
			}
			if w := p.do("triager", "GET", path, nil); w.Code != http.StatusOK {
				p.Errorf("%s as triager: %d", path, w.Code)
			}
		}
		for _, path := range []string{"/desk/inbox", "/desk/inbox/waiting", "/desk/tray", "/desk/contacts", "/desk/search?q=" + string(c.Ref)} {
			w := p.do("agent", "GET", path, nil)
			if body := w.Body.String(); strings.Contains(body, "/desk/cases/"+string(c.ID)) || strings.Contains(body, "invoice page") || strings.Contains(body, "1 waiting for them") || strings.Contains(body, "<b>1</b>") {
				p.Errorf("%s tells of it", path)
			}
		}
		if code := p.onReport("triager", c, "circle", url.Values{"staff": {p.staffID("agent")}, "do": {"in"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		if w := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil); w.Code != http.StatusOK {
			p.Errorf("let in: %d", w.Code)
		}
	})
}

// TestAttackAutomaticReports: what a list or a ticket system sends is read too.
func TestAttackAutomaticReports(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		for n, header := range []string{"Precedence: bulk", "Auto-Submitted: auto-generated", "List-Id: <cert.x.example>"} {
			raw := fmt.Sprintf("From: cert%d@x.example\r\nTo: support@northmere.example\r\nSubject: [CERT] Your host\r\n%s\r\nDate: %s\r\nMessage-ID: <%s@x.example>\r\n\r\n%s\r\n", n, header, p.d.db.Now().Format(time.RFC1123Z), db.NewID(), aReport)
			if err := p.d.intake.Accept(t.Context(), &intake.Envelope{Door: "smtp", From: fmt.Sprintf("cert%d@x.example", n), To: []string{"support@northmere.example"}, Raw: []byte(raw)}); err != nil {
				p.Fatal(err)
			}
			p.eventually(header, func() bool { return p.count(`SELECT COUNT(*) FROM cases WHERE security = 'flagged'`) == int64(n+1) })
		}
	})
}

// TestAttackWhatIsClosedOpens: a report that was settled is taken up by who says that it
// is back, and by a probe, whatever was left empty in it.
func TestAttackWhatIsClosedOpens(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		closed := func() {
			p.set(c, func(x *security.Report) {
				x.State, x.Scope, x.Sought, x.Clocks = security.Closed, "", false, nil
			})
		}
		closed()
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.security.Red(ctx, tx, c.ID) })
		if s := p.reportOf(c).State; s != security.Assessing {
			p.Errorf("a red probe: %s", s)
		}
		closed()
		p.again(c, "finder@x.example", "It is back! "+aReport)
		if x := p.reportOf(c); x.State != security.Assessing || x.Running(security.ClockAssess) == nil || p.fresh(c).Security != cases.Report {
			p.Errorf("it is back: %s", x.State)
		}
	})
}

// TestAttackSomebodyElsesReport: who holds the receipt of a case neither sees nor moves
// a report that another made in it by mail.
func TestAttackSomebodyElsesReport(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		v := p.visitor("192.0.2.40")
		ref, code := v.sendForm("payments-and-bills", "When is my bill due?", "", "victim@x.example")
		c := p.byRef(ref)
		p.again(c, "victim@x.example", aReport)
		if c = p.fresh(c); c.Security != cases.Suspected {
			p.Fatalf("%+v", c)
		}
		p.assessing(c)
		p.onReport("triager", c, "ask", url.Values{"questions": {"Which invoice of customer 4711 was it?"}})
		p.set(c, func(x *security.Report) {
			x.Reward = security.Reward{State: security.Offered, Cents: 25000, Currency: "EUR"}
			x.State = security.Retest
		})
		v.step(v.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		if page := v.get("/case/" + ref).Body.String(); strings.Contains(page, "4711") || strings.Contains(page, "250.00") || strings.Contains(page, "It is gone") {
			p.Error("they see it")
		}
		for _, do := range []string{"gone", "there", "declined", "answer"} {
			if w := v.post("/case/"+ref+"/report", url.Values{"do": {do}, "words": {"x"}, "answer-0": {"x"}, "name": {"Mallory"}}); w.Code < 400 {
				p.Errorf("%s: %d", do, w.Code)
			}
		}
		if x := p.reportOf(c); len(x.Retests) > 0 || x.Reward.State != security.Offered || x.State != security.Retest {
			p.Errorf("they moved it: %+v", x.Doc)
		}
	})
}

// TestAttackTwoPeople: nobody does both halves of what takes two.
func TestAttackTwoPeople(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		// An agent's word does not make their coming back count for less.
		p.answered("agent", c, "I have asked our technicians about the invoice page, and come back to you.")
		for range 2 {
			later(time.Hour)
			p.again(c, "finder@x.example", "Your technicians looked at the wrong page. "+aReport)
		}
		p.decide("triager", c, "dismiss")
		if p.fresh(c).Security != cases.Suspected {
			p.Fatal("one person dismissed who came back twice")
		}
		// A proposal was made without what they write after it.
		later(time.Hour)
		p.again(c, "finder@x.example", "And now the data of the whole town.")
		p.decide("lead", c, "dismiss")
		if p.fresh(c).Security != cases.Suspected {
			p.Fatal("dismissed on a proposal from before their last word")
		}
		p.assessing(c)
		// Who proposed an exit does not answer the appeal against it.
		p.onReport("triager", c, "fill", url.Values{"reason": {"We looked at the page for an hour and saw nothing."}})
		if code := p.onReport("triager", c, "move", url.Values{"to": {"not-reproducible"}, "do": {"propose"}, "why": {"I see nothing"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		if code := p.onReport("lead", c, "move", url.Values{"to": {"not-reproducible"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		p.onReport("lead", c, "told", url.Values{"what": {"appeal"}, "told": {"You looked at another page than I did."}})
		for _, who := range []string{"triager", "lead"} {
			if code := p.onReport(who, c, "appeal", url.Values{"say": {"no"}, "answer": {"We looked again and it stays as it is."}}); code < 400 {
				p.Errorf("%s closed it and answers the appeal", who)
			}
		}
		// Who fixed it does not say that it is gone, in nobody's name.
		fixer := p.staffID("triager")
		p.set(c, func(x *security.Report) { x.State, x.Fixer, x.Asked = security.Retest, fixer, time.Now() })
		for _, by := range []string{"me", "reporter"} {
			if code := p.onReport("triager", c, "retest", url.Values{"gone": {"yes"}, "by": {by}}); code < 400 {
				p.Errorf("the fixer retests as %s", by)
			}
		}
		if code := p.onReport("triager", c, "fill", url.Values{"fixer": {p.staffID("agent")}}); code < 400 {
			p.Error("the fixer is written over")
		}
		if code := p.onReport("triager", c, "fill", url.Values{"owner": {"nobody-at-all"}}); code < 400 {
			p.Error("nobody owns it")
		}
	})
}

// TestAttackProgramsInReports: no program's letter goes into what may be a report.
func TestAttackProgramsInReports(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		s, err := p.d.outbox.PrepareSystem(t.Context(), &outbox.SystemMessage{Actor: "api:bot", To: c.Contact, Case: c.ID, Text: "Our site uses the newest technology. Ticket 4711 was closed by our assistant."})
		if err == nil {
			err = p.d.db.Update(t.Context(), func(tx *db.Tx) error { _, err := p.d.outbox.QueueSystem(t.Context(), tx, s); return err })
		}
		if !fail.Is(err, fail.Conflict) {
			p.Errorf("a program answered: %v", err)
		}
		if x := p.reportOf(c); x.Running(security.ClockFirst) == nil {
			p.Error("and stopped the clock")
		}
	})
}

// TestAttackUndoneWords: a word that was taken back moved nothing.
func TestAttackUndoneWords(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		later(time.Hour)
		was := p.reportOf(c)
		m, err := p.answerAs("triager", c, "I am looking at the invoice page myself, and write again on Friday.")
		if err != nil {
			p.Fatal(err)
		}
		if w := p.do("triager", "POST", fmt.Sprintf("/desk/cases/%s/messages/%s/undo", c.ID, m), nil); w.Code != http.StatusSeeOther {
			p.Fatalf("undo: %d", w.Code)
		}
		x := p.reportOf(c)
		if !x.FirstReply.IsZero() || x.Running(security.ClockFirst) == nil || !x.Running(security.ClockUpdate).Target.Equal(was.Running(security.ClockUpdate).Target) {
			p.Errorf("it still counts: %+v", x.Clocks)
		}
	})
}

// TestAttackHostThatIsLost: a host that does not show any more that it is ours is told
// of at once, and what was green there is not known to be.
func TestAttackHostThatIsLost(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		w := &world{}
		w.set(true)
		var lost []string
		watch := probe.NewWatch(probe.Options{DB: p.d.db, Fetch: w.fetch, Judge: p.d.links.Judge, Wait: func(_ context.Context, d time.Duration) error { later(d); return nil },
			TXT:  func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} },
			Lost: func(_ context.Context, _ *db.Tx, host string) error { lost = append(lost, host); return nil }})
		if code := p.onReport("triager", c, "probe", url.Values{"kind": {"link"}, "target": {"https://pay.northmere.example/update"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		w.token = p.one(`SELECT token FROM hosts WHERE host = $1`, "pay.northmere.example")
		if err := watch.Confirm(t.Context(), "pay.northmere.example", "staff:x"); err != nil {
			p.Fatal(err)
		}
		later(2 * time.Hour)
		run := func() {
			t.Helper()
			if err := watch.Run(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		if run(); p.probeOf(c).State != probe.Green {
			p.Fatalf("the probe is %s", p.probeOf(c).State)
		}
		w.token = "another"
		later(8 * 24 * time.Hour)
		if run(); len(lost) == 0 {
			p.Error("nobody is told when it begins")
		}
		for range 9 {
			later(25 * time.Hour)
			run()
		}
		if s := p.probeOf(c).State; s != probe.Unknown || len(lost) < 2 {
			p.Errorf("it is %s, told %d times", s, len(lost))
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.security.Change(ctx, tx, c.ID, security.Actor{Kind: security.ByDesk}, "report.filled", "", func(x *security.Report, _ *cases.Case) error {
				if x.Green {
					p.Error("it counts as green")
				}
				return nil
			})
		})
	})
}

// TestAttackMailFlood: much that happens within an hour is one more letter, and not a
// letter each.
func TestAttackMailFlood(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		t.Cleanup(func() { p.d.jobs.Stop(context.Background()) })
		for n := range callsAnHour + 15 {
			p.write(fmt.Sprintf("f%d@x.example", n), "Problem", aReport)
		}
		p.eventually("the letter about many", func() bool {
			for _, m := range p.mailsTo("triager@northmere.example") {
				if strings.Contains(m, "Much happens on the security desk") {
					return true
				}
			}
			return false
		})
		if n := len(p.mailsTo("triager@northmere.example")); n > callsAnHour+3 {
			p.Errorf("%d letters", n)
		}
	})
}
