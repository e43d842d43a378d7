package outbox

import (
	"context"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/policy"
	"postern/internal/vault"
)

// A Progress tells who reported a security hole how far it has come, in words of ours
// from the catalogue, and nothing of what it is but what somebody here wrote to them.
type Progress struct {
	ID          cases.MessageID // names it for good: told twice, it goes once
	Case        cases.ID
	Text, State string // keys of the catalogue
	Who, Next   string // who is at it and what comes next, keys too; may be empty
	By          time.Time

	// What somebody here wrote to them, for whom it stands on no page: key of what is said
	// of it behind "mail.report.say.", and its lines.
	Kind  string
	Lines []string
}

// TellProgress queues it: by mail, or onto the case page of who gave no address.
func (o *Outbox) TellProgress(ctx context.Context, p *Progress) error {
	to, err := o.reporter(ctx, p.Case)
	if fail.Is(err, fail.NotFound) {
		return nil // the person or the content is gone
	}
	if err != nil {
		return err
	}
	c := to.c
	m := &cases.Message{ID: p.ID, Case: c.ID, Kind: cases.Out, Door: "auto", Contact: c.Contact, At: o.d.Now(),
		Doc: cases.Doc{Subject: c.Lang.Must("mail.report.subject"), Text: p.text(c, to.page)}}
	parts, err := cases.Seal(m, to.key)
	if err != nil {
		return err
	}
	d := &Delivery{Case: c.ID, Message: m.ID, Contact: c.Contact, Kind: Report, Mailbox: c.Mailbox, Address: to.address, Shown: policy.Signed}
	answer := &Answer{Case: c.ID, Text: m.Doc.Text, To: []contacts.ID{c.Contact}}
	switch {
	case to.address == "":
		d.Shown = policy.Page
	case len(p.Lines) > 0: // somebody's words about a hole: they go as an answer would
		d.Kind = Reply
		answer.look()
	}
	return o.d.Update(ctx, func(tx *db.Tx) error {
		if n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, p.ID); err != nil || n > 0 {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		if d.Kind == Reply {
			ways, _, err := o.Preview(ctx, tx, c, answer)
			if err != nil {
				return err
			}
			if d.Shown = ways[0].Protection; d.Shown == policy.Blocked {
				d.Shown = policy.Portal // the worker holds it, and says why
			}
		}
		return o.Queue(ctx, tx, d)
	})
}

// reporter is who reported what a case is about, as far as a word to them needs it.
type reporter struct {
	c       *cases.Case
	key     *vault.Key
	address string // empty: none on file
	page    bool   // they have the code of a case page
}

func (o *Outbox) reporter(ctx context.Context, id cases.ID) (to reporter, err error) {
	err = o.d.View(ctx, func(tx *db.Tx) error {
		if to.c, err = o.cases.Get(ctx, tx, id); err != nil {
			return err
		}
		if to.key, err = o.v.Get(ctx, tx, to.c.KeyID); err != nil {
			return err
		}
		if to.page, err = o.receipt(ctx, tx, id, to.c.Contact); err != nil {
			return err
		}
		who, err := o.book.Get(ctx, tx, to.c.Contact)
		if err == nil {
			to.address = who.MailTo()
		}
		return err
	})
	return to, err
}

// text is what they read, in the language of the case.
func (p *Progress) text(c *cases.Case, page bool) string {
	say := c.Lang.Must
	parts := []string{say(p.Text, string(c.Ref), say(p.State))}
	if len(p.Lines) > 0 {
		parts = append(append(parts, say("mail.report.say."+p.Kind)), p.Lines...)
	}
	if p.Who != "" {
		parts = append(parts, say("mail.report.who", say(p.Who)))
	}
	if p.Next != "" {
		parts = append(parts, say("mail.report.next", say(p.Next), p.By.Format("2006-01-02")))
	}
	if page {
		parts = append(parts, say("mail.report.page"))
	} else { // a reply says it all
		parts = append(parts, say("mail.report.reply"))
	}
	return strings.Join(parts, "\n\n")
}
