// Package outbox is the only way out. Whatever leaves the desk, a reply, an
// acknowledgement, a notice, is queued here as one delivery per person in the
// transaction of its cause, and leaves as a mail of its own.
//
// The worker gathers the facts again when it sends: keys change, findings
// appear. It asks policy once more, holds what would go with less protection
// than the agent saw, seals, parses the finished mail back and checks that it
// is signed by us and encrypted to exactly the intended key, records the
// attempt, and only then speaks to the relay. Nothing is built unsigned: there is
// no code path to a mail without a signature. From a finished one it is taken off
// for whoever chose that for themselves (bare.go), and what was signed is kept.
//
// A delivery is sent at least once, under one Message-ID: a mail whose fate is
// unknown (in doubt, or the process died while sending) is sent again and
// marked, byte for byte the same.
package outbox

import (
	"context"
	"regexp"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/policy"
)

// ID names a delivery.
type ID string

// State of a delivery.
type State string

const (
	Waiting  State = "waiting"  // queued; may be undone until it is due
	Working  State = "working"  // a worker gathers facts and seals
	Sending  State = "sending"  // the attempt is recorded; the relay is spoken to
	Sent     State = "sent"     // the relay took it
	Captured State = "captured" // no relay is set: it is in the tray
	Deferred State = "deferred" // will be tried again
	Held     State = "held"     // a person must look at it
	Failed   State = "failed"   // refused for good, or given up
	Bounced  State = "bounced"  // taken, then returned
	Undone   State = "undone"   // taken back before it left
)

// Kind of a delivery.
type Kind string

const (
	Reply   Kind = "reply"
	Ack     Kind = "ack"
	Notice  Kind = "notice"  // that something happened; it says nothing of what
	Receipt Kind = "receipt" // of what they are asked to authorise, or did
	Survey  Kind = "survey"  // asks whether it was solved
	Nudge   Kind = "nudge"   // says that something new stands on the case page, and not what
	Call    Kind = "call"    // to somebody who works here: a case waits for them
	Summary Kind = "summary" // to the executive: figures
	Report  Kind = "report"  // how far a security report has come
)

// House reports whether it goes to people who work here.
func (k Kind) House() bool { return k == Call || k == Summary }

// Ours reports whether the desk itself chose the words: they hold nothing that
// anybody wrote, and nothing sensitive.
func (k Kind) Ours() bool {
	return k == Ack || k == Notice || k == Survey || k == Nudge || k == Report || k.House()
}

// apart reports whether it goes to an address that is no contact's.
func (k Kind) apart() bool { return k == Nudge || k.House() }

// Undo is how long an agent may take a reply back.
const Undo = 15 * time.Second

// A Delivery is one message on its way to one person.
type Delivery struct {
	ID         ID
	Case       cases.ID
	Message    cases.MessageID
	Contact    contacts.ID
	Kind       Kind
	Mailbox    string
	Address    string
	MailID     string            // Message-ID without brackets, fixed when queued
	Shown      policy.Protection // what the agent saw
	Protection policy.Protection // what was decided when it was sent
	State      State
	Reason     string
	Attempts   int64
	Due        time.Time
	SealedTo   string // fingerprint of the key the mail was built for, or withoutSignature
	RawBlob    string // the finished mail, with its signature
	Made, Done time.Time
	Read       time.Time // on the case page, for the first time
	textSum    string    // of the text as it left
	troubles   int64     // of our own; Attempts counts those that the relay was spoken to
}

// sending is the reason of a delivery whose attempt has no outcome yet; inDoubt
// begins that of one whose outcome nobody knows.
const (
	sending = "sending"
	inDoubt = "in doubt"
)

// Final reports whether nothing more will happen by itself.
func (d *Delivery) Final() bool {
	switch d.State {
	case Waiting, Working, Sending, Deferred:
		return false
	}
	return true
}

// backoff is the wait after the nth attempt failed for the moment; ok is false
// when it is time to give up (about five days, RFC 5321, 4.5.4.1).
func backoff(attempts int64) (wait time.Duration, ok bool) {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	if attempts > 35 {
		return 0, false
	}
	if int(attempts) <= len(steps) {
		return steps[max(attempts, 1)-1], true
	}
	return steps[len(steps)-1], true
}

