package db_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
)

// TestUnsendableValueIsItsCallersAlone: a value that no column takes is found before
// anything is sent; the others of the group have nothing to do with it.
func TestUnsendableValueIsItsCallersAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		good := func(tx *db.Tx) error { return put(ctx, tx, db.NewID(), "x") }
		errs := together(t, d, good, func(tx *db.Tx) error {
			return tx.Put(ctx, `UPDATE spool SET attempts = $1 WHERE id = 'none'`, uint64(1)<<63)
		}, good)
		if errs[0] != nil || errs[1] == nil || errs[2] != nil || len(names(t, d)) != 2 {
			t.Errorf("got %v, %v", errs, names(t, d))
		}
	})
}

// TestJobOfAFailedCallerIsGone: what goes by SQL(), as jobs do, is not behind the
// caller's savepoint; yet nothing of a caller stays that is told an error.
func TestJobOfAFailedCallerIsGone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		job := func(name string, after error) func(tx *db.Tx) error {
			return func(tx *db.Tx) error {
				if _, err := tx.SQL().ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ('`+name+`', 'x')`); err != nil {
					return err
				}
				return after
			}
		}
		errs := together(t, d, job("good", nil), job("lost", errors.New("no")), job("lost too", fail.New(fail.Unavailable, "away")), job("kept", nil))
		if errs[0] != nil || errs[1] == nil || errs[2] == nil || errs[3] != nil {
			t.Errorf("got %v", errs)
		}
		if got := names(t, d); len(got) != 2 || got[0] != "good" || got[1] != "kept" {
			t.Errorf("got %v", got)
		}
		// A transaction that could not begin is none.
		err := d.Update(ctx, func(tx *db.Tx) error {
			tx.Put(ctx, `INSERT INTO no_such_table (a) VALUES (1)`)
			tx.SQL().ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ('alone', 'x')`)
			return nil
		})
		if got := names(t, d); !d.Lite() && (err == nil || len(got) != 2) {
			t.Errorf("%v, got %v", err, got)
		}
	})
}

// TestUndoneIsNotTold: who keeps silent about a failed statement is still told that
// nothing was committed.
func TestUndoneIsNotTold(t *testing.T) {
	d, ctx := dbtest.Open(t, dbtest.Postgres(t)), t.Context()
	ran := false
	err := d.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(func() { ran = true })
		put(ctx, tx, "lost", "x")
		tx.SQL().ExecContext(ctx, `SELECT 1/0`)
		return nil
	})
	if err == nil || ran || len(names(t, d)) != 0 {
		t.Errorf("%v, after commit %v, %v", err, ran, names(t, d))
	}
}

// TestChainGoesOnFromWhatIsThere: another server takes over without the last rows, and
// nothing was asked of the old one meanwhile.
func TestChainGoesOnFromWhatIsThere(t *testing.T) {
	d, ctx := dbtest.Open(t, dbtest.Postgres(t)), t.Context()
	add := func() {
		t.Helper()
		if err := d.Update(ctx, func(tx *db.Tx) error {
			return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "test"})
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		add()
	}
	c, err := d.Pool().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`ALTER TABLE audit DISABLE TRIGGER ALL`, `DELETE FROM audit WHERE seq = 3`, `ALTER TABLE audit ENABLE TRIGGER ALL`} {
		if _, err := c.ExecContext(ctx, q); err != nil {
			t.Fatal(q, err)
		}
	}
	c.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() ORDER BY pid = pg_backend_pid()`)
	c.Close()
	time.Sleep(1200 * time.Millisecond) // so long idle, a connection is looked at before it is used
	add()
	add()
	if _, err := audit.Verify(ctx, d, audit.Anchor{}); err != nil {
		t.Error(err)
	}
}

// TestTwoNodesMakeTheTables: on an empty database, at once.
func TestTwoNodesMakeTheTables(t *testing.T) {
	url := dbtest.Postgres(t)
	var wg sync.WaitGroup
	for range 3 {
		d, err := db.Open(t.Context(), db.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		wg.Go(func() {
			if err := d.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestReadIsOneMomentAndNoWrite: what reads in one go cannot write, and its queries see
// the same moment.
func TestReadIsOneMomentAndNoWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var got []string
		text := func(s *string, row func(...any) error) error { return row(s) }
		if err := d.Read(ctx, db.Into(&got, text, `INSERT INTO settings (name, value) VALUES ('written', 'x') RETURNING name`)); err == nil || len(names(t, d)) != 0 {
			t.Errorf("%v, %v", err, names(t, d))
		}
		if d.Lite() {
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(200 * time.Millisecond)
			d.Update(ctx, func(tx *db.Tx) error { return put(ctx, tx, "meanwhile", "x") })
		})
		var a, b, nothing []string
		if err := d.Read(ctx, db.Into(&a, text, `SELECT count(*)::text FROM settings`), db.Into(&nothing, text, `SELECT pg_sleep(0.6)::text`), db.Into(&b, text, `SELECT count(*)::text FROM settings`)); err != nil {
			t.Fatal(err)
		}
		if wg.Wait(); a[0] != "0" || b[0] != "0" || len(names(t, d)) != 1 {
			t.Errorf("%v, then %v, of %v", a, b, names(t, d))
		}
	})
}

// TestStoppingKeepsItsLease: what is finished while a node stops may take minutes; no
// other node takes it up meanwhile.
func TestStoppingKeepsItsLease(t *testing.T) {
	defer db.Beat(20 * time.Millisecond)()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, begun, finish := t.Context(), make(chan struct{}), make(chan struct{})
		w := &db.Worker{DB: d, Slots: 2, Log: slog.New(slog.DiscardHandler), Handle: func(context.Context, string) { close(begun); <-finish },
			Queue: db.Queue{Table: "spool", Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: "node"}}
		if err := d.Update(ctx, func(tx *db.Tx) error {
			return tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at) VALUES ('one', 'spooled', 'smtp', $1, '', 0, 0, 0)`, []byte("x"))
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.Start(ctx); err != nil {
			t.Fatal(err)
		}
		<-begun
		var stopped sync.WaitGroup
		stopped.Go(w.Stop)
		time.Sleep(200 * time.Millisecond) // it stops now, and waits
		lease := func() (n int64) {
			d.View(ctx, func(tx *db.Tx) (err error) { n, err = db.Count(ctx, tx, `SELECT lease_until FROM spool`); return err })
			return n
		}
		before := lease()
		for n := 0; lease() == before; n++ {
			if time.Sleep(10 * time.Millisecond); n > 500 {
				t.Fatal("its lease runs out")
			}
		}
		close(finish)
		stopped.Wait()
	})
}
