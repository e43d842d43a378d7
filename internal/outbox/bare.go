package outbox

import (
	"fmt"

	"postern/internal/consent"
	"postern/internal/pgp"
	"postern/internal/policy"
)

// withoutSignature stands where else the key stands that a mail was built for.
const withoutSignature = "unsigned"

// unsigned is the consent by which a letter leaves without its signature, nil for
// every other letter: theirs, for themselves, standing when the letter was
// gathered, and for mail that is read as it comes. What tells of protection, or
// of a message on the portal, keeps its signature whatever they chose: such
// mails are what a forger would write.
func (l *letter) unsigned() *consent.Consent {
	c, p := l.own.unsigned, l.decision.Protection
	if c == nil || c.Scope != consent.Signature || c.Contact != l.d.Contact || l.d.Kind == Notice || p != policy.Signed && p != policy.OptedOut {
		return nil
	}
	return c
}

// leaving is the mail as the relay gets it. It is the only place where a
// signature is taken off, after the signed mail was built, checked and stored;
// the record names the consent.
func (o *Outbox) leaving(l *letter, raw []byte) ([]byte, error) {
	if l.unsigned() == nil {
		return raw, nil
	}
	o.cpu <- struct{}{}
	defer func() { <-o.cpu }()
	bare, err := pgp.Bare(raw, l.box.Secret.Public(), o.d.Now())
	if err != nil {
		return nil, fmt.Errorf("take the signature off: %w", err)
	}
	return bare, nil
}
