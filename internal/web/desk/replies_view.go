package desk

import (
	"postern/internal/centre"
	"postern/internal/web"
)

// RepliesPage is "replies": every canned reply by folder.
type RepliesPage struct {
	web.Staff
	Folders []ReplyFolder
	Retired []ReplyRow
}

// ReplyFolder holds replies; the one without a name comes first.
type ReplyFolder struct {
	Name string
	Rows []ReplyRow
}

// ReplyRow is a canned reply and what came of it.
type ReplyRow struct {
	ID, Name, Prefix string
	Langs            []string
	Auto             string // topic it is sent for by rule
	Version          int64
	Changed          web.When
	centre.Use
}

// ReplyPage is "reply-edit".
type ReplyPage struct {
	web.Staff
	ID                   string
	Version              int64
	Name, Folder, Prefix string
	Retired              bool
	Roles                []Option
	Texts                []ReplyText
	Places               []Option
	Auto, Topics         []Option
	Assign, Sensitive    bool
	Close                bool
	Versions             []ReplyVersion
	centre.Use
}

// ReplyText is the text in one language, and how it reads when it is filled in.
type ReplyText struct{ Lang, Name, Text, Preview, Error string }

// ReplyVersion is what it said once.
type ReplyVersion struct {
	N    int64
	At   web.When
	By   string
	Text string
}

// CannedFolder is what the composer offers.
type CannedFolder struct {
	Name  string
	Items []Option
}

// Canned answers the composer's script: {"name":…,"text":…,"open":[…],"macro":…}.
type Canned struct {
	Name  string   `json:"name"`
	Text  string   `json:"text"`
	Open  []string `json:"open"` // what is still to be filled in
	Macro string   `json:"macro"`
}
