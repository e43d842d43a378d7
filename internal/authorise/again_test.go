package authorise_test

import (
	"context"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/pgp"
	"postern/internal/portal"
)

// keyByPasskey binds another key by an instruction that a settled passkey proves.
func (x *lab) keyByPasskey(ada contacts.ID, a *passkeytest.Authenticator, cert *pgp.Key) *instructions.Instruction {
	x.Helper()
	i, wrong, err := x.Propose(x.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: cert.Armored(), Proposer: "contact:" + string(ada)})
	if err != nil || len(wrong) > 0 {
		x.Fatal(err, wrong)
	}
	a.Counter++
	x.must2(x.FinishPasskey(x.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
	x.must2(x.Approve(x.Context(), "kim", i.ID))
	x.pass(25 * time.Hour)
	x.must2(x.Tick(x.Context()))
	if i = x.get(i); i.State != instructions.Executed {
		x.Fatal(i.State)
	}
	return i
}

func (x *lab) trust(ada contacts.ID, cert *pgp.Key) (out string) {
	x.must(func(ctx context.Context, tx *db.Tx) error {
		c, err := x.Contacts.Get(ctx, tx, ada)
		if err == nil {
			if k := c.KeyOf(cert.Fingerprint()); k != nil {
				out = string(k.Trust)
			}
			if k, _ := c.VerifiedKey(tx.Now); k != nil && k.Cert.Fingerprint() == cert.Fingerprint() {
				out += " in-use"
			}
		}
		return err
	})
	return out
}

// TestP3StopBringsTheThiefsKeyBack: the stop of a thief's key, after he bound a second, puts his first back in use.
func TestP3StopBringsTheThiefsKeyBack(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		own, b, c := x.newKey("ada"), x.newKey("thief"), x.newKey("thief2")
		x.verify(ada, own)
		a := x.passkey(ada) // stolen
		x.pass(authorise.Fresh)
		i := x.keyByPasskey(ada, a, b)
		x.keyByPasskey(ada, a, c)
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		if got := x.trust(ada, b); got != "seen" {
			t.Errorf("the key that she says is not hers: %q; her own: %q; the second: %q", got, x.trust(ada, own), x.trust(ada, c))
		}
	})
}

// TestP3StopBringsBackWhatRecoveryTook: a key that a recovery took away comes back by the stop link of before.
func TestP3StopBringsBackWhatRecoveryTook(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		own, b := x.newKey("ada"), x.newKey("ada2")
		x.verify(ada, own)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		r := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "staff:mara")
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: b.Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
		x.must2(x.Approve(t.Context(), "kim", i.ID))
		x.pass(20 * time.Hour)
		x.agreeTo(r, ada)
		x.pass(5 * time.Hour)
		x.must2(x.Tick(t.Context())) // her new key
		x.pass(20 * time.Hour)
		x.must2(x.Tick(t.Context())) // her recovery: laptop stolen, with both
		if x.get(i).State != instructions.Executed || x.get(r).State != instructions.Executed {
			t.Fatal(x.get(i).State, x.get(r).State)
		}
		if x.trust(ada, own) != "expired" || x.trust(ada, b) != "expired" {
			t.Fatal(x.trust(ada, own), x.trust(ada, b))
		}
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(i)))) // the thief, in the mail of the laptop
		if got := x.trust(ada, own); got != "expired" {
			t.Errorf("the key that the recovery took away is %q again", got)
		}
	})
}

// TestP3AReadersStopUsesTheLinkUp: a "not me" by a session that only reads uses the stop up: the link takes nothing away any more.
func TestP3AReadersStopUsesTheLinkUp(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		_, m := x.made(ada)
		i, err := x.AddPasskey(t.Context(), x.session(ada, portal.TextCode, portal.ByText), m) // a thief's
		x.must2(err)
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.Agreed, ""), i.ID)) // whoever knows the agreed code; or she herself
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(i))))
		if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada); n != 0 {
			t.Error("her stop link does nothing: the passkey stands")
		}
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.AccessCode, "noor"), i.ID))
		if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada); n != 0 {
			t.Error("nor does she herself, in a session that decides")
		}
	})
}

