package outbox

import (
	"context"
	"slices"
	"sync"

	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/message"
	"postern/internal/policy"
	"postern/internal/vault"
)

// asked is what one delivery needs of the database. Those that are worked on at the
// same time are read together: a query for twenty costs little more than one for one.
type asked struct {
	id      ID
	l       letter
	message cases.Sealed
	last    []cases.SealedID
	contact *contacts.Contact
	facts   policy.Facts
	cert    *contacts.Key
	err     error
	done    chan struct{}
}

// asking are those that wait to be read. While one group is read, the next gathers.
type asking struct {
	mu      sync.Mutex
	waiting []*asked // guarded by mu
	busy    bool     // guarded by mu
}

// most is how many are read together.
const most = 32

// letter reads everything about one delivery and decides how it goes.
func (o *Outbox) letter(ctx context.Context, id ID) (*letter, error) {
	r := &asked{id: id, done: make(chan struct{})}
	o.asking.mu.Lock()
	o.asking.waiting = append(o.asking.waiting, r)
	if !o.asking.busy {
		o.asking.busy = true
		go o.readWaiting(context.WithoutCancel(ctx))
	}
	o.asking.mu.Unlock()
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	l, err := &r.l, error(nil)
	if l.m, err = r.message.Open(l.key); err != nil {
		return nil, err
	}
	if err := o.attach(ctx, l); err != nil {
		return nil, err
	}
	if l.box, err = o.boxes.Get(l.d.Mailbox); err != nil {
		return nil, err
	}
	return l, o.fill(l, r)
}

// readWaiting reads until nobody waits.
func (o *Outbox) readWaiting(ctx context.Context) {
	for {
		o.asking.mu.Lock()
		group := o.asking.waiting
		group = group[:min(len(group), most)]
		o.asking.waiting = o.asking.waiting[len(group):]
		o.asking.busy = len(group) > 0
		o.asking.mu.Unlock()
		if len(group) == 0 {
			return
		}
		err := o.readTogether(ctx, group)
		for _, r := range group {
			if r.err = err; err != nil && len(group) > 1 { // the fault of one is not the others'
				r.err = o.readTogether(ctx, []*asked{r})
			}
			close(r.done)
		}
	}
}

// readTogether reads what a group needs, at one moment.
func (o *Outbox) readTogether(ctx context.Context, group []*asked) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fail.Panic(p)
		}
	}()
	return o.d.View(ctx, func(tx *db.Tx) error {
		found, err := o.several(ctx, tx, group)
		if err != nil {
			return err
		}
		var in []cases.ID
		var to []contacts.ID
		var of []cases.MessageID
		var from []cases.From
		for i, r := range group {
			r.l = letter{d: &found[i]}
			in, to, of = add(in, r.l.d.Case), add(to, r.l.d.Contact), add(of, r.l.d.Message)
			from = add(from, cases.From{Case: r.l.d.Case, Contact: r.l.d.Contact})
		}
		var keyed []cases.Keyed
		var chosen []consent.Consent
		var messages []cases.Sealed
		var last []cases.SealedID
		who := o.book.AskID(to...)
		if err := tx.Read(ctx, append(who.Queries, consent.Ask(&chosen, to...), o.cases.AskWithKey(&keyed, in...), cases.AskMessages(&messages, of), cases.AskLastFrom(&last, from))...); err != nil {
			return err
		}
		for _, r := range group {
			d := r.l.d
			c := slices.IndexFunc(keyed, func(c cases.Keyed) bool { return c.ID == d.Case })
			m := slices.IndexFunc(messages, func(m cases.Sealed) bool { return m.ID == d.Message && m.Case == d.Case })
			if c < 0 || m < 0 {
				return fail.New(fail.NotFound, "the message of this delivery is gone")
			}
			one := keyed[c].Case // of each its own
			r.l.c, r.message, r.last = &one, messages[m], cases.Newest(last, cases.From{Case: d.Case, Contact: d.Contact})
			if r.l.key, err = keyed[c].Key.Key(); err != nil {
				return err
			}
			if err := o.learn(ctx, tx, r, who, chosen); err != nil {
				return err
			}
		}
		return nil
	})
}

