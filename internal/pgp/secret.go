package pgp

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"postern/internal/fail"
)

// A Secret is a key of our own, unlocked. Like a Key it does not change and is
// safe for concurrent use.
type Secret struct {
	e      *openpgp.Entity
	public *Key
}

// Public is its certificate.
func (s *Secret) Public() *Key { return s.public }

// Generate makes a key: version 4, Curve25519 under the ids that GnuPG 2.2
// knows, a primary key that only certifies, and subkeys to sign and to encrypt.
func Generate(name, addr string, now time.Time) (*Secret, error) {
	cfg := config(now)
	cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune("()<>", r) {
			return -1
		}
		return r
	}, name)
	e, err := openpgp.NewEntity(strings.TrimSpace(name), "", addr, cfg)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	for _, id := range e.Identities {
		sig := id.SelfCertifications[0].Packet
		sig.FlagSign = false
		sig.PreferredHash = []uint8{8, 10} // SHA-256, SHA-512 (RFC 9580, 9.5)
		if err := sig.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, cfg); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
	}
	if err := e.AddSigningSubkey(cfg); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	var out bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&out, cfg); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return ParseSecret(out.Bytes()) // it is checked like anybody's
}

// ParseSecret reads one unprotected secret key, armoured or not. A protected one
// is refused: unlocking is for its owner, and an unlocking from outside can be
// made to cost any amount of memory.
func ParseSecret(data []byte) (s *Secret, err error) {
	defer guard(&err)
	certs, err := certificates(data, kindSecret)
	if err != nil {
		return nil, err
	}
	if len(certs) != 1 {
		return nil, fail.New(fail.Invalid, "give exactly one secret key; there are %d in it", len(certs))
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(certs[0])))
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the secret key cannot be read")
	}
	if e.PrivateKey == nil {
		return nil, fail.New(fail.Invalid, "this is a public key, not a secret one")
	}
	if e.PrivateKey.Encrypted && !e.PrivateKey.Dummy() {
		return nil, fail.New(fail.Invalid, "the secret key is protected by a password; remove it first (gpg --edit-key, passwd) and export again")
	}
	public, err := newKey(e)
	if err != nil {
		return nil, err
	}
	for _, sub := range e.Subkeys {
		if sub.PrivateKey != nil && sub.PrivateKey.Encrypted && !sub.PrivateKey.Dummy() {
			return nil, fail.New(fail.Invalid, "a secret subkey is protected by a password; remove it first (gpg --edit-key, passwd) and export again")
		}
	}
	return &Secret{e, public}, nil
}

// Bytes is the secret key, unprotected: to be sealed by whoever keeps it.
func (s *Secret) Bytes() []byte {
	var out bytes.Buffer
	if err := s.e.SerializePrivateWithoutSigning(&out, config(time.Time{})); err != nil {
		return nil // it was written once already, in the same way
	}
	return out.Bytes()
}

// decryptors are the private keys that may open a message for the key id; 0 is
// a recipient who is not named. Expired and revoked keys still open old mail.
func (s *Secret) decryptors(id uint64) []*packet.PrivateKey {
	var out []*packet.PrivateKey
	add := func(k *packet.PrivateKey) {
		if k != nil && !k.Encrypted && !k.Dummy() && k.PubKeyAlgo.CanEncrypt() && (id == 0 || k.KeyId == id) {
			out = append(out, k)
		}
	}
	add(s.e.PrivateKey)
	for _, sub := range s.e.Subkeys {
		add(sub.PrivateKey)
	}
	return out
}
