package recognise

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed rules.txt
var rulesText string

// A rule fires where all its lists of words meet within a few words of each other.
type rule struct {
	why     string
	strong  bool // it flags alone; a weak one only tells the model
	lists   []int
	without []int // none of these may stand there
	ordered bool  // in the order of the lists
	window  int   // words between first and last
	n       int   // its number

	first, every, bar uint64 // as bits: the lists that it may begin with, all of them, and those of without
}

// A stem is the beginning of words that are in some lists.
type stem struct {
	text string
	bits uint64
}

// A book is the rules with their words.
type book struct {
	names []string
	exact map[string]uint64  // word: the lists that hold it, as bits
	stems map[[3]byte][]stem // beginnings of words, by their first three bytes
	rules []*rule
}

var rules = sync.OnceValue(func() *book {
	b, err := parseRules(rulesText)
	if err != nil {
		panic(err) // a test reads the same text
	}
	return b
})

// parseRules reads lists ("@name = words"; a word that ends in * is a beginning) and
// rules ("why : @a @b - @c / 8", with > between lists that must stand in order, and !
// before the words of one that flags alone).
func parseRules(text string) (*book, error) {
	b := &book{exact: map[string]uint64{}, stems: map[[3]byte][]stem{}}
	at := map[string]int{}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		if name, words, ok := strings.Cut(line, "="); ok && strings.HasPrefix(line, "@") {
			err = b.list(at, strings.Fields(name), strings.Fields(words))
		} else {
			err = b.rule(at, line)
		}
		if err != nil {
			return nil, fmt.Errorf("rules.txt, line %d: %w", n+1, err)
		}
	}
	return b, nil
}

func (b *book) list(at map[string]int, names, words []string) error {
	if len(names) != 1 {
		return fmt.Errorf("one name, please")
	}
	n, ok := at[names[0]]
	if !ok {
		n = len(b.names)
		if n == 64 {
			return fmt.Errorf("more than 64 lists")
		}
		at[names[0]] = n
		b.names = append(b.names, names[0])
	}
	for _, w := range words {
		if begin, is := strings.CutSuffix(w, "*"); is {
			if begin = fold(begin); len(begin) < 3 {
				return fmt.Errorf("%q is too short a beginning", w)
			}
			at := [3]byte([]byte(begin))
			b.stems[at] = append(b.stems[at], stem{begin, 1 << n})
		} else if strings.HasPrefix(w, "<") || w == "?" {
			b.exact[w] |= 1 << n
		} else {
			b.exact[fold(w)] |= 1 << n
		}
	}
	return nil
}

func (b *book) rule(at map[string]int, line string) error {
	why, body, ok := strings.Cut(line, " : ")
	if !ok {
		return fmt.Errorf("neither a list nor a rule: %q", line)
	}
	r := &rule{window: 8, n: len(b.rules)}
	r.why, r.strong = strings.CutPrefix(why, "!")
	if lists, n, ok := strings.Cut(body, " / "); ok {
		if r.window, ok = number(n); !ok {
			return fmt.Errorf("%q is no number of words", n)
		}
		body = lists
	}
	without := false
	for f := range strings.FieldsSeq(body) {
		switch {
		case f == ">":
			r.ordered = true
		case f == "-":
			without = true
		default:
			n, ok := at[f]
			if !ok {
				return fmt.Errorf("no list %s", f)
			}
			if without {
				r.without = append(r.without, n)
			} else {
				r.lists = append(r.lists, n)
			}
		}
	}
	if len(r.lists) == 0 {
		return fmt.Errorf("a rule without lists")
	}
	for _, l := range r.lists {
		r.every |= 1 << l
	}
	for _, l := range r.without {
		r.bar |= 1 << l
	}
	if r.first = r.every; r.ordered {
		r.first = 1 << r.lists[0]
	}
	b.rules = append(b.rules, r)
	return nil
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n > 0
}

// of returns the lists that hold a word.
func (b *book) of(word string) uint64 {
	bits := b.exact[word]
	if len(word) >= 3 {
		for _, s := range b.stems[[3]byte{word[0], word[1], word[2]}] {
			if strings.HasPrefix(word, s.text) {
				bits |= s.bits
			}
		}
	}
	return bits
}

// A fire is where a rule fired: from token to token.
type fire struct {
	rule     *rule
	from, to int
}

// hits are what the rules found.
type hits struct {
	fired    []fire
	bits     []uint64 // the lists of each token
	denied   bool     // what we said before denies
	answered bool     // we said something before
}

func (r *reading) match(toks []token) *hits {
	r.bits = slices.Grow(r.bits[:0], len(toks))
	for _, t := range toks {
		r.bits = append(r.bits, r.words[t.n].bits)
	}
	return found(r.bits)
}

// found is what the rules find among words, by the lists that hold each.
func found(bits []uint64) *hits {
	h := &hits{bits: bits}
	all := uint64(0)
	for _, b := range bits {
		all |= b
	}
	for _, r := range rules().rules {
		if from, to, ok := r.find(h.bits, all); ok {
			h.fired = append(h.fired, fire{r, from, to})
		}
	}
	return h
}

// find returns the first place where the rule fires.
func (r *rule) find(bits []uint64, all uint64) (from, to int, ok bool) {
	if all&r.every != r.every {
		return 0, 0, false
	}
	for i, b := range bits {
		if b&r.first == 0 {
			continue
		}
		end := min(i+r.window, len(bits)-1)
		here := uint64(0)
		for _, b := range bits[i : end+1] {
			here |= b
		}
		if here&r.every != r.every {
			continue
		}
		if to, ok := r.within(bits, i, end); ok && !r.barred(bits, i, to) {
			return i, to, true
		}
	}
	return 0, 0, false
}

// within reports whether all lists stand between two tokens, each on one of its own.
func (r *rule) within(bits []uint64, from, end int) (to int, ok bool) {
	if r.ordered {
		at := from
		for n, l := range r.lists {
			if n > 0 {
				at++
			}
			for at <= end && bits[at]&(1<<l) == 0 {
				at++
			}
			if at > end {
				return 0, false
			}
		}
		return at, true
	}
	var used [8]int
	for n, l := range r.lists {
		found := -1
		for i := from; i <= end && found < 0; i++ {
			if bits[i]&(1<<l) == 0 {
				continue
			}
			found = i
			for _, u := range used[:n] {
				if u == i {
					found = -1
				}
			}
		}
		if found < 0 {
			return 0, false
		}
		used[n] = found
		to = max(to, found)
	}
	return to, true
}

// barred reports whether a word stands there, or right beside, that makes it something
// else.
func (r *rule) barred(bits []uint64, from, to int) bool {
	for _, b := range bits[max(from-3, 0) : min(to+3, len(bits)-1)+1] {
		if b&r.bar != 0 {
			return true
		}
	}
	return false
}

// previous notes what was said before, and fires the rule of who answers a denial.
func (h *hits) previous(list []string) {
	for _, p := range list {
		if strings.TrimSpace(p) == "" {
			continue
		}
		h.answered = true
		r := read(p)
		for _, f := range r.match(r.toks).fired {
			h.denied = h.denied || strings.HasPrefix(f.rule.why, "denies")
		}
		r.close()
	}
}
