package apikeys

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Store reads and writes keys; v seals their names and hashes their secrets.
type Store struct{ v *vault.Vault }

// NewStore returns the store.
func NewStore(v *vault.Vault) *Store { return &Store{v} }

const columns = `id, name, hash, scopes, made_by, made_at, used_at, expires_at, revoked_at`

func (s *Store) scan(k *Key, row func(...any) error) error {
	var name []byte
	var scopes string
	if err := row(&k.ID, &name, &k.hash, &scopes, &k.By, db.Time(&k.Made), db.Time(&k.Used), db.Time(&k.Expires), db.Time(&k.Revoked)); err != nil {
		return err
	}
	for _, n := range strings.Fields(scopes) {
		k.Scopes = append(k.Scopes, Scope(n))
	}
	var err error
	k.Name, err = s.v.Desk().OpenText(name, "api-key", string(k.ID), "name")
	return err
}

func (s *Store) hash(id ID, secret string) string {
	return hex.EncodeToString(s.v.MAC("api-key", string(id), secret))
}

// Add stores a new key with the name, scopes and expiry of k, made by actor, and
// sets its id. The token is returned once and stored nowhere.
func (s *Store) Add(ctx context.Context, tx *db.Tx, k *Key, actor string) (token string, err error) {
	if err := k.check(tx.Now); err != nil {
		return "", err
	}
	token, id, secret := newToken()
	k.ID, k.By, k.Made = id, actor, tx.Now
	var scopes []string
	for _, x := range k.Scopes {
		scopes = append(scopes, string(x))
	}
	if _, err = tx.Exec(ctx, `INSERT INTO api_keys (id, name, hash, scopes, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, s.v.Desk().SealText(k.Name, "api-key", string(k.ID), "name"), s.hash(id, secret), strings.Join(scopes, " "), actor,
		db.Micros(tx.Now), db.Micros(k.Expires)); err != nil {
		return "", err
	}
	return token, audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "api-key.made", About: string(id), Detail: "may " + strings.Join(scopes, ", ")})
}

// List returns all keys, newest first; the revoked ones too.
func (s *Store) List(ctx context.Context, tx *db.Tx) ([]Key, error) {
	return db.List(ctx, tx, s.scan, `SELECT `+columns+` FROM api_keys ORDER BY made_at DESC, id`)
}

// Get returns a key by its id, as lists show it; none is NotFound.
func (s *Store) Get(ctx context.Context, tx *db.Tx, id ID) (*Key, error) {
	k, err := db.One(ctx, tx, s.scan, `SELECT `+columns+` FROM api_keys WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such key")
	}
	return k, err
}

// Find returns the key that a token is, if it opens anything now. Every other
// token is Denied with one text: it tells nobody whether there was such a key.
func (s *Store) Find(ctx context.Context, tx *db.Tx, token string) (*Key, error) {
	denied := fail.New(fail.Denied, "this key is not valid: it is unknown, was revoked, or has expired")
	id, secret, ok := split(token)
	if !ok {
		return nil, denied
	}
	k, err := s.Get(ctx, tx, id)
	if fail.Is(err, fail.NotFound) {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	if !hmac.Equal([]byte(k.hash), []byte(s.hash(id, secret))) || !k.Live(tx.Now) {
		return nil, denied
	}
	return k, nil
}

// Used notes that the key was used.
func Used(ctx context.Context, tx *db.Tx, id ID) error {
	return tx.Put(ctx, `UPDATE api_keys SET used_at = $2 WHERE id = $1`, id, db.Micros(tx.Now))
}

// Revoke ends a key for good. Twice is a Conflict, so that whoever revokes knows
// that it was not this time that it stopped.
func (s *Store) Revoke(ctx context.Context, tx *db.Tx, id ID, actor string) error {
	k, err := s.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if !k.Revoked.IsZero() {
		return fail.New(fail.Conflict, "this key was revoked already, on %s", k.Revoked.Format("2 January 2006, 15:04 MST"))
	}
	if err := db.Change(ctx, tx, `UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "api-key.revoked", About: string(id)})
}
