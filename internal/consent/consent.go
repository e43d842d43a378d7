// Package consent keeps what customers chose to give up of their protection,
// and when they took it back.
//
// Only the customer gives a protection up: behind a second factor on the
// portal, or by a mail signed with their verified key that holds the phrase of
// the wording and nothing else. Whoever gives it hands in a Proof, and a Proof
// is made of a portal session or of a mail's report and of nothing else; no
// page of the staff has one. It stands for a year, for one scope, for one
// person; they are asked again, and silence brings the protection back. Going
// back takes one click, since more protection harms nobody.
//
// A code that one of us read out proves a person only as far as that one of us
// can be trusted. What is given up by it counts a day later: the receipt has gone
// to every address by then, with the way back.
//
// The table consents has one row for each time something was given up. A row
// names the version of the wording and its hash, the channel and the proof; it
// is ended once, and never deleted.
package consent

import (
	"slices"
	"time"

	"postern/internal/contacts"
	"postern/internal/fail"
)

// ID names a consent.
type ID string

// Scope is one kind of protection.
type Scope string

const (
	Encryption Scope = "encryption" // of mails to them
	Signature  Scope = "signature"  // beside mails to them; it is made and kept all the same
	Factor     Scope = "factor"     // the second proof on the portal, down to the link alone
	Proof      Scope = "proof"      // of instructions, down to a call-back
)

// Scopes are all that can be given up, in the order they are shown.
func Scopes() []Scope { return []Scope{Encryption, Signature, Factor, Proof} }

// Known reports whether there is such a scope.
func (s Scope) Known() bool { return slices.Contains(Scopes(), s) }

// Channel is how a consent came.
type Channel string

const (
	Portal     Channel = "portal"
	SignedMail Channel = "signed mail"
)

// How a consent ended.
const (
	ByPortal  = "on the portal"
	ByLink    = "by the link in a mail"
	Anew      = "given anew"
	Disowned  = "its owner did not ask for what it was chosen by"
	Recovered = "its owner began anew, after a recovery"
	Lapsed    = "not answered in a year"
)

// Terms of a consent.
const (
	Life     = 365 * 24 * time.Hour
	AskAhead = 30 * 24 * time.Hour // before its end they are asked again
	Wait     = 24 * time.Hour      // until it counts, if one of us had the code that proved it
)

// A Consent is one protection that one contact gave up.
type Consent struct {
	ID      ID
	Contact contacts.ID
	Scope   Scope
	Wording int64  // version that was shown
	Sum     string // SHA-256 of its text
	Evidence
	Given   time.Time
	Starts  time.Time // it counts from here on
	Expires time.Time
	Asked   time.Time // the yearly question went out
	Ended   time.Time // taken back, or lapsed; zero while it stands
	How     string    // it ended
}

// Evidence is what proved that it was the customer.
type Evidence struct {
	Channel     Channel
	Factor      string // of the portal session
	Fingerprint string // of the key that signed the mail
	Message     string // that mail, as the case has it
	At          time.Time
}

// Open reports whether the consent was chosen and not ended. It may not count yet.
func (c *Consent) Open(now time.Time) bool { return c.Ended.IsZero() && now.Before(c.Expires) }

// Standing reports whether the consent counts now.
func (c *Consent) Standing(now time.Time) bool { return c.Open(now) && !now.Before(c.Starts) }

// Stood reports whether it counted at a moment that is past.
func (c *Consent) Stood(at time.Time) bool {
	return !at.Before(c.Starts) && at.Before(c.Expires) && (c.Ended.IsZero() || at.Before(c.Ended))
}

// Due reports whether it is time to ask again.
func (c *Consent) Due(now time.Time) bool {
	return c.Open(now) && c.Asked.IsZero() && c.Expires.Sub(now) <= AskAhead
}

// End ends the consent: the protection is back.
func (c *Consent) End(how string, now time.Time) error {
	if !c.Ended.IsZero() {
		return fail.New(fail.Conflict, "this protection is back already")
	}
	c.Ended, c.How = now, how
	return nil
}

// Chosen picks the consent of a scope that is open now, or nil: what going back
// ends, whether it counts already or not.
func Chosen(list []Consent, s Scope, now time.Time) *Consent {
	for i := range list {
		if list[i].Scope == s && list[i].Open(now) {
			return &list[i]
		}
	}
	return nil
}

// Standing picks the consent of a scope that counts now, or nil.
func Standing(list []Consent, s Scope, now time.Time) *Consent {
	for i := range list {
		if list[i].Scope == s && list[i].Standing(now) {
			return &list[i]
		}
	}
	return nil
}

// Stood picks the consent of a scope that counted at a moment, or nil. No row
// is ever deleted, so the past can be told exactly.
func Stood(list []Consent, s Scope, at time.Time) *Consent {
	for i := range list {
		if list[i].Scope == s && list[i].Stood(at) {
			return &list[i]
		}
	}
	return nil
}
