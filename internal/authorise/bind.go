package authorise

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/staff"
)

// What proves a customer is bound by an instruction like any other: with a text,
// a proof of what they hold, a receipt, and a link on every address by which it
// can be taken away again. Who holds nothing yet binds the first by the code that
// let them in.

// AddPasskey proposes a passkey that the customer made on our page, and binds it
// at once where the session is proof enough.
func (f *Flow) AddPasskey(ctx context.Context, ses *portal.Session, m *staff.Made) (*instructions.Instruction, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return f.enrol(ctx, ses, &Proposal{Type: "passkey", Values: map[string]string{"passkey": m.Sum()}, Key: b})
}

// AddApp is AddPasskey for a code app.
func (f *Flow) AddApp(ctx context.Context, ses *portal.Session, m *staff.MadeApp) (*instructions.Instruction, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return f.enrol(ctx, ses, &Proposal{Type: "code-app", Values: map[string]string{"app": m.Sum()}, Key: b})
}

func (f *Flow) enrol(ctx context.Context, ses *portal.Session, p *Proposal) (*instructions.Instruction, error) {
	if !ses.Factor.Decides() {
		return nil, ErrReads
	}
	if f.DB.Now().Sub(ses.Made) >= Recent {
		return nil, errAgain
	}
	p.session, p.Lang = ses, ses.Lang
	p.Contact, p.Proposer = ses.Contact, "contact:"+string(ses.Contact)
	return f.enact(ctx, p, func(i *instructions.Instruction) *instructions.Proof {
		if ses.Factor != portal.AccessCode && ses.Factor != portal.TextCode {
			return nil // what they came in by proves it on the page that shows the text
		}
		proof := &instructions.Proof{Contact: ses.Contact, Level: instructions.Call, Bind: i.Bind, Once: once("session", ses.Hash, i.ID),
			Evidence: instructions.Evidence{Session: string(ses.Factor), Way: "the code that let them in"}}
		if proof.Attested = ses.By; ses.By == portal.ByText {
			proof.Attested, proof.LetIn = "", portal.ByText
		}
		return proof
	})
}

// Compared binds a customer's first key, after a member of staff compared its
// fingerprint with them by way. Another never comes in beside or instead of it
// like that, nor does a key of somebody who holds something to prove it with. Where
// they had a key or a passkey until lately, it waits for another person's yes.
func (f *Flow) Compared(ctx context.Context, by string, c contacts.ID, key, way string) (*instructions.Instruction, error) {
	p := &Proposal{Contact: c, Type: "first-key", Values: map[string]string{"compared": way}, Proposer: audit.Staff(by)}
	err := f.DB.View(ctx, func(tx *db.Tx) error {
		k, err := f.Contacts.GetKey(ctx, tx, c, key)
		if err != nil {
			return err
		}
		p.Key = k.Cert.Armored()
		who, err := f.Contacts.Get(ctx, tx, c)
		switch {
		case err != nil:
			return err
		case who.VerifiedButNot(k.ID, tx.Now):
			return fail.New(fail.Conflict, "they have a checked key already. Another takes its place only by an instruction of theirs, which the old key, a passkey or a call proves: propose it from a case")
		case way == "call-back" && !called(who, tx.Now):
			return fail.New(fail.Invalid, "there is no telephone number on file that counts for a call-back; one that was changed counts after 30 days. Choose how you compared the fingerprint")
		}
		if holds, err := f.Holds(ctx, tx, who); err != nil || holds > instructions.Call {
			return cmp.Or(err, errTheirs)
		}
		return k.Verify(way, by, "", tx.Now) // the row is read again where it counts
	})
	if err != nil {
		return nil, err
	}
	i, err := f.enact(ctx, p, func(i *instructions.Instruction) *instructions.Proof {
		return &instructions.Proof{Contact: c, Level: instructions.Call, Attested: by, Bind: i.Bind, Once: once("compared", i.ID),
			Evidence: instructions.Evidence{Fingerprint: i.Doc.Values["key"], Way: way}}
	})
	if err == nil && i.State == instructions.Proposed {
		err = errTheirs
	}
	return i, err
}

var errTheirs = fail.New(fail.Conflict, "they hold something that proves more than a comparison. They add the key themselves, on our pages, under “My keys”")

// called reports whether a number is on file that can have been called back.
func called(who *contacts.Contact, now time.Time) bool {
	return slices.ContainsFunc(who.Phones, func(p contacts.Phone) bool { return instructions.MayCall(&p, now) == nil })
}

