package jobs_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/jobs"
)

// started is a runner whose jobs send their number to the channel.
func started(t testing.TB, d *db.DB, start bool) (*jobs.Runner, chan int) {
	t.Helper()
	r := jobs.New(d, slog.New(slog.DiscardHandler))
	ran := make(chan int, 10000)
	jobs.AddWorker(r, func(_ context.Context, p ping) error { ran <- p.N; return nil })
	if err := r.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if start {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Stop(context.Background()) })
	}
	return r, ran
}

func insert(t testing.TB, d *db.DB, r *jobs.Runner, n int) {
	t.Helper()
	if err := d.Update(t.Context(), func(tx *db.Tx) error { return r.Insert(t.Context(), tx, ping{n}) }); err != nil {
		t.Fatal(err)
	}
}

func wait(t testing.TB, ran chan int, d time.Duration) int {
	t.Helper()
	select {
	case n := <-ran:
		return n
	case <-time.After(d):
		t.Fatal("the job did not run")
		return 0
	}
}

func TestJobOfADeadNodeIsRescued(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, ran := started(t, d, false)
		insert(t, d, r, 7)
		// A node took it ten minutes ago and died.
		then := any(time.Now().Add(-10 * time.Minute).UTC())
		if d.Lite() {
			then = then.(time.Time).Format("2006-01-02 15:04:05.000")
		}
		if err := d.Update(t.Context(), func(tx *db.Tx) error {
			return db.Change(t.Context(), tx, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = $1`, then)
		}); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop(context.Background())
		if n := wait(t, ran, 40*time.Second); n != 7 {
			t.Errorf("job %d ran, want 7", n)
		}
	})
}

// Each runs once, while starts, stops and inserts meet: on SQLite an insert
// holds the connection that a start and a stop need.
func TestEachJobRunsOnceThroughRestarts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, ran := started(t, d, true)
		const n = 120
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := w; i < n; i += 4 {
					insert(t, d, r, i)
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			if err := r.Stop(ctx); err != nil {
				t.Fatal(err)
			}
			if err := r.Start(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		wg.Wait()
		seen := map[int]bool{}
		for range n {
			k := wait(t, ran, 40*time.Second)
			if seen[k] {
				t.Errorf("job %d ran twice", k)
			}
			seen[k] = true
		}
	})
}

func TestPeriodicJobRunsAtStart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, ran := started(t, d, false)
		r.Every(time.Hour, ping{3})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop(context.Background())
		if n := wait(t, ran, 30*time.Second); n != 3 {
			t.Errorf("job %d ran, want 3", n)
		}
	})
}

// A caller that gives up must not take the others of its commit along.
func TestInsertOutlivesItsCaller(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	r, ran := started(t, d, true)
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Update(ctx, func(tx *db.Tx) error {
		cancel()
		return r.Insert(ctx, tx, ping{5})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := wait(t, ran, 10*time.Second); n != 5 {
		t.Errorf("job %d ran, want 5", n)
	}
}

// BenchmarkCommit is a small commit on SQLite without and beside a runner.
func BenchmarkCommit(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(map[bool]string{false: "alone", true: "beside jobs"}[on], func(b *testing.B) {
			d := dbtest.Open(b, dbtest.SQLite(b))
			started(b, d, on)
			var worst time.Duration
			for b.Loop() {
				at := time.Now()
				if err := d.Update(b.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(b.Context(), `INSERT INTO settings (name, value) VALUES ($1, $2)`, db.NewID(), []byte("x"))
					return err
				}); err != nil {
					b.Fatal(err)
				}
				worst = max(worst, time.Since(at))
			}
			b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
		})
	}
}
