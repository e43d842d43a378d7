package instructions_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	. "postern/internal/instructions"
	"postern/internal/vault"
)

// bench is a store with a clock that the test moves.
type bench struct {
	*Store
	t   testing.TB
	d   *db.DB
	v   *vault.Vault
	key *vault.Key
	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, f func(*testing.T, *bench)) {
	b := &bench{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	start := b.now
	dbtest.EachAt(t, b.clock, func(t *testing.T, d *db.DB) {
		b.pass(start.Sub(b.clock()))
		v, _ := vault.New(vault.NewMaster())
		x := &bench{t: t, d: d, v: v, Store: NewStore(v), key: v.NewKey()}
		x.must(func(tx *db.Tx) error {
			if err := Seed(t.Context(), tx); err != nil {
				return err
			}
			small := Type{ID: "small", Title: "Something small", Level: Call, Signer: Call, Expiry: time.Hour, Fields: []Field{{Name: "what", Label: "Wish", Kind: Text}}}
			if err := SaveType(t.Context(), tx, &small, "staff:admin"); err != nil {
				return err
			}
			return vault.Add(t.Context(), tx, x.key)
		})
		x.t = &clocked{t, b}
		f(t, x)
	})
}

// clocked lets a bench move the clock that its database was opened with.
type clocked struct {
	testing.TB
	clock *bench
}

func (b *bench) clock() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }
func (b *bench) pass(d time.Duration) {
	if c, ok := b.t.(*clocked); ok {
		c.clock.pass(d)
		return
	}
	b.mu.Lock()
	b.now = b.now.Add(d)
	b.mu.Unlock()
}

func (b *bench) must(f func(*db.Tx) error) {
	b.t.Helper()
	if err := b.d.Update(b.t.Context(), f); err != nil {
		b.t.Fatal(err)
	}
}

// propose makes an instruction of contact ann.
func (b *bench) propose(need Level, people int64, proposer string) *Instruction {
	b.t.Helper()
	ref := NewRef()
	i := &Instruction{Type: "small", Contact: "ann", Case: "case", Need: need, Approvals: people, Proposer: proposer, Made: b.d.Now(), Expires: b.d.Now().Add(24 * time.Hour),
		Doc: Doc{Ref: ref, Text: "move to Elm Street, " + ref, Title: "A new postal address"}}
	if err := b.New(i, b.key); err != nil {
		b.t.Fatal(err)
	}
	b.must(func(tx *db.Tx) error { return b.Add(b.t.Context(), tx, i) })
	return i
}

func (b *bench) get(id ID) (i *Instruction) {
	b.t.Helper()
	b.must(func(tx *db.Tx) (err error) { i, err = b.Get(b.t.Context(), tx, id); return err })
	return i
}

func (b *bench) prove(i *Instruction, p Proof) (refused error) {
	b.t.Helper()
	b.must(func(tx *db.Tx) error {
		x, err := b.Get(b.t.Context(), tx, i.ID)
		if err != nil {
			return err
		}
		refused, err = b.Prove(b.t.Context(), tx, x, &p, b.key)
		return err
	})
	return refused
}

func (b *bench) good(i *Instruction) Proof {
	return Proof{Contact: "ann", Level: Signature, Bind: i.Bind, Once: db.NewSecret(), At: b.d.Now()}
}

func (b *bench) audited(act string) (n int64) {
	b.must(func(tx *db.Tx) (err error) {
		rows, err := audit.About(b.t.Context(), tx, "case", 1000)
		n = 0
		for _, r := range rows {
			if r.Act == act {
				n++
			}
		}
		return err
	})
	return n
}

