package message

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var seeds = []string{
	"", "\r\n", "From: a@b.example\r\n\r\nhello\r\n",
	"From: =?utf-8?q?A=2C_B?= <a@b.example>\r\nTo: Team: x@y.example, \"z\"@y.example;\r\nSubject: =?utf-8?b?w6Q=?=\r\n =?iso-8859-1?q?=FC?=\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@b.example>\r\nReferences: <a@b> <c@d>\r\n\r\nx",
	"Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\npre\r\n--a\r\n\r\none\r\n--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x<!-- --></p>\r\n--b--\r\n--a--\r\npost",
	"Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\nx \r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--s--\r\n",
	"Content-Type: application/pdf; name*0*=utf-8''%c3%a4; name*1=b.pdf\r\nContent-Disposition: attachment; filename*=utf-8''a%0d.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n",
	"Content-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=1B$B=\r\n=41= \r\n",
	"Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--r\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <1@x>\r\n\r\n--r--\r\n",
	"Content-Type: text/html\r\n\r\n<a href='x'>y</a><style>z</style>&amp;&#x41;<",
}

// FuzzParse asks everything of whatever mail, and holds the answers against what
// the package promises.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		keep := bytes.Clone(raw)
		m := Parse(raw)
		parts := 0
		m.Root.Each(func(p *Part) bool {
			parts++
			if !bytes.Contains(raw, p.Raw) || !bytes.HasSuffix(p.Raw, p.Body) {
				t.Fatalf("part %q is not cut out of the mail", p.Raw)
			}
			p.Data()
			return true
		})
		if parts > maxParts {
			t.Fatalf("%d parts", parts)
		}
		c := m.Root.Display()
		fit(t, c.Text)
		h := m.Header()
		for _, f := range c.Attachments {
			if f.Name == "" || strings.ContainsAny(f.Name, "/\\\r\n\x00") || f.Name == "." || f.Name == ".." || !utf8.ValidString(f.Name) || len(f.Name) > 300 {
				t.Fatalf("file name %q", f.Name)
			}
		}
		if s := h.Text("Subject"); strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) {
			t.Fatalf("subject %q", s)
		}
		if a := h.From(); a != nil {
			again, ok := ParseAddresses(a.Addr)
			if !ok || len(again) != 1 || again[0].Addr != a.Addr {
				t.Fatalf("%q reads as %v", a.Addr, again)
			}
			if strings.ContainsAny(a.Name+a.Addr, "\r\n\x00") {
				t.Fatalf("%+v", a)
			}
		}
		h.Addresses("To")
		h.MessageID()
		h.References()
		h.Date()
		m.Automatic(nil)
		m.Bounce()
		m.Ambiguous()
		if !bytes.Equal(raw, keep) {
			t.Fatal("the mail was changed")
		}
	})
}

func fit(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || isBidi(r) || r == 127 {
			t.Fatalf("%q holds %U", s, r)
		}
	}
}

func BenchmarkParse10KB(b *testing.B) {
	raw := []byte("From: Ada <ada@b.example>\r\nTo: x@y.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <1@b.example>\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("A line of a letter to somebody.\r\n", 300) + "\r\n--a--\r\n")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		m := Parse(raw)
		if m.Header().From() == nil || m.Root.Display().Text == "" {
			b.Fatal("nothing")
		}
	}
}
