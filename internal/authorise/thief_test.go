package authorise_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/portal"
)

// TestP3ApproverDoesNotDecideADispute: who approved a recovery took part in
// it.
func TestP3ApproverDoesNotDecideADispute(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.passkey(ada)
		i := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "contact:"+string(ada))
		x.agreeTo(i, ada) // zed and kim approve
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(i))))
		x.settle()
		x.pass(25 * time.Hour)
		if err := x.ByHand(t.Context(), "zed", i.ID, "I am sure of it"); err == nil {
			t.Errorf("zed approved it and overrides its owner's stop alone: %s, %d passkeys left", x.get(i).State, x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada))
		}
	})
}

// TestP3SecondDisputeIsHeard: a second "not me", after people decided
// about the first, raises the alarm again.
func TestP3SecondDisputeIsHeard(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.passkey(ada)
		i := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "contact:"+string(ada))
		x.agreeTo(i, ada)
		link := x.Instructions.Token(instructions.StopLink, x.get(i))
		x.must2(x.Stop(t.Context(), link))
		x.settle()
		x.pass(25 * time.Hour)
		x.must2(x.ByHand(t.Context(), "lea", i.ID, "I am sure of it"))
		x.settle()
		x.must(func(ctx context.Context, tx *db.Tx) error { // staff looked, and closed the alarm
			_, err := tx.Exec(ctx, `UPDATE cases SET alarm = '' WHERE id = $1`, i.Case)
			return err
		})
		before := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'security.alarm'`)
		x.must2(x.Stop(t.Context(), link))
		x.settle()
		if after := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'security.alarm'`); after == before || x.count(`SELECT COUNT(*) FROM cases WHERE id = $1 AND alarm <> ''`, i.Case) == 0 {
			t.Errorf("the page says it is stopped; alarms %d -> %d, case not raised", before, after)
		}
	})
}

// TestP3StopOfAnotherKeyRestoresTheOld: the stop of a thief's key gives
// the owner's own key back.
func TestP3StopOfAnotherKeyRestoresTheOld(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.verify(ada, x.newKey("ada"))
		thief := x.newKey("thief")
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: thief.Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		if x.mail(ada, x.signedAt(approval(i), x.clock())) != 1 {
			t.Fatal("not proved")
		}
		x.must2(x.Approve(t.Context(), "kim", i.ID))
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		x.settle()
		if x.get(i).State != instructions.Executed {
			t.Fatal(x.get(i).State)
		}
		_, texts := x.letters(i)
		for id, text := range texts {
			if strings.HasSuffix(id, "done-notice") && !strings.Contains(text, "/stop/") {
				t.Errorf("the notice that it is done has no link")
			}
		}
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(i))))
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			if k, _ := c.VerifiedKey(tx.Now); k == nil {
				for _, k := range c.Keys {
					t.Logf("%s %s", k.Cert.Fingerprint(), k.Trust)
				}
				t.Error("no key of theirs counts any more")
			}
			holds, err := x.Holds(ctx, tx, c)
			if holds < instructions.Passkey {
				t.Errorf("what they hold fell to %s", instructions.KindOf(holds))
			}
			return err
		})
		// Whoever pressed it, with the mail account and the telephone number, binds now.
		_, m := x.made(ada)
		j, err := x.AddPasskey(t.Context(), x.session(ada, portal.TextCode, portal.ByText), m)
		if err == nil && x.get(j).State == instructions.Executed {
			t.Error("a passkey bound by a text code alone, of somebody who held a checked key")
		}
	})
}

// TestP3RejectedThenComparedNeedsTwo: to take a checked
// key away and to mark another as compared takes two people.
func TestP3RejectedThenComparedNeedsTwo(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.verify(ada, x.newKey("ada"))
		theirs := x.keyOnFile(ada, "rogue")
		if _, err := x.Compared(t.Context(), "ivo", ada, theirs, "in person"); err == nil {
			t.Fatal("beside another")
		}
		x.must(func(ctx context.Context, tx *db.Tx) error { // as web/desk rejectKey
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			k, _ := c.VerifiedKey(tx.Now)
			if err := contacts.GaveUp(ctx, tx, ada); err != nil {
				return err
			}
			k.Reject("ivo", "ivo")
			return x.Contacts.SaveKey(ctx, tx, k)
		})
		i, err := x.Compared(t.Context(), "ivo", ada, theirs, "in person")
		x.must2(err)
		is := func(want int64) {
			t.Helper()
			if n := x.count(`SELECT COUNT(*) FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, ada); n != want {
				t.Errorf("%s, %d keys count, want %d", x.get(i).State, n, want)
			}
		}
		is(0) // ivo alone puts his key in place of hers
		if err := x.Approve(t.Context(), "ivo", i.ID); err == nil {
			t.Error("and says yes to it")
		}
		is(0)
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		is(1)
	})
}

// TestP3RejectedKeyIsNeverBoundAgain: what its owner revoked as
// stolen is no key of theirs, whatever proves it.
func TestP3RejectedKeyIsNeverBoundAgain(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		cert := x.newKey("ada")
		x.verify(ada, cert)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			k, _ := c.VerifiedKey(tx.Now)
			k.Reject(string(ada), "its owner")
			return x.Contacts.SaveKey(ctx, tx, k)
		})
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: cert.Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			return
		}
		x.agreeTo(i, ada)
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if n := x.count(`SELECT COUNT(*) FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, ada); n != 0 {
			t.Errorf("the revoked key is verified again: %s", x.get(i).State)
		}
	})
}

