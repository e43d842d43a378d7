package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Address is a mailbox: a name that proves nothing, and an addr-spec.
type Address struct{ Name, Addr string }

const (
	maxAddresses = 1000    // of one field
	maxFrom      = 8 << 10 // bytes of a From field
)

// token of the address grammar.
type token struct {
	kind byte // 'a' atom, 'q' quoted string, 'd' domain literal, 'c' comment, or the special itself
	text string
}

// tokens cuts an address field; ok is false where a quote, comment or literal
// does not end.
func tokens(s string) (out []token, ok bool) {
	ok = true
	for i := 0; i < len(s) && len(out) < 20*maxAddresses; {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			text, rest, closed := quoted(s[i:])
			ok = ok && closed
			out = append(out, token{'q', text})
			i = len(s) - len(rest)
		case '(':
			end := commentEnd(s, i)
			ok = ok && end > 0
			if end < 0 {
				end = len(s)
			}
			out = append(out, token{'c', strings.Trim(s[i:end], "()")})
			i = end
		case '[':
			n := strings.IndexByte(s[i:], ']')
			if n < 0 {
				return out, false
			}
			out = append(out, token{'d', s[i : i+n+1]})
			i += n + 1
		case '<', '>', ',', ';', ':', '@':
			out = append(out, token{c, s[i : i+1]})
			i++
		default:
			end := i + 1
			if strings.HasPrefix(s[i:], "=?") { // an encoded word may hold specials that are none
				if _, rest, good := cutWord(s[i:]); good {
					end = len(s) - len(rest)
				}
			}
			for end < len(s) && !strings.ContainsRune(" \t\r\n\"(<>[],;:@", rune(s[end])) {
				end++
			}
			out = append(out, token{'a', s[i:end]})
			i = end
		}
	}
	return out, ok
}

func commentEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// ParseAddresses reads an address list (RFC 5322, 3.4), groups included. ok is
// false if any of it could not be read; what could be is returned.
func ParseAddresses(s string) (list []Address, ok bool) {
	short := len(s) < maxValue // else it was cut
	toks, ok := tokens(s[:min(len(s), maxValue)])
	ok = ok && short
	var item []token
	group := false
	end := func() {
		if len(item) == 0 {
			return // an empty element is allowed (RFC 5322, 4.4)
		}
		a, good := mailbox(item)
		if good && len(list) < maxAddresses {
			list = append(list, a)
		}
		ok = ok && good
		item = nil
	}
	angle := false
	for _, t := range toks {
		switch {
		case t.kind == '<':
			ok = ok && !angle
			angle = true
			item = append(item, t)
		case t.kind == '>':
			angle = false
			item = append(item, t)
		case angle:
			item = append(item, t)
		case t.kind == ',':
			end()
		case t.kind == ':' && !group && phrase(item):
			group, item = true, nil
		case t.kind == ';' && group:
			end()
			group = false
		case t.kind == ';': // wrong, but Outlook writes it between addresses
			ok = false
			end()
		default:
			item = append(item, t)
		}
	}
	end()
	return list, ok && !angle
}

// phrase reports whether the tokens are words only: the name of a group.
func phrase(item []token) bool {
	words := 0
	for _, t := range item {
		if t.kind == 'a' || t.kind == 'q' {
			words++
		} else if t.kind != 'c' {
			return false
		}
	}
	return words > 0
}

// mailbox reads one address: "name <addr>", "<addr>" or "addr (name)".
func mailbox(item []token) (Address, bool) {
	open, shut := -1, -1
	comment := ""
	for i, t := range item {
		switch t.kind {
		case '<':
			if open >= 0 {
				return Address{}, false
			}
			open = i
		case '>':
			if shut >= 0 || open < 0 {
				return Address{}, false
			}
			shut = i
		case 'c':
			comment = t.text
		}
	}
	if open < 0 {
		addr, ok := addrSpec(item)
		return Address{displayName([]token{{'a', comment}}), addr}, ok
	}
	if shut < 0 {
		return Address{}, false
	}
	for _, t := range item[shut+1:] {
		if t.kind != 'c' {
			return Address{}, false
		}
	}
	inner := item[open+1 : shut]
	for i, t := range inner { // RFC 5322, 4.4: "<@a,@b:addr>", a route; it is dropped
		if t.kind == ':' && len(inner) > 0 && inner[0].kind == '@' {
			inner = inner[i+1:]
			break
		}
	}
	addr, ok := addrSpec(inner)
	name := displayName(item[:open])
	if name == "" {
		name = displayName([]token{{'a', comment}})
	}
	return Address{name, addr}, ok
}

