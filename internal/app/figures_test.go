package app

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/figures"
	"postern/internal/ladder"
	"postern/internal/lang"
)

// TestFiguresAreWhatHappened: a week is lived through, and the figures are those of it.
func TestFiguresAreWhatHappened(t *testing.T) {
	eachPagesOf(t, func(c *config.Config) { c.Hours = "always" }, func(p *pages, clock func(time.Duration)) {
		later := func(d time.Duration) { // an hour does not pass within the sending of one mail
			p.eventually("what is due is out", func() bool {
				return p.count(`SELECT COUNT(*) FROM deliveries WHERE done_at = 0 AND due_at <= $1`, db.Micros(p.d.db.Now())) == 0
			})
			clock(d)
			p.signAllIn(nil)
		}
		answered := func(who string, c *cases.Case, text string) { p.leaves(p.answered(who, c, text)) }
		// From a Monday, so that a week is a week.
		now := p.d.db.Now()
		later(figures.Weeks(now, 1).To.Add(10 * time.Hour).Sub(now))
		p.work()
		p.canned(centre.Reply{Name: "=HYPERLINK(\"http://evil.example\")", Texts: centre.Texts{lang.English: hoursText}})

		a := p.write("a@x.example", "First", "One") // answered in own words after an hour
		later(time.Hour)
		answered("agent", a, "I looked it up: the first is done.")
		b := p.write("b@x.example", "Second", "Two") // a script, then they come back
		later(time.Hour)
		answered("agent", b, hoursText)
		later(time.Hour)
		p.again(b, "b@x.example", "No.")
		answered("triager", b, "It is as you say, and I have changed it by hand.")
		c := p.write("c@x.example", "Third", "Three") // a script, and that was all
		later(time.Hour)
		answered("agent", c, hoursText)
		link := p.closed(c)
		p.do("", "POST", link, url.Values{"score": {"4"}})
		d := p.write("d@x.example", "Fourth", "Four") // nobody answers in time
		later(9 * time.Hour)
		if err := p.d.ladder.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.lifted(d, ladder.Triagers, ladder.Missed)

		var f *figures.Figures
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 2))
			return err
		})
		for what, got := range map[string][2]int64{"cases": {f.Cases, 4}, "contacts": {f.Contacts, 6}, "answers": {f.Answers, 4}, "canned": {f.Canned, 2}, "answered": {f.Answered, 3}, "only by scripts": {f.OnlyBy, 1},
			"kept": {f.Kept, 2}, "missed": {f.Missed, 1}, "after one contact": {f.Until[0].N, 1}, "after two": {f.Until[1].N, 1}, "to triagers": {f.Rungs[ladder.Triagers], 2}, "waiting": {f.Waiting, 1}, "late": {f.Late, 0},
			"asked": {f.Topics[0].Asked, 1}, "score": {f.Topics[0].Sum, 4}, "this week": {f.Weeks[1].Contacts, 6}, "last week": {f.Weeks[0].Contacts, 0}, "lifts": {f.Weeks[1].Lifted, 2}} {
			if got[0] != got[1] {
				p.Errorf("%s: %d, want %d", what, got[0], got[1])
			}
		}
		if f.Wait != time.Hour {
			p.Errorf("half waited %v", f.Wait)
		}

		// Who may see them, and as what.
		for who, want := range map[string]int{"lead": 200, "executive": 200, "admin": 200, "agent": 403, "triager": 403} {
			for _, path := range []string{"/desk/figures", "/desk/figures.csv"} {
				if w := p.do(who, "GET", path, nil); w.Code != want {
					p.Errorf("%s at %s: %d", who, path, w.Code)
				}
			}
		}
		if w := p.do("lead", "GET", "/desk/figures?weeks=999", nil); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("999 weeks: %d", w.Code)
		}
		page := p.do("lead", "GET", "/desk/figures?weeks=2", nil).Body.String()
		for _, want := range []string{"67 %", "(2 kept, 1 missed)", "They wrote again after a canned answer", "<svg viewBox", "4.0"} {
			if !strings.Contains(page, want) {
				p.Errorf("the page does not say %q", want)
			}
		}
		r := csv.NewReader(strings.NewReader(p.do("lead", "GET", "/desk/figures.csv", nil).Body.String()))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			p.Fatal(err)
		}
		seen := false
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					p.Errorf("a cell is a formula: %q", cell)
				}
				seen = seen || strings.Contains(cell, "HYPERLINK")
			}
		}
		if !seen {
			p.Error("the reply with the evil name is not in it: the check checked nothing")
		}

		// The executive gets the week once it is over, signed, once.
		for range 3 {
			if err := p.d.summary(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'summary'`); n != 1 {
			p.Errorf("%d letters about the week before", n)
		}
		later(7 * 24 * time.Hour)
		for range 3 {
			if err := p.d.summary(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		p.eventually("the letters are there", func() bool { return len(p.mailsTo("executive@northmere.example")) == 2 })
		mails := p.mailsTo("executive@northmere.example")
		if len(mails) != 2 {
			p.Fatalf("%d letters", len(mails))
		}
		if all := strings.Join(mails, ""); !strings.Contains(all, "multipart/signed") || !strings.Contains(all, "2 kept, 1 missed") || !strings.Contains(all, ".csv") || strings.Contains(all, "a@x.example") {
			p.Error(all)
		}
	})
}

// TestFiguresOfSecurityReports: what came as a bill and was found to be a report counts
// as one, by the wrong door; who answered it first, and whether a script was all.
func TestFiguresOfSecurityReports(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		p.hoursReply()
		a := p.visitor("192.0.2.1")
		ref, _ := a.sendForm("payments-and-bills", "I can see another customer's bill.", "", "")
		wrong := p.byRef(ref)
		b := p.visitor("192.0.2.2")
		ref, _ = b.sendForm(centre.Security, "Your form is open.", "", "")
		right := p.byRef(ref)
		if w := p.do("agent", "POST", "/desk/cases/"+string(wrong.ID)+"/topic", url.Values{"topic": {centre.Security}}); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		later(time.Hour)
		if w := p.decide("triager", wrong, "dismiss"); w.Code != http.StatusSeeOther { // wrongly: a script answers it
			p.Fatal(w.Code)
		}
		p.answered("agent", wrong, hoursText)
		p.answered("triager", right, "I have tried it myself and you are right. It is closed from today on.")
		for _, x := range []struct {
			who  string
			want int
		}{{"agent", http.StatusForbidden}, {"triager", http.StatusConflict}} { // it is still to be said what it is
			if w := p.do(x.who, "POST", "/desk/cases/"+string(right.ID)+"/state", url.Values{"to": {"closed"}}); w.Code != x.want {
				p.Errorf("%s closes a report: %d", x.who, w.Code)
			}
		}
		spam := p.write("pills@x.example", "Pills", "Buy pills.")
		if w := p.do("agent", "POST", "/desk/cases/"+string(spam.ID)+"/state", url.Values{"to": {"spam"}}); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		var f *figures.Figures
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 2))
			return err
		})
		s := f.Security
		if s.Cases != 2 || s.Answered != 2 || s.OnlyBy != 1 || len(s.WrongDoor) != 1 || s.WrongDoor[0] != (figures.Count{Name: "form", N: 1}) || s.Until[0].N != 1 || f.Spam != 1 || f.Missed != 0 {
			p.Errorf("%+v, spam %d, missed %d", s, f.Spam, f.Missed)
		}
		// Who was taken for spam is not shut out.
		p.again(spam, "pills@x.example", "I am a person, and I wanted to ask about my pills invoice.")
		if now := p.fresh(spam); now.State != "open" || now.Spam || now.Due.IsZero() {
			p.Errorf("%+v", now)
		}
	})
}
