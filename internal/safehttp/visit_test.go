package safehttp_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestVisitorLooks(t *testing.T) {
	s := newTrap(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.ContentLength != 0 {
			t.Errorf("%s with %d bytes", r.Method, r.ContentLength)
		}
		w.Header().Set("X-Seen", "1")
		w.WriteHeader(http.StatusFound)
	})
	got, err := safehttp.NewVisitor(safehttp.Options{Allow: loopback(), RootCAs: s.roots}).Get(t.Context(), s.URL+"/a#b")
	if err != nil || got.Status != 302 || got.Header.Get("X-Seen") != "1" || got.TLS == 0 || got.Certificate == nil || got.Address != s.Listener.Addr().String() {
		t.Errorf("%+v, %v", got, err)
	}
	plain := httptest.NewServer(http.HandlerFunc(ok))
	defer plain.Close()
	if got, err := safehttp.NewVisitor(safehttp.Options{Allow: loopback()}).Get(t.Context(), plain.URL); err != nil || got.TLS != 0 || string(got.Body) != "hello" {
		t.Errorf("plain: %+v, %v", got, err)
	}
}

// A host that shows a bad certificate gets no request.
func TestVisitorSaysNothingToABadCertificate(t *testing.T) {
	s := newTrap(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	v := safehttp.NewVisitor(safehttp.Options{Allow: loopback(), RootCAs: s.roots})
	for address, want := range map[string]safehttp.Fault{"https://localhost:" + s.port(): safehttp.WrongHost} {
		if got, err := v.Get(t.Context(), address); err != nil || len(got.Faults) != 1 || got.Faults[0] != want || got.Certificate == nil {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	late := safehttp.NewVisitor(safehttp.Options{Allow: loopback(), RootCAs: s.roots, Now: func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }})
	if got, err := late.Get(t.Context(), s.URL); err != nil || len(got.Faults) != 1 || got.Faults[0] != safehttp.Expired {
		t.Errorf("late: %+v, %v", got, err)
	}
	alone := safehttp.NewVisitor(safehttp.Options{Allow: loopback()})
	if got, err := alone.Get(t.Context(), s.URL); err != nil || len(got.Faults) != 1 || got.Faults[0] != safehttp.SelfSigned {
		t.Errorf("alone: %+v, %v", got, err)
	}
}

// FAULTS S21 for the visitor, over http and https: no writing of an address leads inside.
func TestS21VisitorIsNotLedInside(t *testing.T) {
	s := newTrap(t, ok)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer plain.Close()
	v := safehttp.NewVisitor(safehttp.Options{RootCAs: s.roots, Timeout: 5 * time.Second})
	for _, host := range []string{"127.0.0.1", "127.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0177.0.0.1", "0x7f000001", "2130706433", "127.0.0.1."} {
		for _, address := range []string{"https://" + host + ":" + s.port() + "/", "http://" + host + plain.URL[strings.LastIndexByte(plain.URL, ':'):] + "/"} {
			if _, err := v.Get(t.Context(), address); !fail.Is(err, fail.Denied) && !fail.Is(err, fail.Invalid) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for _, address := range []string{"http://mail.example:25/", "ftp://h.example/", "https://u:p@h.example/", "http:h.example", "https://h.example:0/"} {
		if _, err := v.Get(t.Context(), address); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A name server that answers with a private address, whatever it said before.
func TestS21VisitorGoesByWhatIsDialled(t *testing.T) {
	s := newTrap(t, ok)
	var asked atomic.Int32
	v := safehttp.NewVisitor(safehttp.Options{RootCAs: s.roots, Timeout: 5 * time.Second, Resolver: rebinding(t, &asked)})
	if _, err := v.Get(t.Context(), "https://rebind.example:"+s.port()+"/"); !fail.Is(err, fail.Denied) || asked.Load() == 0 || s.conns.Load() != 0 {
		t.Errorf("%v after %d questions, %d connections", err, asked.Load(), s.conns.Load())
	}
}

// rebinding is a resolver whose name server says 127.0.0.1 for every name.
func rebinding(t *testing.T, asked *atomic.Int32) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the socket
		for b := make([]byte, 512); ; {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			asked.Add(1)
			q := b[:n]
			out := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question(q)...)
			if kind := out[len(out)-3]; kind == 1 { // A
				out[7] = 1
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
			}
			l.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

// question is the one question of a query, RFC 1035, 4.1.2.
func question(q []byte) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	return q[12 : end+5]
}
