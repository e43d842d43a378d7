package pgp

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"postern/internal/fail"
)

// ParseKeys reads certificates, armoured or not, one or several. Those that
// cannot be used are left out; if none is left, the error says why and how to
// mend it.
func ParseKeys(data []byte) (keys []*Key, err error) {
	certs, err := certificates(data, kindPublic)
	if err != nil {
		return nil, err
	}
	var refused error
	for _, c := range certs {
		k, err := parseKey(c)
		if err != nil {
			if refused == nil {
				refused = err
			}
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 && refused == nil {
		refused = fail.New(fail.Invalid, "there is no OpenPGP key in it")
	}
	if len(keys) == 0 {
		return nil, refused
	}
	return keys, nil
}

// certificates cuts data into the packets of one certificate each.
func certificates(data []byte, kind string) ([][]byte, error) {
	if len(data) > maxKeyData {
		return nil, fail.New(fail.Invalid, "the key is larger than %d KiB; export it without the signatures of others (gpg --export-options export-minimal)", maxKeyData>>10)
	}
	if len(data) > 0 && data[0]&0x80 == 0 {
		var all []byte
		for at := 0; ; {
			a, ok, err := nextArmor(data, at)
			if err != nil {
				return nil, fail.Wrap(fail.Invalid, err, "the key is damaged: its armour cannot be read")
			}
			if !ok {
				break
			}
			if a.kind == kindSecret && kind == kindPublic {
				return nil, fail.New(fail.Invalid, "this is a secret key. Never give it to anybody; export the public one (gpg --export)")
			}
			if a.kind == kind {
				all = append(all, a.data...)
			}
			at = a.end
		}
		data = all
	}
	packets, err := split(data, maxKeyPackets)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the key is damaged")
	}
	var out [][]byte
	for _, p := range packets {
		switch {
		case p.tag == tagSecret && kind == kindPublic:
			return nil, fail.New(fail.Invalid, "this is a secret key. Never give it to anybody; export the public one (gpg --export)")
		case p.tag == tagPublic && kind == kindPublic || p.tag == tagSecret:
			if len(out) >= maxKeys {
				return nil, fail.New(fail.Invalid, "there are more than %d keys in it", maxKeys)
			}
			out = append(out, bytes.Clone(p.raw))
		case len(out) > 0:
			out[len(out)-1] = append(out[len(out)-1], p.raw...)
		}
	}
	return out, nil
}

func parseKey(data []byte) (k *Key, err error) {
	defer guard(&err)
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the key cannot be read: "+unreadable(err))
	}
	return newKey(e)
}

func unreadable(err error) string {
	if s := err.Error(); len(s) < 120 {
		return s
	}
	return "it is malformed"
}

// newKey checks a certificate in full and cleans it.
func newKey(e *openpgp.Entity) (*Key, error) {
	if err := strong(e.PrimaryKey); err != nil {
		return nil, err
	}
	if len(e.Subkeys) > maxSubkeys || len(e.Identities) > maxUserIDs {
		return nil, fail.New(fail.Invalid, "the key has too many subkeys or user IDs")
	}
	if selfSignatures(e) > maxSelfSigs {
		return nil, fail.New(fail.Invalid, "the key vouches for itself more than %d times; export it without what is not needed (gpg --export-options export-clean)", maxSelfSigs)
	}
	old := settle(e)
	if sig, err := e.PrimarySelfSignature(time.Time{}, config(time.Time{})); err != nil || sig == nil {
		if old {
			return nil, fail.New(fail.Invalid, "the key vouches for itself with SHA-1 or MD5 only, which can be forged. Its owner can renew it: gpg --cert-digest-algo SHA256 --quick-set-expire %s 2y, then export it again", fingerprint(e.PrimaryKey.Fingerprint))
		}
		return nil, fail.New(fail.Invalid, "the key has no user ID that it vouches for; it is damaged, or was exported without its self-signatures")
	}
	k := &Key{e: e, fp: fingerprint(e.PrimaryKey.Fingerprint)}
	k.uids = userIDs(e)
	k.signers = signers(e)
	var err error
	k.data, err = serialize(e)
	return k, err
}

// selfSignatures counts what settle would have to check.
func selfSignatures(e *openpgp.Entity) int {
	n := len(e.Revocations) + len(e.DirectSignatures)
	for _, id := range e.Identities {
		n += len(id.SelfCertifications) + len(id.Revocations)
	}
	for _, s := range e.Subkeys {
		n += 2*len(s.Bindings) + len(s.Revocations) // a binding holds another one
	}
	return n
}

// strong refuses keys that can be broken today.
func strong(pk *packet.PublicKey) error {
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal:
		return fail.New(fail.Invalid, "DSA and ElGamal keys are too weak today. Please make a new key (gpg --quick-gen-key NAME future-default)")
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		if n, err := pk.BitLength(); err != nil || n < 2048 {
			return fail.New(fail.Invalid, "an RSA key of %d bits is too weak today; it needs 2048 or more. Please make a new key (gpg --quick-gen-key NAME future-default)", n)
		} else if n > maxRSA { // one check costs as the square of it, and there may be hundreds
			return fail.New(fail.Invalid, "an RSA key of %d bits is larger than anybody needs; the limit is %d. Please make a new key (gpg --quick-gen-key NAME future-default)", n, maxRSA)
		}
	}
	if c, err := pk.Curve(); err == nil && c == packet.CurveSecP256k1 {
		return fail.New(fail.Invalid, "keys on the curve secp256k1 are not taken. Please make a new key (gpg --quick-gen-key NAME future-default)")
	}
	return nil
}

