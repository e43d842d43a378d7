// Package pgp is our OpenPGP (RFC 9580): certificates, opening, verdicts on
// single signatures, and the seal that every outgoing mail gets. It is the only
// package that imports go-crypto. Invariants:
//
//   - Nothing that was encrypted is released before its integrity was checked to
//     the last byte. Messages without integrity protection are not opened, and
//     passwords are never tried.
//   - Everything from outside is counted and capped before the library sees it,
//     and the library runs under recover.
//   - A signature is judged against one certificate at a time. Who signed is the
//     certificate whose key verified it, never what the signature claims.
//   - A Key is checked in full when it is parsed: what is not properly bound to
//     it is dropped. It does not change afterwards and is safe for concurrent use.
//   - What leaves was parsed back first: Sealed.Check reads the finished bytes.
package pgp

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Fingerprint names a key: upper-case hex.
type Fingerprint string

func fingerprint(b []byte) Fingerprint { return Fingerprint(strings.ToUpper(hex.EncodeToString(b))) }

// Limits on what comes from outside.
const (
	maxKeyData    = 1 << 20  // bytes of certificates in one go
	maxKeys       = 50       // certificates in one go
	maxSubkeys    = 50       // of one certificate
	maxUserIDs    = 100      // of one certificate
	maxSelfSigs   = 400      // of one certificate
	maxRSA        = 8192     // bits of a key
	maxKeyPackets = 3000     // in one go
	maxPKESK      = 16       // recipients of one message
	maxTries      = 64       // session keys we try to unwrap
	maxSignatures = 16       // on one text
	maxSigData    = 64 << 10 // bytes of detached signatures
	maxPlain      = 32 << 20 // bytes that a message may grow to
	maxMessage    = 64 << 20 // bytes of ciphertext
	maxDepth      = 3        // compressed data inside compressed data
	ratio         = 100      // to which compressed data may grow, above freeGrowth
	freeGrowth    = 1 << 20
	skew          = 15 * time.Minute // that a clock may be ahead of ours
)

// config is what the library is told. Broken hashes are refused on messages
// and on the self-signatures of keys alike.
func config(now time.Time) *packet.Config {
	weak := map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true}
	noCheck := false
	limit := int64(maxPlain)
	return &packet.Config{
		DefaultHash:                 crypto.SHA256,
		DefaultCipher:               packet.CipherAES256,
		AEADConfig:                  &packet.AEADConfig{DefaultMode: packet.AEADModeGCM},
		Time:                        func() time.Time { return now },
		RejectHashAlgorithms:        weak,
		RejectMessageHashAlgorithms: weak,
		MinRSABits:                  2048,
		CheckPacketSequence:         &noCheck,
		MaxDecompressedMessageSize:  &limit,
	}
}

// guard turns a panic of the library into an error.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrMalformed, r)
	}
}

// Why a message could not be opened.
var (
	ErrNoPackets = errors.New("it holds no OpenPGP data")
	ErrNoSecret  = errors.New("no secret key of ours opens it")
	ErrPassword  = errors.New("it is encrypted with a password")
	ErrNoMDC     = errors.New("it has no integrity protection")
	ErrBroken    = errors.New("its ciphertext was changed or damaged")
	ErrTooBig    = errors.New("it grows beyond all measure when unpacked")
	ErrTooMany   = errors.New("it is encrypted to too many keys")
	ErrMalformed = errors.New("its OpenPGP data is malformed")
)