func TestP3ProofFitsOneInstructionOnly(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		other := b.propose(Call, 0, "staff:a")
		for name, spoil := range map[string]func(*Instruction, *Proof){
			"another person": func(_ *Instruction, p *Proof) { p.Contact = "bob" },
			"another text":   func(_ *Instruction, p *Proof) { p.Bind = other.Bind },
			"too weak":       func(_ *Instruction, p *Proof) { p.Level = TOTP },
			"no once":        func(_ *Instruction, p *Proof) { p.Once = "" },
			"by proposer":    func(_ *Instruction, p *Proof) { p.Level, p.Attested = Signature, "a" },
			"expired":        func(*Instruction, *Proof) { b.pass(24 * time.Hour) },
		} {
			i := b.propose(Passkey, 0, "staff:a")
			p := b.good(i)
			spoil(i, &p)
			before := b.audited("instruction.proof-refused")
			if b.prove(i, p) == nil {
				t.Errorf("%s: taken", name)
			}
			if b.get(i.ID).State != Proposed {
				t.Errorf("%s: it moved to %s", name, b.get(i.ID).State)
			}
			if b.audited("instruction.proof-refused") != before+1 {
				t.Errorf("%s: no audit row", name)
			}
		}
		i := b.propose(Passkey, 0, "staff:a")
		p := b.good(i)
		if err := b.prove(i, p); err != nil {
			t.Fatal(err)
		}
		if b.prove(i, p) == nil {
			t.Error("proved twice")
		}
		j := b.propose(Passkey, 0, "staff:a")
		p.Bind = j.Bind
		if b.prove(j, p) == nil {
			t.Error("one signature served two")
		}
	})
}

func TestP3OneProofRacedByFifty(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		i := b.propose(Call, 0, "staff:a")
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				p := b.good(i)
				var refused error
				err := b.d.Update(t.Context(), func(tx *db.Tx) error {
					x, err := b.Get(t.Context(), tx, i.ID)
					if err != nil {
						return err
					}
					refused, err = b.Prove(t.Context(), tx, x, &p, b.key)
					return err
				})
				if err == nil && refused == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d proofs were taken, want 1", won.Load())
		}
	})
}

func TestP3CallBackCode(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		redeem := func(i *Instruction, way Way, code string) (c *Code) {
			b.must(func(tx *db.Tx) error {
				x, err := b.Get(t.Context(), tx, i.ID)
				if err != nil {
					return err
				}
				c, _, err = b.Redeem(t.Context(), tx, x, way, code, "contact:ann")
				return err
			})
			return c
		}
		issue := func(i *Instruction, code, staff string) (err error) {
			return b.d.Update(t.Context(), func(tx *db.Tx) error {
				x, err := b.Get(t.Context(), tx, i.ID)
				if err != nil {
					return err
				}
				return b.IssueCode(t.Context(), tx, x, code, "phone", staff)
			})
		}
		i, other := b.propose(Call, 0, "staff:a"), b.propose(Call, 0, "staff:a")
		if err := issue(i, "1111 2222", "a"); !fail.Is(err, fail.Denied) {
			t.Errorf("the proposer makes the call: %v", err)
		}
		if err := issue(i, "1111 2222", "b"); err != nil {
			t.Fatal(err)
		}
		if redeem(other, ToPortal, "1111 2222") != nil {
			t.Error("a code served another instruction")
		}
		if redeem(i, ToAgent, "1111 2222") != nil {
			t.Error("a code went the wrong way")
		}
		if redeem(i, ToPortal, "1111-2222") == nil {
			t.Error("the right code was refused")
		}
		if redeem(i, ToPortal, "1111 2222") != nil {
			t.Error("a code was used twice")
		}
		issue(i, "3333 4444", "b")
		b.pass(CodeLife)
		if redeem(i, ToPortal, "3333 4444") != nil {
			t.Error("a code of the eleventh minute")
		}
		issue(i, "5555 6666", "b")
		issue(i, "7777 8888", "b")
		if redeem(i, ToPortal, "5555 6666") != nil {
			t.Error("a replaced code")
		}
		if x := b.get(i.ID); x.Tries != 4 {
			t.Fatalf("%d tries counted, want 4", x.Tries)
		}
		redeem(i, ToPortal, "0000 0000")
		if x := b.get(i.ID); x.State != Refused || x.Tries != MaxTries {
			t.Errorf("after five: %s, %d tries", x.State, x.Tries)
		}
		if redeem(i, ToPortal, "7777 8888") != nil {
			t.Error("the right code after five wrong ones")
		}
		strong := b.propose(Passkey, 0, "staff:a")
		if err := issue(strong, "1111 2222", "b"); !fail.Is(err, fail.Conflict) {
			t.Errorf("a call where a passkey is needed: %v", err)
		}
	})
}

