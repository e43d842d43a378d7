package safehttp_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

// One of each family, its edges, and the public address beside it.
func TestEveryForbiddenFamily(t *testing.T) {
	c := safehttp.New(safehttp.Options{Timeout: 2 * time.Second})
	for _, a := range strings.Fields(`
		0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
		169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
		192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
		240.0.0.1 255.255.255.255
		:: ::1 ::7f00:1 64:ff9b::a00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
		2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:a00:1:: 2002:808:808:: 2620:4f:8000::1 3fff::1 5f00::1
		fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 ff0e::1 4000::1 ::ffff:0:808:808`) {
		if strings.Contains(a, ":") {
			a = "[" + a + "]"
		}
		if _, err := post(t, c, "https://"+a+"/"); !fail.Is(err, fail.Denied) {
			t.Errorf("%s: %v, want Denied", a, err)
		}
	}
}

func TestPublicNeighboursArePermitted(t *testing.T) {
	for _, a := range strings.Fields(`1.0.0.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.1
		172.15.255.255 172.32.0.1 192.0.1.1 192.0.3.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
		2001:200::1 2001:db7::1 2001:db9::1 2003::1 2606:4700::1 2a00:1450::1 3ffe::1`) {
		if err := safehttp.Permitted(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range strings.Fields(`fe80::1%eth0 2606:4700::1%eth0 ::ffff:8.8.8.8`) {
		if err := safehttp.Permitted(netip.MustParseAddr(a)); !fail.Is(err, fail.Denied) {
			t.Errorf("%s: %v, want Denied", a, err)
		}
	}
}

func TestAllowListOpensNoMoreThanItNames(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for a, want := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": false, "fd00:1::5": true, "fd00:2::5": false, "::ffff:10.1.2.3": false} {
		if err := safehttp.Permitted(netip.MustParseAddr(a), allow...); (err == nil) != want {
			t.Errorf("%s: %v, want permitted %v", a, err, want)
		}
	}
}

func TestWritingOfAddresses(t *testing.T) {
	for _, good := range []string{"https://hooks.example.org", "https://hooks.example.org:8443/in?token=a%20b", "https://host/", "https://xn--bcher-kva.example/",
		"https://93.184.216.34/", "https://[2606:4700::1]:8443/", "https://a_b.example./", "HTTPS://Example.org/"} {
		if err := safehttp.Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "hooks.example.org", "http://hooks.example.org", "ftp://hooks.example.org", "https:hooks.example.org", "https:///path", "https://",
		"//hooks.example.org", "https://user@hooks.example.org", "https://user:pw@hooks.example.org", "https://good.example@127.0.0.1/", "https://good.example\\@127.0.0.1/",
		"https://h.example/#part", "https://h.example/#", "https://h.example:/", "https://h.example:0/", "https://h.example:65536/", "https://h.example:ssh/",
		"https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://2130706433/", "https://127.1/", "https://127.0.0.1./", "https://1.2.3.4.5/",
		"https://１２７.０.０.１/", "https://bücher.example/", "https://a..example/", "https://.example/", "https://./", "https://h example/", "https://h.example\n/",
		"https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://[h.example]/", "https://[127.0.0.1]/x", "https://h.exa%6dple;/",
		"https://" + strings.Repeat("a", 64) + ".example/", "https://h.example/" + strings.Repeat("a", 2000)} {
		if err := safehttp.Check(bad); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q: %v, want Invalid", bad, err)
		}
	}
}

// names is a DNS server whose nth answer about a name is the nth list of addresses.
func names(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // the test is over
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				for _, a := range answers[min(asked, len(answers)-1)] {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
						Body: &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()}})
				}
				asked++
			}
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// FAULTS S21: the name is public when somebody looks it up first, and leads
// inside when it is dialled.
func TestS21RebindingName(t *testing.T) {
	s := newTrap(t, ok)
	resolver := names(t, []string{"93.184.216.34"}, []string{"127.0.0.1"}, []string{"10.0.0.1", "169.254.169.254", "127.0.0.1"})
	first, err := resolver.LookupHost(t.Context(), "rebind.example.")
	if err != nil || len(first) != 1 || safehttp.Permitted(netip.MustParseAddr(first[0])) != nil {
		t.Fatalf("the first look: %v, %v", first, err)
	}
	c := safehttp.New(safehttp.Options{RootCAs: s.roots, Resolver: resolver, Timeout: 5 * time.Second})
	for range 2 {
		if _, err := post(t, c, "https://rebind.example:"+s.port()+"/"); !fail.Is(err, fail.Denied) {
			t.Errorf("got %v, want Denied", err)
		}
	}
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections at the trap, want 0", n)
	}
}

// Of several addresses of a name only the permitted ones are tried.
func TestNameWithMixedAddresses(t *testing.T) {
	s := newTrap(t, ok)
	c := safehttp.New(safehttp.Options{RootCAs: s.roots, Resolver: names(t, []string{"10.0.0.1", "127.0.0.1"}),
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Timeout: 5 * time.Second})
	a, err := post(t, c, "https://example.com:"+s.port()+"/") // a name in httptest's certificate
	if err != nil || a.Status != 200 || s.conns.Load() != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// What Check lets pass can be requested, over TLS, without a name or password.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"https://hooks.example.org:8443/in?token=a%20b", "https://[2606:4700::1]/", "https://127.1/", "https://a@b/", "https://１２７.０.０.１/", "https://h.example/#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if safehttp.Check(address) != nil {
			return
		}
		r, err := http.NewRequest("POST", address, nil)
		if err != nil || r.URL.Scheme != "https" || r.URL.User != nil || r.URL.Hostname() == "" || r.URL.Fragment != "" {
			t.Errorf("%q: %+v, %v", address, r, err)
		}
	})
}
