package intake_test

// What hostile, odd and unlucky mail tries on the way in.

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/intake"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

// accept takes mails in while nobody works on them; all are worked on at once after start.
func (x *desk) accept(raws ...[]byte) {
	x.Helper()
	for _, raw := range raws {
		if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", From: "ada@brandt.example", To: []string{box}, Raw: raw}); err != nil {
			x.Fatal(err)
		}
	}
}

// restart is what a new process does; between runs what is accepted stays in the spool.
func (x *desk) restart(between func()) {
	x.in.Stop()
	x.out.Stop()
	between()
	x.build()
	x.start()
	x.settle()
}

func TestSameMailTwiceAtOnceIsOneMessage(t *testing.T) {
	each(t, func(x *desk) {
		x.take(&letter{from: "ada@brandt.example", subject: "First", text: "so that she is known"})
		x.restart(func() {
			for i := range 6 {
				raw := x.raw(&letter{from: "ada@brandt.example", subject: "Twice", text: "x", id: fmt.Sprintf("twice%d@customer.example", i)})
				x.accept(raw, append([]byte("Received: by another way\r\n"), raw...))
			}
		})
		if n := x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`); n != 7 {
			x.Errorf("%d messages of seven mails", n)
		}
	})
}

func TestOneReceiptForMailsAtOnce(t *testing.T) {
	each(t, func(x *desk) {
		x.restart(func() {
			x.accept(x.raw(&letter{from: "Ada <ada@brandt.example>", subject: "a", text: "1"}), x.raw(&letter{from: "ADA@Brandt.Example", subject: "b", text: "2"}),
				x.raw(&letter{from: "ada@brandt.example", subject: "c", text: "3"}))
		})
		if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'ack'`); n != 1 {
			x.Errorf("%d receipts", n)
		}
		if n := x.count(`SELECT COUNT(*) FROM contacts`); n != 1 {
			x.Errorf("%d contacts", n)
		}
		if n := x.count(`SELECT COUNT(*) FROM cases`); n != 3 {
			x.Errorf("%d cases", n)
		}
	})
}

func TestReferencesToTwoCases(t *testing.T) {
	each(t, func(x *desk) {
		a := x.take(&letter{from: "ada@brandt.example", subject: "Ada's", text: "x"})
		b := x.take(&letter{from: "ben@other.example", subject: "Ben's", text: "x"})
		refs := "[" + x.cases.Tokens.Make(b.Ref) + "] [" + x.cases.Tokens.Make(a.Ref) + "]"
		if got := x.take(&letter{from: "ada@brandt.example", subject: refs, text: "both"}); got.ID != a.ID {
			x.Error("she did not come to her own case")
		}
		if n := len(x.inbound(b)); n != 1 {
			x.Errorf("another's case has %d messages", n)
		}
	})
}

// TestP3ForgedSignerJoinsNothing: a mail that names Ada and is signed by a key
// that is Eve's is nobody's.
func TestP3ForgedSignerJoinsNothing(t *testing.T) {
	each(t, func(x *desk) {
		eve, err := pgp.Generate("Eve", "eve@evil.example", x.d.Now().Add(-time.Hour))
		if err != nil {
			x.Fatal(err)
		}
		sign := func(from, subject string) []byte {
			x.n++
			s, err := pgp.Seal(pgp.Outgoing{Signer: eve, Now: x.d.Now(), Draft: message.Draft{From: message.Address{Addr: from}, To: []message.Address{{Addr: box}}, Subject: subject, Date: x.d.Now(),
				MessageID: fmt.Sprintf("e%d@evil.example", x.n), Text: "pay Eve", Headers: [][2]string{{"Autocrypt", autocrypt("eve@evil.example", eve)}}}})
			if err != nil {
				x.Fatal(err)
			}
			return s.Raw
		}
		x.takeRaw(sign("eve@evil.example", "My key"), &letter{})
		c, _ := x.adaCase()
		before, keys := len(x.inbound(c)), len(x.ada().Keys)
		got := x.takeRaw(sign("ada@brandt.example", "Re: ["+x.cases.Tokens.Make(c.Ref)+"]"), &letter{to: x.cases.Tokens.PlusAddress(box, c.Ref)})
		if m := x.inbound(got); got.ID == c.ID || m[0].Evidence.Verdict != "X" {
			x.Errorf("verdict %+v", m[0].Evidence)
		}
		if len(x.inbound(c)) != before || len(x.ada().Keys) != keys {
			x.Error("the forgery changed the case or the keys")
		}
		if n := len(x.tray("ada@brandt.example")); n != 1 {
			x.Errorf("%d mails to Ada: a mail that does not fit is not acknowledged", n)
		}
	})
}

