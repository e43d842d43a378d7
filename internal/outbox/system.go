package outbox

import (
	"context"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/links"
	"postern/internal/policy"
	"postern/internal/vault"
)

// A SystemMessage is what one of the organisation's own systems sends to one
// person: a statement, a letter. It goes the way of an agent's answer, through
// the same decision, and differs in this: it counts as nobody's answer, so it
// moves no case and takes no case as its own, and it does not wait to be undone.
type SystemMessage struct {
	Actor     string // the key that sends it, as the audit log names it
	To        contacts.ID
	Case      cases.ID // it goes on with this case; empty: it begins one
	Subject   string   // of the case it begins
	Mailbox   string   // of the case it begins
	Text      string
	Sensitive bool // marked so by the system
	Files     []cases.File
}

// Prepared is a system's message, sealed and not stored yet.
type Prepared struct {
	s       *SystemMessage
	answer  *Answer
	fresh   *cases.Case // the case it begins; nil: it goes on with one
	message *cases.Message
	parts   *cases.Parts
	files   []cases.SealedFile
	key     *vault.Key
	around  talk // of the case it goes on with
	counts  ladder.Answer
}

// Queued is a system's message that was queued, and how it is to go.
type Queued struct {
	Case    *cases.Case
	Message cases.MessageID
	Way
}

// PrepareSystem checks and seals a system's message, outside any transaction.
func (o *Outbox) PrepareSystem(ctx context.Context, s *SystemMessage) (*Prepared, error) {
	p := &Prepared{s: s, answer: &Answer{Case: s.Case, Text: s.Text, Sensitive: s.Sensitive, To: []contacts.ID{s.To}, Files: s.Files}}
	if err := o.check(p.answer); err != nil {
		return nil, err
	}
	if f := links.Blocked(o.links.Look(s.Subject)); f != nil {
		return nil, fail.New(fail.Invalid, "in the subject %s", f)
	}
	p.answer.look()
	if err := o.systemCase(ctx, p); err != nil {
		return nil, err
	}
	id := s.Case
	if p.fresh != nil {
		id = p.fresh.ID
	}
	p.message = &cases.Message{ID: cases.MessageID(db.NewID()), Case: id, Kind: cases.Out, Door: "api", Author: s.Actor, At: o.d.Now(),
		Doc: cases.Doc{Subject: s.Subject, Text: p.answer.Text, Sensitive: s.Sensitive || len(s.Files) > 0}}
	p.files = p.message.Doc.Attach(s.Files, p.key)
	var err error
	if p.parts, err = cases.Seal(p.message, p.key); err != nil {
		return nil, err
	}
	if p.counts, err = o.measure(ctx, p.message, &p.around, p.key); err != nil || p.fresh != nil || !p.counts.Canned {
		return p, err
	}
	return p, o.refuseSystem(ctx, p)
}

// refuseSystem keeps a canned letter out of a case where none must go out, and hands
// that case up. Who else's letter it was not to be is said later, by QueueSystem.
func (o *Outbox) refuseSystem(ctx context.Context, p *Prepared) (refused error) {
	err := o.d.Update(ctx, func(tx *db.Tx) error {
		c, err := o.caseOf(ctx, tx, p)
		if refused = nil; err != nil || !o.ladder.Refuses(c, p.counts) {
			return err
		}
		refused = ladder.ErrSecond(c)
		return o.handUp(ctx, tx, c)
	})
	if err == nil {
		err = refused
	}
	return err
}

