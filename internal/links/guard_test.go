package links

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/safehttp"
)

func kinds(found []Finding) (out []string) {
	for _, f := range found {
		out = append(out, fmt.Sprint(f.Grade, " ", f.Row, " ", f.Kind))
	}
	return out
}

func TestGuardFollowsWhatIsWorthIt(t *testing.T) {
	var mu sync.Mutex // links are followed at the same time
	asked := map[string]int{}
	x := web{"https://a.example/": "302 http://a.example/", "http://a.example/": "200"}
	g := NewGuard(func() []string { return []string{"https://desk.example:8443", "desk.example"} }, []string{"a.example", "quiet.example"})
	g.Checker = NewChecker(func(ctx context.Context, address string) (*safehttp.Visit, error) {
		mu.Lock()
		asked[address]++
		mu.Unlock()
		return x.fetch(ctx, address)
	}, g.Judge, time.Now)
	text := "https://a.example/ https://desk.example:8443/m/1 mailto:x@y.example"
	if got := g.Look(text); len(got) > 0 || len(asked) > 0 {
		t.Errorf("before it was followed: %v, %v", got, asked)
	}
	g.Ask(t.Context(), text)
	if got := kinds(g.Look(text)); !slices.Contains(got, "block 2 downgrade") || asked["https://a.example/"] != 1 || len(asked) != 2 {
		t.Errorf("%v after %v", got, asked)
	}
	clear(asked)
	g.Check(t.Context(), text+" https://bit.ly/x https://u@a.example/ http://a.example/x")
	if len(asked) != 0 {
		t.Errorf("it asked %v", asked)
	}
	if got := kinds(g.Check(t.Context(), "https://quiet.example/")); !slices.Equal(got, []string{"warn 24 unknown"}) {
		t.Errorf("a host that does not answer: %v", got)
	}
	var many strings.Builder
	for i := range maxFollowed + 1 {
		fmt.Fprintf(&many, "https://quiet.example/%d ", i)
	}
	clear(asked)
	if got := g.Check(t.Context(), many.String()); len(asked) != maxFollowed || len(got) != maxFollowed+1 {
		t.Errorf("of many, %d were asked and %d told", len(asked), len(got))
	}
}

// A nil guard still holds P6.
func TestNoGuardIsAGuard(t *testing.T) {
	var g *Guard
	if got := g.Check(t.Context(), "see http://a.example"); Blocked(got) == nil {
		t.Error(got)
	}
	if got := g.Look("see https://a.example"); Blocked(got) != nil {
		t.Error(got)
	}
	g.Ask(t.Context(), "see https://a.example")
}

func TestOwnNamesMayChange(t *testing.T) {
	own := []string{"one.example"}
	g := NewGuard(func() []string { return own }, nil)
	if len(g.Look("https://two.example/")) == 0 {
		t.Error("a stranger's")
	}
	own = []string{"one.example", "two.example"}
	if got := g.Look("https://two.example/"); len(got) != 0 {
		t.Error(got)
	}
}
