package smtpd

import (
	"bytes"
	"strings"
)

// checkHeader is the light look at the door: exactly one From field with
// exactly one mailbox, and no mail loop. It returns what to tell the sender,
// "" when all is well. The thorough parse is made later, by others, on the same
// bytes; so this one only refuses what is surely wrong.
func checkHeader(raw []byte) string {
	var from []byte
	froms, hops := 0, 0
	for len(raw) > 0 {
		var field []byte
		if field, raw = nextField(raw); len(field) == 0 {
			break
		}
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok {
			continue // junk; it hides nothing, the fields behind it count
		}
		switch name = bytes.TrimRight(name, " \t"); {
		case bytes.EqualFold(name, []byte("From")):
			froms++
			from = value
		case bytes.EqualFold(name, []byte("Received")):
			hops++
		}
	}
	switch {
	case froms == 0:
		return "The message has no From field; add one with your address"
	case froms > 1:
		return "The message has more than one From field; send it with one" // RFC 5322, 3.6
	case hops > 100:
		return "The message goes in a circle: more than 100 Received fields" // RFC 5321, 6.3
	}
	switch mailboxes(from) {
	case 0:
		return "The From field has no address; write one"
	case 1:
		return ""
	default:
		return "The From field names more than one sender; send it with one"
	}
}

// nextField cuts one header field with its continuation lines. An empty field
// is the empty line that ends the header.
func nextField(raw []byte) (field, rest []byte) {
	end := 0
	for {
		i := bytes.IndexByte(raw[end:], '\n')
		if i < 0 {
			return bytes.TrimRight(raw, "\r\n"), nil
		}
		line := bytes.TrimRight(raw[end:end+i], "\r")
		if end == 0 && len(line) == 0 {
			return nil, raw[i+1:]
		}
		end += i + 1
		if end == len(raw) || raw[end] != ' ' && raw[end] != '\t' {
			return bytes.TrimRight(raw[:end], "\r\n"), raw[end:]
		}
	}
}

// mailboxes counts the addresses of a From value: 0, 1 or 2 for more. Quoted
// strings and comments may hold anything (RFC 5322, 3.2.2 and 3.2.4). Their
// inside, an open one's included, is not looked at.
func mailboxes(value []byte) int {
	bare := bareText(value)
	count := 0
	for _, part := range strings.FieldsFunc(bare, func(r rune) bool { return r == ',' || r == ';' }) {
		if strings.Contains(part, "@") {
			count += max(1, strings.Count(part, "<"))
		}
	}
	return min(count, 2)
}

// bareText drops quoted strings and comments; a quoted local part leaves a mark.
func bareText(value []byte) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
			b.WriteByte('q')
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}