func TestCallNeedsANumberOfThirtyDays(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	if MayCall(&contacts.Phone{Changed: true, Made: now.Add(-30*24*time.Hour + time.Minute)}, now) == nil {
		t.Error("a number changed within 30 days counts")
	}
	if err := MayCall(&contacts.Phone{Changed: true, Made: now.Add(-30 * 24 * time.Hour)}, now); err != nil {
		t.Error(err)
	}
}

func TestP3ApprovalByOthersThanTheProposer(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		approve := func(i *Instruction, staff string) error {
			return b.d.Update(t.Context(), func(tx *db.Tx) error {
				x, err := b.Get(t.Context(), tx, i.ID)
				if err != nil {
					return err
				}
				_, err = b.Approve(t.Context(), tx, x, staff)
				return err
			})
		}
		i := b.propose(Call, 2, "staff:a")
		if err := approve(i, "b"); !fail.Is(err, fail.Conflict) {
			t.Errorf("approved without a proof: %v", err)
		}
		p := b.good(i)
		p.Attested = "c"
		b.prove(i, p)
		for staff, want := range map[string]fail.Kind{"a": fail.Denied, "c": fail.Denied} {
			if err := approve(i, staff); !fail.Is(err, want) {
				t.Errorf("%s: %v", staff, err)
			}
		}
		if err := approve(i, "b"); err != nil {
			t.Fatal(err)
		}
		if err := approve(i, "b"); !fail.Is(err, fail.Conflict) {
			t.Errorf("one person twice: %v", err)
		}
		if x := b.get(i.ID); x.State != Proved {
			t.Errorf("one of two: %s", x.State)
		}
		if err := approve(i, "d"); err != nil {
			t.Fatal(err)
		}
		if x := b.get(i.ID); x.State != Approved {
			t.Errorf("two of two: %s", x.State)
		}
	})
}

