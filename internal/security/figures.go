package security

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/db"
)

// Figures are how reports fared that came within a time (BOD 20-01, item 9, and what
// says whether there is a wall).
type Figures struct {
	From, To time.Time

	Received, Dismissed      int // flagged; of those, said to be none
	Valid, OpenValid         int // reproduced; of those, still worked on
	Over90                   int // open for more than ninety days
	Age                      time.Duration
	First, Validate, Fix     time.Duration // medians: until a person's word, reproduced, fixed
	Struck, Reopened, Appeal int           // clocks that ran out; reports that came back; appeals
	Back                     int           // that came back after we had said that it is none
	Asked, Scripts           int           // whoever reported asked for a person; got a script after a script
	Doors                    []Door
	Read, Missed             int // of the weekly samples
	Weeks                    []Week
}

// Door is how many flagged messages came by one.
type Door struct {
	Name string
	N    int64
}

// A Week of reports, from its first day on.
type Week struct {
	From                                 time.Time
	Flagged, Dismissed, Verified, Struck int64
}

// moment is when something happened to a report.
type moment struct {
	id       string
	received time.Time
	at       time.Time
}

// FiguresOf counts.
func FiguresOf(ctx context.Context, tx *db.Tx, from, to time.Time) (*Figures, error) {
	f := &Figures{From: from, To: to}
	a, b := db.Micros(from), db.Micros(to)
	for _, x := range []struct {
		to    *int
		query string
	}{
		{&f.Received, `SELECT COUNT(*) FROM reports WHERE received_at >= $1 AND received_at < $2`},
		{&f.Dismissed, `SELECT COUNT(*) FROM reports WHERE received_at >= $1 AND received_at < $2 AND state = 'dismissed'`},
		{&f.Struck, `SELECT COUNT(*) FROM report_events WHERE act = 'report.struck' AND at >= $1 AND at < $2`},
		{&f.Reopened, `SELECT COUNT(*) FROM report_events WHERE to_state = 'assessing' AND from_state IN ('closed', 'resolved', 'disclosed') AND at >= $1 AND at < $2`},
		{&f.Back, `SELECT COUNT(*) FROM report_events WHERE to_state IN ('flagged', 'assessing') AND from_state IN ('dismissed', 'duplicate', 'not-security', 'other-vendor', 'out-of-scope', 'not-reproducible', 'spam') AND at >= $1 AND at < $2`},
		{&f.Asked, `SELECT COUNT(*) FROM climbs WHERE why = 'asked' AND case_id IN (SELECT case_id FROM reports) AND at >= $1 AND at < $2`},
		{&f.Scripts, `SELECT COUNT(*) FROM climbs WHERE why = 'second-canned' AND case_id IN (SELECT case_id FROM reports) AND at >= $1 AND at < $2`},
		{&f.Appeal, `SELECT COUNT(*) FROM report_events WHERE act = 'report.appealed' AND at >= $1 AND at < $2`},
		{&f.Over90, `SELECT COUNT(*) FROM reports WHERE ended_at = 0 AND received_at < $2 - 7776000000000 AND CAST($1 AS BIGINT) IS NOT NULL`},
		{&f.Read, `SELECT COUNT(*) FROM looks WHERE sampled > 0 AND said <> '' AND at >= $1 AND at < $2`},
		{&f.Missed, `SELECT COUNT(*) FROM looks WHERE sampled > 0 AND said = 'report' AND at >= $1 AND at < $2`},
	} {
		n, err := db.Count(ctx, tx, x.query, a, b)
		if err != nil {
			return nil, err
		}
		*x.to = int(n)
	}
	var err error
	if f.Doors, err = db.List(ctx, tx, func(d *Door, row func(...any) error) error { return row(&d.Name, &d.N) },
		`SELECT m.door, COUNT(*) FROM looks l JOIN messages m ON m.id = l.message_id WHERE l.flagged AND l.at >= $1 AND l.at < $2 GROUP BY m.door ORDER BY COUNT(*) DESC, m.door`, a, b); err != nil {
		return nil, err
	}
	if err := f.weekly(ctx, tx); err != nil {
		return nil, err
	}
	return f, f.lengths(ctx, tx, a, b)
}

