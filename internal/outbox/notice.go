package outbox

import (
	"context"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
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

// prepareNotice seals a notice, outside any transaction.
func (o *Outbox) prepareNotice(person *contacts.Contact, key *vault.Key, subject, text string) (*notice, error) {
	now := o.d.Now()
	n := &notice{person: person, c: &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: subject, Who: person.Title(), Contact: person.ID, KeyID: key.ID,
		Mailbox: o.noticeBox(), State: cases.Closed, Made: now, Last: now, ClosedAt: now}}
	n.message = &cases.Message{ID: cases.MessageID(db.NewID()), Case: n.c.ID, Kind: cases.Out, Door: "auto", Contact: person.ID, At: now, Doc: cases.Doc{Subject: subject, Text: text}}
	var err error
	n.parts, err = cases.Seal(n.message, key)
	return n, err
}

// noticeBox is the mailbox that notices come from: the first that is open and
// for everything.
func (o *Outbox) noticeBox() string {
	all := o.boxes.All()
	for _, b := range all {
		if !b.Closed && !b.Sensitive {
			return b.Address
		}
	}
	return all[0].Address
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
// something happened, and nothing that is content.
func (o *Outbox) PrepareTelling(ctx context.Context, id contacts.ID, subject, text string) (*Telling, error) {
	person, key, err := o.person(ctx, id)
	if err != nil {
		return nil, err
	}
	n, err := o.prepareNotice(person, key, subject, text)
	return &Telling{n}, err
}

// PrepareChange is PrepareTelling of a change that our side made to how we know a
// person; what continues "At Northmere, ".
func (o *Outbox) PrepareChange(ctx context.Context, id contacts.ID, what string) (*Telling, error) {
	w := o.words()
	how := "reply to this mail"
	if w.Phone != "" {
		how = "call " + w.Phone + ", or " + how
	}
	t, err := o.PrepareTelling(ctx, id, "A change to how we know you", "At "+w.Org+", "+what+".\n\nIf you agreed to that, you need do nothing. If not, "+how+" at once.")
	if fail.Is(err, fail.NotFound) {
		err = fail.New(fail.NotFound, "there is no such person")
	}
	return t, err
}

// Tell queues it, in the transaction of what it tells.
func (o *Outbox) Tell(ctx context.Context, tx *db.Tx, t *Telling) error {
	return o.queueNotice(ctx, tx, t.n)
}
