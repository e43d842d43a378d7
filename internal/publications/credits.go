package publications

import (
	"context"
	"strings"
	"time"
	"unicode"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
)

// A Credit is the thanks for one report, by the name that its finder chose. Nobody is
// named without having said so, and the row says when.
type Credit struct {
	Case      cases.ID
	Name      string
	Line      string // what for, or who they are; may be empty
	Consented time.Time
	Shown     time.Time // since when it stands on the page
	Withdrawn time.Time
}

// Stands reports whether everybody can read it.
func (c *Credit) Stands() bool {
	return c != nil && !c.Consented.IsZero() && !c.Shown.IsZero() && c.Withdrawn.IsZero()
}

const creditColumns = `case_id, name, line, consented_at, shown_at, withdrawn_at`

func scanCredit(c *Credit, row func(...any) error) error {
	return row(&c.Case, &c.Name, &c.Line, db.Time(&c.Consented), db.Time(&c.Shown), db.Time(&c.Withdrawn))
}

// CreditOf is the credit of a case; nil if nobody said anything about one.
func CreditOf(ctx context.Context, tx *db.Tx, id cases.ID) (*Credit, error) {
	c, err := db.One(ctx, tx, scanCredit, `SELECT `+creditColumns+` FROM credits WHERE case_id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	return c, err
}

// Thanked lists everybody who is named, the latest first.
func Thanked(ctx context.Context, tx *db.Tx) ([]Credit, error) {
	return db.List(ctx, tx, scanCredit, `SELECT `+creditColumns+` FROM credits
		WHERE shown_at > 0 AND consented_at > 0 AND withdrawn_at = 0 ORDER BY shown_at DESC, case_id`)
}

// Consent records that whoever reported a case wants to be named so. The same call
// later changes the name, and stands for a new wish after one that was withdrawn.
func Consent(ctx context.Context, tx *db.Tx, actor string, c Credit) error {
	var err error
	if c.Name, err = oneLine(c.Name, 1, 80); err != nil {
		return fail.Wrap(fail.Invalid, err, "write the name as it shall stand there, up to 80 letters")
	}
	if c.Line, err = oneLine(c.Line, 0, 160); err != nil {
		return fail.Wrap(fail.Invalid, err, "the line beside the name has 160 letters at most, all of which can be seen")
	}
	before, err := CreditOf(ctx, tx, c.Case)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO credits (case_id, name, line, consented_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (case_id) DO UPDATE SET name = excluded.name, line = excluded.line, consented_at = excluded.consented_at, withdrawn_at = 0`,
		c.Case, c.Name, c.Line, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	if before.Stands() && before.Name != c.Name {
		if err := renamed(ctx, tx, actor, c.Case, true, "renamed"); err != nil {
			return err
		}
	}
	return creditNote(ctx, tx, actor, "credit.consented", c.Case)
}

// ShowCredit puts the name on the page; without a consent that holds it is a Conflict.
func ShowCredit(ctx context.Context, tx *db.Tx, actor string, id cases.ID) error {
	n, err := tx.Exec(ctx, `UPDATE credits SET shown_at = $2 WHERE case_id = $1 AND consented_at > 0 AND withdrawn_at = 0`, id, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	if n == 0 {
		return fail.New(fail.Conflict, "nobody is named who did not say so: there is no consent for this case")
	}
	return creditNote(ctx, tx, actor, "credit.shown", id)
}

// WithdrawCredit takes the name away, everywhere and at once, and keeps only that
// there was one. Published advisories that named it get a version without. What was never given is NotFound.
func WithdrawCredit(ctx context.Context, tx *db.Tx, actor string, id cases.ID) error {
	if err := db.Change(ctx, tx, `UPDATE credits SET name = '', line = '', shown_at = 0, withdrawn_at = $2 WHERE case_id = $1 AND withdrawn_at = 0`, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	if err := renamed(ctx, tx, actor, id, false, "unnamed"); err != nil {
		return err
	}
	return creditNote(ctx, tx, actor, "credit.withdrawn", id)
}

// creditNote never holds the name: the log cannot forget it.
func creditNote(ctx context.Context, tx *db.Tx, actor, act string, id cases.ID) error {
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: act, About: string(id)})
}

// oneLine is a text without breaks and without letters that cannot be seen.
func oneLine(s string, least, most int) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	if n := len([]rune(s)); n < least || n > most {
		return "", fail.New(fail.Invalid, "it has %d letters, and may have %d to %d", n, least, most)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		return "", fail.New(fail.Invalid, "it holds letters that cannot be seen")
	}
	return s, nil
}
