package db

import (
	"context"
	"fmt"
	"runtime/debug"

	"postern/internal/fail"
)

// groupSize bounds how many closures share one commit, so that none waits
// long behind others.
const groupSize = 128

type request struct {
	ctx context.Context
	f   func(*Tx) error
	res chan error // buffered: the writer never waits for a caller
}

func (d *DB) enqueue(ctx context.Context, f func(*Tx) error) error {
	r := &request{ctx, f, make(chan error, 1)}
	d.mu.RLock()
	if d.shut {
		d.mu.RUnlock()
		return fail.New(fail.Unavailable, "the database is closed")
	}
	d.queue <- r
	d.mu.RUnlock()
	// No way out on ctx here: the closure may already be part of a commit, and
	// the caller must know whether it was. The writer skips it if it comes too late.
	return <-r.res
}

func (d *DB) writer() {
	defer close(d.done)
	for first := range d.queue {
		d.commit(d.gather(first))
	}
}

func (d *DB) gather(first *request) []*request {
	group := []*request{first}
	for len(group) < groupSize {
		select {
		case r, ok := <-d.queue:
			if !ok {
				return group
			}
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit runs the group in one transaction. A closure that fails is undone by
// itself; if the transaction breaks (disk full, I/O error), all of them fail.
func (d *DB) commit(group []*request) {
	ctx := context.Background()
	stx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		answer(group, Error(err))
		return
	}
	kept := d.kept[d.write]
	defer kept.prepare()
	defer stx.Rollback()
	tx := &Tx{Now: d.Now(), tx: stx, kept: kept, serial: true, keep: true}
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
	before := len(tx.after)
	err = protect(r.f, tx)
	if err == nil {
		_, broken = tx.Exec(ctx, `RELEASE one`)
		return nil, broken
	}
	tx.after = tx.after[:before]
	if _, e := tx.Exec(ctx, `ROLLBACK TO one`); e != nil {
		if k := fail.KindOf(err); k == fail.Full || k == fail.Unavailable {
			e = err // SQLite undid the whole transaction by itself, because of this
		}
		return nil, e
	}
	_, broken = tx.Exec(ctx, `RELEASE one`)
	return err, broken
}

// protect turns a panic of one caller's closure into that caller's error: the
// others of the group have nothing to do with it.
func protect(f func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return f(tx)
}

func answer(group []*request, err error) {
	for _, r := range group {
		r.res <- err
	}
}
