package cases

import (
	"context"
	"fmt"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// View names a list of cases.
type View string

const (
	ViewOpen       View = "open"
	ViewMine       View = "mine"
	ViewUnassigned View = "unassigned"
	ViewWaiting    View = "waiting"
	ViewHeld       View = "held"
	ViewLifted     View = "lifted" // somebody further up was called
	ViewClosed     View = "closed"
)

// Views in the order of the rail.
var Views = []View{ViewOpen, ViewMine, ViewUnassigned, ViewWaiting, ViewHeld, ViewLifted, ViewClosed}

// where is the condition of a view; $1 is the viewer.
func (v View) where() (string, error) {
	switch v {
	case ViewOpen:
		return `state = 'open' AND $1 = $1`, nil
	case ViewMine:
		return `assignee = $1 AND assignee <> '' AND state IN ('open', 'waiting')`, nil
	case ViewUnassigned:
		return `assignee = '' AND state = 'open' AND $1 = $1`, nil
	case ViewWaiting:
		return `state = 'waiting' AND $1 = $1`, nil
	case ViewHeld:
		return `held AND $1 = $1`, nil
	case ViewLifted:
		return `lifted AND $1 = $1`, nil
	case ViewClosed:
		return `state = 'closed' AND $1 = $1`, nil
	}
	return "", fail.New(fail.NotFound, "there is no such view")
}

// Mark is a place in a list: the next page begins after it.
type Mark struct {
	Last time.Time
	ID   ID
}

// A Viewer is who looks at a list: cases of the closed circle are not there for who
// was not let in.
type Viewer struct {
	ID  string // staff id
	All bool   // reads the closed circle too
}

// List returns a page of a view, newest first, after the mark.
func (s *Store) List(ctx context.Context, tx *db.Tx, v View, who Viewer, after Mark, limit int) ([]Case, error) {
	where, err := v.where()
	if err != nil {
		return nil, err
	}
	if after.ID == "" {
		after = Mark{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "~"}
	}
	return db.List(ctx, tx, s.scan, `SELECT `+columns+` FROM cases WHERE `+where+` AND (last_at, id) < ($2, $3) AND (NOT closed_circle OR $5 OR `+letIn+`)
		ORDER BY last_at DESC, id DESC LIMIT CAST($4 AS BIGINT)`, who.ID, db.Micros(after.Last), after.ID, limit, who.All)
}

// letIn is whether $1 was let into a case of the closed circle.
const letIn = `EXISTS (SELECT 1 FROM report_circle k WHERE k.case_id = cases.id AND k.staff_id = $1)`

// Readable leaves out what is not for the viewer.
func (who Viewer) Readable(ctx context.Context, tx *db.Tx, list []Case) (out []Case, err error) {
	for _, c := range list {
		if c.Circle && !who.All {
			n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE id = $2 AND `+letIn, who.ID, c.ID)
			if err != nil {
				return nil, err
			}
			if n == 0 {
				continue
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// countCap is where counting stops: "1000" reads "999+". A count must not cost
// more in a large desk than in a small one.
const countCap = 1000

// Counts returns how many cases each view holds, at most countCap.
func Counts(ctx context.Context, tx *db.Tx, who Viewer) (map[View]int64, error) {
	out := map[View]int64{}
	for _, v := range Views {
		if v == ViewClosed {
			continue
		}
		where, _ := v.where()
		n, err := db.Count(ctx, tx, fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM cases WHERE %s AND (NOT closed_circle OR $2 OR `+letIn+`) LIMIT %d) t`, where, countCap), who.ID, who.All)
		if err != nil {
			return nil, err
		}
		out[v] = n
	}
	return out, nil
}

// OfContact lists the newest cases with a contact.
func (s *Store) OfContact(ctx context.Context, tx *db.Tx, c contacts.ID, limit int) ([]Case, error) {
	return db.List(ctx, tx, s.scan, `SELECT `+columns+` FROM cases WHERE contact_id = $1 ORDER BY last_at DESC LIMIT CAST($2 AS BIGINT)`, c, limit)
}

// Standing is how it stands with a contact: cases that are not closed, and the last
// word in any.
type Standing struct {
	Open, Waiting int
	Last          time.Time
}

// StandingOf says how it stands with each of these contacts; who has no case is not
// in the answer.
func StandingOf(ctx context.Context, tx *db.Tx, who Viewer, ids []contacts.ID) (map[contacts.ID]Standing, error) {
	out := map[contacts.ID]Standing{}
	if len(ids) == 0 {
		return out, nil
	}
	in, args := db.In([]any{who.ID, who.All}, ids)
	row := func(_ *struct{}, row func(...any) error) error {
		var id contacts.ID
		var state State
		var n int
		var last time.Time
		err := row(&id, &state, &n, db.Time(&last))
		s := out[id]
		switch state {
		case Open:
			s.Open = n
		case Waiting:
			s.Waiting = n
		}
		if last.After(s.Last) {
			s.Last = last
		}
		out[id] = s
		return err
	}
	_, err := db.List(ctx, tx, row, `SELECT contact_id, state, COUNT(*), MAX(last_at) FROM cases WHERE (NOT closed_circle OR $2 OR `+letIn+`) AND contact_id IN `+in+` GROUP BY contact_id, state`, args...)
	return out, err
}

// Search finds cases by reference, written in any way, or by the beginnings of
// words in subject and person.
func (s *Store) Search(ctx context.Context, tx *db.Tx, query string, limit int) ([]Case, error) {
	if ref, ok := ParseRef(query); ok {
		c, err := s.ByRef(ctx, tx, ref)
		if err == nil {
			return []Case{*c}, nil
		}
		if !fail.Is(err, fail.NotFound) {
			return nil, err
		}
	}
	ids, err := vault.Find(ctx, tx, "case_words", "case_id", s.v.Words(query), 500)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	in, args := db.In(nil, ids)
	found, err := db.List(ctx, tx, s.scan, `SELECT `+columns+` FROM cases WHERE id IN `+in+` ORDER BY last_at DESC`, args...)
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, c := range found {
		if vault.Matches(query, c.Subject, c.Who) {
			if out = append(out, c); len(out) == limit {
				break
			}
		}
	}
	return out, nil
}
