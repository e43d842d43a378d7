package intake_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/contacts"
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