func TestAwayInFourDialectsOpensNothing(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			c, err := x.cases.Get(x.Context(), tx, c.ID)
			if err != nil {
				return err
			}
			if err := c.Close(tx.Now); err != nil {
				return err
			}
			return x.cases.Save(x.Context(), tx, c)
		}); err != nil {
			x.Fatal(err)
		}
		mails := len(x.tray("ada@brandt.example"))
		for _, head := range []string{"Auto-Submitted: auto-replied\r\n", "Auto-Submitted: auto-generated (vacation)\r\n", "X-Autoreply: yes\r\n", "Precedence: auto_reply\r\n", "X-Autorespond: away\r\n"} {
			got := x.take(&letter{from: "ada@brandt.example", subject: "Away", text: "I am away", head: head, to: x.cases.Tokens.PlusAddress(box, c.Ref)})
			if got.ID != c.ID || got.State != cases.Closed {
				x.Errorf("%q: %s %s", head, got.Ref, got.State)
			}
		}
		if n := len(x.tray("ada@brandt.example")); n != mails {
			x.Errorf("%d answers to automatic mail", n-mails)
		}
	})
}

func TestDelayedMailIsNotAReturnedOne(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		id := message.Parse(x.tray("ada@brandt.example")[0]).Header().MessageID()
		head := "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
		delayed := strings.ReplaceAll(bounceOf(id, "4.4.7"), "Action: failed", "Action: delayed")
		if got := x.take(&letter{from: "mailer-daemon@mx.example", subject: "Delayed", head: head, text: delayed, null: true}); got == nil || got.ID != c.ID {
			x.Fatalf("joined %v", got)
		}
		if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE state = 'bounced'`); n != 0 {
			x.Errorf("%d deliveries count as returned", n)
		}
	})
}

// TestNothingOfASenderStandsInClear looks through every column of every table
// for what senders and relays wrote: mail, bounces, unreadable mail, refusals.
func TestNothingOfASenderStandsInClear(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x, r := withRelay(t, mk(t))
			r.text = "5.1.1 <canaryaddr@canarydomain.example>: unknown"
			r.refuse("canaryaddr")
			who := "Canaryname <canaryaddr@canarydomain.example>"
			c := x.take(&letter{from: who, subject: "canarysubject", text: "canarybody"})
			x.take(&letter{from: who, subject: "canarysubject", text: "+ADw-", head: "Content-Type: text/plain; charset=canarycharset\r\n"})
			head := "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
			id := message.Parse(r.mails()[0]).Header().MessageID()
			x.take(&letter{from: "mailer-daemon@mx.example", subject: "canarysubject", head: head, text: bounceOf(id, "canarystatus"), null: true})
			x.note(c)
			for _, row := range x.dump() {
				if low := strings.ToLower(row); strings.Contains(low, "canary") || strings.Contains(low, fmt.Sprintf("%x", "canary")) {
					t.Errorf("in clear: %s", row)
				}
			}
		})
	}
}

// dump is every row of every table as text, but for the key of a data base's own book-keeping.
func (x *desk) dump() (out []string) {
	x.Helper()
	tables := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	if !x.d.Lite() {
		tables = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	x.view(func(ctx context.Context, tx *db.Tx) error {
		names, err := db.Strings(ctx, tx, tables)
		if err != nil {
			return err
		}
		for _, n := range names {
			cols := `SELECT name FROM pragma_table_info($1)`
			if !x.d.Lite() {
				cols = `SELECT column_name FROM information_schema.columns WHERE table_name = $1`
			}
			list, err := db.Strings(ctx, tx, cols, n)
			if err != nil {
				return err
			}
			for _, col := range list {
				rows, err := db.Strings(ctx, tx, `SELECT COALESCE(CAST(`+col+` AS TEXT), '') FROM `+n)
				if err != nil {
					return err
				}
				for _, r := range rows {
					out = append(out, n+"."+col+": "+r)
				}
			}
		}
		return nil
	})
	if len(out) < 100 {
		x.Fatalf("only %d fields found", len(out))
	}
	return out
}

// badResolver breaks in the middle of its work, as a bug on a hostile mail would.
type badResolver struct{ net.Resolver }

func (*badResolver) LookupTXT(context.Context, string) ([]string, error) { panic("canary-resolver") }

func TestAFaultOfOursEndsInARow(t *testing.T) {
	each(t, func(x *desk) {
		x.restart(func() { x.resolver = &badResolver{} })
		raw := x.raw(&letter{from: "ada@brandt.example", subject: "x", text: "x"})
		if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", From: "ada@brandt.example", To: []string{box}, Raw: raw}); err != nil {
			x.Fatal(err)
		}
		x.until(func() bool {
			x.clock.add(time.Minute)
			return x.count(`SELECT COUNT(*) FROM spool WHERE state IN ('spooled', 'working')`) == 0
		})
		if n := x.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`); n != 1 {
			x.Errorf("%d in quarantine", n)
		}
		x.restart(func() { x.resolver = nil })
		list := x.quarantined()
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return x.in.Rerun(x.Context(), tx, list[0].ID, "ivo") }); err != nil {
			x.Fatal(err)
		}
		x.settle()
		if n := len(x.quarantined()); n != 0 || x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`) != 1 {
			x.Errorf("after the mend: %d in quarantine", n)
		}
	})
}

func (x *desk) quarantined() (list []intake.Spooled) {
	x.Helper()
	x.view(func(ctx context.Context, tx *db.Tx) (err error) {
		list, err = x.in.Quarantined(ctx, tx, 10)
		return err
	})
	return list
}

func TestSubjectIsRestoredBeforeThreading(t *testing.T) {
	each(t, func(x *desk) {
		c, ada := x.adaCase()
		got := x.takeRaw(x.signedMail(ada, "Re: ["+x.cases.Tokens.Make(c.Ref)+"] more", "second", true), &letter{})
		if got.ID != c.ID || len(x.inbound(c)) != 2 {
			x.Error("a reference in the protected subject was not seen")
		}
		if bytes.Contains(x.signedMail(ada, "Re: ["+x.cases.Tokens.Make(c.Ref)+"]", "y", true), []byte(x.cases.Tokens.Make(c.Ref))) {
			x.Error("the test's outer subject holds the reference")
		}
	})
}

func TestForeignReportsAreKeptApart(t *testing.T) {
	x := open(t, dbtest.SQLite(t))
	c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
	head := "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
	// The customer's own Message-ID is not one of ours: no mail of ours came back.
	in := x.inbound(c)[0].Doc.MailID
	x.take(&letter{from: "mailer-daemon@mx.example", subject: "Undelivered", head: head, text: bounceOf(in, "5.1.1"), null: true})
	if n := len(x.inbound(c)); n != 1 {
		t.Errorf("a report on a mail that is not ours joined: %d messages", n)
	}
	if n := len(x.quarantined()); n != 1 {
		t.Errorf("%d in quarantine", n)
	}
}

// note sends a sensitive answer, so that drafts, items and notices are in the tables too.
func (x *desk) note(c *cases.Case) {
	x.Helper()
	x.phone(c)
	if _, err := x.answer(c, outbox.Answer{Text: "canarybody", Sensitive: true}); err != nil {
		x.Fatal(err)
	}
}

func autocrypt(addr string, s *pgp.Secret) string { return outbox.Autocrypt(addr, s.Public()) }
