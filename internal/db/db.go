// Package db opens the desk's database, SQLite or PostgreSQL, and runs
// transactions on it. The SQL in the rest of the tree is one text for both:
// $1 placeholders, ids TEXT made in Go, times BIGINT microseconds.
//
// On SQLite one goroutine owns the one writing connection and commits the
// closures of all callers that wait in one transaction, each in a savepoint
// (group commit): the disk's flush is the limit, not the code. On PostgreSQL it
// is the same, and a lock lets one node's group in at a time; what needs no
// answer (Put) travels in one batch. So writing transactions run one after
// another, everywhere.
//
// A closure given to Update may run more than once, must not start another
// transaction, and does no network, crypto or parsing.
package db

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // driver "sqlite"

	"postern/internal/fail"
)

// DB is the database.
type DB struct {
	write, read *sql.DB
	lite        bool
	now         func() time.Time
	kept        map[*sql.DB]*statements // SQLite: each pool's own

	tidy  *sql.DB       // SQLite: checkpoints beside the writer
	wrote chan struct{} // SQLite: there is something to check in; capacity 1

	memo   map[any]any   // PostgreSQL: what the last group remembered; the writer's alone, as wary
	wary   int           // for how many groups nothing is
	memoOf int64         // the epoch of memo
	epoch  atomic.Int64  // PostgreSQL: how many connections that write were opened
	queue  chan *request // closures waiting for the writer
	done   chan struct{} // closed when the writer has stopped
	stop   sync.Once
	mu     sync.RWMutex // held for reading while a caller puts into queue
	shut   bool         // guarded by mu
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
		if err := d.openPostgres(ctx, o.URL); err != nil {
			return nil, err
		}
		return d, nil
	}
	d.lite = true
	dsn := "file:" + o.URL + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)" +
		"&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_pragma=cache_size(-8000)&_pragma=temp_store(2)"
	w, err := sql.Open("sqlite", dsn+"&_txlock=immediate&_pragma="+fmt.Sprintf("wal_autocheckpoint(%d)", maxWAL))
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
	// It waits for nobody: emptying the log holds the writer up for as long as it waits for a reader.
	tidy, err := sql.Open("sqlite", strings.Replace(dsn, "busy_timeout(10000)", "busy_timeout(0)", 1))
	if err != nil {
		w.Close()
		r.Close()
		return nil, fmt.Errorf("open sqlite for checkpoints: %w", err)
	}
	tidy.SetMaxOpenConns(1)
	d.write, d.read, d.tidy = w, r, tidy
	d.kept = map[*sql.DB]*statements{w: newStatements(w), r: newStatements(r)}
	d.begin()
	return d, nil
}

func (d *DB) openPostgres(ctx context.Context, url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("read the address of postgres: %w", err)
	}
	cfg.StatementCacheCapacity = 1024 // merged inserts come in several lengths
	said := func(words string) stdlib.OptionOpenDB {
		return stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
			if words == writes {
				d.epoch.Add(1)
			}
			_, err := c.Exec(ctx, words, pgx.QueryExecModeSimpleProtocol)
			return err
		})
	}
	d.write, d.read = stdlib.OpenDB(*cfg, said(writes)), stdlib.OpenDB(*cfg, said(reads))
	d.write.SetMaxOpenConns(8) // one for the writer, the others for jobs
	d.write.SetMaxIdleConns(8)
	d.read.SetMaxOpenConns(12)
	d.read.SetMaxIdleConns(12)
	if err := d.write.PingContext(ctx); err != nil {
		d.write.Close()
		d.read.Close()
		return Error(err)
	}
	d.begin()
	return nil
}

func (d *DB) begin() {
	d.queue, d.done = make(chan *request, 256), make(chan struct{})
	go d.writer()
}

