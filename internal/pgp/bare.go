package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"postern/internal/message"
)

// Bare takes the signature off a signed mail, for a recipient who chose to get
// mails without one. What it returns is MIME-Version and then the very bytes
// that were signed, which repeat the header (RFC 9788): the signature that
// stays behind proves them still, with that line taken off. A mail that is not
// signed by exactly this key is refused, so that nothing becomes unsigned that
// was not signed first.
func Bare(raw []byte, signer *Key, at time.Time) (out []byte, err error) {
	defer guard(&err)
	m := message.Parse(raw)
	if p := m.Ambiguous(); p != "" {
		return nil, fmt.Errorf("its structure is ambiguous: %s", p)
	}
	if m.Root.Type != "multipart/signed" || len(m.Root.Parts) != 2 {
		return nil, errors.New("it is not signed, so there is no signature to take off")
	}
	payload := m.Root.Parts[0].Raw
	sig, problem := m.Root.Parts[1].Data()
	if problem != "" {
		return nil, fmt.Errorf("its signature cannot be read: %s", problem)
	}
	list, err := Detached(payload, sig)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("it has %d signatures", len(list))
	}
	if made, fault := list[0].Verify(signer, at); !made || fault != "" {
		return nil, fmt.Errorf("its signature is not by %s, or does not count: %s", signer.Fingerprint(), fault)
	}
	out = append([]byte("MIME-Version: 1.0\r\n"), payload...)
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	inner := message.Parse(out).Header()
	if inner.MessageID() == "" || inner.MessageID() != m.Header().MessageID() || inner.From() == nil || *inner.From() != *m.Header().From() {
		return nil, errors.New("what was signed has another header than the mail")
	}
	return out, sevenBit(out)
}
