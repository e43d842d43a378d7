package authorise

import (
	"context"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/lang"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/vault"
)

// A Proposal is somebody's idea of what a customer wants done.
type Proposal struct {
	Contact  contacts.ID
	Type     string
	Values   map[string]string // as typed
	Key      []byte            // the certificate that a field of kind "key" names, or what they made
	Case     cases.ID          // empty: a case of its own
	Message  cases.MessageID   // what it came from
	Quote    string            // and its words
	Proposer string            // "staff:ID", "contact:ID", "api:ID"
	Lang     lang.Lang         // of the page they are at; empty: what they spoke last

	enrols  bool            // by an act of theirs, see bind.go
	session *portal.Session // in which they did it
}

// More than this of one proposer to one person is a mistake, or somebody who wants
// to tire them out. Each counts for itself: nobody shuts the others out.
const (
	maxOpen = 20 // at once
	maxDay  = 40 // within a day, ended ones too
)

// Propose writes the canonical text and keeps it; the customer is told how to
// prove it. wrong says by field what cannot be taken; nothing is kept then.
func (f *Flow) Propose(ctx context.Context, p *Proposal) (i *instructions.Instruction, wrong map[string]string, err error) {
	d, wrong, err := f.Draft(ctx, p)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	return d.Instruction, nil, f.DB.Update(ctx, func(tx *db.Tx) error { return f.Keep(ctx, tx, d) })
}

// within refuses more of one proposer than a person can look at.
func within(ctx context.Context, tx *db.Tx, i *instructions.Instruction) error {
	open, day, err := instructions.CountOf(ctx, tx, i.Contact, i.Proposer)
	switch {
	case err != nil:
		return err
	case open >= maxOpen:
		return fail.New(fail.TooMany, "%d instructions wait already; decide about those first", open)
	case day >= maxDay:
		return fail.New(fail.TooMany, "%d instructions were begun within a day; go on tomorrow, or call", day)
	}
	return nil
}

// A Draft is a proposal whose text is written and sealed, and kept by nobody yet.
type Draft struct {
	Instruction *instructions.Instruction
	t           *instructions.Type
	who         *contacts.Contact
	key         *vault.Key
	own         *cases.Case // its own case, if it gets one
}

// Draft writes the canonical text, for Keep. It is apart from Propose for whoever
// keeps something of their own in the same transaction.
func (f *Flow) Draft(ctx context.Context, p *Proposal) (d *Draft, wrong map[string]string, err error) {
	t, who, values, wrong, err := f.prepare(ctx, p)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	now := f.DB.Now()
	ref := instructions.NewRef()
	i := &instructions.Instruction{Type: t.ID, Contact: who.ID, Case: p.Case, Proposer: p.Proposer, Made: now, Expires: now.Add(t.Expiry)}
	i.Auto = t.Does != "" || t.Hook != ""
	i.Doc = instructions.Doc{Ref: ref, Title: t.Title, Version: t.Version, Values: values, Payload: string(p.Key), Quote: clip(p.Quote), Message: p.Message,
		Cooling: t.Cooling, Risky: t.Risky, Hook: t.Hook, Does: t.Does, Approver: t.Approver}
	i.Doc.Text = t.Canonical(instructions.Facts{Org: f.Words().Org, Ref: ref, For: who.Title() + ", " + who.MailTo(), By: ByWords(p.Proposer), Made: now, Expires: i.Expires,
		Values: values, Note: notes(t, who, now)})
	key, own, err := f.place(ctx, p, t, who)
	if err != nil {
		return nil, nil, err
	}
	if own != nil {
		i.Case = own.ID
	}
	return &Draft{i, t, who, key, own}, nil, f.Instructions.New(i, key)
}

// prepare reads the type and the person, and brings the values into their form.
func (f *Flow) prepare(ctx context.Context, p *Proposal) (t *instructions.Type, who *contacts.Contact, values, wrong map[string]string, err error) {
	err = f.DB.View(ctx, func(tx *db.Tx) error {
		if t, err = instructions.TypeOf(ctx, tx, p.Type); err != nil {
			return err
		}
		who, err = f.Contacts.Get(ctx, tx, p.Contact)
		return err
	})
	switch {
	case err != nil:
		return nil, nil, nil, nil, err
	case t.Closed:
		return nil, nil, nil, nil, fail.New(fail.Conflict, "this kind of instruction is not taken any more")
	case strings.HasPrefix(p.Proposer, "contact:") && !t.Customer, t.Enrols() != p.enrols:
		return nil, nil, nil, nil, fail.New(fail.NotFound, "there is no such kind of instruction")
	}
	if t.Does == instructions.DoesAddress && f.Mailboxes.Is(strings.TrimSpace(p.Values["address"])) {
		return t, who, nil, map[string]string{"address": "this is an address of ours"}, nil
	}
	if t.Does == instructions.DoesKey || t.Does == instructions.DoesFirstKey {
		if err := keyValue(p, f.DB.Now()); err != nil {
			return t, who, nil, map[string]string{"key": fail.Text(err)}, nil
		}
		if k := who.KeyOf(pgp.Fingerprint(p.Values["key"])); k != nil && (k.Trust == contacts.Rejected || k.Trust == contacts.Revoked) {
			return t, who, nil, map[string]string{"key": "this key was " + string(k.Trust) + " and cannot be used again; make another"}, nil
		}
	}
	values, wrong = t.Fill(p.Values)
	for _, x := range t.Fields { // the day is over nowhere on earth before it is at UTC-12
		if v := values[x.Name]; x.Kind == instructions.Date && v != "" && v < f.DB.Now().Add(-12*time.Hour).Format(time.DateOnly) {
			wrong[x.Name] = "this day is over; write one that comes"
		}
	}
	return t, who, values, wrong, nil
}

