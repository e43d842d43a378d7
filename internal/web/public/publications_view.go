package public

import (
	"html/template"

	"postern/internal/advisory"
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

// AdvisoriesPage is "advisories".
type AdvisoriesPage struct {
	web.Public
	List []AdvisoryRow
}

// AdvisoryRow is an advisory in the list.
type AdvisoryRow struct {
	ID, Title, In string // In: language of the title
	Severity      string
	Published     web.When
	Changed       web.When // zero if it never was
}

// AdvisoryPage is "advisory": what was wrong and what was done, as plain text.
type AdvisoryPage struct {
	web.Public
	ID, CVE, Title, Wrong, Made string
	In                          string // language of the text
	Severity                    string
	Reported, Mended, Published web.When
	Thanks                      []string
	Products                    []advisory.Product
	References                  []advisory.Reference
	Revisions                   []RevisionRow
	File                        string // for programs; empty: there is none
}

// RevisionRow is a version that was published.
type RevisionRow struct {
	At      web.When
	Summary string
}

// FolderPage is "csaf-folder": what programs fetch, for people.
type FolderPage struct {
	web.Public
	Folder string // its path
	Names  []string
}
