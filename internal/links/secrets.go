package links

import (
	"net/url"
	"regexp"
	"strings"
)

// secretNames are parameters that open something for whoever holds their value.
var secretNames = set(`token access_token id_token refresh_token auth authorization apikey api_key key secret client_secret password passwd pwd pass
	pin otp code session sessionid session_id sid jsessionid phpsessid reset reset_token resettoken magic ticket jwt sig signature x-amz-signature`)

const longEnough = 6 // "code=DE" opens nothing

var (
	// inURL is a mail address with its @ as it is, or encoded.
	inURL = regexp.MustCompile(`(?i)[a-z0-9._+-]+(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)+`)
	token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.`) // RFC 7519, 3.1: a signed token
)

// secrets sees what a link must not hold: whoever the reader passes it on to, every
// server in its way and every log has it too. The pages of this desk are not looked
// at: their links are made to be sent, and open nothing by themselves.
func (j *Judge) secrets(c *clauses, u *url.URL) {
	if what := secretIn(u); what != "" {
		c.say(Warn, 23, Secret, "holds "+what+", which everybody has who sees the link", "leave that out; let people sign in or ask for a new one")
	}
}

func secretIn(u *url.URL) string {
	rest := u.EscapedPath() + "?" + u.RawQuery + "#" + u.EscapedFragment()
	if strings.ContainsAny(rest, "@%") && inURL.MatchString(rest) {
		return "a mail address"
	}
	if strings.Contains(rest, "eyJ") && token.MatchString(rest) {
		return "a token"
	}
	for _, part := range []string{u.RawQuery, u.EscapedFragment()} {
		for pair := range strings.SplitSeq(strings.ReplaceAll(part, ";", "&"), "&") {
			name, value, _ := strings.Cut(pair, "=")
			if len(value) >= longEnough && secretNames[strings.ToLower(strings.TrimPrefix(name, "?"))] {
				return "a secret (" + strings.ToLower(name) + ")"
			}
		}
	}
	return ""
}
