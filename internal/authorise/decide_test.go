package authorise_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
)

// proved is an instruction of Ada's, proved by her signature.
func (x *lab) proved(c contacts.ID, kind string, values map[string]string) *instructions.Instruction {
	x.Helper()
	i := x.propose(c, kind, values, "staff:mara")
	if n := x.mail(c, x.signedAt(approval(i), x.clock())); n != 1 {
		x.Fatalf("%s is not proved", kind)
	}
	return x.get(i)
}

func TestReceiptsSayWhatAndGoEverywhere(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		x.pass(time.Second) // the first stays the one we write to
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Contacts.AddAddress(ctx, tx, ada, "ada@work.example", "mail")
		})
		i := x.proved(ada, "postal-address", moving)
		x.settle()
		if err := x.ByHand(t.Context(), "noor", i.ID, "moved her"); !fail.Is(err, fail.Conflict) {
			t.Errorf("done before it was approved: %v", err)
		}
		if err := x.Approve(t.Context(), "mara", i.ID); !fail.Is(err, fail.Denied) {
			t.Errorf("the proposer approves: %v", err)
		}
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		x.must2(x.ByHand(t.Context(), "ivo", i.ID, "moved in the register, entry 4471"))
		x.settle()
		if err := x.ByHand(t.Context(), "ivo", i.ID, "moved again"); !fail.Is(err, fail.Conflict) {
			t.Errorf("done twice: %v", err)
		}
		i = x.get(i)
		sent, texts := x.letters(i)
		for _, want := range []string{"asked receipt ada@customer.example", "proved receipt ada@customer.example", "proved-notice notice ada@customer.example", "proved-notice notice ada@work.example",
			"done receipt ada@customer.example", "done-notice notice ada@work.example"} {
			if !slices.Contains(sent, want) {
				t.Errorf("no %q in %v", want, sent)
			}
		}
		if len(sent) != 7 {
			t.Errorf("%d letters, want 7: %v", len(sent), sent)
		}
		receipt := texts[string(i.ID)+"-done"]
		for _, want := range []string{i.Doc.Text, "a checked signature", i.Doc.Ref, i.Bind, "entry 4471"} {
			if !strings.Contains(receipt, want) {
				t.Errorf("the receipt lacks %q:\n%s", want, receipt)
			}
		}
		for id, text := range texts {
			if strings.HasSuffix(id, "-notice") && (strings.Contains(text, "Elm") || strings.Contains(text, i.Doc.Ref)) {
				t.Errorf("a notice holds content: %s", text)
			}
		}
		var names []string
		for _, e := range x.events {
			names = append(names, e.Name)
			if has := strings.Contains(string(e.Payload), "token of "); has != (e.Name == "instruction.approved" || e.Name == "instruction.executed") {
				t.Errorf("%s: token %v", e.Name, has)
			}
		}
		if !slices.Equal(names, []string{"instruction.proved", "instruction.approved", "instruction.executed"}) {
			t.Errorf("%v", names)
		}
	})
}

func TestNotMineFreezesTellsAndStaysSo(t *testing.T) {
	each(t, func(x *lab) {
		ada, bob := x.customer("ada", true), x.customer("bob", false)
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Contacts.AddAddress(ctx, tx, ada, "ada@work.example", "mail")
		})
		i := x.proved(ada, "postal-address", moving)
		if err := x.NotMine(t.Context(), x.session(bob, portal.Passkey, ""), i.ID); !fail.Is(err, fail.NotFound) {
			t.Errorf("another's: %v", err)
		}
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.Passkey, ""), i.ID))
		x.settle()
		if err := x.Approve(t.Context(), "noor", i.ID); !fail.Is(err, fail.Conflict) {
			t.Errorf("approved after it was frozen: %v", err)
		}
		if x.mail(ada, x.gpg.Signed(x.letter("ada", approval(i)), "ada@")) != 0 {
			t.Error("proved after it was frozen")
		}
		sent, _ := x.letters(x.get(i))
		if !slices.Contains(sent, "frozen-notice notice ada@work.example") || !slices.Contains(sent, "frozen-notice notice ada@customer.example") {
			t.Errorf("%v", sent)
		}
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Cases.Get(ctx, tx, i.Case)
			if err == nil && (!c.Unread || c.State != "open" || !c.Sensitive) {
				t.Errorf("the case does not call: %+v", c)
			}
			return err
		})
	})
}

