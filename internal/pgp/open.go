package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Opened is what an OpenPGP message held. It exists only if its integrity was
// checked to the end.
type Opened struct {
	Data       []byte
	Signatures []Signature // over Data, all of them, in no particular order
	Recipients []uint64    // key ids the message is encrypted to; 0 is a hidden one
	By         Fingerprint // our key that opened it
	FileName   string      // as the sender gave it: untrusted
	Text       bool        // the sender marked it as text
}

// sessionKey is what a message is encrypted with.
type sessionKey struct {
	cipher packet.CipherFunction
	key    []byte
}

// envelope is an encrypted message, taken apart but not opened.
type envelope struct {
	pkesk []rawPacket
	data  rawPacket
}

// Open decrypts a message, armoured or not, with whichever of our keys fits.
// Expired and revoked keys of ours still open what was once written to them.
func Open(data []byte, secrets []*Secret) (o *Opened, err error) {
	defer guard(&err)
	env, err := takeApart(data)
	if err != nil {
		return nil, err
	}
	o = &Opened{}
	mine, tries := false, 0
	for _, raw := range env.pkesk {
		pkt, err := raw.parse()
		pkesk, ok := pkt.(*packet.EncryptedKey)
		if err != nil || !ok {
			continue // an unknown algorithm: not for us
		}
		o.Recipients = append(o.Recipients, pkesk.KeyId)
	}
	for _, raw := range env.pkesk {
		for _, s := range secrets {
			pkt, err := raw.parse() // the library keeps the outcome in the packet: one for each try
			pkesk, ok := pkt.(*packet.EncryptedKey)
			if err != nil || !ok {
				break
			}
			for _, private := range s.decryptors(pkesk.KeyId) {
				if tries++; tries > maxTries {
					return o, ErrNoSecret
				}
				mine = mine || pkesk.KeyId != 0
				if pkesk.Decrypt(private, nil) != nil {
					continue
				}
				mine = true
				o.By = s.public.fp
				plain, err := env.decrypt(sessionKey{pkesk.CipherFunc, pkesk.Key})
				if err != nil {
					return o, err
				}
				return o, o.read(plain, 0)
			}
		}
	}
	if mine {
		return o, ErrBroken // it names our key, but does not open
	}
	return o, ErrNoSecret
}

// takeApart checks the shape of an encrypted message before anything is parsed:
// at most maxPKESK keys, then one packet of data with integrity protection, and
// nothing else (RFC 9580, 10.3).
func takeApart(data []byte) (*envelope, error) {
	if len(data) > maxMessage {
		return nil, ErrTooBig
	}
	raw, err := packetsIn(data, kindMessage)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || raw[0]&0x80 == 0 {
		return nil, ErrNoPackets
	}
	packets, splitErr := split(raw, 100)
	env := &envelope{}
	for _, p := range packets {
		switch p.tag {
		case tagPKESK:
			if env.pkesk = append(env.pkesk, p); len(env.pkesk) > maxPKESK {
				return nil, ErrTooMany
			}
		case tagSKESK:
			return nil, ErrPassword
		case tagSED:
			return nil, ErrNoMDC
		case tagSEIPD, tagAEAD:
			if env.data.raw != nil {
				return nil, fmt.Errorf("%w: two packets of data", ErrMalformed)
			}
			env.data = p
			continue
		case tagMarker, tagPadding:
			continue
		default:
			return nil, fmt.Errorf("%w: it is not an encrypted message", ErrMalformed)
		}
		if env.data.raw != nil {
			return nil, fmt.Errorf("%w: something stands behind the data", ErrMalformed)
		}
	}
	switch {
	case splitErr != nil && len(packets) > 100:
		return nil, ErrTooMany
	case splitErr != nil:
		return nil, fmt.Errorf("%w (%w)", ErrBroken, splitErr)
	case env.data.raw == nil && len(env.pkesk) == 0:
		return nil, ErrNoPackets
	case env.data.raw == nil || len(env.pkesk) == 0:
		return nil, fmt.Errorf("%w: it is not complete", ErrMalformed)
	case env.data.tag == tagAEAD && env.data.body0(3) > 16:
		return nil, fmt.Errorf("%w: chunks of absurd size", ErrMalformed) // RFC 9580, 5.13.2 allows 4 MiB
	}
	return env, nil
}

