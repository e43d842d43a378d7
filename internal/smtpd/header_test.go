package smtpd

import (
	"strings"
	"testing"
)

func TestCheckHeader(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"From: a@b\r\n\r\n", ""},
		{"FROM : A <a@b>\r\n\r\n", ""},
		{"From:\r\n a@b\r\n\r\n", ""},
		{"From: \"Doe, J; x@y\" <a@b>\r\n\r\n", ""},
		{"From: (a@b, \\) c@d) e@f\r\n\r\n", ""},
		{"From: \"quo@ted\"@b\r\n\r\n", ""},
		{"From: Doe, John <a@b>\r\n\r\n", ""},
		{"From: a@b <a@b>\r\n\r\n", ""},
		{"From: =?utf-8?q?M=C3=BCller=2C_a=40b?= <a@b>\r\n\r\n", ""},
		{"From: a@b", ""},
		{"junk\r\nFrom: a@b\r\n\r\n", ""},
		{"From alice@b Mon Jan 1 10:00:00 2026\r\nFrom: a@b\r\n\r\n", ""},
		{"X-From: a@b\r\nFrom: a@b\r\n\r\nFrom: c@d\r\n", ""},
		{"", "no From"},
		{"\r\nFrom: a@b\r\n", "no From"},
		{"Subject: x\r\n\r\nFrom: a@b\r\n", "no From"},
		{"Subject: x\r\n From: a@b\r\n\r\n", "no From"},
		{"From: a@b\r\nfrom: c@d\r\n\r\n", "more than one From field"},
		{"From: a@b\r\njunk\r\nFrom: a@b\r\n\r\n", "more than one From field"},
		{"From: a@b, c@d\r\n\r\n", "more than one sender"},
		{"From: A <a@b>,\r\n\tC <c@d>\r\n\r\n", "more than one sender"},
		{"From: a@b; c@d\r\n\r\n", "more than one sender"},
		{"From: <a@b> <c@d>\r\n\r\n", "more than one sender"},
		{"From: nobody\r\n\r\n", "no address"},
		{"From: <>\r\n\r\n", "no address"},
		{"From:\r\n\r\n", "no address"},
		{"From: \"a@b\r\n\r\n", "no address"},
		{strings.Repeat("Received: x\r\n", 101) + "From: a@b\r\n\r\n", "circle"},
	} {
		if got := checkHeader([]byte(c.raw)); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%.60q: got %q, want %q", c.raw, got, c.want)
		}
	}
}

// TestFromAtTheDoor: two From or none are refused with a text, over the wire.
func TestFromAtTheDoor(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{}, b))
	k.want("220")
	k.say("EHLO c", "250")
	for _, raw := range []string{"From: a@b\r\nFrom: c@d\r\n\r\nx\r\n", "Subject: x\r\n\r\nx\r\n", "", "From: a@b, c@d\r\n\r\n"} {
		k.say("MAIL FROM:<a@b.test>", "250")
		k.say("RCPT TO:<desk@x.test>", "250")
		k.say("DATA", "354")
		k.send(raw + ".\r\n")
		k.want("550 5.6.0 The ")
	}
	if len(b.got()) != 0 {
		t.Error("accepted")
	}
}

func FuzzHeaderScan(f *testing.F) {
	for _, s := range []string{"From: a@b\r\n\r\n", "From: \"a\\\" (b@c\r\n x) <\r\n", "From:\n\n", ":\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := checkHeader(raw)
		if strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q", got)
		}
		// A second From in front is never accepted.
		if two := checkHeader(append([]byte("From: a@b\r\nFrom: c@d\r\n"), raw...)); two == "" {
			t.Error("two From fields accepted")
		}
	})
}
