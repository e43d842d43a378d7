package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	netmail "net/mail"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/outbox"
	"postern/internal/policy"
)

// FormAddress checks an address that somebody typed; "" is none, and is fine.
func (in *Intake) FormAddress(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", nil
	}
	a, err := netmail.ParseAddress(typed)
	if err != nil || a.Address != typed || len(typed) > 254 {
		return "", fail.New(fail.Invalid, "this is no mail address; write it as name@example.org, or leave it empty")
	}
	if in.boxes.Is(contacts.Normal(typed)) {
		return "", fail.New(fail.Invalid, "this is an address of ours; write your own, or leave it empty")
	}
	return typed, nil
}

// form is one that is about to be filed.
type form struct {
	d       *centre.Draft
	files   []cases.File
	receipt *centre.NewReceipt
	mayAck  bool
	auto    ladder.Answer // what a rule sends, if it does
	door    string        // form, api
	by      string        // who handed it in, as the audit log names them
	p       *plan

	m        *cases.Message
	parts    *cases.Parts
	blobs    []cases.SealedFile
	ack      *cases.Message // nil: none
	ackParts *cases.Parts
}

// FromForm files what anybody wrote in the form: a case, its receipt, and the
// acknowledgement if an address was given. Nothing in it proves anybody: an address
// is one that somebody typed, and what is answered there goes to that address and
// never to who holds the receipt. paid: its sender worked for it, or waited. Sent
// twice, the second is a Conflict.
func (in *Intake) FromForm(ctx context.Context, d *centre.Draft, network string, paid bool) error {
	d.Normal()
	var err error
	if d.Text, err = fit(d.Text); err != nil {
		return err
	}
	d.Text = affectedFirst(d)
	if d.Text == "" && len(d.Files) == 0 {
		return fail.New(fail.Invalid, "write something, or add a file, before you send it")
	}
	if d.Address, err = in.FormAddress(d.Address); err != nil {
		return err
	}
	if d.Nudge, err = in.FormAddress(d.Nudge); err != nil {
		return err
	}
	if d.Nudge != "" {
		d.Address = ""
	}
	if err := in.centre.CountSend(ctx, network, paid); err != nil {
		return err
	}
	f := &form{d: d, door: "form", by: audit.System}
	if f.files, err = in.centre.Load(ctx, d); err != nil {
		return err
	}
	if f.receipt, err = in.centre.PrepareReceipt(ctx, network); err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err := in.planForm(ctx, f); err != nil {
			return err
		}
		err := in.fileForm(ctx, f)
		if !fail.Is(err, fail.Conflict) || try == 3 {
			return err
		}
		if now, e := in.centre.Again(ctx, d); e != nil || now { // another click sent it
			return err
		}
	}
}

// planForm finds or prepares the contact, and prepares the case.
func (in *Intake) planForm(ctx context.Context, f *form) error {
	p := &plan{newCase: true}
	f.p = p
	now := in.d.Now()
	if f.d.Address != "" {
		who := in.book.Ask(contacts.Normal(f.d.Address))
		key := who.AskKey(in.v)
		var answered []string
		if err := in.d.Read(ctx, append(who.Queries, in.out.AskAutoAnswered(&answered, contacts.Normal(f.d.Address), now))...); err != nil {
			return err
		}
		f.mayAck = len(answered) == 0
		var err error
		if p.contact, err = who.Contact(); err == nil {
			if p.key, err = key.Key(); err != nil {
				return err
			}
		} else if !fail.Is(err, fail.NotFound) {
			return err
		}
	}
	who := ""
	if p.contact == nil {
		name := clip(f.d.Name, 120)
		if strings.ContainsAny(name, "@＠﹫") {
			name = "" // it could pass for an address
		}
		p.fresh = in.book.New(name, f.d.Address, f.door, now)
		p.key, who = p.fresh.Key(), p.fresh.Title()
	} else {
		who = p.contact.Title()
	}
	if f.d.Address == "" && p.fresh.Name == "" {
		who = "Somebody without a name"
	}
	p.c = &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: in.formSubject(f.d), Who: who, Contact: p.contactID(), KeyID: p.key.ID, Door: f.door,
		Topic: f.d.Topic, Mailbox: in.centre.MailboxFor(f.d.Topic), State: cases.Open, Unread: true, Made: now, Last: now, Trust: "form", Lang: f.d.Lang}
	in.formMarks(f)
	return nil
}

