package public

import (
	"postern/internal/centre"
	"postern/internal/web"
)

// HomePage is "home"; the same data serves "something-else" and "report".
type HomePage struct {
	web.Public
	Mailboxes []Mailbox
	Topics    []centre.Choice
	Articles  []Leaf
	Query     string // of the search box
}

// Mailbox is an address anybody may write to.
type Mailbox struct{ Address, Name string }

// KeysPage is "keys": our key, and how to check a mail with it.
type KeysPage struct {
	web.Public
	Keys []Key
}

// Key of ours.
type Key struct {
	Fingerprint web.Fingerprint
	Addresses   []string
	Made        web.When
	Expires     web.When
	Current     bool
	URL         string // to download it
	WKD         bool   // mail programs find it by the address
	Team        bool   // of those who triage; its secret part is not here
}

// CheckedPage is "check": is this from you?
type CheckedPage struct {
	web.Public
	Text   string
	Asked  bool
	Origin string // "ours", "changed", "foreign"
	How    string // "signature", "register", "text"
	Sent   web.When
	Key    web.Fingerprint
	To     string // half of the address it was sent to
	Filed  bool   // it is with our security people
	See    bool   // their reference can be looked at
}
