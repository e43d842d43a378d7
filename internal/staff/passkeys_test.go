package staff

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/passkeytest"
)

var anyStaff = Owner{Kind: "staff"}

func ownerOf(p *Person) Owner { return Owner{Kind: "staff", ID: string(p.ID), Name: p.Email} }

func (h *house) beginRegister(o Owner) any {
	h.t.Helper()
	options, err := h.keys.BeginRegister(h.t.Context(), o, "Key")
	if err != nil {
		h.t.Fatal(err)
	}
	return options
}

func (h *house) beginLogin(o Owner) any {
	h.t.Helper()
	options, err := h.keys.BeginLogin(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	return options
}

// enrolled returns the authenticator of an owner who has one passkey.
func (h *house) enrolled(o Owner) *passkeytest.Authenticator {
	h.t.Helper()
	a := passkeytest.New(h.t)
	a.Counter = 1
	if err := h.keys.FinishRegister(h.t.Context(), o, a.Register(h.beginRegister(o))); err != nil {
		h.t.Fatal(err)
	}
	return a
}

// login tries to sign in with a's answer, by one more use of it.
func (h *house) login(o Owner, a *passkeytest.Authenticator) (string, error) {
	h.t.Helper()
	a.Counter++
	return h.keys.FinishLogin(h.t.Context(), o, a.Login(h.beginLogin(o)))
}

func (h *house) refused(what string, id string, err error) {
	h.t.Helper()
	if !fail.Is(err, fail.Denied) || id != "" {
		h.t.Errorf("%s: got %q, %v; want a refusal", what, id, err)
	}
}

func TestPasskeyLiesAreRefusedAtRegistration(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		for what, lie := range map[string]func(*passkeytest.Authenticator){
			"another origin":        func(a *passkeytest.Authenticator) { a.Origin = "https://localhost.evil.example" },
			"another port":          func(a *passkeytest.Authenticator) { a.Origin = "https://localhost:9443" },
			"plain http":            func(a *passkeytest.Authenticator) { a.Origin = "http://localhost:8443" },
			"another relying party": func(a *passkeytest.Authenticator) { a.RP = "evil.example" },
			"nobody verified":       func(a *passkeytest.Authenticator) { a.Flags = passkeytest.UP },
			"nobody present":        func(a *passkeytest.Authenticator) { a.Flags = passkeytest.UV },
			"a sign-in's answer":    func(a *passkeytest.Authenticator) { a.Kind = "webauthn.get" },
		} {
			a := passkeytest.New(t)
			lie(a)
			h.refused(what, "", h.keys.FinishRegister(t.Context(), o, a.Register(h.beginRegister(o))))
		}
		for _, junk := range []string{"", "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
			h.refused(junk, "", h.keys.FinishRegister(t.Context(), o, []byte(junk)))
			_, err := h.keys.FinishLogin(t.Context(), anyStaff, []byte(junk))
			h.refused(junk, "", err)
		}
		h.must(func(ctx context.Context, tx *db.Tx) error {
			if n, err := h.keys.Count(ctx, tx, o.Kind, o.ID); n != 0 || err != nil {
				t.Errorf("%d passkeys stored, %v", n, err)
			}
			return nil
		})
	})
}

func TestPasskeyLiesAreRefusedAtSignIn(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := ownerOf(h.add("ann", Agent)), ownerOf(h.add("bob", Agent))
		a, b := h.enrolled(ann), h.enrolled(bob)
		for what, lie := range map[string]func(*passkeytest.Authenticator){
			"another origin":        func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
			"another relying party": func(a *passkeytest.Authenticator) { a.RP = "evil.example" },
			"nobody verified":       func(a *passkeytest.Authenticator) { a.Flags = passkeytest.UP },
			"nobody present":        func(a *passkeytest.Authenticator) { a.Flags = passkeytest.UV },
			"a registration":        func(a *passkeytest.Authenticator) { a.Kind = "webauthn.create" },
			"another's handle":      func(a *passkeytest.Authenticator) { a.Handle = b.Handle },
			"a handle of no staff":  func(a *passkeytest.Authenticator) { a.Handle = []byte("contact:" + ann.ID) },
			"another's credential":  func(a *passkeytest.Authenticator) { a.ID = b.ID },
			"another's key":         func(a *passkeytest.Authenticator) { a.Key = b.Key },
			"unknown credential":    func(a *passkeytest.Authenticator) { a.ID = make([]byte, 32) },
		} {
			liar := *a
			lie(&liar)
			id, err := h.login(anyStaff, &liar)
			h.refused(what, id, err)
		}
		a.Counter += 50
		if id, err := h.login(anyStaff, a); err != nil || id != ann.ID {
			t.Fatalf("the truth: %q, %v", id, err)
		}
	})
}