// formSubject is the first line, for those who read the list; no mail of ours
// carries it.
func (in *Intake) formSubject(d *centre.Draft) string {
	line, _, _ := strings.Cut(d.Text, "\n")
	if line = clip(strings.Join(strings.Fields(line), " "), 80); line != "" {
		return line
	}
	return cmp.Or(in.centre.Tree().Name(lang.English, d.Topic), "(no subject)")
}

// formMarks notes what makes the case sensitive, and who must look at it.
func (in *Intake) formMarks(f *form) {
	c := f.p.c
	box, err := in.boxes.Get(c.Mailbox)
	found := dlp.Find(f.d.Text)
	switch {
	case f.d.Topic == centre.Security:
		c.Alarm = "Somebody reports a security problem"
		c.Raise("it came by the door for security problems")
	case in.centre.Tree().Protected(c.Topic):
		c.Raise("its topic is sensitive")
	case err == nil && box.Sensitive:
		c.Raise("the mailbox is for sensitive matters")
	case len(found) > 0:
		c.Raise("it holds " + string(found[0].Kind))
	}
}

// fileForm files a form that somebody sent in a browser.
func (in *Intake) fileForm(ctx context.Context, f *form) error {
	if err := in.sealForm(f); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(f.d.Text))
	return in.d.Update(ctx, func(tx *db.Tx) error {
		c, err := in.putForm(ctx, tx, f)
		if err != nil {
			return err
		}
		return in.centre.Sent(ctx, tx, f.d, c, f.receipt.Code, hex.EncodeToString(sum[:]))
	})
}

// sealForm prepares what is written, before the transaction.
func (in *Intake) sealForm(f *form) (err error) {
	p, now := f.p, in.d.Now()
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: p.c.ID, Kind: cases.In, Door: f.door, Contact: p.contactID(), At: now, Doc: cases.Doc{Text: f.d.Text},
		Evidence: &cases.Evidence{Verdict: "N", Form: true, Encryption: "none", TLS: true, Disposition: "accept", Checked: now}}
	if name := clip(f.d.Name, 120); name != "" || f.d.Address != "" {
		m.Doc.From = &cases.Person{Name: name, Address: f.d.Address}
	}
	p.look = in.look(p.c, m, nil)
	f.m, f.blobs = m, m.Doc.Attach(f.files, p.key)
	if f.parts, err = cases.Seal(m, p.key); err != nil {
		return err
	}
	f.ack, f.ackParts, err = in.formAck(f)
	return err
}

// putForm writes it; it may run again.
func (in *Intake) putForm(ctx context.Context, tx *db.Tx, f *form) (*cases.Case, error) {
	p, c := f.p, *f.p.c
	if p.fresh != nil {
		if err := in.book.Add(ctx, tx, p.fresh); err != nil {
			return nil, err
		}
	}
	if err := in.heardSecurity(ctx, tx, &c, p.key, p.look); err != nil {
		return nil, err
	}
	// An address that anybody may have typed says nothing of other cases, and
	// nothing of them is to be learnt by it.
	if err := in.ladder.Heard(ctx, tx, &c, f.m, nil); err != nil {
		return nil, err
	}
	if f.ack != nil && f.ack.Canned && !c.Lifted {
		if err := in.ladder.Spoke(ctx, tx, &c, f.auto); err != nil {
			return nil, err
		}
	}
	if err := in.cases.Add(ctx, tx, &c); err != nil {
		return nil, err
	}
	if err := cases.PutFiles(ctx, tx, f.blobs, p.key); err != nil {
		return nil, err
	}
	if err := cases.AddMessage(ctx, tx, f.m, f.parts); err != nil {
		return nil, err
	}
	if err := in.centre.AddReceipt(ctx, tx, c.ID, p.contactID(), f.receipt, f.d.Nudge); err != nil {
		return nil, err
	}
	if err := in.filed(ctx, tx, f.m); err != nil {
		return nil, err
	}
	if f.ack != nil {
		if err := in.queueAck(ctx, tx, f, &c, f.ack, f.ackParts); err != nil {
			return nil, err
		}
	}
	return &c, audit.Append(ctx, tx, audit.Entry{Actor: f.by, Act: "case.opened", About: string(c.ID), Detail: "by " + f.door + ", topic " + c.Topic})
}

// A SystemReport is a security report that a system of the organisation's hands in for
// somebody: a scanner, a bounty platform, another form. Nothing in it proves anybody.
type SystemReport struct {
	By             string // the system, as the audit log names it
	Affected, Text string
	Name, Address  string // whose it is; both may be empty
	Lang           lang.Lang
	Files          []cases.File
}

