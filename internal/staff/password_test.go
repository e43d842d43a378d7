package staff

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

func (h *house) confirm(p *Person, code string) error {
	return h.try(func(ctx context.Context, tx *db.Tx) error { return h.ConfirmTOTP(ctx, tx, p.ID, code) })
}

// ready returns somebody who signs in by password and code.
func (h *house) ready(name string) (*Person, *Setup) {
	h.t.Helper()
	p, s := h.withPassword(name)
	if err := h.confirm(p, code(h.t, s.Secret, h.d.Now())); err != nil {
		h.t.Fatal(err)
	}
	h.pass(2 * step * time.Second)
	return p, s
}

// Guesses that are sent all at once wait no less than those sent one by one.
func TestGuessesAtOnceAreCountedToo(t *testing.T) {
	each(t, func(h *house) {
		p, _ := h.ready("ann")
		var tried atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := h.CheckPassword(t.Context(), p.Email, "wrong wrong wrong", "000000", "attacker")
				if fail.Is(err, fail.Denied) {
					tried.Add(1)
				} else if !fail.Is(err, fail.TooMany) && !fail.Is(err, fail.Unavailable) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := tried.Load(); n == 0 || n > freeTries {
			t.Errorf("%d guesses were tried, want at most %d", n, freeTries)
		}
	})
}

func TestWaitEndsAndGrows(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.ready("ann")
		wrong := func() error {
			_, err := h.CheckPassword(t.Context(), p.Email, "wrong wrong wrong", "000000", "net")
			return err
		}
		for range freeTries {
			if err := wrong(); !fail.Is(err, fail.Denied) {
				t.Fatal(err)
			}
		}
		if err := wrong(); !fail.Is(err, fail.TooMany) {
			t.Errorf("no wait after %d: %v", freeTries, err)
		}
		h.pass(4 * time.Second)
		if err := wrong(); !fail.Is(err, fail.Denied) {
			t.Errorf("the wait does not end: %v", err)
		}
		h.pass(4 * time.Second)
		if err := wrong(); !fail.Is(err, fail.TooMany) {
			t.Errorf("the wait does not grow: %v", err)
		}
		h.pass(time.Hour)
		if _, err := h.CheckPassword(t.Context(), p.Email, good, code(t, s.Secret, h.d.Now()), "net"); err != nil {
			t.Errorf("the true user, later: %v", err)
		}
		if err := wrong(); !fail.Is(err, fail.Denied) {
			t.Errorf("being right does not clear the count: %v", err)
		}
	})
}

// The person whose account is guessed at gets in with a passkey, from there too.
func TestPasskeyGetsInWhileGuessesWait(t *testing.T) {
	each(t, func(h *house) {
		p, _ := h.ready("ann")
		a := h.enrolled(ownerOf(p))
		for range 2 * freeTries {
			h.CheckPassword(t.Context(), p.Email, "wrong wrong wrong", "000000", "net")
		}
		if id, err := h.login(anyStaff, a); err != nil || id != string(p.ID) {
			t.Errorf("%q, %v", id, err)
		}
	})
}

func TestOneAnswerToEveryWrongSignIn(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.ready("ann")
		off, so := h.ready("off")
		h.add("boss", Admin)
		off.Disabled = true
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Save(ctx, tx, off) })
		bare := h.add("bare", Agent)
		now := h.d.Now()
		for what, try := range map[string][3]string{
			"nobody":         {"nobody@northmere.example", good, "000000"},
			"no password":    {bare.Email, good, "000000"},
			"wrong password": {p.Email, good + "!", code(t, s.Secret, now)},
			"wrong code":     {p.Email, good, "000000"},
			"disabled":       {off.Email, good, code(t, so.Secret, now)},
			"too long":       {p.Email, strings.Repeat("x", 5000), "000000"},
			"nothing":        {"", "", ""},
		} {
			q, err := h.CheckPassword(t.Context(), try[0], try[1], try[2], what)
			if q != nil || !fail.Is(err, fail.Denied) || fail.Text(err) != fail.Text(errRefused()) {
				t.Errorf("%s: %v, %v", what, q, err)
			}
		}
	})
}

// A change that is begun and never finished leaves the old way in.
func TestOldPasswordWorksUntilTheNewOneIsConfirmed(t *testing.T) {
	each(t, func(h *house) {
		p, old := h.ready("ann")
		const newer = "a rather different line of words"
		s, err := h.SetPassword(t.Context(), p, newer, "Northmere")
		if err != nil {
			t.Fatal(err)
		}
		in := func(password, secret string) error {
			h.pass(2 * step * time.Second)
			_, err := h.CheckPassword(t.Context(), p.Email, password, code(t, secret, h.d.Now()), "net")
			return err
		}
		if err := in(good, old.Secret); err != nil {
			t.Errorf("the old one before confirming: %v", err)
		}
		if err := in(newer, s.Secret); !fail.Is(err, fail.Denied) {
			t.Errorf("the new one before confirming: %v", err)
		}
		if err := h.confirm(p, code(t, old.Secret, h.d.Now())); !fail.Is(err, fail.Invalid) {
			t.Errorf("confirmed by the old secret: %v", err)
		}
		if err := h.confirm(p, code(t, s.Secret, h.d.Now())); err != nil {
			t.Fatal(err)
		}
		if err := in(good, old.Secret); !fail.Is(err, fail.Denied) {
			t.Errorf("the old one after confirming: %v", err)
		}
		if err := in(newer, s.Secret); err != nil {
			t.Errorf("the new one after confirming: %v", err)
		}
	})
}

