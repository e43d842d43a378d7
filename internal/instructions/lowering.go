package instructions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// LoweringWait is how long a kind that would demand less waits, unless another
// admin agrees: one stolen session must not weaken the house in silence.
const LoweringWait = 72 * time.Hour

// Lowers reports whether next demands less than t of anybody, hands it to another
// system, or says something else to who reads it.
func (t *Type) Lowers(next *Type) bool {
	switch {
	case next.Level < t.Level, next.Signer < t.Signer, next.Approvals < t.Approvals, next.Cooling < t.Cooling, next.Expiry > t.Expiry,
		t.Risky && !next.Risky, t.Closed && !next.Closed, t.Approver != "" && next.Approver != t.Approver,
		next.Hook != "" && next.Hook != t.Hook, next.Title != t.Title:
		return true
	}
	for _, r := range t.Raise { // each rule stands, or is outdone by the kind itself
		if !slices.Contains(next.Raise, r) && (next.Level < r.Level || next.Approvals < r.Approvals) {
			return true
		}
	}
	return !fieldsStand(t.Fields, next.Fields)
}

// fieldsStand reports whether every fact that was asked for still is.
func fieldsStand(old, next []Field) bool {
	for _, f := range old {
		if !slices.ContainsFunc(next, func(n Field) bool {
			return n.Name == f.Name && n.Label == f.Label && n.Kind == f.Kind && (f.Optional || !n.Optional)
		}) {
			return false
		}
	}
	return true
}

// Next is a version of a kind that waits.
type Next struct {
	Was  Type // as it stands
	Type Type
	By   string // who wants it, as an actor of the audit log
	At   time.Time
}

// ChangeType stores a changed kind: at once, or, where it would demand less, to wait
// until from. A later change takes the place of what waits.
func ChangeType(ctx context.Context, tx *db.Tx, t *Type, actor string) (from time.Time, err error) {
	if err := t.Check(); err != nil {
		return time.Time{}, err
	}
	have, err := TypeOf(ctx, tx, t.ID)
	if fail.Is(err, fail.NotFound) || err == nil && !have.Lowers(t) {
		if err := dropNext(ctx, tx, t.ID); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, SaveType(ctx, tx, t, actor)
	}
	if err != nil {
		return time.Time{}, err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return time.Time{}, err
	}
	from = tx.Now.Add(LoweringWait)
	if _, err := tx.Exec(ctx, `UPDATE instruction_types SET next_doc = $2, next_by = $3, next_at = $4 WHERE id = $1`, t.ID, string(b), actor, db.Micros(from)); err != nil {
		return time.Time{}, err
	}
	return from, audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "instruction-type.lowering", About: t.ID, Detail: "it would demand less, or say something else; it waits for another admin, or for 72 hours"})
}

func scanNext(n *Next, row func(...any) error) error {
	var was, doc string
	if err := row(&was, &doc, &n.By, db.Time(&n.At)); err != nil {
		return err
	}
	if err := errors.Join(json.Unmarshal([]byte(was), &n.Was), json.Unmarshal([]byte(doc), &n.Type)); err != nil {
		return fmt.Errorf("decode a type of instruction that waits: %w", err)
	}
	return nil
}

// Nexts lists what waits.
func Nexts(ctx context.Context, tx *db.Tx) ([]Next, error) {
	return db.List(ctx, tx, scanNext, `SELECT doc, next_doc, next_by, next_at FROM instruction_types WHERE next_at > 0 ORDER BY id`)
}

// AgreeType has a weaker kind begin now; never by who wants it.
func AgreeType(ctx context.Context, tx *db.Tx, id, actor string) error {
	n, err := next(ctx, tx, id)
	if err != nil {
		return err
	}
	if n.By == actor {
		return fail.New(fail.Denied, "you changed it, so another admin must agree, or it waits")
	}
	return apply(ctx, tx, n, actor)
}

// KeepType drops what waits: the kind stays as it is.
func KeepType(ctx context.Context, tx *db.Tx, id, actor string) error {
	if _, err := next(ctx, tx, id); err != nil {
		return err
	}
	if err := dropNext(ctx, tx, id); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "instruction-type.kept", About: id, Detail: "the weaker version was dropped"})
}

// ApplyTypes has begin what has waited long enough.
func ApplyTypes(ctx context.Context, tx *db.Tx) error {
	list, err := Nexts(ctx, tx)
	if err != nil {
		return err
	}
	for n := range list {
		if tx.Now.Before(list[n].At) {
			continue
		}
		if err := apply(ctx, tx, &list[n], list[n].By); err != nil {
			return err
		}
	}
	return nil
}

func next(ctx context.Context, tx *db.Tx, id string) (*Next, error) {
	n, err := db.One(ctx, tx, scanNext, `SELECT doc, next_doc, next_by, next_at FROM instruction_types WHERE id = $1 AND next_at > 0`, id)
	if fail.Is(err, fail.NotFound) {
		err = fail.New(fail.NotFound, "nothing waits there any more")
	}
	return n, err
}

func apply(ctx context.Context, tx *db.Tx, n *Next, actor string) error {
	if err := dropNext(ctx, tx, n.Type.ID); err != nil {
		return err
	}
	return SaveType(ctx, tx, &n.Type, actor)
}

func dropNext(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE instruction_types SET next_doc = '', next_by = '', next_at = 0 WHERE id = $1`, id)
	return err
}
