package instructions_test

import (
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	. "postern/internal/instructions"
)

func limit() *Type {
	for _, t := range Shipped() {
		if t.ID == "payment" {
			return &t
		}
	}
	return nil
}

// TestP3LowersKnowsWhatDemandsLess: each way to weaken a kind, or to have it say
// something else; and what asks for more begins at once.
func TestP3LowersKnowsWhatDemandsLess(t *testing.T) {
	for name, change := range map[string]func(*Type){
		"a weaker proof":              func(n *Type) { n.Level = Call },
		"a weaker proof of signers":   func(n *Type) { n.Signer = TOTP },
		"fewer people":                func(n *Type) { n.Approvals = 1 },
		"less waiting":                func(n *Type) { n.Cooling = time.Hour },
		"open for longer":             func(n *Type) { n.Expiry = 90 * 24 * time.Hour },
		"no risk any more":            func(n *Type) { n.Risky = false },
		"open again":                  func(n *Type) { n.Closed = false },
		"another role":                func(n *Type) { n.Approver = "agent" },
		"any role":                    func(n *Type) { n.Approver = "" },
		"another system":              func(n *Type) { n.Hook = "h2" },
		"another title":               func(n *Type) { n.Title = "A new card" },
		"a field gone":                func(n *Type) { n.Fields = n.Fields[1:]; n.Raise = nil },
		"a field that may be empty":   func(n *Type) { n.Fields[0].Optional = true },
		"a field with another label":  func(n *Type) { n.Fields[1].Label = "Payer" },
		"a field of another kind":     func(n *Type) { n.Fields[1].Kind = Text },
		"no rule for more":            func(n *Type) { n.Raise = nil },
		"a rule with a higher limit":  func(n *Type) { n.Raise[0].Above = "9000.00 EUR" },
		"a rule that asks for less":   func(n *Type) { n.Raise[1].Approvals = 1 },
		"a rule, and less without it": func(n *Type) { n.Raise = n.Raise[:1]; n.Level = Call },
	} {
		t.Run(name, func(t *testing.T) {
			old := limit()
			old.Approvals, old.Cooling, old.Approver, old.Hook, old.Closed = 2, 24*time.Hour, "triager", "h1", true
			next := limit()
			next.Approvals, next.Cooling, next.Approver, next.Hook, next.Closed = 2, 24*time.Hour, "triager", "h1", true
			if old.Lowers(next) {
				t.Fatal("the same demands less")
			}
			if change(next); !old.Lowers(next) {
				t.Error("it would begin at once")
			}
		})
	}
	old, more := limit(), limit()
	more.Level, more.Signer, more.Approvals, more.Cooling, more.Expiry, more.Approver, more.Closed = Signature, Signature, 3, 48*time.Hour, time.Hour, "triager", true
	more.Fields = append(more.Fields, Field{Name: "why", Label: "Why", Kind: Text})
	more.Fields[3].Optional, more.Raise = false, nil // the kind itself asks for as much as the rules did
	if old.Lowers(more) {
		t.Error("what asks for more waits")
	}
}

// TestP3WeakerKindWaits: 72 hours, or until another agrees; a change that asks for
// more takes its place, and what was dropped does not come back.
func TestP3WeakerKindWaits(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		change := func(people int64, by string) (at time.Time) {
			b.must(func(tx *db.Tx) error {
				k, err := TypeOf(t.Context(), tx, "closing")
				if err != nil {
					return err
				}
				k.Approvals = people
				at, err = ChangeType(t.Context(), tx, k, by)
				return err
			})
			return at
		}
		is := func(want int64, waits int, what string) {
			t.Helper()
			b.must(func(tx *db.Tx) error {
				if err := ApplyTypes(t.Context(), tx, everybody); err != nil {
					return err
				}
				k, err := TypeOf(t.Context(), tx, "closing")
				if err != nil {
					return err
				}
				list, err := Nexts(t.Context(), tx)
				if k.Approvals != want || len(list) != waits {
					t.Errorf("%s: %d people, %d wait; want %d and %d", what, k.Approvals, len(list), want, waits)
				}
				return err
			})
		}
		if at := change(1, "staff:mia"); at.Sub(b.d.Now().Add(LoweringWait)).Abs() > time.Second {
			t.Errorf("it begins at %v", at)
		}
		b.pass(LoweringWait - time.Minute)
		is(2, 1, "a minute too early")
		b.pass(2 * time.Minute)
		is(1, 0, "in time")

		change(0, "staff:mia")
		if at := change(3, "staff:ben"); !at.IsZero() {
			t.Error("what asks for more waits")
		}
		b.pass(2 * LoweringWait)
		is(3, 0, "another change took its place")

		change(0, "staff:mia")
		b.must(func(tx *db.Tx) error { return KeepType(t.Context(), tx, "closing", "staff:mia") })
		b.pass(2 * LoweringWait)
		is(3, 0, "dropped")

		change(0, "staff:mia")
		b.must(func(tx *db.Tx) error {
			if err := AgreeType(t.Context(), tx, "closing", "staff:mia", seen(t, tx), time.Time{}); !fail.Is(err, fail.Denied) {
				t.Errorf("her own: %v", err)
			}
			return nil
		})
		change(1, "staff:ben") // now it is his, and she may agree
		b.must(func(tx *db.Tx) error {
			return AgreeType(t.Context(), tx, "closing", "staff:mia", seen(t, tx), time.Time{})
		})
		is(1, 0, "agreed")
	})
}

