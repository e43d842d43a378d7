package security

import (
	"context"
	"errors"
	"fmt"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Run does what is due: it tells those whom it concerns of every clock that ran out,
// and calls the next rung at a limit. It may run on several nodes at once, and twice.
func (s *Service) Run(ctx context.Context) error {
	var due []cases.ID
	err := s.o.DB.View(ctx, func(tx *db.Tx) (err error) {
		due, err = db.List(ctx, tx, func(id *cases.ID, row func(...any) error) error { return row(id) },
			`SELECT case_id FROM reports WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at LIMIT 200`, db.Micros(tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range due { // one that is damaged holds up no other
		if e := s.o.DB.Update(ctx, func(tx *db.Tx) error { return s.due(ctx, tx, id) }); e != nil && !fail.Is(e, fail.Conflict) {
			err = errors.Join(err, fmt.Errorf("report %s: %w", id, e))
		}
	}
	return err
}

func (s *Service) due(ctx context.Context, tx *db.Tx, id cases.ID) error {
	c, k, r, err := s.load(ctx, tx, id)
	if err != nil {
		return err
	}
	struck := r.Strikes(tx.Now)
	for _, x := range struck {
		if err := s.strike(ctx, tx, c, k, r, x); err != nil {
			return err
		}
	}
	if len(struck) > 0 {
		if err := s.o.Cases.Save(ctx, tx, c); err != nil {
			return err
		}
	}
	return save(ctx, tx, k, r)
}

// strike does what follows from one clock.
func (s *Service) strike(ctx context.Context, tx *db.Tx, c *cases.Case, k *vault.Key, r *Report, x Strike) error {
	from := r.State
	switch {
	case x.Act == ActRemind:
		if err := s.write(ctx, tx, c, Word{What: WordRemind, State: r.State}); err != nil {
			return err
		}
	case x.Act == ActClose && r.Move(&s.o.Promises, Closed, Actor{Kind: ByDesk}, tx.Now) != nil: // something is open still: a person looks, and it is tried again
		r.again(x.Clock, tx.Now)
		if err := s.tellQualified(ctx, tx, c, Word{What: WordStruck, Clock: x.Clock}); err != nil {
			return err
		}
	case x.Act == ActClose:
		r.Unanswered = from == NeedsInfo
		if err := s.moved(ctx, tx, c, r, from, WordMoved); err != nil {
			return err
		}
	case x.Act == ActReview && r.State == AcceptedRisk:
		if err := r.Move(&s.o.Promises, Assessing, Actor{Kind: ByDesk}, tx.Now); err != nil {
			return err
		}
		s.open(c, tx.Now)
		if err := s.tellQualified(ctx, tx, c, Word{What: WordStruck, Clock: x.Clock}); err != nil {
			return err
		}
	case x.Law != "":
		c.Alarm, c.Unread = "The law wants a word: "+x.Law, true
		if err := s.tellQualified(ctx, tx, c, Word{What: WordLaw, Law: x.Law}); err != nil {
			return err
		}
	default:
		c.Unread = true
		if err := s.tellQualified(ctx, tx, c, Word{What: WordStruck, Clock: x.Clock}); err != nil {
			return err
		}
		if x.Limit && s.o.Miss != nil && x.Clock != ClockRetest {
			if err := s.o.Miss(ctx, tx, c); err != nil {
				return err
			}
		}
	}
	what, act := string(x.Clock), "report.due"
	if x.Law != "" {
		what = x.Law
	}
	if x.missed() {
		act = "report.struck"
	}
	return s.record(ctx, tx, k, r, audit.System, act, from, what)
}

// missed reports whether a promise of ours was not kept: not a reminder to them, not the
// end of a wait, and each promise once.
func (x *Strike) missed() bool {
	switch x.Clock {
	case ClockLook, ClockFirst, ClockAssess, ClockUpdate, ClockFix, ClockAsk, ClockReward, ClockPublish, ClockAppeal:
		return x.Act == "" && x.Law == "" && x.Begins
	}
	return false
}

func (s *Service) write(ctx context.Context, tx *db.Tx, c *cases.Case, w Word) error {
	if s.o.Write == nil {
		return nil
	}
	return s.o.Write(ctx, tx, c, w)
}

// Red opens a report again whose probe is red: what was fixed is back. They are told.
func (s *Service) Red(ctx context.Context, tx *db.Tx, id cases.ID) error {
	return s.Change(ctx, tx, id, Actor{Kind: ByProbe}, "report.red", "", func(r *Report, c *cases.Case) error {
		r.Green = false
		if r.State != Resolved && r.State != Disclosed && r.State != Closed {
			return nil // it is being worked on
		}
		if err := r.Move(&s.o.Promises, Assessing, Actor{Kind: ByProbe}, tx.Now); err != nil {
			return err
		}
		s.open(c, tx.Now)
		c.Alarm = "It is back: a probe is red"
		if err := s.tellQualified(ctx, tx, c, Word{What: WordRed}); err != nil {
			return err
		}
		return s.write(ctx, tx, c, Word{What: WordReopened, State: Assessing})
	})
}

// Blind tells those who triage that what watches a report sees nothing any more: whether
// it is still mended, nobody knows.
func (s *Service) Blind(ctx context.Context, tx *db.Tx, id cases.ID) error {
	return s.Change(ctx, tx, id, Actor{Kind: ByProbe}, "report.blind", "", func(r *Report, c *cases.Case) error {
		return s.tellQualified(ctx, tx, c, Word{What: WordBlind})
	})
}
