package authorise

import (
	"context"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/outbox"
	"postern/internal/policy"
)

// Follow does what a step asked for. Done twice it does nothing more: what it
// writes has an id made from the step.
func (f *Flow) Follow(ctx context.Context, st Step) error {
	if st.What == Do {
		return f.do(ctx, st.Instruction)
	}
	s, err := f.read(ctx, "", st.Instruction)
	if err != nil {
		return err
	}
	letters, err := f.letters(ctx, s, st.What)
	if err != nil {
		return err
	}
	err = f.DB.Update(ctx, func(tx *db.Tx) error {
		for _, l := range letters {
			if err := f.post(ctx, tx, s, l); err != nil {
				return err
			}
		}
		return nil
	})
	if fail.Is(err, fail.Conflict) { // written before
		return nil
	}
	return err
}

// letter is one message of ours about an instruction, sealed, and where it goes.
type letter struct {
	m     *cases.Message
	parts *cases.Parts
	kind  outbox.Kind
	to    []string
	shown policy.Protection
}

// letters writes what a step has to say. What shows the text goes encrypted or
// waits on the portal; what says only that something happened holds no content
// and goes to every address.
func (f *Flow) letters(ctx context.Context, s *subject, what What) ([]*letter, error) {
	proof, err := f.proofOf(ctx, s)
	if err != nil {
		return nil, err
	}
	w := words{o: f.Words(), s: s, proof: proof, l: s.c.Lang}
	say := w.l.Must
	if s.i.Doc.Does != "" { // it would prove them: whoever reads an old address can stop it
		w.stop = f.Instructions.Token(instructions.StopLink, s.i)
	}
	switch what {
	case Asked:
		if k, _ := s.who.VerifiedKey(f.DB.Now()); k != nil {
			return f.seal(s, what, say("mail.ins.asked.subject"), w.asked(), "", "")
		}
		return f.seal(s, what, "", "", say("mail.ins.waits.subject"), w.waits())
	case Proved:
		return f.seal(s, what, say("mail.ins.proved.subject"), w.receipt(), say("mail.ins.authorised.subject"), w.authorised())
	case Done:
		if instructions.Enrols(s.i.Doc.Does) {
			text := ""
			if k, _ := s.who.VerifiedKey(f.DB.Now()); k != nil { // who has none reads it in their place; the notice says enough
				text = w.receipt()
			}
			return f.seal(s, what, say("mail.ins.done.subject"), text, say("mail.ins.change.subject"), w.enrolled())
		}
		return f.seal(s, what, say("mail.ins.done.subject"), w.receipt(), say("mail.ins.isdone.subject"), w.isDone())
	case Refused:
		return f.seal(s, what, "", "", say("mail.ins.refused.subject"), w.refused())
	case Reach:
		return f.reach(s, w)
	case Frozen, Disputed:
		return f.seal(s, what, "", "", say("mail.ins.frozen.subject"), w.frozen())
	}
	return nil, fmt.Errorf("nothing is said of %q", what)
}

func (f *Flow) proofOf(ctx context.Context, s *subject) (p *instructions.StoredProof, err error) {
	err = f.DB.View(ctx, func(tx *db.Tx) error { p, err = f.Instructions.ProofOf(ctx, tx, s.i.ID); return err })
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	return p, err
}

// seal makes the letters: one with the text, to the address we write to, and one
// without content, to every address ("": none).
func (f *Flow) seal(s *subject, what What, subject, text, notice, plain string) (out []*letter, err error) {
	add := func(id string, kind outbox.Kind, shown policy.Protection, subject, text string, to []string) {
		m := &cases.Message{ID: cases.MessageID(id), Case: s.c.ID, Kind: cases.Out, Door: "auto", Contact: s.who.ID, At: f.DB.Now(),
			Doc: cases.Doc{Subject: subject, Text: text, Sensitive: kind == outbox.Receipt}}
		parts, e := cases.Seal(m, s.caseKey)
		if e != nil {
			err = e
		}
		out = append(out, &letter{m, parts, kind, to, shown})
	}
	id := letterID(s.i.ID, what)
	if text != "" {
		add(id, outbox.Receipt, policy.Portal, subject, text, []string{s.who.MailTo()})
	}
	if plain != "" {
		var to []string
		for _, a := range s.who.Addresses {
			to = append(to, a.Address)
		}
		add(id+"-notice", outbox.Notice, policy.Signed, notice, plain, to)
	}
	return out, err
}

// letterID names the letter of a step; the one to every address ends in "-notice".
func letterID(id instructions.ID, what What) string { return string(id) + "-" + string(what) }

// written reports whether a letter is there.
func (f *Flow) written(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, id)
	return n > 0, err
}

// reach is the letter to a new address.
func (f *Flow) reach(s *subject, w words) ([]*letter, error) {
	out, err := f.seal(s, Reach, "", "", w.l.Must("address.title"), w.reach(f.Instructions.Token(instructions.AddressLink, s.i)))
	for _, l := range out {
		l.to = []string{s.i.Doc.Values["address"]}
	}
	return out, err
}

// post stores a letter and puts it on its way.
func (f *Flow) post(ctx context.Context, tx *db.Tx, s *subject, l *letter) error {
	there, err := f.written(ctx, tx, string(l.m.ID))
	if err != nil {
		return err
	}
	if there {
		return fail.New(fail.Conflict, "this was written before")
	}
	if err := cases.AddMessage(ctx, tx, l.m, l.parts); err != nil {
		return err
	}
	for _, a := range l.to {
		if a == "" {
			continue
		}
		if err := f.Outbox.Queue(ctx, tx, &outbox.Delivery{Case: s.c.ID, Message: l.m.ID, Contact: s.who.ID, Kind: l.kind, Mailbox: s.c.Mailbox, Address: a, Shown: l.shown}); err != nil {
			return err
		}
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "message.queued", About: string(s.c.ID), Detail: fmt.Sprintf("message %s, %s, to %d addresses", l.m.ID, l.kind, len(l.to))})
}

// alarm puts the case before staff: somebody may be in this person's account.
func (f *Flow) alarm(ctx context.Context, tx *db.Tx, s *subject) error {
	if err := f.attention(ctx, tx, s.i, "Its owner says: I did not ask for this instruction. Somebody may be in their account"); err != nil {
		return err
	}
	c := s.c
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "security.alarm", About: string(c.ID), Detail: "instruction " + string(s.i.ID) + ": its owner did not ask for it"})
}

// attention opens the case for staff to look at; why is shown on it in words.
func (f *Flow) attention(ctx context.Context, tx *db.Tx, i *instructions.Instruction, why string) error {
	c, err := f.Cases.Get(ctx, tx, i.Case)
	if err != nil {
		return err
	}
	c.State, c.Unread, c.Last, c.ClosedAt, c.Alarm = cases.Open, true, tx.Now, time.Time{}, why
	c.Raise("it is about an instruction")
	return f.Cases.Save(ctx, tx, c)
}
