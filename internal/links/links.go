// Package links finds links in what leaves the desk, and says which must not leave.
package links

import (
	"regexp"
	"strings"
)

// plain is a link over plain HTTP, as a mail program would find one: it also opens over
// HTTP what begins with www.
var plain = regexp.MustCompile(`(?i)http://[^\s<>"']+|(?:^|[\s(<\["'>|])(www\.[^\s<>"']+)`)

// unseen are characters that a mail program drops inside an address.
var unseen = strings.NewReplacer("\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "")

// InClear returns the first link in the text that leads over plain HTTP; "" if there is
// none. What is quoted counts too: it leaves with our signature.
func InClear(text string) string {
	text = unseen.Replace(text)
	if low := strings.ToLower(text); !strings.Contains(low, "http://") && !strings.Contains(low, "www.") {
		return "" // nearly all of them; the expression below is slow
	}
	m := plain.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	found := m[1]
	if found == "" {
		found = m[0]
	}
	return strings.TrimRight(found, ".,;:!?)]}")
}
