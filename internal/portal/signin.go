package portal

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

// CodeApp is the factor of a customer's authenticator app.
const CodeApp Factor = "code app"

// signInTries is how many wrong tries one sign-in code bears, from wherever.
const signInTries = 50

func (s *Store) signInHash(c contacts.ID, code string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, code)
	return hex.EncodeToString(s.v.MAC("sign-in-code", string(c), digits))
}

// IssueSignIn stores a code with which the customer enters their place once: an
// AccessCode that a member of staff reads out on the telephone, or a TextCode
// that a machine sends, with staff empty. Earlier ones end.
func (s *Store) IssueSignIn(ctx context.Context, tx *db.Tx, c contacts.ID, f Factor, staff, code string) error {
	if err := EndCodes(ctx, tx, c); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO portal_codes (id, contact_id, hash, factor, by_staff, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.NewID(), c, s.signInHash(c, code), f, staff, db.Micros(tx.Now), db.Micros(tx.Now.Add(CodeLife))); err != nil {
		return err
	}
	actor := audit.System
	if staff != "" {
		actor = audit.Staff(staff)
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "place.code-issued", About: string(c), Detail: string(f)})
}

// OnTheTelephone reports whether a code that was read out is still good. No text
// is sent then: whoever knows an address could otherwise end it.
func OnTheTelephone(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM portal_codes WHERE contact_id = $1 AND factor = $2 AND used_at = 0 AND expires_at > $3`, c, AccessCode, db.Micros(tx.Now))
	return n > 0, err
}

// RedeemSignIn tries a sign-in code of the contact, "" for nobody: that takes the
// same time and fails. Each code bears fifty tries, five from
// one network before that is slowed down: a stranger who knows the address cannot
// use a code up (26 bits bear it). f is empty for every kind of
// wrong; by is who read the code out, if somebody did; ByText if a machine sent it.
func (s *Store) RedeemSignIn(ctx context.Context, tx *db.Tx, c contacts.ID, code string) (f Factor, by string, err error) {
	type row struct {
		id, hash, by string
		factor       Factor
		used         time.Time
		expires      time.Time
		tries        int64
	}
	live, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error {
		return scan(&r.id, &r.hash, &r.by, &r.factor, db.Time(&r.used), db.Time(&r.expires), &r.tries)
	}, `SELECT id, hash, by_staff, factor, used_at, expires_at, tries FROM portal_codes WHERE contact_id = $1 ORDER BY issued_at DESC, id DESC LIMIT 1`, c)
	if err != nil {
		return "", "", err
	}
	var r row
	if len(live) > 0 {
		r = live[0]
	}
	fits := hmac.Equal([]byte(r.hash), []byte(s.signInHash(c, code)))
	if !fits || c == "" || !r.used.IsZero() || !tx.Now.Before(r.expires) || r.tries >= signInTries {
		_, err := tx.Exec(ctx, `UPDATE portal_codes SET tries = tries + 1 WHERE id = $1`, r.id)
		return "", "", err
	}
	n, err := tx.Exec(ctx, `UPDATE portal_codes SET used_at = $2 WHERE id = $1 AND used_at = 0 AND tries < $3`, r.id, db.Micros(tx.Now), signInTries)
	if err != nil || n == 0 {
		return "", "", err
	}
	if r.factor == TextCode {
		r.by = ByText
	}
	return r.factor, r.by, nil
}

// EndCodes ends the sign-in codes that are still good.
func EndCodes(ctx context.Context, tx *db.Tx, c contacts.ID) error {
	_, err := tx.Exec(ctx, `UPDATE portal_codes SET expires_at = $2 WHERE contact_id = $1 AND used_at = 0 AND expires_at > $2`, c, db.Micros(tx.Now))
	return err
}

// Enter begins a session in the customer's place, after the factor was checked.
// staff is who read out the code, if the factor was one.
func Enter(ctx context.Context, tx *db.Tx, c contacts.ID, f Factor, staff string) (token string, err error) {
	token = db.NewSecret()
	if _, err := tx.Exec(ctx, `INSERT INTO portal_sessions (hash, contact_id, item_id, factor, by_staff, made_at, seen_at) VALUES ($1, $2, '', $3, $4, $5, $5)`,
		sessionHash(token), c, f, staff, db.Micros(tx.Now)); err != nil {
		return "", err
	}
	return token, audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(c)), Act: "place.entered", About: string(c), Detail: "by " + string(f)})
}

// Widen goes on in the customer's place with a session that one message was opened
// by. It is as old as that one, and ends with it: no proof was given anew.
func Widen(ctx context.Context, tx *db.Tx, s *Session) (token string, err error) {
	if err := End(ctx, tx, s); err != nil {
		return "", err
	}
	token = db.NewSecret()
	if _, err := tx.Exec(ctx, `INSERT INTO portal_sessions (hash, contact_id, item_id, factor, by_staff, made_at, seen_at) VALUES ($1, $2, '', $3, $4, $5, $6)`,
		sessionHash(token), s.Contact, s.Factor, s.By, db.Micros(s.Made), db.Micros(tx.Now)); err != nil {
		return "", err
	}
	return token, audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(s.Contact)), Act: "place.entered", About: string(s.Contact), Detail: "by " + string(s.Factor) + ", from a message"})
}

// Alive is Denied for a session that was ended: what began in it goes no further.
func Alive(ctx context.Context, tx *db.Tx, s *Session) error {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM portal_sessions WHERE hash = $1 AND ended_at = 0`, s.Hash)
	if err == nil && n == 0 {
		err = fail.New(fail.Denied, "your session was ended meanwhile; come in again")
	}
	return err
}

