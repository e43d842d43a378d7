package db

import (
	"context"
	"sync"

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
	if d.lite {
		d.wrote = make(chan struct{}, 1)
		var beside sync.WaitGroup
		beside.Go(d.checkpoint)
		defer beside.Wait()
		defer close(d.wrote)
	}
	for first := range d.queue {
		if group := d.gather(first); d.lite {
			d.commitLite(group)
		} else {
			d.commitPostgres(group)
		}
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

// protect turns a panic of one caller's closure into that caller's error: the
// others of the group have nothing to do with it.
func protect(f func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fail.Panic(p)
		}
	}()
	return f(tx)
}

func answer(group []*request, err error) {
	for _, r := range group {
		r.res <- err
	}
}
