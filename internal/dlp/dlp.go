// Package dlp finds sensitive data in a text: payment cards, bank accounts,
// passwords and keys. It is the first detector; what it finds raises a
// message's protection, and nothing it misses lowers it.
//
// A finding never holds the value, only what may be shown of it. Time is linear
// in the text, and the text is bounded.
package dlp

import (
	"math/big"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what was found, in words that follow "it holds".
type Kind string

const (
	Card   Kind = "a payment card number"
	IBAN   Kind = "a bank account number"
	Secret Kind = "a password or code"
	Key    Kind = "a private key"
)

// Finding is one place in a text.
type Finding struct {
	Kind       Kind
	Start, End int    // byte offsets
	Masked     string // fit to be shown
}

// maxText is how much of a text is looked at, in bytes, and maxFound how many
// findings are told.
const (
	maxText  = 2 << 20
	maxFound = 50
)

// Find returns what the text holds, in order.
func Find(text string) []Finding {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var out []Finding
	out = append(out, cards(text)...)
	out = append(out, ibans(text)...)
	out = append(out, secrets(text)...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Start < out[j].Start })
	if len(out) > maxFound {
		out = out[:maxFound]
	}
	return out
}

// digit returns the value of a decimal digit in any script, or -1. People and
// programs write numbers with full-width or Arabic digits too.
func digit(r rune) int {
	if r >= '0' && r <= '9' {
		return int(r - '0')
	}
	if r < 0x80 || !unicode.Is(unicode.Nd, r) {
		return -1
	}
	// Decimal digits of a script stand in rows of ten, from zero on.
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10
		}
	}
	return -1
}

// between reports whether a rune may stand between the digits of one number.
func between(r rune) bool {
	switch r {
	case ' ', '-', '.', 0xa0, 0x202f, 0x2009, 0x2010, 0x2011, 0x2012, 0x2013:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// cards finds 13 to 19 digits that begin like a card and pass the checksum of
// ISO/IEC 7812-1, and that are no part of a longer number.
func cards(text string) []Finding {
	var out []Finding
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if digit(r) < 0 || wordBefore(text, i) {
			i += n
			continue
		}
		digits, end := run(text, i)
		if f, ok := card(digits); ok {
			out = append(out, Finding{Card, i, end, "card ending in " + f})
		}
		i = end
	}
	return out
}

// run reads the digits that stand together from i on, one separator at a time.
func run(text string, i int) (digits []byte, end int) {
	end = i
	for j, gap := i, 0; j < len(text); {
		r, n := utf8.DecodeRuneInString(text[j:])
		switch d := digit(r); {
		case d >= 0:
			digits, gap = append(digits, byte('0'+d)), 0
			j += n
			end = j
			continue
		case between(r) && (gap == 0 || unicode.Is(unicode.Cf, r)):
			gap++
			j += n
			continue
		}
		break
	}
	return digits, end
}

func wordBefore(text string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(text[:i])
	return i > 0 && (unicode.IsLetter(r) || r == '#' || r == '_' || r == '/' || r == '=')
}

// card looks for a card number in a run of digits: the whole run, or a run to
// which a date or a short code was written.
func card(d []byte) (last4 string, ok bool) {
	for _, n := range []int{len(d), 16, 15, 19, 14, 13} {
		if n < 13 || n > 19 || n > len(d) || len(d) > n+8 {
			continue
		}
		c := d[:n]
		if issuer(c) && luhn(c) && distinctDigits(c) > 1 {
			return string(c[n-4:]), true
		}
	}
	return "", false
}

func distinctDigits(d []byte) int {
	var seen [10]bool
	n := 0
	for _, c := range d {
		if !seen[c-'0'] {
			seen[c-'0'] = true
			n++
		}
	}
	return n
}

// issuer knows how the numbers of the large schemes begin, and how long they are.
func issuer(d []byte) bool {
	p2 := int(d[0]-'0')*10 + int(d[1]-'0')
	p4 := p2*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	switch n := len(d); {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720:
		return n == 16
	case p2 == 34, p2 == 37:
		return n == 15
	case p2 == 36, p2 == 38, p2 == 39, p4 >= 3000 && p4 <= 3059:
		return n == 14 || n == 16
	case p4 == 6011, p2 == 65, p2 == 64, p2 == 62, p2 == 35:
		return n >= 16
	case p2 == 50, p2 >= 56 && p2 <= 58, p2 == 63, p2 == 67:
		return n >= 13 && n != 14
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		x := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
	}
	return sum%10 == 0
}

// ibanLengths are those of ISO 13616's registry.
var ibanLengths = map[string]int{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27,
	"GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
	"LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24,
	"RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20}

// ibans finds account numbers by country, length and checksum (ISO 13616, mod 97).
func ibans(text string) []Finding {
	var out []Finding
	for i := 0; i+4 < len(text); i++ {
		c := upper(text[i])
		if c < 'A' || c > 'Z' || text[i+2] < '0' || text[i+2] > '9' {
			continue
		}
		want := ibanLengths[string([]byte{c, upper(text[i+1])})]
		if want == 0 || i > 0 && (isAlnum(text[i-1])) {
			continue
		}
		if s, end := compact(text, i, want); len(s) == want && !(end < len(text) && isAlnum(text[end])) && mod97(s) {
			out = append(out, Finding{IBAN, i, end, s[:2] + "•• ending in " + s[len(s)-4:]})
			i = end - 1
		}
	}
	return out
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 32
	}
	return c
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// compact reads n letters and digits from i on, over single separators.
func compact(text string, i, n int) (string, int) {
	var b []byte
	for gap := 0; i < len(text) && len(b) < n; {
		if isAlnum(text[i]) {
			b, gap = append(b, upper(text[i])), 0
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if !between(r) || gap > 1 {
			break
		}
		gap++
		i += size
	}
	return string(b), i
}

func mod97(s string) bool {
	var b strings.Builder
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			b.WriteByte(byte('0' + (c-'A'+10)/10))
			b.WriteByte(byte('0' + (c-'A'+10)%10))
			continue
		}
		b.WriteRune(c)
	}
	n, ok := new(big.Int).SetString(b.String(), 10)
	return ok && n.Mod(n, big.NewInt(97)).Int64() == 1
}
