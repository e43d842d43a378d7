package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/fail"
)

func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFailuresBecomePages(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		has    string
	}{
		{fail.New(fail.Invalid, "the date is in the past"), 422, "The date is in the past."},
		{fail.New(fail.Denied, "only an admin may"), 403, "This is not open to you"},
		{fail.New(fail.NotFound, "there is no such case"), 404, "There is no such case."},
		{fail.New(fail.Conflict, "somebody was first"), 409, "Something changed in between"},
		{fail.New(fail.TooMany, "slow down"), 429, "Too many tries"},
		{fail.New(fail.Unavailable, "the database is away"), 503, "Not available just now"},
		{fail.New(fail.Full, "the disk is full"), 507, "No room left"},
		{&http.MaxBytesError{Limit: 1}, 413, "too large"},
		{errors.New("SELECT secret FROM hidden"), 500, "It is our fault"},
	} {
		h := Headers(Handler(func(http.ResponseWriter, *http.Request) error { return c.err }), Options{Org: Org{Name: "Northmere Savings", Phone: "0555 0100"}})
		w := get(h, "GET", "/x")
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.has) || !strings.Contains(body, "Northmere Savings") {
			t.Errorf("%v: %d %s", c.err, w.Code, body)
		}
		if strings.Contains(body, "SELECT") {
			t.Errorf("the cause is on the page: %s", body)
		}
		if again := w.Header().Get("Retry-After") != ""; again != (c.status == 429 || c.status == 503 || c.status == 507) {
			t.Errorf("%d: Retry-After %v", c.status, again)
		}
		w = get(h, "GET", "/x", "Accept", "application/json")
		var a struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Error == "" || w.Code != c.status {
			t.Errorf("%v as JSON: %d %s", c.err, w.Code, w.Body)
		}
	}
}

func TestPanicBecomesAPage(t *testing.T) {
	w := get(Handler(func(http.ResponseWriter, *http.Request) error { panic("boom") }), "GET", "/x")
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") || !strings.Contains(w.Body.String(), "class=\"code\"") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHeaders(t *testing.T) {
	ok := Handler(func(w http.ResponseWriter, r *http.Request) error { return JSON(w, 1) })
	h := get(Headers(ok, Options{HSTS: true}), "GET", "/").Header()
	for name, want := range map[string]string{
		"Content-Security-Policy":      "default-src 'none'",
		"Strict-Transport-Security":    "max-age=63072000",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp",
		"Cache-Control":                "no-store",
	} {
		if !strings.HasPrefix(h.Get(name), want) {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if p := h.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || strings.Contains(p, "frame-src") || !strings.Contains(p, "trusted-types 'none'") {
		t.Errorf("public policy: %s", p)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	h := Headers(Handler(func(w http.ResponseWriter, r *http.Request) error { return JSON(w, 1) }), Options{})
	for _, c := range []struct {
		site string
		want int
	}{{"cross-site", 403}, {"same-site", 403}, {"same-origin", 200}, {"none", 200}} {
		if w := get(h, "POST", "/x", "Sec-Fetch-Site", c.site); w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.site, w.Code, c.want)
		}
	}
	if w := get(h, "POST", "/x", "Origin", "https://evil.example"); w.Code != 403 {
		t.Errorf("foreign origin: %d", w.Code)
	}
}

func TestFrameAllowsOnlyItsOwnStyle(t *testing.T) {
	sum := sha256.Sum256([]byte(frameStyle))
	if got := "sha256-" + base64.StdEncoding.EncodeToString(sum[:]); got != frameHash {
		t.Errorf("frameHash should be %s", got)
	}
	h := Handler(func(w http.ResponseWriter, r *http.Request) error { return RenderFrame(w, r, "<p>Hello</p>") })
	w := get(Headers(h, Options{Staff: true}), "GET", "/x")
	if !strings.Contains(w.Body.String(), "<style>"+frameStyle+"</style>") || !strings.Contains(w.Body.String(), "<p>Hello</p>") {
		t.Errorf("frame: %s", w.Body)
	}
	if p := w.Header().Get("Content-Security-Policy"); !strings.Contains(p, "sandbox") || !strings.Contains(p, "frame-ancestors 'self'") {
		t.Errorf("policy of the frame: %s", p)
	}
}

func TestStatic(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /static/{hash}/{name}", Static)
	url, err := Asset("postern.css")
	if err != nil {
		t.Fatal(err)
	}
	w := get(mux, "GET", url, "Accept-Encoding", "br, gzip")
	if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || !bytes.Contains(plain, []byte("light-dark(")) {
		t.Error("the style sheet is not in there")
	}
	if w := get(mux, "GET", "/static/old/postern.css"); w.Code != 200 || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("old address: %d %v", w.Code, w.Header())
	}
	if w := get(mux, "GET", strings.Replace(url, "postern.css", "secret.txt", 1)); w.Code != 404 {
		t.Errorf("no such file: %d", w.Code)
	}
}

