// Package authorise takes an instruction from a wish to its end: propose it,
// tell the customer how to prove it, take the proof, let people decide, have it
// done, and give receipts. It joins instructions, contacts, cases and the outbox
// in one transaction each; every door asks here and nowhere else, so there is
// one place where a proof is taken (P3).
//
// What follows from a step (letters, calls to the organisation's systems) is
// asked for in the step's own transaction and done afterwards, once, however
// often it is tried.
package authorise

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/vault"
)

// Options is what the flow needs.
type Options struct {
	DB           *db.DB
	Vault        *vault.Vault
	Cases        *cases.Store
	Contacts     *contacts.Book
	Mailboxes    *mailboxes.Store
	Outbox       *outbox.Outbox
	Instructions *instructions.Store
	Passkeys     *staff.Ceremonies
	Words        func() outbox.Words
	NameOf       func(ctx context.Context, tx *db.Tx, staff string) string // for people
	HasRole      func(ctx context.Context, tx *db.Tx, staff, role string) (bool, error)
	Strict       bool                                                              // passkeys and verified keys only
	Consent      func(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) // a call-back is enough, by their choice
	Later        func(ctx context.Context, tx *db.Tx, step Step) error             // have Follow called after the commit
	Call         func(ctx context.Context, tx *db.Tx, e Event) error               // tell the organisation's systems
	Sign         func(claims any) (string, error)                                  // the token for them
	Recheck      func(ctx context.Context, tx *db.Tx, c contacts.ID) error         // a key changed: look at their mails again
	Log          *slog.Logger
}

// Flow is the one way of an instruction.
type Flow struct{ Options }

// New returns the flow.
func New(o Options) *Flow { return &Flow{o} }

// A Step is something that follows an instruction's change of state.
type Step struct {
	Instruction instructions.ID `json:"instruction"`
	What        What            `json:"what"`
}

// What follows.
type What string

const (
	Asked    What = "asked"    // tell the customer how to prove it
	Proved   What = "proved"   // the receipt of what they authorised
	Done     What = "done"     // the receipt of its being done
	Frozen   What = "frozen"   // tell all their addresses, and staff
	Refused  What = "refused"  // tell them
	Disputed What = "disputed" // what was done already: tell all their addresses
	Do       What = "do"       // do it
	Reach    What = "reach"    // ask at a new address whether it is theirs
)

// subject is one instruction with all that belongs to it, read and opened.
type subject struct {
	i   *instructions.Instruction
	key *vault.Key // of the contact's content
	who *contacts.Contact
	c   *cases.Case
	box *mailboxes.Mailbox

	caseKey *vault.Key // of the case's messages
}

