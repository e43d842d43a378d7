package consent

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/vault"
)

// book is a database with a clock that the test moves.
type book struct {
	*testing.T
	d   *db.DB
	now *time.Time
}

func each(t *testing.T, f func(b *book)) {
	now := noon
	dbtest.EachAt(t, func() time.Time { return now }, func(t *testing.T, d *db.DB) {
		now = noon
		f(&book{t, d, &now})
	})
}

func (b *book) later(d time.Duration) { *b.now = b.now.Add(d) }

func (b *book) do(f func(ctx context.Context, tx *db.Tx) error) error {
	return b.d.Update(b.Context(), func(tx *db.Tx) error { return f(b.Context(), tx) })
}

// give gives a scope up on the portal.
func (b *book) give(who string, s Scope) *New {
	b.Helper()
	n, err := Prepare(contactID(who), s, 1, BySession(contactID(who), "passkey", "", *b.now), *b.now)
	if err != nil {
		b.Fatal(err)
	}
	if err := b.do(func(ctx context.Context, tx *db.Tx) error { return Give(ctx, tx, n) }); err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *book) active(who string, s Scope) bool {
	b.Helper()
	err := b.do(func(ctx context.Context, tx *db.Tx) error { _, err := Active(ctx, tx, contactID(who), s); return err })
	if err != nil && !fail.Is(err, fail.NotFound) {
		b.Fatal(err)
	}
	return err == nil
}

