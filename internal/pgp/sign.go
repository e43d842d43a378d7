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

// What is published is signed anew whenever it is asked for, by any node. The same
// text signed at the same moment must be the same file then, so nothing random goes
// into these signatures: Ed25519 needs none.
func published(at time.Time) *packet.Config {
	cfg, no := config(at), false
	cfg.NonDeterministicSignaturesViaNotation = &no
	return cfg
}

// SignedText is a text with its signature around it, as people can read it (RFC 9580,
// 7). Blanks at the ends of lines are not signed, so they are taken off.
func (s *Secret) SignedText(text string, at time.Time) (out []byte, err error) {
	defer guard(&err)
	if err := s.canSign(at); err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	var shown strings.Builder
	for i, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }) {
			return nil, fail.New(fail.Invalid, "a text with control characters is not signed")
		}
		lines[i] = strings.TrimRight(line, " \t")
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "From ") {
			shown.WriteString("- ")
		}
		shown.WriteString(lines[i] + "\r\n")
	}
	var sig bytes.Buffer
	err = openpgp.DetachSignWithParams(&sig, []*openpgp.Entity{s.e}, strings.NewReader(strings.Join(lines, "\r\n")), &openpgp.SignParams{TextSig: true, Config: published(at)})
	if err != nil {
		return nil, fmt.Errorf("sign a text: %w", err)
	}
	return append([]byte("-----BEGIN "+kindSigned+"-----\r\nHash: SHA256\r\n\r\n"+shown.String()), armor(kindSignature, sig.Bytes())...), nil
}

// Detached is an armoured signature over a file that stands beside it.
func (s *Secret) Detached(data []byte, at time.Time) (out []byte, err error) {
	defer guard(&err)
	if err := s.canSign(at); err != nil {
		return nil, err
	}
	var sig bytes.Buffer
	if err := openpgp.DetachSign(&sig, []*openpgp.Entity{s.e}, bytes.NewReader(data), published(at)); err != nil {
		return nil, fmt.Errorf("sign a file: %w", err)
	}
	return armor(kindSignature, sig.Bytes()), nil
}
