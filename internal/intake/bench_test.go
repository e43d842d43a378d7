package intake_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/contacts"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

// BenchmarkAnswer is one encrypted answer, from the agent's word to the tray.
func BenchmarkAnswer(b *testing.B) {
	x := open(b, filepath.Join(b.TempDir(), "bench.db"))
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	c := x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
	x.verify(x.ada().Keys[0])
	text := strings.Repeat("A line of a letter to somebody.\n", 300)
	for b.Loop() {
		if _, err := x.out.Send(b.Context(), &outbox.Answer{Case: c.ID, Staff: "noor", Text: text, To: []contacts.ID{c.Contact}}); err != nil {
			b.Fatal(err)
		}
	}
	x.clock.add(time.Minute)
	x.settle()
}

// BenchmarkIn is one signed and encrypted mail of 10 KB from a customer who is
// known, from Accept to its case.
func BenchmarkIn(b *testing.B) {
	x := open(b, filepath.Join(b.TempDir(), "bench.db"))
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
	text := strings.Repeat("A line of a letter to somebody.\n", 220)
	mails := make(chan []byte, 4000)
	for range min(b.N, cap(mails)) {
		mails <- x.signedMail(s, "Question", text, true)
	}
	close(mails)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for raw := range mails {
				if err := x.in.Accept(context.Background(), &intake.Envelope{Door: "smtp", From: "ada@brandt.example", To: []string{box}, Raw: raw}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	x.settle()
}
