package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/safehttp"
)

// lab is a watch on a database, with a clock and a network that the test holds.
type lab struct {
	*testing.T
	d *db.DB
	w *Watch

	mu    sync.Mutex
	now   time.Time                 // guarded by mu
	pages map[string]safehttp.Visit // by address; guarded by mu
	txt   map[string][]string       // guarded by mu
	asked []string                  // guarded by mu
	when  map[string]int            // how often each host was asked; guarded by mu
	heard []string                  // turns; guarded by mu
	hook  error                     // guarded by mu
}

func each(t *testing.T, f func(l *lab)) {
	var l *lab
	clock := func() time.Time { l.mu.Lock(); defer l.mu.Unlock(); return l.now }
	l = &lab{}
	dbtest.EachAt(t, clock, func(t *testing.T, d *db.DB) {
		l.mu.Lock()
		l.T, l.d, l.now = t, d, time.Unix(1_800_000_000, 0)
		l.pages, l.txt, l.asked, l.when, l.heard, l.hook = map[string]safehttp.Visit{}, map[string][]string{}, nil, map[string]int{}, nil, nil
		l.mu.Unlock()
		l.w = l.watch()
		f(l)
	})
}

func (l *lab) watch() *Watch {
	note := func(turn string) Hook {
		return func(_ context.Context, _ *db.Tx, c string, p *Probe, r *Result) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.hook != nil {
				return l.hook
			}
			l.heard = append(l.heard, turn+" "+c)
			return nil
		}
	}
	j := links.NewJudge([]string{"ours.example"}, nil)
	return NewWatch(Options{DB: l.d, Fetch: l.fetch, Judge: func() *links.Judge { return j }, Red: note("red"), Green: note("green"), Alarm: note("alarm"), Calm: note("calm"), Blind: note("blind"),
		TXT: func(_ context.Context, host string) ([]string, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.txt[host], nil
		},
		Wait: func(ctx context.Context, d time.Duration) error { l.later(d); return ctx.Err() }})
}

func (l *lab) fetch(_ context.Context, address string) (*safehttp.Visit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, _ := url.Parse(address)
	l.asked = append(l.asked, address)
	l.when[u.Hostname()]++
	v, ok := l.pages[address]
	if !ok {
		return nil, fail.New(fail.Unavailable, "no connection could be made")
	}
	return &v, nil
}

func (l *lab) later(d time.Duration) { l.mu.Lock(); defer l.mu.Unlock(); l.now = l.now.Add(d) }

func (l *lab) set(address string, v *safehttp.Visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v == nil {
		delete(l.pages, address)
		return
	}
	if v.Header == nil {
		v.Header = http.Header{}
	}
	v.Header.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	v.TLS = tls.VersionTLS13
	l.pages[address] = *v
}

func (l *lab) took() (asked, heard string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked, heard = strings.Join(l.asked, " "), strings.Join(l.heard, ", ")
	l.asked, l.heard = nil, nil
	return asked, heard
}

func (l *lab) must(f func(ctx context.Context, tx *db.Tx) error) {
	l.Helper()
	if err := l.d.Update(l.Context(), func(tx *db.Tx) error { return f(l.Context(), tx) }); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) run() {
	l.Helper()
	if err := l.w.Run(l.Context()); err != nil {
		l.Fatal(err)
	}
}

// own confirms a host by the DNS.
func (l *lab) own(host string) {
	l.Helper()
	l.must(func(ctx context.Context, tx *db.Tx) error {
		h, err := AddHost(ctx, tx, host, "staff:zara")
		if err == nil {
			l.mu.Lock()
			l.txt[host] = []string{"v=spf1 -all", "postern-verify=" + h.Token}
			l.mu.Unlock()
		}
		return err
	})
	if err := l.w.Confirm(l.Context(), host, "staff:zara"); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) add(c string, k Kind, target string, s Spec) ID {
	l.Helper()
	p := &Probe{Case: c, Kind: k, Target: target, Spec: s, By: "staff:zara"}
	l.must(func(ctx context.Context, tx *db.Tx) error { return Add(ctx, tx, p) })
	return p.ID
}

func (l *lab) get(id ID) (p *Probe) {
	l.Helper()
	l.must(func(ctx context.Context, tx *db.Tx) (err error) { p, err = Get(ctx, tx, id); return err })
	return p
}

