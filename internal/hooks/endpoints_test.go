package hooks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hooks"
)

func TestAddRefuses(t *testing.T) {
	each(t, func(s *desk) {
		for _, c := range []struct {
			url    string
			events []string
		}{
			{"http://hooks.example/", []string{"message.sent"}}, {"https://user:pw@hooks.example/", []string{"message.sent"}}, {"", []string{"message.sent"}},
			{"https://127.1/", []string{"message.sent"}}, {"https://hooks.example/", nil}, {"https://hooks.example/", []string{"message.sent", "message.eaten"}},
			{"https://hooks.example/", []string{""}},
		} {
			err := s.d.Update(t.Context(), func(tx *db.Tx) error { _, _, err := s.Add(t.Context(), tx, c.url, c.events, "agent"); return err })
			if !fail.Is(err, fail.Invalid) {
				t.Errorf("%q %q: %v, want Invalid", c.url, c.events, err)
			}
		}
	})
}

func TestEventsAreChecked(t *testing.T) {
	each(t, func(s *desk) {
		for _, e := range []hooks.Event{{ID: "", Name: "message.sent"}, {ID: "a.b", Name: "message.sent"}, {ID: "a b", Name: "message.sent"}, {ID: "a\nb", Name: "message.sent"},
			{ID: strings.Repeat("a", 101), Name: "message.sent"}, {ID: "a", Name: "message.eaten"}, {ID: "a"}, {ID: "a", Name: "message.sent", Payload: make([]byte, hooks.MaxPayload+1)}} {
			err := s.d.Update(t.Context(), func(tx *db.Tx) error { _, err := s.Publish(t.Context(), tx, e); return err })
			err2 := s.d.Update(t.Context(), func(tx *db.Tx) error { return s.Send(t.Context(), tx, s.e.ID, e) })
			if !fail.Is(err, fail.Invalid) || !fail.Is(err2, fail.Invalid) {
				t.Errorf("%q %q: %v, %v, want Invalid", e.ID, e.Name, err, err2)
			}
		}
		err := s.d.Update(t.Context(), func(tx *db.Tx) error {
			return s.Send(t.Context(), tx, "nobody", hooks.Event{ID: "a", Name: "message.sent"})
		})
		if !fail.Is(err, fail.NotFound) {
			t.Errorf("sent to nobody: %v", err)
		}
	})
}

func TestEndpointsAreKeptAndRecorded(t *testing.T) {
	each(t, func(s *desk) {
		ctx := t.Context()
		s.must(func(tx *db.Tx) error {
			_, _, err := s.Add(ctx, tx, "https://hooks.example:8443/x", []string{"message.sent", "instruction.proved", "message.sent"}, "other")
			return err
		})
		var list []hooks.Endpoint
		s.must(func(tx *db.Tx) (err error) { list, err = s.List(ctx, tx); return err })
		if len(list) != 2 || list[0].URL != s.r.URL+"/in?token=canary-url" || list[0].MadeBy != "agent" || !list[0].Enabled || !list[0].Made.Equal(s.d.Now()) ||
			list[1].Host() != "hooks.example:8443" || !slices.Equal(list[1].Events, []string{"instruction.proved", "message.sent"}) {
			t.Errorf("listed %+v", list)
		}
		id := s.e.ID
		s.must(func(tx *db.Tx) error { return s.SetEnabled(ctx, tx, id, false, "agent") })
		s.must(func(tx *db.Tx) error { return s.SetEnabled(ctx, tx, id, true, "agent") })
		s.must(func(tx *db.Tx) error { _, err := s.Rotate(ctx, tx, id, "agent"); return err })
		s.must(func(tx *db.Tx) error { return s.Remove(ctx, tx, id, "agent") })
		for name, f := range map[string]func(tx *db.Tx) error{
			"get":    func(tx *db.Tx) error { _, err := s.Get(ctx, tx, id); return err },
			"set":    func(tx *db.Tx) error { return s.SetEnabled(ctx, tx, id, true, "agent") },
			"rotate": func(tx *db.Tx) error { _, err := s.Rotate(ctx, tx, id, "agent"); return err },
			"remove": func(tx *db.Tx) error { return s.Remove(ctx, tx, id, "agent") },
			"retry":  func(tx *db.Tx) error { return s.Retry(ctx, tx, "nothing", "agent") },
		} {
			if err := s.d.Update(ctx, f); !fail.Is(err, fail.NotFound) {
				t.Errorf("%s of what is not there: %v", name, err)
			}
		}
		if got, want := s.acts(string(id)), []string{"webhook.added", "webhook.disabled", "webhook.enabled", "webhook.rotated", "webhook.removed"}; !slices.Equal(got, want) {
			t.Errorf("on record: %v, want %v", got, want)
		}
	})
}

