// Package evidence says what a mail proves. Examine is a pure function of the
// raw bytes and of keys: the desk's intake, its screens and `postern inspect`
// all ask it, and get the same answer.
//
// Invariants:
//
//   - A verdict is computed on the bytes as they came, never on decoded text.
//   - V, "signed by a verified key of the contact", needs all of: exactly one
//     sender, a good signature over everything that is shown, inside the
//     encryption if there is one, made by a key that a person has verified for
//     that very address, good then and now, at about the time the mail says.
//     Whatever is missing takes authority away, and never adds any.
//   - A broken or unknown signature is shown as none (RFC 9788, 4.3.1).
//   - Nothing encrypted is shown unless it opened whole and unharmed.
//   - Hostile input ends in a report, never in a crash.
package evidence

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/message"
	"postern/internal/pgp"
)

// Trust is how sure somebody is that a key is its owner's. Verified is the only
// rung with authority; the others are named where keys are kept.
type Trust string

// VerifiedTrust is the rung that a person alone can give.
const VerifiedTrust Trust = "verified"

// Known is a key with what is known of it.
type Known struct {
	Key       *pgp.Key
	Trust     Trust
	Owner     string   // whose it is, as the keeper of keys names them
	Addresses []string // of the owner
	Via, By   string   // how it was verified, and by whom
	At        time.Time
}

// Keys finds keys. One implementation is the desk's contacts, the other the
// files given to `postern inspect`.
type Keys interface {
	// ByAddress returns the keys of whoever owns the address.
	ByAddress(address string) []Known
	// ByID returns keys, whoever's, with one of the ids or fingerprints.
	ByID(ids []uint64, fingerprints []pgp.Fingerprint) []Known
}

// Options of an examination.
type Options struct {
	At         time.Time     // when the mail was received
	Secrets    []*pgp.Secret // to open with
	Keys       Keys
	ReturnPath *string // envelope sender, nil if not known
}

// Verdict on the signature of a mail.
type Verdict string

const (
	Verified Verdict = "V" // by a verified key of the contact
	Signed   Verdict = "S" // good, but not by a verified key of the contact
	Unsigned Verdict = "N"
	Mismatch Verdict = "X" // the identities do not fit: warn, no authority
)

// Disposition is what to do with the mail.
type Disposition string

const (
	Accept     Disposition = "accept"
	Quarantine Disposition = "quarantine" // kept and shown to staff, not opened
	Refuse     Disposition = "refuse"     // not taken at the door
)

// Address is a name that proves nothing, and an address.
type Address struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// Attachment is a file in the mail.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
	Data   []byte `json:"-"`
}

// Encryption of the mail.
type Encryption struct {
	Scheme    string `json:"scheme"` // "openpgp", "smime", "none"
	Whole     bool   `json:"whole"`  // all of it was encrypted
	Decrypted bool   `json:"decrypted"`
	Error     string `json:"error"`
}

// Signature is the verdict with its grounds.
type Signature struct {
	Verdict     Verdict
	Scheme      string // "openpgp", "smime", "none"
	Fingerprint pgp.Fingerprint
	Signer      string // whose key verified it
	SignedAt    time.Time
	Covers      string // "whole", "part", "none"
	Known       *Known // the key that verified it, if any did
}

// FoundKey is a certificate that came with the mail.
type FoundKey struct {
	Key    *pgp.Key
	Source string // "autocrypt", "attached"
}

// Report is everything found out about one mail.
type Report struct {
	From                  *Address // nil where nobody, or more than one, is named
	To, Cc, ReplyTo       []Address
	Subject               string // the protected one, if there is one
	OuterSubject          string
	Date                  time.Time
	MessageID             string
	InReplyTo, References []string
	Text, HTML            string
	Plain                 bool // the text is that of one text/plain part, and HTML never stood in for it
	Attachments           []Attachment
	Automatic             message.Automatic
	Bounce                *message.Bounce
	Keys                  []FoundKey
	Encryption            Encryption
	SealedTo              []uint64 // ids of the OpenPGP keys it is encrypted to, where none of ours opened it
	Signature             Signature
	OtherKey              bool // the contact has another key, a verified one
	PartSigned            bool // a part of it carries a good signature
	Disposition           Disposition
	Reasons               []string // "word: text", in order of discovery
}

// because adds a reason once.
func (r *Report) because(word, format string, args ...any) {
	s := word + ": " + fmt.Sprintf(format, args...)
	for _, x := range r.Reasons {
		if x == s {
			return
		}
	}
	if len(r.Reasons) < 20 {
		r.Reasons = append(r.Reasons, s)
	}
}

// put raises the disposition; it never falls back.
func (r *Report) put(d Disposition, word, format string, args ...any) {
	r.because(word, format, args...)
	if d == Refuse || d == Quarantine && r.Disposition == Accept {
		r.Disposition = d
	}
}

// withhold takes from a quarantined mail what it shows, and its authority: what
// nobody could read as it was meant is not what somebody signed.
func (r *Report) withhold() {
	r.Text, r.HTML, r.Attachments, r.Keys = "", "", nil, nil
	if r.Signature.Verdict == Verified || r.Signature.Verdict == Signed {
		r.Signature.Verdict = Unsigned
		r.because("quarantined", "it is signed, but cannot be shown as it was signed")
	}
}

// Examine examines a mail.
func Examine(raw []byte, o Options) (r *Report) {
	r = &Report{Disposition: Accept, Encryption: Encryption{Scheme: "none"}, Signature: Signature{Verdict: Unsigned, Scheme: "none", Covers: "none"}}
	defer func() {
		if p := recover(); p != nil {
			r.Text, r.HTML, r.Attachments = "", "", nil
			r.Signature = Signature{Verdict: Unsigned, Scheme: "none", Covers: "none"}
			r.put(Quarantine, "unreadable", "the mail could not be read")
		}
	}()
	e := &exam{Report: r, o: o, m: message.Parse(raw)}
	e.outer()
	e.open()
	e.content()
	for _, a := range r.Attachments { // a file may be for a key that is not here
		if name := strings.ToLower(a.Name); strings.HasSuffix(name, ".asc") || strings.HasSuffix(name, ".gpg") || strings.HasSuffix(name, ".pgp") {
			e.sealedTo(a.Data)
		}
	}
	e.judge()
	if r.Disposition == Quarantine {
		r.withhold()
	}
	return r
}
