// Package texts sends short texts to telephones, by a provider: codes with which
// customers come into their place.
//
// A text begins as somebody's wish: an address was typed on the page, and nobody
// says there whether we know it. Wish and text are one row, sealed with the desk's
// key; what is not needed any more is emptied out of it. A row is asked, then
// waiting with number and text, then sent or failed; or it is dropped, because
// there is nobody to send to or a limit is reached. Jobs name the row and hold
// nothing else.
package texts

import (
	"context"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// ID names a text.
type ID string

// State is where a text stands.
type State string

const (
	Asked   State = "asked"   // an address was typed
	Waiting State = "waiting" // number and text are there, and go out
	Sent    State = "sent"
	Failed  State = "failed"  // the provider did not take it in time
	Dropped State = "dropped" // nobody to send to, or a limit
)

// Limits. They bound what others can cost somebody in disturbed nights, and us in
// money. Life is how long a wish is worth anything: who asked has gone by then.
const (
	PerHour    = 3
	PerDay     = 6
	PerNetwork = 20 // an hour, whatever the addresses
	Life       = 10 * time.Minute
)

// A Sender brings a text to a telephone number. It has two implementations, a
// provider's webhook and the tray.
type Sender interface {
	Send(ctx context.Context, number, text string) error
}

// none is the sender of a desk without one.
type none struct{}

func (none) Send(context.Context, string, string) error {
	return fail.New(fail.Denied, "no provider for text messages is set (texts.url)")
}

// Texts keeps and sends texts.
type Texts struct {
	d      *db.DB
	v      *vault.Vault
	sender Sender
}

// New returns the texts of a desk; a nil sender is none, which refuses.
func New(d *db.DB, v *vault.Vault, sender Sender) *Texts {
	if sender == nil {
		sender = none{}
	}
	return &Texts{d, v, sender}
}

// On reports whether texts can be sent at all.
func (t *Texts) On() bool { return t.sender != none{} }

// A Text is one row.
type Text struct {
	ID       ID
	Contact  contacts.ID // once it is known
	State    State
	Attempts int64
	Reason   string
	Asked    time.Time
	Doc
	sealed []byte
}

// Doc is what is sealed.
type Doc struct {
	Address string `json:"address,omitempty"` // as it was typed
	Number  string `json:"number,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Late reports whether it is too late for the text to be of use.
func (t *Text) Late(now time.Time) bool { return now.Sub(t.Asked) >= Life }
