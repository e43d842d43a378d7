package intake_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/bench/load"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db/dbtest"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/smtpc"
)

// BenchmarkAnswer is one encrypted answer: from the agent's word to the commit,
// and from there over SMTP into a sink.
func BenchmarkAnswer(b *testing.B) {
	for name, url := range dbtest.URLs() {
		b.Run(name+"/send", func(b *testing.B) { benchAnswer(b, url(b), false) })
		b.Run(name+"/leave", func(b *testing.B) { benchAnswer(b, url(b), true) })
	}
}

func benchAnswer(b *testing.B, source string, leave bool) {
	sink, err := load.NewSink()
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	x := openWith(b, source, smtpc.New(smtpc.Relay{Addr: sink.Addr(), TLS: smtpc.TLSNone, PoolSize: 16}))
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	var list []*cases.Case
	for range 50 {
		list = append(list, x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{}))
	}
	x.verify(x.ada().Keys[0])
	x.out.Stop()
	text := strings.Repeat("A line of a letter to somebody.\n", 300)
	b.ResetTimer()
	for i := range b.N {
		c := list[i%len(list)]
		if _, err := x.out.Send(b.Context(), &outbox.Answer{Case: c.ID, Staff: "noor", Text: text, To: []contacts.ID{c.Contact}}); err != nil {
			b.Fatal(err)
		}
	}
	if !leave {
		return
	}
	b.ResetTimer()
	x.clock.add(time.Minute)
	if err := x.out.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	x.settle()
	if sink.Count() < b.N {
		b.Fatalf("%d of %d left", sink.Count(), b.N)
	}
}

// BenchmarkIn is one mail of 10 KB from a customer who is known, from Accept to
// its case: signed and encrypted, or plain.
func BenchmarkIn(b *testing.B) {
	for _, kind := range []string{"se", "plain"} {
		b.Run(kind, func(b *testing.B) {
			for name, url := range dbtest.URLs() {
				b.Run(name, func(b *testing.B) { benchIn(b, url(b), kind) })
			}
		})
	}
}

func benchIn(b *testing.B, source, kind string) {
	x := open(b, source)
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
	text := strings.Repeat("A line of a letter to somebody.\n", 220)
	mails := make(chan []byte, b.N)
	for i := range b.N {
		if kind == "plain" {
			mails <- x.raw(&letter{from: "Ada Brandt <ada@brandt.example>", id: fmt.Sprintf("plain-%d@brandt.example", i), subject: "Question", text: strings.ReplaceAll(text, "\n", "\r\n")})
			continue
		}
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
	if n := x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`); n != int64(b.N)+1 {
		b.Fatalf("%d of %d mails were filed", n-1, b.N)
	}
}
