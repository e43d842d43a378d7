// Package intake is the only way in. Accept stores the raw bytes, sealed, as a
// spooled row; only when they are on disk does the sender hear 250. A worker
// then takes each mail through one line: parse, open, find what it proves,
// match it to a case, and file all of that in one transaction.
//
// What cannot be processed is kept, quarantined and shown to staff with the
// reason, and can be run again; it never stands in the way of the next mail.
//
// A sender is never more than the address he gives: who may join a case is
// decided by what the mail refers to *and* by whether that address belongs to
// the case already. A stranger with a reference gets a case of his own, linked
// for the agent to see.
package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/mailauth"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/security"
	"postern/internal/vault"
)

// Envelope is a mail as a door took it.
type Envelope struct {
	Door   string     `json:"door"` // "smtp", "lmtp"
	Remote netip.Addr `json:"remote,omitzero"`
	Helo   string     `json:"helo,omitempty"`
	TLS    bool       `json:"tls,omitempty"`
	From   string     `json:"from"`
	To     []string   `json:"to"`
	Raw    []byte     `json:"-"`
}

// Options is what intake needs.
type Options struct {
	DB        *db.DB
	Vault     *vault.Vault
	Cases     *cases.Store
	Contacts  *contacts.Book
	Mailboxes *mailboxes.Store
	Outbox    *outbox.Outbox
	Centre    *centre.Store                                         // nil: no forms
	Ladder    *ladder.Ladder                                        // nil: none
	Security  *security.Service                                     // nil: nothing is recognised
	Host      string                                                // of our own pages
	Own       func() []string                                       // further hosts and domains of ours; nil: none
	Team      *pgp.Key                                              // of those who triage; its secret part is not here. nil: there is none
	Resolver  mailauth.Resolver                                     // nil: sending domains are not checked
	Speaks    Speaks                                                // nil: instructions are not proved by mail
	Filed     Filed                                                 // nil: nobody listens
	Stuck     func(ctx context.Context, tx *db.Tx, id string) error // told of a mail for the security people that could not be filed; may be nil
	Node      string
	Log       *slog.Logger
	Observe   func(event string) // metrics; may be nil
}

// Filed is told of every message from outside, in the transaction that files it.
// A mail that came back is none: it is the end of one of ours.
type Filed func(ctx context.Context, tx *db.Tx, m *cases.Message) error

// Intake takes mail in.
type Intake struct {
	d        *db.DB
	v        *vault.Vault
	cases    *cases.Store
	book     *contacts.Book
	boxes    *mailboxes.Store
	out      *outbox.Outbox
	centre   *centre.Store
	ladder   *ladder.Ladder
	security *security.Service
	host     string
	own      func() []string
	team     *pgp.Key
	resolver mailauth.Resolver
	speaks   Speaks
	filed    Filed
	stuck    func(ctx context.Context, tx *db.Tx, id string) error
	log      *slog.Logger
	observe  func(string)
	worker   *db.Worker
	cpu      chan struct{} // parsing and crypto: as many at once as cores
	turn     sync.Mutex    // of mails that met another on the way into their case
	fresh    sync.Map      // id -> *Spooled: mails just accepted, so that the worker need not read them back
}

// maxFresh is up to which size a mail is kept in memory until the worker takes
// it; the worker's places bound how many there are.
const maxFresh = 64 << 10

// slots is how many mails are worked on at once; most of them wait for a commit.
const slots = 48

// New returns an intake whose worker does not run yet.
func New(o Options) *Intake {
	in := &Intake{d: o.DB, v: o.Vault, cases: o.Cases, book: o.Contacts, boxes: o.Mailboxes, out: o.Outbox, centre: o.Centre, ladder: o.Ladder, security: o.Security, host: o.Host, own: o.Own, team: o.Team, resolver: o.Resolver, speaks: o.Speaks, filed: o.Filed, stuck: o.Stuck,
		log: o.Log, observe: o.Observe, cpu: make(chan struct{}, runtime.NumCPU())}
	if in.observe == nil {
		in.observe = func(string) {}
	}
	if in.filed == nil {
		in.filed = func(context.Context, *db.Tx, *cases.Message) error { return nil }
	}
	in.worker = &db.Worker{DB: o.DB, Slots: slots, Log: o.Log, Handle: in.handle, Queue: db.Queue{Table: "spool",
		Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: o.Node}}
	return in
}

// Start begins to work on spooled mail. Stop waits for what is under way.
func (in *Intake) Start(ctx context.Context) error { return in.worker.Start(ctx) }
func (in *Intake) Stop()                           { in.worker.Stop() }

