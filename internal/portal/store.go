package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Store reads and writes items; v seals them.
type Store struct{ v *vault.Vault }

// NewStore returns the store.
func NewStore(v *vault.Vault) *Store { return &Store{v} }

const columns = `id, case_id, message_id, contact_id, delivery_id, key_id, doc, placed_at, notified_at, fetched_at, fetches,
	released_at, factor, refused_at, tries, recalled_at, expires_at`

func scan(i *Item, row func(...any) error) error {
	return row(&i.ID, &i.Case, &i.Message, &i.Contact, &i.Delivery, &i.KeyID, &i.sealedDoc, db.Time(&i.Placed), db.Time(&i.Notified),
		db.Time(&i.Fetched), &i.Fetches, db.Time(&i.Released), &i.Factor, db.Time(&i.Refused), &i.Tries, db.Time(&i.Recalled), db.Time(&i.Expires))
}

// New is an item to be placed, with its key and the link that leads to it.
// Only the notice holds the link; the table holds its hash.
type New struct {
	Item
	Link string
	key  *vault.Key
}

// Key is the item's own data key.
func (n *New) Key() *vault.Key { return n.key }

// New prepares an item outside any transaction.
func (s *Store) New(i Item, c Content, now time.Time) (*New, error) {
	i.ID = ID(db.NewID())
	n := &New{Item: i, Link: db.NewSecret(), key: s.v.NewKey()}
	n.KeyID, n.Placed, n.Expires = n.key.ID, now, now.Add(ItemLife)
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode item: %w", err)
	}
	n.sealedDoc = n.key.Seal(b, "item", string(i.ID))
	return n, nil
}

// Place stores the item and its key. An earlier item of the same delivery, made
// before its way changed and changed back, is recalled: its notice was never
// known to have left.
func (s *Store) Place(ctx context.Context, tx *db.Tx, n *New) error {
	earlier, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE delivery_id = $1 AND recalled_at = 0 AND released_at = 0 AND expires_at > $2`,
		n.Delivery, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	for i := range earlier {
		if err := Recall(ctx, tx, &earlier[i], audit.System); err != nil {
			return err
		}
	}
	if err := vault.Add(ctx, tx, n.key); err != nil {
		return err
	}
	err = tx.Put(ctx, `INSERT INTO items (id, case_id, message_id, contact_id, delivery_id, key_id, doc, link, placed_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		n.ID, n.Case, n.Message, n.Contact, n.Delivery, n.KeyID, n.sealedDoc, linkHash(n.Link), db.Micros(n.Placed), db.Micros(n.Expires))
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "item.placed", About: string(n.Case), Detail: "item " + string(n.ID)})
}

func linkHash(link string) string {
	h := sha256.Sum256([]byte("item-link\x00" + link))
	return hex.EncodeToString(h[:])
}

// ByLink returns the item a notice leads to; an unknown link is NotFound.
func ByLink(ctx context.Context, tx *db.Tx, link string) (*Item, error) {
	i, err := db.One(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE link = $1`, linkHash(link))
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "this link does not lead to a message")
	}
	return i, err
}

// Get returns an item by id.
func Get(ctx context.Context, tx *db.Tx, id ID) (*Item, error) {
	return db.One(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE id = $1`, id)
}

// OfCase lists a case's items, oldest first.
func OfCase(ctx context.Context, tx *db.Tx, c cases.ID) ([]Item, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE case_id = $1 ORDER BY placed_at, id`, c)
}

// Fetched notes that the link was fetched, by whomever.
func Fetched(ctx context.Context, tx *db.Tx, id ID) error {
	n, err := tx.Exec(ctx, `UPDATE items SET fetched_at = $2, fetches = 1 WHERE id = $1 AND fetches = 0`, id, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	if n == 0 {
		_, err = tx.Exec(ctx, `UPDATE items SET fetches = fetches + 1 WHERE id = $1 AND fetches < 1000`, id)
		return err
	}
	i, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "item.fetched", About: string(i.Case), Detail: "item " + string(id) + "; the link was fetched, nothing was shown"})
}

// Notified notes that the relay took the notice.
func Notified(ctx context.Context, tx *db.Tx, delivery string) error {
	return tx.Put(ctx, `UPDATE items SET notified_at = $2 WHERE delivery_id = $1 AND notified_at = 0`, delivery, db.Micros(tx.Now))
}

// Recall withdraws the item for good and destroys its key.
func Recall(ctx context.Context, tx *db.Tx, i *Item, actor string) error {
	if err := i.Recall(tx.Now); err != nil {
		return err
	}
	// The condition decides a race with a release: one of the two wins.
	if err := db.Change(ctx, tx, `UPDATE items SET recalled_at = $2 WHERE id = $1 AND recalled_at = 0 AND released_at = 0`, i.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	if err := vault.Destroy(ctx, tx, i.KeyID); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "item.recalled", About: string(i.Case),
		Detail: fmt.Sprintf("item %s; never shown; link fetched %d times, refused tries %d", i.ID, i.Fetches, i.Tries)})
}

// ExpireDue destroys the keys of items whose time is over; it reports how many.
func ExpireDue(ctx context.Context, tx *db.Tx, limit int) (int, error) {
	due, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM items WHERE expires_at <= $1
		AND EXISTS (SELECT 1 FROM data_keys k WHERE k.id = items.key_id AND k.destroyed_at = 0) ORDER BY expires_at LIMIT CAST($2 AS BIGINT)`, db.Micros(tx.Now), limit)
	if err != nil {
		return 0, err
	}
	for _, i := range due {
		if err := vault.Destroy(ctx, tx, i.KeyID); err != nil {
			return 0, err
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "item.expired", About: string(i.Case), Detail: "item " + string(i.ID)}); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// Read opens an item's content for a session. Another contact's item is NotFound.
func (s *Store) Read(ctx context.Context, tx *db.Tx, ses *Session, id ID) (*Item, *Content, *vault.Key, error) {
	i, err := Get(ctx, tx, id)
	if err != nil {
		return nil, nil, nil, err
	}
	if i.Contact != ses.Contact || ses.Item != "" && ses.Item != id {
		return nil, nil, nil, fail.New(fail.NotFound, "not found")
	}
	if err := i.Gone(tx.Now); err != nil {
		return i, nil, nil, err
	}
	k, err := s.v.Get(ctx, tx, i.KeyID)
	if err != nil {
		return i, nil, nil, err
	}
	b, err := k.Open(i.sealedDoc, "item", string(i.ID))
	if err != nil {
		return i, nil, nil, err
	}
	c := &Content{}
	if err := json.Unmarshal(b, c); err != nil {
		return i, nil, nil, fmt.Errorf("decode item %s: %w", i.ID, err)
	}
	return i, c, k, nil
}