func TestWaitGoesByAndTheOwnerCanStopIt(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		add := func() *instructions.Instruction {
			i := x.proved(ada, "mail-address", map[string]string{"address": "ada@new.example"})
			x.must2(x.Approve(t.Context(), "noor", i.ID))
			x.settle()
			return i
		}
		i := add()
		x.must2(x.Tick(t.Context()))
		if got := x.get(i); got.State != instructions.Approved {
			t.Errorf("done before its wait: %s", got.State)
		}
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.Passkey, ""), i.ID))
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if got := x.get(i); got.State != instructions.Frozen || x.mailTo(ada) != "ada@customer.example" {
			t.Errorf("%s, %s", got.State, x.mailTo(ada))
		}
		i = add()
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		x.settle()
		if got := x.get(i); got.State != instructions.Approved || x.mailTo(ada) != "ada@customer.example" {
			t.Errorf("nobody answered at the new address: %s, %s", got.State, x.mailTo(ada))
		}
		if sent, _ := x.letters(i); !slices.Contains(sent, "reach-notice notice ada@new.example") {
			t.Errorf("%v", sent)
		}
		token := x.Instructions.Token(instructions.AddressLink, i)
		if err := x.Answer(t.Context(), token[:len(token)-32]+strings.Map(func(r rune) rune { return r ^ 1 }, token[len(token)-32:])); err == nil {
			t.Error("another token answered")
		}
		x.must2(x.Answer(t.Context(), token))
		x.settle()
		if got := x.get(i); got.State != instructions.Executed || x.mailTo(ada) != "ada@new.example" {
			t.Errorf("%s, %s", got.State, x.mailTo(ada))
		}
	})
}

func (x *lab) mailTo(id contacts.ID) (s string) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) error {
		c, err := x.Contacts.Get(ctx, tx, id)
		s = c.MailTo()
		return err
	})
	return s
}

func TestP3VerifiedKeyIsReplacedOnlyByInstruction(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		fresh := x.newKey("ada")
		i, wrong, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "key", Key: fresh.Armored(), Values: map[string]string{"key": "0000"}, Proposer: "contact:" + string(ada)})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		if !strings.Contains(strings.ReplaceAll(i.Doc.Text, " ", ""), string(fresh.Fingerprint())) || !strings.Contains(i.Doc.Text, "replaces") {
			t.Errorf("the text:\n%s", i.Doc.Text)
		}
		if n := x.mail(ada, x.gpg.Signed(x.letter("ada", approval(i)), string(fresh.Fingerprint()))); n != 0 {
			t.Error("the new key proved itself")
		}
		var old string
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			k, _ := c.VerifiedKey(tx.Now)
			old = string(k.Cert.Fingerprint())
			return err
		})
		if n := x.mail(ada, x.gpg.Signed(x.letter("ada", approval(i)), old)); n != 1 {
			t.Fatal("the old key did not prove it")
		}
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		x.settle()
		x.pass(25 * time.Hour)
		x.must2(x.Tick(t.Context()))
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			k, _ := c.VerifiedKey(tx.Now)
			if k == nil || k.Cert.Fingerprint() != fresh.Fingerprint() || k.Via != contacts.ByInstruction {
				t.Errorf("%+v", k)
			}
			for _, k := range c.Keys {
				if string(k.Cert.Fingerprint()) == old && k.Trust == contacts.Verified {
					t.Error("the old key kept its authority")
				}
			}
			return err
		})
	})
}

func TestWhatNobodyProvesLapses(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		i := x.propose(ada, "payment", payment, "staff:mara")
		x.must2(x.Tick(t.Context()))
		if x.get(i).State != instructions.Proposed {
			t.Error("too early")
		}
		x.pass(5 * 24 * time.Hour)
		x.must2(x.Tick(t.Context()))
		if got := x.get(i); got.State != instructions.Expired {
			t.Errorf("%s", got.State)
		}
		if err := x.ByCall(t.Context(), &portal.Session{Contact: ada}, i.ID, "1"); !fail.Is(err, fail.Denied) {
			t.Errorf("%v", err)
		}
	})
}

