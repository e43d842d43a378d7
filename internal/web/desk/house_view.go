package desk

import "postern/internal/web"

// TrayPage is "tray": outgoing mails kept here because no relay is set.
type TrayPage struct {
	web.Staff
	Relay string // where mail goes from here, if a relay is set
	Rows  []TrayRow
	Older string
	Texts []TrayText // newest first
}

// TrayText is a captured text to a telephone.
type TrayText struct {
	To, Text string
	At       web.When
}

// TrayRow is one captured mail.
type TrayRow struct {
	ID, To, Subject string
	At              web.When
	Kind            string // "Answer", "Notice", "Receipt"
	Protection      web.Protection
	Size            int
}

// TrayMailPage is "tray-mail".
type TrayMailPage struct {
	web.Staff
	TrayRow
	Headers []Header
	Raw     string
	Cut     bool // Raw is only the beginning
}

// Header is a line of a mail's head, as it stands.
type Header struct{ Name, Value string }

// QuarantinePage is "quarantine": mails that were kept but could not be taken in.
type QuarantinePage struct {
	web.Staff
	Rows  []QuarantineRow
	Older string
}

// QuarantineRow is one kept mail.
type QuarantineRow struct {
	ID, From, To string
	At           web.When
	Reason       string
	Size         int
	Tries        int
}

// QuarantineMailPage is "quarantine-mail".
type QuarantineMailPage struct {
	web.Staff
	QuarantineRow
	Detail string // what the parser said
	Raw    string
	Cut    bool
}

// PeoplePage is "people".
type PeoplePage struct {
	web.Staff
	Rows   []Person
	Draft  struct{ Name, Email string }
	Roles  []Option     // of the invitation
	Invite *OneTimeLink // just made, shown this once
}

// Person works here.
type Person struct {
	ID, Name, Email string
	Roles           []Option
	Passkeys        int
	Password        bool // password and code are set up
	Last            web.When
	Disabled        bool
	Me              bool
}

// OneTimeLink signs somebody in once.
type OneTimeLink struct {
	URL, For string
	Until    web.When
}

// MailboxesPage is "mailboxes".
type MailboxesPage struct {
	web.Staff
	Rows  []Mailbox
	Draft Mailbox
}

// Mailbox is an address we take mail for.
type Mailbox struct {
	ID, Address, Name string
	Sensitive         bool // cases that come in here begin as sensitive
	Disabled          bool
}

// KeysPage is "keys": the house's own.
type KeysPage struct {
	web.Staff
	Keys []OwnKey
}

// OwnKey signs what we send and opens what is sealed to us.
type OwnKey struct {
	ID          string
	Fingerprint web.Fingerprint
	Users       []string
	Made        web.When
	Expires     web.When
	Current     bool
	Published   []Published
}

// Published is a place where the key can be found.
type Published struct {
	URL   string
	Found bool
}

// AuditPage is "audit".
type AuditPage struct {
	web.Staff
	Entries int // in the whole log
	Head    string
	Checked web.When
	Broken  string // what the first bad entry is; empty for an unbroken chain
	Who     string // filters, as typed
	What    string
	About   string
	Kinds   []Option
	Rows    []AuditRow
	Older   string
}

// AuditRow is one entry.
type AuditRow struct {
	N     int
	At    web.When
	Who   string
	What  string
	About string
	URL   string // of what it is about, if it can be looked at
}

// HealthPage is "health": the checks of the doctor.
type HealthPage struct {
	web.Staff
	Checked web.When
	Needs   int // checks that need somebody
	Figures []Figure
	Checks  []Check
	Version string // "Postern 0.1.0, SQLite, one node. 61 GB free of 80."
}

// Figure is a number worth a glance.
type Figure struct{ Name, Value, Note string }

// Check is one thing the doctor looked at.
type Check struct {
	State string // good, soon, bad, off
	Name  string
	Cause string
	Mend  string
	URL   string
	Link  string
}
