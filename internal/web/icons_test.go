package web_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"postern/internal/web"
)

// Every symbol of the file can be drawn, and stands in the page itself; public pages ask
// for no file of symbols.
func TestEveryIconCanBeDrawn(t *testing.T) {
	b, err := os.ReadFile("static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`id="i-([^"]+)"`).FindAllStringSubmatch(string(b), -1)
	if len(ids) < 30 {
		t.Fatalf("%d symbols", len(ids))
	}
	for _, id := range ids {
		if s, err := web.DrawnIcon(id[1]); err != nil || !strings.HasPrefix(string(s), `<svg class="i" viewBox="0 0 `) || strings.Contains(string(s), "href") {
			t.Errorf("%s: %v, %s", id[1], err, s)
		}
	}
	if _, err := web.DrawnIcon("nothing"); err == nil {
		t.Error("an icon that there is not is drawn")
	}
	for _, f := range fixtures() {
		if strings.HasPrefix(f.file, "c-") || strings.HasPrefix(f.file, "p-") {
			if bytes.Contains(render(t, f), []byte("icons.svg")) {
				t.Errorf("%s asks for the file of symbols", f.file)
			}
		}
	}
}
