package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/fail"
	"postern/internal/policy"
	"postern/internal/portal"
	"postern/internal/smtpc"
)

// deliver takes one claimed delivery to its next state. An error of ours (the
// database is away, a blob is damaged) defers it; it is never lost.
func (o *Outbox) deliver(ctx context.Context, row string) {
	id := ID(row)
	if err := o.attempt(ctx, id); err != nil {
		o.log.Error("outbox: delivery", "delivery", id, "err", err)
		o.putBack(ctx, id, err)
	}
}

// attempt decides again, and holds or sends. A fault of ours is an error like
// others: it ends in a row and not in a crash.
func (o *Outbox) attempt(ctx context.Context, id ID) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fail.Panic(p)
		}
	}()
	l, err := o.letter(ctx, id)
	if err != nil {
		return err
	}
	if l.overtaken() {
		if err := o.dropSurvey(ctx, l); err != nil {
			return err
		}
		return o.finish(ctx, l, Undone, "the case was opened again before it was asked about", 0)
	}
	if wait, err := o.crowded(ctx, l); err != nil || wait > 0 {
		if err == nil {
			err = o.finish(ctx, l, Deferred, "another automatic mail went to this address lately", wait)
		}
		return err
	}
	if l.d.Kind == Reply && l.m.Canned && (l.c.Lifted || l.c.Security.Watched()) && l.d.Attempts == 0 {
		l.decision = policy.Verdict{Protection: policy.Blocked, Why: "it is canned, and since it was written a person was called to the case: write in your own words"}
	}
	if f := o.misleads(ctx, l); f != nil && l.decision.Protection != policy.Blocked {
		l.decision = policy.Verdict{Protection: policy.Blocked, Why: f.Plain()} // the reason is not sealed
	}
	if l.decision.Protection == policy.Blocked || !policy.StillHolds(l.d.Shown, l.decision.Protection) {
		return o.hold(ctx, l)
	}
	return o.send(ctx, l)
}

// Facts gathers what policy needs to know of one contact in one case. The composer
// and the worker both ask here.
func (o *Outbox) Facts(ctx context.Context, tx *db.Tx, c *contacts.Contact, in cases.ID, sensitive bool) (policy.Facts, *contacts.Key, error) {
	f := policy.Facts{Sensitive: sensitive, Address: c.MailTo() != "", Key: policy.NoKey, Factor: policy.NoFactor}
	key, _ := c.VerifiedKey(tx.Now)
	switch {
	case key != nil:
		f.Key = policy.Verified
	case c.HasVerified():
		f.Key = policy.Unusable
	case len(c.Keys) > 0:
		f.Key = policy.Unverified
	}
	if !f.Address {
		has, err := o.receipt(ctx, tx, in, c.ID)
		if f.Receipt = has; err != nil {
			return f, nil, err
		}
	}
	if len(c.Phones) > 0 {
		f.Factor = policy.Call
	}
	if o.passkey != nil && sensitive && key == nil { // else it decides nothing
		has, err := o.passkey(ctx, tx, c.ID)
		if err != nil {
			return f, nil, err
		}
		if has {
			f.Factor = policy.Passkey
		}
	}
	return f, key, nil
}

// telling reports whether any of the texts holds something sensitive. The subject
// of the case is among them: it goes back in every answer.
func telling(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return len(dlp.Find(s)) > 0 })
}

