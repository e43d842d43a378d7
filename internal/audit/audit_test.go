package audit_test

import (
	"errors"
	"fmt"
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
	for {
		n, err := audit.Seal(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
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
				anchor, loose, err := audit.Verify(t.Context(), d, audit.Anchor{})
				if err != nil || anchor.Seq != 10 || loose != 0 {
					t.Fatalf("head %v, loose %d, %v", anchor, loose, err)
				}
				if _, err := d.Pool().Exec(c.sql); err != nil {
					t.Fatal(err)
				}
				_, _, err = audit.Verify(t.Context(), d, anchor)
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
	old, _, _ := audit.Verify(t.Context(), d, audit.Anchor{})
	if _, err := d.Pool().Exec(`DELETE FROM audit`); err != nil {
		t.Fatal(err)
	}
	fill(t, d, 5)
	if _, _, err := audit.Verify(t.Context(), d, old); err == nil {
		t.Error("a whole new chain passed the old anchor")
	}
}
