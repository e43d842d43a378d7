package pgp_test

import (
	"bytes"
	"testing"
	"time"

	"postern/internal/pgp"
)

// The recipient's name is for the recipient (RFC 9788, 3.2.2).
func TestP2NoNameStandsOutside(t *testing.T) {
	us, ada := key(t, "Support"), key(t, "Ada")
	d := draft(secret)
	d.To[0].Name = "Ada Brandt"
	s, err := pgp.Seal(pgp.Outgoing{Draft: d, Signer: us, To: []*pgp.Key{ada.Public()}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(us.Public(), []*pgp.Key{ada.Public()}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s.Raw, []byte("Ada Brandt")) || !bytes.Contains(s.Raw, []byte("Subject: [...]\r\n")) {
		t.Errorf("%.400s", s.Raw)
	}
}
