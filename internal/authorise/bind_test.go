package authorise_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/portal"
	"postern/internal/staff"
)

// made is a passkey that somebody made on our page.
func (x *lab) made(id contacts.ID) (*passkeytest.Authenticator, *staff.Made) {
	x.Helper()
	a := passkeytest.New(x.TB)
	a.Counter = 1
	o := staff.Owner{Kind: "contact", ID: string(id), Name: "x@customer.example"}
	options, err := x.Passkeys.BeginRegister(x.Context(), o, "Portal")
	x.must2(err)
	m, err := x.Passkeys.FinishMaking(x.Context(), o, a.Register(options))
	x.must2(err)
	return a, m
}

// session is a real one of the customer, opened by a factor with somebody's help.
func (x *lab) session(id contacts.ID, f portal.Factor, by string) (ses *portal.Session) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) error {
		token, err := portal.Enter(ctx, tx, id, f, by)
		if err != nil {
			return err
		}
		ses, err = portal.FindSession(ctx, tx, token)
		return err
	})
	return ses
}

func (x *lab) count(query string, args ...any) (n int64) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, query, args...)
		return err
	})
	return n
}

// TestP3BindingIsAnInstruction: a first passkey is an instruction that the code
// proves which let its owner in; every address hears of it and can take it away;
// a second needs the first.
func TestP3BindingIsAnInstruction(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		ses := x.session(ada, portal.AccessCode, "ivo")
		a, m := x.made(ada)
		i, err := x.AddPasskey(t.Context(), ses, m)
		x.must2(err)
		if i = x.get(i); i.State != instructions.Executed || i.Type != "passkey" || !strings.Contains(i.Doc.Text, m.Sum()) {
			t.Fatalf("%s\n%s", i.State, i.Doc.Text)
		}
		x.must(func(ctx context.Context, tx *db.Tx) error {
			p, err := x.Instructions.ProofOf(ctx, tx, i.ID)
			if err == nil && (p.Attested != "ivo" || p.Level != instructions.Call) {
				t.Errorf("proved by %s, attested by %q", instructions.KindOf(p.Level), p.Attested)
			}
			return err
		})
		x.settle()
		if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, ada); n != 1 {
			t.Errorf("%d notices", n)
		}
		if by := x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1 AND by_staff = 'ivo'`, ada); by != 1 {
			t.Error("who let her in is forgotten")
		}
		// The telephone is not enough any more: the second waits for the first.
		_, m2 := x.made(ada)
		j, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "noor"), m2)
		x.must2(err)
		if j = x.get(j); j.State != instructions.Proposed || j.Need != instructions.Passkey {
			t.Fatalf("a second passkey by telephone: %s, needs %s", j.State, instructions.KindOf(j.Need))
		}
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, j.ID, a.Login(x.begin(ada, j))))
		if j = x.get(j); j.State != instructions.Executed || x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada) != 2 {
			t.Errorf("%s", j.State)
		}
		// The same passkey twice, and another's.
		if _, err := x.AddPasskey(t.Context(), x.session(ada, portal.Agreed, ""), m2); !fail.Is(err, fail.Denied) {
			t.Errorf("by a code of her choice: %v", err)
		}
		bob := x.customer("bob", false)
		k, err := x.AddPasskey(t.Context(), x.session(bob, portal.AccessCode, "noor"), m2)
		if x.must2(err); x.get(k).State != instructions.Refused || x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, bob) != 0 {
			t.Errorf("Ada's passkey is Bob's: %s", x.get(k).State)
		}
	})
}

// TestP3TheOldChannelTakesAwayWhatIsNew: the button behind the mailed link.
func TestP3TheOldChannelTakesAwayWhatIsNew(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		add := func() *instructions.Instruction {
			_, m := x.made(ada)
			i, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "ivo"), m)
			x.must2(err)
			x.settle()
			return x.get(i)
		}
		has := func() int64 { return x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada) }
		i := add()
		link := x.Instructions.Token(instructions.StopLink, i)
		madeUp := link[:len(link)-1] + map[bool]string{true: "1", false: "0"}[link[len(link)-1] == '0']
		if err := x.Stop(t.Context(), madeUp); !fail.Is(err, fail.NotFound) {
			t.Errorf("a made-up link: %v", err)
		}
		if err := x.Stop(t.Context(), x.Instructions.Token(instructions.AddressLink, i)); !fail.Is(err, fail.NotFound) {
			t.Errorf("another link of ours: %v", err)
		}
		if _, err := x.Stopped(t.Context(), link); err != nil || has() != 1 {
			t.Errorf("looking at it changed something: %v", err)
		}
		x.must2(x.Stop(t.Context(), link))
		if has() != 0 || x.count(`SELECT COUNT(*) FROM portal_sessions WHERE contact_id = $1 AND ended_at = 0`, ada) != 0 {
			t.Error("it was not taken away, or sessions stand")
		}
		x.settle()
		if n := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'security.alarm'`); n != 1 {
			t.Errorf("%d alarms", n)
		}
		x.must2(x.Stop(t.Context(), link)) // twice is harmless
		x.mu.Lock()
		if len(x.steps) != 0 {
			t.Errorf("a second press asked for %v", x.steps)
		}
		x.mu.Unlock()
		if need := x.propose(ada, "postal-address", moving, "staff:mara").Need; need != instructions.Passkey {
			t.Errorf("what is needed fell to %s", instructions.KindOf(need))
		}
		// Once it is old the button alarms, and takes nothing.
		i = add()
		x.pass(authorise.Fresh)
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		if x.settle(); has() != 1 || x.count(`SELECT COUNT(*) FROM audit WHERE act = 'security.alarm'`) != 2 {
			t.Error("an old one was taken away, or nobody was alarmed")
		}
	})
}

