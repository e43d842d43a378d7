package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/smtpc"
	"postern/internal/staff"
)

type demoCmd struct{}

// Run starts a desk for a made-up organisation and lets made-up customers write
// to it. Everything goes through the doors that real mail goes through; what is
// on the screens afterwards is what the desk made of it.
func (demoCmd) Run(ctx context.Context, e *Env, c *commands) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "postern-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg.DataDir, cfg.Database, cfg.MasterKey, cfg.KeyFile, cfg.RelayAddr = dir, "", "", "", ""
	cfg.Hours, cfg.OrgName, cfg.OrgPhone, cfg.Mailbox, cfg.LogLevel = "Mon-Fri 08:00-18:00", "Northmere Savings", "0555 0100", "support@northmere.example", "warn"
	cfg.TextsURL, cfg.TextsSecret, cfg.TextsCapture, cfg.LinksFetch, cfg.Canaries = "", "", true, false, false // nothing in it is real
	d, err := Open(ctx, cfg, logger(cfg, e.Stderr), nil)
	if err != nil {
		return err
	}
	defer d.Stop()
	if err := d.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, "Customers of Northmere Savings, a made-up bank, write to it ...")
	s := &scene{d: d, cfg: cfg}
	if err := s.play(ctx); err != nil {
		return fail.Wrap(fail.KindOf(err), err, "the demo could not be played")
	}
	fmt.Fprintf(e.Stdout, "\n  pages   %s\n  mail    SMTP at %s, for support@northmere.example\n  data    SQLite in a temporary folder, gone when this ends\n", cfg.URL, d.addrs["smtp"])
	fmt.Fprintln(e.Stdout, "\nYour browser warns of the self-signed certificate.")
	if err := s.links(ctx, e.Stdout); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "\nA customer's own place, %s/my: come in as lena@kestrelmail.example, have a code sent to her telephone,\nand read it in the agent's tray. Ada has signed a change of address: the agent may approve it under Authorisations.\n", cfg.URL)
	fmt.Fprintf(e.Stdout, "Two people report holes: the triager looks at one, and has one in work, at %s/desk/security.\n", cfg.URL)
	fmt.Fprintln(e.Stdout, "\nWrite to it yourself:\n  swaks --server", d.addrs["smtp"], `--from you@home.example --to support@northmere.example --header "Subject: Hello" --body "Is anybody there?"`)
	fmt.Fprintln(e.Stdout, "Outgoing mail stays in the tray; it leaves 15 seconds after it was sent. Ctrl-C ends the demo.")
	s.wait(ctx, e)
	return nil
}

type demoPerson struct {
	staff.Person
	role string
}

// scene is the demo under way.
type scene struct {
	d         *Desk
	cfg       *config.Config
	people    []demoPerson
	agent     string
	triager   string
	colleague string // who made the calls: she may not approve what they prove
	n         int    // mails sent so far
}

