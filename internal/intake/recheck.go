package intake

import (
	"context"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Examine looks at a stored mail again, as of when it came: for its files, its
// HTML, or because a key changed.
func (in *Intake) Examine(ctx context.Context, id string) (*evidence.Report, error) {
	s, err := in.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := in.judge(ctx, s)
	if err != nil {
		return nil, err
	}
	return m.rep, nil
}

// maxRecheck bounds how many of a contact's mails are looked at again.
const maxRecheck = 500

// Recheck finds out again what a contact's mails prove: a key arrived, was
// compared, or was rejected. It is idempotent.
func (in *Intake) Recheck(ctx context.Context, id contacts.ID) error {
	var list []cases.Sealed
	err := in.d.View(ctx, func(tx *db.Tx) (err error) { list, err = cases.MailsOf(ctx, tx, id, maxRecheck); return err })
	if err != nil {
		return err
	}
	for i := range list {
		if err := in.recheckOne(ctx, &list[i]); err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
	}
	return nil
}

// rejudge opens a stored message and judges the mail that it came by once more.
func (in *Intake) rejudge(ctx context.Context, sealed *cases.Sealed) (msg *cases.Message, m *mail, key *vault.Key, err error) {
	if _, key, err = in.caseKey(ctx, sealed.Case); err != nil {
		return nil, nil, nil, err
	}
	if msg, err = sealed.Open(key); err != nil {
		return nil, nil, nil, err
	}
	s, err := in.Get(ctx, msg.RawBlob)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err = in.judge(ctx, s)
	return msg, m, key, err
}

func (in *Intake) recheckOne(ctx context.Context, sealed *cases.Sealed) error {
	msg, m, key, err := in.rejudge(ctx, sealed)
	if err != nil {
		return err
	}
	old := msg.Evidence
	m.ev.TLS, m.ev.SPF, m.ev.DKIM, m.ev.DMARC, m.ev.Usually = old.TLS, old.SPF, old.DKIM, old.DMARC, old.Usually && m.ev.Verdict == "N"
	m.ev.Checked = in.d.Now()
	if m.ev.Class() == old.Class() && m.ev.Fingerprint == old.Fingerprint && m.ev.Decrypted == old.Decrypted {
		return nil
	}
	msg.Evidence = m.ev
	if m.ev.Decrypted && !old.Decrypted { // a secret key arrived: now there is a text
		msg.Doc = in.document(m)
	}
	fresh := m.ev.Decrypted && !old.Decrypted
	parts, err := cases.Seal(msg, key)
	if err != nil {
		return err
	}
	return in.d.Update(ctx, func(tx *db.Tx) error {
		if err := cases.SaveMessage(ctx, tx, msg, parts); err != nil {
			return err
		}
		if m.ev.Verdict == "V" && old.Verdict != "V" {
			if err := contacts.CountSigned(ctx, tx, msg.Contact, true); err != nil {
				return err
			}
		}
		c, err := in.cases.Get(ctx, tx, msg.Case)
		if err != nil {
			return err
		}
		if fresh { // nobody has read it yet, and it may be a report
			if err := in.heardSecurity(ctx, tx, c, key, in.look(c, msg, nil)); err != nil {
				return err
			}
		}
		newest := c.Trust == old.Class()
		if newest {
			c.Trust = m.ev.Class()
		}
		if fresh || newest {
			if err := in.cases.Save(ctx, tx, c); err != nil {
				return err
			}
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "message.rechecked", About: string(msg.Case), Detail: "message " + string(msg.ID) + ": verdict " + m.ev.Verdict})
	})
}
