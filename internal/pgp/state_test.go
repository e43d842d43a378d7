package pgp_test

import (
	"testing"
	"time"

	"postern/internal/gpgtest"
	"postern/internal/pgp"
)

// TestAKeyThatOnlySignsHasNotRunOut: why nothing can be encrypted to a key is said as it is.
func TestAKeyThatOnlySignsHasNotRunOut(t *testing.T) {
	g := gpgtest.New(t)
	if out, status, err := g.Run(nil, "--quick-generate-key", "--batch", "--passphrase", "", "Vera <vera@signs.example>", "ed25519", "sign", "never"); err != nil {
		t.Fatalf("%v\n%s%s", err, out, status)
	}
	out, status, err := g.Run(nil, "--armor", "--export", "vera@signs.example")
	if err != nil {
		t.Fatalf("%v\n%s", err, status)
	}
	keys, err := pgp.ParseKeys([]byte(out))
	if err != nil || len(keys) != 1 {
		t.Fatal(len(keys), err)
	}
	now := time.Now().Add(time.Minute)
	if got := keys[0].State(now); got != "signs" {
		t.Errorf("a key that only signs: %s", got)
	}
	if got := keys[0].State(now.Add(-24 * time.Hour)); got != "future" {
		t.Errorf("before it was made: %s", got)
	}
	if got := key(t, "Ada").Public().State(now); got != "works" {
		t.Errorf("a good one: %s", got)
	}
}
