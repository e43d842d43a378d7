package texts

import (
	"context"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// Deliver sends a text that waits. An error means that it is tried again: the job
// that calls does so, until it is too late and the failure is recorded. What
// broke off between sending and recording is sent again; the provider knows it by
// its id.
func (t *Texts) Deliver(ctx context.Context, id ID) error {
	var x *Text
	if err := t.d.View(ctx, func(tx *db.Tx) (err error) { x, err = t.Get(ctx, tx, id); return err }); err != nil {
		return err
	}
	if x.State != Waiting {
		return nil
	}
	if x.Late(t.d.Now()) {
		return t.d.Update(ctx, func(tx *db.Tx) error { return t.gaveUp(ctx, tx, x) })
	}
	failed := t.sender.Send(ctx, x.Number, x.Text)
	err := t.d.Update(ctx, func(tx *db.Tx) error {
		if failed != nil {
			_, err := tx.Exec(ctx, `UPDATE texts SET attempts = attempts + 1, reason = $2 WHERE id = $1 AND state = $3`, id, fail.Text(failed), Waiting)
			return err
		}
		return t.sent(ctx, tx, x)
	})
	if err != nil {
		return err
	}
	return failed
}

func (t *Texts) sent(ctx context.Context, tx *db.Tx, x *Text) error {
	n, err := tx.Exec(ctx, `UPDATE texts SET state = $2, attempts = attempts + 1, reason = '', doc = $3, done_at = $4 WHERE id = $1 AND state = $5`,
		x.ID, Sent, []byte{}, db.Micros(tx.Now), Waiting)
	if err != nil || n == 0 {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "text.sent", About: string(x.Contact), Detail: "text " + string(x.ID)})
}

func (t *Texts) gaveUp(ctx context.Context, tx *db.Tx, x *Text) error {
	n, err := tx.Exec(ctx, `UPDATE texts SET state = $2, doc = $3, done_at = $4 WHERE id = $1 AND state = $5`, x.ID, Failed, []byte{}, db.Micros(tx.Now), Waiting)
	if err != nil || n == 0 {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "text.failed", About: string(x.Contact), Detail: "text " + string(x.ID) + ": " + x.Reason})
}
