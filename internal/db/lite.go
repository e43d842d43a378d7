package db

import (
	"context"
	"database/sql"
	"time"

	"postern/internal/fail"
)

// lite runs the statements of one transaction on SQLite.
type lite struct {
	tx   *sql.Tx
	kept *statements
	keep bool // statements outlive the caller's context: an interrupt would undo the whole group
}

func (l *lite) ctx(ctx context.Context) context.Context {
	if l.keep {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (l *lite) exec(ctx context.Context, query string, args []any) (int64, error) {
	var res sql.Result
	var err error
	if stmt := l.kept.find(query); stmt != nil {
		res, err = l.tx.StmtContext(l.ctx(ctx), stmt).ExecContext(l.ctx(ctx), args...)
	} else {
		res, err = l.tx.ExecContext(l.ctx(ctx), query, args...)
	}
	if err != nil {
		return 0, Error(err)
	}
	n, err := res.RowsAffected()
	return n, Error(err)
}

func (l *lite) put(ctx context.Context, w put) error {
	n, err := l.exec(ctx, w.query, w.args)
	if err != nil {
		return err
	}
	return w.check(n)
}

func (l *lite) read(ctx context.Context, queries []Query) error {
	for _, q := range queries {
		if err := l.one(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// one reads a query's rows to the end before the same query runs again: they
// share one prepared statement.
func (l *lite) one(ctx context.Context, q Query) error {
	var rows *sql.Rows
	var err error
	if stmt := l.kept.find(q.SQL); stmt != nil {
		rows, err = l.tx.StmtContext(l.ctx(ctx), stmt).QueryContext(l.ctx(ctx), q.Args...)
	} else {
		rows, err = l.tx.QueryContext(l.ctx(ctx), q.SQL, q.Args...)
	}
	if err != nil {
		return Error(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := q.Row(rows.Scan); err != nil {
			return err
		}
	}
	return Error(rows.Err())
}

// maxWAL is after how many pages of the log the writer itself checks them in, so
// that the log stays bounded; usually it was done beside it long before.
const maxWAL = 16 << 10

// checkpoint moves what was committed from the log into the file, beside the
// writer, who would else stand still for it. It ends with wrote.
//
// Once nothing was written for a while the log is emptied: it holds what was
// overwritten and destroyed, data keys among them.
func (d *DB) checkpoint() {
	defer d.tidy.Close()
	idle := time.NewTimer(emptyAfter)
	defer idle.Stop()
	for {
		select {
		case _, more := <-d.wrote:
			if !more {
				return
			}
			d.tidy.Exec(`PRAGMA wal_checkpoint(PASSIVE)`) // one that fails is made up for by the next
			time.Sleep(checkpointPause)
			idle.Reset(emptyAfter)
		case <-idle.C:
			var busy, frames, moved int64
			if err := d.tidy.QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil || busy != 0 {
				idle.Reset(emptyAfter) // somebody reads what is in it
			}
		}
	}
}

const (
	checkpointPause = 200 * time.Millisecond
	emptyAfter      = 5 * time.Second
)

func (d *DB) viewLite(ctx context.Context, f func(*Tx) error) error {
	stx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Error(err)
	}
	kept := d.kept[d.read]
	defer kept.prepare() // once the connection is free again
	defer stx.Rollback()
	return f(&Tx{Now: d.Now(), run: &lite{tx: stx, kept: kept}, sql: stx})
}

// commitLite runs the group in one transaction. A closure that fails is undone by
// itself; if the transaction breaks (disk full, I/O error), all of them fail.
func (d *DB) commitLite(group []*request) {
	ctx := context.Background()
	stx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		answer(group, Error(err))
		return
	}
	kept := d.kept[d.write]
	defer kept.prepare()
	defer stx.Rollback()
	tx := &Tx{Now: d.Now(), run: &lite{tx: stx, kept: kept, keep: true}, sql: stx}
	var good []*request
	for i, r := range group {
		err, broken := d.inSavepoint(tx, r)
		if broken != nil {
			answer(good, broken)
			answer(group[i:], broken)
			return
		}
		if err != nil {
			r.res <- err
			continue
		}
		good = append(good, r)
	}
	if len(good) == 0 {
		return
	}
	if err := stx.Commit(); err != nil {
		answer(good, Error(err))
		return
	}
	tx.committed()
	answer(good, nil)
	select {
	case d.wrote <- struct{}{}:
	default:
	}
}

// inSavepoint runs one closure. broken is set when the transaction around it
// can no longer be trusted.
func (d *DB) inSavepoint(tx *Tx, r *request) (err, broken error) {
	if err := r.ctx.Err(); err != nil {
		return err, nil
	}
	ctx := context.Background()
	if _, err := tx.Exec(ctx, `SAVEPOINT one`); err != nil {
		return nil, err
	}
	before := tx.mark()
	err = protect(r.f, tx)
	if err == nil {
		_, broken = tx.Exec(ctx, `RELEASE one`)
		return nil, broken
	}
	tx.undo(before)
	if _, e := tx.Exec(ctx, `ROLLBACK TO one`); e != nil {
		if k := fail.KindOf(err); k == fail.Full || k == fail.Unavailable {
			e = err // SQLite undid the whole transaction by itself, because of this
		}
		return nil, e
	}
	_, broken = tx.Exec(ctx, `RELEASE one`)
	return err, broken
}
