// Package lang has the words of the public pages in every language they come in.
// A catalogue is a text file of lines "key = words"; {1}, {2} stand for what is put
// in. A test holds every catalogue to the same keys and the same places, and every
// key to being used.
package lang

import (
	"embed"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Lang is a language, by its BCP 47 tag.
type Lang string

const (
	English Lang = "en"
	German  Lang = "de"
	// Pseudo is English, lengthened and with marks on its letters: whatever looks
	// plain on a page in it was written past the catalogue. It is offered to nobody.
	Pseudo Lang = "en-XA"
)

// All are the languages that are offered, the first for whoever wants none of them.
var All = []Lang{English, German}

// Name is the language's own name for itself.
func (l Lang) Name() string {
	if l == German {
		return "Deutsch"
	}
	return "English"
}

// String is the tag, as the attribute lang wants it; the zero value is English.
func (l Lang) String() string {
	if l == "" {
		return string(English)
	}
	return string(l)
}

// Parse returns the language with the tag, if there is one.
func Parse(tag string) (Lang, bool) {
	for _, l := range append([]Lang{Pseudo}, All...) {
		if strings.EqualFold(tag, string(l)) {
			return l, true
		}
	}
	return English, false
}

var matcher = sync.OnceValue(func() language.Matcher {
	var tags []language.Tag
	for _, l := range All {
		tags = append(tags, language.Make(string(l)))
	}
	return language.NewMatcher(tags)
})

// Match chooses from a browser's Accept-Language (RFC 9110, 12.5.4).
func Match(accept string) Lang {
	if len(accept) > 500 {
		return All[0]
	}
	_, i := language.MatchStrings(matcher(), accept)
	return All[i]
}

//go:embed *.txt
var files embed.FS

// catalogues are read once; a damaged one is a bug that every test meets.
var catalogues = sync.OnceValue(func() map[Lang]map[string]string {
	out := map[Lang]map[string]string{}
	for _, l := range All {
		b, err := files.ReadFile(string(l) + ".txt")
		if err != nil {
			panic(err)
		}
		m, err := read(string(b))
		if err != nil {
			panic(fmt.Errorf("catalogue %s: %w", l, err))
		}
		out[l] = m
	}
	out[Pseudo] = map[string]string{}
	for k, words := range out[English] {
		out[Pseudo][k] = pseudo(words)
	}
	return out
})

func read(s string) (map[string]string, error) {
	m := map[string]string{}
	n := 0
	for line := range strings.Lines(s) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, words, ok := strings.Cut(line, " = ")
		if _, twice := m[key]; !ok || twice || strings.TrimSpace(words) == "" {
			return nil, fmt.Errorf("line %d: %q is no line of its own \"key = words\"", n, line)
		}
		m[key] = words
	}
	return m, nil
}

// Say returns the words under a key, with what is put in. A key that is not there
// is an error: a page with a hole in it is not shown.
func (l Lang) Say(key string, in ...any) (string, error) {
	c := catalogues()[l]
	if c == nil {
		c = catalogues()[All[0]]
	}
	words, ok := c[key]
	if !ok {
		return "", fmt.Errorf("no words for %q in %s", key, l)
	}
	for i, v := range in {
		words = strings.ReplaceAll(words, fmt.Sprintf("{%d}", i+1), fmt.Sprint(v))
	}
	return words, nil
}

// Must is Say for keys that are written in code, which a test looks up.
func (l Lang) Must(key string, in ...any) string {
	s, err := l.Say(key, in...)
	if err != nil {
		panic(err)
	}
	return s
}

// Alike is what of a name counts when two are compared: its letters and digits,
// without their case and marks.
func Alike(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKD.String(s))
}

var marks = strings.NewReplacer("a", "á", "e", "é", "i", "í", "o", "ö", "u", "ü", "c", "ç", "n", "ñ", "s", "š", "A", "Å", "E", "É", "I", "Î", "O", "Ø", "U", "Û", "S", "Š")

// pseudo marks letters and makes the words longer by two fifths.
func pseudo(s string) string {
	return "[" + marks.Replace(s) + strings.Repeat(" ~~~", (len(s)+9)/10) + "]" // words that can be broken, as in any language
}

// Date is a day as it stands in a letter: 3 May 2026, 3. Mai 2026.
func (l Lang) Date(t time.Time) string {
	names := strings.Fields(l.Must("months"))
	return l.Must("day.far", t.Day(), names[int(t.Month()-1)%len(names)], t.Year())
}

// Hours says hours of work, as settings write them, in the language: Mon-Fri becomes
// Mo-Fr.
func (l Lang) Hours(s string) string {
	names := strings.Fields(l.Must("days"))
	for i, d := range []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		s = strings.ReplaceAll(s, d, names[i])
	}
	return s
}

// everyday are words that nearly every text has, and the other language has not.
var everyday = func() map[string]Lang {
	out := map[string]Lang{}
	for l, words := range map[Lang]string{German: "und ich nicht ist der die das bitte für mit sie eine einen wie zu haben guten hallo wir auf von mein meine ihre",
		English: "and i not is the please for with you a how to have hello we on of my your it that dear"} {
		for _, w := range strings.Fields(words) {
			out[w] = l
		}
	}
	return out
}()

// Guess is the language that a text is most likely written in; English if nothing
// speaks for another.
func Guess(text string) Lang {
	if len(text) > 1500 {
		text = text[:1500]
	}
	n := map[Lang]int{}
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if l, ok := everyday[w]; ok {
			n[l]++
		}
	}
	if n[German] > n[English] {
		return German
	}
	return English
}
