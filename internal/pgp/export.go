package pgp

import (
	"crypto/sha1"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Bytes is the certificate without the signatures of others.
func (k *Key) Bytes() []byte { return slices.Clone(k.data) }

// Armored is the same for people and their programs.
func (k *Key) Armored() []byte { return armor(kindPublic, k.data) }

// Minimal is the certificate for Autocrypt and WKD: the user ID with the address
// and the subkeys that work, each with its newest self-signature (Autocrypt 1.1,
// 2.1.1). Without such a user ID it is the whole certificate.
func (k *Key) Minimal(addr string) []byte {
	cfg := config(time.Time{})
	small := &openpgp.Entity{PrimaryKey: k.e.PrimaryKey, Revocations: k.e.Revocations, DirectSignatures: k.e.DirectSignatures, Identities: map[string]*openpgp.Identity{}}
	for _, name := range k.uids {
		if uidAddress(name) != strings.ToLower(addr) {
			continue
		}
		id := k.e.Identities[name]
		sig, err := id.LatestValidSelfCertification(time.Time{}, cfg)
		if err != nil {
			continue
		}
		small.Identities[name] = &openpgp.Identity{Primary: small, Name: name, UserId: id.UserId, SelfCertifications: one(sig)}
		break
	}
	if len(small.Identities) == 0 {
		return k.Bytes()
	}
	for _, s := range k.e.Subkeys {
		sig, err := s.Verify(time.Time{}, cfg)
		if err == nil && (sig.FlagSign || sig.FlagEncryptCommunications || sig.FlagEncryptStorage) {
			small.Subkeys = append(small.Subkeys, openpgp.Subkey{Primary: small, PublicKey: s.PublicKey, Bindings: one(sig)})
		}
	}
	data, err := serialize(small)
	if err != nil {
		return k.Bytes()
	}
	return data
}

func one(sig *packet.Signature) []*packet.VerifiableSignature {
	yes := true
	return []*packet.VerifiableSignature{{Valid: &yes, Packet: sig}}
}

// WKDHash is the name under which a Web Key Directory keeps the key of a local
// part: z-base-32 of its SHA-1 (draft-koch-openpgp-webkey-service, 3.1).
func WKDHash(local string) string {
	const alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"
	sum := sha1.Sum([]byte(strings.ToLower(local)))
	var out strings.Builder
	for i := 0; i < len(sum); i += 5 { // 20 octets are 32 characters, without rest
		v := uint64(sum[i])<<32 | uint64(sum[i+1])<<24 | uint64(sum[i+2])<<16 | uint64(sum[i+3])<<8 | uint64(sum[i+4])
		for shift := 35; shift >= 0; shift -= 5 {
			out.WriteByte(alphabet[v>>shift&31])
		}
	}
	return out.String()
}
