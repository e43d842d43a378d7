// Package message reads and writes Internet mail (RFC 5322, RFC 2045 to 2049).
//
// Reading is a walk over byte offsets of the raw mail. Nothing is re-encoded:
// Part.Raw of a signed part is exactly what was signed, with its trailing
// blanks and its line ends as they came. Invariants:
//
//   - Parse never refuses and never panics. What is wrong with a mail is noted
//     in Mail.Problems; those that let two readers see two different mails are
//     told apart by Ambiguous.
//   - Every pass is linear in the size of the mail, and depth, parts, header
//     fields, names and texts are capped, so hostile mail costs no more than
//     honest mail of its size.
//   - Text that leaves this package holds no NUL, no stray control characters
//     and no characters that turn the direction of writing.
//
// Writing (Draft) gives mail that is 7-bit safe in every part and never holds a
// bare CR or LF; the same draft gives the same bytes.
package message

import (
	"bytes"
	"slices"
)

// Caps. They are far above what people send.
const (
	maxDepth   = 50
	maxParts   = 1000
	maxFields  = 2000
	maxValue   = 64 << 10 // of one header field, for reading its meaning
	maxDecoded = 64 << 20 // of one part, transfer-decoded
)

// A Problem is a stable word for something wrong with a mail.
type Problem string

const (
	BareLF             Problem = "bare-lf"
	BareCR             Problem = "bare-cr"
	NUL                Problem = "nul"
	NoTerminator       Problem = "missing-terminator"
	NoBoundary         Problem = "no-boundary"
	NoParts            Problem = "no-parts"
	BoundaryReused     Problem = "boundary-reused"
	DuplicateType      Problem = "duplicate-content-type"
	DuplicateParam     Problem = "duplicate-parameter"
	DuplicateField     Problem = "duplicate-field"
	BadType            Problem = "bad-content-type"
	BadField           Problem = "bad-header-line"
	EncodedMultipart   Problem = "encoded-multipart"
	TooDeep            Problem = "too-deep"
	TooManyParts       Problem = "too-many-parts"
	TooManyFields      Problem = "too-many-fields"
	LongField          Problem = "long-field"
	BadEncoding        Problem = "bad-transfer-encoding"
	TooBig             Problem = "too-big"
	BadCharset         Problem = "undecodable-charset"
	WrongCharset       Problem = "wrong-charset"
	Bidi               Problem = "bidi-controls"
	DuplicateFrom      Problem = "duplicate-from"
	AlternativesDiffer Problem = "alternatives-differ"
	SeveralHTML        Problem = "several-html-bodies"
	DoubledCR          Problem = "doubled-cr"
)

const maxProblems = 32

// Ambiguous reports whether two honest readers may take the mail's structure
// for two different ones; then no signature can vouch for what is shown.
func (p Problem) Ambiguous() bool {
	switch p {
	case NUL, NoTerminator, NoBoundary, NoParts, BoundaryReused, DuplicateType, DuplicateParam, DuplicateField,
		BadType, BadField, EncodedMultipart, TooDeep, TooManyParts, TooManyFields, DuplicateFrom, DoubledCR, BareCR:
		return true
	}
	return false
}

// A Mail is a parsed mail. It does not change after Parse.
type Mail struct {
	Raw      []byte
	Root     *Part
	Problems []Problem // each once, in order of discovery
}

// Parse reads a mail, or any MIME entity.
func Parse(raw []byte) *Mail {
	m := &Mail{Raw: raw}
	w := walker{raw: raw, note: m.note, open: map[string]int{}}
	m.Root = w.part(0, 0)
	m.lineEnds()
	m.singletons()
	return m
}

func (m *Mail) note(p Problem) {
	if len(m.Problems) < maxProblems && !slices.Contains(m.Problems, p) {
		m.Problems = append(m.Problems, p)
	}
}

// Ambiguous is the first problem that makes the structure ambiguous, or "".
func (m *Mail) Ambiguous() Problem {
	for _, p := range m.Problems {
		if p.Ambiguous() {
			return p
		}
	}
	return ""
}

// Has reports whether the problem was found.
func (m *Mail) Has(p Problem) bool { return slices.Contains(m.Problems, p) }

// lineEnds looks for what is not CRLF (RFC 5322, 2.3) and for NUL.
func (m *Mail) lineEnds() {
	raw := m.Raw
	for i := 0; i < len(raw); i++ {
		n := bytes.IndexByte(raw[i:], '\n')
		if n < 0 {
			break
		}
		if i += n; i == 0 || raw[i-1] != '\r' {
			m.note(BareLF)
			break
		}
	}
	for i := 0; i < len(raw); i++ {
		n := bytes.IndexByte(raw[i:], '\r')
		if n < 0 {
			break
		}
		i += n
		if bytes.HasPrefix(raw[i:], []byte("\r\r\n")) {
			m.note(DoubledCR)
		}
		if i+1 == len(raw) || raw[i+1] != '\n' {
			m.note(BareCR)
			break
		}
	}
	if bytes.IndexByte(raw, 0) >= 0 {
		m.note(NUL)
	}
}

// singletons flags fields of the mail's own header that stand twice where only
// one may (RFC 5322, 3.6).
func (m *Mail) singletons() {
	if m.Root.Header.Count("From") > 1 {
		m.note(DuplicateFrom)
	}
	for _, name := range []string{"Date", "Subject", "Message-ID", "Reply-To", "Sender", "To", "Cc", "In-Reply-To", "References", "MIME-Version"} {
		if m.Root.Header.Count(name) > 1 {
			m.note(DuplicateField)
		}
	}
}

// Header is the mail's own header.
func (m *Mail) Header() *Header { return &m.Root.Header }
