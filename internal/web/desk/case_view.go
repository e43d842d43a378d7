package desk

import "postern/internal/web"

// CasePage is "case": the conversation, the composer, and beside them the contact.
type CasePage struct {
	web.Staff
	ID, Ref   string
	Subject   string
	State     string   // open, waiting, closed
	Sensitive string   // why; empty for a routine case
	Due       web.When // when a person's word is due; zero: none is owed
	Late      bool     // and it is past
	Call      *Called  // who was called and has not answered; nil: nobody
	Steps     []Rise   // how it came up, oldest first
	MayLift   bool
	Alarm     string // why a person must look now; empty: nothing is wrong
	Security  string // flagged, report, done; empty: nothing
	With      []string
	Mailbox   string
	Topic     string   // as the support centre names it; empty: none
	Topics    []Option // what it can be
	Listed    bool     // its topic always stays protected: leaving it takes a reason
	Last      web.When
	Assignee  string
	Staffers  []Option
	Notices   []web.Notice // such as: a mail of this person is in quarantine
	Links     []LinkedCase
	Messages  []Message
	Compose   Composer
	Contact   *ContactCard
	Code      *AccessCode // just issued, shown this once
}

// Newest reports whether the message is the last one, which #newest leads to.
func (p CasePage) Newest(i int) bool { return i == len(p.Messages)-1 }

// LinkedCase is another case that belongs near this one.
type LinkedCase struct {
	ID, Ref, Subject string
	Why              string // "a stranger wrote with this reference"
}

// Message is one item of the conversation.
type Message struct {
	ID, Case string
	Kind     string // in, out, note
	Who, Did string // "Ada Brandt", "wrote to support"
	At       web.When

	// Inbound: what it proves.
	Trust     web.Trust
	How       []string // web.HowEncrypted, web.HowDMARC, ...
	Facts     []Fact
	Open      bool // show the facts at once
	Notice    *web.Notice
	Automatic string // "Automatic answer", "Bounce"; empty for people's words

	// What was written.
	Text    string
	Parts   []Part // instead of Text, where only some of it is signed
	Quoted  string // what they quoted of earlier messages, folded
	Unread  string // why it could not be opened; then there is no Text
	HTML    bool   // there is an HTML body to look at
	Framed  bool   // and it is shown now
	Foot    []Foot
	Files   []File
	HasMail bool // the raw mail can be downloaded

	// Outbound: where it is.
	Reasons []string // why the guard holds it
	Undo    *web.When
	Ways    []Way
}

// Part is a piece of a message, signed or not.
type Part struct {
	Signed bool
	Text   string
}

// Foot is a remark of ours under a message: links, images.
type Foot struct{ Icon, Text string }

// Way is how, and how far, a message went to one person.
type Way struct {
	ID         string // of the delivery
	Who        string
	Protection web.Protection
	State      string // waiting, sent, captured, deferred, bounced, held, undone, placed, notified, fetched, released, refused, recalled, expired
	At         web.When
	Detail     string // the other side's own words, or when the next try is
	Track      []Step // what happened on the portal, in order
	Recallable bool
	Codeable   bool // an access code can be read to them by telephone
	Phone      string
}

// Step is one thing that happened to an item on the portal; the states are those of Way.
type Step struct {
	State string
	At    web.When
}

// AccessCode is shown once, to be read out on the telephone.
type AccessCode struct {
	Code  string
	Who   string
	Phone string // whole: it must be called right now
	Until web.When
	Tries int
}
