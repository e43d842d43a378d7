package db

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// On PostgreSQL what a statement costs is mostly its own: sending, binding and
// starting it. So inserts that wait together and say the same go as one with
// several rows. They may then run after puts on other tables that came later;
// around one on their own table they keep their place.

// shape is how a query may be merged.
type shape struct {
	table            string // "": whatever it touches, all that waits goes first
	head, rows, tail string // of an INSERT that may be merged
}

var (
	insertShape = regexp.MustCompile(`(?s)^(INSERT INTO (\w+) \([^()]*\)\s+VALUES )(\(.*\))( ON CONFLICT DO NOTHING)?$`)
	otherShape  = regexp.MustCompile(`^(?:UPDATE|DELETE FROM|INSERT INTO) (\w+) `)
	parameter   = regexp.MustCompile(`\$[0-9]+`)
	shapes      sync.Map // query -> shape
)

func shapeOf(query string) shape {
	if s, ok := shapes.Load(query); ok {
		return s.(shape)
	}
	var s shape
	if m := insertShape.FindStringSubmatch(query); m != nil && !strings.Contains(query, "SELECT") && !strings.Contains(m[3], " ON CONFLICT") {
		s = shape{table: m[2], head: m[1], rows: m[3], tail: m[4]}
	} else if m := otherShape.FindStringSubmatch(query); m != nil && !strings.Contains(query, "SELECT") {
		s.table = m[1]
	}
	shapes.Store(query, s)
	return s
}

// maxMerged bounds the rows of one statement; powers of two up to it keep the
// number of statements that are kept prepared small.
const maxMerged = 32

// merge returns the puts with inserts of one query as one.
func merge(waiting []put) []put {
	if len(waiting) < 2 {
		return waiting
	}
	var out []put
	var tables []string        // that hold something, in the order they began to
	held := map[string][]put{} // of one query for each table
	flush := func(table string) {
		tables = slices.DeleteFunc(tables, func(t string) bool {
			if table != "" && t != table {
				return false
			}
			out = appendMerged(out, held[t])
			delete(held, t)
			return true
		})
	}
	for _, w := range waiting {
		s := shapeOf(w.query)
		if s.head == "" || w.none != nil && strings.Contains(s.rows, "), (") { // several rows that must: which of them did not, nobody could say
			flush(s.table)
			out = append(out, w)
			continue
		}
		if same := held[s.table]; len(same) > 0 && (same[0].query != w.query || (same[0].none == nil) != (w.none == nil)) {
			flush(s.table)
		}
		if len(held[s.table]) == 0 {
			tables = append(tables, s.table)
		}
		held[s.table] = append(held[s.table], w)
	}
	flush("")
	return out
}

// appendMerged appends puts of one query as few statements.
func appendMerged(out, same []put) []put {
	for len(same) > 0 {
		n := 1
		for 2*n <= min(len(same), maxMerged) {
			n *= 2
		}
		out = append(out, join(same[:n]))
		same = same[n:]
	}
	return out
}

// join makes one statement of inserts of one query. It must change as many rows
// as they must together.
func join(same []put) put {
	if len(same) == 1 {
		return same[0]
	}
	s := shapeOf(same[0].query)
	w := put{none: same[0].none, rows: int64(len(same))}
	for _, p := range same {
		w.args = append(w.args, p.args...)
	}
	w.query = joined(s, same[0].query, len(same), len(same[0].args))
	return w
}

var texts sync.Map // joinedText -> query

type joinedText struct {
	query string
	n     int
}

// joined is the text for n rows, each with so many parameters.
func joined(s shape, query string, n, params int) string {
	key := joinedText{query, n}
	if t, ok := texts.Load(key); ok {
		return t.(string)
	}
	var b strings.Builder
	b.WriteString(s.head)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(parameter.ReplaceAllStringFunc(s.rows, func(p string) string {
			k, _ := strconv.Atoi(p[1:])
			return "$" + strconv.Itoa(k+i*params)
		}))
	}
	b.WriteString(s.tail)
	texts.Store(key, b.String())
	return b.String()
}
