package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/mailauth"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
)

// mail is a spooled mail with everything found out about it.
type mail struct {
	s       *Spooled
	rep     *evidence.Report
	ev      *cases.Evidence
	sum     string // of what the sender wrote
	mailbox string
}

func (m *mail) from() string {
	if m.rep.From == nil {
		return ""
	}
	return contacts.Normal(m.rep.From.Address)
}

// process examines a mail and files it. It returns an error only for trouble of
// our own: then the mail is tried again.
func (in *Intake) process(ctx context.Context, s *Spooled) error {
	m, err := in.examine(ctx, s)
	if err != nil {
		return err
	}
	if reason := in.unfit(m); reason != "" {
		return in.d.Update(ctx, func(tx *db.Tx) error { return in.setAside(ctx, tx, s, reason) })
	}
	for try := 0; ; try++ {
		if try == 1 { // of many for one case each commit lets in one: whoever met another waits for their turn
			in.turn.Lock()
			defer in.turn.Unlock()
		}
		p, err := in.match(ctx, m)
		if err != nil {
			return err
		}
		err = in.file(ctx, m, p)
		if !fail.Is(err, fail.Conflict) || try == 5 {
			return err
		}
	}
}

// examine parses, opens and judges a mail as it comes in; no transaction is open.
func (in *Intake) examine(ctx context.Context, s *Spooled) (*mail, error) {
	m, err := in.judge(ctx, s)
	if err != nil {
		return nil, err
	}
	m.ev.TLS = s.Envelope.TLS
	if in.resolver != nil {
		domain := mailauth.Check(ctx, s.Envelope.Raw, s.Envelope.Remote, s.Envelope.Helo, s.Envelope.From, in.resolver)
		m.ev.SPF, m.ev.DKIM, m.ev.DMARC = domain.SPF, domain.DKIM, domain.DMARC
	}
	return m, nil
}

// judge finds out what a mail holds and proves, as of when it came.
func (in *Intake) judge(ctx context.Context, s *Spooled) (*mail, error) {
	m := &mail{s: s, sum: contentSum(s.Envelope.Raw), mailbox: in.mailboxOf(s.Envelope.To)}
	lookup := in.book.Lookup(ctx, in.d)
	o := evidence.Options{At: s.Came, Secrets: in.boxes.Secrets(), Keys: lookup, ReturnPath: &s.Envelope.From}
	in.cpu <- struct{}{}
	defer func() { <-in.cpu }()
	m.rep = evidence.Examine(s.Envelope.Raw, o)
	if len(m.rep.Keys) > 0 && m.rep.Signature.Verdict == evidence.Unsigned && m.rep.Signature.Scheme != "none" {
		// The key came along with the signature it made: it says that somebody
		// holds that key, and nothing about who.
		o.Keys = withFound{lookup, m.rep}
		m.rep = evidence.Examine(s.Envelope.Raw, o)
	}
	if err := lookup.Err(); err != nil {
		return nil, err
	}
	m.ev = evidenceOf(m.rep, s.Came)
	if in.team != nil && slices.ContainsFunc(m.rep.SealedTo, func(id uint64) bool { return id == 0 || slices.Contains(in.team.KeyIDs(), id) }) {
		// A hidden recipient whom nothing of ours opens may be the team.
		if m.ev.Team = true; m.rep.Encryption.Scheme != "none" && !m.ev.Decrypted {
			m.ev.Problem = "it is encrypted to the key of the security team, which this desk does not hold: get the mail and open it where that key is"
		}
	}
	return m, nil
}

// withFound are the desk's keys and those that the mail itself brought.
type withFound struct {
	*contacts.Lookup
	rep *evidence.Report
}

func (w withFound) ByID(ids []uint64, fps []pgp.Fingerprint) []evidence.Known {
	out := w.Lookup.ByID(ids, fps)
	for _, k := range w.rep.Keys {
		out = append(out, evidence.Known{Key: k.Key, Trust: contacts.Harvested})
	}
	return out
}