// enact proposes, and takes the proof at once if there is one and it is enough;
// else the customer is asked for it.
func (f *Flow) enact(ctx context.Context, p *Proposal, proof func(*instructions.Instruction) *instructions.Proof) (*instructions.Instruction, error) {
	p.enrols = true
	d, wrong, err := f.Draft(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, w := range wrong {
		return nil, fail.New(fail.Invalid, "%s", w)
	}
	s := &subject{i: d.Instruction, key: d.key, who: d.who}
	made := *d.Instruction
	return s.i, f.DB.Update(ctx, func(tx *db.Tx) error {
		*s.i = made           // this may run again
		if p.session != nil { // all sessions may have been ended since the request began
			if err := portal.Alive(ctx, tx, p.session); err != nil {
				return err
			}
		}
		if err := f.store(ctx, tx, d); err != nil {
			return err
		}
		pr := proof(s.i)
		if pr == nil || pr.Level < s.i.Need {
			return f.later(ctx, tx, s.i.ID, Asked)
		}
		refused, err := f.prove(ctx, tx, s, s.i, pr)
		if err == nil {
			err = refused
		}
		return err
	})
}

// bindNew gives the contact what they proved that they want. actor is who has it
// done: the desk, or the person who decided about what was disputed, with a note.
func (f *Flow) bindNew(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, actor, note string) (err error) {
	who, err := f.Contacts.Get(ctx, tx, i.Contact)
	if err != nil {
		return err
	}
	said := ""
	switch i.Doc.Does {
	case instructions.DoesAddress:
		said, err = "we write to the new address from now on", f.Contacts.PreferAddress(ctx, tx, who.ID, i.Doc.Values["address"])
	case instructions.DoesPhone:
		said, err = "the new number is on file; it counts for call-backs after 30 days", f.Contacts.ReplacePhone(ctx, tx, who.ID, i.Doc.Values["phone"], string(i.ID))
	case instructions.DoesRecover:
		said, err = "all passkeys, the app, the code of their choice and the key were taken away, what else was open was stopped, and every protection is back; come in with a code that we read to you", f.recover(ctx, tx, s, who, i)
	case instructions.DoesKey:
		said, err = "the new key is in use", f.bindKey(ctx, tx, who, i)
	case instructions.DoesPasskey, instructions.DoesApp, instructions.DoesFirstKey:
		said, err = "it is in use; for what could cost much it counts after 72 hours", f.bindFirst(ctx, tx, who, i)
	default:
		return fail.New(fail.Internal, "the desk does not know how to do %q", i.Doc.Does)
	}
	if fail.Is(err, fail.Conflict) || fail.Is(err, fail.Invalid) {
		text := "it could not be done as written; call us" // it may not tell that somebody else has the address
		i.SetResult(s.key, text)
		if err := f.Instructions.End(ctx, tx, i, instructions.Refused, "could not be done", audit.System); err != nil {
			return err
		}
		return f.ended(ctx, tx, s, i, Refused, "instruction.refused")
	}
	if err != nil {
		return err
	}
	if note != "" {
		said += ". " + note
	}
	return f.done(ctx, tx, s, i, actor, said)
}

// bindFirst makes what they made or compared theirs. Staff who let them in, or
// compared, are kept beside it.
func (f *Flow) bindFirst(ctx context.Context, tx *db.Tx, who *contacts.Contact, i *instructions.Instruction) error {
	proof, err := f.Instructions.ProofOf(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	by := proof.Attested
	if by == "" {
		by = proof.LetIn
	}
	switch i.Doc.Does {
	case instructions.DoesPasskey:
		m := &staff.Made{}
		if err := json.Unmarshal([]byte(i.Doc.Payload), m); err != nil {
			return fmt.Errorf("the passkey of instruction %s cannot be read: %w", i.ID, err)
		}
		return f.Passkeys.Bind(ctx, tx, owner(who), string(i.ID), m, by)
	case instructions.DoesApp:
		m := &staff.MadeApp{}
		if err := json.Unmarshal([]byte(i.Doc.Payload), m); err != nil {
			return fmt.Errorf("the app of instruction %s cannot be read: %w", i.ID, err)
		}
		return f.Passkeys.BindApp(ctx, tx, string(who.ID), m, by)
	}
	return f.bindFirstKey(ctx, tx, who, i, by)
}

func (f *Flow) bindFirstKey(ctx context.Context, tx *db.Tx, who *contacts.Contact, i *instructions.Instruction, by string) error {
	cert, err := certOf(i)
	if err != nil {
		return err
	}
	if holds, err := f.Holds(ctx, tx, who); err != nil || holds > instructions.Call { // since it was proposed
		return cmp.Or(err, errTheirs)
	}
	k := who.KeyOf(cert.Fingerprint())
	if k == nil || who.VerifiedButNot(k.ID, tx.Now) {
		return fail.New(fail.Conflict, "the key is gone, or another was checked meanwhile")
	}
	if err := k.Verify(i.Doc.Values["compared"], by, f.NameOf(ctx, tx, by), tx.Now); err != nil {
		return err
	}
	if err := f.Contacts.SaveKey(ctx, tx, k); err != nil {
		return err
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(by), Act: "key.verified", About: string(who.ID), Detail: string(k.Cert.Fingerprint()) + " by " + k.Via}); err != nil {
		return err
	}
	return f.Recheck(ctx, tx, who.ID)
}

// certOf is the key that the instruction is about.
func certOf(i *instructions.Instruction) (*pgp.Key, error) {
	certs, err := pgp.ParseKeys([]byte(i.Doc.Payload))
	if err != nil || len(certs) != 1 {
		return nil, fmt.Errorf("the key of instruction %s cannot be read: %w", i.ID, err)
	}
	return certs[0], nil
}

func (f *Flow) bindKey(ctx context.Context, tx *db.Tx, who *contacts.Contact, i *instructions.Instruction) error {
	cert, err := certOf(i)
	if err != nil {
		return err
	}
	if err := f.Contacts.BindKey(ctx, tx, who, cert, string(i.ID)); err != nil {
		return err
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "key.verified", About: string(who.ID), Detail: string(cert.Fingerprint()) + " by instruction " + string(i.ID)}); err != nil {
		return err
	}
	return f.Recheck(ctx, tx, who.ID)
}

