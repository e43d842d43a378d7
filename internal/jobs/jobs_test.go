package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/jobs"
)

type ping struct {
	N int `json:"n"`
}

func (ping) Kind() string { return "ping_test" }

func TestJobRunsIfItsCauseWasCommitted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		r := jobs.New(d, slog.New(slog.DiscardHandler))
		var ran, tries atomic.Int32
		done := make(chan int, 10)
		jobs.AddWorker(r, func(_ context.Context, p ping) error {
			if tries.Add(1) == 1 {
				return errors.New("not yet")
			}
			ran.Add(1)
			done <- p.N
			return nil
		})
		if err := r.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.Migrate(ctx); err != nil {
			t.Fatal("twice:", err)
		}
		if err := r.Start(ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop(context.Background())
		boom := errors.New("boom")
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := r.Insert(ctx, tx, ping{1}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return r.Insert(ctx, tx, ping{2}) }); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-done:
			if n != 2 {
				t.Errorf("job %d ran", n)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the job did not run")
		}
		if ran.Load() != 1 || tries.Load() != 2 {
			t.Errorf("ran %d, tries %d", ran.Load(), tries.Load())
		}
		r.Stop(context.Background())
		if err := r.Stop(context.Background()); err != nil {
			t.Error("twice:", err)
		}
	})
}
