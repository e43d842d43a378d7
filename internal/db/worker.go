package db

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Worker claims rows of a queue and hands each to Handle, several at once. It
// wakes after a commit in this process, and looks by itself for what became
// due or was left by another node.
type Worker struct {
	DB     *DB
	Queue  Queue
	Slots  int // rows worked on at once: they mostly wait for commits and the network
	Log    *slog.Logger
	Handle func(ctx context.Context, id string) // keeps its own errors; a row it leaves falls back with its lease

	wake chan struct{} // capacity 1
	once sync.Once
	life sync.Mutex
	stop context.CancelFunc // guarded by life; nil while stopped
	done chan struct{}
}

const (
	poll = 500 * time.Millisecond
	beat = 30 * time.Second
)

func (w *Worker) init() { w.once.Do(func() { w.wake = make(chan struct{}, 1) }) }

// Wake says that there may be something to do.
func (w *Worker) Wake() {
	w.init()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Start takes back what this node held when it died and begins to work. It
// returns at once; twice is harmless.
func (w *Worker) Start(ctx context.Context) error {
	w.init()
	w.life.Lock()
	defer w.life.Unlock()
	if w.stop != nil {
		return nil
	}
	if err := w.DB.Update(ctx, func(tx *Tx) error { _, err := w.Queue.Reclaim(ctx, tx, true); return err }); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.done = cancel, make(chan struct{})
	go w.loop(run, w.done)
	return nil
}

// Stop claims nothing more and waits for what is under way; twice is harmless.
func (w *Worker) Stop() {
	w.life.Lock()
	defer w.life.Unlock()
	if w.stop == nil {
		return
	}
	w.stop()
	<-w.done
	w.stop = nil
}

func (w *Worker) loop(ctx context.Context, done chan struct{}) {
	defer close(done)
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, w.Slots)
	tick, heart := time.NewTicker(poll), time.NewTicker(beat)
	defer tick.Stop()
	defer heart.Stop()
	for {
		ids := w.claim(ctx, w.Slots-len(slots))
		for _, id := range ids {
			slots <- struct{}{}
			wg.Go(func() {
				// What was claimed is finished, also while stopping.
				w.Handle(context.WithoutCancel(ctx), id)
				<-slots
				w.Wake()
			})
		}
		if len(ids) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-tick.C:
		case <-heart.C:
			w.heartbeat(ctx)
		}
	}
}

func (w *Worker) claim(ctx context.Context, n int) (ids []string) {
	if n <= 0 || ctx.Err() != nil {
		return nil
	}
	due := false
	err := w.DB.View(ctx, func(tx *Tx) (err error) { due, err = w.Queue.Due(ctx, tx); return err })
	if err == nil && due {
		err = w.DB.Update(ctx, func(tx *Tx) (err error) { ids, err = w.Queue.Claim(ctx, tx, n); return err })
	}
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("claim", "queue", w.Queue.Table, "err", err)
	}
	return ids
}

func (w *Worker) heartbeat(ctx context.Context) {
	err := w.DB.Update(ctx, func(tx *Tx) error {
		if err := w.Queue.Beat(ctx, tx); err != nil {
			return err
		}
		_, err := w.Queue.Reclaim(ctx, tx, false)
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("heartbeat", "queue", w.Queue.Table, "err", err)
	}
}
