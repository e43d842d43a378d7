package authorise

import (
	"context"
	"slices"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
)

// NotMine is the customer's "I did not ask for this", in their place: it is frozen,
// security is told, and so are all their addresses. What is done already is taken
// away again only in a session that decides, not in one that may only read.
func (f *Flow) NotMine(ctx context.Context, ses *portal.Session, id instructions.ID) error {
	return f.change(ctx, ses.Contact, id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		return f.stop(ctx, tx, s, i, ses.Factor.Decides())
	})
}

// Stop is the button behind the link that went to all their addresses about
// something that would prove them.
func (f *Flow) Stop(ctx context.Context, token string) error {
	id, err := f.Stopped(ctx, token)
	if err != nil {
		return err
	}
	return f.change(ctx, "", id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error { return f.stop(ctx, tx, s, i, true) })
}

// Stopped returns which instruction the link is about; a wrong one is NotFound.
func (f *Flow) Stopped(ctx context.Context, token string) (id instructions.ID, err error) {
	return id, f.DB.View(ctx, func(tx *db.Tx) error {
		i, err := f.Instructions.ByToken(ctx, tx, instructions.StopLink, token)
		if err == nil {
			id = i.ID
		}
		return err
	})
}

func (f *Flow) stop(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, undo bool) error {
	actor := audit.Contact(string(i.Contact))
	switch {
	case i.State == instructions.Frozen:
		return nil
	case i.Doc.Does == instructions.DoesRecover && (i.State == instructions.Proved || i.State == instructions.Approved):
		return f.dispute(ctx, tx, s, i)
	case i.Open():
		if err := f.Instructions.End(ctx, tx, i, instructions.Frozen, "not asked for", actor); err != nil {
			return err
		}
		if err := f.alarm(ctx, tx, s); err != nil {
			return err
		}
		return f.ended(ctx, tx, s, i, Frozen, "instruction.frozen")
	}
	first, err := f.Instructions.Dispute(ctx, tx, i)
	if err != nil || !first {
		return err
	}
	if err := f.Instructions.Note(ctx, tx, i, actor, "disputed", "its owner did not ask for it; it was "+string(i.State)); err != nil {
		return err
	}
	if undo {
		if err := f.undo(ctx, tx, s, i); err != nil {
			return err
		}
	}
	if err := f.alarm(ctx, tx, s); err != nil {
		return err
	}
	return f.later(ctx, tx, i.ID, Disputed)
}

// undo takes away what an instruction bound, while that is young and the old ways
// count for more than the new one; and with it whatever was proved since: it may be
// what a thief bound that proved it.
func (f *Flow) undo(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if i.State != instructions.Executed || !instructions.Undoable(i.Doc.Does) || tx.Now.Sub(i.Ended) >= Fresh {
		return nil
	}
	if err := f.unbind(ctx, tx, i); err != nil {
		return err
	}
	if err := f.Instructions.Note(ctx, tx, i, audit.System, "undone", "its owner did not ask for it"); err != nil {
		return err
	}
	since := func(x *instructions.Instruction) bool { return !x.ProvedAt.Before(i.Ended) }
	if err := f.stopOthers(ctx, tx, i, "what may have proved it was taken away", since); err != nil {
		return err
	}
	list, err := f.Instructions.OfContact(ctx, tx, i.Contact, 200)
	if err != nil {
		return err
	}
	for n := range list {
		x := &list[n]
		if x.ID == i.ID || x.State != instructions.Executed || !since(x) {
			continue
		}
		if err := x.Unseal(s.key); err != nil {
			return err
		}
		if !instructions.Undoable(x.Doc.Does) {
			continue
		}
		if err := f.unbind(ctx, tx, x); err != nil {
			return err
		}
		if err := f.Instructions.Note(ctx, tx, x, audit.System, "undone", "what may have proved it was taken away"); err != nil {
			return err
		}
	}
	return nil
}

// stopOthers freezes what else is open of the person, where it is concerned.
func (f *Flow) stopOthers(ctx context.Context, tx *db.Tx, i *instructions.Instruction, why string, concerned func(*instructions.Instruction) bool) error {
	list, err := f.Instructions.OfContact(ctx, tx, i.Contact, 200)
	if err != nil {
		return err
	}
	for n := range list {
		x := &list[n]
		if !x.Open() || x.ID == i.ID || !concerned(x) {
			continue
		}
		if err := f.Instructions.End(ctx, tx, x, instructions.Frozen, why, audit.System); err != nil {
			return err
		}
	}
	return nil
}

// dispute halts a recovery that somebody in its owner's place says they did not
// ask for. Either of the two may be a thief, so neither decides: everything else
// that is risky and open is frozen, and people look.
func (f *Flow) dispute(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if i.Stuck {
		return nil
	}
	if err := f.Instructions.MarkStuck(ctx, tx, i, "disputed: somebody in its owner's place did not ask for it"); err != nil {
		return err
	}
	if err := f.stopOthers(ctx, tx, i, "the account is disputed", func(*instructions.Instruction) bool { return true }); err != nil {
		return err
	}
	if err := f.alarm(ctx, tx, s); err != nil {
		return err
	}
	return f.later(ctx, tx, i.ID, Frozen)
}

// decide has a disputed recovery done after all, by a person who took no part in
// it so far.
func (f *Flow) decide(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, by, note string) error {
	proof, err := f.Instructions.ProofOf(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	approvers, err := f.Instructions.Approvers(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	if "staff:"+by == i.Proposer || by == proof.Attested || by == proof.LetIn || slices.Contains(approvers, by) {
		return fail.New(fail.Denied, "you took part in it, so somebody else must decide")
	}
	return f.bindNew(ctx, tx, s, i, audit.Staff(by), note)
}
