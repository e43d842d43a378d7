package instructions

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

// A call-back code crosses from the call to the portal, or the other way round.
// It is made for one instruction: its hash covers what the instruction is bound
// to, so read out for one it never fits another.
type Way string

const (
	ToPortal Way = "to portal" // the agent reads it out, the customer types it on the page
	ToAgent  Way = "to agent"  // the page shows it, the customer reads it out
)

// Limits of call-back codes, and of the number that is called.
const (
	CodeLife  = 10 * time.Minute
	PhoneRest = 30 * 24 * time.Hour // a number changed later than that may be a thief's
)

// A Code is one issued call-back code.
type Code struct {
	ID, Nonce, Phone, By string
	LetIn                string // who let the person in that typed or read it
	Way                  Way
	hash                 string
	Expires, Used        time.Time
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func (s *Store) codeHash(i *Instruction, way Way, nonce, code string) string {
	return hex.EncodeToString(s.v.MAC("call-code", string(i.ID), i.Bind, string(way), nonce, digitsOf(code)))
}

// MayCall says why this number cannot serve, or nil.
func MayCall(p *contacts.Phone, now time.Time) error {
	if p.Changed && now.Sub(p.Made) < PhoneRest {
		return fail.New(fail.Conflict, "this number was changed on %s, and a changed number counts only after 30 days. Use another way, or an older number", p.Made.UTC().Format("2 January 2006"))
	}
	return nil
}

// IssueCode stores a code that staff reads out over the phone, never the one who
// proposed the instruction. Any earlier one ends.
func (s *Store) IssueCode(ctx context.Context, tx *db.Tx, i *Instruction, code, phone, staff string) error {
	if "staff:"+staff == i.Proposer {
		return fail.New(fail.Denied, "you proposed it, so somebody else must make the call")
	}
	return s.issue(ctx, tx, i, ToPortal, code, phone, staff)
}

// ShowCode stores a code that the customer reads out from the page. in is the
// member of staff who let them in, if one did: who must not be the one who hears it.
func (s *Store) ShowCode(ctx context.Context, tx *db.Tx, i *Instruction, code, in string) error {
	return s.issue(ctx, tx, i, ToAgent, code, "", in)
}

func (s *Store) issue(ctx context.Context, tx *db.Tx, i *Instruction, way Way, code, phone, staff string) error {
	switch {
	case i.State != Proposed || !tx.Now.Before(i.Expires):
		return fail.New(fail.Conflict, "it is not open for a proof any more")
	case i.Tries >= MaxTries:
		return fail.New(fail.Conflict, "five wrong tries were made; it cannot be proved any more")
	case i.Need > Call:
		return fail.New(fail.Conflict, "this instruction needs %s; a call does not prove it", Words(i.Need))
	}
	if _, err := tx.Exec(ctx, `UPDATE instruction_codes SET expires_at = $3 WHERE instruction_id = $1 AND way = $2 AND used_at = 0 AND expires_at > $3`, i.ID, way, db.Micros(tx.Now)); err != nil {
		return err
	}
	nonce := db.NewSecret()
	_, err := tx.Exec(ctx, `INSERT INTO instruction_codes (id, instruction_id, way, hash, nonce, phone_id, by_staff, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		db.NewID(), i.ID, way, s.codeHash(i, way, nonce, code), nonce, phone, staff, db.Micros(tx.Now), db.Micros(tx.Now.Add(CodeLife)))
	if err != nil {
		return err
	}
	actor := audit.Contact(string(i.Contact))
	if way == ToPortal {
		actor = audit.Staff(staff)
	}
	return s.note(ctx, tx, i, actor, "code-issued", string(way))
}

// Redeem tries a code and uses it up; actor is who typed it. ok is false for every kind of wrong, which
// is counted; blocked tells that it was the last try.
func (s *Store) Redeem(ctx context.Context, tx *db.Tx, i *Instruction, way Way, code, actor string) (c *Code, blocked bool, err error) {
	list, err := db.List(ctx, tx, func(c *Code, row func(...any) error) error {
		return row(&c.ID, &c.Way, &c.hash, &c.Nonce, &c.Phone, &c.By, db.Time(&c.Expires), db.Time(&c.Used))
	}, `SELECT id, way, hash, nonce, phone_id, by_staff, expires_at, used_at FROM instruction_codes WHERE instruction_id = $1 AND way = $2 ORDER BY made_at DESC, id DESC LIMIT 1`, i.ID, way)
	if err != nil {
		return nil, false, err
	}
	var last Code // a made-up one takes the same time to compare
	if len(list) > 0 {
		last = list[0]
	}
	fits := hmac.Equal([]byte(last.hash), []byte(s.codeHash(i, way, last.Nonce, code)))
	if !fits || !last.Used.IsZero() || !tx.Now.Before(last.Expires) || i.State != Proposed || !tx.Now.Before(i.Expires) {
		blocked, err = s.Miss(ctx, tx, i, "call", actor)
		return nil, blocked, err
	}
	n, err := tx.Exec(ctx, `UPDATE instruction_codes SET used_at = $2 WHERE id = $1 AND used_at = 0 AND EXISTS (SELECT 1 FROM instructions WHERE id = $3 AND tries < $4)`,
		last.ID, db.Micros(tx.Now), i.ID, MaxTries)
	if err != nil {
		return nil, false, err
	}
	if n == 0 {
		blocked, err = s.Miss(ctx, tx, i, "call", actor)
		return nil, blocked, err
	}
	return &last, false, nil
}

// Miss counts a wrong try. The fifth ends the instruction: blocked is true once.
func (s *Store) Miss(ctx context.Context, tx *db.Tx, i *Instruction, kind, actor string) (blocked bool, err error) {
	if err := s.note(ctx, tx, i, actor, "proof-refused", kind+", wrong"); err != nil {
		return false, err
	}
	if i.State != Proposed {
		return false, nil
	}
	n, err := tx.Exec(ctx, `UPDATE instructions SET tries = tries + 1 WHERE id = $1 AND tries < $2`, i.ID, MaxTries)
	if err != nil || n == 0 {
		return false, err
	}
	if i.Tries++; i.Tries < MaxTries {
		return false, nil
	}
	return true, s.End(ctx, tx, i, Refused, "five wrong tries", audit.System)
}

// Answer notes that somebody who reads the new address pressed the button in the
// mail that went there. Twice is harmless.
func (s *Store) Answer(ctx context.Context, tx *db.Tx, i *Instruction) error {
	n, err := tx.Exec(ctx, `UPDATE instructions SET answered_at = $2 WHERE id = $1 AND answered_at = 0 AND state = 'approved'`, i.ID, db.Micros(tx.Now))
	if err != nil || n == 0 {
		return err
	}
	return s.note(ctx, tx, i, audit.System, "address-answered", "")
}

// A Link is a page that a mail leads to without any sign-in. Following it does
// nothing; its button does one thing.
type Link string

const (
	AddressLink Link = "new-address"      // "this address is mine"
	StopLink    Link = "stop-instruction" // "I did not ask for this"
)

const tokenLength = 32

// Token ends such a link; it is good for this instruction and this link alone.
func (s *Store) Token(l Link, i *Instruction) string {
	return string(i.ID) + hex.EncodeToString(s.v.MAC(string(l), string(i.ID), i.Bind))[:tokenLength]
}

// ByToken returns the instruction that a link from a mail belongs to.
func (s *Store) ByToken(ctx context.Context, tx *db.Tx, l Link, token string) (*Instruction, error) {
	if len(token) <= tokenLength {
		return nil, errNone
	}
	i, err := s.Get(ctx, tx, ID(token[:len(token)-tokenLength]))
	if err == nil && !hmac.Equal([]byte(s.Token(l, i)), []byte(token)) {
		err = errNone
	}
	return i, err
}

// Dispute notes that its owner did not ask for what is over; first is true once.
func (s *Store) Dispute(ctx context.Context, tx *db.Tx, i *Instruction) (first bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE instructions SET disputed = TRUE WHERE id = $1 AND NOT disputed`, i.ID)
	return n == 1, err
}

// Undone notes that what it bound was taken away; first tells whether it is the first
// time.
func (s *Store) Undone(ctx context.Context, tx *db.Tx, i *Instruction) (first bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE instructions SET undone = TRUE WHERE id = $1 AND NOT undone`, i.ID)
	return n == 1, err
}

// MarkStuck puts an instruction before a person: what should have done it did not,
// or must not any more.
func (s *Store) MarkStuck(ctx context.Context, tx *db.Tx, i *Instruction, why string) error {
	if _, err := tx.Exec(ctx, `UPDATE instructions SET stuck = TRUE WHERE id = $1`, i.ID); err != nil {
		return err
	}
	i.Stuck = true
	return s.note(ctx, tx, i, audit.System, "stuck", why)
}
