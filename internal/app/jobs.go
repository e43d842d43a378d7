package app

import (
	"context"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/jobs"
	"postern/internal/portal"
)

// recheckArgs: a contact's keys changed; look at their mails again.
type recheckArgs struct {
	Contact string `json:"contact"`
}

func (recheckArgs) Kind() string { return "recheck_contact" }

// expireArgs: destroy what waited on the portal too long, and sweep what has
// lost its meaning.
type expireArgs struct{}

func (expireArgs) Kind() string { return "expire" }

// protectionArgs: bring back the protection that nobody answered for in a year,
// and ask those whose year is nearly over.
type protectionArgs struct{}

func (protectionArgs) Kind() string { return "protection" }

func (d *Desk) addJobs() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, a recheckArgs) error {
		return d.intake.Recheck(ctx, contacts.ID(a.Contact))
	})
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ expireArgs) error { return d.expire(ctx) })
	d.jobs.Every(time.Hour, expireArgs{})
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ protectionArgs) error { return d.protection(ctx) })
	d.jobs.Every(time.Hour, protectionArgs{})
}

func (d *Desk) protection(ctx context.Context) error {
	if err := d.outbox.Lapse(ctx); err != nil {
		return err
	}
	return d.outbox.AskAgain(ctx)
}

func (d *Desk) expire(ctx context.Context) error {
	if err := d.centre.Purge(ctx); err != nil {
		return err
	}
	for {
		n := 0
		err := d.db.Update(ctx, func(tx *db.Tx) (err error) { n, err = portal.ExpireDue(ctx, tx, 100); return err })
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	return d.db.Update(ctx, func(tx *db.Tx) error {
		old := db.Micros(tx.Now.Add(-7 * 24 * time.Hour))
		for _, q := range []string{`DELETE FROM staff_sessions WHERE made_at < $1`, `DELETE FROM portal_sessions WHERE made_at < $1`,
			`DELETE FROM staff_links WHERE expires_at < $1`, `DELETE FROM throttles WHERE until_at < $1`, `DELETE FROM ceremonies WHERE expires_at < $1`,
			`DELETE FROM item_codes WHERE expires_at < $1`, `DELETE FROM api_once WHERE made_at < $1`, `DELETE FROM texts WHERE asked_at < $1`, `DELETE FROM captured_texts WHERE made_at < $1`,
			`DELETE FROM portal_codes WHERE expires_at < $1`} {
			if _, err := tx.Exec(ctx, q, old); err != nil {
				return err
			}
		}
		return nil
	})
}
