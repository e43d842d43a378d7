package apikeys

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/vault"
)

func store(t *testing.T) *Store {
	v, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return NewStore(v)
}

// each runs f on each database; later moves its clock.
func each(t *testing.T, f func(t *testing.T, update func(func(ctx context.Context, tx *db.Tx) error), later func(time.Duration))) {
	clock := make(chan time.Time, 1) // holds the time; whoever reads puts it back
	clock <- time.Now().UTC().Truncate(time.Second)
	get := func() time.Time { n := <-clock; clock <- n; return n }
	dbtest.EachAt(t, get, func(t *testing.T, d *db.DB) {
		f(t, func(g func(ctx context.Context, tx *db.Tx) error) {
			t.Helper()
			if err := d.Update(t.Context(), func(tx *db.Tx) error { return g(t.Context(), tx) }); err != nil {
				t.Fatal(err)
			}
		}, func(by time.Duration) { clock <- (<-clock).Add(by) })
	})
}

func TestKeyOpensUntilRevoked(t *testing.T) {
	each(t, func(t *testing.T, update func(func(context.Context, *db.Tx) error), _ func(time.Duration)) {
		s := store(t)
		update(func(ctx context.Context, tx *db.Tx) error {
			k := &Key{Name: " core banking ", Scopes: []Scope{MessagesSend, MessagesSend, ContactsRead}}
			token, err := s.Add(ctx, tx, k, audit.System)
			if err != nil {
				return err
			}
			got, err := s.Find(ctx, tx, token)
			if err != nil {
				t.Fatalf("the key itself: %v", err)
			}
			if got.ID != k.ID || got.Name != "core banking" || !slices.Equal(got.Scopes, []Scope{MessagesSend, ContactsRead}) || !got.May(ContactsRead) || got.May(ContactsWrite) {
				t.Errorf("%+v", got)
			}
			if err := s.Revoke(ctx, tx, k.ID, audit.Staff("noor")); err != nil {
				return err
			}
			if _, err := s.Find(ctx, tx, token); !fail.Is(err, fail.Denied) {
				t.Errorf("revoked: %v", err)
			}
			if err := s.Revoke(ctx, tx, k.ID, audit.System); !fail.Is(err, fail.Conflict) {
				t.Errorf("revoked twice: %v", err)
			}
			if err := s.Revoke(ctx, tx, "none", audit.System); !fail.Is(err, fail.NotFound) {
				t.Errorf("a key that is not there: %v", err)
			}
			rows, err := audit.About(ctx, tx, string(k.ID), 9)
			if err != nil || len(rows) != 2 || rows[0].Act != "api-key.revoked" || rows[0].Actor != "staff:noor" || rows[1].Act != "api-key.made" {
				t.Errorf("recorded: %+v %v", rows, err)
			}
			return nil
		})
	})
}

// Each of these differs from a good key by one thing.
func TestWrongKeysAreDeniedAlike(t *testing.T) {
	each(t, func(t *testing.T, update func(func(context.Context, *db.Tx) error), _ func(time.Duration)) {
		s := store(t)
		update(func(ctx context.Context, tx *db.Tx) error {
			token, err := s.Add(ctx, tx, &Key{Name: "a", Scopes: Scopes}, audit.System)
			if err != nil {
				return err
			}
			other, err := s.Add(ctx, tx, &Key{Name: "b", Scopes: Scopes}, audit.System)
			if err != nil {
				return err
			}
			if _, err := s.Find(ctx, tx, token); err != nil {
				t.Fatal(err)
			}
			for name, bad := range map[string]string{"nothing": "", "no prefix": token[len(Prefix):], "upper case": strings.ToUpper(token), "longer": token + "0", "shorter": token[:len(token)-1],
				"the id of one with the secret of another": token[:len(Prefix)+idLen] + other[len(Prefix)+idLen:], "zero byte": token[:len(token)-1] + "\x00",
				"another last character": token[:len(token)-1] + map[bool]string{true: "1", false: "0"}[token[len(token)-1] == '0'], "unknown id": Prefix + db.NewID() + token[len(Prefix)+idLen:]} {
				if _, err := s.Find(ctx, tx, bad); !fail.Is(err, fail.Denied) || fail.Text(err) != "this key is not valid: it is unknown, was revoked, or has expired" {
					t.Errorf("%s: %v", name, err)
				}
			}
			if id, secret, ok := split(token); !ok || s.hash(id, secret) == store(t).hash(id, secret) {
				t.Error("a desk with another master key would take it")
			}
			return nil
		})
	})
}

func TestKeyExpires(t *testing.T) {
	each(t, func(t *testing.T, update func(func(context.Context, *db.Tx) error), later func(time.Duration)) {
		s := store(t)
		var token string
		update(func(ctx context.Context, tx *db.Tx) (err error) {
			token, err = s.Add(ctx, tx, &Key{Name: "a", Scopes: Scopes, Expires: tx.Now.Add(time.Hour)}, audit.System)
			return err
		})
		find := func(want bool) {
			t.Helper()
			update(func(ctx context.Context, tx *db.Tx) error {
				if _, err := s.Find(ctx, tx, token); (err == nil) != want {
					t.Errorf("let in: %v, want %v", err == nil, want)
				}
				return nil
			})
		}
		later(time.Hour - time.Second)
		find(true)
		later(time.Second)
		find(false)
	})
}

func TestLastUseIsCoarse(t *testing.T) {
	each(t, func(t *testing.T, update func(func(context.Context, *db.Tx) error), later func(time.Duration)) {
		s, k := store(t), &Key{Name: "a", Scopes: Scopes}
		update(func(ctx context.Context, tx *db.Tx) error { _, err := s.Add(ctx, tx, k, audit.System); return err })
		update(func(ctx context.Context, tx *db.Tx) error { return Used(ctx, tx, k.ID) })
		later(59 * time.Minute)
		for _, want := range []bool{false, true} {
			update(func(ctx context.Context, tx *db.Tx) error {
				list, err := s.List(ctx, tx)
				if err == nil && (len(list) != 1 || list[0].Stale(tx.Now) != want) {
					t.Errorf("%+v: stale should be %v", list, want)
				}
				return err
			})
			later(time.Minute)
		}
	})
}

func TestWhatNoKeyCanBe(t *testing.T) {
	now := time.Now()
	for name, k := range map[string]Key{"no name": {Scopes: Scopes}, "a line break": {Name: "a\nb", Scopes: Scopes}, "no scope": {Name: "a"},
		"unknown scope": {Name: "a", Scopes: []Scope{"everything"}}, "expired": {Name: "a", Scopes: Scopes, Expires: now}} {
		if err := k.check(now); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The table tells neither the key nor whose it is.
func TestTableHoldsNoKeyAndNoName(t *testing.T) {
	each(t, func(t *testing.T, update func(func(context.Context, *db.Tx) error), _ func(time.Duration)) {
		update(func(ctx context.Context, tx *db.Tx) error {
			token, err := store(t).Add(ctx, tx, &Key{Name: "canary bank", Scopes: Scopes}, audit.System)
			if err != nil {
				return err
			}
			type row struct {
				name []byte
				hash string
			}
			r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.name, &r.hash) }, `SELECT name, hash FROM api_keys`)
			if err != nil {
				return err
			}
			if strings.Contains(string(r.name), "canary") || strings.Contains(r.hash, token[len(Prefix)+idLen+1:]) {
				t.Errorf("%q %s", r.name, r.hash)
			}
			return nil
		})
	})
}
