package hooks_test

import (
	"testing"

	"postern/internal/db"
)

func TestWantsWhatAnEndpointAskedFor(t *testing.T) {
	each(t, func(s *desk) {
		ctx := t.Context()
		check := func(when string, sent, received bool) {
			t.Helper()
			if a, b := s.Wants("message.sent"), s.Wants("message.received"); a != sent || b != received {
				t.Errorf("%s: wants message.sent %v, message.received %v", when, a, b)
			}
		}
		reload := func() {
			t.Helper()
			if err := s.Reload(ctx); err != nil {
				t.Fatal(err)
			}
		}
		check("before it looked", true, true)
		s.start()
		check("from the start", true, false)
		s.must(func(tx *db.Tx) error { return s.SetEnabled(ctx, tx, s.e.ID, false, "agent") })
		check("after a change", true, true)
		reload()
		check("switched off", false, false)
		s.must(func(tx *db.Tx) error {
			_, _, err := s.Add(ctx, tx, "https://hooks.example/", []string{"message.received"}, "agent")
			return err
		})
		check("added here", true, true)
		reload()
		check("looked again", false, true)
		other := s.node("b")
		if err := other.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		s.must(func(tx *db.Tx) error { return s.Remove(ctx, tx, s.e.ID, "agent") })
		if other.Wants("message.sent") || !other.Wants("message.received") {
			t.Error("another node looked at something else")
		}
	})
}
