package recognise

import (
	"slices"
	"strings"
	"testing"
)

func TestRulesAreRead(t *testing.T) {
	b, err := parseRules(rulesText)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rules) < 30 {
		t.Errorf("%d rules", len(b.rules))
	}
	if m, err := ReadModel(modelFile); err != nil || m.scale[0] == 0 {
		t.Errorf("the model: %v", err)
	}
	for _, bad := range []string{"@a @b = c", "no rule", "why : ", "why : @nothing", "why : @a / x"} {
		if _, err := parseRules("@a = b\n" + bad); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}

func TestConceptsAreRead(t *testing.T) {
	c, err := parseConcepts(conceptsText)
	if err != nil {
		t.Fatal(err)
	}
	if c.count < 200 || int(c.count) >= len(ofConcept) {
		t.Errorf("%d concepts", c.count)
	}
	// What a word means does not depend on its language or form.
	for _, list := range [][]string{{"letter", "Briefe", "courrier", "carta"}, {"somebody", "jemand", "quelqu'un", "alguien"}, {"saw", "gesehen", "vu", "visto"}, {"patients", "Patientin", "patiente", "pacientes"}} {
		first := c.of(fold(list[0]))
		for _, w := range list[1:] {
			if got := c.of(fold(w)); !slices.ContainsFunc(got[:], func(n concept) bool { return n > 0 && slices.Contains(first[:], n) }) {
				t.Errorf("%s means %v, %s means %v", list[0], first, w, got)
			}
		}
	}
	if c.of("xyzzy") != [meanings]concept{} {
		t.Error("a word that means nothing")
	}
	for _, bad := range []string{"no words", "a = b\na = c", "a = abc*"} {
		if _, err := parseConcepts(bad); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Über": "uber", "ueber": "uber", "Straße": "strasse", "didn't": "didnt", "else’s": "elses", "sécurité": "securite", "2026": "<4>", "3D": "3d",
		"sec\u200burity": "security", "ѕесure": "secure", strings.Repeat("a1", 30): "<long>", "ﬁle": "file",
	} {
		if got := fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
