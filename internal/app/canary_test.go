package app

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/figures"
	"postern/internal/recognise"
	"postern/internal/security"
	"postern/internal/smtpc"
)

// Each text is recognised by its words alone, also where it came by no door of ours for
// reports.
func TestEveryCanaryReadsLikeAReport(t *testing.T) {
	for _, text := range canaryTexts {
		for _, door := range []string{"mail", "form"} {
			if v := recognise.Look(&recognise.Input{Text: "A report from the weekly canary\n" + text + "\n\ncanary-ABCDEFGHIJKLMNOPQRSTUVWXYZ", Door: door}); !v.Flagged {
				t.Errorf("not recognised by %s: %s (%.2f)", door, text, v.Score)
			}
		}
	}
}

// TestP10TheCanarySings: each week the desk reports a hole to itself by mail and by the
// form, through its own listeners; it waits on the security desk, nobody is called, and
// nothing of it stays in the figures. One that is lost, or is not recognised, is told to
// those who triage. What only looks like a canary is a report like any other.
func TestP10TheCanarySings(t *testing.T) {
	eachPagesOf(t, onPorts(t), func(p *pages, later func(time.Duration)) {
		d := p.d
		listen(p)
		sing := func() {
			p.Helper()
			if err := d.canaries(p.Context()); err != nil {
				p.Fatal(err)
			}
		}
		newest := func(door string) (c security.Canary) {
			p.Helper()
			p.must(func(ctx context.Context, tx *db.Tx) error {
				all, err := security.Canaries(ctx, tx)
				for _, x := range all {
					if x.Door == door {
						c = x
					}
				}
				return err
			})
			return c
		}
		told := func() int64 { return p.count(`SELECT COUNT(*) FROM river_job WHERE kind = 'door_broken'`) }
		flagged := func() int64 { return p.count(`SELECT COUNT(*) FROM river_job WHERE kind = 'report_word'`) }

		sing()
		p.eventually("both arrive and pass", func() bool {
			sing()
			return newest("mail").State == "passed" && newest("form").State == "passed"
		})
		for _, door := range []string{"mail", "form"} {
			var c *cases.Case
			id := newest(door).Case
			p.must(func(ctx context.Context, tx *db.Tx) (err error) {
				c, err = d.cases.Get(ctx, tx, id)
				return err
			})
			if c.State != cases.Closed || c.Security != cases.NoReport || c.Door != door {
				p.Errorf("%s: %s, security %v, by %s", door, c.State, c.Security, c.Door)
			}
		}
		if n := p.count(`SELECT (SELECT COUNT(*) FROM reports) + (SELECT COUNT(*) FROM report_events) + (SELECT COUNT(*) FROM looks) + (SELECT COUNT(*) FROM report_words)`); n != 0 {
			p.Errorf("%d rows of a canary stay in the figures", n)
		}
		if page := p.do("triager", "GET", "/desk/security", nil).Body.String(); !strings.Contains(page, "each week, by mail") || !strings.Contains(page, "each week, by form") {
			p.Error("the board does not show them")
		}
		var f *figures.Figures
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			f, err = figures.Of(ctx, tx, figures.Weeks(tx.Now, 1))
			return err
		})
		if f.Cases != 0 || f.Contacts != 0 || len(f.Doors) != 0 || f.Security.Cases != 0 {
			p.Errorf("the figures count it: %+v", f)
		}
		if told() != 0 || flagged() != 0 {
			p.Errorf("people were called: %d, %d", told(), flagged())
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries`); n != 0 {
			p.Errorf("%d mails left for a canary", n)
		}
		was := newest("mail").Token
		if sing(); newest("mail").Token != was {
			p.Error("a second one in a week")
		}

		// Replayed by somebody, or made up: a report like any other.
		send(p, d, "Anybody can see the invoices of other customers on your page.\r\n\r\ncanary-"+was)
		send(p, d, "Your page shows me the letters of other people, with their names.\r\n\r\ncanary-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		p.eventually("people hear of both", func() bool { return flagged() >= 2 })
		sing()
		if n := p.count(`SELECT COUNT(*) FROM reports WHERE state = 'flagged'`); n != 2 {
			p.Errorf("%d wait, want 2", n)
		}

		// The next week there is another one. What was lost is told, once, and it is
		// tried again a day later.
		later(7 * 24 * time.Hour)
		p.must(func(ctx context.Context, tx *db.Tx) error {
			for _, door := range []string{"mail", "form"} {
				if c, err := security.HatchCanary(ctx, tx, door); err != nil || c == nil {
					return fmt.Errorf("no canary in the second week: %v", err)
				}
			}
			return nil
		})
		later(31 * time.Minute)
		sing()
		sing()
		if c := newest("form"); c.State != "failed" || !strings.Contains(c.Why, "arrive") || told() != 2 {
			p.Fatalf("lost: %+v, told %d", c, told())
		}
		later(25 * time.Hour)
		sing()
		p.eventually("the next one passes", func() bool {
			sing()
			return newest("mail").State == "passed" && newest("form").State == "passed"
		})

		// One whose words say nothing to the recogniser fails, by whatever door.
		later(7 * 24 * time.Hour)
		var dull *security.Canary
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			dull, err = security.HatchCanary(ctx, tx, "mail")
			return err
		})
		if err := d.canaryByMail(p.Context(), "When do you open on Saturday?\n\ncanary-"+dull.Token); err != nil {
			p.Fatal(err)
		}
		p.eventually("it fails", func() bool { sing(); return newest("mail").State == "failed" })
		if why := newest("mail").Why; !strings.Contains(why, "called") {
			p.Error(why)
		}
	})
}

// onPorts has a desk take mail and pages on ports of this machine.
func onPorts(t *testing.T) func(*config.Config) {
	return func(c *config.Config) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		c.Canaries = true
		c.URL, c.HTTPAddr, c.SMTPAddr = fmt.Sprintf("https://localhost:%d", port), fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:0"
	}
}

// listen starts all of a desk.
func listen(p *pages) {
	p.Helper()
	if err := p.d.Start(context.WithoutCancel(p.Context())); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(p.d.Stop)
}

// send writes to the desk as somebody outside would.
func send(t *pages, d *Desk, text string) {
	t.Helper()
	client := smtpc.New(smtpc.Relay{Addr: d.addrs["smtp"], TLS: smtpc.TLSNone, Hostname: "finder.example"})
	defer client.Close()
	raw := "From: Finder <finder@elsewhere.example>\r\nTo: <support@northmere.example>\r\nSubject: Your page\r\nDate: " + d.db.Now().Format(time.RFC1123Z) + "\r\nMessage-ID: <" + db.NewID() + "@elsewhere.example>\r\n\r\n" + text + "\r\n"
	if r := client.Send(t.Context(), "finder@elsewhere.example", "support@northmere.example", []byte(raw)); r.Outcome != smtpc.Sent {
		t.Fatalf("%+v", r)
	}
}