const page = "https://www.ours.example/form"

func good() *safehttp.Visit { return &safehttp.Visit{Status: 200, Body: []byte("all is well")} }

func toHTTP() *safehttp.Visit {
	return &safehttp.Visit{Status: 302, Header: http.Header{"Location": {"http://www.ours.example/form"}}}
}

// TestAFixedProblemReturns: hourly it is green; once bad is a hiccup; twice is red and
// said once; mended it is said once, and again when it returns.
func TestAFixedProblemReturns(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		l.set(page, good())
		l.set("http://www.ours.example/form", good())
		id := l.add("case1", Link, page, Spec{})
		step := func(name string, wait time.Duration, want State, hear string) {
			l.Helper()
			l.later(wait)
			l.run()
			_, heard := l.took()
			if p := l.get(id); p.State != want || heard != hear {
				l.Errorf("%s: %s, heard %q, want %s and %q", name, p.State, heard, want, hear)
			}
		}
		step("at first", 0, Green, "")
		l.set(page, toHTTP())
		step("not asked before the hour is over", 59*time.Minute, Green, "")
		step("a first time", time.Minute, Amber, "")
		l.set(page, good())
		step("a hiccup", 5*time.Minute, Green, "")
		l.set(page, toHTTP())
		step("once", time.Hour, Amber, "")
		step("twice", 5*time.Minute, Red, "red case1")
		step("still", time.Hour, Red, "")
		l.set(page, nil)
		step("away is not mended", time.Hour, Red, "")
		l.set(page, good())
		step("mended", time.Hour, Green, "green case1")
		l.set(page, toHTTP())
		step("once more", time.Hour, Amber, "")
		step("and again", 5*time.Minute, Red, "red case1")
		l.must(func(ctx context.Context, tx *db.Tx) error {
			list, err := Results(ctx, tx, id, 100)
			if len(list) != 10 || list[0].State != Red || !strings.Contains(list[0].Why, "plain HTTP") {
				l.Errorf("%d results, %+v", len(list), list[0])
			}
			var r links.Report
			if e := json.Unmarshal(list[0].Evidence, &r); e != nil || len(r.Chain) != 2 || r.Hash != list[0].Hash || r.Verdict != links.Red {
				l.Errorf("the evidence: %v %+v", e, r)
			}
			return err
		})
	})
}

func TestEachKind(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		cert := func(days int) *x509.Certificate {
			return &x509.Certificate{Raw: []byte("x"), NotBefore: l.now.AddDate(0, -6, 0), NotAfter: l.now.AddDate(0, 0, days).Add(time.Hour)}
		}
		with := func(status int, body string) *safehttp.Visit {
			return &safehttp.Visit{Status: status, Body: []byte(body)}
		}
		head := func(k, v string) *safehttp.Visit { return &safehttp.Visit{Status: 200, Header: http.Header{k: {v}}} }
		shown := func(days int, f ...safehttp.Fault) *safehttp.Visit {
			v := &safehttp.Visit{Status: 200, Certificate: cert(days), Faults: f}
			if f != nil {
				v.Status = 0
			}
			return v
		}
		for n, x := range []struct {
			kind Kind
			spec Spec
			v    *safehttp.Visit
			want State
		}{
			{Header, Spec{Name: "X-Frame-Options", Contains: "deny"}, head("X-Frame-Options", "DENY"), Green},
			{Header, Spec{Name: "X-Frame-Options", Contains: "deny"}, head("X-Frame-Options", "SAMEORIGIN"), Amber},
			{Header, Spec{Name: "X-Frame-Options"}, with(200, ""), Amber},
			{Header, Spec{Name: "X-Frame-Options"}, with(503, ""), Unknown},
			{Certificate, Spec{Days: 14}, shown(15), Green},
			{Certificate, Spec{Days: 14}, shown(13), Amber},
			{Certificate, Spec{Days: 14}, shown(100, safehttp.WrongHost), Amber},
			{Status, Spec{Status: 404}, with(404, ""), Green},
			{Status, Spec{Status: 404}, with(200, ""), Amber},
			{Status, Spec{Status: 404}, nil, Unknown},
			{Body, Spec{Contains: "well"}, with(200, "All is WELL"), Green},
			{Body, Spec{Contains: "well"}, with(200, "all is bad"), Amber},
			{Body, Spec{Without: "secret"}, with(200, "all is well"), Green},
			{Body, Spec{Without: "secret"}, with(200, "the Secret"), Amber},
			{Body, Spec{Without: "secret"}, with(404, ""), Unknown},
			{Body, Spec{Contains: "well"}, with(404, "not here"), Amber},
			{Body, Spec{Contains: "well"}, with(503, "well, not now"), Amber},
			{Body, Spec{Without: "secret"}, &safehttp.Visit{Status: 200, Body: []byte("all"), Cut: true}, Unknown},
			{Link, Spec{}, with(200, ""), Green},
			{Link, Spec{}, &safehttp.Visit{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(`<form method=post action="http://x.example/">`)}, Amber},
		} {
			target := fmt.Sprintf("https://www.ours.example/%d", n)
			l.set(target, x.v)
			id := l.add("", x.kind, target, x.spec)
			l.run()
			p := l.get(id)
			if p.State != x.want {
				l.Errorf("%d %s %+v: %s, want %s", n, x.kind, x.spec, p.State, x.want)
			}
			l.must(func(ctx context.Context, tx *db.Tx) error {
				list, err := Results(ctx, tx, id, 1)
				if err != nil || len(list) != 1 || list[0].Hash == "" || (list[0].Why == "") != (x.want == Green) {
					l.Errorf("%d: %+v, %v", n, list, err)
				}
				if sum := sha256.Sum256(list[0].Evidence); x.kind != Link && hex.EncodeToString(sum[:]) != list[0].Hash {
					l.Errorf("%d: the hash is not of the evidence", n)
				}
				return Stop(ctx, tx, id, "staff:zara")
			})
		}
	})
}

