package authorise

import (
	"context"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
)

// ReadOut issues a code that an agent reads to the customer on the number, who
// types it on the page. It is returned once.
func (f *Flow) ReadOut(ctx context.Context, staff string, id instructions.ID, phone string) (code string, err error) {
	s, err := f.read(ctx, "", id)
	if err != nil {
		return "", err
	}
	code = portal.NewCode()
	return code, f.DB.Update(ctx, func(tx *db.Tx) error {
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		if err := f.callable(ctx, tx, i, phone, staff); err != nil {
			return err
		}
		return f.Instructions.IssueCode(ctx, tx, i, code, phone, staff)
	})
}

// AskCall puts it before staff that the customer wants to approve by telephone.
// Twice changes nothing.
func (f *Flow) AskCall(ctx context.Context, ses *portal.Session, id instructions.ID) error {
	if err := mayCross(ses); err != nil {
		return err
	}
	const why = "They ask to be called, to approve an instruction by telephone"
	return f.change(ctx, ses.Contact, id, func(tx *db.Tx, s *subject, i *instructions.Instruction) error {
		if i.State != instructions.Proposed || !tx.Now.Before(i.Expires) || i.Need > instructions.Call {
			return fail.New(fail.Conflict, "a call does not help here any more")
		}
		c, err := f.Cases.Get(ctx, tx, i.Case)
		if err != nil || c.Alarm != "" {
			return err
		}
		if err := f.Instructions.Note(ctx, tx, i, audit.Contact(string(i.Contact)), "call-asked", ""); err != nil {
			return err
		}
		return f.attention(ctx, tx, i, why)
	})
}

// mayCross says why a call-back proves nothing in this session, or nil: its code
// crosses from the telephone to what proved the session, and a text message is that
// telephone again.
func mayCross(ses *portal.Session) error {
	switch {
	case !ses.Factor.Decides():
		return errReadsOnly
	case ses.By == portal.ByText:
		return errOneTelephone
	}
	return nil
}

var errOneTelephone = fail.New(fail.Denied, "you came in by a code that was sent to a telephone, or by what that helped to bind a few days ago; a call to a telephone proves nothing beside it. Use another way, or call us: we read a code to you to come in by")

// callable: the number is the person's, has been for 30 days if it was changed,
// and was not put on file by the very one who calls.
func (f *Flow) callable(ctx context.Context, tx *db.Tx, i *instructions.Instruction, phone, staff string) error {
	who, err := f.Contacts.Get(ctx, tx, i.Contact)
	if err != nil {
		return err
	}
	for n := range who.Phones {
		if who.Phones[n].ID == phone {
			if LetIn(who.Phones[n].By, who.Phones[n].Made, tx.Now) == staff {
				return fail.New(fail.Denied, "you put this number on file, so somebody else must make the call")
			}
			return instructions.MayCall(&who.Phones[n], tx.Now)
		}
	}
	return fail.New(fail.Invalid, "choose a number of theirs to call")
}

// ByCall takes the code that was read out, typed on the page in a session that
// somebody else's code, or another factor, opened: one member of staff must not
// stand on both sides.
func (f *Flow) ByCall(ctx context.Context, ses *portal.Session, id instructions.ID, code string) error {
	s, err := f.read(ctx, ses.Contact, id)
	if err != nil {
		return err
	}
	if err := mayCross(ses); err != nil {
		return err
	}
	return f.call(ctx, s, instructions.ToPortal, code, audit.Contact(string(ses.Contact)), func(c *instructions.Code) (attested string) {
		c.LetIn = ses.By
		if c.By == ses.By {
			return ""
		}
		return c.By
	})
}

// ShowCode issues a code that the page shows, and the customer reads to the
// agent who called them.
func (f *Flow) ShowCode(ctx context.Context, ses *portal.Session, id instructions.ID) (code string, err error) {
	s, err := f.read(ctx, ses.Contact, id)
	if err != nil {
		return "", err
	}
	if err := mayCross(ses); err != nil {
		return "", err
	}
	code = portal.NewCode()
	return code, f.DB.Update(ctx, func(tx *db.Tx) error {
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		// Who let the customer in must not be who hears the code: kept as its maker.
		return f.Instructions.ShowCode(ctx, tx, i, code, ses.By)
	})
}

// Heard takes the code that the customer read out to this member of staff, who
// called them on the number.
func (f *Flow) Heard(ctx context.Context, staff string, id instructions.ID, phone, code string) error {
	s, err := f.read(ctx, "", id)
	if err != nil {
		return err
	}
	switch {
	case "staff:"+staff == s.i.Proposer:
		return fail.New(fail.Denied, "you proposed it, so somebody else must take the call")
	case s.i.Need > instructions.Call:
		return fail.New(fail.Conflict, "this instruction needs %s; a call does not prove it", instructions.Words(s.i.Need))
	}
	if err := f.DB.View(ctx, func(tx *db.Tx) error { return f.callable(ctx, tx, s.i, phone, staff) }); err != nil {
		return err
	}
	return f.call(ctx, s, instructions.ToAgent, code, audit.Staff(staff), func(c *instructions.Code) string {
		if c.By == staff {
			return ""
		}
		c.Phone, c.LetIn = phone, c.By
		return staff
	})
}

// call redeems a code. attested says who vouches for the call; nobody is a no.
func (f *Flow) call(ctx context.Context, s *subject, way instructions.Way, code, actor string, attested func(*instructions.Code) string) error {
	var refused error
	err := f.DB.Update(ctx, func(tx *db.Tx) error {
		refused = instructions.ErrRefused()
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		c, blocked, err := f.Instructions.Redeem(ctx, tx, i, way, code, actor)
		if err != nil {
			return err
		}
		if blocked {
			return f.ended(ctx, tx, s, i, Refused, "instruction.refused")
		}
		if c == nil {
			return nil
		}
		who := attested(c)
		if who == "" {
			return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "instruction.proof-refused", About: string(i.Case), Detail: "instruction " + string(i.ID) + ": call, one member of staff on both sides"})
		}
		p := &instructions.Proof{Contact: i.Contact, Level: instructions.Call, Bind: i.Bind, Once: once("call", c.ID), Attested: who, LetIn: c.LetIn,
			Evidence: instructions.Evidence{Nonce: c.Nonce, Phone: c.Phone, Way: string(way)}}
		refused, err = f.prove(ctx, tx, s, i, p)
		return err
	})
	if err != nil {
		return err
	}
	return refused
}
