package intake_test

// What may not leave, and what must not be lost, between the agent's click and
// the relay's answer.

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/gpgtest"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/smtpc"
)

// compose queues an answer and leaves it waiting.
func (x *desk) compose(c *cases.Case, a outbox.Answer) cases.MessageID {
	x.Helper()
	a.Case, a.Staff = c.ID, "noor"
	if a.To == nil {
		a.To = []contacts.ID{c.Contact}
	}
	m, err := x.out.Send(x.Context(), &a)
	if err != nil {
		x.Fatal(err)
	}
	return m
}

// due lets the time to undo run out.
func (x *desk) due() {
	x.Helper()
	x.clock.add(outbox.Undo + time.Second)
	x.settle()
}

func (x *desk) onDelivery(c *cases.Case, f func(ctx context.Context, tx *db.Tx, c *cases.Case, id outbox.ID) error) error {
	x.Helper()
	id := x.last(c).ID
	return x.d.Update(x.Context(), func(tx *db.Tx) error {
		c, err := x.cases.Get(x.Context(), tx, c.ID)
		if err != nil {
			return err
		}
		return f(x.Context(), tx, c, id)
	})
}

// TestP2SubjectOfTheCaseCounts: the subject that the customer gave goes back in
// every answer, so what it holds makes the answer sensitive.
func TestP2SubjectOfTheCaseCounts(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Card 4111 1111 1111 1111 is lost", text: "help"})
		if !c.Sensitive {
			x.Error("a case whose subject holds a card number is routine")
		}
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			c, err := x.cases.Get(x.Context(), tx, c.ID)
			if err != nil {
				return err
			}
			if err := c.Lower("a mistake, they say"); err != nil {
				return err
			}
			return x.cases.Save(x.Context(), tx, c)
		}); err != nil {
			x.Fatal(err)
		}
		if _, err := x.answer(c, outbox.Answer{Text: "We are on it."}); err == nil {
			x.Errorf("it goes %s", x.last(c).Protection)
		}
		for _, raw := range x.tray("emre@kestrel.example") {
			if seen := string(raw) + message.Parse(raw).Root.Display().Text; strings.Contains(seen, "4111 1111") || strings.Contains(seen, "41111111") {
				x.Error("the number left in clear")
			}
		}
	})
}

func TestP2SensitiveMailboxNeverAnswersInClear(t *testing.T) {
	each(t, func(x *desk) {
		if _, err := x.boxes.Add(t.Context(), "test", "Northmere Security", "security@northmere.example", true); err != nil {
			x.Fatal(err)
		}
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?", to: "security@northmere.example"})
		if !c.Sensitive || c.Mailbox != "security@northmere.example" {
			x.Fatalf("%+v", c)
		}
		if _, err := x.answer(c, outbox.Answer{Text: "Thanks."}); !fail.Is(err, fail.Conflict) {
			x.Errorf("without key and number: %v", err)
		}
		x.phone(c)
		if _, err := x.answer(c, outbox.Answer{Text: "Thanks."}); err != nil || x.last(c).Protection != policy.Portal {
			x.Errorf("%v %+v", err, x.last(c))
		}
	})
}

// TestP2FactsOfTheMomentOfSendingCount: what is right when the agent clicks may
// be wrong fifteen seconds later.
func TestP2FactsOfTheMomentOfSendingCount(t *testing.T) {
	t.Run("the key expires", func(t *testing.T) {
		each(t, func(x *desk) {
			g := gpgtest.New(x.TB)
			g.Generate("Emre <emre@kestrel.example>", "seconds=2592000", x.d.Now().Add(-time.Hour))
			certs, err := pgp.ParseKeys(g.Export("emre@kestrel.example"))
			if err != nil {
				x.Fatal(err)
			}
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
				who, err := x.book.Get(x.Context(), tx, c.Contact)
				if err == nil {
					_, err = x.book.AddKey(x.Context(), tx, who, certs[0], contacts.Harvested, "staff")
				}
				return err
			}); err != nil {
				x.Fatal(err)
			}
			var who *contacts.Contact
			x.view(func(ctx context.Context, tx *db.Tx) (err error) {
				who, err = x.book.Get(ctx, tx, c.Contact)
				return err
			})
			x.verify(who.Keys[0])
			x.compose(c, outbox.Answer{Text: "Your balance is 12.", Sensitive: true})
			if s := x.last(c); s.Shown != policy.Encrypted {
				x.Fatalf("%+v", s)
			}
			x.clock.add(31 * 24 * time.Hour)
			x.settle()
			if s := x.last(c); s.State != outbox.Held || !strings.Contains(s.Reason, "expired") || len(x.tray("emre@kestrel.example")) != 1 {
				x.Errorf("%+v", s)
			}
		})
	})
	t.Run("the case becomes sensitive", func(t *testing.T) {
		each(t, func(x *desk) {
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			x.compose(c, outbox.Answer{Text: "Yes."})
			x.take(&letter{from: "emre@kestrel.example", subject: "Re", text: "my card is 4111 1111 1111 1111", to: x.cases.Tokens.PlusAddress(box, c.Ref)})
			x.due()
			if s := x.last(c); s.State != outbox.Held || !strings.Contains(s.Reason, "sensitive") || !x.caseOf(c.ID).Held {
				x.Errorf("%+v", s)
			}
			if n := len(x.tray("emre@kestrel.example")); n != 1 {
				x.Errorf("%d mails", n)
			}
			// Discarding it takes the mark off; nothing leaves.
			if err := x.onDelivery(c, func(ctx context.Context, tx *db.Tx, c *cases.Case, id outbox.ID) error {
				return x.out.Discard(ctx, tx, c, id, "noor")
			}); err != nil {
				x.Fatal(err)
			}
			if x.caseOf(c.ID).Held || x.last(c).State != outbox.Undone || len(x.tray("emre@kestrel.example")) != 1 {
				x.Errorf("%+v", x.last(c))
			}
		})
	})
}

