package app

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/internal/db/dbtest"
)

// TestKeyOfTheCommandLineOpensTheRunningDesk: the command works beside a desk, on
// both databases, and what it does counts with the next request.
func TestKeyOfTheCommandLineOpensTheRunningDesk(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = mk(t)
			}
			c := newCaller(openPages(t, database))
			vars := []string{"POSTERN_DATA_DIR=" + c.d.cfg.DataDir, "POSTERN_DATABASE=" + database}
			run := func(args ...string) string {
				t.Helper()
				var out, errs bytes.Buffer
				if code := Run(t.Context(), Env{Args: append([]string{"api-key"}, args...), Vars: vars, Stdout: &out, Stderr: &errs}); code != exitOK {
					t.Fatalf("%v: %d %s", args, code, &errs)
				}
				return out.String()
			}
			key := strings.TrimSpace(run("add", "--name", "bank", "--scope", "contacts.read"))
			get := func() int { return c.call(ask{Key: key, Method: "GET", Path: "/contacts"}).Code }
			if code := get(); code != http.StatusOK {
				t.Errorf("made: %d", code)
			}
			if list := run("list"); !strings.Contains(list, "bank") || strings.Contains(list, "never") {
				t.Errorf("used, and the list does not say so:\n%s", list)
			}
			run("revoke", strings.Split(key, "_")[1])
			if code := get(); code != http.StatusUnauthorized {
				t.Errorf("revoked: %d", code)
			}
		})
	}
}

func TestLifeOfAKey(t *testing.T) {
	for s, want := range map[string]time.Duration{"": 0, "90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "3653d": 3653 * 24 * time.Hour} {
		if got, err := parseLife(s); err != nil || got != want {
			t.Errorf("%q: %s %v", s, got, err)
		}
	}
	for _, s := range []string{"0d", "-1d", "d", "90", "1.5d", "3654d", "99999999999999999999d", "9223372036854775807h", "1w", " 1d"} {
		if got, err := parseLife(s); err == nil {
			t.Errorf("%q is %s", s, got)
		}
	}
}
