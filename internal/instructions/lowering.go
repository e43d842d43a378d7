package instructions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
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
		next.Hook != "" && next.Hook != t.Hook, next.Title != t.Title, next.Customer && !t.Customer:
		return true
	}
	for _, r := range t.Raise { // each rule stands, or is outdone by the kind itself
		if !slices.Contains(next.Raise, r) && (next.Level < r.Level || next.Approvals < r.Approvals) {
			return true
		}
	}
	return !fieldsStand(t.Fields, next.Fields)
}

// strict is what a kind that nobody has seen yet is compared with.
func strict(t *Type) *Type {
	s := *t
	s.Level, s.Signer, s.Approvals, s.Risky, s.Hook, s.Customer = max(t.Level, Passkey), max(t.Signer, Passkey), max(t.Approvals, 1), true, "", true
	return &s
}

// fieldsStand reports whether every fact that was asked for still is, with the same
// choices: a rule names them.
func fieldsStand(old, next []Field) bool {
	for _, f := range old {
		if !slices.ContainsFunc(next, func(n Field) bool {
			return n.Name == f.Name && n.Label == f.Label && n.Kind == f.Kind && (f.Optional || !n.Optional) && slices.Equal(n.Choices, f.Choices)
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
	Sum  string // of what waits: who agrees names what they saw
}

// ChangeType stores a changed kind: at once, or, where it would demand less, to wait
// until from. A later change takes the place of what waits.
func ChangeType(ctx context.Context, tx *db.Tx, t *Type, actor string) (from time.Time, err error) {
	if err := t.Check(); err != nil {
		return time.Time{}, err
	}
	if err := titleFree(ctx, tx, t); err != nil {
		return time.Time{}, err
	}
	have, err := TypeOf(ctx, tx, t.ID)
	if fail.Is(err, fail.NotFound) {
		have, err = begun(ctx, tx, t, actor)
	}
	if err == nil && !have.Lowers(t) {
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

// begun is what a new kind is compared with: where it demands little it is stored
// closed, so that the open one waits like any other weakening.
func begun(ctx context.Context, tx *db.Tx, t *Type, actor string) (*Type, error) {
	s := strict(t)
	if t.Closed { // nobody can begin one; opening it is a weakening
		return t, nil
	}
	if !s.Lowers(t) {
		return s, nil
	}
	shut := *t
	shut.Closed = true
	return &shut, SaveType(ctx, tx, &shut, actor)
}

// titleFree: two kinds under one title would be one to whoever reads it.
func titleFree(ctx context.Context, tx *db.Tx, t *Type) error {
	list, err := Types(ctx, tx)
	for _, x := range list {
		if x.ID != t.ID && lang.Alike(x.Title) == lang.Alike(t.Title) {
			return fail.New(fail.Conflict, "the kind %s has this title already", x.ID)
		}
	}
	return err
}

func scanNext(n *Next, row func(...any) error) error {
	var was, doc string
	if err := row(&was, &doc, &n.By, db.Time(&n.At)); err != nil {
		return err
	}
	if err := errors.Join(json.Unmarshal([]byte(was), &n.Was), json.Unmarshal([]byte(doc), &n.Type)); err != nil {
		return fmt.Errorf("decode a type of instruction that waits: %w", err)
	}
	sum := sha256.Sum256([]byte(n.By + " " + doc))
	n.Sum = hex.EncodeToString(sum[:12])
	return nil
}

// Nexts lists what waits.
func Nexts(ctx context.Context, tx *db.Tx) ([]Next, error) {
	return db.List(ctx, tx, scanNext, `SELECT doc, next_doc, next_by, next_at FROM instruction_types WHERE next_at > 0 ORDER BY id`)
}

// AgreeType has a weaker kind begin now; never by who wants it, nor by an account
// that was made, given a role or handed a link so lately (since) that who wants it
// may be behind it. sum is of what the actor saw.
func AgreeType(ctx context.Context, tx *db.Tx, id, actor, sum string, since time.Time) error {
	n, err := next(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case n.By == actor:
		return fail.New(fail.Denied, "you changed it, so another admin must agree, or it waits")
	case since.After(n.At.Add(-2 * LoweringWait)):
		return fail.New(fail.Denied, "your account was made, changed or handed a sign-in link within 72 hours before this change, so it does not count as another's; it waits")
	case n.Sum != sum:
		return fail.New(fail.Conflict, "what waits is not what you saw any more; look at it again")
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

// ApplyTypes has begin what has waited long enough. What somebody wanted who has no
// say any more (stands) is dropped.
func ApplyTypes(ctx context.Context, tx *db.Tx, stands func(actor string) (bool, error)) error {
	list, err := Nexts(ctx, tx)
	if err != nil {
		return err
	}
	for n := range list {
		if tx.Now.Before(list[n].At) {
			continue
		}
		ok, err := stands(list[n].By)
		if err != nil {
			return err
		}
		// It may be that a stricter rule came since it was written.
		if ok && (list[n].Type.Check() != nil || titleFree(ctx, tx, &list[n].Type) != nil) {
			ok = false
		}
		if !ok {
			err = KeepType(ctx, tx, list[n].Type.ID, audit.System)
		} else {
			err = apply(ctx, tx, &list[n], list[n].By)
		}
		if err != nil {
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