func (b *book) of(who string) (out []Consent) {
	b.Helper()
	if err := b.do(func(ctx context.Context, tx *db.Tx) (err error) { out, err = Of(ctx, tx, contactID(who)); return err }); err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *book) acts(who string) (out []string) {
	b.Helper()
	err := b.do(func(ctx context.Context, tx *db.Tx) error {
		rows, err := audit.About(ctx, tx, who, 100)
		for _, r := range rows {
			out = append(out, r.Act+" "+r.Actor)
			if strings.Contains(r.Detail, "@") {
				b.Errorf("the record holds %q", r.Detail)
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func TestP5OneScopeOfOnePersonGivesNoOther(t *testing.T) {
	each(t, func(b *book) {
		b.give("ada", Encryption)
		for _, c := range []struct {
			who   string
			scope Scope
			want  bool
		}{{"ada", Encryption, true}, {"ada", Factor, false}, {"ada", Proof, false}, {"ben", Encryption, false}} {
			if got := b.active(c.who, c.scope); got != c.want {
				b.Errorf("%s of %s: %v", c.scope, c.who, got)
			}
		}
	})
}

func TestP5GoingBackIsOneStepAndTheRowStays(t *testing.T) {
	each(t, func(b *book) {
		n := b.give("ada", Encryption)
		b.later(time.Hour)
		for i, want := range []bool{true, false} {
			err := b.do(func(ctx context.Context, tx *db.Tx) error {
				stood, err := Withdraw(ctx, tx, "ada", Encryption, ByLink)
				if stood != want {
					b.Errorf("going back for the time %d: %v", i+1, stood)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		list := b.of("ada")
		if b.active("ada", Encryption) || len(list) != 1 || list[0].ID != n.ID || list[0].How != ByLink || !list[0].Ended.Equal(*b.now) || list[0].Sum != sumEncryption1 || list[0].Factor != "passkey" {
			b.Errorf("%+v", list)
		}
		if Stood(list, Encryption, noon.Add(time.Minute)) == nil || Stood(list, Encryption, *b.now) != nil {
			b.Error("the past cannot be told")
		}
		if acts := strings.Join(b.acts("ada"), ", "); !strings.Contains(acts, "consent.given contact:ada") || !strings.Contains(acts, "consent.ended contact:ada") {
			b.Errorf("recorded: %s", acts)
		}
	})
}

func TestP5GivenAnewKeepsBoth(t *testing.T) {
	each(t, func(b *book) {
		old := b.give("ada", Encryption)
		b.later(300 * 24 * time.Hour)
		b.give("ada", Encryption)
		list := b.of("ada")
		if len(list) != 2 || list[1].ID != old.ID || list[1].How != Anew || !list[0].Standing(*b.now) {
			b.Errorf("%+v", list)
		}
		b.later(100 * 24 * time.Hour)
		if !b.active("ada", Encryption) {
			b.Error("the new year does not count")
		}
	})
}

// TestP5ExpiryReturnsQuietly: it is asked once a month before, and at its end
// the protection is back, whether anything ran or not.
func TestP5ExpiryReturnsQuietly(t *testing.T) {
	each(t, func(b *book) {
		b.give("ada", Encryption)
		ask := func() (list []Consent) {
			err := b.do(func(ctx context.Context, tx *db.Tx) (err error) {
				if list, err = AskAgain(ctx, tx, 10); err != nil {
					return err
				}
				for i := range list {
					if err := Asked(ctx, tx, &list[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			return list
		}
		if len(ask()) != 0 {
			b.Error("asked on the first day")
		}
		b.later(Life - AskAhead)
		if len(ask()) != 1 || len(ask()) != 0 {
			b.Error("not asked once")
		}
		b.later(AskAhead)
		if b.active("ada", Encryption) {
			b.Error("it counts after its year")
		}
		var due []Consent
		lapse := func(ctx context.Context, tx *db.Tx) (err error) {
			if due, err = ExpireDue(ctx, tx, 10); err != nil || len(due) == 0 {
				return err
			}
			return Lapse(ctx, tx, &due[0])
		}
		if err := b.do(lapse); err != nil || len(due) != 1 {
			b.Fatalf("%d due: %v", len(due), err)
		}
		if err := b.do(lapse); err != nil || len(due) != 0 {
			b.Errorf("again %d due: %v", len(due), err)
		}
		if list := b.of("ada"); len(list) != 1 || list[0].How != Lapsed {
			b.Errorf("%+v", list)
		}
	})
}

// TestP5PlayedAgainMailGivesNothing: a mail counts once, and only if it was
// signed after the last choice.
func TestP5PlayedAgainMailGivesNothing(t *testing.T) {
	each(t, func(b *book) {
		give := func(message string) error {
			p, err := BySignedMail("ada", signed(), message, *b.now)
			if err != nil {
				return err
			}
			n, err := Prepare("ada", Encryption, 1, p, *b.now)
			if err != nil {
				return err
			}
			return b.do(func(ctx context.Context, tx *db.Tx) error { return Give(ctx, tx, n) })
		}
		b.later(time.Minute)
		if err := give("m1"); err != nil {
			b.Fatal(err)
		}
		b.later(time.Minute)
		err := b.do(func(ctx context.Context, tx *db.Tx) error {
			_, err := Withdraw(ctx, tx, "ada", Encryption, ByLink)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.later(time.Minute)
		if err := give("m2"); !fail.Is(err, fail.Denied) || b.active("ada", Encryption) {
			b.Errorf("the same signature in another mail: %v", err)
		}
	})
}

func TestP5AMadeUpConsentIsNotGiven(t *testing.T) {
	each(t, func(b *book) {
		n := &New{Consent: Consent{ID: "x", Contact: "ada", Scope: Encryption, Wording: 1, Evidence: Evidence{Channel: Portal, Factor: "passkey"}, Given: noon, Expires: noon.Add(Life)}}
		if err := b.do(func(ctx context.Context, tx *db.Tx) error { return Give(ctx, tx, n) }); !fail.Is(err, fail.Denied) {
			b.Errorf("without a proof: %v", err)
		}
		if len(b.of("ada")) != 0 {
			b.Error("it stands in the table")
		}
	})
}

func TestLinkBackLeadsToItsConsentAlone(t *testing.T) {
	v, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	other, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(b *book) {
		n := b.give("ada", Encryption)
		good := Token(v, n.ID)
		for token, want := range map[string]bool{good: true, strings.ToUpper(good): true, good[:len(good)-1] + "!": false, "x" + good: false, string(n.ID): false, "": false,
			Token(v, "made-up"): false, Token(other, n.ID): false, strings.Repeat("a", 5000): false} {
			var c *Consent
			err := b.do(func(ctx context.Context, tx *db.Tx) (err error) { c, err = ByToken(ctx, tx, v, token); return err })
			if (err == nil) != want || want && c.Contact != contacts.ID("ada") || !want && !fail.Is(err, fail.NotFound) {
				b.Errorf("%.60q: %v", token, err)
			}
		}
	})
}

// TestP5WhatOneOfUsCouldHaveGivenCountsADayLater: the code that proved it was
// read out by staff, so the receipt is there before anything is less protected.
// The record names them, and going back ends it unused.
func TestP5WhatOneOfUsCouldHaveGivenCountsADayLater(t *testing.T) {
	each(t, func(b *book) {
		n, err := Prepare("ada", Factor, 1, BySession("ada", "access code", "noor", noon), noon)
		if err != nil {
			b.Fatal(err)
		}
		var rows []audit.Row
		err = b.do(func(ctx context.Context, tx *db.Tx) (err error) {
			if err = Give(ctx, tx, n); err == nil {
				rows, err = audit.About(ctx, tx, "ada", 10)
			}
			return err
		})
		if err != nil || len(rows) != 1 || !strings.HasSuffix(rows[0].Detail, "by portal, access code that staff noor read out") {
			b.Errorf("%v %+v", err, rows)
		}
		if b.active("ada", Factor) {
			b.Error("it counts at once")
		}
		b.later(Wait)
		if !b.active("ada", Factor) {
			b.Error("it does not count a day later")
		}
		b.later(-time.Hour)
		err = b.do(func(ctx context.Context, tx *db.Tx) error {
			stood, err := Withdraw(ctx, tx, "ada", Factor, ByLink)
			if !stood {
				b.Error("there was nothing to take back")
			}
			return err
		})
		if b.later(2 * time.Hour); err != nil || b.active("ada", Factor) {
			b.Errorf("taken back in time, and it counts: %v", err)
		}
	})
}