// displayName joins the words of a name and decodes it.
func displayName(item []token) string {
	var words []string
	for _, t := range item {
		if t.kind != 'c' && t.text != "" {
			words = append(words, t.text)
		}
	}
	return cut(strings.Join(strings.Fields(DecodeWords(strings.Join(words, " "))), " "), 500)
}

// addrSpec reads local@domain (RFC 5322, 3.4.1). The domain comes back in lower
// case, the local part as written.
func addrSpec(item []token) (string, bool) {
	var local, domain strings.Builder
	at := 0
	for _, t := range item {
		part := &local
		if at > 0 {
			part = &domain
		}
		switch {
		case t.kind == 'c':
		case t.kind == '@':
			at++
		case t.kind == 'a', t.kind == 'd' && at == 1 && domain.Len() == 0:
			part.WriteString(t.text)
		case t.kind == 'q' && at == 0 && local.Len() == 0:
			part.WriteString(requote(t.text))
		default:
			return "", false
		}
	}
	if at != 1 || !validLocal(local.String()) || !validDomain(domain.String()) {
		return "", false
	}
	return local.String() + "@" + strings.ToLower(domain.String()), true
}

// requote gives a quoted local part its plain form where there is one: the
// two are the same address.
func requote(s string) string {
	if plainLocal(s) {
		return s
	}
	return `"` + escaper.Replace(s) + `"`
}

func validLocal(s string) bool {
	if s == "" || len(s) > 256 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 127 || isBidi(r) || masked(r) }) {
		return false
	}
	return s[0] == '"' || plainLocal(s)
}

func plainLocal(s string) bool {
	return s != "" && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..") &&
		!strings.HasPrefix(s, "=?") && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 127 || strings.ContainsRune("\"(),:;<>@[\\]", r) || r >= 0x80 && r < 0xa0 || r == utf8.RuneError
	})
}

// masked reports whether r is a letter that becomes another, an ASCII one, when
// the case is ignored: the Kelvin sign, the long s, the I with a dot. An address
// with it would pass for somebody else's wherever addresses are compared.
func masked(r rune) bool {
	if r < 0x80 {
		return false
	}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if f < 0x80 {
			return true
		}
	}
	return unicode.ToLower(r) < 0x80
}

func validDomain(s string) bool {
	if s == "" || len(s) > 255 || !utf8.ValidString(s) {
		return false
	}
	if s[0] == '[' {
		return len(s) > 2 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 127 })
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.ContainsFunc(label, func(r rune) bool {
			return r < 0x80 && !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') || r >= 0x80 && r < 0xa0 || isBidi(r) || masked(r)
		}) {
			return false
		}
	}
	return true
}

// From is the sender: the one mailbox of the one From field. Absent, doubled,
// with several mailboxes, unreadable or cut short it is nil: nobody can be named.
func (h *Header) From() *Address {
	if h.Count("From") != 1 || len(h.Get("From")) > maxFrom {
		return nil
	}
	list, ok := ParseAddresses(h.Get("From"))
	if !ok || len(list) != 1 {
		return nil
	}
	return &list[0]
}

// Addresses reads all fields of that name together.
func (h *Header) Addresses(name string) []Address {
	var out []Address
	for _, v := range h.All(name) {
		list, _ := ParseAddresses(v)
		if out = append(out, list...); len(out) > maxAddresses {
			return out[:maxAddresses]
		}
	}
	return out
}