// Queue puts a message on its way to one person, in the transaction that also
// stores the message.
func (o *Outbox) Queue(ctx context.Context, tx *db.Tx, d *Delivery) error {
	if d.Address == "" && d.Shown != policy.Page {
		return fail.New(fail.Invalid, "this person has no mail address on file")
	}
	domain := d.Mailbox[strings.LastIndexByte(d.Mailbox, '@')+1:]
	d.ID, d.State, d.Made = ID(db.NewID()), Waiting, tx.Now
	d.MailID = db.NewSecret() + "@" + domain
	if d.Due.IsZero() {
		d.Due = tx.Now
	}
	err := tx.Put(ctx, `INSERT INTO deliveries (id, case_id, message_id, contact_id, kind, mailbox, address, mail_id, shown, state, due_at, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		d.ID, d.Case, d.Message, d.Contact, d.Kind, d.Mailbox, o.v.Desk().SealText(d.Address, "delivery", string(d.ID)), d.MailID, d.Shown, d.State,
		db.Micros(d.Due), db.Micros(d.Made))
	if err != nil {
		return err
	}
	if err := o.cases.AddMailID(ctx, tx, d.MailID, &cases.Message{ID: cases.MessageID(d.ID), Case: d.Case}, ""); err != nil {
		return err
	}
	if !d.Due.After(tx.Now) { // what is due later is found when it is
		tx.AfterCommit(o.worker.Wake)
	}
	return nil
}

const columns = `id, case_id, message_id, contact_id, kind, mailbox, address, mail_id, shown, protection, state, reason, attempts, due_at, sealed_to, raw_blob, made_at, done_at, read_at, text_sum, troubles`

func (o *Outbox) scan(d *Delivery, row func(...any) error) error {
	var address []byte
	err := row(&d.ID, &d.Case, &d.Message, &d.Contact, &d.Kind, &d.Mailbox, &address, &d.MailID, &d.Shown, &d.Protection, &d.State, &d.Reason,
		&d.Attempts, db.Time(&d.Due), &d.SealedTo, &d.RawBlob, db.Time(&d.Made), db.Time(&d.Done), db.Time(&d.Read), &d.textSum, &d.troubles)
	if err != nil {
		return err
	}
	d.Address, err = o.v.Desk().OpenText(address, "delivery", string(d.ID))
	return err
}

// Get returns a delivery; none is NotFound.
func (o *Outbox) Get(ctx context.Context, tx *db.Tx, id ID) (*Delivery, error) {
	return db.One(ctx, tx, o.scan, `SELECT `+columns+` FROM deliveries WHERE id = $1`, id)
}

// Read notes that an answer on the case page was seen; first tells whether it is the
// first time.
func (o *Outbox) Read(ctx context.Context, tx *db.Tx, id ID) (first bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE deliveries SET read_at = $2 WHERE id = $1 AND read_at = 0`, id, db.Micros(tx.Now))
	return n == 1, err
}

// OfMail returns the delivery that a mail of ours was; none is NotFound.
func (o *Outbox) OfMail(ctx context.Context, tx *db.Tx, mailID string) (*Delivery, error) {
	return db.One(ctx, tx, o.scan, `SELECT `+columns+` FROM deliveries WHERE mail_id = $2
		AND id IN (SELECT message_id FROM message_ids WHERE hash = $1)`, o.cases.MailHash(mailID), mailID)
}

// OfCase lists a case's deliveries, oldest first.
func (o *Outbox) OfCase(ctx context.Context, tx *db.Tx, c cases.ID) ([]Delivery, error) {
	return db.List(ctx, tx, o.scan, `SELECT `+columns+` FROM deliveries WHERE case_id = $1 ORDER BY made_at, id`, c)
}

// Tray lists captured mails, newest first, before the mark (0: from the top).
func (o *Outbox) Tray(ctx context.Context, tx *db.Tx, limit int) ([]Delivery, error) {
	return db.List(ctx, tx, o.scan, `SELECT `+columns+` FROM deliveries WHERE state = 'captured' ORDER BY done_at DESC, id DESC LIMIT CAST($1 AS BIGINT)`, limit)
}

// Undo takes a message back that has not left: all of its deliveries, or none.
func (o *Outbox) Undo(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID, staff string) error {
	total, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM deliveries WHERE message_id = $1 AND case_id = $2 AND kind = 'reply'`, m, c.ID)
	if err != nil {
		return err
	}
	if newer, err := o.ladder.Newer(ctx, tx, c.ID, m); err != nil {
		return err
	} else if newer {
		return fail.New(fail.Conflict, "another answer was written after this one; take that back first")
	}
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'undone', done_at = $3 WHERE message_id = $1 AND case_id = $2 AND kind = 'reply' AND state = 'waiting' AND due_at > $3`,
		m, c.ID, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	if total == 0 {
		return fail.New(fail.NotFound, "there is no such message")
	}
	if n < total {
		return fail.New(fail.Conflict, "it is too late: the message is on its way")
	}
	if err := o.unsaid(ctx, tx, c, m); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(staff), Act: "message.undone", About: string(c.ID), Detail: "message " + string(m)})
}

