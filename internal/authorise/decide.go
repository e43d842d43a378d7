package authorise

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/pgp"
	"postern/internal/portal"
)

// change runs one step on an instruction in a transaction of its own.
func (f *Flow) change(ctx context.Context, contact contacts.ID, id instructions.ID, step func(tx *db.Tx, s *subject, i *instructions.Instruction) error) error {
	s, err := f.read(ctx, contact, id)
	if err != nil {
		return err
	}
	return f.DB.Update(ctx, func(tx *db.Tx) error {
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		return step(tx, s, i)
	})
}

// Approve records a member of staff's yes.
func (f *Flow) Approve(ctx context.Context, staff string, id instructions.ID) error {
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		approved, err := f.Instructions.Approve(ctx, tx, i, staff)
		if err != nil || !approved {
			return err
		}
		return f.approved(ctx, tx, s, i)
	})
}

// ended tells everybody concerned that it came to an end.
func (f *Flow) ended(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, what What, event string) error {
	if err := f.later(ctx, tx, i.ID, what); err != nil {
		return err
	}
	return f.tell(ctx, tx, s, i, event)
}

// Refuse is staff's no, with a reason that the customer reads.
func (f *Flow) Refuse(ctx context.Context, staff string, id instructions.ID, reason string) error {
	if reason = strings.TrimSpace(reason); len(reason) < 5 || len(reason) > 300 {
		return fail.New(fail.Invalid, "say why in a few words; the customer reads it")
	}
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		i.SetResult(s.key, reason)
		if err := f.Instructions.End(ctx, tx, i, instructions.Refused, "by staff", audit.Staff(staff)); err != nil {
			return err
		}
		return f.ended(ctx, tx, s, i, Refused, "instruction.refused")
	})
}

// Cancel takes back what the actor proposed ("staff:ID", "contact:ID", "api:ID").
func (f *Flow) Cancel(ctx context.Context, actor string, id instructions.ID) error {
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.Proposer != actor {
			return fail.New(fail.NotFound, "there is no such instruction of yours")
		}
		if i.Open() && i.State != instructions.Proposed {
			return fail.New(fail.Conflict, "it was proved already; ask for it to be refused instead")
		}
		if err := f.Instructions.End(ctx, tx, i, instructions.Cancelled, "by who proposed it", actor); err != nil {
			return err
		}
		return f.tell(ctx, tx, s, i, "instruction.cancelled")
	})
}

// NotMine freezes it: the customer did not ask for this. Security is told, and
// all their addresses.
func (f *Flow) NotMine(ctx context.Context, c contacts.ID, id instructions.ID) error {
	return f.change(ctx, c, id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if !i.Open() { // it cannot be stopped any more, and somebody must hear of it all the same
			if i.State == instructions.Frozen {
				return nil
			}
			if err := f.Instructions.Note(ctx, tx, i, audit.Contact(string(c)), "disputed", "its owner did not ask for it; it was "+string(i.State)); err != nil {
				return err
			}
			return f.later(ctx, tx, i.ID, Frozen)
		}
		if err := f.Instructions.End(ctx, tx, i, instructions.Frozen, "not asked for", audit.Contact(string(c))); err != nil {
			return err
		}
		return f.ended(ctx, tx, s, i, Frozen, "instruction.frozen")
	})
}

// ByHand marks it as done by a person, with a note on what was done.
func (f *Flow) ByHand(ctx context.Context, staff string, id instructions.ID, note string) error {
	if note = strings.TrimSpace(note); len(note) < 5 || len(note) > 500 {
		return fail.New(fail.Invalid, "write what was done, in a few words; it is kept with the instruction")
	}
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.Doc.Does != "" && !i.Stuck {
			return fail.New(fail.Conflict, "the desk does this one itself")
		}
		return f.done(ctx, tx, s, i, audit.Staff(staff), note)
	})
}

func (f *Flow) done(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, actor, result string) error {
	if err := f.Instructions.Execute(ctx, tx, i, actor, i.SealResult(s.key, result)); err != nil {
		return err
	}
	return f.ended(ctx, tx, s, i, Done, "instruction.executed")
}

// Called takes the answer of the organisation's system to the call that had it
// done. A second answer changes nothing; one that crossed its owner's stop is put
// on record, since the system may have done what nobody wants any more.
func (f *Flow) Called(ctx context.Context, id instructions.ID, ok bool, said string) error {
	err := f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.State == instructions.Executed {
			return nil
		}
		if !ok {
			return f.stuck(ctx, tx, i, said)
		}
		if !i.Open() {
			if err := f.Instructions.Note(ctx, tx, i, audit.System, "done-too-late", "a system says that it did it, but it was "+string(i.State)); err != nil {
				return err
			}
			return f.attention(ctx, tx, i, "a system did what had been stopped")
		}
		return f.done(ctx, tx, s, i, audit.System, "done by our systems: "+said)
	})
	if fail.Is(err, fail.Conflict) {
		return nil
	}
	return err
}

