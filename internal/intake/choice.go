package intake

import (
	"context"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/outbox"
)

// spokenChoice is what a mail gives up of its sender's protection, ready to be
// filed with it; nil for a mail that gives nothing up. why says what kept a mail
// that holds the phrase from counting. The mail is filed in either case.
func (in *Intake) spokenChoice(ctx context.Context, m *mail, p *plan, msg *cases.Message) (choice *outbox.Choice, why string, err error) {
	if scopes, _ := consent.FromMail(m.rep.Text); len(scopes) == 0 || m.rep.Automatic != "" {
		return nil, "", nil
	}
	if p.contact == nil || m.rep.Signature.Verdict != evidence.Verified {
		return nil, "it is not signed by a verified key of its sender", nil
	}
	proof, err := consent.BySignedMail(p.contact.ID, m.rep, string(msg.ID), m.s.Came)
	if err == nil {
		choice, err = in.out.PrepareChoice(ctx, p.contact.ID, proof.Scopes(), proof.Version(), proof)
	}
	if k := fail.KindOf(err); err != nil && (k == fail.Denied || k == fail.Conflict) {
		return nil, fail.Text(err), nil
	}
	return choice, "", err
}

// fileChoice stores what a mail gave up. One that counts no more, because it is
// played again after another choice, is recorded as refused; the mail stays.
func (in *Intake) fileChoice(ctx context.Context, tx *db.Tx, p *plan, choice *outbox.Choice, why string) error {
	if choice != nil {
		err := in.out.FileChoice(ctx, tx, choice)
		if !fail.Is(err, fail.Denied) {
			return err
		}
		why = fail.Text(err)
	}
	if why == "" {
		return nil
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "consent.refused", About: string(p.contactID()), Detail: "by mail in case " + string(p.c.ID) + ": " + why})
}
