package evidence

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// Attacks on mails whose only claim is a signature.
func TestAttacksOnSignatures(t *testing.T) {
	l := newLab(t)
	part := l.mail().Part()
	sig := l.g.Sign(part, l.ada)
	good := l.signedMail(part, sig)
	l.good(t, good)
	t.Run("row05 text changed", func(t *testing.T) {
		r := l.expect(t, swap(t, good, "4711", "4712"), Unsigned, Accept)
		because(t, r, "bad-signature")
		if r.Signature.Covers != "none" || r.Signature.Fingerprint != "" {
			t.Errorf("%+v", r.Signature)
		}
	})
	t.Run("row05 opaque message where a signature belongs", func(t *testing.T) {
		opaque, _, err := l.g.Run(part, "--armor", "--local-user", l.ada, "--sign")
		if err != nil {
			t.Fatal(err)
		}
		l.expect(t, l.signedMail([]byte("Content-Type: text/plain\r\n\r\nother 4712"), opaque), Unsigned, Accept)
	})
	t.Run("item02 one base64 character of the signature", func(t *testing.T) {
		lines := strings.Split(string(sig), "\n")
		mid := lines[3]
		c := "A"
		if mid[20] == 'A' {
			c = "B"
		}
		l.expect(t, swap(t, good, mid, mid[:20]+c+mid[21:]), Unsigned, Accept)
	})
	t.Run("row08 text before and after", func(t *testing.T) {
		for name, mixed := range map[string]string{
			"before": "--m\r\nContent-Type: text/plain\r\n\r\nPay 9999 to Eve\r\n--m\r\n" + signedEntity(part, sig) + "\r\n--m--\r\n",
			"after":  "--m\r\n" + signedEntity(part, sig) + "\r\n--m\r\nContent-Type: text/plain\r\n\r\nlist footer\r\n--m--\r\n",
			"alone":  "--m\r\n" + signedEntity(part, sig) + "\r\n--m--\r\n",
		} {
			r := l.expect(t, []byte(l.head(`multipart/mixed; boundary="m"`)+mixed), Unsigned, Accept)
			if r.Signature.Covers != "part" || !r.PartSigned || string(r.Signature.Fingerprint) != l.ada {
				t.Errorf("%s: %+v", name, r.Signature)
			}
		}
	})
	t.Run("row08 hidden beside HTML", func(t *testing.T) {
		for _, kind := range []string{"related", "alternative"} {
			r := l.expect(t, []byte(l.head(`multipart/`+kind+`; boundary="m"`)+"--m\r\nContent-Type: text/html\r\n\r\n<b>Pay 9999</b>\r\n--m\r\n"+signedEntity(part, sig)+"\r\n--m--\r\n"), Unsigned, Accept)
			because(t, r, "part-signed")
		}
	})
	t.Run("row29 attached signed mail", func(t *testing.T) {
		r := l.expect(t, []byte(l.head(`multipart/mixed; boundary="m"`)+"--m\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n"+string(good)+"\r\n--m--\r\n"), Unsigned, Accept)
		silent(t, r)
		if r.Signature.Covers != "none" || len(r.Attachments) != 1 {
			t.Errorf("%+v %+v", r.Signature, r.Attachments)
		}
		l.expect(t, []byte(l.head("message/rfc822")+string(good)), Unsigned, Accept)
	})
	t.Run("item07 not built as signed", func(t *testing.T) {
		for _, kind := range []string{
			`multipart/signed; boundary="sig"`, `multipart/signed; protocol="application/pkcs7-signature"; boundary="sig"`,
			`multipart/signed; protocol="application/pgp-signature"`, `multipart/mixed; boundary="sig"`,
			`multipart/signed; protocol="application/pgp-signature"; boundary="sig"; boundary="gis"`,
			`multipart/signed; protocol="application/pgp-signature"; protocol="x/y"; boundary="sig"`,
		} {
			l.expect(t, swap(t, good, signedType, kind), Unsigned, Accept)
		}
		l.expect(t, []byte(l.head(signedType)+"--sig\r\n"+string(part)+"\r\n--sig--\r\n"), Unsigned, Accept)
		l.expect(t, []byte(l.head(signedType)+"--sig--\r\n"), Unsigned, Accept)
		l.expect(t, []byte(l.head(signedType)), Unsigned, Accept)
		l.expect(t, swap(t, good, "\r\n--sig--", "\r\n--sig\r\n\r\nthird part 9999\r\n--sig--"), Unsigned, Accept)
		l.expect(t, swap(t, good, "Content-Type: application/pgp-signature", "Content-Type: text/plain"), Unsigned, Accept)
	})
	t.Run("row39 two readers, two mails", func(t *testing.T) {
		l.expect(t, swap(t, good, "\r\n--sig--\r\n", "\r\n"), Unsigned, Accept)
		l.expect(t, swap(t, good, "MIME-Version: 1.0", "Content-Type: text/plain\r\nMIME-Version: 1.0"), Unsigned, Accept)
		l.expect(t, swap(t, good, "MIME-Version: 1.0", "Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0"), Unsigned, Accept)
		l.expect(t, swap(t, good, "Subject: Payment", "Subject: Payment\r\nSubject: Other"), Unsigned, Accept)
		dup := []byte("Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" + secretWords)
		l.expect(t, l.signedMail(dup, l.g.Sign(dup, l.ada)), Unsigned, Accept)
		dup = []byte("Content-Type: text/plain; charset=utf-8; charset=utf-7\r\n\r\n" + secretWords)
		l.expect(t, l.signedMail(dup, l.g.Sign(dup, l.ada)), Unsigned, Accept)
		cr := []byte("Content-Type: text/plain\r\r\n\r\r\n" + secretWords)
		l.expect(t, l.signedMail(cr, l.g.Sign(cr, l.ada)), Unsigned, Refuse)
	})
	t.Run("row18 two signatures", func(t *testing.T) {
		two := func(a, b []byte) []byte {
			both, _, err := l.g.Run(append(append([]byte{}, a...), b...), "--dearmor")
			if err != nil || len(both) == 0 {
				t.Fatal(err)
			}
			return both
		}
		join := func(a, b []byte) []byte {
			bin := append(two(a, nil), two(b, nil)...)
			return []byte("-----BEGIN PGP SIGNATURE-----\n\n" + wrap64(bin) + "-----END PGP SIGNATURE-----\n")
		}
		other := l.g.Sign([]byte("something else"), l.ada)
		l.good(t, l.signedMail(part, join(sig, l.g.Sign(part, l.bob))))
		l.good(t, l.signedMail(part, join(sig, l.g.Sign(part, l.eve))))
		l.good(t, l.signedMail(part, join(l.g.Sign(part, l.eve), sig)))
		l.expect(t, l.signedMail(part, join(sig, other)), Unsigned, Accept)
		l.expect(t, l.signedMail(part, join(other, sig)), Unsigned, Accept)
		l.expect(t, l.signedMail(part, join(sig, l.g.Sign([]byte("x"), l.bob))), Unsigned, Accept)
	})
	t.Run("row21 broken hash", func(t *testing.T) {
		weak, status, err := l.g.Run(part, "--armor", "--allow-weak-digest-algos", "--digest-algo", "SHA1", "--local-user", l.ada, "--detach-sign")
		if err != nil {
			t.Skip(status)
		}
		r := l.expect(t, l.signedMail(part, weak), Unsigned, Accept)
		because(t, r, "weak-hash")
	})
	t.Run("row42 signed at another time", func(t *testing.T) {
		early := l.now.Add(-59 * time.Minute).UTC().Format(time.RFC1123Z)
		l.good(t, swap(t, good, l.now.UTC().Format(time.RFC1123Z), early))
		for _, d := range []time.Duration{-2 * time.Hour, 2 * time.Hour, -61 * time.Minute} {
			r := l.expect(t, swap(t, good, l.now.UTC().Format(time.RFC1123Z), l.now.Add(d).UTC().Format(time.RFC1123Z)), Unsigned, Accept)
			because(t, r, "time-differs")
		}
		r := l.expect(t, swap(t, good, "Date: ", "X-Date: "), Unsigned, Accept)
		because(t, r, "no-date")
		l.expect(t, swap(t, good, "Date: ", "Date: yesterday"), Unsigned, Accept)
	})
	t.Run("row16 future", func(t *testing.T) {
		o := l.options()
		o.At = l.now.Add(-time.Hour)
		because(t, expectWith(t, good, o, Unsigned, Accept), "future-signature")
	})
	t.Run("text-mode signature", func(t *testing.T) {
		s, status, err := l.g.Run(part, "--armor", "--textmode", "--digest-algo", "SHA256", "--local-user", l.ada, "--detach-sign")
		if err != nil {
			t.Fatal(status)
		}
		l.good(t, l.signedMail(part, s))
		l.expect(t, swap(t, l.signedMail(part, s), "4711", "4712"), Unsigned, Accept)
	})
	t.Run("item03 blanks and line ends belong to it", func(t *testing.T) {
		for _, text := range []string{secretWords + "   \t \r\n\r\n\r\n", "\r\n\r\n" + secretWords + "\r\n ", secretWords + "\r\n-- \r\nAda\r\n", secretWords} {
			p := []byte("Content-Type: text/plain; charset=utf-8\r\n\r\n" + text)
			l.good(t, l.signedMail(p, l.g.Sign(p, l.ada)))
			l.expect(t, l.signedMail(append(p, ' '), l.g.Sign(p, l.ada)), Unsigned, Accept)
			l.expect(t, l.signedMail(append(p, "\r\n"...), l.g.Sign(p, l.ada)), Unsigned, Accept)
		}
		mixed := []byte("Content-Type: text/plain\n\r\n" + secretWords + "\nnext\r\nlast\n")
		l.good(t, l.encrypted(l.g.SignEncrypt(mixed, l.ada, l.usFpr)))
		r := Examine(l.signedMail(mixed, l.g.Sign(mixed, l.ada)), l.options())
		if r.Disposition != Refuse {
			t.Errorf("%s: a bare LF outside is refused", r.Disposition)
		}
	})
	t.Run("item10 binary and base64 signatures", func(t *testing.T) {
		bin, _, err := l.g.Run(sig, "--dearmor")
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{bin, sig} {
			raw := l.head(signedType) + "--sig\r\n" + string(part) + "\r\n--sig\r\nContent-Type: application/pgp-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n" + crlf([]byte(wrap64(data))) + "--sig--\r\n"
			l.good(t, []byte(raw))
		}
	})
}

func wrap64(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 64 {
		out.WriteString(s[:64] + "\n")
		s = s[64:]
	}
	return out.String() + s + "\n"
}