func everybody(string) (bool, error) { return true, nil }

// seen is the sum of what waits for the kind "closing".
func seen(t *testing.T, tx *db.Tx) string {
	list, err := Nexts(t.Context(), tx)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d wait: %v", len(list), err)
	}
	return list[0].Sum
}

func TestP3LowersKnowsWhatRulesHangOn(t *testing.T) {
	kind := func() *Type {
		return &Type{ID: "card", Title: "A card", Level: Call, Signer: Call, Approvals: 0, Fields: []Field{{Name: "reason", Label: "Reason", Kind: Choice, Choices: []string{"Damaged", "Stolen"}}},
			Raise: []Raise{{Field: "reason", Is: "Stolen", Level: Passkey, Approvals: 2}}}
	}
	old, next := kind(), kind()
	next.Fields[0].Choices = []string{"Damaged", "Theft"} // the rule stays, and never applies
	if l, n := next.Needs(map[string]string{"reason": "Theft"}); l < Passkey && n < 2 && !old.Lowers(next) {
		t.Errorf("renaming a choice makes the rule dead, at once: needs %s, %d people", KindOf(l), n)
	}
	next = kind()
	next.Fields[0].Choices = append(next.Fields[0].Choices, "Taken from me")
	if !old.Lowers(next) {
		t.Error("another word for the same choice escapes the rule, at once")
	}
	next = kind()
	next.Customer = true
	if !old.Lowers(next) {
		t.Error("whoever has a session may begin it, at once; only staff could")
	}
	next = kind()
	next.Expiry, next.Fields = time.Hour, append(next.Fields, Field{Name: "reason2", Label: "Reason", Kind: Text})
	if next.Check() == nil {
		t.Error("a second line with the same label: the text says two things")
	}
	next = kind()
	next.Expiry, next.Raise[0].Is = time.Hour, "Theft"
	if next.Check() == nil {
		t.Error("a rule for a choice that there is not")
	}
}

// TestP3AgreeingIsToWhatWasSeen: what takes its place meanwhile is not agreed to.
func TestP3AgreeingIsToWhatWasSeen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		change := func(people int64, level Level) {
			b.must(func(tx *db.Tx) error {
				k, err := TypeOf(t.Context(), tx, "closing")
				if err != nil {
					return err
				}
				k.Approvals, k.Level, k.Signer = people, level, level
				_, err = ChangeType(t.Context(), tx, k, "staff:mia")
				return err
			})
		}
		change(1, Passkey) // ben looks at this: two people become one
		sum := ""
		b.must(func(tx *db.Tx) error { sum = seen(t, tx); return nil })
		change(0, Call) // mia puts another in its place
		var err error
		b.must(func(tx *db.Tx) error {
			err = AgreeType(t.Context(), tx, "closing", "staff:ben", sum, time.Time{})
			return nil
		})
		b.must(func(tx *db.Tx) error {
			k, e := TypeOf(t.Context(), tx, "closing")
			if e == nil && err == nil && k.Level == Call {
				t.Errorf("ben agreed to one person fewer; it needs %s and %d people now", KindOf(k.Level), k.Approvals)
			}
			return e
		})
		if !fail.Is(err, fail.Conflict) {
			t.Errorf("agreed to what nobody saw: %v", err)
		}
		b.must(func(tx *db.Tx) error { sum = seen(t, tx); return nil })
		b.must(func(tx *db.Tx) error {
			err = AgreeType(t.Context(), tx, "closing", "staff:ben", sum, b.d.Now().Add(-time.Hour))
			return nil
		})
		if !fail.Is(err, fail.Denied) {
			t.Errorf("agreed by an account that was made an hour ago: %v", err)
		}
	})
}

// TestP3NewWeakKindWaits: a kind nobody has seen yet is no way around the wait.
func TestP3NewWeakKindWaits(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.must(func(tx *db.Tx) error {
			var n Type
			for _, k := range Shipped() {
				if k.ID == "payment" {
					n = k
				}
			}
			n.ID, n.Title, n.Level, n.Signer, n.Approvals, n.Raise, n.Risky, n.Hook = "payment-2", "Another payment", Call, Call, 0, nil, false, "the-bank"
			at, err := ChangeType(t.Context(), tx, &n, "staff:mia")
			if err == nil && at.IsZero() {
				t.Errorf("%q by %s, nobody approves, done by a system: it begins at once", n.Title, KindOf(n.Level))
			}
			if err != nil {
				return err
			}
			k, err := TypeOf(t.Context(), tx, n.ID)
			if err == nil && !k.Closed {
				t.Error("it can be used meanwhile")
			}
			n.ID, n.Title = "payment-3", "a payment"
			if _, err := ChangeType(t.Context(), tx, &n, "staff:mia"); !fail.Is(err, fail.Conflict) {
				t.Errorf("a second kind under one title: %v", err)
			}
			return err
		})
	})
}
