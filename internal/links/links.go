// Package links finds links in what leaves the desk, and says which must not leave.
package links

import (
	"regexp"
	"strings"
)

// plain is the beginning of a link over plain HTTP, as a mail program would find it:
// also where the letters are cut in two by what nobody sees.
var plain = regexp.MustCompile(`(?i)\bhttp://[^\s<>"']+`)

// unseen are characters that a mail program drops inside an address.
var unseen = strings.NewReplacer("\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "")

// InClear returns the first link in the text that leads over plain HTTP; "" if there is
// none. What is quoted of theirs, behind ">", is theirs.
func InClear(text string) string {
	for line := range strings.Lines(unseen.Replace(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), ">") {
			continue
		}
		if found := plain.FindString(line); found != "" {
			return strings.TrimRight(found, ".,;:!?)]}")
		}
	}
	return ""
}
