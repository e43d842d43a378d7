package instructions

import (
	"fmt"
	"math/big"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	"postern/internal/fail"
)

// Kind is what a field holds; it decides what is let in, and how it is written.
type Kind string

const (
	Text   Kind = "text"
	Name   Kind = "name"   // of a person or firm: one script a word
	Amount Kind = "amount" // "1250.00 EUR"
	IBAN   Kind = "iban"
	Mail   Kind = "mail"
	Phone  Kind = "phone"
	Date   Kind = "date" // 2026-12-01
	Choice Kind = "choice"
	Key    Kind = "key" // fingerprint of an OpenPGP key
)

// Kinds lists all.
var Kinds = []Kind{Text, Name, Amount, IBAN, Mail, Phone, Date, Choice, Key}

// maxValue is the longest value in characters: it must fit a line or two.
const maxValue = 140

// Normal returns a value as it stands in the canonical text, or what is wrong
// with it. Two inputs that mean the same become the same text.
func (f *Field) Normal(s string) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		if f.Optional {
			return "", nil
		}
		return "", fail.New(fail.Invalid, "fill this in")
	}
	if len([]rune(s)) > maxValue {
		return "", fail.New(fail.Invalid, "this is longer than %d characters", maxValue)
	}
	if r := hidden(s); r != 0 {
		return "", fail.New(fail.Invalid, "this holds a character that nobody sees (%U); type it anew", r)
	}
	switch f.Kind {
	case Name:
		return s, oneScript(s)
	case Amount:
		return amount(s)
	case IBAN:
		return iban(s)
	case Mail:
		return address(s)
	case Phone:
		return phone(s)
	case Date:
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return "", fail.New(fail.Invalid, "write a date as year-month-day, such as 2026-12-01")
		}
		return d.Format(time.DateOnly), nil
	case Choice:
		return f.choice(s)
	case Key:
		return fingerprint(s)
	}
	return s, oneScript(s)
}

func (f *Field) choice(s string) (string, error) {
	for _, c := range f.Choices {
		if strings.EqualFold(c, s) {
			return c, nil
		}
	}
	return "", fail.New(fail.Invalid, "choose one of: %s", strings.Join(f.Choices, ", "))
}

// hidden finds what is not let in, or 0. A positive list: letters, digits,
// punctuation, currency and a few signs; marks only upon a letter. What is not
// seen, turns the direction, fills space, stands for a whole word or is not
// assigned has no place in a text that somebody signs.
func hidden(s string) rune {
	letter := false
	for _, r := range s {
		mark := unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
		switch {
		case r == ' ', unicode.Is(unicode.Nd, r), unicode.Is(unicode.Pd, r), unicode.Is(unicode.Ps, r), unicode.Is(unicode.Pe, r), unicode.Is(unicode.Pi, r), unicode.Is(unicode.Pf, r),
			unicode.Is(unicode.Po, r), unicode.Is(unicode.Pc, r), unicode.Is(unicode.Sc, r), strings.ContainsRune("+<=>|~^`°§®", r):
		case unicode.Is(unicode.L, r) && !blank(r):
			letter = true
			continue
		case mark && letter && !blank(r):
			continue
		default:
			return r
		}
		letter = false
	}
	return 0
}

