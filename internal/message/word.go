package message

import (
	"encoding/base64"
	"strings"
)

// word is one encoded word (RFC 2047, 2), split but not yet decoded.
type word struct {
	charset string
	data    []byte
}

// DecodeWords decodes the encoded words of a header value and makes the result
// fit for one line. Neighbouring words of one charset are joined before they
// are decoded: mailers cut characters in two, against RFC 2047, 5.
func DecodeWords(s string) string {
	if len(s) > maxValue {
		s = cut(s, maxValue)
	}
	if !strings.Contains(s, "=?") {
		text, _ := decodeCharset("", []byte(s))
		return oneLine(text)
	}
	var out strings.Builder
	var run *word // the words collected so far
	flush := func() {
		if run != nil {
			if text, ok := decodeCharset(run.charset, run.data); ok {
				out.WriteString(text)
			} else {
				out.WriteString("\ufffd")
			}
			run = nil
		}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			i = len(s)
		}
		if gap := s[:i]; gap != "" && !(run != nil && i < len(s) && strings.Trim(gap, " \t\r\n") == "" && isWord(s[i:])) {
			flush()
			text, _ := decodeCharset("", []byte(gap))
			out.WriteString(text)
		}
		if s = s[i:]; s == "" {
			break
		}
		w, rest, ok := cutWord(s)
		if !ok {
			flush()
			out.WriteString("=?")
			s = s[2:]
			continue
		}
		if run != nil && strings.EqualFold(run.charset, w.charset) {
			run.data = append(run.data, w.data...)
		} else {
			flush()
			run = &w
		}
		s = rest
	}
	flush()
	return oneLine(out.String())
}

func isWord(s string) bool { _, _, ok := cutWord(s); return ok }

// cutWord reads the encoded word that s begins with: =?charset?encoding?text?=
func cutWord(s string) (w word, rest string, ok bool) {
	charset, tail, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || len(charset) > 60 || strings.ContainsAny(charset, " \t\"") || len(tail) < 2 || tail[1] != '?' {
		return w, s, false
	}
	text, rest, ok := strings.Cut(tail[2:], "?=")
	if !ok || len(text) > 4096 {
		return w, s, false
	}
	charset, _, _ = strings.Cut(charset, "*") // RFC 2231, 5: the language
	w.charset = charset
	switch tail[0] {
	case 'B', 'b':
		clean := strings.TrimRight(strings.NewReplacer(" ", "", "\t", "").Replace(text), "=")
		data, err := base64.RawStdEncoding.DecodeString(clean)
		if err != nil {
			return w, s, false
		}
		w.data = data
	case 'Q', 'q':
		w.data = fromQ(text)
	default:
		return w, s, false
	}
	return w, rest, true
}

func fromQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}
