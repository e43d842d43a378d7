package db_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		row := func(tx *db.Tx) error { // in the middle of an answer
			put(ctx, tx, "lost", "x")
			_, err := db.List(ctx, tx, func(*string, func(...any) error) error { panic("oops") }, `SELECT 'a' UNION ALL SELECT 'b'`)
			return err
		}
		for _, bad := range []func(tx *db.Tx) error{row, func(tx *db.Tx) error { put(ctx, tx, "lost", "x"); panic("oops") }} {
			if d.Update(ctx, bad) == nil || !d.Lite() && d.View(ctx, row) == nil { // on SQLite it is its reader's own
				t.Error("a panic must be an error")
			}
			errs := together(t, d, func(tx *db.Tx) error { return put(ctx, tx, db.NewID(), "x") }, bad, func(tx *db.Tx) error { return put(ctx, tx, db.NewID(), "x") })
			if errs[0] != nil || errs[1] == nil || errs[2] != nil {
				t.Errorf("got %v", errs)
			}
		}
		if got := names(t, d); len(got) != 4 || slices.Contains(got, "lost") {
			t.Errorf("got %v", got)
		}
	})
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

// What is put is judged when it is sent: with a later statement or the commit.
// The error must reach its own caller and nobody else.
func TestPutFailsWithItsOwnCaller(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		store := func(tx *db.Tx, name string) error {
			return tx.Put(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)`, name, []byte("x"))
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return store(tx, "taken") }); err != nil {
			t.Fatal(err)
		}
		gone := fail.New(fail.Conflict, "it is gone")
		var wg sync.WaitGroup
		for i := range 80 {
			wg.Go(func() {
				name := strconv.Itoa(1000 + i)
				err := d.Update(ctx, func(tx *db.Tx) error {
					if err := store(tx, name); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return store(tx, "taken")
					case 2:
						return tx.Must(ctx, gone, `UPDATE settings SET value = $2 WHERE name = $1`, "nobody "+name, []byte("y"))
					case 3:
						if _, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM settings WHERE name = $1`, name); err != nil {
							return err
						}
						return gone
					}
					return nil
				})
				if (err == nil) != (i%4 == 0) || err != nil && !fail.Is(err, fail.Conflict) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := names(t, d); len(got) != 21 {
			t.Errorf("%d rows, want 21: %v", len(got), got)
		}
	})
}

// A closure sees what it put itself.
func TestPutIsSeenByTheNextRead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var a, b []string
		text := func(s *string, row func(...any) error) error { return row(s) }
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := tx.Put(ctx, `INSERT INTO settings (name, value) VALUES ('one', $1)`, make([]byte, 300<<10)); err != nil {
				return err
			}
			return tx.Read(ctx, db.Into(&a, text, `SELECT name FROM settings`), db.Into(&b, text, `SELECT name || '!' FROM settings WHERE name = $1`, "one"))
		})
		if err != nil || len(a) != 1 || len(b) != 1 || b[0] != "one!" {
			t.Errorf("%v: %q %q", err, a, b)
		}
	})
}

// Who gives up while his change is in a group takes nobody along.
func TestAbandonedCallerLeavesTheOthers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var wg sync.WaitGroup
		var kept atomic.Int64
		for i := range 40 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := d.Update(ctx, func(tx *db.Tx) error {
					if i%2 == 0 {
						cancel()
					}
					_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)`, strconv.Itoa(100+i), []byte("x"))
					return err
				})
				if err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
				kept.Add(1)
			})
		}
		wg.Wait()
		if got := names(t, d); int64(len(got)) != kept.Load() {
			t.Errorf("%d rows of %d", len(got), kept.Load())
		}
	})
}

// Two nodes that change the same row: neither change is lost.
func TestTwoNodesOnOneDatabase(t *testing.T) {
	url := dbtest.Postgres(t)
	nodes := []*db.DB{dbtest.Open(t, url), dbtest.Open(t, url)}
	ctx := t.Context()
	if err := nodes[0].Update(ctx, func(tx *db.Tx) error { return put(ctx, tx, "sum", "0") }); err != nil {
		t.Fatal(err)
	}
	bytes := func(b *[]byte, row func(...any) error) error { return row(b) }
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if err := nodes[i%2].Update(ctx, func(tx *db.Tx) error {
				v, err := db.One(ctx, tx, bytes, `SELECT value FROM settings WHERE name = 'sum'`)
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(*v))
				if err != nil {
					return err
				}
				return tx.Put(ctx, `UPDATE settings SET value = $1 WHERE name = 'sum'`, []byte(strconv.Itoa(n+1)))
			}); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if err := nodes[1].View(ctx, func(tx *db.Tx) error {
		v, err := db.One(ctx, tx, bytes, `SELECT value FROM settings WHERE name = 'sum'`)
		if err == nil && string(*v) != "60" {
			t.Errorf("sum %s, want 60", *v)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// together runs closures in one group: they wait behind one that holds the writer.
func together(t *testing.T, d *db.DB, fs ...func(*db.Tx) error) []error {
	t.Helper()
	gate, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Update(t.Context(), func(*db.Tx) error { close(held); <-gate; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-held
	errs := make([]error, len(fs))
	for i, f := range fs {
		wg.Go(func() { errs[i] = d.Update(t.Context(), f) })
		time.Sleep(20 * time.Millisecond) // in this order
	}
	close(gate)
	wg.Wait()
	return errs
}

// One caller's failure is not the next one's to swallow.
func TestFailureIsNotSwallowedByTheNextCaller(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		gone := fail.New(fail.NotFound, "it is gone")
		careless := func(name string) func(*db.Tx) error {
			return func(tx *db.Tx) error {
				if err := put(ctx, tx, name, "x"); err != nil {
					return err
				}
				db.Count(ctx, tx, `SELECT COUNT(*) FROM settings`) // whatever it says
				return nil
			}
		}
		errs := together(t, d,
			func(tx *db.Tx) error {
				return tx.Must(ctx, gone, `UPDATE settings SET value = $1 WHERE name = 'nobody'`, []byte("x"))
			},
			careless("one"),
			func(tx *db.Tx) error {
				return tx.Put(ctx, `INSERT INTO settings (name, value) VALUES ('one', $1)`, []byte("y"))
			},
			careless("two"),
			func(tx *db.Tx) error { return put(ctx, tx, "three", "x") })
		if !errors.Is(errs[0], gone) || errs[1] != nil || !fail.Is(errs[2], fail.Conflict) || errs[3] != nil || errs[4] != nil {
			t.Errorf("%v", errs)
		}
		if got := names(t, d); len(got) != 3 {
			t.Errorf("%v", got)
		}
	})
}

// A refusal after a read costs its own caller only: the others of the group run once.
func TestRefusalLeavesTheGroupTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var ran [3]int
		errs := together(t, d,
			func(tx *db.Tx) error { ran[0]++; return put(ctx, tx, "one", "x") },
			func(tx *db.Tx) error {
				ran[1]++
				if err := put(ctx, tx, "refused", "x"); err != nil {
					return err
				}
				if _, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM settings`); err != nil {
					return err
				}
				return fail.New(fail.TooMany, "no")
			},
			func(tx *db.Tx) error { ran[2]++; return put(ctx, tx, "two", "x") })
		if errs[0] != nil || !fail.Is(errs[1], fail.TooMany) || errs[2] != nil || ran != [3]int{1, 1, 1} {
			t.Errorf("%v, ran %v", errs, ran)
		}
		if got := names(t, d); len(got) != 2 || got[0] != "one" || got[1] != "two" {
			t.Errorf("%v", got)
		}
	})
}

