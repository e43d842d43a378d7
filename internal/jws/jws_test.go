package jws_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/jws"
	"postern/internal/vault"
)

// desk is a signer with a clock that the test moves.
type desk struct {
	*jws.Signer
	t  *testing.T
	d  *db.DB
	v  *vault.Vault
	mu *sync.Mutex
	at *time.Time
}

func each(t *testing.T, f func(*desk)) {
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	dbtest.EachAt(t, clock, func(t *testing.T, d *db.DB) {
		v, err := vault.New(vault.NewMaster())
		if err != nil {
			t.Fatal(err)
		}
		s := &desk{t: t, d: d, v: v, mu: &mu, at: &at}
		s.Signer = s.open()
		f(s)
	})
}

func (s *desk) open() *jws.Signer {
	s.t.Helper()
	x, err := jws.Open(s.t.Context(), s.d, s.v)
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

func (s *desk) pass(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); *s.at = s.at.Add(d) }

func (s *desk) rotate() (kid string) {
	s.t.Helper()
	err := s.d.Update(s.t.Context(), func(tx *db.Tx) (err error) { kid, err = s.Rotate(s.t.Context(), tx); return err })
	if err != nil {
		s.t.Fatal(err)
	}
	return kid
}

func (s *desk) stored() (sealed []byte) {
	s.t.Helper()
	err := s.d.View(s.t.Context(), func(tx *db.Tx) error {
		b, err := db.One(s.t.Context(), tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT value FROM settings WHERE name = 'signing-keys'`)
		if err == nil {
			sealed = *b
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return sealed
}

func (s *desk) sign(claims any) string {
	s.t.Helper()
	token, err := s.Sign(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// claims is what the tests sign; its text has what JSON likes to escape.
type claims struct {
	Sub string `json:"sub"`
	Exp int64  `json:"exp"`
}

var ann = claims{"Ann <ann@example.org> & Söhne", 1764000000}

func part(t *testing.T, token string, i int) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	var h struct{ Alg, Typ, Kid string }
	if err := json.Unmarshal(part(t, token, 0), &h); err != nil || h.Alg != "ES256" || h.Typ != "JWT" {
		t.Fatalf("header %+v, %v", h, err)
	}
	return h.Kid
}

func kids(t *testing.T, set []byte) (out []string) {
	t.Helper()
	var keys struct{ Keys []map[string]string }
	if err := json.Unmarshal(set, &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys.Keys {
		if len(k) != 7 || k["d"] != "" {
			t.Errorf("a published key has the members %v", k)
		}
		out = append(out, k["kid"])
	}
	return out
}

func TestSignedClaimsComeBack(t *testing.T) {
	each(t, func(s *desk) {
		got, err := jws.Verify(s.sign(ann), s.JWKS())
		var back claims
		if err != nil || json.Unmarshal(got, &back) != nil || back != ann {
			t.Errorf("%s, %v", got, err)
		}
		for _, bad := range []any{"text", 1, nil, []int{1}, json.RawMessage(`{"a":1,"a":2}`)} {
			if _, err := s.Sign(bad); !fail.Is(err, fail.Invalid) {
				t.Errorf("signed %v: %v", bad, err)
			}
		}
	})
}

func TestKeysOutliveTheProcessAndAreSealed(t *testing.T) {
	each(t, func(s *desk) {
		token := s.sign(ann)
		again := s.open()
		if !bytes.Equal(again.JWKS(), s.JWKS()) {
			t.Error("another start has other keys")
		}
		if _, err := jws.Verify(token, again.JWKS()); err != nil {
			t.Error(err)
		}
		if b := s.stored(); len(b) < 100 || bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("public")) {
			t.Errorf("%d bytes stored, in clear", len(b))
		}
		other, _ := vault.New(vault.NewMaster())
		if _, err := jws.Open(t.Context(), s.d, other); err == nil {
			t.Error("another master key opened the signing keys")
		}
	})
}

func TestNodesThatStartTogetherShareOneKey(t *testing.T) {
	each(t, func(s *desk) {
		if _, err := s.d.Pool().ExecContext(t.Context(), `DELETE FROM settings`); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		sets := make([]string, 8)
		for i := range sets {
			wg.Go(func() {
				if x, err := jws.Open(t.Context(), s.d, s.v); err == nil {
					sets[i] = string(x.JWKS())
				}
			})
		}
		wg.Wait()
		if sets[0] == "" || len(slices.Compact(sets)) != 1 {
			t.Errorf("%d different key sets", len(slices.Compact(sets)))
		}
	})
}

func TestRotation(t *testing.T) {
	each(t, func(s *desk) {
		old := s.sign(ann)
		other := s.open() // another node
		next := s.rotate()
		if got := kids(t, s.JWKS()); len(got) != 2 || got[0] != next || got[1] != kidOf(t, old) {
			t.Fatalf("published %v", got)
		}
		if kidOf(t, s.sign(ann)) != kidOf(t, old) {
			t.Error("the new key signs before others can know it")
		}
		s.pass(jws.Lead)
		if kidOf(t, s.sign(ann)) != next {
			t.Error("the new key does not sign")
		}
		if _, err := jws.Verify(s.sign(ann), other.JWKS()); !fail.Is(err, fail.NotFound) {
			t.Errorf("a node that did not look: %v", err)
		}
		if err := other.Reload(t.Context()); err != nil || !bytes.Equal(other.JWKS(), s.JWKS()) {
			t.Errorf("after another look: %v", err)
		}
		s.pass(jws.Keep - time.Microsecond)
		if _, err := jws.Verify(old, s.JWKS()); err != nil {
			t.Errorf("an old token is refused too early: %v", err)
		}
		s.pass(time.Microsecond)
		if _, err := jws.Verify(old, s.JWKS()); !fail.Is(err, fail.NotFound) {
			t.Errorf("the old key is published too long: %v", err)
		}
		if got := kids(t, s.JWKS()); len(got) != 1 || got[0] != next {
			t.Errorf("published %v", got)
		}
	})
}

func TestRotationsInARow(t *testing.T) {
	each(t, func(s *desk) {
		first := kidOf(t, s.sign(ann))
		s.rotate()
		s.pass(time.Minute)
		last := s.rotate()
		s.pass(jws.Lead - time.Second)
		if got := kidOf(t, s.sign(ann)); got != first {
			t.Errorf("%s signs: a key whose secret was dropped, or one too early", got)
		}
		s.pass(time.Second)
		if got := kidOf(t, s.sign(ann)); got != last || len(kids(t, s.JWKS())) != 3 {
			t.Errorf("%s signs, want the last", got)
		}
		s.pass(jws.Keep + jws.Lead)
		s.rotate()
		if got := kids(t, s.open().JWKS()); len(got) != 2 || got[1] != last {
			t.Errorf("kept %v", got)
		}
	})
}

func TestOldKeysAreNotKeptForEver(t *testing.T) {
	each(t, func(s *desk) {
		s.rotate()
		two := len(s.stored())
		for range 5 {
			s.pass(jws.Keep + jws.Lead)
			s.rotate()
		}
		if n := len(s.stored()); n > two {
			t.Errorf("%d bytes are stored after six rotations, %d after the first", n, two)
		}
	})
}

func TestRotationThatIsNotCommitted(t *testing.T) {
	each(t, func(s *desk) {
		before := s.JWKS()
		s.d.Update(t.Context(), func(tx *db.Tx) error {
			if _, err := s.Rotate(t.Context(), tx); err != nil {
				t.Error(err)
			}
			return fail.New(fail.Conflict, "not now")
		})
		if !bytes.Equal(before, s.JWKS()) || !bytes.Equal(before, s.open().JWKS()) {
			t.Error("a rotation that was taken back is published")
		}
	})
}
