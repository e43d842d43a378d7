package security

import (
	"context"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// SplitLink is why two cases belong together of which one is a part of the other.
const SplitLink = "split"

// Split makes a second report of a part of one: one message may tell of several holes,
// and each is worked, fixed and watched by itself. It has a case of its own with who told us, and
// begins where the first was taken on; what they were promised and still wait for runs on.
// text is the part, in their words.
func (s *Service) Split(ctx context.Context, tx *db.Tx, id cases.ID, by Actor, heading, text string) (*cases.Case, error) {
	heading, text = strings.TrimSpace(heading), strings.TrimSpace(text)
	if err := checkPart(by, heading, text); err != nil {
		return nil, err
	}
	c, k, r, err := s.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if r.State == Flagged || r.State == Dismissed {
		return nil, fail.New(fail.Conflict, "say first that it is a report")
	}
	if err := s.onlyPart(ctx, tx, c, k, heading); err != nil {
		return nil, err
	}
	who := c.Contact
	if m, err := cases.GetMessage(ctx, tx, id, r.Message); err == nil && m.Contact != "" {
		who = m.Contact // whoever told us, where several speak in one case
	}
	part := &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: c.Subject, Who: c.Who, Contact: who, KeyID: c.KeyID, Door: c.Door, Mailbox: c.Mailbox, Lang: c.Lang, Topic: c.Topic, Began: c.Began,
		State: cases.Open, Assignee: r.Owner, Sensitive: c.Sensitive, SensitiveWhy: c.SensitiveWhy, Made: tx.Now, Last: tx.Now, Trust: c.Trust, Security: cases.Report, Circle: true}
	if err := s.o.Cases.Add(ctx, tx, part); err != nil {
		return nil, err
	}
	n := r.part(&s.o.Promises, part.ID, heading, tx.Now)
	if err := add(ctx, tx, k, n); err != nil {
		return nil, err
	}
	if err := s.index(ctx, tx, part.ID, heading+"\n"+text); err != nil {
		return nil, err
	}
	note := &cases.Message{ID: cases.MessageID(db.NewID()), Case: part.ID, Kind: cases.Note, Door: "desk", Author: by.ID, At: tx.Now, Doc: cases.Doc{Text: "A part of another report, in their words:\n\n" + text}}
	parts, err := cases.Seal(note, k)
	if err != nil {
		return nil, err
	}
	if err := cases.AddMessage(ctx, tx, note, parts); err != nil {
		return nil, err
	}
	if err := cases.AddLink(ctx, tx, id, part.ID, SplitLink); err != nil {
		return nil, err
	}
	for _, x := range []*Report{n, r} { // which other report it is, the links say to those who may know
		if err := s.record(ctx, tx, k, x, audit.Staff(by.ID), "report.split", x.State, ""); err != nil {
			return nil, err
		}
	}
	return part, s.write(ctx, tx, part, Word{What: WordMoved, State: n.State})
}

// part is a report of a part of this one: what holds for who told us and for the promises
// made to them holds for it, too.
func (r *Report) part(p *Promises, id cases.ID, heading string, now time.Time) *Report {
	n := &Report{Case: id, State: Acknowledged, Owner: r.Owner, Doc: Doc{Received: r.Received, Door: r.Door, Message: r.Message, Class: r.Class, Reasons: []string{"split from another report"}, Contacts: r.Contacts, Seen: 1, Part: true,
		Deputy: r.Deputy, Lang: r.Lang, Contact: r.Contact, Publish: r.Publish, Title: heading, Extortion: r.Extortion, Exposed: r.Exposed, Table: r.Table, FirstReply: r.FirstReply, Qualified: r.Qualified, Heard: r.Heard}}
	n.Disclosure.Credit, n.Disclosure.CreditAt = r.Disclosure.Credit, r.Disclosure.CreditAt
	for _, c := range r.Clocks {
		switch c.Name {
		case ClockFirst, ClockAssess, ClockUpdate, ClockPublish:
			if c.Runs() {
				n.Clocks = append(n.Clocks, c)
			}
		}
	}
	// What the first report is through with begins anew for the part.
	assess := p.Calendar.Days(now, p.Assess)
	n.start(ClockAssess, now, assess, now.Add(assessLimit))
	n.startUpdate(p, now)
	publish := now.Add(time.Duration(p.Publish) * day)
	n.start(ClockPublish, now, publish, publish)
	return n
}

// onlyPart refuses a second part of the same heading: a form that was sent twice.
func (s *Service) onlyPart(ctx context.Context, tx *db.Tx, c *cases.Case, k *vault.Key, heading string) error {
	links, err := cases.Links(ctx, tx, cases.Viewer{All: true}, c.ID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if x, err := get(ctx, tx, k, l.Other); err == nil && l.Why == SplitLink && x.Title == heading {
			return fail.New(fail.Conflict, "there is a report of this part already: %s", l.Ref)
		}
	}
	return nil
}

func checkPart(by Actor, heading, text string) error {
	switch {
	case !by.qualified():
		return fail.New(fail.Denied, "that takes somebody who is qualified to triage")
	case len(heading) < 5 || len(heading) > 300 || strings.ContainsAny(heading, "\r\n"):
		return fail.New(fail.Invalid, "say in a line what the other part is about")
	case len(text) < 20:
		return fail.New(fail.Invalid, "copy their words about the other part, so that whoever works on it has them")
	}
	return nil
}
