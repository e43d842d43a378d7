package intake

import (
	"context"
	"slices"
	"strings"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/security"
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
	others  []ladder.Other
	key     *vault.Key // the case's data key
	look    *security.Inbound
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
	var seen []cases.ID
	var answered []string
	var others []ladder.Other
	who, key := in.book.AskSender(m.from())
	whose, arg := who.Whose()
	ask := append(who.Queries, in.cases.AskSeen(&seen, m.rep.MessageID, m.sum), in.out.AskAutoAnswered(&answered, m.from(), in.d.Now()))
	if err := in.d.Read(ctx, append(ask, in.ladder.AskOthers(&others, in.d.Now(), whose, arg)...)...); err != nil {
		return nil, err
	}
	p := &plan{mayAck: len(answered) == 0}
	if len(seen) > 0 && m.rep.MessageID != "" {
		p.repeat = seen[0]
		return p, nil
	}
	if m.rep.Bounce != nil {
		return p, in.d.View(ctx, func(tx *db.Tx) error { return in.returned(ctx, tx, m, p) })
	}
	var err error
	if p.contact, err = who.Contact(); err == nil {
		if p.key, err = key.Key(); err != nil {
			return nil, err
		}
		if p.contact, err = in.known(ctx, m, p.contact); err != nil {
			return nil, err
		}
	} else if !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	if refs, mails := in.spokenOf(m); len(refs)+len(mails) > 0 {
		if err := in.d.View(ctx, func(tx *db.Tx) error { return in.choose(ctx, tx, m, p, refs, mails) }); err != nil {
			return nil, err
		}
	}
	if p.c == nil {
		in.begin(m, p)
	}
	p.others = ladder.SameMatter(p.c, others)
	return p, nil
}

// known reads all of a contact where a mail needs more than their name: it brings a key,
// it lacks the signature that they usually make, or they have no name.
func (in *Intake) known(ctx context.Context, m *mail, c *contacts.Contact) (full *contacts.Contact, err error) {
	if len(m.rep.Keys) == 0 && (m.rep.Signature.Verdict != evidence.Unsigned || c.Signed == 0) && c.Name != "" {
		return c, nil
	}
	err = in.d.View(ctx, func(tx *db.Tx) error { full, err = in.book.Get(ctx, tx, c.ID); return err })
	return full, err
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

// spokenOf lists what a mail speaks of: references whose token has its MAC, and
// the mails it answers, the nearest first.
func (in *Intake) spokenOf(m *mail) (refs []cases.Ref, mails []string) {
	texts := []string{m.rep.Subject}
	for _, to := range m.s.Envelope.To {
		_, token := cases.SplitPlus(to)
		texts = append(texts, token)
	}
	for _, text := range texts {
		refs = append(refs, in.cases.Tokens.Find(text)...)
	}
	mails = append(mails, m.rep.InReplyTo...)
	for _, r := range slices.Backward(m.rep.References) {
		if len(mails) < 20 {
			mails = append(mails, r)
		}
	}
	return refs, mails
}

// choose takes the first case the mail speaks of and its sender belongs to, and
// its key. From is only an address that somebody gave; a message whose identity
// does not fit joins nothing.
func (in *Intake) choose(ctx context.Context, tx *db.Tx, m *mail, p *plan, refs []cases.Ref, mails []string) error {
	var candidates []*cases.Case
	for _, ref := range refs {
		c, err := in.cases.ByRef(ctx, tx, ref)
		if err == nil {
			candidates = append(candidates, c)
		} else if !fail.Is(err, fail.NotFound) {
			return err
		}
	}
	ids, err := in.cases.ByMailIDs(ctx, tx, mails)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c, err := in.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		candidates = append(candidates, c)
	}
	p.c, p.link = nil, nil
	for _, c := range candidates {
		if p.contact != nil && m.rep.Signature.Verdict != evidence.Mismatch {
			has, err := cases.Has(ctx, tx, c.ID, p.contact.ID)
			if err != nil {
				return err
			}
			if has {
				p.c = c
				p.key, err = in.v.Get(ctx, tx, c.KeyID)
				return err
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
		Mailbox: m.mailbox, State: cases.Open, Unread: true, Made: now, Last: now, Trust: m.ev.Class(), Lang: lang.Guess(m.rep.Text)}
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
