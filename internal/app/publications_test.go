package app

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/gpgtest"
	"postern/internal/publications"
)

// TestSecurityTxtIsServed: where RFC 9116 wants it, as it wants it, signed, and the
// old place leads there; the doctor looks at the same.
func TestSecurityTxtIsServed(t *testing.T) {
	p := openPages(t, "")
	if _, err := p.d.boxes.Add(t.Context(), audit.System, "Security", "security@northmere.example", true); err != nil {
		t.Fatal(err)
	}
	w := p.do("", http.MethodGet, "/.well-known/security.txt", nil)
	if k := w.Header().Get("Content-Type"); w.Code != http.StatusOK || k != "text/plain; charset=utf-8" {
		t.Fatalf("%d, %q", w.Code, k)
	}
	g := gpgtest.New(t)
	g.Import(p.d.boxes.All()[0].Secret.Public().Armored())
	plain, status, err := g.Decrypt(w.Body.Bytes())
	if err != nil || !status.Has("GOODSIG") {
		t.Fatalf("gpg: %v, %s", err, status)
	}
	for _, want := range []string{"Contact: https://localhost:8443/report\r\nContact: mailto:security@northmere.example\r\n", "Canonical: https://localhost:8443/.well-known/security.txt"} {
		if !strings.Contains(strings.ReplaceAll(string(plain), "\n", "\r\n"), want) && !strings.Contains(string(plain), want) {
			t.Errorf("no %q in %q", want, plain)
		}
	}
	if w := p.do("", http.MethodGet, "/security.txt", nil); w.Code != http.StatusFound || w.Header().Get("Location") != "/.well-known/security.txt" {
		t.Errorf("the old place: %d, %q", w.Code, w.Header().Get("Location"))
	}
	if c := checkSecurityTxt(p.d.cfg, p.d.db, p.d.boxes); c.State != "good" {
		t.Errorf("the doctor: %+v", c)
	}
	plainly := *p.d.cfg
	plainly.URL = "http://localhost"
	if c := checkSecurityTxt(&plainly, p.d.db, p.d.boxes); c.State != "bad" || c.Mend == "" {
		t.Errorf("the doctor, of a site in clear: %+v", c)
	}
}

// openedAt is a desk on a clock that the test moves.
func openedAt(t *testing.T, start time.Time) (*pages, func(time.Duration)) {
	now := start
	p := openPagesAt(t, "", func() time.Time { return now })
	return p, func(d time.Duration) { now = now.Add(d) }
}

func TestSecurityTxtIsServedForYears(t *testing.T) {
	p, later := openedAt(t, time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC))
	for range 24 {
		w := p.do("", http.MethodGet, "/.well-known/security.txt", nil)
		if problem, err := publications.CheckSecurityTxt(w.Body.Bytes(), "https://localhost:8443/.well-known/security.txt", p.d.boxes.All()[0].Secret.Public(), p.d.db.Now()); problem != publications.Sound {
			t.Fatal(p.d.db.Now(), problem, err)
		}
		later(31 * 24 * time.Hour)
	}
}
