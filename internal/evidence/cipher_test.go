package evidence

import (
	"bytes"
	"strings"
	"testing"

	"postern/internal/message"
	"postern/internal/pgp"
)

// flipped gives the armoured message with one bit of its n-th byte turned.
func flipped(t *testing.T, l *lab, armored []byte, n int) []byte {
	t.Helper()
	bin := l.dearmor(t, armored)
	if n < 0 {
		n += len(bin)
	}
	bin[n] ^= 4
	return message64(bin)
}

func (l *lab) dearmor(t *testing.T, armored []byte) []byte {
	t.Helper()
	bin, status, err := l.g.Run(armored, "--dearmor")
	if err != nil {
		t.Fatal(status)
	}
	return bin
}

func message64(bin []byte) []byte {
	return []byte("-----BEGIN PGP MESSAGE-----\n\n" + wrap64(bin) + "-----END PGP MESSAGE-----\n")
}

// packets cuts a message made by GnuPG into its packets.
func packets(t *testing.T, bin []byte) (out [][]byte) {
	t.Helper()
	for len(bin) > 0 {
		head, size := 0, 0
		switch c := bin[0]; {
		case c&0x40 == 0 && c&3 == 0:
			head, size = 2, int(bin[1])
		case c&0x40 == 0 && c&3 == 1:
			head, size = 3, int(bin[1])<<8|int(bin[2])
		case c&0x40 != 0 && bin[1] < 192:
			head, size = 2, int(bin[1])
		case c&0x40 != 0 && bin[1] < 224:
			head, size = 3, int(bin[1]-192)<<8+int(bin[2])+192
		default:
			head, size = 0, len(bin)
		}
		out, bin = append(out, bin[:head+size]), bin[head+size:]
	}
	return out
}

