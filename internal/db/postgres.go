package db

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"postern/internal/fail"
)

// A pipe runs the statements of one transaction on PostgreSQL. What is put waits
// and travels with the next statement whose result somebody wants: a round trip
// costs more than most of our statements do.
type pipe struct {
	conn    *pgx.Conn
	within  context.Context // writing: the group's own, not a caller's: who gives up must not take the others along
	waiting []put
	bytes   int // in the arguments of waiting
	trips   int // batches sent

	failed  error // of a statement that this caller sent; nothing more is sent for them
	foreign bool  // it was one that an earlier caller had put, or all may be wrong
	trusted bool  // something is remembered of an earlier transaction
}

// Each caller of a group has a savepoint. It stands among what waits, and is
// never sent if the caller sends nothing.
const savepoint = `SAVEPOINT one`

// pipeBytes is how much may wait: a large mail is not held twice.
const pipeBytes = 256 << 10

func (p *pipe) ctx(ctx context.Context) context.Context {
	if p.within != nil {
		return p.within
	}
	return ctx
}

func (p *pipe) put(ctx context.Context, w put) error {
	p.waiting = append(p.waiting, w)
	for _, a := range w.args {
		if b, ok := a.([]byte); ok {
			p.bytes += len(b)
		}
	}
	if p.bytes > pipeBytes {
		return p.send(ctx, nil)
	}
	return nil
}

func (p *pipe) exec(ctx context.Context, query string, args []any) (n int64, err error) {
	err = p.send(ctx, func(b *pgx.Batch) {
		b.Queue(query, args...).Fn = func(br pgx.BatchResults) error {
			tag, err := br.Exec()
			n = tag.RowsAffected()
			return err
		}
	})
	return n, err
}

