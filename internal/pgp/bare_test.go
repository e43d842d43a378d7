package pgp_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/message"
	"postern/internal/pgp"
)

// TestP1BareIsWhatWasSigned: the mail without its signature is the bytes that
// were signed, and the signature that stays behind verifies them.
func TestP1BareIsWhatWasSigned(t *testing.T) {
	us := key(t, "Support")
	s, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Signer: us, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgp.Bare(s.Raw, us.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	full, bare := message.Parse(s.Raw), message.Parse(out)
	if p := bare.Ambiguous(); p != "" || bytes.Contains(out, []byte("PGP SIGNATURE")) || bytes.Contains(out, []byte("multipart/signed")) {
		t.Fatalf("%s\n%s", p, out)
	}
	for _, f := range []string{"From", "To", "Subject", "Date", "Message-ID"} {
		if bare.Header().Get(f) != full.Header().Get(f) {
			t.Errorf("%s: %q, signed %q", f, bare.Header().Get(f), full.Header().Get(f))
		}
	}
	if bare.Root.Display().Text != full.Root.Display().Text || len(bare.Root.Display().Attachments) != len(full.Root.Display().Attachments) {
		t.Error("it says something else")
	}
	sig, _ := full.Root.Parts[1].Data()
	list, err := pgp.Detached(bytes.TrimPrefix(out, []byte("MIME-Version: 1.0\r\n"))[:len(full.Root.Parts[0].Raw)], sig)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if made, fault := list[0].Verify(us.Public(), time.Now()); !made || fault != "" {
		t.Errorf("the signature we keep does not fit to what left: %s", fault)
	}
}

func TestP1BareRefusesWhatWeDidNotSign(t *testing.T) {
	us, other, ada := key(t, "Support"), key(t, "Other"), key(t, "Ada").Public()
	seal := func(by *pgp.Secret, to ...*pgp.Key) []byte {
		s, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Signer: by, To: to, OuterSubject: "x", Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return s.Raw
	}
	bare, err := pgp.Bare(seal(us), us.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"signed by another key": seal(other),
		"encrypted":             seal(us, ada),
		"bare already":          bare,
		"a word changed":        bytes.Replace(seal(us), []byte("den Saldo"), []byte("der Saldo"), 1),
		"another Message-ID":    []byte(strings.Replace(string(seal(us)), "Message-ID: <", "Message-ID: <x", 1)),
		"another From":          []byte(strings.Replace(string(seal(us)), "From: ", "From: x", 1)),
		"nothing":               nil,
	} {
		if out, err := pgp.Bare(raw, us.Public(), time.Now()); err == nil {
			t.Errorf("%s: passed\n%.300s", name, out)
		}
	}
}