func add[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// several returns the deliveries of a group, in its order; one that is gone is NotFound.
func (o *Outbox) several(ctx context.Context, tx *db.Tx, group []*asked) ([]Delivery, error) {
	var ids []ID
	for _, r := range group {
		ids = append(ids, r.id)
	}
	in, args := db.In(nil, ids)
	found, err := db.List(ctx, tx, o.scan, `SELECT `+columns+` FROM deliveries WHERE id IN `+in, args...)
	if err != nil {
		return nil, err
	}
	out := make([]Delivery, len(group))
	for i, r := range group {
		k := slices.IndexFunc(found, func(d Delivery) bool { return d.ID == r.id })
		if k < 0 {
			return nil, fail.New(fail.NotFound, "not found")
		}
		out[i] = found[k]
	}
	return out, nil
}

// learn takes from what was read who one delivery goes to, and what they chose.
func (o *Outbox) learn(ctx context.Context, tx *db.Tx, r *asked, who *contacts.Asked, chosen []consent.Consent) (err error) {
	d := r.l.d
	if d.Kind.apart() {
		r.contact, r.facts = &contacts.Contact{}, policy.Facts{Address: true, Key: policy.NoKey, Factor: policy.NoFactor}
		return nil
	}
	if r.contact, err = who.Of(d.Contact); err != nil {
		return err
	}
	if r.facts, r.cert, err = o.Facts(ctx, tx, r.contact, d.Case, true); err != nil {
		return err
	}
	own := choice{}
	for _, c := range chosen {
		if c.Contact == d.Contact {
			own.chosen = append(own.chosen, c)
		}
	}
	if len(own.chosen) > 0 { // else nobody needs to know who else is part of the case
		if err := tx.Read(ctx, cases.AskParticipants(&own.people, d.Case)); err != nil {
			return err
		}
	}
	r.l.own = own.lay(&r.facts, d.Contact, r.l.c, o.listed(r.l.c) || o.box(d.Mailbox), nil, tx.Now)
	return nil
}

// attach fetches the files of the message.
func (o *Outbox) attach(ctx context.Context, l *letter) error {
	if l.d.Kind == Nudge {
		return nil
	}
	for _, a := range l.m.Doc.Attachments {
		var b *vault.Blob
		if err := o.d.View(ctx, func(tx *db.Tx) (err error) { b, err = o.v.GetBlob(ctx, tx, a.Blob); return err }); err != nil {
			return err
		}
		data, err := b.Open()
		if err != nil {
			return err
		}
		l.files = append(l.files, message.Attachment{Name: a.Name, Type: a.Type, Data: data})
	}
	return nil
}

// fill opens what was read, and decides.
func (o *Outbox) fill(l *letter, r *asked) error {
	for _, id := range r.last {
		mailID, err := id.Open(l.key)
		if err != nil {
			return err
		}
		if mailID != "" {
			l.answers = append(l.answers, mailID)
		}
	}
	l.name, l.token = r.contact.Name, o.cases.Tokens.Make(l.c.Ref)
	l.replyTo = o.cases.Tokens.PlusAddress(l.box.Address, l.c.Ref)
	r.facts.Sensitive = false
	if !l.d.Kind.Ours() {
		r.facts.Sensitive = l.c.Sensitive || o.topic(l.c.Topic) || l.box.Sensitive || l.m.Doc.Sensitive || telling(l.m.Doc.Text, l.m.Doc.Subject, l.c.Subject)
	}
	if l.d.Kind == Receipt { // a thief who lowered their protection shall not read it
		r.facts.Protected = "what they authorise stays protected"
	}
	l.decision = policy.Decide(r.facts)
	if l.decision.Protection == policy.Encrypted {
		l.to = r.cert.Cert
	}
	if c := l.agreed(); c != nil {
		l.back = consent.Token(o.v, c.ID)
	}
	if c := l.unsigned(); c != nil {
		l.backSig = consent.Token(o.v, c.ID)
	}
	return nil
}
