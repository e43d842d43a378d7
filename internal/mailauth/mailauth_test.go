package mailauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// zone is a DNS in memory.
type zone struct {
	txt  map[string][]string
	slow bool  // answers only when the context ends
	err  error // for every question
}

func (z *zone) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if z.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if z.err != nil {
		return nil, z.err
	}
	if v, ok := z.txt[strings.TrimSuffix(name, ".")]; ok {
		return v, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z *zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z *zone) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z *zone) LookupAddr(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

type world struct {
	zone
	key ed25519.PrivateKey
}

func newWorld(t *testing.T) *world {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rec := []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub)}
	w := &world{key: key}
	w.txt = map[string][]string{
		"s._domainkey.good.test":        rec,
		"s._domainkey.mail.good.test":   rec,
		"s._domainkey.evil.test":        rec,
		"s._domainkey.co.uk":            rec,
		"good.test":                     {"v=spf1 ip4:192.0.2.1 -all"},
		"soft.test":                     {"v=spf1 ~all"},
		"broken.test":                   {"v=spf1 nonsense:x"},
		"loop.test":                     {"v=spf1 include:loop.test -all"},
		"mx.good.test":                  {"v=spf1 ip4:192.0.2.1 -all"},
		"_dmarc.good.test":              {"v=DMARC1; p=reject"},
		"_dmarc.strict.test":            {"v=DMARC1; p=reject; adkim=s; aspf=s"},
		"_dmarc.bad.test":               {"v=DMARC1; p=perhaps"},
		"_dmarc.twice.test":             {"v=DMARC1; p=none", "v=DMARC1; p=none"},
		"_dmarc.shop.co.uk":             {"v=DMARC1; p=none"},
		"strict.test":                   {"v=spf1 ip4:192.0.2.1 -all"},
		"mail.strict.test":              {"v=spf1 ip4:192.0.2.1 -all"},
		"s._domainkey.mail.strict.test": rec,
	}
	return w
}

