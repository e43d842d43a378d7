package pgp_test

import (
	"testing"
	"time"

	"postern/internal/gpgtest"
	"postern/internal/pgp"
)

// Only its owner can say something new about a key, and nothing takes a
// revocation back.
func TestRenews(t *testing.T) {
	g := gpgtest.New(t)
	made := time.Now().Add(-48 * time.Hour)
	fpr := g.Generate("Ada <ada@brandt.example>", "1y", made)
	other := g.Generate("Bob <bob@brandt.example>", "1y", made)
	take := func(who string) *pgp.Key {
		t.Helper()
		keys, err := pgp.ParseKeys(g.Export(who))
		if err != nil {
			t.Fatal(err)
		}
		return keys[0]
	}
	do := func(in string, args ...string) {
		t.Helper()
		if _, status, err := g.Run([]byte(in), args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, status)
		}
	}
	first := take(fpr)
	do("", "--quick-set-expire", fpr, "3y")
	extended := take(fpr)
	revocation, status, err := g.Run([]byte("y\n0\n\ny\n"), "--no-batch", "--command-fd", "0", "--armor", "--gen-revoke", fpr)
	if err != nil {
		t.Fatalf("revoke: %v\n%s", err, status)
	}
	g.Import(revocation)
	revoked := take(fpr)
	if got := revoked.State(time.Now().Add(time.Minute)); got != "revoked" {
		t.Errorf("a revoked key: %s", got)
	}

	for _, c := range []struct {
		name     string
		key, old *pgp.Key
		want     bool
	}{
		{"the same again", first, first, false},
		{"extended", extended, first, true},
		{"an old copy", first, extended, false},
		{"revoked", revoked, extended, true},
		{"the revocation cut off", extended, revoked, false},
		{"another's", take(other), first, false},
	} {
		if got := c.key.Renews(c.old); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !extended.Expires().After(first.Expires()) || revoked.CanEncrypt(time.Now()) == nil {
		t.Error("the certificates are not what this test needs")
	}
}
