package pgp_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"postern/internal/gpgtest"
	"postern/internal/message"
	"postern/internal/pgp"
)

// sealed is a message by Ada to us, of that many bytes of text.
func sealed(b *testing.B, text string) (data []byte, us, ada *pgp.Secret) {
	b.Helper()
	us, ada = key(b, "Support"), key(b, "Ada")
	s, err := pgp.Seal(pgp.Outgoing{Draft: draft(text), Signer: ada, To: []*pgp.Key{us.Public()}, OuterSubject: "x", Now: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	data, _ = message.Parse(s.Raw).Root.Parts[1].Data()
	return data, us, ada
}

func openVerify(b *testing.B, text string) {
	data, us, ada := sealed(b, text)
	at, secrets := time.Now(), []*pgp.Secret{us}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		o, err := pgp.Open(data, secrets)
		if err != nil || len(o.Signatures) != 1 {
			b.Fatal(err)
		}
		if made, fault := o.Signatures[0].Verify(ada.Public(), at); !made || fault != "" {
			b.Fatal(fault)
		}
	}
}

func BenchmarkOpenVerify10KB(b *testing.B) {
	openVerify(b, strings.Repeat("A line of a letter to somebody.\n", 320))
}

func BenchmarkOpenVerify10MB(b *testing.B) { openVerify(b, large()) }

// BenchmarkSealCheck10MB is all that is done to a large answer before it is stored.
func BenchmarkSealCheck10MB(b *testing.B) {
	us, ada := key(b, "Support"), key(b, "Ada")
	to := []*pgp.Key{us.Public()}
	o := pgp.Outgoing{Draft: draft(large()), Signer: ada, To: to, OuterSubject: "x", Now: time.Now()}
	for b.Loop() {
		s, err := pgp.Seal(o)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Check(ada.Public(), to); err != nil {
			b.Fatal(err)
		}
	}
}

// large is a large attachment's worth of text that does not compress.
func large() string {
	text := make([]byte, 10<<20)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz012345"[rand.IntN(32)]
		if i%70 == 69 {
			text[i] = '\n'
		}
	}
	return string(text)
}

// BenchmarkGPGSealOpen10KB is the same work by GnuPG as a subprocess: one process
// to sign and encrypt, one to open and verify.
func BenchmarkGPGSealOpen10KB(b *testing.B) {
	g := gpgtest.New(b)
	fpr := g.Generate("Ada <ada@brandt.example>", "0", time.Time{})
	text := []byte(strings.Repeat("A line of a letter to somebody.\n", 320))
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			g.SignEncrypt(text, fpr, fpr)
		}
	})
	b.Run("open", func(b *testing.B) {
		data := g.SignEncrypt(text, fpr, fpr)
		for b.Loop() {
			if _, status, err := g.Decrypt(data); err != nil || !status.Has("GOODSIG") {
				b.Fatal(err)
			}
		}
	})
}
