package web

import (
	"strings"
	"unicode"
)

// plainMax is the longest name or subject, in letters, that goes into a row or a head.
const plainMax = 160

// kept are symbols that people do write in names and subjects.
const kept = "°©®™№℃"

// Plain makes a name or a subject fit to stand among our own words: without
// emoji, without check marks, locks, shields and whatever else could pass for
// a badge of ours, without the invisible characters that turn text around,
// and short enough for a row. Letters of every script stay.
func Plain(s string) string {
	var b strings.Builder
	n, marks, space := 0, 0, false
	for _, c := range s {
		if unicode.IsSpace(c) || unicode.IsControl(c) {
			space = n > 0
			continue
		}
		if unicode.Is(unicode.Mn, c) {
			marks++
		} else {
			marks = 0
		}
		if !plainRune(c) || marks > 3 {
			continue
		}
		if n == plainMax {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(c)
		n++
	}
	return b.String()
}

// plainRune knows by its class what could play a badge: So has emoji, check
// marks, locks and enclosed letters; Sm the root sign and arrows; Cf the bidi
// controls; Co and what is not assigned yet may be drawn as anything.
func plainRune(c rune) bool {
	switch {
	case strings.ContainsRune(kept, c):
		return true
	case c >= 0xFE00 && c <= 0xFE0F, c >= 0xE0000 && c <= 0xE0FFF: // variation selectors and tags
		return false
	case c >= 0x1F3FB && c <= 0x1F3FF: // skin tones
		return false
	case c == 0x200C || c == 0x200D: // joiners: Persian and Indic words need them, and nothing turns around
		return true
	case unicode.Is(unicode.So, c):
		return false
	case unicode.Is(unicode.Sm, c):
		return c < 0x100
	}
	return unicode.IsGraphic(c)
}
