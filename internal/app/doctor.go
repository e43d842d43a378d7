package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/ladder"
	"postern/internal/mailboxes"
	"postern/internal/publications"
	"postern/internal/smtpc"
	"postern/internal/vault"
)

// A Check is one thing the doctor looked at: its state, what it saw, and how to
// mend it.
type Check struct {
	Name  string
	State string // good, soon, bad, off
	Cause string
	Mend  string
}

func good(name, cause string) Check { return Check{name, "good", cause, ""} }

// inspectDesk runs the checks that need the desk's parts.
func inspectDesk(ctx context.Context, c *config.Config, d *db.DB, v *vault.Vault, boxes *mailboxes.Store, anchor audit.Anchor) []Check {
	return []Check{checkDatabase(ctx, d), checkMaster(ctx, d, v), checkKeys(boxes), checkCertificate(c, d.Now()), checkTeamKey(c, d.Now()), checkRelay(ctx, c),
		checkTexts(c), checkSecurityTxt(c, d, boxes), checkRungs(ctx, d), checkClock(c, d.Now()), checkDisk(c), checkAudit(ctx, d, anchor)}
}

// inspectMachine runs the checks that need no desk.
func inspectMachine(ctx context.Context, c *config.Config) []Check {
	now := time.Now()
	return []Check{checkCertificate(c, now), checkTeamKey(c, now), checkRelay(ctx, c), checkTexts(c), checkClock(c, now), checkDisk(c)}
}

func checkDatabase(ctx context.Context, d *db.DB) Check {
	start := time.Now()
	if err := d.Ping(ctx); err != nil {
		return Check{"Database", "bad", "It does not answer: " + err.Error(), "Start it, or correct the setting database."}
	}
	kind := "PostgreSQL"
	if d.Lite() {
		kind = "SQLite"
	}
	return good("Database", fmt.Sprintf("%s answers in %d ms.", kind, time.Since(start).Milliseconds()))
}

func checkMaster(ctx context.Context, d *db.DB, v *vault.Vault) Check {
	if err := v.Check(ctx, d); err != nil {
		return Check{"Master key", "bad", err.Error(), "Put back the key that this database was made with (setting master_key_file)."}
	}
	return good("Master key", "It opens what this database holds. Keep a copy away from this machine: without it nothing can be read.")
}

func checkKeys(boxes *mailboxes.Store) Check {
	all := boxes.All()
	if len(all) == 0 {
		return Check{"Signing keys", "bad", "There is no mailbox, so nothing can be signed.", "Add a mailbox."}
	}
	for _, b := range all {
		if err := b.Secret.Public().CanEncrypt(time.Now()); err != nil {
			return Check{"Signing keys", "bad", "The key of " + b.Address + " does not work: " + err.Error(), "Add a new mailbox key."}
		}
	}
	return good("Signing keys", fmt.Sprintf("%d in use, none expires soon.", len(all)))
}

func checkCertificate(c *config.Config, now time.Time) Check {
	pair, err := certificate(c)
	if err != nil {
		return Check{"Certificate", "bad", err.Error(), "Correct web.tls_cert and web.tls_key."}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return Check{"Certificate", "bad", "It cannot be read.", "Correct web.tls_cert and web.tls_key."}
	}
	until := leaf.NotAfter.Format("2 January 2006")
	switch host := hostOf(c.URL); {
	case leaf.VerifyHostname(host) != nil:
		return Check{"Certificate", "bad", "It is not for " + host + ", so no browser opens a page.", "Set web.tls_cert and web.tls_key to one for that name, or correct web.url."}
	case now.Before(leaf.NotBefore):
		return Check{"Certificate", "bad", "It is good only from " + leaf.NotBefore.Format("2 January 2006") + " on.", "Wait, take the one before, or set the machine's clock."}
	case now.After(leaf.NotAfter):
		return Check{"Certificate", "bad", "It expired on " + until + ".", "Renew it."}
	case now.Add(14 * 24 * time.Hour).After(leaf.NotAfter):
		return Check{"Certificate", "soon", "It expires on " + until + ".", "Renew it."}
	case leaf.Issuer.String() == leaf.Subject.String():
		return Check{"Certificate", "soon", "It is self-signed, so browsers warn your customers. Good until " + until + ".", "Set web.tls_cert and web.tls_key to a certificate from an authority."}
	}
	return good("Certificate", "Good until "+until+".")
}

func checkRelay(ctx context.Context, c *config.Config) Check {
	if c.RelayAddr == "" {
		return Check{"Relay", "off", "None is set: outgoing mail is kept in the tray.", "Set relay.addr when you go live."}
	}
	r, err := relayOf(c)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		err = smtpc.Probe(ctx, r)
	}
	if err != nil {
		return Check{"Relay", "bad", err.Error(), "See the settings relay.*; mail waits until the relay takes it."}
	}
	return good("Relay", c.RelayAddr+" takes us.")
}

