package smtpd

import "strings"

// RFC 5321, 4.5.3.1
const (
	maxLocal  = 64
	maxDomain = 255
	maxPath   = 256
)

// cutFold cuts a prefix of any letter case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// visible reports whether s is ASCII without spaces and control characters.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// parsePath splits "<path> params" (RFC 5321, 4.1.2). The angle brackets are
// required: without them the end of an address is a guess. A source route is
// dropped, as appendix C asks. "" is the null path.
func parsePath(s string) (address, params string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), "<")
	if !ok {
		return "", "", false
	}
	end := closing(s)
	if end < 0 {
		return "", "", false
	}
	path, rest := s[:end], s[end+1:]
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return "", "", false
	}
	params = strings.Trim(rest, " \t")
	if path == "" {
		return "", params, true
	}
	if path[0] == '@' {
		_, after, found := strings.Cut(path, ":")
		if !found {
			return "", "", false
		}
		path = after
	}
	return path, params, validMailbox(path)
}

// closing finds the ">" that is not inside a quoted string.
func closing(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i
		}
	}
	return -1
}

// validMailbox checks local-part "@" domain, or "postmaster" alone.
func validMailbox(s string) bool {
	if strings.EqualFold(s, "postmaster") {
		return true
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > maxLocal || len(s) > maxPath {
		return false
	}
	return validLocal(s[:at]) && validDomain(s[at+1:])
}

func validLocal(s string) bool {
	if s[0] == '"' {
		return validQuoted(s)
	}
	for _, atom := range strings.Split(s, ".") {
		if atom == "" || !visible(atom) || strings.ContainsAny(atom, `()<>[]:;@\,"`) {
			return false
		}
	}
	return true
}

func validQuoted(s string) bool {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		c := s[i]
		if c == '\\' {
			if i++; i == len(s)-1 {
				return false // it escapes the closing quote
			}
			c = s[i]
		} else if c == '"' {
			return false
		}
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

func validDomain(s string) bool {
	if s == "" || len(s) > maxDomain {
		return false
	}
	if s[0] == '[' { // address literal
		return s[len(s)-1] == ']' && strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEFIPv:.") == ""
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}
