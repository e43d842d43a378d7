// Package db opens the desk's database, SQLite or PostgreSQL, and runs
// transactions on it. The SQL in the rest of the tree is one text for both:
// $1 placeholders, ids TEXT made in Go, times BIGINT microseconds.
//
// On SQLite one goroutine owns the one writing connection and commits the
// closures of all callers that wait in one transaction, each in a savepoint
// (group commit): the disk's flush is the limit, not the code. On PostgreSQL
// every Update is its own SERIALIZABLE transaction and runs again on conflict.
// So a closure given to Update may run more than once, must not start
// another transaction, and does no network, crypto or parsing.
package db

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"postern/internal/fail"
)

// DB is the database.
type DB struct {
	write, read *sql.DB
	lite        bool
	now         func() time.Time
	kept        map[*sql.DB]*statements // SQLite: each pool's own

	queue chan *request // SQLite: closures waiting for the writer
	done  chan struct{} // closed when the writer has stopped
	stop  sync.Once
	mu    sync.RWMutex // held for reading while a caller puts into queue
	shut  bool         // guarded by mu
}

// Options says what to open.
type Options struct {
	URL   string           // postgres://..., host=..., or the path of an SQLite file
	Clock func() time.Time // nil: time.Now
}

// IsPostgres reports whether a URL names a PostgreSQL database.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres:") || strings.HasPrefix(url, "postgresql:") || strings.HasPrefix(url, "host=")
}

// Open opens the database; it does not migrate it.
func Open(ctx context.Context, o Options) (*DB, error) {
	d := &DB{now: o.Clock}
	if d.now == nil {
		d.now = time.Now
	}
	if IsPostgres(o.URL) {
		p, err := sql.Open("pgx", o.URL)
		if err != nil {
			return nil, fmt.Errorf("open postgres: %w", err)
		}
		p.SetMaxOpenConns(16)
		p.SetMaxIdleConns(16)
		d.read, d.write = p, p
		if err := p.PingContext(ctx); err != nil {
			p.Close()
			return nil, Error(err)
		}
		return d, nil
	}
	d.lite = true
	dsn := "file:" + o.URL + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)" +
		"&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_pragma=cache_size(-8000)&_pragma=temp_store(2)"
	w, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	w.SetMaxOpenConns(1)
	if err := w.PingContext(ctx); err != nil {
		w.Close()
		return nil, Error(err)
	}
	r, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("open sqlite for reading: %w", err)
	}
	r.SetMaxOpenConns(4)
	r.SetMaxIdleConns(4)
	d.write, d.read = w, r
	d.kept = map[*sql.DB]*statements{w: newStatements(w), r: newStatements(r)}
	d.queue, d.done = make(chan *request, 256), make(chan struct{})
	go d.writer()
	return d, nil
}

// Close waits for the writes under way and closes the database. Twice is harmless.
func (d *DB) Close() error {
	d.stop.Do(func() {
		if d.lite {
			d.mu.Lock()
			d.shut = true
			close(d.queue)
			d.mu.Unlock()
			<-d.done
			d.read.Close()
		}
		d.write.Close()
	})
	return nil
}

// Lite reports whether the database is SQLite.
func (d *DB) Lite() bool { return d.lite }

// Now is the desk's clock.
func (d *DB) Now() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// Ping asks the database for a sign of life.
func (d *DB) Ping(ctx context.Context) error {
	return d.View(ctx, func(tx *Tx) error {
		_, err := Count(ctx, tx, `SELECT 1`)
		return err
	})
}

// Pool is the writing pool; only jobs needs it.
func (d *DB) Pool() *sql.DB { return d.write }

// View runs f in a read transaction.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	return d.run(ctx, d.read, &sql.TxOptions{ReadOnly: true}, f)
}

