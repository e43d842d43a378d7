// Package hooks tells the organisation's own systems what happened here, by
// Standard Webhooks 1.0.0: a POST with the headers webhook-id, webhook-timestamp
// and webhook-signature, an HMAC-SHA256 over all three and the body.
//
// An endpoint is where it goes. Its address is sealed, since it may hold a token,
// and its secret is shown once. A delivery is one event on its way to one
// endpoint, queued in the transaction of its cause: it leaves if and only if that
// was committed. One id is queued once for an endpoint. It is sent at least once:
// when nobody knows whether an answer was given, it goes again under the same
// webhook-id, by which the receiver knows it.
//
// Only a status from 200 to 299 means that it was taken; 410 switches the
// endpoint off; everything else is tried again, ten times over three days. The
// first bytes of an answer are kept, since they may name what was made of it
// over there. The payload is dropped when it was taken. Payloads, answers,
// addresses and secrets are in no log, no reason and no audit row.
package hooks

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/internal/db"
	"postern/internal/safehttp"
	"postern/internal/vault"
)

// Limits of what is sent and kept. A payload should name things rather than hold
// them: the specification advises to stay under 20 KB.
const (
	MaxPayload = 64 << 10
	MaxAnswer  = 4 << 10
	OldSecret  = 24 * time.Hour // how long the secret before a rotation still signs
)

// senders is how many deliveries are under way at once.
const senders = 16

// Options is what hooks need.
type Options struct {
	DB     *db.DB
	Vault  *vault.Vault
	Client *safehttp.Client
	Node   string
	Log    *slog.Logger

	// OnDone is called in the transaction that records that a delivery was taken,
	// or failed for good; after Retry it may be called again. If it returns an
	// error nothing is recorded and the delivery goes again later, so it returns
	// one only for what may pass. May be nil.
	OnDone func(ctx context.Context, tx *db.Tx, d Delivery) error

	// Still is asked before every attempt whether what the delivery asks for is
	// still wanted; why not, in a few words, ends it as failed. May be nil.
	Still func(ctx context.Context, tx *db.Tx, d Delivery) (why string, err error)

	Observe func(event string) // metrics: the state a delivery came to; may be nil
}

// Hooks keeps endpoints and sends deliveries.
type Hooks struct {
	d       *db.DB
	v       *vault.Vault
	client  *safehttp.Client
	node    string
	log     *slog.Logger
	onDone  func(context.Context, *db.Tx, Delivery) error
	still   func(context.Context, *db.Tx, Delivery) (string, error)
	observe func(string)
	worker  *db.Worker
	wanted  atomic.Pointer[wants]
}

// New returns hooks that do not send yet.
func New(o Options) *Hooks {
	h := &Hooks{d: o.DB, v: o.Vault, client: o.Client, node: o.Node, log: o.Log, onDone: o.OnDone, still: o.Still, observe: o.Observe}
	if h.onDone == nil {
		h.onDone = func(context.Context, *db.Tx, Delivery) error { return nil }
	}
	if h.still == nil {
		h.still = func(context.Context, *db.Tx, Delivery) (string, error) { return "", nil }
	}
	if h.observe == nil {
		h.observe = func(string) {}
	}
	h.worker = &db.Worker{DB: o.DB, Slots: senders, Log: o.Log, Handle: h.deliver, Queue: db.Queue{Table: "hook_deliveries",
		Ready: []string{string(Waiting), string(Deferred)}, Busy: []string{string(Sending)}, Owner: o.Node}}
	return h
}

// Start begins to send. Stop waits for what is under way. Twice is harmless.
func (h *Hooks) Start(ctx context.Context) error {
	if err := h.Reload(ctx); err != nil {
		return err
	}
	return h.worker.Start(ctx)
}
func (h *Hooks) Stop() { h.worker.Stop() }
