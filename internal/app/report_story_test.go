package app

import (
	"context"
	"encoding/csv"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/links"
	"postern/internal/probe"
	"postern/internal/safehttp"
	"postern/internal/security"
)

// web is the organisation's own pages, as the desk's watch sees them.
type world struct {
	mu    sync.Mutex
	https bool // the form was mended
	token string
}

func (w *world) fetch(_ context.Context, address string) (*safehttp.Visit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	html := http.Header{"Content-Type": {"text/html"}}
	switch {
	case u.Path == "/.well-known/postern-verify.txt":
		return &safehttp.Visit{Status: 200, TLS: 0x304, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(w.token + "\n")}, nil
	case u.Scheme == "http" && w.https:
		return &safehttp.Visit{Status: 301, Header: http.Header{"Location": {"https://" + u.Host + u.Path}}}, nil
	case u.Scheme == "https" && !w.https:
		return &safehttp.Visit{Status: 302, TLS: 0x304, Header: http.Header{"Location": {"http://" + u.Host + u.Path}}}, nil
	}
	v := &safehttp.Visit{Status: 200, Header: html, Body: []byte(`<!doctype html><form method="post" action="/update"><input name="street"><input name="name"></form>`)}
	if u.Scheme == "https" {
		v.TLS = 0x304
		v.Header = http.Header{"Content-Type": {"text/html"}, "Strict-Transport-Security": {"max-age=63072000; includeSubDomains"}}
	}
	return v, nil
}

func (w *world) set(https bool) { w.mu.Lock(); w.https = https; w.mu.Unlock() }

