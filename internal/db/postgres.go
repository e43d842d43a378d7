package db

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
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
	foreign bool  // it was one that an earlier caller had put
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
			b.Queue(q.SQL, q.Args...).Query(func(rows pgx.Rows) error {
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
		p.failed, p.foreign = err, done < mine
	}
	return err
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

// readPostgres needs no transaction of its own: a batch is one.
func (d *DB) readPostgres(ctx context.Context, queries []Query) error {
	c, conn, err := borrow(ctx, d.read)
	if err != nil {
		return err
	}
	defer c.Close()
	return (&pipe{conn: conn}).read(ctx, queries)
}

// viewPostgres runs f on one snapshot; its beginning travels with the first query.
func (d *DB) viewPostgres(ctx context.Context, f func(*Tx) error) error {
	c, conn, err := borrow(ctx, d.read)
	if err != nil {
		return err
	}
	defer c.Close()
	p := &pipe{conn: conn, waiting: []put{{query: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`}}}
	defer func() {
		if p.trips > 0 && !conn.IsClosed() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
			defer cancel()
			conn.Exec(end, `ROLLBACK`, pgx.QueryExecModeSimpleProtocol)
		}
	}()
	return f(&Tx{Now: d.Now(), run: p})
}

// Times on PostgreSQL: a group that hangs must not hold up all writing for ever.
const (
	groupWithin = time.Minute
	endWithin   = 5 * time.Second
	maxTries    = 12
)

// groupLock lets one group in at a time, of all nodes: it is let go with the
// transaction. In READ COMMITTED each statement sees what the group before left.
// A node that hangs, or is cut off, holds the others up for so long and no longer.
var groupLock = []put{
	{query: `SET LOCAL lock_timeout = '20s'`}, {query: `SET LOCAL idle_in_transaction_session_timeout = '20s'`},
	{query: `SELECT pg_advisory_xact_lock(1347375956, 1)`}, // "POST"
}

// commitPostgres runs the group in one transaction. If it spoils as a whole, each
// runs alone: closures may run more than once.
func (d *DB) commitPostgres(group []*request) {
	for try := 0; ; try++ {
		errs, err := d.together(group)
		switch {
		case err == nil:
			for i, r := range group {
				r.res <- errs[i]
			}
			return
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
	stx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, Error(err)
	}
	defer stx.Rollback() // no-op after Commit
	p := &pipe{conn: conn, within: ctx, waiting: slices.Clone(groupLock)}
	tx := &Tx{Now: d.Now(), run: p, sql: stx}
	errs = make([]error, len(group))
	for i, r := range group {
		if errs[i] = r.ctx.Err(); errs[i] != nil {
			continue
		}
		if errs[i], err = p.one(ctx, tx, r.f); err != nil {
			return nil, err
		}
	}
	if err := p.send(ctx, nil); err != nil {
		return nil, err
	}
	if err := stx.Commit(); err != nil {
		if known := (*pgconn.PgError)(nil); !errors.As(err, &known) && !errors.Is(err, pgx.ErrTxCommitRollback) {
			err = away(err) // it may be on disk: to run it again would do it twice
		}
		return nil, Error(err)
	}
	tx.committed()
	return errs, nil
}

// one runs one closure of the group. own is its failure, which leaves no trace;
// with spoilt the transaction cannot be trusted any more.
func (p *pipe) one(ctx context.Context, tx *Tx, f func(*Tx) error) (own, spoilt error) {
	trips, before, mark := p.trips, len(p.waiting), tx.mark()
	tx.shared = false
	p.waiting = append(p.waiting, put{query: savepoint})
	own = protect(f, tx)
	if own == nil {
		own = p.failed // whatever the closure made of it
	}
	switch sent := p.trips > trips; {
	case tx.shared && own != nil: // what jobs did is not behind the savepoint
		return nil, own
	case !sent && own == nil:
		p.waiting = slices.Delete(p.waiting, before, before+1)
		return nil, nil
	case !sent:
		p.waiting = p.waiting[:before]
		tx.undo(mark)
		return own, nil
	case own == nil:
		p.waiting = append(p.waiting, put{query: `RELEASE one`})
		return nil, nil
	case p.foreign, p.conn.IsClosed():
		return nil, p.failed
	}
	p.failed, p.waiting, p.bytes = nil, p.waiting[:0], 0
	tx.undo(mark)
	_, spoilt = p.exec(ctx, `ROLLBACK TO one`, nil)
	return own, spoilt
}
