package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/mailauth"
	"postern/internal/mailboxes"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/vault"
)

// desk is intake and outbox on one database, with a clock that the test moves.
// Mails out are captured.
type desk struct {
	testing.TB
	d        *db.DB
	v        *vault.Vault
	cases    *cases.Store
	book     *contacts.Book
	boxes    *mailboxes.Store
	out      *outbox.Outbox
	in       *intake.Intake
	clock    *clock
	relay    outbox.Relay      // nil: the tray
	resolver mailauth.Resolver // nil: domains are not checked
	composes func()            // called while a mail is composed; may be nil
	n        int
}

type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) get() time.Time      { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

const box = "support@northmere.example"

func each(t *testing.T, f func(*desk)) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) { f(open(t, url(t))) })
	}
}

func open(t testing.TB, url string) *desk { return openWith(t, url, nil) }

func openWith(t testing.TB, url string, relay outbox.Relay) *desk {
	t.Helper()
	x := &desk{TB: t, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}, relay: relay}
	var err error
	if x.d, err = db.Open(t.Context(), db.Options{URL: url, Clock: x.clock.get}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.d.Close() })
	if err := x.d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.v, err = vault.New(vault.NewMaster()); err != nil {
		t.Fatal(err)
	}
	x.build()
	if _, err := x.boxes.Add(t.Context(), audit.System, "Northmere Savings", box, false); err != nil {
		t.Fatal(err)
	}
	x.start()
	t.Cleanup(func() { x.in.Stop(); x.out.Stop() })
	return x
}

// build makes the parts anew, as a restart does.
func (x *desk) build() {
	x.cases, x.book = cases.NewStore(x.v), contacts.NewBook(x.v)
	var err error
	if x.boxes, err = mailboxes.Open(x.Context(), x.d, x.v); err != nil {
		x.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	x.out = outbox.New(outbox.Options{DB: x.d, Vault: x.v, Cases: x.cases, Contacts: x.book, Mailboxes: x.boxes, Portal: portal.NewStore(x.v), Node: "node", Log: log, Relay: x.relay,
		Words: func() outbox.Words {
			if x.composes != nil {
				x.composes()
			}
			return outbox.Words{Org: "Northmere Savings", BaseURL: "https://support.northmere.example", Promise: "within one working day"}
		}})
	x.in = intake.New(intake.Options{DB: x.d, Vault: x.v, Cases: x.cases, Contacts: x.book, Mailboxes: x.boxes, Outbox: x.out, Resolver: x.resolver, Node: "node", Log: log})
}

func (x *desk) start() {
	if err := x.out.Start(context.Background()); err != nil {
		x.Fatal(err)
	}
	if err := x.in.Start(context.Background()); err != nil {
		x.Fatal(err)
	}
}

func (x *desk) view(f func(ctx context.Context, tx *db.Tx) error) {
	x.Helper()
	if err := x.d.View(x.Context(), func(tx *db.Tx) error { return f(x.Context(), tx) }); err != nil {
		x.Fatal(err)
	}
}

func (x *desk) count(query string, args ...any) (n int64) {
	x.Helper()
	x.view(func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, query, args...)
		return err
	})
	return n
}

