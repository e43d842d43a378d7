package desk

import (
	"context"
	"net/http"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/outbox"
	"postern/internal/portal"
)

// itemOf finds the item of a delivery of the case; a foreign one is NotFound.
func itemOf(ctx context.Context, tx *db.Tx, r *http.Request) (*portal.Item, error) {
	items, err := portal.OfCase(ctx, tx, cases.ID(r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	for i := range items {
		if items[i].Delivery == r.PathValue("delivery") {
			return &items[i], nil
		}
	}
	return nil, fail.New(fail.NotFound, "nothing waits on the portal for this")
}

// issueCode serves POST /desk/cases/{id}/deliveries/{delivery}/code. The code is
// on the answer to this one request and nowhere else.
func (d *Desk) issueCode(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	if err := d.pace(ctx, me); err != nil {
		return err
	}
	code := portal.NewCode()
	var item *portal.Item
	var c *contacts.Contact
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if item, err = itemOf(ctx, tx, r); err != nil {
			return err
		}
		if c, err = d.book.Get(ctx, tx, item.Contact); err != nil {
			return err
		}
		if d.auth.Strict {
			return fail.New(fail.Conflict, "codes are switched off here: only passkeys and checked keys count")
		}
		// Who put the number on file may read this one out: it opens one message,
		// and whatever is bound after it keeps their name.
		if err := mayCall(c, tx.Now); err != nil {
			return err
		}
		return d.portal.IssueCode(ctx, tx, item, me.ID(), code)
	})
	if err != nil {
		return err
	}
	clock := d.clock()
	return d.renderCase(w, r, me, http.StatusOK, caseExtra{code: &AccessCode{Code: code, Who: c.Title(), Phone: c.Phones[0].Number,
		Until: clock.When(clock.Now.Add(portal.CodeLife)), Tries: int(portal.MaxTries - item.Tries)}})
}

// mayCall says why no code may be read out to the contact, or nil.
func mayCall(c *contacts.Contact, now time.Time) error {
	if len(c.Phones) == 0 {
		return fail.New(fail.Conflict, "no telephone number is on file for this person")
	}
	return instructions.MayCall(&c.Phones[0], now)
}

// recall serves POST /desk/cases/{id}/deliveries/{delivery}/recall.
func (d *Desk) recall(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		item, err := itemOf(ctx, tx, r)
		if err != nil {
			return err
		}
		return portal.Recall(ctx, tx, item, audit.Staff(me.ID()))
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+r.PathValue("id"))
}

// undo serves POST /desk/cases/{id}/messages/{message}/undo: the words come back
// as a draft.
func (d *Desk) undo(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.takeBack(w, r, me, func(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
		return d.out.Undo(ctx, tx, c, m, me.ID())
	})
}

// edit serves POST /desk/cases/{id}/messages/{message}/edit: a held message is
// discarded and its words come back as a draft.
func (d *Desk) edit(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.takeBack(w, r, me, func(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
		return d.eachHeld(ctx, tx, c, m, func(s *outbox.Delivery) error { return d.out.Discard(ctx, tx, c, s.ID, me.ID()) })
	})
}

// takeBack ends the deliveries of a message and makes it the visitor's draft.
func (d *Desk) takeBack(w http.ResponseWriter, r *http.Request, me *visitor, end func(context.Context, *db.Tx, *cases.Case, cases.MessageID) error) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	m, err := d.messageOf(r)
	if err != nil {
		return err
	}
	_, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	draft := &cases.Draft{Text: m.Doc.Text, Sensitive: m.Doc.Sensitive, Files: m.Doc.Attachments}
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := end(ctx, tx, c, m.ID); err != nil {
			return err
		}
		sent, err := d.out.OfCase(ctx, tx, id)
		if err != nil {
			return err
		}
		draft.To = nil
		for _, s := range sent {
			if s.Message == m.ID && s.State == outbox.Undone { // the others have it already
				draft.To = append(draft.To, s.Contact)
			}
		}
		sealed, err := cases.SealDraft(draft, key, id, me.ID())
		if err != nil {
			return err
		}
		if c.State != cases.Open { // a macro may have closed it
			c.State, c.ClosedAt = cases.Open, time.Time{}
			if err := d.cases.Save(ctx, tx, c); err != nil {
				return err
			}
		}
		return cases.SaveDraft(ctx, tx, id, me.ID(), sealed)
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(id)+"#reply")
}

// release serves POST .../release: everything is decided again, and sent if it
// may go now. discard serves POST .../discard.
func (d *Desk) release(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onHeld(w, r, func(ctx context.Context, tx *db.Tx, c *cases.Case, s *outbox.Delivery) error {
		return d.out.Retry(ctx, tx, c, s.ID, me.ID())
	})
}

func (d *Desk) discard(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onHeld(w, r, func(ctx context.Context, tx *db.Tx, c *cases.Case, s *outbox.Delivery) error {
		return d.out.Discard(ctx, tx, c, s.ID, me.ID())
	})
}

func (d *Desk) onHeld(w http.ResponseWriter, r *http.Request, f func(context.Context, *db.Tx, *cases.Case, *outbox.Delivery) error) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		return d.eachHeld(ctx, tx, c, cases.MessageID(r.PathValue("message")), func(s *outbox.Delivery) error { return f(ctx, tx, c, s) })
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(id))
}

func (d *Desk) eachHeld(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID, f func(*outbox.Delivery) error) error {
	sent, err := d.out.OfCase(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	n := 0
	for i := range sent {
		s := &sent[i]
		if s.Message != m || s.State != outbox.Held && s.State != outbox.Failed && s.State != outbox.Bounced {
			continue
		}
		n++
		if err := f(s); err != nil {
			return err
		}
	}
	if n == 0 {
		return fail.New(fail.NotFound, "nothing of this message is held")
	}
	return nil
}