// unsaid takes back what an answer counted for that does not reach whoever the case is
// with, by any way.
func (o *Outbox) unsaid(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
	if o.ladder == nil {
		return nil
	}
	left, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM deliveries WHERE message_id = $1 AND case_id = $2 AND contact_id = $3 AND kind = 'reply' AND state NOT IN ('undone', 'held', 'failed', 'bounced')`, m, c.ID, c.Contact)
	if err != nil || left > 0 {
		return err
	}
	if err := o.ladder.Unsaid(ctx, tx, c, m); err != nil {
		return err
	}
	return o.cases.Save(ctx, tx, c)
}

// strayed is unsaid for an answer that left and did not arrive, or may not leave: the
// case is open again, and somebody must look.
func (o *Outbox) strayed(ctx context.Context, tx *db.Tx, d *Delivery) error {
	if o.ladder == nil || d.Kind != Reply {
		return nil
	}
	counted, err := o.ladder.Counted(ctx, tx, d.Message)
	if err != nil || !counted {
		return err
	}
	c, err := o.cases.Get(ctx, tx, d.Case)
	if err != nil || d.Contact != c.Contact {
		return err
	}
	if c.State == cases.Closed {
		c.State, c.ClosedAt = cases.Open, time.Time{}
	}
	if err := o.unsaid(ctx, tx, c, d.Message); err != nil {
		return err
	}
	if counted, err = o.ladder.Counted(ctx, tx, d.Message); err != nil || counted {
		return err // it reached them by another way
	}
	c.State, c.Unread = cases.Open, true
	if c.Alarm == "" {
		c.Alarm = strayAlarm
	}
	return o.cases.Save(ctx, tx, c)
}

const strayAlarm = "An answer of ours did not reach them"

// arrived counts an answer that had strayed, was tried again, and is out now.
func (o *Outbox) arrived(ctx context.Context, tx *db.Tx, l *letter) error {
	if o.ladder == nil || l.d.Kind != Reply || l.m.Door != "desk" || l.m.Author == "" || l.c.Due.IsZero() && l.c.Alarm != strayAlarm {
		return nil
	}
	counted, err := o.ladder.Counted(ctx, tx, l.m.ID)
	if err != nil || counted {
		return err
	}
	c, err := o.cases.Get(ctx, tx, l.d.Case)
	if err != nil || c.Contact != l.d.Contact || c.Heard.After(l.m.At) { // they wrote since: it answers something older
		return err
	}
	if c.Alarm == strayAlarm {
		c.Alarm = ""
	}
	c.Answered(tx.Now)
	if err := o.ladder.Spoke(ctx, tx, c, ladder.Answer{Message: l.m.ID, By: l.m.Author, Canned: l.m.Canned}); err != nil {
		return err
	}
	return o.cases.Save(ctx, tx, c)
}

// Discard ends a held or failed delivery.
func (o *Outbox) Discard(ctx context.Context, tx *db.Tx, c *cases.Case, id ID, staff string) error {
	if err := db.Change(ctx, tx, `UPDATE deliveries SET state = 'undone', done_at = $3 WHERE id = $1 AND case_id = $2 AND state IN ('held', 'failed', 'bounced')`,
		id, c.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	d, err := o.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := o.unsaid(ctx, tx, c, d.Message); err != nil {
		return err
	}
	return o.settle(ctx, tx, c, id, staff, "delivery.discarded")
}

// Retry lets a held or failed delivery be decided and tried again. Whoever
// releases a held one has read how it could go now, and agrees to that: it is
// what they were shown from then on.
func (o *Outbox) Retry(ctx context.Context, tx *db.Tx, c *cases.Case, id ID, staff string) error {
	if err := o.mayRetry(ctx, tx, c, id); err != nil {
		return err
	}
	if err := db.Change(ctx, tx, `UPDATE deliveries SET shown = CASE WHEN state = 'held' AND protection IN ('signed', 'opted-out', 'portal') THEN protection ELSE shown END,
		state = 'waiting', due_at = $3, done_at = 0, reason = '', attempts = 0, troubles = 0 WHERE id = $1 AND case_id = $2 AND state IN ('held', 'failed', 'bounced')`,
		id, c.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	tx.AfterCommit(o.worker.Wake)
	return o.settle(ctx, tx, c, id, staff, "delivery.retried")
}

// mayRetry keeps a canned answer from leaving late into a case that waits for a person.
func (o *Outbox) mayRetry(ctx context.Context, tx *db.Tx, c *cases.Case, id ID) error {
	d, err := o.Get(ctx, tx, id)
	if err != nil || d.Kind != Reply || !c.Lifted && !c.Security.Watched() {
		return err
	}
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1 AND canned`, d.Message)
	if err == nil && n > 0 {
		err = ladder.ErrSecond(c)
	}
	return err
}