// Sessions lists the contact's live sessions, newest first.
func Sessions(ctx context.Context, tx *db.Tx, c contacts.ID) ([]Session, error) {
	return db.List(ctx, tx, func(s *Session, row func(...any) error) error {
		return row(&s.Hash, &s.Contact, &s.Item, &s.Factor, db.Time(&s.Made), db.Time(&s.Seen))
	}, `SELECT hash, contact_id, item_id, factor, made_at, seen_at FROM portal_sessions WHERE contact_id = $1 AND ended_at = 0 AND made_at > $2 AND seen_at > $3 ORDER BY made_at DESC`,
		c, db.Micros(tx.Now.Add(-SessionAbsolute)), db.Micros(tx.Now.Add(-SessionIdle)))
}

// EndAll signs the contact out everywhere, but for the session kept ("" for none).
func EndAll(ctx context.Context, tx *db.Tx, c contacts.ID, kept string) error {
	_, err := tx.Exec(ctx, `UPDATE portal_sessions SET ended_at = $2 WHERE contact_id = $1 AND ended_at = 0 AND hash <> $3`, c, db.Micros(tx.Now), kept)
	return err
}

// EndBy ends the contact's sessions that a factor opened: what opened them counts
// no more.
func EndBy(ctx context.Context, tx *db.Tx, c contacts.ID, f Factor) error {
	_, err := tx.Exec(ctx, `UPDATE portal_sessions SET ended_at = $2 WHERE contact_id = $1 AND ended_at = 0 AND factor = $3`, c, db.Micros(tx.Now), f)
	return err
}

// OfContact lists a contact's items, newest first.
func OfContact(ctx context.Context, tx *db.Tx, c contacts.ID, limit int) ([]Item, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE contact_id = $1 ORDER BY placed_at DESC, id DESC LIMIT CAST($2 AS BIGINT)`, c, limit)
}

// ReleaseTo records that a waiting item is shown in the customer's place, behind
// the factor with which the session was entered.
func (s *Store) ReleaseTo(ctx context.Context, tx *db.Tx, i *Item, ses *Session) error {
	if err := i.Gone(tx.Now); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE items SET released_at = $2, factor = $3 WHERE id = $1 AND released_at = 0 AND recalled_at = 0`, i.ID, db.Micros(tx.Now), ses.Factor)
	if err != nil || n == 0 {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(i.Contact)), Act: "item.released", About: string(i.Case), Detail: "item " + string(i.ID) + " by " + string(ses.Factor) + ", in their place"})
}
