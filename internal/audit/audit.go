// Package audit is the record of who did what to what, that nobody can
// quietly change: an append-only chain in which every row holds the hash of
// the one before it.
//
// A row is written in the transaction of the act itself, so neither stands
// without the other. Writing transactions run one after another, so each finds
// the end of the chain as the one before left it.
//
// Rows name people and things by id and never hold content, addresses or
// secrets, so the log can outlive what it is about.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

// An Entry is one act.
type Entry struct {
	Actor  string // "staff:<id>", "contact:<id>", "api:<id of the key>", "system"
	Act    string // "case.opened", "key.verified", ...
	About  string // the id of the case, contact, item or setting
	Detail string // few plain words; no content, no addresses
}

// A Row is a stored entry.
type Row struct {
	Seq  int64
	At   time.Time
	Prev string
	Hash string
	Entry
}

const columns = `seq, at, actor, act, about, detail, prev, hash`

func scan(r *Row, row func(...any) error) error {
	return row(&r.Seq, db.Time(&r.At), &r.Actor, &r.Act, &r.About, &r.Detail, &r.Prev, &r.Hash)
}

// System is the actor of what the desk does by itself.
const System = "system"

// Staff, Contact, APIKey name an actor.
func Staff(id string) string   { return "staff:" + id }
func Contact(id string) string { return "contact:" + id }
func APIKey(id string) string  { return "api:" + id }

// headKey is under what a transaction remembers the end of the chain.
type headKey struct{}

// Append records the act in the transaction of the act.
func Append(ctx context.Context, tx *db.Tx, e Entry) error {
	head, known := tx.Recall(headKey{}).(Anchor)
	if !known {
		var err error
		if head, err = Head(ctx, tx); err != nil {
			return err
		}
	}
	r := Row{Seq: head.Seq + 1, At: tx.Now, Prev: head.Hash, Entry: e}
	r.Hash = r.sum()
	tx.Remember(headKey{}, Anchor{r.Seq, r.Hash})
	return tx.Put(ctx, `INSERT INTO audit (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.Seq, db.Micros(r.At), r.Actor, r.Act, r.About, r.Detail, r.Prev, r.Hash)
}

// sum is the hash over every field, each with its length before it, so that no
// two rows share one encoding.
func (r *Row) sum() string {
	h := sha256.New()
	for _, s := range []string{r.Prev, fmt.Sprint(r.Seq), fmt.Sprint(db.Micros(r.At)), r.Actor, r.Act, r.About, r.Detail} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// An Anchor names the end of the chain at some moment.
type Anchor struct {
	Seq  int64
	Hash string
}

// Head returns the end of the chain; the empty chain ends at 0.
func Head(ctx context.Context, tx *db.Tx) (Anchor, error) {
	a, err := db.One(ctx, tx, func(a *Anchor, row func(...any) error) error { return row(&a.Seq, &a.Hash) },
		`SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`)
	if fail.Is(err, fail.NotFound) {
		return Anchor{}, nil
	}
	if err != nil {
		return Anchor{}, err
	}
	return *a, nil
}

// A Fault is the first row that is not as it was written.
type Fault struct {
	Seq int64
	Why string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("audit row %d: %s", f.Seq, f.Why)
}

// Verify walks the chain and returns its head. A *Fault error names the first bad row. anchor, if not zero, is an
// earlier head kept elsewhere: the chain must still contain it.
func Verify(ctx context.Context, d *db.DB, anchor Anchor) (head Anchor, err error) {
	for {
		var page []Row
		err := d.View(ctx, func(tx *db.Tx) (err error) {
			page, err = db.List(ctx, tx, scan, `SELECT `+columns+` FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1000`, head.Seq)
			return err
		})
		if err != nil {
			return head, err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			r := &page[i]
			switch {
			case r.Seq != head.Seq+1:
				return head, &Fault{head.Seq + 1, "the row is missing"}
			case r.Prev != head.Hash:
				return head, &Fault{r.Seq, "it does not follow the row before it"}
			case r.Hash != r.sum():
				return head, &Fault{r.Seq, "its content was changed"}
			case anchor.Seq == r.Seq && anchor.Hash != r.Hash:
				return head, &Fault{r.Seq, "it is not the row that was anchored: the chain was rewritten"}
			}
			head = Anchor{r.Seq, r.Hash}
		}
	}
	if head.Seq < anchor.Seq {
		return head, &Fault{head.Seq + 1, fmt.Sprintf("the chain ends here, but row %d was anchored: rows were cut off", anchor.Seq)}
	}
	return head, nil
}

// About lists the newest rows about one thing.
func About(ctx context.Context, tx *db.Tx, about string, limit int) ([]Row, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM audit WHERE about = $1 ORDER BY seq DESC LIMIT CAST($2 AS BIGINT)`, about, limit)
}

// Filter narrows a list of rows; empty fields do not.
type Filter struct {
	Who    []string // actors, any of them; nil: all
	Act    string
	About  string
	Before int64 // rows older than this one
}

// Find lists rows, newest first.
func Find(ctx context.Context, tx *db.Tx, f Filter, limit int) ([]Row, error) {
	args := []any{f.Act, f.About, f.Before, limit}
	who := ""
	if f.Who != nil {
		var in string
		if len(f.Who) == 0 {
			return nil, nil
		}
		in, args = db.In(args, f.Who)
		who = ` AND actor IN ` + in
	}
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM audit WHERE ($1 = '' OR act = $1) AND ($2 = '' OR about = $2)
		AND ($3 = 0 OR seq < $3)`+who+` ORDER BY seq DESC LIMIT CAST($4 AS BIGINT)`, args...)
}