// blank are letters and marks that show nothing (Unicode TS 39, 5.4; fillers,
// grapheme joiner, inherent vowels of Khmer, variation selectors).
func blank(r rune) bool {
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0:
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

var scripts = map[string]*unicode.RangeTable{"Latin": unicode.Latin, "Cyrillic": unicode.Cyrillic, "Greek": unicode.Greek, "Armenian": unicode.Armenian,
	"Hebrew": unicode.Hebrew, "Arabic": unicode.Arabic, "Cherokee": unicode.Cherokee, "Coptic": unicode.Coptic, "Georgian": unicode.Georgian, "Lisu": unicode.Lisu}

func script(r rune) string {
	for name, t := range scripts {
		if unicode.Is(t, r) {
			return name
		}
	}
	return ""
}

// oneScript refuses a word whose letters are of two scripts: "Pаypal" with a
// Cyrillic a (Unicode TS 39, 5.1), and letters made for formulas.
func oneScript(s string) error {
	for _, word := range strings.Fields(s) {
		first := ""
		for _, r := range word {
			if r >= 0x1D400 && r <= 0x1D7FF || r >= 0xFF00 && r <= 0xFF5E {
				return fail.New(fail.Invalid, "%q is a letter that only looks like another (%U). Delete it and type it anew", string(r), r)
			}
			sc := script(r)
			if sc == "" || sc == first {
				continue
			}
			if first != "" {
				return fail.New(fail.Invalid, "one word mixes %s and %s letters: %q (%U) is not what it looks like. Delete the word and type it anew", first, sc, string(r), r)
			}
			first = sc
		}
	}
	return nil
}

// spelling names the letters outside A to Z, so that nobody takes one for
// another; empty if there is none.
func spelling(s string) string {
	var out []string
	seen := map[rune]bool{}
	for _, r := range s {
		if r < 0x80 || seen[r] {
			continue
		}
		seen[r] = true
		name := script(r)
		if name == "" {
			name = "other"
		}
		if out = append(out, fmt.Sprintf("%c is %s %U", r, name, r)); len(out) == 8 {
			out = append(out, "and more")
			break
		}
	}
	return strings.Join(out, ", ")
}

// amount reads "1,250.00 EUR", "EUR 1250" and "1250.5 EUR".
func amount(s string) (string, error) {
	bad := fail.New(fail.Invalid, "write an amount with its currency, such as 1250.00 EUR")
	parts := strings.Fields(strings.ToUpper(s))
	if len(parts) != 2 {
		return "", bad
	}
	if !digit(parts[0][0]) {
		parts[0], parts[1] = parts[1], parts[0]
	}
	whole, cents, has := strings.Cut(parts[0], ".")
	if groups := strings.Split(whole, ","); len(groups) > 1 {
		for n, g := range groups {
			if n > 0 && len(g) != 3 || n == 0 && (len(g) > 3 || g == "") {
				return "", bad
			}
		}
		whole = strings.Join(groups, "")
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || len(whole) > 12 || len(cents) > 2 || has && cents == "" || !digits(cents) || !currency(parts[1]) {
		return "", bad
	}
	if n == 0 && strings.Trim(cents, "0") == "" {
		return "", fail.New(fail.Invalid, "the amount must be more than nothing")
	}
	return fmt.Sprintf("%d.%s %s", n, (cents + "00")[:2], parts[1]), nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func currency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// cents is a normal amount as a number, for comparing.
func cents(s string) (n int64, cur string, ok bool) {
	a, cur, ok := strings.Cut(s, " ")
	n, err := strconv.ParseInt(strings.Replace(a, ".", "", 1), 10, 64)
	return n, cur, ok && err == nil
}

// iban checks country, letters and the check digits (ISO 13616, mod 97) and
// writes groups of four.
func iban(s string) (string, error) {
	bad := fail.New(fail.Invalid, "this is not an account number (IBAN): its check digits do not fit. Look at it again")
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if len(s) < 15 || len(s) > 34 || !currency(s[:2]+"A") || !digits(s[2:4]) {
		return "", bad
	}
	var n strings.Builder
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			n.WriteRune(c)
		case c >= 'A' && c <= 'Z':
			n.WriteString(strconv.Itoa(int(c-'A') + 10))
		default:
			return "", bad
		}
	}
	v, ok := new(big.Int).SetString(n.String(), 10)
	if !ok || new(big.Int).Mod(v, big.NewInt(97)).Int64() != 1 {
		return "", bad
	}
	return groups(s), nil
}

func groups(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

func address(s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		return "", fail.New(fail.Invalid, "write one mail address, such as name@example.org, in plain letters")
	}
	return s, nil
}

func phone(s string) (string, error) {
	plain := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "/", "", ".", "").Replace(s)
	if len(plain) < 7 || len(plain) > 16 || plain[0] != '+' || !digits(plain[1:]) {
		return "", fail.New(fail.Invalid, "write the number with its country, such as +49 30 1234567")
	}
	return plain, nil
}

func fingerprint(s string) (string, error) {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if (len(s) != 40 && len(s) != 64) || strings.Trim(s, "0123456789ABCDEF") != "" {
		return "", fail.New(fail.Invalid, "this is not the fingerprint of a key")
	}
	return groups(s), nil
}
