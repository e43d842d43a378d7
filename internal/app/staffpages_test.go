package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
)

// TestContactsListSaysHowItStands: open and waiting cases are counted, closed ones
// are not, and somebody without a case has none.
func TestContactsListSaysHowItStands(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content") // one that waits for them
		for _, state := range []cases.State{cases.Open, cases.Open, cases.Closed} {
			another := *c
			another.ID, another.Ref, another.State = cases.ID(db.NewID()), cases.NewRef(), state
			p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.cases.Add(ctx, tx, &another) })
		}
		n := p.d.contacts.New("Nora", "nora@kestrel.example", "staff", p.d.db.Now())
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, n) })
		for _, path := range []string{"/desk/contacts", "/desk/contacts?q=Emre", "/desk/search?q=Emre"} {
			page := p.do("agent", "GET", path, nil).Body.String()
			if !strings.Contains(page, "2 open, 1 waiting for them") {
				t.Errorf("%s does not say how it stands: %s", path, page)
			}
			if got := strings.Count(page, "None open"); path == "/desk/contacts" && got != 1 {
				t.Errorf("%s: %d people without a case, want Nora alone", path, got)
			}
		}
	})
}
