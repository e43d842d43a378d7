package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"time"
)

// verdict is one line of the closing table: what was reached, and the goal.
type verdict struct {
	goal, what string
	have, want float64
	atMost     bool // want is a limit, not a floor
	unit       string
}

// state compares with the goal and with half of it.
func (v verdict) state() string {
	reached := v.have / v.want
	if v.atMost {
		reached = v.want / v.have
	}
	switch {
	case reached >= 1:
		return "holds"
	case reached >= 0.5:
		return "half"
	}
	return "BELOW HALF"
}

func (l *lab) least(goal, what string, have, want float64, unit string) {
	l.verdicts = append(l.verdicts, verdict{goal, what, have, want, false, unit})
}

func (l *lab) most(goal, what string, have, want float64, unit string) {
	l.verdicts = append(l.verdicts, verdict{goal, what, have, want, true, unit})
}

// table prints every goal beside what this run reached.
func (l *lab) table() {
	fmt.Printf("\nGoals (half = at least half of the goal):\n")
	for _, v := range l.verdicts {
		sign, half := "≥", v.want/2
		if v.atMost {
			sign, half = "≤", v.want*2
		}
		fmt.Printf("  %-2s %-62s %9s   goal %s %-9s half %-9s %s\n", v.goal, v.what, figure(v.have)+v.unit, sign, figure(v.want)+v.unit, figure(half)+v.unit, v.state())
	}
}

func figure(f float64) string {
	if f < 10 {
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// durable measures commits of one row of 10 KB, one after another.
func (l *lab) durable(kind, url string) (float64, error) {
	driver, source, blob := "pgx", url, "BYTEA"
	if kind == "sqlite" {
		driver, source, blob = "sqlite", "file:"+filepath.Join(l.dir, "commit.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)", "BLOB"
	}
	d, err := sql.Open(driver, source)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	if _, err := d.Exec(`CREATE TABLE bench_commit (body ` + blob + `)`); err != nil {
		return 0, err
	}
	row := make([]byte, 10<<10)
	n := rate(2*time.Second, func() error { _, err := d.Exec(`INSERT INTO bench_commit (body) VALUES ($1)`, row); return err })
	_, err = d.Exec(`DROP TABLE bench_commit`)
	return n, err
}

// wayOut is the bound of the way out for one core: seal, then one durable commit.
func (l *lab) wayOut(kind, url string) (float64, error) {
	commits, err := l.durable(kind, url)
	if err != nil {
		return 0, err
	}
	bound := 1 / (1/l.sealRate + 1/commits)
	fmt.Printf("\nThe bound of the way out on %s: 1 / (sign+encrypt at %.0f/s + one durable commit at %.0f/s) = %.0f/s for one core; %d cores here.\n",
		kind, l.sealRate, commits, bound, runtime.NumCPU())
	return bound, nil
}
