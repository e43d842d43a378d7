package intake

import (
	"context"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/vault"
)

// Speaks is told, in the transaction that files a mail, that the mail speaks of
// instructions: it may be a proof, and is tried as one after the commit.
type Speaks func(ctx context.Context, tx *db.Tx, c cases.ID, m cases.MessageID) error

func (in *Intake) speaksOf(ctx context.Context, tx *db.Tx, m *mail, p *plan, msg *cases.Message) error {
	if in.speaks == nil || p.bounce != "" || len(instructions.Refs(m.rep.Text)) == 0 {
		return nil
	}
	return in.speaks(ctx, tx, p.c.ID, msg.ID)
}

// AsProof reads a filed mail again, from its raw bytes and with the keys of
// today, as a proof of the instructions that it names.
func (in *Intake) AsProof(ctx context.Context, c cases.ID, id cases.MessageID) (*authorise.Mail, error) {
	var sealed []cases.Sealed
	var key *vault.Key
	err := in.d.View(ctx, func(tx *db.Tx) error {
		sealed = nil
		asked, query := in.cases.AskKey(c)
		if err := tx.Read(ctx, cases.AskMessage(&sealed, c, id), query); err != nil {
			return err
		}
		var err error
		key, err = asked.Key()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 {
		return nil, fail.New(fail.NotFound, "this message is gone")
	}
	msg, err := sealed[0].Open(key)
	if err != nil {
		return nil, err
	}
	s, err := in.Get(ctx, msg.RawBlob)
	if err != nil {
		return nil, err
	}
	m, err := in.judge(ctx, s)
	if err != nil {
		return nil, err
	}
	return &authorise.Mail{Contact: msg.Contact, Case: c, Message: id, Report: m.rep, Came: s.Came}, nil
}
