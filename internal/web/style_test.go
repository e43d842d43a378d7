package web_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func styles(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("css/*.css")
	if err != nil || len(names) == 0 {
		t.Fatal("no style sheet", err)
	}
	var all strings.Builder
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

var (
	cssRule  = regexp.MustCompile(`\{[^{}]*\}`)
	cssClass = regexp.MustCompile(`\.([a-z][a-z_-]*[a-z0-9])`)
	cssNote  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssToken = regexp.MustCompile(`--([a-z0-9-]+): (?:light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)|(#[0-9a-f]+));`)
)

// TestNoIdleStyle finds classes that no page and no script uses.
func TestNoIdleStyle(t *testing.T) {
	var used strings.Builder
	for _, f := range fixtures() {
		used.Write(render(t, f))
	}
	scripts, err := os.ReadFile("static/composer.js")
	if err != nil {
		t.Fatal(err)
	}
	used.Write(scripts)
	seen := map[string]bool{}
	for _, m := range cssClass.FindAllStringSubmatch(cssRule.ReplaceAllString(cssNote.ReplaceAllString(styles(t), ""), "\n"), -1) {
		class := m[1]
		if seen[class] {
			continue
		}
		seen[class] = true
		if !regexp.MustCompile(`class="[^"]*\b` + class + `\b`).MatchString(used.String()) {
			t.Errorf("nothing has the class %q", class)
		}
	}
}

// TestContrast holds text to 4.5:1 and the edges of controls to 3:1, in both themes.
func TestContrast(t *testing.T) {
	tokens := map[string][2]string{}
	css := styles(t)
	for _, m := range cssToken.FindAllStringSubmatch(css[:strings.Index(css, "@supports")], -1) {
		if m[4] != "" {
			m[2], m[3] = m[4], m[4]
		}
		tokens[m[1]] = [2]string{m[2], m[3]}
	}
	check := func(ink, ground string, least float64) {
		for theme, name := range []string{"light", "dark"} {
			a, b := tokens[ink][theme], tokens[ground][theme]
			if a == "" || b == "" {
				t.Fatalf("no token %s or %s", ink, ground)
			}
			if c := contrast(a, b); c < least {
				t.Errorf("%s on %s, %s: %.2f, want %.1f", ink, ground, name, c, least)
			}
		}
	}
	for _, ground := range []string{"paper", "sheet", "sunk", "letter-bg"} {
		for _, ink := range []string{"ink", "ink-2", "accent", "link", "good", "warn", "stop", "note"} {
			check(ink, ground, 4.5)
		}
		check("line-2", ground, 3)
		check("focus", ground, 3)
	}
	for _, soft := range []string{"good", "warn", "stop", "note", "accent"} {
		check("ink", soft+"-soft", 4.5)
		check("ink-2", soft+"-soft", 4.5)
		check(soft, soft+"-soft", 4.5)
		check("link", soft+"-soft", 4.5)
	}
	check("on-accent", "accent", 4.5)
	check("on-accent", "accent-deep", 4.5)
	for _, ground := range []string{"rail", "rail-on"} {
		check("rail-ink", ground, 4.5)
		check("rail-ink-2", ground, 4.5)
		check("rail-mark", ground, 3)
	}
}

// contrast as in WCAG 2.2.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func luminance(hex string) float64 {
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8) // the expression took only digits
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
