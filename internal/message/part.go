package message

import (
	"bytes"
	"strings"
)

// A Part is one entity of the MIME tree. Its byte fields are cut out of the raw
// mail; do not change them.
type Part struct {
	Raw    []byte // header, empty line and body: what a signature covers (RFC 3156, 5)
	Body   []byte // as transferred
	Header Header

	Type        string            // media type in lower case, "text/plain" by default
	Params      map[string]string // of Content-Type, RFC 2231 decoded, names in lower case
	Disposition string            // "inline", "attachment" or ""
	Name        string            // file name, harmless, or ""
	Parts       []*Part           // of a multipart that was walked

	encoding string // Content-Transfer-Encoding in lower case
}

// IsMultipart reports whether the part says that it has parts.
func (p *Part) IsMultipart() bool { return strings.HasPrefix(p.Type, "multipart/") }

// Each calls f for the part and all below it, in order, until f says false.
func (p *Part) Each(f func(*Part) bool) bool {
	if !f(p) {
		return false
	}
	for _, c := range p.Parts {
		if !c.Each(f) {
			return false
		}
	}
	return true
}

// walker is one walk over a raw mail. open maps the boundaries of the
// multiparts that are open to their depth, so that a delimiter line is found in
// one look-up, however deep the tree is.
type walker struct {
	raw   []byte
	note  func(Problem)
	open  map[string]int
	parts int

	// where the walk stopped: the delimiter line that ended the last part.
	delim      string // its boundary; "" at the end of the mail
	last       bool   // it was a closing delimiter
	delimStart int    // of its line
	delimEnd   int
}

// line returns the offset behind the line that begins at i.
func (w *walker) line(i int) int {
	if n := bytes.IndexByte(w.raw[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(w.raw)
}

// part reads the part that begins at start, up to a delimiter of an open
// multipart or the end of the mail.
func (w *walker) part(start, depth int) *Part {
	w.parts++
	p := &Part{}
	var body int
	p.Header, body = w.header(start)
	w.describe(p)
	boundary := p.Params["boundary"]
	switch {
	case !p.IsMultipart() || boundary == "":
		if p.IsMultipart() {
			w.note(NoBoundary)
		}
		w.skip(body)
	case depth >= maxDepth:
		w.note(TooDeep)
		w.skip(body)
	default:
		w.multipart(p, boundary, body, depth)
	}
	end := w.contentEnd(body)
	p.Raw, p.Body = w.raw[start:max(start, end)], w.raw[min(body, end):end]
	return p
}

// contentEnd is where the content before the current delimiter line ends: the
// line break before a delimiter belongs to it (RFC 2046, 5.1.1).
func (w *walker) contentEnd(body int) int {
	end := w.delimStart
	if w.delim == "" || end <= body {
		return max(end, min(body, w.delimStart))
	}
	if end > body && w.raw[end-1] == '\n' {
		if end--; end > body && w.raw[end-1] == '\r' {
			end--
		}
	}
	return end
}

// skip moves to the next delimiter line at or behind i.
func (w *walker) skip(i int) {
	for i < len(w.raw) {
		if bytes.HasPrefix(w.raw[i:], []byte("--")) {
			end := w.line(i)
			if b, last, ok := w.delimiter(trimEOL(w.raw[i:end])); ok {
				w.delim, w.last, w.delimStart, w.delimEnd = b, last, i, end
				return
			}
		}
		n := bytes.Index(w.raw[i:], []byte("\n--"))
		if n < 0 {
			break
		}
		i += n + 1
	}
	w.delim, w.last, w.delimStart, w.delimEnd = "", true, len(w.raw), len(w.raw)
}

// delimiter reports whether a line is a delimiter of an open multipart. Blanks
// behind it are padding (RFC 2046, 5.1.1).
func (w *walker) delimiter(line []byte) (boundary string, last, ok bool) {
	if len(w.open) == 0 || !bytes.HasPrefix(line, []byte("--")) || len(line) > 4+maxBoundary+80 {
		return "", false, false
	}
	text := bytes.TrimRight(line[2:], " \t")
	if _, ok := w.open[string(text)]; ok {
		return string(text), false, true
	}
	if bytes.HasSuffix(text, []byte("--")) {
		text = text[:len(text)-2]
		if _, ok := w.open[string(text)]; ok {
			return string(text), true, true
		}
	}
	return "", false, false
}

func (w *walker) multipart(p *Part, boundary string, body, depth int) {
	if _, twice := w.open[boundary]; twice {
		w.note(BoundaryReused)
		w.skip(body) // an opaque leaf: the delimiters belong to the outer one
		return
	}
	if p.encoding != "" && p.encoding != "7bit" && p.encoding != "8bit" && p.encoding != "binary" {
		w.note(EncodedMultipart) // RFC 2045, 6.4
	}
	w.open[boundary] = depth
	defer delete(w.open, boundary)
	w.skip(body)
	for w.delim == boundary && !w.last {
		if w.parts >= maxParts {
			w.note(TooManyParts)
			w.skipOver(boundary)
			break
		}
		p.Parts = append(p.Parts, w.part(w.delimEnd, depth+1))
	}
	switch {
	case len(p.Parts) == 0:
		w.note(NoParts)
	case w.delim != boundary:
		w.note(NoTerminator)
	}
	if w.delim == boundary { // its own closing delimiter: go on behind the epilogue
		delete(w.open, boundary)
		w.skip(w.delimEnd)
	}
}

// skipOver moves behind all further parts of a multipart with too many.
func (w *walker) skipOver(boundary string) {
	for w.delim == boundary && !w.last {
		w.skip(w.delimEnd)
	}
}
