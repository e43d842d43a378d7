package message

import (
	"slices"
	"strconv"
	"strings"
)

const (
	maxBoundary = 200 // RFC 2046, 5.1.1 says 70; some go beyond
	maxParams   = 50
)

// describe fills what the header of a part says about its body.
func (w *walker) describe(p *Part) {
	p.Type = "text/plain" // RFC 2045, 5.2
	if n := p.Header.Count("Content-Type"); n > 0 {
		if n > 1 {
			w.note(DuplicateType)
		}
		value, params, ok := w.structured(p.Header.Get("Content-Type"))
		if !ok || !strings.Contains(value, "/") {
			w.note(BadType)
		}
		if strings.Contains(value, "/") {
			p.Type = value
		} else if value != "" && value != "text" {
			p.Type = "application/octet-stream" // unknown: nothing to be shown
		}
		p.Params = params
	}
	if p.Header.Count("Content-Transfer-Encoding") > 1 || p.Header.Count("Content-Disposition") > 1 {
		w.note(DuplicateType)
	}
	p.encoding = strings.ToLower(strings.TrimSpace(stripComments(p.Header.Get("Content-Transfer-Encoding"))))
	name := ""
	if v := p.Header.Get("Content-Disposition"); v != "" {
		value, params, _ := w.structured(v)
		p.Disposition = "attachment" // RFC 2183, 2.8: unknown ones are attachments
		if value == "inline" {
			p.Disposition = value
		}
		name = params["filename"]
	}
	if name == "" {
		name = p.Params["name"]
	}
	p.Name = fileName(name)
	if len(p.Params["boundary"]) > maxBoundary || strings.ContainsAny(p.Params["boundary"], "\r\n\x00") {
		w.note(BadType)
		delete(p.Params, "boundary")
	}
}

// structured splits "value; name=value; ..." (RFC 2045, 5.1). It takes what it
// can read and says whether that was all of it.
func (w *walker) structured(s string) (value string, params map[string]string, ok bool) {
	value, rest, _ := strings.Cut(stripComments(s), ";")
	value = strings.ToLower(strings.TrimSpace(value))
	ok = value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 127 || strings.ContainsRune(`"(),:;<=>?@[\]`, r) })
	raw := map[string]string{}
	for rest != "" && len(raw) < maxParams {
		var name, val string
		var good bool
		if name, val, rest, good = nextParam(rest); !good {
			ok = false
			continue
		}
		if name == "" {
			continue
		}
		if _, twice := raw[name]; twice {
			w.note(DuplicateParam)
			continue // the first one counts
		}
		raw[name] = val
	}
	return value, joinParams(raw), ok
}

// nextParam cuts one parameter; good is false where something unreadable stood.
func nextParam(s string) (name, value, rest string, good bool) {
	s = strings.TrimLeft(s, " \t;")
	if s == "" {
		return "", "", "", true
	}
	i := strings.IndexAny(s, "=;")
	if i < 0 || s[i] == ';' {
		if i < 0 {
			i = len(s)
		}
		return "", "", s[i:], false
	}
	name = strings.ToLower(strings.TrimSpace(s[:i]))
	s = strings.TrimLeft(s[i+1:], " \t")
	if strings.HasPrefix(s, `"`) {
		value, rest, good = quoted(s)
		junk, after, _ := strings.Cut(rest, ";")
		return name, value, after, good && strings.TrimSpace(junk) == ""
	}
	value, rest, _ = strings.Cut(s, ";")
	value = strings.TrimSpace(value)
	return name, value, rest, name != "" && value != ""
}

// quoted reads the quoted string that s begins with (RFC 5322, 3.2.4).
func quoted(s string) (value, rest string, closed bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", false
}

// stripComments removes "(...)" outside quoted strings (RFC 5322, 3.2.2).
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth, inQuote := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			if depth == 0 {
				b.WriteString(s[i : i+2])
			}
			i++
		case depth == 0 && c == '"':
			inQuote = !inQuote
			b.WriteByte(c)
		case !inQuote && c == '(':
			depth++
		case !inQuote && c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// piece of a parameter that came in several, or encoded.
type piece struct {
	n       int
	encoded bool
	value   string
}

// joinParams puts continued and encoded parameters together (RFC 2231, 3 and 4).
func joinParams(raw map[string]string) map[string]string {
	out := map[string]string{}
	pieces := map[string][]piece{}
	for name, v := range raw {
		base, rest, found := strings.Cut(name, "*")
		switch {
		case !found:
			out[name] = v
		case rest == "":
			pieces[base] = append(pieces[base], piece{0, true, v})
		default:
			n, err := strconv.Atoi(strings.TrimSuffix(rest, "*"))
			if err == nil && n >= 0 && n < maxParams {
				pieces[base] = append(pieces[base], piece{n, strings.HasSuffix(rest, "*"), v})
			}
		}
	}
	for base, list := range pieces {
		slices.SortFunc(list, func(a, b piece) int { return a.n - b.n })
		if text, ok := joinPieces(list); ok {
			out[base] = text // the encoded form wins over the plain one, RFC 6266, 4.3
		}
	}
	return out
}

func joinPieces(list []piece) (string, bool) {
	charset := ""
	var data []byte
	for i, p := range list {
		if p.n != i {
			break // a piece is missing: what follows has no place
		}
		v := p.value
		if i == 0 && p.encoded {
			if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
				charset, v = parts[0], parts[2]
			}
		}
		if p.encoded {
			v = unpercent(v)
		}
		data = append(data, v...)
	}
	if data == nil {
		return "", false
	}
	return decodeCharset(charset, data)
}

func unpercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
