package authorise_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/evidence"
	"postern/internal/gpgtest"
	"postern/internal/instructions"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/passkeytest"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/vault"
)

const box = "support@northmere.example"

// lab is the flow on one database, with customers who hold real keys. What steps
// ask for is done by settle.
type lab struct {
	testing.TB
	*authorise.Flow
	gpg    *gpgtest.GPG
	mu     sync.Mutex
	now    time.Time         // guarded by mu
	steps  []authorise.Step  // guarded by mu
	events []authorise.Event // guarded by mu
	chosen bool              // a call-back is enough, by their choice
}

func (x *lab) clock() time.Time     { x.mu.Lock(); defer x.mu.Unlock(); return x.now }
func (x *lab) pass(d time.Duration) { x.mu.Lock(); defer x.mu.Unlock(); x.now = x.now.Add(d) }

func each(t *testing.T, f func(x *lab)) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x := &lab{TB: t, now: time.Now().UTC().Truncate(time.Second)}
			d, err := db.Open(t.Context(), db.Options{URL: url(t), Clock: x.clock})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			x.build(d)
			f(x)
		})
	}
}

func (x *lab) build(d *db.DB) {
	x.Helper()
	v, err := vault.New(vault.NewMaster())
	if err != nil {
		x.Fatal(err)
	}
	boxes, err := mailboxes.Open(x.Context(), d, v)
	if err != nil {
		x.Fatal(err)
	}
	if _, err := boxes.Add(x.Context(), audit.System, "Northmere Savings", box, false); err != nil {
		x.Fatal(err)
	}
	people, err := staff.New(d, v, "https://localhost:8443", "Northmere")
	if err != nil {
		x.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	words := func() outbox.Words {
		return outbox.Words{Org: "Northmere Savings", BaseURL: "https://localhost:8443", Phone: "0555 0100"}
	}
	store, book := cases.NewStore(v), contacts.NewBook(v)
	out := outbox.New(outbox.Options{DB: d, Vault: v, Cases: store, Contacts: book, Mailboxes: boxes, Portal: portal.NewStore(v), Node: "n", Log: log, Words: words})
	x.Flow = authorise.New(authorise.Options{DB: d, Vault: v, Cases: store, Contacts: book, Mailboxes: boxes, Outbox: out, Instructions: instructions.NewStore(v), Passkeys: people.Passkeys(), Words: words, Log: log,
		Consent: func(context.Context, *db.Tx, contacts.ID) (bool, error) { return x.chosen, nil },
		Later: func(_ context.Context, tx *db.Tx, s authorise.Step) error {
			tx.AfterCommit(func() { x.mu.Lock(); defer x.mu.Unlock(); x.steps = append(x.steps, s) })
			return nil
		},
		Call: func(_ context.Context, tx *db.Tx, e authorise.Event) error {
			tx.AfterCommit(func() { x.mu.Lock(); defer x.mu.Unlock(); x.events = append(x.events, e) })
			return nil
		},
		Sign:    func(c any) (string, error) { return fmt.Sprintf("token of %s", c.(*authorise.Claims).ID), nil },
		Recheck: func(context.Context, *db.Tx, contacts.ID) error { return nil },
		HasRole: func(_ context.Context, _ *db.Tx, id, role string) (bool, error) {
			return id == "lea" && role == "triager", nil
		},
		NameOf: func(_ context.Context, _ *db.Tx, id string) string { return id },
	})
	x.must(func(ctx context.Context, tx *db.Tx) error { return instructions.Seed(ctx, tx) })
}

func (x *lab) must(f func(ctx context.Context, tx *db.Tx) error) {
	x.Helper()
	if err := x.DB.Update(x.Context(), func(tx *db.Tx) error { return f(x.Context(), tx) }); err != nil {
		x.Fatal(err)
	}
}

// settle does what steps asked for, twice each: the second must change nothing.
func (x *lab) settle() {
	x.Helper()
	for {
		x.mu.Lock()
		todo := x.steps
		x.steps = nil
		x.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, s := range todo {
			for range 2 {
				if err := x.Follow(x.Context(), s); err != nil {
					x.Fatalf("%+v: %v", s, err)
				}
			}
		}
	}
}

// customer is somebody with an address, and with a key if named so.
func (x *lab) customer(name string, withKey bool) contacts.ID {
	x.Helper()
	n := x.Contacts.New(strings.ToUpper(name[:1])+name[1:], name+"@customer.example", "staff", x.clock())
	x.must(func(ctx context.Context, tx *db.Tx) error {
		if err := x.Contacts.Add(ctx, tx, n); err != nil {
			return err
		}
		return x.Contacts.AddPhone(ctx, tx, n.ID, "+49 30 1234567", "staff", "zara")
	})
	if withKey {
		x.verify(n.ID, x.newKey(name))
	}
	return n.ID
}

// newKey makes a key with gpg, two months old.
func (x *lab) newKey(name string) *pgp.Key {
	x.Helper()
	if x.gpg == nil {
		x.gpg = gpgtest.New(x.TB)
	}
	fpr := x.gpg.Generate(name+" <"+name+"@customer.example>", "0", time.Now().Add(-60*24*time.Hour))
	keys, err := pgp.ParseKeys(x.gpg.Export(fpr))
	if err != nil {
		x.Fatal(err)
	}
	return keys[0]
}

func (x *lab) verify(id contacts.ID, cert *pgp.Key) {
	x.Helper()
	x.verifyAt(id, cert, "zara", x.clock().Add(-30*24*time.Hour))
}

// verifyAt is a key that a member of staff compared at some moment.
func (x *lab) verifyAt(id contacts.ID, cert *pgp.Key, by string, at time.Time) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) error {
		c, err := x.Contacts.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := x.Contacts.AddKey(ctx, tx, c, cert, contacts.Seen, "staff"); err != nil {
			return err
		}
		if c, err = x.Contacts.Get(ctx, tx, id); err != nil {
			return err
		}
		k := &c.Keys[0]
		if err := k.Verify("call-back", by, by, at); err != nil {
			return err
		}
		return x.Contacts.SaveKey(ctx, tx, k)
	})
}

