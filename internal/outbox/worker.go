package outbox

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
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
	Relay      Relay // nil: captured
	Words      Words
	Node       string
	Log        *slog.Logger
	Observe    func(event string) // metrics; may be nil
}

// Outbox queues and sends.
type Outbox struct {
	d       *db.DB
	v       *vault.Vault
	cases   *cases.Store
	book    *contacts.Book
	boxes   *mailboxes.Store
	portal  *portal.Store
	passkey func(context.Context, *db.Tx, contacts.ID) (bool, error)
	relay   Relay
	words   Words
	queue   db.Queue
	log     *slog.Logger
	observe func(string)

	cpu   chan struct{} // as many sealers as cores
	wakeC chan struct{} // capacity 1
	life  sync.Mutex
	stop  context.CancelFunc // guarded by life; nil while stopped
	done  chan struct{}
}

// New returns an outbox that does not send yet.
func New(o Options) *Outbox {
	x := &Outbox{d: o.DB, v: o.Vault, cases: o.Cases, book: o.Contacts, boxes: o.Mailboxes, portal: o.Portal, passkey: o.HasPasskey,
		relay: o.Relay, words: o.Words, log: o.Log, observe: o.Observe,
		queue: db.Queue{Table: "deliveries", Ready: []string{string(Waiting), string(Deferred)}, Busy: []string{string(Working), string(Sending)}, Owner: o.Node},
		cpu:   make(chan struct{}, runtime.NumCPU()), wakeC: make(chan struct{}, 1)}
	if x.observe == nil {
		x.observe = func(string) {}
	}
	return x
}

func (o *Outbox) wake() {
	select {
	case o.wakeC <- struct{}{}:
	default:
	}
}

const (
	batch   = 64
	poll    = 500 * time.Millisecond
	beat    = 30 * time.Second
	senders = 32 // deliveries worked on at once: they mostly wait for commits and the relay
)

// Start takes back what this node held when it died and begins to send. Stop
// waits for what is under way; both may be called twice.
func (o *Outbox) Start(ctx context.Context) error {
	o.life.Lock()
	defer o.life.Unlock()
	if o.stop != nil {
		return nil
	}
	if err := o.d.Update(ctx, func(tx *db.Tx) error { _, err := o.queue.Reclaim(ctx, tx, true); return err }); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o.stop, o.done = cancel, make(chan struct{})
	go o.loop(run, o.done)
	return nil
}

// Stop ends sending after what is under way.
func (o *Outbox) Stop() {
	o.life.Lock()
	defer o.life.Unlock()
	if o.stop == nil {
		return
	}
	o.stop()
	<-o.done
	o.stop = nil
}

func (o *Outbox) loop(ctx context.Context, done chan struct{}) {
	defer close(done)
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, senders)
	tick, heart := time.NewTicker(poll), time.NewTicker(beat)
	defer tick.Stop()
	defer heart.Stop()
	for {
		ids := o.claim(ctx, min(batch, senders-len(slots)))
		for _, id := range ids {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots; o.wake() }()
				o.deliver(context.WithoutCancel(ctx), ID(id))
			})
		}
		if len(ids) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-o.wakeC:
		case <-tick.C:
		case <-heart.C:
			o.heartbeat(ctx)
		}
	}
}

func (o *Outbox) claim(ctx context.Context, n int) (ids []string) {
	if n <= 0 || ctx.Err() != nil {
		return nil
	}
	due := false
	err := o.d.View(ctx, func(tx *db.Tx) (err error) { due, err = o.queue.Due(ctx, tx); return err })
	if err == nil && due {
		err = o.d.Update(ctx, func(tx *db.Tx) (err error) { ids, err = o.queue.Claim(ctx, tx, n); return err })
	}
	if err != nil && ctx.Err() == nil {
		o.log.Warn("outbox: claim", "err", err)
	}
	return ids
}

func (o *Outbox) heartbeat(ctx context.Context) {
	err := o.d.Update(ctx, func(tx *db.Tx) error {
		if err := o.queue.Beat(ctx, tx); err != nil {
			return err
		}
		_, err := o.queue.Reclaim(ctx, tx, false)
		return err
	})
	if err != nil && ctx.Err() == nil {
		o.log.Warn("outbox: heartbeat", "err", err)
	}
}
