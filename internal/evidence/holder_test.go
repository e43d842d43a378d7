package evidence

import (
	"strings"
	"testing"
	"time"
)

// Bob sends his own key along under a forged From of Ada's: it is then known
// under both of them. What he signs stays his.
func TestRow10AKeyFiledUnderTwoPeopleIsItsVerifiedOwners(t *testing.T) {
	l := newLab(t)
	raw := l.g.Signed(l.mail(), l.bob)
	o := l.options()
	o.Keys = &ring{all: append([]Known{{Key: l.bobKey, Trust: "harvested", Owner: "Ada", Addresses: []string{l.adaAddr}}}, l.keys.all...)}
	if r := expectWith(t, raw, o, Mismatch, Accept); r.Signature.Signer != l.bobAddr {
		t.Errorf("signer %q", r.Signature.Signer)
	}
	l.good(t, l.signed())
}

// Under a signature that does not count, protected fields are not protected.
func TestRow30ProtectedSubjectNeedsAGoodSignature(t *testing.T) {
	l := newLab(t)
	part := []byte("Content-Type: text/plain; hp=\"clear\"\r\nSubject: inside\r\nFrom: Ada <ada@brandt.example>\r\n\r\n" + secretWords + "\r\n")
	mail := func(signed []byte) []byte {
		return []byte(l.head(signedType) + signedBody(part, l.g.Sign(signed, l.ada)))
	}
	if r := l.good(t, mail(part)); r.Subject != "inside" {
		t.Errorf("subject %q", r.Subject)
	}
	if r := l.expect(t, mail([]byte("other")), Unsigned, Accept); r.Subject != "Payment" {
		t.Errorf("subject %q", r.Subject)
	}
}

// Nothing of a mail gets lost, however wrongly it is built.
func TestNothingIsLostBesideACryptographicPart(t *testing.T) {
	l := newLab(t)
	part := l.mail().Part()
	three := strings.Replace(signedBody(part, l.g.Sign(part, l.ada)), "--sig--", "--sig\r\nContent-Type: text/plain\r\n\r\nthird\r\n--sig--", 1)
	if r := l.expect(t, []byte(l.head(signedType)+three), Unsigned, Accept); len(r.Attachments) != 1 {
		t.Errorf("%d files", len(r.Attachments))
	}
	c := crlf(l.g.SignEncrypt([]byte(secretWords), l.ada, l.usFpr))
	mixed := l.head(`multipart/mixed; boundary="m"`) + "--m\r\nContent-Type: text/plain\r\n\r\n" + c + "\r\n--m\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--m--\r\n"
	r := l.expect(t, []byte(mixed), Unsigned, Accept)
	if len(r.Attachments) != 1 || string(r.Attachments[0].Data) != "footer" || r.Encryption.Whole {
		t.Errorf("%+v %+v", r.Attachments, r.Encryption)
	}
}

// A mail full of certificates costs no more than a few of them.
func TestManyCertificatesAreNotAllRead(t *testing.T) {
	l := newLab(t)
	armored := crlf(l.g.Export(l.eve))
	raw := l.head(`multipart/mixed; boundary="m"`) + strings.Repeat("--m\r\nContent-Type: application/pgp-keys\r\n\r\n"+armored+"\r\n", 400) + "--m--\r\n"
	at := time.Now()
	Examine([]byte(raw), l.options())
	if took := time.Since(at); took > 500*time.Millisecond {
		t.Errorf("%v", took)
	}
}