// TestP3TwoHundredHideWhatAThiefProved: whoever has a session hides what it proved behind 200 newer ones.
func TestP3TwoHundredHideWhatAThiefProved(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		thief := x.propose(ada, "closing", map[string]string{"account": "1"}, "contact:"+string(ada))
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, thief.ID, a.Login(x.begin(ada, thief))))
		for day := range 5 {
			for range min(39+day, 40) {
				j := x.propose(ada, "name", map[string]string{"name": "Ada", "reason": "Other"}, "contact:"+string(ada))
				x.must2(x.Cancel(t.Context(), "contact:"+string(ada), j.ID))
			}
			if day < 4 {
				x.pass(24*time.Hour + time.Minute)
			}
		}
		r := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "staff:mara")
		x.agreeTo(r, ada)
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if x.get(r).State != instructions.Executed {
			t.Fatal(x.get(r).State)
		}
		x.Approve(t.Context(), "kim", thief.ID) // refused: it is frozen
		if err := x.Approve(t.Context(), "zed", thief.ID); err == nil {
			t.Errorf("her account is closed by what the thief proved: %s", x.get(thief).State)
		}
	})
}

// TestP3FrozenAlongIsToldNobody: what is frozen along is told to no system and in no letter.
func TestP3FrozenAlongIsToldNobody(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		j := x.propose(ada, "new-payee", map[string]string{"payee": "Bo", "account": "DE89370400440532013000"}, "contact:"+string(ada))
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, j.ID, a.Login(x.begin(ada, j))))
		x.must2(x.Approve(t.Context(), "kim", j.ID)) // the systems were told: approved
		r := x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "contact:"+string(ada))
		x.agreeTo(r, ada)
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(r))))
		x.settle()
		if x.get(j).State != instructions.Frozen {
			t.Fatal(x.get(j).State)
		}
		told := false
		for _, e := range x.events {
			if e.ID == string(j.ID)+"-frozen" {
				told = true
			}
		}
		if !told {
			t.Error("systems heard approved, and never frozen")
		}
	})
}

// TestP3EndedSessionBinds: a session that was ended, or read before, still binds a first passkey.
func TestP3EndedSessionBinds(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		ses := x.session(ada, portal.TextCode, portal.ByText)
		_, m := x.made(ada)
		x.must(func(ctx context.Context, tx *db.Tx) error { return portal.EndAll(ctx, tx, ada, "") })
		if i, err := x.AddPasskey(t.Context(), ses, m); err == nil {
			t.Errorf("in a session that was ended: %s", x.get(i).State)
		}
	})
}

// TestP3RemovedPasskeyProves: a passkey that is removed between its answer and the taking of the proof.
func TestP3RemovedPasskeyProves(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.propose(ada, "payment", payment, "contact:"+string(ada))
		o := x.begin(ada, i)
		a.Counter++
		answer := a.Login(o)
		f := *x.Flow
		fl := &f
		// TypeOf, Need ... run in take: Consent is asked there first of all hooks.
		done := false
		fl.Consent = func(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) {
			if !done { // the same as another transaction that committed just before
				done = true
				return false, x.Passkeys.Forget(ctx, tx, string(ada))
			}
			return false, nil
		}
		if err := fl.FinishPasskey(t.Context(), ada, i.ID, answer); err == nil {
			t.Errorf("%s, by a passkey that was removed: %d left", x.get(i).State, x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada))
		}
	})
}

// TestP3OldTextSessionTakesAPasskeyAway: an old session by text takes away the passkey of its owner, and binds another.
func TestP3OldTextSessionTakesAPasskeyAway(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		thief := x.session(ada, portal.TextCode, portal.ByText)
		x.pass(authorise.Recent + time.Minute)
		a, m := x.made(ada)
		i, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "noor"), m)
		x.must2(err)
		_ = a
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err == nil && x.MayChange(ctx, tx, c, thief) == nil {
				t.Error("it may remove it")
			}
			return err
		})
		x.must2(x.NotMine(t.Context(), thief, i.ID))
		if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada); n == 0 {
			t.Error("what it may not remove it takes away by “not mine”")
		}
		_, m2 := x.made(ada)
		if j, err := x.AddPasskey(t.Context(), thief, m2); err == nil && x.get(j).State == instructions.Executed {
			t.Error("and the same session, ended, binds its own at once")
		}
	})
}

// TestP3WaitingComparisonAgainstAPasskey: a comparison that waits for a yes is bound though she holds a passkey by then.
func TestP3WaitingComparisonAgainstAPasskey(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.must(func(ctx context.Context, tx *db.Tx) error { return contacts.GaveUp(ctx, tx, ada) })
		key := x.keyOnFile(ada, "rogue")
		i, err := x.Compared(t.Context(), "ivo", ada, key, "in person")
		x.must2(err)
		if x.get(i).State != instructions.Proved {
			t.Fatal(x.get(i).State)
		}
		x.passkey(ada)
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		if n := x.count(`SELECT COUNT(*) FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, ada); n != 0 {
			t.Error("bound by a comparison, of somebody who holds a passkey")
		}
	})
}