func evidenceOf(rep *evidence.Report, now time.Time) *cases.Evidence {
	e := &cases.Evidence{
		Verdict: string(rep.Signature.Verdict), Scheme: rep.Signature.Scheme, Covers: rep.Signature.Covers,
		Fingerprint: string(rep.Signature.Fingerprint), Signer: rep.Signature.Signer, SignedAt: rep.Signature.SignedAt,
		OtherKey: rep.OtherKey, Part: rep.PartSigned,
		Encryption: rep.Encryption.Scheme, Whole: rep.Encryption.Whole, Decrypted: rep.Encryption.Decrypted, Problem: rep.Encryption.Error,
		Disposition: string(rep.Disposition), Reasons: rep.Reasons, Checked: now,
	}
	if k := rep.Signature.Known; k != nil {
		e.Via, e.By, e.KeyAt = k.Via, k.By, k.At
	}
	return e
}

// unfit says why a mail must not become a case, or "".
func (in *Intake) unfit(m *mail) string {
	if m.rep.Disposition != evidence.Accept {
		if len(m.rep.Reasons) > 0 {
			return m.rep.Reasons[0]
		}
		return "unfit: the mail cannot be handled safely"
	}
	if m.rep.Bounce == nil && m.from() == "" {
		return "no-sender: nobody can be answered"
	}
	if in.boxes.Is(m.from()) {
		return "own-mail: our own mail came back; it is kept out so that nothing loops"
	}
	return ""
}

// mailboxOf is the first of our addresses among the recipients; that for security problems
// before others.
func (in *Intake) mailboxOf(to []string) string {
	if in.toSecurity(to) {
		return in.centre.MailboxFor(centre.Security)
	}
	for _, a := range to {
		if box, err := in.boxes.Get(first(cases.SplitPlus(a))); err == nil {
			return box.Address
		}
	}
	return in.boxes.First().Address
}

func first(a, _ string) string { return a }

// contentSum hashes what the sender wrote: not the trace lines that each way
// adds, so that one mail sent to two of our addresses is one mail.
func contentSum(raw []byte) string {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	h := sha256.New()
	keep := false
	for line := range bytes.Lines(head) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			switch strings.ToLower(string(bytes.TrimSpace(name))) {
			case "from", "date", "subject", "message-id", "content-type", "content-transfer-encoding":
				keep = true
			default:
				keep = false
			}
		}
		if keep {
			h.Write(line)
		}
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// file writes everything a mail leads to in one transaction.
func (in *Intake) file(ctx context.Context, m *mail, p *plan) error {
	if p.repeat != "" {
		return in.merge(ctx, m, p)
	}
	if m.rep.Bounce != nil && p.bounce == "" {
		return in.d.Update(ctx, func(tx *db.Tx) error {
			return in.setAside(ctx, tx, m.s, "foreign-bounce: it reports on a mail that is not ours")
		})
	}
	msg := in.message(m, p)
	in.mark(m, p, msg)
	if err := in.lookAt(ctx, m, p, msg); err != nil {
		return err
	}
	parts, err := cases.Seal(msg, p.key)
	if err != nil {
		return err
	}
	ack, ackParts, err := in.ack(m, p)
	if err != nil {
		return err
	}
	choice, refused, err := in.spokenChoice(ctx, m, p, msg)
	if err != nil {
		return err
	}
	return in.d.Update(ctx, func(tx *db.Tx) error {
		if err := in.fileSender(ctx, tx, m, p); err != nil {
			return err
		}
		if err := in.fileCase(ctx, tx, m, p, msg); err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, msg, parts); err != nil {
			return err
		}
		if err := in.cases.AddMailID(ctx, tx, m.rep.MessageID, msg, m.sum); err != nil {
			return err
		}
		if err := in.speaksOf(ctx, tx, m, p, msg); err != nil {
			return err
		}
		if p.bounce == "" {
			if err := in.filed(ctx, tx, msg); err != nil {
				return err
			}
		}
		if err := in.fileAck(ctx, tx, m, p, ack, ackParts); err != nil {
			return err
		}
		if err := in.fileChoice(ctx, tx, p, choice, refused); err != nil {
			return err
		}
		return in.done(ctx, tx, m.s.ID, p.c.ID)
	})
}

