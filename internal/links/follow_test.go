package links

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

// authority signs certificates of the test's hosts.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

// leaf is a certificate for the loopback address, changed by one thing.
func (a *authority) leaf(change func(*x509.Certificate), selfSigned bool) tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().AddDate(0, -6, 0), NotAfter: time.Now().AddDate(0, 6, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if change != nil {
		change(tmpl)
	}
	parent, by := a.cert, a.key
	if selfSigned {
		parent, by = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) serve(c tls.Certificate, change func(*tls.Config), h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	if change != nil {
		change(s.TLS)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s
}

func (a *authority) checker(own ...string) *Checker {
	v := safehttp.NewVisitor(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: a.pool, Timeout: 5 * time.Second})
	j := NewJudge(append(own, "127.0.0.1"), []string{"listed.example"})
	return NewChecker(v.Get, func() *Judge { return j }, time.Now)
}

const year = "max-age=31536000; includeSubDomains"

func rows(r *Report) (out []string) {
	for _, f := range r.Findings {
		out = append(out, fmt.Sprint(f.Grade, " ", f.Row, " ", f.Kind))
	}
	return out
}

// expect wants a finding of that grade and row ("" for none that is more than a note).
func expect(t *testing.T, name string, r *Report, want string) {
	t.Helper()
	got := rows(r)
	if want != "" && !slices.Contains(got, want) {
		t.Errorf("%s: %q (%s), want %q", name, got, r.Verdict, want)
	}
	grade, _, _ := strings.Cut(want, " ")
	verdict := map[string]Verdict{"": Green, "info": Green, "warn": Amber, "block": Red}[grade]
	if strings.HasSuffix(want, " unknown") {
		verdict = Nothing
	}
	if r.Verdict != verdict {
		t.Errorf("%s: %s %q, want %s", name, r.Verdict, got, verdict)
	}
	if r.Hash == "" || r.At.IsZero() || len(r.Chain) == 0 {
		t.Errorf("%s: no evidence: %+v", name, r)
	}
}

// TestPages has every row that is seen on a page or in a redirect, with a page beside it
// that differs by one change and is green.
func TestPages(t *testing.T) {
	a := newAuthority(t)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, r.URL.Query().Get("body"))
	}))
	defer plain.Close()
	var body, header, location string
	s := a.serve(a.leaf(nil, false), nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", year)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		switch {
		case r.URL.Path == "/end":
			io.WriteString(w, "the end")
		case r.URL.Path == "/hop" || r.URL.Path == "/":
			if location != "" {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusFound)
			} else {
				io.WriteString(w, body)
			}
		default:
			http.NotFound(w, r)
		}
	})
	c := a.checker()
	for _, x := range []struct{ name, body, header, location, want string }{
		{name: "nothing to say", body: "<p>hello</p>", want: ""},
		{name: "2 to http", location: plain.URL + "/", want: "block 2 downgrade"},
		{name: "2 to https", location: "/end", want: ""},
		{name: "21 to another program", location: "file:///etc/passwd", want: "block 21 scheme"},
		{name: "16 to a userinfo", location: "https://a@127.0.0.1/", want: "block 16 userinfo"},
		{name: "no Location that can be read", location: "https://%zz", want: "warn 24 unknown"},
		{name: "round and round", location: "/hop", want: "warn 19 unknown"},
		{name: "5 to http", body: `<form method=post action="http://127.0.0.1/x"><input name=email></form>`, want: "block 5 clearform"},
		{name: "5 to https", body: `<form method=post action="https://127.0.0.1/x"><input name=email></form>`, want: ""},
		{name: "5 by mail", body: `<form method=post action="mailto:x@y.example">`, want: "warn 5 clearform"},
		{name: "6 base", body: `<base href="http://127.0.0.1/"><form method=post action="x"></form>`, want: "block 6 clearform"},
		{name: "6 base of its own", body: `<base href="/deep/"><form method=post action="x"></form>`, want: ""},
		{name: "6 no action", body: `<base href="http://127.0.0.1/"><form method=post></form>`, want: "block 6 clearform"},
		{name: "7 formaction", body: `<form method=post action="/x"><button formaction="http://127.0.0.1/y">send</button></form>`, want: "block 7 clearform"},
		{name: "7 formaction, https", body: `<form method=post action="/x"><button formaction="/y">send</button></form>`, want: ""},
		{name: "7 GET with personal fields", body: `<form action="/x"><input type=email name=q></form>`, want: "warn 7 openfields"},
		{name: "7 GET without", body: `<form action="/x"><input name=q></form>`, want: ""},
		{name: "8 fetch", body: `<script>fetch("http://127.0.0.1/x", {method: "POST"})</script>`, want: "warn 8 scriptpost"},
		{name: "8 fetch, https", body: `<script>fetch("https://127.0.0.1/x", {method: "POST"})</script>`, want: ""},
		{name: "8 built form", body: `<script>f.action = "http://127.0.0.1/x"; f.submit()</script>`, want: "warn 8 scriptpost"},
		{name: "8 built form, forbidden", body: `<script>f.action = "http://127.0.0.1/x"; f.submit()</script>`, header: "Content-Security-Policy: form-action 'self'", want: "info 8 scriptpost"},
		{name: "9 frame", body: `<iframe src="http://127.0.0.1/"></iframe>`, want: "block 9 mixed"},
		{name: "9 script", body: `<script src="http://127.0.0.1/"></script>`, want: "block 9 mixed"},
		{name: "9 style", body: `<link rel=stylesheet href="http://127.0.0.1/">`, want: "block 9 mixed"},
		{name: "9 picture", body: `<img src="http://127.0.0.1/">`, want: "warn 9 mixed"},
		{name: "9 picture, https", body: `<img src="/x.png"><script src="//127.0.0.1/x.js"></script>`, want: ""},
		{name: "9 upgraded", body: `<img src="http://127.0.0.1/">`, header: "Content-Security-Policy: upgrade-insecure-requests", want: "info 9 mixed"},
		{name: "9 in a style", body: `<style>body { background: url(http://127.0.0.1/x.png) }</style>`, want: "warn 9 mixed"},
		{name: "10 refresh", body: `<meta http-equiv="Refresh" content="0; url=http://127.0.0.1/">`, want: "block 10 refresh"},
		{name: "10 refresh, blank before url", body: `<meta http-equiv="refresh" content="0 url=http://127.0.0.1/">`, want: "block 10 refresh"},
		{name: "10 refresh, blank alone", body: `<meta http-equiv="refresh" content="0 http://127.0.0.1/">`, want: "block 10 refresh"},
		{name: "10 refresh, comma", body: `<meta http-equiv="refresh" content="0, URL = 'http://127.0.0.1/'">`, want: "block 10 refresh"},
		{name: "10 refresh of itself", body: `<meta http-equiv="refresh" content="30">`, want: ""},
		{name: "10 refresh, https", body: `<meta http-equiv="refresh" content="0;url='/end'">`, want: ""},
		{name: "10 script", body: `<script>window.location.href = 'http://127.0.0.1/'</script>`, want: "block 10 refresh"},
		{name: "10 script, https", body: `<script>window.location.href = '/end'</script>`, want: ""},
		{name: "10 by a button", body: `<button onclick="location.assign('http://127.0.0.1/')">`, want: "block 10 refresh"},
		{name: "13 no HSTS", header: "Strict-Transport-Security: ", want: "warn 13 hsts"},
		{name: "13 a month", header: "Strict-Transport-Security: max-age=2592000; includeSubDomains", want: "warn 13 hsts"},
		{name: "13 zero", header: "Strict-Transport-Security: max-age=0; includeSubDomains", want: "warn 13 hsts"},
		{name: "13 not below", header: "Strict-Transport-Security: max-age=31536000", want: "warn 13 hsts"},
		{name: "22 a form to strangers", body: `<form method=post action="https://stranger.example/x">`, want: "warn 22 stranger"},
		{name: "22 a form to listed ones", body: `<form method=post action="https://eu.listed.example/x">`, want: ""},
		{name: "24 UTF-16", header: "Content-Type: text/html; charset=utf-16", body: "x", want: "warn 24 unknown"},
		{name: "24 packed", header: "Content-Encoding: br", body: "x", want: "warn 24 unknown"},
		{name: "no page", header: "Content-Type: image/png", body: `<form action="http://x.example">`, want: ""},
		{name: "24 longer than we read", body: strings.Repeat("x", safehttp.MaxPage+1), want: "warn 24 unreadable"},
	} {
		body, header, location = x.body, x.header, x.location
		expect(t, x.name, c.Follow(t.Context(), s.URL+"/"), x.want)
	}
	body, header, location = "x", "", ""
	expect(t, "24 gone", c.Follow(t.Context(), s.URL+"/gone"), "warn 24 gone")
	expect(t, "23 secret, no policy", c.Follow(t.Context(), s.URL+"/?token=abcdefgh"), "warn 23 secret")
	header = "Referrer-Policy: no-referrer"
	expect(t, "23 secret, policy", c.Follow(t.Context(), s.URL+"/?token=abcdefgh"), "")
	header, location = "", s.URL+"/end"
	to3 := httptest.NewServer(http.RedirectHandler(s.URL+"/end", http.StatusMovedPermanently))
	defer to3.Close()
	expect(t, "3 http to https", c.Follow(t.Context(), to3.URL), "warn 3 upgraded")
	expect(t, "1 http stays", c.Follow(t.Context(), plain.URL), "block 1 clear")
	location = plain.URL + "/?body=" + "%3Cform%20method=post%3E%3Cinput%3E%3C/form%3E"
	r := c.Follow(t.Context(), s.URL)
	expect(t, "4 form in clear", r, "block 4 clearform")
	expect(t, "6 no action on a page in clear", r, "block 6 clearform")
	if len(r.Forms) != 1 || len(r.Chain) != 2 || r.Chain[0].Status != 302 || r.Chain[0].TLS != "TLS 1.3" || r.Cert == nil {
		t.Errorf("the evidence: %+v", r)
	}
}

