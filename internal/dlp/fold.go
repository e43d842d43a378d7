package dlp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// folded is a text as the detectors read it: digits of every script are ASCII
// digits, full-width letters are ASCII letters, all dashes and spaces are one,
// and what nobody sees (zero-width, soft hyphens) is gone.
type folded struct {
	s   string
	low string  // s in lower case, of equal length
	off []int32 // where each byte of s stands in the text; nil: at the same place
}

func fold(text string) *folded {
	low := make([]byte, len(text))
	var all byte
	for i := range len(text) {
		all |= text[i]
		low[i] = lower[text[i]]
	}
	if all < utf8.RuneSelf { // ASCII
		return &folded{s: text, low: string(low)}
	}
	low = low[:0]
	s := make([]byte, 0, len(text))
	off := make([]int32, 0, len(text)+1)
	for i, r := range text {
		if r >= utf8.RuneSelf {
			if r = foldRune(r); r < 0 {
				continue
			}
		}
		l := unicode.ToLower(r)
		if utf8.RuneLen(l) != utf8.RuneLen(r) {
			l = r
		}
		s, low = utf8.AppendRune(s, r), utf8.AppendRune(low, l)
		for len(off) < len(s) {
			off = append(off, int32(i))
		}
	}
	return &folded{string(s), string(low), append(off, int32(len(text)))}
}

// lower is the lower case of ASCII.
var lower = func() (t [256]byte) {
	for c := range t {
		if t[c] = byte(c); c >= 'A' && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// foldRune returns what a rune beyond ASCII is read as, or -1 for nothing.
func foldRune(r rune) rune {
	switch {
	case r >= 0xff01 && r <= 0xff5e: // full-width forms
		return r - 0xff01 + '!'
	case r == 0x2212, unicode.Is(unicode.Pd, r):
		return '-'
	case unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r), r == 0x34f, r == 0x115f, r == 0x1160, r == 0x3164:
		return -1
	case unicode.Is(unicode.Nd, r):
		return '0' + decimal(r)
	}
	return r
}

// decimal is the value of a decimal digit: those of a script stand in rows of
// ten from zero on, and each range of the table is made of whole rows.
func decimal(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

func (f *folded) at(i int) int {
	if f.off == nil {
		return i
	}
	return int(f.off[i])
}

// classes says what each byte is: every byte of every mail is asked.
var classes = func() (t [256]byte) {
	for c := range t {
		switch c := byte(c); {
		case c >= '0' && c <= '9':
			t[c] = digit
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			t[c] = letter | latin
		case c >= utf8.RuneSelf:
			t[c] = letter
		case strings.IndexByte(" -.\t\r\n", c) >= 0:
			t[c] = gap
		}
	}
	return t
}()

const (
	digit byte = 1 << iota
	letter
	latin
	gap // may stand between the groups of one number; lines are broken inside numbers too
)

func isDigit(c byte) bool  { return classes[c]&digit != 0 }
func isLetter(c byte) bool { return classes[c]&letter != 0 }
func isAlnum(c byte) bool  { return classes[c]&(digit|letter) != 0 }
func isGap(c byte) bool    { return classes[c]&gap != 0 }

// A sieve knows the first byte and the length of some words: most words of a
// text are none of them, and need not be looked up.
type sieve [256]uint64

func (s *sieve) add(w string) { s[w[0]] |= 1 << min(len(w), 63) }

func (s *sieve) may(w string) bool { return s[w[0]]&(1<<min(len(w), 63)) != 0 }

// maxGap is how many of them may stand together, as in "4111 - 1111".
const maxGap = 3
