package recognise

import (
	"net/url"
	"strings"
)

// ownPlain finds a link over plain HTTP to a page of the organisation's own. Such a
// page is a finding, whatever the text around it says.
func ownPlain(text string, own []string) (why string, at Spot) {
	for from := 0; ; {
		n := indexFold(text[from:], "http://")
		if n < 0 {
			return "", Spot{}
		}
		from += n
		n, _ = linkAt(text[from:])
		if n == 0 { // the end of the text
			return "", Spot{}
		}
		if u, err := url.Parse(text[from : from+n]); err == nil && isOwn(strings.ToLower(u.Hostname()), own) {
			return "a page of our own over plain HTTP: " + u.Hostname(), Spot{from, from + n}
		}
		from += n
	}
}

func isOwn(host string, own []string) bool {
	for _, o := range own {
		if o = strings.ToLower(o); o != "" && (host == o || strings.HasSuffix(host, "."+o)) {
			return true
		}
	}
	return false
}

func indexFold(s, low string) int {
	for i := 0; i+len(low) <= len(s); i++ {
		if s[i]|0x20 == low[0] && strings.EqualFold(s[i:i+len(low)], low) {
			return i
		}
	}
	return -1
}
