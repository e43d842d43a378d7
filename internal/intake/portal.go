package intake

import (
	"context"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
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
	r.Text = strings.TrimSpace(strings.ReplaceAll(r.Text, "\r\n", "\n"))
	if r.Text == "" && r.Person {
		r.Text = "This did not answer me: get me a person."
	}
	if r.Text == "" && len(r.Files) == 0 {
		return "", fail.New(fail.Invalid, "write your answer before you send it")
	}
	if len(r.Text) > MaxText {
		return "", fail.New(fail.Invalid, "the text is longer than 100,000 characters; shorten it, or add it as a file")
	}
	var c *cases.Case
	var key *vault.Key
	err := in.d.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = in.cases.Get(ctx, tx, r.Item.Case); err != nil {
			return err
		}
		key, err = in.v.Get(ctx, tx, c.KeyID)
		return err
	})
	if err != nil {
		return "", err
	}
	now := in.d.Now()
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.In, Door: "portal", Contact: r.Session.Contact, At: now,
		Doc:      cases.Doc{Text: r.Text},
		Evidence: &cases.Evidence{Verdict: "N", Encryption: "none", Portal: string(r.Session.Factor), PortalAt: r.Session.Made, TLS: true, Disposition: "accept", Checked: now}}
	blobs := m.Doc.Attach(r.Files, key)
	parts, err := cases.Seal(m, key)
	if err != nil {
		return "", err
	}
	err = in.d.Update(ctx, func(tx *db.Tx) error {
		c, err := in.cases.Get(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		c.Received(false, m.Evidence.Class(), tx.Now)
		if r.Person {
			c.WantsPerson(tx.Now)
		}
		c.Raise("they answered in the portal")
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
		detail := "by portal, " + string(r.Session.Factor)
		if r.Person {
			detail += "; asks for a person"
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(r.Session.Contact)), Act: "message.in", About: string(c.ID), Detail: detail})
	})
	return c.Ref, err
}

// PersonFor returns the case that a link under a mail of ours is about; a made-up
// one is NotFound.
func (in *Intake) PersonFor(ctx context.Context, token string) (c *cases.Case, err error) {
	refs := in.cases.Tokens.Find(token)
	if len(refs) != 1 {
		return nil, fail.New(fail.NotFound, "this link is not one of ours, or it was cut short; reply to our mail instead")
	}
	return c, in.d.View(ctx, func(tx *db.Tx) error { c, err = in.cases.ByRef(ctx, tx, refs[0]); return err })
}

// AskPerson is the button behind that link: a person must look at the case. Twice
// changes nothing.
func (in *Intake) AskPerson(ctx context.Context, token string) (cases.Ref, error) {
	c, err := in.PersonFor(ctx, token)
	if err != nil {
		return "", err
	}
	return c.Ref, in.d.Update(ctx, func(tx *db.Tx) error {
		c, err := in.cases.Get(ctx, tx, c.ID)
		if err != nil || c.Alarm != "" && c.State == cases.Open {
			return err
		}
		c.WantsPerson(tx.Now)
		if err := in.cases.Save(ctx, tx, c); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "person.asked", About: string(c.ID), Detail: "by the button that a mail of ours leads to"})
	})
}
