package app

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hooks"
	"postern/internal/intake"
	"postern/internal/jobs"
	"postern/internal/jws"
	"postern/internal/ladder"
	"postern/internal/links"
	"postern/internal/mailauth"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/probe"
	"postern/internal/publications"
	"postern/internal/security"
	"postern/internal/smtpc"
	"postern/internal/smtpd"
	"postern/internal/staff"
	"postern/internal/texts"
	"postern/internal/vault"
	"postern/internal/web"
)

// Desk is a running desk: all parts, built in order and stopped in reverse.
type Desk struct {
	cfg    *config.Config
	log    *slog.Logger
	zone   *time.Location
	unlock func()
	cert   tls.Certificate
	stats  *metrics

	db        *db.DB
	vault     *vault.Vault
	cases     *cases.Store
	contacts  *contacts.Book
	boxes     *mailboxes.Store
	portal    *portal.Store
	staff     *staff.Service
	centre    *centre.Store
	ladder    *ladder.Ladder
	security  *security.Service
	probes    *probe.Watch
	confirmed atomic.Pointer[[]string] // hosts that were shown to be ours
	ownTried  atomic.Int64             // when our own was asked last, in microseconds
	fetch     links.Fetch              // nil: the network
	jobs      *jobs.Runner
	outbox    *outbox.Outbox
	intake    *intake.Intake
	relay     *smtpc.Client // nil: the tray
	auth      *authorise.Flow
	hooks     *hooks.Hooks
	texts     *texts.Texts
	signer    *jws.Signer
	links     *links.Guard
	published *publications.Store
	team      *pgp.Key // of those who triage; nil: none

	smtp    []*smtpd.Server
	servers []*http.Server
	addrs   map[string]string // what listens where, for the log and the tests
	up      atomic.Bool       // everything listens
	org     orgName

	stop context.CancelFunc // ends the ticking parts
	wg   sync.WaitGroup
}

// orgName is the organisation's name: the setting's, or the one given at set-up.
type orgName struct {
	mu   sync.RWMutex
	name string // guarded by mu
}

func (o *orgName) get() string  { o.mu.RLock(); defer o.mu.RUnlock(); return o.name }
func (o *orgName) set(s string) { o.mu.Lock(); defer o.mu.Unlock(); o.name = s }

// Open builds a desk; nothing listens and nothing is sent before Start.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, clock func() time.Time) (desk *Desk, err error) {
	d := &Desk{cfg: cfg, log: log, addrs: map[string]string{}, stats: newMetrics()}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.zone, err = time.LoadLocation(cfg.Timezone); err != nil {
		return nil, err
	}
	if d.unlock, err = openFolder(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := d.openStores(ctx, clock); err != nil {
		return nil, err
	}
	if err := d.openFlows(ctx); err != nil {
		return nil, err
	}
	d.cert, err = certificate(cfg)
	return d, err
}

func databaseURL(cfg *config.Config) string {
	if cfg.Database != "" {
		return cfg.Database
	}
	return filepath.Join(cfg.DataDir, "postern.db")
}

func (d *Desk) openStores(ctx context.Context, clock func() time.Time) (err error) {
	master, err := masterKey(d.cfg)
	if err != nil {
		return err
	}
	if d.vault, err = vault.New(master); err != nil {
		return err
	}
	if d.db, err = db.Open(ctx, db.Options{URL: databaseURL(d.cfg), Clock: clock}); err != nil {
		return fail.Wrap(fail.KindOf(err), err, "the database cannot be opened (setting database)")
	}
	if err := d.db.Migrate(ctx); err != nil {
		return err
	}
	if err := d.vault.Check(ctx, d.db); err != nil {
		return fail.Wrap(fail.Denied, err, "the master key does not fit this database (setting master_key_file)")
	}
	d.cases, d.contacts, d.portal = cases.NewStore(d.vault), contacts.NewBook(d.vault), portal.NewStore(d.vault)
	if d.boxes, err = mailboxes.Open(ctx, d.db, d.vault); err != nil {
		return err
	}
	if d.staff, err = staff.New(d.db, d.vault, d.cfg.URL, d.cfg.OrgName, d.cfg.StaffURL); err != nil {
		return err
	}
	if d.centre, err = centre.Open(ctx, d.db, d.vault, d.boxes, d.staff); err != nil {
		if !fail.Is(err, fail.Invalid) {
			return err
		}
		d.log.Error("what is stored of the support centre cannot be read whole; what is shipped stands in for topics", "err", err)
	}
	d.openLinks()
	promises, err := d.cfg.Reports()
	if err != nil {
		return err
	}
	if d.team, err = teamKey(d.cfg); err != nil {
		return err
	}
	d.published = publications.New(publications.Options{DB: d.db, Mailboxes: d.boxes, URL: d.cfg.URL, Org: d.org.get, Team: d.team, Promises: func() publications.Promises { return policyPromises(promises) }})
	d.org.set(d.cfg.OrgName)
	return d.loadOrg(ctx)
}

const orgSetting = "org-name"