func TestCertificates(t *testing.T) {
	a := newAuthority(t)
	good := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", year)
		w.Header().Set("Content-Type", "text/plain")
	}
	in := func(days int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, days).Add(time.Hour) }
	}
	for _, x := range []struct {
		name  string
		cert  tls.Certificate
		conf  func(*tls.Config)
		want  string
		fault safehttp.Fault
	}{
		{"good", a.leaf(nil, false), nil, "", ""},
		{"expired", a.leaf(in(-1), false), nil, "block 11 certificate", safehttp.Expired},
		{"wrong host", a.leaf(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example"} }, false), nil, "block 11 certificate", safehttp.WrongHost},
		{"self-signed", a.leaf(nil, true), nil, "block 11 certificate", safehttp.SelfSigned},
		{"signed by a stranger", newAuthority(t).leaf(nil, false), nil, "block 11 certificate", safehttp.Untrusted},
		{"13 days left", a.leaf(in(13), false), nil, "block 11 certificate", ""},
		{"15 days left", a.leaf(in(15), false), nil, "", ""},
		{"4 days left of 6", a.leaf(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, 4)
		}, false), nil, "", ""},
		{"TLS 1.1", a.leaf(nil, false), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "warn 12 tls", ""},
		{"TLS 1.2", a.leaf(nil, false), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "", ""},
	} {
		s := a.serve(x.cert, x.conf, good)
		r := a.checker().Follow(t.Context(), s.URL)
		expect(t, x.name, r, x.want)
		if x.fault != "" && !slices.Contains(r.Cert.Faults, string(x.fault)) {
			t.Errorf("%s: %+v", x.name, r.Cert)
		}
	}
	s := a.serve(a.leaf(in(13), false), nil, good)
	theirs := a.checker()
	theirs.judge = func() *Judge { return &Judge{} }
	expect(t, "13 days left, not ours to renew", theirs.Follow(t.Context(), s.URL), "warn 11 certificate")
}

