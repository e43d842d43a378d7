package intake

import (
	"cmp"
	"context"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/portal"
	"postern/internal/vault"
)

// PortalReply is an answer written on the portal.
type PortalReply struct {
	Session *portal.Session
	Item    *portal.Item
	Text    string
	Person  bool // "this did not answer me: get me a person"
	Files   []cases.File
}

// MaxText is how long a text written in a form may be, in bytes.
const MaxText = 100_000

// FromPortal files an answer from the portal in its case. Its evidence is the
// session and the factor that opened it.
func (in *Intake) FromPortal(ctx context.Context, r *PortalReply) (cases.Ref, error) {
	now := in.d.Now()
	return in.answer(ctx, &written{c: r.Item.Case, door: "portal", by: r.Session.Contact, text: r.Text, person: r.Person, files: r.Files,
		evidence: cases.Evidence{Portal: string(r.Session.Factor), PortalAt: r.Session.Made, Checked: now},
		why:      "they answered in the portal", how: "by portal, " + string(r.Session.Factor)})
}

// FromPage files what somebody wrote on the page of their case. Its evidence is that
// they hold the code of its receipt.
func (in *Intake) FromPage(ctx context.Context, r centre.Receipt, text string, files []cases.File, person bool) (cases.Ref, error) {
	return in.answer(ctx, &written{c: r.Case, door: "page", by: r.Contact, text: text, person: person, files: files,
		evidence: cases.Evidence{Receipt: true, Checked: in.d.Now()}, how: "on the case page, by receipt"})
}

