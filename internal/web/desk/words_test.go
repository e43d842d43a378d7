package desk

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/web"
)

// notActs look like acts and are none: events for webhooks, what an instruction
// does, files, permissions.
var notActs = regexp.MustCompile(`^(contact\.(address|app|first-key|key|passkey|phone|recover)|message\.(received|sent|eml)|key\.asc|mail\.(eml|year|told|back)|address\.title|text\.(html|txt|code)|security\.triage|instruction\.due|report\.(needs-a-person|days|rewards|canary|laws))$`)

// TestEveryActHasWords reads the code for what is written into the audit log, so
// that no page shows a name that only a machine reads.
func TestEveryActHasWords(t *testing.T) {
	words, kinds := map[string]bool{}, map[string]bool{}
	for _, a := range acts {
		if words[a.act] || a.words == "" {
			t.Errorf("%s: twice, or without words", a.act)
		}
		words[a.act] = true
		kind, _, _ := strings.Cut(a.act, ".")
		kinds[kind] = true
	}
	found := map[string]bool{}
	for file, text := range sources(t) {
		for _, m := range regexp.MustCompile(`Act: +"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
		// An act may come as an argument: whatever begins like one counts as one.
		for _, m := range regexp.MustCompile(`"([a-z-]+)\.[a-z-]+"`).FindAllStringSubmatch(text, -1) {
			if kinds[m[1]] && !notActs.MatchString(strings.Trim(m[0], `"`)) {
				found[strings.Trim(m[0], `"`)] = true
			}
		}
		for _, m := range regexp.MustCompile(`\.[nN]ote\(ctx, tx, i, .+?, "([a-z-]+)", `).FindAllStringSubmatch(text, -1) {
			found["instruction."+m[1]] = true
		}
		if strings.HasSuffix(file, "instructions/instructions.go") { // states end an instruction, and are its acts
			for _, m := range regexp.MustCompile(`State += "([a-z]+)"`).FindAllStringSubmatch(text, -1) {
				found["instruction."+m[1]] = true
			}
		}
	}
	for _, prefix := range []string{"delivery.", "webhook."} { // outcomes: "delivery."+state
		if !found[prefix] {
			t.Errorf("nothing writes %q with a state any more", prefix)
		}
		delete(found, prefix)
		for _, state := range map[string][]string{"delivery.": {"sent", "captured", "held", "failed", "bounced"}, "webhook.": {"sent", "failed"}}[prefix] {
			found[prefix+state] = true
		}
	}
	delete(found, "instruction.")
	if len(found) < 90 || !found["instruction.proof-refused"] || !found["instruction.frozen"] || !found["place.entered"] {
		t.Fatalf("only %d acts found in the code", len(found))
	}
	for act := range found {
		if !words[act] {
			t.Errorf("%s: no words for people", act)
		}
	}
}

// sources are the Go files of the program, without tests and without the list of
// words itself.
func sources(t *testing.T) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "desk/words.go") {
			return err
		}
		b, err := os.ReadFile(path)
		out[filepath.ToSlash(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestActsSayWhatPeopleWantToRead(t *testing.T) {
	for _, c := range []struct{ act, detail, want string }{
		{"message.in", "verdict V, encryption V", "Message in: signed, checked"},
		{"message.in", "", "Message in"},
		{"key.verified", "D4F0 by instruction 0123abc", "Key compared with its owner: D4F0 by an instruction"},
		{"key.verified", "D4F0 by call-back", "Key compared with its owner: D4F0 by call-back"},
		{"security.alarm", "instruction 0123abc: its owner did not ask for it", "Alarm: its owner did not ask for it"},
		{"security.alarm", "too many acts", "Alarm: too many acts"},
		{"made.up", "", "made.up"},
	} {
		if got := new(Desk).actWords(audit.Row{Entry: audit.Entry{Act: c.act, Detail: c.detail, Actor: audit.System}}); got != c.want {
			t.Errorf("%s, %q: %q, want %q", c.act, c.detail, got, c.want)
		}
	}
}

func TestCardSaysInWordsWhatTheySigned(t *testing.T) {
	clock := web.Clock{Now: time.Date(2026, 11, 22, 7, 20, 0, 0, time.UTC), Zone: time.UTC}
	for _, c := range []struct {
		signed, unsigned int64
		want             string
	}{{0, 3, ""}, {1, 0, "Signed one message"}, {2, 1, "Signed two messages; the latest was not signed"}, {12, 3, "Signed 12 messages; the latest three were not signed"}} {
		card := new(Desk).card(clock, &contacts.Contact{Signed: c.signed, Unsigned: c.unsigned, Addresses: []contacts.Address{{Address: "a@x.example", Source: "mail"}}}, 0)
		if card.Signs != c.want || card.Addresses[0].Source != "They wrote from it" {
			t.Errorf("%d and %d: %q, %q", c.signed, c.unsigned, card.Signs, card.Addresses[0].Source)
		}
	}
}