func TestPasskeyAsksForVerificationAndNoName(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		a := passkeytest.New(t)
		reg := a.Read(h.beginRegister(o)).PublicKey
		if s := reg.AuthenticatorSelection; s.UserVerification != "required" || s.ResidentKey != "required" || reg.RP.ID != "localhost" {
			t.Errorf("registration asks %+v", reg)
		}
		a = h.enrolled(o)
		in := a.Read(h.beginLogin(anyStaff)).PublicKey
		if in.UserVerification != "required" || len(in.AllowCredentials) != 0 || in.RPID != "localhost" {
			t.Errorf("sign-in asks %+v", in)
		}
		if again := a.Read(h.beginRegister(o)).PublicKey; len(again.ExcludeCredentials) != 1 {
			t.Errorf("a known key may register again: %+v", again)
		}
	})
}

func TestChallengeIsAnsweredOnce(t *testing.T) {
	each(t, func(h *house) {
		o, ctx := ownerOf(h.add("ann", Agent)), t.Context()
		first, reg := passkeytest.New(t), h.beginRegister(o)
		answer := first.Register(reg)
		if err := h.keys.FinishRegister(ctx, o, answer); err != nil {
			t.Fatal(err)
		}
		h.refused("replayed registration", "", h.keys.FinishRegister(ctx, o, answer))
		h.refused("a second key on one challenge", "", h.keys.FinishRegister(ctx, o, passkeytest.New(t).Register(reg)))
		first.Counter = 7
		in := h.beginLogin(anyStaff)
		answer = first.Login(in)
		if _, err := h.keys.FinishLogin(ctx, anyStaff, answer); err != nil {
			t.Fatal(err)
		}
		id, err := h.keys.FinishLogin(ctx, anyStaff, answer)
		h.refused("replayed sign-in", id, err)

		in = h.beginLogin(anyStaff)
		wrong := *first
		wrong.Origin, wrong.Counter = "https://evil.example", 8
		id, err = h.keys.FinishLogin(ctx, anyStaff, wrong.Login(in))
		h.refused("wrong answer", id, err)
		first.Counter = 9
		id, err = h.keys.FinishLogin(ctx, anyStaff, first.Login(in))
		h.refused("right answer after a wrong one", id, err)
	})
}

func TestChallengeServesOneCeremonyOfOneOwner(t *testing.T) {
	each(t, func(h *house) {
		ann, bob, ctx := ownerOf(h.add("ann", Agent)), ownerOf(h.add("bob", Agent)), t.Context()
		h.refused("registered for another", "", h.keys.FinishRegister(ctx, bob, passkeytest.New(t).Register(h.beginRegister(ann))))
		a := h.enrolled(ann)
		a.Counter++
		id, err := h.keys.FinishLogin(ctx, anyStaff, a.Login(h.beginRegister(ann)))
		h.refused("a registration's challenge signs in", id, err)

		customer := Owner{Kind: "contact", ID: ann.ID, Name: "Ann"} // the same id, another kind
		c := h.enrolled(customer)
		id, err = h.login(anyStaff, c)
		h.refused("a customer's passkey at the staff's door", id, err)
		a.Counter++
		id, err = h.keys.FinishLogin(ctx, customer, a.Login(h.beginLogin(customer)))
		h.refused("a passkey of staff at the customer's door", id, err)
		if id, err = h.login(customer, c); err != nil || id != customer.ID {
			t.Errorf("the customer: %q, %v", id, err)
		}
		other := Owner{Kind: "contact", ID: "someone-else", Name: "Eve"}
		e := h.enrolled(other)
		e.Counter++
		id, err = h.keys.FinishLogin(ctx, customer, e.Login(h.beginLogin(customer)))
		h.refused("another customer's passkey", id, err)
	})
}

