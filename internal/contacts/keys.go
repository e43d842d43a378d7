package contacts

import (
	"context"
	"strings"
	"sync"

	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/pgp"
)

// A Learnt says what a certificate taught.
type Learnt string

const (
	Nothing Learnt = ""
	Fresh   Learnt = "fresh"
	Beside  Learnt = "beside"  // a verified key: pending until a person compared it
	Renewed Learnt = "renewed" // the same key: revoked, extended, with another subkey
)

// AddKey files a certificate for a contact. Of a key that is there already, only
// news from its owner count, and its trust stays what it was. Beside a verified
// key a new one is pending: it changes nothing until a person compared it.
func (b *Book) AddKey(ctx context.Context, tx *db.Tx, c *Contact, cert *pgp.Key, trust Trust, source string) (Learnt, error) {
	for _, k := range c.Keys {
		if k.Cert.Fingerprint() != cert.Fingerprint() {
			continue
		}
		if k.Cert == cert || !cert.Renews(k.Cert) {
			return Nothing, nil
		}
		return Renewed, b.keepKey(ctx, tx, k.ID, c.ID, cert, `UPDATE contact_keys SET data = $3 WHERE id = $1 AND contact_id = $2`)
	}
	if trust == Harvested {
		if err := shed(ctx, tx, c.ID); err != nil {
			return Nothing, err
		}
	}
	learnt := Fresh
	if c.HasVerified() {
		learnt = Beside
	}
	return learnt, b.keepKey(ctx, tx, db.NewID(), c.ID, cert, `INSERT INTO contact_keys (id, contact_id, data, fingerprint, trust, source, pending, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, cert.Fingerprint(), trust, source, learnt == Beside, db.Micros(tx.Now))
}

// maxHarvested is how many keys are kept that came along with mail and nobody vouched for:
// anybody may send more under anybody's address.
const maxHarvested = 12

// shed makes room for one more of them; the oldest go.
func shed(ctx context.Context, tx *db.Tx, c ID) error {
	old, err := db.Strings(ctx, tx, `SELECT id FROM contact_keys WHERE contact_id = $1 AND trust = $2 ORDER BY made_at DESC, id DESC LIMIT 64 OFFSET CAST($3 AS BIGINT)`, c, Harvested, maxHarvested-1)
	for _, id := range old {
		if err = tx.Put(ctx, `DELETE FROM contact_key_ids WHERE contact_id = $1 AND row_id = $2`, c, id); err == nil {
			err = tx.Put(ctx, `DELETE FROM contact_keys WHERE contact_id = $1 AND id = $2`, c, id)
		}
		if err != nil {
			break
		}
	}
	return err
}

func (b *Book) keepKey(ctx context.Context, tx *db.Tx, id string, c ID, cert *pgp.Key, query string, args ...any) error {
	if err := db.Change(ctx, tx, query, append([]any{id, c, b.v.Desk().Seal(cert.Bytes(), "key", id)}, args...)...); err != nil {
		return err
	}
	for _, kid := range cert.KeyIDs() {
		if err := tx.Put(ctx, `INSERT INTO contact_key_ids (key_id, contact_id, row_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, keyID(kid), c, id); err != nil {
			return err
		}
	}
	return nil
}

// SaveKey stores what a person decided about a key.
func (b *Book) SaveKey(ctx context.Context, tx *db.Tx, k *Key) error {
	return db.Change(ctx, tx, `UPDATE contact_keys SET trust = $2, pending = $3, via = $4, by_staff = $5, by_name = $6, verified_at = $7, replaced_by = $9
		WHERE id = $1 AND contact_id = $8`,
		k.ID, k.Trust, k.Pending, k.Via, k.By, b.v.Desk().SealText(k.ByName, "key", k.ID, "by"), db.Micros(k.Verified), k.Contact, k.Replaced)
}

// GetKey returns one key of the contact; another's is NotFound.
func (b *Book) GetKey(ctx context.Context, tx *db.Tx, c ID, id string) (*Key, error) {
	return db.One(ctx, tx, b.scanKey, `SELECT `+keyColumns+` FROM contact_keys WHERE id = $1 AND contact_id = $2`, id, c)
}

// maxCandidates bounds how many foreign keys are tried on one signature.
const maxCandidates = 8

// Lookup is the verdict's view of the book: evidence.Keys over one database.
type Lookup struct {
	b   *Book
	d   *db.DB
	ctx context.Context // of one examination; Lookup does not outlive it
	err error           // first database error: the examination must not count
	met []*Contact      // read before in this examination: mostly the one who wrote and signed
}

// Lookup returns the keys for one examination.
func (b *Book) Lookup(ctx context.Context, d *db.DB) *Lookup { return &Lookup{b: b, d: d, ctx: ctx} }

// Err is the first error of the database, if any: then the verdict is void and
// the mail must be examined again.
func (l *Lookup) Err() error { return l.err }

func (l *Lookup) view(f func(*db.Tx) error) {
	if l.err != nil {
		return
	}
	if err := l.d.View(l.ctx, f); err != nil && !fail.Is(err, fail.NotFound) {
		l.err = err
	}
}

// ByAddress returns the keys of whoever owns the address.
func (l *Lookup) ByAddress(address string) (out []evidence.Known) {
	l.view(func(tx *db.Tx) error {
		c, err := l.b.Find(l.ctx, tx, address)
		if err == nil {
			l.met = append(l.met, c)
			out = c.Known()
		}
		return err
	})
	return out
}

// known returns the keys of a contact, read once in an examination.
func (l *Lookup) known(tx *db.Tx, id ID) ([]evidence.Known, error) {
	for _, c := range l.met {
		if c.ID == id {
			return c.Known(), nil
		}
	}
	c, err := l.b.Get(l.ctx, tx, id)
	if err != nil {
		return nil, err
	}
	l.met = append(l.met, c)
	return c.Known(), nil
}

// ByID returns the keys, whoever's, that could have made a signature.
func (l *Lookup) ByID(ids []uint64, _ []pgp.Fingerprint) (out []evidence.Known) {
	if len(ids) == 0 {
		return nil
	}
	var texts []string
	for _, id := range ids[:min(len(ids), maxCandidates)] {
		texts = append(texts, keyID(id))
	}
	l.view(func(tx *db.Tx) error {
		in, args := db.In([]any{maxCandidates}, texts)
		owners, err := db.Strings(l.ctx, tx, `SELECT DISTINCT contact_id FROM contact_key_ids WHERE key_id IN `+in+` LIMIT CAST($1 AS BIGINT)`, args...)
		if err != nil {
			return err
		}
		for _, id := range owners {
			keys, err := l.known(tx, ID(id))
			if err != nil {
				return err
			}
			out = append(out, keys...)
		}
		return nil
	})
	return out
}

func keyID(id uint64) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for shift := 60; shift >= 0; shift -= 4 {
		b.WriteByte(digits[id>>shift&15])
	}
	return b.String()
}

// certs keeps parsed certificates by what they were sealed as, which no other
// bytes are: parsing one costs more than all the rest of a look-up.
type certs struct {
	mu sync.Mutex
	m  map[string]*pgp.Key // guarded by mu; the key is the end of the sealed bytes, their tag
}

const maxCerts = 4096

func newCerts() *certs { return &certs{m: map[string]*pgp.Key{}} }

func (c *certs) get(sealed string, parse func() (*pgp.Key, error)) (*pgp.Key, error) {
	c.mu.Lock()
	k := c.m[sealed]
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k, err := parse()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxCerts {
		clear(c.m) // rare, and cheaper than bookkeeping on every look-up
	}
	c.m[sealed] = k
	return k, nil
}
