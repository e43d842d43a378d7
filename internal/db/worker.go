package db

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Worker claims rows of a queue and hands each to Handle, several at once. It
// wakes after a commit in this process, and looks by itself for what became
// due or was left by another node. Who inserts a row may also claim it for this
// node in the same commit (Reserve, Give): that saves a commit for each row.
type Worker struct {
	DB     *DB
	Queue  Queue
	Slots  int // rows worked on at once: they mostly wait for commits and the network
	Log    *slog.Logger
	Handle func(ctx context.Context, id string) // keeps its own errors; a row it leaves falls back with its lease

	wake  chan struct{} // capacity 1
	hand  chan string   // rows given by their inserter; a place is reserved before
	taken atomic.Int64  // places reserved or filled
	hands sync.Mutex
	held  map[string]int // rows of this node that wait for a slot or are worked on; guarded by hands
	runs  atomic.Bool
	more  atomic.Bool // the last look left rows behind
	once  sync.Once
	life  sync.Mutex
	stop  context.CancelFunc // guarded by life; nil while stopped
	done  chan struct{}

	beaten time.Time // when this node last beat; the beating goroutine's alone
}

const poll = 500 * time.Millisecond

var beat = 30 * time.Second // a test beats faster

func (w *Worker) init() {
	w.once.Do(func() {
		w.wake, w.hand, w.held = make(chan struct{}, 1), make(chan string, 4*w.Slots), map[string]int{}
	})
}

// Reserve asks for a place for a row that is about to be inserted as claimed by
// this node. Without one the row is inserted as ready. Give fills the place after
// the commit; Release gives it back if there was none.
func (w *Worker) Reserve() bool {
	if !w.runs.Load() {
		return false
	}
	if w.taken.Add(1) > int64(cap(w.hand)) {
		w.taken.Add(-1)
		return false
	}
	return true
}

// Give hands over a row for which a place was reserved.
func (w *Worker) Give(id string) {
	w.hold(id, true)
	w.hand <- id
}

func (w *Worker) hold(id string, on bool) {
	w.hands.Lock()
	defer w.hands.Unlock()
	if on {
		w.held[id]++
	} else if w.held[id]--; w.held[id] <= 0 {
		delete(w.held, id)
	}
}

func (w *Worker) holds() (ids []string) {
	w.hands.Lock()
	defer w.hands.Unlock()
	for id := range w.held {
		ids = append(ids, id)
	}
	return ids
}

// Release gives a reserved place back.
func (w *Worker) Release() { w.taken.Add(-1) }

// Claimed is what the columns state, owner and lease_until of a row hold that is
// inserted as claimed by this node, or as ready.
func (w *Worker) Claimed(tx *Tx, mine bool) (state, owner string, lease int64) {
	if !mine {
		return w.Queue.Ready[0], "", 0
	}
	return w.Queue.Busy[0], w.Queue.Owner, Micros(tx.Now.Add(Lease))
}

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
	w.runs.Store(true)
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
	w.runs.Store(false)
	w.stop()
	<-w.done
	w.stop = nil
}

func (w *Worker) loop(ctx context.Context, done chan struct{}) {
	defer close(done)
	var wg sync.WaitGroup
	over := make(chan struct{})
	var heart sync.WaitGroup
	heart.Go(func() { w.beats(context.WithoutCancel(ctx), over) })
	defer heart.Wait()
	defer close(over)
	defer wg.Wait() // what is finished while stopping needs its lease too
	slots := make(chan struct{}, w.Slots)
	work := func(id string) {
		w.hold(id, true)
		slots <- struct{}{}
		wg.Go(func() {
			// What was claimed is finished, also while stopping.
			w.Handle(context.WithoutCancel(ctx), id)
			w.hold(id, false)
			<-slots
			if w.more.Load() {
				w.Wake()
			}
		})
	}
	handed, late := false, false
	given := func(id string) {
		w.taken.Add(-1)
		handed = true
		work(id)
		w.hold(id, false) // as it was handed in; now it is worked on
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		// A claim is a commit: it waits until it is worth a handful of rows.
		n := w.Slots - len(slots)
		if late && handed { // those that are handed in may fill every slot: who found no place has a share all the same
			n = max(n, w.Slots/4)
		}
		if late {
			handed, late = false, false
		}
		var ids []string
		if n >= w.Slots/4 || len(slots) == 0 {
			ids = w.claim(ctx, n)
		}
		w.more.Store(len(ids) >= n || n < w.Slots/4)
		for _, id := range ids {
			work(id)
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				w.drain(given)
				return
			case id := <-w.hand:
				given(id)
			case <-w.wake:
				waiting = false
			case <-tick.C:
				waiting, late = false, true
			}
		}
	}
}

// drain takes the rows whose place was reserved before the stop: their commit is under way.
func (w *Worker) drain(given func(id string)) {
	for w.taken.Load() > 0 {
		select {
		case id := <-w.hand:
			given(id)
		case <-time.After(time.Second):
			return // no commit came of it; the row, if any, falls back
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
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("claim", "queue", w.Queue.Table, "err", err)
		}
		return nil // what was claimed all the same falls back with its lease
	}
	return ids
}

// beats keeps the rows of this node until over is closed.
func (w *Worker) beats(ctx context.Context, over <-chan struct{}) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	w.beaten = w.DB.Now()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			w.heartbeat(ctx)
		}
	}
}

func (w *Worker) heartbeat(ctx context.Context) {
	late := w.DB.Now().Sub(w.beaten) > Lease
	err := w.DB.Update(ctx, func(tx *Tx) error {
		if err := w.Queue.Beat(ctx, tx, w.holds()); err != nil { // those of now: this waited for its turn
			return err
		}
		if _, err := w.Queue.Dropped(ctx, tx); err != nil {
			return err
		}
		if late { // the database was away, for the others too: they prolong theirs first
			return nil
		}
		_, err := w.Queue.Reclaim(ctx, tx, false)
		return err
	})
	if err == nil {
		w.beaten = w.DB.Now()
	}
	if err != nil {
		w.Log.Warn("heartbeat", "queue", w.Queue.Table, "err", err)
	}
}