// merge ends a mail that came before. One that came by another address of ours first, and
// now by that for security problems, goes to whoever works those.
func (in *Intake) merge(ctx context.Context, m *mail, p *plan) error {
	return in.d.Update(ctx, func(tx *db.Tx) error {
		if in.toSecurity(m.s.Envelope.To) {
			if err := in.raise(ctx, tx, m, p.repeat); err != nil {
				return err
			}
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "mail.repeated", About: string(p.repeat), Detail: "the same mail came again and was merged"}); err != nil {
			return err
		}
		return in.done(ctx, tx, m.s.ID, p.repeat)
	})
}

// lookAt lets the recogniser read the mail, with what we had written before.
func (in *Intake) lookAt(ctx context.Context, m *mail, p *plan, msg *cases.Message) (err error) {
	if p.bounce != "" {
		return nil
	}
	var was []string
	if !p.newCase {
		if was, err = in.said(ctx, p.c.ID, p.key); err != nil {
			return err
		}
	}
	if p.look = in.look(p.c, msg, was); p.look != nil && p.look.Sure == "" && in.toSecurity(m.s.Envelope.To) {
		p.look.Sure = toSecurityWhy
	}
	return nil
}

// message is the mail as an item of its case.
func (in *Intake) message(m *mail, p *plan) *cases.Message {
	return &cases.Message{ID: cases.MessageID(db.NewID()), Case: p.c.ID, Kind: cases.In, Door: "mail", Contact: p.contactID(),
		At: m.s.Came, Doc: in.document(m), Evidence: m.ev, RawBlob: m.s.ID}
}

func (in *Intake) document(m *mail) cases.Doc {
	r := m.rep
	doc := cases.Doc{To: persons(r.To), Cc: persons(r.Cc), ReplyTo: persons(r.ReplyTo), Subject: r.Subject, Date: r.Date, MailID: r.MessageID,
		Text: r.Text, HTML: r.HTML != "", Automatic: string(r.Automatic)}
	if r.From != nil {
		doc.From = &cases.Person{Name: r.From.Name, Address: r.From.Address}
	}
	for _, a := range r.Attachments {
		doc.Attachments = append(doc.Attachments, cases.Attachment{Name: a.Name, Type: a.Type, Size: a.Size, SHA256: a.SHA256})
	}
	return doc
}

func persons(list []evidence.Address) []cases.Person {
	var out []cases.Person
	for _, a := range list[:min(len(list), 50)] {
		out = append(out, cases.Person{Name: a.Name, Address: a.Address})
	}
	return out
}

// mark notes what is strange about the mail and what makes the case sensitive.
func (in *Intake) mark(m *mail, p *plan, msg *cases.Message) {
	if p.contact != nil && m.rep.Signature.Verdict == evidence.Unsigned && p.contact.UsuallySigns() && msg.Doc.Automatic == "" {
		m.ev.Usually = true
	}
	box, err := in.boxes.Get(p.c.Mailbox)
	switch {
	case err == nil && box.Sensitive:
		p.c.Raise("the mailbox is for sensitive matters")
	case m.rep.Encryption.Decrypted || m.rep.Encryption.Whole:
		p.c.Raise("the sender encrypted it")
	default:
		if found := slices.Concat(dlp.Find(m.rep.Text), dlp.Find(m.rep.Subject)); len(found) > 0 {
			p.c.Raise("it holds " + string(found[0].Kind))
		}
	}
	p.c.Received(msg.Doc.Automatic != "" || p.bounce != "", m.ev.Class(), in.d.Now())
}

// fileSender adds the sender as a contact, or learns from the mail about one we
// know. Only the address in From: one mail does not make forty contacts.
func (in *Intake) fileSender(ctx context.Context, tx *db.Tx, m *mail, p *plan) error {
	if p.bounce != "" {
		return nil
	}
	c := p.contact
	if p.fresh != nil {
		if err := in.book.Add(ctx, tx, p.fresh); err != nil {
			return err
		}
		c = &p.fresh.Contact
	}
	if m.rep.Signature.Verdict == evidence.Mismatch || m.rep.Automatic != "" {
		return nil // nothing is learnt about a person from a mail that may not be theirs
	}
	if err := contacts.CountSigned(ctx, tx, c.ID, m.rep.Signature.Verdict == evidence.Verified); err != nil {
		return err
	}
	for _, k := range m.rep.Keys[:min(len(m.rep.Keys), 4)] {
		learnt, err := in.book.AddKey(ctx, tx, c, k.Key, contacts.Harvested, k.Source)
		if err != nil {
			return err
		}
		act := map[contacts.Learnt]string{contacts.Fresh: "key.harvested", contacts.Beside: "key.pending", contacts.Renewed: "key.renewed"}[learnt]
		if act == "" {
			continue
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: act, About: string(c.ID), Detail: string(k.Key.Fingerprint()) + " by mail"}); err != nil {
			return err
		}
	}
	return nil
}