func TestChallengeExpires(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		a := h.enrolled(o)
		a.Counter++
		in, reg := h.beginLogin(anyStaff), h.beginRegister(o)
		h.pass(ceremonyLife)
		id, err := h.keys.FinishLogin(t.Context(), anyStaff, a.Login(in))
		h.refused("sign-in after five minutes", id, err)
		h.refused("registration after five minutes", "", h.keys.FinishRegister(t.Context(), o, passkeytest.New(t).Register(reg)))
	})
}

func TestCounterThatGoesBackIsACopy(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		a := h.enrolled(o)
		a.Counter = 9
		if _, err := h.login(anyStaff, a); err != nil {
			t.Fatal(err)
		}
		for _, n := range []uint32{0, 5, 10} {
			a.Counter = n
			id, err := h.keys.FinishLogin(t.Context(), anyStaff, a.Login(h.beginLogin(anyStaff)))
			h.refused("counter went back", id, err)
		}
		a.Counter = 11
		if _, err := h.keys.FinishLogin(t.Context(), anyStaff, a.Login(h.beginLogin(anyStaff))); err != nil {
			t.Errorf("the next count: %v", err)
		}
	})
}

// A copy that answers at the same moment has the same counter: one of them gets in.
func TestCopiesThatRaceDoNotBothGetIn(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		a := h.enrolled(o)
		a.Counter = 2
		var answers [][]byte
		for range 16 {
			answers = append(answers, a.Login(h.beginLogin(anyStaff)))
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for _, answer := range answers {
			wg.Go(func() {
				if _, err := h.keys.FinishLogin(t.Context(), anyStaff, answer); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d got in with one counter, want 1", won.Load())
		}
	})
}

// Passkeys that follow their owner between devices count nothing.
func TestPasskeyWithoutCounterWorksAgain(t *testing.T) {
	each(t, func(h *house) {
		o := ownerOf(h.add("ann", Agent))
		a := passkeytest.New(t)
		if err := h.keys.FinishRegister(t.Context(), o, a.Register(h.beginRegister(o))); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if id, err := h.keys.FinishLogin(t.Context(), anyStaff, a.Login(h.beginLogin(anyStaff))); err != nil || id != o.ID {
				t.Fatalf("%q, %v", id, err)
			}
		}
	})
}

func TestPasskeyIsListedAndRemovedByItsOwnerOnly(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := ownerOf(h.add("ann", Agent)), ownerOf(h.add("bob", Agent))
		a := h.enrolled(ann)
		var list []Passkey
		h.must(func(ctx context.Context, tx *db.Tx) (err error) {
			list, err = h.keys.List(ctx, tx, ann.Kind, ann.ID)
			return err
		})
		if len(list) != 1 || list[0].Name != "Key" || !list[0].Made.Equal(h.d.Now()) || !list[0].Used.IsZero() {
			t.Fatalf("%+v", list)
		}
		for _, who := range []Owner{bob, {Kind: "contact", ID: ann.ID}} {
			if err := h.try(func(ctx context.Context, tx *db.Tx) error {
				return h.keys.Remove(ctx, tx, who.Kind, who.ID, list[0].ID)
			}); !fail.Is(err, fail.NotFound) {
				t.Errorf("%+v removed another's passkey: %v", who, err)
			}
		}
		again := *a
		h.pass(time.Minute)
		err := h.keys.FinishRegister(t.Context(), bob, again.Register(h.beginRegister(bob)))
		if !fail.Is(err, fail.Conflict) {
			t.Errorf("one credential for two people: %v", err)
		}
		h.must(func(ctx context.Context, tx *db.Tx) error {
			return h.keys.Remove(ctx, tx, ann.Kind, ann.ID, list[0].ID)
		})
		id, err := h.login(anyStaff, a)
		h.refused("a removed passkey", id, err)
	})
}