// Keep stores a draft with its case, and asks for the customer to be told.
func (f *Flow) Keep(ctx context.Context, tx *db.Tx, d *Draft) error {
	if err := f.store(ctx, tx, d); err != nil {
		return err
	}
	return f.later(ctx, tx, d.Instruction.ID, Asked)
}

func (f *Flow) store(ctx context.Context, tx *db.Tx, d *Draft) (err error) {
	i := d.Instruction
	if err := within(ctx, tx, i); err != nil {
		return err
	}
	if i.Need, _, i.Approvals, err = f.Need(ctx, tx, d.who, d.t, i.Doc.Values); err != nil {
		return err
	}
	if i.Doc.Does == instructions.DoesFirstKey { // who lately had something that proved more is not one of whom nobody knows anything
		who, err := f.Contacts.Get(ctx, tx, i.Contact)
		if err != nil {
			return err
		}
		if who.Able(tx.Now, tx.Now) {
			i.Approvals = max(i.Approvals, 1)
		}
	}
	if d.own != nil {
		c := *d.own // this may run again
		if err := f.Cases.Add(ctx, tx, &c); err != nil {
			return err
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: i.Proposer, Act: "case.opened", About: string(c.ID), Detail: "for an instruction"}); err != nil {
			return err
		}
	} else if err := f.belongs(ctx, tx, i); err != nil {
		return err
	}
	return f.Instructions.Add(ctx, tx, i)
}

// belongs: an instruction grows only out of a case that its person is part of.
func (f *Flow) belongs(ctx context.Context, tx *db.Tx, i *instructions.Instruction) error {
	in, err := cases.Has(ctx, tx, i.Case, i.Contact)
	if err == nil && !in {
		err = fail.New(fail.NotFound, "this person is not part of this case")
	}
	return err
}

// place returns the key that seals the instruction, and a case of its own where
// none was given.
func (f *Flow) place(ctx context.Context, p *Proposal, t *instructions.Type, who *contacts.Contact) (key *vault.Key, own *cases.Case, err error) {
	if p.Case == "" {
		box := f.Mailboxes.First()
		now := f.DB.Now()
		own = &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: "Authorisation: " + t.Title, Who: who.Title(), Contact: who.ID, KeyID: who.KeyID,
			Mailbox: box.Address, State: cases.Waiting, Made: now, Last: now, Lang: p.Lang}
		own.Raise("it is about an instruction")
		if t.Enrols() { // nobody has to do anything about it
			own.State, own.ClosedAt = cases.Closed, now
		}
	}
	err = f.DB.View(ctx, func(tx *db.Tx) error {
		if own != nil && p.Lang == "" {
			if own.Lang, err = cases.LangOf(ctx, tx, who.ID); err != nil {
				return err
			}
		}
		key, err = f.Vault.Get(ctx, tx, who.KeyID)
		return err
	})
	return key, own, err
}

// keyValue takes the fingerprint from the certificate itself, never from what
// was typed beside it.
func keyValue(p *Proposal, now time.Time) error {
	certs, err := pgp.ParseKeys(p.Key)
	switch {
	case err != nil && fail.KindOf(err) == fail.Internal, len(p.Key) == 0:
		return fail.New(fail.Invalid, "this is not an OpenPGP key: paste the whole block, from BEGIN PGP PUBLIC KEY BLOCK to END")
	case err != nil:
		return err
	case len(certs) != 1:
		return fail.New(fail.Invalid, "give exactly one key; this holds %d", len(certs))
	}
	if err := certs[0].CanEncrypt(now); err != nil {
		return fail.Wrap(fail.Invalid, err, "this key cannot be used: "+err.Error())
	}
	p.Key = certs[0].Armored()
	p.Values = map[string]string{"key": string(certs[0].Fingerprint()), "compared": p.Values["compared"]}
	return nil
}

// notes are lines of the text that tell what would be replaced.
func notes(t *instructions.Type, who *contacts.Contact, now time.Time) []string {
	switch t.Does {
	case instructions.DoesKey, instructions.DoesFirstKey:
		if k, _ := who.VerifiedKey(now); k != nil {
			return []string{"It replaces the key " + string(k.Cert.Fingerprint())}
		}
		return []string{"It is the first key"}
	case instructions.DoesPhone:
		if n := len(who.Phones); n > 0 {
			return []string{"It replaces the number that ends in " + strings.TrimLeft(who.Phones[n-1].Last(), "• ")}
		}
		return []string{"It is the first number"}
	case instructions.DoesAddress:
		return []string{"We write to it from then on, instead of " + who.MailTo()}
	}
	return nil
}

// clip keeps a quote short.
func clip(s string) string {
	if r := []rune(s); len(r) > 600 {
		return string(r[:600]) + "…"
	}
	return s
}