func (in *Intake) fileCase(ctx context.Context, tx *db.Tx, m *mail, p *plan, msg *cases.Message) error {
	act, c := "message.in", *p.c // a copy: this may run again
	if err := in.heard(ctx, tx, m, p, &c, msg); err != nil {
		return err
	}
	if p.newCase {
		if err := in.cases.Add(ctx, tx, &c); err != nil {
			return err
		}
		act = "case.opened"
	} else if err := in.cases.Save(ctx, tx, &c); err != nil {
		return err
	}
	if p.link != nil && p.newCase {
		if err := cases.AddLink(ctx, tx, p.c.ID, p.link.ID, "somebody who is not part of this case wrote with its reference"); err != nil {
			return err
		}
	}
	if b := m.rep.Bounce; b != nil {
		act = "message.bounce"
		if _, err := in.out.Bounced(ctx, tx, b.MessageID, b.Status, b.Permanent); err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: act, About: string(p.c.ID),
		Detail: fmt.Sprintf("verdict %s, encryption %s", m.ev.Verdict, m.ev.Encryption)})
}

// heard counts the mail as a contact. Whoever writes from another address about a case
// that was answered by a script counts there too.
func (in *Intake) heard(ctx context.Context, tx *db.Tx, m *mail, p *plan, c *cases.Case, msg *cases.Message) error {
	if p.bounce != "" {
		return nil
	}
	if err := in.heardSecurity(ctx, tx, c, p.key, p.look); err != nil || msg.Doc.Automatic != "" {
		return err
	}
	if err := in.ladder.Heard(ctx, tx, c, msg, p.others); err != nil {
		return err
	}
	if p.newCase && p.link != nil && p.link.Scripted && !c.Lifted {
		return in.ladder.Up(ctx, tx, c, ladder.AfterCanned)
	}
	return nil
}

// ack prepares the acknowledgement of a new case: never to automatic mail,
// never where the identity does not fit, never twice a day to one address.
func (in *Intake) ack(m *mail, p *plan) (*cases.Message, *cases.Parts, error) {
	if !p.newCase || !p.mayAck || m.rep.Automatic != "" || m.rep.Signature.Verdict == evidence.Mismatch || p.bounce != "" {
		return nil, nil, nil
	}
	msg := &cases.Message{ID: cases.MessageID(db.NewID()), Case: p.c.ID, Kind: cases.Out, Door: "auto", Contact: p.contactID(), At: in.d.Now(),
		Doc: cases.Doc{Subject: p.c.Lang.Must("mail.ack.subject"), Text: in.out.AckText(p.c.Ref, p.c.Lang)}}
	if m.ev.Team {
		msg.Doc.Text += "\n\n" + p.c.Lang.Must("mail.ack.team")
	}
	parts, err := cases.Seal(msg, p.key)
	return msg, parts, err
}

func (in *Intake) fileAck(ctx context.Context, tx *db.Tx, m *mail, p *plan, ack *cases.Message, parts *cases.Parts) error {
	if ack == nil {
		return nil
	}
	if err := in.out.AutoAnswered(ctx, tx, m.from()); err != nil {
		return err
	}
	if err := cases.AddMessage(ctx, tx, ack, parts); err != nil {
		return err
	}
	return in.out.Queue(ctx, tx, &outbox.Delivery{Case: p.c.ID, Message: ack.ID, Contact: p.contactID(), Kind: outbox.Ack,
		Mailbox: p.c.Mailbox, Address: m.rep.From.Address, Shown: policy.Signed})
}
