package security

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// An Entry is a report on the board, with its case.
type Entry struct {
	Report   *Report
	Case     *cases.Case
	Original string // reference of the report that it repeats
}

// boardMost is how many reports the board shows of what is at rest.
const boardMost = 40

// Board lists the reports: those that are worked on, what waits for a look first; then
// the newest of those at rest.
func (s *Service) Board(ctx context.Context, tx *db.Tx) (open, rest []Entry, err error) {
	var states []any
	in := ""
	for _, x := range States {
		if x.Open() {
			states = append(states, string(x))
			in += ", $" + string(rune('0'+len(states)))
		}
	}
	list, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM reports WHERE state IN (`+in[2:]+`) ORDER BY due_at = 0, due_at, received_at LIMIT 500`, states...)
	if err != nil {
		return nil, nil, err
	}
	if open, err = s.entries(ctx, tx, list); err != nil {
		return nil, nil, err
	}
	list, err = db.List(ctx, tx, scan, `SELECT `+columns+` FROM reports WHERE ended_at > 0 AND state <> 'dismissed' ORDER BY ended_at DESC LIMIT CAST($1 AS BIGINT)`, boardMost)
	if err != nil {
		return nil, nil, err
	}
	due, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM reports WHERE ended_at > 0 AND due_at > 0 AND state <> 'dismissed' ORDER BY due_at LIMIT CAST($1 AS BIGINT)`, boardMost/2)
	if err != nil {
		return nil, nil, err
	}
	for _, x := range due { // such as an open appeal: its clock runs, however many ended since
		if !slices.ContainsFunc(list, func(y sealed) bool { return y.Case == x.Case }) {
			list = append(list, x)
		}
	}
	rest, err = s.entries(ctx, tx, list)
	return open, rest, err
}

func (s *Service) entries(ctx context.Context, tx *db.Tx, list []sealed) (out []Entry, err error) {
	for i := range list {
		c, err := s.o.Cases.Get(ctx, tx, list[i].Case)
		if err != nil {
			return nil, err
		}
		k, err := s.o.Vault.Get(ctx, tx, c.KeyID)
		if fail.Is(err, fail.NotFound) {
			continue // what was said was destroyed
		}
		if err != nil {
			return nil, err
		}
		r, err := list[i].open(k)
		if err != nil {
			return nil, err
		}
		e := Entry{Report: r, Case: c}
		if r.Original != "" {
			refs, err := db.Strings(ctx, tx, `SELECT ref FROM cases WHERE id = $1`, r.Original)
			if err != nil {
				return nil, err
			}
			e.Original = strings.Join(refs, "")
		}
		out = append(out, e)
	}
	return out, nil
}

// Count says how many suspicions wait for a look, how many reports are open, and in how
// many a clock ran out within thirty days.
func Count(ctx context.Context, tx *db.Tx) (waiting, open, late int64, err error) {
	if waiting, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT 1 FROM reports WHERE state = 'flagged' LIMIT 1000) t`); err != nil {
		return 0, 0, 0, err
	}
	open, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT 1 FROM reports WHERE ended_at = 0 AND state <> 'flagged' LIMIT 1000) t`)
	if err != nil {
		return 0, 0, 0, err
	}
	late, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT DISTINCT case_id FROM report_events WHERE act = 'report.struck' AND at > $1 LIMIT 1000) t`, db.Micros(tx.Now.Add(-30*day)))
	return waiting, open, late, err
}

// wordsKept is how many words of a report are kept to find what repeats it.
const wordsKept = 120

// index makes a report findable by what it says and what it is about.
func (s *Service) index(ctx context.Context, tx *db.Tx, id cases.ID, text string) error {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM report_words WHERE case_id = $1`, id)
	if err != nil {
		return err
	}
	words := s.o.Vault.Words(text)
	for _, w := range words[:min(len(words), max(0, wordsKept-int(n)))] {
		if err := tx.Put(ctx, `INSERT INTO report_words (word, case_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, w, id); err != nil {
			return err
		}
	}
	return nil
}

// indexAsset makes it findable by what is affected: the words of that, and its hosts.
func (s *Service) indexAsset(ctx context.Context, tx *db.Tx, id cases.ID, asset string) error {
	if err := tx.Put(ctx, `DELETE FROM report_assets WHERE case_id = $1`, id); err != nil {
		return err
	}
	for _, name := range assetNames(asset) {
		if err := tx.Put(ctx, `INSERT INTO report_assets (case_id, asset) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, s.o.Vault.Index("asset", name)); err != nil {
			return err
		}
	}
	return nil
}