// settle waits until nothing is under way.
func (x *desk) settle() {
	x.Helper()
	for range 6000 {
		if x.count(`SELECT (SELECT COUNT(*) FROM spool WHERE state IN ('spooled', 'working')) + (SELECT COUNT(*) FROM deliveries WHERE state IN ('working', 'sending') OR state = 'waiting' AND due_at <= $1)`,
			db.Micros(x.d.Now())) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	x.Fatal("the desk does not come to rest")
}

// letter is a mail somebody writes.
type letter struct {
	from, subject, text string
	to                  string // envelope recipient, default the mailbox
	head                string // further header lines
	id                  string
	null                bool // null return path
}

func (x *desk) raw(l *letter) []byte {
	x.n++
	if l.id == "" {
		l.id = fmt.Sprintf("m%d@customer.example", x.n)
	}
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n%s\r\n%s\r\n", l.from, box, l.subject, x.d.Now().Format(time.RFC1123Z), l.id, l.head, l.text)
}

// take brings a mail in and returns the newest case.
func (x *desk) take(l *letter) *cases.Case {
	x.Helper()
	return x.takeRaw(x.raw(l), l)
}

func (x *desk) takeRaw(raw []byte, l *letter) *cases.Case {
	x.Helper()
	e := &intake.Envelope{Door: "smtp", From: "bounce@customer.example", To: []string{box}, Raw: raw}
	if l.to != "" {
		e.To = []string{l.to}
	}
	if l.null {
		e.From = ""
	}
	x.clock.add(time.Second)
	if err := x.in.Accept(x.Context(), e); err != nil {
		x.Fatal(err)
	}
	x.settle()
	var id string
	x.view(func(ctx context.Context, tx *db.Tx) error {
		list, err := db.Strings(ctx, tx, `SELECT case_id FROM spool ORDER BY id DESC LIMIT 1`)
		if err == nil {
			id = list[0]
		}
		return err
	})
	if id == "" {
		return nil
	}
	return x.caseOf(cases.ID(id))
}

func (x *desk) caseOf(id cases.ID) (c *cases.Case) {
	x.Helper()
	x.view(func(ctx context.Context, tx *db.Tx) (err error) { c, err = x.cases.Get(ctx, tx, id); return err })
	return c
}

func (x *desk) thread(c *cases.Case) (out []*cases.Message) {
	x.Helper()
	var key *vault.Key
	var list []cases.Sealed
	x.view(func(ctx context.Context, tx *db.Tx) (err error) {
		if key, err = x.v.Get(ctx, tx, c.KeyID); err != nil {
			return err
		}
		list, err = cases.Thread(ctx, tx, c.ID)
		return err
	})
	for i := range list {
		m, err := list[i].Open(key)
		if err != nil {
			x.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// inbound are the messages that people wrote.
func (x *desk) inbound(c *cases.Case) (out []*cases.Message) {
	for _, m := range x.thread(c) {
		if m.Kind == cases.In {
			out = append(out, m)
		}
	}
	return out
}

// tray returns the captured mails to an address.
func (x *desk) tray(to string) (out [][]byte) {
	x.Helper()
	var list []outbox.Delivery
	x.view(func(ctx context.Context, tx *db.Tx) (err error) { list, err = x.out.Tray(ctx, tx, 100); return err })
	for _, s := range list {
		if s.Address != to {
			continue
		}
		var b *vault.Blob
		x.view(func(ctx context.Context, tx *db.Tx) (err error) { b, err = x.v.GetBlob(ctx, tx, s.RawBlob); return err })
		raw, err := b.Open()
		if err != nil {
			x.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

func TestMailBecomesACaseAndIsAcknowledgedOnce(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "Ada Brandt <ada@brandt.example>", subject: "Hello canary-subject", text: "canary-body"})
		if c == nil || c.State != cases.Open || !c.Unread || c.Who != "Ada Brandt" || len(x.inbound(c)) != 1 {
			x.Fatalf("%+v", c)
		}
		acks := x.tray("ada@brandt.example")
		if len(acks) != 1 {
			x.Fatalf("%d receipts", len(acks))
		}
		m := message.Parse(acks[0])
		if m.Root.Type != "multipart/signed" || m.Header().Get("Auto-Submitted") != "auto-replied" {
			x.Errorf("%s %q", m.Root.Type, m.Header().Get("Auto-Submitted"))
		}
		// What it says, and the fields that are no key: base64 holds any three letters by chance.
		seen := m.Root.Display().Text
		for _, field := range []string{"From", "To", "Subject", "Reply-To", "In-Reply-To", "References"} {
			seen += "\n" + m.Header().Text(field)
		}
		for _, word := range []string{"canary-subject", "canary-body", "Ada"} {
			if strings.Contains(seen, word) || len(word) > 5 && bytes.Contains(acks[0], []byte(word)) {
				x.Errorf("the receipt quotes %q of an unverified sender", word)
			}
		}
		x.take(&letter{from: "ada@brandt.example", subject: "Another matter", text: "x"})
		if n := len(x.tray("ada@brandt.example")); n != 1 {
			x.Errorf("%d receipts on one day", n)
		}
		x.clock.add(24 * time.Hour)
		x.take(&letter{from: "ada@brandt.example", subject: "Next day", text: "x"})
		if n := len(x.tray("ada@brandt.example")); n != 2 {
			x.Errorf("%d receipts on two days", n)
		}
	})
}

func TestAutomaticMailIsNeverAnswered(t *testing.T) {
	for name, l := range map[string]*letter{
		"auto-submitted": {head: "Auto-Submitted: auto-replied\r\n"},
		"precedence":     {head: "Precedence: first-class\r\nPrecedence: bulk\r\n"},
		"list":           {head: "List-Id: <l.example>\r\n"},
		"null path":      {null: true},
		"suppressed":     {head: "X-Auto-Response-Suppress: All\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t, dbtest.SQLite(t))
			l.from, l.subject, l.text = "robot@machine.example", "News", "x"
			x.take(l)
			if n := len(x.tray("robot@machine.example")); n != 0 {
				t.Errorf("%d answers", n)
			}
		})
	}
	x := open(t, dbtest.SQLite(t))
	x.take(&letter{from: "person@home.example", subject: "Hello", text: "x", head: "Auto-Submitted: no\r\n"})
	if n := len(x.tray("person@home.example")); n != 1 {
		t.Errorf("Auto-Submitted: no: %d receipts", n)
	}
}

func TestRepeatedMailIsOneMessage(t *testing.T) {
	each(t, func(x *desk) {
		l := &letter{from: "ada@brandt.example", subject: "Hello", text: "x"}
		raw := x.raw(l)
		c := x.takeRaw(raw, l)
		again := x.takeRaw(append([]byte("Received: from elsewhere by here; now\r\n"), raw...), l)
		if again.ID != c.ID || len(x.inbound(c)) != 1 {
			x.Errorf("%d messages", len(x.inbound(c)))
		}
		other := bytes.Replace(raw, []byte("\r\nx\r\n"), []byte("\r\ny\r\n"), 1)
		x.takeRaw(other, l)
		if n := x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`); n != 2 {
			x.Errorf("another text under the same Message-ID: %d messages", n)
		}
	})
}

func TestRepliesFindTheirCase(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		token := x.cases.Tokens.Make(c.Ref)
		ack := message.Parse(x.tray("ada@brandt.example")[0]).Header().MessageID()
		for name, l := range map[string]*letter{
			"token in the address": {to: x.cases.Tokens.PlusAddress(box, c.Ref)},
			"token in the subject": {subject: "Re: Hello [" + token + "]"},
			"In-Reply-To ours":     {head: "In-Reply-To: <" + ack + ">\r\n"},
			"References":           {head: "References: <none@x.example> <" + ack + "> <other@x.example>\r\n"},
		} {
			l.from, l.text = "Ada <ADA@brandt.example>", name
			if got := x.take(l); got.ID != c.ID {
				x.Errorf("%s: another case", name)
			}
		}
		bad := token[:len(token)-1] + map[bool]string{true: "1", false: "0"}[token[len(token)-1] == '0']
		if got := x.take(&letter{from: "ada@brandt.example", subject: "Re: [" + bad + "]", text: "forged"}); got.ID == c.ID {
			x.Error("a forged token joined")
		}
	})
}

func TestP3FromIsNeverIdentity(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		token := x.cases.Tokens.Make(c.Ref)
		// A stranger with the reference gets a case of his own, linked for the agent.
		s := x.take(&letter{from: "eve@evil.example", subject: "Re: [" + token + "]", text: "let me in"})
		if s.ID == c.ID || len(x.inbound(c)) != 1 {
			x.Error("a stranger joined with a token")
		}
		var links []cases.Link
		x.view(func(ctx context.Context, tx *db.Tx) (err error) {
			links, err = cases.Links(ctx, tx, cases.Viewer{All: true}, s.ID)
			return err
		})
		if len(links) != 1 || links[0].Other != c.ID {
			x.Errorf("links %v", links)
		}
		// Whoever writes Ada's address into From is heard, and proves nothing.
		x.take(&letter{from: "Ada <ada@brandt.example>", subject: "Re: [" + token + "]", text: "pay Eve"})
		in := x.inbound(c)
		if len(in) != 2 || in[1].Evidence.Verdict != "N" {
			x.Errorf("%d messages, %+v", len(in), in[len(in)-1].Evidence)
		}
		// A name that is another's address fits nobody and joins nothing.
		m := x.take(&letter{from: `"ada@brandt.example" <eve@evil.example>`, subject: "Re: [" + token + "]", text: "pay Eve"})
		if m.ID == c.ID || x.inbound(m)[0].Evidence.Verdict != "X" {
			x.Error("a false name joined")
		}
	})
}

func TestClosedCaseOpensForPeopleOnly(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			c, err := x.cases.Get(x.Context(), tx, c.ID)
			if err == nil {
				if err = c.Close(tx.Now); err == nil {
					err = x.cases.Save(x.Context(), tx, c)
				}
			}
			return err
		})
		if err != nil {
			x.Fatal(err)
		}
		to := x.cases.Tokens.PlusAddress(box, c.Ref)
		x.take(&letter{from: "ada@brandt.example", subject: "Abwesenheit", text: "away", to: to, head: "Auto-Submitted: auto-replied\r\n"})
		if got := x.caseOf(c.ID); got.State != cases.Closed || len(x.inbound(c)) != 2 {
			x.Errorf("an automatic answer: %s, %d messages", got.State, len(x.inbound(c)))
		}
		x.take(&letter{from: "ada@brandt.example", subject: "Re: Hello", text: "one more thing", to: to})
		if got := x.caseOf(c.ID); got.State != cases.Open {
			x.Errorf("a person's word: %s", got.State)
		}
	})
}

func bounceOf(mailID, status string) string {
	return "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ada@brandt.example\r\nAction: failed\r\nStatus: " + status +
		"\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + mailID + ">\r\nSubject: x\r\n\r\n--b--\r\n"
}

func TestBounceComesBackToItsCase(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "ada@brandt.example", subject: "Hello", text: "first"})
		id := message.Parse(x.tray("ada@brandt.example")[0]).Header().MessageID()
		head := "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
		got := x.take(&letter{from: "mailer-daemon@mx.example", subject: "Undelivered", head: head, text: bounceOf(id, "5.1.1"), null: true})
		if got == nil || got.ID != c.ID {
			x.Fatalf("joined %v", got)
		}
		if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE state = 'bounced'`); n != 1 {
			x.Errorf("%d deliveries bounced", n)
		}
		if x.take(&letter{from: "mailer-daemon@mx.example", subject: "Undelivered", head: head, text: bounceOf("made-up@northmere.example", "5.1.1"), null: true}) != nil {
			x.Error("a bounce of a mail that is not ours became a case")
		}
		if n := x.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`); n != 1 {
			x.Errorf("%d in quarantine", n)
		}
		if n := x.count(`SELECT COUNT(*) FROM contacts`); n != 1 {
			x.Errorf("%d contacts", n)
		}
	})
}

func TestUnreadableMailIsKeptAndRunAgain(t *testing.T) {
	each(t, func(x *desk) {
		l := &letter{from: "odd@mailer.example", subject: "Invoice", text: "+ADw-", head: "Content-Type: text/plain; charset=utf-7\r\n"}
		if x.take(l) != nil {
			x.Fatal("it became a case")
		}
		var list []intake.Spooled
		x.view(func(ctx context.Context, tx *db.Tx) (err error) {
			list, err = x.in.Quarantined(ctx, tx, 10)
			return err
		})
		if len(list) != 1 || !strings.Contains(list[0].Reason, "character set") {
			x.Fatalf("%+v", list)
		}
		s, err := x.in.Get(x.Context(), list[0].ID)
		if err != nil || !bytes.Contains(s.Envelope.Raw, []byte("+ADw-")) {
			x.Errorf("the bytes are not kept: %v", err)
		}
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return x.in.Rerun(x.Context(), tx, list[0].ID, "ivo") }); err != nil {
			x.Fatal(err)
		}
		x.settle()
		if n := x.count(`SELECT COUNT(*) FROM spool WHERE state = 'quarantine'`); n != 1 {
			x.Errorf("%d in quarantine after a second run", n)
		}
	})
}

func TestAcceptedMailSurvivesACrash(t *testing.T) {
	each(t, func(x *desk) {
		x.in.Stop() // nobody works on what is accepted now
		l := &letter{from: "ada@brandt.example", subject: "Hello", text: "first"}
		if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", To: []string{box}, From: "a@b.example", Raw: x.raw(l)}); err != nil {
			x.Fatal(err)
		}
		// As if the worker had died in the middle of it.
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(x.Context(), `UPDATE spool SET state = 'working', owner = 'node', lease_until = $1`, db.Micros(tx.Now.Add(db.Lease)))
			return err
		}); err != nil {
			x.Fatal(err)
		}
		x.build()
		x.start()
		x.settle()
		if n := x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`); n != 1 {
			x.Errorf("%d messages", n)
		}
	})
}

