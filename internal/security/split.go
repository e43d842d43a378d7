package security

import (
	"context"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
)

// SplitLink is why two cases belong together of which one is a part of the other.
const SplitLink = "split"

// Split makes a second report of a part of one: one message may tell of several holes,
// and each is worked, fixed and watched by itself. It has a case of its own with the same
// person, and begins where the first was taken on; what they were promised runs from the
// day they wrote. text is the part, in their words.
func (s *Service) Split(ctx context.Context, tx *db.Tx, id cases.ID, by Actor, heading, text string) (*cases.Case, error) {
	heading, text = strings.TrimSpace(heading), strings.TrimSpace(text)
	if err := checkPart(by, heading, text); err != nil {
		return nil, err
	}
	c, err := s.o.Cases.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	k, err := s.o.Vault.Get(ctx, tx, c.KeyID)
	if err != nil {
		return nil, err
	}
	r, err := get(ctx, tx, k, id)
	if err != nil {
		return nil, err
	}
	if r.State == Flagged || r.State == Dismissed {
		return nil, fail.New(fail.Conflict, "say first that it is a report")
	}
	part := &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: heading, Who: c.Who, Contact: c.Contact, KeyID: c.KeyID, Door: c.Door, Mailbox: c.Mailbox, Lang: c.Lang, Topic: c.Topic, Began: c.Began,
		State: cases.Open, Assignee: r.Owner, Sensitive: c.Sensitive, SensitiveWhy: c.SensitiveWhy, Made: tx.Now, Last: tx.Now, Trust: c.Trust, Security: cases.Report, Circle: true}
	if err := s.o.Cases.Add(ctx, tx, part); err != nil {
		return nil, err
	}
	n := &Report{Case: part.ID, State: Dismissed, Owner: r.Owner, Doc: Doc{Received: r.Received, Door: r.Door, Message: r.Message, Reasons: []string{"split from " + string(c.Ref)}, Contacts: r.Contacts,
		Deputy: r.Deputy, Lang: r.Lang, Contact: r.Contact, Publish: r.Publish, Title: heading, FirstReply: r.FirstReply, Qualified: r.Qualified, Heard: r.Heard}}
	for _, to := range []State{Flagged, Acknowledged} {
		if err := n.Move(&s.o.Promises, to, by, tx.Now); err != nil {
			return nil, err
		}
	}
	if !n.FirstReply.IsZero() {
		n.met(ClockFirst, tx.Now)
	}
	if err := add(ctx, tx, k, n); err != nil {
		return nil, err
	}
	if err := s.index(ctx, tx, part.ID, heading+"\n"+text); err != nil {
		return nil, err
	}
	note := &cases.Message{ID: cases.MessageID(db.NewID()), Case: part.ID, Kind: cases.Note, Door: "desk", Author: by.ID, At: tx.Now, Doc: cases.Doc{Text: "From " + string(c.Ref) + ", in their words:\n\n" + text}}
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
	if err := s.record(ctx, tx, k, n, audit.Staff(by.ID), "report.split", "", "from "+string(c.Ref)); err != nil {
		return nil, err
	}
	return part, s.record(ctx, tx, k, r, audit.Staff(by.ID), "report.split", r.State, "into "+string(part.Ref)+": "+heading)
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
