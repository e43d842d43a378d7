package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/smtpc"
)

// TestABurstIntoOneCaseIsFiled: many good mails for one case at once wait for each other, and
// none ends in quarantine.
func TestABurstIntoOneCaseIsFiled(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
		to := x.cases.Tokens.PlusAddress(box, c.Ref)
		const n = 300
		for i := range n {
			raw := x.raw(&letter{from: "emre@kestrel.example", subject: "more", text: fmt.Sprint("and ", i)})
			go func() {
				if err := x.in.Accept(context.Background(), &intake.Envelope{Door: "smtp", From: "emre@kestrel.example", To: []string{to}, Raw: raw}); err != nil {
					x.Error(err)
				}
			}()
		}
		x.until(func() bool { return x.count(`SELECT COUNT(*) FROM spool`) == n+1 })
		for range 2000 {
			if x.count(`SELECT COUNT(*) FROM spool WHERE state IN ('spooled', 'working')`) == 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
			x.clock.add(20 * time.Millisecond)
		}
		if q, done := x.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`), x.count(`SELECT COUNT(*) FROM spool WHERE state = 'done'`); q > 0 || done != n+1 {
			x.Errorf("%d good mails are in quarantine, %d of %d are filed", q, done, n+1)
		}
	})
}

// TestADamagedMailInQuarantineHidesNoOther: all are shown, that one with what is known of it.
func TestADamagedMailInQuarantineHidesNoOther(t *testing.T) {
	each(t, func(x *desk) {
		for range 2 {
			x.take(&letter{from: "Northmere <" + box + ">", subject: "Loop", text: "x"})
		}
		x.view(func(ctx context.Context, tx *db.Tx) error {
			l, err := x.in.Quarantined(ctx, tx, 10)
			if len(l) != 2 {
				x.Fatal(len(l), err)
			}
			return nil
		})
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(x.Context(), `UPDATE spool SET envelope = $1 WHERE id = (SELECT MAX(id) FROM spool)`, []byte("damaged beyond all reading, and long enough"))
			return err
		}); err != nil {
			x.Fatal(err)
		}
		x.d.View(x.Context(), func(tx *db.Tx) error {
			l, err := x.in.Quarantined(x.Context(), tx, 10)
			if err != nil || len(l) != 2 {
				x.Errorf("%d shown: %v", len(l), err)
			}
			return nil
		})
	})
}

// TestSentIsNotSentAgainForAListener: whoever listens to the end of a delivery fails; the relay
// took the mail all the same.
func TestSentIsNotSentAgainForAListener(t *testing.T) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x, r := withRelay(t, url(t))
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			x.in.Stop()
			x.out.Stop()
			x.out = outbox.New(outbox.Options{DB: x.d, Vault: x.v, Cases: x.cases, Contacts: x.book, Mailboxes: x.boxes, Portal: portal.NewStore(x.v), Node: "node", Log: slog.New(slog.DiscardHandler), Relay: x.relay,
				Words: func() outbox.Words { return outbox.Words{Org: "N", BaseURL: "https://n.example", Promise: "p"} },
				Ended: func(context.Context, *db.Tx, *outbox.Delivery) error { return errors.New("the listener is broken") }})
			x.in = intake.New(intake.Options{DB: x.d, Vault: x.v, Cases: x.cases, Contacts: x.book, Mailboxes: x.boxes, Outbox: x.out, Node: "node", Log: slog.New(slog.DiscardHandler)})
			x.start()
			before := len(r.mails())
			x.compose(c, outbox.Answer{Text: "Yes."})
			x.due()
			for range 40 {
				x.clock.add(5 * time.Hour)
				time.Sleep(100 * time.Millisecond)
				if x.last(c).State == outbox.Held {
					break
				}
			}
			if n := len(r.mails()) - before; n != 1 {
				x.Errorf("the customer got it %d times; it stands as %s: %s", n, x.last(c).State, x.last(c).Reason)
			}
		})
	}
}

// TestAStuckMailOfTheCircleCallsSomebody: a mail into a case of the closed circle cannot be
// filed, however often; those who work it are called.
func TestAStuckMailOfTheCircleCallsSomebody(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
		x.in.Stop()
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(x.Context(), `UPDATE cases SET closed_circle = TRUE WHERE id = $1`, c.ID)
			return err
		}); err != nil {
			x.Fatal(err)
		}
		var told atomic.Int64
		x.in = intake.New(intake.Options{DB: x.d, Vault: x.v, Cases: x.cases, Contacts: x.book, Mailboxes: x.boxes, Outbox: x.out, Node: "node", Log: slog.New(slog.DiscardHandler),
			Filed: func(context.Context, *db.Tx, *cases.Message) error { return errors.New("it cannot be filed") },
			Stuck: func(context.Context, *db.Tx, string) error { told.Add(1); return nil }})
		if err := x.in.Start(context.Background()); err != nil {
			x.Fatal(err)
		}
		if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", From: "emre@kestrel.example", To: []string{x.cases.Tokens.PlusAddress(box, c.Ref)}, Raw: x.raw(&letter{from: "emre@kestrel.example", subject: "more", text: "a hole"})}); err != nil {
			x.Fatal(err)
		}
		x.until(func() bool {
			x.clock.add(time.Minute)
			return x.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`) == 1
		})
		if told.Load() == 0 {
			x.Error("it lies in quarantine, and nobody was called")
		}
	})
}