// assetNames are the names that an asset goes by: as it is written, and each host in it.
func assetNames(asset string) (out []string) {
	words := strings.Fields(strings.ToLower(asset))
	if len(words) == 0 {
		return nil
	}
	out = append(out, strings.Join(words, " "))
	for _, w := range words {
		_, rest, found := strings.Cut(w, "://")
		if !found {
			rest = w
		}
		host := strings.Trim(rest[:strings.IndexAny(rest+"/", "/?#:")], ".,;()")
		if strings.Contains(host, ".") && host != out[0] {
			out = append(out, host)
		}
	}
	return out[:min(len(out), 6)]
}

// A Likeness is a report about the same, or that says much the same.
type Likeness struct {
	Case   cases.ID
	Shared int64 // words
	Asset  bool  // what is affected is the same
}

// Similar finds the reports that are about the same asset as one, then those that share
// most words with it.
func Similar(ctx context.Context, tx *db.Tx, id cases.ID) ([]Likeness, error) {
	return db.List(ctx, tx, func(l *Likeness, row func(...any) error) error { return row(&l.Case, &l.Shared, &l.Asset) },
		`SELECT case_id, SUM(words), SUM(assets) > 0 FROM (
			SELECT case_id, 1 AS words, 0 AS assets FROM report_words WHERE case_id <> $1 AND word IN (SELECT word FROM report_words WHERE case_id = $1)
			UNION ALL SELECT case_id, 0, 1 FROM report_assets WHERE case_id <> $1 AND asset IN (SELECT asset FROM report_assets WHERE case_id = $1)) t
		GROUP BY case_id HAVING SUM(words) >= 4 OR SUM(assets) > 0 ORDER BY SUM(assets) > 0 DESC, SUM(words) DESC, case_id LIMIT 5`, id)
}

// MayRead reports whether somebody who does not triage was let into a case of the
// closed circle.
func MayRead(ctx context.Context, tx *db.Tx, id cases.ID, staff string) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM report_circle WHERE case_id = $1 AND staff_id = $2`, id, staff)
	return n > 0, err
}

// LetIn adds somebody to the circle; LetOut takes them out.
func LetIn(ctx context.Context, tx *db.Tx, id cases.ID, staff, by string) error {
	return tx.Put(ctx, `INSERT INTO report_circle (case_id, staff_id, by_staff, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, id, staff, by, db.Micros(tx.Now))
}

func LetOut(ctx context.Context, tx *db.Tx, id cases.ID, staff string) error {
	return tx.Put(ctx, `DELETE FROM report_circle WHERE case_id = $1 AND staff_id = $2`, id, staff)
}

// A Member was let into the circle.
type Member struct {
	Staff, By string
	At        time.Time
}

// Circle lists who was let in beside those who triage.
func Circle(ctx context.Context, tx *db.Tx, id cases.ID) ([]Member, error) {
	return db.List(ctx, tx, func(m *Member, row func(...any) error) error { return row(&m.Staff, &m.By, db.Time(&m.At)) },
		`SELECT staff_id, by_staff, at FROM report_circle WHERE case_id = $1 ORDER BY at, staff_id`, id)
}

// Looked notes that somebody looked at a report.
func Looked(ctx context.Context, tx *db.Tx, id cases.ID, staff string) error {
	return tx.Put(ctx, `INSERT INTO report_looks (case_id, staff_id, day, first_at, last_at, times) VALUES ($1, $2, $3, $4, $4, 1)
		ON CONFLICT (case_id, staff_id, day) DO UPDATE SET last_at = excluded.last_at, times = report_looks.times + 1`, id, staff, tx.Now.Unix()/86400, db.Micros(tx.Now))
}

// A Look is somebody's looks at a report on one day.
type Look struct {
	Staff       string
	First, Last time.Time
	Times       int64
}

// Looks lists who looked, the newest first.
func Looks(ctx context.Context, tx *db.Tx, id cases.ID) ([]Look, error) {
	return db.List(ctx, tx, func(l *Look, row func(...any) error) error {
		return row(&l.Staff, db.Time(&l.First), db.Time(&l.Last), &l.Times)
	},
		`SELECT staff_id, first_at, last_at, times FROM report_looks WHERE case_id = $1 ORDER BY last_at DESC LIMIT 100`, id)
}