// FromPhone files what somebody said on the telephone, as one of our people wrote it
// down. It proves nobody.
func (in *Intake) FromPhone(ctx context.Context, id cases.ID, staff, text string) error {
	var by contacts.ID
	err := in.d.View(ctx, func(tx *db.Tx) error {
		c, err := in.cases.Get(ctx, tx, id)
		if err == nil {
			by = c.Contact
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = in.answer(ctx, &written{c: id, door: "phone", by: by, actor: audit.Staff(staff), act: "phone.noted", text: text,
		evidence: cases.Evidence{Phone: staff, Checked: in.d.Now()}, how: "what they said on the telephone"})
	return err
}

// written is an answer that came over a page of ours into a case that is there.
type written struct {
	c        cases.ID
	door     string
	by       contacts.ID
	actor    string // for the record; empty: the contact
	act      string // for the record; empty: message.in
	text     string
	person   bool
	files    []cases.File
	evidence cases.Evidence
	why      string // it makes the case sensitive; empty: it does not
	how      string // for the record
	quiet    bool   // it moves nothing; it is only new
	lift     ladder.Why
	also     func(ctx context.Context, tx *db.Tx) error
}

// answer files it.
func (in *Intake) answer(ctx context.Context, r *written) (cases.Ref, error) {
	text, err := r.words()
	if err != nil {
		return "", err
	}
	c, key, err := in.caseKey(ctx, r.c)
	if err != nil {
		return "", err
	}
	r.evidence.Verdict, r.evidence.Encryption, r.evidence.TLS, r.evidence.Disposition = "N", "none", true, "accept"
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.In, Door: r.door, Contact: r.by, At: in.d.Now(), Doc: cases.Doc{Text: text}, Evidence: &r.evidence}
	was, err := in.said(ctx, c.ID, key)
	if err != nil {
		return "", err
	}
	look := in.look(c, m, was)
	blobs := m.Doc.Attach(r.files, key)
	parts, err := cases.Seal(m, key)
	if err != nil {
		return "", err
	}
	if found := dlp.Find(text); r.why == "" && len(found) > 0 {
		r.why = "it holds " + string(found[0].Kind)
	}
	err = in.d.Update(ctx, func(tx *db.Tx) error {
		c, err := in.cases.Get(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if err := in.moves(ctx, tx, r, c, m); err != nil {
			return err
		}
		if err := in.heardSecurity(ctx, tx, c, key, look); err != nil {
			return err
		}
		if r.why != "" {
			c.Raise(r.why)
		}
		if err := in.cases.Save(ctx, tx, c); err != nil {
			return err
		}
		if err := cases.PutFiles(ctx, tx, blobs, key); err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		if err := in.filed(ctx, tx, m); err != nil {
			return err
		}
		return audit.Append(ctx, tx, r.entry())
	})
	return c.Ref, err
}

// caseKey loads a case and its data key.
func (in *Intake) caseKey(ctx context.Context, id cases.ID) (c *cases.Case, key *vault.Key, err error) {
	err = in.d.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = in.cases.Get(ctx, tx, id); err != nil {
			return err
		}
		key, err = in.v.Get(ctx, tx, c.KeyID)
		return err
	})
	return c, key, err
}

// words are what they wrote; nothing at all is Invalid.
func (r *written) words() (string, error) {
	text, err := fit(r.text)
	switch {
	case err != nil:
		return "", err
	case text == "" && r.person:
		return "This did not answer me: get me a person.", nil
	case text == "" && len(r.files) == 0:
		return "", fail.New(fail.Invalid, "write your answer before you send it")
	}
	return text, nil
}

// entry is what the audit log has of it.
func (r *written) entry() audit.Entry {
	detail := r.how
	if r.person {
		detail += "; asks for a person"
	}
	return audit.Entry{Actor: cmp.Or(r.actor, audit.Contact(string(r.by))), Act: cmp.Or(r.act, "message.in"), About: string(r.c), Detail: detail}
}

// moves moves the case for what was written, and lifts it where that shows that nobody
// was helped.
func (in *Intake) moves(ctx context.Context, tx *db.Tx, r *written, c *cases.Case, m *cases.Message) error {
	if r.also != nil {
		if err := r.also(ctx, tx); err != nil {
			return err
		}
	}
	if r.quiet {
		c.Unread = true
		return nil
	}
	c.Received(false, m.Evidence.Class(), tx.Now)
	var others []ladder.Other
	if r.by != "" {
		if err := tx.Read(ctx, in.ladder.AskOthers(&others, tx.Now, `= $1`, r.by)...); err != nil {
			return err
		}
	}
	if err := in.ladder.Heard(ctx, tx, c, m, ladder.SameMatter(c, others)); err != nil {
		return err
	}
	if r.person {
		c.WantsPerson(tx.Now)
		r.lift = ladder.Asked
	}
	if r.lift == "" {
		return nil
	}
	return in.ladder.Up(ctx, tx, c, r.lift)
}

// fit makes a text written in a form fit to be filed.
func fit(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if len(text) > MaxText {
		return "", fail.New(fail.Invalid, "the text is longer than 100,000 characters; shorten it, or add it as a file")
	}
	return text, nil
}

// PersonFor returns the case that a link under a mail of ours is about; a made-up
// one is NotFound.
func (in *Intake) PersonFor(ctx context.Context, token string) (c *cases.Case, err error) {
	refs := in.cases.Tokens.Find(token)
	if len(refs) != 1 {
		return nil, fail.New(fail.NotFound, "this link is not one of ours, or it was cut short; reply to our mail instead")
	}
	err = in.d.View(ctx, func(tx *db.Tx) error { c, err = in.cases.ByRef(ctx, tx, refs[0]); return err })
	if err == nil && c.Contact == "" { // a letter of the house's own: there is nobody to answer
		err = fail.New(fail.NotFound, "this link is not one of ours, or it was cut short; reply to our mail instead")
	}
	return c, err
}

// AskPerson is the button behind that link: a person must look at the case, one rung
// further up. Twice within ten minutes changes nothing.
func (in *Intake) AskPerson(ctx context.Context, token string) (cases.Ref, error) {
	c, err := in.PersonFor(ctx, token)
	if err != nil {
		return "", err
	}
	return c.Ref, in.d.Update(ctx, func(tx *db.Tx) error {
		c, err := in.cases.Get(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		was := *c
		c.WantsPerson(tx.Now)
		if err := in.ladder.Up(ctx, tx, c, ladder.Asked); err != nil {
			return err
		}
		if was.State == cases.Open && was.Alarm != "" && was.Rung == c.Rung && was.Due.Equal(c.Due) {
			return nil
		}
		if err := in.cases.Save(ctx, tx, c); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "person.asked", About: string(c.ID), Detail: "by the button that a mail of ours leads to"})
	})
}
