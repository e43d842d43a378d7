package texts

import (
	"context"
	"encoding/json"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

const place = "text"

func (t *Texts) seal(id ID, doc Doc) ([]byte, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return t.v.Desk().Seal(b, place, string(id)), nil
}

// Ask notes that somebody in a network wants a code for an address. It does the
// same whoever has the address, if anybody. The id is empty when the network has
// asked too often.
func (t *Texts) Ask(ctx context.Context, tx *db.Tx, address, network string) (ID, error) {
	if !t.On() {
		return "", fail.New(fail.Denied, "this desk sends no codes by text message")
	}
	from := t.v.Index("text-network", network)
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM texts WHERE network = $1 AND asked_at > $2`, from, db.Micros(tx.Now.Add(-time.Hour)))
	if err != nil || n >= PerNetwork {
		return "", err
	}
	id := ID(db.NewID())
	doc, err := t.seal(id, Doc{Address: address})
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO texts (id, network, state, doc, asked_at) VALUES ($1, $2, $3, $4, $5)`, id, from, Asked, doc, db.Micros(tx.Now))
	return id, err
}

// Get returns a text by id.
func (t *Texts) Get(ctx context.Context, tx *db.Tx, id ID) (*Text, error) {
	x, err := db.One(ctx, tx, func(x *Text, row func(...any) error) error {
		return row(&x.ID, &x.Contact, &x.State, &x.Attempts, &x.Reason, db.Time(&x.Asked), &x.sealed)
	}, `SELECT id, contact_id, state, attempts, reason, asked_at, doc FROM texts WHERE id = $1`, id)
	if err != nil || len(x.sealed) == 0 {
		return x, err
	}
	b, err := t.v.Desk().Open(x.sealed, place, string(id))
	if err != nil {
		return nil, err
	}
	return x, json.Unmarshal(b, &x.Doc)
}

// Allowed reports whether a contact may be sent another text now.
func Allowed(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) {
	for _, limit := range []struct {
		span time.Duration
		most int64
	}{{time.Hour, PerHour}, {24 * time.Hour, PerDay}} {
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM texts WHERE contact_id = $1 AND asked_at > $2`, c, db.Micros(tx.Now.Add(-limit.span)))
		if err != nil || n >= limit.most {
			return false, err
		}
	}
	return true, nil
}

// Queue gives a wish its person, number and text; from then on it counts towards
// their limits.
func (t *Texts) Queue(ctx context.Context, tx *db.Tx, x *Text, c contacts.ID, number, text string) error {
	doc, err := t.seal(x.ID, Doc{Number: number, Text: text})
	if err != nil {
		return err
	}
	return db.Change(ctx, tx, `UPDATE texts SET state = $2, contact_id = $3, doc = $4 WHERE id = $1 AND state = $5`, x.ID, Waiting, c, doc, Asked)
}

// Drop ends a wish that nothing is sent for, and forgets the address.
func (t *Texts) Drop(ctx context.Context, tx *db.Tx, x *Text, reason string) error {
	return db.Change(ctx, tx, `UPDATE texts SET state = $2, reason = $3, doc = $4, done_at = $5 WHERE id = $1 AND state = $6`,
		x.ID, Dropped, reason, []byte{}, db.Micros(tx.Now), Asked)
}