func (x *lab) passkey(id contacts.ID) *passkeytest.Authenticator {
	x.Helper()
	return x.passkeyBy(id, "")
}

// passkeyBy is one bound in a session that a member of staff's code opened.
func (x *lab) passkeyBy(id contacts.ID, by string) *passkeytest.Authenticator {
	x.Helper()
	a := passkeytest.New(x.TB)
	o := staff.Owner{Kind: "contact", ID: string(id), Name: "x@customer.example"}
	options, err := x.Passkeys.BeginRegister(x.Context(), o, "key")
	if err != nil {
		x.Fatal(err)
	}
	a.Counter = 1
	m, err := x.Passkeys.FinishMaking(x.Context(), o, a.Register(options))
	if err != nil {
		x.Fatal(err)
	}
	x.must(func(ctx context.Context, tx *db.Tx) error { return x.Passkeys.Bind(ctx, tx, o, db.NewID(), m, by) })
	return a
}

var payment = map[string]string{"amount": "250.00 EUR", "payee": "Zoë Müller", "account": "DE89370400440532013000"}
var moving = map[string]string{"street": "Elm Street 4", "town": "4418 Westhaven"}

func (x *lab) propose(c contacts.ID, kind string, values map[string]string, by string) *instructions.Instruction {
	x.Helper()
	i, wrong, err := x.Propose(x.Context(), &authorise.Proposal{Contact: c, Type: kind, Values: values, Proposer: by})
	if err != nil || len(wrong) > 0 {
		x.Fatal(err, wrong)
	}
	return i
}

func (x *lab) get(i *instructions.Instruction) *instructions.Instruction {
	x.Helper()
	got, _, err := x.Read(x.Context(), "", i.ID)
	if err != nil {
		x.Fatal(err)
	}
	return got
}

// mail examines a mail as intake would and tries it as a proof.
func (x *lab) mail(from contacts.ID, raw []byte) int {
	x.Helper()
	lookup := x.Contacts.Lookup(x.Context(), x.DB)
	rep := evidence.Examine(raw, evidence.Options{At: x.clock(), Secrets: x.Mailboxes.Secrets(), Keys: lookup})
	done, err := x.FromMail(x.Context(), &authorise.Mail{Contact: from, Case: "c", Message: cases.MessageID(db.NewID()), Report: rep, Came: x.clock()})
	if err != nil {
		x.Fatal(err)
	}
	return done
}

// approval is what a customer writes.
func approval(i *instructions.Instruction) string {
	return instructions.ApproveLine(i.Doc.Ref) + "\n\n> " + strings.ReplaceAll(strings.TrimSpace(i.Doc.Text), "\n", "\n> ")
}

func (x *lab) letter(name, text string) *gpgtest.Mail {
	return &gpgtest.Mail{From: name + "@customer.example", To: box, Subject: "Re: Please approve", Text: text, Date: x.clock()}
}

func (x *lab) audited(i *instructions.Instruction, act string) (n int) {
	x.Helper()
	x.must(func(ctx context.Context, tx *db.Tx) error {
		rows, err := audit.About(ctx, tx, string(i.Case), 500)
		n = 0
		for _, r := range rows {
			if r.Act == act && strings.Contains(r.Detail, string(i.ID)) {
				n++
			}
		}
		return err
	})
	return n
}

// letters are what was queued about an instruction: kind and address.
func (x *lab) letters(i *instructions.Instruction) (out []string, texts map[string]string) {
	x.Helper()
	texts = map[string]string{}
	x.must(func(ctx context.Context, tx *db.Tx) error {
		out = nil
		list, err := x.Outbox.OfCase(ctx, tx, i.Case)
		if err != nil {
			return err
		}
		c, err := x.Cases.Get(ctx, tx, i.Case)
		if err != nil {
			return err
		}
		key, err := x.Vault.Get(ctx, tx, c.KeyID)
		if err != nil {
			return err
		}
		sealed, err := cases.Thread(ctx, tx, i.Case)
		if err != nil {
			return err
		}
		for n := range sealed {
			m, err := sealed[n].Open(key)
			if err != nil {
				return err
			}
			texts[string(m.ID)] = m.Doc.Text
		}
		for _, d := range list {
			out = append(out, strings.TrimPrefix(string(d.Message), string(i.ID)+"-")+" "+string(d.Kind)+" "+d.Address)
		}
		return nil
	})
	return out, texts
}
