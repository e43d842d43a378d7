package outbox

import (
	"context"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/policy"
	"postern/internal/vault"
)

// A Progress tells who reported a security hole how far it has come, in words of ours
// from the catalogue, and nothing of what it is.
type Progress struct {
	ID          cases.MessageID // names it for good: told twice, it goes once
	Case        cases.ID
	Text, State string // keys of the catalogue

	// What somebody here wrote to them, for whom it stands on no page: key of what is said
	// of it behind "mail.report.say.", and its lines.
	Kind  string
	Lines []string
}

// TellProgress queues it: by mail, or onto the case page of who gave no address.
func (o *Outbox) TellProgress(ctx context.Context, p *Progress) error {
	var c *cases.Case
	var key *vault.Key
	address, page := "", false
	err := o.d.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = o.cases.Get(ctx, tx, p.Case); err != nil {
			return err
		}
		if key, err = o.v.Get(ctx, tx, c.KeyID); err != nil {
			return err
		}
		if o.receipt != nil {
			if page, err = o.receipt(ctx, tx, c.ID, c.Contact); err != nil {
				return err
			}
		}
		who, err := o.book.Get(ctx, tx, c.Contact)
		if err == nil {
			address = who.MailTo()
		}
		return err
	})
	if fail.Is(err, fail.NotFound) {
		return nil // the person or the content is gone
	}
	if err != nil {
		return err
	}
	say := c.Lang.Must
	more := "mail.report.page"
	if !page { // they have no code of a case page: a reply says it all
		more = "mail.report.reply"
	}
	text := say(p.Text, string(c.Ref), say(p.State))
	if len(p.Lines) > 0 {
		text += "\n\n" + say("mail.report.say."+p.Kind)
		for _, l := range p.Lines {
			text += "\n\n" + l
		}
	}
	m := &cases.Message{ID: p.ID, Case: c.ID, Kind: cases.Out, Door: "auto", Contact: c.Contact, At: o.d.Now(),
		Doc: cases.Doc{Subject: say("mail.report.subject"), Text: text + "\n\n" + say(more)}}
	parts, err := cases.Seal(m, key)
	if err != nil {
		return err
	}
	kind, shown, answer := Report, policy.Signed, &Answer{Case: c.ID, Text: m.Doc.Text, To: []contacts.ID{c.Contact}}
	switch {
	case address == "":
		shown = policy.Page
	case len(p.Lines) > 0: // somebody's words about a hole: they go as an answer would
		kind = Reply
		answer.look()
	}
	return o.d.Update(ctx, func(tx *db.Tx) error {
		if n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, p.ID); err != nil || n > 0 {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		if kind == Reply {
			ways, _, err := o.Preview(ctx, tx, c, answer)
			if err != nil {
				return err
			}
			if shown = ways[0].Protection; shown == policy.Blocked {
				shown = policy.Portal // the worker holds it, and says why
			}
		}
		return o.Queue(ctx, tx, &Delivery{Case: c.ID, Message: m.ID, Contact: c.Contact, Kind: kind, Mailbox: c.Mailbox, Address: address, Shown: shown})
	})
}
