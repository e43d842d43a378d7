// Package jobs runs what is periodic, delayed or retried, on River, in the
// desk's own database: a job is inserted in the transaction of its cause, so it
// runs if and only if that was committed. Mail does not pass here; the spool
// and the deliveries are queues of their own.
//
// A job may run more than once (a crash after its work, before its mark), so
// every worker is idempotent. A job that hangs is ended by its time-out and, if
// its node died, rescued soon after.
package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"postern/internal/db"
)

// Args is a job's arguments; Kind names it in the table and never changes.
type Args = river.JobArgs

// timeout ends a job that hangs; rescue takes a job of a dead node up again,
// never one that may still be alive. A long job goes in batches and inserts its
// own continuation.
const (
	timeout = 90 * time.Second
	rescue  = timeout + 30*time.Second
)

// poll is how often each node looks for work. On SQLite a look takes the one
// writing connection for about one small commit's time: once a second is not felt.
const poll = time.Second

// Runner inserts and runs jobs.
type Runner struct {
	d        *db.DB
	workers  *river.Workers
	periodic []*river.PeriodicJob
	log      *slog.Logger
	driver   riverdriver.Driver[*sql.Tx]

	once   sync.Once // guards the next two; never held while the database works
	client *river.Client[*sql.Tx]
	err    error

	mu  sync.Mutex // held over a start and a stop, so never taken by Insert, which holds the writing connection
	run bool       // guarded by mu
}

// New returns a runner without workers.
func New(d *db.DB, log *slog.Logger) *Runner {
	r := &Runner{d: d, workers: river.NewWorkers(), log: log}
	if d.Lite() {
		r.driver = riversqlite.New(d.Pool())
	} else {
		r.driver = riverdatabasesql.New(d.Pool())
	}
	return r
}

// Migrate makes River's own tables.
func (r *Runner) Migrate(ctx context.Context) error {
	m, err := rivermigrate.New(r.driver, &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return fmt.Errorf("prepare job tables: %w", err)
	}
	return r.d.Alone(ctx, func() error {
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("make job tables: %w", err)
		}
		return nil
	})
}

// quiet drops River's own chatter; what fails is logged by the workers here.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type worker[T Args] struct {
	river.WorkerDefaults[T]
	work func(context.Context, T) error
	log  *slog.Logger
}

func (w *worker[T]) Work(ctx context.Context, j *river.Job[T]) error {
	err := w.work(ctx, j.Args)
	if err != nil {
		w.log.Warn("job failed; it is tried again", "kind", j.Kind, "attempt", j.Attempt, "err", err)
	}
	return err
}

// AddWorker says what runs a kind of job. Before Start and Insert only.
func AddWorker[T Args](r *Runner, work func(context.Context, T) error) {
	river.AddWorker(r.workers, &worker[T]{work: work, log: r.log})
}

// Every runs a job again and again; of several nodes one inserts it. Before
// Start only.
func (r *Runner) Every(d time.Duration, args Args) {
	r.periodic = append(r.periodic, river.NewPeriodicJob(river.PeriodicInterval(d),
		func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: d}}
		},
		&river.PeriodicJobOpts{RunOnStart: true}))
}

// Start begins to run jobs; twice is harmless.
func (r *Runner) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run {
		return nil
	}
	c, err := r.build()
	if err != nil {
		return err
	}
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	r.run = true
	return nil
}

func (r *Runner) build() (*river.Client[*sql.Tx], error) {
	r.once.Do(func() {
		r.client, r.err = river.NewClient(r.driver, &river.Config{
			Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}}, Workers: r.workers, PeriodicJobs: r.periodic,
			JobTimeout: timeout, RescueStuckJobsAfter: rescue, FetchCooldown: 100 * time.Millisecond, FetchPollInterval: poll, Logger: quiet(),
		})
		if r.err != nil {
			r.err = fmt.Errorf("set up jobs: %w", r.err)
		}
	})
	return r.client, r.err
}

// Stop waits for what is under way, and ends it when ctx does; twice is harmless.
func (r *Runner) Stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.run {
		return nil
	}
	r.run = false
	err := r.client.Stop(ctx)
	if ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return r.client.StopAndCancel(last)
}

// Insert adds a job in the transaction of its cause.
func (r *Runner) Insert(ctx context.Context, tx *db.Tx, args Args) error {
	c, err := r.build()
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // others share this transaction: a statement broken off would undo theirs
	if _, err := c.InsertTx(ctx, tx.SQL(), args, nil); err != nil {
		return fmt.Errorf("insert job: %w", db.Error(err))
	}
	return nil
}
