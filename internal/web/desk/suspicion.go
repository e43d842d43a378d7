package desk

import (
	"strings"

	"postern/internal/cases"
	"postern/internal/recognise"
	"postern/internal/security"
	"postern/internal/staff"
	"postern/internal/web"
)

// suspicion is the ten-second screen: what was said, why it is here, three keys.
func (d *Desk) suspicion(base web.Staff, me *visitor, x *dossier) SuspicionPage {
	p := SuspicionPage{Staff: base, ID: string(x.c.ID), Ref: string(x.c.Ref), Who: web.Plain(x.c.Who), Door: x.r.Door, Reasons: x.r.Reasons, Contacts: x.r.Often(),
		Decide: me.May(staff.SecurityTriage) && x.r.State == security.Flagged, Two: x.r.Often() >= 2, Clock: d.face(base.Clock, x.r.Running(security.ClockLook)), Trust: trustOfClass(x.c.Trust), Proposed: d.proposed(base.Clock, me, x.r)}
	for _, c := range recognise.Classes[1:] {
		p.Classes = append(p.Classes, Option{string(c), upperFirst(recognise.Names[c]), false})
	}
	words := "" // all that waits to be judged
	for i := range x.sealed {
		m, err := x.sealed[i].Open(x.key)
		if err != nil {
			continue
		}
		switch {
		case m.ID == x.r.Message:
			p.First = d.said(base, m, p.Before)
			words = m.Doc.Subject + "\n" + m.Doc.Text
		case words != "" && m.Kind == cases.In:
			p.Again = append(p.Again, d.said(base, m, p.Before))
			words += "\n" + m.Doc.Subject + "\n" + m.Doc.Text
		case m.Kind == cases.Note && strings.HasPrefix(m.Doc.Text, triedHead):
			p.Tried = append(p.Tried, m.Doc.Text)
		case m.Kind == cases.Out && m.Door != "auto":
			p.Before = append(p.Before, m.Doc.Text)
		}
	}
	p.Before, p.Links = p.Before[max(0, len(p.Before)-2):], d.linksIn(words)
	return p
}

// said is a message with what fired in it, read as it was when it came: its subject with
// its text.
func (d *Desk) said(base web.Staff, m *cases.Message, before []string) Said {
	subject := web.Plain(m.Doc.Subject) // a title is one line, and nothing in it is hidden
	head := subject
	if head != "" {
		head += "\n"
	}
	var inHead, inText []recognise.Spot
	for _, s := range recognise.Look(&recognise.Input{Text: head + m.Doc.Text, Door: m.Door, Previous: before, Own: d.o.Own()}).Spots {
		if s.From < len(subject) {
			inHead = append(inHead, recognise.Spot{From: s.From, To: min(s.To, len(subject))})
		}
		if s.To > len(head) {
			inText = append(inText, recognise.Spot{From: max(s.From-len(head), 0), To: s.To - len(head)})
		}
	}
	return Said{At: base.When(m.At), Subject: stretches(subject, inHead), Text: stretches(m.Doc.Text, inText)}
}

func (d *Desk) proposed(clock web.Clock, me *visitor, r *security.Report) *ProposedBy {
	q := r.Proposal
	if q == nil {
		return nil
	}
	return &ProposedBy{Who: d.nameOf(q.By), What: StateNames[q.To], Reason: q.Reason, At: clock.When(q.At), Mine: q.By == me.ID()}
}

// stretches cuts a text at what fired.
func stretches(text string, spots []recognise.Spot) (out []Stretch) {
	at := 0
	add := func(to int, hot bool) {
		if to > at {
			out = append(out, Stretch{text[at:to], hot})
			at = to
		}
	}
	for _, s := range spots {
		if s.From >= at && s.To <= len(text) {
			add(s.From, false)
			add(s.To, true)
		}
	}
	add(len(text), false)
	return out
}