// settle checks every self-signature of the certificate once, keeps the good
// ones, and drops all else: the signatures of others, subkeys that are not bound
// or, if they sign, not bound back (RFC 9580, 5.2.1.9). The library would check
// lazily, at a moment of its own choosing, and write down the outcome in shared
// memory. old reports whether a signature was dropped for its hash alone.
func settle(e *openpgp.Entity) (old bool) {
	pk := e.PrimaryKey
	keep := func(sigs []*packet.VerifiableSignature, check func(*packet.Signature) error) []*packet.VerifiableSignature {
		var out []*packet.VerifiableSignature
		for _, s := range sigs[:min(len(sigs), 100)] {
			if check(s.Packet) != nil || critical(s.Packet) {
				continue
			}
			if broken(s.Packet.Hash) || s.Packet.EmbeddedSignature != nil && broken(s.Packet.EmbeddedSignature.Hash) {
				old = true
				continue
			}
			yes := true
			s.Valid = &yes
			out = append(out, s)
		}
		return out
	}
	// A revocation counts with any hash: forging one does no good to anybody.
	revokes := func(sigs []*packet.VerifiableSignature, check func(*packet.Signature) error) []*packet.VerifiableSignature {
		var out []*packet.VerifiableSignature
		for _, s := range sigs[:min(len(sigs), 100)] {
			if check(s.Packet) == nil {
				yes := true
				s.Valid = &yes
				out = append(out, s)
			}
		}
		return out
	}
	e.Revocations = revokes(e.Revocations, pk.VerifyRevocationSignature)
	e.DirectSignatures = keep(e.DirectSignatures, pk.VerifyDirectKeySignature)
	for name, id := range e.Identities {
		check := func(s *packet.Signature) error { return pk.VerifyUserIdSignature(name, pk, s) }
		id.SelfCertifications = keep(id.SelfCertifications, check)
		id.Revocations = revokes(id.Revocations, check)
		id.OtherCertifications = nil
		if len(id.SelfCertifications) == 0 {
			delete(e.Identities, name)
		}
	}
	var subs []openpgp.Subkey
	for _, s := range e.Subkeys {
		if strong(s.PublicKey) != nil {
			continue // before its own hand is asked for
		}
		s.Bindings = keep(s.Bindings, func(sig *packet.Signature) error { return pk.VerifyKeySignature(s.PublicKey, sig) })
		s.Revocations = revokes(s.Revocations, func(sig *packet.Signature) error { return pk.VerifySubkeyRevocationSignature(sig, s.PublicKey) })
		if len(s.Bindings) > 0 {
			subs = append(subs, s)
		}
	}
	e.Subkeys = subs
	return old
}

func broken(h crypto.Hash) bool { return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160 }

// critical reports whether the signature asks for something that we do not know
// (RFC 9580, 5.2.3.7).
func critical(s *packet.Signature) bool {
	return slices.ContainsFunc(s.Notations, func(n *packet.Notation) bool { return n.IsCritical })
}

// userIDs lists what is not revoked, the primary one first, then the newest.
func userIDs(e *openpgp.Entity) []string {
	type uid struct {
		name string
		sig  *packet.Signature
	}
	var list []uid
	for name, id := range e.Identities {
		if sig, err := id.Verify(time.Time{}, config(time.Time{})); err == nil && len(name) < 1000 {
			list = append(list, uid{name, sig})
		}
	}
	primary := func(s *packet.Signature) bool { return s.IsPrimaryId != nil && *s.IsPrimaryId }
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if primary(a.sig) != primary(b.sig) {
			return primary(a.sig)
		}
		if !a.sig.CreationTime.Equal(b.sig.CreationTime) {
			return a.sig.CreationTime.After(b.sig.CreationTime)
		}
		return a.name < b.name
	})
	var out []string
	for _, u := range list {
		out = append(out, u.name)
	}
	return out
}

// signers are the keys of the certificate that may, at some time, have made
// signatures on messages.
func signers(e *openpgp.Entity) []*packet.PublicKey {
	out := []*packet.PublicKey{e.PrimaryKey}
	for _, s := range e.Subkeys {
		if s.PublicKey.PubKeyAlgo.CanSign() && slices.ContainsFunc(s.Bindings, func(b *packet.VerifiableSignature) bool { return b.Packet.FlagSign }) {
			out = append(out, s.PublicKey)
		}
	}
	return out
}

// serialize writes the public certificate, in one order always.
func serialize(e *openpgp.Entity) (_ []byte, err error) {
	var out bytes.Buffer
	if err := e.PrimaryKey.Serialize(&out); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	for _, s := range append(append([]*packet.VerifiableSignature{}, e.Revocations...), e.DirectSignatures...) {
		if err := s.Packet.Serialize(&out); err != nil {
			return nil, fmt.Errorf("write key: %w", err)
		}
	}
	for _, name := range sortedNames(e) {
		if err := e.Identities[name].Serialize(&out); err != nil {
			return nil, fmt.Errorf("write key: %w", err)
		}
	}
	for i := range e.Subkeys {
		if err := e.Subkeys[i].Serialize(&out, false); err != nil {
			return nil, fmt.Errorf("write key: %w", err)
		}
	}
	return out.Bytes(), nil
}

func sortedNames(e *openpgp.Entity) []string {
	names := userIDs(e)
	var rest []string
	for name := range e.Identities {
		if !slices.Contains(names, name) {
			rest = append(rest, name)
		}
	}
	sort.Strings(rest)
	return append(names, rest...)
}