// TestP3TextCodeBindsWeakly: what a text message helped to bind proves nothing for
// a week where nobody else looks.
func TestP3TextCodeBindsWeakly(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a, m := x.made(ada)
		_, err := x.AddPasskey(t.Context(), x.session(ada, portal.TextCode, portal.ByText), m)
		x.must2(err)
		x.pass(authorise.Fresh)
		pay := x.propose(ada, "payment", payment, "contact:"+string(ada))
		a.Counter++
		if err := x.FinishPasskey(t.Context(), ada, pay.ID, a.Login(x.begin(ada, pay))); !fail.Is(err, fail.Denied) {
			t.Errorf("it paid, and nobody looked: %v", err)
		}
		x.pass(authorise.Settled)
		pay = x.propose(ada, "payment", payment, "contact:"+string(ada))
		a.Counter++
		x.must2(x.FinishPasskey(t.Context(), ada, pay.ID, a.Login(x.begin(ada, pay))))
	})
}

// TestP3FirstKeyIsCompared: by one member of staff, as an instruction; never of
// somebody who holds a passkey, nor beside another.
func TestP3FirstKeyIsCompared(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		id := x.keyOnFile(ada, "ada")
		none := x.Contacts.New("Cy", "cy@customer.example", "staff", x.clock())
		x.must(func(ctx context.Context, tx *db.Tx) error { return x.Contacts.Add(ctx, tx, none) })
		if _, err := x.Compared(t.Context(), "ivo", none.ID, x.keyOnFile(none.ID, "cy"), "call-back"); !fail.Is(err, fail.Invalid) {
			t.Errorf("a call-back without a number: %v", err)
		}
		if _, err := x.Compared(t.Context(), "ivo", ada, id, "e-mail"); !fail.Is(err, fail.Invalid) {
			t.Errorf("compared by mail: %v", err)
		}
		i, err := x.Compared(t.Context(), "ivo", ada, id, "call-back")
		x.must2(err)
		i = x.get(i)
		x.settle()
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			if k, _ := c.VerifiedKey(tx.Now); k == nil || k.By != "ivo" || k.Via != "call-back" {
				t.Errorf("%+v", c.Keys)
			}
			return err
		})
		if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, ada); n != 1 {
			t.Errorf("%d notices", n)
		}
		x.must2(x.Stop(t.Context(), x.Instructions.Token(instructions.StopLink, i)))
		if n := x.count(`SELECT COUNT(*) FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, ada); n != 0 {
			t.Error("the old channel did not take it away")
		}
		bob := x.customer("bob", false)
		x.passkey(bob)
		if _, err := x.Compared(t.Context(), "ivo", bob, x.keyOnFile(bob, "bob"), "in person"); !fail.Is(err, fail.Conflict) {
			t.Errorf("for who has a passkey: %v", err)
		}
		if n := x.count(`SELECT COUNT(*) FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, bob); n != 0 {
			t.Error("it counts all the same")
		}
	})
}

