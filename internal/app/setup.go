package app

import (
	"context"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// setUp takes the organisation's name and its first mailbox, at first set-up.
func (d *Desk) setUp(ctx context.Context, org, mailbox string) error {
	if strings.ContainsAny(org, "\r\n@<>") || org == "" || len(org) > 100 {
		return fail.New(fail.Invalid, "write the organisation's name, without @, < or >")
	}
	// The mailbox first: with a wrong address nothing is changed.
	if !d.boxes.Is(mailbox) {
		if _, err := d.boxes.Add(ctx, audit.System, org, mailbox, false); err != nil {
			return err
		}
	} else if err := d.boxes.Save(ctx, audit.System, strings.ToLower(mailbox), org, false, false); err != nil {
		return err
	}
	d.boxes.Prefer(mailbox)
	sealed := d.vault.Desk().SealText(org, orgSetting)
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		for name, value := range map[string][]byte{orgSetting: sealed, mailboxSetting: []byte(strings.ToLower(mailbox))} {
			if _, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.org.set(org)
	}
	return err
}

// mailboxSetting holds the address that the set-up named: it stands for the organisation.
const mailboxSetting = "org.mailbox"

// preferMailbox says which mailbox stands for the organisation: that of the settings, which
// is made if it is not there; else that of the set-up.
func (d *Desk) preferMailbox(ctx context.Context) error {
	if d.cfg.NamesMailbox() || len(d.boxes.All()) == 0 {
		if !d.boxes.Is(d.cfg.Mailbox) {
			if _, err := d.boxes.Add(ctx, audit.System, d.org.get(), d.cfg.Mailbox, false); err != nil {
				return fail.Wrap(fail.KindOf(err), err, "the setting org.mailbox: "+fail.Text(err))
			}
		}
		d.boxes.Prefer(d.cfg.Mailbox)
		return nil
	}
	return d.db.View(ctx, func(tx *db.Tx) error {
		list, err := db.List(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT value FROM settings WHERE name = $1`, mailboxSetting)
		if err == nil && len(list) > 0 {
			d.boxes.Prefer(string(list[0]))
		}
		return err
	})
}