// decrypt gives the plaintext after its MDC or its last tag was checked.
func (env *envelope) decrypt(sk sessionKey) ([]byte, error) {
	pkt, err := env.data.parse()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrMalformed, err)
	}
	var r io.ReadCloser
	switch p := pkt.(type) {
	case *packet.SymmetricallyEncrypted:
		if !p.IntegrityProtected {
			return nil, ErrNoMDC
		}
		if p.Version == 1 && (sk.cipher < packet.CipherAES128 && sk.cipher != packet.Cipher3DES && sk.cipher != packet.CipherCAST5) {
			return nil, fmt.Errorf("%w: unknown cipher", ErrMalformed)
		}
		r, err = p.Decrypt(sk.cipher, sk.key)
	case *packet.AEADEncrypted:
		if env.data.body0(0) != 1 { // the library takes any version for the first
			return nil, fmt.Errorf("%w: unknown version", ErrMalformed)
		}
		r, err = p.Decrypt(sk.cipher, sk.key)
	default:
		return nil, ErrMalformed
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrBroken, err)
	}
	var out bytes.Buffer
	out.Grow(len(env.data.raw) + bytes.MinRead)
	if _, err := out.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrBroken, err)
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrBroken, err)
	}
	return out.Bytes(), nil
}

// read takes a plaintext message apart (RFC 9580, 10.3): compressed data, or
// one literal with its signatures around it. Whatever else is refused.
func (o *Opened) read(data []byte, depth int) error {
	packets, err := split(data, 3*maxSignatures)
	if err != nil {
		return err
	}
	var literal *rawPacket
	var sigs []rawPacket
	onePass, after := 0, 0
	for i, p := range packets {
		switch {
		case p.tag == tagMarker || p.tag == tagPadding:
		case p.tag == tagCompressed && literal == nil && len(sigs) == 0 && onePass == 0:
			for _, q := range packets[i+1:] {
				if q.tag != tagMarker && q.tag != tagPadding {
					return fmt.Errorf("%w: something stands behind the compressed data", ErrMalformed)
				}
			}
			plain, err := expand(p, depth)
			if err != nil {
				return err
			}
			return o.read(plain, depth+1)
		case p.tag == tagOnePass && literal == nil:
			onePass++
		case p.tag == tagSignature:
			sigs = append(sigs, p)
			if literal != nil {
				after++
			}
		case p.tag == tagLiteral && literal == nil:
			literal = &packets[i]
		default:
			return fmt.Errorf("%w: a packet stands where it must not", ErrMalformed)
		}
	}
	if literal == nil || onePass != after || len(sigs) > maxSignatures {
		return fmt.Errorf("%w: text and signatures do not fit", ErrMalformed)
	}
	return o.literal(*literal, sigs)
}

func (o *Opened) literal(p rawPacket, sigs []rawPacket) error {
	pkt, err := p.parse()
	lit, ok := pkt.(*packet.LiteralData)
	if err != nil || !ok {
		return fmt.Errorf("%w: the text cannot be read", ErrMalformed)
	}
	var out bytes.Buffer
	out.Grow(len(p.raw) + bytes.MinRead)
	if _, err := out.ReadFrom(lit.Body); err != nil {
		return fmt.Errorf("%w (%w)", ErrMalformed, err)
	}
	if out.Len() > maxPlain {
		return ErrTooBig
	}
	o.Data, o.FileName, o.Text = out.Bytes(), lit.FileName, !lit.IsBinary
	for _, s := range sigs {
		o.Signatures = append(o.Signatures, signatureOf(s, o.Data))
	}
	return nil
}

// expand decompresses, within limits on size, growth and depth.
func expand(p rawPacket, depth int) ([]byte, error) {
	if depth >= maxDepth {
		return nil, ErrTooBig
	}
	pkt, err := p.parse()
	c, ok := pkt.(*packet.Compressed)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: unknown compression", ErrMalformed)
	}
	limit := int64(min(maxPlain, max(freeGrowth, ratio*len(p.raw))))
	var out bytes.Buffer
	_, err = out.ReadFrom(c.LimitedBodyReader(&limit))
	if errors.Is(err, pgperrors.ErrMessageTooLarge) || int64(out.Len()) > limit {
		return nil, ErrTooBig
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrMalformed, err)
	}
	return out.Bytes(), nil
}

// ReadSigned reads a message that is signed but not encrypted.
func ReadSigned(data []byte) (o *Opened, err error) {
	defer guard(&err)
	raw, err := packetsIn(data, kindMessage)
	if err != nil {
		return nil, err
	}
	o = &Opened{}
	return o, o.read(raw, 0)
}
