package staff

import (
	_ "embed"
	"strings"
	"unicode"

	"postern/internal/fail"
)

// common are the words that passwords are made of when nobody thinks: the heads
// of the published lists of broken passwords.
//
//go:embed common.txt
var common string

// Lengths of a password in letters. NIST SP 800-63B-4, 3.1.1.2: length and a
// refuse-list, no rules on kinds of characters.
const (
	minPassword = 12
	maxPassword = 256
)

// walks are the ways fingers go over a keyboard or an alphabet, forwards.
const walks = `1234567890 qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm yxcvbnm abcdefghijklmnopqrstuvwxyz
	1q2w3e4r5t6y7u8i9o0p q1w2e3r4t5y6u7i8o9p0 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p zaq12wsxcde34rfvbgt56yhn qazwsxedcrfvtgbyhnujm`

// left is how many different letters a password needs besides what is guessed
// first; step of a walk shorter than shortWalk occur in any text.
const (
	left      = 5
	shortWalk = 4
)

// fitPassword refuses a password that is short, or is little more than common
// words, walks over the keyboard, and the words in own: the account's names.
func fitPassword(p string, own ...string) error { return fit("password", p, own...) }

// fit is fitPassword for a secret by another name.
func fit(noun, p string, own ...string) error {
	letters := []rune(strings.ToLower(p))
	if n := len(letters); n < minPassword || n > maxPassword {
		return fail.New(fail.Invalid, "a %s needs 12 letters or more, 256 at most; a line of words is fine", noun)
	}
	guessed := make([]bool, len(letters))
	words := append(strings.Fields(common), own...)
	for _, text := range [][]rune{letters, unleet(letters)} {
		for _, w := range words {
			markWord(guessed, text, []rune(strings.ToLower(w)))
		}
	}
	for _, w := range strings.Fields(walks) {
		markWalk(guessed, string(letters), w)
		markWalk(guessed, string(letters), reversed(w))
	}
	rest := map[rune]bool{}
	for i, r := range letters {
		if !guessed[i] {
			rest[r] = true
		}
	}
	if len(rest) < left {
		return fail.New(fail.Invalid, "this %s is among those that are tried first; take a line of words", noun)
	}
	return nil
}

// namesOf splits names and addresses into the words a guesser would take from them.
func namesOf(texts ...string) []string {
	var out []string
	for _, t := range texts {
		for _, w := range strings.FieldsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len([]rune(w)) > 2 {
				out = append(out, w)
			}
		}
	}
	return out
}

// unleet reads the usual stand-ins as the letters they stand for.
func unleet(letters []rune) []rune {
	out := make([]rune, len(letters))
	for i, r := range letters {
		if n := strings.IndexRune("@4831!0$57", r); n >= 0 {
			r = rune("aabeiiosst"[n])
		}
		out[i] = r
	}
	return out
}

func markWord(guessed []bool, text, word []rune) {
	for i := 0; i+len(word) <= len(text); i++ {
		if string(text[i:i+len(word)]) == string(word) {
			mark(guessed[i : i+len(word)])
		}
	}
}

// markWalk marks every stretch of the text that follows the walk.
func markWalk(guessed []bool, text, walk string) {
	letters := []rune(text)
	for i := 0; i+shortWalk <= len(letters); i++ {
		if strings.Contains(walk, string(letters[i:i+shortWalk])) {
			mark(guessed[i : i+shortWalk])
		}
	}
}

func mark(part []bool) {
	for i := range part {
		part[i] = true
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
