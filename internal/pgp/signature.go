package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Fault is a stable word for why a signature must not count.
type Fault string

const (
	BadSignature     Fault = "bad-signature"     // made by that key, it says, but over something else
	OtherIssuer      Fault = "issuer-mismatch"   // it claims another key than the one that made it
	WeakHash         Fault = "weak-hash"         // SHA-1, MD5
	FutureSignature  Fault = "future-signature"  // later than now
	ExpiredSignature Fault = "expired-signature" // it set itself an end
	ExpiredKey       Fault = "expired-key"       // then, or now
	RevokedKey       Fault = "revoked-key"
	NotForSigning    Fault = "not-a-signing-key"
	Unsupported      Fault = "unsupported-signature"
)

// A Signature is a signature on a text, not yet held against any key.
type Signature struct {
	data []byte
	sig  *packet.Signature // nil if it could not be parsed
}

// signatureOf parses a signature packet over data. What cannot be read stays in
// the list: a signature that nobody can check is not the same as none.
func signatureOf(p rawPacket, data []byte) Signature {
	s := Signature{data: data}
	if pkt, err := p.parse(); err == nil {
		s.sig, _ = pkt.(*packet.Signature)
	}
	return s
}

// Detached reads the signatures of a detached signature over data, which is
// taken byte for byte (RFC 3156, 5).
func Detached(data, signature []byte) (list []Signature, err error) {
	defer guard(&err)
	if len(signature) > maxSigData {
		return nil, fmt.Errorf("%w: the signature is too large", ErrMalformed)
	}
	raw, err := packetsIn(signature, kindSignature)
	if err != nil {
		return nil, err
	}
	packets, err := split(raw, maxSignatures+4)
	if err != nil {
		return nil, err
	}
	for _, p := range packets {
		switch p.tag {
		case tagSignature:
			list = append(list, signatureOf(p, data))
		case tagMarker, tagPadding:
		default: // a message in here could bring a text of its own
			return nil, fmt.Errorf("%w: something other than signatures where a signature was expected", ErrMalformed)
		}
	}
	if len(list) == 0 || len(list) > maxSignatures {
		return nil, fmt.Errorf("%w: no signature, or too many", ErrMalformed)
	}
	return list, nil
}

