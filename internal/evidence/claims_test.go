package evidence

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"postern/internal/pgp"
)

// What a mail claims of itself, and keys that it brings along.
func TestAttacksByClaims(t *testing.T) {
	l := newLab(t)
	part := l.mail().Part()
	sig := l.g.Sign(part, l.ada)
	l.good(t, l.signedMail(part, sig))
	t.Run("row17 claimed issuer is not the maker", func(t *testing.T) {
		bin := l.dearmor(t, sig)
		mine, _ := hex.DecodeString(l.ada[24:])
		his, _ := hex.DecodeString(l.bob[24:])
		at := bytes.LastIndex(bin, mine) // the one that is not signed
		if at < 0 {
			t.Fatal("no key id")
		}
		copy(bin[at:], his)
		r := l.expect(t, l.signedMail(part, bin64(bin)), Unsigned, Accept)
		because(t, r, "issuer-mismatch")
	})
	t.Run("row14 replay has authorship, and its time shows", func(t *testing.T) {
		o := l.options()
		o.At = l.now.Add(300 * 24 * time.Hour)
		r := expectWith(t, l.signedMail(part, sig), o, Verified, Accept)
		if r.Signature.SignedAt.Sub(l.now).Abs() > time.Minute {
			t.Errorf("%s", r.Signature.SignedAt)
		}
	})
	t.Run("row19 keys that come along are only found", func(t *testing.T) {
		impostor := l.g.Generate("Ada <ada@brandt.example>", "0", l.now.Add(-time.Hour))
		key := l.key(t, impostor)
		m := l.mail()
		m.Headers = l.g.Autocrypt(l.adaAddr, impostor)
		r := l.expect(t, l.g.Encrypted(m, impostor, l.usFpr), Unsigned, Accept)
		if len(r.Keys) != 1 || r.Keys[0].Source != "autocrypt" || r.Keys[0].Key.Fingerprint() != key.Fingerprint() {
			t.Errorf("%+v", r.Keys)
		}
		m.Headers += m.Headers
		if r = l.expect(t, m.Plain(), Unsigned, Accept); len(r.Keys) != 0 {
			t.Errorf("two Autocrypt fields, %d keys", len(r.Keys))
		}
		for _, h := range []string{l.g.Autocrypt("bob@brandt.example", l.bob), l.g.Autocrypt(l.adaAddr, l.bob), strings.Replace(l.g.Autocrypt(l.adaAddr, impostor), "keydata", "critical=1; keydata", 1),
			"Autocrypt: addr=ada@brandt.example; keydata=AAAA\r\n", "Autocrypt: addr=ada@brandt.example\r\n"} {
			m.Headers = h
			if r = l.expect(t, m.Plain(), Unsigned, Accept); len(r.Keys) != 0 {
				t.Errorf("%.60s: %d keys", h, len(r.Keys))
			}
		}
		attached := []byte("Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\n" + secretWords + "\r\n--a\r\nContent-Type: application/pgp-keys; name=\"key.asc\"\r\n\r\n" + crlf(l.g.Export(impostor)) + "\r\n--a--\r\n")
		r = l.good(t, l.signedMail(attached, l.g.Sign(attached, l.ada)))
		if len(r.Keys) != 1 || r.Keys[0].Source != "attached" {
			t.Errorf("%+v", r.Keys)
		}
		r = l.expect(t, l.signedMail(attached, l.g.Sign(attached, impostor)), Unsigned, Accept)
		if len(r.Keys) != 1 {
			t.Errorf("%+v", r.Keys)
		}
	})
	t.Run("row22 a user ID proves nothing", func(t *testing.T) {
		fake := l.g.Generate("Ada <ada@brandt.example>", "0", l.now.Add(-2*time.Hour))
		k := l.key(t, fake)
		o := l.options()
		o.Keys = &ring{append([]Known{{Key: k, Trust: VerifiedTrust, Addresses: []string{"eve@evil.example"}}}, l.keys.all...)}
		expectWith(t, l.g.Encrypted(l.mail(), fake, l.usFpr), o, Mismatch, Accept)
		o.Keys = &ring{append([]Known{{Key: k, Trust: "seen"}}, l.keys.all...)}
		r := expectWith(t, l.g.Encrypted(l.mail(), fake, l.usFpr), o, Signed, Accept)
		because(t, r, "other-key")
		o.Keys = &ring{[]Known{{Key: k, Trust: "seen"}, {Key: k, Trust: VerifiedTrust, Addresses: []string{"eve@evil.example"}}}}
		expectWith(t, l.g.Encrypted(l.mail(), fake, l.usFpr), o, Mismatch, Accept)
	})
	t.Run("item13 mail to our expired key opens", func(t *testing.T) {
		old := l.g.Generate("Support <support@northmere.example>", "2d", l.now.Add(-10*24*time.Hour))
		s := l.secret(t, old)
		out, status, err := l.g.Run(part, "--faked-system-time", l.now.Add(-9*24*time.Hour).UTC().Format("20060102T150405"), "--armor", "--encrypt", "--recipient", old)
		if err != nil {
			t.Fatal(status)
		}
		o := l.options()
		o.Secrets = []*pgp.Secret{s}
		if r := expectWith(t, l.encrypted(out), o, Unsigned, Accept); !strings.Contains(r.Text, "4711") {
			t.Errorf("%q", r.Text)
		}
	})
	t.Run("item06 signed part inside encryption", func(t *testing.T) {
		mixed := []byte("Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\n" + signedEntity(part, sig) + "\r\n--m\r\n\r\nfooter\r\n--m--\r\n")
		r := l.expect(t, l.encrypted(l.g.Encrypt(mixed, l.usFpr)), Unsigned, Accept)
		if r.Signature.Covers != "part" || string(r.Signature.Fingerprint) != l.ada || !strings.Contains(r.Text, "footer") {
			t.Errorf("%+v %q", r.Signature, r.Text)
		}
		l.good(t, l.encrypted(l.g.SignEncrypt(mixed, l.ada, l.usFpr)))
	})
	t.Run("not built as signed, but all of it is shown", func(t *testing.T) {
		r := l.expect(t, swap(t, l.signedMail(part, sig), "\r\n--sig--", "\r\n--sig\r\nContent-Type: text/csv; name=\"a.csv\"\r\n\r\n1,2\r\n--sig--"), Unsigned, Accept)
		if len(r.Attachments) != 1 || !strings.Contains(r.Text, "4711") {
			t.Errorf("%q %+v", r.Text, r.Attachments)
		}
	})
	t.Run("row43 encrypted, signed, and signed inside", func(t *testing.T) {
		inner := []byte("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" + strings.TrimSuffix(encryptedBody(l.g.SignEncrypt(part, l.ada, l.usFpr)), "\r\n"))
		l.good(t, l.signedMail(inner, l.g.Sign(inner, l.bob)))
		l.good(t, l.signedMail(inner, l.g.Sign(inner, l.ada)))
		eve := []byte("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" + strings.TrimSuffix(encryptedBody(l.g.SignEncrypt(part, l.eve, l.usFpr)), "\r\n"))
		l.expect(t, l.signedMail(eve, l.g.Sign(eve, l.ada)), Unsigned, Accept)
	})
}

func bin64(bin []byte) []byte {
	return []byte("-----BEGIN PGP SIGNATURE-----\n\n" + wrap64(bin) + "-----END PGP SIGNATURE-----\n")
}
