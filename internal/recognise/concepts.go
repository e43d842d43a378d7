package recognise

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed concepts.txt
var conceptsText string

// A concept is what words of four languages mean; its number, from 1. Most words mean
// one thing, some up to four, many none that matters here.
type concept = uint16

const meanings = 4

// A thesaurus knows what words mean.
type thesaurus struct {
	exact map[string][]concept
	stems map[[4]byte][]sense // beginnings of words, by their first four bytes
	count concept
}

// A sense is what words mean that begin so.
type sense struct {
	text string
	n    concept
}

var concepts = sync.OnceValue(func() *thesaurus {
	t, err := parseConcepts(conceptsText)
	if err != nil {
		panic(err) // a test reads the same text
	}
	return t
})

func parseConcepts(text string) (*thesaurus, error) {
	t := &thesaurus{exact: map[string][]concept{}, stems: map[[4]byte][]sense{}}
	names, line := map[string]bool{}, 0
	for s := range strings.Lines(text) {
		line++
		if s = strings.TrimSpace(s); s == "" || s[0] == '#' {
			continue
		}
		name, words, ok := strings.Cut(s, " = ")
		if !ok || names[name] {
			return nil, fmt.Errorf("concepts.txt, line %d: no name of its own before the words", line)
		}
		names[name] = true
		t.count++
		for _, w := range strings.Fields(words) {
			begin, is := strings.CutSuffix(w, "*")
			switch w = fold(begin); {
			case !is:
				t.exact[w] = append(t.exact[w], t.count)
			case len(w) < 4:
				return nil, fmt.Errorf("concepts.txt, line %d: %q is too short a beginning", line, w)
			default:
				at := [4]byte([]byte(w))
				t.stems[at] = append(t.stems[at], sense{w, t.count})
			}
		}
	}
	return t, nil
}

// of returns what a folded word means; 0 ends the list.
func (t *thesaurus) of(word string) (out [meanings]concept) {
	n := copy(out[:], t.exact[word])
	if len(word) < 4 {
		return out
	}
	for _, s := range t.stems[[4]byte([]byte(word))] {
		if n < meanings && strings.HasPrefix(word, s.text) {
			out[n] = s.n
			n++
		}
	}
	return out
}

// reach is how many words apart two meanings may stand to be seen together.
const reach = 10

// meaning adds the features of what a word means, and of what the words before it mean.
func (r *reading) meaning(toks []token, i int) {
	for _, c := range r.words[toks[i].n].concepts {
		if c == 0 {
			return
		}
		r.feature(ofConcept[c])
		for j := max(0, i-reach); j < i; j++ {
			for _, before := range r.words[toks[j].n].concepts {
				if before == 0 {
					break
				}
				r.feature(bucket((uint32(before)<<16 | uint32(c)) * 2654435761))
			}
		}
	}
}

// ofConcept are the buckets of the concepts.
var ofConcept = func() (out [1 << 10]uint32) {
	for i := range out {
		out[i] = bucket(hash(offset32, "concept") + uint32(i)*prime32)
	}
	return out
}()
