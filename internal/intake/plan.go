package intake

import (
	"context"
	"slices"
	"strings"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// plan is what a mail leads to, made from a read of the database before
// anything is sealed or written. If the database moves in between, the write
// conflicts and a new plan is made.
type plan struct {
	repeat  cases.ID          // the same mail came before, and is there
	contact *contacts.Contact // nil: nobody we know
	fresh   *contacts.New     // the contact to be added
	c       *cases.Case
	newCase bool
	mayAck  bool        // no automatic mail went to this address today
	link    *cases.Case // a case the mail spoke of without belonging to it
	bounce  cases.ID    // the case of the mail that came back
	key     *vault.Key  // the case's data key
}

func (p *plan) contactID() contacts.ID {
	switch {
	case p.contact != nil:
		return p.contact.ID
	case p.fresh != nil:
		return p.fresh.ID
	}
	return ""
}

// match finds out where an examined mail belongs.
func (in *Intake) match(ctx context.Context, m *mail) (*plan, error) {
	p := &plan{}
	err := in.d.View(ctx, func(tx *db.Tx) (err error) {
		*p = plan{}
		var seen []cases.ID
		var answered []string
		who := in.book.Ask(m.from())
		key := who.AskKey(in.v)
		if err := tx.Read(ctx, append(who.Queries, in.cases.AskSeen(&seen, m.rep.MessageID, m.sum), in.out.AskAutoAnswered(tx, &answered, m.from()))...); err != nil {
			return err
		}
		if len(seen) > 0 && m.rep.MessageID != "" {
			p.repeat = seen[0]
			return nil
		}
		if m.rep.Bounce != nil {
			return in.returned(ctx, tx, m, p)
		}
		p.mayAck = len(answered) == 0
		if p.contact, err = who.Contact(); err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
		candidates, err := in.candidates(ctx, tx, m)
		if err != nil {
			return err
		}
		if err := in.choose(ctx, tx, m, p, candidates); err != nil {
			return err
		}
		switch {
		case p.c != nil:
			p.key, err = in.v.Get(ctx, tx, p.c.KeyID)
		case p.contact != nil:
			p.key, err = key.Key()
		}
		return err
	})
	if err == nil && p.repeat == "" && p.c == nil {
		in.begin(m, p)
	}
	return p, err
}

// returned finds the case of the mail of ours that a report speaks of. Only a
// mail that we sent counts: whoever knows the Message-ID of a customer's mail
// could else write into the case under the guise of a report.
func (in *Intake) returned(ctx context.Context, tx *db.Tx, m *mail, p *plan) error {
	d, err := in.out.OfMail(ctx, tx, m.rep.Bounce.MessageID)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.bounce = d.Case
	if p.c, err = in.cases.Get(ctx, tx, d.Case); err != nil {
		return err
	}
	p.key, err = in.v.Get(ctx, tx, p.c.KeyID)
	return err
}

// candidates lists the cases a mail speaks of: a token with its MAC first, then
// the mails it answers, the nearest first.
func (in *Intake) candidates(ctx context.Context, tx *db.Tx, m *mail) ([]cases.ID, error) {
	var out []cases.ID
	texts := []string{m.rep.Subject}
	for _, to := range m.s.Envelope.To {
		_, token := cases.SplitPlus(to)
		texts = append(texts, token)
	}
	for _, text := range texts {
		for _, ref := range in.cases.Tokens.Find(text) {
			c, err := in.cases.ByRef(ctx, tx, ref)
			if err == nil {
				out = append(out, c.ID)
			} else if !fail.Is(err, fail.NotFound) {
				return nil, err
			}
		}
	}
	refs := append([]string{}, m.rep.InReplyTo...)
	for _, r := range slices.Backward(m.rep.References) {
		if len(refs) < 20 {
			refs = append(refs, r)
		}
	}
	ids, err := in.cases.ByMailIDs(ctx, tx, refs)
	return append(out, ids...), err
}

// choose takes the first case the sender belongs to. From is only an address
// that somebody gave; a message whose identity does not fit joins nothing.
func (in *Intake) choose(ctx context.Context, tx *db.Tx, m *mail, p *plan, candidates []cases.ID) error {
	for _, id := range candidates {
		c, err := in.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if p.contact != nil && m.rep.Signature.Verdict != "X" {
			has, err := cases.Has(ctx, tx, id, p.contact.ID)
			if err != nil {
				return err
			}
			if has {
				p.c = c
				return nil
			}
		}
		if p.link == nil {
			p.link = c
		}
	}
	return nil
}

// begin makes the case of a mail that belongs to none, and its contact.
func (in *Intake) begin(m *mail, p *plan) {
	now := in.d.Now()
	if p.contact == nil {
		p.fresh = in.book.New(contactName(m), m.from(), "mail", now)
		p.key = p.fresh.Key()
	}
	p.newCase = true
	p.c = &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: subject(m), Contact: p.contactID(), KeyID: p.key.ID,
		Mailbox: m.mailbox, State: cases.Open, Unread: true, Made: now, Last: now, Trust: m.ev.Class()}
	if p.contact != nil {
		p.c.Who = p.contact.Title()
	} else {
		p.c.Who = p.fresh.Title()
	}
}

// contactName is the name a stranger gave, unless it could pass for an address.
func contactName(m *mail) string {
	if m.rep.From == nil || strings.ContainsAny(m.rep.From.Name, "@＠﹫") {
		return ""
	}
	return clip(m.rep.From.Name, 120)
}

func subject(m *mail) string {
	s := clip(strings.Join(strings.Fields(m.rep.Subject), " "), 300)
	if s == "" {
		return "(no subject)"
	}
	return s
}

// clip cuts a text after n runes and says so.
func clip(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
