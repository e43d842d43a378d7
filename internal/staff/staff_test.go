package staff

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/vault"
)

// house is a desk's staff with a clock that the test moves.
type house struct {
	*Service
	t   *testing.T
	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, f func(*house)) {
	h := &house{}
	clock := func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
	dbtest.EachAt(t, clock, func(t *testing.T, d *db.DB) {
		v, err := vault.New(vault.NewMaster())
		if err != nil {
			t.Fatal(err)
		}
		h.t, h.now = t, time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
		if h.Service, err = New(d, v, "https://localhost:8443", "Northmere"); err != nil {
			t.Fatal(err)
		}
		f(h)
	})
}

// pass moves the clock on.
func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) must(f func(ctx context.Context, tx *db.Tx) error) {
	h.t.Helper()
	if err := h.d.Update(h.t.Context(), func(tx *db.Tx) error { return f(h.t.Context(), tx) }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) try(f func(ctx context.Context, tx *db.Tx) error) error {
	return h.d.Update(h.t.Context(), func(tx *db.Tx) error { return f(h.t.Context(), tx) })
}

func (h *house) add(name string, roles ...Role) *Person {
	p := &Person{Name: name, Email: name + "@northmere.example", Roles: roles}
	h.must(func(ctx context.Context, tx *db.Tx) error { return h.Add(ctx, tx, p) })
	return p
}

func TestNothingIsGrantedByDefault(t *testing.T) {
	all := []Permission{CasesRead, CasesAnswer, ContactsEdit, KeysVerify, CodesIssue, QuarantineRead, QuarantineRerun, TrayRead, SecurityTriage, PeopleManage, SettingsManage, MailboxesManage, AuditRead}
	for _, w := range all {
		if (&Person{}).May(w) {
			t.Errorf("somebody without a role may %s", w)
		}
		if (&Person{Roles: Roles, Disabled: true}).May(w) {
			t.Errorf("a disabled person may %s", w)
		}
	}
	admin := &Person{Roles: []Role{Admin}}
	if admin.May(CasesRead) || admin.May(TrayRead) {
		t.Error("an admin reads what customers write")
	}
	if (&Person{Roles: []Role{Agent}}).May(PeopleManage) {
		t.Error("an agent manages people")
	}
}

func TestLastAdminStays(t *testing.T) {
	each(t, func(h *house) {
		a := h.add("ann", Admin)
		a.Roles = []Role{Agent}
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, a) }); !fail.Is(err, fail.Conflict) {
			t.Errorf("got %v", err)
		}
		h.add("bea", Admin)
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, a) }); err != nil {
			t.Error(err)
		}
	})
}

func TestLinkWorksOnceForWhatItIsFor(t *testing.T) {
	each(t, func(h *house) {
		p := h.add("ann", Agent)
		var token string
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			token, err = h.MakeLink(ctx, tx, SignInBy, p.ID, time.Hour)
			return err
		})
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { _, err := h.UseLink(ctx, tx, SetUp, token); return err }); !fail.Is(err, fail.NotFound) {
			t.Errorf("used for another purpose: %v", err)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if h.try(func(ctx context.Context, tx *db.Tx) error { _, err := h.UseLink(ctx, tx, SignInBy, token); return err }) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d won, want 1", won.Load())
		}
	})
}

func TestExpiredLinkIsNothing(t *testing.T) {
	each(t, func(h *house) {
		var token string
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			token, err = h.MakeLink(ctx, tx, SetUp, "", -time.Second)
			return err
		})
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { _, err := h.UseLink(ctx, tx, SetUp, token); return err }); !fail.Is(err, fail.NotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func (h *house) who(token string) (p *Person, err error) {
	err = h.try(func(ctx context.Context, tx *db.Tx) error { p, _, err = h.Authenticate(ctx, tx, token); return err })
	return p, err
}

func TestSessionEndsAtOnce(t *testing.T) {
	each(t, func(h *house) {
		h.add("boss", Admin)
		p := h.add("ann", Agent)
		in := func() (token string) {
			h.must(func(ctx context.Context, tx *db.Tx) (err error) {
				token, err = h.SignIn(ctx, tx, p, "Firefox")
				return err
			})
			return token
		}
		one, two := in(), in()
		if q, err := h.who(one); err != nil || q.ID != p.ID {
			t.Fatal(q, err)
		}
		var other *Session
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			_, other, err = h.Authenticate(ctx, tx, two)
			return err
		})
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.EndAll(ctx, tx, p.ID, other.ID) })
		if _, err := h.who(one); !fail.Is(err, fail.Denied) {
			t.Errorf("signed out everywhere, and still in: %v", err)
		}
		if _, err := h.who(two); err != nil {
			t.Error(err)
		}
		p.Disabled = true
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, p) })
		if _, err := h.who(two); !fail.Is(err, fail.Denied) {
			t.Errorf("disabled, and still in: %v", err)
		}
		for _, bad := range []string{"", "x", two[:63], two[:63] + "0"} {
			if _, err := h.who(bad); !fail.Is(err, fail.Denied) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if err := h.try(func(ctx context.Context, tx *db.Tx) error { return h.EndOne(ctx, tx, "somebody-else", other.ID) }); !fail.Is(err, fail.NotFound) {
			t.Errorf("ended another's session: %v", err)
		}
	})
}