// TestP3DatabaseRefusesByItself goes around the code, as somebody with the
// database's own prompt would.
func TestP3DatabaseRefusesByItself(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		exec := func(q string, args ...any) error {
			return b.d.Update(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), q, args...); return err })
		}
		i := b.propose(Passkey, 1, "staff:a")
		other := b.propose(Call, 0, "staff:a")
		proof := func(contact, bind string, level Level) error {
			return exec(`INSERT INTO instruction_proofs (instruction_id, contact_id, bind, kind, level, once, evidence, proved_at) VALUES ($1, $2, $3, 'call', $4, $5, $6, 1)`,
				other.ID, contact, bind, level, db.NewSecret(), []byte{})
		}
		for name, q := range map[string]string{
			"proved without a proof":   `UPDATE instructions SET state = 'proved' WHERE id = $1`,
			"approved without a proof": `UPDATE instructions SET state = 'approved' WHERE id = $1`,
			"executed without a proof": `UPDATE instructions SET state = 'executed' WHERE id = $1`,
			"needs less":               `UPDATE instructions SET need = 1 WHERE id = $1`,
			"needs nobody":             `UPDATE instructions SET approvals = 0 WHERE id = $1`,
			"another person's":         `UPDATE instructions SET contact_id = 'bob' WHERE id = $1`,
			"another text":             `UPDATE instructions SET bind = 'x' WHERE id = $1`,
			"another sealed text":      `UPDATE instructions SET doc = key_id WHERE id = $1`,
			"gone":                     `DELETE FROM instructions WHERE id = $1`,
		} {
			if exec(q, i.ID) == nil {
				t.Errorf("%s: the database took it", name)
			}
		}
		ins := `INSERT INTO instructions (id, ref_hash, bind, type_id, contact_id, case_id, key_id, doc, need, approvals, proposer, state, made_at, expires_at) VALUES ($1, $1, 'b', $2, 'ann', 'c', 'k', $3, $4, 0, 'x', $5, 1, 2)`
		for n, row := range [][]any{{"closing", []byte{}, 4, "proposed"}, {"payment", []byte{}, 1, "proposed"}, {"payment", []byte{}, 4, "approved"}, {"nothing", []byte{}, 4, "proposed"}, {"payment", []byte{}, 0, "proposed"}} {
			if exec(ins, append([]any{fmt.Sprint("i", n)}, row...)...) == nil {
				t.Errorf("%v was begun", row)
			}
		}
		if exec(`UPDATE instructions SET state = 'proved' WHERE id = $1`, other.ID) == nil {
			t.Error("proved without a row")
		}
		if proof("bob", other.Bind, Signature) == nil || proof("ann", i.Bind, Signature) == nil {
			t.Error("a proof of another person, or of another text, was kept")
		}
		if err := proof("ann", other.Bind, Call); err != nil {
			t.Fatal(err)
		}
		if proof("ann", other.Bind, Signature) == nil {
			t.Error("a second proof was kept")
		}
		for name, q := range map[string]string{"changed": `UPDATE instruction_proofs SET contact_id = 'bob' WHERE instruction_id = $1`, "removed": `DELETE FROM instruction_proofs WHERE instruction_id = $1`,
			"its waiting shortened": `UPDATE instructions SET ready_at = -1 WHERE id = $1`, "moved to another case": `UPDATE instructions SET case_id = 'x' WHERE id = $1`, "its tries taken back": `UPDATE instructions SET tries = -1 WHERE id = $1`} {
			if exec(q, other.ID) == nil {
				t.Errorf("a proof or an instruction was %s", name)
			}
		}
		all := []string{`TRUNCATE instruction_proofs`, `TRUNCATE instructions`, `TRUNCATE instruction_approvals`, `TRUNCATE consents`}
		if b.d.Lite() {
			all = []string{`REPLACE INTO instruction_proofs SELECT instruction_id, contact_id, bind, 'signature', 4, once, '', '', evidence, proved_at FROM instruction_proofs`,
				`INSERT OR REPLACE INTO instructions SELECT * FROM instructions`}
		}
		for _, q := range all {
			if exec(q) == nil {
				t.Errorf("%s: taken", q)
			}
		}
		if exec(`INSERT INTO instruction_approvals (instruction_id, staff_id, approved_at) VALUES ($1, 'b', 1)`, i.ID) == nil {
			t.Error("a yes before the proof was kept")
		}
		// With a proof, and without the people.
		b.prove(i, b.good(i))
		if exec(`UPDATE instructions SET state = 'approved' WHERE id = $1`, i.ID) == nil {
			t.Error("approved without a person")
		}
		exec(`INSERT INTO instruction_approvals (instruction_id, staff_id, approved_at) VALUES ($1, 'a', 1)`, i.ID)
		if exec(`UPDATE instructions SET state = 'approved' WHERE id = $1`, i.ID) == nil {
			t.Error("approved by the proposer")
		}
		exec(`INSERT INTO instruction_approvals (instruction_id, staff_id, approved_at) VALUES ($1, 'b', 1)`, i.ID)
		if err := exec(`UPDATE instructions SET state = 'approved' WHERE id = $1`, i.ID); err != nil {
			t.Errorf("proved and approved: %v", err)
		}
		if exec(`UPDATE instructions SET state = 'proposed' WHERE id = $1`, i.ID) == nil {
			t.Error("it went back")
		}
	})
}

func TestFrozenStaysFrozen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		i := b.propose(Call, 0, "staff:a")
		b.must(func(tx *db.Tx) error {
			x, err := b.Get(t.Context(), tx, i.ID)
			if err != nil {
				return err
			}
			return b.End(t.Context(), tx, x, Frozen, "not asked for", "contact:ann")
		})
		if b.prove(i, b.good(i)) == nil {
			t.Error("proved after it was frozen")
		}
		err := b.d.Update(t.Context(), func(tx *db.Tx) error {
			x, err := b.Mine(t.Context(), tx, "bob", i.ID)
			if err == nil {
				t.Errorf("another's instruction: %v", x.ID)
			}
			return err
		})
		if !fail.Is(err, fail.NotFound) || !strings.Contains(fail.Text(err), "no such") {
			t.Errorf("%v", err)
		}
	})
}
