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
	Page      Protection = "page"      // it waits on the case page, behind the code of their receipt; no mail goes
	Signed    Protection = "signed"    // signed mail, readable on the way; routine content only
	OptedOut  Protection = "opted-out" // signed mail, readable on the way; sensitive, and their own choice
	Blocked   Protection = "blocked"   // it does not go, and Why says what would help
)

// Guarded reports whether the content is kept from everybody on the way.
func (p Protection) Guarded() bool { return p == Encrypted || p == Portal || p == Page }

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
	Link     Factor = "link"    // they gave the second proof up: the notice's link is enough
)

// Facts is everything the decision depends on.
type Facts struct {
	Sensitive bool
	Address   bool // the contact has a mail address
	Receipt   bool // they hold the receipt of this case
	Key       KeyState
	Factor    Factor
	OptedOut  bool   // their own consent to unencrypted mail stands
	Protected string // why this content stays protected whatever they chose (Stays); empty: it need not
}

// Verdict is the decision and its reason, in the second person, for the agent.
type Verdict struct {
	Protection Protection
	Why        string
}

// Decide says how a message goes. What is not known refuses.
func Decide(f Facts) Verdict {
	chose := f.OptedOut && f.Protected == ""
	switch {
	case !f.Address && f.Receipt:
		return Verdict{Page, "they gave no mail address; it waits on the case page, behind the code of their receipt"}
	case !f.Address:
		return Verdict{Blocked, "no mail address is on file"}
	case f.Sensitive && chose:
		return Verdict{OptedOut, "it is sensitive, and they chose to get such mail readable"}
	case f.Key == Verified && chose:
		return Verdict{Signed, "nothing in it is sensitive, and they chose to get mail readable"}
	case f.Key == Verified:
		return Verdict{Encrypted, "their key was compared with them and works" + choiceRemark(f)}
	case !f.Sensitive:
		return Verdict{Signed, "nothing in it is sensitive" + keyRemark(f.Key)}
	case f.Factor == Link && f.Protected == "":
		return Verdict{Portal, "it is sensitive" + keyRemark(f.Key) + "; a signed notice goes out, and its link alone opens it, as they chose"}
	case f.Factor == Passkey:
		return Verdict{Portal, "it is sensitive" + keyRemark(f.Key) + "; a signed notice goes out, and their passkey opens it" + choiceRemark(f)}
	case f.Factor == Call:
		return Verdict{Portal, "it is sensitive" + keyRemark(f.Key) + "; a signed notice goes out, and a code that you give by telephone opens it" + choiceRemark(f)}
	}
	return Verdict{Blocked, "it is sensitive" + keyRemark(f.Key) + ", and no second factor is known: put a phone number on file, or compare a key with them" + choiceRemark(f)}
}

// choiceRemark says why what they chose does not count here.
func choiceRemark(f Facts) string {
	if f.OptedOut && f.Protected != "" {
		return "; they gave up encryption, but " + f.Protected
	}
	return ""
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
	order := map[Protection]int{Blocked: 0, OptedOut: 1, Signed: 2, Portal: 3, Page: 4, Encrypted: 5}
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
// never with less protection than the agent saw. What was shown as routine does
// not go as sensitive and readable: somebody marked it in between.
func StillHolds(shown, now Protection) bool {
	switch now {
	case Encrypted, Portal, Page:
		return true
	case Signed:
		return shown == Signed || shown == OptedOut
	case OptedOut:
		return shown == OptedOut
	}
	return false
}

// String is one line of the decision table.
func (f Facts) String() string {
	address := fmt.Sprint(f.Address)
	if f.Receipt {
		address = "receipt"
	}
	s := fmt.Sprintf("sensitive=%-5v address=%-7v key=%-10s factor=%-7s", f.Sensitive, address, f.Key, f.Factor)
	switch {
	case f.OptedOut && f.Protected != "":
		s += " opted-out, protected"
	case f.OptedOut:
		s += " opted-out"
	case f.Protected != "":
		s += " protected"
	}
	return s
}