func TestHeldMailOfAnotherCaseIsNotFound(t *testing.T) {
	x := open(t, dbtest.SQLite(t))
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	other := x.take(&letter{from: "ben@other.example", subject: "Hello", text: "?"})
	x.compose(c, outbox.Answer{Text: "Yes."})
	x.take(&letter{from: "emre@kestrel.example", subject: "Re", text: "my card is 4111 1111 1111 1111", to: x.cases.Tokens.PlusAddress(box, c.Ref)})
	x.due()
	for name, f := range map[string]func(ctx context.Context, tx *db.Tx, o *cases.Case, id outbox.ID) error{
		"retry": func(ctx context.Context, tx *db.Tx, _ *cases.Case, id outbox.ID) error {
			return x.out.Retry(ctx, tx, other, id, "noor")
		},
		"discard": func(ctx context.Context, tx *db.Tx, _ *cases.Case, id outbox.ID) error {
			return x.out.Discard(ctx, tx, other, id, "noor")
		},
		"undo": func(ctx context.Context, tx *db.Tx, _ *cases.Case, _ outbox.ID) error {
			return x.out.Undo(ctx, tx, other, x.last(c).Message, "noor")
		},
	} {
		if err := x.onDelivery(c, f); !fail.Is(err, fail.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := x.last(c); s.State != outbox.Held {
		t.Errorf("%+v", s)
	}
}

// TestReturnedWhileSendingStaysReturned: the receiving side may return a mail
// before our relay's answer is written down.
func TestReturnedWhileSendingStaysReturned(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x, r := withRelay(t, mk(t))
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			r.then = func(raw []byte) {
				id := message.Parse(raw).Header().MessageID()
				if err := x.d.Update(t.Context(), func(tx *db.Tx) error {
					_, err := x.out.Bounced(t.Context(), tx, id, "5.1.1", true)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
			if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
				t.Fatal(err)
			}
			if s := x.last(c); s.State != outbox.Bounced || !strings.Contains(s.Reason, "no such mailbox") {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestInDoubtIsRepeatedAndRecorded(t *testing.T) {
	x, r := withRelay(t, dbtest.SQLite(t), smtpc.Sent, smtpc.InDoubt)
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
		t.Fatal(err)
	}
	x.until(func() bool { x.clock.add(time.Minute); return x.last(c).State == outbox.Sent })
	x.repeatedOnce(r, 3)
}

func TestSilentRelayIsGivenUpAtLast(t *testing.T) {
	say := []smtpc.Outcome{smtpc.Sent}
	for range 60 {
		say = append(say, smtpc.Deferred)
	}
	x, r := withRelay(t, dbtest.SQLite(t), say...)
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	begun := x.d.Now()
	if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		s := x.last(c)
		if s.Final() {
			break
		}
		x.clock.add(max(s.Due.Sub(x.d.Now()), 0) + time.Second)
		n := len(r.mails())
		x.out.Stop() // a worker looks at once when it starts
		if err := x.out.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.until(func() bool {
			return len(r.mails()) > n && x.last(c).State != outbox.Sending && x.last(c).State != outbox.Working
		})
	}
	if s, took := x.last(c), x.d.Now().Sub(begun); s.State != outbox.Failed || took < 4*24*time.Hour || took > 7*24*time.Hour {
		t.Errorf("%s after %s: %s", s.State, took, s.Reason)
	}
}

func TestTwoPeopleGetACopyEach(t *testing.T) {
	each(t, func(x *desk) {
		c, _ := x.adaCase()
		o := x.take(&letter{from: "ben@other.example", subject: "Me too", text: "?"})
		x.phone(o)
		if _, err := x.answer(c, outbox.Answer{Text: "The balance is canary-12.", To: []contacts.ID{c.Contact, o.Contact}}); err != nil {
			x.Fatal(err)
		}
		ada, ben := x.tray("ada@brandt.example")[0], x.tray("ben@other.example")[0]
		if bytes.Contains(ada, []byte("ben@")) || bytes.Contains(ben, []byte("ada@")) || bytes.Contains(ben, []byte("canary")) || bytes.Contains(ada, []byte("canary")) {
			x.Errorf("one copy knows of the other, or shows the text:\n%s\n%s", ada, ben)
		}
		if message.Parse(ada).Root.Type != "multipart/encrypted" || message.Parse(ben).Root.Type != "multipart/signed" {
			x.Error("each goes as fits that person")
		}
	})
}

// TestP4NoticeSaysNothing: the notice tells that a message waits, and where.
func TestP4NoticeSaysNothing(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "Canaryname <emre@kestrel.example>", subject: "canarysubject", text: "canarybody"})
		x.phone(c)
		if _, err := x.answer(c, outbox.Answer{Text: "canarytext", Sensitive: true, Files: []cases.File{{Name: "canaryfile.pdf", Type: "application/pdf", Data: []byte("canarydata")}}}); err != nil {
			x.Fatal(err)
		}
		raw := x.tray("emre@kestrel.example")[0]
		m := message.Parse(raw)
		text, _ := m.Root.Parts[0].Data()
		if low := strings.ToLower(string(raw) + string(text) + m.Header().Text("Subject")); strings.Contains(low, "canary") || strings.Contains(low, "5550142") {
			x.Errorf("the notice says something:\n%s", raw)
		}
		if m.Root.Type != "multipart/signed" || m.Header().Get("Auto-Submitted") != "auto-generated" || !bytes.Contains(raw, []byte("/m/")) {
			x.Errorf("%s %q", m.Root.Type, m.Header().Get("Auto-Submitted"))
		}
		if bytes.Contains(raw, []byte("http://")) {
			x.Error("a plain link left")
		}
	})
}