// The lease of a row that nobody works on runs out while its node lives.
func TestBeatProlongsOnlyWhatIsWorkedOn(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	dbtest.EachAt(t, func() time.Time { return now }, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		q := db.Queue{Table: "spool", Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: "node"}
		do := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Update(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		do(func(tx *db.Tx) error {
			for _, id := range []string{"kept", "left"} {
				if err := tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at) VALUES ($1, 'spooled', 'smtp', $2, '', 0, 0, 0)`, id, []byte("x")); err != nil {
					return err
				}
			}
			return nil
		})
		do(func(tx *db.Tx) error {
			ids, err := q.Claim(ctx, tx, 10)
			if len(ids) != 2 {
				t.Errorf("claimed %v", ids)
			}
			return err
		})
		now = now.Add(db.Lease * 3 / 4)
		do(func(tx *db.Tx) error { return q.Beat(ctx, tx, []string{"kept"}) })
		now = now.Add(db.Lease / 2)
		do(func(tx *db.Tx) error {
			n, err := q.Reclaim(ctx, tx, false)
			if n != 1 {
				t.Errorf("%d rows fell back", n)
			}
			return err
		})
		do(func(tx *db.Tx) error {
			ids, err := q.Claim(ctx, tx, 10)
			if len(ids) != 1 || ids[0] != "left" {
				t.Errorf("claimed again: %v", ids)
			}
			return err
		})
	})
}

// On PostgreSQL nobody looks between the last statements and the commit: one that must
// change a row and does not must undo all by itself.
func TestWhatMustChangeARowUndoesItsOwnAndNoMore(t *testing.T) {
	none := fail.New(fail.NotFound, "no such row")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		add := func(k string) func(*db.Tx) error {
			return func(tx *db.Tx) error {
				return tx.Must(t.Context(), none, `INSERT INTO settings (name, value) VALUES ($1, '1') ON CONFLICT DO NOTHING`, k)
			}
		}
		alone := func(tx *db.Tx) error {
			if err := add("a")(tx); err != nil {
				return err
			}
			return tx.Must(t.Context(), none, `UPDATE settings SET value = '2' WHERE name = $1`, "nobody")
		}
		if err := d.Update(t.Context(), alone); !errors.Is(err, none) {
			t.Errorf("alone: %v", err)
		}
		errs := together(t, d, add("b"), add("c"), add("b"), alone, add("d"))
		for i, want := range []error{nil, nil, none, none, nil} {
			if !errors.Is(errs[i], want) {
				t.Errorf("%d: %v, want %v", i, errs[i], want)
			}
		}
		d.View(t.Context(), func(tx *db.Tx) error {
			have, err := db.Strings(t.Context(), tx, `SELECT name FROM settings WHERE name IN ('a', 'b', 'c', 'd', 'nobody') ORDER BY name`)
			if err != nil || strings.Join(have, "") != "bcd" {
				t.Errorf("there are %v, %v", have, err)
			}
			return err
		})
	})
}

func TestOnceOnlyReads(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, write := range map[string]func(*db.Tx) error{
			"exec": func(tx *db.Tx) error { return put(t.Context(), tx, "a", "1") },
			"put": func(tx *db.Tx) error {
				return tx.Put(t.Context(), `INSERT INTO settings (name, value) VALUES ('b', '1')`)
			},
		} {
			if err := d.Once(t.Context(), write); err == nil {
				t.Errorf("%s: it wrote", name)
			}
		}
		if got := names(t, d); len(got) > 0 {
			t.Errorf("there are %v", got)
		}
	})
}