// sampleSize is how many unflagged messages are read each week, to know what the
// recogniser misses.
const sampleSize = 50

// Sample draws, once a week, messages that were not flagged, for somebody qualified to
// read. The draw follows from the ids alone, so that every node draws the same.
func (s *Service) Sample(ctx context.Context) error {
	return s.o.DB.Update(ctx, func(tx *db.Tx) error {
		week := tx.Now.Unix() / (7 * 86400)
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM looks WHERE sampled = $1`, week)
		if err != nil || n > 0 {
			return err
		}
		ids, err := db.Strings(ctx, tx, `SELECT message_id FROM looks WHERE NOT flagged AND sampled = 0 AND at >= $1 AND at < $2`, (week-1)*7*86400*1e6, week*7*86400*1e6)
		if err != nil {
			return err
		}
		pick(ids, s.o.Vault)
		for _, id := range ids[:min(sampleSize, len(ids))] {
			if err := tx.Put(ctx, `UPDATE looks SET sampled = $2 WHERE message_id = $1`, id, week); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM looks WHERE at < $1 AND sampled = 0`, db.Micros(tx.Now.Add(-90*day)))
		return err
	})
}

// pick orders ids by a keyed hash: nobody outside can write what is not drawn.
func pick(ids []string, v *vault.Vault) {
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(v.Index("sample", a), v.Index("sample", b)) })
}

// A Sampled message is one of the week's sample.
type Sampled struct {
	Message cases.MessageID
	Case    cases.ID
	Said    string // report, fine; empty: nobody has read it
}

// RecallOf says how many of a hundred reports the recogniser flags, by what the samples of
// three months found among what it did not flag; known is false where too few were read to
// say. Each message that was read stands for as many as it was drawn from.
func RecallOf(ctx context.Context, tx *db.Tx) (of100 int, known bool, err error) {
	var read, missed, passed, found int64
	for _, x := range []struct {
		to    *int64
		query string
	}{
		{&read, `SELECT COUNT(*) FROM looks WHERE sampled > 0 AND said <> '' AND at >= $1`},
		{&missed, `SELECT COUNT(*) FROM looks WHERE sampled > 0 AND said = 'report' AND at >= $1`},
		{&passed, `SELECT COUNT(*) FROM looks WHERE NOT flagged AND at >= $1`},
		{&found, `SELECT COUNT(*) FROM reports r WHERE received_at >= $1 AND state NOT IN ('flagged', 'dismissed') AND EXISTS (SELECT 1 FROM looks l WHERE l.case_id = r.case_id AND l.flagged)`},
	} {
		if *x.to, err = db.Count(ctx, tx, x.query, db.Micros(tx.Now.Add(-90*day))); err != nil {
			return 0, false, err
		}
	}
	of100, known = recall(read, missed, passed, found)
	return of100, known, nil
}

// recall is what RecallOf says, of the four counts.
func recall(read, missed, passed, found int64) (of100 int, known bool) {
	if read < 100 || found+missed == 0 {
		return 0, false
	}
	slipped := float64(passed) * float64(missed) / float64(read)
	return int(100*float64(found)/(float64(found)+slipped) + 0.5), true
}

// ToRead lists what is still to be read of the samples, and how the newest month's were
// judged: how many were read, and how many of those were reports.
func ToRead(ctx context.Context, tx *db.Tx) (list []Sampled, read, missed int64, err error) {
	list, err = db.List(ctx, tx, func(x *Sampled, row func(...any) error) error { return row(&x.Message, &x.Case, &x.Said) },
		`SELECT message_id, case_id, said FROM looks WHERE sampled > 0 AND said = '' ORDER BY sampled, message_id LIMIT 100`)
	if err != nil {
		return nil, 0, 0, err
	}
	from := tx.Now.Add(-30*day).Unix() / (7 * 86400)
	if read, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM looks WHERE sampled >= $1 AND said <> ''`, from); err != nil {
		return nil, 0, 0, err
	}
	missed, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM looks WHERE sampled >= $1 AND said = 'report'`, from)
	return list, read, missed, err
}

// Judge notes what somebody who read a sampled message says.
func Judge(ctx context.Context, tx *db.Tx, m cases.MessageID, said, by string) error {
	return db.Change(ctx, tx, `UPDATE looks SET said = $2, said_by = $3 WHERE message_id = $1 AND sampled > 0 AND said = ''`, m, said, by)
}
