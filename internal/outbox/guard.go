package outbox

import (
	"context"
	"time"

	"postern/internal/links"
)

// linksFor is how long a delivery waits for what is behind its links.
const linksFor = 20 * time.Second

// Links says what is wrong with the links of a text, as far as is known. The composer
// shows it; what blocks is refused by Send, and again when it leaves.
func (o *Outbox) Links(text string) []links.Finding { return o.links.Look(text) }

// AskLinks follows the links of a text that nobody followed lately, until ctx ends. Not
// in a transaction: it asks the hosts.
func (o *Outbox) AskLinks(ctx context.Context, text string) { o.links.Ask(ctx, text) }

// misleads is the link that keeps a letter from leaving, or nil. It is asked at every
// attempt, released or not: a page may have changed since the letter was written, and
// there is no way to send people where none may be sent. Whoever holds a letter back
// by a link in it must not be able to hold back the warnings of what they do: notices
// and receipts are the desk's own words, and leave.
func (o *Outbox) misleads(ctx context.Context, l *letter) *links.Finding {
	switch l.d.Kind {
	case Reply, Ack, Survey:
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, linksFor)
	defer cancel()
	return links.Blocked(o.links.Check(ctx, l.m.Doc.Subject+"\n"+l.m.Doc.Text))
}
