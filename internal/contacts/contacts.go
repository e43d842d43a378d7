// Package contacts keeps the people we talk to: their addresses, phone
// numbers and keys, each with where it came from and how it was verified.
//
// A recipient is a contact, not an address. Names, addresses, numbers and keys
// are stored sealed; an address is found again by its blind index, a name by
// the keyed index of its words.
//
// Key trust is a ladder, and only a person moves a key to its top rung. A
// contact's verified key is never replaced silently: another key that turns up
// is kept as a pending change that carries no authority.
package contacts

import (
	"strings"
	"time"

	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/pgp"
)

// ID names a contact.
type ID string

// A Contact is a customer or a reporter.
type Contact struct {
	ID       ID
	Name     string // as they gave it; untrusted
	KeyID    string // the data key their content is sealed with
	Source   string // "mail", "staff", "portal"
	Signed   int64  // messages that proved to be theirs
	Unsigned int64  // messages since the last one that did
	Made     time.Time

	AbleUntil time.Time // they could do better than a code, until they gave it up, and some time after

	Addresses []Address // first is the one we write to
	Phones    []Phone
	Keys      []Key
}

// Address is a mail address with its origin.
type Address struct {
	Address string
	Source  string
	Made    time.Time
}

// Phone is a number on file, for codes and call-backs.
type Phone struct {
	ID      string
	Number  string
	Source  string
	By      string // staff id
	Changed bool   // it took the place of another
	Made    time.Time
}

// Last is the end of the number, all that a screen shows.
func (p Phone) Last() string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, p.Number)
	if len(digits) < 4 {
		return "••"
	}
	return "•• " + digits[len(digits)-2:]
}

// Trust is a rung of the ladder. It says how sure we are that a key is the contact's.
type Trust = evidence.Trust

const (
	Seen       Trust = "seen"
	Harvested  Trust = "harvested"  // Autocrypt header or attachment
	Discovered Trust = "discovered" // WKD or a key server
	Pinned     Trust = "pinned"     // used consistently
	Verified   Trust = "verified"   // challenge answered, or fingerprint compared out of band
	Rejected   Trust = "rejected"
	Expired    Trust = "expired"
	Revoked    Trust = "revoked"
)

// A Key is a contact's certificate with what we know of it.
type Key struct {
	ID       string
	Contact  ID
	Cert     *pgp.Key
	Trust    Trust
	Source   string // "autocrypt", "attached", "staff"
	Pending  bool   // turned up beside a verified key; carries no authority
	Via      string // how it was verified: "call-back", "in person", "letter", ...
	By       string // staff id
	ByName   string
	Verified time.Time
	Made     time.Time
	Replaced string // the instruction whose key took this one's place
}

// Ways a fingerprint can be compared out of band.
var ways = map[string]bool{"call-back": true, "in person": true, "letter": true, "video call": true}

// Verify marks the key as compared with its owner out of band.
func (k *Key) Verify(way, staff, name string, now time.Time) error {
	if !ways[way] {
		return fail.New(fail.Invalid, "say how you compared the fingerprint: by call-back, in person, by letter or by video call. E-mail does not count: whoever forges the key forges the mail")
	}
	if err := k.Cert.CanEncrypt(now); err != nil {
		return fail.Wrap(fail.Invalid, err, "this key cannot be verified: "+err.Error())
	}
	if k.Trust == Rejected || k.Trust == Revoked {
		return fail.New(fail.Conflict, "this key was %s and cannot be verified; ask for a new one", k.Trust)
	}
	k.Trust, k.Via, k.By, k.ByName, k.Verified, k.Pending, k.Replaced = Verified, way, staff, name, now, false, ""
	return nil
}

// Reject says that the key is not the contact's, or must not be used any more.
func (k *Key) Reject(staff, name string) {
	k.Trust, k.By, k.ByName, k.Pending = Rejected, staff, name, false
}

// VerifiedKey is the key that sensitive content may be encrypted to: the
// newest verified one that works now. why says what is wrong when there is none.
func (c *Contact) VerifiedKey(now time.Time) (key *Key, why error) {
	for i := range c.Keys {
		k := &c.Keys[i]
		if k.Trust != Verified {
			continue
		}
		if err := k.Cert.CanEncrypt(now); err != nil {
			why = err
			continue
		}
		if key == nil || k.Verified.After(key.Verified) {
			key = k
		}
	}
	if key != nil {
		return key, nil
	}
	return nil, why
}

// VerifiedButNot reports whether another key than this was checked and works.
func (c *Contact) VerifiedButNot(id string, now time.Time) bool {
	k, _ := c.VerifiedKey(now)
	return k != nil && k.ID != id
}

// KeyOf returns the contact's key with the fingerprint, or nil.
func (c *Contact) KeyOf(fp pgp.Fingerprint) *Key {
	for i := range c.Keys {
		if c.Keys[i].Cert.Fingerprint() == fp {
			return &c.Keys[i]
		}
	}
	return nil
}

// HasVerified reports whether any key was ever verified for the contact.
func (c *Contact) HasVerified() bool {
	for _, k := range c.Keys {
		if k.Trust == Verified {
			return true
		}
	}
	return false
}

// UsuallySigns reports whether an unsigned message from this contact is strange.
func (c *Contact) UsuallySigns() bool { return c.HasVerified() && c.Signed >= 1 }

// Title is the name we show: theirs, or their address.
func (c *Contact) Title() string {
	if c.Name != "" {
		return c.Name
	}
	if len(c.Addresses) > 0 {
		return c.Addresses[0].Address
	}
	return "Unknown sender"
}

// MailTo is the address we write to, empty if there is none.
func (c *Contact) MailTo() string {
	if len(c.Addresses) == 0 {
		return ""
	}
	return c.Addresses[0].Address
}

// Normal is the form in which addresses are compared: the domain in lower
// case, the local part too, as all mail systems of note do.
func Normal(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Known turns the contact's keys into what the verdict needs.
func (c *Contact) Known() []evidence.Known {
	var addrs []string
	for _, a := range c.Addresses {
		addrs = append(addrs, a.Address)
	}
	var out []evidence.Known
	for _, k := range c.Keys {
		if k.Trust == Rejected {
			continue
		}
		out = append(out, evidence.Known{Key: k.Cert, Trust: k.Trust, Owner: string(c.ID), Addresses: addrs, Via: k.Via, By: k.ByName, At: k.Verified})
	}
	return out
}