func TestAttacksOnCiphertext(t *testing.T) {
	l := newLab(t)
	entity := l.mail().Part()
	armored := l.g.SignEncrypt(entity, l.ada, l.usFpr)
	l.good(t, l.encrypted(armored))
	bin := l.dearmor(t, armored)
	closed := func(t *testing.T, message []byte, word string) *Report {
		t.Helper()
		r := l.expect(t, l.encrypted(message), Unsigned, Quarantine)
		if r.Text != "" || r.HTML != "" || len(r.Attachments) > 0 || r.Encryption.Decrypted || r.Encryption.Error == "" || r.Encryption.Scheme != "openpgp" {
			t.Errorf("released: %+v %q %v", r.Encryption, r.Text, r.Attachments)
		}
		if word != "" {
			because(t, r, word)
		}
		return r
	}
	t.Run("row02 one flipped bit", func(t *testing.T) {
		for n := 100; n < len(bin); n += 7 {
			closed(t, flipped(t, l, armored, n), "")
		}
		closed(t, flipped(t, l, armored, -1), "broken-encryption")
	})
	t.Run("row02 cut short", func(t *testing.T) {
		for _, n := range []int{1, 20, 22, 100} {
			closed(t, message64(bin[:len(bin)-n]), "")
		}
	})
	t.Run("row02 no integrity protection", func(t *testing.T) {
		p := packets(t, bin)
		data := p[1]
		head := 2
		if data[1] >= 192 {
			head = 3
		}
		body := data[head+1:] // without the version: the packet of old
		sed := append([]byte{0x80 | 9<<2 | 1, byte(len(body) >> 8), byte(len(body))}, body...)
		closed(t, message64(append(bytes.Clone(p[0]), sed...)), "no-integrity")
		closed(t, message64(append(bytes.Clone(p[0]), sed[:len(sed)-22]...)), "")
	})
	t.Run("row02 packets added", func(t *testing.T) {
		p := packets(t, bin)
		literal := append([]byte{0xcb, 5, 'b', 0}, 0, 0, 0)
		for name, m := range map[string][][]byte{"behind": {p[0], p[1], literal}, "before": {literal, p[0], p[1]}, "twice": {p[0], p[1], p[1]}, "no key": {p[1]}, "no data": {p[0]}} {
			r := closed(t, message64(bytes.Join(m, nil)), "")
			if t.Failed() {
				t.Log(name, r.Reasons)
			}
		}
	})
	t.Run("row23 compression bomb", func(t *testing.T) {
		zeros := bytes.Repeat([]byte("\r\n"), 3<<20)
		for _, algo := range []string{"zip", "zlib", "bzip2"} {
			out, status, err := l.g.Run(append(bytes.Clone(entity), zeros...), "--armor", "--compress-algo", algo, "--compress-level", "9", "--local-user", l.ada, "--sign", "--encrypt", "--recipient", l.usFpr)
			if err != nil {
				t.Fatal(status)
			}
			closed(t, out, "too-big")
		}
	})
	t.Run("row24 password", func(t *testing.T) {
		out, status, err := l.g.Run(entity, "--armor", "--passphrase", "open", "--symmetric", "--encrypt", "--recipient", l.usFpr)
		if err != nil {
			t.Fatal(status)
		}
		closed(t, out, "password-encryption")
		if out, status, err = l.g.Run(entity, "--armor", "--passphrase", "open", "--symmetric"); err != nil {
			t.Fatal(status)
		}
		closed(t, out, "password-encryption")
	})
	t.Run("row24 many recipients", func(t *testing.T) {
		p := packets(t, bin)
		for n, want := range map[int]Verdict{15: Verified, 16: Unsigned, 3000: Unsigned} {
			m := l.encrypted(message64(append(bytes.Repeat(packets(t, l.dearmor(t, l.g.Encrypt(entity, l.ada)))[0], n), bytes.Join(p, nil)...)))
			if want == Verified {
				l.good(t, m)
			} else {
				because(t, l.expect(t, m, Unsigned, Quarantine), "too-many-recipients")
			}
		}
	})
	t.Run("hidden recipient and several keys", func(t *testing.T) {
		out, status, err := l.g.Run(entity, "--armor", "--local-user", l.ada, "--sign", "--encrypt", "--hidden-recipient", l.bob, "--hidden-recipient", l.usFpr)
		if err != nil {
			t.Fatal(status)
		}
		l.good(t, l.encrypted(out))
		other, err := pgp.Generate("Other", "other@northmere.example", l.now.Add(-1000))
		if err != nil {
			t.Fatal(err)
		}
		o := l.options()
		o.Secrets = []*pgp.Secret{other, l.us}
		expectWith(t, l.encrypted(out), o, Verified, Accept)
		expectWith(t, l.encrypted(armored), o, Verified, Accept)
		o.Secrets = []*pgp.Secret{other}
		r := expectWith(t, l.encrypted(out), o, Unsigned, Accept)
		because(t, r, "no-secret-key")
	})
	t.Run("item14 no key of ours", func(t *testing.T) {
		r := l.expect(t, l.encrypted(l.g.SignEncrypt(entity, l.ada, l.bob)), Unsigned, Accept)
		if e := r.Encryption; e.Decrypted || e.Error == "" || e.Scheme != "openpgp" || !e.Whole || r.Text != "" {
			t.Errorf("%+v %q", e, r.Text)
		}
	})
	t.Run("row15 surreptitious forwarding", func(t *testing.T) {
		ada := l.secret(t, l.ada)
		wrap := func(to *pgp.Key, fpr string) []byte { // Bob opens it, and encrypts the signed inside to us
			s, err := pgp.Seal(pgp.Outgoing{Draft: l.draft(), Signer: ada, To: []*pgp.Key{to}, OuterSubject: "...", Now: l.now})
			if err != nil {
				t.Fatal(err)
			}
			data, _ := message.Parse(s.Raw).Root.Parts[1].Data()
			if to == l.us.Public() {
				return data
			}
			inside, status, err := l.g.Run(data, "--unwrap", "--decrypt")
			if err != nil {
				t.Fatal(status)
			}
			out, status, err := l.g.Run(inside, "--armor", "--no-literal", "--compress-algo", "none", "--encrypt", "--recipient", fpr)
			if err != nil {
				t.Fatal(status)
			}
			return out
		}
		l.good(t, l.encrypted(wrap(l.us.Public(), l.usFpr)))
		r := l.expect(t, l.encrypted(wrap(l.bobKey, l.usFpr)), Unsigned, Accept)
		because(t, r, "not-for-us")
		if !r.Encryption.Decrypted {
			t.Errorf("%+v", r.Encryption)
		}
	})
	t.Run("item10 a base64 body, binary, and a name that says nothing", func(t *testing.T) {
		for i, data := range [][]byte{bin, armored, []byte(crlf(armored))} {
			raw := l.head(`multipart/encrypted; protocol="application/pgp-encrypted"; boundary="enc"`) +
				"--enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--enc\r\nContent-Type: text/plain; name=\"x.asc\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
				crlf([]byte(wrap64(data))) + "--enc--\r\n"
			l.good(t, []byte(raw))
			if t.Failed() {
				t.Fatal(i)
			}
		}
	})
	t.Run("row44 mangled on the way", func(t *testing.T) {
		raw := l.encrypted(armored)
		raw = swap(t, raw, `multipart/encrypted; protocol="application/pgp-encrypted"; boundary="enc"`, `multipart/mixed; boundary="enc"`)
		raw = swap(t, raw, "--enc\r\n", "--enc\r\nContent-Type: text/plain\r\n\r\n\r\n--enc\r\n")
		because(t, l.good(t, raw), "mangled")
		text := swap(t, raw, "Content-Type: text/plain\r\n\r\n\r\n", "Content-Type: text/plain\r\n\r\nhello\r\n")
		silent(t, l.expect(t, text, Unsigned, Accept))
		html := swap(t, raw, "Content-Type: text/plain\r\n\r\n\r\n", "Content-Type: text/html\r\n\r\n<img src=\"http://evil.example/\r\n")
		silent(t, l.expect(t, html, Unsigned, Accept))
	})
	t.Run("several mails in one armour", func(t *testing.T) {
		eve := l.g.Encrypt([]byte("Content-Type: text/plain\r\n\r\nPay Eve"), l.usFpr)
		r := l.expect(t, l.encrypted(append(bytes.Clone(armored), eve...)), Verified, Accept)
		if strings.Contains(r.Text, "Eve") {
			t.Errorf("%q", r.Text)
		}
	})
}

func (l *lab) secret(t testing.TB, fpr string) *pgp.Secret {
	t.Helper()
	out, status, err := l.g.Run(nil, "--export-secret-keys", fpr)
	if err != nil {
		t.Fatal(status)
	}
	s, err := pgp.ParseSecret(out)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (l *lab) draft() message.Draft {
	return message.Draft{From: message.Address{Name: "Ada", Addr: l.adaAddr}, To: []message.Address{{Addr: l.usAddr}}, Subject: "Payment", Date: l.now, MessageID: "d1@brandt.example", Text: secretWords}
}