// hold stops a delivery for a person to look at.
func (o *Outbox) hold(ctx context.Context, l *letter) error {
	o.observe("held")
	reason := l.decision.Why
	if l.decision.Protection != policy.Blocked {
		reason = fmt.Sprintf("you were shown %q, but now it could only go %q: %s", l.d.Shown, l.decision.Protection, l.decision.Why)
	}
	return o.d.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'held', reason = $2, protection = $3, owner = '' WHERE id = $1 AND done_at = 0 AND owner = $4`,
			l.d.ID, reason, l.decision.Protection, o.worker.Queue.Owner)
		if err != nil || n == 0 {
			return err
		}
		return o.markHeld(ctx, tx, l.d, "policy")
	})
}

func (o *Outbox) markHeld(ctx context.Context, tx *db.Tx, d *Delivery, why string) error {
	c, err := o.cases.Get(ctx, tx, d.Case)
	if err != nil {
		return err
	}
	c.Held = true
	if err := o.cases.Save(ctx, tx, c); err != nil {
		return err
	}
	if err := o.strayed(ctx, tx, d); err != nil {
		return err
	}
	return heldFor(ctx, tx, d, why)
}

func heldFor(ctx context.Context, tx *db.Tx, d *Delivery, why string) error {
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "delivery.held", About: string(d.Case), Detail: "delivery " + string(d.ID) + ": " + why})
}

// send seals (or takes the mail sealed before), records the attempt, speaks to
// the relay and records what it said.
func (o *Outbox) send(ctx context.Context, l *letter) error {
	if l.decision.Protection == policy.Page {
		return o.place(ctx, l)
	}
	raw, err := o.finished(ctx, l)
	if err != nil {
		return err
	}
	if raw, err = o.leaving(l, raw); err != nil {
		return err
	}
	if o.relay == nil {
		return o.finish(ctx, l, Captured, "", 0)
	}
	from := o.cases.Tokens.PlusAddress(l.box.Address, l.c.Ref)
	if l.d.Kind == Ack || l.d.Kind.House() {
		from = "" // RFC 3834, 3.3: nobody answers an automatic answer
	}
	res := o.relay.Send(ctx, from, l.d.Address, raw)
	switch res.Outcome {
	case smtpc.Sent:
		return o.finish(ctx, l, Sent, "", 0)
	case smtpc.Refused:
		return o.finish(ctx, l, Failed, "the relay refused it for good: "+said(res), 0)
	}
	reason := "not now: " + said(res)
	if res.Outcome == smtpc.InDoubt {
		reason = inDoubt + ": the relay did not say whether it took the mail; it goes again under the same Message-ID"
	}
	wait, again := backoff(l.d.Attempts)
	if !again {
		return o.finish(ctx, l, Failed, "given up after five days; last: "+said(res), 0)
	}
	return o.finish(ctx, l, Deferred, reason, wait)
}

// place leaves an answer on the case page. It stands in the case already; from now
// on the page shows it.
func (o *Outbox) place(ctx context.Context, l *letter) error {
	err := o.d.Update(ctx, func(tx *db.Tx) error {
		if err := o.nudge(ctx, tx, l); err != nil {
			return err
		}
		return o.recordAttempt(ctx, tx, l, "", "")
	})
	if err != nil {
		return err
	}
	return o.finish(ctx, l, Sent, "", 0)
}

// nudge tells the address that somebody left for it that something new stands on the
// case page; once a day at most, because anybody may have typed that address.
func (o *Outbox) nudge(ctx context.Context, tx *db.Tx, l *letter) error {
	to, err := o.centre.NudgeOf(ctx, tx, l.c.ID, l.d.Contact)
	if err != nil || to == "" {
		return err
	}
	var lately []string
	if err := tx.Read(ctx, o.AskAutoAnswered(&lately, to, tx.Now)); err != nil || len(lately) > 0 {
		return err
	}
	if err := o.AutoAnswered(ctx, tx, to); err != nil {
		return err
	}
	return o.Queue(ctx, tx, &Delivery{Case: l.c.ID, Message: l.m.ID, Contact: l.d.Contact, Kind: Nudge, Mailbox: l.d.Mailbox, Address: to, Shown: policy.Signed})
}

// said is what the relay answered, in codes: its text may repeat addresses and
// subjects, and what comes of this is not sealed.
func said(r smtpc.Result) string {
	switch {
	case r.Code == 0 && r.Stage == smtpc.StageMessage:
		return "the mail cannot be sent by SMTP"
	case r.Code == 0 && strings.Contains(r.Text, "@"):
		return "no answer"
	case r.Code == 0:
		return r.Text // ours: the connection, TLS, signing in
	case !statusCode.MatchString(r.Enhanced):
		return strconv.Itoa(r.Code)
	}
	return strconv.Itoa(r.Code) + " " + r.Enhanced + meaning(r.Enhanced)
}

// finish records how an attempt ended.
func (o *Outbox) finish(ctx context.Context, l *letter, s State, reason string, wait time.Duration) error {
	o.observe(string(s))
	back := fail.New(fail.Conflict, "it came back before, or is not ours any more")
	mine := `owner = $6`
	if s == Sent || s == Captured { // that is so, also where another node is about to send it again
		mine = `(owner = $6 OR done_at = 0)`
	}
	record := func(tx *db.Tx, tell bool) (err error) {
		due, done := tx.Now.Add(wait), tx.Now
		if s == Deferred {
			done = time.Time{}
		}
		// The other side may have returned it before our relay's answer came.
		if err := tx.Must(ctx, back, `UPDATE deliveries SET state = $2, reason = $3, due_at = $4, done_at = $5, owner = '', lease_until = 0 WHERE id = $1 AND state <> 'bounced' AND `+mine,
			l.d.ID, s, reason, db.Micros(due), db.Micros(done), o.worker.Queue.Owner); err != nil {
			return err
		}
		if l.decision.Protection == policy.Portal && (s == Sent || s == Captured) {
			if err := portal.Notified(ctx, tx, string(l.d.ID)); err != nil {
				return err
			}
		}
		if s == Deferred {
			return nil // attempts are counted in the row; the chain keeps outcomes
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "delivery." + string(s), About: string(l.d.Case),
			Detail: fmt.Sprintf("delivery %s, %s, attempt %d%s", l.d.ID, l.decision.Protection, l.d.Attempts+1, l.byConsent())}); err != nil {
			return err
		}
		if !tell {
			return nil
		}
		d := *l.d // this may run again
		d.State, d.Reason, d.Done = s, reason, done
		switch s {
		case Failed:
			err = o.strayed(ctx, tx, &d)
		case Sent, Captured:
			err = o.arrived(ctx, tx, l)
		}
		if err != nil {
			return err
		}
		return o.ended(ctx, tx, &d)
	}
	err := o.d.Update(ctx, func(tx *db.Tx) error { return record(tx, true) })
	if err != nil && !errors.Is(err, back) && !fail.Is(err, fail.Unavailable) && (s == Sent || s == Captured) { // it is out: that stands, whoever cannot hear of it
		o.log.Error("outbox: sent, and who listens was not told", "delivery", l.d.ID, "err", err)
		err = o.d.Update(ctx, func(tx *db.Tx) error { return record(tx, false) })
	}
	if errors.Is(err, back) {
		return nil
	}
	return err
}

// putBack keeps a delivery that met trouble of our own: it is tried again, and
// after several times shown to a person.
func (o *Outbox) putBack(ctx context.Context, id ID, cause error) {
	err := o.d.Update(ctx, func(tx *db.Tx) error { return o.setBack(ctx, tx, id, cause, true) })
	if err != nil && !fail.Is(err, fail.Unavailable) { // its case is damaged too: it is held all the same
		o.log.Error("outbox: put back", "delivery", id, "err", err)
		err = o.d.Update(ctx, func(tx *db.Tx) error { return o.setBack(ctx, tx, id, cause, false) })
	}
	if err != nil {
		o.log.Error("outbox: put back", "delivery", id, "err", err) // its lease runs out and it is claimed again
	}
}

// setBack is putBack in a transaction. mark: the case shows that something is held.
func (o *Outbox) setBack(ctx context.Context, tx *db.Tx, id ID, cause error, mark bool) error {
	d, err := o.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if d.Final() { // the commit that seemed to fail did not
		return nil
	}
	away := fail.Is(cause, fail.Unavailable) || fail.Is(cause, fail.Full) // that is not the delivery's fault
	if d.troubles >= 5 && !away || fail.Is(cause, fail.Invalid) || fail.Is(cause, fail.NotFound) {
		text := fail.Text(cause)
		if text == "" {
			text = "it could not be built or checked; the log says why"
		}
		n, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'held', reason = $2, owner = '' WHERE id = $1 AND done_at = 0 AND owner = $3`, id, text, o.worker.Queue.Owner)
		if err != nil || n == 0 {
			return err
		}
		if !mark {
			return heldFor(ctx, tx, d, "could not be built, and its case cannot be read")
		}
		return o.markHeld(ctx, tx, d, "could not be built")
	}
	wait, _ := backoff(d.troubles + 1)
	reason := "our own trouble; it is tried again"
	if d.State == Sending { // the relay may have said yes, and we could not write it down
		reason = inDoubt + ": what the relay said could not be kept; it goes again under the same Message-ID"
	}
	return tx.Put(ctx, `UPDATE deliveries SET state = 'deferred', reason = $3, troubles = troubles + 1, due_at = $2, owner = '' WHERE id = $1 AND done_at = 0 AND owner = $4`,
		id, db.Micros(tx.Now.Add(wait)), reason, o.worker.Queue.Owner)
}
