package publications

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"postern/internal/advisory"
	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
)

// A Record is one version of an advisory. A published one does not change: what comes
// after it is a version more. Names of whom it thanks are not in it; they are read
// from the credits, so that one that was withdrawn stands in no version.
type Record struct {
	advisory.Advisory
	Version   int64
	Case      cases.ID // what it came of; empty: found by ourselves
	Change    string   // what this version changes, for the list of revisions
	By        string
	Made      time.Time
	Published time.Time // zero: a draft
}

// advisoryDoc is what is stored of it.
type advisoryDoc struct {
	advisory.Advisory
	Change string `json:"change,omitempty"`
}

const (
	advisoryColumns = `id, version, case_id, doc, made_by, made_at, published_at`
	maxDoc          = 200_000
	inForce         = `published_at > 0 AND version = (SELECT MAX(version) FROM advisories WHERE id = a.id AND published_at > 0)`
)

type advisoryRow struct {
	Record
	doc string
}

func scanAdvisory(r *advisoryRow, row func(...any) error) error {
	return row(&r.ID, &r.Version, &r.Case, &r.doc, &r.By, db.Time(&r.Made), db.Time(&r.Published))
}

// open reads the row, and the name of whom it thanks if that may be said now.
func (r *advisoryRow) open(ctx context.Context, tx *db.Tx) (*Record, error) {
	out := r.Record
	var d advisoryDoc
	if err := json.Unmarshal([]byte(r.doc), &d); err != nil {
		return nil, fmt.Errorf("read version %d of advisory %s: %w", r.Version, r.ID, err)
	}
	d.ID = r.ID
	out.Advisory, out.Change = d.Advisory, d.Change
	if !out.Credited {
		return &out, nil
	}
	c, err := CreditOf(ctx, tx, r.Case)
	if err == nil && c.Stands() {
		out.Thanks = []string{c.Name}
	}
	return &out, err
}

