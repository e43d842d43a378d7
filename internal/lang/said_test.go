package lang

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaid(t *testing.T) {
	for _, x := range []struct {
		l          Lang
		said, want string
	}{
		{English, "fill this in", "fill this in"},
		{"", "fill this in", "fill this in"},
		{German, "fill this in", "Füllen Sie das aus"},
		{German, "", ""},
		{German, "done by our systems: booked as 4471", "Von unseren Systemen erledigt: booked as 4471"},
		{German, "this instruction needs a passkey; a call does not prove it", "Dieser Auftrag braucht einen Passkey; ein Anruf genügt nicht"},
		{German, "this was added on 3 May, 08:20 UTC. For an instruction of this kind it counts from 6 May, 08:20 UTC on; until then use another way, or call us",
			"Das wurde am 3. Mai, 08:20 UTC hinzugefügt. Für einen Auftrag dieser Art zählt es ab 6. Mai, 08:20 UTC; nehmen Sie bis dahin einen anderen Weg, oder rufen Sie uns an"},
		{German, "something that nobody translated", "something that nobody translated"},
	} {
		if got := x.l.Said(x.said); got != x.want {
			t.Errorf("%s, %q: %q, want %q", x.l, x.said, got, x.want)
		}
	}
}

// sources are all programs and templates of the desk, without their tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		code := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".html")
		if err != nil || d.IsDir() || !code {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestSayingsAreTheCodesOwn: a failure whose English words were changed would be said
// in English to everybody.
func TestSayingsAreTheCodesOwn(t *testing.T) {
	all := sources(t)
	for key, words := range catalogues()[English] {
		if !strings.HasPrefix(key, saidPrefix) {
			continue
		}
		for _, part := range places.Split(words, -1) {
			if !strings.Contains(all, strings.Trim(part, " ")) {
				t.Errorf("%s: nothing says %q", key, part)
			}
		}
	}
}

// TestKeysAreUsed: words that nobody says are not kept. A key may be put together from
// its beginning and a word.
func TestKeysAreUsed(t *testing.T) {
	all := sources(t)
	used := func(key string) bool {
		if strings.Contains(all, `"`+key+`"`) || strings.HasPrefix(key, saidPrefix) {
			return true
		}
		for i := range len(key) {
			if key[i] == '.' && (strings.Contains(all, `"`+key[:i+1]+`"`) || strings.Contains(all, `"`+key[:i+1]+`%`)) {
				return true
			}
		}
		return false
	}
	for key := range catalogues()[English] {
		base := key
		for _, end := range []string{".none", ".one", ".many", ".hint"} { // counts and doors add these
			base = strings.TrimSuffix(base, end)
		}
		if !used(key) && !used(base) {
			t.Errorf("nobody says %q", key)
		}
	}
}
