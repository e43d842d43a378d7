package staff

import (
	"context"
	"sync"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

// Guesses at a password are slowed down for one account from one network, so
// that nobody can lock somebody else out: the person at the desk comes from
// elsewhere, or has a passkey, which is never slowed down.
const (
	freeTries = 5                // wrong attempts that cost nothing; each further one doubles the wait
	longest   = 15 * time.Minute // and no wait is longer
	forgotten = 24 * time.Hour   // quiet for so long, the count begins anew
)

func waitAfter(failures int64) time.Duration {
	if failures < freeTries {
		return 0
	}
	return min(longest, time.Second<<min(failures-freeTries+2, 12))
}

// startTry counts an attempt before it is judged: of many sent at once, no more
// are judged than of those sent one by one. A right one takes the count away.
func startTry(ctx context.Context, tx *db.Tx, who string) error {
	counted, err := db.List(ctx, tx, func(n *int64, row func(...any) error) error { return row(n) },
		`INSERT INTO throttles (who, failures, until_at) VALUES ($1, 1, $2)
		ON CONFLICT (who) DO UPDATE SET failures = CASE WHEN throttles.until_at < $3 THEN 1 ELSE throttles.failures + 1 END, until_at = $2
		WHERE throttles.until_at <= $2 RETURNING failures`, who, db.Micros(tx.Now), db.Micros(tx.Now.Add(-forgotten)))
	if err != nil {
		return err
	}
	if len(counted) == 0 {
		return fail.New(fail.TooMany, "too many wrong attempts from here; wait a few minutes, or use your passkey, which always works")
	}
	if wait := waitAfter(counted[0]); wait > 0 {
		_, err = tx.Exec(ctx, `UPDATE throttles SET until_at = $2 WHERE who = $1`, who, db.Micros(tx.Now.Add(wait)))
	}
	return err
}

func endTry(ctx context.Context, tx *db.Tx, who string) error {
	_, err := tx.Exec(ctx, `DELETE FROM throttles WHERE who = $1`, who)
	return err
}

// Who may wait for the hash of a password at one time: together, and from one
// network, so that one network cannot fill the line.
const (
	lineLength = 32
	lineShare  = 8
)

// line is the queue before the hash, which takes one at a time.
type line struct {
	mu   sync.Mutex
	all  int            // guarded by mu
	from map[string]int // guarded by mu; no zeros
}

// enter takes a place; leave gives it back and must be called once.
func (l *line) enter(where string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= lineLength || l.from[where] >= lineShare {
		return nil, fail.New(fail.Unavailable, "too many people sign in at this moment; try again in a few seconds, or use your passkey")
	}
	if l.from == nil {
		l.from = map[string]int{}
	}
	l.all++
	l.from[where]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all--
		if l.from[where]--; l.from[where] == 0 {
			delete(l.from, where)
		}
	}, nil
}

// StartTry counts a customer's attempt from one network before it is judged; too
// many are TooMany. A right one is followed by EndTry.
func StartTry(ctx context.Context, tx *db.Tx, contact, network string) error {
	return startTry(ctx, tx, "contact:"+contact+" "+network)
}

// EndTry takes the count away.
func EndTry(ctx context.Context, tx *db.Tx, contact, network string) error {
	return endTry(ctx, tx, "contact:"+contact+" "+network)
}
