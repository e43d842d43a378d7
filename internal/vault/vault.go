// Package vault keeps what is stored unreadable without the master key.
//
// Each contact and each item has a data key, wrapped by the master key and
// kept in data_keys; bodies, attachments, drafts and portal items are sealed
// with it. Destroying a data key is how content is recalled or erased: the row
// stays, its key is gone. Short texts that lists need (subjects, names,
// addresses) are sealed with the desk's own key, and found again through a
// keyed index, so that a stolen database tells nothing.
//
// Sealing is AES-256-GCM with a random nonce; the additional data ties a
// ciphertext to its place, so that moving it between rows makes it unreadable.
package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

// MasterSize is the length of a master key in bytes.
const MasterSize = 32

// Vault holds the master key.
type Vault struct {
	master []byte
	wrap   cipher.AEAD
	index  []byte
	desk   *Key
}

// New makes a vault from a master key of 32 bytes.
func New(master []byte) (*Vault, error) {
	if len(master) != MasterSize {
		return nil, fail.New(fail.Invalid, "the master key must be %d bytes, this one has %d", MasterSize, len(master))
	}
	v := &Vault{master: append([]byte(nil), master...)}
	v.wrap = gcm(v.Derive("wrap"))
	v.index = v.Derive("index")
	v.desk = &Key{ID: "desk", aead: gcm(v.Derive("desk"))}
	return v, nil
}

// NewMaster returns a fresh master key.
func NewMaster() []byte {
	b := make([]byte, MasterSize)
	rand.Read(b)
	return b
}

// Derive returns a key of 32 bytes for one purpose, and no other.
func (v *Vault) Derive(purpose string) []byte {
	k, err := hkdf.Key(sha256.New, v.master, nil, "postern/"+purpose, 32)
	if err != nil {
		panic(err) // only for absurd lengths
	}
	return k
}

// MAC is a keyed hash of parts for one purpose.
func (v *Vault) MAC(purpose string, parts ...string) []byte {
	return mac(v.Derive("mac/"+purpose), parts...)
}

// Index is the blind index of a value: equal values of one kind have equal
// indexes, and nobody without the master key can tell which value it is.
func (v *Vault) Index(kind, value string) string {
	return hex.EncodeToString(mac(v.index, kind, value)[:16])
}

// Word is the blind index of one search word, as a number.
func (v *Vault) Word(word string) int64 {
	return int64(binary.BigEndian.Uint64(mac(v.index, "word", word)) >> 1)
}

// Desk is the desk's own key, for short texts in lists.
func (v *Vault) Desk() *Key { return v.desk }

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a wrong key length
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}

// Key is a data key, unwrapped.
type Key struct {
	ID      string
	wrapped []byte
	aead    cipher.AEAD
}

// NewKey makes a data key; Add stores it. No database is touched.
func (v *Vault) NewKey() *Key {
	id, raw := db.NewID(), NewMaster()
	return &Key{ID: id, wrapped: v.wrap.Seal(nil, nil, raw, []byte(id)), aead: gcm(raw)}
}

// Seal encrypts plain. place names where the ciphertext will stand; Open needs
// the same.
func (k *Key) Seal(plain []byte, place ...string) []byte {
	out := make([]byte, 0, len(plain)+k.aead.Overhead())
	return k.aead.Seal(out, nil, plain, k.aad(place))
}

// SealOver is Seal in the memory of plain, which is lost: large mails are not
// held twice. Room for 28 bytes behind plain spares a copy.
func (k *Key) SealOver(plain []byte, place ...string) []byte {
	return k.aead.Seal(plain[:0], nil, plain, k.aad(place))
}

// Open decrypts what Seal made. A changed byte or another place is an error.
func (k *Key) Open(sealed []byte, place ...string) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, k.aad(place))
	if err != nil {
		return nil, fmt.Errorf("open sealed %s: the content is damaged or not where it belongs", strings.Join(place, "/"))
	}
	return plain, nil
}

// SealText and OpenText are Seal and Open for text.
func (k *Key) SealText(s string, place ...string) []byte { return k.Seal([]byte(s), place...) }

// OpenText opens a sealed text; an empty field is an empty text.
func (k *Key) OpenText(sealed []byte, place ...string) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	b, err := k.Open(sealed, place...)
	return string(b), err
}

func (k *Key) aad(place []string) []byte {
	return []byte(k.ID + "\x00" + strings.Join(place, "\x00"))
}

// Add stores a data key, wrapped.
func Add(ctx context.Context, tx *db.Tx, k *Key) error {
	return tx.Put(ctx, `INSERT INTO data_keys (id, wrapped, made_at) VALUES ($1, $2, $3)`,
		k.ID, k.wrapped, db.Micros(tx.Now))
}

type keyRow struct {
	id        string
	wrapped   []byte
	destroyed time.Time
}

// Asked is a data key that is read together with other things.
type Asked struct {
	v    *Vault
	rows []keyRow
}

// Ask returns the query for the key whose id the SQL gives, and where it arrives.
func (v *Vault) Ask(id string, args ...any) (*Asked, db.Query) {
	a := &Asked{v: v}
	return a, db.Into(&a.rows, func(r *keyRow, row func(...any) error) error {
		return row(&r.id, &r.wrapped, db.Time(&r.destroyed))
	}, `SELECT id, wrapped, destroyed_at FROM data_keys WHERE id = `+id, args...)
}

