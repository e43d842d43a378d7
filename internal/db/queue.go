package db

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Lease is how long a claimed row belongs to its worker without a sign of life.
const Lease = 2 * time.Minute

// Queue is a table whose rows are work: it has the columns id, state, due_at,
// lease_until, owner and done_at, which is 0 until the work is over. Rows are claimed in batches, kept by heartbeat, and
// fall back when their worker has died.
type Queue struct {
	Table string
	Ready []string // states in which a due row may be claimed; a lost lease returns to the first
	Busy  []string // states of claimed rows; a claim sets the first
	Owner string   // this node
}

func quoted(states []string) string { return "('" + strings.Join(states, "', '") + "')" }

// Due reports whether there is anything to claim: a read, so that an idle desk
// writes nothing.
func (q Queue) Due(ctx context.Context, tx *Tx) (bool, error) {
	n, err := Count(ctx, tx, fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM %s WHERE done_at = 0 AND state IN %s AND due_at <= $1 LIMIT 1) t`,
		q.Table, quoted(q.Ready)), Micros(tx.Now))
	return n > 0, err
}

// Claim takes up to limit due rows for this node and returns their ids.
func (q Queue) Claim(ctx context.Context, tx *Tx, limit int) ([]string, error) {
	return Strings(ctx, tx, fmt.Sprintf(`UPDATE %[1]s SET state = '%[3]s', owner = $1, lease_until = $2
		WHERE id IN (SELECT id FROM %[1]s WHERE done_at = 0 AND state IN %[2]s AND due_at <= $3 ORDER BY due_at LIMIT CAST($4 AS BIGINT)) RETURNING id`,
		q.Table, quoted(q.Ready), q.Busy[0]), q.Owner, Micros(tx.Now.Add(Lease)), Micros(tx.Now), limit)
}

// Beat prolongs the leases of the rows this node works on, and of no others: a
// row that nobody works on falls back.
func (q Queue) Beat(ctx context.Context, tx *Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	in, args := In([]any{q.Owner, Micros(tx.Now.Add(Lease))}, ids)
	_, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET lease_until = $2 WHERE owner = $1 AND done_at = 0 AND state IN %s AND id IN %s`, q.Table, quoted(q.Busy), in), args...)
	return err
}

// Reclaim gives rows back whose lease has run out or, at a node's start, those it held
// when it died: others' wait for the first beat, in case nobody could prolong theirs.
func (q Queue) Reclaim(ctx context.Context, tx *Tx, own bool) (int64, error) {
	cond := `lease_until < $1`
	args := []any{Micros(tx.Now)}
	if own {
		cond, args = `owner = $2`, append(args, q.Owner)
	}
	return tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET state = '%s', owner = '', lease_until = 0, due_at = $1 WHERE done_at = 0 AND state IN %s AND %s`,
		q.Table, q.Ready[0], quoted(q.Busy), cond), args...)
}

// dropped is after how long a row of this node's that no beat prolonged is nobody's: it
// could not be put back when its work failed.
const dropped = 10 * time.Second

// Dropped gives those back; it follows Beat.
func (q Queue) Dropped(ctx context.Context, tx *Tx) (int64, error) {
	return tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET state = '%s', owner = '', lease_until = 0, due_at = $1 WHERE done_at = 0 AND state IN %s AND owner = $2 AND lease_until < $3`,
		q.Table, q.Ready[0], quoted(q.Busy)), Micros(tx.Now), q.Owner, Micros(tx.Now.Add(Lease-dropped)))
}