// TestHarvestedKeysAreBounded: keys that anybody sends along under somebody's address are not
// kept without end.
func TestHarvestedKeysAreBounded(t *testing.T) {
	each(t, func(x *desk) {
		x.take(&letter{from: "ada@brandt.example", subject: "First", text: "so that she is known"})
		for i := range 40 {
			s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
			if err != nil {
				x.Fatal(err)
			}
			l := &letter{from: "ada@brandt.example", subject: fmt.Sprint("n ", i), text: "x"}
			raw := x.raw(l)
			raw = append([]byte("Autocrypt: "+folded(outbox.Autocrypt("ada@brandt.example", s.Public()))+"\r\n"), raw...)
			if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", From: "eve@evil.example", To: []string{box}, Raw: raw}); err != nil {
				x.Fatal(err)
			}
		}
		x.settle()
		if n := x.count(`SELECT COUNT(*) FROM contact_keys`); n > 20 {
			x.Errorf("%d keys on her card, none of them hers", n)
		}
	})
}

func folded(s string) string {
	out := ""
	for len(s) > 70 {
		out, s = out+s[:70]+"\r\n ", s[70:]
	}
	return out + s
}

// TestOneTroubleAfterManyDeferrals: a mail that its relay put off often meets one trouble of
// ours, and is tried again like any other.
func TestOneTroubleAfterManyDeferrals(t *testing.T) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			say := []smtpc.Outcome{smtpc.Sent} // the acknowledgement
			for range 5 {
				say = append(say, smtpc.Deferred)
			}
			x, r := withRelay(t, url(t), say...)
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			x.compose(c, outbox.Answer{Text: "Yes."})
			x.due()
			x.until(func() bool {
				x.clock.add(5 * time.Hour)
				return x.last(c).Attempts == 5 && x.last(c).State == outbox.Deferred
			})
			var armed atomic.Bool
			armed.Store(true)
			x.out.Stop()
			x.in.Stop()
			x.relay = panicsOnce{&armed, r}
			x.build()
			x.start()
			x.until(func() bool {
				x.clock.add(5 * time.Hour)
				s := x.last(c).State
				return s == outbox.Sent || s == outbox.Held
			})
			if d := x.last(c); d.State != outbox.Sent || armed.Load() {
				x.Errorf("%s after %d: %s", d.State, d.Attempts, d.Reason)
			}
		})
	}
}

// panicsOnce is a relay that our own code breaks at, once.
type panicsOnce struct {
	armed *atomic.Bool
	r     *fakeRelay
}

func (p panicsOnce) Send(ctx context.Context, from, to string, raw []byte) smtpc.Result {
	if p.armed.CompareAndSwap(true, false) {
		panic("once")
	}
	return p.r.Send(ctx, from, to, raw)
}
