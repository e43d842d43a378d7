package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/mailboxes"
	"postern/internal/staff"
	"postern/internal/vault"
)

type serveCmd struct{}

// setupLife is how long the first set-up link works; a new one is printed at
// every start until somebody has used one.
const setupLife = 24 * time.Hour

// gcPercent lets the heap grow to three times what is alive before it is
// collected: a desk holds some 25 MB, and a tenth of its time went into that.
const gcPercent = 200

func (serveCmd) Run(ctx context.Context, e *Env, c *commands) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := runDesk(ctx, e, cfg); ctx.Err() == nil { // else it was stopped, perhaps before it was up: nothing went wrong
		return err
	}
	return nil
}

// runDesk opens the desk and runs it until ctx ends.
func runDesk(ctx context.Context, e *Env, cfg *config.Config) error {
	d, err := Open(ctx, cfg, logger(cfg, e.Stderr), nil)
	if err != nil {
		return err
	}
	defer d.Stop()
	if err := d.Start(ctx); err != nil {
		return err
	}
	link, err := d.setupLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "Postern %s is running.\n  pages  %s\n  staff  %s/desk\n", Version, cfg.URL, cfg.StaffURL)
	for _, name := range []string{"smtp", "lmtp"} {
		if a := d.addrs[name]; a != "" {
			fmt.Fprintf(e.Stdout, "  %s   %s\n", name, a)
		}
	}
	if d.relay == nil {
		fmt.Fprintln(e.Stdout, "  No relay is set: outgoing mail is kept in the tray.")
	}
	if link != "" {
		fmt.Fprintf(e.Stdout, "\nNobody works here yet. Set the desk up once, within a day, at\n  %s\n", link)
	}
	<-ctx.Done()
	fmt.Fprintln(e.Stdout, "Stopping: finishing what was taken.")
	return nil
}

func logger(cfg *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(cfg.LogLevel)) // checked with the settings
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// setupLink makes a set-up link while nobody works here, and ends earlier ones.
func (d *Desk) setupLink(ctx context.Context) (string, error) {
	link := ""
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		people, err := d.staff.List(ctx, tx)
		if err != nil || len(people) > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM staff_links WHERE purpose = $1`, staff.SetUp); err != nil {
			return err
		}
		token, err := d.staff.MakeLink(ctx, tx, staff.SetUp, "", setupLife)
		link = d.cfg.StaffURL + "/desk/setup/" + token
		return err
	})
	return link, err
}

// offline opens what a command needs of a desk that may be running: the
// database, read and written by transactions as by any other node.
func offline(ctx context.Context, cfg *config.Config) (*db.DB, *vault.Vault, error) {
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, os.ErrNotExist) {
		return nil, nil, fail.New(fail.NotFound, "there is no desk in %s yet; \"postern serve\" makes one", cfg.DataDir)
	}
	if cfg.Database == "" { // whoever only looks makes nothing: perhaps a disk is not mounted
		if _, err := os.Stat(filepath.Join(cfg.DataDir, "postern.db")); errors.Is(err, os.ErrNotExist) {
			return nil, nil, fail.New(fail.NotFound, "there is no desk in %s: it holds no postern.db. Is the disk mounted, and data_dir right? \"postern serve\" makes a new desk", cfg.DataDir)
		}
	}
	master, err := masterKey(cfg)
	if err != nil {
		return nil, nil, err
	}
	v, err := vault.New(master)
	if err != nil {
		return nil, nil, err
	}
	d, err := db.Open(ctx, db.Options{URL: databaseURL(cfg)})
	if err != nil {
		return nil, nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		d.Close()
		return nil, nil, err
	}
	return d, v, nil
}

// diagnose runs the doctor's checks from the command line.
func diagnose(ctx context.Context, cfg *config.Config) ([]Check, error) {
	d, v, err := offline(ctx, cfg)
	if fail.Is(err, fail.NotFound) {
		return nil, err
	}
	if err != nil { // the rest is looked at all the same
		return append([]Check{{"Database", "bad", said(err), "Start it, or correct the settings database, data_dir and master_key_file."}}, inspectMachine(ctx, cfg)...), nil
	}
	defer d.Close()
	if master := checkMaster(ctx, d, v); master.State == "bad" {
		return append([]Check{checkDatabase(ctx, d), master}, inspectMachine(ctx, cfg)...), nil
	}
	boxes, err := mailboxes.Open(ctx, d, v)
	if err != nil {
		return append([]Check{checkDatabase(ctx, d), {"Signing keys", "bad", said(err), "A row of the table mailboxes is damaged: put it back from a backup."}}, inspectMachine(ctx, cfg)...), nil
	}
	return inspectDesk(ctx, cfg, d, v, boxes, readAnchor(cfg)), nil
}

// verifyAudit walks the chain and says how it stands.
func verifyAudit(ctx context.Context, cfg *config.Config, w io.Writer) error {
	d, _, err := offline(ctx, cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	head, err := audit.Verify(ctx, d, readAnchor(cfg))
	if f := (*audit.Fault)(nil); errors.As(err, &f) {
		fmt.Fprintf(w, "broken: %s\n", f)
		return errSaid
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "unbroken: %d entries, head %s\n", head.Seq, head.Hash)
	if readAnchor(cfg) == (audit.Anchor{}) {
		fmt.Fprintln(w, "There is no file audit.head beside it, so rows that were cut off at the end would not show. Compare the head with one that was kept elsewhere.")
	}
	return nil
}
