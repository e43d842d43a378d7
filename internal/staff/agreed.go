package staff

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/db"
	"postern/internal/fail"
)

// AgreedCodes are the codes that customers choose for themselves. One is kept and
// compared like a password of ours, one at a time behind the same line.
type AgreedCodes struct{ s *Service }

// AgreedCodes are the customers' own codes.
func (s *Service) AgreedCodes() *AgreedCodes { return &AgreedCodes{s} }

// Hash checks that a code is fit and hashes it, outside any transaction. own are
// the customer's names and addresses, which a guesser tries first.
func (a *AgreedCodes) Hash(ctx context.Context, code string, own ...string) (phc string, err error) {
	code = strings.TrimSpace(code)
	if err := fit("code", code, namesOf(own...)...); err != nil {
		return "", err
	}
	return a.s.HashSecret(ctx, code, "")
}

// HashSecret hashes what somebody will have to show again, outside any transaction,
// behind the one line for such work; where is the network that asks, "" for one of
// ours that was let in already.
func (s *Service) HashSecret(ctx context.Context, secret, where string) (phc string, err error) {
	if where != "" {
		leave, err := s.line.enter(where)
		if err != nil {
			return "", err
		}
		defer leave()
	}
	err = s.hashing(ctx, func() { phc = hashPassword(secret) })
	return phc, err
}

// FitsSecret compares what was typed with a hash, outside any transaction, behind
// the one line for such work. Where there is no hash it compares all the same, so
// that it takes as long.
func (s *Service) FitsSecret(ctx context.Context, phc, typed, where string) (bool, error) {
	leave, err := s.line.enter(where)
	if err != nil {
		return false, err
	}
	defer leave()
	against := phc
	if against == "" {
		against = dummy
	}
	right := false
	err = s.hashing(ctx, func() { right = checkPassword(typed, against) })
	return right && phc != "", err
}

// Save makes a hashed code the customer's, in place of an earlier one. by is the
// member of staff who let them in, if one did: it may be theirs who knows it.
func (a *AgreedCodes) Save(ctx context.Context, tx *db.Tx, contact, by, phc string) error {
	_, err := tx.Exec(ctx, `INSERT INTO agreed_codes (contact_id, hash, by_staff, made_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (contact_id) DO UPDATE SET hash = excluded.hash, by_staff = excluded.by_staff, made_at = excluded.made_at, used_at = 0`,
		contact, a.s.v.Desk().SealText(phc, "agreed-code", contact), by, db.Micros(tx.Now))
	return err
}

// Remove takes the customer's code away.
func (a *AgreedCodes) Remove(ctx context.Context, tx *db.Tx, contact string) error {
	return db.Change(ctx, tx, `DELETE FROM agreed_codes WHERE contact_id = $1`, contact)
}

// An Agreed is a customer's code, as it is kept. The zero value is no code.
type Agreed struct {
	phc        string
	By         string // staff who let the customer in when it was chosen
	Made, Used time.Time
}

// Of returns the customer's code; none is the zero value.
func (a *AgreedCodes) Of(ctx context.Context, tx *db.Tx, contact string) (Agreed, error) {
	c, err := db.One(ctx, tx, func(c *Agreed, row func(...any) error) error {
		var sealed []byte
		if err := row(&sealed, &c.By, db.Time(&c.Made), db.Time(&c.Used)); err != nil {
			return err
		}
		var err error
		c.phc, err = a.s.v.Desk().OpenText(sealed, "agreed-code", contact)
		return err
	}, `SELECT hash, by_staff, made_at, used_at FROM agreed_codes WHERE contact_id = $1`, contact)
	if fail.Is(err, fail.NotFound) {
		return Agreed{}, nil
	}
	if err != nil {
		return Agreed{}, err
	}
	return *c, nil
}

// Fits compares what was typed, outside any transaction; no code takes as long as a
// wrong one. What is too short to be one costs nothing: that says something of what
// was typed, and of nobody's code.
func (a *AgreedCodes) Fits(ctx context.Context, c Agreed, typed, where string) (bool, error) {
	typed = strings.TrimSpace(typed)
	if n := utf8.RuneCountInString(typed); n < minPassword || n > maxPassword {
		return false, nil
	}
	return a.s.FitsSecret(ctx, c.phc, typed, where)
}

// Use records that the code let its owner in, if it is still the one that fitted.
func (a *AgreedCodes) Use(ctx context.Context, tx *db.Tx, contact string, c Agreed) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE agreed_codes SET used_at = $3 WHERE contact_id = $1 AND made_at = $2`, contact, db.Micros(c.Made), db.Micros(tx.Now))
	return n == 1, err
}
