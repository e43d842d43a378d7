package portal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// IssueCode makes a new access code for the item and ends any earlier one. The
// code is returned once and never again.
func (s *Store) IssueCode(ctx context.Context, tx *db.Tx, i *Item, staff, code string) error {
	if err := i.Gone(tx.Now); err != nil {
		return fail.New(fail.Conflict, "%s; there is nothing to open", fail.Text(err))
	}
	if i.Locked() {
		return fail.New(fail.Conflict, "five wrong codes were tried on this message, so no further code opens it. Recall it, make sure who you speak to, and send it again")
	}
	if _, err := tx.Exec(ctx, `UPDATE item_codes SET expires_at = $2 WHERE item_id = $1 AND used_at = 0 AND expires_at > $2`, i.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO item_codes (id, item_id, hash, issued_at, expires_at, by_staff) VALUES ($1, $2, $3, $4, $5, $6)`,
		db.NewID(), i.ID, s.codeHash(i.ID, code), db.Micros(tx.Now), db.Micros(tx.Now.Add(CodeLife)), staff)
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(staff), Act: "item.code-issued", About: string(i.Case), Detail: "item " + string(i.ID)})
}

// NewCode returns eight random digits (26 bits), in two groups of four.
func NewCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1e8))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	d := fmt.Sprintf("%08d", n)
	return d[:4] + " " + d[4:]
}

func (s *Store) codeHash(item ID, code string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, code)
	return hex.EncodeToString(s.v.MAC("access-code", string(item), digits))
}

// errRefused is the one answer to every wrong proof: it tells nobody whether the
// code was wrong, used, or late.
var errRefused = fail.New(fail.Denied, "that did not open the message. Codes work once, for ten minutes; call us for a new one")

var errNoCode = fail.New(fail.Invalid, "the code has eight digits, as it was read to you; that was no try")

func digitsIn(s string) (n int) {
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// Redeem tries a code. On success the item counts as released and a session
// token is returned. A refusal is recorded in the same transaction, so the
// caller must commit it: refused comes back beside a nil error.
func (s *Store) Redeem(ctx context.Context, tx *db.Tx, i *Item, code string) (token string, refused error, err error) {
	if i.Gone(tx.Now) != nil {
		return "", errRefused, nil
	}
	if digitsIn(code) != 8 { // no code at all: a slip, and no try
		return "", errNoCode, nil
	}
	want := s.codeHash(i.ID, code)
	type row struct {
		id, hash, by string
		used         time.Time
		expires      time.Time
	}
	live, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error {
		return scan(&r.id, &r.hash, &r.by, db.Time(&r.used), db.Time(&r.expires))
	}, `SELECT id, hash, by_staff, used_at, expires_at FROM item_codes WHERE item_id = $1 ORDER BY issued_at DESC, id DESC LIMIT 1`, i.ID)
	if err != nil {
		return "", nil, err
	}
	ok := len(live) == 1 && hmac.Equal([]byte(live[0].hash), []byte(want)) && live[0].used.IsZero() && tx.Now.Before(live[0].expires)
	// One counter for all codes of the item; the condition makes the sixth try
	// fail even when fifty arrive at once.
	n, err := tx.Exec(ctx, `UPDATE items SET tries = tries + $2 WHERE id = $1 AND tries < $3`, i.ID, boolInt(!ok), MaxTries)
	if err != nil {
		return "", nil, err
	}
	if n == 0 || !ok {
		return "", errRefused, s.refuse(ctx, tx, i, n == 0)
	}
	n, err = tx.Exec(ctx, `UPDATE item_codes SET used_at = $2 WHERE id = $1 AND used_at = 0`, live[0].id, db.Micros(tx.Now))
	if err != nil {
		return "", nil, err
	}
	if n == 0 {
		return "", errRefused, s.refuse(ctx, tx, i, false)
	}
	token, err = s.release(ctx, tx, i, AccessCode, live[0].by)
	return token, nil, err
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *Store) refuse(ctx context.Context, tx *db.Tx, i *Item, locked bool) error {
	if _, err := tx.Exec(ctx, `UPDATE items SET refused_at = $2 WHERE id = $1`, i.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	detail := "item " + string(i.ID)
	if locked {
		detail += "; no tries left"
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "item.refused", About: string(i.Case), Detail: detail})
}

// ReleaseByPasskey opens the item for a contact whose passkey was checked. by is
// the member of staff without whom it could not have been bound, while that counts.
func (s *Store) ReleaseByPasskey(ctx context.Context, tx *db.Tx, i *Item, by string) (token string, err error) {
	if err := i.Gone(tx.Now); err != nil {
		return "", err
	}
	return s.release(ctx, tx, i, Passkey, by)
}

func (s *Store) release(ctx context.Context, tx *db.Tx, i *Item, f Factor, staff string) (string, error) {
	n, err := tx.Exec(ctx, `UPDATE items SET released_at = CASE WHEN released_at = 0 THEN $2 ELSE released_at END, factor = $3
		WHERE id = $1 AND recalled_at = 0`, i.ID, db.Micros(tx.Now), f)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", fail.New(fail.NotFound, "this message was withdrawn by the sender")
	}
	token := db.NewSecret()
	if _, err := tx.Exec(ctx, `INSERT INTO portal_sessions (hash, contact_id, item_id, factor, by_staff, made_at, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
		sessionHash(token), i.Contact, i.ID, f, staff, db.Micros(tx.Now)); err != nil {
		return "", err
	}
	return token, audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(i.Contact)), Act: "item.released", About: string(i.Case),
		Detail: "item " + string(i.ID) + " by " + string(f)})
}

func sessionHash(token string) string { return linkHash("session\x00" + token) }

// FindSession returns the live session of a token; none is NotFound.
func FindSession(ctx context.Context, tx *db.Tx, token string) (*Session, error) {
	s, err := db.One(ctx, tx, func(s *Session, row func(...any) error) error {
		return row(&s.Hash, &s.Contact, &s.Item, &s.Factor, &s.By, db.Time(&s.Made), db.Time(&s.Seen))
	}, `SELECT hash, contact_id, item_id, factor, by_staff, made_at, seen_at FROM portal_sessions WHERE hash = $1 AND ended_at = 0`, sessionHash(token))
	if err == nil && !s.live(tx.Now) {
		err = fail.New(fail.NotFound, "your time on this page is over")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Touch keeps the session alive.
func Touch(ctx context.Context, tx *db.Tx, s *Session) error {
	_, err := tx.Exec(ctx, `UPDATE portal_sessions SET seen_at = $2 WHERE hash = $1 AND ended_at = 0`, s.Hash, db.Micros(tx.Now))
	return err
}

// End signs the session out.
func End(ctx context.Context, tx *db.Tx, s *Session) error {
	_, err := tx.Exec(ctx, `UPDATE portal_sessions SET ended_at = $2 WHERE hash = $1 AND ended_at = 0`, s.Hash, db.Micros(tx.Now))
	return err
}
