package pgp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"postern/internal/fail"
	"postern/internal/message"
)

// A Key is a certificate: a primary key with its user IDs and subkeys. All
// bindings were checked when it was parsed, and what was not bound is gone.
type Key struct {
	e       *openpgp.Entity
	fp      Fingerprint
	uids    []string // best first; binding checked, revoked ones left out
	signers []*packet.PublicKey
	data    []byte
}

// Fingerprint names the certificate by its primary key.
func (k *Key) Fingerprint() Fingerprint { return k.fp }

// UserIDs are the names that the key's maker gave it, revoked ones left out.
// They prove nothing about who that is.
func (k *Key) UserIDs() []string { return slices.Clone(k.uids) }

// Addresses are the mail addresses in the user IDs, in lower case.
func (k *Key) Addresses() []string {
	var out []string
	for _, uid := range k.uids {
		if a := uidAddress(uid); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func uidAddress(uid string) string {
	if i := strings.LastIndexByte(uid, '<'); i >= 0 { // "name (comment) <addr>": the name may hold anything
		uid = uid[i:]
	}
	list, ok := message.ParseAddresses(uid)
	if !ok || len(list) != 1 {
		return ""
	}
	return strings.ToLower(list[0].Addr)
}

// Created is when the primary key was made.
func (k *Key) Created() time.Time { return k.e.PrimaryKey.CreationTime.UTC() }

// Expires is when the certificate ceases to be valid; zero: never.
func (k *Key) Expires() time.Time {
	cfg := config(time.Time{})
	sig, err := k.e.PrimarySelfSignature(time.Time{}, cfg)
	if err != nil {
		return time.Time{}
	}
	expires := lifeEnd(k.e.PrimaryKey, sig)
	if d, err := k.e.LatestValidDirectSignature(time.Time{}, cfg); err == nil {
		if t := lifeEnd(k.e.PrimaryKey, d); !t.IsZero() && (expires.IsZero() || t.Before(expires)) {
			expires = t
		}
	}
	return expires
}

func lifeEnd(pk *packet.PublicKey, sig *packet.Signature) time.Time {
	if sig.KeyLifetimeSecs == nil || *sig.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return pk.CreationTime.Add(time.Duration(*sig.KeyLifetimeSecs) * time.Second).UTC()
}

// KeyIDs are the 64-bit ids of the primary key and of all bound subkeys: what a
// signature may name as its issuer. They are hints for a look-up, no more.
func (k *Key) KeyIDs() []uint64 {
	out := []uint64{k.e.PrimaryKey.KeyId}
	for _, s := range k.e.Subkeys {
		out = append(out, s.PublicKey.KeyId)
	}
	return out
}

// CanEncrypt reports whether mail can be encrypted to the key: nil, or why not
// and how to mend it.
func (k *Key) CanEncrypt(at time.Time) error {
	_, err := k.e.EncryptionKeyWithError(at, config(at))
	if err == nil {
		return nil
	}
	var sel pgperrors.ErrEncryptionKeySelection
	reason := err
	if errors.As(err, &sel) {
		if reason = sel.PrimaryKeyErr; reason == nil {
			reason = sel.EncSelectionErr
		}
	} else if p := (*pgperrors.ErrEncryptionKeySelection)(nil); errors.As(err, &p) {
		if reason = p.PrimaryKeyErr; reason == nil {
			reason = p.EncSelectionErr
		}
	}
	switch {
	case k.e.Revoked(at) || errors.Is(reason, pgperrors.ErrKeyRevoked):
		return fail.New(fail.Invalid, "the key was revoked; ask its owner for the new one")
	case k.Created().After(at):
		return fail.New(fail.Invalid, "the key was made in the future (%s); check the clocks", k.Created().Format(time.DateTime))
	case errors.Is(reason, pgperrors.ErrKeyExpired):
		if t := k.Expires(); !t.IsZero() {
			return fail.New(fail.Invalid, "the key expired on %s; ask its owner to extend it and send it again", t.Format(time.DateOnly))
		}
		return fail.New(fail.Invalid, "the key's encryption subkey expired; ask its owner to extend it and send it again")
	}
	return fail.New(fail.Invalid, "the key has no usable encryption subkey; ask its owner to add one")
}

// State says in a word how the key stands: "works", or why nothing can be encrypted to it:
// "revoked", "expired", "future", or "signs" where it is only for signatures.
func (k *Key) State(at time.Time) string {
	switch {
	case k.CanEncrypt(at) == nil:
		return "works"
	case k.e.Revoked(at):
		return "revoked"
	case k.Created().After(at):
		return "future"
	case !k.Expires().IsZero() && at.After(k.Expires()):
		return "expired"
	}
	return "signs"
}

// encryptionKey is the one subkey that mail is encrypted to.
func (k *Key) encryptionKey(at time.Time) (*packet.PublicKey, error) {
	key, err := k.e.EncryptionKeyWithError(at, config(at))
	if err != nil {
		return nil, k.CanEncrypt(at)
	}
	return key.PublicKey, nil
}

// faultAt says what keeps the component from being used for signatures at that
// moment; "" if nothing does.
func (k *Key) faultAt(part *packet.PublicKey, at time.Time) Fault {
	cfg := config(at)
	if k.e.Revoked(at) {
		return RevokedKey
	}
	if _, err := k.e.VerifyPrimaryKey(at, cfg); err != nil {
		if errors.Is(err, pgperrors.ErrKeyRevoked) {
			return RevokedKey
		}
		return ExpiredKey
	}
	for i := range k.e.Subkeys {
		if s := &k.e.Subkeys[i]; s.PublicKey == part {
			if _, err := s.Verify(at, cfg); errors.Is(err, pgperrors.ErrKeyRevoked) {
				return RevokedKey
			} else if err != nil {
				return ExpiredKey
			}
		}
	}
	if found, ok := k.e.SigningKeyById(at, part.KeyId, cfg); !ok || found.PublicKey != part {
		return NotForSigning
	}
	return ""
}

// Renews reports whether the certificate says something newer about the same key
// than old does: a revocation, another end, another subkey. Its owner alone can
// make such a signature; an old copy sent again, or one with the revocation cut
// off, renews nothing.
func (k *Key) Renews(old *Key) bool {
	if k.fp != old.fp {
		return false
	}
	revoked, was := revocations(k.e), revocations(old.e)
	for id := range was {
		if !revoked[id] {
			return false
		}
	}
	return len(revoked) > len(was) || newest(k.e).After(newest(old.e))
}

// revocations are the ids of the certificate's keys that were revoked; whether a
// date makes one void is not asked.
func revocations(e *openpgp.Entity) map[uint64]bool {
	out := map[uint64]bool{}
	if len(e.Revocations) > 0 {
		out[e.PrimaryKey.KeyId] = true
	}
	for _, s := range e.Subkeys {
		if len(s.Revocations) > 0 {
			out[s.PublicKey.KeyId] = true
		}
	}
	return out
}

// newest is when the certificate last vouched for a part of itself.
func newest(e *openpgp.Entity) (at time.Time) {
	look := func(list []*packet.VerifiableSignature) {
		for _, s := range list {
			if s.Packet.CreationTime.After(at) {
				at = s.Packet.CreationTime
			}
		}
	}
	look(e.DirectSignatures)
	for _, id := range e.Identities {
		look(id.SelfCertifications)
		look(id.Revocations)
	}
	for _, s := range e.Subkeys {
		look(s.Bindings)
	}
	return at
}

func (k *Key) String() string { return fmt.Sprintf("%s %v", k.fp, k.uids) }
