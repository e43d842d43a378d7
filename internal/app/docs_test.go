package app

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/SETTINGS.md")

// TestSettingsAreDocumented keeps the page of settings what the program knows.
func TestSettingsAreDocumented(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Settings\n\nAs `postern help config` prints them.\n\n```\n")
	if err := helpConfig(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("```\n")
	const file = "../../docs/SETTINGS.md"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("docs/SETTINGS.md is not what the program knows (%v); run this test with -update", err)
	}
}
