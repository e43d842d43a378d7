package db_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
)

func put(ctx context.Context, tx *db.Tx, name, value string) error {
	_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)`, name, []byte(value))
	return err
}

func names(t *testing.T, d *db.DB) []string {
	t.Helper()
	var got []string
	if err := d.View(t.Context(), func(tx *db.Tx) (err error) {
		got, err = db.Strings(t.Context(), tx, `SELECT name FROM settings ORDER BY name`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestGroupCommitKeepsFailuresApart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var wg sync.WaitGroup
		boom := errors.New("boom")
		for i := range 60 {
			wg.Go(func() {
				err := d.Update(ctx, func(tx *db.Tx) error {
					if err := put(ctx, tx, strconv.Itoa(1000+i), "x"); err != nil {
						return err
					}
					switch i % 3 {
					case 1:
						return boom
					case 2:
						return put(ctx, tx, strconv.Itoa(1000+i), "twice")
					}
					return nil
				})
				switch {
				case i%3 == 0 && err != nil:
					t.Errorf("%d: %v", i, err)
				case i%3 == 1 && !errors.Is(err, boom):
					t.Errorf("%d: got %v, want boom", i, err)
				case i%3 == 2 && !fail.Is(err, fail.Conflict):
					t.Errorf("%d: got %v, want a conflict", i, err)
				}
			})
		}
		wg.Wait()
		if got := names(t, d); len(got) != 20 {
			t.Errorf("%d rows, want 20: %v", len(got), got)
		}
	})
}

func TestPanicInOneClosureLeavesTheOthers(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	ctx := t.Context()
	err := d.Update(ctx, func(tx *db.Tx) error {
		put(ctx, tx, "lost", "x")
		panic("oops")
	})
	if err == nil {
		t.Error("a panic must be an error")
	}
	if err := d.Update(ctx, func(tx *db.Tx) error { return put(ctx, tx, "kept", "x") }); err != nil {
		t.Fatal(err)
	}
	if got := names(t, d); len(got) != 1 || got[0] != "kept" {
		t.Errorf("got %v", got)
	}
}

func TestAfterCommitRunsOnlyAfterCommit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ran := 0
		d.Update(t.Context(), func(tx *db.Tx) error {
			tx.AfterCommit(func() { ran += 10 })
			return errors.New("no")
		})
		if err := d.Update(t.Context(), func(tx *db.Tx) error {
			tx.AfterCommit(func() { ran++ })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if ran != 1 {
			t.Errorf("ran = %d, want 1", ran)
		}
	})
}

func TestSQLiteIsDurable(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	var mode string
	if err := d.Pool().QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode %q, %v", mode, err)
	}
	for pragma, want := range map[string]int{"synchronous": 2, "foreign_keys": 1, "secure_delete": 1} {
		var got int
		if err := d.Pool().QueryRow(`PRAGMA ` + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", pragma, got, err, want)
		}
	}
}

func TestClosedDatabaseIsUnavailable(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	d.Close()
	if err := d.Update(t.Context(), func(*db.Tx) error { return nil }); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Pool().Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); !fail.Is(err, fail.Conflict) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}
