package hooks

import (
	"context"
	"errors"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/safehttp"
)

// errLost says that another worker has the delivery by now.
var errLost = errors.New("another worker has the delivery")

// deliver takes one claimed delivery to its next state. What cannot be recorded
// goes again, under the same id.
func (h *Hooks) deliver(ctx context.Context, row string) {
	id := DeliveryID(row)
	d, e, err := h.begin(ctx, id)
	if errors.Is(err, errLost) {
		return
	}
	if err != nil {
		h.log.Error("hooks: begin", "delivery", id, "err", err) // its lease runs out and it is claimed again
		return
	}
	if err := h.finish(ctx, d, h.attempt(ctx, d, e)); err != nil {
		h.log.Error("hooks: record", "delivery", id, "err", err)
		h.putBack(ctx, d)
	}
}

// begin counts the attempt before it is made, so that what crashes us is not
// tried for ever. A row that is done or given back has no owner, one that was
// taken over has another. Without somebody to send to, or when it is not wanted any
// more, it counts none; e is nil when the endpoint is gone.
func (h *Hooks) begin(ctx context.Context, id DeliveryID) (d *Delivery, e *Endpoint, err error) {
	err = h.d.Update(ctx, func(tx *db.Tx) (err error) {
		if d, err = h.Delivery(ctx, tx, id); err != nil {
			return err
		}
		if e, err = h.Get(ctx, tx, d.Endpoint); err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
		if d.unasked, err = h.still(ctx, tx, *d); err != nil {
			return err
		}
		if e != nil && e.Enabled && d.unasked == "" {
			d.Attempts, d.Tried = d.Attempts+1, tx.Now
		}
		n, err := tx.Exec(ctx, `UPDATE hook_deliveries SET attempts = $3, tried_at = $4 WHERE id = $1 AND owner = $2`,
			id, h.node, d.Attempts, db.Micros(d.Tried))
		if err == nil && n == 0 {
			return errLost
		}
		return err
	})
	return d, e, err
}

// attempt sends once, if there is somebody to send to. A fault of ours is an
// outcome like others: it ends in a row and not in a crash.
func (h *Hooks) attempt(ctx context.Context, d *Delivery, e *Endpoint) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("hooks: attempt", "delivery", d.ID, "err", fail.Panic(p))
			o = again(d.Attempts, ourTrouble)
		}
	}()
	switch {
	case d.unasked != "":
		return outcome{state: Failed, reason: d.unasked}
	case e == nil:
		return outcome{state: Failed, reason: "the webhook was removed"}
	case !e.Enabled:
		return outcome{state: Failed, reason: "the webhook is switched off"}
	}
	body, secrets, err := h.open(d, e)
	if err != nil {
		h.log.Error("hooks: open", "delivery", d.ID, "err", err)
		return again(d.Attempts, ourTrouble)
	}
	a, err := h.client.Do(ctx, safehttp.Request{Method: "POST", URL: e.URL, Header: headers(secrets, d.HookID, d.Tried, body), Body: body})
	return judge(d.Attempts, a, err)
}

// open unseals what is sent and the secrets that sign it.
func (h *Hooks) open(d *Delivery, e *Endpoint) (body []byte, secrets [][]byte, err error) {
	if body, err = h.v.Desk().Open(d.payload, place, string(d.ID), "payload"); err != nil {
		return nil, nil, err
	}
	secret, err := h.v.Desk().Open(e.secret, place, string(e.ID), "secret")
	if err != nil {
		return nil, nil, err
	}
	secrets = [][]byte{secret}
	if d.Tried.Before(e.OldUntil) {
		old, err := h.v.Desk().Open(e.oldSecret, place, string(e.ID), "old secret")
		if err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, old)
	}
	return body, secrets, nil
}
