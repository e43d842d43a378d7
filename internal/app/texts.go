package app

import (
	"context"
	"time"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/jobs"
	"postern/internal/portal"
	"postern/internal/texts"
)

// textArgs: somebody wants a code by text message. The row says for which address;
// the job's arguments say nothing.
type textArgs struct {
	Text texts.ID `json:"text"`
}

func (textArgs) Kind() string { return "text_code" }

// openTexts builds what sends codes to telephones: a provider, the tray, or
// nothing that refuses.
func (d *Desk) openTexts() error {
	var sender texts.Sender
	switch {
	case d.cfg.TextsCapture:
		sender = texts.NewCapture(d.db, d.vault)
	case d.cfg.TextsURL != "":
		client, err := hooksClient(d.cfg)
		if err != nil {
			return err
		}
		if sender, err = texts.NewWebhook(client, d.cfg.TextsURL, d.cfg.TextsSecret, d.cfg.TextsKind, d.db.Now); err != nil {
			return fail.Wrap(fail.Invalid, err, "the settings texts.url and texts.secret cannot be used: "+fail.Text(err))
		}
	}
	d.texts = texts.New(d.db, d.vault, sender)
	return nil
}

func (d *Desk) addTextJobs() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, a textArgs) error { return d.textCode(ctx, a.Text) })
}

// askText notes that somebody wants a code. It does the same whoever has the
// address, so that neither the answer nor its time says whether anybody has.
func (d *Desk) askText(ctx context.Context, tx *db.Tx, address, network string) error {
	id, err := d.texts.Ask(ctx, tx, address, network)
	if err != nil || id == "" {
		return err
	}
	return d.jobs.Insert(ctx, tx, textArgs{id})
}

// textCode decides what comes of a wish, and sends.
func (d *Desk) textCode(ctx context.Context, id texts.ID) error {
	code, words := portal.NewCode(), d.words()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		x, err := d.texts.Get(ctx, tx, id)
		if err != nil || x.State != texts.Asked {
			return err
		}
		c, number, why, err := d.textable(ctx, tx, x)
		if err != nil {
			return err
		}
		if why != "" {
			return d.texts.Drop(ctx, tx, x, why)
		}
		if err := d.portal.IssueSignIn(ctx, tx, c, portal.TextCode, "", code); err != nil {
			return err
		}
		l, err := cases.LangOf(ctx, tx, c)
		if err != nil {
			return err
		}
		return d.texts.Queue(ctx, tx, x, c, number, l.Must("text.code", words.Org, code, d.publicOrg().Host)) // who it is from, what for, and to keep it to oneself
	})
	if err != nil {
		return err
	}
	return d.texts.Deliver(ctx, id)
}

// textable finds who a code goes to, and at which number; why says that it goes to
// nobody.
func (d *Desk) textable(ctx context.Context, tx *db.Tx, x *texts.Text) (c contacts.ID, number, why string, err error) {
	if d.cfg.StrictProof || x.Late(tx.Now) {
		return "", "", "too late, or switched off since", nil
	}
	who, err := d.contacts.Find(ctx, tx, x.Address)
	if fail.Is(err, fail.NotFound) {
		return "", "", "nobody has this address", nil
	}
	if err != nil {
		return "", "", "", err
	}
	if number = callable(who, tx.Now); number == "" {
		return "", "", "no number that counts", nil
	}
	if ok, err := texts.Allowed(ctx, tx, who.ID); err != nil || !ok {
		return "", "", "they had as many as may be", err
	}
	if on, err := portal.OnTheTelephone(ctx, tx, who.ID); err != nil || on {
		return "", "", "a code that was read out is still good", err
	}
	return who.ID, number, "", nil
}

// callable is the first number that has been on file long enough. One that a member
// of staff put there a few days ago may be theirs: no text goes to it, and who reads
// a code out to it is another person (the desk sees to that).
func callable(c *contacts.Contact, now time.Time) string {
	for n := range c.Phones {
		if instructions.MayCall(&c.Phones[n], now) == nil && authorise.LetIn(staffOf(&c.Phones[n]), c.Phones[n].Made, now) == "" {
			return c.Phones[n].Number
		}
	}
	return ""
}

// staffOf is who put a number on file, if it was not its owner by an instruction.
func staffOf(p *contacts.Phone) string {
	if p.Source == contacts.ByInstruction {
		return ""
	}
	return p.By
}
