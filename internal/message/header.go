package message

import (
	"bytes"
	"strings"
)

// A Field is one header field as it stands in the mail.
type Field struct {
	Name  string // as written
	Value string // unfolded, not decoded, without blanks around it
}

// A Header is the header of a mail or part, in its order.
type Header struct {
	Fields []Field
	over   map[string]int // fields beyond the cap, lower-case name to count
}

// Get returns the first value of the field, not decoded; "" without one.
func (h *Header) Get(name string) string {
	for i := range h.Fields {
		if strings.EqualFold(h.Fields[i].Name, name) {
			return h.Fields[i].Value
		}
	}
	return ""
}

// All returns every value of the field, not decoded.
func (h *Header) All(name string) []string {
	var out []string
	for i := range h.Fields {
		if strings.EqualFold(h.Fields[i].Name, name) {
			out = append(out, h.Fields[i].Value)
		}
	}
	return out
}

// Count is how often the field stands in the header, also beyond the cap.
func (h *Header) Count(name string) int {
	n := 0
	if h.over != nil {
		n = h.over[strings.ToLower(name)]
	}
	for i := range h.Fields {
		if strings.EqualFold(h.Fields[i].Name, name) {
			n++
		}
	}
	return n
}

// Has reports whether the field is there.
func (h *Header) Has(name string) bool { return h.Count(name) > 0 }

// Text returns the first value of the field, decoded (RFC 2047) and on one line.
func (h *Header) Text(name string) string { return DecodeWords(h.Get(name)) }

// header reads the header that begins at start and returns where the body
// begins. It ends at an empty line, or where a delimiter of an open multipart
// stands. A line that is no field is passed over, as most readers do; a part
// whose very first line is none has no header.
func (w *walker) header(start int) (h Header, body int) {
	for at := start; at < len(w.raw); {
		next := w.line(at)
		text := trimEOL(w.raw[at:next])
		if len(text) == 0 {
			return h, next
		}
		if _, _, ok := w.delimiter(text); ok {
			return h, at
		}
		for next < len(w.raw) && (w.raw[next] == ' ' || w.raw[next] == '\t') {
			next = w.line(next)
		}
		mbox := at == start && bytes.HasPrefix(text, []byte("From "))
		if !mbox && !w.field(&h, w.raw[at:next]) && at == start {
			return h, at
		}
		at = next
	}
	return h, len(w.raw)
}

// field adds one field; false if the line is none (RFC 5322, 2.2).
func (w *walker) field(h *Header, line []byte) bool {
	name, value, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t") // RFC 5322, 4.5: obsolete syntax
	if !ok || len(name) == 0 || len(name) > 200 || bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 127 }) {
		w.note(BadField)
		return false
	}
	if len(h.Fields) >= maxFields {
		w.note(TooManyFields)
		if h.over == nil {
			h.over = map[string]int{}
		}
		if key := strings.ToLower(string(name)); len(h.over) < 100 || h.over[key] > 0 || key == "from" {
			h.over[key]++
		}
		return true
	}
	if len(value) > maxValue {
		w.note(LongField)
		value = value[:maxValue]
		if strings.EqualFold(string(name), "From") || strings.EqualFold(string(name), "Content-Type") {
			w.note(BadField) // what was cut off could say something else
			value = nil
		}
	}
	h.Fields = append(h.Fields, Field{string(name), unfold(value)})
	return true
}

// unfold removes the line breaks of folding (RFC 5322, 2.2.3). What breaks are
// left, bare ones, become blanks.
func unfold(v []byte) string {
	v = bytes.TrimSpace(v)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\r' && i+1 < len(v) && v[i+1] == '\n':
		case v[i] == '\n' && i+1 < len(v) && (v[i+1] == ' ' || v[i+1] == '\t'):
		case v[i] == '\n' || v[i] == '\r':
			out = append(out, ' ')
		default:
			out = append(out, v[i])
		}
	}
	return string(out)
}

func trimEOL(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
