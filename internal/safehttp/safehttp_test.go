package safehttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

// trap is a server of this machine that counts who connects.
type trap struct {
	*httptest.Server
	conns atomic.Int32
	roots *x509.CertPool
}

func newTrap(t *testing.T, h http.HandlerFunc) *trap {
	t.Helper()
	s := &trap{Server: httptest.NewUnstartedServer(h), roots: x509.NewCertPool()}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.roots.AddCert(s.Certificate())
	return s
}

func (s *trap) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// open is a client that may reach the trap.
func (s *trap) open(o safehttp.Options) *safehttp.Client {
	o.Allow, o.RootCAs = append(o.Allow, netip.MustParsePrefix("127.0.0.0/8")), s.roots
	return safehttp.New(o)
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func post(t *testing.T, c *safehttp.Client, url string) (*safehttp.Answer, error) {
	t.Helper()
	return c.Do(t.Context(), safehttp.Request{Method: "POST", URL: url, Header: map[string]string{"X-Test": "1"}, Body: []byte("body")})
}

func TestAllowedNetworkIsReached(t *testing.T) {
	var got string
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("X-Test") + " " + string(b)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "hello")
	})
	a, err := post(t, s.open(safehttp.Options{}), s.URL+"/in?token=x")
	if err != nil || a.Status != http.StatusTeapot || string(a.Body) != "hello" || a.Cut {
		t.Errorf("%+v, %v", a, err)
	}
	if want := "POST /in?token=x 1 body"; got != want {
		t.Errorf("the server got %q, want %q", got, want)
	}
}

func TestNothingIsKeptBetweenRequests(t *testing.T) {
	cookies := 0
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) {
		cookies += len(r.Cookies())
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	})
	c := s.open(safehttp.Options{})
	for range 2 {
		if _, err := post(t, c, s.URL); err != nil {
			t.Fatal(err)
		}
	}
	if cookies != 0 || s.conns.Load() != 2 {
		t.Errorf("%d cookies came back, %d connections, want 0 and 2", cookies, s.conns.Load())
	}
}

// FAULTS S21: no connection arrives at the trap, however its address is written.
// Each is dialled: Check is passed by, as by a name that resolves to the same.
func TestS21OwnMachineIsNotReached(t *testing.T) {
	s := newTrap(t, ok)
	c := safehttp.New(safehttp.Options{RootCAs: s.roots, Timeout: 5 * time.Second})
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.1", "localhost", "LOCALHOST", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0177.0.0.1", "0x7f000001", "0x7f.1", "2130706433", "017700000001",
		"127.0.0.1.", "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①"} {
		_, err := post(t, c, "https://"+host+":"+s.port()+"/")
		if !fail.Is(err, fail.Denied) && !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v, want Denied or Invalid", host, err)
		}
	}
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections at the trap, want 0", n)
	}
	if _, err := post(t, s.open(safehttp.Options{}), s.URL); err != nil || s.conns.Load() != 1 {
		t.Errorf("the trap cannot be reached at all: %v, %d connections", err, s.conns.Load())
	}
}

func TestS21RedirectsAreNotFollowed(t *testing.T) {
	second := newTrap(t, ok)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect to http was followed") }))
	defer plain.Close()
	for _, to := range []string{second.URL, plain.URL, "/again", "file:///etc/passwd"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			first := newTrap(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Location", to); w.WriteHeader(status) })
			a, err := post(t, first.open(safehttp.Options{}), first.URL)
			if err != nil || a.Status != status || first.conns.Load() != 1 {
				t.Errorf("%d to %s: %+v, %v", status, to, a, err)
			}
		}
	}
	if n := second.conns.Load(); n != 0 {
		t.Errorf("a redirect to https was followed %d times", n)
	}
}

// The library reads the environment once, so the client runs in a process of its
// own. The proxy may be reached, the target may not: whoever asked the proxy
// would get there.
func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	const child = "POSTERN_TEST_PROXIED"
	if os.Getenv(child) != "" {
		c := safehttp.New(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: 5 * time.Second})
		if _, err := post(t, c, "https://10.0.0.1/"); !fail.Is(err, fail.Denied) {
			t.Errorf("got %v, want Denied by our own dialler", err)
		}
		return
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), child+"=1", "HTTPS_PROXY="+proxy.URL, "https_proxy="+proxy.URL)
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHugeAnswerIsCut(t *testing.T) {
	done := make(chan struct{})
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		for chunk := make([]byte, 1<<20); ; { // without an end: only the reader can end it
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	a, err := post(t, s.open(safehttp.Options{}), s.URL)
	if err != nil || len(a.Body) != safehttp.MaxAnswer || !a.Cut {
		t.Fatalf("%v", err)
	}
	<-done
	exact := newTrap(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, safehttp.MaxAnswer)) })
	if a, err := post(t, exact.open(safehttp.Options{}), exact.URL); err != nil || len(a.Body) != safehttp.MaxAnswer || a.Cut {
		t.Errorf("an answer of exactly the limit was cut; %v", err)
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 100<<10)) })
	if _, err := post(t, s.open(safehttp.Options{}), s.URL); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestSlowAnswersEnd(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := newTrap(t, func(http.ResponseWriter, *http.Request) { <-release })
	if _, err := post(t, silent.open(safehttp.Options{Timeout: 200 * time.Millisecond}), silent.URL); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("no answer: %v", err)
	}
	endless := newTrap(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-release
	})
	a, err := post(t, endless.open(safehttp.Options{Timeout: 500 * time.Millisecond}), endless.URL)
	if err != nil || a.Status != 200 || string(a.Body) != "begun" || !a.Cut {
		t.Errorf("an answer without an end: %+v, %v", a, err)
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never speaks TLS
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := post(t, silent.open(safehttp.Options{Timeout: 200 * time.Millisecond}), "https://"+deaf.Addr().String()); !fail.Is(err, fail.Unavailable) {
		t.Errorf("no handshake: %v", err)
	}
}

func TestCallerMayGiveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newTrap(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, err := s.open(safehttp.Options{}).Do(ctx, safehttp.Request{Method: "POST", URL: s.URL})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestTLSMustBeGood(t *testing.T) {
	s := newTrap(t, ok)
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	strangers := safehttp.New(safehttp.Options{Allow: allow, RootCAs: x509.NewCertPool()})
	if _, err := post(t, strangers, s.URL); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: %v", err)
	}
	if _, err := post(t, s.open(safehttp.Options{}), "https://127.0.0.9:"+s.port()); err == nil {
		t.Error("a certificate for another host was taken")
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	if _, err := post(t, s.open(safehttp.Options{}), old.URL); !fail.Is(err, fail.Unavailable) {
		t.Errorf("TLS 1.1: %v", err)
	}
	plain := httptest.NewServer(http.HandlerFunc(ok))
	defer plain.Close()
	if _, err := post(t, s.open(safehttp.Options{}), strings.Replace(plain.URL, "http:", "https:", 1)); !fail.Is(err, fail.Unavailable) {
		t.Errorf("no TLS at all: %v", err)
	}
}

func TestErrorsDoNotHoldTheAddress(t *testing.T) {
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	c := s.open(safehttp.Options{Timeout: 5 * time.Second})
	for _, url := range []string{s.URL + "/canary", "https://127.0.0.1:1/canary", "https://10.1.2.3/canary", "http://h.example/canary", "https://u:canary@h.example/",
		"https://canary.invalid/canary", "https://127.0.0.9:" + s.port() + "/canary", "https://h.example/%zzcanary"} {
		if _, err := post(t, c, url); err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "127.0.0") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
