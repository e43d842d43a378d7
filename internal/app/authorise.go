package app

import (
	"context"
	"time"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/jobs"
	"postern/internal/jws"
	"postern/internal/staff"
)

// followArgs: an instruction changed its state; say so, or have it done.
type followArgs struct{ authorise.Step }

func (followArgs) Kind() string { return "instruction_follow" }

// proofArgs: a filed mail names instructions; try it as their proof.
type proofArgs struct {
	Case    cases.ID        `json:"case"`
	Message cases.MessageID `json:"message"`
}

func (proofArgs) Kind() string { return "instruction_mail" }

// dueArgs: end what nobody proved in time, do what has waited long enough.
type dueArgs struct{}

func (dueArgs) Kind() string { return "instructions_due" }

// openAuthorise builds the way of instructions.
func (d *Desk) openAuthorise(ctx context.Context) (err error) {
	if d.signer, err = jws.Open(ctx, d.db, d.vault); err != nil {
		return err
	}
	if err := d.db.Update(ctx, func(tx *db.Tx) error { return instructions.Seed(ctx, tx) }); err != nil {
		return err
	}
	d.auth = authorise.New(authorise.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Contacts: d.contacts, Mailboxes: d.boxes, Outbox: d.outbox,
		Instructions: instructions.NewStore(d.vault), Passkeys: d.staff.Passkeys(), Words: d.words, Strict: d.cfg.StrictProof, Log: d.log, Sign: d.signer.Sign,
		Consent: func(ctx context.Context, tx *db.Tx, c contacts.ID) (bool, error) {
			_, err := consent.Active(ctx, tx, c, consent.Proof)
			if fail.Is(err, fail.NotFound) {
				return false, nil // the usual: nothing was given up
			}
			return err == nil, err
		},
		Later: func(ctx context.Context, tx *db.Tx, s authorise.Step) error {
			return d.jobs.Insert(ctx, tx, followArgs{s})
		},
		Recheck: d.recheck,
		HasRole: func(ctx context.Context, tx *db.Tx, id, role string) (bool, error) {
			p, err := d.staff.Get(ctx, tx, staff.ID(id))
			return err == nil && !p.Disabled && p.Has(staff.Role(role)), err
		},
		NameOf: func(ctx context.Context, tx *db.Tx, id string) string {
			p, err := d.staff.Get(ctx, tx, staff.ID(id))
			if err != nil {
				return "" // gone: the record keeps the id
			}
			return p.Name
		},
		Call: d.tell,
	})
	return nil
}

func (d *Desk) recheck(ctx context.Context, tx *db.Tx, c contacts.ID) error {
	return d.jobs.Insert(ctx, tx, recheckArgs{Contact: string(c)})
}

func (d *Desk) speaks(ctx context.Context, tx *db.Tx, c cases.ID, m cases.MessageID) error {
	return d.jobs.Insert(ctx, tx, proofArgs{c, m})
}

func (d *Desk) addInstructionJobs() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, a followArgs) error { return d.auth.Follow(ctx, a.Step) })
	jobs.AddWorker(d.jobs, func(ctx context.Context, a proofArgs) error { return d.tryProof(ctx, a) })
	jobs.AddWorker(d.jobs, func(ctx context.Context, a calledArgs) error { return d.takeAnswer(ctx, a) })
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ dueArgs) error { return d.auth.Tick(ctx) })
	d.jobs.Every(time.Minute, dueArgs{})
}

func (d *Desk) tryProof(ctx context.Context, a proofArgs) error {
	m, err := d.intake.AsProof(ctx, a.Case, a.Message)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = d.auth.FromMail(ctx, m)
	return err
}
