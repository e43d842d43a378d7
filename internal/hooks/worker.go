package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/safehttp"
)

// An outcome is how an attempt ended.
type outcome struct {
	state  State
	reason string
	wait   time.Duration // of a deferred one
	status int
	answer []byte
	gone   bool // 410: the endpoint does not want anything any more
}

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
// tried for ever. Without somebody to send to it counts none; e is nil when the
// endpoint is gone.
func (h *Hooks) begin(ctx context.Context, id DeliveryID) (d *Delivery, e *Endpoint, err error) {
	err = h.d.Update(ctx, func(tx *db.Tx) (err error) {
		if d, err = h.Delivery(ctx, tx, id); err != nil {
			return err
		}
		if e, err = h.Get(ctx, tx, d.Endpoint); err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
		if e != nil && e.Enabled {
			d.Attempts, d.Tried = d.Attempts+1, tx.Now
		}
		n, err := tx.Exec(ctx, `UPDATE hook_deliveries SET attempts = $3, tried_at = $4 WHERE id = $1 AND owner = $2 AND state = 'sending'`,
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

const ourTrouble = "our own trouble; the log says which"

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

// judge says what an answer means (Standard Webhooks, "Responding to webhooks").
func judge(attempts int64, a *safehttp.Answer, err error) outcome {
	if err != nil {
		reason := fail.Text(err)
		if reason == "" {
			reason = ourTrouble
		}
		return again(attempts, reason)
	}
	var o outcome
	switch {
	case a.Status >= 200 && a.Status <= 299:
		o = outcome{state: Sent}
	case a.Status == 410:
		o = outcome{state: Failed, reason: "it answered 410: it wants nothing any more", gone: true}
	default:
		o = again(attempts, fmt.Sprintf("it answered %d", a.Status))
	}
	o.status, o.answer = a.Status, a.Body[:min(len(a.Body), MaxAnswer)]
	return o
}

func again(attempts int64, reason string) outcome {
	wait, ok := backoff(attempts)
	if !ok {
		return outcome{state: Failed, reason: fmt.Sprintf("given up after %d attempts; last: %s", attempts, reason)}
	}
	return outcome{state: Deferred, reason: reason, wait: wait}
}

// finish records how an attempt ended, and tells who asked to be told. The count
// of attempts tells this attempt from a later one of another worker, which will
// record its own.
func (h *Hooks) finish(ctx context.Context, before *Delivery, o outcome) error {
	var answer []byte
	if len(o.answer) > 0 {
		answer = h.v.Desk().Seal(o.answer, place, string(before.ID), "answer")
	}
	return h.d.Update(ctx, func(tx *db.Tx) error {
		d := *before
		d.State, d.Reason, d.Status, d.Answer, d.Due, d.Done = o.state, o.reason, o.status, o.answer, tx.Now.Add(o.wait), tx.Now
		if d.State == Deferred {
			d.Done = time.Time{}
		}
		if d.State == Sent {
			d.payload = []byte{}
		}
		n, err := tx.Exec(ctx, `UPDATE hook_deliveries SET state = $2, reason = $3, status = $4, answer = $5, payload = $6, due_at = $7, done_at = $8,
			owner = '', lease_until = 0 WHERE id = $1 AND state = 'sending' AND owner = $9 AND attempts = $10`,
			d.ID, d.State, d.Reason, d.Status, answer, d.payload, db.Micros(d.Due), db.Micros(d.Done), h.node, d.Attempts)
		if err != nil || n == 0 {
			return err
		}
		tx.AfterCommit(func() { h.observe(string(d.State)) })
		return h.tell(ctx, tx, d, o.gone)
	})
}

// tell is what follows from an outcome, in its transaction.
func (h *Hooks) tell(ctx context.Context, tx *db.Tx, d Delivery, gone bool) error {
	if d.State == Deferred {
		return nil // attempts are counted in the row; the chain keeps outcomes
	}
	if gone {
		if err := h.switchOff(ctx, tx, d.Endpoint, d.Reason); err != nil {
			return err
		}
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "webhook." + string(d.State), About: d.About,
		Detail: fmt.Sprintf("delivery %s to %s, %s, attempt %d", d.ID, d.Endpoint, d.Event, d.Attempts)}); err != nil {
		return err
	}
	return h.onDone(ctx, tx, d)
}

func (h *Hooks) switchOff(ctx context.Context, tx *db.Tx, id EndpointID, why string) error {
	n, err := tx.Exec(ctx, `UPDATE hook_endpoints SET enabled = FALSE, why = $2 WHERE id = $1 AND enabled`, id, why)
	if err != nil || n == 0 {
		return err
	}
	if err := h.hasten(ctx, tx, id); err != nil {
		return err
	}
	return record(ctx, tx, audit.System, "webhook.disabled", id, why)
}

// putBack keeps a delivery whose outcome could not be recorded: it goes again,
// after five minutes and then ever more rarely.
func (h *Hooks) putBack(ctx context.Context, d *Delivery) {
	wait, _ := backoff(max(d.Attempts, 2))
	err := h.d.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(func() { h.observe(string(Deferred)) })
		return tx.Put(ctx, `UPDATE hook_deliveries SET state = $2, reason = 'how the last attempt ended could not be kept; it goes again under the same id',
			due_at = $3, owner = '', lease_until = 0 WHERE id = $1 AND state = 'sending' AND owner = $4 AND attempts = $5`,
			d.ID, Deferred, db.Micros(tx.Now.Add(wait)), h.node, d.Attempts)
	})
	if err != nil {
		h.log.Error("hooks: put back", "delivery", d.ID, "err", err) // its lease runs out and it is claimed again
	}
}
