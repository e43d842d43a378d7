package browsertest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/browsertest"
)

const page = `<!doctype html><meta name=viewport content="width=device-width"><title>t</title><p>Hello <noscript>without scripts</noscript></p>
<form method=post action=/say><input id=word name=word><button>Say</button></form>`

func site(t *testing.T) (*httptest.Server, string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'")
		fmt.Fprint(w, page)
	})
	mux.HandleFunc("POST /say", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		fmt.Fprintf(w, "<!doctype html><p>You said %s.", r.FormValue("word"))
	})
	mux.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src *")
		fmt.Fprint(w, `<!doctype html><script>1</script><img src="https://127.0.0.1:1/tracker.png"><p>bad`)
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	sum := sha256.Sum256(s.Certificate().RawSubjectPublicKeyInfo)
	return s, base64.StdEncoding.EncodeToString(sum[:])
}

// soon waits for what arrives behind the page.
func soon(f func() bool) bool {
	for range 50 {
		if f() {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

func TestBrowser(t *testing.T) {
	s, spki := site(t)
	b := browsertest.Start(t, spki)

	t.Run("form without scripts", func(t *testing.T) {
		tab := b.Tab(t, browsertest.NoJS)
		tab.Go(s.URL)
		if !strings.Contains(tab.Text(), "without scripts") {
			t.Errorf("scripts ran: %q", tab.Text())
		}
		tab.Fill("#word", "grüße")
		tab.Click("button")
		tab.Wait("You said grüße.")
		if tab.URL() != s.URL+"/say" {
			t.Errorf("at %s", tab.URL())
		}
		if c, far := tab.Complaints(), tab.Strangers(s.URL); len(c)+len(far) > 0 {
			t.Errorf("complaints %q, strangers %q", c, far)
		}
	})
	t.Run("complaints and strangers are seen", func(t *testing.T) {
		tab := b.Tab(t)
		tab.Go(s.URL + "/bad")
		if !soon(func() bool { return strings.Contains(strings.Join(tab.Complaints(), "\n"), "Content Security Policy") }) {
			t.Errorf("the blocked script was not told: %q", tab.Complaints())
		}
		if !soon(func() bool { return strings.Contains(strings.Join(tab.Strangers(s.URL), "\n"), "tracker.png") }) {
			t.Errorf("the tracker was not told: %q", tab.Strangers(s.URL))
		}
	})
	t.Run("picture", func(t *testing.T) {
		tab, dir := b.Tab(t), t.TempDir()
		tab.Go(s.URL)
		tab.Shot(dir, "home", 390, "dark")
		f, err := os.Open(filepath.Join(dir, "home-390-dark.png"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.DecodeConfig(f)
		if err != nil || img.Width != 390 {
			t.Errorf("%+v, %v", img, err)
		}
	})
}
