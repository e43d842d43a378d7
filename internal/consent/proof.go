package consent

import (
	"time"

	"postern/internal/contacts"
	"postern/internal/evidence"
	"postern/internal/fail"
)

// A Proven is what shows that it is the customer who chooses. Its fields are
// closed: the zero value proves nothing, and the two ways to another are below.
type Proven struct {
	contact contacts.ID
	scopes  map[Scope]bool // nil: any; a mail says what it gives up
	version int64          // of the wording a mail repeats; 0: the page says which it showed
	by      string         // staff who read out the code that opened the session, for the record
	Evidence
}

// BySession is the proof of a portal session. Only package portal calls it: it
// knows which factors prove something. A session that the link alone opened has
// none, so nobody falls from link to less by the link. by is the member of staff
// who read out the code that opened it, if one did: the record names them.
func BySession(c contacts.ID, factor, by string, opened time.Time) Proven {
	return Proven{contact: c, by: by, Evidence: Evidence{Channel: Portal, Factor: factor, At: opened}}
}

// MaxAge is how old a signature may be when its mail comes in: a mail that was
// signed long ago and is played again proves nothing about today.
const MaxAge = 48 * time.Hour

// BySignedMail is the proof of a mail, from its report as of when it came in:
// signed, over everything, by a key that was verified as this very contact's, and
// not long ago. What the mail gives up is what its own text says.
func BySignedMail(c contacts.ID, rep *evidence.Report, message string, came time.Time) (Proven, error) {
	s := rep.Signature
	if s.Verdict != evidence.Verified || s.Covers != "whole" || s.Known == nil || s.Known.Owner != string(c) || c == "" {
		return Proven{}, fail.New(fail.Denied, "this mail is not signed by a verified key of this person")
	}
	if rep.Automatic != "" {
		return Proven{}, fail.New(fail.Denied, "an automatic mail gives nothing up")
	}
	if age := came.Sub(s.SignedAt); age > MaxAge || age < -time.Hour {
		return Proven{}, fail.New(fail.Denied, "this mail was not signed in the last two days")
	}
	scopes, version := FromMail(rep.Text)
	if len(scopes) == 0 {
		return Proven{}, fail.New(fail.Denied, "this mail does not hold the phrase of a wording, and nothing else")
	}
	p := Proven{contact: c, scopes: map[Scope]bool{}, version: version,
		Evidence: Evidence{Channel: SignedMail, Fingerprint: string(s.Fingerprint), Message: message, At: s.SignedAt}}
	for _, scope := range scopes {
		p.scopes[scope] = true
	}
	return p, nil
}

// Scopes is what a mail gives up.
func (p Proven) Scopes() (out []Scope) {
	for _, s := range Scopes() {
		if p.scopes[s] {
			out = append(out, s)
		}
	}
	return out
}

// Version is the wording that a mail repeats.
func (p Proven) Version() int64 { return p.version }

// allows reports whether the proof covers giving up s under a wording.
func (p Proven) allows(c contacts.ID, s Scope, version int64) bool {
	switch {
	case c == "" || p.contact != c:
		return false
	case p.Channel == Portal:
		return p.Factor != ""
	case p.Channel == SignedMail:
		return p.Fingerprint != "" && p.Message != "" && p.scopes[s] && p.version == version
	}
	return false
}
