// Package jws signs what the organisation's own systems must be able to check
// without asking us: compact JWS (RFC 7515) over JSON claims, with the public
// keys as a JWKS (RFC 7517).
//
// The algorithm is ES256, ECDSA on P-256 with SHA-256 (RFC 7518, 3.4). It is the
// one that RFC 7518, 3.1 recommends most, and practically every JOSE library,
// API gateway and hardware module takes it. Ed25519 would be the nicer signature,
// but .NET's and several Java libraries lack it or want an extra one, and its
// name is changing under way: "EdDSA" of RFC 8037 is deprecated in favour of
// "Ed25519" by RFC 9864.
//
// A key's id is its thumbprint (RFC 7638). Keys are made at first use and kept
// sealed in the settings under "signing-keys". After a rotation the new key is
// published at once but signs only after Lead, so that other nodes and systems
// that hold a JWKS for a while know it first; the old public key stays in the
// JWKS for Keep after its last signature.
package jws

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Lead is how long a new key is published before it signs, Keep how long an old
// one is published after it did.
const (
	Lead = 5 * time.Minute
	Keep = 90 * 24 * time.Hour
)

const (
	algorithm = "ES256"
	tokenType = "JWT"
	half      = 32 // bytes of r, s, x, y and d on P-256 (RFC 7518, 3.4 and 6.2)
)

// Signer signs with the newest key that is in force.
type Signer struct {
	d    *db.DB
	v    *vault.Vault
	keys atomic.Pointer[[]key]
}

// Open reads the keys, and makes the first one on a new desk.
func Open(ctx context.Context, d *db.DB, v *vault.Vault) (*Signer, error) {
	s := &Signer{d: d, v: v}
	first, err := newKey(d.Now())
	if err != nil {
		return nil, err
	}
	sealed, err := s.seal([]key{first})
	if err != nil {
		return nil, err
	}
	err = d.Update(ctx, func(tx *db.Tx) error { // another node may be first
		return tx.Put(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, setting, sealed)
	})
	if err != nil {
		return nil, err
	}
	return s, s.Reload(ctx)
}

// Reload reads the keys again; another node may have rotated them. Within Lead
// of a rotation every node must have done so.
func (s *Signer) Reload(ctx context.Context) error {
	var keys []key
	err := s.d.View(ctx, func(tx *db.Tx) (err error) { keys, err = s.load(ctx, tx); return err })
	if err == nil {
		s.keys.Store(&keys)
	}
	return err
}

// Rotate makes a new key, publishes it, and lets it sign after Lead. It returns
// the new key's id, for the record that the caller writes in the same transaction.
func (s *Signer) Rotate(ctx context.Context, tx *db.Tx) (kid string, err error) {
	keys, err := s.load(ctx, tx)
	if err != nil {
		return "", err
	}
	next, err := newKey(tx.Now.Add(Lead))
	if err != nil {
		return "", err
	}
	if keys, err = rotated(keys, next, tx.Now); err != nil {
		return "", err
	}
	sealed, err := s.seal(keys)
	if err != nil {
		return "", err
	}
	if err := db.Change(ctx, tx, `UPDATE settings SET value = $2 WHERE name = $1`, setting, sealed); err != nil {
		return "", err
	}
	tx.AfterCommit(func() { s.keys.Store(&keys) })
	return next.kid(), nil
}

// header is what stands in front of every token (RFC 7515, 4.1).
type header struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
	Kid string `json:"kid"`
}

// Sign returns a token over the claims, which must become a JSON object. What
// they say, for whom and until when (RFC 7519, 4.1) is the caller's.
func (s *Signer) Sign(claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	if _, err := object(payload); err != nil {
		return "", fail.New(fail.Invalid, "what is signed must be a JSON object whose names are all different")
	}
	k, err := active(*s.keys.Load(), s.d.Now())
	if err != nil {
		return "", err
	}
	front, err := json.Marshal(header{algorithm, tokenType, k.kid()})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	input := encode(front) + "." + encode(payload) // RFC 7515, 5.1
	sum := sha256.Sum256([]byte(input))
	r, x, err := ecdsa.Sign(rand.Reader, k.secret, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	var sig [2 * half]byte // RFC 7518, 3.4: r and s, each in full length
	r.FillBytes(sig[:half])
	low(x).FillBytes(sig[half:])
	return input + "." + encode(sig[:]), nil
}

// low is the smaller of s and n-s: both are a signature of the same words, and
// with one of them ruled out a token has one writing.
func low(s *big.Int) *big.Int {
	n := curve().Params().N
	if s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		return new(big.Int).Sub(n, s)
	}
	return s
}

// JWKS is the set of public keys as a JSON document, newest first.
func (s *Signer) JWKS() []byte { return jwks(*s.keys.Load(), s.d.Now()) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode takes the one writing that encode makes: the library's decoder would
// also take line breaks and stray bits at the end.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || encode(b) != s {
		return nil, fail.New(fail.Invalid, "a part of it is not base64url as it should be")
	}
	return b, nil
}
