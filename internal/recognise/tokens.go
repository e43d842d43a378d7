package recognise

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A token is a word of a text, folded: small letters without marks, "ae", "oe" and "ue"
// as the vowel alone, so that über, ueber and uber are one. Links and numbers are
// tokens of their own kind; "." stands for the end of a sentence or line.
type token struct {
	word     string
	from, to int
	quoted   bool   // in a line that quotes
	hash     uint32 // of the word
}

func newToken(word string, from, to int, quoted bool) token {
	return token{word, from, to, quoted, hash(offset32, word)}
}

// tokens cuts the beginning and the end of a text into words.
func tokens(text string) []token {
	room := make([]token, 0, min(len(text), headBytes+tailBytes)/4+8)
	if len(text) <= headBytes+tailBytes {
		return cut(room, text, 0)
	}
	head, tail := headBytes, len(text)-tailBytes
	for !utf8.RuneStart(text[head]) {
		head--
	}
	for !utf8.RuneStart(text[tail]) {
		tail++
	}
	return cut(cut(room, text[:head], 0), text[tail:], tail)
}

func cut(out []token, text string, at int) []token {
	for start := 0; start < len(text); {
		end := start + strings.IndexByte(text[start:], '\n') + 1
		if end == start {
			end = len(text)
		}
		line := text[start:end]
		quoted := strings.HasPrefix(strings.TrimLeft(line, " \t"), ">")
		out = cutLine(out, line, at+start, quoted)
		out = append(out, newToken(".", at+end, at+end, quoted))
		start = end
	}
	return out
}

func cutLine(out []token, line string, at int, quoted bool) []token {
	for i := 0; i < len(line); {
		if n, word := linkAt(line[i:]); n > 0 {
			out = append(out, newToken(word, at+i, at+i+n, quoted))
			i += n
			continue
		}
		r, n := rune(line[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(line[i:])
		}
		if !wordRune(r) {
			if r == '.' || r == '!' || r == '?' || r == ';' {
				word := "."
				if r == '?' {
					word = "?"
				}
				out = append(out, newToken(word, at+i, at+i+n, quoted))
			}
			i += n
			continue
		}
		j, simple := plainRun(line, i)
		for j < len(line) {
			r, n := rune(line[j]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRuneInString(line[j:])
			}
			if !wordRune(r) && !unseen(r) && !(apostrophe(r) && j+n < len(line) && letterAt(line[j+n:])) {
				break
			}
			j, simple = j+n, false
		}
		w := line[i:j]
		if !simple || len(w) > 40 {
			w = fold(w)
		}
		if w != "" {
			out = append(out, newToken(w, at+i, at+j, quoted))
		}
		i = j
	}
	return out
}

// plainRun is where the small ASCII letters from i on end; simple: they need no folding.
func plainRun(line string, i int) (j int, simple bool) {
	simple = true
	before := byte(0)
	for j = i; j < len(line); j++ {
		c := line[j]
		if c < 'a' || c > 'z' {
			break
		}
		if c == 'e' && (before == 'a' || before == 'o' || before == 'u') {
			simple = false
		}
		before = c
	}
	return j, simple
}

// linkAt reports the link that a text begins with: its length, and the word for it.
func linkAt(s string) (int, string) {
	if len(s) < 4 || s[0]|0x20 != 'h' && s[0]|0x20 != 'w' {
		return 0, ""
	}
	word := ""
	switch {
	case len(s) > 7 && strings.EqualFold(s[:7], "http://"):
		word = "<http>"
	case len(s) > 8 && strings.EqualFold(s[:8], "https://"):
		word = "<https>"
	case strings.EqualFold(s[:4], "www."):
		word = "<www>"
	default:
		return 0, ""
	}
	n := strings.IndexAny(s, " \t\r\n<>\"")
	if n < 0 {
		n = len(s)
	}
	return len(strings.TrimRight(s[:n], ".,;:!?)]}'")), word
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

func apostrophe(r rune) bool { return r == '\'' || r == '’' || r == '`' || r == '´' }
func unseen(r rune) bool {
	return r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\u2060' || r == '\ufeff' || r == '\u00ad'
}
func letterAt(s string) bool { r, _ := utf8.DecodeRuneInString(s); return unicode.IsLetter(r) }

// lookAlike are letters of other alphabets that pass for Latin ones.
var lookAlike = map[rune]rune{'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p', 'с': 'c', 'х': 'x', 'у': 'y', 'і': 'i', 'ѕ': 's', 'ԁ': 'd', 'ո': 'n', 'ο': 'o', 'α': 'a', 'ε': 'e', 'ı': 'i'}

// fold brings a word into the form in which words are compared.
func fold(w string) string {
	plain, done := true, len(w) <= 40
	for i := 0; i < len(w) && plain; i++ {
		c := w[i]
		plain = c < utf8.RuneSelf
		done = done && 'a' <= c && c <= 'z' && (c != 'e' || i == 0 || strings.IndexByte("aou", w[i-1]) < 0)
	}
	if done && plain {
		return w // nearly all of them
	}
	if plain && len(w) <= 40 {
		return foldPlain(w)
	}
	var b strings.Builder
	b.Grow(len(w))
	if !plain {
		w = norm.NFKD.String(w)
	}
	digits := 0
	for _, r := range w {
		if unicode.IsMark(r) || unseen(r) || apostrophe(r) {
			continue
		}
		if l, ok := lookAlike[r]; ok {
			r = l
		}
		if r == 'ß' {
			b.WriteString("ss")
			continue
		}
		r = unicode.ToLower(r)
		if s := b.String(); r == 'e' && len(s) > 0 && strings.IndexByte("aou", s[len(s)-1]) >= 0 {
			continue
		}
		if unicode.IsDigit(r) {
			digits++
		}
		b.WriteRune(r)
	}
	s := b.String()
	if digits == len(s) && digits > 0 {
		return "<" + string(rune('0'+min(digits, 9))) + ">"
	}
	if len(s) > 40 { // no word: a key, a hash, a file
		return "<long>"
	}
	return s
}

// foldPlain folds a word of ASCII letters.
func foldPlain(w string) string {
	var room [40]byte
	out, digits := room[:0], 0
	for i := range len(w) {
		c := w[i]
		switch {
		case c == '\'' || c == '`':
			continue
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case '0' <= c && c <= '9':
			digits++
		}
		if c == 'e' && len(out) > 0 && strings.IndexByte("aou", out[len(out)-1]) >= 0 {
			continue
		}
		out = append(out, c)
	}
	if digits == len(out) && digits > 0 {
		return "<" + string(rune('0'+min(digits, 9))) + ">"
	}
	return string(out)
}

// own leaves out what the text quotes, unless nothing else is there.
func own(text string, toks []token) []token {
	if !slices.ContainsFunc(toks, func(t token) bool { return t.quoted }) {
		return toks
	}
	out := make([]token, 0, len(toks))
	words := 0
	for _, t := range toks {
		if !t.quoted {
			out = append(out, t)
			if len(t.word) > 1 {
				words++
			}
		}
	}
	if words < 2 {
		return toks
	}
	return out
}
