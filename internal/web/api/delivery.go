package api

import (
	"context"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
	"postern/internal/portal"
)

// message says how far a message went, and never what is in it.
type message struct {
	ID         string      `json:"id"`
	Case       string      `json:"case"`
	Ref        string      `json:"ref"`
	Made       time.Time   `json:"made"`
	Recipients []recipient `json:"recipients"`
}

type recipient struct {
	Contact    string    `json:"contact"`
	State      string    `json:"state" enum:"queued deferred sent captured held failed bounced undone" about:"captured: no relay is set, it is in the desk's tray. held: a person must look at it"`
	Protection string    `json:"protection" enum:"encrypted portal signed opted-out blocked"`
	Reason     string    `json:"reason,omitempty" about:"why it is held, deferred, failed or came back"`
	At         time.Time `json:"at,omitzero" about:"when it came to this end"`
	Portal     *waiting  `json:"portal,omitempty" about:"if it waits on the portal: each moment apart"`
}

type waiting struct {
	Placed   time.Time `json:"placed"`
	Notified time.Time `json:"notified,omitzero" about:"the notice left"`
	Released time.Time `json:"released,omitzero" about:"the person proved themselves, and it was shown"`
	Factor   string    `json:"factor,omitempty" about:"by what: access code, passkey"`
	Recalled time.Time `json:"recalled,omitzero" about:"withdrawn before it was ever shown"`
	Expires  time.Time `json:"expires"`
}

func (a *API) getMessage(ctx context.Context, c *call, _ *nothing) (out *message, err error) {
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		m, err := cases.OfAuthor(ctx, tx, c.key.Actor(), cases.MessageID(c.id))
		if fail.Is(err, fail.NotFound) {
			return fail.New(fail.NotFound, "there is no such message of this key")
		}
		if err != nil {
			return err
		}
		out, err = a.track(ctx, tx, m)
		return err
	})
	return out, err
}

// track says how far a message went to each person.
func (a *API) track(ctx context.Context, tx *db.Tx, m *cases.Message) (*message, error) {
	c, err := a.Cases.Get(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	sent, err := a.Outbox.OfCase(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	items, err := portal.OfCase(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	out := &message{ID: string(m.ID), Case: string(m.Case), Ref: string(c.Ref), Made: m.At, Recipients: []recipient{}}
	for i := range sent {
		if sent[i].Message == m.ID {
			out.Recipients = append(out.Recipients, recipientOf(&sent[i], items))
		}
	}
	return out, nil
}

func recipientOf(d *outbox.Delivery, items []portal.Item) recipient {
	r := recipient{Contact: string(d.Contact), State: string(d.State), Protection: string(d.Protection), Reason: d.Reason, At: d.Done}
	switch d.State {
	case outbox.Waiting, outbox.Working, outbox.Sending:
		r.State, r.Reason = "queued", ""
	}
	if r.Protection == "" {
		r.Protection = string(d.Shown)
	}
	for _, i := range items { // the last one counts: earlier ones were recalled
		if i.Delivery == string(d.ID) {
			r.Portal = &waiting{Placed: i.Placed, Notified: i.Notified, Released: i.Released, Factor: string(i.Factor), Recalled: i.Recalled, Expires: i.Expires}
		}
	}
	return r
}
