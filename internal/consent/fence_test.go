package consent

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postern/internal/contacts"
)

func contactID(s string) contacts.ID { return contacts.ID(s) }

// hashes of the wordings; see TestP5WordingsNeverChange.
const (
	sumEncryption1 = "7f3df8fd36f154c0e437504ca548bbb5b2e6f91262a99195ebb38fc5114ed0d1"
	sumSignature1  = "b7121aed0dc5b6046a59ee39891f285d44455ea3d2b6c336fd88ac3f33075b92"
	sumFactor1     = "2590edcb6286f78a51510126eb2f622ec07230ef6608ed7738b55068bab6fe32"
	sumProof1      = "d613ed7e409d93e78f713ab0d5afab7888049059b2452e6f27681aceae463888"

	sumEncryption2 = "1dd5a1ba877545c7f48a4717a64fddbe611658679ec99e69e3a9684539436c55"
	sumSignature2  = "33a9cd67454847e958913cc09a3d4045f45c69342697b9c11146cf58483c7d47"
	sumFactor2     = "909a80a4c2c45ae40f476c90afba5d7deff81f405544fc1fc5d67c4d49ebdaa4"
	sumProof2      = "8667106adb3aedeb45255afc14efca8f4950d685c5eb2bb3badfe39882f92bd8"
)

// sources calls f with every program text of the desk that is not a test.
func sources(t *testing.T, f func(pkg, text string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		n++
		f(strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../"), string(b))
		return err
	})
	if err != nil || n < 100 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// TestP5ProofsAreMadeInTwoPlaces: by the portal of its sessions, by intake of
// what came in. Staff's pages and the interface for programs have neither.
func TestP5ProofsAreMadeInTwoPlaces(t *testing.T) {
	allowed := map[string]string{"consent.BySession(": "portal", "consent.BySignedMail(": "intake"}
	seen := map[string]int{}
	sources(t, func(pkg, text string) {
		for call, where := range allowed {
			if n := strings.Count(text, call); n > 0 {
				seen[call] += n
				if pkg != where {
					t.Errorf("%s calls %s)", pkg, call)
				}
			}
		}
		for _, call := range []string{"consent.Give(", "consent.Prepare("} {
			if strings.Contains(text, call) && strings.HasPrefix(pkg, "web") {
				t.Errorf("%s calls %s): pages give through the flow that also sends the receipts", pkg, call)
			}
		}
	})
	for call := range allowed {
		if seen[call] != 1 {
			t.Errorf("%s) is called %d times, want once", call, seen[call])
		}
	}
}

// TestP5NothingDeletesConsents: no statement in the program removes a row, or
// changes what was agreed to.
func TestP5NothingDeletesConsents(t *testing.T) {
	deletes := regexp.MustCompile(`(?i)(DELETE\s+FROM|TRUNCATE(\s+TABLE)?|REPLACE\s+INTO)\s+consents`)
	changes := regexp.MustCompile(`(?i)UPDATE\s+consents\s+SET\s+(.*?) WHERE`)
	updates := 0
	sources(t, func(pkg, text string) {
		if deletes.MatchString(text) {
			t.Errorf("%s deletes consents", pkg)
		}
		for _, m := range changes.FindAllStringSubmatch(text, -1) {
			updates++
			if pkg != "consent" || !regexp.MustCompile(`^(asked_at = \$2|ended_at = \$2, ended_how = \$3)$`).MatchString(m[1]) {
				t.Errorf("%s changes consents: %s", pkg, m[1])
			}
		}
	})
	if updates != 2 {
		t.Errorf("%d updates, want 2", updates)
	}
}

// TestP1OneDoorForMailWithoutItsSignature: only the outbox takes a signature off,
// and only where it has looked at the consent.
func TestP1OneDoorForMailWithoutItsSignature(t *testing.T) {
	n := 0
	sources(t, func(pkg, text string) {
		n += strings.Count(text, "pgp.Bare(")
		if strings.Contains(text, "pgp.Bare(") && (pkg != "outbox" || !strings.Contains(text, "if l.unsigned() == nil {\n\t\treturn raw, nil")) {
			t.Errorf("%s takes signatures off", pkg)
		}
	})
	if n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}