// TestP11TheStoryToItsEnd: the second story as it should have gone on. The report comes
// by the wrong door, is recognised, acknowledged by a person, found true by the links
// themselves, fixed, watched, retested by who found it, rewarded, thanked and published;
// then it is back, on purpose, and the watch opens it again and tells them.
func TestP11TheStoryToItsEnd(t *testing.T) {
	eachPagesOf(t, func(c *config.Config) { c.Rewards = "EUR; *: 1000 400 200 50" }, func(p *pages, clock func(time.Duration)) {
		later := func(d time.Duration) { clock(d); p.signAllIn(nil) }
		w := &world{}
		p.d.links.Checker = links.NewChecker(w.fetch, p.d.links.Judge, p.d.db.Now)
		watch := probe.NewWatch(probe.Options{DB: p.d.db, Fetch: w.fetch, Judge: p.d.links.Judge, Wait: func(_ context.Context, d time.Duration) error { clock(d); return nil },
			TXT: func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} },
			Red: func(ctx context.Context, tx *db.Tx, id string, _ *probe.Probe, _ *probe.Result) error {
				return p.d.security.Red(ctx, tx, cases.ID(id))
			},
			Green: func(ctx context.Context, tx *db.Tx, id string, _ *probe.Probe, _ *probe.Result) error {
				return p.d.security.Seen(ctx, tx, cases.ID(id))
			}})
		p.work()
		if err := p.d.jobs.Start(t.Context()); err != nil {
			p.Fatal(err)
		}
		t.Cleanup(func() { p.d.jobs.Stop(context.Background()) })

		// The wrong door.
		finder := p.visitor("192.0.2.7")
		ref, code := finder.sendForm("payments-and-bills", "My account was not hacked. The link in your mail leads to http://pay.northmere.example/update and that page asks for name and street.", "", "")
		c := p.byRef(ref)
		at := "/desk/security/" + string(c.ID)
		if c.Security != cases.Suspected {
			p.Fatalf("not recognised: %+v", c)
		}
		page := p.do("triager", "GET", at, nil).Body.String()
		for _, want := range []string{"<mark>", "Yes, open a report", "insists that nobody hacked them"} {
			if !strings.Contains(page, want) {
				p.Errorf("the ten-second screen lacks %q", want)
			}
		}
		if page = p.do("agent", "GET", at, nil).Body.String(); strings.Contains(page, "Yes, open a report") || !strings.Contains(page, "Propose that it is none") {
			p.Error("an agent may decide")
		}
		say := func(who, act string, form url.Values, want security.State) {
			t.Helper()
			r := p.do(who, "POST", at+"/"+act, form)
			if r.Code != http.StatusSeeOther {
				p.Fatalf("%s by %s: %d %s", act, who, r.Code, plainErrors(r.Body.String()))
			}
			if got := p.reportOf(c).State; got != want {
				p.Fatalf("after %s: %s, want %s", act, got, want)
			}
		}
		refused := func(who, act string, form url.Values) {
			t.Helper()
			was := p.reportOf(c).State
			if r := p.do(who, "POST", at+"/"+act, form); r.Code < 400 || p.reportOf(c).State != was {
				p.Fatalf("%s by %s went through: %d", act, who, r.Code)
			}
		}

		// Acknowledged by a person; only their own words stop the clock.
		refused("agent", "decide", url.Values{"say": {"report"}})
		say("triager", "decide", url.Values{"say": {"report"}}, security.Acknowledged)
		if c = p.fresh(c); c.Security != cases.Report || !c.Circle || c.Assignee != p.staffID("triager") {
			p.Fatalf("%+v", c)
		}
		if r := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil); r.Code != http.StatusNotFound {
			p.Errorf("an agent reads a report without having been let in: %d", r.Code)
		}
		if r := p.do("agent", "GET", "/desk/inbox", nil); strings.Contains(r.Body.String(), ref) {
			p.Error("it stands in an agent's inbox")
		}
		if x := p.reportOf(c); x.Running(security.ClockFirst) == nil || !x.FirstReply.IsZero() {
			p.Error("a click stopped the clock of the first word")
		}
		later(time.Hour)
		p.answered("triager", c, "Thank you. I am looking at that page myself, today, and write to you again by Friday.")
		if x := p.reportOf(c); x.Running(security.ClockFirst) != nil || x.FirstReply.IsZero() {
			p.Error("a person's word did not stop the clock")
		}
		later(time.Minute)

		// Assessed, with the evidence of the links; reproduced.
		refused("triager", "move", url.Values{"to": {"assessing"}})
		known := url.Values{"known": {"1"}, "scope": {"in scope"}, "sought": {"1"}, "safety": {"names and streets of who follows the link"}, "exposed": {"1"}}
		say("triager", "fill", known, security.Acknowledged)
		say("triager", "move", url.Values{"to": {"assessing"}}, security.Assessing)
		say("triager", "follow", nil, security.Assessing)
		if page = p.do("triager", "GET", at, nil).Body.String(); !strings.Contains(page, "Evidence SHA-256") || !strings.Contains(page, ": red") {
			p.Error("no evidence of the links")
		}
		refused("triager", "move", url.Values{"to": {"verified"}})
		refused("triager", "fill", url.Values{"cvss": {"CVSS:3.1/AV:N"}})
		known = url.Values{"known": {"1"}, "sought": {"1"}, "exposed": {"1"}, "reproduced": {"1"}, "title": {"Name and street sent in clear"}, "asset": {"pay.northmere.example/update"}, "steps": {"Open the link of the mail; the page loads over HTTP and holds a form."},
			"cwe": {"CWE-319"}, "cvss": {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}}
		say("triager", "fill", known, security.Assessing)
		say("triager", "move", url.Values{"to": {"verified"}}, security.Verified)
		if x := p.reportOf(c); x.Severity != security.High || x.Verifier != p.staffID("triager") {
			p.Errorf("%+v", x.Doc)
		}
		say("triager", "mark", url.Values{"what": {"start"}, "law": {"gdpr"}}, security.Verified)
		if n := len(p.reportOf(c).Law); n != 2 {
			p.Errorf("%d duties by law", n)
		}

		// Fixed, and watched.
		day := p.d.db.Now().Add(5 * 24 * time.Hour).Format("2006-01-02")
		say("triager", "fill", url.Values{"fixer": {p.staffID("agent")}, "target": {day}}, security.Verified)
		say("triager", "move", url.Values{"to": {"fixing"}}, security.Fixing)
		say("triager", "fill", url.Values{"changed": {"The page answers by HTTPS alone, and the mails link to it so."}}, security.Fixing)
		refused("triager", "move", url.Values{"to": {"fix-ready"}}) // nothing watches it
		say("triager", "probe", url.Values{"kind": {"link"}, "target": {"https://pay.northmere.example/update"}}, security.Fixing)
		say("triager", "move", url.Values{"to": {"fix-ready"}}, security.FixReady)
		run := func() {
			t.Helper()
			if err := watch.Run(t.Context()); err != nil {
				p.Fatal(err)
			}
		}
		run()
		if s := p.probeOf(c).State; s != probe.New {
			p.Fatalf("a host that nobody confirmed was asked: %s", s)
		}
		w.token = p.one(`SELECT token FROM hosts WHERE host = $1`, "pay.northmere.example")
		if err := watch.Confirm(t.Context(), "pay.northmere.example", "staff:"+p.staffID("triager")); err != nil {
			p.Fatal(err)
		}
		w.set(true)
		later(2 * time.Hour)
		run()
		if s := p.probeOf(c).State; s != probe.Green {
			p.Fatalf("the probe is %s", s)
		}

		// Who found it looks again, without an account.
		say("triager", "move", url.Values{"to": {"retest"}}, security.Retest)
		refused("triager", "move", url.Values{"to": {"resolved"}})
		finder.step(finder.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		if page = finder.get("/case/" + ref).Body.String(); !strings.Contains(page, "Would you look again?") || !strings.Contains(page, "high") {
			p.Error("the case page does not ask them")
		}
		theirs := func(form url.Values) {
			t.Helper()
			finder.step(finder.post("/case/"+ref+"/report", form), http.StatusSeeOther, "/case/"+ref+"?sent=1")
		}
		theirs(url.Values{"do": {"there"}, "words": {"I still get the old page"}})
		if s := p.reportOf(c).State; s != security.Fixing {
			p.Fatalf("they saw it still there: %s", s)
		}
		say("triager", "move", url.Values{"to": {"fix-ready"}}, security.FixReady)
		say("triager", "move", url.Values{"to": {"retest"}}, security.Retest)
		theirs(url.Values{"do": {"gone"}})
		say("triager", "move", url.Values{"to": {"resolved"}}, security.Resolved)

		// Rewarded by two people, thanked by consent.
		refused("triager", "reward", url.Values{"to": {"proposed"}, "amount": {"250"}}) // less than the table, and no word why
		say("triager", "reward", url.Values{"to": {"proposed"}, "amount": {"250"}, "why": {"=HALF of it was known"}}, security.Resolved)
		refused("triager", "reward", url.Values{"to": {"approved"}})
		say("lead", "reward", url.Values{"to": {"approved"}}, security.Resolved)
		say("lead", "reward", url.Values{"to": {"offered"}}, security.Resolved)
		if page = finder.get("/case/" + ref).Body.String(); !strings.Contains(page, "250.00 EUR") || !strings.Contains(page, "=HALF of it was known") {
			p.Error("they do not see the reward, or not why it is less")
		}
		theirs(url.Values{"do": {"accepted"}})
		say("triager", "reward", url.Values{"to": {"paid"}}, security.Resolved)
		rows, err := csv.NewReader(p.do("triager", "GET", "/desk/security/rewards.csv", nil).Body).ReadAll()
		if err != nil || len(rows) != 6 || rows[4][3] != "accepted" || rows[4][5] != "they" || rows[5][3] != "paid" || rows[5][6] != "250.00" || rows[5][9] != "'=HALF of it was known" {
			p.Errorf("the ledger: %v, %q", err, rows)
		}
		if page = p.do("", "GET", "/security-policy", nil).Body.String(); !strings.Contains(page, ">1000<") || !strings.Contains(page, "In EUR") || strings.Contains(page, "no money") {
			p.Error("the policy does not show the table")
		}
		theirs(url.Values{"do": {"credit"}, "name": {"Fin Finder"}})

		// Published.
		refused("triager", "move", url.Values{"to": {"disclosed"}})
		say("triager", "fill", url.Values{"publication": {"A form of ours was reachable over plain HTTP; names and streets could be read on the way."}, "product": {"Northmere pay page | until 3 May 2026 | since 30 November 2026"}}, security.Resolved)
		say("triager", "move", url.Values{"to": {"disclosed"}}, security.Disclosed)
		for path, want := range map[string]string{"/security-advisories": "Name and street sent in clear", "/security-thanks": "Fin Finder"} {
			if r := p.do("", "GET", path, nil); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), want) {
				p.Errorf("%s: %d, without %q", path, r.Code, want)
			}
		}
		link := regexp.MustCompile(`/security-advisories/[^"]+`).FindString(finder.get("/case/" + ref).Body.String())
		if r := p.do("", "GET", link, nil); link == "" || r.Code != http.StatusOK || !strings.Contains(r.Body.String(), "Name and street sent in clear") {
			p.Errorf("their page leads to %q: %d", link, r.Code)
		}
		if r := p.do("", "GET", "/.well-known/csaf/white/index.txt", nil); !strings.Contains(r.Body.String(), ".json") {
			p.Error("no document for programs")
		}
		for _, name := range []string{"Refunds: call +1 900 555 0100", "www.evil.example", "evil.example", "a@evil.example", "<b>x</b>", "Call 0900 1234567"} {
			if w := finder.post("/case/"+ref+"/report", url.Values{"do": {"credit"}, "name": {name}}); w.Code != http.StatusUnprocessableEntity {
				p.Errorf("thanked as %q: %d", name, w.Code)
			}
		}
		theirs(url.Values{"do": {"credit"}, "name": {"Dr. Fin F. Finder, Jr."}})
		if r := p.do("", "GET", "/security-thanks", nil); !strings.Contains(r.Body.String(), "Dr. Fin F. Finder, Jr.") || strings.Contains(r.Body.String(), "evil") {
			p.Error("the new name")
		}
		refused("triager", "move", url.Values{"to": {"closed"}}) // the law still wants a word
		for _, n := range []string{"0", "1"} {
			say("lead", "mark", url.Values{"what": {"done"}, "n": {n}, "why": {"told by telephone"}}, security.Disclosed)
		}
		say("triager", "move", url.Values{"to": {"closed"}}, security.Closed)
		if c = p.fresh(c); c.State != cases.Closed || c.Security != cases.Settled {
			p.Fatalf("%+v", c)
		}

		// It is back: once is a hiccup, twice opens it again, and they are told.
		later(30 * 24 * time.Hour)
		w.set(false)
		run()
		if s := p.reportOf(c).State; s != security.Closed {
			p.Fatalf("one bad answer opened it: %s", s)
		}
		later(10 * time.Minute)
		run()
		x := p.reportOf(c)
		if c = p.fresh(c); x.State != security.Assessing || x.Reopened != 1 || c.State != cases.Open || c.Security != cases.Report || !strings.Contains(c.Alarm, "back") {
			p.Fatalf("it is back, and the report is %s, the case %s, %q", x.State, c.State, c.Alarm)
		}
		p.eventually("they are told", func() bool {
			finder.step(finder.open(ref, code), http.StatusSeeOther, "/case/"+ref)
			return strings.Contains(finder.get("/case/"+ref).Body.String(), "What you reported in case "+ref+" is back")
		})
		if n := p.count(`SELECT COUNT(*) FROM report_events WHERE case_id = $1`, c.ID); n < 25 {
			p.Errorf("%d steps in the history", n)
		}
		if page = p.do("triager", "GET", at, nil).Body.String(); !strings.Contains(page, "a probe is red") {
			p.Error("the history does not say why")
		}
	})
}

func plainErrors(page string) string {
	if _, s, ok := strings.Cut(page, `class="errs"`); ok {
		return s[:min(len(s), 400)]
	}
	return page[:min(len(page), 1500)]
}

// reportOf reads the report of a case.
func (p *pages) reportOf(c *cases.Case) (r *security.Report) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		k, err := p.d.vault.Get(ctx, tx, c.KeyID)
		if err == nil {
			r, err = p.d.security.Get(ctx, tx, k, c.ID)
		}
		return err
	})
	return r
}

// probeOf reads the first probe of a case.
func (p *pages) probeOf(c *cases.Case) (x probe.Probe) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		list, err := probe.Of(ctx, tx, string(c.ID))
		if err == nil && len(list) > 0 {
			x = list[0]
		}
		return err
	})
	return x
}

// eventually waits until something is so that jobs bring about.
func (p *pages) eventually(what string, ok func() bool) {
	p.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatal("never: " + what)
		}
	}
}
