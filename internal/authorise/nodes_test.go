package authorise_test

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/instructions"
	"postern/internal/portal"
)

var races = flag.Int("races", 10, "how often fifty requests race on two nodes")

// TestApprovalRacedOnTwoNodes (FAULTS F16): two nodes share a database; fifty
// requests on both prove, approve and do one instruction at once. It is proved,
// approved and executed once, each time.
func TestApprovalRacedOnTwoNodes(t *testing.T) {
	x := &lab{TB: t, now: time.Now().UTC().Truncate(time.Second)}
	url := dbtest.Postgres(t)
	open := func() *db.DB {
		d, err := db.Open(t.Context(), db.Options{URL: url, Clock: x.clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	one := open()
	if err := one.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.build(one)
	other := *x.Flow
	other.DB = open()
	nodes := []*authorise.Flow{x.Flow, &other}
	ada := x.customer("ada", false)
	ses := &portal.Session{Contact: ada, Factor: portal.Passkey}
	for run := range *races {
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		code, err := x.ReadOut(t.Context(), "ivo", i.ID, x.phoneOf(ada))
		if err != nil {
			t.Fatal(err)
		}
		var proved, approved, executed atomic.Int32
		race(func(n int) {
			ctx, f := context.WithoutCancel(t.Context()), nodes[n%2]
			if n%5 == 0 && f.ByCall(ctx, ses, i.ID, code) == nil { // wrong tries are counted: only a few
				proved.Add(1)
			}
			if f.Approve(ctx, "noor", i.ID) == nil {
				approved.Add(1)
			}
			if f.ByHand(ctx, "zara", i.ID, "moved her, as she wished") == nil {
				executed.Add(1)
			}
		})
		race(func(n int) { // whatever was too early before
			ctx, f := context.WithoutCancel(t.Context()), nodes[n%2]
			if f.Approve(ctx, "noor", i.ID) == nil {
				approved.Add(1)
			}
			if f.ByHand(ctx, "zara", i.ID, "moved her, as she wished") == nil {
				executed.Add(1)
			}
		})
		if proved.Load() != 1 || approved.Load() != 1 || executed.Load() != 1 || x.get(i).State != instructions.Executed {
			t.Fatalf("run %d: proved %d, approved %d, executed %d times; %s", run, proved.Load(), approved.Load(), executed.Load(), x.get(i).State)
		}
	}
}

func race(f func(n int)) {
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() { f(n) })
	}
	wg.Wait()
}
