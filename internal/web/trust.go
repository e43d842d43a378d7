package web

import "strings"

// Trust is what a message proves, in our words. The icon repeats the words,
// the class colours them; the words alone are enough.
type Trust struct {
	Class string // of the style sheet
	Icon  string
	Words string // beside the message
	Short string // in a row
}

// TrustChecked is for a signature that is valid over everything displayed, by
// a key that was compared with its owner. The only check mark there is.
func TrustChecked(name, how string, at When) Trust {
	words := "Signed by " + whose(name) + " key — checked"
	if how != "" {
		words += " " + By(how)
	}
	if !at.IsZero() {
		words += ", " + at.Inside()
	}
	return Trust{"checked", "checked", words, "Signed, checked"}
}

func whose(name string) string {
	if name = Plain(name); name == "" {
		return "their"
	}
	first, _, _ := strings.Cut(name, " ")
	return first + "’s"
}

// TrustUnchecked is for a valid signature by a key nobody has compared.
func TrustUnchecked() Trust {
	return Trust{"unchecked", "unchecked", "Signed — key not checked yet", "Signed, key not checked yet"}
}

// TrustOther is for a valid signature where the contact has another, checked key.
func TrustOther() Trust {
	return Trust{"other", "other", "Signed with a different key", "Signed with a different key"}
}

// TrustMismatch is for a mail whose identities do not fit: signed by somebody
// else than its sender, or sent under a name that is another's address.
func TrustMismatch() Trust {
	return Trust{"other", "other", "Who sent this does not fit", "Sender does not fit"}
}

// TrustPart is for a signature over some of what is displayed.
func TrustPart() Trust {
	return Trust{"part", "part", "Part of this message is signed", "Part of it is signed"}
}

// TrustUsual is for an unsigned message of somebody who signs.
func TrustUsual() Trust {
	return Trust{"usual", "usual", "Usually signs; this one is not", "Usually signs; this one is not"}
}

// TrustNone is for a message without a signature.
func TrustNone() Trust { return Trust{"none", "none", "Not signed", "Not signed"} }

// TrustFailed is treated like TrustNone: nobody is frightened by a broken mailing list (RFC 9787).
func TrustFailed() Trust {
	return Trust{"none", "none", "Signature could not be verified", "Signature not verified"}
}

// TrustSent is for what was written behind the portal's second factor.
func TrustSent() Trust {
	return Trust{"sent", "gate", "Sent in the portal", "Sent in the portal"}
}

// TrustReceipt is for what was written on a case page by who holds its code.
func TrustReceipt() Trust {
	return Trust{"none", "gate", "Sent on the case page, with its code", "Sent with the case’s code"}
}

// TrustForm is for what anybody could write.
func TrustForm() Trust {
	return Trust{"none", "none", "Written in the form; nobody proved who", "Form, nobody proved who"}
}

// TrustPhone is for what somebody here wrote down of a telephone call.
func TrustPhone(by string) Trust {
	words := "Noted by phone"
	if by = Plain(by); by != "" {
		words += " by " + by
	}
	return Trust{"none", "none", words + "; nobody proved who", "Noted by phone"}
}

// TrustSurvey is for what came back with a survey: whoever had its link wrote it.
func TrustSurvey() Trust {
	return Trust{"none", "none", "Written in a survey, by who had its link", "Survey, nobody proved who"}
}

// The line below the trust line, never mixed with it: how a message came, and
// what its domain vouches for.
const (
	HowEncrypted = "Encrypted to us"
	HowPortal    = "Sent in the portal"
	HowTLS       = "Came by TLS"
	HowClear     = "Came unencrypted"
	HowDMARC     = "Domain confirmed by DMARC"
	HowNoDMARC   = "Domain not confirmed"
)

// Protection is how one message goes to one person.
type Protection struct {
	Class string `json:"class"`
	Icon  string `json:"icon"`
	Lead  string `json:"lead"` // the word that counts
	Rest  string `json:"rest"` // follows it directly
}

