package evidence

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/gpgtest"
	"postern/internal/pgp"
)

// lab is a desk with a key, and people with GnuPG: Ada is a contact with a
// verified key, Bob another one, Eve has a key that nobody verified.
type lab struct {
	g                        *gpgtest.GPG
	us                       *pgp.Secret
	ada, bob, eve, usFpr     string
	adaKey, bobKey, eveKey   *pgp.Key
	now                      time.Time
	keys                     *ring
	adaAddr, bobAddr, usAddr string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{g: gpgtest.New(t), now: time.Now().Truncate(time.Second), adaAddr: "ada@brandt.example", bobAddr: "bob@brandt.example", usAddr: "support@northmere.example"}
	var err error
	if l.us, err = pgp.Generate("Support", l.usAddr, l.now.Add(-48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	l.g.Import(l.us.Public().Armored())
	l.usFpr = string(l.us.Public().Fingerprint())
	born := l.now.Add(-24 * time.Hour)
	l.ada = l.g.Generate("Ada <ada@brandt.example>", "0", born)
	l.bob = l.g.Generate("Bob <bob@brandt.example>", "0", born)
	l.eve = l.g.Generate("Eve <eve@evil.example>", "0", born)
	l.adaKey, l.bobKey, l.eveKey = l.key(t, l.ada), l.key(t, l.bob), l.key(t, l.eve)
	l.keys = &ring{all: []Known{
		{Key: l.adaKey, Trust: VerifiedTrust, Owner: "Ada", Addresses: []string{l.adaAddr}},
		{Key: l.bobKey, Trust: VerifiedTrust, Owner: "Bob", Addresses: []string{l.bobAddr}},
	}}
	return l
}

func (l *lab) key(t testing.TB, fpr string) *pgp.Key {
	t.Helper()
	list, err := pgp.ParseKeys(l.g.Export(fpr))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func (l *lab) options() Options {
	return Options{At: l.now.Add(5 * time.Minute), Secrets: []*pgp.Secret{l.us}, Keys: l.keys}
}

const secretWords = "Please pay 1.204,50 EUR to account 4711"

func (l *lab) mail() *gpgtest.Mail {
	return &gpgtest.Mail{From: "Ada <ada@brandt.example>", To: l.usAddr, Subject: "Payment", Text: secretWords, Date: l.now}
}

// signed and sealed are Ada's good mails: multipart/signed, and signed inside
// multipart/encrypted.
func (l *lab) signed() []byte { return l.g.Signed(l.mail(), l.ada) }
func (l *lab) sealed() []byte { return l.g.Encrypted(l.mail(), l.ada, l.usFpr) }

// expect examines a mail and holds it against verdict and disposition.
func (l *lab) expect(t testing.TB, raw []byte, v Verdict, d Disposition) *Report {
	t.Helper()
	return expectWith(t, raw, l.options(), v, d)
}

func expectWith(t testing.TB, raw []byte, o Options, v Verdict, d Disposition) *Report {
	t.Helper()
	r := Examine(raw, o)
	if r.Signature.Verdict != v || r.Disposition != d {
		t.Errorf("verdict %s, %s; want %s, %s; because %q; encryption %+v; text %q", r.Signature.Verdict, r.Disposition, v, d, r.Reasons, r.Encryption, r.Text)
	}
	return r
}

// good asserts that a mail has full authority and is read.
func (l *lab) good(t testing.TB, raw []byte) *Report {
	t.Helper()
	r := l.expect(t, raw, Verified, Accept)
	if !strings.Contains(r.Text, "1.204,50") {
		t.Errorf("text %q", r.Text)
	}
	return r
}

// swap replaces one occurrence, which must be there.
func swap(t testing.TB, raw []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(raw, []byte(old)) {
		t.Fatalf("%q is not in the mail:\n%.1500s", old, raw)
	}
	return bytes.Replace(raw, []byte(old), []byte(new), 1)
}

func silent(t testing.TB, r *Report) {
	t.Helper()
	if strings.Contains(r.Text+r.HTML, "1.204,50") || strings.Contains(r.Text+r.HTML, "4711") {
		t.Errorf("it shows %q %q", r.Text, r.HTML)
	}
}

func because(t testing.TB, r *Report, word string) {
	t.Helper()
	for _, s := range r.Reasons {
		if strings.HasPrefix(s, word+": ") {
			return
		}
	}
	t.Errorf("no reason %q in %q", word, r.Reasons)
}

// head is the header of one of Ada's mails, up to and with the empty line.
func (l *lab) head(contentType string) string {
	return "From: Ada <ada@brandt.example>\r\nTo: " + l.usAddr + "\r\nSubject: Payment\r\nDate: " + l.now.UTC().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <x1@brandt.example>\r\nMIME-Version: 1.0\r\nContent-Type: " + contentType + "\r\n\r\n"
}

// encrypted wraps an armoured message as PGP/MIME.
func (l *lab) encrypted(armored []byte) []byte {
	return []byte(l.head(`multipart/encrypted; protocol="application/pgp-encrypted"; boundary="enc"`) + encryptedBody(armored))
}

func encryptedBody(armored []byte) string {
	return "--enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--enc\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n" +
		crlf(armored) + "\r\n--enc--\r\n"
}

func crlf(b []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
}

// signedEntity is a multipart/signed over part, without the mail's header.
func signedEntity(part, signature []byte) string {
	return "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"sig\"\r\n\r\n" + signedBody(part, signature)
}

func signedBody(part, signature []byte) string {
	return "--sig\r\n" + string(part) + "\r\n--sig\r\nContent-Type: application/pgp-signature; name=\"signature.asc\"\r\n\r\n" + crlf(signature) + "\r\n--sig--\r\n"
}

const signedType = `multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary="sig"`

// signedMail is a mail over a signed part and its signature.
func (l *lab) signedMail(part, signature []byte) []byte {
	return []byte(l.head(signedType) + signedBody(part, signature))
}
