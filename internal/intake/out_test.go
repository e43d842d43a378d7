package intake_test

// The way out, tested on the same desk as the way in: what is answered came in.

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/gpgtest"
	"postern/internal/intake"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/portal"
	"postern/internal/smtpc"
)

// fakeRelay answers as told, one outcome a mail, then Sent.
type fakeRelay struct {
	mu   sync.Mutex
	say  []smtpc.Outcome  // guarded by mu
	got  [][]byte         // guarded by mu
	from []string         // guarded by mu
	to   []string         // guarded by mu
	bad  string           // a recipient that holds this is refused
	text string           // what the relay says beside its code
	then func(raw []byte) // runs before the relay's answer
}

func (r *fakeRelay) refuse(part string) { r.bad = part }

func (r *fakeRelay) Send(_ context.Context, from, to string, raw []byte) smtpc.Result {
	if r.then != nil {
		r.then(raw)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got, r.from, r.to = append(r.got, bytes.Clone(raw)), append(r.from, from), append(r.to, to)
	if r.bad != "" && strings.Contains(to, r.bad) {
		return smtpc.Result{Outcome: smtpc.Refused, Code: 550, Text: r.text}
	}
	if len(r.say) == 0 {
		return smtpc.Result{Outcome: smtpc.Sent, Code: 250}
	}
	o := r.say[0]
	r.say = r.say[1:]
	return smtpc.Result{Outcome: o, Text: "as told"}
}

func (r *fakeRelay) mails() [][]byte { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.got) }

func withRelay(t testing.TB, url string, say ...smtpc.Outcome) (*desk, *fakeRelay) {
	x := open(t, url)
	x.in.Stop()
	x.out.Stop()
	r := &fakeRelay{say: say}
	x.relay = r
	x.build()
	x.start()
	return x, r
}

// answer sends an answer and waits until the time to undo is over and it is gone.
func (x *desk) answer(c *cases.Case, a outbox.Answer) (cases.MessageID, error) {
	x.Helper()
	a.Case, a.Staff = c.ID, "noor"
	if a.To == nil {
		a.To = []contacts.ID{c.Contact}
	}
	m, err := x.out.Send(x.Context(), &a)
	if err == nil {
		x.clock.add(outbox.Undo + time.Second)
		x.settle()
	}
	return m, err
}

func (x *desk) deliveries(c *cases.Case) (out []outbox.Delivery) {
	x.Helper()
	x.view(func(ctx context.Context, tx *db.Tx) (err error) { out, err = x.out.OfCase(ctx, tx, c.ID); return err })
	return out
}

func (x *desk) last(c *cases.Case) outbox.Delivery {
	x.Helper()
	all := x.deliveries(c)
	return all[len(all)-1]
}

func (x *desk) phone(c *cases.Case) {
	x.Helper()
	if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
		return x.book.AddPhone(x.Context(), tx, c.Contact, "0171 5550142", "staff", "noor")
	}); err != nil {
		x.Fatal(err)
	}
}

// adaCase is a case with a customer whose key is compared.
func (x *desk) adaCase() (*cases.Case, *pgp.Secret) {
	x.Helper()
	s, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
	if err != nil {
		x.Fatal(err)
	}
	c := x.takeRaw(x.signedMail(s, "Hello", "first", true), &letter{})
	x.verify(x.ada().Keys[0])
	return x.caseOf(c.ID), s
}

func TestP1EverythingThatLeavesIsSigned(t *testing.T) {
	each(t, func(x *desk) {
		g := gpgtest.New(x.TB)
		us := x.boxes.All()[0].Secret.Public()
		g.Import(us.Armored())
		plain := x.take(&letter{from: "emre@kestrel.example", subject: "Hours", text: "open?"}) // a receipt
		if _, err := x.answer(plain, outbox.Answer{Text: "Yes."}); err != nil {                 // signed
			x.Fatal(err)
		}
		x.phone(plain)
		if _, err := x.answer(plain, outbox.Answer{Text: "Your balance.", Sensitive: true}); err != nil { // a notice
			x.Fatal(err)
		}
		mails := x.tray("emre@kestrel.example")
		if len(mails) != 3 {
			x.Fatalf("%d mails", len(mails))
		}
		for _, raw := range mails {
			m := message.Parse(raw)
			if m.Root.Type != "multipart/signed" || len(m.Root.Parts) != 2 {
				x.Errorf("%s leaves as %s", m.Header().Text("Subject"), m.Root.Type)
				continue
			}
			sig, _ := m.Root.Parts[1].Data()
			if status, err := g.Verify(sig, m.Root.Parts[0].Raw); err != nil || !strings.Contains(string(status), string(us.Fingerprint())) {
				x.Errorf("%s: %v\n%s", m.Header().Text("Subject"), err, status)
			}
		}
	})
}

