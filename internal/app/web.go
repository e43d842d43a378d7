package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"postern/internal/apikeys"
	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/staff"
	"postern/internal/web"
	"postern/internal/web/api"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

// handlers builds the pages. Staff and public pages share an address or stand
// apart.
func (d *Desk) handlers() (publicPages, staffPages http.Handler) {
	names := func(id string) string {
		var name string
		d.db.View(context.Background(), func(tx *db.Tx) error {
			p, err := d.staff.Get(context.Background(), tx, staff.ID(id))
			if err == nil {
				name = p.Name
			}
			return err
		})
		return name
	}
	clock := func() web.Clock { return web.Clock{Now: d.db.Now(), Zone: d.zone} }
	trusted := d.cfg.TLSCert != "" // a self-signed certificate must not be pinned in browsers
	site := public.New(public.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes, Portal: d.portal, Intake: d.intake, Outbox: d.outbox,
		Passkeys: d.staff.Passkeys(), Agreed: d.staff.AgreedCodes(), Texts: d.texts.On(), AskText: d.askText, Auth: d.auth, JWKS: d.signer.JWKS, Centre: d.centre, Security: d.security, Published: d.published, Team: d.team, Verify: d.verifyToken, Org: d.publicOrg, Clock: clock, NameOf: names, RoleOf: d.roleOf})
	relay := ""
	if d.relay != nil {
		relay = d.cfg.RelayAddr
	}
	pages := desk.New(desk.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes, Portal: d.portal, Outbox: d.outbox,
		Intake: d.intake, Staff: d.staff, Auth: d.auth, Hooks: d.hooks, Texts: d.texts, Centre: d.centre, Published: d.published, Ladder: d.ladder, Security: d.security, Own: d.intake.OwnHosts, Probes: d.probes, Links: d.links, Closed: d.caseClosed, Org: d.publicOrg, Zone: d.zone, BaseURL: d.cfg.URL, StaffURL: d.cfg.StaffURL, Relay: relay, Version: d.version(), Checks: d.deskChecks,
		Anchor:  func() audit.Anchor { return readAnchor(d.cfg) },
		Recheck: d.recheck,
		SetUp:   d.setUp})
	front := http.NewServeMux()
	front.Handle("/api/", d.stats.http(d.api(trusted)))
	front.Handle("/", d.wrap(site, web.Options{Org: d.publicOrg(), HSTS: trusted}))
	return front, d.wrap(pages, web.Options{Org: d.publicOrg(), Staff: true, HSTS: trusted})
}

// roleOf is what somebody is to a customer: the highest they stand.
func (d *Desk) roleOf(id string) string {
	role := staff.Agent
	d.db.View(context.Background(), func(tx *db.Tx) error {
		p, err := d.staff.Get(context.Background(), tx, staff.ID(id))
		if err != nil {
			return err
		}
		switch rung := ladder.RungOf(p); {
		case rung > ladder.Agents && !p.Has(staff.Agent):
			role = ladder.Roles[rung]
		case rung < 0:
			role = staff.Admin
		}
		return nil
	})
	return string(role)
}

// api builds the door for the organisation's own systems. It stands outside what
// guards pages against other sites: no cookie is read there, and a program may
// name any origin.
func (d *Desk) api(trusted bool) http.Handler {
	return api.New(api.Options{DB: d.db, Vault: d.vault, Keys: apikeys.NewStore(d.vault), Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes,
		Outbox: d.outbox, Intake: d.intake, Auth: d.auth, Hooks: d.hooks, BaseURL: d.cfg.URL, Version: Version, HSTS: trusted})
}

func (d *Desk) wrap(h http.Handler, o web.Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/{hash}/{name}", web.Static)
	mux.Handle("/", h)
	return d.stats.http(web.Headers(mux, o))
}

func (d *Desk) version() string {
	kind := "PostgreSQL"
	if d.db.Lite() {
		kind = "SQLite"
	}
	return fmt.Sprintf("Postern %s, %s, node %s.", Version, kind, d.cfg.Node)
}

func (d *Desk) deskChecks(ctx context.Context) []desk.Check {
	var out []desk.Check
	for _, c := range inspectDesk(ctx, d.cfg, d.db, d.vault, d.boxes, readAnchor(d.cfg)) {
		out = append(out, desk.Check{State: c.State, Name: c.Name, Cause: c.Cause, Mend: c.Mend})
	}
	return out
}

// listenWeb opens the doors for browsers: HTTPS, and plain HTTP only to point
// to it.
func (d *Desk) listenWeb() error {
	site, pages := d.handlers()
	both := http.NewServeMux()
	both.Handle("/desk", pages)
	both.Handle("/desk/", pages)
	both.Handle("/", site)
	shared := http.Handler(both)
	if d.cfg.StaffAddr != "" {
		shared = site
		apart := http.NewServeMux()
		apart.Handle("/", pages)
		if err := d.https("web.staff_addr", d.cfg.StaffAddr, apart); err != nil {
			return err
		}
	}
	if err := d.https("web.addr", d.cfg.HTTPAddr, shared); err != nil {
		return err
	}
	if d.cfg.PlainAddr != "" {
		if err := d.listen("web.redirect_addr", d.cfg.PlainAddr, redirect(d.cfg.URL), nil); err != nil {
			return err
		}
	}
	if d.cfg.MetricsAddr != "" {
		return d.listen("metrics.addr", d.cfg.MetricsAddr, d.stats.handler(), nil)
	}
	return nil
}

func (d *Desk) https(setting, addr string, h http.Handler) error {
	return d.listen(setting, addr, h, &tls.Config{Certificates: []tls.Certificate{d.cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
}

// cannotListen says why a door does not open, and what to do.
func cannotListen(err error, addr, setting string) string {
	why := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "another program listens there: stop it, or choose another address"
	case errors.Is(err, syscall.EACCES):
		why = "this account may not: ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "this machine has no such address"
	}
	return "cannot listen at " + addr + " (setting " + setting + "): " + why
}

// listen binds now, so that a taken port is an error at start, and serves in the
// background.
func (d *Desk) listen(setting, addr string, h http.Handler, t *tls.Config) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fail.Wrap(fail.Invalid, err, cannotListen(err, addr, setting))
	}
	d.addrs[setting] = l.Addr().String()
	s := &http.Server{Handler: h, TLSConfig: t, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)}
	d.servers = append(d.servers, s)
	d.wg.Go(func() {
		serve(d.log, setting, func() error {
			if t == nil {
				return s.Serve(l)
			}
			return s.ServeTLS(l, "", "")
		})
	})
	return nil
}

// redirect answers every plain request with the way to HTTPS, and shows no page
// and no form. What is not read is not carried over: a form that was posted here
// went in clear once already and is not repeated.
func redirect(base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		path := r.URL.EscapedPath()
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			path = "/"
		}
		w.Header().Set("Location", base+path)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}