// What belongs to nobody that we know is never asked; a redirect there is reported.
func TestOnlyConfirmedHostsAreAsked(t *testing.T) {
	each(t, func(l *lab) {
		l.set("https://other.example/", good())
		id := l.add("case1", Link, "https://other.example/", Spec{})
		l.run()
		if asked, _ := l.took(); asked != "" || l.get(id).State != New {
			l.Errorf("a host that nobody named was asked: %s", asked)
		}
		l.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := AddHost(ctx, tx, "other.example", "staff:zara")
			return err
		})
		l.run()
		if asked, _ := l.took(); asked != "" {
			l.Errorf("a host that is only named was asked: %s", asked)
		}
		if err := l.w.Confirm(l.Context(), "other.example", "staff:zara"); !fail.Is(err, fail.Conflict) {
			l.Errorf("confirmed by nothing: %v", err)
		}
		l.took()
		l.own("www.ours.example")
		l.set(page, &safehttp.Visit{Status: 302, Header: http.Header{"Location": {"https://other.example/"}}})
		away := l.add("case2", Link, page, Spec{})
		l.run()
		if asked, _ := l.took(); asked != page || l.get(away).State != Amber {
			l.Errorf("asked %q, %s", asked, l.get(away).State)
		}
		l.set(page, &safehttp.Visit{Status: 302, Header: http.Header{"Location": {"http://other.example/"}}})
		for range 2 {
			l.later(time.Hour)
			l.run()
		}
		if asked, _ := l.took(); strings.Contains(asked, "other.example") || l.get(away).State != Red {
			l.Errorf("to http on a host that is not ours: asked %q, %s", asked, l.get(away).State)
		}
	})
}

