package staff

import (
	"context"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

func (h *house) signIn(p *Person) string {
	h.t.Helper()
	var token string
	h.must(func(ctx context.Context, tx *db.Tx) (err error) {
		token, err = h.SignIn(ctx, tx, p, "Firefox on Linux")
		return err
	})
	return token
}

func (h *house) touch(token string) {
	h.t.Helper()
	h.must(func(ctx context.Context, tx *db.Tx) error {
		_, x, err := h.Authenticate(ctx, tx, token)
		if err != nil {
			return err
		}
		return h.Touch(ctx, tx, x)
	})
}

func TestSessionEndsWhenIdle(t *testing.T) {
	each(t, func(h *house) {
		token := h.signIn(h.add("ann", Agent))
		h.pass(Idle - time.Second)
		if _, err := h.who(token); err != nil {
			t.Fatal(err)
		}
		h.touch(token)
		h.pass(Idle - time.Second)
		if _, err := h.who(token); err != nil {
			t.Errorf("seen in between: %v", err)
		}
		h.pass(time.Second)
		if _, err := h.who(token); !fail.Is(err, fail.Denied) {
			t.Errorf("idle, and still in: %v", err)
		}
	})
}

func TestSessionEndsHoweverBusy(t *testing.T) {
	each(t, func(h *house) {
		p := h.add("ann", Agent)
		token := h.signIn(p)
		for range int(Absolute/(20*time.Minute)) - 1 {
			h.pass(20 * time.Minute)
			h.touch(token)
		}
		h.pass(20 * time.Minute)
		if _, err := h.who(token); !fail.Is(err, fail.Denied) {
			t.Errorf("after %s, still in: %v", Absolute, err)
		}
		h.must(func(ctx context.Context, tx *db.Tx) error {
			if list, err := h.Sessions(ctx, tx, p.ID); err != nil || len(list) != 0 {
				t.Errorf("still listed: %v, %v", list, err)
			}
			return nil
		})
	})
}

// A session that ended stays ended, whatever request is still under way.
func TestTouchDoesNotWakeAnEndedSession(t *testing.T) {
	each(t, func(h *house) {
		token := h.signIn(h.add("ann", Agent))
		h.must(func(ctx context.Context, tx *db.Tx) error {
			_, x, err := h.Authenticate(ctx, tx, token)
			if err != nil {
				return err
			}
			if err := h.End(ctx, tx, x); err != nil {
				return err
			}
			return h.Touch(ctx, tx, x)
		})
		if _, err := h.who(token); !fail.Is(err, fail.Denied) {
			t.Errorf("signed out, and still in: %v", err)
		}
	})
}

func TestSignInMakesAFreshToken(t *testing.T) {
	each(t, func(h *house) {
		p := h.add("ann", Agent)
		one, two := h.signIn(p), h.signIn(p)
		if one == two || len(one) != 64 {
			t.Errorf("tokens %d and %d long, equal: %v", len(one), len(two), one == two)
		}
		var stored int64
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			stored, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM staff_sessions WHERE hash = $1 OR id = $1`, one)
			return err
		})
		if stored != 0 {
			t.Error("the token stands in the database")
		}
	})
}

func TestRoleChangeCountsAtOnce(t *testing.T) {
	each(t, func(h *house) {
		h.add("boss", Admin)
		p := h.add("ann", Agent, Triager)
		token := h.signIn(p)
		p.Roles = nil
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, p) })
		q, err := h.who(token)
		if err != nil || q.May(CasesRead) || q.May(SecurityTriage) {
			t.Errorf("%+v, %v", q, err)
		}
	})
}

// A link made before somebody was disabled does not let them in afterwards, not
// even once they are enabled again.
func TestDisablingEndsLinksAndSignIn(t *testing.T) {
	each(t, func(h *house) {
		h.add("boss", Admin)
		p := h.add("ann", Agent)
		var token string
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			token, err = h.MakeLink(ctx, tx, SignInBy, p.ID, time.Hour)
			return err
		})
		p.Disabled = true
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, p) })
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { _, err := h.SignIn(ctx, tx, p, ""); return err }); !fail.Is(err, fail.Denied) {
			t.Errorf("disabled, and signed in: %v", err)
		}
		p.Disabled = false
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, p) })
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { _, err := h.UseLink(ctx, tx, SignInBy, token); return err }); !fail.Is(err, fail.NotFound) {
			t.Errorf("the old link works: %v", err)
		}
	})
}

// Two admins who demote each other at the same moment leave one admin.
func TestLastTwoAdminsDemoteEachOther(t *testing.T) {
	each(t, func(h *house) {
		a, b := h.add("ann", Admin), h.add("bea", Admin)
		errs := make(chan error, 2)
		for _, p := range []*Person{a, b} {
			go func() {
				q := *p
				q.Roles = []Role{Agent}
				errs <- h.try(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, &q) })
			}()
		}
		one, two := <-errs, <-errs
		if (one == nil) == (two == nil) {
			t.Errorf("want exactly one refusal, got %v and %v", one, two)
		}
	})
}
