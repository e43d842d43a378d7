package evidence

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"postern/internal/message"
	"postern/internal/pgp"
)

// fuzzKeys are made by the first process and handed to its workers: seeds that
// one made must open in the others.
func fuzzKeys(f *testing.F, now time.Time) (us, ada *pgp.Secret) {
	const env = "POSTERN_FUZZ_KEYS"
	if both, ok := os.LookupEnv(env); ok {
		a, b, _ := strings.Cut(both, ",")
		return secretFrom(f, a), secretFrom(f, b)
	}
	us, err := pgp.Generate("Support", "support@northmere.example", now.Add(-time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	if ada, err = pgp.Generate("Ada", "ada@brandt.example", now.Add(-time.Hour)); err != nil {
		f.Fatal(err)
	}
	os.Setenv(env, hex.EncodeToString(us.Bytes())+","+hex.EncodeToString(ada.Bytes()))
	return us, ada
}

func secretFrom(f *testing.F, s string) *pgp.Secret {
	data, err := hex.DecodeString(s)
	if err != nil {
		f.Fatal(err)
	}
	k, err := pgp.ParseSecret(data)
	if err != nil {
		f.Fatal(err)
	}
	return k
}

// FuzzExamine examines whatever. A report always comes, it can always be printed,
// and V is only ever said of what Ada really wrote.
func FuzzExamine(f *testing.F) {
	now := time.Now().Truncate(time.Second)
	us, ada := fuzzKeys(f, now)
	d := message.Draft{From: message.Address{Name: "Ada", Addr: "ada@brandt.example"}, To: []message.Address{{Addr: "support@northmere.example"}}, Subject: "Payment", Date: now, MessageID: "1@brandt.example", Text: secretWords,
		Attachments: []message.Attachment{{Name: "a.csv", Type: "text/csv", Data: []byte("1,2")}}}
	for _, to := range [][]*pgp.Key{nil, {us.Public()}} {
		s, err := pgp.Seal(pgp.Outgoing{Draft: d, Signer: ada, To: to, OuterSubject: "...", Now: now})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Raw)
		m := message.Parse(s.Raw)
		data, _ := m.Root.Parts[1].Data()
		f.Add([]byte("From: ada@brandt.example\r\nDate: " + now.Format(time.RFC1123Z) + "\r\n\r\n" + string(data)))
		f.Add([]byte("From: ada@brandt.example\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--m\r\nContent-Type: application/octet-stream\r\n\r\n" + string(data) + "\r\n--m--\r\n"))
	}
	f.Add([]byte("From: a@b.example\r\nAutocrypt: addr=a@b.example; keydata=AAAA\r\n\r\nx"))
	o := Options{At: now, Secrets: []*pgp.Secret{us}, Keys: &ring{[]Known{{Key: ada.Public(), Trust: VerifiedTrust, Addresses: []string{"ada@brandt.example"}}}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := Examine(raw, o)
		if _, err := json.Marshal(rowOf("x", r)); err != nil {
			t.Fatal(err)
		}
		if r.Signature.Verdict == Verified && (r.From == nil || !strings.EqualFold(r.From.Address, "ada@brandt.example") || strings.TrimSpace(r.Text) != secretWords || len(r.Attachments) != 1 || r.Disposition == Quarantine) {
			t.Fatalf("V: %+v", r)
		}
		if r.Disposition == Quarantine && r.Text+r.HTML != "" {
			t.Fatalf("quarantined, but shows %q", r.Text)
		}
		if r.Encryption.Scheme != "none" && !r.Encryption.Decrypted && r.Text+r.HTML != "" {
			t.Fatalf("not opened, but shows %q", r.Text)
		}
	})
}

// BenchmarkExamine10KB is the whole of what intake asks of one mail.
func BenchmarkExamine10KB(b *testing.B) {
	l := newLab(b)
	m := l.mail()
	m.Text = strings.Repeat("A line of a letter to somebody.\n", 320)
	for name, raw := range map[string][]byte{"sealed": l.g.Encrypted(m, l.ada, l.usFpr), "signed": l.g.Signed(m, l.ada), "plain": m.Plain()} {
		b.Run(name, func(b *testing.B) {
			o := l.options()
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if r := Examine(raw, o); r.Text == "" || name != "plain" && r.Signature.Verdict != Verified {
					b.Fatal(r.Reasons)
				}
			}
		})
	}
}
