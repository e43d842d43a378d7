// Package cases keeps conversations: a case is one conversation with a public
// reference, a message is one item in it, inbound, outbound or an internal note.
//
// What was written is sealed with the data key of the contact the case is
// with; subjects and names, which lists show, with the desk's own key. A case
// moves between three states: open (we owe a word), waiting (they do), closed.
// Automatic mail joins a case and moves nothing.
package cases

import (
	"time"

	"postern/internal/contacts"
	"postern/internal/fail"
	"postern/internal/lang"
)

type (
	// ID names a case; Ref is the reference people see.
	ID  string
	Ref string
	// MessageID names a message of ours in the table, not in mail headers.
	MessageID string
)

// State of a case.
type State string

const (
	Open    State = "open"
	Waiting State = "waiting"
	Closed  State = "closed"
)

// A Case is one conversation.
type Case struct {
	ID           ID
	Ref          Ref
	Subject      string // untrusted
	Who          string // the contact's name or address when the case began; untrusted
	Contact      contacts.ID
	KeyID        string    // data key that seals its messages
	Door         string    // it began by: "mail", "form", "desk", "api"
	Mailbox      string    // our address it came to
	Lang         lang.Lang // they write; what the desk itself says goes out in it
	Topic        string    // of the support centre; empty: nobody named one
	Began        string    // the topic that it came under; it may be about another
	Spam         bool      // closed as such; a word from them opens it all the same
	State        State
	Assignee     string // staff id
	Sensitive    bool
	SensitiveWhy string
	Unread       bool
	Held         bool   // an outbound message waits for a person
	Alarm        string // why a person must look now, in our words; it stays until the case is closed
	Trust        string // verdict of the newest inbound message
	Made, Last   time.Time
	ClosedAt     time.Time
	Version      int64

	// What package security keeps.
	Security Security
	Circle   bool // only those who triage read it, and whom they let in

	// What package ladder keeps.
	Rung     int64     // how high it went: 0 agents, 1 triagers, 2 leads, 3 the executive
	Lifted   bool      // that rung was called and has not answered yet: no canned reply goes out
	Scripted bool      // the last answer of ours was canned
	Contacts int64     // times they wrote since a person last answered in own words
	Returns  int64     // times they came back after it was closed
	Due      time.Time // when a person's word was promised for; zero: none is owed
	Heard    time.Time // when they last wrote
	Since    time.Time // since when they wait: their first word that no person answered
	Spoke    time.Time // when a person last answered in own words
}

// Security is what a case is to the security people.
type Security string

const (
	NoReport  Security = ""
	Suspected Security = "flagged" // it may be a report: somebody qualified must look
	Report    Security = "report"  // it is one, and is worked on
	Settled   Security = "done"    // it was one
)

// Watched reports whether a script has no place in it, and only the work on the report
// closes it.
func (s Security) Watched() bool { return s == Suspected || s == Report }

// Received moves the case for an inbound message. Automatic mail moves nothing.
func (c *Case) Received(automatic bool, verdict string, now time.Time) {
	if automatic {
		return
	}
	if c.State == Closed && !c.Heard.IsZero() { // what was never theirs, a notice of ours, does not come back
		c.Returns++
	}
	c.State, c.Unread, c.Last, c.Trust, c.ClosedAt, c.Spam = Open, true, now, verdict, time.Time{}, false
}

// WantsPerson opens the case, whatever state it is in, for somebody who asks for a
// person, and marks it until one has dealt with it.
func (c *Case) WantsPerson(now time.Time) {
	c.State, c.Unread, c.Last, c.ClosedAt = Open, true, now, time.Time{}
	if c.Alarm == "" {
		c.Alarm = "They ask for a person: what we wrote did not answer them"
	}
}

// Answered moves the case for a reply that was queued.
func (c *Case) Answered(now time.Time) { c.State, c.Unread, c.Last = Waiting, false, now }

// Close ends the conversation; it reopens with the next word from them.
func (c *Case) Close(now time.Time) error {
	if c.State == Closed {
		return fail.New(fail.Conflict, "this case is closed already")
	}
	if c.Held {
		return fail.New(fail.Conflict, "a message in this case is held; release or discard it first")
	}
	if c.Lifted {
		return fail.New(fail.Conflict, "somebody further up was called and has not answered yet; they take it and answer first")
	}
	if c.Security == Suspected {
		return fail.New(fail.Conflict, "it may be a security report: somebody qualified says what it is before it is closed")
	}
	if c.Security == Report {
		return fail.New(fail.Conflict, "it is a security report, and is closed when the work on it is done")
	}
	c.State, c.ClosedAt, c.Unread, c.Alarm, c.Due = Closed, now, false, "", time.Time{}
	return nil
}

// Reopen takes it up again.
func (c *Case) Reopen(now time.Time) error {
	if c.State != Closed {
		return fail.New(fail.Conflict, "this case is open already")
	}
	c.State, c.ClosedAt, c.Last, c.Spam = Open, time.Time{}, now, false
	return nil
}

