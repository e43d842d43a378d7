package authorise_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/gpgtest"
	"postern/internal/instructions"
	"postern/internal/pgp"
	"postern/internal/portal"
)

// TestP3OldLinkTakesWhatCameAfterRecovery: the link of before a recovery takes away what its owner bound after it.
func TestP3OldLinkTakesWhatCameAfterRecovery(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		r := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "staff:mara")
		x.agreeTo(r, ada)
		_, m := x.made(ada)
		old, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "noor"), m)
		x.must2(err)
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if x.get(r).State != instructions.Executed || x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada) != 0 {
			t.Fatal(x.get(r).State)
		}
		_, m2 := x.made(ada)
		_, err = x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "noor"), m2)
		x.must2(err)
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, x.get(old))))
		if n := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada); n != 1 {
			t.Error("the link about what the recovery took away took the new passkey")
		}
	})
}

// TestP3KeyThatRunsOutMeanwhileNeverEnds: a key that runs out before the wait is over: the clock tries for ever.
func TestP3KeyThatRunsOutMeanwhileNeverEnds(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		g := gpgtest.New(t)
		keys, err := pgp.ParseKeys(g.Export(g.Generate("ada <ada@customer.example>", "64d", time.Now().Add(-60*24*time.Hour))))
		if err != nil {
			t.Fatal(err)
		}
		x.pass(12 * time.Hour)
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: keys[0].Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
		x.must2(x.Approve(t.Context(), "kim", i.ID))
		for range 10 {
			x.pass(25 * time.Hour)
			x.must2(x.Tick(t.Context()))
		}
		if i = x.get(i); i.Open() {
			t.Errorf("ten days later: %s, nobody is told, it can come true only by never", i.State)
		}
	})
}

// TestP3OneUnsoundKindStopsTheClock: one kind that waits and is not sound any more (the rules of a later version) stops the clock for everybody.
func TestP3OneUnsoundKindStopsTheClock(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			for _, k := range instructions.Shipped() {
				if k.ID == "card" { // the check of two labels came with the last commit
					k.Approvals = 0
					k.Fields = append(k.Fields, instructions.Field{Name: "card-2", Label: "Card", Kind: instructions.Text})
					b, _ := json.Marshal(k)
					_, err := tx.Exec(ctx, `UPDATE instruction_types SET next_doc = $1, next_by = 'staff:lea', next_at = $2 WHERE id = 'card'`, string(b), db.Micros(tx.Now))
					return err
				}
			}
			return nil
		})
		f := *x.Flow
		f.HasRole = func(context.Context, *db.Tx, string, string) (bool, error) { return true, nil }
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: x.newKey("ada").Armored(), Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))))
		x.must2(x.Approve(t.Context(), "kim", i.ID))
		x.pass(25 * time.Hour)
		err = f.Tick(t.Context())
		if x.get(i).State != instructions.Executed {
			t.Errorf("%s: %v", x.get(i).State, err)
		}
	})
}

// TestP3ATelephoneAloneRecovers: the same over the whole account: a text code and a call to one number recover an account with a passkey and a checked key.
func TestP3ATelephoneAloneRecovers(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		x.passkey(ada)
		x.pass(60 * 24 * time.Hour)
		r := x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "contact:"+string(ada))
		ses := x.session(ada, portal.TextCode, portal.ByText)
		code, err := x.ReadOut(t.Context(), "ivo", r.ID, x.phoneOf(ada))
		x.must2(err)
		if err := x.ByCall(t.Context(), ses, r.ID, code); err == nil {
			t.Errorf("%s", x.get(r).State)
		}
		r = x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "contact:"+string(ada))
		if _, err = x.ShowCode(t.Context(), x.session(ada, portal.TextCode, portal.ByText), r.ID); err == nil {
			t.Errorf("the other way round: %s", x.get(r).State)
		}
	})
}
