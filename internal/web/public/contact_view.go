package public

import (
	"postern/internal/centre"
	"postern/internal/web"
)

// TopicsPage is "contact": what it is about. The list ends with the two doors.
type TopicsPage struct {
	web.Public
	Topics []centre.Choice
	Draft  bool // they began one
}

// WritePage is "contact-message".
type WritePage struct {
	web.Public
	ID, Topic string
	Security  bool
	Text      string
	Files     []FormFile
}

// FormFile came with the form before.
type FormFile struct {
	N    int
	Name string
	Size int
}

// YouPage is "contact-you".
type YouPage struct {
	web.Public
	ID            string
	Name, Address string
	Nudge         bool // the answer waits on the page, and the address is only told so
	Security      bool
}

// CheckPage is "contact-check": what would be sent.
type CheckPage struct {
	web.Public
	ID, Topic           string
	Text, Name, Address string
	Nudge               string // address that is only told
	Articles            []Leaf // that may answer it already
	Task                string // that the browser works on meanwhile
	Wait                string // note that they were asked to wait; empty: they were not
	Files               []FormFile
	Security            bool
	Affected            string // what a security report is about
}

// DonePage is "contact-done": the reference, and the code while it is shown.
type DonePage struct {
	web.Public
	Ref, Code string
	Last      bool // the code is shown for the last time
	Security  bool
	Address   string // half of it
	Sent      web.When
}

// FindPage is "case-find".
type FindPage struct {
	web.Public
	Ref string
}

// CasePage is "case-page": one case, for who holds its receipt.
type CasePage struct {
	web.Public
	Ref, State string
	Role       string      // of who is at it: "agent", "triager", "admin"; empty: nobody yet
	Person     bool        // they asked for a person, and none has dealt with it
	Sent       bool        // something of theirs just came
	Due        web.When    // when the next word of ours is; zero: none is promised
	Report     *ReportFace // nil: it is no security report
	Survey     string      // token of the question whether it was solved; empty: it is not asked
	Thread     []Word
	Text       string
}

// Word is one message, as the receipt's owner may see it.
type Word struct {
	ID    string
	Ours  bool
	At    web.When
	Way   string // key of the words on how it went
	To    string // half of the address, where it went by mail
	Shown bool   // its text is shown here
	Text  string
	Files []WordFile
}

// WordFile is a file of a message; without a URL it is only named.
type WordFile struct {
	Name string
	Size int
	URL  string
}

// SurveyPage is "survey": one question about a case that was closed.
type SurveyPage struct {
	web.Public
	Token, Ref string
	Scores     []Score
	Comment    string
	Again      bool // it was answered before
	Done       bool
	Open       bool // what they said opened the case again
}

// Score is one answer to the question.
type Score struct {
	N     int
	Words string
}
