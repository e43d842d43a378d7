package public

import "postern/internal/web"

// The pages of a customer's own protection. Giving something up needs their
// session, a tick and a button; going back needs one button.

// ProtectionPage is "protection": what is on, and what each kind is for. A scope
// that was given up has a form that posts to /my/protection/{ID}/back.
type ProtectionPage struct {
	web.Public
	Scopes []Scope
	Mails  []string // addresses that receipts go to, half masked
}

// Scope is one kind of protection, with the wording that is shown today.
type Scope struct {
	ID    string
	Title string
	Means string
	Lines []string
	Away  bool // they gave it up
	Since web.When
	From  web.When // it counts only from then on; zero: it does
	Until web.When
	How   string // it was given up
}

// GiveUpPage is "give-up": the disclaimer of one scope. Its form posts to
// /my/protection/{ID} with version, agree, and do=give or do=keep.
type GiveUpPage struct {
	web.Public
	Scope
	Still   string
	Version int64
	Today   web.When
	Ends    web.When
	Waits   bool   // it would count a day later: one of us read out the code they came in with
	Why     string // it cannot be given up in this session; empty: it can
	Phrase  string // the line that does the same in a signed mail
	Mail    string // the address for that
}

// ReceiptPage is "protection-receipt": a choice was recorded.
type ReceiptPage struct {
	web.Public
	Scope
	Version int64
	Sum     string
	Mails   []string
}

// BackPage is "protection-back": where the link in a mail leads. Its form posts
// to the page's own address. Done: the protection is back by this very button.
type BackPage struct {
	web.Public
	Scope
	Link string
	Done bool
}
