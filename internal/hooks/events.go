package hooks

import (
	"context"
	"slices"
	"strings"

	"postern/internal/db"
	"postern/internal/fail"
)

// Events are the names of what can be told, as an endpoint asks for them. An
// instruction.due goes to the one endpoint that does the instruction, whatever it
// asked for; asking for it alone makes an endpoint that is told nothing else.
func Events() []string {
	return []string{"instruction.proved", "instruction.approved", "instruction.due", "instruction.executed", "instruction.refused", "instruction.frozen", "instruction.expired",
		"instruction.cancelled", "message.received", "message.sent", "case.lifted", "report.needs-a-person"}
}

// known puts the names of events in order, each once.
func known(events []string) ([]string, error) {
	var out []string
	for _, name := range Events() {
		if slices.Contains(events, name) {
			out = append(out, name)
		}
	}
	for _, name := range events {
		if !slices.Contains(out, name) {
			return nil, fail.New(fail.Invalid, "there is no event %q; the events are %s", name, strings.Join(Events(), ", "))
		}
	}
	if len(out) == 0 {
		return nil, fail.New(fail.Invalid, "choose at least one event that this system is told of")
	}
	return out, nil
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
