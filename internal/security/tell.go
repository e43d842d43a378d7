package security

import (
	"context"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/staff"
)

// tellQualified tells everybody who may decide.
func (s *Service) tellQualified(ctx context.Context, tx *db.Tx, c *cases.Case, w Word) error {
	if s.o.Tell == nil {
		return nil
	}
	all, err := s.o.Staff.List(ctx, tx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.May(staff.SecurityTriage) {
			w.To = append(w.To, p)
		}
	}
	return s.o.Tell(ctx, tx, c, w)
}

// TellFrozen tells everybody who may decide that money is demanded for silence: whoever
// answers for the law here belongs into its circle now.
func (s *Service) TellFrozen(ctx context.Context, tx *db.Tx, c *cases.Case) error {
	c.Alarm, c.Unread = "They demand money for silence", true
	return s.tellQualified(ctx, tx, c, Word{What: WordFrozen})
}