func TestP2SensitiveContentNeverTravelsInClear(t *testing.T) {
	for name, a := range map[string]outbox.Answer{
		"a card number":    {Text: "We charged 4111 1111 1111 1111."},
		"an account":       {Text: "Paid to DE89 3704 0044 0532 0130 00."},
		"a password":       {Text: "Your password is: Xk4-99-plum"},
		"the agent's mark": {Text: "Nothing special.", Sensitive: true},
		"a file":           {Text: "See the file.", Files: []cases.File{{Name: "a.pdf", Type: "application/pdf", Data: []byte("%PDF canary")}}},
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t, dbtest.SQLite(t))
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			if _, err := x.answer(c, a); !fail.Is(err, fail.Conflict) {
				t.Fatalf("without key and number: %v", err)
			}
			x.phone(c)
			if _, err := x.answer(c, a); err != nil {
				t.Fatal(err)
			}
			if s := x.last(c); s.Protection != policy.Portal || s.State != outbox.Captured {
				t.Errorf("%+v", s)
			}
			for _, raw := range x.tray("emre@kestrel.example") {
				// As it travels and as it reads; nothing so short that a signature or a boundary could hold it by chance.
				seen := string(raw) + message.Parse(raw).Root.Display().Text
				for _, leak := range []string{"4111 1111", "41111111", "DE89 3704", "DE893704", "99-plum", "Nothing special", "canary", "See the file", "JVBERi"} {
					if strings.Contains(seen, leak) {
						t.Errorf("%q is in a mail", leak)
					}
				}
			}
		})
	}
}

func TestP2KeyLostBeforeSendingHoldsTheMail(t *testing.T) {
	each(t, func(x *desk) {
		c, _ := x.adaCase()
		m, err := x.out.Send(x.Context(), &outbox.Answer{Case: c.ID, Staff: "noor", Text: "Your balance is 12.", To: []contacts.ID{c.Contact},
			Shown: map[contacts.ID]policy.Protection{c.Contact: policy.Encrypted}})
		if err != nil {
			x.Fatal(err)
		}
		k := x.ada().Keys[0]
		k.Reject("noor", "Noor")
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return x.book.SaveKey(x.Context(), tx, &k) }); err != nil {
			x.Fatal(err)
		}
		x.clock.add(time.Minute)
		x.settle()
		s := x.last(c)
		if s.Message != m || s.State != outbox.Held || !x.caseOf(c.ID).Held {
			x.Fatalf("%+v", s)
		}
		if n := len(x.tray("ada@brandt.example")); n != 1 { // the receipt
			x.Errorf("%d mails in the tray", n)
		}
		// With a number on file it may go by the portal, once a person says so.
		x.phone(c)
		err = x.d.Update(x.Context(), func(tx *db.Tx) error {
			c, err := x.cases.Get(x.Context(), tx, c.ID)
			if err != nil {
				return err
			}
			return x.out.Retry(x.Context(), tx, c, s.ID, "noor")
		})
		if err != nil {
			x.Fatal(err)
		}
		x.settle()
		if s := x.last(c); s.State != outbox.Captured || s.Protection != policy.Portal || x.caseOf(c.ID).Held {
			x.Errorf("%+v", s)
		}
	})
}

func TestEncryptedAnswerIsForOnePersonOnly(t *testing.T) {
	each(t, func(x *desk) {
		c, ada := x.adaCase()
		if _, err := x.answer(c, outbox.Answer{Text: "Your balance is 12,04."}); err != nil {
			x.Fatal(err)
		}
		raw := x.tray("ada@brandt.example")[0]
		m := message.Parse(raw)
		if bytes.Contains(raw, []byte("balance")) || m.Header().Text("Subject") != "["+x.cases.Tokens.Make(c.Ref)+"]" || m.Header().Get("Autocrypt") == "" {
			x.Errorf("%.500s", raw)
		}
		data, _ := m.Root.Parts[1].Data()
		o, err := pgp.Open(data, []*pgp.Secret{ada})
		if err != nil || len(o.Recipients) != 1 || !bytes.Contains(o.Data, []byte("12,04")) {
			x.Fatalf("%v %+v", err, o)
		}
		if made, fault := o.Signatures[0].Verify(x.boxes.All()[0].Secret.Public(), x.d.Now()); !made || fault != "" {
			x.Errorf("%v %s", made, fault)
		}
		if got := m.Header().Addresses("Reply-To"); len(got) != 1 || got[0].Addr != x.cases.Tokens.PlusAddress(box, c.Ref) {
			x.Errorf("Reply-To %v", got)
		}
	})
}