func advisories(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Record, error) {
	rows, err := db.List(ctx, tx, scanAdvisory, `SELECT `+advisoryColumns+` FROM advisories a WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	var out []Record
	for n := range rows {
		r, err := rows[n].open(ctx, tx)
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	return out, nil
}

func oneAdvisory(ctx context.Context, tx *db.Tx, where string, args ...any) (*Record, error) {
	list, err := advisories(ctx, tx, where, args...)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail.New(fail.NotFound, "there is no such advisory")
	}
	return &list[0], nil
}

// Published lists what everybody may read: of each advisory the version in force, the
// latest first.
func Published(ctx context.Context, tx *db.Tx) ([]Record, error) {
	return advisories(ctx, tx, inForce+` ORDER BY published_at DESC, id DESC`)
}

// PublishedAs is the version of an advisory that is in force; a draft is NotFound.
func PublishedAs(ctx context.Context, tx *db.Tx, id string) (*Record, error) {
	return oneAdvisory(ctx, tx, `id = $1 AND `+inForce, id)
}

// Get is the newest version, for those who write it; it may be a draft.
func Get(ctx context.Context, tx *db.Tx, id string) (*Record, error) {
	return oneAdvisory(ctx, tx, `id = $1 ORDER BY version DESC LIMIT 1`, id)
}

// Versions lists what an advisory was, newest first.
func Versions(ctx context.Context, tx *db.Tx, id string) ([]Record, error) {
	return advisories(ctx, tx, `id = $1 ORDER BY version DESC`, id)
}

// OfCase lists the newest versions of what came of a case.
func OfCase(ctx context.Context, tx *db.Tx, id cases.ID) ([]Record, error) {
	return advisories(ctx, tx, `case_id = $1 AND version = (SELECT MAX(version) FROM advisories WHERE id = a.id) ORDER BY id`, id)
}

// AllAdvisories lists the newest version of each, drafts too.
func AllAdvisories(ctx context.Context, tx *db.Tx) ([]Record, error) {
	return advisories(ctx, tx, `version = (SELECT MAX(version) FROM advisories WHERE id = a.id) ORDER BY id DESC`)
}

// Save keeps a draft, which may be unfinished: r.Validate says what is missing. A new
// one (no ID) gets its number. r.Version and r.Made are those it was read with:
// somebody else's change in between is a Conflict. What follows a published version is
// a new one.
func Save(ctx context.Context, tx *db.Tx, actor string, r *Record) error {
	r.Revisions, r.Credited = nil, false // come with publishing
	doc, err := r.stored()
	if err != nil {
		return err
	}
	if r.ID == "" {
		return addAdvisory(ctx, tx, actor, r, doc)
	}
	now, err := Get(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	if now.Version != r.Version || !now.Made.Equal(r.Made) {
		return fail.New(fail.Conflict, "somebody else changed it in the meantime; nothing was saved")
	}
	r.Case = now.Case
	if now.Published.IsZero() {
		err = db.Change(ctx, tx, `UPDATE advisories SET doc = $3, made_by = $4, made_at = $5 WHERE id = $1 AND version = $2 AND published_at = 0`, r.ID, r.Version, doc, actor, db.Micros(tx.Now))
	} else {
		r.Version++
		_, err = tx.Exec(ctx, `INSERT INTO advisories (id, version, case_id, doc, made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6)`, r.ID, r.Version, r.Case, doc, actor, db.Micros(tx.Now))
	}
	if err != nil {
		return err
	}
	r.By, r.Made, r.Published = actor, tx.Now, time.Time{}
	return advisoryNote(ctx, tx, actor, "advisory.saved", r)
}

func addAdvisory(ctx context.Context, tx *db.Tx, actor string, r *Record, doc string) error {
	prefix := fmt.Sprintf("SA-%d-", tx.Now.UTC().Year())
	n, err := db.Count(ctx, tx, `SELECT COUNT(DISTINCT id) FROM advisories WHERE id LIKE $1`, prefix+"%") // none is ever deleted
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s%04d", prefix, n+1)
	if _, err := tx.Exec(ctx, `INSERT INTO advisories (id, version, case_id, doc, made_by, made_at) VALUES ($1, 1, $2, $3, $4, $5)`, id, r.Case, doc, actor, db.Micros(tx.Now)); err != nil {
		return err
	}
	r.ID, r.Version, r.By, r.Made, r.Published = id, 1, actor, tx.Now, time.Time{}
	return advisoryNote(ctx, tx, actor, "advisory.saved", r)
}

func (r *Record) stored() (string, error) {
	doc, err := json.Marshal(advisoryDoc{r.Advisory, r.Change})
	if err != nil {
		return "", fmt.Errorf("keep an advisory: %w", err)
	}
	if len(doc) > maxDoc {
		return "", fail.New(fail.Invalid, "the advisory is longer than 200,000 characters")
	}
	return string(doc), nil
}

func advisoryNote(ctx context.Context, tx *db.Tx, actor, act string, r *Record) error {
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: act, About: r.ID, Detail: fmt.Sprintf("version %d, case %s", r.Version, r.Case)})
}

// Publish makes the newest draft the version in force. What is not fit for it is
// Invalid; where nothing waits to be published it is a Conflict.
func (s *Store) Publish(ctx context.Context, tx *db.Tx, actor, id string) (*Record, error) {
	r, err := Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !r.Published.IsZero() {
		return nil, fail.New(fail.Conflict, "this version is published already; save what is new first")
	}
	before, err := PublishedAs(ctx, tx, id)
	if err != nil && !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	if before != nil {
		r.Revisions = before.Revisions
	}
	if err := r.begin(tx.Now); err != nil {
		return nil, err
	}
	c, err := CreditOf(ctx, tx, r.Case)
	if err != nil {
		return nil, err
	}
	if r.Credited, r.Thanks = c.Stands(), nil; r.Credited {
		r.Thanks = []string{c.Name}
	}
	if r.ForPrograms() {
		if faults := advisory.Check(advisory.Build(&r.Advisory, s.Publisher())); len(faults) > 0 {
			return nil, fail.New(fail.Invalid, "it is no valid CSAF document: %s", faults[0])
		}
	}
	doc, err := r.stored()
	if err != nil {
		return nil, err
	}
	r.Published = tx.Now
	if err := db.Change(ctx, tx, `UPDATE advisories SET doc = $3, published_at = $4 WHERE id = $1 AND version = $2 AND published_at = 0`, r.ID, r.Version, doc, db.Micros(tx.Now)); err != nil {
		return nil, err
	}
	return r, advisoryNote(ctx, tx, actor, "advisory.published", r)
}

// begin adds the revision that a version is published as.
func (r *Record) begin(now time.Time) error {
	if _, err := r.Validate(); err != nil {
		return err
	}
	if r.Label() != advisory.White {
		return fail.New(fail.Invalid, "only what everybody may read (TLP:%s) is published here", advisory.White)
	}
	change, err := oneLine(r.Change, 0, maxNote)
	switch {
	case err != nil:
		return err
	case change == "" && len(r.Revisions) > 0:
		return fail.New(fail.Invalid, "say what this version changes")
	case change == "":
		_, l := r.In(lang.English)
		change = revisionWords(l, "first")
	}
	r.revise(now, change)
	return nil
}

// revisionWords say why there is a version that nobody wrote a word about.
func revisionWords(l lang.Lang, why string) string { return l.Must("advisory." + why) }

// revise adds a revision; the list never runs backwards, whatever the clock does.
func (r *Record) revise(now time.Time, change string) {
	if last := r.Last(); now.Before(last) {
		now = last
	}
	r.Revisions = append(slices.Clone(r.Revisions), advisory.Revision{Date: now.UTC().Truncate(time.Second), Summary: change})
}

// renamed makes a version of each published advisory of a case when the name that it
// thanks changed or went. A draft that is being written moves one version up.
func renamed(ctx context.Context, tx *db.Tx, actor string, id cases.ID, credited bool, why string) error {
	list, err := advisories(ctx, tx, `case_id = $1 AND `+inForce, id)
	if err != nil {
		return err
	}
	for _, r := range list {
		if !r.Credited {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE advisories SET version = version + 1 WHERE id = $1 AND version > $2`, r.ID, r.Version); err != nil {
			return err
		}
		_, l := r.In(lang.English)
		r.Version++
		r.Credited, r.Change = credited, revisionWords(l, why)
		r.revise(tx.Now, r.Change)
		doc, err := r.stored()
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO advisories (id, version, case_id, doc, made_by, made_at, published_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`, r.ID, r.Version, r.Case, doc, actor, db.Micros(tx.Now))
		if err != nil {
			return err
		}
		if err := advisoryNote(ctx, tx, actor, "advisory.published", &r); err != nil {
			return err
		}
	}
	return nil
}

// Publisher is the organisation, as documents name it.
func (s *Store) Publisher() advisory.Publisher {
	return advisory.Publisher{Name: s.org(), Site: s.URL, Contact: s.SecurityMail()}
}