func TestConfirmingTwiceMakesNoCodeGoodAgain(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.ready("ann")
		used := code(t, s.Secret, h.d.Now())
		if _, err := h.CheckPassword(t.Context(), p.Email, good, used, "net"); err != nil {
			t.Fatal(err)
		}
		if err := h.confirm(p, code(t, s.Secret, h.d.Now().Add(-step*time.Second))); err == nil {
			t.Error("confirmed twice")
		}
		if _, err := h.CheckPassword(t.Context(), p.Email, good, used, "net"); !fail.Is(err, fail.Denied) {
			t.Errorf("a used code worked again: %v", err)
		}
	})
}

func TestUnconfirmedPasswordExpires(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.withPassword("ann")
		h.pass(setupLife)
		if err := h.confirm(p, code(t, s.Secret, h.d.Now())); err == nil {
			t.Error("confirmed long after")
		}
	})
}

// One code, many at once: one gets in.
func TestCodeRaced(t *testing.T) {
	each(t, func(h *house) {
		p, s := h.ready("ann")
		c := code(t, s.Secret, h.d.Now())
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := h.CheckPassword(t.Context(), p.Email, good, c, string(rune('a'+i))); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d got in with one code", won.Load())
		}
	})
}

func TestCodeOfAnotherStepIsRefused(t *testing.T) {
	secret := "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	now := time.Unix(1_800_000_000, 0)
	for _, off := range []int64{-2, -1, 0, 1, 2} {
		c := code(t, secret, now.Add(time.Duration(off)*step*time.Second))
		if _, ok := matchStep(secret, c, now); ok != (off >= -1 && off <= 1) {
			t.Errorf("%d steps off: %v", off, ok)
		}
	}
	for _, bad := range []string{"", "1", "12345", "1234567", "abcdef", "００００００"} {
		if _, ok := matchStep(secret, bad, now); ok {
			t.Errorf("%q fits", bad)
		}
	}
}

func TestHashingLetsGo(t *testing.T) {
	s := &Service{gate: make(chan struct{}, 1)}
	s.gate <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.hashing(ctx, func() { t.Error("ran out of turn") }); err == nil {
		t.Error("waited for nothing")
	}
}

// TestHashingRestsWhileOthersWait: of the time that a crowd takes, at most about half is
// spent hashing; somebody who is alone is not kept waiting.
func TestHashingRestsWhileOthersWait(t *testing.T) {
	s := &Service{gate: make(chan struct{}, 1)}
	const each = 20 * time.Millisecond
	var busy, most atomic.Int32
	work := func() {
		most.Store(max(most.Load(), busy.Add(1)))
		time.Sleep(each)
		busy.Add(-1)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := s.hashing(t.Context(), work); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took < 17*each || most.Load() != 1 { // ten of work, nine of rest, less what the last ones no longer wait for
		t.Errorf("ten took %s, %d at once", took, most.Load())
	}
	s.gate <- struct{}{} // the last leaves no rest behind
	<-s.gate
}

func TestCommonPasswordsAreRefused(t *testing.T) {
	for _, p := range []string{
		"123456789012", "1234567890123", "987654321098", "qwertyuiop123", "qwerty123456", "asdfghjkl123", "1q2w3e4r5t6y", "1qaz2wsx3edc",
		"zaq12wsxcde3", "abcdefghijkl", "abcabcabcabc", "passwordpassword", "P@ssw0rd2024", "football2024", "iloveyou1234", "dragon123456",
		"Administrator1", "Welcome12345", "superman1234", "monkeymonkey", "trustno1trustno1", "q1w2e3r4t5y6", "zxcvbnm12345", "Summer2024!!", "charlie12345",
	} {
		if err := fitPassword(p); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q passed", p)
		}
	}
	for _, p := range []string{"correct horse battery staple", "viele kleine Wörter hier", "tr0ub4dor&3xyz", "purple-lamp-42-river", "ναι αυτό είναι καλό"} {
		if err := fitPassword(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	if fitPassword(strings.Repeat("correct horse ", 40)) == nil {
		t.Error("560 letters passed")
	}
}

func TestPasswordMayNotBeTheAccount(t *testing.T) {
	each(t, func(h *house) {
		p := &Person{Name: "Annabella Winterbottom", Email: "annabella@northmere.example", Roles: []Role{Agent}}
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.Add(ctx, tx, p) })
		for _, bad := range []string{p.Email, "Winterbottom1", "annabella2024", "northmere1234", "AnnabellaNorthmere1"} {
			if _, err := h.SetPassword(t.Context(), p, bad, "Northmere"); !fail.Is(err, fail.Invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := h.SetPassword(t.Context(), p, good, "Northmere"); err != nil {
			t.Error(err)
		}
	})
}
