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
	"postern/internal/probe"
	"postern/internal/safehttp"
	"postern/internal/security"
)

// TestAnAnswerByTelephoneIsAnAnswer: what they told a person is noted, and ends the wait:
// nobody is reminded of what they answered, nor closed for it.
func TestAnAnswerByTelephoneIsAnAnswer(t *testing.T) {
	eachReport(t, func(p *pages, clock func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		if code := p.onReport("triager", c, "ask", url.Values{"questions": {"Which page exactly was it?"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		if code := p.onReport("triager", c, "told", url.Values{"what": {"answer"}, "told": {"The page of orders, she said."}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		clock(40 * 24 * time.Hour)
		if err := p.d.security.Run(t.Context()); err != nil {
			p.Fatal(err)
		}
		if r := p.reportOf(c); r.State != security.Assessing || r.Unanswered || len(r.Reminded) != 0 || r.Running(security.ClockInfo) != nil {
			p.Errorf("%s, unanswered %v, reminded %d times", r.State, r.Unanswered, len(r.Reminded))
		}
	})
}

// TestAMarkStartsTheClocksOfTheLaw: of the law that applies to the organisation, once;
// without the setting nothing starts by itself, and the page says so.
func TestAMarkStartsTheClocksOfTheLaw(t *testing.T) {
	for laws, want := range map[string]int{"": 0, "gdpr": 2, "gdpr, NIS2": 5} {
		t.Run("laws "+laws, func(t *testing.T) {
			eachPagesOf(t, func(c *config.Config) { c.Laws = laws }, func(p *pages, _ func(time.Duration)) {
				p.work()
				c := p.write("finder@x.example", "Problem", aReport)
				p.assessing(c)
				for range 2 {
					if code := p.onReport("triager", c, "fill", url.Values{"known": {"1"}, "sought": {"1"}, "exploited": {"1"}, "exposed": {"1"}}); code != http.StatusSeeOther {
						p.Fatal(code)
					}
				}
				r := p.reportOf(c)
				if len(r.Law) != want {
					p.Errorf("%q: %d duties, want %d", laws, len(r.Law), want)
				}
				for _, x := range r.Law {
					if x.By.Sub(p.d.db.Now()) < 23*time.Hour {
						p.Errorf("%q: %+v", laws, x)
					}
				}
				page := p.do("triager", "GET", "/desk/security/"+string(c.ID), nil).Body.String()
				if strings.Contains(page, "No clock runs") != (want == 0) {
					p.Errorf("%q: the page and the clocks differ", laws)
				}
			})
		})
	}
}

// TestADemandOfMoneyStopsThePromiseToo: a reward that stands still is no promise missed,
// and whoever may decide is told.
func TestADemandOfMoneyStopsThePromiseToo(t *testing.T) {
	eachReport(t, func(p *pages, clock func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		now := p.d.db.Now()
		p.set(c, func(x *security.Report) {
			x.State = security.Verified
			x.Clocks = append(x.Clocks, security.Clock{Name: security.ClockReward, From: now, Target: now.Add(48 * time.Hour), Limit: now.Add(48 * time.Hour)})
		})
		if code := p.onReport("triager", c, "mark", url.Values{"what": {"extortion"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		if code := p.onReport("triager", c, "mark", url.Values{"what": {"extortion"}}); code < 400 {
			p.Error("marked twice")
		}
		if !strings.Contains(p.byRef(string(c.Ref)).Alarm, "money for silence") {
			p.Error("nobody is told")
		}
		clock(72 * time.Hour)
		if k := p.reportOf(c).Running(security.ClockReward); k == nil || !k.Next().IsZero() {
			p.Errorf("it strikes: %+v", k)
		}
		if code := p.onReport("triager", c, "mark", url.Values{"what": {"no-extortion"}}); code < 400 {
			p.Error("who is no lead took the mark away")
		}
		p.signAllIn(nil)
		if code := p.onReport("lead", c, "mark", url.Values{"what": {"no-extortion"}}); code != http.StatusSeeOther {
			p.Fatal(code)
		}
		if k := p.reportOf(c).Running(security.ClockReward); k == nil || k.Target.Before(now.Add(119*time.Hour)) {
			p.Errorf("it runs on from where it stood: %+v", k)
		}
	})
}

// TestTheTenSecondScreenShowsWhatFired: also in the subject, and in what they wrote since.
func TestTheTenSecondScreenShowsWhatFired(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		c := p.write("kim@kestrel.example", "I can see the invoices of other customers", "See the subject.")
		page := p.do("triager", "GET", "/desk/security/"+string(c.ID), nil).Body.String()
		if !strings.Contains(page, "<mark>") || strings.Contains(page, "They wrote again") {
			p.Errorf("nothing of the subject is marked:\n%s", page)
		}
		p.again(c, "kim@kestrel.example", "And the backup of your database lies open at http://pay.northmere.example/dump. I publish it on Monday.")
		page = p.do("triager", "GET", "/desk/security/"+string(c.ID), nil).Body.String()
		for _, want := range []string{"They wrote again", "lies open", "pay.northmere.example/dump"} {
			if !strings.Contains(page, want) {
				p.Errorf("the second message lacks %q", want)
			}
		}
	})
}

// TestHostsThatWeNamedAreOurs: a link over plain HTTP to one of them decides by itself.
func TestHostsThatWeNamedAreOurs(t *testing.T) {
	eachPagesOf(t, func(c *config.Config) { c.LinksOwn = "named.example" }, func(p *pages, _ func(time.Duration)) {
		p.work()
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO hosts (host, token, how, confirmed_at, made_by, made_at) VALUES ('shown.example', 't', 'dns', 5, 'system', 5)`)
			return err
		})
		if err := p.d.noteHosts(t.Context()); err != nil {
			p.Fatal(err)
		}
		for host, want := range map[string]bool{"named.example": true, "pay.named.example": true, "shown.example": true, "other.example": false, "notnamed.example": false} {
			c := p.write("ola@kestrel.example", "Meter", "My reading stands at http://"+host+"/meter as you asked.")
			if got := c.Security.Watched(); got != want {
				p.Errorf("%s: flagged %v", host, got)
			}
		}
	})
}

// TestOurOwnDoorsAreWatchedByThemselves: nobody need name our own host; the desk shows that
// it is its own, and then asks.
func TestOurOwnDoorsAreWatchedByThemselves(t *testing.T) {
	for _, reaches := range []bool{true, false} {
		t.Run(fmt.Sprint(reaches), func(t *testing.T) {
			eachPagesOf(t, func(c *config.Config) { c.URL = "https://desk.northmere.example" }, func(p *pages, clock func(time.Duration)) {
				asked := 0
				p.d.probes = probe.NewWatch(probe.Options{DB: p.d.db, Judge: p.d.links.Judge, Wait: func(_ context.Context, d time.Duration) error { clock(d); return nil },
					TXT: func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} },
					Fetch: func(ctx context.Context, address string) (*safehttp.Visit, error) {
						asked++
						u, _ := url.Parse(address)
						if !reaches || u.Path != "/.well-known/postern-verify.txt" {
							return &safehttp.Visit{Status: 404, TLS: 0x304}, nil
						}
						token, err := p.d.verifyToken(ctx)
						return &safehttp.Visit{Status: 200, TLS: 0x304, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(token)}, err
					}})
				for range 3 { // as the job does each minute
					if err := p.d.watchDoors(t.Context()); err != nil {
						p.Fatal(err)
					}
					clock(time.Minute)
				}
				var due []probe.Probe
				p.must(func(ctx context.Context, tx *db.Tx) (err error) { due, err = probe.Due(ctx, tx, 10); return err })
				if want := map[bool]int{true: 3}[reaches]; len(due) != want || asked != 1 {
					p.Errorf("reached: %v; %d doors are asked, want %d; asked %d times", reaches, len(due), want, asked)
				}
			})
		})
	}
}

// TestReportsAboutTheSameAreFound: by what is affected, and also those that a person raised.
func TestReportsAboutTheSameAreFound(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		other := p.write("kim@kestrel.example", "Ein Hinweis", "Man kommt ohne Anmeldung an fremde Rechnungen, ich sehe die Daten anderer Kunden.")
		p.assessing(other)
		third := p.write("ola@kestrel.example", "My meter", "The reading on my bill is too high by forty units, please correct the bill of April.")
		if w := p.do("agent", "POST", "/desk/security/"+string(third.ID)+"/flag", url.Values{"why": {"it may be about the same page"}}); w.Code != http.StatusSeeOther {
			p.Fatal(w.Code)
		}
		like := func(id string) (ids []string) {
			p.must(func(ctx context.Context, tx *db.Tx) error {
				list, err := security.Similar(ctx, tx, cases.ID(id))
				ids = nil
				for _, x := range list {
					ids = append(ids, string(x.Case))
				}
				return err
			})
			return ids
		}
		if got := like(string(c.ID)); len(got) != 0 {
			p.Fatalf("they share nothing yet: %v", got)
		}
		if n := p.count(`SELECT COUNT(*) FROM report_words WHERE case_id = '` + string(third.ID) + `'`); n < 5 {
			p.Errorf("a report raised by hand has %d words to be found by", n)
		}
		for _, x := range []struct {
			c     *cases.Case
			asset string
		}{{c, "https://shop.northmere.example/orders?id=1"}, {other, "the orders at shop.northmere.example"}, {third, "pay.northmere.example"}} {
			if code := p.onReport("triager", x.c, "fill", url.Values{"asset": {x.asset}}); code != http.StatusSeeOther && x.c != third {
				p.Fatal(code)
			}
		}
		if got := like(string(c.ID)); len(got) != 1 || got[0] != string(other.ID) {
			p.Errorf("about the same host: %v", got)
		}
		p.onReport("triager", other, "fill", url.Values{"asset": {"elsewhere.northmere.example"}})
		if got := like(string(c.ID)); len(got) != 0 {
			p.Errorf("about another now: %v", got)
		}
	})
}

// TestAReporterByMailReadsWhoIsAtIt: they have no page, so the mail says who, and what comes
// next.
func TestAReporterByMailReadsWhoIsAtIt(t *testing.T) {
	eachReport(t, func(p *pages, _ func(time.Duration)) {
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		t.Cleanup(func() { p.d.jobs.Stop(context.Background()) })
		c := p.write("finder@x.example", "Problem", aReport)
		p.assessing(c)
		if err := p.d.db.Update(t.Context(), func(tx *db.Tx) error {
			return p.d.writeReporter(t.Context(), tx, c, security.Word{What: security.WordMoved, State: security.Verified})
		}); err != nil {
			p.Fatal(err)
		}
		p.eventually("the mail says it", func() bool {
			for _, m := range p.mailsTo("finder@x.example") {
				if strings.Contains(m, "Who is at it: One of our security people.") && strings.Contains(m, "What comes next: ") {
					return true
				}
			}
			return false
		})
	})
}