// Known reports whether mail for the address is ours to take: a mailbox, a
// mailbox with something behind a plus, or our postmaster (RFC 5321, 4.5.1).
func (in *Intake) Known(_ context.Context, address string) (bool, error) {
	if strings.EqualFold(address, "postmaster") {
		return true, nil
	}
	name, token := cases.SplitPlus(address)
	box, err := in.boxes.Get(name)
	if err != nil { // the postmaster of our domains, too
		local, domain, _ := strings.Cut(address, "@")
		return strings.EqualFold(local, "postmaster") && slices.ContainsFunc(in.boxes.All(), func(b mailboxes.Mailbox) bool { return strings.HasSuffix(b.Address, "@"+strings.ToLower(domain)) }), nil
	}
	return !box.Closed || len(in.cases.Tokens.Find(token)) > 0, nil // whoever answers us is heard, also where nothing new is taken
}

// Accept stores a mail. When it returns nil the bytes are on disk. Those of a
// large mail are sealed where they stand: e.Raw is Accept's from then on.
func (in *Intake) Accept(ctx context.Context, e *Envelope) error {
	id, key := db.NewID(), in.v.NewKey()
	size := len(e.Raw)
	var sealed []byte
	if size > maxFresh {
		sealed = key.SealOver(e.Raw, "blob", id)
		e.Raw = nil
	} else {
		sealed = key.Seal(e.Raw, "blob", id)
	}
	env, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	sealedEnv := key.Seal(env, "spool", id)
	mine := in.worker.Reserve()
	var came time.Time
	err = in.d.Update(ctx, func(tx *db.Tx) error {
		if err := vault.Add(ctx, tx, key); err != nil {
			return err
		}
		if err := vault.PutBlob(ctx, tx, id, key, size, sealed); err != nil {
			return err
		}
		came = tx.Now
		state, owner, lease := in.worker.Claimed(tx, mine)
		return tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at, owner, lease_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)`,
			id, state, e.Door, sealedEnv, key.ID, size, db.Micros(tx.Now), owner, lease)
	})
	switch {
	case err != nil && mine:
		in.worker.Release()
	case err == nil && mine:
		if size <= maxFresh {
			in.fresh.Store(id, &Spooled{ID: id, Size: int64(size), Came: came, Envelope: *e, key: key, keyID: key.ID})
		}
		in.worker.Give(id)
	case err == nil:
		in.worker.Wake()
	}
	if err != nil {
		in.observe("refused")
		return err
	}
	in.observe("accepted")
	return nil
}

// A Spooled mail is a row of the spool.
type Spooled struct {
	ID       string
	State    string
	Reason   string
	Size     int64
	Attempts int64
	Came     time.Time
	Case     cases.ID
	Envelope Envelope
	key      *vault.Key
	sealedEn []byte
	keyID    string
	unread   bool // the envelope is damaged
}

const columns = `id, state, reason, size, attempts, came_at, case_id, envelope, key_id`

func scan(s *Spooled, row func(...any) error) error {
	return row(&s.ID, &s.State, &s.Reason, &s.Size, &s.Attempts, db.Time(&s.Came), &s.Case, &s.sealedEn, &s.keyID)
}

// Get returns a spooled mail with its raw bytes.
func (in *Intake) Get(ctx context.Context, id string) (*Spooled, error) {
	var s *Spooled
	var blob *vault.Blob
	err := in.d.View(ctx, func(tx *db.Tx) (err error) {
		if s, err = db.One(ctx, tx, scan, `SELECT `+columns+` FROM spool WHERE id = $1`, id); err != nil {
			return err
		}
		blob, err = in.v.GetBlob(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.key = blob.Key
	if err := s.openEnvelope(); err != nil {
		return nil, err
	}
	s.Envelope.Raw, err = blob.Open()
	return s, err
}

func (s *Spooled) openEnvelope() error {
	env, err := s.key.Open(s.sealedEn, "spool", s.ID)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(env, &s.Envelope); err != nil {
		return fmt.Errorf("decode envelope: %w", err)
	}
	return nil
}

// Quarantined lists mails that could not be processed, newest first.
func (in *Intake) Quarantined(ctx context.Context, tx *db.Tx, limit int) ([]Spooled, error) {
	list, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM spool WHERE state = 'quarantine' ORDER BY came_at DESC, id DESC LIMIT CAST($1 AS BIGINT)`, limit)
	for i := range list {
		key, e := in.v.Get(ctx, tx, list[i].keyID)
		if fail.Is(e, fail.Unavailable) {
			return nil, e
		}
		if list[i].key = key; e == nil {
			e = list[i].openEnvelope()
		}
		if e != nil { // it is shown all the same, and hides no other
			list[i].Reason = "damaged: who wrote it, and to whom, cannot be read any more"
		}
	}
	return list, err
}