// stuck puts an approved instruction that nothing does before a person.
func (f *Flow) stuck(ctx context.Context, tx *db.Tx, i *instructions.Instruction, why string) error {
	if i.State != instructions.Approved || i.Stuck {
		return nil
	}
	if err := f.Instructions.MarkStuck(ctx, tx, i, why); err != nil {
		return err
	}
	return f.attention(ctx, tx, i, "an approved instruction in it was not done")
}

// do has an approved instruction done, if the desk or a system does it; else it
// waits for a person.
func (f *Flow) do(ctx context.Context, id instructions.ID) error {
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.State != instructions.Approved {
			return nil
		}
		if err := i.Due(tx.Now); err != nil {
			return nil // the clock comes again
		}
		switch {
		case i.Doc.Does == instructions.DoesAddress && i.Answered.IsZero():
			return f.later(ctx, tx, i.ID, Reach) // nobody's address becomes somebody's unasked
		case i.Doc.Does != "":
			return f.bindNew(ctx, tx, s, i)
		case i.Doc.Hook != "":
			err := f.tell(ctx, tx, s, i, DueEvent)
			if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Conflict) { // the webhook is gone or switched off
				return f.stuck(ctx, tx, i, "the webhook that does it is gone or switched off")
			}
			return err
		}
		return nil
	})
}

// Answer takes the button behind the link that went to a new address, and does
// what waited for it.
func (f *Flow) Answer(ctx context.Context, token string) error {
	var i *instructions.Instruction
	return f.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if i, err = f.Instructions.ByAddressToken(ctx, tx, token); err != nil {
			return err
		}
		if i.State != instructions.Approved {
			return fail.New(fail.Conflict, "this does not wait for an answer any more")
		}
		if err := f.Instructions.Answer(ctx, tx, i); err != nil {
			return err
		}
		return f.later(ctx, tx, i.ID, Do)
	})
}

// bindNew gives the contact what they proved that they want.
func (f *Flow) bindNew(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) (err error) {
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
		said, err = "all passkeys and the app were taken away; come in with a code that we read to you", f.recover(ctx, tx, who.ID)
	case instructions.DoesKey:
		said, err = "the new key is in use", f.bindKey(ctx, tx, who, i)
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
	return f.done(ctx, tx, s, i, audit.System, said)
}

// recover takes away what was lost, so that a new one can be bound.
func (f *Flow) recover(ctx context.Context, tx *db.Tx, c contacts.ID) error {
	if err := f.Passkeys.Forget(ctx, tx, "contact", string(c)); err != nil {
		return err
	}
	return portal.EndAll(ctx, tx, c, "")
}

func (f *Flow) bindKey(ctx context.Context, tx *db.Tx, who *contacts.Contact, i *instructions.Instruction) error {
	certs, err := pgp.ParseKeys([]byte(i.Doc.Payload))
	if err != nil || len(certs) != 1 {
		return fmt.Errorf("the key of instruction %s cannot be read: %w", i.ID, err)
	}
	if err := f.Contacts.BindKey(ctx, tx, who, certs[0], string(i.ID)); err != nil {
		return err
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "key.verified", About: string(who.ID), Detail: string(certs[0].Fingerprint()) + " by instruction " + string(i.ID)}); err != nil {
		return err
	}
	return f.Recheck(ctx, tx, who.ID)
}

// Tick does what the clock asks for: ends what nobody proved in time, and has
// done what has waited long enough.
func (f *Flow) Tick(ctx context.Context) error {
	var over, due []instructions.Instruction
	err := f.DB.View(ctx, func(tx *db.Tx) (err error) {
		if over, err = f.Instructions.Overdue(ctx, tx, 100); err != nil {
			return err
		}
		due, err = f.Instructions.DueNow(ctx, tx, 100)
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range over {
		if err := f.change(ctx, "", x.ID, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
			if !i.Open() || i.State == instructions.Approved || tx.Now.Before(i.Expires) {
				return nil
			}
			if err := f.Instructions.End(ctx, tx, i, instructions.Expired, "in time", audit.System); err != nil {
				return err
			}
			return f.tell(ctx, tx, s, i, "instruction.expired")
		}); err != nil { // one that cannot be read does not stop the others
			f.Log.Error("an instruction could not lapse", "instruction", x.ID, "err", err)
		}
	}
	for _, x := range due {
		if err := f.do(ctx, x.ID); err != nil {
			f.Log.Error("an approved instruction could not be done", "instruction", x.ID, "err", err)
		}
	}
	return nil
}
