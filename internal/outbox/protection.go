package outbox

import (
	"context"
	"errors"

	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

// A Choice is protections that a person gives up, with the receipt, sealed and
// not stored yet.
type Choice struct {
	Given  []*consent.New
	notice *notice
}

// PrepareChoice checks and seals a choice, outside any transaction. version is
// the wording they were shown.
func (o *Outbox) PrepareChoice(ctx context.Context, person contacts.ID, scopes []consent.Scope, version int64, p consent.Proven) (*Choice, error) {
	if len(scopes) == 0 {
		return nil, fail.New(fail.Invalid, "nothing was chosen")
	}
	who, key, err := o.person(ctx, person)
	if err != nil {
		return nil, err
	}
	h := &Choice{}
	for _, s := range scopes {
		n, err := consent.Prepare(person, s, version, p, o.d.Now())
		if err != nil {
			return nil, err
		}
		h.Given = append(h.Given, n)
	}
	w, err := consent.Shown(scopes[0], version)
	if err != nil {
		return nil, err
	}
	text, err := o.givenText(w.Lang, h.Given)
	if err != nil {
		return nil, err
	}
	h.notice, err = o.prepareNotice(who, key, w.Lang, w.Lang.Must("mail.given.subject"), text)
	return h, err
}

// FileChoice stores a choice and queues its receipt, in the caller's transaction.
// When any of it is refused nothing was written, so the caller may go on.
func (o *Outbox) FileChoice(ctx context.Context, tx *db.Tx, h *Choice) error {
	for _, n := range h.Given {
		if err := consent.Allowed(ctx, tx, n); err != nil {
			return err
		}
	}
	for _, n := range h.Given {
		if err := consent.Give(ctx, tx, n); err != nil {
			return err
		}
	}
	return o.queueNotice(ctx, tx, h.notice)
}

// GiveUp records a choice and sends its receipt to every address.
func (o *Outbox) GiveUp(ctx context.Context, person contacts.ID, scopes []consent.Scope, version int64, p consent.Proven) (*Choice, error) {
	h, err := o.PrepareChoice(ctx, person, scopes, version, p)
	if err != nil {
		return nil, err
	}
	return h, o.d.Update(ctx, func(tx *db.Tx) error { return o.FileChoice(ctx, tx, h) })
}

// Protect brings a protection back, and says so to every address. It reports
// whether it was away; twice is harmless.
func (o *Outbox) Protect(ctx context.Context, person contacts.ID, s consent.Scope, how string) (bool, error) {
	var list []consent.Consent
	err := o.d.View(ctx, func(tx *db.Tx) (err error) { list, err = consent.Of(ctx, tx, person); return err })
	if err != nil {
		return false, err
	}
	c := consent.Chosen(list, s, o.d.Now())
	if c == nil {
		return false, nil
	}
	n, err := o.backNotice(ctx, c, how)
	if err != nil {
		return false, err
	}
	stood := false
	err = o.d.Update(ctx, func(tx *db.Tx) (err error) {
		if stood, err = consent.Withdraw(ctx, tx, person, s, how); err != nil || !stood || n == nil {
			return err
		}
		return o.queueNotice(ctx, tx, n)
	})
	return stood, err
}

// backNotice says that a protection is back, in the language in which it was given up;
// nil to whom nothing can be said any more, which must not keep their protection away.
func (o *Outbox) backNotice(ctx context.Context, c *consent.Consent, how string) (*notice, error) {
	who, key, err := o.person(ctx, c.Contact)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := consent.Shown(c.Scope, c.Wording)
	if err != nil {
		return nil, err
	}
	return o.prepareNotice(who, key, w.Lang, w.Lang.Must("mail.back.subject"), o.backText(w, how))
}

// AskAgain asks everybody whose year is nearly over whether they still want it.
func (o *Outbox) AskAgain(ctx context.Context) error {
	return o.eachConsent(ctx, consent.AskAgain, func(c *consent.Consent) error {
		who, key, err := o.person(ctx, c.Contact)
		if err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
		var n *notice
		if err == nil {
			w, err := consent.Shown(c.Scope, c.Wording)
			if err != nil {
				return err
			}
			if n, err = o.prepareNotice(who, key, w.Lang, w.Lang.Must("mail.year.subject"), o.againText(w, c)); err != nil {
				return err
			}
		}
		return o.d.Update(ctx, func(tx *db.Tx) error {
			if err := consent.Asked(ctx, tx, c); err != nil || n == nil {
				return err
			}
			return o.queueNotice(ctx, tx, n)
		})
	})
}

// Lapse brings back what nobody answered for in a year.
func (o *Outbox) Lapse(ctx context.Context) error {
	return o.eachConsent(ctx, consent.ExpireDue, func(c *consent.Consent) error {
		n, err := o.backNotice(ctx, c, consent.Lapsed)
		if err != nil {
			return err
		}
		return o.d.Update(ctx, func(tx *db.Tx) error {
			if err := consent.Lapse(ctx, tx, c); err != nil || n == nil {
				return err
			}
			return o.queueNotice(ctx, tx, n)
		})
	})
}

// eachConsent works on what is due, in batches. What one fails at does not keep
// the others waiting; another node may have been first.
func (o *Outbox) eachConsent(ctx context.Context, due func(context.Context, *db.Tx, int) ([]consent.Consent, error), f func(*consent.Consent) error) error {
	const batch = 100
	var failed []error
	for {
		var list []consent.Consent
		if err := o.d.View(ctx, func(tx *db.Tx) (err error) { list, err = due(ctx, tx, batch); return err }); err != nil {
			return err
		}
		for i := range list {
			if err := f(&list[i]); err != nil && !fail.Is(err, fail.Conflict) && !fail.Is(err, fail.NotFound) {
				failed = append(failed, err)
			}
		}
		if len(list) < batch || len(failed) > 0 {
			return errors.Join(failed...)
		}
	}
}