// web answers from a table instead of the network.
type web map[string]string // address: "status header: value"

func (x web) fetch(_ context.Context, address string) (*safehttp.Visit, error) {
	s, ok := x[address]
	if !ok {
		return nil, fail.New(fail.Unavailable, "the host name was not found")
	}
	var status int
	fmt.Sscan(s, &status)
	v := &safehttp.Visit{Status: status, Header: http.Header{"Strict-Transport-Security": {year}, "Content-Type": {"text/plain"}}, TLS: tls.VersionTLS13}
	if _, to, ok := strings.Cut(s, " "); ok {
		v.Header.Set("Location", to)
	}
	return v, nil
}

func TestRedirectors(t *testing.T) {
	x := web{
		"https://ours.example/":                                 "200",
		"https://mail.ours.example/c/1":                         "302 https://ours.example/",
		"https://track.example/c/1":                             "302 https://ours.example/",
		"https://ours.example/go?u=https://evil.example/":       "302 https://evil.example/",
		"https://ours.example/go?u=https://evil.example/&sig=x": "302 https://evil.example/",
		"https://track.example/go?u=https://evil.example/":      "302 https://evil.example/",
		"https://evil.example/":                                 "200",
		"https://ours.example/list":                             "302 https://listed.example/",
		"https://listed.example/":                               "200",
	}
	j := NewJudge([]string{"ours.example"}, []string{"listed.example"})
	c := NewChecker(x.fetch, func() *Judge { return j }, time.Now)
	for link, want := range map[string]string{
		"https://mail.ours.example/c/1":                         "",
		"https://track.example/c/1":                             "warn 19 redirector",
		"https://ours.example/go?u=https://evil.example/":       "block 19 passon",
		"https://ours.example/go?u=https://evil.example/&sig=x": "warn 19 passon",
		"https://track.example/go?u=https://evil.example/":      "warn 19 passon",
		"https://ours.example/list":                             "info 19 redirector",
		"https://nowhere.example/":                              "warn 24 unknown",
	} {
		expect(t, link, c.Follow(t.Context(), link), want)
	}
}

