package vault

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"postern/internal/db"
)

// prefix is how many letters of a word are indexed: enough to narrow a search,
// too few to spell out what was written.
const prefix = 4

// Words returns the index numbers of a text's words, each once, at most 64.
func (v *Vault) Words(text string) []int64 {
	seen := map[string]bool{}
	var out []int64
	for _, w := range Split(text) {
		if w = head(w); seen[w] || len(out) == 64 {
			continue
		}
		seen[w] = true
		out = append(out, v.Word(w))
	}
	return out
}

// Split cuts a text into folded words: lower case, accents dropped.
func Split(text string) []string {
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func head(w string) string {
	n := 0
	for i := range w {
		if n == prefix {
			return w[:i]
		}
		n++
	}
	return w
}

// Matches reports whether every word of query begins some word of the texts.
func Matches(query string, texts ...string) bool {
	var words []string
	for _, t := range texts {
		words = append(words, Split(t)...)
	}
next:
	for _, q := range Split(query) {
		for _, w := range words {
			if strings.HasPrefix(w, q) {
				continue next
			}
		}
		return false
	}
	return true
}

// commonWord is from how many rows on a word counts as common.
const commonWord = 1000

// Find returns the newest ids that have all the words, from a table of words whose
// key is (word, column). It walks along the rarest word: in a large desk another
// may be everywhere.
func Find(ctx context.Context, tx *db.Tx, table, column string, words []int64, limit int) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	counts := make([]int64, len(words))
	var queries []db.Query
	for i, w := range words {
		queries = append(queries, db.Query{SQL: fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM %s WHERE word = $1 LIMIT %d) t`, table, commonWord), Args: []any{w},
			Row: func(scan func(...any) error) error { return scan(&counts[i]) }})
	}
	if err := tx.Read(ctx, queries...); err != nil {
		return nil, err
	}
	rare := 0
	for i, n := range counts {
		if n == 0 {
			return nil, nil
		}
		if n < counts[rare] {
			rare = i
		}
	}
	query, args := fmt.Sprintf(`SELECT %[2]s FROM %[1]s w WHERE word = $1`, table, column), []any{words[rare]}
	for i, w := range words {
		if i != rare {
			args = append(args, w)
			query += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM %[1]s o WHERE o.word = $%[3]d AND o.%[2]s = w.%[2]s)`, table, column, len(args))
		}
	}
	args = append(args, limit)
	return db.Strings(ctx, tx, query+fmt.Sprintf(` ORDER BY %s DESC LIMIT CAST($%d AS BIGINT)`, column, len(args)), args...)
}
