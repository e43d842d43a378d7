package hooks

import (
	"context"
	"slices"
	"strings"
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
}

// An Event is something to tell. Its ID names it for good: the same one is not
// queued again for an endpoint that had it.
type Event struct {
	ID      string // letters, digits, - and _
	Name    string // one of Events
	Payload []byte // JSON; leaves as it is
	About   string // an id; no content, no addresses
}

// check keeps full stops out of the id, which stands before one in what is signed
// (Standard Webhooks, "Signature scheme").
func (e *Event) check() error {
	if e.ID == "" || len(e.ID) > 100 || strings.Trim(e.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return fail.New(fail.Invalid, "the id of an event has up to 100 letters, digits, hyphens and low lines")
	}
	if len(e.Payload) > MaxPayload {
		return fail.New(fail.Invalid, "there is more to tell than the %d KiB a webhook may have", MaxPayload>>10)
	}
	_, err := known([]string{e.Name})
	return err
}

// Publish queues an event for every endpoint that wants it and returns for how many.
func (h *Hooks) Publish(ctx context.Context, tx *db.Tx, e Event) (n int, err error) {
	if err := e.check(); err != nil {
		return 0, err
	}
	type row struct {
		id     EndpointID
		events string
	}
	all, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.id, &r.events) },
		`SELECT id, events FROM hook_endpoints WHERE enabled ORDER BY made_at, id`)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if slices.Contains(strings.Fields(r.events), e.Name) {
			if err := h.queue(ctx, tx, r.id, e); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// Send queues an event for one endpoint, whatever it asked for. One that is
// switched off is a Conflict.
func (h *Hooks) Send(ctx context.Context, tx *db.Tx, to EndpointID, e Event) error {
	if err := e.check(); err != nil {
		return err
	}
	end, err := h.Get(ctx, tx, to)
	if err != nil {
		return err
	}
	if !end.Enabled {
		return errOff
	}
	return h.queue(ctx, tx, to, e)
}

var errOff = fail.New(fail.Conflict, "this webhook is switched off; switch it on first")

func (h *Hooks) queue(ctx context.Context, tx *db.Tx, to EndpointID, e Event) error {
	id := db.NewID()
	tx.AfterCommit(h.worker.Wake)
	return tx.Put(ctx, `INSERT INTO hook_deliveries (id, endpoint_id, hook_id, event, about, payload, state, due_at, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (endpoint_id, hook_id) DO NOTHING`,
		id, to, e.ID, e.Name, e.About, h.v.Desk().Seal(e.Payload, place, id, "payload"), Waiting, db.Micros(tx.Now))
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
	return db.One(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE id = $1`, id)
}

// About lists the newest deliveries about one thing.
func (h *Hooks) About(ctx context.Context, tx *db.Tx, about string, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE about = $1 ORDER BY made_at DESC, id DESC LIMIT $2`, about, limit)
}

// To lists the newest deliveries to one endpoint.
func (h *Hooks) To(ctx context.Context, tx *db.Tx, e EndpointID, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, h.scan, `SELECT `+columns+` FROM hook_deliveries WHERE endpoint_id = $1 ORDER BY made_at DESC, id DESC LIMIT $2`, e, limit)
}

// Retry lets a failed delivery be tried again from the beginning, under the same
// webhook-id. Its endpoint must be there and switched on.
func (h *Hooks) Retry(ctx context.Context, tx *db.Tx, id DeliveryID, staff string) error {
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
	if err := db.Change(ctx, tx, `UPDATE hook_deliveries SET state = $2, reason = '', attempts = 0, due_at = $3, done_at = 0 WHERE id = $1 AND state = 'failed'`,
		id, Waiting, db.Micros(tx.Now)); err != nil {
		return err
	}
	tx.AfterCommit(h.worker.Wake)
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(staff), Act: "webhook.retried", About: d.About, Detail: "delivery " + string(id)})
}

// steps are the waits after an attempt that failed (Standard Webhooks, "Delivery
// schedule").
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