// Close waits for the writes under way and closes the database. Twice is harmless.
func (d *DB) Close() error {
	d.stop.Do(func() {
		d.mu.Lock()
		d.shut = true
		close(d.queue)
		d.mu.Unlock()
		<-d.done
		d.read.Close()
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
	if d.lite {
		return d.viewLite(ctx, f)
	}
	return d.viewPostgres(ctx, f)
}

// Once is View for an f that reads in one go, with one Read: that needs no transaction
// around it. On PostgreSQL a second Read is refused; a write is everywhere.
func (d *DB) Once(ctx context.Context, f func(*Tx) error) error {
	if d.lite {
		return d.viewLite(ctx, f)
	}
	return d.oncePostgres(ctx, f)
}

// Read asks queries that do not depend on each other, in one round trip.
func (d *DB) Read(ctx context.Context, queries ...Query) error {
	if d.lite {
		return d.viewLite(ctx, func(tx *Tx) error { return tx.Read(ctx, queries...) })
	}
	return d.readPostgres(ctx, queries)
}

// Update runs f in a write transaction and commits if f returns nil. When it
// returns nil, the change is on disk.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error { return d.enqueue(ctx, f) }

// Tx is a transaction. Now is the same for the whole of it. Every store
// function takes a Tx; only flows and doors open one.
type Tx struct {
	Now time.Time

	run    runner
	sql    *sql.Tx        // nil on PostgreSQL until it is asked for
	join   func() *sql.Tx // makes it; nil where there is one, or must be none
	leave  func()         // ends what join began
	shared bool           // SQL was asked for
	after  []func()
	memo   map[any]any
}

// A runner runs the statements of one transaction on one kind of database.
type runner interface {
	exec(ctx context.Context, query string, args []any) (int64, error)
	put(ctx context.Context, w put) error
	read(ctx context.Context, queries []Query) error
}

// put is a statement whose result nobody waits for.
type put struct {
	query string
	args  []any
	none  error // what it means if no row changed; nil: nothing
	rows  int64 // that must change, if none is set; 0: one or more
}

func (w put) check(n int64) error {
	if n < max(w.rows, 1) {
		return w.none
	}
	return nil
}

// SQL is the transaction beneath, for the job queue.
func (tx *Tx) SQL() *sql.Tx {
	tx.shared = true
	if tx.sql == nil && tx.join != nil {
		tx.sql = tx.join()
	}
	return tx.sql
}

// AfterCommit runs f once the transaction is on disk, and not at all if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

func (tx *Tx) committed() {
	for _, f := range tx.after {
		f()
	}
}

// Remember keeps a value for what runs later in this transaction, of other
// callers too, and on PostgreSQL in those after it; Recall returns it, or nil. What a
// failed caller left is forgotten. Where another node makes a value stale, a statement
// that builds on it must break a unique key: then all is forgotten, and asked again.
func (tx *Tx) Remember(key, value any) {
	if tx.memo == nil {
		tx.memo = map[any]any{}
	}
	tx.memo[key] = value
}

func (tx *Tx) Recall(key any) any { return tx.memo[key] }

// A mark is where a transaction stands before a caller's part of it.
type mark struct {
	after int
	memo  map[any]any
}

func (tx *Tx) mark() mark { return mark{len(tx.after), maps.Clone(tx.memo)} }

func (tx *Tx) undo(m mark) { tx.after, tx.memo = tx.after[:m.after], m.memo }

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return tx.run.exec(ctx, query, args)
}

// Put runs a statement whose result nobody waits for: on PostgreSQL it travels
// with the next one that is waited for, or with the commit, and so does its error.
// Puts on different tables may run in another order than they were put.
func (tx *Tx) Put(ctx context.Context, query string, args ...any) error {
	return tx.run.put(ctx, put{query: query, args: args})
}

// Must is Put for a statement that must change a row; none is the error given.
func (tx *Tx) Must(ctx context.Context, none error, query string, args ...any) error {
	return tx.run.put(ctx, put{query: query, args: args, none: none})
}

// A Query is one of several that are asked in one go. Row gets each row's Scan.
type Query struct {
	SQL  string
	Args []any
	Row  func(scan func(...any) error) error
}

// Read asks queries that do not depend on each other, in one round trip.
func (tx *Tx) Read(ctx context.Context, queries ...Query) error { return tx.run.read(ctx, queries) }

// Into is a Query whose rows are gathered in a list.
func Into[T any](out *[]T, scan func(*T, func(...any) error) error, query string, args ...any) Query {
	return Query{query, args, func(row func(...any) error) error {
		var t T
		if err := scan(&t, row); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		*out = append(*out, t)
		return nil
	}}
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
	var out []T
	if err := tx.Read(ctx, Into(&out, scan, query, args...)); err != nil {
		return nil, err
	}
	return out, nil
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
