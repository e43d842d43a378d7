package desk

import (
	"html/template"

	"postern/internal/web"
)

// PolicyPage is "security-policy": the text in force, to be changed, and what it was.
type PolicyPage struct {
	web.Staff
	Version  int64
	Texts    []PolicyText
	Places   []Option // On: a text without it is refused
	Versions []PolicyVersion
}

// PolicyText is the policy in one language, and how it reads.
type PolicyText struct {
	Lang, Name, Text, Note string
	Preview                template.HTML
	Wrong, WrongNote       string // with text and note
}

// PolicyVersion is what the policy was once.
type PolicyVersion struct {
	N        int64
	At       web.When
	By, Note string
	Texts    []Option // by language
}