func TestDatabaseAwayIsATemporaryFailure(t *testing.T) {
	x := open(t, dbtest.SQLite(t))
	x.in.Stop()
	x.out.Stop()
	x.d.Close()
	err := x.in.Accept(t.Context(), &intake.Envelope{Door: "smtp", To: []string{box}, Raw: x.raw(&letter{from: "a@b.example"})})
	if !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestOurOwnMailIsKeptOut(t *testing.T) {
	each(t, func(x *desk) {
		if x.take(&letter{from: "Northmere <" + box + ">", subject: "Loop", text: "x"}) != nil {
			x.Error("our own mail became a case")
		}
		if n := x.count(`SELECT COUNT(*) FROM contacts`); n != 0 {
			x.Errorf("%d contacts", n)
		}
	})
}

func TestOneMailMakesOneContact(t *testing.T) {
	x := open(t, dbtest.SQLite(t))
	cc := "Cc: " + strings.TrimSuffix(strings.Repeat("a@x.example, ", 200), ", ") + "\r\nReply-To: r@x.example\r\n"
	x.take(&letter{from: "ada@brandt.example", subject: "x", text: "x", head: cc})
	if n := x.count(`SELECT COUNT(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

// signedMail is what Ada's mail program writes, with her key in the head.
func (x *desk) signedMail(s *pgp.Secret, subject, text string, encrypt bool) []byte {
	x.Helper()
	x.n++
	o := pgp.Outgoing{Signer: s, Now: x.d.Now(), OuterSubject: "...", Draft: message.Draft{From: message.Address{Name: "Ada Brandt", Addr: "ada@brandt.example"}, To: []message.Address{{Addr: box}},
		Subject: subject, Date: x.d.Now(), MessageID: fmt.Sprintf("s%d@brandt.example", x.n), Text: text, Headers: [][2]string{{"Autocrypt", outbox.Autocrypt("ada@brandt.example", s.Public())}}}}
	if encrypt {
		o.To = []*pgp.Key{x.boxes.All()[0].Secret.Public()}
	}
	sealed, err := pgp.Seal(o)
	if err != nil {
		x.Fatal(err)
	}
	return sealed.Raw
}

func (x *desk) ada() (c *contacts.Contact) {
	x.Helper()
	x.view(func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = x.book.Find(ctx, tx, "ada@brandt.example")
		return err
	})
	return c
}

func (x *desk) verify(k contacts.Key) {
	x.Helper()
	if err := k.Verify("call-back", "noor", "Noor", x.d.Now()); err != nil {
		x.Fatal(err)
	}
	if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return x.book.SaveKey(x.Context(), tx, &k) }); err != nil {
		x.Fatal(err)
	}
	if err := x.in.Recheck(x.Context(), k.Contact); err != nil {
		x.Fatal(err)
	}
}

func TestKeysAreHarvestedAndNeverReplaceAVerifiedOne(t *testing.T) {
	each(t, func(x *desk) {
		one, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
		if err != nil {
			x.Fatal(err)
		}
		c := x.takeRaw(x.signedMail(one, "Secret subject", "my balance?", true), &letter{})
		m := x.inbound(c)[0]
		if m.Evidence.Verdict != "S" || c.Subject != "Secret subject" || !c.Sensitive || m.Doc.Text != "my balance?" {
			x.Fatalf("%q %q %+v", c.Subject, m.Doc.Text, m.Evidence)
		}
		keys := x.ada().Keys
		if len(keys) != 1 || keys[0].Trust != contacts.Harvested || keys[0].Pending {
			x.Fatalf("%+v", keys)
		}
		x.verify(keys[0])
		if m := x.inbound(c)[0]; m.Evidence.Verdict != "V" || m.Evidence.Via != "call-back" || x.caseOf(c.ID).Trust != "checked" {
			x.Errorf("after the comparison: %+v", m.Evidence)
		}
		two, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Minute))
		if err != nil {
			x.Fatal(err)
		}
		o := x.takeRaw(x.signedMail(two, "New key", "use my new key", false), &letter{})
		if m := x.inbound(o)[0]; m.Evidence.Verdict != "S" || m.Evidence.Class() != "other" {
			x.Errorf("signed with another key: %+v", m.Evidence)
		}
		a := x.ada()
		use, _ := a.VerifiedKey(x.d.Now())
		if len(a.Keys) != 2 || use.Cert.Fingerprint() != one.Public().Fingerprint() {
			x.Errorf("the verified key lost its place: %+v", a.Keys)
		}
		for _, k := range a.Keys {
			if k.Cert.Fingerprint() == two.Public().Fingerprint() && !k.Pending {
				x.Error("the second key is not pending")
			}
		}
		u := x.take(&letter{from: "Ada <ada@brandt.example>", subject: "In a hurry", text: "pay"})
		if m := x.inbound(u)[0]; m.Evidence.Class() != "usual" {
			x.Errorf("unsigned: %+v", m.Evidence)
		}
	})
}

func TestStoredMailIsSealed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sealed.db")
	x := open(t, file)
	x.take(&letter{from: "Canaryname Person <canaryaddr@canarydomain.example>", subject: "canarysubject", text: "canarybody",
		head: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"})
	l := &letter{from: "Canaryname Person <canaryaddr@canarydomain.example>", subject: "canarysubject", head: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		text: "--b\r\n\r\ncanarybody\r\n--b\r\nContent-Disposition: attachment; filename=canaryfile.txt\r\n\r\ncanarydata\r\n--b--\r\n"}
	if c := x.take(l); c == nil || len(x.inbound(c)[0].Doc.Attachments) != 1 {
		t.Fatal("the mail was not filed")
	}
	for _, name := range []string{file, file + "-wal"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"anaryname", "anaryaddr", "anarydomain", "anarysubject", "anarybody", "anaryfile", "anarydata"} {
			if bytes.Contains(b, []byte(canary)) {
				t.Errorf("%s holds %q in clear", filepath.Base(name), canary)
			}
		}
	}
}
