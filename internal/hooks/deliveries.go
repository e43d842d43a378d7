package hooks

import (
	"context"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// DeliveryID names a delivery.
type DeliveryID string

// State of a delivery.
type State string

const (
	Waiting  State = "waiting"  // queued, or given back by a worker that died
	Sending  State = "sending"  // a worker has it
	Deferred State = "deferred" // it was not taken and will be tried again
	Sent     State = "sent"     // it was taken
	Failed   State = "failed"   // given up, or nobody is there to take it
)

// A Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID       DeliveryID
	Endpoint EndpointID
	HookID   string // webhook-id: the same in every attempt
	Event    string
	About    string // what it is about, for who queued it and for the record
	State    State
	Reason   string // why it was not taken, in our words
	Status   int    // of the last answer; 0: there was none
	Answer   []byte // how the last answer began, as it came
	Attempts int64
	Due      time.Time
	Made     time.Time
	Tried    time.Time
	Done     time.Time

	payload []byte // sealed; empty once it was taken
	unasked string // why it does not go any more; set by begin
}

const columns = `id, endpoint_id, hook_id, event, about, payload, state, reason, status, answer, attempts, due_at, made_at, tried_at, done_at`

func (h *Hooks) scan(d *Delivery, row func(...any) error) error {
	var answer []byte
	err := row(&d.ID, &d.Endpoint, &d.HookID, &d.Event, &d.About, &d.payload, &d.State, &d.Reason, &d.Status, &answer, &d.Attempts,
		db.Time(&d.Due), db.Time(&d.Made), db.Time(&d.Tried), db.Time(&d.Done))
	if err != nil || len(answer) == 0 {
		return err
	}
	d.Answer, err = h.v.Desk().Open(answer, place, string(d.ID), "answer")
	return err
}

// Delivery returns a delivery; none is NotFound.
func (h *Hooks) Delivery(ctx context.Context, tx *db.Tx, id DeliveryID) (*Delivery, error) {
	d, err := db.One(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such call of a webhook")
	}
	return d, err
}

// About lists the newest deliveries about one thing.
func (h *Hooks) About(ctx context.Context, tx *db.Tx, about string, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE about = $1 ORDER BY made_at DESC, id DESC LIMIT CAST($2 AS BIGINT)`, about, limit)
}

// To lists the newest deliveries to one endpoint.
func (h *Hooks) To(ctx context.Context, tx *db.Tx, e EndpointID, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE endpoint_id = $1 ORDER BY made_at DESC, id DESC LIMIT CAST($2 AS BIGINT)`, e, limit)
}

// Calls lists the deliveries to one endpoint, the newest first, before the one
// named (empty: from the top).
func (h *Hooks) Calls(ctx context.Context, tx *db.Tx, e EndpointID, before DeliveryID, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE endpoint_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT CAST($3 AS BIGINT)`, e, before, limit)
}

// Retry lets a failed delivery be tried again from the beginning, under the same
// webhook-id. Its endpoint must be there and switched on.
func (h *Hooks) Retry(ctx context.Context, tx *db.Tx, id DeliveryID, actor string) error {
	d, err := h.Delivery(ctx, tx, id)
	if err != nil {
		return err
	}
	if d.State != Failed {
		return fail.New(fail.Conflict, "only a delivery that failed can be tried again; this one is %s", d.State)
	}
	e, err := h.Get(ctx, tx, d.Endpoint)
	if err != nil {
		return err
	}
	if !e.Enabled {
		return errOff
	}
	if err := db.Change(ctx, tx, `UPDATE hook_deliveries SET state = $2, reason = '', attempts = 0, due_at = $3, done_at = 0 WHERE id = $1`,
		id, Waiting, db.Micros(tx.Now)); err != nil {
		return err
	}
	tx.AfterCommit(h.worker.Wake)
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "webhook.retried", About: d.About, Detail: "delivery " + string(id)})
}

// steps are the waits after an attempt that failed (Standard Webhooks,
// "Deliverability and reliability").
func steps() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// backoff is the wait after the nth attempt failed; ok is false when it is time
// to give up.
func backoff(attempts int64) (wait time.Duration, ok bool) {
	s := slices.Concat([]time.Duration{0}, steps())
	if attempts >= int64(len(s)) {
		return s[len(s)-1], false
	}
	return s[attempts], true
}