func TestGzipOnlyWhereItTellsNothing(t *testing.T) {
	h := Handler(func(w http.ResponseWriter, r *http.Request) error {
		writePage(w, r, 200, bytes.Repeat([]byte("page "), 1000))
		return nil
	})
	lengths := map[int]bool{}
	for range 40 {
		lengths[get(h, "GET", "/", "Accept-Encoding", "gzip").Body.Len()] = true
	}
	if len(lengths) < 5 {
		t.Errorf("the same page has only %d lengths", len(lengths))
	}
	if w := get(h, "GET", "/", "Accept-Encoding", "gzip", "Sec-Fetch-Site", "cross-site"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for another site")
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Brandt":                            "Ada Brandt",
		"✔ Verified 🔒 Ada ✅":                    "Verified Ada",
		"🛡️ Ada\u202egnp.exe":                   "Adagnp.exe",
		"a\r\nBcc: b":                           "a Bcc: b",
		"Ⓥ √ ☑ ok":                              "ok",
		"نور الشامي":                            "نور الشامي",
		"می\u200cخواهم":                         "می\u200cخواهم",
		"Leïla  Haddad\u00a0™":                  "Leïla Haddad ™",
		"\u2066\u200bx\ufeff":                   "x",
		"e\u0301\u0301\u0301\u0301\u0301\u0301": "e\u0301\u0301\u0301",
		"3 < 4 + 1":                             "3 < 4 + 1",
		"👍🏽":                                    "",
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
	if got := []rune(Plain(strings.Repeat("x", 1<<20))); len(got) != plainMax+1 {
		t.Errorf("a long subject becomes %d letters", len(got))
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("✔ Verified 🔒 Ada\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		p := Plain(s)
		if Plain(p) != p {
			t.Errorf("%q: twice is not once: %q, %q", s, p, Plain(p))
		}
		if strings.ContainsAny(p, "✔✓☑✅🔒🛡\u202e\u2066\n\r\x00") {
			t.Errorf("%q became %q", s, p)
		}
	})
}

// TestTrustWords is the vocabulary; a change here is a change of what people were taught.
func TestTrustWords(t *testing.T) {
	c := Clock{Now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	may := c.When(time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC))
	for want, got := range map[string]Trust{
		"checked: Signed by Ada’s key — checked by call-back, 3 May": TrustChecked("Ada Brandt", "call-back", may),
		"checked: Signed by their key — checked by letter, 3 May":    TrustChecked("✔", "letter", may),
		"unchecked: Signed — key not checked yet":                    TrustUnchecked(),
		"other: Signed with a different key":                         TrustOther(),
		"part: Part of this message is signed":                       TrustPart(),
		"usual: Usually signs; this one is not":                      TrustUsual(),
		"none: Not signed":                                           TrustNone(),
		"none: Signature could not be verified":                      TrustFailed(),
		"sent: Sent in the portal":                                   TrustSent(),
	} {
		if s := got.Class + ": " + got.Words; s != want {
			t.Errorf("%q, want %q", s, want)
		}
		if (got.Icon == "checked") != (got.Class == "checked") {
			t.Errorf("%q has the check mark", got.Words)
		}
	}
}

func TestProtectionWords(t *testing.T) {
	c := Clock{Now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	may := c.When(time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC))
	for want, got := range map[string]Protection{
		"Encrypted to key …7C1E 2A90, checked 3 May": GoesEncrypted("d4f011b893ac0e6a5c7761e20b1d48f37c1e2a90", may),
		"Secure portal: they have no key":            GoesByPortal("they have no key"),
		"Readable on the way: routine":               GoesSigned("routine"),
		"Readable on the way (their choice, 3 May)":  GoesOpted(may),
		"Readable on the way (their choice)":         GoesOpted(When{}),
		"Blocked: no number":                         GoesNowhere("no number"),
	} {
		if s := got.Lead + got.Rest; s != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
	for class, want := range map[string]string{"encrypted": "go Send encrypted", "portal": "go Send by portal", "signed": "open Send unprotected", "opted-out": "open Send unprotected"} {
		if s := SendFor(class, false); s.Class+" "+s.Label != want || s.Blocked {
			t.Errorf("%s: %+v, want %q", class, s, want)
		}
	}
	if !SendFor("blocked", false).Blocked {
		t.Error("a blocked message could be sent")
	}
}

func TestWhen(t *testing.T) {
	c := Clock{Now: time.Date(2026, 11, 22, 7, 20, 0, 0, time.UTC), Zone: time.FixedZone("CET", 3600)}
	at := func(s string) When {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return c.When(v)
	}
	for in, want := range map[string]string{
		"2026-11-22T06:48:00Z": "Today 7:48 | 22 November 2026, 7:48 UTC+1 | 32 min",
		"2026-11-21T23:30:00Z": "Today 0:30 | 22 November 2026, 0:30 UTC+1 | 7 h",
		"2026-11-21T16:02:00Z": "Yesterday 17:02 | 21 November 2026, 17:02 UTC+1 | 15 h",
		"2026-11-23T08:00:00Z": "Tomorrow 9:00 | 23 November 2026, 9:00 UTC+1 | 24 h",
		"2026-05-03T08:00:00Z": "3 May | 3 May 2026, 9:00 UTC+1 | 202 days",
		"2025-05-03T08:00:00Z": "3 May 2025 | 3 May 2025, 9:00 UTC+1 | 567 days",
	} {
		w := at(in)
		if got := w.Short() + " | " + w.Full() + " | " + w.Age(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if w := c.When(time.Time{}); w.Short()+w.Full()+w.Age()+w.Date()+w.Brief() != "" || timeTag(w, "x") != "" {
		t.Error("no time shows as one")
	}
}