// Raise marks the case as sensitive; anybody may.
func (c *Case) Raise(why string) {
	if !c.Sensitive {
		c.Sensitive, c.SensitiveWhy = true, why
	}
}

// Lower takes the mark off again, with a reason for the record.
func (c *Case) Lower(reason string) error {
	if len(reason) < 5 {
		return fail.New(fail.Invalid, "say why this case is not sensitive any more; the reason is recorded")
	}
	c.Sensitive, c.SensitiveWhy = false, ""
	return nil
}

// Kind of a message.
type Kind string

const (
	In   Kind = "in"
	Out  Kind = "out"
	Note Kind = "note"
)

// A Message is one item of a case.
type Message struct {
	ID       MessageID
	Case     ID
	Kind     Kind
	Door     string // "mail", "form", "page", "portal", "phone", "survey", "desk", "auto", "api"
	Contact  contacts.ID
	Author   string // staff id; by door "api" the key, as the audit log names it
	At       time.Time
	Doc      Doc
	Evidence *Evidence // inbound only
	RawBlob  string    // the mail as it came
	Canned   bool      // outbound: nine tenths of it stood in a canned reply, or in an earlier answer
}

// Person is a name and address as a mail gave them; untrusted.
type Person struct {
	Name    string `json:"n,omitempty"`
	Address string `json:"a"`
}

// Doc is what was written; it is stored sealed.
type Doc struct {
	From        *Person      `json:"from,omitempty"`
	To          []Person     `json:"to,omitempty"`
	Cc          []Person     `json:"cc,omitempty"`
	ReplyTo     []Person     `json:"reply_to,omitempty"`
	Subject     string       `json:"subject,omitempty"`
	Date        time.Time    `json:"date,omitzero"`
	MailID      string       `json:"mail_id,omitempty"` // Message-ID without brackets
	Text        string       `json:"text"`
	HTML        bool         `json:"html,omitempty"` // the mail also has an HTML body
	Attachments []Attachment `json:"attachments,omitempty"`
	Automatic   string       `json:"automatic,omitempty"` // "auto-reply", "bounce", ...
	Sensitive   bool         `json:"sensitive,omitempty"` // outbound: decided when it was queued
}

// Attachment describes a file. Inbound files stay inside the stored mail and
// are taken out again when somebody asks (Blob empty); ours are blobs.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
	Blob   string `json:"blob,omitempty"`
}

// Evidence is what an inbound message proves, as found when it came and, if
// a key changed, checked again.
type Evidence struct {
	Verdict     string    `json:"verdict"` // V S N X
	Scheme      string    `json:"scheme"`
	Covers      string    `json:"covers"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Signer      string    `json:"signer,omitempty"`
	SignedAt    time.Time `json:"signed_at,omitzero"`
	Via         string    `json:"via,omitempty"` // how the key was verified
	By          string    `json:"by,omitempty"`
	KeyAt       time.Time `json:"key_at,omitzero"`
	OtherKey    bool      `json:"other_key,omitempty"` // the contact has another, verified key
	Usually     bool      `json:"usually,omitempty"`   // this contact usually signs
	Part        bool      `json:"part,omitempty"`

	Encryption string `json:"encryption"` // "openpgp", "smime", "none"
	Whole      bool   `json:"whole,omitempty"`
	Decrypted  bool   `json:"decrypted,omitempty"`
	Problem    string `json:"problem,omitempty"` // why it could not be opened
	Team       bool   `json:"team,omitempty"`    // it is encrypted to the key of those who triage, which is not here

	TLS   bool   `json:"tls,omitempty"`
	SPF   string `json:"spf,omitempty"`
	DKIM  string `json:"dkim,omitempty"`
	DMARC string `json:"dmarc,omitempty"`

	Phone    string    `json:"phone,omitempty"`   // said by telephone: staff id of who wrote it down
	Survey   bool      `json:"survey,omitempty"`  // written in a survey, by who had its link
	Form     bool      `json:"form,omitempty"`    // written in the form, by anybody
	Receipt  bool      `json:"receipt,omitempty"` // written on the case page, by who holds its code
	Portal   string    `json:"portal,omitempty"`  // factor that opened the portal: "access code", "passkey"
	PortalAt time.Time `json:"portal_at,omitzero"`

	Disposition string    `json:"disposition"`
	Reasons     []string  `json:"reasons,omitempty"`
	Checked     time.Time `json:"checked"`
}

// Class is the trust word of the evidence, as screens know it: checked,
// unchecked, other, part, usual, mismatch, none or sent.
func (e *Evidence) Class() string {
	switch {
	case e.Receipt:
		return "receipt"
	case e.Form:
		return "form"
	case e.Phone != "":
		return "phone"
	case e.Survey:
		return "survey"
	case e.Portal != "" && e.Portal != "link only": // that one proves nothing
		return "sent"
	case e.Verdict == "V":
		return "checked"
	case e.Verdict == "X":
		return "mismatch"
	case e.Verdict == "S" && e.OtherKey:
		return "other"
	case e.Verdict == "S":
		return "unchecked"
	case e.Usually:
		return "usual"
	case e.Part:
		return "part"
	}
	return "none"
}