// recover takes away what was lost, and whatever else opens their place, so that
// they begin anew. What is needed does not fall for a while: a telephone alone
// must not be the way around what they had.
func (f *Flow) recover(ctx context.Context, tx *db.Tx, s *subject, who *contacts.Contact, i *instructions.Instruction) error {
	if err := f.stopOthers(ctx, tx, s, i, "its owner begins anew", func(*instructions.Instruction) bool { return true }); err != nil {
		return err
	}
	for _, scope := range consent.Scopes() {
		if _, err := consent.Withdraw(ctx, tx, who.ID, scope, consent.Recovered); err != nil {
			return err
		}
	}
	if err := contacts.GaveUp(ctx, tx, who.ID); err != nil {
		return err
	}
	if err := f.Passkeys.Forget(ctx, tx, string(who.ID)); err != nil {
		return err
	}
	if err := f.Contacts.DropKeys(ctx, tx, who); err != nil {
		return err
	}
	if err := portal.EndCodes(ctx, tx, who.ID); err != nil {
		return err
	}
	if err := portal.EndAll(ctx, tx, who.ID, ""); err != nil {
		return err
	}
	return f.Recheck(ctx, tx, who.ID)
}

// unbind takes away again what an instruction bound, and ends all sessions.
func (f *Flow) unbind(ctx context.Context, tx *db.Tx, i *instructions.Instruction) (err error) {
	who, err := f.Contacts.Get(ctx, tx, i.Contact)
	if err != nil {
		return err
	}
	switch i.Doc.Does {
	case instructions.DoesPasskey:
		err = f.Passkeys.Remove(ctx, tx, "contact", string(who.ID), string(i.ID))
	case instructions.DoesApp:
		err = f.Passkeys.RemoveAppOf(ctx, tx, string(who.ID), i.Ended)
	case instructions.DoesFirstKey, instructions.DoesKey:
		err = f.unbindKey(ctx, tx, who, i)
	}
	if err != nil && !fail.Is(err, fail.NotFound) { // gone already
		return err
	}
	if err := contacts.GaveUp(ctx, tx, who.ID); err != nil {
		return err
	}
	return portal.EndAll(ctx, tx, who.ID, "")
}

func (f *Flow) unbindKey(ctx context.Context, tx *db.Tx, who *contacts.Contact, i *instructions.Instruction) error {
	cert, err := certOf(i)
	if err != nil {
		return err
	}
	if err := f.Contacts.UnbindKey(ctx, tx, who, cert.Fingerprint(), string(i.ID)); err != nil {
		return err
	}
	return f.Recheck(ctx, tx, who.ID)
}
