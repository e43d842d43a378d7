package public

import "postern/internal/web"

// EnterPage is "enter": the way into the customer's place. A passkey's script
// posts to /my/passkey/begin and /finish, the form to /my/sign-in, and its second
// button to /my/send-code.
type EnterPage struct {
	web.Public
	Address string // as typed
	Codes   bool   // codes let in too
	Texts   bool   // and can be sent to a telephone
	Asked   bool   // one was asked for; whether it went out is not said
}

// PlacePage is "place": what there is.
type PlacePage struct {
	web.Public
	Name     string
	Factor   string // in words: how they came in
	Waiting  int    // instructions that wait for their proof
	Unread   int    // messages
	Passkeys int
	Key      web.Fingerprint // verified; empty without one
	Lowered  int             // protections given up
}

// LettersPage is "my-messages".
type LettersPage struct {
	web.Public
	Rows []LetterRow
}

// LetterRow is a message in their place.
type LetterRow struct {
	ID, Ref string
	At      web.When
	New     bool
	Gone    string // recalled, expired
}

// LetterPage is "my-message".
type LetterPage struct {
	web.Public
	Path, Ref, Subject string
	Item               Letter
	Until              web.When
	Reply              string // as typed
}

// AuthorisedPage is "authorised": all instructions of one person.
type AuthorisedPage struct {
	web.Public
	Waiting []InstructionRow
	Others  []InstructionRow
	Types   []TypeChoice // what they may begin
}

// TypeChoice is a kind of instruction.
type TypeChoice struct{ ID, Title string }

// InstructionRow is one instruction in a list.
type InstructionRow struct {
	ID, Title, State string // State in words
	Open             bool
	At               web.When
}

// InstructionPage is "instruction": the text, the ways to prove it, and the way
// to stop it. Forms post to Path with a word behind it.
type InstructionPage struct {
	web.Public
	Path    string
	Title   string
	Lines   []TextLine
	Text    string // the canonical text, to be signed
	Approve string // the line that stands above it
	Ref     string
	Until   web.When
	Tries   int // left
	State   string
	Words   string // the state, in a sentence
	Why     string // it needs this proof
	Need    string // in words
	Passkey bool   // ways that count and that they have
	App     bool
	Call    bool
	Sign    bool
	Phone   string
	Missing string // nothing of theirs is strong enough: what to do
	Code    string // to be read out; shown once
	Proof   string // in words, once proved
	Proved  web.When
	Bind    string
	Result  string
	Mine    bool   // they proposed it and may cancel it
	Young   string // a way of theirs is too new, and from when it counts
	Called  bool   // a call was asked for, or people look at it already
	CanStop bool
}

// TextLine is one fact of the text.
type TextLine struct{ Name, Value, Letters string }

// WishPage is "wish": a form for one kind of instruction.
type WishPage struct {
	web.Public
	ID, Title string
	Fields    []WishField
}

// WishField is an input of it.
type WishField struct {
	Name, Label, Value, Hint, Error string
	Choices                         []string
	Key, Optional                   bool
	Type                            string // of the input
}

// MyKeysPage is "my-keys".
type MyKeysPage struct {
	web.Public
	Keys  []MyKey
	Typed string // a key that was refused
}

// MyKey is a key of theirs.
type MyKey struct {
	ID          string
	Fingerprint web.Fingerprint
	State       string // in words
	Use         bool
	Made        web.When
	Expires     web.When
	Revocable   bool
}

// AccessPage is "my-access": passkeys, app and sessions.
type AccessPage struct {
	web.Public
	Passkeys []MyPasskey
	App      bool
	AppSince web.When
	Setup    *AppSetup
	Codes    bool // an agreed code lets in
	Agree    bool // and may be chosen in this session
	Agreed   bool // there is one
	Since    web.When
	Sessions []MySession
	Add      bool   // may add: came in by more than the link or a code of their choice
	May      bool   // may remove: came in by the strongest way they have
	Why      string // why not
}

// MyPasskey is one.
type MyPasskey struct {
	ID, Name   string
	Made, Used web.When
}

// AppSetup waits for the first code.
type AppSetup struct{ Secret, Address string }

// MySession is where they are signed in.
type MySession struct {
	How  string
	Made web.When
	Here bool
}

// DataPage is "my-data".
type DataPage struct {
	web.Public
	Name      string
	Addresses []string
	Phones    []string
	Cases     []string // references
	Since     web.When
}

// Groups is the secret in groups of four, as it is typed.
func (a *AppSetup) Groups() (out []string) {
	for i := 0; i < len(a.Secret); i += 4 {
		out = append(out, a.Secret[i:min(i+4, len(a.Secret))])
	}
	return out
}

// AddressPage is "address": somebody reads a new mail address.
type AddressPage struct {
	web.Public
	Token string
	Done  bool
}

// StopPage is "stop": the button that a mailed link leads to.
type StopPage struct {
	web.Public
	Token string
	Done  bool
}