func TestRotationSignsWithBoth(t *testing.T) {
	each(t, func(s *desk) {
		rotate := func() (secret string) {
			s.must(func(tx *db.Tx) (err error) { secret, err = s.Rotate(t.Context(), tx, s.e.ID, "agent"); return err })
			return secret
		}
		n := 0
		signed := func(secrets ...string) (out []bool) {
			n++
			s.publish(fmt.Sprint("evt_", n))
			s.until("sent")
			c := s.r.got()[n-1]
			for _, x := range secrets {
				out = append(out, signedBy(c, x))
			}
			if got, want := len(strings.Fields(c.signature)), len(slices.DeleteFunc(slices.Clone(out), func(b bool) bool { return !b })); got != want {
				t.Errorf("%d signatures, want %d", got, want)
			}
			return out
		}
		s.start()
		first := s.secret
		second := rotate()
		if got := signed(first, second); !slices.Equal(got, []bool{true, true}) {
			t.Errorf("after a rotation signed by old and new: %v", got)
		}
		s.pass(hooks.OldSecret - time.Microsecond)
		if got := signed(first, second); !slices.Equal(got, []bool{true, true}) {
			t.Errorf("within a day: %v", got)
		}
		s.pass(time.Microsecond)
		if got := signed(first, second); !slices.Equal(got, []bool{false, true}) {
			t.Errorf("after a day: %v", got)
		}
		third := rotate()
		fourth := rotate()
		if got := signed(second, third, fourth); !slices.Equal(got, []bool{false, true, true}) {
			t.Errorf("after two rotations: %v", got)
		}
	})
}

// Nothing that is secret lies in clear in the database or the log, whatever goes
// wrong: planted words are looked for.
func TestNothingSecretInClear(t *testing.T) {
	each(t, func(s *desk) {
		var secret string
		s.must(func(tx *db.Tx) (err error) { secret, err = s.Rotate(t.Context(), tx, s.e.ID, "agent"); return err })
		s.r.set(func(c call) (int, string) {
			return map[string]int{"evt_1": 200, "evt_2": 500, "evt_3": 410}[c.id], "canary-answer"
		})
		s.onDone(func(d hooks.Delivery) error {
			if d.HookID == "evt_1" {
				panic("canary-panic")
			}
			return nil
		})
		s.start()
		s.publish("evt_2")
		s.until("deferred")
		s.publish("evt_1")
		s.until("deferred") // put back, as its record failed
		s.publish("evt_3")
		s.untilAll("failed", "failed", "deferred") // evt_3, evt_2 that waited, evt_1 whose record fails again
		s.Stop()
		needles := []string{"canary", s.e.URL, s.secret[6:], secret[6:]}
		texts := append(s.everything(), s.log.String())
		if !strings.Contains(s.log.String(), "record") || len(texts) < 10 {
			t.Errorf("nothing went wrong, or nothing is there to look through: %d texts, log %s", len(texts), s.log)
		}
		for _, text := range texts {
			for _, n := range needles {
				if strings.Contains(text, n) {
					t.Errorf("%q is in clear in %q", n, text)
				}
			}
		}
	})
}

// everything is every row of our tables and of the audit, as text.
func (s *desk) everything() (out []string) {
	s.t.Helper()
	for _, table := range []string{"hook_endpoints", "hook_deliveries", "audit"} {
		rows, err := s.d.Pool().QueryContext(s.t.Context(), `SELECT * FROM `+table)
		if err != nil {
			s.t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				s.t.Fatal(err)
			}
			for _, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				out = append(out, fmt.Sprint(v))
			}
		}
		if err := rows.Err(); err != nil {
			s.t.Fatal(err)
		}
		rows.Close()
	}
	return out
}

func TestPayloadIsDroppedWhenItWasTaken(t *testing.T) {
	each(t, func(s *desk) {
		size := func() (n int64) {
			s.must(func(tx *db.Tx) (err error) {
				n, err = db.Count(t.Context(), tx, `SELECT LENGTH(payload) FROM hook_deliveries`)
				return err
			})
			return n
		}
		s.publish("evt_1")
		if size() == 0 {
			t.Fatal("nothing was stored")
		}
		s.start()
		s.until("sent")
		if n := size(); n != 0 {
			t.Errorf("%d bytes are still there", n)
		}
	})
}

// TestEveryEventOfAnInstructionCanBeTold: what the flow of instructions tells is
// known here, or its steps would fail.
func TestEveryEventOfAnInstructionCanBeTold(t *testing.T) {
	source, err := filepath.Glob("../authorise/*.go")
	if err != nil || len(source) == 0 {
		t.Fatal(source, err)
	}
	seen := map[string]bool{}
	for _, f := range source {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(instruction\.(?:proved|approved|due|executed|refused|frozen|expired|cancelled))"`).FindAllStringSubmatch(string(b), -1) {
			seen[m[1]] = true
		}
	}
	for name := range seen {
		if !slices.Contains(hooks.Events(), name) {
			t.Errorf("%s cannot be told", name)
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %v found in the source", seen)
	}
}
