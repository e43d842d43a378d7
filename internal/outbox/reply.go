package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/links"
	"postern/internal/policy"
	"postern/internal/vault"
)

// Answer is what an agent wrote and to whom.
type Answer struct {
	Case      cases.ID
	Staff     string
	Text      string
	Sensitive bool // marked so by the agent
	To        []contacts.ID
	Files     []cases.File
	Attached  []cases.Attachment                // files that were stored with the draft
	Shown     map[contacts.ID]policy.Protection // what the agent saw; a weaker way now is refused

	found  []dlp.Finding // in looked
	looked *string       // the text that was looked into
}

// look finds what is sensitive in the text, once: never in a transaction, where
// all others would wait for it.
func (a *Answer) look() []dlp.Finding {
	if a.looked == nil || *a.looked != a.Text {
		text := a.Text
		a.found, a.looked = dlp.Find(text), &text
	}
	return a.found
}

// Way is how an answer goes to one person, and why.
type Way struct {
	Contact *contacts.Contact
	Key     *contacts.Key    // when it goes encrypted
	Choice  *consent.Consent // theirs, when it goes less protected by it
	OnCase  bool             // they belong to the case already
	policy.Verdict
}

// Preview decides how an answer would go to each person now. It is the same
// decision that the worker takes when it sends.
func (o *Outbox) Preview(ctx context.Context, tx *db.Tx, c *cases.Case, a *Answer) (ways []Way, found []dlp.Finding, err error) {
	listed := o.topic(c.Topic)
	if box, err := o.boxes.Get(c.Mailbox); err == nil {
		listed = listed || box.Sensitive
	}
	own := make([]choice, len(a.To))
	found = slices.Concat(a.look(), dlp.Find(c.Subject)) // the subject goes back in the answer
	// What is in a file is not looked into yet: it counts as sensitive.
	sensitive := c.Sensitive || listed || a.Sensitive || len(found) > 0 || len(a.Files)+len(a.Attached) > 0
	var people []*contacts.Asked
	var queries []db.Query
	for i, id := range a.To {
		who := o.book.AskID(id)
		people, queries = append(people, who), slices.Concat(queries, who.Queries, own[i].ask(id, c.ID))
	}
	if err := tx.Read(ctx, queries...); err != nil {
		return nil, nil, err
	}
	for i, who := range people {
		person, err := who.Contact()
		if err != nil {
			return nil, nil, err
		}
		facts, key, err := o.Facts(ctx, tx, person, c.ID, sensitive)
		if err != nil {
			return nil, nil, err
		}
		l := letter{d: &Delivery{Kind: Reply, Contact: person.ID}, own: own[i].lay(&facts, person.ID, c, o.listed(c), a.To, tx.Now)}
		l.decision = policy.Decide(facts)
		if l.unsigned() != nil {
			l.decision.Why += "; it leaves without its signature, as they chose"
		}
		if l.decision.Protection != policy.Encrypted {
			key = nil
		}
		ways = append(ways, Way{person, key, l.agreed(), slices.Contains(own[i].people, person.ID), l.decision})
	}
	return ways, found, nil
}

// Limits of an answer.
const (
	MaxText  = 200_000
	MaxFiles = 20
	MaxBytes = 20 << 20
)

func (o *Outbox) check(a *Answer) error {
	a.Text = strings.TrimRight(strings.ReplaceAll(a.Text, "\r\n", "\n"), " \n\t")
	switch {
	case strings.TrimSpace(a.Text) == "":
		return fail.New(fail.Invalid, "write something before you send it")
	case len(a.Text) > MaxText:
		return fail.New(fail.Invalid, "the text is longer than 200,000 characters; attach it as a file")
	case len(a.To) == 0:
		return fail.New(fail.Invalid, "choose at least one person to send it to")
	case len(a.To) > 10:
		return fail.New(fail.Invalid, "one answer goes to ten people at most")
	case len(a.Files)+len(a.Attached) > MaxFiles:
		return fail.New(fail.Invalid, "attach 20 files at most")
	}
	if f := links.Blocked(o.links.Look(a.Text)); f != nil {
		return fail.New(fail.Invalid, "%s", f)
	}
	total := 0
	for _, f := range a.Attached {
		total += f.Size
	}
	for _, f := range a.Files {
		total += len(f.Data)
	}
	if total > MaxBytes {
		return fail.New(fail.Invalid, "the files are larger than 20 MB together")
	}
	return nil
}

