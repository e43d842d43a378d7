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

// counts are the consents that stand and count for one message, each nil where
// it does not.
type counts struct {
	readable *consent.Consent // mail need not be encrypted
	unsigned *consent.Consent // nor have its signature beside it
	linkOnly *consent.Consent // what waits on the portal opens by the link alone
}

// lay puts the choice into the facts and returns what counts. with are the
// people who get the same message.
func (h *choice) lay(f *policy.Facts, person contacts.ID, c *cases.Case, listed bool, with []contacts.ID, now time.Time) counts {
	stands := func(s consent.Scope) *consent.Consent { return consent.Standing(h.chosen, s, now) }
	own := counts{stands(consent.Encryption), stands(consent.Signature), stands(consent.Factor)}
	if own == (counts{}) {
		return own
	}
	f.OptedOut = own.readable != nil
	f.Protected = policy.Stays(person, c.Contact, slices.Concat(h.people, with), listed)
	if f.Protected != "" {
		return counts{}
	}
	if own.linkOnly != nil {
		f.Factor = policy.Link
	}
	return own
}

// listed reports whether what is in a case stays protected whatever somebody chose:
// its topic or its mailbox is on the organisation's list. What nobody knows is.
func (o *Outbox) listed(c *cases.Case) bool { return o.topic(c.Topic) || o.box(c.Mailbox) }

func (o *Outbox) box(address string) bool {
	box, err := o.boxes.Get(address)
	return err != nil || box.Sensitive
}

// agreed is the consent that a letter leaves by with less protection than it
// would have; nil if it does not.
func (l *letter) agreed() *consent.Consent {
	switch l.decision.Protection {
	case policy.OptedOut, policy.Signed:
		return l.own.readable
	case policy.Portal:
		return l.own.linkOnly
	}
	return nil
}

// byConsent names the consent, for the record.
func (l *letter) byConsent() string {
	s := ""
	if c := l.agreed(); c != nil {
		s = ", by consent " + string(c.ID)
	}
	if c := l.unsigned(); c != nil {
		s += ", without signature by consent " + string(c.ID)
	}
	return s
}
