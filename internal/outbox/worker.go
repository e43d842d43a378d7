package outbox

import (
	"context"
	"log/slog"
	"runtime"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/ladder"
	"postern/internal/links"
	"postern/internal/mailboxes"
	"postern/internal/portal"
	"postern/internal/smtpc"
	"postern/internal/vault"
)

// Relay takes finished mails. The desk's relay is one, the load program's sink
// another; without one, mails are captured in the tray.
type Relay interface {
	Send(ctx context.Context, from, to string, raw []byte) smtpc.Result
}

// Options is what an outbox needs.
type Options struct {
	DB         *db.DB
	Vault      *vault.Vault
	Cases      *cases.Store
	Contacts   *contacts.Book
	Mailboxes  *mailboxes.Store
	Portal     *portal.Store
	HasPasskey func(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error)
	Receipt    func(ctx context.Context, tx *db.Tx, c cases.ID, person contacts.ID) (bool, error) // whether they hold the receipt of the case; nil: nobody does
	Protected  func(topic string) bool                                                            // whether what is written about it stays protected; nil: none does
	Ladder     *ladder.Ladder                                                                     // nil: none
	Centre     *centre.Store                                                                      // its canned replies; nil: there are none
	Links      *links.Guard                                                                       // nil: links are judged by their writing
	Relay      Relay                                                                              // nil: captured
	Words      func() Words
	Node       string
	Log        *slog.Logger
	Ended      Ended              // nil: nobody listens
	Observe    func(event string) // metrics; may be nil
}

// Ended is told how a delivery came to its end (sent, captured, failed, bounced),
// in the transaction that records it. One that was sent may still bounce.
type Ended func(ctx context.Context, tx *db.Tx, d *Delivery) error

// Outbox queues and sends.
type Outbox struct {
	d       *db.DB
	v       *vault.Vault
	cases   *cases.Store
	book    *contacts.Book
	boxes   *mailboxes.Store
	portal  *portal.Store
	passkey func(context.Context, *db.Tx, contacts.ID) (bool, error)
	receipt func(context.Context, *db.Tx, cases.ID, contacts.ID) (bool, error)
	topic   func(string) bool
	ladder  *ladder.Ladder
	centre  *centre.Store
	links   *links.Guard
	relay   Relay
	words   func() Words
	log     *slog.Logger
	ended   Ended
	observe func(string)
	worker  *db.Worker
	cpu     chan struct{} // as many sealers as cores
	traces  traces

	asking asking
}

// senders is how many deliveries are worked on at once.
const senders = 48

// New returns an outbox that does not send yet.
func New(o Options) *Outbox {
	x := &Outbox{d: o.DB, v: o.Vault, cases: o.Cases, book: o.Contacts, boxes: o.Mailboxes, portal: o.Portal, passkey: o.HasPasskey, receipt: o.Receipt, topic: o.Protected, ladder: o.Ladder, centre: o.Centre, links: o.Links,
		relay: o.Relay, words: o.Words, log: o.Log, ended: o.Ended, observe: o.Observe, cpu: make(chan struct{}, runtime.NumCPU())}
	if x.observe == nil {
		x.observe = func(string) {}
	}
	if x.receipt == nil {
		x.receipt = func(context.Context, *db.Tx, cases.ID, contacts.ID) (bool, error) { return false, nil }
	}
	if x.topic == nil {
		x.topic = func(string) bool { return false }
	}
	if x.ended == nil {
		x.ended = func(context.Context, *db.Tx, *Delivery) error { return nil }
	}
	x.worker = &db.Worker{DB: o.DB, Slots: senders, Log: o.Log, Handle: x.deliver, Queue: db.Queue{Table: "deliveries",
		Ready: []string{string(Waiting), string(Deferred)}, Busy: []string{string(Working), string(Sending)}, Owner: o.Node}}
	return x
}

// Start begins to send. Stop waits for what is under way. Twice is harmless.
func (o *Outbox) Start(ctx context.Context) error { return o.worker.Start(ctx) }
func (o *Outbox) Stop()                           { o.worker.Stop() }
