package portal

import (
	"context"

	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/policy"
)

// ByLinkAlone reports whether the item opens by its link and a button, because
// the person it waits for chose that. Whether the mailbox is on the list of what
// is always protected, the caller knows.
func ByLinkAlone(ctx context.Context, tx *db.Tx, i *Item, c *cases.Case, listed bool) (bool, error) {
	if c.ID != i.Case {
		return false, nil
	}
	var chosen []consent.Consent
	var people []contacts.ID
	if err := tx.Read(ctx, consent.Ask(&chosen, i.Contact), cases.AskParticipants(&people, c.ID)); err != nil {
		return false, err
	}
	return consent.Standing(chosen, consent.Factor, tx.Now) != nil && policy.Stays(i.Contact, c.Contact, people, listed) == "", nil
}

// ReleaseByLink opens the item for whoever pressed the button behind its link.
// It asks again whether that is enough: a choice may have been taken back since
// the page was shown.
func (s *Store) ReleaseByLink(ctx context.Context, tx *db.Tx, i *Item, c *cases.Case, listed bool) (token string, err error) {
	if err := i.Gone(tx.Now); err != nil {
		return "", err
	}
	enough, err := ByLinkAlone(ctx, tx, i, c, listed)
	if err != nil {
		return "", err
	}
	if !enough {
		return "", fail.New(fail.Denied, "this message opens after a second proof")
	}
	return s.release(ctx, tx, i, LinkOnly, "")
}

// Proof is what the session shows of its visitor, for a choice about their
// protection. The link alone shows nothing, an agreed code not enough.
func (s *Session) Proof() consent.Proven {
	factor := ""
	if s.Factor.Decides() {
		factor = string(s.Factor)
	}
	return consent.BySession(s.Contact, factor, s.By, s.Made)
}
