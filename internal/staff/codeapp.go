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
	Made      time.Time
}

func (c *Ceremonies) app(ctx context.Context, tx *db.Tx, contact string) (*App, error) {
	return db.One(ctx, tx, func(a *App, row func(...any) error) error {
		var sealed []byte
		if err := row(&sealed, &a.Confirmed, &a.last, db.Time(&a.Made)); err != nil {
			return err
		}
		var err error
		a.secret, err = c.v.Desk().OpenText(sealed, "contact-totp", contact)
		return err
	}, `SELECT secret, confirmed, last_step, made_at FROM contact_totp WHERE contact_id = $1`, contact)
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
func (c *Ceremonies) AddApp(ctx context.Context, tx *db.Tx, contact string, sealed []byte) error {
	n, err := tx.Exec(ctx, `INSERT INTO contact_totp (contact_id, secret, made_at) VALUES ($1, $2, $3)
		ON CONFLICT (contact_id) DO UPDATE SET secret = excluded.secret, made_at = excluded.made_at, last_step = 0 WHERE contact_totp.confirmed = FALSE`, contact, sealed, db.Micros(tx.Now))
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

// UseApp accepts a code of the customer's app once. ok is false for every kind
// of wrong; made is since when the app counts.
func (c *Ceremonies) UseApp(ctx context.Context, tx *db.Tx, contact, code string) (made time.Time, step int64, ok bool, err error) {
	a, err := c.app(ctx, tx, contact)
	if fail.Is(err, fail.NotFound) {
		matchStep(noApp, code, tx.Now) // it takes as long as with an app
		return made, 0, false, nil
	}
	if err != nil {
		return made, 0, false, err
	}
	step, fits := matchStep(a.secret, code, tx.Now)
	if !fits || !a.Confirmed {
		return made, 0, false, nil
	}
	n, err := tx.Exec(ctx, `UPDATE contact_totp SET last_step = $2 WHERE contact_id = $1 AND confirmed = TRUE AND last_step < $2`, contact, step)
	return a.Made, step, n == 1, err
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