// TestDatabaseAwayAfterTheRelaysYes: the mail went, and nobody could write it
// down. After a restart it goes again, the same bytes, and the record says so.
func TestDatabaseAwayAfterTheRelaysYes(t *testing.T) {
	file := dbtest.SQLite(t)
	x, r := withRelay(t, file)
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	x.compose(c, outbox.Answer{Text: "Yes."})
	gone := make(chan struct{})
	r.then = func([]byte) {
		x.d.Close()
		close(gone)
	}
	x.clock.add(outbox.Undo + time.Second)
	<-gone
	x.in.Stop()
	x.out.Stop()
	r.then = nil
	var err error
	if x.d, err = db.Open(t.Context(), db.Options{URL: file, Clock: x.clock.get}); err != nil {
		t.Fatal(err)
	}
	x.build()
	x.start()
	x.until(func() bool { return x.last(c).State == outbox.Sent })
	x.repeatedOnce(r, 3)
}

func TestUnknownOrUnverifiedKeyIsNeverEncryptedTo(t *testing.T) {
	each(t, func(x *desk) {
		s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
		if err != nil {
			x.Fatal(err)
		}
		c := x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
		if _, err := x.answer(c, outbox.Answer{Text: "Your balance is 12."}); !fail.Is(err, fail.Conflict) || !strings.Contains(fmt.Sprint(err), "never compared") {
			x.Errorf("with a key that nobody compared: %v", err)
		}
	})
}

