package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/intake"
	"postern/internal/publications"
	"postern/internal/security"
)

// told sends a word of a report as the job would, and returns the mail that came of it.
func (p *pages) told(c *cases.Case, w security.Word) string {
	p.Helper()
	id := db.NewID()
	if err := p.d.sendProgress(p.Context(), progressArgs{ID: id, Case: c.ID, Word: w}); err != nil {
		p.Fatal(err)
	}
	p.eventually("the mail leaves", func() bool {
		return p.count(`SELECT COUNT(*) FROM deliveries WHERE message_id = $1 AND done_at > 0`, id) == 1
	})
	var raw []byte
	blob := p.one(`SELECT raw_blob FROM deliveries WHERE message_id = $1`, id)
	p.must(func(ctx context.Context, tx *db.Tx) error {
		b, err := p.d.vault.GetBlob(ctx, tx, blob)
		if err == nil {
			raw, err = b.Open()
		}
		return err
	})
	return plain(string(raw))
}

// plain undoes what quoted-printable does to a line.
func plain(raw string) string {
	return strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(raw)
}

// TestP10WhoReportsByMailReadsWhatWeAsk: the questions, the reason and the answer to an
// appeal stand in the mail of whom no page shows them; on the page they are for who has one.
func TestP10WhoReportsByMailReadsWhatWeAsk(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		p.onReport("triager", c, "ask", url.Values{"questions": {"Which invoice page was it exactly?\nWhich browser did you use for that?"}})
		for _, what := range []security.What{security.WordMoved, security.WordRemind} {
			got := p.told(c, security.Word{What: what, State: security.NeedsInfo})
			if !strings.Contains(got, "Which invoice page was it exactly?") || !strings.Contains(got, "Which browser did you use") {
				t.Errorf("%s does not hold the questions:\n%s", what, got)
			}
		}
		p.again(c, "finder@x.example", "The one of June, in two browsers.")
		p.onReport("triager", c, "fill", url.Values{"reason": {"The page shows your own invoices only, we looked with two accounts."}})
		p.onReport("triager", c, "move", url.Values{"to": {"not-reproducible"}, "do": {"propose"}, "why": {"I see nothing"}})
		if code := p.onReport("lead", c, "move", url.Values{"to": {"not-reproducible"}}); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		if got := p.told(c, security.Word{What: security.WordMoved, State: security.NotReproducible}); !strings.Contains(got, "we looked with two accounts") {
			t.Errorf("the reason is not in it:\n%s", got)
		}
		if _, lines := p.reportOf(c).Says(security.Word{What: security.WordMoved}); len(lines) != 1 {
			t.Errorf("%q", lines)
		}
		p.set(c, func(x *security.Report) {
			if err := x.Appeals(p.d.security.Promises(), "You looked with the wrong browser.", p.d.db.Now()); err != nil {
				t.Fatal(err)
			}
			x.Appeal.Closers = nil
		})
		if code := p.onReport("lead", c, "appeal", url.Values{"say": {"upheld"}, "answer": {"You are right, it is there in the other browser."}}); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		if n := p.count(`SELECT COUNT(*) FROM river_job WHERE kind = $1 AND CAST(args AS TEXT) LIKE '%decided%'`, progressArgs{}.Kind()); n != 1 {
			t.Errorf("%d words on the appeal were sent", n)
		}
		if got := p.told(c, security.Word{What: security.WordDecided, State: security.Assessing}); !strings.Contains(got, "it is there in the other browser") {
			t.Errorf("the answer to the appeal is not in it:\n%s", got)
		}
	})
}

// TestP10AnAppealIsAnsweredToThem: the answer stands on the page of who appealed there.
func TestP10AnAppealIsAnsweredToThem(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		v := p.visitor("192.0.2.41")
		ref, code := v.sendForm("security", aReport, "", "")
		c := p.byRef(ref)
		p.assessing(c)
		p.set(c, func(x *security.Report) {
			x.State, x.Reason, x.Exited, x.Exiters = security.NotSecurity, "It is no hole.", p.d.db.Now(), []string{p.d.cfg.Node}
		})
		v.step(v.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		if w := v.post("/case/"+ref+"/report", url.Values{"do": {"appeal"}, "words": {"You looked at another page than I did."}}); w.Code != http.StatusSeeOther {
			t.Fatal(w.Code)
		}
		before := p.count(`SELECT COUNT(*) FROM river_job WHERE kind = $1`, progressArgs{}.Kind())
		if code := p.onReport("lead", c, "appeal", url.Values{"say": {"no"}, "answer": {"We looked at the page you named, and it asks for the code each time."}}); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		if page := v.get("/case/" + ref).Body.String(); !strings.Contains(page, "it asks for the code each time") {
			t.Error("the answer is not on the page")
		}
		if n := p.count(`SELECT COUNT(*) FROM river_job WHERE kind = $1`, progressArgs{}.Kind()); n != before+1 {
			t.Errorf("%d words were sent to them", n-before)
		}
	})
}

