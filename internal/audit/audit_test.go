package audit_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
)

func fill(t *testing.T, d *db.DB, n int) {
	t.Helper()
	for i := range n {
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			return audit.Append(t.Context(), tx, audit.Entry{Actor: audit.System, Act: "case.opened", About: "c1", Detail: fmt.Sprint(i)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestP12NobodyChangesTheRecordQuietly(t *testing.T) {
	for name, c := range map[string]struct {
		sql string
		seq int64
	}{
		"edited":    {`UPDATE audit SET detail = 'no' WHERE seq = 4`, 4},
		"actor":     {`UPDATE audit SET actor = 'staff:x' WHERE seq = 1`, 1},
		"deleted":   {`DELETE FROM audit WHERE seq = 5`, 5},
		"reordered": {`UPDATE audit SET seq = CASE seq WHEN 2 THEN 1000 WHEN 3 THEN 2 ELSE seq END WHERE seq IN (2, 3)`, 2},
		"cut off":   {`DELETE FROM audit WHERE seq > 7`, 8},
		"dated":     {`UPDATE audit SET at = at - 1 WHERE seq = 10`, 10},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				fill(t, d, 10)
				anchor, err := audit.Verify(t.Context(), d, audit.Anchor{})
				if err != nil || anchor.Seq != 10 {
					t.Fatalf("head %v, %v", anchor, err)
				}
				if _, err := d.Pool().Exec(c.sql); err != nil {
					t.Fatal(err)
				}
				_, err = audit.Verify(t.Context(), d, anchor)
				var f *audit.Fault
				if !errors.As(err, &f) || f.Seq != c.seq {
					t.Errorf("got %v, want row %d named", err, c.seq)
				}
			})
		})
	}
}

func TestRewrittenChainFailsTheAnchor(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(t))
	fill(t, d, 3)
	old, _ := audit.Verify(t.Context(), d, audit.Anchor{})
	if _, err := d.Pool().Exec(`DELETE FROM audit`); err != nil {
		t.Fatal(err)
	}
	fill(t, d, 5)
	if _, err := audit.Verify(t.Context(), d, old); err == nil {
		t.Error("a whole new chain passed the old anchor")
	}
}

// What shares a commit shares the end of the chain: who fails in between leaves
// no gap in it.
func TestFailedActsLeaveNoGap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		no := errors.New("no")
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				err := d.Update(ctx, func(tx *db.Tx) error {
					for range 2 {
						if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "case.opened", About: fmt.Sprint(i)}); err != nil {
							return err
						}
					}
					switch i % 5 {
					case 1:
						return no
					case 2:
						return tx.Must(ctx, no, `UPDATE settings SET name = 'x' WHERE name = 'nothing'`)
					case 3:
						if _, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM audit`); err != nil {
							return err
						}
						return no
					}
					return nil
				})
				if (i%5 == 0 || i%5 == 4) != (err == nil) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if head, err := audit.Verify(ctx, d, audit.Anchor{}); err != nil || head.Seq != 160 {
			t.Errorf("head %d, %v; want 160 rows", head.Seq, err)
		}
	})
}

func TestTwoNodesOneChain(t *testing.T) {
	url := dbtest.Postgres(t)
	nodes := []*db.DB{dbtest.Open(t, url), dbtest.Open(t, url)}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := nodes[i%2].Update(t.Context(), func(tx *db.Tx) error {
				return audit.Append(t.Context(), tx, audit.Entry{Actor: audit.System, Act: "case.opened", About: fmt.Sprint(i)})
			}); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if head, err := audit.Verify(t.Context(), nodes[0], audit.Anchor{}); err != nil || head.Seq != 200 {
		t.Errorf("head %d, %v; want 200 rows", head.Seq, err)
	}
}

// What one node remembers of the chain's end is stale once another wrote.
func TestNodesTakeTurnsInOneChain(t *testing.T) {
	url := dbtest.Postgres(t)
	nodes := []*db.DB{dbtest.Open(t, url), dbtest.Open(t, url)}
	for range 3 {
		for _, d := range nodes {
			fill(t, d, 2)
		}
	}
	if head, err := audit.Verify(t.Context(), nodes[0], audit.Anchor{}); err != nil || head.Seq != 12 {
		t.Errorf("head %v, %v", head, err)
	}
}
