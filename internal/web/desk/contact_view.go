package desk

import "postern/internal/web"

// ContactsPage is "contacts".
type ContactsPage struct {
	web.Staff
	Query string
	Rows  []ContactRow
	Older string
}

// ContactRow is a person in a list.
type ContactRow struct {
	ID, Name, Address string
	Key               web.Trust // web.KeyChecked and the others
	Last              web.When  // word in any case; zero: there is none
	Open, Waiting     int       // cases
}

// ContactPage is "contact".
type ContactPage struct {
	web.Staff
	Card    ContactCard
	Code    *AccessCode
	Number  *ShownNumber
	MayCall bool         // this person may see a number, and give codes
	Propose string       // a case in which another number can be proposed; may be empty
	Draft   ContactDraft // what was typed, if the form came back
}

// ShownNumber is a whole number, shown on the answer to the request for it.
type ShownNumber struct{ Who, Number string }

// ContactDraft keeps the input of a form with an error.
type ContactDraft struct{ Name, Address, Phone, Key string }

// NewContactPage is "new-contact".
type NewContactPage struct {
	web.Staff
	ContactDraft
}

// ContactCard is a contact: in full on its page, in short beside a case.
type ContactCard struct {
	ID, Name  string
	Source    string // "wrote by mail, 3 May 2025"
	Trust     web.Trust
	Signs     string // "Signed the last 31 messages"
	Addresses []Address
	Phones    []Phone
	Keys      []Key
	Pending   *Key // a second key, which carries no authority yet
	Passkeys  int  // enrolled on the portal
	GivenUp   []GivenUp
	History   []Event
	Cases     []Row
}

// GivenUp is a protection that they gave up themselves.
type GivenUp struct {
	Title string
	Since web.When
	From  web.When // it counts only from then on; zero: it does
}

// Address of a contact; Shown is masked where the page is not about them.
type Address struct{ Shown, Source string }

// Phone of a contact; Shown is its end alone.
type Phone struct{ ID, Shown, Source string }

// Key of a contact.
type Key struct {
	ID          string
	Fingerprint web.Fingerprint
	Trust       string // seen, harvested, discovered, pinned, verified, rejected, expired, revoked
	Use         bool   // sensitive mail goes to this one
	Via, By     string // how and by whom it was compared
	At          web.When
	Source      string // "came with a mail of 3 May"
	Made        web.When
	Expires     web.When
	Emails      []string
	Comparable  bool
}