// Update runs f in a write transaction and commits if f returns nil. When it
// returns nil, the change is on disk.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	if d.lite {
		return d.enqueue(ctx, f)
	}
	for try := 0; ; try++ {
		err := d.run(ctx, d.write, &sql.TxOptions{Isolation: sql.LevelSerializable}, f)
		if !retryable(err) || try == 12 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(1+rand.IntN(4<<min(try, 6))) * time.Millisecond):
		}
	}
}

func (d *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(*Tx) error) error {
	stx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return Error(err)
	}
	kept := d.kept[pool]
	defer kept.prepare() // once the connection is free again
	defer stx.Rollback() // no-op after Commit
	tx := &Tx{Now: d.Now(), tx: stx, kept: kept, serial: d.lite}
	if err := f(tx); err != nil {
		return err
	}
	if err := stx.Commit(); err != nil {
		return Error(err)
	}
	tx.committed()
	return nil
}

// Tx is a transaction. Now is the same for the whole of it. Every store
// function takes a Tx; only flows and doors open one.
type Tx struct {
	Now time.Time

	tx     *sql.Tx
	kept   *statements // nil: none
	serial bool
	keep   bool // statements outlive the caller's context: an interrupt would undo the whole group
	after  []func()
}

// Serial reports whether writing transactions run one after another (SQLite),
// so that a chain may be extended without contention.
func (tx *Tx) Serial() bool { return tx.serial }

// SQL is the transaction beneath, for the job queue.
func (tx *Tx) SQL() *sql.Tx { return tx.tx }

// AfterCommit runs f once the transaction is on disk, and not at all if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

func (tx *Tx) committed() {
	for _, f := range tx.after {
		f()
	}
}

func (tx *Tx) ctx(ctx context.Context) context.Context {
	if tx.keep {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if stmt := tx.kept.find(query); stmt != nil {
		res, err = tx.tx.StmtContext(tx.ctx(ctx), stmt).ExecContext(tx.ctx(ctx), args...)
	} else {
		res, err = tx.tx.ExecContext(tx.ctx(ctx), query, args...)
	}
	if err != nil {
		return 0, Error(err)
	}
	n, err := res.RowsAffected()
	return n, Error(err)
}

// query runs a query. Its rows are read to the end before the same query runs
// again: they share one prepared statement.
func (tx *Tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := tx.kept.find(query); stmt != nil {
		rows, err := tx.tx.StmtContext(tx.ctx(ctx), stmt).QueryContext(tx.ctx(ctx), args...)
		return rows, Error(err)
	}
	rows, err := tx.tx.QueryContext(tx.ctx(ctx), query, args...)
	return rows, Error(err)
}

// Change runs a statement that must change exactly one row; no row is NotFound.
func Change(ctx context.Context, tx *Tx, query string, args ...any) error {
	n, err := tx.Exec(ctx, query, args...)
	if err == nil && n == 0 {
		return fail.New(fail.NotFound, "not found")
	}
	return err
}

// List runs a query and gathers its rows.
func List[T any](ctx context.Context, tx *Tx, scan func(*T, func(...any) error) error, query string, args ...any) ([]T, error) {
	rows, err := tx.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var t T
		if err := scan(&t, rows.Scan); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		out = append(out, t)
	}
	return out, Error(rows.Err())
}

// One runs a query for one row; none is NotFound.
func One[T any](ctx context.Context, tx *Tx, scan func(*T, func(...any) error) error, query string, args ...any) (*T, error) {
	found, err := List(ctx, tx, scan, query, args...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fail.New(fail.NotFound, "not found")
	}
	return &found[0], nil
}

// Count runs a query whose one row is one number.
func Count(ctx context.Context, tx *Tx, query string, args ...any) (int64, error) {
	n, err := One(ctx, tx, func(n *int64, row func(...any) error) error { return row(n) }, query, args...)
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// Strings runs a query whose rows are one text each.
func Strings(ctx context.Context, tx *Tx, query string, args ...any) ([]string, error) {
	return List(ctx, tx, func(s *string, row func(...any) error) error { return row(s) }, query, args...)
}
