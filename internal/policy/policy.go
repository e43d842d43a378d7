// Package policy decides how one message may go to one person. Decide is a
// pure function of facts: the composer shows its answer before sending and the
// outbox asks it again when it sends, because keys change in between.
//
// Its whole decision table is testdata/decide.golden, to be read by whoever
// wants to know what the desk does.
package policy

import "fmt"

// Protection is how one message goes to one contact.
type Protection string

const (
	Encrypted Protection = "encrypted" // signed and encrypted mail
	Portal    Protection = "portal"    // signed notice; the content waits behind a second factor
	Signed    Protection = "signed"    // signed mail, readable on the way; routine content only
	Blocked   Protection = "blocked"   // it does not go, and Why says what would help
)

// Guarded reports whether the content is kept from everybody on the way.
func (p Protection) Guarded() bool { return p == Encrypted || p == Portal }

// KeyState is the best that the contact's keys offer.
type KeyState string

const (
	NoKey      KeyState = "none"
	Unverified KeyState = "unverified" // there is a key, nobody compared it
	Verified   KeyState = "verified"   // compared out of band, and works now
	Unusable   KeyState = "unusable"   // was verified, but expired or was revoked
)

// Factor is what can prove the person on the portal.
type Factor string

const (
	NoFactor Factor = "none"
	Call     Factor = "call"    // a number on file, for an access code by telephone
	Passkey  Factor = "passkey" // enrolled
)

// Facts is everything the decision depends on.
type Facts struct {
	Sensitive bool
	Address   bool // the contact has a mail address
	Key       KeyState
	Factor    Factor
}

// Verdict is the decision and its reason, in the second person, for the agent.
type Verdict struct {
	Protection Protection
	Why        string
}

// Decide says how a message goes. What is not known refuses.
func Decide(f Facts) Verdict {
	switch {
	case !f.Address:
		return Verdict{Blocked, "no mail address is on file"}
	case f.Key == Verified:
		return Verdict{Encrypted, "their key was compared with them and works"}
	case !f.Sensitive:
		return Verdict{Signed, "nothing in it is sensitive" + keyRemark(f.Key)}
	case f.Factor == Passkey:
		return Verdict{Portal, "it is sensitive" + keyRemark(f.Key) + "; a signed notice goes out, and their passkey opens it"}
	case f.Factor == Call:
		return Verdict{Portal, "it is sensitive" + keyRemark(f.Key) + "; a signed notice goes out, and a code that you give by telephone opens it"}
	}
	return Verdict{Blocked, "it is sensitive" + keyRemark(f.Key) + ", and no second factor is known: put a phone number on file, or compare a key with them"}
}

func keyRemark(k KeyState) string {
	switch k {
	case Unverified:
		return ", their key was never compared with them"
	case Unusable:
		return ", their key has expired or was revoked"
	case NoKey:
		return ", they have no key"
	}
	return ""
}

// Weakest is the protection that names the Send button: the weakest of all.
func Weakest(all []Verdict) Protection {
	order := map[Protection]int{Blocked: 0, Signed: 1, Portal: 2, Encrypted: 3}
	weakest := Encrypted
	for _, v := range all {
		if order[v.Protection] < order[weakest] {
			weakest = v.Protection
		}
	}
	if len(all) == 0 {
		return Blocked
	}
	return weakest
}

// StillHolds reports whether a message promised as shown may go as decided now:
// never with less protection than the agent saw.
func StillHolds(shown, now Protection) bool {
	switch now {
	case Encrypted, Portal:
		return true
	case Signed:
		return shown == Signed
	}
	return false
}

// String is one line of the decision table.
func (f Facts) String() string {
	return fmt.Sprintf("sensitive=%-5v address=%-5v key=%-10s factor=%-7s", f.Sensitive, f.Address, f.Key, f.Factor)
}
