package lang

import (
	"maps"
	"regexp"
	"slices"
	"testing"
)

var places = regexp.MustCompile(`\{\d\}`)

// TestCatalogues: no language lacks words that another has, and none loses what is
// put in.
func TestCatalogues(t *testing.T) {
	c := catalogues()
	for _, l := range All[1:] {
		for key, words := range c[English] {
			theirs, ok := c[l][key]
			if !ok {
				t.Errorf("%s has no words for %q", l, key)
				continue
			}
			a, b := slices.Sorted(slices.Values(places.FindAllString(words, -1))), slices.Sorted(slices.Values(places.FindAllString(theirs, -1)))
			if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
				t.Errorf("%s, %q: puts in %v, English %v", l, key, b, a)
			}
		}
		for key := range maps.Keys(c[l]) {
			if _, ok := c[English][key]; !ok {
				t.Errorf("%s has words for %q, which nobody else has", l, key)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	for accept, want := range map[string]Lang{"": English, "de": German, "de-AT,en;q=0.5": German, "fr,de;q=0.5": German, "fr": English,
		"en-GB,de;q=0.9": English, "en-XA": English, ";;;": English} {
		if got := Match(accept); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func TestSay(t *testing.T) {
	if s, err := German.Say("no.such.key"); err == nil {
		t.Errorf("a key that is not there says %q", s)
	}
	if s, err := Lang("tlh").Say("door.else"); err != nil || s != "Something else" {
		t.Errorf("an unknown language: %q, %v", s, err)
	}
}

func TestRead(t *testing.T) {
	for _, bad := range []string{"a = 1\na = 2", "a", "a = ", "= x"} {
		if m, err := read(bad); err == nil {
			t.Errorf("%q is read as %v", bad, m)
		}
	}
}
