package staff

import (
	"context"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// perHour is how often a member of staff may touch what proves customers: no
// day's work comes near it, and whoever stole a session gets no further.
const perHour = 20

// Pace counts one act on what proves a customer: a code read out, a number, an
// address or a key put on file. Too many in an hour are refused; the first of those
// is an alarm. The caller's transaction is this count alone, and commits.
func Pace(ctx context.Context, tx *db.Tx, id string) (refused, err error) {
	n, err := db.One(ctx, tx, func(n *int64, row func(...any) error) error { return row(n) },
		`INSERT INTO staff_pace (staff_id, hour, n) VALUES ($1, $2, 1) ON CONFLICT (staff_id, hour) DO UPDATE SET n = staff_pace.n + 1 RETURNING n`, id, tx.Now.Unix()/3600)
	if err != nil || *n <= perHour {
		return nil, err
	}
	refused = fail.New(fail.TooMany, "you changed how we know customers %d times within the hour. Wait for the next, or let an admin look at it", perHour)
	if *n > perHour+1 {
		return refused, nil
	}
	return refused, audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(id), Act: "security.alarm", About: id, Detail: "too many acts on what proves customers, within an hour"})
}
