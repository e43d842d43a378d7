package authorise

import (
	"context"
	"errors"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/staff"
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
func (f *Flow) Approve(ctx context.Context, by string, id instructions.ID) error {
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if err := f.MayApprove(ctx, tx, i, by); err != nil {
			return err
		}
		approved, err := f.Instructions.Approve(ctx, tx, i, by)
		if err != nil || !approved {
			return err
		}
		return f.approved(ctx, tx, s, i)
	})
}

// MayApprove says why a member of staff does not approve what the kind leaves to
// others, or nil. Who took part in it is asked where the yes is kept.
func (f *Flow) MayApprove(ctx context.Context, tx *db.Tx, i *instructions.Instruction, by string) error {
	if i.Doc.Approver == "" {
		return nil
	}
	if has, err := f.HasRole(ctx, tx, by, i.Doc.Approver); err != nil || has {
		return err
	}
	return fail.New(fail.Denied, "this kind is approved by a %s", i.Doc.Approver)
}

// ended tells everybody concerned that it came to an end.
func (f *Flow) ended(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, what What, event string) error {
	if err := f.later(ctx, tx, i.ID, what); err != nil {
		return err
	}
	return f.tell(ctx, tx, s, i, event)
}

// Refuse is staff's no, with a reason that the customer reads.
func (f *Flow) Refuse(ctx context.Context, by string, id instructions.ID, reason string) error {
	if reason = strings.TrimSpace(reason); len(reason) < 5 || len(reason) > 300 {
		return fail.New(fail.Invalid, "say why in a few words; the customer reads it")
	}
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		i.SetResult(s.key, reason)
		if err := f.Instructions.End(ctx, tx, i, instructions.Refused, "by staff", audit.Staff(by)); err != nil {
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

// ByHand marks it as done by a person, with a note on what was done.
func (f *Flow) ByHand(ctx context.Context, by string, id instructions.ID, note string) error {
	if note = strings.TrimSpace(note); len(note) < 5 || len(note) > 500 {
		return fail.New(fail.Invalid, "write what was done, in a few words; it is kept with the instruction")
	}
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.Doc.Does == instructions.DoesRecover && i.Stuck {
			return f.decide(ctx, tx, s, i, by, note)
		}
		if i.Auto && (!i.Stuck || i.Doc.Does != "") {
			return fail.New(fail.Conflict, "the desk, or a system of yours, does this one itself")
		}
		return f.done(ctx, tx, s, i, audit.Staff(by), note)
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
			return f.attention(ctx, tx, i, "A system of yours did what had been stopped")
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
	return f.attention(ctx, tx, i, "An approved instruction was not done by the system that should do it")
}

// do has an approved instruction done, if the desk or a system does it; else it
// waits for a person.
func (f *Flow) do(ctx context.Context, id instructions.ID) error {
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.State != instructions.Approved || i.Stuck {
			return nil
		}
		if err := i.Due(tx.Now); err != nil {
			return nil // the clock comes again
		}
		switch {
		case i.Doc.Does == instructions.DoesAddress && i.Answered.IsZero():
			return f.ask(ctx, tx, s, i) // nobody's address becomes somebody's unasked
		case i.Doc.Does != "":
			return f.bindNew(ctx, tx, s, i, audit.System, "")
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

// answerIn is how long we wait for the answer of a new address.
const answerIn = 7 * 24 * time.Hour

// ask writes to a new address, once, and gives up when nobody answers.
func (f *Flow) ask(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if tx.Now.Sub(i.Ready) >= answerIn {
		i.SetResult(s.key, "nobody answered at the new address within seven days; nothing was changed")
		if err := f.Instructions.End(ctx, tx, i, instructions.Refused, "not answered", audit.System); err != nil {
			return err
		}
		return f.ended(ctx, tx, s, i, Refused, "instruction.refused")
	}
	asked, err := f.written(ctx, tx, letterID(i.ID, Reach)+"-notice")
	if err != nil || asked {
		return err
	}
	return f.later(ctx, tx, i.ID, Reach)
}

// Answer takes the button behind the link that went to a new address, and does
// what waited for it.
func (f *Flow) Answer(ctx context.Context, token string) error {
	var i *instructions.Instruction
	return f.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if i, err = f.Instructions.ByToken(ctx, tx, instructions.AddressLink, token); err != nil {
			return err
		}
		if !i.Answered.IsZero() {
			return nil
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

// page is how many the clock reads at once.
const page = 100

// Tick does what the clock asks for: ends what nobody proved in time, and has
// done what has waited long enough.
func (f *Flow) Tick(ctx context.Context) error {
	// Each for itself: what goes wrong with one does not stop the others.
	first := errors.Join(f.lapse(ctx), f.applyTypes(ctx))
	after := &instructions.Instruction{}
	for {
		var due []instructions.Instruction
		if err := f.DB.View(ctx, func(tx *db.Tx) (err error) { due, err = f.Instructions.DueNow(ctx, tx, after, page); return err }); err != nil {
			return errors.Join(first, err)
		}
		for _, x := range due {
			if err := f.do(ctx, x.ID); err != nil {
				f.Log.Error("an approved instruction could not be done", "instruction", x.ID, "err", err)
			}
		}
		if len(due) < page {
			return first
		}
		after = &due[page-1]
	}
}

// applyTypes has weaker kinds begin that waited long enough, of admins who still are.
func (f *Flow) applyTypes(ctx context.Context) error {
	return f.DB.Update(ctx, func(tx *db.Tx) error {
		return instructions.ApplyTypes(ctx, tx, func(actor string) (bool, error) {
			id, ok := strings.CutPrefix(actor, audit.Staff(""))
			if !ok {
				return true, nil // the desk itself
			}
			has, err := f.HasRole(ctx, tx, id, string(staff.Admin))
			if fail.Is(err, fail.NotFound) {
				return false, nil
			}
			return has, err
		})
	})
}

func (f *Flow) lapse(ctx context.Context) error {
	var over []instructions.Instruction
	if err := f.DB.View(ctx, func(tx *db.Tx) (err error) { over, err = f.Instructions.Overdue(ctx, tx, page); return err }); err != nil {
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
	return nil
}
