package db

import (
	"errors"
	"fmt"
	"testing"
)

func TestMerge(t *testing.T) {
	gone := errors.New("gone")
	a, b := `INSERT INTO a (x, y) VALUES ($1, $2)`, `INSERT INTO b (x, y) VALUES ($2, $1), ($3, $1) ON CONFLICT DO NOTHING`
	for name, c := range map[string]struct {
		waiting []put
		want    []string
	}{
		"alone": {[]put{{query: a, args: []any{1, 2}}}, []string{a + " [1 2]"}},
		"rows of one query go together": {
			[]put{{query: a, args: []any{1, 2}}, {query: b, args: []any{3, 4, 5}}, {query: a, args: []any{6, 7}}, {query: b, args: []any{8, 9, 10}}},
			[]string{`INSERT INTO a (x, y) VALUES ($1, $2), ($3, $4) [1 2 6 7]`, `INSERT INTO b (x, y) VALUES ($2, $1), ($3, $1), ($5, $4), ($6, $4) ON CONFLICT DO NOTHING [3 4 5 8 9 10]`}},
		"in powers of two": {
			[]put{{query: a, args: []any{1, 1}}, {query: a, args: []any{2, 2}}, {query: a, args: []any{3, 3}}},
			[]string{`INSERT INTO a (x, y) VALUES ($1, $2), ($3, $4) [1 1 2 2]`, a + " [3 3]"}},
		"an update of the table keeps its place": {
			[]put{{query: a, args: []any{1, 1}}, {query: `UPDATE a SET x = 1`}, {query: a, args: []any{2, 2}}},
			[]string{a + " [1 1]", `UPDATE a SET x = 1 []`, a + " [2 2]"}},
		"one of another table does not part them": {
			[]put{{query: a, args: []any{1, 1}}, {query: `UPDATE c SET x = 1`}, {query: a, args: []any{2, 2}}},
			[]string{`UPDATE c SET x = 1 []`, `INSERT INTO a (x, y) VALUES ($1, $2), ($3, $4) [1 1 2 2]`}},
		"one that looks elsewhere waits for all": {
			[]put{{query: a, args: []any{1, 1}}, {query: `UPDATE c SET x = (SELECT x FROM a)`}, {query: a, args: []any{2, 2}}},
			[]string{a + " [1 1]", `UPDATE c SET x = (SELECT x FROM a) []`, a + " [2 2]"}},
		"another insert into the table too": {
			[]put{{query: a, args: []any{1, 1}}, {query: `INSERT INTO a (x) VALUES ($1)`, args: []any{2}}, {query: a, args: []any{3, 3}}},
			[]string{a + " [1 1]", `INSERT INTO a (x) VALUES ($1) [2]`, a + " [3 3]"}},
		"what replaces is never merged": {
			[]put{{query: a + ` ON CONFLICT (x) DO UPDATE SET y = excluded.y`, args: []any{1, 1}}, {query: a + ` ON CONFLICT (x) DO UPDATE SET y = excluded.y`, args: []any{1, 2}}},
			[]string{a + ` ON CONFLICT (x) DO UPDATE SET y = excluded.y [1 1]`, a + ` ON CONFLICT (x) DO UPDATE SET y = excluded.y [1 2]`}},
	} {
		var got []string
		for _, w := range merge(c.waiting) {
			got = append(got, fmt.Sprint(w.query, " ", w.args))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
	must := merge([]put{{query: a, args: []any{1, 2}, none: gone}, {query: a, args: []any{4, 5}, none: gone}})
	if len(must) != 1 || must[0].check(1) != gone || must[0].check(2) != nil {
		t.Errorf("%+v", must)
	}
	if several := merge([]put{{query: b, args: []any{1, 2, 3}, none: gone}, {query: b, args: []any{4, 5, 6}, none: gone}}); len(several) != 2 {
		t.Errorf("%+v", several)
	}
}