func TestUndoIsPossibleForFifteenSeconds(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
		undo := func(m cases.MessageID) error {
			return x.d.Update(x.Context(), func(tx *db.Tx) error {
				c, err := x.cases.Get(x.Context(), tx, c.ID)
				if err != nil {
					return err
				}
				return x.out.Undo(x.Context(), tx, c, m, "noor")
			})
		}
		send := func() cases.MessageID {
			m, err := x.out.Send(x.Context(), &outbox.Answer{Case: c.ID, Staff: "noor", Text: "Yes.", To: []contacts.ID{c.Contact}})
			if err != nil {
				x.Fatal(err)
			}
			return m
		}
		m := send()
		x.clock.add(outbox.Undo - time.Second)
		if err := undo(m); err != nil {
			x.Error(err)
		}
		x.clock.add(time.Minute)
		x.settle()
		if n := len(x.tray("emre@kestrel.example")); n != 1 {
			x.Errorf("%d mails: what was undone left", n)
		}
		m = send()
		x.clock.add(outbox.Undo + time.Second)
		x.settle()
		if err := undo(m); !fail.Is(err, fail.Conflict) {
			x.Errorf("too late: %v", err)
		}
	})
}

func TestRelayOutcomes(t *testing.T) {
	for url, mk := range dbtest.URLs() {
		t.Run(url, func(t *testing.T) {
			x, r := withRelay(t, mk(t), smtpc.Sent, smtpc.Deferred, smtpc.InDoubt, smtpc.Sent, smtpc.Refused)
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"}) // the receipt is sent
			if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
				t.Fatal(err)
			}
			if s := x.last(c); s.State != outbox.Deferred || !strings.Contains(s.Reason, "not now") {
				t.Fatalf("%+v", s)
			}
			x.clock.add(2 * time.Minute)
			x.until(func() bool { return len(r.mails()) == 3 })
			x.settle()
			if s := x.last(c); s.State != outbox.Deferred || !strings.Contains(s.Reason, "in doubt") {
				t.Fatalf("%+v", s)
			}
			x.clock.add(10 * time.Minute)
			x.until(func() bool { return x.last(c).State == outbox.Sent })
			got := r.mails()
			if len(got) != 4 || !bytes.Equal(got[1], got[2]) || !bytes.Equal(got[2], got[3]) {
				t.Errorf("%d mails; a repeat must be the same bytes", len(got))
			}
			if r.from[0] != "" || r.from[1] == "" {
				t.Errorf("return paths %q", r.from)
			}
			if _, err := x.answer(c, outbox.Answer{Text: "And no."}); err != nil {
				t.Fatal(err)
			}
			if s := x.last(c); s.State != outbox.Failed {
				t.Errorf("%+v", s)
			}
		})
	}
}

func (x *desk) until(f func() bool) {
	x.Helper()
	for range 600 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	x.Fatal("it never happened")
}

// repeatedOnce makes sure that the last of so many mails is the one before it,
// byte for byte, and that the record says that it went again.
func (x *desk) repeatedOnce(r *fakeRelay, mails int) {
	x.Helper()
	got := r.mails()
	if n := len(got); n != mails || !bytes.Equal(got[n-2], got[n-1]) {
		x.Errorf("%d mails; the repeat must be the same bytes", n)
	}
	if n := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'delivery.repeated'`); n != 1 {
		x.Errorf("%d audit rows say so", n)
	}
}

func TestCrashWhileSendingRepeatsTheSameBytes(t *testing.T) {
	for url, mk := range dbtest.URLs() {
		t.Run(url, func(t *testing.T) {
			x, r := withRelay(t, mk(t))
			c := x.take(&letter{from: "emre@kestrel.example", subject: "Hello", text: "?"})
			if _, err := x.answer(c, outbox.Answer{Text: "Yes."}); err != nil {
				t.Fatal(err)
			}
			x.in.Stop()
			x.out.Stop()
			// As if the node had died after the relay's 250 and before its own mark.
			if err := x.d.Update(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE deliveries SET state = 'sending', reason = 'sending', owner = 'node', done_at = 0, lease_until = $1 WHERE kind = 'reply'`, db.Micros(tx.Now.Add(db.Lease)))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			x.build()
			x.start()
			x.until(func() bool { return x.last(c).State == outbox.Sent })
			x.repeatedOnce(r, 3)
		})
	}
}

func TestPortalAnswerIsBounded(t *testing.T) {
	x := open(t, dbtest.SQLite(t))
	for name, text := range map[string]string{"empty": " \n", "endless": strings.Repeat("x", intake.MaxText+1)} {
		if _, err := x.in.FromPortal(t.Context(), &intake.PortalReply{Text: text, Session: &portal.Session{}, Item: &portal.Item{}}); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
