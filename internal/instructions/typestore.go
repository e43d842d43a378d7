package instructions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

func scanType(t *Type, row func(...any) error) error {
	var doc string
	var version int64
	var closed bool
	if err := row(&doc, &version, &closed); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(doc), t); err != nil {
		return fmt.Errorf("decode a type of instruction: %w", err)
	}
	t.Version, t.Closed = version, closed
	return nil
}

// Types lists all types by title, closed ones too.
func Types(ctx context.Context, tx *db.Tx) ([]Type, error) {
	return db.List(ctx, tx, scanType, `SELECT doc, version, closed FROM instruction_types ORDER BY id`)
}

// TypeOf returns a type; none is NotFound.
func TypeOf(ctx context.Context, tx *db.Tx, id string) (*Type, error) {
	t, err := db.One(ctx, tx, scanType, `SELECT doc, version, closed FROM instruction_types WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such kind of instruction")
	}
	return t, err
}

// SaveType stores a type under the next version. Open instructions keep the one
// they were shown with.
func SaveType(ctx context.Context, tx *db.Tx, t *Type, actor string) error {
	if err := t.Check(); err != nil {
		return err
	}
	have, err := TypeOf(ctx, tx, t.ID)
	switch {
	case err == nil:
		t.Version = have.Version + 1
	case fail.Is(err, fail.NotFound):
		t.Version = 1
	default:
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO instruction_types (id, version, level, approvals, doc, closed, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, level = excluded.level, approvals = excluded.approvals, doc = excluded.doc, closed = excluded.closed`,
		t.ID, t.Version, t.Level, t.Approvals, string(b), t.Closed, db.Micros(tx.Now)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "instruction-type.saved", About: t.ID,
		Detail: fmt.Sprintf("version %d: needs %s, of who can sign %s, %d people", t.Version, KindOf(t.Level), KindOf(t.Signer), t.Approvals)})
}

// Seed gives a desk the shipped types that it has not. What is there already stays.
func Seed(ctx context.Context, tx *db.Tx) error {
	have, err := db.Strings(ctx, tx, `SELECT id FROM instruction_types`)
	if err != nil {
		return err
	}
	for _, t := range Shipped() {
		if slices.Contains(have, t.ID) {
			continue
		}
		if err := SaveType(ctx, tx, &t, audit.System); err != nil {
			return err
		}
	}
	return nil
}