// Send queues an agent's answer: one message, one delivery per person, due
// when the time to undo is over. It is refused if it would now go to anybody
// with less protection than the agent saw, or to anybody not at all.
func (o *Outbox) Send(ctx context.Context, a *Answer) (cases.MessageID, error) {
	if err := o.check(a); err != nil {
		return "", err
	}
	a.look()
	var around talk
	key, err := o.before(ctx, a.Case, &around)
	if err != nil {
		return "", err
	}
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: a.Case, Kind: cases.Out, Door: "desk", Author: a.Staff, At: o.d.Now(),
		Doc: cases.Doc{Text: a.Text, Sensitive: a.Sensitive || len(a.Files)+len(a.Attached) > 0, Attachments: a.Attached}}
	files := m.Doc.Attach(a.Files, key)
	parts, err := cases.Seal(m, key)
	if err != nil {
		return "", err
	}
	counts, err := o.measure(ctx, m, &around, key)
	if err != nil {
		return "", err
	}
	counts.By = a.Staff
	var refused error
	err = o.d.Update(ctx, func(tx *db.Tx) error {
		c, err := o.cases.Get(ctx, tx, a.Case)
		if err != nil {
			return err
		}
		if refused = nil; o.ladder.Refuses(c, counts) {
			refused = ladder.ErrSecond(c)
			return o.handUp(ctx, tx, c)
		}
		ways, err := o.agreed(ctx, tx, c, a)
		if err != nil {
			return err
		}
		if err := cases.PutFiles(ctx, tx, files, key); err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		for _, w := range ways {
			if err := o.queueReply(ctx, tx, c, m, w, audit.Staff(a.Staff), tx.Now.Add(Undo)); err != nil {
				return err
			}
		}
		if err := o.answered(ctx, tx, c, a, m, counts); err != nil {
			return err
		}
		return cases.DropDraft(ctx, tx, c.ID, a.Staff)
	})
	if err == nil {
		err = refused
	}
	return m.ID, err
}

// before asks, in one round trip, for a case's key and what was said around an answer.
func (o *Outbox) before(ctx context.Context, id cases.ID, around *talk) (*vault.Key, error) {
	asked, query := o.cases.AskKey(id)
	if err := o.d.Read(ctx, append(around.ask(o, id), query)...); err != nil {
		return nil, err
	}
	key, err := asked.Key()
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such case, or its content was destroyed")
	}
	return key, err
}

// answered moves the case by an answer that is queued.
func (o *Outbox) answered(ctx context.Context, tx *db.Tx, c *cases.Case, a *Answer, m *cases.Message, counts ladder.Answer) error {
	if c.Contact == "" || slices.Contains(a.To, c.Contact) { // words to somebody else answer nobody
		c.Answered(tx.Now)
		if err := o.ladder.Spoke(ctx, tx, c, counts); err != nil {
			return err
		}
	}
	if m.Doc.Sensitive {
		c.Raise("an answer in it is sensitive") // what follows will speak of it
	}
	if c.Assignee == "" {
		c.Assignee = a.Staff
	}
	return o.cases.Save(ctx, tx, c)
}

// handUp lifts a case for which there was only another canned answer.
func (o *Outbox) handUp(ctx context.Context, tx *db.Tx, c *cases.Case) error {
	if c.Lifted || c.Security.Watched() { // they are called already
		return nil
	}
	if err := o.ladder.Up(ctx, tx, c, ladder.SecondCanned); err != nil {
		return err
	}
	return o.cases.Save(ctx, tx, c)
}

// agreed decides again in the sending transaction and refuses a surprise.
func (o *Outbox) agreed(ctx context.Context, tx *db.Tx, c *cases.Case, a *Answer) ([]Way, error) {
	ways, _, err := o.Preview(ctx, tx, c, a)
	if err != nil {
		return nil, err
	}
	for _, w := range ways {
		if w.Protection == policy.Blocked {
			return nil, fail.New(fail.Conflict, "it cannot go to %s: %s", w.Contact.Title(), w.Why)
		}
		if shown, ok := a.Shown[w.Contact.ID]; ok && !policy.StillHolds(shown, w.Protection) {
			return nil, fail.New(fail.Conflict, "you were shown that it goes %s to %s, but now it would go %s: %s. Nothing was sent; look again", shown, w.Contact.Title(), w.Protection, w.Why)
		}
	}
	return ways, nil
}

func (o *Outbox) queueReply(ctx context.Context, tx *db.Tx, c *cases.Case, m *cases.Message, w Way, actor string, due time.Time) error {
	d := &Delivery{Case: c.ID, Message: m.ID, Contact: w.Contact.ID, Kind: Reply, Mailbox: c.Mailbox, Address: w.Contact.MailTo(),
		Shown: w.Protection, Due: due}
	if err := o.Queue(ctx, tx, d); err != nil {
		return err
	}
	if err := cases.Join(ctx, tx, c.ID, w.Contact.ID); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "message.queued", About: string(c.ID),
		Detail: fmt.Sprintf("message %s to contact %s, %s", m.ID, w.Contact.ID, w.Protection)})
}

// UndoLeft is how much time is left to take a message back.
func (d *Delivery) UndoLeft(now time.Time) time.Duration {
	if d.State != Waiting || d.Kind != Reply || d.Attempts > 0 {
		return 0
	}
	return max(0, d.Due.Sub(now))
}