// TestP10ThanksIsNoNewReport: a word by the door for reports opens nothing again that is
// over; that it is back does.
func TestP10ThanksIsNoNewReport(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		v := p.visitor("192.0.2.42")
		ref, _ := v.sendForm("security", aReport, "", "finder@x.example")
		c := p.byRef(ref)
		p.assessing(c)
		for _, state := range []security.State{security.Resolved, security.Disclosed, security.Closed} {
			p.set(c, func(x *security.Report) { x.State, x.Changed = state, "The form asks for the code again." })
			p.again(c, "finder@x.example", "Thank you very much, great work!")
			if x := p.reportOf(c); x.State != state || x.Changed == "" {
				t.Errorf("%s: thanks made it %s", state, x.State)
			}
		}
		p.again(c, "finder@x.example", "It is back! "+aReport)
		if s := p.reportOf(c).State; s != security.Assessing {
			t.Errorf("it is back: %s", s)
		}
	})
}

// TestP10OneAnswerIsAnAnswer: who answers what they can is not closed for the rest.
func TestP10OneAnswerIsAnAnswer(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		v := p.visitor("192.0.2.43")
		ref, code := v.sendForm("security", aReport, "", "")
		c := p.byRef(ref)
		p.assessing(c)
		p.onReport("triager", c, "ask", url.Values{"questions": {"Which invoice page was it exactly?\nWhich browser did you use for that?"}})
		v.step(v.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		if w := v.post("/case/"+ref+"/report", url.Values{"do": {"answer"}, "answer-0": {"The one of June."}}); w.Code != http.StatusSeeOther {
			t.Fatal(w.Code)
		}
		if x := p.reportOf(c); x.State != security.Assessing || x.Running(security.ClockInfo) != nil {
			t.Errorf("%s", x.State)
		}
	})
}

// TestP10TheSecurityMailboxIsEnough: whatever address of ours, and whatever case, a mail
// came by before.
func TestP10TheSecurityMailboxIsEnough(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		const box = "security@northmere.example"
		if _, err := p.d.boxes.Add(p.Context(), "system", "Security", box, false); err != nil {
			t.Fatal(err)
		}
		n := 0
		send := func(id, subject string, to ...string) {
			t.Helper()
			n++
			raw := fmt.Sprintf("From: finder@x.example\r\nTo: %s\r\nSubject: %s\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <%s@x.example>\r\n\r\nPlease ring me about the garden gate.\r\n", strings.Join(to, ", "), subject, id)
			if err := p.d.intake.Accept(p.Context(), &intake.Envelope{Door: "smtp", From: "finder@x.example", To: to, Raw: []byte(raw)}); err != nil {
				t.Fatal(err)
			}
			p.eventually("it is filed", func() bool { return p.count(`SELECT COUNT(*) FROM spool WHERE state = 'done'`) == int64(n) })
		}
		suspected := func(what string) {
			t.Helper()
			c := p.fresh(&cases.Case{ID: cases.ID(p.one(`SELECT case_id FROM spool ORDER BY id DESC LIMIT 1`))})
			if c.Security != cases.Suspected {
				t.Errorf("%s: nobody qualified looks", what)
			}
		}
		send("both", "Gate", "support@northmere.example", box)
		suspected("to both at once")
		raw := func(to string) *intake.Envelope {
			return &intake.Envelope{Door: "smtp", From: "finder@x.example", To: []string{to}, Raw: []byte("From: finder@x.example\r\nTo: support@northmere.example, " + box + "\r\nSubject: Twice\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <twice@x.example>\r\n\r\nPlease ring me about the garden gate.\r\n")}
		}
		for _, to := range []string{"support@northmere.example", box} {
			n++
			if err := p.d.intake.Accept(p.Context(), raw(to)); err != nil {
				t.Fatal(err)
			}
			p.eventually("it is filed", func() bool { return p.count(`SELECT COUNT(*) FROM spool WHERE state = 'done'`) == int64(n) })
		}
		suspected("the second of two deliveries")
		c := p.write("other@x.example", "My gate", "Please ring me about the garden gate.")
		n++
		r := "From: other@x.example\r\nTo: " + box + "\r\nSubject: Re: My gate [" + p.d.cases.Tokens.Make(c.Ref) + "]\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <reply@x.example>\r\n\r\nNobody rang.\r\n"
		n++
		if err := p.d.intake.Accept(p.Context(), &intake.Envelope{Door: "smtp", From: "other@x.example", To: []string{box}, Raw: []byte(r)}); err != nil {
			t.Fatal(err)
		}
		p.eventually("it is filed", func() bool { return p.fresh(c).Security == cases.Suspected })
	})
}

// TestP10ANameIsTakenBack: a name that somebody no longer wants to stand there is gone at
// once, also when they say so by mail.
func TestP10ANameIsTakenBack(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		if code := p.onReport("triager", c, "told", url.Values{"what": {"credit"}, "told": {"Fin Finder"}}); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return publications.ShowCredit(ctx, tx, audit.System, c.ID)
		})
		for range 2 { // the second has nothing to take back
			if code := p.onReport("triager", c, "told", url.Values{"what": {"credit"}, "told": {""}}); code != http.StatusSeeOther {
				t.Fatal(code)
			}
		}
		var credit *publications.Credit
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			credit, err = publications.CreditOf(ctx, tx, c.ID)
			return err
		})
		if credit == nil || credit.Name != "" || credit.Withdrawn.IsZero() {
			t.Errorf("%+v", credit)
		}
	})
}

