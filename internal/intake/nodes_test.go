package intake_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/smtpc"
)

// cutter stands between the desk and its database. Once armed, the connection that sends
// the words is cut after the server had its time, and before its answer comes back.
func cutter(t *testing.T, url, words string) (through string, armed *atomic.Bool) {
	armed = new(atomic.Bool)
	old := regexp.MustCompile(`host=(\S+)`).FindStringSubmatch(url)[1]
	port := regexp.MustCompile(`port=(\d+)`).FindStringSubmatch(url)[1]
	dir, socket := t.TempDir(), ".s.PGSQL."+port
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	pass := func(c net.Conn) {
		defer c.Close()
		s, err := net.Dial("unix", filepath.Join(old, socket))
		if err != nil {
			return
		}
		defer s.Close()
		var dead atomic.Bool
		go func() {
			defer c.Close()
			b := make([]byte, 1<<20)
			for {
				n, err := s.Read(b)
				if err != nil || dead.Load() {
					return
				}
				c.Write(b[:n])
			}
		}()
		b := make([]byte, 1<<20)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			cut := bytes.Contains(b[:n], []byte(words)) && armed.CompareAndSwap(true, false)
			dead.Store(cut)
			s.Write(b[:n])
			if cut {
				time.Sleep(300 * time.Millisecond)
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c)
		}
	}()
	return strings.Replace(url, "host="+old, "host="+dir, 1), armed
}

// TestQuarantineWhoseAnswerIsLost: the connection breaks between the commit and its
// answer. The mail got its 250, so staff must find it.
func TestQuarantineWhoseAnswerIsLost(t *testing.T) {
	url, armed := cutter(t, dbtest.Postgres(t), "own-mail: our own")
	x := open(t, url)
	armed.Store(true)
	l := &letter{from: "Northmere <" + box + ">", subject: "Loop", text: "x"}
	if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", From: "bounce@customer.example", To: []string{box}, Raw: x.raw(l)}); err != nil {
		t.Fatal(err)
	}
	x.until(func() bool { return !armed.Load() })
	x.in.Stop() // what is under way is finished
	x.view(func(ctx context.Context, tx *db.Tx) error {
		list, err := x.in.Quarantined(ctx, tx, 10)
		if len(list) != 1 {
			t.Errorf("%d in quarantine", len(list))
		}
		return err
	})
}

// steal gives what this node works on to another, as when its lease ran out.
func (x *desk) steal(table string) {
	if err := x.d.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(context.Background(), `UPDATE `+table+` SET owner = 'other', lease_until = $1 WHERE owner = 'node' AND done_at = 0`, db.Micros(tx.Now.Add(time.Hour)))
		return err
	}); err != nil {
		x.Error(err)
	}
}

// TestLostLeaseSendsNothing: a node that was held up and lost its lease does not send
// what another sends by now, nor take the delivery away from it.
func TestLostLeaseSendsNothing(t *testing.T) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			x, r := withRelay(t, url(t))
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			before := len(r.mails())
			x.in.Stop()
			x.out.Stop()
			var armed atomic.Bool
			x.composes = func() {
				if armed.CompareAndSwap(true, false) {
					x.steal("deliveries")
				}
			}
			x.build()
			x.start()
			if _, err := x.out.Send(t.Context(), &outbox.Answer{Case: c.ID, Text: "Yes.", Staff: "noor", To: []contacts.ID{c.Contact}}); err != nil {
				t.Fatal(err)
			}
			armed.Store(true)
			x.clock.add(time.Minute)
			x.until(func() bool { return x.count(`SELECT COUNT(*) FROM deliveries WHERE owner = 'other'`) == 1 })
			x.out.Stop() // what is under way is finished
			if n := len(r.mails()); n != before {
				t.Errorf("%d mails were sent", n-before)
			}
			if n := x.count(`SELECT COUNT(*) FROM deliveries WHERE owner = 'other' AND state = 'working' AND attempts = 0`); n != 1 {
				t.Error("the other node's work was taken from it")
			}
		})
	}
}

// overtaken is a relay that does not take the mail now; meanwhile another node, which
// believed this one dead, has sent it.
type overtaken struct{ x *desk }

func (r *overtaken) Send(context.Context, string, string, []byte) smtpc.Result {
	if err := r.x.d.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(context.Background(), `UPDATE deliveries SET state = 'sent', owner = '', done_at = $1 WHERE state = 'sending'`, db.Micros(tx.Now))
		return err
	}); err != nil {
		r.x.Error(err)
	}
	return smtpc.Result{Outcome: smtpc.Deferred, Code: 451}
}

// TestLateFailureDoesNotSendAgain: what another node sent is not put back.
func TestLateFailureDoesNotSendAgain(t *testing.T) {
	each(t, func(x *desk) {
		x.restart(func() { x.relay = &overtaken{x} })
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
		if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
			x.Fatal(err)
		}
		x.out.Stop() // what is under way is finished
		for _, d := range x.deliveries(c) {
			if d.State != outbox.Sent || d.Done.IsZero() {
				x.Errorf("%s: %s", d.Kind, d.State)
			}
		}
	})
}

// thief takes the mail away while its sender's domain is asked about.
type thief struct {
	net.Resolver
	once sync.Once
	x    *desk
}

func (r *thief) LookupTXT(context.Context, string) ([]string, error) {
	r.once.Do(func() { r.x.steal("spool") })
	return nil, &net.DNSError{IsNotFound: true}
}

// TestLostLeaseFilesNothing: the same on the way in. Without a Message-ID nothing else
// would keep the mail from being filed twice.
func TestLostLeaseFilesNothing(t *testing.T) {
	each(t, func(x *desk) {
		x.restart(func() { x.resolver = &thief{x: x} })
		raw := []byte("From: emre@kestrel.example\r\nTo: " + box + "\r\nDate: " + x.d.Now().Format(time.RFC1123Z) + "\r\nSubject: Hello\r\n\r\nMay I ask?\r\n")
		if err := x.in.Accept(x.Context(), &intake.Envelope{Door: "smtp", Remote: netip.MustParseAddr("192.0.2.7"), Helo: "mail.kestrel.example", From: "emre@kestrel.example", To: []string{box}, Raw: raw}); err != nil {
			x.Fatal(err)
		}
		x.until(func() bool { return x.count(`SELECT COUNT(*) FROM spool WHERE owner = 'other'`) == 1 })
		x.in.Stop()
		if n := x.count(`SELECT COUNT(*) FROM messages`); n != 0 {
			x.Errorf("%d messages were filed", n)
		}
		if n := x.count(`SELECT COUNT(*) FROM spool WHERE owner = 'other' AND state = 'working' AND attempts = 0`); n != 1 {
			x.Error("the other node's work was taken from it")
		}
	})
}