// Nobody knows is no pass, and no link leads the desk inside.
func TestUnknownIsNoPass(t *testing.T) {
	a := newAuthority(t)
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something inside was asked") }))
	defer inside.Close()
	port := inside.URL[strings.LastIndexByte(inside.URL, ':'):]
	to := ""
	s := a.serve(a.leaf(nil, false), nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", year)
		http.Redirect(w, r, to, http.StatusFound)
	})
	open := safehttp.NewVisitor(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: a.pool})
	strict := safehttp.NewVisitor(safehttp.Options{RootCAs: a.pool, Timeout: 5 * time.Second})
	// Only the first host may be reached: it stands for one out there.
	c := NewChecker(func(ctx context.Context, address string) (*safehttp.Visit, error) {
		if strings.HasPrefix(address, s.URL) {
			return open.Get(ctx, address)
		}
		return strict.Get(ctx, address)
	}, nil, time.Now)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"} {
		for _, scheme := range []string{"http://", "https://"} {
			to = scheme + host + port + "/"
			if r := c.Follow(t.Context(), s.URL); r.Verdict != Nothing && r.Verdict != Red {
				t.Errorf("%s: %s %q", to, r.Verdict, rows(r))
			}
		}
	}
	to = "https://127.0.0.1" + port + "/"
	expect(t, "a redirect inside", c.Follow(t.Context(), s.URL), "block 20 number")
	gone := NewChecker(func(context.Context, string) (*safehttp.Visit, error) { return nil, context.DeadlineExceeded }, nil, time.Now)
	expect(t, "no answer", gone.Follow(t.Context(), "https://x.example/"), "warn 24 unknown")
	expect(t, "an error there", NewChecker(web{"https://x.example/": "503"}.fetch, nil, time.Now).Follow(t.Context(), "https://x.example/"), "warn 24 unknown")
	expect(t, "no https before it", gone.Follow(t.Context(), "www.x.example"), "block 1 clear")
	outside := NewChecker(func(_ context.Context, address string) (*safehttp.Visit, error) {
		if address == "https://y.example/" {
			return nil, fmt.Errorf("%w", ErrOutside)
		}
		return web{"https://x.example/": "302 https://y.example/"}.fetch(t.Context(), address)
	}, nil, time.Now)
	expect(t, "outside", outside.Follow(t.Context(), "https://x.example/"), "warn 19 redirector")
}

func TestReportsAreKeptForAWhile(t *testing.T) {
	now, asked, broken := time.Unix(1e9, 0), 0, false
	c := NewChecker(func(_ context.Context, address string) (*safehttp.Visit, error) {
		asked++
		if broken {
			return nil, errors.New("away")
		}
		return web{address: "200"}.fetch(t.Context(), address)
	}, nil, func() time.Time { return now })
	check := func(link string, want int) {
		t.Helper()
		if c.Check(t.Context(), link); asked != want {
			t.Errorf("asked %d times, want %d", asked, want)
		}
	}
	check("https://a.example/", 1)
	check("https://a.example/", 1)
	now = now.Add(keepGreen)
	broken = true
	check("https://a.example/", 2)
	now = now.Add(keepUnknown - 1)
	check("https://a.example/", 2)
	now = now.Add(1)
	check("https://a.example/", 3)
	for i := range maxKept + 50 {
		c.Check(t.Context(), fmt.Sprintf("https://a.example/%d", i))
	}
	if len(c.kept) > maxKept {
		t.Errorf("%d are kept", len(c.kept))
	}
	asked = 0
	check("https://new.example/", 1)
	c.Again(t.Context(), "https://new.example/")
	if asked != 2 {
		t.Errorf("what was unknown was not asked again: %d", asked)
	}
	broken = false
	c.Again(t.Context(), "https://new.example/")
	c.Again(t.Context(), "https://new.example/")
	if asked != 3 {
		t.Errorf("what is known was asked again: %d", asked)
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{"<form action=x><input name=email>", "<base href='http://x'>", "<meta http-equiv=refresh content='0;url=x'>", "<script>location='http://x'</script>", "<img srcset='a 1x, http://b 2x'>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := NewChecker(func(_ context.Context, address string) (*safehttp.Visit, error) {
			return &safehttp.Visit{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(s), TLS: tls.VersionTLS13}, nil
		}, nil, time.Now)
		if r := c.Follow(t.Context(), "https://x.example/"); r.Verdict == "" || r.Hash == "" || len(r.Chain) > maxHops+2 {
			t.Errorf("%+v", r)
		}
	})
}
