package vault

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// prefix is how many letters of a word are indexed: enough to narrow a search,
// too few to spell out what was written.
const prefix = 4

// Words returns the index numbers of a text's words, each once, at most 64.
func (v *Vault) Words(text string) []int64 {
	seen := map[string]bool{}
	var out []int64
	for _, w := range Split(text) {
		if w = head(w); seen[w] || len(out) == 64 {
			continue
		}
		seen[w] = true
		out = append(out, v.Word(w))
	}
	return out
}

// Split cuts a text into folded words: lower case, accents dropped.
func Split(text string) []string {
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func head(w string) string {
	n := 0
	for i := range w {
		if n == prefix {
			return w[:i]
		}
		n++
	}
	return w
}

// Matches reports whether every word of query begins some word of the texts.
func Matches(query string, texts ...string) bool {
	var words []string
	for _, t := range texts {
		words = append(words, Split(t)...)
	}
next:
	for _, q := range Split(query) {
		for _, w := range words {
			if strings.HasPrefix(w, q) {
				continue next
			}
		}
		return false
	}
	return true
}