// weekly counts what happened in each week.
func (f *Figures) weekly(ctx context.Context, tx *db.Tx) error {
	const week = 7 * day
	for at := f.From; at.Before(f.To); at = at.Add(week) {
		f.Weeks = append(f.Weeks, Week{From: at})
	}
	for where, place := range map[string]func(*Week) *int64{
		"act = 'report.flagged'":                               func(w *Week) *int64 { return &w.Flagged },
		"to_state = 'dismissed' AND from_state <> 'dismissed'": func(w *Week) *int64 { return &w.Dismissed },
		"to_state = 'verified' AND from_state <> 'verified'":   func(w *Week) *int64 { return &w.Verified },
		"act = 'report.struck'":                                func(w *Week) *int64 { return &w.Struck },
	} {
		type count struct{ week, n int64 }
		list, err := db.List(ctx, tx, func(c *count, row func(...any) error) error { return row(&c.week, &c.n) },
			`SELECT (at - $1) / $3, COUNT(*) FROM report_events WHERE at >= $1 AND at < $2 AND `+where+` GROUP BY (at - $1) / $3`, db.Micros(f.From), db.Micros(f.To), week.Microseconds())
		if err != nil {
			return err
		}
		for _, c := range list {
			*place(&f.Weeks[c.week]) = c.n
		}
	}
	return nil
}

// lengths are the medians.
func (f *Figures) lengths(ctx context.Context, tx *db.Tx, a, b int64) error {
	first := func(where string) ([]moment, error) {
		return db.List(ctx, tx, func(m *moment, row func(...any) error) error { return row(&m.id, db.Time(&m.received), db.Time(&m.at)) },
			`SELECT r.case_id, r.received_at, MIN(e.at) FROM reports r JOIN report_events e ON e.case_id = r.case_id WHERE r.received_at >= $1 AND r.received_at < $2 AND `+where+` GROUP BY r.case_id, r.received_at`, a, b)
	}
	spoke, err := first(`e.act = 'report.spoke'`)
	if err != nil {
		return err
	}
	valid, err := first(`e.to_state = 'verified'`)
	if err != nil {
		return err
	}
	fixed, err := first(`e.to_state = 'fix-ready'`)
	if err != nil {
		return err
	}
	f.First, f.Validate, f.Fix, f.Valid = median(spoke), median(valid), median(fixed), len(valid)
	open, err := db.List(ctx, tx, func(m *moment, row func(...any) error) error { return row(&m.id, db.Time(&m.received)) },
		`SELECT r.case_id, r.received_at FROM reports r WHERE r.ended_at = 0 AND CAST($1 AS BIGINT) IS NOT NULL AND r.received_at < $2 AND EXISTS (SELECT 1 FROM report_events e WHERE e.case_id = r.case_id AND e.to_state = 'verified')`, a, b)
	if err != nil {
		return err
	}
	for i := range open {
		open[i].at = f.To
	}
	f.OpenValid, f.Age = len(open), median(open)
	return nil
}

func median(list []moment) time.Duration {
	if len(list) == 0 {
		return 0
	}
	d := make([]time.Duration, len(list))
	for i, m := range list {
		d[i] = m.at.Sub(m.received)
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// Lines say the figures, a line each.
func (f *Figures) Lines() []string {
	doors := "none"
	if len(f.Doors) > 0 {
		var list []string
		for _, d := range f.Doors {
			list = append(list, fmt.Sprintf("%s %d", d.Name, d.N))
		}
		doors = strings.Join(list, ", ")
	}
	return []string{
		fmt.Sprintf("Flagged: %d; said to be none: %d; reproduced: %d", f.Received, f.Dismissed, f.Valid),
		fmt.Sprintf("Reproduced and still open: %d, half of them older than %s; open for more than 90 days: %d", f.OpenValid, days(f.Age), f.Over90),
		fmt.Sprintf("Half had a person's first word within %s, were reproduced within %s, fixed within %s", days(f.First), days(f.Validate), days(f.Fix)),
		fmt.Sprintf("Clocks that ran out: %d; came back: %d; appeals: %d", f.Struck, f.Reopened, f.Appeal),
		fmt.Sprintf("Came back after we had said that it is none: %d; asked for a person by themselves: %d; got a script after a script: %d", f.Back, f.Asked, f.Scripts),
		"Flagged messages by door: " + doors,
		fmt.Sprintf("Of what was not flagged, %d messages were read in the weekly samples, and %d of them were reports", f.Read, f.Missed),
	}
}

func days(d time.Duration) string {
	switch {
	case d == 0:
		return "nothing yet"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d/day))
}
