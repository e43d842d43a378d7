package intake_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/pgp"
)

// With the disk full nothing is acknowledged, nothing is half there, what was
// there stays, and once there is room again the desk goes on by itself.
func TestFullDiskRefusesAndLosesNothing(t *testing.T) {
	x := open(t, filepath.Join(t.TempDir(), "full.db"))
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c := x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
	pragma := func(q string) {
		t.Helper()
		if _, err := x.d.Pool().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() int64 {
		return x.count(`SELECT (SELECT count(*) FROM spool) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM data_keys)`)
	}
	before := rows()
	raw := x.signedMail(s, "More", strings.Repeat("A long letter.\n", 200_000), true)
	accept := func() error {
		return x.in.Accept(context.Background(), &intake.Envelope{Door: "smtp", From: "ada@brandt.example", To: []string{box}, Raw: raw})
	}
	pragma(`PRAGMA max_page_count = 1`) // no larger than it is now
	if err := accept(); fail.KindOf(err) != fail.Full {
		t.Errorf("accepting on a full disk: %v, want Full", err)
	}
	if n := rows(); n != before {
		t.Errorf("%d rows after a refused mail, %d before", n, before)
	}
	if len(x.thread(c)) == 0 {
		t.Error("what was there went away")
	}
	pragma(`PRAGMA max_page_count = 1073741823`)
	if err := accept(); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	x.settle()
	if n := rows(); n <= before {
		t.Error("the mail was not stored")
	}
}