// recovered proves and approves a recovery.
func (x *lab) agreeTo(i *instructions.Instruction, c contacts.ID) {
	x.Helper()
	code, err := x.ReadOut(x.Context(), "ivo", i.ID, x.phoneOf(c))
	x.must2(err)
	x.must2(x.ByCall(x.Context(), &portal.Session{Contact: c, Factor: portal.AccessCode, By: "noor"}, i.ID, code))
	for _, s := range []string{"zed", "kim"} {
		if x.get(i).State == instructions.Proved {
			x.must2(x.Approve(x.Context(), s, i.ID))
		}
	}
}

// TestP3RecoveryIsNoShortcut: after it a telephone alone proves no more than before,
// and all that opened the place is gone.
func TestP3RecoveryIsNoShortcut(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.passkey(ada)
		x.pass(60 * 24 * time.Hour)
		i := x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "staff:mara")
		x.agreeTo(i, ada)
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if x.get(i).State != instructions.Executed || x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada) != 0 {
			t.Fatalf("%s", x.get(i).State)
		}
		if need := x.propose(ada, "mail-address", map[string]string{"address": "new@x.example"}, "staff:mara").Need; need != instructions.Passkey {
			t.Errorf("a new address needs %s now", instructions.KindOf(need))
		}
		_, m := x.made(ada) // and she is not shut out
		j, err := x.AddPasskey(t.Context(), x.session(ada, portal.AccessCode, "ivo"), m)
		if x.must2(err); x.get(j).State != instructions.Executed {
			t.Errorf("%s", x.get(j).State)
		}
	})
}

// TestP3DisputedRecoveryIsDecidedByPeople: neither of two who both look like its
// owner decides.
func TestP3DisputedRecoveryIsDecidedByPeople(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.passkey(ada)
		i := x.propose(ada, "recovery", map[string]string{"reason": "Stolen"}, "staff:mara")
		pay := x.propose(ada, "payment", payment, "contact:"+string(ada))
		x.agreeTo(i, ada)
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.Passkey, ""), i.ID))
		x.settle()
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if got := x.get(i); got.State != instructions.Approved || !got.Stuck || x.get(pay).State != instructions.Frozen {
			t.Fatalf("%s stuck %v, the payment %s", got.State, got.Stuck, x.get(pay).State)
		}
		for _, by := range []string{"mara", "ivo", "zed"} {
			if err := x.ByHand(t.Context(), by, i.ID, "I am sure of it"); !fail.Is(err, fail.Denied) {
				t.Errorf("%s took part and decides: %v", by, err)
			}
		}
		x.must2(x.ByHand(t.Context(), "lea", i.ID, "She came to the branch with her passport"))
		if x.get(i).State != instructions.Executed || x.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, ada) != 0 {
			t.Errorf("%s", x.get(i).State)
		}
	})
}

