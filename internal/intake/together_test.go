package intake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/policy"
)

// many are cases of different people, each with an answer that waits.
func (x *desk) many(n int) (out []*cases.Case) {
	x.Helper()
	for i := range n {
		c := x.take(&letter{from: fmt.Sprintf("c%d@kestrel.example", i), subject: fmt.Sprintf("Matter %d", i), text: "open?", id: fmt.Sprintf("asked-%d@kestrel.example", i)})
		if i%3 == 0 { // further words of theirs, which an answer refers to
			for k := range 6 {
				x.take(&letter{from: fmt.Sprintf("c%d@kestrel.example", i), subject: "more", text: "and?", id: fmt.Sprintf("more-%d-%d@kestrel.example", i, k), to: x.cases.Tokens.PlusAddress(box, c.Ref)})
			}
		}
		out = append(out, c)
	}
	for i, c := range out {
		x.compose(c, outbox.Answer{Text: fmt.Sprintf("The answer to number %d.", i)})
	}
	return out
}

// TestWhatIsReadTogetherStaysApart: deliveries that are read in one go go each to its own
// person, with their own words, under their own case.
func TestWhatIsReadTogetherStaysApart(t *testing.T) {
	each(t, func(x *desk) {
		cases := x.many(40)
		x.due()
		for i, c := range cases {
			to := fmt.Sprintf("c%d@kestrel.example", i)
			d := x.last(c)
			raw := x.tray(to)[0]
			m := message.Parse(raw)
			text := m.Root.Display().Text
			if d.State != outbox.Captured || d.Address != to || !strings.Contains(text, fmt.Sprintf("number %d.", i)) || !strings.Contains(text, string(c.Ref)) || !strings.Contains(m.Header().Text("Subject"), fmt.Sprintf("Matter %d ", i)) {
				x.Errorf("%s: %+v\n%s", to, d, raw)
			}
			want := []string{fmt.Sprintf("asked-%d@kestrel.example", i)}
			if i%3 == 0 {
				want = nil
				for k := 1; k < 6; k++ {
					want = append(want, fmt.Sprintf("more-%d-%d@kestrel.example", i, k))
				}
			}
			if got := m.Header().References(); strings.Join(got, " ") != strings.Join(want, " ") {
				x.Errorf("%s: refers to %q, want %q", to, got, want)
			}
		}
	})
}

// TestADamagedLetterHoldsUpNoOther: one that cannot be read is tried again, and shown to a
// person in the end; those that were read with it leave.
func TestADamagedLetterHoldsUpNoOther(t *testing.T) {
	each(t, func(x *desk) {
		cases := x.many(12)
		bad := map[int]string{
			3: `UPDATE contact_addresses SET address = $2 WHERE contact_id = $1`,
			7: `UPDATE cases SET subject = $2 WHERE contact_id = $1`,
		}
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			for i, query := range bad {
				if _, err := tx.Exec(x.Context(), query, cases[i].Contact, []byte("damaged beyond all reading, and long enough")); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		x.due()
		for i, c := range cases {
			want := outbox.Captured
			if bad[i] != "" {
				want = outbox.Deferred
			}
			if d := x.last(c); d.State != want || want == outbox.Captured && d.Protection != policy.Signed {
				x.Errorf("%d: %+v", i, d)
			}
		}
		for i, c := range cases {
			if bad[i] != "" {
				x.until(func() bool { x.clock.add(time.Hour); return x.last(c).State == outbox.Held })
			}
		}
	})
}