// TestComparedNamesWhoBeganIt: what staff began does not say that the
// customer began it.
func TestComparedNamesWhoBeganIt(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		i, err := x.Compared(t.Context(), "ivo", ada, x.keyOnFile(ada, "ada"), "letter")
		x.must2(err)
		i = x.get(i)
		if strings.Contains(i.Doc.Text, "by you, on our pages") {
			t.Errorf("ivo began it, at the desk:\n%s", i.Doc.Text)
		}
		if n := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'instruction.proposed' AND actor LIKE '%ivo%' AND about = $1`, i.Case); n == 0 {
			t.Error("the log says that the customer proposed it")
		}
	})
}

// TestP3WhoLetInIsKnownThroughAKey: who let a customer in does not
// approve what is signed by the key that this visit bound.
func TestP3WhoLetInIsKnownThroughAKey(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a, m := x.made(ada)
		_, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "ivo"), m)
		x.must2(err)
		x.pass(authorise.Fresh + time.Minute)
		cert := x.newKey("ada")
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: cert.Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
		x.must2(x.Approve(t.Context(), "kim", i.ID))
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context())) // day 4: ivo's passkey still is young
		j := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		if x.mail(ada, x.signedAt(approval(j), x.clock())) != 1 {
			t.Fatal("not proved")
		}
		if err := x.Approve(t.Context(), "ivo", j.ID); err == nil {
			t.Errorf("ivo let in who bound the key, four days ago, and approves what it signs: %s", x.get(j).State)
		}
	})
}

// TestP3WhatWasProvedByWhatIsTakenAwayStops: a passkey that
// its owner did not ask for takes along what was bound and proved since.
func TestP3WhatWasProvedByWhatIsTakenAwayStops(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a, m := x.made(ada)
		b, err := x.AddPasskey(t.Context(), x.session(ada, portal.TextCode, portal.ByText), m)
		x.must2(err)
		i := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
		_, m2 := x.made(ada)
		c, err := x.AddPasskey(t.Context(), x.session(ada, portal.Passkey, ""), m2)
		x.must2(err)
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, c.ID, a.Login(x.begin(ada, x.get(c)))))
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(b))))
		if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada); n != 0 {
			t.Errorf("%d passkeys that the taken one bound stand", n)
		}
		if err := x.Approve(t.Context(), "kim", i.ID); err == nil {
			t.Errorf("what it proved is %s", x.get(i).State)
		}
	})
}

// TestP3RecoveryStopsWhatIsOpen: who begins anew leaves nothing open that
// a thief may have proved.
func TestP3RecoveryStopsWhatIsOpen(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		thief := x.propose(ada, "new-payee", map[string]string{"payee": "Ivo", "account": "DE89370400440532013000"}, "contact:"+string(ada))
		r := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "staff:mara")
		x.agreeTo(r, ada)
		x.pass(23 * time.Hour)
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, thief.ID, a.Login(x.begin(ada, thief)))) // shortly before
		x.pass(2 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if x.get(r).State != instructions.Executed {
			t.Fatal(x.get(r).State)
		}
		if err := x.Approve(t.Context(), "kim", thief.ID); err == nil {
			t.Errorf("the stolen passkey was taken away, what it proved is %s", x.get(thief).State)
		}
	})
}

// TestP3NoCallBackOnAChangedNumber: nobody was called back on a number
// that was changed a moment ago.
func TestP3NoCallBackOnAChangedNumber(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Contacts.ReplacePhone(ctx, tx, ada, "+49 30 9999999", "instr")
		})
		if i, err := x.Compared(t.Context(), "ivo", ada, x.keyOnFile(ada, "ada"), "call-back"); err == nil {
			t.Errorf("compared by a call to a number of this minute: %s", x.get(i).State)
		}
	})
}

// TestComparisonsDoNotCountForTheCustomer: what staff try does not use
// up what the customer may begin.
func TestComparisonsDoNotCountForTheCustomer(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.passkey(ada)
		key := x.keyOnFile(ada, "ada")
		for range 20 {
			x.Compared(t.Context(), "ivo", ada, key, "in person")
		}
		_, m := x.made(ada)
		if _, err := x.AddPasskey(t.Context(), x.session(ada, portal.Passkey, ""), m); err != nil {
			t.Errorf("ivo shut her out: %v", err)
		}
	})
}

// TestStoppedFirstKeyMayBeComparedAgain: whoever reads the mail
// does not make a customer's own key unusable for good.
func TestStoppedFirstKeyMayBeComparedAgain(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		key := x.keyOnFile(ada, "ada")
		i, err := x.Compared(t.Context(), "ivo", ada, key, "in person")
		x.must2(err)
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(i))))
		if _, err := x.Compared(t.Context(), "noor", ada, key, "in person"); err != nil {
			t.Errorf("her own key never counts again: %v", err)
		}
	})
}
