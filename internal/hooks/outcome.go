package hooks

import (
	"context"
	"fmt"
	"strconv"
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

const ourTrouble = "our own trouble; the log says which"

// judge says what an answer means (Standard Webhooks, "Delivery success and failure").
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
		o.wait = max(o.wait, retryAfter(a))
	}
	o.status, o.answer = a.Status, a.Body[:min(len(a.Body), MaxAnswer)]
	return o
}

// retryAfter is how long the other side asks us to wait, a day at most (RFC 9110,
// 10.2.3). A date is not taken: it would be by their clock.
func retryAfter(a *safehttp.Answer) time.Duration {
	n, err := strconv.ParseUint(a.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

func again(attempts int64, reason string) outcome {
	wait, ok := backoff(attempts)
	if !ok {
		return outcome{state: Failed, reason: fmt.Sprintf("given up after %d attempts; last: %s", attempts, reason)}
	}
	return outcome{state: Deferred, reason: reason, wait: wait}
}

// finish records how an attempt ended, and tells who asked to be told. The count
// of attempts tells this attempt from a later one, of a worker that took the
// delivery over and will record its own.
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
			owner = '', lease_until = 0 WHERE id = $1 AND state = 'sending' AND attempts = $9`,
			d.ID, d.State, d.Reason, d.Status, answer, d.payload, db.Micros(d.Due), db.Micros(d.Done), d.Attempts)
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
			due_at = $3, owner = '', lease_until = 0 WHERE id = $1 AND state = 'sending' AND attempts = $4`,
			d.ID, Deferred, db.Micros(tx.Now.Add(wait)), d.Attempts)
	})
	if err != nil {
		h.log.Error("hooks: put back", "delivery", d.ID, "err", err) // its lease runs out and it is claimed again
	}
}
