package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/security"
)

// TestFiguresOfReports: what was flagged, by which door, how long they waited for a
// person's word; and the signed letter of the month to the one who answers for the house.
func TestFiguresOfReports(t *testing.T) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Your page", "Your login page is not secure, and I saw the name of another customer.")
		p.write("bo@brandt.example", "Friday", "When are you open on Friday?")
		if w := p.decide("triager", c, "report"); w.Code != 303 {
			p.Fatal(w.Code)
		}
		later(3 * time.Hour)
		p.signAllIn(nil)
		p.answered("triager", c, "Thank you; I am looking at it myself, and write to you again on Friday.")
		var f *security.Figures
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			f, err = security.FiguresOf(ctx, tx, tx.Now.Add(-24*time.Hour), tx.Now.Add(time.Second))
			return err
		})
		if f.Received != 1 || f.Dismissed != 0 || f.First < 3*time.Hour || f.First > 4*time.Hour || len(f.Doors) != 1 || f.Doors[0].Name != "mail" || f.Valid != 0 {
			p.Errorf("%+v", f)
		}
		later(40 * 24 * time.Hour)
		for range 2 {
			if err := p.d.monthly(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		p.eventually("the month's letter", func() bool { return len(p.mailsTo("executive@northmere.example")) > 0 })
		mails := p.mailsTo("executive@northmere.example")
		if len(mails) != 1 || !strings.Contains(mails[0], "multipart/signed") || !strings.Contains(mails[0], "Flagged: ") || !strings.Contains(mails[0], "security-") || strings.Contains(mails[0], "brandt") {
			p.Errorf("%d letters: %s", len(mails), mails[0])
		}
	})
}

// TestP10TheWeeklySample: some of what was not flagged is read each week, and what is
// found among it counts as missed and becomes a suspicion.
func TestP10TheWeeklySample(t *testing.T) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Friday", "When are you open on Friday?")
		later(8 * 24 * time.Hour)
		p.signAllIn(nil)
		for range 2 {
			if err := p.d.security.Sample(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		page := p.do("triager", "GET", "/desk/security", nil).Body.String()
		if !strings.Contains(page, "When are you open on Friday?") || !strings.Contains(page, "1 still to read") {
			p.Fatal("the sample is not there")
		}
		id := p.one(`SELECT message_id FROM looks WHERE sampled > 0`)
		if w := p.do("agent", "POST", "/desk/security/sample", map[string][]string{"message": {id}, "said": {"report"}}); w.Code != 403 {
			p.Errorf("an agent judges: %d", w.Code)
		}
		if w := p.do("triager", "POST", "/desk/security/sample", map[string][]string{"message": {id}, "said": {"report"}}); w.Code != 303 {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		if c = p.fresh(c); c.Security != "flagged" {
			p.Errorf("%+v", c)
		}
		if page = p.do("triager", "GET", "/desk/security", nil).Body.String(); !strings.Contains(page, "1 report was among them") {
			p.Error("it does not count as missed")
		}
	})
}
