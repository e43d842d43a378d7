package public

import (
	"postern/internal/lang"
	"postern/internal/web"
)

// The pages of one item. Link is its address, "/m/…"; forms post to it with a
// word behind it: /m/…/code, /reply, /person, /sign-out, and for the passkey's
// script /passkey/begin and /passkey/finish (proving), /enrol/begin and
// /enrol/finish (adding one).

// OpenPage is "open": a link was followed, nothing has happened. Its button
// posts to Link, so that a scanner which follows links opens nothing.
type OpenPage struct {
	web.Public
	Link   string
	Ref    string
	To     string // half masked
	Phone  string // "•• 42"; empty without a number on file
	Until  web.When
	Passed bool // a passkey is enrolled
	Alone  bool // the button opens it, as they chose
}

// ProvePage is "prove": the second factor. The code is posted to Link/code.
type ProvePage struct {
	web.Public
	Link    string
	Ref     string
	Passkey bool
	Phone   string
	Issued  bool // a code was given and is still good
	Tries   int  // left
	Locked  bool // no tries left
}

// MessagePage is "message": the content, after the second factor.
type MessagePage struct {
	web.Public
	Link    string
	Ref     string
	Subject string
	Until   web.When
	Opened  web.When
	Factor  string // "access code", "passkey" or "link only"
	Item    Letter
	Earlier []Letter // without the item, newest first
	Agent   string
	Reply   string // what was typed, if the form came back
	Enrol   bool   // offer to add a passkey
	Asked   bool   // a person was asked for
}

// Letter is one message of the case as the customer sees it.
type Letter struct {
	Lang  lang.Lang // of the page around it
	ID    string
	From  string
	Mine  bool // the customer wrote it
	At    web.When
	Text  string
	Files []File
}

// Say is the page's word under a key of the catalogue.
func (l Letter) Say(key string) (string, error) { return l.Lang.Say(key) }

// File waits with a letter.
type File struct {
	Name   string
	Size   int
	Remark string
	URL    string
}

// SentPage is "sent": the reply is in.
type SentPage struct {
	web.Public
	Link   string
	Ref    string
	At     web.When
	Person bool // they asked for a person
	Place  bool // written in their place, not behind one message's link
}

// GonePage is "gone".
type GonePage struct {
	web.Public
	Ref string // empty where even that is not known to be theirs
	Why string // recalled, expired, unknown
	At  web.When
}

// SignedOutPage is "signed-out".
type SignedOutPage struct{ web.Public }

// PersonPage is "person": the way out of every answer.
type PersonPage struct {
	web.Public
	Token string
	Ref   string // once it was asked for
}
