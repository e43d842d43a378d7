package outbox

import (
	"context"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/policy"
	"postern/internal/vault"
)

// A notice is a letter of the desk's own, prepared and not queued yet. It begins
// a case of the person, which is closed until they answer, and goes to every
// address they have: who took over one of them cannot keep the others from it.
type notice struct {
	person  *contacts.Contact
	c       *cases.Case
	message *cases.Message
	parts   *cases.Parts
}

// prepareNotice seals a notice, outside any transaction. l is the language that it is
// written in, and what stands below it.
func (o *Outbox) prepareNotice(person *contacts.Contact, key *vault.Key, l lang.Lang, subject, text string) (*notice, error) {
	now := o.d.Now()
	n := &notice{person: person, c: &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: subject, Who: person.Title(), Contact: person.ID, KeyID: key.ID,
		Mailbox: o.noticeBox(), State: cases.Closed, Made: now, Last: now, ClosedAt: now, Lang: l}}
	n.message = &cases.Message{ID: cases.MessageID(db.NewID()), Case: n.c.ID, Kind: cases.Out, Door: "auto", Contact: person.ID, At: now, Doc: cases.Doc{Subject: subject, Text: text}}
	var err error
	n.parts, err = cases.Seal(n.message, key)
	return n, err
}

// noticeBox is the mailbox that notices come from: that which stands for the
// organisation, else the first that is open and for everything.
func (o *Outbox) noticeBox() string {
	first := o.boxes.First()
	if !first.Closed && !first.Sensitive {
		return first.Address
	}
	for _, b := range o.boxes.All() {
		if !b.Closed && !b.Sensitive {
			return b.Address
		}
	}
	return first.Address
}

// queueNotice stores the notice and queues it.
func (o *Outbox) queueNotice(ctx context.Context, tx *db.Tx, n *notice) error {
	c := *n.c // the transaction may run again
	if err := o.cases.Add(ctx, tx, &c); err != nil {
		return err
	}
	if err := cases.AddMessage(ctx, tx, n.message, n.parts); err != nil {
		return err
	}
	for _, a := range n.person.Addresses {
		d := &Delivery{Case: c.ID, Message: n.message.ID, Contact: n.person.ID, Kind: Notice, Mailbox: c.Mailbox, Address: a.Address, Shown: policy.Signed}
		if err := o.Queue(ctx, tx, d); err != nil {
			return err
		}
	}
	return nil
}

// person reads somebody and the key of what they are told.
func (o *Outbox) person(ctx context.Context, id contacts.ID) (*contacts.Contact, *vault.Key, error) {
	who := o.book.AskID(id)
	asked := who.AskKey(o.v)
	if err := o.d.Read(ctx, who.Queries...); err != nil {
		return nil, nil, err
	}
	c, err := who.Contact()
	if err != nil {
		return nil, nil, err
	}
	key, err := asked.Key()
	if fail.Is(err, fail.NotFound) {
		return nil, nil, fail.New(fail.NotFound, "what was said with this person was destroyed")
	}
	return c, key, err
}

// Telling is a notice to all addresses of one person, prepared and not queued yet.
type Telling struct{ n *notice }

// PrepareTelling seals what a person is told on every address of theirs: that
// something happened, and nothing that is content. It is written in l.
func (o *Outbox) PrepareTelling(ctx context.Context, id contacts.ID, l lang.Lang, subject, text string) (*Telling, error) {
	person, key, err := o.person(ctx, id)
	if err != nil {
		return nil, err
	}
	n, err := o.prepareNotice(person, key, l, subject, text)
	return &Telling{n}, err
}

// Change is what our side changed, by the key of its words.
type Change string

const (
	AddressByStaff  Change = "mail.change.address"
	PhoneByStaff    Change = "mail.change.phone"
	KeyByStaff      Change = "mail.change.key"
	AddressBySystem Change = "mail.change.system"
)

// PrepareChange is PrepareTelling of a change that our side made to how we know a
// person, in their language.
func (o *Outbox) PrepareChange(ctx context.Context, id contacts.ID, what Change) (*Telling, error) {
	var l lang.Lang
	if err := o.d.View(ctx, func(tx *db.Tx) (err error) { l, err = cases.LangOf(ctx, tx, id); return err }); err != nil {
		return nil, err
	}
	w, say := o.words(), l.Must
	how := say("mail.ins.reply")
	if w.Phone != "" {
		how = say("mail.told.call", w.Phone)
	}
	t, err := o.PrepareTelling(ctx, id, l, say("mail.change.subject"), say("mail.told", w.Org, say(string(what)))+"\n\n"+say("mail.change.agreed", how))
	if fail.Is(err, fail.NotFound) {
		err = fail.New(fail.NotFound, "there is no such person")
	}
	return t, err
}

// Tell queues it, in the transaction of what it tells.
func (o *Outbox) Tell(ctx context.Context, tx *db.Tx, t *Telling) error {
	return o.queueNotice(ctx, tx, t.n)
}
