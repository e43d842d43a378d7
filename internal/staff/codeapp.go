package staff

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"postern/internal/db"
	"postern/internal/fail"
)

// App is a customer's authenticator app (RFC 6238), as it is kept.
type App struct {
	secret string
	By     string // staff who read out the code that let its owner in to set it up, if one did
	Made   time.Time
}

// maxMisses is how many wrong codes in a row an app bears, from wherever (NIST SP
// 800-63B-4, 3.2.2 allows 100). Then one an hour is tried: a stranger who types on
// makes it slow, and never ends it.
const (
	maxMisses = 50
	breath    = time.Hour
)

// AppOf returns the customer's app, or nil.
func (c *Ceremonies) AppOf(ctx context.Context, tx *db.Tx, contact string) (*App, error) {
	a, err := db.One(ctx, tx, func(a *App, row func(...any) error) error {
		var sealed []byte
		if err := row(&sealed, &a.By, db.Time(&a.Made)); err != nil {
			return err
		}
		var err error
		a.secret, err = c.v.Desk().OpenText(sealed, "contact-totp", contact)
		return err
	}, `SELECT secret, by_staff, made_at FROM contact_totp WHERE contact_id = $1`, contact)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	return a, err
}

// pendingLife is how long an app may be set up, in the session that began it.
const pendingLife = 10 * time.Minute

// BeginApp makes a secret for a customer's app, which this session alone sees and
// can go on with. An earlier one of the session is forgotten.
func (c *Ceremonies) BeginApp(ctx context.Context, tx *db.Tx, session string) error {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "-", AccountName: "-", SecretSize: 20})
	if err != nil {
		return fmt.Errorf("make a code secret: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM pending_apps WHERE made_at < $1`, db.Micros(tx.Now.Add(-pendingLife))); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO pending_apps (session_hash, secret, made_at) VALUES ($1, $2, $3)
		ON CONFLICT (session_hash) DO UPDATE SET secret = excluded.secret, made_at = excluded.made_at`, session, c.v.Desk().SealText(key.Secret(), "pending-totp", session), db.Micros(tx.Now))
	return err
}

func (c *Ceremonies) pending(ctx context.Context, tx *db.Tx, session string) (secret string, err error) {
	sealed, err := db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) },
		`SELECT secret FROM pending_apps WHERE session_hash = $1 AND made_at > $2`, session, db.Micros(tx.Now.Add(-pendingLife)))
	if err != nil {
		return "", err
	}
	return c.v.Desk().OpenText(*sealed, "pending-totp", session)
}

// PendingApp shows the secret of the app that the session sets up; none is NotFound.
func (c *Ceremonies) PendingApp(ctx context.Context, tx *db.Tx, session string, o Owner, issuer string) (*Setup, error) {
	secret, err := c.pending(ctx, tx, session)
	if err != nil {
		return nil, err
	}
	return &Setup{secret, otpauth(issuer, o.Name, secret)}, nil
}

// A MadeApp was set up on our page, showed its first right code, and is nobody's yet.
type MadeApp struct {
	Secret string `json:"secret"`
	Step   int64  `json:"step"` // of that code, which is spent
}

// Sum names the app in eight signs, for a text that people compare.
func (m *MadeApp) Sum() string { return Sum([]byte(m.Secret)) }

// FinishApp ends the session's set-up by the app's first right code; nothing
// counts before BindApp.
func (c *Ceremonies) FinishApp(ctx context.Context, tx *db.Tx, session, code string) (*MadeApp, error) {
	secret, err := c.pending(ctx, tx, session)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.Conflict, "there is no app that waits for its first code; begin again")
	}
	if err != nil {
		return nil, err
	}
	n, ok := matchStep(secret, code, tx.Now)
	if !ok {
		return nil, fail.New(fail.Invalid, "this is not the code that the app shows now. Check the clock of the device, and type the newest code")
	}
	return &MadeApp{secret, n}, db.Change(ctx, tx, `DELETE FROM pending_apps WHERE session_hash = $1`, session)
}

// BindApp makes the app the customer's. One that is there is never overwritten: it
// is removed first.
func (c *Ceremonies) BindApp(ctx context.Context, tx *db.Tx, contact string, m *MadeApp, by string) error {
	n, err := tx.Exec(ctx, `INSERT INTO contact_totp (contact_id, secret, made_at, by_staff, last_step) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (contact_id) DO NOTHING`,
		contact, c.v.Desk().SealText(m.Secret, "contact-totp", contact), db.Micros(tx.Now), by, m.Step)
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "an app is set up already; remove it first")
	}
	return err
}

// noApp is compared with where there is no app.
const noApp = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// UseApp accepts a code of the customer's app once. The app is nil for every kind
// of wrong; step is the code's, and never comes again. What turns out to be no
// code of anything is told by MissApp.
func (c *Ceremonies) UseApp(ctx context.Context, tx *db.Tx, contact, code string) (a *App, step int64, err error) {
	a, err = c.AppOf(ctx, tx, contact)
	if err != nil {
		return nil, 0, err
	}
	if a == nil {
		matchStep(noApp, code, tx.Now) // it takes as long as with an app
		return nil, 0, nil
	}
	step, fits := matchStep(a.secret, code, tx.Now)
	if !fits {
		return nil, 0, nil
	}
	n, err := tx.Exec(ctx, `UPDATE contact_totp SET last_step = $2, misses = 0 WHERE contact_id = $1 AND last_step < $2 AND (misses < $3 OR missed_at <= $4)`,
		contact, step, maxMisses, db.Micros(tx.Now.Add(-breath)))
	if err != nil || n == 0 {
		return nil, 0, err
	}
	return a, step, nil
}

// MissApp counts a wrong code of the app: six digits that nothing else took.
// After too many, tries within the hour neither count nor can fit.
func (c *Ceremonies) MissApp(ctx context.Context, tx *db.Tx, contact, code string) error {
	if len(strings.Join(strings.Fields(code), "")) != 6 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE contact_totp SET misses = misses + 1, missed_at = $2 WHERE contact_id = $1 AND (misses < $3 OR missed_at <= $4)`,
		contact, db.Micros(tx.Now), maxMisses, db.Micros(tx.Now.Add(-breath)))
	return err
}

