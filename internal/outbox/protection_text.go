package outbox

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/consent"
)

// The letters about a choice. They hold our own words alone, so they may go
// readable: what was chosen, which wording, when, and how to go back.

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

func (o *Outbox) givenText(given []*consent.New) (string, error) {
	var b strings.Builder
	b.WriteString("This is your receipt. Keep it.\n")
	for _, n := range given {
		w, err := consent.Shown(n.Scope, n.Wording)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\nYou gave up: %s.\n%s %s\n", w.Title, w.Means, w.Still)
		fmt.Fprintf(&b, "When: %s, %s UTC. How: %s.\n", date(n.Given), n.Given.UTC().Format("15:04"), shown(n.Evidence))
		fmt.Fprintf(&b, "The wording you read: version %d, SHA-256 %s\n", n.Wording, n.Sum)
		if n.Starts.After(n.Given) {
			fmt.Fprintf(&b, "It counts from %s, %s UTC: the code came by telephone, so you have a day to say that it was not you.\n", date(n.Starts), n.Starts.UTC().Format("15:04"))
		}
		fmt.Fprintf(&b, "It counts until %s. A month before we ask you again; if you do not answer, the protection comes back.\n", date(n.Expires))
		fmt.Fprintf(&b, "To be protected again at any time, press the one button here: %s\n", o.backURL(consent.Token(o.v, n.ID)))
	}
	b.WriteString("\nIf this was not you, press that button, and reply to this mail.")
	return b.String(), nil
}

// shown says what proved that it was them.
func shown(e consent.Evidence) string {
	if e.Channel == consent.Portal {
		return "on our secure page, proved by " + e.Factor
	}
	return "by a mail signed with your key " + group(e.Fingerprint)
}

func (o *Outbox) backText(s consent.Scope, how string) (string, error) {
	w, err := consent.Current(s)
	if err != nil {
		return "", err
	}
	why := map[string]string{consent.ByPortal: "You took your choice back on our secure page.", consent.ByLink: "You, or somebody who has a mail of ours to you, pressed its button for that.",
		consent.Lapsed: "Your choice was a year old, and we had no answer whether you still want it."}[how]
	return fmt.Sprintf("This protection is back: %s.\n\n%s From now on everything goes as it would have without your choice. You need do nothing.\n\nIf you want to choose again: %s/my/protection",
		w.Title, why, o.words().BaseURL), nil
}

func (o *Outbox) againText(c *consent.Consent) (string, error) {
	w, err := consent.Current(c.Scope)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`On %s you gave up: %s. We ask once a year whether you still want that.

If you do nothing, the protection comes back on %s.

If you want to go on without it, read what can happen and choose again: %s/my/protection

To be protected again at once, press the one button here: %s`,
		date(c.Given), w.Title, date(c.Expires), o.words().BaseURL, o.backURL(consent.Token(o.v, c.ID))), nil
}