// Rerun gives a quarantined mail back to the worker.
func (in *Intake) Rerun(ctx context.Context, tx *db.Tx, id, staff string) error {
	if err := db.Change(ctx, tx, `UPDATE spool SET state = 'spooled', attempts = 0, reason = '', due_at = $2, done_at = 0 WHERE id = $1 AND state = 'quarantine'`, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	tx.AfterCommit(in.worker.Wake)
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(staff), Act: "mail.rerun", About: id})
}

// maxAttempts is after how many failures of our own a mail is shown to a person.
const maxAttempts = 5

// handle takes one claimed mail to its end: filed, merged, dropped, quarantined,
// or back to the spool for later.
func (in *Intake) handle(ctx context.Context, id string) {
	err := in.attempt(ctx, id)
	if err == nil {
		return
	}
	k := fail.KindOf(err)
	in.log.Error("intake: mail", "mail", id, "err", err)
	e := in.d.Update(ctx, func(tx *db.Tx) error {
		row, err2 := db.One(ctx, tx, scan, `SELECT `+columns+` FROM spool WHERE id = $1`, id)
		if err2 != nil || row.State == "done" || row.State == "quarantine" { // the commit that seemed to fail did not
			return err2
		}
		if row.Attempts+1 >= maxAttempts && k != fail.Unavailable && k != fail.Full {
			return in.setAside(ctx, tx, in.opened(ctx, tx, row), "it could not be processed; the log says why")
		}
		wait := time.Duration(1<<min(row.Attempts, 8)) * time.Second
		_, err2 = tx.Exec(ctx, `UPDATE spool SET state = 'spooled', owner = '', attempts = attempts + 1, due_at = $2 WHERE id = $1 AND done_at = 0 AND owner = $3`, id, db.Micros(tx.Now.Add(wait)), in.worker.Queue.Owner)
		return err2
	})
	if e != nil {
		in.log.Error("intake: put back", "mail", id, "err", e) // its lease runs out and it is claimed again
	}
}

// opened is a mail with whom it is for, as far as that can be read.
func (in *Intake) opened(ctx context.Context, tx *db.Tx, s *Spooled) *Spooled {
	var err error
	if s.key, err = in.v.Get(ctx, tx, s.keyID); err == nil {
		err = s.openEnvelope()
	}
	s.unread = err != nil
	return s
}

// attempt takes and processes a mail. A fault of ours, whatever the mail did to
// bring it about, is an error like others: it ends in a row and not in a crash.
func (in *Intake) attempt(ctx context.Context, id string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fail.Panic(p)
		}
	}()
	s, err := in.take(ctx, id)
	if err != nil {
		return err
	}
	return in.process(ctx, s)
}

// errLost ends the work on a mail that is not this node's any more: its lease ran out,
// and another took it up.
var errLost = fail.New(fail.Conflict, "the mail is gone, or another node works on it")

// take returns a claimed mail: as it was accepted a moment ago, or as stored.
func (in *Intake) take(ctx context.Context, id string) (*Spooled, error) {
	if s, ok := in.fresh.LoadAndDelete(id); ok {
		return s.(*Spooled), nil
	}
	s, err := in.Get(ctx, id)
	if err == nil && len(s.Envelope.Raw) > large {
		debug.FreeOSMemory() // what taking it in left behind is several times its size
	}
	return s, err
}

// large is a mail worth a collection of its own.
const large = 4 << 20

func (in *Intake) quarantine(ctx context.Context, tx *db.Tx, id, reason string) error {
	tx.AfterCommit(func() { in.observe("quarantined") })
	if err := tx.Must(ctx, errLost, `UPDATE spool SET state = 'quarantine', owner = '', reason = $2, done_at = $3 WHERE id = $1 AND done_at = 0 AND owner = $4`,
		id, reason, db.Micros(tx.Now), in.worker.Queue.Owner); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "mail.quarantined", About: id, Detail: machineWord(reason)})
}

// machineWord keeps the log free of a sender's text: only the word before the
// colon of a reason is ours.
func machineWord(reason string) string {
	word, _, _ := strings.Cut(reason, ":")
	if len(word) > 60 {
		word = word[:60]
	}
	return word
}

func (in *Intake) done(ctx context.Context, tx *db.Tx, id string, c cases.ID) error {
	tx.AfterCommit(func() { in.observe("filed") })
	return tx.Must(ctx, errLost, `UPDATE spool SET state = 'done', owner = '', case_id = $2, done_at = $3 WHERE id = $1 AND done_at = 0 AND owner = $4`,
		id, c, db.Micros(tx.Now), in.worker.Queue.Owner)
}
