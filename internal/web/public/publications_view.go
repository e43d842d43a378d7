package public

import (
	"html/template"

	"postern/internal/web"
)

// PolicyPage is "policy": the security policy, the one in force or an old one.
type PolicyPage struct {
	web.Public
	Version int64
	Since   web.When
	Old     bool
	In      string // language of the text
	Body    template.HTML
}

// PolicyVersionsPage is "policy-versions".
type PolicyVersionsPage struct {
	web.Public
	Versions []PolicyVersion
}

// PolicyVersion is a version in the list of changes. Who of staff made it stands in
// the desk.
type PolicyVersion struct {
	N    int64
	At   web.When
	Note string
	In   string // language of the note
}

// ThanksPage is "thanks": who is named for what they reported.
type ThanksPage struct {
	web.Public
	Names []Thanked
}

// Thanked is somebody who said that they want to be named. What they wrote is text:
// an address in it leads nowhere by a click.
type Thanked struct {
	Name, Line string
	Since      web.When
}
