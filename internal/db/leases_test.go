package db_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
)

// hands is a clock that moves when it is told to.
func hands() (clock func() time.Time, later func(time.Duration)) {
	var mu sync.Mutex
	now := time.Now()
	return func() time.Time { mu.Lock(); defer mu.Unlock(); return now }, func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
}

// TestALongReaderHoldsUpNoWriter: emptying the log waits for nobody (F7).
func TestALongReaderHoldsUpNoWriter(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	ctx := context.Background()
	put := func(n string) error {
		return d.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)`, n, []byte("x"))
			return err
		})
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	in, out := make(chan struct{}), make(chan struct{})
	go d.View(ctx, func(tx *db.Tx) error {
		_, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM settings`)
		close(in)
		<-out
		return err
	})
	defer close(out)
	<-in
	if err := put("b"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5600 * time.Millisecond)
	for _, n := range []string{"c", "d"} {
		begin := time.Now()
		err := put(n)
		if err != nil || time.Since(begin) > 500*time.Millisecond {
			t.Errorf("a reader held a writer up for %s: %v", time.Since(begin), err)
		}
	}
}

// TestTheLogIsEmptiedAfterALongReader: what was written over does not stay in it (F28).
func TestTheLogIsEmptiedAfterALongReader(t *testing.T) {
	path := dbtest.SQLite(t)
	d := dbtest.Open(t, path)
	ctx := context.Background()
	in, out := make(chan struct{}), make(chan struct{})
	go d.View(ctx, func(tx *db.Tx) error {
		_, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM settings`)
		close(in)
		<-out
		return err
	})
	<-in
	d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ('k', $1)`, []byte("the data key"))
		return err
	})
	time.Sleep(17 * time.Second)
	close(out)
	size := int64(-1)
	for range 120 {
		if i, err := os.Stat(path + "-wal"); err == nil {
			if size = i.Size(); size == 0 {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the log holds %d bytes still", size)
}

// TestHandedRowsLeaveRoomForOthers: rows that found no place when they came are worked on too while new ones keep coming.
func TestHandedRowsLeaveRoomForOthers(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	ctx := context.Background()
	add := func(id, state, owner string, lease int64) {
		if err := d.Update(ctx, func(tx *db.Tx) error {
			return tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at, owner, lease_until) VALUES ($1, $2, 'smtp', $3, 'k', 1, $4, $4, $5, $6)`,
				id, state, []byte("x"), db.Micros(tx.Now), owner, lease)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Update(ctx, func(tx *db.Tx) error {
		return tx.Put(ctx, `INSERT INTO data_keys (id, wrapped, made_at) VALUES ('k', $1, 1)`, []byte("x"))
	}); err != nil {
		t.Fatal(err)
	}
	old := make(chan struct{})
	var once sync.Once
	w := &db.Worker{DB: d, Slots: 48, Log: slog.New(slog.DiscardHandler), Queue: db.Queue{Table: "spool", Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: "node"},
		Handle: func(ctx context.Context, id string) {
			time.Sleep(time.Duration(5+rand.IntN(60)) * time.Millisecond)
			if id == "old" {
				once.Do(func() { close(old) })
			}
		}}
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // mail comes faster than it is worked on
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if w.Reserve() {
				w.Give(fmt.Sprint("new", i))
			} else {
				time.Sleep(time.Millisecond)
			}
		}
	})
	time.Sleep(100 * time.Millisecond)
	add("old", "spooled", "", 0)
	w.Wake()
	select {
	case <-old:
	case <-time.After(15 * time.Second):
		t.Error("it waits for ever")
	}
	close(stop)
	wg.Wait()
}

// TestAPutInAViewIsRefused: it would be forgotten.
func TestAPutInAViewIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.View(context.Background(), func(tx *db.Tx) error {
			return tx.Put(context.Background(), `DELETE FROM settings`)
		})
		if err == nil {
			t.Error("a write in a view was neither refused nor done")
		}
	})
}

// TestARowThatNobodyWorksOnIsTakenUpSoon: one whose work failed, and that could not be put back, is taken up again within a beat or so.
func TestARowThatNobodyWorksOnIsTakenUpSoon(t *testing.T) {
	defer db.Beat(50 * time.Millisecond)()
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			clock, later := hands()
			ctx := context.Background()
			d, err := db.Open(ctx, db.Options{URL: url(t), Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			if err := d.Update(ctx, func(tx *db.Tx) error {
				return tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at) VALUES ('a', 'spooled', 'smtp', $1, 'k', 1, 1, 1)`, []byte("x"))
			}); err != nil {
				t.Fatal(err)
			}
			calls := make(chan string, 10)
			w := &db.Worker{DB: d, Slots: 4, Log: slog.New(slog.DiscardHandler), Queue: db.Queue{Table: "spool", Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: "node"},
				Handle: func(_ context.Context, id string) { calls <- id }} // the database is away: nothing can be written
			if err := w.Start(ctx); err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			<-calls
			time.Sleep(200 * time.Millisecond)
			later(30 * time.Second)
			select {
			case <-calls:
			case <-time.After(3 * time.Second):
				t.Error("half a minute later nobody works on it")
			}
		})
	}
}

// TestAnOutageStealsNoLease: after an outage longer than a lease the first node to wake must not take what the other still works on.
func TestAnOutageStealsNoLease(t *testing.T) {
	url := dbtest.Postgres(t)
	clock, later := hands()
	ctx := context.Background()
	node := func() *db.DB {
		d, err := db.Open(ctx, db.Options{URL: url, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	a, b := node(), node()
	if err := a.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Update(ctx, func(tx *db.Tx) error {
		return tx.Put(ctx, `INSERT INTO spool (id, state, door, envelope, key_id, size, due_at, came_at) VALUES ('a', 'spooled', 'smtp', $1, 'k', 1, 1, 1)`, []byte("x"))
	}); err != nil {
		t.Fatal(err)
	}
	work := func(d *db.DB, name string) (*db.Worker, chan string, chan struct{}) {
		calls, hold := make(chan string, 10), make(chan struct{})
		return &db.Worker{DB: d, Slots: 4, Log: slog.New(slog.DiscardHandler), Queue: db.Queue{Table: "spool", Ready: []string{"spooled"}, Busy: []string{"working"}, Owner: name},
			Handle: func(_ context.Context, id string) { calls <- id; <-hold }}, calls, hold
	}
	wa, ca, ha := work(a, "a")
	if err := wa.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-ca // under way: it waits for the other side, as a relay may for minutes
	wb, cb, hb := work(b, "b")
	defer func() { close(ha); close(hb); wa.Stop(); wb.Stop() }()
	later(3 * time.Minute) // the database was away, and nobody could beat
	if err := wb.Start(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cb:
		t.Error("two nodes work on it")
	case <-time.After(2 * time.Second):
	}
}
