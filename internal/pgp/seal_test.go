package pgp_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"postern/internal/gpgtest"
	"postern/internal/message"
	"postern/internal/pgp"
)

func key(t testing.TB, name string) *pgp.Secret {
	t.Helper()
	s, err := pgp.Generate(name, strings.ToLower(name)+"@northmere.example", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func draft(text string) message.Draft {
	return message.Draft{From: message.Address{Name: "Northmere", Addr: "support@northmere.example"}, To: []message.Address{{Addr: "ada@brandt.example"}},
		Subject: "Ihre Anfrage — Kontostand", Date: time.Now(), MessageID: "m1@northmere.example", Text: text,
		Attachments: []message.Attachment{{Name: "beleg ä.pdf", Type: "application/pdf", Data: bytes.Repeat([]byte{0, 1, 2, 0xff}, 500)}}}
}

const secret = "From here on:\n.\n-- \nden Saldo nennen wir: 1.204,50 €   \nlast line without end"

func TestP1EveryMailIsSigned(t *testing.T) {
	us, g := key(t, "Support"), gpgtest.New(t)
	g.Import(us.Public().Armored())
	s, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Signer: us, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(us.Public(), nil); err != nil {
		t.Fatal(err)
	}
	m := message.Parse(s.Raw)
	sig, _ := m.Root.Parts[1].Data()
	status, err := g.Verify(sig, m.Root.Parts[0].Raw)
	if err != nil || !status.Has("GOODSIG") {
		t.Errorf("gpg: %v\n%s", err, status)
	}
	if got := m.Root.Display().Text; !strings.Contains(got, "1.204,50 €") {
		t.Errorf("text %q", got)
	}
	if _, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Now: time.Now()}); err == nil {
		t.Error("a mail without a signer was made")
	}
}

func TestP2GnuPGReadsWhatWeEncryptAndNobodyElse(t *testing.T) {
	us, g := key(t, "Support"), gpgtest.New(t)
	fpr := g.Generate("Ada <ada@brandt.example>", "0", time.Time{})
	g.Import(us.Public().Armored())
	ada, err := pgp.ParseKeys(g.Export(fpr))
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Signer: us, To: ada, OuterSubject: "[PN-7K2M-9QX]", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(us.Public(), ada); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"Saldo", "Kontostand", "beleg"} {
		if bytes.Contains(s.Raw, []byte(leak)) {
			t.Errorf("%q stands outside", leak)
		}
	}
	data, _ := message.Parse(s.Raw).Root.Parts[1].Data()
	plain, status, err := g.Decrypt(data)
	if err != nil || !status.Has("GOODSIG") || !status.Has("DECRYPTION_OKAY") {
		t.Fatalf("gpg: %v\n%s", err, status)
	}
	m := message.Parse(plain)
	if m.Header().Text("Subject") != "Ihre Anfrage — Kontostand" || !strings.Contains(m.Root.Display().Text, "1.204,50 €") || len(m.Root.Display().Attachments) != 1 {
		t.Errorf("%q\n%s", m.Header().Text("Subject"), plain)
	}
}

func TestCheckRefusesAnyOtherMail(t *testing.T) {
	us, other, ada, eve := key(t, "Support"), key(t, "Other"), key(t, "Ada").Public(), key(t, "Eve").Public()
	seal := func(signer *pgp.Secret, to ...*pgp.Key) *pgp.Sealed {
		s, err := pgp.Seal(pgp.Outgoing{Draft: draft(secret), Signer: signer, To: to, OuterSubject: "x", Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	swap := func(s *pgp.Sealed, old, new string) *pgp.Sealed {
		if !bytes.Contains(s.Raw, []byte(old)) {
			t.Fatalf("%q is not there", old)
		}
		s.Raw = bytes.Replace(s.Raw, []byte(old), []byte(new), 1)
		return s
	}
	for name, c := range map[string]struct {
		s  *pgp.Sealed
		to []*pgp.Key
	}{
		"signed by another key":        {seal(other), nil},
		"signed, not encrypted":        {seal(us), []*pgp.Key{ada}},
		"encrypted, not signed only":   {seal(us, ada), nil},
		"encrypted to one more":        {seal(us, ada, eve), []*pgp.Key{ada}},
		"encrypted to one less":        {seal(us, ada), []*pgp.Key{ada, eve}},
		"encrypted to somebody else":   {seal(us, eve), []*pgp.Key{ada}},
		"signed inside by another key": {seal(other, ada), []*pgp.Key{ada}},
		"a word changed":               {swap(seal(us), "den Saldo", "der Saldo"), nil},
		"a bare line feed":             {swap(seal(us), "\r\n", "\n"), nil},
		"an 8-bit letter":              {swap(seal(us), "den Saldo", "d\xe4n Saldo"), nil},
		"another mail's bytes":         {&pgp.Sealed{Raw: seal(us).Raw}, nil},
	} {
		if c.s.Check(us.Public(), c.to) == nil {
			t.Errorf("%s: passed", name)
		}
	}
	if err := seal(us, ada).Check(us.Public(), []*pgp.Key{ada}); err != nil {
		t.Error(err)
	}
}

func TestAutocryptLeavesAsItIs(t *testing.T) {
	us := key(t, "Support")
	value := "addr=support@northmere.example; keydata=" + base64.StdEncoding.EncodeToString(us.Public().Minimal("support@northmere.example"))
	d := draft("x")
	d.Headers = [][2]string{{"Autocrypt", value}}
	s, err := pgp.Seal(pgp.Outgoing{Draft: d, Signer: us, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if got := message.Parse(s.Raw).Header().Get("Autocrypt"); strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(value), "") {
		t.Errorf("got %.100s", got)
	}
}

func TestHeaderInjectionIsRefused(t *testing.T) {
	us := key(t, "Support")
	for _, d := range []func(*message.Draft){
		func(d *message.Draft) { d.Subject = "a\r\nBcc: eve@evil.example" },
		func(d *message.Draft) { d.From.Name = "a\nb" },
		func(d *message.Draft) { d.To[0].Addr = "a@b.example>\r\nX: y" },
		func(d *message.Draft) { d.Attachments[0].Name = "a\r\nb" },
		func(d *message.Draft) { d.Headers = [][2]string{{"From", "eve@evil.example"}} },
		func(d *message.Draft) { d.MessageID = "a b" },
	} {
		x := draft("x")
		d(&x)
		if _, err := pgp.Seal(pgp.Outgoing{Draft: x, Signer: us, Now: time.Now()}); err == nil {
			t.Errorf("sealed %+v", x)
		}
	}
}

func BenchmarkSeal10KB(b *testing.B) {
	us, ada := key(b, "Support"), key(b, "Ada").Public()
	o := pgp.Outgoing{Draft: draft(strings.Repeat("A line of a letter to somebody.\n", 320)), Signer: us, To: []*pgp.Key{ada}, OuterSubject: "x", Now: time.Now()}
	for b.Loop() {
		s, err := pgp.Seal(o)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Check(us.Public(), o.To); err != nil {
			b.Fatal(err)
		}
	}
}
