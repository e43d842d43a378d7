package recognise

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A token is a word of a text, folded: small letters without marks, "ae", "oe" and "ue"
// as the vowel alone, so that über, ueber and uber are one. Links and numbers are
// tokens of their own kind; "." stands for the end of a sentence or line.
type token struct {
	n        int32 // its word's number in the reading
	from, to int32
	quoted   bool // in a line that quotes
}

// A word is what is known of one that a text holds, however often.
type word struct {
	text     string
	hash     uint32
	bits     uint64 // the lists that hold it
	concepts [meanings]concept
	from, to int32 // its pieces; none yet: 0, 0
	met      int32 // the last time features were asked for in which it stood
}

// A reading is the room in which one text is read. It is used again for the next: most
// of what reading costs would else be its room.
type reading struct {
	toks   []token
	bits   []uint64 // the lists of each token that was matched
	words  []word
	table  [tableSize]uint16 // hash -> number in words + 1
	pieces []uint32          // of all words
	out    []uint32
	seen   [buckets / 64]uint64
	asked  int32
}

// tableSize is more than the different words that so short a text can have.
const tableSize = 1 << 13

var readings = sync.Pool{New: func() any { return new(reading) }}

// read cuts the beginning and the end of a text into words. Nothing of the reading may
// be used after close.
func read(text string) *reading {
	r := readings.Get().(*reading)
	if len(text) <= headBytes+tailBytes {
		r.cut(text, 0)
		return r
	}
	head, tail := headBytes, len(text)-tailBytes
	for !utf8.RuneStart(text[head]) {
		head--
	}
	for !utf8.RuneStart(text[tail]) {
		tail++
	}
	r.cut(text[:head], 0)
	r.cut(text[tail:], tail)
	return r
}

// close forgets the text.
func (r *reading) close() {
	clear(r.words)
	clear(r.table[:])
	r.toks, r.bits, r.words, r.pieces, r.asked = r.toks[:0], r.bits[:0], r.words[:0], r.pieces[:0], 0
	readings.Put(r)
}

func (r *reading) add(text string, from, to int, quoted bool) {
	r.addHashed(hash(offset32, text), text, from, to, quoted)
}

func (r *reading) addHashed(h uint32, text string, from, to int, quoted bool) {
	i := h % tableSize
	for r.table[i] > 0 {
		if w := &r.words[r.table[i]-1]; w.hash == h && w.text == text {
			break
		}
		i = (i + 1) % tableSize
	}
	if r.table[i] == 0 {
		r.words = append(r.words, word{text: text, hash: h, bits: rules().of(text), concepts: concepts().of(text)})
		r.table[i] = uint16(len(r.words))
	}
	r.toks = append(r.toks, token{int32(r.table[i]) - 1, int32(from), int32(to), quoted})
}

func (r *reading) cut(text string, at int) {
	for start := 0; start < len(text); {
		end := start + strings.IndexByte(text[start:], '\n') + 1
		if end == start {
			end = len(text)
		}
		line := text[start:end]
		quoted := strings.HasPrefix(strings.TrimLeft(line, " \t"), ">")
		r.cutLine(line, at+start, quoted)
		r.add(".", at+end, at+end, quoted)
		start = end
	}
}

func (r *reading) cutLine(line string, at int, quoted bool) {
	for i := 0; i < len(line); {
		if c := line[i]; c < utf8.RuneSelf { // nearly all of it
			switch kinds[c] {
			case gap:
				i++
				continue
			case ending:
				word := "."
				if c == '?' {
					word = "?"
				}
				r.add(word, at+i, at+i+1, quoted)
				i++
				continue
			case linkBegin:
				if n, word := linkAt(line[i:]); n > 0 {
					r.add(word, at+i, at+i+n, quoted)
					i += n
					continue
				}
			}
		} else if c, n := utf8.DecodeRuneInString(line[i:]); !wordRune(c) {
			i += n
			continue
		}
		j, h, simple := plainRun(line, i)
		for j < len(line) {
			c, n := rune(line[j]), 1
			if c >= utf8.RuneSelf {
				c, n = utf8.DecodeRuneInString(line[j:])
			} else if kinds[c] == gap || kinds[c] == ending {
				if c != '\'' && c != '`' || j+n >= len(line) || !letterAt(line[j+n:]) {
					break
				}
				j, simple = j+n, false
				continue
			}
			if !wordRune(c) && !unseen(c) && !(apostrophe(c) && j+n < len(line) && letterAt(line[j+n:])) {
				break
			}
			j, simple = j+n, false
		}
		if w := line[i:j]; simple && len(w) <= 40 {
			r.addHashed(h, w, at+i, at+j, quoted)
		} else if w = fold(w); w != "" {
			r.add(w, at+i, at+j, quoted)
		}
		i = j
	}
}

// kinds is what each byte of ASCII is.
var kinds = func() (out [utf8.RuneSelf]byte) {
	for c := range out {
		switch {
		case c == '.' || c == '!' || c == '?' || c == ';':
			out[c] = ending
		case c|0x20 == 'h' || c|0x20 == 'w':
			out[c] = linkBegin
		case wordRune(rune(c)):
			out[c] = inWord
		}
	}
	return out
}()

const (
	gap byte = iota
	ending
	inWord
	linkBegin // in a word, and a link may begin with it
)

// plainRun is where the small ASCII letters from i on end, and their hash; simple: they
// need no folding.
func plainRun(line string, i int) (j int, h uint32, simple bool) {
	h, simple = offset32, true
	before := byte(0)
	for j = i; j < len(line); j++ {
		c := line[j]
		if c < 'a' || c > 'z' {
			break
		}
		if c == 'e' && (before == 'a' || before == 'o' || before == 'u') {
			simple = false
		}
		h = (h ^ uint32(c)) * prime32
		before = c
	}
	return j, h, simple
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

// own are the words that the text does not quote, unless it says nothing else.
func (r *reading) own() []token {
	if !slices.ContainsFunc(r.toks, func(t token) bool { return t.quoted }) {
		return r.toks
	}
	out := make([]token, 0, len(r.toks))
	words := 0
	for _, t := range r.toks {
		if !t.quoted {
			out = append(out, t)
			if len(r.words[t.n].text) > 1 {
				words++
			}
		}
	}
	if words < 2 {
		return r.toks
	}
	return out
}
