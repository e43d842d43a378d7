package desk

import "postern/internal/web"

// Option is one line of a choice.
type Option struct {
	ID, Name string
	On       bool
}

// Fact is one line of evidence: what was looked at, and what was found.
type Fact struct {
	Name, Text  string
	Fingerprint web.Fingerprint
	URL         string // leads to the proof, such as an audit entry
}

// File is an attachment.
type File struct {
	Name   string
	Size   int
	Remark string // "scanned, nothing found"; may be empty
	URL    string // "" while it cannot be fetched
}

// Event is one line of a history.
type Event struct {
	At   web.When
	Text string
}

// Empty says why a list has nothing in it, and what would fill it.
type Empty struct{ Icon, Title, Text string }