// Reported is what became of a report.
type Reported struct {
	Case *cases.Case
	Code string // opens its page, with the reference
}

// PrepareReport prepares to file a report; the function that it returns does so in a
// transaction. What cannot be filed is Invalid.
func (in *Intake) PrepareReport(ctx context.Context, r *SystemReport) (func(ctx context.Context, tx *db.Tx) (*Reported, error), error) {
	f := &form{d: &centre.Draft{Topic: centre.Security, Affected: r.Affected, Text: r.Text, Name: r.Name, Lang: r.Lang}, files: r.Files, door: "api", by: r.By}
	f.d.Normal()
	var err error
	if f.d.Address, err = in.FormAddress(r.Address); err != nil {
		return nil, err
	}
	if f.d.Text, err = fit(f.d.Text); err != nil {
		return nil, err
	}
	if f.d.Text == "" {
		return nil, fail.New(fail.Invalid, "write what was seen")
	}
	f.d.Text = affectedFirst(f.d)
	if f.receipt, err = in.centre.PrepareReceipt(ctx, r.By); err != nil {
		return nil, err
	}
	if err := in.planForm(ctx, f); err != nil {
		return nil, err
	}
	if err := in.sealForm(f); err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx *db.Tx) (*Reported, error) {
		c, err := in.putForm(ctx, tx, f)
		if err != nil {
			return nil, err
		}
		return &Reported{c, f.receipt.Code}, nil
	}, nil
}

// affectedFirst is the text of a report, below what it is about.
func affectedFirst(d *centre.Draft) string {
	if d.Affected == "" || d.Topic != centre.Security {
		return d.Text
	}
	first := d.Lang.Must("report.text.affected", d.Affected)
	if strings.HasPrefix(d.Text, first) {
		return d.Text
	}
	return strings.TrimSpace(first + "\n\n" + d.Text)
}

// queueAck queues the acknowledgement: to the address, or onto the case page.
func (in *Intake) queueAck(ctx context.Context, tx *db.Tx, f *form, c *cases.Case, ack *cases.Message, parts *cases.Parts) error {
	shown := policy.Page
	if f.d.Address != "" {
		shown = policy.Signed
		if err := in.out.AutoAnswered(ctx, tx, contacts.Normal(f.d.Address)); err != nil {
			return err
		}
	}
	if err := cases.AddMessage(ctx, tx, ack, parts); err != nil {
		return err
	}
	return in.out.Queue(ctx, tx, &outbox.Delivery{Case: c.ID, Message: ack.ID, Contact: f.p.contactID(), Kind: outbox.Ack, Mailbox: c.Mailbox, Address: f.d.Address, Shown: shown})
}

// formAck prepares the acknowledgement: to an address that somebody typed, so it
// holds not a word of theirs, and goes once a day at most. What a rule sends about the
// topic stands in it. Who gave no address reads that on the case page.
func (in *Intake) formAck(f *form) (*cases.Message, *cases.Parts, error) {
	by := in.byRule(f)
	if f.d.Address == "" && by == nil || f.d.Address != "" && !f.mayAck {
		return nil, nil, nil
	}
	c := f.p.c
	msg := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.Out, Door: "auto", Contact: f.p.contactID(), At: in.d.Now(),
		Doc: cases.Doc{Subject: c.Lang.Must("mail.ack.subject"), Text: in.out.AckText(c.Ref, c.Lang)}}
	if by != nil {
		msg.Canned = true
		msg.Doc.Text += "\n\n" + c.Lang.Must("mail.ack.rule") + "\n\n" + in.out.RuleText(by.Texts.In(c.Lang), c)
		f.auto = ladder.Answer{Message: msg.ID, Canned: true, Reply: by.ID, Version: by.Version}
	}
	parts, err := cases.Seal(msg, f.p.key)
	return msg, parts, err
}

// byRule is the canned reply that a rule sends about the topic: never to what may be
// a security report, and to nobody whose case waits for a person higher up.
func (in *Intake) byRule(f *form) *centre.Reply {
	c := f.p.c
	if c.Topic == centre.Security || c.Mailbox == in.centre.MailboxFor(centre.Security) && c.Mailbox != in.centre.MailboxFor("") || c.Alarm != "" || in.mayReport(f) {
		return nil
	}
	return in.centre.Library().AutoFor(c.Topic)
}

// mayReport reports whether a form may tell of a security hole.
func (in *Intake) mayReport(f *form) bool {
	if h := f.p.look; h != nil {
		return h.Verdict.Flagged || h.Sure != ""
	}
	return in.suspicious(f.d.Text)
}
