package outbox

import (
	"context"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/policy"
	"postern/internal/vault"
)

// A HouseLetter goes to people who work here. It holds no word of a customer's: it is
// read in mailboxes that the desk does not guard.
type HouseLetter struct {
	ID      cases.MessageID // names it for good: told twice, it goes once
	Kind    Kind            // Call or Summary
	Case    cases.ID        // it is about; empty: it makes a closed case of its own
	Subject string
	Text    string
	To      []string // their addresses
	Files   []cases.File
}

// TellHouse queues a letter to people who work here.
func (o *Outbox) TellHouse(ctx context.Context, l *HouseLetter) error {
	c, fresh, key, err := o.houseCase(ctx, l)
	if err != nil {
		return err
	}
	m := &cases.Message{ID: l.ID, Case: c.ID, Kind: cases.Note, Door: "auto", At: o.d.Now(), Doc: cases.Doc{Subject: l.Subject, Text: l.Text}}
	files := m.Doc.Attach(l.Files, key)
	parts, err := cases.Seal(m, key)
	if err != nil {
		return err
	}
	return o.d.Update(ctx, func(tx *db.Tx) error {
		if n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, l.ID); err != nil || n > 0 {
			return err
		}
		if fresh {
			c := *c
			if err := vault.Add(ctx, tx, key); err != nil {
				return err
			}
			if err := o.cases.Add(ctx, tx, &c); err != nil {
				return err
			}
		}
		if err := cases.PutFiles(ctx, tx, files, key); err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		for _, to := range l.To {
			if err := o.Queue(ctx, tx, &Delivery{Case: c.ID, Message: m.ID, Kind: l.Kind, Mailbox: c.Mailbox, Address: to, Shown: policy.Signed}); err != nil {
				return err
			}
		}
		return nil
	})
}

// houseCase is the case of the letter and its key, or a new one.
func (o *Outbox) houseCase(ctx context.Context, l *HouseLetter) (c *cases.Case, fresh bool, key *vault.Key, err error) {
	if l.Case == "" {
		key, now := o.v.NewKey(), o.d.Now()
		return &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: l.Subject, Who: "The desk", KeyID: key.ID, Door: "desk", Mailbox: o.noticeBox(),
			State: cases.Closed, Made: now, Last: now, ClosedAt: now}, true, key, nil
	}
	var found []cases.Case
	asked, query := o.cases.AskKey(l.Case)
	if err := o.d.Read(ctx, query, o.cases.AskID(&found, l.Case)); err != nil {
		return nil, false, nil, err
	}
	if len(found) == 0 {
		return nil, false, nil, fail.New(fail.NotFound, "there is no such case")
	}
	key, err = asked.Key()
	return &found[0], false, key, err
}