// read opens an instruction. With a contact it must be theirs.
func (f *Flow) read(ctx context.Context, contact contacts.ID, id instructions.ID) (*subject, error) {
	s := &subject{}
	err := f.DB.View(ctx, func(tx *db.Tx) (err error) {
		if contact != "" {
			s.i, err = f.Instructions.Mine(ctx, tx, contact, id)
		} else {
			s.i, err = f.Instructions.Get(ctx, tx, id)
		}
		if err != nil {
			return err
		}
		if s.key, err = f.Vault.Get(ctx, tx, s.i.KeyID); err != nil {
			return err
		}
		if s.who, err = f.Contacts.Get(ctx, tx, s.i.Contact); err != nil {
			return err
		}
		if s.c, err = f.Cases.Get(ctx, tx, s.i.Case); err != nil {
			return err
		}
		s.caseKey, err = f.Vault.Get(ctx, tx, s.c.KeyID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.box, err = f.Mailboxes.Get(s.c.Mailbox); err != nil {
		return nil, err
	}
	return s, s.i.Unseal(s.key)
}

// again reads the instruction in the transaction that changes it; what is sealed
// was opened before.
func (f *Flow) again(ctx context.Context, tx *db.Tx, s *subject) (*instructions.Instruction, error) {
	i, err := f.Instructions.Get(ctx, tx, s.i.ID)
	if err != nil {
		return nil, err
	}
	i.Doc = s.i.Doc
	return i, nil
}

// Read returns an instruction as it may be shown; with a contact it must be theirs.
func (f *Flow) Read(ctx context.Context, contact contacts.ID, id instructions.ID) (*instructions.Instruction, *contacts.Contact, error) {
	s, err := f.read(ctx, contact, id)
	if err != nil {
		return nil, nil, err
	}
	return s.i, s.who, nil
}

// able reports whether the person can do better than a code, or could until lately.
// For what is risky a passkey too new to count there asks for nothing either: it
// would shut its owner out, and lowers nothing that was before it.
func (f *Flow) able(ctx context.Context, tx *db.Tx, c *contacts.Contact, risky bool) (bool, error) {
	since := tx.Now
	if risky {
		since = since.Add(-Fresh)
	}
	if c.Able(tx.Now, since) {
		return true, nil
	}
	list, err := f.Passkeys.List(ctx, tx, "contact", string(c.ID))
	for _, k := range list {
		if !k.Made.After(since) {
			return true, err
		}
	}
	return false, err
}

// Holds is the strongest proof that the person could bring now; with nothing at
// hand it is a call.
func (f *Flow) Holds(ctx context.Context, tx *db.Tx, c *contacts.Contact) (instructions.Level, error) {
	n, err := f.Passkeys.Count(ctx, tx, "contact", string(c.ID))
	if err != nil {
		return 0, err
	}
	if key, _ := c.VerifiedKey(tx.Now); key != nil || n > 0 {
		return instructions.Passkey, nil // a signature is more, and will do
	}
	app, err := f.Passkeys.AppOf(ctx, tx, string(c.ID))
	if app != nil {
		return instructions.TOTP, err
	}
	return instructions.Call, err
}

// MayChange says why the session may not give up what protects its owner, or nil:
// who has a passkey comes in by it, who has a key or an app by one of those. The
// weaker way never removes or waives the stronger.
func (f *Flow) MayChange(ctx context.Context, tx *db.Tx, c *contacts.Contact, ses *portal.Session) error {
	n, err := f.Passkeys.Count(ctx, tx, "contact", string(c.ID))
	if err != nil {
		return err
	}
	app, err := f.Passkeys.AppOf(ctx, tx, string(c.ID))
	if err != nil {
		return err
	}
	if err := portal.Alive(ctx, tx, ses); err != nil {
		return err
	}
	switch {
	case !ses.Factor.Decides():
		return ErrReads
	case tx.Now.Sub(ses.Made) >= Recent:
		return errAgain
	case ses.Factor == portal.Passkey:
		return nil
	case n > 0:
		return errPasskey
	case ses.Factor != portal.CodeApp && (app != nil || c.Able(tx.Now, tx.Now)):
		return errStronger
	}
	return nil
}

// Recent is how old a proof may be by which somebody changes what protects them: a
// browser that was left open, or a cookie that was copied, is not enough.
const Recent = 10 * time.Minute

var (
	errAgain = fail.New(fail.Denied, "you came in more than ten minutes ago. To change what protects you, sign out and come in again")
	// ErrReads is for a session by the code of their choice.
	ErrReads    = fail.New(fail.Denied, "the code that you chose lets you read, and no more. Come in with your passkey, your app, or a code that we read to you, to change this")
	errPasskey  = fail.New(fail.Denied, "come in with your passkey to change this. If you have lost it, ask us for a recovery: you hear of it on every address")
	errStronger = fail.New(fail.Denied, "come in with your app to change this, or do it by a mail that you sign with your key. If you have lost them, ask us for a recovery: you hear of it on every address")
)

// Need says how strong a proof this person must bring for a type and its values,
// why, and how many people approve.
func (f *Flow) Need(ctx context.Context, tx *db.Tx, c *contacts.Contact, t *instructions.Type, values map[string]string) (instructions.Level, string, int64, error) {
	level, people := t.Needs(values)
	if t.Enrols() {
		holds, err := f.Holds(ctx, tx, c)
		return max(level, holds), "what they hold proves what is added to it", people, err
	}
	able, err := f.able(ctx, tx, c, t.Risky)
	if err != nil {
		return 0, "", 0, err
	}
	w := policy.Wish{Type: level, Signer: max(t.Signer, level), Able: able, Strict: f.Strict, Risky: t.Risky}
	if f.Consent != nil {
		if w.Consent, err = f.Consent(ctx, tx, c.ID); err != nil {
			return 0, "", 0, err
		}
	}
	need, why := policy.Proof(w)
	return need, why, people, nil
}

// owner is the person as passkeys know them.
func owner(c *contacts.Contact) staff.Owner {
	return staff.Owner{Kind: "contact", ID: string(c.ID), Name: c.MailTo()}
}

// ours are the addresses that quotes of our mails name.
func (f *Flow) ours() []string {
	var out []string
	for _, b := range f.Mailboxes.All() {
		out = append(out, b.Address)
	}
	return out
}

func (f *Flow) later(ctx context.Context, tx *db.Tx, id instructions.ID, what ...What) error {
	for _, w := range what {
		if err := f.Later(ctx, tx, Step{id, w}); err != nil {
			return err
		}
	}
	return nil
}

// ByWords says who proposed it, in words for the customer.
func ByWords(proposer string) string {
	switch kind, _, _ := strings.Cut(proposer, ":"); kind {
	case "contact":
		return "by you, on our pages"
	case "api":
		return "by our systems"
	}
	return "by our staff"
}

var errGone = fail.New(fail.Conflict, "it is not open any more; nothing was changed")
