package staff

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/pquerna/otp/totp"

	"postern/internal/db"
	"postern/internal/fail"
)

// App is a customer's authenticator app (RFC 6238), as it is kept.
type App struct {
	secret    string
	Confirmed bool
	last      int64
	misses    int64
	By        string // staff who read out the code that let its owner in to set it up, if one did
	Made      time.Time
}

// maxMisses is how many wrong codes in a row an app bears, from wherever (NIST SP
// 800-63B-4, 3.2.2 allows 100): then another way in, or a person, must help.
const maxMisses = 50

func (c *Ceremonies) app(ctx context.Context, tx *db.Tx, contact string) (*App, error) {
	return db.One(ctx, tx, func(a *App, row func(...any) error) error {
		var sealed []byte
		if err := row(&sealed, &a.Confirmed, &a.last, &a.misses, &a.By, db.Time(&a.Made)); err != nil {
			return err
		}
		var err error
		a.secret, err = c.v.Desk().OpenText(sealed, "contact-totp", contact)
		return err
	}, `SELECT secret, confirmed, last_step, misses, by_staff, made_at FROM contact_totp WHERE contact_id = $1`, contact)
}

// AppOf returns the customer's confirmed app, or nil.
func (c *Ceremonies) AppOf(ctx context.Context, tx *db.Tx, contact string) (*App, error) {
	a, err := c.app(ctx, tx, contact)
	if fail.Is(err, fail.NotFound) || err == nil && !a.Confirmed {
		return nil, nil
	}
	return a, err
}

// NewApp makes a secret for a customer's app; nothing counts before ConfirmApp.
func (c *Ceremonies) NewApp(o Owner, issuer string) (*Setup, []byte, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: o.Name, SecretSize: 20})
	if err != nil {
		return nil, nil, fmt.Errorf("make a code secret: %w", err)
	}
	return &Setup{key.Secret(), key.URL()}, c.v.Desk().SealText(key.Secret(), "contact-totp", o.ID), nil
}

// AddApp stores the sealed secret. A confirmed app is never overwritten: it is
// removed first, by somebody who proved who they are.
func (c *Ceremonies) AddApp(ctx context.Context, tx *db.Tx, contact, by string, sealed []byte) error {
	n, err := tx.Exec(ctx, `INSERT INTO contact_totp (contact_id, secret, made_at, by_staff) VALUES ($1, $2, $3, $4)
		ON CONFLICT (contact_id) DO UPDATE SET secret = excluded.secret, made_at = excluded.made_at, by_staff = excluded.by_staff, last_step = 0 WHERE contact_totp.confirmed = FALSE`,
		contact, sealed, db.Micros(tx.Now), by)
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "an app is set up already; remove it first")
	}
	return err
}

// PendingApp shows the secret of an app that waits for its first code; none is NotFound.
func (c *Ceremonies) PendingApp(ctx context.Context, tx *db.Tx, o Owner, issuer string) (*Setup, error) {
	a, err := c.app(ctx, tx, o.ID)
	if err == nil && a.Confirmed {
		err = fail.New(fail.NotFound, "the app is set up already")
	}
	if err != nil {
		return nil, err
	}
	return &Setup{a.secret, otpauth(issuer, o.Name, a.secret)}, nil
}

// ConfirmApp makes the app count, after its first right code.
func (c *Ceremonies) ConfirmApp(ctx context.Context, tx *db.Tx, contact, code string) error {
	a, err := c.app(ctx, tx, contact)
	if err != nil || a.Confirmed {
		return fail.New(fail.Conflict, "there is no app that waits for its first code; begin again")
	}
	n, ok := matchStep(a.secret, code, tx.Now)
	if !ok {
		return fail.New(fail.Invalid, "this is not the code that the app shows now. Check the clock of the device, and type the newest code")
	}
	return db.Change(ctx, tx, `UPDATE contact_totp SET confirmed = TRUE, last_step = $2, made_at = $3 WHERE contact_id = $1 AND confirmed = FALSE`, contact, n, db.Micros(tx.Now))
}

// noApp is compared with where there is no app.
const noApp = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// UseApp accepts a code of the customer's app once. The app is nil for every
// kind of wrong, which is counted; step is the code's, and never comes again.
func (c *Ceremonies) UseApp(ctx context.Context, tx *db.Tx, contact, code string) (a *App, step int64, err error) {
	a, err = c.app(ctx, tx, contact)
	if fail.Is(err, fail.NotFound) {
		matchStep(noApp, code, tx.Now) // it takes as long as with an app
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	step, fits := matchStep(a.secret, code, tx.Now)
	if !fits || !a.Confirmed {
		_, err := tx.Exec(ctx, `UPDATE contact_totp SET misses = misses + 1 WHERE contact_id = $1`, contact)
		return nil, 0, err
	}
	n, err := tx.Exec(ctx, `UPDATE contact_totp SET last_step = $2, misses = 0 WHERE contact_id = $1 AND confirmed = TRUE AND last_step < $2 AND misses < $3`, contact, step, maxMisses)
	if err != nil || n == 0 {
		return nil, 0, err
	}
	return a, step, nil
}

// Forget takes away all of an owner's passkeys, and their app.
func (c *Ceremonies) Forget(ctx context.Context, tx *db.Tx, kind, owner string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM passkeys WHERE owner_kind = $1 AND owner_id = $2`, kind, owner); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM contact_totp WHERE contact_id = $1`, owner)
	return err
}

// RemoveApp takes the app away.
func (c *Ceremonies) RemoveApp(ctx context.Context, tx *db.Tx, contact string) error {
	return db.Change(ctx, tx, `DELETE FROM contact_totp WHERE contact_id = $1`, contact)
}

// otpauth is the address that apps read from a picture or a link.
func otpauth(issuer, name, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+name) + "?" + q.Encode()
}