// settle records the act and takes the mark off a case that holds nothing any more.
func (o *Outbox) settle(ctx context.Context, tx *db.Tx, c *cases.Case, id ID, staff, act string) error {
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(staff), Act: act, About: string(c.ID), Detail: "delivery " + string(id)}); err != nil {
		return err
	}
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM deliveries WHERE case_id = $1 AND state = 'held'`, c.ID)
	if err != nil || (n > 0) == c.Held {
		return err
	}
	c.Held = n > 0
	return o.cases.Save(ctx, tx, c)
}

// statusCode is all that is kept of what the other side says: its text may
// repeat addresses and subjects, and this column is not sealed.
var statusCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`) // RFC 3463, 2

// meanings are the usual status codes in words, by what follows their class.
var meanings = map[string]string{"1.1": ", there is no such mailbox", "1.2": ", there is no such domain", "1.10": ", the domain takes no mail",
	"2.1": ", the mailbox is switched off", "2.2": ", the mailbox is full", "3.4": ", the mail is too large", "4.7": ", it waited too long",
	"7.1": ", it was turned away by a rule of theirs", "7.26": ", it was turned away by a rule of theirs"}

func meaning(status string) string {
	_, rest, _ := strings.Cut(status, ".")
	return meanings[rest]
}

// Bounced notes that a mail of ours came back, or is delayed. It returns the
// delivery, or NotFound if no mail of ours has that Message-ID.
func (o *Outbox) Bounced(ctx context.Context, tx *db.Tx, mailID, status string, permanent bool) (*Delivery, error) {
	d, err := o.OfMail(ctx, tx, mailID)
	if err != nil {
		return nil, err
	}
	if !permanent || d.State == Bounced {
		return d, nil
	}
	if !statusCode.MatchString(status) {
		status = "no status"
	}
	d.State, d.Reason, d.Done = Bounced, "returned by the receiving side: "+status+meaning(status), tx.Now
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2, reason = $3, done_at = $4 WHERE id = $1`, d.ID, d.State, d.Reason, db.Micros(tx.Now)); err != nil {
		return nil, err
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "delivery.bounced", About: string(d.Case), Detail: "delivery " + string(d.ID) + "; status " + status}); err != nil {
		return nil, err
	}
	if err := o.strayed(ctx, tx, d); err != nil {
		return nil, err
	}
	return d, o.ended(ctx, tx, d)
}

// autoEvery is how often one address gets an automatic mail, whoever names it.
const autoEvery = 24 * time.Hour

// AskAutoAnswered is the query for an automatic mail that went to the address in
// the last 24 hours: one is all it may get.
func (o *Outbox) AskAutoAnswered(out *[]string, address string, now time.Time) db.Query {
	return db.Into(out, func(s *string, row func(...any) error) error { return row(s) },
		`SELECT lookup FROM auto_answers WHERE lookup = $1 AND at > $2`, o.autoLookup(address), db.Micros(now.Add(-autoEvery)))
}

// AutoAnswered notes an automatic mail to an address. If another was noted in the
// last 24 hours, it is a Conflict.
func (o *Outbox) AutoAnswered(ctx context.Context, tx *db.Tx, address string) error {
	return tx.Must(ctx, fail.New(fail.Conflict, "another automatic mail went to this address today"),
		`INSERT INTO auto_answers (lookup, at) VALUES ($1, $2) ON CONFLICT (lookup) DO UPDATE SET at = excluded.at WHERE auto_answers.at <= $3`,
		o.autoLookup(address), db.Micros(tx.Now), db.Micros(tx.Now.Add(-autoEvery)))
}

func (o *Outbox) autoLookup(address string) string {
	return o.v.Index("address", contacts.Normal(address))
}