// GoesEncrypted names the key, by the end of its fingerprint, and when it was checked.
func GoesEncrypted(key Fingerprint, checked When) Protection {
	rest := " to key " + key.Short()
	if !checked.IsZero() {
		rest += ", checked " + checked.Inside()
	}
	return Protection{"encrypted", "sealed", "Encrypted", rest}
}

// GoesByPortal leaves the content with us; why is a clause.
func GoesByPortal(why string) Protection {
	return Protection{"portal", "gate", "Secure portal", because(why)}
}

// GoesByPage waits on the case page, for whoever holds its receipt; why is a clause.
func GoesByPage(why string) Protection {
	return Protection{"portal", "gate", "On the case page", because(why)}
}

// GoesSigned is mail that is signed and readable on the way; why is a clause.
func GoesSigned(why string) Protection {
	return Protection{"signed", "card", "Readable on the way", because(why)}
}

// GoesOpted is readable on the way because the person chose so.
func GoesOpted(since When) Protection {
	rest := " (their choice)"
	if !since.IsZero() {
		rest = " (their choice, " + since.Inside() + ")"
	}
	return Protection{"opted", "card", "Readable on the way", rest}
}

// GoesNowhere says what is missing.
func GoesNowhere(why string) Protection {
	return Protection{"blocked", "stop", "Blocked", because(why)}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// Send is the button, named for the weakest protection of all recipients.
type Send struct {
	Label   string `json:"label"`
	Class   string `json:"class"` // "go", or "open" for what leaves readable
	Icon    string `json:"icon"`
	Blocked bool   `json:"blocked"` // dashed: pressing it lists what is missing
}

// SendFor names the button for a protection class; something is still open if blocked.
func SendFor(weakest string, blocked bool) Send {
	switch weakest {
	case "encrypted":
		return Send{"Send encrypted", "go", "sealed", blocked}
	case "portal":
		return Send{"Send by portal", "go", "gate", blocked}
	case "page":
		return Send{"Leave it on the case page", "go", "gate", blocked}
	case "signed", "opted-out":
		return Send{"Send unprotected", "open", "card", blocked}
	}
	return Send{"Send", "go", "stop", true}
}

// Fingerprint of a key, in hexadecimal.
type Fingerprint string

// Short is the end of it, in two groups.
func (f Fingerprint) Short() string {
	s := strings.ToUpper(string(f))
	if len(s) < 8 {
		return "…" + s
	}
	return "…" + s[len(s)-8:len(s)-4] + " " + s[len(s)-4:]
}

// Groups is all of it in groups of four, which people can read to each other.
func (f Fingerprint) Groups() []string {
	var out []string
	for s := strings.ToUpper(string(f)); s != ""; {
		n := min(4, len(s))
		out, s = append(out, s[:n]), s[n:]
	}
	return out
}

// The state of a contact's key, for lists and the contact card.

// By says in which way a fingerprint was compared: "by call-back", "in person".
func By(how string) string {
	switch how {
	case "letter", "call-back", "video call":
		return "by " + how
	}
	return how
}

// KeyChecked is a key that was compared with its owner.
func KeyChecked(how string, at When) Trust {
	words := "Key checked " + By(how)
	if !at.IsZero() {
		words += ", " + at.Inside()
	}
	return Trust{"checked", "checked", words, "Key checked"}
}

// KeyUnchecked is a key that nobody compared.
func KeyUnchecked() Trust {
	return Trust{"unchecked", "unchecked", "Key not checked yet", "Key not checked yet"}
}

// KeyPending is a second key beside a checked one.
func KeyPending() Trust {
	return Trust{"other", "other", "A different key turned up", "A different key turned up"}
}

// KeyDead is a checked key that expired or was revoked.
func KeyDead() Trust {
	return Trust{"usual", "usual", "Key expired or revoked", "Key expired or revoked"}
}

// KeyNone is a contact without a key.
func KeyNone() Trust { return Trust{"none", "none", "No key", "No key"} }
