package desk

import "postern/internal/web"

// Composer writes to people or, as Note, to colleagues. Its form posts to
// /desk/cases/{ID}/send with: text, to (contact ids, one each), sensitive,
// confirm (ids of findings), files, shown (the protection class the button
// named), and do=send. With do=save, find, add:ID, remove:ID or drop:N it posts
// to /desk/cases/{ID}/draft, which keeps the draft and shows the case again.
type Composer struct {
	Case      string
	Note      bool
	Phone     bool // the note is what they said on the telephone
	Text      string
	Saved     web.When
	Sensitive bool   // ticked
	Fixed     string // why the tick cannot be taken off here; empty if it can
	Files     []File
	Find      string
	Found     []Candidate // what Find found
	Searched  bool
	Closed    bool // the case is closed; an answer opens it again
	UndoFor   int  // seconds
	Canned    []CannedFolder
	CannedOff string   // why none may be put in; empty: they may
	Macro     string   // canned reply whose changes are made with sending
	Changes   []string // what these are
	Preview
}

// Candidate is a contact that can be added.
type Candidate struct{ ID, Name, Detail string }

// Preview is how the message would go if it were sent now. The composer's
// script asks for it as JSON at /desk/cases/{ID}/preview; the page has the same
// in its template.
type Preview struct {
	To       []Recipient `json:"to"`
	Findings []Finding   `json:"findings"`
	Send     web.Send    `json:"send"`
	Shown    string      `json:"shown"` // protection class of the button
	Todo     string      `json:"todo"`  // what to settle first; empty when nothing is
}

// Recipient is a contact, not an address.
type Recipient struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Detail     string         `json:"detail"` // "Customer, on this case"
	Protection web.Protection `json:"protection"`
	Why        string         `json:"why"`
}

// Finding is what the guard sees in the message.
type Finding struct {
	ID      string `json:"id"`
	Class   string `json:"class"` // warn: a tick is enough; stop: it has to be mended
	Icon    string `json:"icon"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Confirm string `json:"confirm"` // label of the tick; empty for none
	Ticked  bool   `json:"ticked"`
}

// Saved answers the autosave: {"saved":"8:19"}.
type Saved struct {
	Saved string `json:"saved"`
}