// Forget takes away all of a customer's passkeys, their app and the code that they
// chose.
func (c *Ceremonies) Forget(ctx context.Context, tx *db.Tx, contact string) error {
	for _, q := range []string{`DELETE FROM passkeys WHERE owner_kind = 'contact' AND owner_id = $1`, `DELETE FROM contact_totp WHERE contact_id = $1`, `DELETE FROM agreed_codes WHERE contact_id = $1`} {
		if _, err := tx.Exec(ctx, q, contact); err != nil {
			return err
		}
	}
	return nil
}

// ForgetAgreed takes away a code of their own choice that was set at some moment or
// after it.
func (c *Ceremonies) ForgetAgreed(ctx context.Context, tx *db.Tx, contact string, since time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM agreed_codes WHERE contact_id = $1 AND made_at >= $2`, contact, db.Micros(since))
	return err
}

// RemoveApp takes the app away.
func (c *Ceremonies) RemoveApp(ctx context.Context, tx *db.Tx, contact string) error {
	return db.Change(ctx, tx, `DELETE FROM contact_totp WHERE contact_id = $1`, contact)
}

// RemoveAppOf takes away the app that was bound at that moment, and no other.
func (c *Ceremonies) RemoveAppOf(ctx context.Context, tx *db.Tx, contact string, made time.Time) error {
	return db.Change(ctx, tx, `DELETE FROM contact_totp WHERE contact_id = $1 AND made_at = $2`, contact, db.Micros(made))
}

// otpauth is the address that apps read from a picture or a link.
func otpauth(issuer, name, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+name) + "?" + q.Encode()
}