// TestManyUnansweredAddressesStopNobody: what waits for an answer ends after seven
// days, and the clock comes to everything behind it.
func TestManyUnansweredAddressesStopNobody(t *testing.T) {
	each(t, func(x *lab) {
		for n := range 13 {
			c := x.customer(fmt.Sprintf("ada%d", n), false)
			for m := range 8 {
				x.agreeTo(x.propose(c, "mail-address", map[string]string{"address": fmt.Sprintf("typo%d-%d@x.example", n, m)}, "staff:mara"), c)
			}
		}
		x.pass(time.Minute)
		bob := x.customer("bob", false)
		i := x.propose(bob, "recovery", map[string]string{"reason": "Lost"}, "staff:mara")
		x.agreeTo(i, bob)
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if x.get(i).State != instructions.Executed {
			t.Errorf("behind a hundred others: %s", x.get(i).State)
		}
		x.settle()
		x.must2(x.Tick(t.Context()))
		x.mu.Lock()
		if len(x.steps) != 0 {
			t.Errorf("%d letters asked for again", len(x.steps))
		}
		x.mu.Unlock()
		x.pass(8 * 24 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if n := x.count(`SELECT COUNT(*) FROM instructions WHERE state = 'refused' AND why = 'not answered'`); n != 104 {
			t.Errorf("%d ended", n)
		}
	})
}

// TestFloodOfProposals: what one proposer began counts for that one.
func TestFloodOfProposals(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		me := "contact:" + string(ada)
		for range 40 {
			x.must2(x.Cancel(t.Context(), me, x.propose(ada, "postal-address", moving, me).ID))
		}
		p := &authorise.Proposal{Contact: ada, Type: "postal-address", Values: moving, Proposer: me}
		if _, _, err := x.Propose(t.Context(), p); !fail.Is(err, fail.TooMany) {
			t.Errorf("the 41st of a day: %v", err)
		}
		x.propose(ada, "recovery", map[string]string{"reason": "Lost"}, "staff:mara")
	})
}

// TestP3FirstNumberWaitsToo: a number that an instruction brought is new, also
// where there was none.
func TestP3FirstNumberWaitsToo(t *testing.T) {
	each(t, func(x *lab) {
		n := x.Contacts.New("Cy", "cy@customer.example", "staff", x.clock())
		x.must(func(ctx context.Context, tx *db.Tx) error {
			if err := x.Contacts.Add(ctx, tx, n); err != nil {
				return err
			}
			return x.Contacts.ReplacePhone(ctx, tx, n.ID, "+49 30 9999999", "instr")
		})
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, n.ID)
			if err == nil && instructions.MayCall(&c.Phones[0], tx.Now) == nil {
				t.Error("it counts at once")
			}
			return err
		})
	})
}

// TestGuardsHoldAgainstRowNumbers: SQLite's own numbers are no way around.
func TestGuardsHoldAgainstRowNumbers(t *testing.T) {
	each(t, func(x *lab) {
		if strings.HasSuffix(t.Name(), "postgres") || !strings.Contains(x.TB.Name(), "sqlite") {
			return // there is no such number
		}
		ada := x.customer("ada", false)
		i, j := x.propose(ada, "postal-address", moving, "staff:mara"), x.propose(ada, "postal-address", moving, "staff:mara")
		x.agreeTo(i, ada)
		all := func() string {
			return fmt.Sprint(x.count(`SELECT COUNT(*) FROM instructions`), x.count(`SELECT COUNT(*) FROM instruction_approvals`), x.count(`SELECT COUNT(*) FROM instruction_proofs`))
		}
		before := all()
		for _, q := range []string{
			`UPDATE OR REPLACE instructions SET rowid = (SELECT MAX(rowid) FROM instructions) WHERE rowid = (SELECT MIN(rowid) FROM instructions)`,
			`UPDATE instruction_approvals SET rowid = 99`, `UPDATE instruction_proofs SET rowid = 99`,
			`INSERT OR REPLACE INTO instruction_proofs (rowid, instruction_id, contact_id, bind, kind, level, once, evidence, proved_at)
				SELECT (SELECT MAX(rowid) FROM instruction_proofs), id, contact_id, bind, 'call', 1, 'o', x'00', 1 FROM instructions WHERE id = '` + string(j.ID) + `'`,
		} {
			if err := x.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), q); return err }); err == nil {
				t.Errorf("taken: %s", q)
			}
		}
		if after := all(); after != before {
			t.Errorf("%s became %s", before, after)
		}
	})
}

