package outbox

import (
	"strings"
	"time"

	"postern/internal/consent"
	"postern/internal/lang"
)

// The letters about a choice, in the language of the wording that was read. They hold
// our own words alone, so they may go readable: what was chosen, which wording, when,
// and how to go back.

func (o *Outbox) givenText(l lang.Lang, given []*consent.New) (string, error) {
	say := l.Must
	clock := func(t time.Time) string { return t.UTC().Format("15:04") }
	lines := []string{say("mail.given.keep")}
	for _, n := range given {
		w, err := consent.Shown(n.Scope, n.Wording)
		if err != nil {
			return "", err
		}
		lines = append(lines, "", say("prot.gave", w.Title), w.Means+" "+w.Still, say("mail.given.when", l.Date(n.Given.UTC()), clock(n.Given), shown(l, n.Evidence)),
			say("mail.given.wording", n.Wording, n.Sum))
		if n.Starts.After(n.Given) {
			lines = append(lines, say("mail.given.from", l.Date(n.Starts.UTC()), clock(n.Starts)))
		}
		lines = append(lines, say("mail.given.until", l.Date(n.Expires.UTC())), say("mail.given.back", o.backURL(consent.Token(o.v, n.ID))))
	}
	return strings.Join(append(lines, "", say("mail.given.notyou")), "\n"), nil
}

// shown says what proved that it was them.
func shown(l lang.Lang, e consent.Evidence) string {
	if e.Channel == consent.Portal {
		return l.Must("mail.given.portal", l.Said(e.Factor))
	}
	return l.Must("mail.given.signed", group(e.Fingerprint))
}

func (o *Outbox) backText(w consent.Wording, how string) string {
	say := w.Lang.Must
	now := say("mail.back.now")
	if key := map[string]string{consent.ByPortal: "mail.back.portal", consent.ByLink: "mail.back.link", consent.Lapsed: "mail.back.lapsed"}[how]; key != "" {
		now = say(key) + " " + now
	}
	return strings.Join([]string{say("mail.back", w.Title), now, say("mail.back.again", o.words().BaseURL+"/my/protection")}, "\n\n")
}

func (o *Outbox) againText(w consent.Wording, c *consent.Consent) string {
	say := w.Lang.Must
	return strings.Join([]string{say("mail.year", w.Lang.Date(c.Given.UTC()), w.Title), say("mail.year.silent", w.Lang.Date(c.Expires.UTC())),
		say("mail.year.goon", o.words().BaseURL+"/my/protection"), say("mail.year.now", o.backURL(consent.Token(o.v, c.ID)))}, "\n\n")
}