func TestSessionLimits(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	s := &Session{Made: now, Seen: now, Proved: now}
	if !s.Ends().Equal(now.Add(Idle)) {
		t.Error("idle")
	}
	s.Seen = now.Add(Absolute - time.Minute)
	if !s.Ends().Equal(now.Add(Absolute)) {
		t.Error("absolute")
	}
	if s.Fresh(now.Add(20*time.Minute), 15*time.Minute) {
		t.Error("fresh after 20 minutes")
	}
}

const good = "correct horse battery staple"

func (h *house) withPassword(name string) (*Person, *Setup) {
	p := h.add(name, Agent)
	s, err := h.SetPassword(h.t.Context(), p, good, "Northmere")
	if err != nil {
		h.t.Fatal(err)
	}
	return p, s
}

func code(t *testing.T, secret string, at time.Time) string {
	c, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPasswordNeedsItsCode(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.withPassword("ann")
		ctx, now := t.Context(), h.d.Now()
		if _, err := h.CheckPassword(ctx, p.Email, good, code(t, s.Secret, now), "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("signed in before the first code was confirmed: %v", err)
		}
		h.must(func(ctx context.Context, tx *db.Tx) error {
			return h.ConfirmTOTP(ctx, tx, p.ID, code(t, s.Secret, now.Add(-30*time.Second)))
		})
		if _, err := h.CheckPassword(ctx, p.Email, good, "", "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("a password alone: %v", err)
		}
		if _, err := h.CheckPassword(ctx, p.Email, "wrong", code(t, s.Secret, now), "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("a wrong password: %v", err)
		}
		if q, err := h.CheckPassword(ctx, " ANN@northmere.example", good, code(t, s.Secret, now), "net"); err != nil || q.ID != p.ID {
			t.Fatal(q, err)
		}
		if _, err := h.CheckPassword(ctx, p.Email, good, code(t, s.Secret, now), "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("a code worked twice: %v", err)
		}
		if _, err := h.CheckPassword(ctx, "nobody@northmere.example", good, "000000", "net2"); !fail.Is(err, fail.Denied) {
			t.Errorf("nobody: %v", err)
		}
	})
}

func TestRecoveryCodeWorksOnce(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.withPassword("ann")
		h.must(func(ctx context.Context, tx *db.Tx) error {
			return h.ConfirmTOTP(ctx, tx, p.ID, code(t, s.Secret, h.d.Now()))
		})
		var codes []string
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			codes, err = h.NewRecoveryCodes(ctx, tx, p.ID)
			return err
		})
		if len(codes) != 10 {
			t.Fatal(codes)
		}
		if _, err := h.CheckPassword(t.Context(), p.Email, good, codes[3], "net"); err != nil {
			t.Error(err)
		}
		if _, err := h.CheckPassword(t.Context(), p.Email, good, codes[3], "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestGuessingSlowsDownFromThereOnly(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.withPassword("ann")
		h.must(func(ctx context.Context, tx *db.Tx) error {
			return h.ConfirmTOTP(ctx, tx, p.ID, code(t, s.Secret, h.d.Now().Add(-30*time.Second)))
		})
		var err error
		for range 8 {
			_, err = h.CheckPassword(t.Context(), p.Email, "wrong wrong wrong", "000000", "attacker")
		}
		if !fail.Is(err, fail.TooMany) {
			t.Errorf("the eighth guess: %v", err)
		}
		if _, err := h.CheckPassword(t.Context(), p.Email, good, code(t, s.Secret, h.d.Now()), "home"); err != nil {
			t.Errorf("the true user from elsewhere: %v", err)
		}
	})
}

func TestDamagedHashCostsNothing(t *testing.T) {
	for _, phc := range []string{"", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "$argon2id$v=19$m=19456,t=999999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "$argon2i$v=19$m=1,t=1,p=1$a$b"} {
		if checkPassword(good, phc) {
			t.Errorf("%q passed", phc)
		}
	}
	if !checkPassword(good, hashPassword(good)) {
		t.Error("the right password does not pass")
	}
}

func TestWeakPasswordsAreRefused(t *testing.T) {
	for _, p := range []string{"short", "password1234", "123456123456", "aaaaaaaaaaaaaa", "Passwort1234"} {
		if fitPassword(p) == nil {
			t.Errorf("%q passed", p)
		}
	}
	if err := fitPassword(good); err != nil {
		t.Error(err)
	}
}