// Join returns where a key arrives that is read in one row with something else, and the
// places for its id, wrapped and destroyed_at.
func (v *Vault) Join() (*Asked, []any) {
	a := &Asked{v: v, rows: make([]keyRow, 1)}
	r := &a.rows[0]
	return a, []any{&r.id, &r.wrapped, db.Time(&r.destroyed)}
}

// Key returns what was read; none, or a destroyed one, is NotFound.
func (a *Asked) Key() (*Key, error) {
	if len(a.rows) == 0 || a.rows[0].id == "" {
		return nil, fail.New(fail.NotFound, "there is no such key")
	}
	return a.v.unwrap(a.rows[0])
}

// Get returns a data key; a destroyed one is NotFound.
func (v *Vault) Get(ctx context.Context, tx *db.Tx, id string) (*Key, error) {
	if id == v.desk.ID {
		return v.desk, nil
	}
	asked, query := v.Ask(`$1`, id)
	if err := tx.Read(ctx, query); err != nil {
		return nil, err
	}
	return asked.Key()
}

func (v *Vault) unwrap(r keyRow) (*Key, error) {
	if !r.destroyed.IsZero() || r.wrapped == nil {
		return nil, fail.New(fail.NotFound, "the content was destroyed on %s", r.destroyed.Format("2 January 2006, 15:04 MST"))
	}
	raw, err := v.wrap.Open(nil, nil, r.wrapped, []byte(r.id))
	if err != nil {
		return nil, fmt.Errorf("unwrap data key %s: wrong master key or damaged row", r.id)
	}
	return &Key{ID: r.id, wrapped: r.wrapped, aead: gcm(raw)}, nil
}

// Destroy makes everything sealed with the key unreadable for ever.
func Destroy(ctx context.Context, tx *db.Tx, id string) error {
	return db.Change(ctx, tx, `UPDATE data_keys SET wrapped = NULL, destroyed_at = $2 WHERE id = $1 AND destroyed_at = 0`,
		id, db.Micros(tx.Now))
}

// partSize is how much of a blob one row holds: a database makes several copies
// of a row in memory on its way. The last part of a blob is shorter.
const partSize = 1 << 20

// PutBlob stores sealed bytes under id. size is the length of the plain bytes.
func PutBlob(ctx context.Context, tx *db.Tx, id string, k *Key, size int, sealed []byte) error {
	for part := 0; ; part++ {
		n := min(len(sealed), partSize)
		if err := tx.Put(ctx, `INSERT INTO blobs (id, part, key_id, size, sealed) VALUES ($1, $2, $3, $4, $5)`, id, part, k.ID, size, sealed[:n]); err != nil {
			return err
		}
		if sealed = sealed[n:]; n < partSize {
			return nil
		}
	}
}

// Blob is a stored ciphertext with the key that opens it.
type Blob struct {
	Key    *Key
	id     string
	sealed []byte // nil once opened
	plain  []byte
}

// Open decrypts the blob in its own memory: large mails are not held twice.
func (b *Blob) Open() ([]byte, error) {
	if b.sealed == nil {
		return b.plain, nil
	}
	plain, err := b.Key.aead.Open(b.sealed[:0], nil, b.sealed, b.Key.aad([]string{"blob", b.id}))
	if err != nil {
		return nil, fmt.Errorf("open blob %s: the content is damaged or not where it belongs", b.id)
	}
	b.sealed, b.plain = nil, plain
	return plain, nil
}

// GetBlob fetches a blob and its key; opening it is left to the caller, outside
// the transaction.
func (v *Vault) GetBlob(ctx context.Context, tx *db.Tx, id string) (*Blob, error) {
	var owner string
	var sealed []byte
	for part := 0; ; part++ {
		type row struct {
			size  int
			bytes []byte
		}
		r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&owner, &r.size, &r.bytes) },
			`SELECT key_id, size, sealed FROM blobs WHERE id = $1 AND part = $2`, id, part)
		if err != nil {
			return nil, err // also for a later part: nothing is shown of a blob that is not whole
		}
		if part == 0 {
			sealed = make([]byte, 0, r.size+100) // and what sealing adds
		}
		if sealed = append(sealed, r.bytes...); len(r.bytes) < partSize {
			break
		}
	}
	k, err := v.Get(ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	return &Blob{Key: k, id: id, sealed: sealed}, nil
}

const checkName = "vault-check"

// Check proves that the master key is the one this database was made with; on
// a new database it leaves the mark that later starts check.
func (v *Vault) Check(ctx context.Context, d *db.DB) error {
	return d.Update(ctx, func(tx *db.Tx) error {
		got, err := db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) },
			`SELECT value FROM settings WHERE name = $1`, checkName)
		if fail.Is(err, fail.NotFound) {
			_, err = tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)`, checkName, v.desk.SealText("postern", checkName))
			return err
		}
		if err != nil {
			return err
		}
		if _, err := v.desk.Open(*got, checkName); err != nil {
			return fail.New(fail.Denied, "the master key is not the one this database was made with")
		}
		return nil
	})
}
