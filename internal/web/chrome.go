package web

import "postern/internal/lang"

// Org is the house behind the desk, as its letterhead shows it.
type Org struct {
	Name         string
	Host         string // of the public pages
	Mail         string // where anybody can write
	SecurityMail string
	Phone        string
	Hours        string // "weekdays 8:00 to 18:00"
	Address      string
	Promise      string // when a person answers: "within one working day"
	Key          Fingerprint
}

// Public is the base of every page for customers.
type Public struct {
	Org Org
	Clock
	Errors Errors
	Langs  []lang.Lang // languages this page comes in too
}

// Say returns the page's words under a key of the catalogue.
func (p Public) Say(key string, in ...any) (string, error) { return p.Lang.Say(key, in...) }

// Count says a number of things: the words are under the key with .none, .one or .many
// behind it.
func (p Public) Count(key string, n int) (string, error) {
	switch n {
	case 0:
		return p.Say(key + ".none")
	case 1:
		return p.Say(key + ".one")
	}
	return p.Say(key+".many", n)
}

// Foreign reports whether the page speaks another language than the texts that are
// kept as they were written, in English.
func (p Public) Foreign() bool { return p.Lang != lang.English && p.Lang != "" }

// Promised is when a person answers, in words of the page's language.
func (p Public) Promised() string {
	if p.Org.Promise == "" || p.Org.Promise == "within one working day" { // what the settings begin with
		return p.Lang.Must("promise")
	}
	return p.Org.Promise
}

// Staff is the base of every page of the desk.
type Staff struct {
	Org Org
	Clock
	Me     Me
	At     string // current entry of the rail: inbox, contacts, tray, quarantine, people, mailboxes, topics, replies, articles, policy, figures, keys, audit, health, account
	Counts Counts
	Views  []View // shown on the inbox and the case
	Done   *Notice
	Errors Errors
}

// Place is At, for templates: a page may have another At of its own.
func (s Staff) Place() string { return s.At }

// Me is who is signed in.
type Me struct {
	Name  string
	Roles string // in words: "Agent", "Agent and admin"
	Cases bool   // sees inbox and authorisations
	Work  bool   // sees contacts, tray and quarantine
	Write bool   // sees canned replies, articles and the security policy
	Sums  bool   // sees the figures
	Guard bool   // sees the security desk
	Admin bool   // sees people, mailboxes, topics, keys, audit log and health
}

// Counts stand beside the entries of the rail; zero shows nothing.
type Counts struct{ Unread, Tray, Quarantine, Health, Flagged int }

// View is a list of cases in the rail.
type View struct {
	ID    string // open, mine, unassigned, waiting, held, closed
	Count int
	On    bool
}

// Notice is a remark of ours: what happened, and what to do about it.
type Notice struct {
	Class string // "", good, warn, stop
	Icon  string
	Title string
	Text  string
	URL   string // where Link leads
	Link  string
}

// Errors is what is wrong with a form, in the order of its fields.
type Errors []FieldError

// FieldError is said twice in the same words: in the summary and at the field.
type FieldError struct{ Field, Text string }

// Of is what is wrong with one field.
func (e Errors) Of(field string) string {
	for _, f := range e {
		if f.Field == field {
			return f.Text
		}
	}
	return ""
}