// systemCase finds the data key of the case, or begins one, which waits for
// them: nobody here owes a word.
func (o *Outbox) systemCase(ctx context.Context, p *Prepared) (err error) {
	s := p.s
	if s.Case != "" {
		asked, query := o.cases.AskKey(s.Case)
		if err := o.d.Read(ctx, append(p.around.ask(o, s.Case), query)...); err != nil {
			return err
		}
		p.key, err = asked.Key()
		return notTheirs(err)
	}
	who := o.book.AskID(s.To)
	asked := who.AskKey(o.v)
	if err := o.d.Read(ctx, who.Queries...); err != nil {
		return err
	}
	person, err := who.Contact()
	if err != nil {
		return err
	}
	if p.key, err = asked.Key(); err != nil {
		return err
	}
	now := o.d.Now()
	p.fresh = &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: s.Subject, Who: person.Title(), Contact: s.To, KeyID: p.key.ID,
		Mailbox: s.Mailbox, State: cases.Waiting, Made: now, Last: now}
	return nil
}

// notTheirs is the one text for a case that is not there, is not this person's,
// or whose content was destroyed.
func notTheirs(err error) error {
	if fail.Is(err, fail.NotFound) {
		return fail.New(fail.NotFound, "there is no such case with this person")
	}
	return err
}

// QueueSystem stores a prepared message and queues it, in the caller's
// transaction. What policy blocks is a Conflict that says why, and nothing is stored.
func (o *Outbox) QueueSystem(ctx context.Context, tx *db.Tx, p *Prepared) (*Queued, error) {
	c, err := o.caseOf(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	if p.fresh == nil && o.ladder.Refuses(c, p.counts) { // it was canned meanwhile
		return nil, ladder.ErrSecond(c)
	}
	ways, _, err := o.Preview(ctx, tx, c, p.answer)
	if err != nil {
		return nil, err
	}
	w := ways[0]
	if w.Protection == policy.Blocked {
		return nil, fail.New(fail.Conflict, "it cannot go to this person: %s", w.Why)
	}
	if err := o.keepSystem(ctx, tx, c, p); err != nil {
		return nil, err
	}
	return &Queued{c, p.message.ID, w}, o.queueReply(ctx, tx, c, p.message, w, p.s.Actor, tx.Now)
}

// caseOf reads the case that the message goes on with. The person must be part
// of it: a wrong number in somebody's system must not put one person's letter
// into another's case.
func (o *Outbox) caseOf(ctx context.Context, tx *db.Tx, p *Prepared) (*cases.Case, error) {
	if p.fresh != nil {
		c := *p.fresh // the transaction may run again
		return &c, nil
	}
	theirs, err := cases.Has(ctx, tx, p.s.Case, p.s.To)
	if err != nil {
		return nil, err
	}
	if !theirs {
		return nil, notTheirs(fail.New(fail.NotFound, "not theirs"))
	}
	return o.cases.Get(ctx, tx, p.s.Case)
}

func (o *Outbox) keepSystem(ctx context.Context, tx *db.Tx, c *cases.Case, p *Prepared) error {
	was := *c
	counts := p.fresh == nil && !c.Heard.IsZero()
	if p.fresh != nil && p.counts.Canned { // beside a case where they wait it is an answer too
		waits, called, err := o.ladder.Waits(ctx, tx, p.s.To)
		if err != nil {
			return err
		}
		if called {
			return fail.New(fail.Conflict, "no canned letter goes to this person now: in another case somebody further up was called, and has not answered yet")
		}
		counts = waits
	}
	if counts { // a letter that nobody waits for is no answer
		if err := o.ladder.Spoke(ctx, tx, c, p.counts); err != nil {
			return err
		}
	}
	if p.message.Doc.Sensitive {
		c.Raise("a message from one of our systems in it is sensitive") // what follows will speak of it
	}
	switch {
	case p.fresh != nil:
		if err := o.cases.Add(ctx, tx, c); err != nil {
			return err
		}
	case c.Sensitive != was.Sensitive || c.Scripted != was.Scripted:
		if err := o.cases.Save(ctx, tx, c); err != nil {
			return err
		}
	}
	if err := cases.PutFiles(ctx, tx, p.files, p.key); err != nil {
		return err
	}
	return cases.AddMessage(ctx, tx, p.message, p.parts)
}
