package app

import (
	"context"
	"fmt"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/security"
)

// finders tell of holes: one by mail, at the wrong door, and it waits for somebody
// qualified; one by the form, without a name, and Ivo works on it.
func (s *scene) finders(ctx context.Context) error {
	if err := s.write(ctx, customer{name: "Ines Calder", address: "ines@calder.example"}, "Your payment reminder", `Hello,

my account was not hacked, there was just no other box to tick. The button in
your payment reminder leads to a page without https, and it asks for my name
and my street. I only wanted to pay.

Ines Calder`, false); err != nil {
		return err
	}
	client, err := s.d.ownVisitor()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := s.d.reportByForm(ctx, client, "The statements of the online branch", `When I change the number at the end of the address of a statement, I get the
statement of somebody else, with name and balance. I tried it with two numbers
and stopped. I have kept nothing.`); err != nil {
		return fmt.Errorf("the report by form: %w", err)
	}
	var id cases.ID
	err = s.d.db.View(ctx, func(tx *db.Tx) error {
		list, err := db.Strings(ctx, tx, `SELECT c.id FROM cases c JOIN reports r ON r.case_id = c.id WHERE c.door = 'form' ORDER BY c.made_at DESC LIMIT 1`)
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("the report by form is not there")
		}
		if err == nil {
			id = cases.ID(list[0])
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.workOn(ctx, id)
}

// workOn is what a triager does with a report in its first hour.
func (s *scene) workOn(ctx context.Context, id cases.ID) error {
	ivo, p := security.Actor{ID: s.triager, Kind: security.ByTriager}, s.d.security.Promises()
	return s.d.db.Update(ctx, func(tx *db.Tx) error {
		for _, step := range []struct {
			act string
			do  func(r *security.Report, c *cases.Case) error
		}{
			{"report.acknowledged", func(r *security.Report, c *cases.Case) error {
				if err := s.d.security.Defaults(ctx, tx, r, c, s.triager); err != nil {
					return err
				}
				return r.Move(p, security.Acknowledged, ivo, tx.Now)
			}},
			{"report.moved", func(r *security.Report, _ *cases.Case) error {
				r.Title, r.Asset, r.Scope, r.Sought, r.Safety, r.Exposed = "Statements of others by changing a number", "online branch, statements", "in scope", true, "names and balances, to whoever is signed in", true
				return r.Move(p, security.Assessing, ivo, tx.Now)
			}},
			{"report.moved", func(r *security.Report, _ *cases.Case) error {
				r.Steps, r.CWE, r.CVSS, r.Verifier = "Sign in, open a statement, change the last number of its address.", "CWE-639", "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N", s.triager
				if err := r.Rates(); err != nil {
					return err
				}
				return r.Move(p, security.Verified, ivo, tx.Now)
			}},
		} {
			if err := s.d.security.Change(ctx, tx, id, ivo, step.act, "", step.do); err != nil {
				return err
			}
		}
		return nil
	})
}
