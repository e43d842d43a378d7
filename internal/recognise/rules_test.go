package recognise

import (
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
