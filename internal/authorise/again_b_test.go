package authorise_test

import (
	"context"
	"testing"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/portal"
)

func (x *lab) log() {
	x.must(func(ctx context.Context, tx *db.Tx) error {
		l, err := db.Strings(ctx, tx, `SELECT act || ' ' || detail FROM audit ORDER BY seq`)
		if err != nil {
			return err
		}
		for _, s := range l {
			x.Log(s)
		}
		return nil
	})
}

// TestP3TextAndCallToOneNumber: the text code and the call go to one number: one telephone on both sides.
func TestP3TextAndCallToOneNumber(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		i := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		code, err := x.ReadOut(t.Context(), "ivo", i.ID, x.phoneOf(ada))
		x.must2(err)
		if err := x.ByCall(t.Context(), x.session(ada, portal.TextCode, portal.ByText), i.ID, code); err == nil {
			t.Errorf("%s: need %s; a telephone alone, on both sides", x.get(i).State, instructions.KindOf(x.get(i).Need))
		}
		r := x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "contact:"+string(ada))
		code, err = x.ReadOut(t.Context(), "ivo", r.ID, x.phoneOf(ada))
		x.must2(err)
		if err := x.ByCall(t.Context(), x.session(ada, portal.TextCode, portal.ByText), r.ID, code); err == nil {
			t.Errorf("a recovery: %s", x.get(r).State)
		}
	})
}

// TestP3TwoFirstEnrolmentsAtOnce: two first enrolments at once: one binds, the other needs the first.
func TestP3TwoFirstEnrolmentsAtOnce(t *testing.T) {
	each(t, func(x *lab) {
		for range 10 {
			ada := x.Contacts.New("A", db.NewID()+"@customer.example", "staff", x.clock())
			x.must(func(ctx context.Context, tx *db.Tx) error { return x.Contacts.Add(ctx, tx, ada) })
			_, m := x.made(ada.ID)
			_, m2 := x.made(ada.ID)
			s, s2 := x.session(ada.ID, portal.TextCode, portal.ByText), x.session(ada.ID, portal.AccessCode, "ivo")
			done := make(chan error, 2)
			go func() { _, err := x.AddPasskey(t.Context(), s, m); done <- err }()
			go func() { _, err := x.AddPasskey(t.Context(), s2, m2); done <- err }()
			t.Log(<-done, <-done)
			if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada.ID); n != 1 {
				t.Errorf("%d are bound", n)
			}
		}
	})
}

// TestP3RestoredKeyThatWasRejected: the stop of a rotation puts the key back that its owner replaced, though it has run out or was revoked meanwhile: never in use.
func TestP3RestoredKeyThatWasRejected(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		own, b := x.newKey("ada"), x.newKey("ada2")
		x.verify(ada, own)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.keyByPasskey(ada, a, b)
		x.must(func(ctx context.Context, tx *db.Tx) error { // she revokes the old one
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			k := c.KeyOf(own.Fingerprint())
			k.Reject(string(ada), "its owner")
			return x.Contacts.SaveKey(ctx, tx, k)
		})
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		if got := x.trust(ada, own); got != string(contacts.Rejected) {
			t.Errorf("%q", got)
		}
	})
}

// TestP3RevokedThenStopped: her revocation of the thief's key does not give her own back, and the link does so.
func TestP3RevokedThenStopped(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		own, b := x.newKey("ada"), x.newKey("thief")
		x.verify(ada, own)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.keyByPasskey(ada, a, b)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			k := c.KeyOf(b.Fingerprint())
			k.Reject("ivo", "ivo")
			return x.Contacts.SaveKey(ctx, tx, k)
		})
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		if got := x.trust(ada, own); got != "verified in-use" {
			t.Errorf("her own: %q", got)
		}
		if got := x.trust(ada, b); got != "rejected" {
			t.Errorf("his: %q", got)
		}
	})
}

// TestP3ReplacedMarkStays: A -> B -> A: the old mark of who replaced it does not bring A back.
func TestP3ReplacedMarkStays(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		own, b := x.newKey("ada"), x.newKey("ada2")
		x.verify(ada, own)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.keyByPasskey(ada, a, b)
		j := x.keyByPasskey(ada, a, own) // back
		c := x.newKey("ada3")
		_ = j
		k := x.keyByPasskey(ada, a, c) // within 72 hours of i
		_ = k
		t.Log(x.trust(ada, own), x.trust(ada, b), x.trust(ada, c))
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		t.Log(x.trust(ada, own), "|", x.trust(ada, b), "|", x.trust(ada, c))
		if got := x.trust(ada, b); got != "seen" {
			t.Errorf("what she disowns: %q", got)
		}
	})
}

// TestP3TwoPasskeysProve: who has two passkeys proves by either.
func TestP3TwoPasskeysProve(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a, b := x.passkey(ada), x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.propose(ada, "payment", payment, "contact:"+string(ada))
		for _, k := range []interface{ Login(any) []byte }{a, b} {
			a.Counter++
			b.Counter++
			if err := x.FinishPasskey(t.Context(), ada, i.ID, k.Login(x.begin(ada, i))); err == nil {
				return
			} else {
				t.Error(err)
			}
		}
		x.log()
	})
}