func (w *world) sign(t *testing.T, domain, raw string, keys ...string) string {
	t.Helper()
	if keys == nil {
		keys = []string{"From", "Subject"}
	}
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: "s", Signer: w.key, Hash: crypto.SHA256, HeaderKeys: keys,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const plain = "From: A <a@good.test>\r\nSubject: hi\r\n\r\nbody\r\n"

var outside = netip.MustParseAddr("192.0.2.1")

func TestCheck(t *testing.T) {
	w := newWorld(t)
	good := w.sign(t, "good.test", plain)
	expired := strings.Replace(good, "DKIM-Signature:", "DKIM-Signature: x=1;", 1)
	from := func(f string) string { return strings.Replace(plain, "a@good.test", f, 1) }
	for _, c := range []struct {
		name, raw, remote, helo, from string
		want                          Result
	}{
		{"all well", good, "192.0.2.1", "mx.good.test", "a@good.test", Result{Pass, Pass, Pass}},
		{"DKIM alone", good, "192.0.2.9", "h", "a@good.test", Result{Fail, Pass, Pass}},
		{"SPF alone", plain, "192.0.2.1", "h", "a@good.test", Result{Pass, None, Pass}},
		{"neither", plain, "192.0.2.9", "h", "a@good.test", Result{Fail, None, Fail}},
		{"changed body", good + "x\r\n", "192.0.2.9", "h", "a@good.test", Result{Fail, Fail, Fail}},
		{"changed subject", strings.Replace(good, "Subject: hi", "Subject: ho", 1), "192.0.2.9", "h", "", Result{None, Fail, Fail}},
		{"expired", expired, "192.0.2.9", "h", "", Result{None, PermError, Fail}},
		{"signed by a stranger", w.sign(t, "evil.test", plain), "192.0.2.9", "h", "", Result{None, Pass, Fail}},
		{"SPF of a stranger", from("a@bank.test"), "192.0.2.1", "h", "a@good.test", Result{Pass, None, None}},
		{"no key", w.sign(t, "other.test", plain), "192.0.2.9", "h", "", Result{None, PermError, Fail}},
		{"second From on top", "From: b@good.test\r\n" + good, "192.0.2.9", "h", "", Result{None, PermError, None}},
		{"two mailboxes", w.sign(t, "good.test", from("a@good.test>, B <b@good.test")), "192.0.2.9", "h", "", Result{None, PermError, None}},
		{"relaxed DKIM", w.sign(t, "mail.good.test", plain), "192.0.2.9", "h", "", Result{None, Pass, Pass}},
		{"strict DKIM", w.sign(t, "mail.strict.test", from("a@strict.test")), "192.0.2.9", "h", "", Result{None, Pass, Fail}},
		{"strict SPF", from("a@strict.test"), "192.0.2.1", "h", "b@mail.strict.test", Result{Pass, None, Fail}},
		{"strict SPF, same", from("a@strict.test"), "192.0.2.1", "h", "b@strict.test", Result{Pass, None, Pass}},
		{"policy of the organisation", from("a@sub.good.test"), "192.0.2.1", "h", "b@good.test", Result{Pass, None, Pass}},
		{"public suffix signs", w.sign(t, "co.uk", from("a@shop.co.uk")), "192.0.2.9", "h", "", Result{None, Pass, Fail}},
		{"no policy", w.sign(t, "evil.test", from("a@evil.test")), "192.0.2.9", "h", "", Result{None, Pass, None}},
		{"bad policy", from("a@bad.test"), "192.0.2.9", "h", "", Result{None, None, PermError}},
		{"two policies", from("a@twice.test"), "192.0.2.9", "h", "", Result{None, None, None}},
		{"soft", plain, "192.0.2.1", "h", "a@soft.test", Result{SoftFail, None, Fail}},
		{"broken SPF", plain, "192.0.2.1", "h", "a@broken.test", Result{PermError, None, Fail}},
		{"looping SPF", plain, "192.0.2.1", "h", "a@loop.test", Result{PermError, None, Fail}},
		{"null path", plain, "192.0.2.1", "mx.good.test", "", Result{Pass, None, Pass}},
		{"loopback", good, "127.0.0.1", "mx.good.test", "a@good.test", Result{None, Pass, Pass}},
		{"private", good, "10.1.2.3", "mx.good.test", "a@good.test", Result{None, Pass, Pass}},
		{"mapped loopback", plain, "::ffff:127.0.0.1", "mx.good.test", "a@good.test", Result{None, None, Fail}},
		{"forged results", "Authentication-Results: mx; dkim=pass; spf=pass; dmarc=pass\r\n" + plain, "192.0.2.9", "h", "a@good.test", Result{Fail, None, Fail}},
		{"no header", "x", "192.0.2.9", "h", "", Result{None, None, None}},
		{"nothing", "", "192.0.2.9", "", "", Result{None, None, None}},
		{"rubbish", "DKIM-Signature: ;;=\r\n" + plain, "192.0.2.9", "h", "", Result{None, PermError, Fail}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Check(t.Context(), []byte(c.raw), netip.MustParseAddr(c.remote), c.helo, c.from, w)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if got := Check(t.Context(), []byte(c.raw), outside, c.helo, c.from, nil); got != (Result{None, None, None}) {
				t.Errorf("without a resolver: %+v", got)
			}
		})
	}
	if got := Check(t.Context(), []byte(plain), netip.Addr{}, "h", "a@good.test", w); got.SPF != None {
		t.Errorf("no address: %+v", got)
	}
}

