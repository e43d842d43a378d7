package vault_test

import (
	"bytes"
	"testing"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/vault"
)

func newVault(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSealedContentKnowsItsPlace(t *testing.T) {
	k := newVault(t).NewKey()
	sealed := k.Seal([]byte("secret"), "case-1", "body")
	if got, err := k.Open(sealed, "case-1", "body"); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := k.Open(sealed, "case-2", "body"); err == nil {
		t.Error("opened in another place")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(bad, "case-1", "body"); err == nil {
			t.Fatalf("opened with byte %d flipped", i)
		}
	}
}

func TestDestroyedKeyOpensNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v, ctx := newVault(t), t.Context()
		k := v.NewKey()
		sealed := k.Seal([]byte("statement"), "blob", "b1")
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := vault.Add(ctx, tx, k); err != nil {
				return err
			}
			return vault.PutBlob(ctx, tx, "b1", k, 9, sealed)
		})
		if err != nil {
			t.Fatal(err)
		}
		get := func() (got []byte, err error) {
			var b *vault.Blob
			if err := d.View(ctx, func(tx *db.Tx) (err error) { b, err = v.GetBlob(ctx, tx, "b1"); return err }); err != nil {
				return nil, err
			}
			return b.Open()
		}
		if got, err := get(); err != nil || string(got) != "statement" {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return vault.Destroy(ctx, tx, k.ID) }); err != nil {
			t.Fatal(err)
		}
		if _, err := get(); !fail.Is(err, fail.NotFound) {
			t.Errorf("got %v, want NotFound", err)
		}
	})
}

func TestLargeBlobsAreStoredInParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := newVault(t)
		k := v.NewKey()
		const overhead = 28
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return vault.Add(t.Context(), tx, k) }); err != nil {
			t.Fatal(err)
		}
		for name, size := range map[string]int{"empty": 0, "one": 1<<20 - overhead - 1, "edge": 1<<20 - overhead, "two": 1 << 20, "many": 5<<20 + 7} {
			plain := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			err := d.Update(t.Context(), func(tx *db.Tx) error {
				return vault.PutBlob(t.Context(), tx, name, k, size, k.Seal(plain, "blob", name))
			})
			if err != nil {
				t.Fatal(err)
			}
			var b *vault.Blob
			if err := d.View(t.Context(), func(tx *db.Tx) (err error) { b, err = v.GetBlob(t.Context(), tx, name); return err }); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := b.Open(); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
		}
		d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `DELETE FROM blobs WHERE id = 'many' AND part = 5`)
			return err
		})
		err := d.View(t.Context(), func(tx *db.Tx) error { _, err := v.GetBlob(t.Context(), tx, "many"); return err })
		if !fail.Is(err, fail.NotFound) {
			t.Errorf("a blob without its end: %v", err)
		}
	})
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := newVault(t).Check(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := newVault(t).Check(t.Context(), d); !fail.Is(err, fail.Denied) {
			t.Errorf("got %v, want Denied", err)
		}
	})
}