func (p *pipe) read(ctx context.Context, queries []Query) error {
	return p.send(ctx, func(b *pgx.Batch) {
		for _, q := range queries {
			b.Queue(q.SQL, q.Args...).Query(func(rows pgx.Rows) (err error) {
				defer func() { // here, where the rest of the answer is still read to its end
					if p := recover(); p != nil {
						err = fail.Panic(p)
					}
				}()
				for rows.Next() {
					if err := q.Row(rows.Scan); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}

// send sends what waits, and more behind it, in one go. It notes what failed, and
// whether an earlier caller of the group had put it.
func (p *pipe) send(ctx context.Context, more func(*pgx.Batch)) error {
	if p.failed != nil {
		return p.failed
	}
	var b pgx.Batch
	puts, mine, done := merge(p.waiting), 0, 0
	for i, w := range puts {
		if w.query == savepoint {
			mine = i
		}
		b.Queue(w.query, w.args...).Exec(func(tag pgconn.CommandTag) error {
			err := w.check(tag.RowsAffected())
			if err == nil {
				done++
			}
			return err
		})
	}
	p.waiting, p.bytes = p.waiting[:0], 0
	if more != nil {
		more(&b)
	}
	if b.Len() == 0 {
		return nil
	}
	p.trips++
	err := Error(p.conn.SendBatch(p.ctx(ctx), &b).Close())
	if err != nil {
		p.failed, p.foreign = err, done < mine || p.trusted && stale(err)
	}
	return err
}

// commit sends what waits and the COMMIT in one go. Nobody looks at the results in
// between, so a statement that must change rows fails by itself if it does not.
func (p *pipe) commit() error {
	if p.failed != nil {
		return p.failed
	}
	var b pgx.Batch
	puts, done := merge(p.waiting), 0
	p.waiting = nil
	for _, w := range puts {
		b.Queue(w.checked(), w.args...).Exec(func(pgconn.CommandTag) error { done++; return nil })
	}
	b.Queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errUndone
		}
		return nil
	})
	p.trips++
	err := p.conn.SendBatch(p.within, &b).Close()
	if err == nil {
		return nil
	}
	known, unsent := (*pgconn.PgError)(nil), pgx.ErrPreprocessingBatch{}
	switch {
	case errors.Is(err, errUndone), errors.As(err, &unsent): // a value that fits no column: COMMIT was not sent
		return err
	case !errors.As(err, &known):
		return away(err) // it may be on disk: to run it again would do it twice
	case known.Code == divisionByZero && puts[done].none != nil:
		return puts[done].none
	}
	return Error(err)
}

// errUndone is a COMMIT that PostgreSQL answered with ROLLBACK: a statement had failed,
// and somebody kept silent about it.
var errUndone = errors.New("the transaction was undone: a statement in it had failed")

// divisionByZero is how a checked statement says that too few rows changed.
const divisionByZero = "22012"

var checks sync.Map // checkedText -> query

type checkedText struct {
	query string
	rows  int64
}

// checked is the query, made to fail by itself where it must change rows.
func (w put) checked() string {
	if w.none == nil {
		return w.query
	}
	key := checkedText{w.query, max(w.rows, 1)}
	if t, ok := checks.Load(key); ok {
		return t.(string)
	}
	text := fmt.Sprintf(`WITH changed AS (%s RETURNING 1) SELECT 1 / (CASE WHEN count(*) < %d THEN 0 ELSE 1 END) FROM changed`, key.query, key.rows)
	checks.Store(key, text)
	return text
}

// end undoes a transaction that is still open.
func (p *pipe) end() {
	if p.conn.IsClosed() || p.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if _, err := p.conn.Exec(ctx, `ROLLBACK`, pgx.QueryExecModeSimpleProtocol); err != nil {
		p.conn.Close(ctx) // nobody shall get it again
	}
}

// borrow takes a connection of the pool; closing c gives it back. conn is the
// driver's beneath it.
func borrow(ctx context.Context, pool *sql.DB) (c *sql.Conn, conn *pgx.Conn, err error) {
	if c, err = pool.Conn(ctx); err != nil {
		return nil, nil, Error(err)
	}
	if err := c.Raw(func(dc any) error { conn = dc.(*stdlib.Conn).Conn(); return nil }); err != nil {
		c.Close()
		return nil, nil, Error(err)
	}
	return c, conn, nil
}

// readPostgres needs no transaction of its own: a batch is one, and sees one moment.
func (d *DB) readPostgres(ctx context.Context, queries []Query) error {
	return d.oncePostgres(ctx, func(tx *Tx) error { return tx.Read(ctx, queries...) })
}

func (d *DB) oncePostgres(ctx context.Context, f func(*Tx) error) error {
	c, conn, err := borrow(ctx, d.read)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(&Tx{Now: d.Now(), run: &single{reading{&pipe{conn: conn}}}})
}

// single is a reading of one batch.
type single struct{ reading }

var errReads = errors.New("a write in what only reads")

func (s *single) read(ctx context.Context, queries []Query) error {
	if s.trips > 0 {
		return fmt.Errorf("a second read of what reads once")
	}
	return s.pipe.read(ctx, queries)
}

// viewPostgres runs f on one snapshot; its beginning travels with the first query.
func (d *DB) viewPostgres(ctx context.Context, f func(*Tx) error) error {
	c, conn, err := borrow(ctx, d.read)
	if err != nil {
		return err
	}
	defer c.Close()
	p := &pipe{conn: conn, waiting: []put{{query: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`}}}
	defer p.end()
	return f(&Tx{Now: d.Now(), run: reading{p}})
}

// reading is a pipe that only reads: a put would wait for ever, and be forgotten.
type reading struct{ *pipe }

func (reading) exec(context.Context, string, []any) (int64, error) { return 0, errReads }
func (reading) put(context.Context, put) error                     { return errReads }

// Times on PostgreSQL: a group that hangs must not hold up all writing for ever.
const (
	groupWithin = time.Minute
	endWithin   = 5 * time.Second
	maxTries    = 12
)

// groupLock lets one group in at a time, of all nodes: it is let go with the
// transaction. In READ COMMITTED each statement sees what the group before left.
var groupLock = []put{
	{query: `BEGIN ISOLATION LEVEL READ COMMITTED`},
	{query: `SELECT pg_advisory_xact_lock(1347375956, 1)`}, // "POST"
}

// writes is said to each new connection that writes. It bounds for how long a node that
// hangs, or is cut off, holds the others up; and what is committed is on disk, whatever
// the server's default.
const writes = `SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = '20s';
	SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`

// reads is said to each new connection that reads: also where no BEGIN says so.
const reads = `SET default_transaction_read_only = on; SET default_transaction_isolation = 'repeatable read'`

// commitPostgres runs the group in one transaction. If it spoils as a whole, each
// runs alone: closures may run more than once.
func (d *DB) commitPostgres(group []*request) {
	for try := 0; ; try++ {
		remembered := d.memo != nil
		errs, err := d.together(group)
		if err != nil {
			d.memo = nil
		}
		switch {
		case err == nil:
			for i, r := range group {
				r.res <- errs[i]
			}
			return
		case remembered && stale(err): // another node wrote in between, and will again
			d.wary = waryFor
		case retryable(err) && try < maxTries: // jobs, or somebody else in our tables
			time.Sleep(time.Duration(1+rand.IntN(4<<min(try, 6))) * time.Millisecond)
		case len(group) == 1, fail.Is(err, fail.Unavailable), fail.Is(err, fail.Full):
			answer(group, err)
			return
		default:
			for _, r := range group {
				d.commitPostgres([]*request{r})
			}
			return
		}
	}
}

// together runs the group and commits. errs are those of closures that failed by
// themselves: they leave no trace. With err nothing at all was done, or, if the
// database went away, nobody knows: then it is not run again.
func (d *DB) together(group []*request) (errs []error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), groupWithin)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = away(err)
		}
	}()
	c, conn, err := borrow(ctx, d.write)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	epoch := d.epoch.Load()
	if d.memoOf != epoch { // another server may have taken over, without the last rows
		d.memo = nil
	}
	p := &pipe{conn: conn, within: ctx, waiting: slices.Clone(groupLock), trusted: d.memo != nil}
	defer p.end()
	tx := &Tx{Now: d.Now(), run: p, memo: maps.Clone(d.memo), leave: func() {}}
	tx.join = func() *sql.Tx { return p.join(c, tx) }
	defer func() { tx.leave() }()
	errs = make([]error, len(group))
	for i, r := range group {
		if errs[i] = r.ctx.Err(); errs[i] != nil {
			continue
		}
		if errs[i], err = p.one(ctx, tx, r, len(group) == 1); err != nil {
			return nil, err
		}
	}
	if len(group) == 1 && errs[0] != nil {
		return errs, nil
	}
	if p.trips == 0 && len(p.waiting) == len(groupLock) {
		tx.committed() // nothing was asked, nothing is written
		return errs, nil
	}
	if err := p.commit(); err != nil {
		return nil, err
	}
	tx.committed()
	if d.memo, d.memoOf = tx.memo, epoch; d.wary > 0 {
		d.memo = nil
		d.wary--
	}
	return errs, nil
}

// waryFor is for how many groups nothing is remembered once it was stale: where nodes
// write by turns, each would else do its work twice.
const waryFor = 100

// join returns the open transaction for code that knows database/sql only.
func (p *pipe) join(c *sql.Conn, tx *Tx) *sql.Tx {
	p.send(p.within, nil) // so that it is open; a failure is kept, and met again
	var in inside
	c.Raw(func(dc any) error { in.Conn = dc.(*stdlib.Conn); return nil })
	pool := sql.OpenDB(in)
	stx, err := pool.BeginTx(p.within, nil)
	if err != nil {
		p.failed = cmp.Or(p.failed, Error(err))
	} else if p.failed != nil || in.Conn.Conn().PgConn().TxStatus() != 'T' {
		stx.Rollback() // it is over: what ran on it would stand by itself
	}
	tx.leave = func() {
		if err == nil {
			stx.Rollback() // of nothing: it lets the connection go
		}
		pool.Close()
	}
	return stx
}

// inside is a connection in a transaction that somebody else begins and ends.
type inside struct{ *stdlib.Conn }

func (c inside) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (c inside) Driver() driver.Driver                        { return stdlib.GetDefaultDriver() }
func (c inside) BeginTx(context.Context, driver.TxOptions) (tx driver.Tx, _ error) {
	return open{}, nil
}
func (c inside) Close() error { return nil }

type open struct{}

func (open) Commit() error   { return nil }
func (open) Rollback() error { return nil }

// one runs one closure of the group. own is its failure, which leaves no trace;
// with spoilt the transaction cannot be trusted any more. A closure that is alone
// needs no savepoint: nothing of the others is lost with it.
func (p *pipe) one(ctx context.Context, tx *Tx, r *request, alone bool) (own, spoilt error) {
	trips, before, mark := p.trips, len(p.waiting), tx.mark()
	tx.shared = false
	if !alone {
		p.waiting = append(p.waiting, put{query: savepoint})
	}
	own = protect(r.f, tx)
	if own == nil {
		own = p.failed // whatever the closure made of it
	}
	sent := p.trips > trips
	switch {
	case own == nil && alone:
		return nil, nil
	case alone && retryable(own):
		return nil, own
	case own == nil && !sent:
		p.waiting = slices.Delete(p.waiting, before, before+1)
		return nil, nil
	case own == nil:
		p.waiting = append(p.waiting, put{query: `RELEASE one`})
		return nil, nil
	case !sent && !tx.shared:
		p.waiting = p.waiting[:before]
		tx.undo(mark)
		return own, nil
	case p.foreign, p.conn.IsClosed():
		return nil, cmp.Or(p.failed, own)
	case alone:
		return own, nil
	case tx.shared: // what jobs did is not behind the savepoint
		return nil, errors.New("a closure failed beside which a job was written: each runs alone")
	}
	p.failed, p.waiting, p.bytes = nil, p.waiting[:0], 0
	tx.undo(mark)
	_, spoilt = p.exec(ctx, `ROLLBACK TO one`, nil)
	return own, spoilt
}
