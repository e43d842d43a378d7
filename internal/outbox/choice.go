package outbox

import (
	"slices"
	"time"

	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/policy"
)

// choice is what a person chose about their protection, and who else is part of
// the case: both decide whether the choice counts for a message.
type choice struct {
	chosen []consent.Consent
	people []contacts.ID
}

// ask are the queries that fill it, afresh: the transaction may run again.
func (h *choice) ask(person contacts.ID, c cases.ID) []db.Query {
	*h = choice{}
	return []db.Query{consent.Ask(&h.chosen, person), cases.AskParticipants(&h.people, c)}
}

// lay puts the choice into the facts and returns the consents that stand and
// count: to readable mail, and to a portal that the link alone opens. with are
// the people who get the same message.
func (h *choice) lay(f *policy.Facts, person contacts.ID, c *cases.Case, listed bool, with []contacts.ID, now time.Time) (mail, link *consent.Consent) {
	mail, link = consent.Standing(h.chosen, consent.Encryption, now), consent.Standing(h.chosen, consent.Factor, now)
	if mail == nil && link == nil {
		return nil, nil
	}
	f.OptedOut = mail != nil
	f.Protected = policy.Stays(person, c.Contact, slices.Concat(h.people, with), listed)
	if f.Protected != "" {
		return nil, nil
	}
	if link != nil {
		f.Factor = policy.Link
	}
	return mail, link
}

// listed reports whether what comes to a mailbox stays protected whatever
// somebody chose. A mailbox that nobody knows does.
func (o *Outbox) listed(address string) bool {
	box, err := o.boxes.Get(address)
	return err != nil || box.Sensitive
}

// agreed is the consent that a letter leaves by with less protection than it
// would have; nil if it does not.
func (l *letter) agreed() *consent.Consent {
	switch l.decision.Protection {
	case policy.OptedOut, policy.Signed:
		return l.readable
	case policy.Portal:
		return l.linkOnly
	}
	return nil
}

// byConsent names the consent, for the record.
func (l *letter) byConsent() string {
	if c := l.agreed(); c != nil {
		return ", by consent " + string(c.ID)
	}
	return ""
}
