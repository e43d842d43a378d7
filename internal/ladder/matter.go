package ladder

import (
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/cases"
	"postern/internal/db"
)

// matter is how long two cases of one person may be one matter.
const matter = 30 * 24 * time.Hour

// An Other is a case beside the one that is looked at.
type Other struct {
	id               cases.ID
	heard            time.Time
	contacts         int64
	scripted, lifted bool
	topic            string
	subject          string
}

// AskOthers is the query for the cases of a person that may be about the matter of
// another: lately alive, and not answered by a person yet. What came by the form is not
// among them: anybody may have typed that address. whose is SQL that the id of the
// person fulfils, with one argument.
func (l *Ladder) AskOthers(out *[]Other, now time.Time, whose string, arg any) []db.Query {
	if l == nil {
		return nil
	}
	return []db.Query{db.Into(out, func(o *Other, row func(...any) error) error {
		var sealed []byte
		if err := row(&o.id, &o.contacts, &o.scripted, &o.lifted, &o.topic, &sealed, db.Time(&o.heard)); err != nil {
			return err
		}
		o.subject, _ = l.o.Cases.OpenSubject(o.id, sealed) // a damaged one is like no other
		return nil
	}, `SELECT id, contacts, scripted, lifted, topic, subject, heard_at FROM cases WHERE contact_id `+whose+` AND last_at > $2 AND heard_at > 0 AND (contacts > 0 OR scripted) AND door <> 'form' ORDER BY last_at DESC LIMIT 9`,
		arg, db.Micros(now.Add(-matter)))}
}

// SameMatter are those of the others that are about the same as c: with its topic, or a
// word of the subject in common.
func SameMatter(c *cases.Case, others []Other) (out []Other) {
	have := map[string]bool{}
	for _, o := range others {
		if o.id == c.ID {
			continue
		}
		if len(have) == 0 {
			eachWord(c.Subject, func(w string) bool { have[w] = utf8.RuneCountInString(w) >= 5; return false })
		}
		if c.Topic != "" && c.Topic == o.topic || eachWord(o.subject, func(w string) bool { return have[w] }) {
			out = append(out, o)
		}
	}
	return out
}

// eachWord hands over the words of a subject until one is right.
func eachWord(subject string, right func(string) bool) bool {
	for w := range strings.FieldsSeq(strings.ToLower(subject)) {
		if right(strings.Trim(w, ".,:;!?()[]\"'")) {
			return true
		}
	}
	return false
}
