package authorise

import (
	"context"
	"slices"

	"postern/internal/audit"
	"postern/internal/consent"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
)

// NotMine is the customer's "I did not ask for this", in their place: it is frozen,
// security is told, and so are all their addresses. What is done already is taken
// away again only in a session that may change what protects its owner.
func (f *Flow) NotMine(ctx context.Context, ses *portal.Session, id instructions.ID) error {
	return f.change(ctx, ses.Contact, id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		may := f.MayChange(ctx, tx, s.who, ses)
		if may != nil && !fail.Is(may, fail.Denied) {
			return may
		}
		return f.stop(ctx, tx, s, i, may == nil)
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
	if undo { // whoever said so before them may only have read
		if err := f.undo(ctx, tx, s, i); err != nil {
			return err
		}
	}
	first, err := f.Instructions.Dispute(ctx, tx, i)
	if err != nil || !first {
		return err
	}
	if err := f.Instructions.Note(ctx, tx, i, actor, "disputed", "its owner did not ask for it; it was "+string(i.State)); err != nil {
		return err
	}
	if err := f.alarm(ctx, tx, s); err != nil {
		return err
	}
	return f.later(ctx, tx, i.ID, Disputed)
}

// undo takes away what an instruction bound, once, while that is young and the old
// ways count for more than the new one; and with it whatever was proved or chosen
// since: a thief may have done it by what was bound. The newest goes first: each
// gives back what it replaced, to be taken away in its turn.
func (f *Flow) undo(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if i.State != instructions.Executed || !instructions.Undoable(i.Doc.Does) || tx.Now.Sub(i.Ended) >= Fresh {
		return nil
	}
	since, err := f.Instructions.ExecutedSince(ctx, tx, i.Contact, i.Ended)
	if err != nil {
		return err
	}
	for n := range since {
		if since[n].Type == recovery { // that took it away, and whatever it proved
			return nil
		}
	}
	if first, err := f.Instructions.Undone(ctx, tx, i); err != nil || !first {
		return err
	}
	if err := f.stopOthers(ctx, tx, s, i, "what may have proved it was taken away", func(x *instructions.Instruction) bool {
		return !x.ProvedAt.Before(i.Ended)
	}); err != nil {
		return err
	}
	for n := range since {
		x := &since[n]
		if x.ID == i.ID || x.ProvedAt.Before(i.Ended) || x.Unseal(s.key) != nil || !instructions.Undoable(x.Doc.Does) {
			continue
		}
		if first, err := f.Instructions.Undone(ctx, tx, x); err != nil || !first {
			return err
		}
		if err := f.unbind(ctx, tx, x); err != nil {
			return err
		}
		if err := f.Instructions.Note(ctx, tx, x, audit.System, "undone", "what may have proved it was taken away"); err != nil {
			return err
		}
	}
	if err := f.unbind(ctx, tx, i); err != nil {
		return err
	}
	if err := f.unchoose(ctx, tx, i); err != nil {
		return err
	}
	return f.Instructions.Note(ctx, tx, i, audit.System, "undone", "its owner did not ask for it")
}

// unchoose takes back what was chosen since something was bound: ways in that are no
// instruction, and protections that were given up.
func (f *Flow) unchoose(ctx context.Context, tx *db.Tx, i *instructions.Instruction) error {
	if err := f.Passkeys.ForgetAgreed(ctx, tx, string(i.Contact), i.Ended); err != nil {
		return err
	}
	if err := portal.EndCodes(ctx, tx, i.Contact); err != nil {
		return err
	}
	list, err := consent.Of(ctx, tx, i.Contact)
	if err != nil {
		return err
	}
	for n := range list {
		if c := &list[n]; c.Open(tx.Now) && !c.Given.Before(i.Ended) {
			if _, err := consent.Withdraw(ctx, tx, i.Contact, c.Scope, consent.Disowned); err != nil {
				return err
			}
		}
	}
	return nil
}

// recovery is the kind that takes away whatever proves a person.
const recovery = "recovery"

// stopOthers freezes what else is open of the person, where it is concerned, and
// tells of each.
func (f *Flow) stopOthers(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, why string, concerned func(*instructions.Instruction) bool) error {
	list, err := f.Instructions.OpenOf(ctx, tx, i.Contact)
	if err != nil {
		return err
	}
	for n := range list {
		x := &list[n]
		if x.ID == i.ID || !concerned(x) {
			continue
		}
		readable := x.Unseal(s.key) == nil
		if err := f.Instructions.End(ctx, tx, x, instructions.Frozen, why, audit.System); err != nil {
			return err
		}
		if !readable { // it is stopped all the same
			continue
		}
		if err := f.ended(ctx, tx, &subject{i: x, key: s.key, who: s.who}, x, Frozen, "instruction.frozen"); err != nil {
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
	if err := f.stopOthers(ctx, tx, s, i, "the account is disputed", func(*instructions.Instruction) bool { return true }); err != nil {
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