// checkSecurityTxt reads the file that tells finders where to write, as they get it.
func checkSecurityTxt(c *config.Config, d *db.DB, boxes *mailboxes.Store) Check {
	const name = "Way in for finders"
	text, err := publications.New(publications.Options{DB: d, Mailboxes: boxes, URL: c.URL}).SecurityTxt()
	if err != nil {
		return Check{name, "bad", "security.txt cannot be made: " + err.Error(), "See Signing keys."}
	}
	p, err := publications.CheckSecurityTxt(text, c.URL+publications.WellKnownPath, boxes.First().Secret.Public(), d.Now())
	switch {
	case p == publications.ExpiresSoon:
		return Check{name, "soon", "security.txt, as finders get it: " + err.Error() + ".", "It is made anew every 30 days: set the machine's clock, and start the desk again."}
	case err != nil:
		return Check{name, "bad", "security.txt, as finders get it: " + err.Error() + ".", "Set web.url to the address that people reach the desk at, and check the machine's clock."}
	}
	return good(name, "security.txt is signed, and made anew long before it expires.")
}

// checkTexts warns of the tray: by it staff could come in as customers.
func checkTexts(c *config.Config) Check {
	switch {
	case c.TextsCapture && c.RelayAddr != "":
		return Check{"Texts to telephones", "bad", "They are kept in the tray while real mail leaves: whoever reads the tray can come in as any customer.", "Take texts.capture away, and set texts.url to a provider or to nothing."}
	case c.TextsCapture:
		return Check{"Texts to telephones", "soon", "They are kept in the tray: whoever reads it can come in as any customer.", "Take texts.capture away before you go live."}
	case c.TextsURL == "":
		return Check{"Texts to telephones", "off", "No provider is set: customers get no codes by text message.", "Set texts.url and texts.secret if they should. Passkeys are better."}
	}
	return good("Texts to telephones", "They go to a provider, as "+c.TextsKind+".")
}

// checkRungs looks whether somebody can be called when nobody below answers.
func checkRungs(ctx context.Context, d *db.DB) Check {
	var rows []string
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = db.Strings(ctx, tx, `SELECT roles FROM staff WHERE NOT disabled`)
		return err
	})
	if err != nil {
		return Check{"Who is called", "bad", err.Error(), ""}
	}
	var none []string
	for _, r := range ladder.Roles[ladder.Triagers:] {
		if !slices.ContainsFunc(rows, func(s string) bool {
			return slices.Contains(strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' }), string(r))
		}) {
			none = append(none, string(r))
		}
	}
	switch {
	case len(rows) == 0:
		return Check{"Who is called", "off", "Nobody works here yet.", "Use the set-up link."}
	case len(none) > 0:
		return Check{"Who is called", "soon", "Nobody has the role " + strings.Join(none, ", nor ") + ": a case that no agent answers is called out to whoever stands nearest.", "Give somebody the role, on the page People."}
	}
	return good("Who is called", "There is somebody on every rung.")
}

func checkClock(c *config.Config, now time.Time) Check {
	if now.Year() < 2026 || now.Year() > 2100 {
		return Check{"Clock", "bad", "It says " + now.Format("2 January 2006") + ".", "Set the machine's clock: signatures and codes depend on it."}
	}
	mark := filepath.Join(c.DataDir, "clock")
	if st, err := os.Stat(mark); err == nil && st.ModTime().After(time.Now().Add(time.Hour)) {
		return Check{"Clock", "bad", "It went back since the last start by " + time.Until(st.ModTime()).Round(time.Minute).String() + ".", "Set the machine's clock, and let it be kept by NTP."}
	}
	return good("Clock", "It says "+now.Format("2 January 2006, 15:04 MST")+".")
}

func checkDisk(c *config.Config) Check {
	var st syscall.Statfs_t
	if err := syscall.Statfs(c.DataDir, &st); err != nil {
		return Check{"Disk", "bad", "The data folder cannot be looked at: " + err.Error(), "Check the setting data_dir."}
	}
	free, total := st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	words := fmt.Sprintf("%d of %d GB are free.", free>>30, total>>30)
	switch {
	case total > 0 && free*20 < total:
		return Check{"Disk", "bad", words, "Make room now: when it is full, no mail is taken."}
	case total > 0 && free*10 < total:
		return Check{"Disk", "soon", words, "Make room soon."}
	}
	return good("Disk", words)
}

func checkAudit(ctx context.Context, d *db.DB, anchor audit.Anchor) Check {
	head, err := audit.Verify(ctx, d, anchor)
	if f := (*audit.Fault)(nil); errors.As(err, &f) {
		return Check{"Audit log", "bad", f.Error(), "Keep this machine as it is, and compare with a backup."}
	}
	if err != nil {
		return Check{"Audit log", "bad", err.Error(), ""}
	}
	return good("Audit log", fmt.Sprintf("Unbroken, %d entries.", head.Seq))
}