// Issuer is what the signature claims about who made it: ids and fingerprints
// for a look-up, proof of nothing.
func (s *Signature) Issuer() (ids []uint64, fps []Fingerprint) {
	if s.sig == nil {
		return nil, nil
	}
	if s.sig.IssuerKeyId != nil {
		ids = append(ids, *s.sig.IssuerKeyId)
	}
	if f := s.sig.IssuerFingerprint; len(f) >= 20 {
		fps = append(fps, fingerprint(f))
		id := keyIDOf(f)
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, fps
}

// keyIDOf takes the key id out of a fingerprint (RFC 9580, 5.5.4).
func keyIDOf(f []byte) uint64 {
	part := f[len(f)-8:]
	if len(f) > 20 {
		part = f[:8]
	}
	var id uint64
	for _, b := range part {
		id = id<<8 | uint64(b)
	}
	return id
}

// Claims is the fingerprint that the signature names as its issuer, or "".
func (s *Signature) Claims() Fingerprint {
	_, fps := s.Issuer()
	if len(fps) == 0 {
		return ""
	}
	return fps[0]
}

// Made is the time that the signature says it was made; zero if unreadable.
func (s *Signature) Made() time.Time {
	if s.sig == nil {
		return time.Time{}
	}
	return s.sig.CreationTime.UTC()
}

// Hash is the name of its hash function.
func (s *Signature) Hash() string {
	if s.sig == nil {
		return ""
	}
	return s.sig.Hash.String()
}

// IntendedFor lists the keys that the signer wrote to (RFC 9580, 5.2.3.36).
func (s *Signature) IntendedFor() []Fingerprint {
	if s.sig == nil {
		return nil
	}
	var out []Fingerprint
	for _, r := range s.sig.IntendedRecipients {
		out = append(out, fingerprint(r.Fingerprint))
	}
	return out
}

// Names reports whether the signature claims to be by one of the key's parts.
func (s *Signature) Names(k *Key) bool {
	ids, _ := s.Issuer()
	return slices.ContainsFunc(ids, func(id uint64) bool { return slices.Contains(k.KeyIDs(), id) })
}

// Verify holds the signature against one certificate, for a mail that came at
// that time. made reports whether a key of the certificate made it over exactly
// this text; only then, and without a fault, does it count. A signature that
// another key made is not made, with the fault BadSignature if it claims to be
// by this one.
func (s *Signature) Verify(k *Key, at time.Time) (made bool, fault Fault) {
	var err error
	defer func() {
		if guard(&err); err != nil {
			made, fault = false, Unsupported
		}
	}()
	if s.sig == nil || s.sig.Version == 5 {
		return false, Unsupported
	}
	part, fault := s.maker(k)
	if part == nil {
		return false, fault
	}
	return true, s.faultOf(k, part, at)
}

// maker finds the key of the certificate that made the signature. Those that it names are
// tried first: a try that fails costs as much as one that does not.
func (s *Signature) maker(k *Key) (*packet.PublicKey, Fault) {
	var digest hash.Hash
	ids, _ := s.Issuer()
	named := func(p *packet.PublicKey) bool { return slices.Contains(ids, p.KeyId) }
	signers := slices.Concat(filter(k.signers, named), filter(k.signers, func(p *packet.PublicKey) bool { return !named(p) }))
	for _, part := range signers {
		if part.PubKeyAlgo != s.sig.PubKeyAlgo || part.Version == 6 != (s.sig.Version == 6) {
			continue
		}
		if digest == nil {
			var err error
			if digest, err = s.digest(); err != nil {
				return nil, Unsupported
			}
		}
		h, err := clone(digest)
		if err != nil {
			if h, err = s.digest(); err != nil {
				return nil, Unsupported
			}
		}
		if part.VerifySignature(h, s.sig) == nil {
			return part, ""
		}
	}
	if s.Names(k) {
		return nil, BadSignature
	}
	return nil, ""
}

func filter[T any](list []T, keep func(T) bool) (out []T) {
	for _, v := range list {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

func clone(h hash.Hash) (hash.Hash, error) {
	if c, ok := h.(hash.Cloner); ok {
		return c.Clone()
	}
	return nil, errors.ErrUnsupported
}

// digest hashes the text as the signature's type asks (RFC 9580, 5.2.1).
func (s *Signature) digest() (hash.Hash, error) {
	h, err := s.sig.PrepareVerify()
	if err != nil {
		return nil, err
	}
	switch s.sig.SigType {
	case packet.SigTypeBinary:
		h.Write(s.data)
	case packet.SigTypeText:
		openpgp.NewCanonicalTextHash(h).Write(s.data)
	default:
		return nil, errors.ErrUnsupported
	}
	return h, nil
}

// faultOf judges a signature that part made. The key must have been good then
// and must be good now; a signature out of the future is none.
func (s *Signature) faultOf(k *Key, part *packet.PublicKey, at time.Time) Fault {
	sig := s.sig
	now := at
	if sig.CreationTime.After(now) {
		now = sig.CreationTime // within the skew that is allowed below
	}
	switch {
	case sig.IssuerKeyId != nil && *sig.IssuerKeyId != part.KeyId,
		len(sig.IssuerFingerprint) > 0 && !bytes.Equal(sig.IssuerFingerprint, part.Fingerprint):
		return OtherIssuer
	case broken(sig.Hash):
		return WeakHash
	case critical(sig):
		return Unsupported
	case sig.CreationTime.After(at.Add(skew)):
		return FutureSignature
	case sig.CreationTime.Before(part.CreationTime):
		return ExpiredKey
	case sig.SigExpired(now):
		return ExpiredSignature
	}
	if f := k.faultAt(part, now); f != "" {
		return f
	}
	return k.faultAt(part, sig.CreationTime)
}
