package desk

import "postern/internal/web"

// AccountPage is "account": one's own ways in.
type AccountPage struct {
	web.Staff
	Email    string
	Passkeys []Passkey
	Password bool // a password and a code are set up
	Setup    *TOTPSetup
	Codes    []string // recovery codes, just made, shown this once
	Left     int      // recovery codes not used yet
	Sessions []Session
}

// Passkey of a member of staff.
type Passkey struct {
	ID, Name   string
	Made, Used web.When
	Last       bool // the only way in; it cannot be removed
}

// TOTPSetup is the second step of setting a password: the secret for the code app.
type TOTPSetup struct {
	Secret  string   // in groups, for typing
	Address string   // otpauth:// address, for a link on the same device
	QR      []string // rows of "0" and "1"; may be empty
}

// Session is a browser that is signed in.
type Session struct {
	ID, Browser string
	Began, Seen web.When
	Until       web.When
	Me          bool
}

// SignInPage is "sign-in".
type SignInPage struct {
	Org    web.Org
	Errors web.Errors
	Email  string
	Next   string // where to go after
	Notice *web.Notice
}

// LinkPage is "link": a one-time link is used by a button, never by opening it.
type LinkPage struct {
	Org   web.Org
	Token string
	Name  string
	Roles string
	Until web.When
	First bool // they have no other way in yet
}

// SetupPage is "setup": the first page of a new desk.
type SetupPage struct {
	Errors         web.Errors
	Token          string
	OrgName        string
	Name           string
	Email          string
	Host           string
	SupportAddress string
}