func TestHostsAreConfirmedAndLost(t *testing.T) {
	each(t, func(l *lab) {
		var h *Host
		l.must(func(ctx context.Context, tx *db.Tx) (err error) {
			h, err = AddHost(ctx, tx, "WWW.ours.example.", "staff:zara")
			return err
		})
		file := "https://www.ours.example" + wellKnown
		for name, v := range map[string]*safehttp.Visit{
			"another token":     {Status: 200, Body: []byte("x" + h.Token)},
			"a page around it":  {Status: 200, Body: []byte("<p>" + h.Token + "</p>")},
			"not found":         {Status: 404, Body: []byte(h.Token)},
			"a redirect":        {Status: 302, Body: []byte(h.Token), Header: http.Header{"Location": {"https://x.example/"}}},
			"a bad certificate": {Status: 200, Body: []byte(h.Token), Faults: []safehttp.Fault{safehttp.WrongHost}},
		} {
			l.set(file, v)
			if err := l.w.Confirm(l.Context(), "www.ours.example", "staff:zara"); !fail.Is(err, fail.Conflict) {
				l.Errorf("%s: %v", name, err)
			}
		}
		l.set(file, &safehttp.Visit{Status: 200, Body: []byte(h.Token + "\n")})
		if err := l.w.Confirm(l.Context(), "www.ours.example", "staff:zara"); err != nil {
			l.Fatal(err)
		}
		confirmed := func() (h *Host) {
			l.must(func(ctx context.Context, tx *db.Tx) (err error) {
				h, err = GetHost(ctx, tx, "www.ours.example")
				return err
			})
			return h
		}
		if h = confirmed(); h.How != "file" || h.Confirmed.IsZero() {
			l.Errorf("%+v", h)
		}
		l.took()
		l.run()
		if asked, _ := l.took(); asked != "" {
			l.Errorf("asked again at once: %s", asked)
		}
		l.set(file, nil)
		l.later(recheck)
		l.run()
		if h = confirmed(); h.Failed.IsZero() || h.Confirmed.IsZero() {
			l.Errorf("after it failed once: %+v", h)
		}
		l.set(file, &safehttp.Visit{Status: 200, Body: []byte(h.Token)})
		l.later(day)
		l.run()
		if h = confirmed(); !h.Failed.IsZero() || h.Confirmed.IsZero() {
			l.Errorf("after it was there again: %+v", h)
		}
		l.set(file, nil)
		for range 10 {
			l.later(recheck / 4)
			l.run()
		}
		if h = confirmed(); !h.Confirmed.IsZero() {
			l.Errorf("after it was gone for a week: %+v", h)
		}
		for _, bad := range []string{"", "localhost", "a b.example", "https://a.example", "a.example/x", "a.example:8443", "127.0.0.1:1"} {
			if err := l.d.Update(l.Context(), func(tx *db.Tx) error { _, err := AddHost(l.Context(), tx, bad, "x"); return err }); !fail.Is(err, fail.Invalid) {
				l.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// Two nodes at once: each probe is looked at once, red is said once, and no host is
// asked twice within ten seconds.
func TestTwoNodes(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		l.own("two.ours.example")
		for n := range 6 {
			for _, h := range []string{"www.ours.example", "two.ours.example"} {
				target := fmt.Sprintf("https://%s/%d", h, n)
				l.set(target, good())
				l.add("case", Status, target, Spec{Status: 404})
			}
		}
		second := l.watch()
		both := func() {
			var wg sync.WaitGroup
			for _, w := range []*Watch{l.w, second} {
				wg.Go(func() {
					if err := w.Run(l.Context()); err != nil {
						l.Error(err)
					}
				})
			}
			wg.Wait()
		}
		both()
		if asked, heard := l.took(); strings.Count(asked, "https:") != 12 || heard != "" {
			l.Errorf("asked %s, heard %q", asked, heard)
		}
		l.later(time.Hour)
		l.when = map[string]int{}
		begin := l.now
		both()
		if asked, heard := l.took(); strings.Count(asked, "https:") != 12 || strings.Count(heard, "red case") != 12 {
			l.Errorf("asked %s, heard %q", asked, heard)
		}
		// Each of the six looks at a host had its turn: that took five waits at least.
		for host, n := range map[string]int{"www.ours.example": l.when["www.ours.example"], "two.ours.example": l.when["two.ours.example"]} {
			if took := l.now.Sub(begin); n != 6 || took < 5*apart {
				l.Errorf("%s was asked %d times in %v", host, n, took)
			}
		}
	})
}

func TestAHostIsAskedOnceInTenSeconds(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		l.own("two.ours.example")
		l.later(apart)
		var waited []time.Duration
		l.w.o.Wait = func(_ context.Context, d time.Duration) error { waited = append(waited, d); l.later(d); return nil }
		for n, x := range []struct {
			host string
			pass time.Duration
			want int
		}{{"www.ours.example", 0, 0}, {"two.ours.example", 0, 0}, {"www.ours.example", 4 * time.Second, 1}, {"www.ours.example", apart, 1}} {
			l.later(x.pass)
			if err := l.w.slot(l.Context(), x.host, true); err != nil || len(waited) != x.want {
				l.Errorf("%d: %v, waited %v", n, err, waited)
			}
		}
		if waited[0] != 6*time.Second {
			l.Errorf("waited %v", waited)
		}
	})
}

// A hook that fails undoes the turn with it; the next look tells it.
func TestTheTurnAndItsHookAreOne(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		l.set(page, good())
		id := l.add("", Status, page, Spec{Status: 404})
		l.run()
		l.later(time.Hour)
		l.mu.Lock()
		l.hook = errors.New("away")
		l.mu.Unlock()
		if err := l.w.Run(l.Context()); err == nil || l.get(id).State != Amber {
			l.Errorf("%v, %s", err, l.get(id).State)
		}
		l.mu.Lock()
		l.hook = nil
		l.mu.Unlock()
		l.run() // another run holds it still
		if _, heard := l.took(); heard != "" {
			l.Error(heard)
		}
		l.later(lease)
		l.run()
		if _, heard := l.took(); heard != "alarm " || l.get(id).State != Red {
			l.Errorf("%q, %s", heard, l.get(id).State)
		}
		l.set(page, &safehttp.Visit{Status: 404})
		l.later(time.Hour)
		l.run()
		if _, heard := l.took(); heard != "calm " {
			l.Errorf("%q", heard)
		}
	})
}

