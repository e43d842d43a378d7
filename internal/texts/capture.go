package texts

import (
	"context"
	"encoding/json"
	"time"

	"postern/internal/db"
	"postern/internal/vault"
)

// Capture keeps texts for the tray in place of sending them: for a demo, and for
// trying a desk out. Whoever reads the tray could come in by such a code, so a desk
// does it only when it is told to.
type Capture struct {
	d *db.DB
	v *vault.Vault
}

// NewCapture returns the sender to the tray.
func NewCapture(d *db.DB, v *vault.Vault) *Capture { return &Capture{d, v} }

const capturePlace = "captured-text"

// Send keeps the text, sealed.
func (c *Capture) Send(ctx context.Context, number, text string) error {
	b, err := json.Marshal(Doc{Number: number, Text: text})
	if err != nil {
		return err
	}
	id := db.NewID()
	sealed := c.v.Desk().Seal(b, capturePlace, id)
	return c.d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO captured_texts (id, doc, made_at) VALUES ($1, $2, $3)`, id, sealed, db.Micros(tx.Now))
		return err
	})
}

// A Captured is a text that lies in the tray.
type Captured struct {
	Doc
	At time.Time
}

// Captured lists what lies in the tray, newest first. It is empty where nothing is
// captured any more, whatever still lies there.
func (t *Texts) Captured(ctx context.Context, tx *db.Tx, limit int) ([]Captured, error) {
	if _, ok := t.sender.(*Capture); !ok {
		return nil, nil
	}
	return db.List(ctx, tx, func(c *Captured, row func(...any) error) error {
		var id string
		var sealed []byte
		if err := row(&id, &sealed, db.Time(&c.At)); err != nil {
			return err
		}
		b, err := t.v.Desk().Open(sealed, capturePlace, id)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &c.Doc)
	}, `SELECT id, doc, made_at FROM captured_texts ORDER BY made_at DESC, id DESC LIMIT CAST($1 AS BIGINT)`, limit)
}