// TestApprovalRacedByFifty (FAULTS F16, S25): fifty say yes at once, and fifty do
// it; it is approved once and executed once.
func TestApprovalRacedByFifty(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		for run := range 5 {
			i := x.proved(ada, "postal-address", moving)
			var yes, did atomic.Int32
			var wg sync.WaitGroup
			for n := range 50 {
				wg.Go(func() {
					if x.Approve(context.WithoutCancel(t.Context()), "noor", i.ID) == nil {
						yes.Add(1)
					}
					if x.ByHand(context.WithoutCancel(t.Context()), "ivo", i.ID, "moved, by try "+string(rune('a'+n%26))) == nil {
						did.Add(1)
					}
				})
			}
			wg.Wait()
			if yes.Load() != 1 || did.Load() != 1 {
				t.Fatalf("run %d: %d approved, %d executed", run, yes.Load(), did.Load())
			}
			if n := x.audited(i, "instruction.executed"); n != 1 {
				t.Fatalf("run %d: %d rows of its being done", run, n)
			}
			x.settle()
		}
	})
}

func TestStrangersCaseAndFloodAreRefused(t *testing.T) {
	each(t, func(x *lab) {
		ada, bob := x.customer("ada", false), x.customer("bob", false)
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		if _, _, err := x.Propose(t.Context(), &authorise.Proposal{Contact: bob, Type: "postal-address", Values: moving, Case: i.Case, Proposer: "staff:mara"}); !fail.Is(err, fail.NotFound) {
			t.Errorf("out of somebody else's case: %v", err)
		}
		if _, wrong, _ := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "payment", Values: map[string]string{"amount": "1 EUR", "payee": "Zоe", "account": "DE1"}, Proposer: "staff:mara"}); wrong["payee"] == "" || wrong["account"] == "" {
			t.Errorf("%v", wrong)
		}
		for range 19 {
			x.propose(ada, "postal-address", moving, "staff:mara")
		}
		if _, _, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "postal-address", Values: moving, Proposer: "staff:mara"}); !fail.Is(err, fail.TooMany) {
			t.Errorf("the twenty-first: %v", err)
		}
	})
}

// TestP3OneMemberOfStaffTakesNothing: who read out the code that let somebody in,
// or vouched for a key, neither proposes nor approves what is proved by it.
func TestP3OneMemberOfStaffTakesNothing(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkeyBy(ada, "ivo") // bound in a session that Ivo's code opened
		prove := func(i *instructions.Instruction) error {
			a.Counter++
			return x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i)))
		}
		if err := prove(x.propose(ada, "mail-address", map[string]string{"address": "thief@evil.example"}, "contact:"+string(ada))); !fail.Is(err, fail.Denied) {
			t.Errorf("a passkey of this minute bound an address: %v", err)
		}
		x.pass(authorise.Fresh)
		if err := prove(x.propose(ada, "postal-address", moving, "staff:ivo")); !fail.Is(err, fail.Denied) {
			t.Errorf("Ivo let her in and proposed: %v", err)
		}
		if err := prove(x.propose(ada, "payment", payment, "contact:"+string(ada))); !fail.Is(err, fail.Denied) {
			t.Errorf("Ivo let her in, and nobody else looks: %v", err)
		}
		i := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		x.must2(prove(i))
		if err := x.Approve(t.Context(), "ivo", i.ID); !fail.Is(err, fail.Denied) {
			t.Errorf("Ivo let her in and approves: %v", err)
		}
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		x.pass(authorise.Settled)
		if err := prove(x.propose(ada, "payment", payment, "contact:"+string(ada))); err != nil {
			t.Errorf("a week later, and nobody complained: %v", err)
		}
	})
}