// TestP11WhoReadTheConversationIsNoted: the log of who looked has the page of the case too.
func TestP11WhoReadTheConversationIsNoted(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		if code := p.do("lead", "GET", "/desk/cases/"+string(c.ID), nil).Code; code != http.StatusOK {
			t.Fatal(code)
		}
		if n := p.count(`SELECT COUNT(*) FROM report_looks WHERE case_id = $1 AND staff_id = $2`, c.ID, p.staffID("lead")); n != 1 {
			t.Errorf("%d looks", n)
		}
	})
}

// TestP11ASecondDisclosureRevisesTheFirst: what came back after it was published is told
// where it was told before.
func TestP11ASecondDisclosureRevisesTheFirst(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.byRef(first(p.visitor("192.0.2.44").sendForm("security", aReport, "", "")))
		p.assessing(c)
		for n := range 2 {
			p.set(c, func(x *security.Report) {
				x.State, x.Title, x.Changed = security.Resolved, "Names in clear", fmt.Sprintf("They are not in clear any more, mended %d times.", n+1)
				x.Disclosure.Text, x.Disclosure.Published = "Names and streets could be read on their way to us.", time.Time{}
			})
			if w := p.do("triager", "POST", "/desk/security/"+string(c.ID)+"/move", url.Values{"to": {"disclosed"}}); w.Code != http.StatusSeeOther {
				t.Fatalf("%d %s", w.Code, plainErrors(w.Body.String()))
			}
		}
		if ids, versions := p.count(`SELECT COUNT(DISTINCT id) FROM advisories`), p.count(`SELECT COUNT(*) FROM advisories WHERE published_at > 0`); ids != 1 || versions != 2 {
			t.Errorf("%d advisories in %d versions", ids, versions)
		}
	})
}

func first(a, _ string) string { return a }

// TestP11TheLawCountsFromWhenWeKnew: not from the click, and not from what is still to come.
func TestP11TheLawCountsFromWhenWeKnew(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		knew := p.d.db.Now().Add(-50 * time.Hour).Truncate(time.Minute)
		field := func(at time.Time) url.Values {
			return url.Values{"what": {"start"}, "law": {"gdpr"}, "knew": {at.In(p.d.zone).Format("2006-01-02T15:04")}}
		}
		if code := p.onReport("triager", c, "mark", field(p.d.db.Now().Add(time.Hour))); code < 400 || len(p.reportOf(c).Law) > 0 {
			t.Errorf("we shall know: %d", code)
		}
		if code := p.onReport("triager", c, "mark", field(knew)); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		if x := p.reportOf(c); len(x.Law) == 0 || !x.Law[0].By.Equal(knew.Add(72*time.Hour)) {
			t.Errorf("%+v, knew %s", x.Law, knew)
		}
	})
}

// TestP10AMailThatCannotBeReadIsTold: one to the security people that this desk cannot file
// is for them alone, and they are called.
func TestP10AMailThatCannotBeReadIsTold(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		const box = "security@northmere.example"
		if _, err := p.d.boxes.Add(p.Context(), "system", "Security", box, false); err != nil {
			t.Fatal(err)
		}
		for n, to := range []string{"support@northmere.example", box} {
			raw := fmt.Sprintf("From: finder@x.example\r\nFrom: other@x.example\r\nTo: %s\r\nSubject: Hole\r\nMessage-ID: <two%d@x.example>\r\n\r\nThe pay page.\r\n", to, n)
			if err := p.d.intake.Accept(p.Context(), &intake.Envelope{Door: "smtp", From: "finder@x.example", To: []string{to}, Raw: []byte(raw)}); err != nil {
				t.Fatal(err)
			}
			p.eventually("it is set aside", func() bool { return p.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`) == int64(n+1) })
			id := p.one(`SELECT id FROM spool ORDER BY id DESC LIMIT 1`)
			theirs := to == box
			for who, may := range map[string]bool{"agent": !theirs, "triager": true} {
				for _, path := range []string{"/desk/quarantine/" + id, "/desk/quarantine/" + id + "/raw"} {
					if w := p.do(who, "GET", path, nil); (w.Code == http.StatusOK) != may {
						t.Errorf("%s of one to %s: %d", path, to, w.Code)
					}
				}
				if page := p.do(who, "GET", "/desk/quarantine", nil).Body.String(); strings.Contains(page, id) != may {
					t.Errorf("%s sees one to %s in the list: %v", who, to, !may)
				}
			}
			if got := p.count(`SELECT COUNT(*) FROM river_job WHERE kind = $1`, doorArgs{}.Kind()); (got == 1) != theirs {
				t.Errorf("to %s: %d calls", to, got)
			}
		}
	})
}
