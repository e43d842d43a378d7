package centre

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
)

const (
	codeDigits = 16
	pageLife   = 30 * time.Minute // how long a case page stays open
)

// NewCode returns sixteen random digits (53 bits) in four groups.
func NewCode() string {
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(codeDigits), nil))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	d := n.String()
	d = strings.Repeat("0", codeDigits-len(d)) + d
	return d[:4] + " " + d[4:8] + " " + d[8:12] + " " + d[12:]
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// A NewReceipt is one to be stored; Code is shown to its owner and stored nowhere in here.
// (What the API answered is kept for a while, sealed, to answer the same request again.)
type NewReceipt struct {
	Code string
	phc  string
}

// PrepareReceipt makes a code and hashes it, outside any transaction, behind the one
// line for such work.
func (s *Store) PrepareReceipt(ctx context.Context, where string) (*NewReceipt, error) {
	r := &NewReceipt{Code: NewCode()}
	var err error
	r.phc, err = s.staff.HashSecret(ctx, digits(r.Code), where)
	return r, err
}

// AddReceipt makes the receipt lead to a case. What is answered there to this
// person can be read with it. nudge is the address that is told of it; it may be empty.
func (s *Store) AddReceipt(ctx context.Context, tx *db.Tx, c cases.ID, person contacts.ID, r *NewReceipt, nudge string) error {
	var sealed []byte
	if nudge != "" {
		sealed = s.v.Desk().SealText(nudge, "nudge", string(c))
	}
	_, err := tx.Exec(ctx, `INSERT INTO receipts (case_id, contact_id, hash, made_at, nudge) VALUES ($1, $2, $3, $4, $5)`,
		c, person, s.v.Desk().SealText(r.phc, "receipt", string(c)), db.Micros(tx.Now), sealed)
	return err
}

// NudgeOf is the address that is told when something new stands on a case page for
// this person; empty: none.
func (s *Store) NudgeOf(ctx context.Context, tx *db.Tx, c cases.ID, person contacts.ID) (string, error) {
	if s == nil {
		return "", nil
	}
	list, err := db.List(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT nudge FROM receipts WHERE case_id = $1 AND contact_id = $2`, c, person)
	if err != nil || len(list) == 0 || len(list[0]) == 0 {
		return "", err
	}
	return s.v.Desk().OpenText(list[0], "nudge", string(c))
}

// A Receipt as it is kept. The zero value is none.
type Receipt struct {
	Case       cases.ID
	Contact    contacts.ID
	Made, Used time.Time
	phc        string
}

// ReceiptOf returns the receipt of a case; the zero value if it has none.
func (s *Store) ReceiptOf(ctx context.Context, tx *db.Tx, c cases.ID) (Receipt, error) {
	return s.receipt(ctx, tx, `case_id = $1`, c)
}

func (s *Store) receipt(ctx context.Context, tx *db.Tx, whose string, arg any) (Receipt, error) {
	r, err := db.One(ctx, tx, func(r *Receipt, row func(...any) error) error {
		var sealed []byte
		if err := row(&r.Case, &r.Contact, &sealed, db.Time(&r.Made), db.Time(&r.Used)); err != nil {
			return err
		}
		var err error
		r.phc, err = s.v.Desk().OpenText(sealed, "receipt", string(r.Case))
		return err
	}, `SELECT case_id, contact_id, hash, made_at, used_at FROM receipts WHERE `+whose, arg)
	if fail.Is(err, fail.NotFound) {
		return Receipt{}, nil
	}
	if err != nil {
		return Receipt{}, err
	}
	return *r, nil
}

// ShareReceipt lets the code of one case open another, too: a part of it that is worked
// by itself. Without a receipt there is nothing to share.
func (s *Store) ShareReceipt(ctx context.Context, tx *db.Tx, from, to cases.ID) error {
	r, err := s.ReceiptOf(ctx, tx, from)
	if err != nil || r.Case == "" {
		return err
	}
	nudge, err := s.NudgeOf(ctx, tx, from, r.Contact)
	if err != nil {
		return err
	}
	return s.AddReceipt(ctx, tx, to, r.Contact, &NewReceipt{phc: r.phc}, nudge)
}

// ErrReceipt is the one answer to every wrong pair of reference and code: it tells
// nobody whether there is such a case.
var ErrReceipt = fail.New(fail.Denied, "no case opens with this reference and code")

// OpenCase tries a reference and its code, from a network. On success it returns the
// token of a page that stays open for half an hour. No answer and no time says
// whether there is such a case. Wrong codes slow their network down, and lock nobody
// out: who knows a reference must not be able to shut its owner's door.
func (s *Store) OpenCase(ctx context.Context, ref, code, network string) (token string, err error) {
	ref = strings.ToUpper(strings.TrimSpace(ref))
	if len(ref) > 40 || len(digits(code)) != codeDigits {
		return "", ErrReceipt // says something of what was typed, and of no case
	}
	var r Receipt
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		r = Receipt{}
		if err := staff.StartTry(ctx, tx, "receipt:"+s.v.Index("receipt-try", ref), s.v.Index("network", network)); err != nil {
			return err
		}
		// The same questions, and a row comes back, whether there is such a case or not: else
		// the time would tell.
		found, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE ref = $1`, ref)
		if err != nil {
			return err
		}
		r, err = s.receipt(ctx, tx, `case_id = COALESCE((SELECT id FROM cases WHERE ref = $1), (SELECT MIN(case_id) FROM receipts))`, ref)
		if found == 0 { // that of somebody else: it was read, and is forgotten
			r = Receipt{}
		}
		return err
	})
	if err != nil {
		return "", err
	}
	right, err := s.staff.FitsSecret(ctx, r.phc, digits(code), network)
	if err != nil {
		return "", err
	}
	if !right {
		return "", ErrReceipt
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		if err := staff.EndTry(ctx, tx, "receipt:"+s.v.Index("receipt-try", ref), s.v.Index("network", network)); err != nil {
			return err
		}
		if err := db.Change(ctx, tx, `UPDATE receipts SET used_at = $2 WHERE case_id = $1`, r.Case, db.Micros(tx.Now)); err != nil {
			return err
		}
		token = s.pageToken(r, tx.Now.Add(pageLife))
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(r.Contact)), Act: "case.page-opened", About: string(r.Case)})
	})
	return token, err
}

// pageToken names a case page that is open until then.
func (s *Store) pageToken(r Receipt, until time.Time) string {
	body := string(r.Case) + "." + strconv.FormatInt(until.Unix(), 10)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.v.MAC("case-page", body, strconv.FormatInt(db.Micros(r.Made), 10)))
}

// CasePage returns the receipt whose page the token opens, while it does; else it is
// Denied.
func (s *Store) CasePage(ctx context.Context, tx *db.Tx, token string) (Receipt, error) {
	closed := fail.New(fail.Denied, "this page is closed; open it again with your reference and code")
	id, rest, _ := strings.Cut(token, ".")
	until, mac, ok := strings.Cut(rest, ".")
	unix, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || len(token) > 200 || !tx.Now.Before(time.Unix(unix, 0)) {
		return Receipt{}, closed
	}
	r, err := s.ReceiptOf(ctx, tx, cases.ID(id))
	if err != nil {
		return Receipt{}, err
	}
	got, err := base64.RawURLEncoding.DecodeString(mac)
	want := s.v.MAC("case-page", id+"."+until, strconv.FormatInt(db.Micros(r.Made), 10))
	if r.Case == "" || err != nil || !hmac.Equal(got, want) {
		return Receipt{}, closed
	}
	return r, nil
}