// TestS3BodyLength: l= leaves the tail of a body unsigned; such a signature is
// never a pass, not even when nothing was added. The same without l= holds, so
// it is l= that is refused.
func TestS3BodyLength(t *testing.T) {
	w := newWorld(t)
	if got := Check(t.Context(), []byte(byHand(t, w, plain, "From", "")), netip.Addr{}, "", "", w); got.DKIM != Pass {
		t.Fatalf("without l=: %+v", got)
	}
	raw := byHand(t, w, plain, "From", " l=6;")
	for name, m := range map[string]string{"untouched": raw, "added": raw + "pay here\r\n"} {
		if got := Check(t.Context(), []byte(m), netip.Addr{}, "", "", w); got.DKIM == Pass || got.DMARC == Pass {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// byHand signs a mail's From and its body, simple/simple, with extra tags.
func byHand(t *testing.T, w *world, raw, header, extra string) string {
	t.Helper()
	body := crypto.SHA256.New()
	body.Write([]byte("body\r\n"))
	field := "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=good.test; s=s; h=" + header + ";" + extra +
		" bh=" + base64.StdEncoding.EncodeToString(body.Sum(nil)) + "; b="
	sum := crypto.SHA256.New()
	for line := range strings.SplitSeq(raw, "\r\n") {
		if name, _, _ := strings.Cut(line, ":"); name == header {
			sum.Write([]byte(line + "\r\n"))
		}
	}
	sum.Write([]byte(field))
	return field + base64.StdEncoding.EncodeToString(ed25519.Sign(w.key, sum.Sum(nil))) + "\r\n" + raw
}

// TestS3UnsignedFrom: a signature that does not cover From counts for nothing.
func TestS3UnsignedFrom(t *testing.T) {
	w := newWorld(t)
	raw := byHand(t, w, plain, "Subject", "")
	if got := Check(t.Context(), []byte(raw), netip.Addr{}, "", "", w); got.DKIM != PermError {
		t.Errorf("%+v", got)
	}
}

func TestManySignatures(t *testing.T) {
	w := newWorld(t)
	raw := plain
	for range 2 * maxSignatures {
		raw = w.sign(t, "other.test", raw)
	}
	if got := Check(t.Context(), []byte(raw), netip.Addr{}, "", "", w); got.DKIM != PermError {
		t.Errorf("%+v", got)
	}
	good := w.sign(t, "good.test", raw)
	if got := Check(t.Context(), []byte(good), netip.Addr{}, "", "", w); got.DKIM != Pass {
		t.Errorf("a good one among bad: %+v", got)
	}
}

func TestDNSTrouble(t *testing.T) {
	w := newWorld(t)
	good := []byte(w.sign(t, "good.test", plain))
	away := &zone{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	if got := Check(t.Context(), good, outside, "h", "a@good.test", away); got != (Result{TempError, TempError, TempError}) {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if got := Check(ctx, good, outside, "h", "a@good.test", &zone{slow: true}); got != (Result{TempError, TempError, TempError}) {
		t.Errorf("%+v", got)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestBounds: a header made to cost time costs little.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"folds":   "From: a@good.test\r\nX: y\r\n" + strings.Repeat(" z\r\n", 1000000) + "\r\n",
		"fields":  "From: a@good.test\r\nDKIM-Signature: v=1\r\n" + strings.Repeat("a:b\r\n", 1000000) + "\r\n",
		"h tags":  "DKIM-Signature: v=1; h=" + strings.Repeat("a:", 100000) + "\r\n" + plain,
		"one big": "X: " + strings.Repeat("y", 10<<20) + "\r\n" + plain,
		"From":    "From: " + strings.Repeat("(", 100000) + "a@good.test\r\n\r\n",
	} {
		began := time.Now()
		if got := Check(t.Context(), []byte(raw), outside, "h", "", w); got.DKIM == Pass || got.DMARC == Pass {
			t.Errorf("%s: %+v", name, got)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(plain), "h", "a@good.test")
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=good.test; s=s; h=from; bh=x; b=x\r\n"+plain), "", "")
	z := &zone{txt: map[string][]string{"good.test": {"v=spf1 exists:%{l}.%{d} -all"}, "_dmarc.good.test": {"v=DMARC1; p=none"}}}
	f.Fuzz(func(t *testing.T, raw []byte, helo, from string) {
		if got := Check(t.Context(), raw, outside, helo, from, z); got.DKIM == Pass {
			t.Errorf("%+v", got)
		}
	})
}
