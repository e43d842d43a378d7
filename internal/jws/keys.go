package jws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// setting is the name under which the keys are kept, newest first, and their place.
const setting = "signing-keys"

func curve() elliptic.Curve { return elliptic.P256() }

// key is one signing key: waiting, in force or retired.
type key struct {
	secret *ecdsa.PrivateKey // nil: it will not sign any more
	public *ecdsa.PublicKey
	from   time.Time // it signs from here on
	until  time.Time // it is published until here; zero: no newer key was made
}

func newKey(from time.Time) (key, error) {
	k, err := ecdsa.GenerateKey(curve(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("make a signing key: %w", err)
	}
	return key{secret: k, public: &k.PublicKey, from: from}, nil
}

// active is the newest key that is in force.
func active(keys []key, now time.Time) (*key, error) {
	for i := range keys {
		if keys[i].secret != nil && !keys[i].from.After(now) {
			return &keys[i], nil
		}
	}
	return nil, fail.New(fail.Unavailable, "no signing key is in force; is the clock right?")
}

// rotated is the list with a new key before it: the newest stands first. Secrets
// that will never sign again are dropped, and keys that nobody needs.
func rotated(keys []key, next key, now time.Time) ([]key, error) {
	signs, err := active(keys, now)
	if err != nil {
		return nil, err
	}
	out := []key{next}
	for _, k := range keys {
		if k.until.IsZero() {
			k.until = next.from.Add(Keep)
		}
		if !k.until.After(now) {
			continue
		}
		if k.public != signs.public {
			k.secret = nil
		}
		out = append(out, k)
	}
	return out, nil
}

// point is x and y of a public key, each in full length.
func point(k *ecdsa.PublicKey) (x, y string) {
	b, err := k.Bytes() // SEC 1, 2.3.3: 4, x, y
	if err != nil {
		panic(err) // only for another curve
	}
	return encode(b[1 : 1+half]), encode(b[1+half:])
}

// kid is the thumbprint: the hash over the required members in alphabetical
// order, without blanks (RFC 7638, 3).
func (k *key) kid() string { return thumbprint(k.public) }

func thumbprint(k *ecdsa.PublicKey) string {
	x, y := point(k)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, x, y))
	return encode(sum[:])
}

// jwk is a public key as RFC 7517, 4 and RFC 7518, 6.2.1 write it.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

func jwks(keys []key, now time.Time) []byte {
	set := struct {
		Keys []jwk `json:"keys"`
	}{}
	for _, k := range keys {
		if k.until.IsZero() || k.until.After(now) {
			x, y := point(k.public)
			set.Keys = append(set.Keys, jwk{"EC", "P-256", x, y, k.kid(), "sig", algorithm})
		}
	}
	b, err := json.Marshal(set)
	if err != nil {
		panic(err) // a struct of strings
	}
	return b
}

// kept is how a key is written before it is sealed.
type kept struct {
	Public []byte `json:"public"`
	Secret []byte `json:"secret,omitempty"`
	From   int64  `json:"from"`
	Until  int64  `json:"until"`
}

// seal writes the keys down. They are few and small: it takes microseconds, also
// in a transaction.
func (s *Signer) seal(keys []key) ([]byte, error) {
	var list []kept
	for _, k := range keys {
		row := kept{From: db.Micros(k.from), Until: db.Micros(k.until)}
		var err error
		if row.Public, err = k.public.Bytes(); err != nil {
			return nil, err
		}
		if k.secret != nil {
			if row.Secret, err = k.secret.Bytes(); err != nil {
				return nil, err
			}
		}
		list = append(list, row)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return s.v.Desk().Seal(b, setting), nil
}

func (s *Signer) load(ctx context.Context, tx *db.Tx) ([]key, error) {
	sealed, err := db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT value FROM settings WHERE name = $1`, setting)
	if err != nil {
		return nil, err
	}
	return opened(s.v, *sealed)
}

func opened(v *vault.Vault, sealed []byte) ([]key, error) {
	b, err := v.Desk().Open(sealed, setting)
	if err != nil {
		return nil, err
	}
	var list []kept
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	var keys []key
	for _, row := range list {
		var k key
		if k.public, err = ecdsa.ParseUncompressedPublicKey(curve(), row.Public); err != nil {
			return nil, fmt.Errorf("read a public signing key: %w", err)
		}
		if row.Secret != nil {
			if k.secret, err = ecdsa.ParseRawPrivateKey(curve(), row.Secret); err != nil {
				return nil, fmt.Errorf("read a secret signing key: %w", err)
			}
		}
		k.from, k.until = micros(row.From), micros(row.Until)
		keys = append(keys, k)
	}
	return keys, nil
}

// micros is the time that db.Micros wrote.
func micros(n int64) (t time.Time) {
	if n != 0 {
		t = time.UnixMicro(n).UTC()
	}
	return t
}