func TestLists(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		a, b := l.add("case1", Link, page, Spec{}), l.add("", Link, page, Spec{})
		l.must(func(ctx context.Context, tx *db.Tx) error {
			of, _ := Of(ctx, tx, "case1")
			none, _ := Of(ctx, tx, "")
			alone, _ := Standing(ctx, tx)
			due, err := Due(ctx, tx, 10)
			if len(of) != 1 || of[0].ID != a || len(none) != 0 || len(alone) != 1 || alone[0].ID != b || len(due) != 2 {
				l.Errorf("%v %v %v %v", of, none, alone, due)
			}
			return err
		})
		l.must(func(ctx context.Context, tx *db.Tx) error { return Stop(ctx, tx, a, "staff:zara") })
		l.set(page, good())
		l.run()
		if l.get(a).State != New || l.get(b).State != Green {
			l.Errorf("%s, %s", l.get(a).State, l.get(b).State)
		}
		if err := l.d.Update(l.Context(), func(tx *db.Tx) error { return Stop(l.Context(), tx, a, "staff:zara") }); !fail.Is(err, fail.NotFound) {
			l.Errorf("stopped twice: %v", err)
		}
		// Who has no time left gives back what was not looked at.
		l.set(page, nil)
		l.later(day)
		ctx, cancel := context.WithCancel(l.Context())
		l.w.o.Wait = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
		l.add("", Link, page, Spec{})
		l.w.Run(ctx)
		l.must(func(ctx context.Context, tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM probes WHERE lease_until > 0`)
			if n != 0 {
				l.Errorf("%d are still held", n)
			}
			return err
		})
	})
}

// A probe that finds nothing out, three times in a row, is said once: until it sees again,
// and not of one that is known to be broken.
func TestAProbeThatSeesNothingIsTold(t *testing.T) {
	each(t, func(l *lab) {
		l.own("www.ours.example")
		l.set(page, good())
		id := l.add("case1", Body, page, Spec{Contains: "well"})
		for i, s := range []struct {
			page *safehttp.Visit
			want State
			hear string
		}{
			{good(), Green, ""}, {nil, Unknown, ""}, {nil, Unknown, ""}, {nil, Unknown, "blind case1"}, {nil, Unknown, ""}, {good(), Green, ""},
			{nil, Unknown, ""}, {nil, Unknown, ""}, {good(), Green, ""}, {nil, Unknown, ""}, {nil, Unknown, ""}, {nil, Unknown, "blind case1"},
			{&safehttp.Visit{Status: 200}, Amber, ""}, {&safehttp.Visit{Status: 200}, Red, "red case1"}, {nil, Red, ""}, {nil, Red, ""}, {nil, Red, ""}, {nil, Red, ""},
		} {
			l.set(page, s.page)
			l.later(time.Hour)
			l.run()
			if _, heard := l.took(); l.get(id).State != s.want || heard != s.hear {
				l.Errorf("%d: %s, heard %q, want %s and %q", i, l.get(id).State, heard, s.want, s.hear)
			}
		}
	})
}