// A person who releases a held mail has read how it could go now. It goes so,
// and not with less.
func TestReleasedMailGoesAsThePersonWasTold(t *testing.T) {
	each(t, func(x *desk) {
		s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
		if err != nil {
			x.Fatal(err)
		}
		c := x.takeRaw(x.signedMail(s, "Hello", "when are you open?", false), &letter{})
		x.verify(x.ada().Keys[0])
		x.compose(c, outbox.Answer{Text: "At nine."})
		k := x.ada().Keys[0]
		k.Reject("noor", "Noor")
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return x.book.SaveKey(x.Context(), tx, &k) }); err != nil {
			x.Fatal(err)
		}
		x.due()
		if s := x.last(c); s.State != outbox.Held || s.Shown != policy.Encrypted || s.Protection != policy.Signed || !strings.Contains(s.Reason, "signed") {
			x.Fatalf("%+v", s)
		}
		retry := func(ctx context.Context, tx *db.Tx, c *cases.Case, id outbox.ID) error {
			return x.out.Retry(ctx, tx, c, id, "noor")
		}
		if err := x.onDelivery(c, retry); err != nil {
			x.Fatal(err)
		}
		x.settle()
		if s := x.last(c); s.State != outbox.Captured || s.Protection != policy.Signed || x.caseOf(c.ID).Held {
			x.Errorf("%+v", s)
		}
		// What became sensitive since is not covered by that.
		x.compose(c, outbox.Answer{Text: "And on Friday?"})
		x.take(&letter{from: "ada@brandt.example", subject: "Re", text: "my card is 4111 1111 1111 1111", to: x.cases.Tokens.PlusAddress(box, c.Ref)})
		x.due()
		if err := x.onDelivery(c, retry); err != nil {
			x.Fatal(err)
		}
		x.settle()
		if s := x.last(c); s.State != outbox.Held || len(x.tray("ada@brandt.example")) != 2 {
			x.Errorf("%+v", s)
		}
	})
}

// The way of a mail may change twice while the relay does not take it: what was
// placed on the portal first is recalled, and nobody must look at it.
func TestPortalAgainAfterAnotherWay(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x, _ := withRelay(t, mk(t), smtpc.Sent, smtpc.Deferred, smtpc.Deferred, smtpc.Sent)
			s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			c := x.takeRaw(x.signedMail(s, "Hello", "?", true), &letter{})
			x.phone(c)
			key := x.ada().Keys[0]
			save := func() {
				if err := x.d.Update(t.Context(), func(tx *db.Tx) error { return x.book.SaveKey(t.Context(), tx, &key) }); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := x.answer(c, outbox.Answer{Text: "Your balance is 12."}); err != nil {
				t.Fatal(err)
			}
			again := func(want policy.Protection, state outbox.State) {
				t.Helper()
				x.until(func() bool { return x.last(c).Protection == want && x.last(c).State == state })
			}
			again(policy.Portal, outbox.Deferred)
			if err := key.Verify("call-back", "noor", "Noor", x.d.Now()); err != nil {
				t.Fatal(err)
			}
			save()
			x.clock.add(2 * time.Minute)
			again(policy.Encrypted, outbox.Deferred)
			key.Reject("noor", "Noor")
			save()
			x.clock.add(10 * time.Minute)
			again(policy.Portal, outbox.Sent)
			if all, gone := x.count(`SELECT COUNT(*) FROM items`), x.count(`SELECT COUNT(*) FROM items WHERE recalled_at > 0`); all != 2 || gone != 1 {
				t.Errorf("%d items, %d recalled", all, gone)
			}
		})
	}
}

// The relay took the mail, and what it said could not be kept although we live:
// the mail goes again, the same bytes, and the record says so.
func TestOutcomeThatCannotBeKeptIsRepeatedAndRecorded(t *testing.T) {
	x, r := withRelay(t, dbtest.SQLite(t))
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	x.compose(c, outbox.Answer{Text: "Yes."})
	rename := func(from, to string) {
		if _, err := x.d.Pool().Exec(`ALTER TABLE ` + from + ` RENAME TO ` + to); err != nil {
			t.Error(err)
		}
	}
	r.then = func([]byte) { rename("audit", "away") }
	x.clock.add(outbox.Undo + time.Second)
	x.until(func() bool { return x.last(c).State == outbox.Deferred })
	r.then = nil
	rename("away", "audit")
	if s := x.last(c); !strings.HasPrefix(s.Reason, "in doubt") {
		t.Errorf("%+v", s)
	}
	x.clock.add(10 * time.Minute)
	x.until(func() bool { return x.last(c).State == outbox.Sent })
	x.repeatedOnce(r, 3)
}

// A fault of ours in the midst of sending ends in a row, not in a crash, and the
// mail goes again: nobody knows whether it went.
func TestPanicWhileSendingEndsInARow(t *testing.T) {
	x, r := withRelay(t, dbtest.SQLite(t))
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
	x.compose(c, outbox.Answer{Text: "Yes."})
	var first []byte
	r.then = func(raw []byte) { first = raw; panic("boom") }
	x.clock.add(outbox.Undo + time.Second)
	x.until(func() bool { return x.last(c).State == outbox.Deferred })
	r.then = nil
	x.clock.add(10 * time.Minute)
	x.until(func() bool { return x.last(c).State == outbox.Sent })
	if got := r.mails(); !bytes.Equal(got[len(got)-1], first) {
		t.Error("the repeat is not the same bytes")
	}
}