func (s *scene) play(ctx context.Context) error {
	if err := s.hire(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{s.shelf, s.ada, s.jonas, s.lena, s.odd, s.sam, s.finders} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hire adds the people who work here.
func (s *scene) hire(ctx context.Context) error {
	for _, p := range []struct {
		name  string
		role  string
		roles []staff.Role
	}{{"Mara Stein", "agent", []staff.Role{staff.Agent}}, {"Ivo Keller", "triager", []staff.Role{staff.Triager}}, {"Noor Bakker", "admin", []staff.Role{staff.Admin}}} {
		q := demoPerson{Person: staff.Person{Name: p.name, Email: p.role + "@northmere.example", Roles: p.roles}, role: p.role}
		err := s.d.db.Update(ctx, func(tx *db.Tx) error {
			return s.d.staff.Add(ctx, tx, &q.Person)
		})
		if err != nil {
			return err
		}
		s.people = append(s.people, q)
	}
	s.agent, s.triager = string(s.people[0].ID), string(s.people[1].ID)
	for _, p := range s.upstairs() {
		if err := s.d.db.Update(ctx, func(tx *db.Tx) error { return s.d.staff.Add(ctx, tx, p) }); err != nil {
			return err
		}
	}
	lea := &staff.Person{Name: "Lea Holm", Email: "lea@northmere.example", Roles: []staff.Role{staff.Agent}}
	err := s.d.db.Update(ctx, func(tx *db.Tx) error { return s.d.staff.Add(ctx, tx, lea) })
	s.colleague = string(lea.ID)
	return err
}

// customer is somebody with a mail program.
type customer struct {
	name, address string
	secret        *pgp.Secret // nil: no key
}

// write makes a customer's mail and sends it by SMTP, as their mail program
// would; it returns when the desk has filed it.
func (s *scene) write(ctx context.Context, c customer, subject, text string, encrypt bool) error {
	s.n++
	id := fmt.Sprintf("demo-%d-%s@customer.example", s.n, db.NewSecret()[:8])
	draft := message.Draft{From: message.Address{Name: c.name, Addr: c.address}, To: []message.Address{{Addr: s.cfg.Mailbox}}, Subject: subject,
		Date: time.Now(), MessageID: id, Text: text}
	if c.secret == nil {
		raw, err := plainMail(draft)
		if err != nil {
			return err
		}
		return s.send(ctx, c.address, raw)
	}
	draft.Headers = [][2]string{{"Autocrypt", outbox.Autocrypt(c.address, c.secret.Public())}}
	o := pgp.Outgoing{Draft: draft, Signer: c.secret, Now: time.Now(), OuterSubject: "..."}
	if encrypt {
		o.To = []*pgp.Key{s.d.boxes.First().Secret.Public()}
	}
	sealed, err := pgp.Seal(o)
	if err != nil {
		return err
	}
	return s.send(ctx, c.address, sealed.Raw)
}

// plainMail is what most people's mail programs write: no signature at all.
func plainMail(d message.Draft) ([]byte, error) {
	fields, err := d.Fields(d.Subject)
	if err != nil {
		return nil, err
	}
	body, err := d.Body(append(fields, message.Field{Name: "MIME-Version", Value: "1.0"}), nil)
	return body, err
}

func (s *scene) send(ctx context.Context, from string, raw []byte) error {
	client := smtpc.New(smtpc.Relay{Addr: s.d.addrs["smtp"], TLS: smtpc.TLSNone, Hostname: "customer.example"})
	defer client.Close()
	if res := client.Send(ctx, from, s.cfg.Mailbox, raw); res.Outcome != smtpc.Sent {
		return fmt.Errorf("a customer's mail was not taken: %s %s", res.Stage, res.Text)
	}
	return s.until(ctx, `SELECT COUNT(*) FROM spool WHERE state IN ('spooled', 'working')`)
}

// until waits for a count to become zero.
func (s *scene) until(ctx context.Context, query string) error {
	for range 400 {
		var n int64
		err := s.d.db.View(ctx, func(tx *db.Tx) (err error) { n, err = db.Count(ctx, tx, query); return err })
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
	return fmt.Errorf("the desk did not finish in time")
}

// of returns a customer's record and the newest case with them.
func (s *scene) of(ctx context.Context, address string) (p *contacts.Contact, c *cases.Case, err error) {
	err = s.d.db.View(ctx, func(tx *db.Tx) error {
		if p, err = s.d.contacts.Find(ctx, tx, address); err != nil {
			return err
		}
		c = nil
		list, err := s.d.cases.OfContact(ctx, tx, p.ID, 20)
		for n := range list {
			if c == nil && list[n].State != cases.Closed { // notices of ours stand in cases of their own
				c = &list[n]
			}
		}
		if err == nil && c == nil {
			err = fmt.Errorf("no case is open with %s", address)
		}
		return err
	})
	return p, c, err
}

// answer sends what the agent writes, by the way the desk decides.
func (s *scene) answer(ctx context.Context, address, text string, sensitive bool) error {
	p, c, err := s.of(ctx, address)
	if err != nil {
		return err
	}
	_, err = s.d.outbox.Send(ctx, &outbox.Answer{Case: c.ID, Staff: s.agent, Text: text, Sensitive: sensitive, To: []contacts.ID{p.ID}})
	return err
}

func (s *scene) phone(ctx context.Context, address, number string) error {
	p, _, err := s.of(ctx, address)
	if err != nil {
		return err
	}
	return s.d.db.Update(ctx, func(tx *db.Tx) error {
		if err := s.d.contacts.AddPhone(ctx, tx, p.ID, number, "records", ""); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "phone.added", About: string(p.ID), Detail: "from the organisation's records, before the desk was there"})
	})
}

// compare marks a customer's key as compared with them, as the agent would.
func (s *scene) compare(ctx context.Context, address string) error {
	p, _, err := s.of(ctx, address)
	if err != nil {
		return err
	}
	if len(p.Keys) == 0 {
		return fmt.Errorf("no key came with the mail of %s", address)
	}
	way := "call-back"
	if len(p.Phones) == 0 {
		way = "in person"
	}
	if _, err := s.d.auth.Compared(ctx, s.colleague, p.ID, p.Keys[0].ID, way); err != nil {
		return err
	}
	return s.d.intake.Recheck(ctx, p.ID)
}
