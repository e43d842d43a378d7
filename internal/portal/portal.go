// Package portal keeps items: content that waits on our own pages, behind a
// second factor, for a person it cannot be encrypted to.
//
// An item's content is sealed with a key of its own. Recalling or expiring it
// destroys that key, so nobody can read it afterwards, whatever they hold. Its
// life is recorded in moments that never stand for one another: placed,
// notified, link fetched (a scanner may have done that), refused (a wrong
// code), released (the factor passed and the content was shown), recalled.
//
// An access code goes by telephone to the number on file. It is eight digits,
// shown to the agent once, kept only as a keyed hash, good for ten minutes and
// one use, with five tries over all codes ever issued for the item.
package portal

import (
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/fail"
	"postern/internal/lang"
)

// ID names an item.
type ID string

// Limits of codes, items and sessions.
const (
	CodeLife        = 10 * time.Minute
	MaxTries        = 5
	ItemLife        = 30 * 24 * time.Hour
	SessionIdle     = 15 * time.Minute
	SessionAbsolute = 2 * time.Hour
)

// Factor is what opened an item.
type Factor string

const (
	AccessCode Factor = "access code"
	Passkey    Factor = "passkey"
	TextCode   Factor = "text code"   // a machine sent it to the number on file; restricted (NIST SP 800-63B-4, 3.2.9)
	Agreed     Factor = "agreed code" // they chose it: like a password, it is good anywhere and as long as it stays
	LinkOnly   Factor = "link only"   // none: they gave the second proof up (link.go)
)

// ByText stands for a member of staff in what a TextCode opened or bound: it was
// their number's, as little theirs alone as a code that somebody read out.
const ByText = "text"

// Proves reports whether the factor shows more than that somebody has the link.
func (f Factor) Proves() bool {
	return f == AccessCode || f == Passkey || f == CodeApp || f == TextCode || f == Agreed
}

// Decides reports whether the factor is enough to change how somebody is
// protected or proves who they are, or to stand beside a call-back. What can be
// written down and used again and again reads, and decides nothing.
func (f Factor) Decides() bool { return f.Proves() && f != Agreed }

// An Item waits for one contact.
type Item struct {
	ID        ID
	Case      cases.ID
	Message   cases.MessageID
	Contact   contacts.ID
	Delivery  string
	KeyID     string
	Placed    time.Time
	Notified  time.Time // the notice was accepted by the relay
	Fetched   time.Time // the link was first fetched; this is not viewing
	Fetches   int64
	Released  time.Time // first shown, after the factor
	Factor    Factor
	Refused   time.Time // last wrong or stale proof
	Tries     int64
	Recalled  time.Time
	Expires   time.Time
	sealedDoc []byte
}

// Gone says why the item cannot be opened any more, or nil.
func (i *Item) Gone(now time.Time) error {
	switch {
	case !i.Recalled.IsZero():
		return fail.New(fail.NotFound, "this message was withdrawn by the sender")
	case !now.Before(i.Expires):
		return fail.New(fail.NotFound, "this message is no longer kept here")
	}
	return nil
}

// Locked reports whether too many wrong codes were tried.
func (i *Item) Locked() bool { return i.Tries >= MaxTries }

// Recall withdraws the item. Once it was shown there is nothing to recall.
func (i *Item) Recall(now time.Time) error {
	if !i.Released.IsZero() {
		return fail.New(fail.Conflict, "it was opened on %s and cannot be recalled", i.Released.Format("2 January 2006, 15:04 MST"))
	}
	if err := i.Gone(now); err != nil {
		return fail.New(fail.Conflict, "%s", fail.Text(err))
	}
	i.Recalled = now
	return nil
}

// Content is what an item holds.
type Content struct {
	Subject     string             `json:"subject"`
	Text        string             `json:"text"`
	From        string             `json:"from"`
	Attachments []cases.Attachment `json:"attachments,omitempty"`
	Written     time.Time          `json:"written"`
}

// A Session lets one contact read one item and its case.
type Session struct {
	Hash    string
	Contact contacts.ID
	Item    ID
	Factor  Factor
	By      string // staff who read out the code that opened it, if one did; ByText
	Made    time.Time
	Seen    time.Time

	Lang lang.Lang // of the pages they look at; a door sets it, nothing stores it
}

func (s *Session) live(now time.Time) bool {
	return now.Sub(s.Seen) < SessionIdle && now.Sub(s.Made) < SessionAbsolute
}
