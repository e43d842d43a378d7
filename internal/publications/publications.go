// Package publications is what the organisation says in public about security:
// security.txt, the policy, thanks to those who reported, and advisories. What
// stands in it is made of what the desk knows, so that it cannot say something else.
//
// It is a package of its own beside the support centre: that one is about people who
// ask, and what is said here is signed, dated and kept for ever.
package publications

import (
	"strings"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/mailboxes"
	"postern/internal/pgp"
)

// Where things stand on the public pages.
const (
	ReportPath    = "/report"
	KeysPath      = "/keys"
	PolicyPath    = "/security-policy"
	ThanksPath    = "/security-thanks"
	WellKnownPath = "/.well-known/security.txt"
)

// Options is what the publications are made of.
type Options struct {
	DB        *db.DB
	Mailboxes *mailboxes.Store
	URL       string // https://host, without a path
	Org       func() string
	Promises  func() Promises // nil: those of a new desk
	Team      *pgp.Key        // that reports are encrypted to; nil: the mailbox's
}

// Store makes and keeps them.
type Store struct{ Options }

// New returns a store.
func New(o Options) *Store { return &Store{o} }

// signer is the organisation's key: that of its oldest mailbox, which stands on its
// letterhead.
func (s *Store) signer() (*pgp.Secret, error) {
	if len(s.Mailboxes.All()) == 0 {
		return nil, fail.New(fail.Unavailable, "there is no mailbox, so nothing can be signed")
	}
	return s.Mailboxes.First().Secret, nil
}

func (s *Store) org() string {
	if s.Org == nil {
		return ""
	}
	return s.Org()
}

func (s *Store) promises() Promises {
	if s.Promises == nil {
		return DefaultPromises
	}
	return s.Promises()
}

// SecurityMail is where a report goes by mail: to a mailbox for security, else to the
// first that is open.
func (s *Store) SecurityMail() string {
	for _, b := range s.Mailboxes.All() {
		if !b.Closed && strings.HasPrefix(b.Address, "security@") {
			return b.Address
		}
	}
	if len(s.Mailboxes.All()) == 0 || s.Mailboxes.First().Closed {
		return ""
	}
	return s.Mailboxes.First().Address
}