// loadOrg takes the name given at set-up, unless the settings name another.
func (d *Desk) loadOrg(ctx context.Context) error {
	if d.cfg.OrgName != config.DefaultOrgName {
		return nil
	}
	return d.db.View(ctx, func(tx *db.Tx) error {
		b, err := db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT value FROM settings WHERE name = $1`, orgSetting)
		if fail.Is(err, fail.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := d.vault.Desk().OpenText(*b, orgSetting)
		if err == nil {
			d.org.set(name)
		}
		return err
	})
}

func (d *Desk) openFlows(ctx context.Context) error {
	if err := d.preferMailbox(ctx); err != nil {
		return err
	}
	if err := d.published.Begin(ctx); err != nil {
		return err
	}
	d.jobs = jobs.New(d.db, d.log)
	if err := d.jobs.Migrate(ctx); err != nil {
		return err
	}
	if err := d.openSecurity(); err != nil {
		return err
	}
	if err := d.openLadder(); err != nil {
		return err
	}
	if err := d.openOutbox(); err != nil {
		return err
	}
	if err := d.openHooks(); err != nil {
		return err
	}
	if err := d.openTexts(); err != nil {
		return err
	}
	if err := d.openAuthorise(ctx); err != nil {
		return err
	}
	var resolver mailauth.Resolver
	if d.cfg.CheckDomain {
		resolver = net.DefaultResolver
	}
	d.intake = intake.New(intake.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes, Outbox: d.outbox, Centre: d.centre, Ladder: d.ladder,
		Security: d.security, Host: hostOf(d.cfg.URL), Own: d.furtherHosts, Team: d.team, Resolver: resolver, Speaks: d.speaks, Filed: d.messageReceived, Stuck: d.mailStuck, Node: d.cfg.Node, Log: d.log, Observe: d.stats.intake})
	d.addJobs()
	d.addInstructionJobs()
	d.addTextJobs()
	d.addLadderJobs()
	d.openProbes()
	d.addSecurityJobs()
	d.addProbeJobs()
	d.addSummaryJob()
	d.addMonthlyJob()
	d.addCanaryJob()
	return nil
}

// openOutbox sets up the way out, through the relay if one is set.
func (d *Desk) openOutbox() error {
	var relay outbox.Relay
	if d.cfg.RelayAddr != "" {
		r, err := relayOf(d.cfg)
		if err != nil {
			return err
		}
		d.relay = smtpc.New(r)
		relay = d.relay
	}
	d.outbox = outbox.New(outbox.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes, Portal: d.portal,
		HasPasskey: func(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) {
			n, err := d.staff.Passkeys().Count(ctx, tx, "contact", string(c))
			if err != nil || n > 0 {
				return n > 0, err
			}
			app, err := d.staff.Passkeys().AppOf(ctx, tx, string(c)) // it opens their place, where what waits for them is read
			return app != nil, err
		},
		Receipt: func(ctx context.Context, tx *db.Tx, c cases.ID, person contacts.ID) (bool, error) {
			r, err := d.centre.ReceiptOf(ctx, tx, c)
			return r.Case != "" && r.Contact == person, err
		},
		Protected: func(topic string) bool { return d.centre.Tree().Protected(topic) }, Ladder: d.ladder, Centre: d.centre,
		Links: d.links, Relay: relay, Words: d.words, Ended: d.messageSent, Node: d.cfg.Node, Log: d.log, Observe: d.stats.outbox})
	return nil
}

// hostOf is the host of our own pages, without a port.
func hostOf(address string) string {
	u, _ := url.Parse(address) // checked when the settings were read
	return u.Hostname()
}

func (d *Desk) words() outbox.Words {
	return outbox.Words{Org: d.org.get(), BaseURL: d.cfg.URL, Desk: d.cfg.StaffURL, Phone: d.cfg.OrgPhone, Promise: d.cfg.Promise}
}

func (d *Desk) publicOrg() web.Org {
	u, _ := url.Parse(d.cfg.URL) // checked when the settings were read
	o := web.Org{Name: d.org.get(), Host: u.Host, Phone: d.cfg.OrgPhone, Promise: d.cfg.Promise}
	if d.cfg.Hours != "always" {
		o.Hours = d.cfg.Hours
	}
	if boxes := d.boxes.All(); len(boxes) > 0 {
		first := d.boxes.First()
		o.Mail, o.Key = first.Address, web.Fingerprint(first.Secret.Public().Fingerprint())
		for _, b := range boxes {
			if strings.HasPrefix(b.Address, "security@") {
				o.SecurityMail = b.Address
			}
		}
	}
	return o
}

// Start begins to work and to listen: first what sends and files, then the
// doors, so that nothing is taken that nobody would work on.
func (d *Desk) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = cancel
	if err := d.outbox.Start(ctx); err != nil {
		return err
	}
	if err := d.hooks.Start(ctx); err != nil {
		return err
	}
	if err := d.intake.Start(ctx); err != nil {
		return err
	}
	if err := d.jobs.Start(ctx); err != nil {
		return err
	}
	d.tick(run)
	if err := d.listenMail(); err != nil {
		return err
	}
	if err := d.listenWeb(); err != nil {
		return err
	}
	d.up.Store(true)
	// The doctor compares with this at the next start: a clock that went back
	// lengthens every limit.
	return replaceFile(filepath.Join(d.cfg.DataDir, "clock"), []byte(d.db.Now().Format(time.RFC3339)+"\n"))
}

// anchorFile holds the head of the audit chain apart from the database.
func anchorFile(c *config.Config) string { return filepath.Join(c.DataDir, "audit.head") }

func readAnchor(c *config.Config) audit.Anchor {
	b, err := os.ReadFile(anchorFile(c))
	if err != nil {
		return audit.Anchor{}
	}
	seq, hash, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	n, err := strconv.ParseInt(seq, 10, 64)
	if _, bad := hex.DecodeString(hash); err != nil || bad != nil {
		return audit.Anchor{}
	}
	return audit.Anchor{Seq: n, Hash: hash}
}

// tick runs what happens every moment: keeping the head of the audit chain in a
// file, reading mailboxes that another node made.
func (d *Desk) tick(ctx context.Context) {
	var last int64
	d.every(ctx, 5*time.Second, func() error {
		var head audit.Anchor
		err := d.db.View(ctx, func(tx *db.Tx) (err error) { head, err = audit.Head(ctx, tx); return err })
		if err != nil || head.Seq == last {
			return err
		}
		last = head.Seq
		return replaceFile(anchorFile(d.cfg), fmt.Appendf(nil, "%d %s\n", head.Seq, head.Hash))
	})
	d.every(ctx, time.Minute, func() error { return d.boxes.Reload(ctx) })
	d.every(ctx, time.Minute, func() error { return d.centre.Reload(ctx) })
	d.every(ctx, time.Minute, func() error { return d.signer.Reload(ctx) }) // another node may have made a new key
	d.every(ctx, time.Minute, func() error { return d.hooks.Reload(ctx) })  // or changed what the systems want to know
}

func (d *Desk) every(ctx context.Context, wait time.Duration, f func() error) {
	d.wg.Go(func() {
		t := time.NewTicker(wait)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if err := f(); err != nil && ctx.Err() == nil {
					d.log.Warn("background work", "err", err)
				}
			}
		}
	})
}

func replaceFile(file string, data []byte) error {
	tmp := file + ".new"
	os.Remove(tmp)
	if err := writeNew(tmp, data); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// Stop closes the doors, finishes what was taken, and closes the database.
func (d *Desk) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for _, s := range d.smtp {
		s.Stop(ctx)
	}
	for _, s := range d.servers {
		s.Shutdown(ctx)
	}
	d.intake.Stop()
	d.outbox.Stop()
	d.hooks.Stop()
	d.jobs.Stop(ctx)
	if d.stop != nil {
		d.stop()
	}
	d.wg.Wait()
	d.close()
}

func (d *Desk) close() {
	if d.relay != nil {
		d.relay.Close()
	}
	if d.db != nil {
		d.db.Close()
	}
	if d.unlock != nil {
		d.unlock()
	}
}

// listenMail opens the doors for mail.
func (d *Desk) listenMail() error {
	t := &tls.Config{Certificates: []tls.Certificate{d.cert}, MinVersion: tls.VersionTLS12}
	open := func(name string, o smtpd.Options) error {
		o.Hostname, o.TLS, o.MaxBytes, o.MaxConns, o.MaxConnsPerIP = d.cfg.Hostname, t, d.cfg.MaxMail, d.cfg.MaxConns, d.cfg.MaxConnsIP
		o.RequireTLS, o.Logger, o.Observe = d.cfg.RequireTLS && !o.LMTP, d.log, d.stats.smtp
		s := smtpd.New(o, door{d.intake, name})
		if err := s.Start(); err != nil {
			return fail.Wrap(fail.Invalid, err, cannotListen(err, o.Addr, name+".addr"))
		}
		d.smtp = append(d.smtp, s)
		d.addrs[name] = s.Addr().String()
		return nil
	}
	if d.cfg.SMTPAddr != "off" {
		if err := open("smtp", smtpd.Options{Addr: d.cfg.SMTPAddr}); err != nil {
			return err
		}
	}
	if a := d.cfg.LMTPAddr; a != "" {
		o := smtpd.Options{Addr: a, LMTP: true}
		if path, ok := strings.CutPrefix(a, "unix:"); ok {
			o.Addr, o.Network = path, "unix"
		}
		return open("lmtp", o)
	}
	return nil
}

// door hands mail from a server to intake.
type door struct {
	in   *intake.Intake
	name string
}

func (b door) Known(ctx context.Context, address string) (bool, error) {
	return b.in.Known(ctx, address)
}

func (b door) Accept(ctx context.Context, e *smtpd.Envelope) error {
	return b.in.Accept(ctx, &intake.Envelope{Door: b.name, Remote: e.Remote, Helo: e.Helo, TLS: e.TLS, From: e.From, To: e.To, Raw: e.Raw})
}

// serve runs a server until it is asked to stop.
func serve(log *slog.Logger, name string, f func() error) {
	if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Error("server ended", "server", name, "err", err)
	}
}