func TestP3KeyOnOneWordWaitsAndIsNotApprovedByIt(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		cert := x.newKey("ada")
		x.verifyAt(ada, cert, "ivo", x.clock())
		sign := func(i *instructions.Instruction) int { return x.mail(ada, x.signedAt(approval(i), x.clock())) }
		risky := map[string]string{"payee": "Zoe", "account": payment["account"]}
		if sign(x.propose(ada, "new-payee", risky, "staff:mara")) != 0 {
			t.Error("a key that was compared this minute did something risky")
		}
		if sign(x.propose(ada, "postal-address", moving, "staff:ivo")) != 0 {
			t.Error("who vouched for the key proposed")
		}
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		if sign(i) != 1 {
			t.Fatal("an address is not risky")
		}
		if err := x.Approve(t.Context(), "ivo", i.ID); !fail.Is(err, fail.Denied) {
			t.Errorf("who vouched for the key approves: %v", err)
		}
		x.must2(x.Approve(t.Context(), "noor", i.ID))
	})
}

// TestP3WhatWasGivenUpStillCounts: taking a passkey away does not lower what is
// needed, and an open proposal needs what is needed when it is proved.
func TestP3WhatWasGivenUpStillCounts(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		before := x.propose(ada, "postal-address", moving, "staff:mara")
		x.passkey(ada)
		ses := &portal.Session{Contact: ada, Factor: portal.Passkey}
		code, err := x.ShowCode(t.Context(), ses, before.ID)
		x.must2(err)
		if err := x.Heard(t.Context(), "noor", before.ID, x.phoneOf(ada), code); !fail.Is(err, fail.Denied) || x.get(before).State != instructions.Proposed {
			t.Errorf("proved by a call after a passkey was bound: %v", err)
		}
		x.must(func(ctx context.Context, tx *db.Tx) error {
			if err := contacts.GaveUp(ctx, tx, ada); err != nil {
				return err
			}
			return x.Passkeys.Forget(ctx, tx, string(ada))
		})
		if i := x.propose(ada, "postal-address", moving, "staff:mara"); i.Need != instructions.Passkey {
			t.Errorf("needs %s", instructions.KindOf(i.Need))
		}
		x.pass(31 * 24 * time.Hour)
		if i := x.propose(ada, "postal-address", moving, "staff:mara"); i.Need != instructions.Call {
			t.Errorf("a month later it needs %s", instructions.KindOf(i.Need))
		}
	})
}

func (x *lab) phoneOf(id contacts.ID) (phone string) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) error {
		c, err := x.Contacts.Get(ctx, tx, id)
		phone = c.Phones[0].ID
		return err
	})
	return phone
}

func TestTakenAddressEndsItWithAWord(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		x.customer("bob", false)
		i := x.proved(ada, "mail-address", map[string]string{"address": "bob@customer.example"})
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		x.pass(25 * time.Hour)
		x.must2(x.Answer(t.Context(), x.Instructions.Token(instructions.AddressLink, i)))
		x.settle()
		if got := x.get(i); got.State != instructions.Refused || got.Result == "" || strings.Contains(got.Result, "contact") {
			t.Errorf("%s: %q", got.State, got.Result)
		}
		if _, wrong, _ := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "mail-address", Values: map[string]string{"address": box}, Proposer: "staff:mara"}); wrong["address"] == "" {
			t.Error("our own mailbox became hers")
		}
	})
}

func TestWhatASystemDoesNotDoComesBeforeAPerson(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		i := x.proved(ada, "postal-address", moving)
		x.must2(x.Approve(t.Context(), "noor", i.ID))
		x.must2(x.Called(t.Context(), i.ID, false, "it answered 500 ten times"))
		if got := x.get(i); !got.Stuck || got.State != instructions.Approved {
			t.Errorf("%+v", got)
		}
		x.must2(x.ByHand(t.Context(), "ivo", i.ID, "done by hand instead"))
		x.must2(x.Called(t.Context(), i.ID, true, "late answer"))
		if n := x.audited(i, "instruction.executed"); n != 1 {
			t.Errorf("executed %d times", n)
		}
		x.must2(x.NotMine(t.Context(), x.session(ada, portal.Passkey, ""), i.ID))
		x.settle()
		if sent, texts := x.letters(i); !strings.Contains(strings.Join(sent, "\n"), "disputed-notice") || !strings.Contains(texts[string(i.ID)+"-disputed-notice"], "carried out before") {
			t.Errorf("%v", sent)
		}
	})
}
