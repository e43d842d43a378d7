package message

import (
	"strings"
	"unicode/utf8"
)

const maxName = 150 // bytes of a file name

// fileName makes a file name harmless: a sender chooses it, and people click it.
func fileName(s string) string {
	if strings.Contains(s, "=?") {
		s = DecodeWords(s) // not allowed in parameters (RFC 2231, 5), but common
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case r < ' ' || r == 127 || r >= 0x80 && r < 0xa0 || r == utf8.RuneError:
			return '_'
		case isBidi(r) || r == '\u200b' || r == '\ufeff':
			return -1
		}
		return r
	}, s)
	s = strings.Trim(s, ". \t")
	if len(s) <= maxName {
		return s
	}
	ext := ""
	if i := strings.LastIndexByte(s, '.'); i > len(s)-12 {
		ext = s[i:]
	}
	return cut(s, maxName-len(ext)) + ext
}

// cut shortens s to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// isBidi reports whether r turns the direction of writing: embeddings,
// overrides and isolates (UAX #9, 2). The plain marks are left alone.
func isBidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// oneLine makes a header's text fit to be shown: what could break a line, hide
// or turn text becomes a blank or goes away (RFC 2047, 5 is no licence for CRLF).
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 127 }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case isBidi(r):
			return -1
		case r < ' ' || r == 127 || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		}
		return r
	}, s)
}
