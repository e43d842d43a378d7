package intake

import (
	"context"
	"slices"
	"strings"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/recognise"
	"postern/internal/security"
	"postern/internal/vault"
)

// look lets the recogniser read what somebody wrote, by whatever door, before the
// transaction that files it. was is what stands in the case so far; a new case has
// nothing.
func (in *Intake) look(c *cases.Case, m *cases.Message, was []string) *security.Inbound {
	if in.security == nil || m.Kind != cases.In || m.Doc.Automatic == "bounce" {
		return nil
	}
	text := m.Doc.Text
	if m.Doc.Subject != "" && (c.Version == 0 || !strings.Contains(m.Doc.Subject, c.Subject)) { // that of a reply was read when the case began
		text = m.Doc.Subject + "\n" + text
	}
	for _, a := range m.Doc.Attachments { // a name says much where a mail says "see attached"
		text += "\n" + a.Name
	}
	h := &security.Inbound{Message: m, Verdict: recognise.Look(&recognise.Input{Text: text, Door: m.Door, Previous: was, Own: in.OwnHosts()})}
	switch {
	case m.Evidence != nil && m.Evidence.Team:
		h.Sure = "it is encrypted to the key of the security team"
	case in.centre == nil:
	case c.Began == centre.Security || c.Began == "" && c.Topic == centre.Security:
		h.Sure = "it came by the door for security problems"
	case in.toSecurity([]string{c.Mailbox}):
		h.Sure = toSecurityWhy
	}
	return h
}

const toSecurityWhy = "it came to the mailbox for security problems"

// toSecurity reports whether one of the addresses is the mailbox for security problems. If
// the desk has but one mailbox, it is for everything.
func (in *Intake) toSecurity(to []string) bool {
	if in.centre == nil || in.security == nil {
		return false
	}
	box := in.centre.MailboxFor(centre.Security)
	if box == in.centre.MailboxFor("") && (!strings.HasPrefix(box, "security@") || len(in.boxes.All()) < 2) {
		return false
	}
	return slices.ContainsFunc(to, func(a string) bool { return contacts.Normal(first(cases.SplitPlus(a))) == contacts.Normal(box) })
}

// Guarded reports whether a mail is for those only who work security reports: it goes to
// their mailbox, or is addressed to a case of the closed circle.
func (in *Intake) Guarded(ctx context.Context, tx *db.Tx, s *Spooled) (bool, error) {
	if in.toSecurity(s.Envelope.To) {
		return true, nil
	}
	for _, to := range s.Envelope.To {
		_, token := cases.SplitPlus(to)
		for _, ref := range in.cases.Tokens.Find(token) {
			c, err := in.cases.ByRef(ctx, tx, ref)
			if err == nil && c.Circle {
				return true, nil
			}
			if err != nil && !fail.Is(err, fail.NotFound) {
				return false, err
			}
		}
	}
	return false, nil
}

// setAside quarantines a mail. Nobody may have to look there by chance for one that could
// tell of a security hole: those who work them are called.
func (in *Intake) setAside(ctx context.Context, tx *db.Tx, s *Spooled, reason string) error {
	if err := in.quarantine(ctx, tx, s.ID, reason); err != nil || in.stuck == nil {
		return err
	}
	guarded, err := in.Guarded(ctx, tx, s)
	guarded = guarded || s.unread // nobody knows whom it is for
	if err != nil || !guarded {
		return err
	}
	return in.stuck(ctx, tx, s.ID)
}

// raise flags the case of a mail that is there already.
func (in *Intake) raise(ctx context.Context, tx *db.Tx, m *mail, id cases.ID) error {
	c, err := in.cases.Get(ctx, tx, id)
	if err != nil || c.Security.Watched() {
		return err
	}
	ids, err := db.Strings(ctx, tx, `SELECT message_id FROM message_ids WHERE hash = $1 AND case_id = $2 LIMIT 1`, in.cases.MailHash(m.rep.MessageID), id)
	if err != nil || len(ids) == 0 {
		return err
	}
	msg := &cases.Message{ID: cases.MessageID(ids[0]), Case: id, Kind: cases.In, Door: "mail", Contact: c.Contact, At: m.s.Came}
	if err := in.security.Raise(ctx, tx, c, security.Actor{Kind: security.ByDesk}, toSecurityWhy, msg); err != nil && !fail.Is(err, fail.Conflict) {
		return err
	}
	return in.cases.Save(ctx, tx, c)
}

// heardSecurity notes it, in the transaction that files the message.
func (in *Intake) heardSecurity(ctx context.Context, tx *db.Tx, c *cases.Case, key *vault.Key, h *security.Inbound) error {
	if h == nil {
		return nil
	}
	return in.security.Heard(ctx, tx, c, key, h)
}

// said returns the last words of ours in a case: what an answer answers.
func (in *Intake) said(ctx context.Context, c cases.ID, key *vault.Key) ([]string, error) {
	if in.security == nil {
		return nil, nil
	}
	var list []cases.Sealed
	err := in.d.View(ctx, func(tx *db.Tx) (err error) { list, err = cases.LastOut(ctx, tx, c, 2); return err })
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range list {
		if m, err := list[i].Open(key); err == nil { // a damaged one says nothing
			out = append(out, m.Doc.Text)
		}
	}
	return out, nil
}

// OwnHosts are the hosts and domains that are ours: that of the pages, those of the
// mailboxes, and what the organisation named or confirmed beside them.
func (in *Intake) OwnHosts() []string {
	own := []string{in.host}
	if in.own != nil {
		own = append(own, in.own()...)
	}
	for _, b := range in.boxes.All() {
		if _, domain, ok := strings.Cut(b.Address, "@"); ok {
			own = append(own, domain)
		}
	}
	return own
}

// suspicious reports whether a text may be a security report, for what must not be
// answered by a script.
func (in *Intake) suspicious(text string) bool {
	return recognise.Look(&recognise.Input{Text: text, Own: in.OwnHosts()}).Flagged
}