// keyOnFile is a key that came, and that nobody compared.
func (x *lab) keyOnFile(id contacts.ID, name string) (key string) {
	x.Helper()
	cert := x.newKey(name)
	x.must(func(ctx context.Context, tx *db.Tx) error {
		c, err := x.Contacts.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := x.Contacts.AddKey(ctx, tx, c, cert, contacts.Seen, "staff"); err != nil {
			return err
		}
		c, err = x.Contacts.Get(ctx, tx, id)
		key = c.KeyOf(cert.Fingerprint()).ID
		return err
	})
	return key
}

// TestFreshPasskeyShutsNobodyOut: what is too new to count for something risky does
// not ask for itself there; what was before it still proves.
func TestFreshPasskeyShutsNobodyOut(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Passkeys.BindApp(ctx, tx, string(ada), &staff.MadeApp{Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}, "")
		})
		x.pass(authorise.Fresh)
		x.passkey(ada)
		need := func(kind string, values map[string]string) instructions.Level {
			i := x.propose(ada, kind, values, "staff:mara")
			return i.Need
		}
		if n := need("payment", payment); n != instructions.TOTP {
			t.Errorf("a payment beside a passkey of this minute needs %s", instructions.KindOf(n))
		}
		if n := need("postal-address", moving); n != instructions.Passkey {
			t.Errorf("what is not risky needs %s", instructions.KindOf(n))
		}
		x.pass(authorise.Fresh)
		if n := need("payment", payment); n != instructions.Passkey {
			t.Errorf("three days later a payment needs %s", instructions.KindOf(n))
		}
	})
}

// TestCustomerAsksForTheCall: staff see that they wait, once.
func TestCustomerAsksForTheCall(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		ses := x.session(ada, portal.AccessCode, "ivo")
		i := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		for range 3 {
			x.must2(x.AskCall(t.Context(), ses, i.ID))
		}
		if n := x.audited(i, "instruction.call-asked"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if n := x.count(`SELECT COUNT(*) FROM cases WHERE id = $1 AND state = 'open' AND alarm <> ''`, i.Case); n != 1 {
			t.Error("nobody sees it")
		}
		pay := x.propose(ada, "payment", payment, "contact:"+string(ada))
		if err := x.AskCall(t.Context(), ses, pay.ID); !fail.Is(err, fail.Conflict) {
			t.Errorf("for what a call does not prove: %v", err)
		}
		bob := x.session(x.customer("bob", false), portal.AccessCode, "ivo")
		if err := x.AskCall(t.Context(), bob, i.ID); !fail.Is(err, fail.NotFound) {
			t.Errorf("another's: %v", err)
		}
	})
}

// TestP3KindSaysWhoApproves: where it names a role, nobody else's yes is kept, and
// what is open keeps what it was shown with.
func TestP3KindSaysWhoApproves(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		set := func(role string) {
			x.must(func(ctx context.Context, tx *db.Tx) error {
				k, err := instructions.TypeOf(ctx, tx, "postal-address")
				if err != nil {
					return err
				}
				k.Approver = role
				return instructions.SaveType(ctx, tx, k, "staff:admin")
			})
		}
		set("triager")
		i := x.proved(ada, "postal-address", moving)
		set("")
		if err := x.Approve(t.Context(), "noor", i.ID); !fail.Is(err, fail.Denied) || x.get(i).State != instructions.Proved {
			t.Errorf("an agent's yes: %v, %s", err, x.get(i).State)
		}
		x.must2(x.Approve(t.Context(), "lea", i.ID))
		if x.get(i).State != instructions.Approved {
			t.Errorf("%s", x.get(i).State)
		}
	})
}
