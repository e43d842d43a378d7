package instructions

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"postern/internal/contacts"
)

// world is one history: a few instructions, the proofs that were taken, and what
// somebody who does not trust the code remembers of it.
type world struct {
	r     *rand.Rand
	now   time.Time
	list  []*Instruction
	used  map[string]int // once -> which instruction it served
	taken map[int]Proof
	said  map[int][]string
	log   []string
}

func (w *world) pick(of ...string) string { return of[w.r.IntN(len(of))] }

// step lets one thing happen, sensible or not.
func (w *world) step() {
	n := w.r.IntN(len(w.list))
	i := w.list[n]
	switch w.r.IntN(9) {
	case 0, 1, 2:
		w.tryProof(n, i)
	case 3, 4:
		staff := w.pick("a", "b", "c", "d")
		if i.MayApprove(staff, &StoredProof{Attested: w.taken[n].Attested, LetIn: w.taken[n].LetIn}, w.said[n], w.now) == nil {
			w.said[n] = append(w.said[n], staff)
			i.Approve(int64(len(w.said[n])), w.now)
			w.note("%d approved by %s: %s", n, staff, i.State)
		}
	case 5:
		i.Approve(0, w.now)
	case 6:
		if i.Execute(w.now) == nil {
			w.note("%d executed", n)
		}
	case 7:
		to := []State{Refused, Frozen, Expired, Cancelled}[w.r.IntN(4)]
		if w.r.IntN(3) == 0 && i.End(to, "", w.now) == nil {
			w.note("%d %s", n, to)
		}
	case 8:
		w.now = w.now.Add(time.Duration(w.r.IntN(40)) * time.Hour / 4)
	}
}

func (w *world) tryProof(n int, i *Instruction) {
	about := w.list[w.r.IntN(len(w.list))]
	if w.r.IntN(3) > 0 {
		about = i
	}
	p := Proof{Contact: contacts.ID(w.pick("ann", "ann", "ann", "bob")), Level: Levels[w.r.IntN(4)], Bind: about.Bind, Once: fmt.Sprint(w.r.IntN(12)), Attested: w.pick("", "", "a", "c"), LetIn: w.pick("", "", "", "b", "c"), At: w.now}
	_, used := w.used[p.Once]
	if i.Accepts(&p, used, w.now) != "" {
		i.Tries += int64(w.r.IntN(2))
		return
	}
	if w.used[p.Once] = n; used {
		w.note("%d was proved by what had served %d", n, w.used[p.Once])
	}
	w.taken[n] = p
	i.prove(w.now)
	w.note("%d proved by %+v", n, p)
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// holds says what is wrong with the world, or nothing.
func (w *world) holds() string {
	served := map[string]int{}
	for n, i := range w.list {
		p, proved := w.taken[n]
		if proved {
			if was, twice := served[p.Once]; twice {
				return fmt.Sprintf("one proof serves %d and %d", was, n)
			}
			served[p.Once] = n
		}
		if i.State != Executed && i.State != Approved {
			continue
		}
		others := int64(0)
		for _, s := range w.said[n] {
			if "staff:"+s != i.Proposer && s != p.Attested && s != p.LetIn {
				others++
			}
		}
		switch {
		case !proved:
			return fmt.Sprintf("%d is %s without a proof", n, i.State)
		case p.Level < i.Need || p.Bind != i.Bind || p.Contact != i.Contact || "staff:"+p.Attested == i.Proposer || "staff:"+p.LetIn == i.Proposer || p.LetIn != "" && p.LetIn == p.Attested:
			return fmt.Sprintf("%d is %s by a proof that does not fit", n, i.State)
		case others < i.Approvals:
			return fmt.Sprintf("%d is %s with %d of %d people", n, i.State, others, i.Approvals)
		case i.State == Executed && i.Ended.Before(p.At.Add(i.Doc.Cooling)):
			return fmt.Sprintf("%d was done before its time", n)
		case !p.At.Before(i.Expires):
			return fmt.Sprintf("%d was proved after its end", n)
		}
	}
	return ""
}

// TestP3HundredThousandHistories: whatever happens in whatever order, nothing is
// executed without a proof that fits, and no proof serves two.
func TestP3HundredThousandHistories(t *testing.T) {
	executed := 0
	for seed := range uint64(100_000) {
		w := &world{r: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), used: map[string]int{}, taken: map[int]Proof{}, said: map[int][]string{}}
		for n := range 3 {
			ref := fmt.Sprint(seed, n)
			w.list = append(w.list, &Instruction{Contact: "ann", Need: Levels[w.r.IntN(4)], Approvals: w.r.Int64N(3), Proposer: w.pick("staff:a", "contact:ann", "api:k"), State: Proposed,
				Expires: w.now.Add(24 * time.Hour), Bind: Bind(ref, "text"), Doc: Doc{Cooling: time.Duration(w.r.IntN(2)) * 24 * time.Hour}})
		}
		for range 40 {
			w.step()
			if wrong := w.holds(); wrong != "" {
				t.Fatalf("history %d: %s\n%v", seed, wrong, w.log)
			}
		}
		for _, i := range w.list {
			if i.State == Executed {
				executed++
			}
		}
	}
	if executed < 10_000 {
		t.Errorf("only %d instructions were executed: the histories are too dull to say anything", executed)
	}
}
