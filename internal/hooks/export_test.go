package hooks

import (
	"context"
	"time"

	"postern/internal/db"
)

// Sign is one signature, for the vectors of the specification.
func Sign(secret []byte, id string, at time.Time, body []byte) string {
	return sign(secret, id, at, body)
}

// Steps is the schedule.
func Steps() []time.Duration { return steps() }

// Claim takes one due delivery for this node, and Deliver is what its worker
// would do with it.
func (h *Hooks) Claim(ctx context.Context) (DeliveryID, error) {
	var ids []string
	err := h.d.Update(ctx, func(tx *db.Tx) (err error) { ids, err = h.worker.Queue.Claim(ctx, tx, 1); return err })
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return DeliveryID(ids[0]), nil
}

func (h *Hooks) Deliver(ctx context.Context, id DeliveryID) { h.deliver(ctx, string(id)) }

// SendAndDie claims a delivery, sends it and records nothing, as if the process
// had ended there. It returns what a process that only slept would still do.
func (h *Hooks) SendAndDie(ctx context.Context) (late func() error, err error) {
	id, err := h.Claim(ctx)
	if err != nil {
		return nil, err
	}
	d, e, err := h.begin(ctx, id)
	if err != nil {
		return nil, err
	}
	o := h.attempt(ctx, d, e)
	return func() error { return h.finish(ctx, d, o) }, nil
}

// Wake lets the worker look at once for what became due when a test moved the clock.
func (h *Hooks) Wake() { h.worker.Wake() }
