package security

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

const columns = `case_id, state, owner, due_at, version, doc`

// A sealed report comes from the table.
type sealed struct {
	Report
	doc []byte
}

func scan(s *sealed, row func(...any) error) error {
	return row(&s.Case, &s.State, &s.Owner, db.Time(&s.Due), &s.Version, &s.doc)
}

func (s *sealed) open(k *vault.Key) (*Report, error) {
	b, err := k.Open(s.doc, "report", string(s.Case))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &s.Doc); err != nil {
		return nil, fmt.Errorf("decode report %s: %w", s.Case, err)
	}
	return &s.Report, nil
}

// get returns the report of a case with the case's data key; none is NotFound.
func get(ctx context.Context, tx *db.Tx, k *vault.Key, id cases.ID) (*Report, error) {
	s, err := db.One(ctx, tx, scan, `SELECT `+columns+` FROM reports WHERE case_id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "this case is no security report")
	}
	if err != nil {
		return nil, err
	}
	return s.open(k)
}

func (r *Report) seal(k *vault.Key) ([]byte, error) {
	b, err := json.Marshal(&r.Doc)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return k.Seal(b, "report", string(r.Case)), nil
}

// ended is when a report came to rest, for the figures.
func (r *Report) ended(now time.Time) time.Time {
	if r.State.Open() {
		return time.Time{}
	}
	return now
}

// add stores a new report.
func add(ctx context.Context, tx *db.Tx, k *vault.Key, r *Report) error {
	doc, err := r.seal(k)
	if err != nil {
		return err
	}
	r.Due, r.Version = r.next(), 1
	received := r.Received
	if r.Part { // the figures of the month they wrote in are out
		received = tx.Now
	}
	return tx.Put(ctx, `INSERT INTO reports (case_id, state, owner, severity, due_at, received_at, ended_at, version, doc) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)`,
		r.Case, r.State, r.Owner, string(r.Severity), db.Micros(r.Due), db.Micros(received), db.Micros(r.ended(tx.Now)), doc)
}

// save stores a changed report. A change by somebody else in between is a Conflict.
func save(ctx context.Context, tx *db.Tx, k *vault.Key, r *Report) error {
	doc, err := r.seal(k)
	if err != nil {
		return err
	}
	r.Due = r.next()
	err = tx.Must(ctx, fail.New(fail.Conflict, "somebody else changed this report in the meantime; look at it again"),
		`UPDATE reports SET state = $2, owner = $3, severity = $4, due_at = $5, ended_at = CASE WHEN CAST($6 AS BIGINT) = 0 THEN 0 WHEN ended_at > 0 THEN ended_at ELSE CAST($6 AS BIGINT) END, doc = $7, version = version + 1 WHERE case_id = $1 AND version = $8`,
		r.Case, r.State, r.Owner, string(r.Severity), db.Micros(r.Due), db.Micros(r.ended(tx.Now)), doc, r.Version)
	if err == nil {
		r.Version++
	}
	return err
}

// An Event is a step of a report.
type Event struct {
	ID       string
	Case     cases.ID
	At       time.Time
	Actor    string // as the audit log names them
	Act      string // "report.moved", "report.wrote", ..., as the audit log has it
	From, To State
	Reason   string
	reason   []byte
}

func (e *Event) put(ctx context.Context, tx *db.Tx, k *vault.Key) error {
	if e.ID == "" {
		e.ID = db.NewID()
	}
	var b []byte
	if e.Reason != "" {
		b = k.Seal([]byte(e.Reason), "report-event", e.ID)
	}
	return tx.Put(ctx, `INSERT INTO report_events (id, case_id, at, actor, act, from_state, to_state, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.ID, e.Case, db.Micros(tx.Now), e.Actor, e.Act, string(e.From), string(e.To), b)
}

// Events lists the steps of a report, oldest first.
func Events(ctx context.Context, tx *db.Tx, k *vault.Key, id cases.ID) ([]Event, error) {
	list, err := db.List(ctx, tx, func(e *Event, row func(...any) error) error {
		return row(&e.ID, &e.Case, db.Time(&e.At), &e.Actor, &e.Act, &e.From, &e.To, &e.reason)
	}, `SELECT id, case_id, at, actor, act, from_state, to_state, reason FROM report_events WHERE case_id = $1 ORDER BY at, id`, id)
	for i := range list {
		if e := &list[i]; len(e.reason) > 0 {
			b, err := k.Open(e.reason, "report-event", e.ID)
			if err != nil {
				return nil, err
			}
			e.Reason = string(b)
		}
	}
	return list, err
}
