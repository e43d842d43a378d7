package consent

import (
	"fmt"
	"slices"
	"strings"

	"postern/internal/lang"
)

// Phrase is the line that gives a scope up by signed mail, in the wording's language.
func (w Wording) Phrase() string {
	if w.Lang == lang.German {
		return fmt.Sprintf("Ich verzichte auf: %s (Fassung %d)", w.Title, w.Version)
	}
	return fmt.Sprintf("I give up: %s (version %d)", strings.ToLower(w.Title), w.Version)
}

// FromMail finds what a mail gives up. It is strict: up to the line that begins
// a signature block ("-- ", RFC 3676, 4.3) every line is empty or a phrase of a
// wording, letter by letter, all of one version. A phrase that is quoted, led
// in, argued about or forwarded among other words gives nothing up. The version
// may be an old one; whoever calls decides whether it still counts.
func FromMail(text string) (scopes []Scope, version int64) {
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line == "-- " {
			break
		}
		if line = strings.TrimRight(line, " \t"); line == "" {
			continue
		}
		w := spoken(line)
		if w == nil || version != 0 && w.Version != version || slices.Contains(scopes, w.Scope) {
			return nil, 0
		}
		scopes, version = append(scopes, w.Scope), w.Version
	}
	return scopes, version
}

func spoken(line string) *Wording {
	for i := range shown {
		if shown[i].Phrase() == line {
			return &shown[i]
		}
	}
	return nil
}
