package publications

import (
	"strings"
	"testing"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
)

// TestNobodyIsThankedAgainstTheirWish walks through a credit's life: it shows only
// between consent and withdrawal, and a withdrawn one leaves no name anywhere.
func TestNobodyIsThankedAgainstTheirWish(t *testing.T) {
	for name, open := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			l, ctx := newLab(t, open, "support@northmere.example"), t.Context()
			do := func(f func(tx *db.Tx) error) error { return l.DB.Update(ctx, f) }
			names := func() string {
				var list []Credit
				if err := l.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = Thanked(ctx, tx); return err }); err != nil {
					t.Fatal(err)
				}
				var out []string
				for _, c := range list {
					if !c.Stands() {
						t.Errorf("%+v is listed", c)
					}
					out = append(out, c.Name)
				}
				return strings.Join(out, ",")
			}
			show := func() error { return do(func(tx *db.Tx) error { return ShowCredit(ctx, tx, "staff:noor", "c-1") }) }
			consent := func(name string) error {
				return do(func(tx *db.Tx) error {
					return Consent(ctx, tx, "contact:x", Credit{Case: "c-1", Name: name, Line: "https://ada.example"})
				})
			}
			withdraw := func() error { return do(func(tx *db.Tx) error { return WithdrawCredit(ctx, tx, "contact:x", "c-1") }) }

			if err := show(); !fail.Is(err, fail.Conflict) {
				t.Errorf("named without consent: %v", err)
			}
			if err := withdraw(); !fail.Is(err, fail.NotFound) {
				t.Errorf("withdrawn what was not given: %v", err)
			}
			for _, bad := range []string{"", "  \n ", strings.Repeat("a", 81), "Ada\u202eadA", "A\x00da"} {
				if err := consent(bad); !fail.Is(err, fail.Invalid) {
					t.Errorf("%q: %v", bad, err)
				}
			}
			if err := consent("Ada  Brandt"); err != nil || names() != "" {
				t.Fatalf("%v; a consent alone names %q", err, names())
			}
			if err := show(); err != nil || names() != "Ada Brandt" {
				t.Fatalf("%v, %q", err, names())
			}
			if err := consent("ada"); err != nil || names() != "ada" {
				t.Errorf("another name: %v, %q", err, names())
			}
			if err := withdraw(); err != nil || names() != "" {
				t.Errorf("withdrawn: %v, %q", err, names())
			}
			if err := show(); !fail.Is(err, fail.Conflict) {
				t.Errorf("named after it was withdrawn: %v", err)
			}
			if err := withdraw(); !fail.Is(err, fail.NotFound) {
				t.Errorf("withdrawn twice: %v", err)
			}
			err := l.DB.View(ctx, func(tx *db.Tx) error {
				c, err := CreditOf(ctx, tx, "c-1")
				if err != nil || c.Name+c.Line != "" || c.Withdrawn.IsZero() || c.Consented.IsZero() || c.Stands() {
					t.Errorf("what is left: %+v, %v", c, err)
				}
				if c, err := CreditOf(ctx, tx, "c-2"); c != nil || err != nil || c.Stands() {
					t.Errorf("of another case: %+v, %v", c, err)
				}
				n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM audit WHERE detail LIKE '%Brandt%' OR detail LIKE '%ada%'`)
				if n != 0 {
					t.Error("the log holds the name")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if err := consent("Ada again"); err != nil || names() != "" {
				t.Errorf("a new wish names before it is shown: %v, %q", err, names())
			}
		})
	}
}
