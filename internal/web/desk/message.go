package desk

import (
	"fmt"
	"slices"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/portal"
	"postern/internal/web"
)

// message makes the card of one message.
func (d *Desk) message(clock web.Clock, f *file, m *cases.Message, frame cases.MessageID) Message {
	out := Message{ID: string(m.ID), Case: string(m.Case), Kind: string(m.Kind), At: clock.When(m.At), Text: m.Doc.Text,
		HTML: m.Doc.HTML, Framed: m.Doc.HTML && m.ID == frame, HasMail: m.RawBlob != ""}
	switch m.Kind {
	case cases.Note:
		out.Who, out.Did = d.nameOf(m.Author), "noted"
		if m.Door == "auto" {
			out.Who, out.Did = d.o.Org().Name, "called colleagues"
			for i := range f.sent {
				if f.sent[i].Message == m.ID {
					out.Ways = append(out.Ways, d.way(clock, f, &f.sent[i]))
				}
			}
		}
	case cases.Out:
		d.outbound(clock, f, m, &out)
	default:
		d.inbound(clock, f, m, &out)
	}
	for i, a := range m.Doc.Attachments {
		out.Files = append(out.Files, File{Name: a.Name, Size: a.Size, URL: fmt.Sprintf("/desk/cases/%s/messages/%s/files/%d", m.Case, m.ID, i)})
	}
	return out
}

func (d *Desk) inbound(clock web.Clock, f *file, m *cases.Message, out *Message) {
	e := m.Evidence
	if k := f.people[m.Contact]; k != nil {
		out.Who = web.Plain(k.Title())
	} else if m.Doc.From != nil {
		out.Who = web.Plain(m.Doc.From.Address)
	}
	out.Did = "wrote to " + f.c.Mailbox
	switch m.Door {
	case "portal":
		out.Did = "answered in the portal"
	case "form":
		out.Did = "wrote by the form"
	case "page":
		out.Did = "wrote on the case page"
	case "phone":
		out.Did = "said on the telephone"
	case "survey":
		out.Did = "answered the survey"
	}
	switch m.Doc.Automatic {
	case "":
	case "bounce":
		out.Automatic = "Bounce"
	default:
		out.Automatic = "Automatic answer"
	}
	if e == nil {
		return
	}
	out.Trust, out.How, out.Facts = d.trust(clock, out.Who, e), how(e), facts(clock, m, e)
	switch {
	case e.Problem != "" && !e.Decrypted:
		out.Unread = e.Problem
	case e.Verdict == "X":
		out.Open = true
		out.Notice = &web.Notice{Class: "warn", Icon: "alert", Title: "Who sent this does not fit.", Text: "Nothing in it can be acted on. " + reasonText(e)}
	case e.Usually:
		out.Notice = &web.Notice{Class: "warn", Icon: "alert", Title: "Nothing in this message can be acted on.",
			Text: out.Who + " usually signs. Ask through the portal, or call the number we hold."}
	case e.OtherKey:
		out.Open = true
		out.Notice = &web.Notice{Class: "warn", Icon: "alert", Title: "Signed with a key that is not the checked one.", Text: "The checked key keeps its authority. Compare the new fingerprint with the person before you trust it."}
	}
}

func reasonText(e *cases.Evidence) string {
	if len(e.Reasons) == 0 {
		return ""
	}
	_, text, ok := strings.Cut(e.Reasons[0], ": ")
	if !ok {
		text = e.Reasons[0]
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// trust is the full trust word of a message.
func (d *Desk) trust(clock web.Clock, who string, e *cases.Evidence) web.Trust {
	if e.Class() == "checked" {
		return web.TrustChecked(who, e.Via, clock.When(e.KeyAt))
	}
	if e.Class() == "none" && e.Scheme != "" && e.Scheme != "none" {
		return web.TrustFailed()
	}
	if e.Phone != "" {
		return web.TrustPhone(d.nameOf(e.Phone))
	}
	return trustOfClass(e.Class())
}

func how(e *cases.Evidence) []string {
	var out []string
	switch {
	case e.Receipt:
		return []string{"Whoever holds the code of this case’s receipt"}
	case e.Phone != "":
		return []string{"As one of us wrote it down; a spoken yes proves nothing"}
	case e.Survey:
		return []string{"By the link in our mail that asked whether it was solved"}
	case e.Form:
		return []string{"By our form, over TLS; the address is one that somebody typed"}
	case e.Portal != "":
		return []string{web.HowPortal + ", opened with " + e.Portal}
	case e.Whole && e.Decrypted:
		out = append(out, web.HowEncrypted)
	case e.TLS:
		out = append(out, web.HowTLS)
	default:
		out = append(out, web.HowClear)
	}
	if slices.ContainsFunc(e.Reasons, func(s string) bool { return strings.HasPrefix(s, "nested-ciphertext:") }) {
		out = append(out, "An encrypted part inside it was not opened: what stands around it could be anybody's")
	}
	switch e.DMARC {
	case "pass":
		out = append(out, web.HowDMARC+": the domain vouches, not the person")
	case "fail":
		out = append(out, web.HowNoDMARC)
	}
	return out
}

// facts says who checked what, and when.
func facts(clock web.Clock, m *cases.Message, e *cases.Evidence) []Fact {
	var out []Fact
	add := func(name, text string) { out = append(out, Fact{Name: name, Text: text}) }
	if e.Form {
		add("Person", "anybody: the form asks for no proof")
		return out
	}
	if e.Phone != "" || e.Survey {
		add("Person", "nobody proved who it was")
		return out
	}
	if e.Receipt {
		add("Person", "holds the sixteen digits that were shown when this case was sent in; nothing else is known")
		return out
	}
	if e.Portal != "" {
		add("Person", "opened the portal with "+e.Portal+" "+clock.When(e.PortalAt).Inside()+" "+clock.When(e.PortalAt).Time())
		return out
	}
	switch e.Verdict {
	case "V", "S", "X":
		if e.Fingerprint != "" {
			add("Signature", "Valid over "+covers(e.Covers)+", made "+clock.When(e.SignedAt).Full())
			out = append(out, Fact{Name: "Key", Fingerprint: web.Fingerprint(e.Fingerprint)})
			add("Belongs to", keyOwner(clock, e))
		}
	default:
		if e.Scheme != "" && e.Scheme != "none" {
			add("Signature", "Could not be verified")
		} else {
			add("Signature", "None")
		}
	}
	if m.Doc.From != nil {
		add("From", m.Doc.From.Address+": anybody can write any address there")
	}
	if len(m.Doc.ReplyTo) > 0 && m.Doc.From != nil && contacts.Normal(m.Doc.ReplyTo[0].Address) != contacts.Normal(m.Doc.From.Address) {
		add("Reply to", m.Doc.ReplyTo[0].Address+": answers still go to the address on file")
	}
	if e.DMARC != "" && e.DMARC != "none" {
		add("Domain", fmt.Sprintf("SPF %s, DKIM %s, DMARC %s", e.SPF, e.DKIM, e.DMARC))
	}
	for _, r := range e.Reasons {
		_, text, ok := strings.Cut(r, ": ")
		if !ok {
			text = r
		}
		add("Noticed", web.Plain(text))
	}
	add("Checked", clock.When(e.Checked).Full())
	return out
}

func covers(c string) string {
	if c == "whole" {
		return "everything shown below"
	}
	return "a part of it"
}

func keyOwner(clock web.Clock, e *cases.Evidence) string {
	if e.Via == "" {
		return "Nobody has compared this key with its owner yet"
	}
	by := e.By
	if by == "" {
		by = "Somebody"
	}
	return fmt.Sprintf("%s compared the fingerprint %s, %s", by, web.By(e.Via), clock.When(e.KeyAt).Inside())
}

// outbound adds who wrote a message and how far it went to each person.
func (d *Desk) outbound(clock web.Clock, f *file, m *cases.Message, out *Message) {
	out.Who, out.Did = d.nameOf(m.Author), "answered"
	if m.Door == "auto" {
		out.Who, out.Did, out.Automatic = d.o.Org().Name, "acknowledged", "Receipt"
	}
	if m.Canned && m.Door == "desk" {
		out.Did = "answered with a canned reply"
	}
	if m.Door == "api" {
		out.Who, out.Did, out.Automatic = d.o.Org().Name, "sent", "Sent by one of our systems"
	}
	for i := range f.sent {
		s := &f.sent[i]
		if s.Message != m.ID {
			continue
		}
		if s.Kind == outbox.Survey {
			out.Did, out.Automatic = "asked whether it was solved", "Survey"
		}
		if left := s.UndoLeft(clock.Now); left > 0 {
			due := clock.When(s.Due)
			out.Undo = &due
		}
		if s.State == outbox.Held {
			out.Reasons = append(out.Reasons, s.Reason)
		}
		out.Ways = append(out.Ways, d.way(clock, f, s))
	}
}

func (d *Desk) way(clock web.Clock, f *file, s *outbox.Delivery) Way {
	w := Way{ID: string(s.ID), State: string(s.State), At: clock.When(s.Done), Detail: s.Reason}
	k := f.people[s.Contact]
	if k != nil {
		w.Who = web.Plain(k.Title())
	}
	if s.Kind.House() {
		w.Who = s.Address
	}
	if s.Kind == outbox.Nudge {
		w.Who += ", told by mail that it is there"
	}
	if s.State == outbox.Working || s.State == outbox.Sending {
		w.State, w.Detail = "waiting", ""
	}
	if s.State == outbox.Failed {
		w.State = "bounced"
	}
	how := s.Protection
	if how == "" {
		how = s.Shown
	}
	w.Protection = protection(clock, policy.Verdict{Protection: how}, k)
	if how == policy.Page && s.State == outbox.Sent {
		w.State = "on-page"
		if !s.Read.IsZero() {
			w.State, w.At = "read", clock.When(s.Read)
		}
	}
	if how == policy.OptedOut && s.Contact == f.c.Contact { // it goes to nobody else
		at := s.Done
		if at.IsZero() {
			at = s.Made
		}
		w.Protection = goesOpted(clock, consent.Stood(f.chosen, consent.Encryption, at))
	}
	if i := f.items[string(s.ID)]; i != nil {
		d.track(clock, &w, i, k)
	}
	return w
}

// track tells the life of an item on the portal, each moment apart.
func (d *Desk) track(clock web.Clock, w *Way, i *portal.Item, k *contacts.Contact) {
	w.State, w.At = "placed", clock.When(i.Placed)
	step := func(state string, at web.When) {
		if !at.IsZero() {
			w.Track = append(w.Track, Step{state, at})
			w.State, w.At = state, at
		}
	}
	step("placed", clock.When(i.Placed))
	step("notified", clock.When(i.Notified))
	step("fetched", clock.When(i.Fetched))
	step("refused", clock.When(i.Refused))
	step("released", clock.When(i.Released))
	step("recalled", clock.When(i.Recalled))
	if i.Recalled.IsZero() && !clock.Now.Before(i.Expires) {
		step("expired", clock.When(i.Expires))
	}
	alive := i.Gone(clock.Now) == nil
	w.Recallable = alive && i.Released.IsZero()
	if alive && !i.Locked() && k != nil && len(k.Phones) > 0 {
		w.Codeable, w.Phone = true, k.Phones[0].Last()
	}
	if i.Locked() {
		w.Detail = "five wrong codes were tried; recall it and send it again once you are sure who you speak to"
	}
}

// protection says in words how something goes.
func protection(clock web.Clock, v policy.Verdict, k *contacts.Contact) web.Protection {
	switch v.Protection {
	case policy.Encrypted:
		if k != nil {
			if key, _ := k.VerifiedKey(clock.Now); key != nil {
				return web.GoesEncrypted(web.Fingerprint(key.Cert.Fingerprint()), clock.When(key.Verified))
			}
		}
		return web.Protection{Class: "encrypted", Icon: "sealed", Lead: "Encrypted"}
	case policy.Portal:
		return web.GoesByPortal(v.Why)
	case policy.Page:
		return web.GoesByPage(v.Why)
	case policy.Signed:
		return web.GoesSigned(v.Why)
	case policy.OptedOut:
		return goesOpted(clock, nil)
	}
	return web.GoesNowhere(v.Why)
}

// goesOpted says since when they chose it, if that is known.
func goesOpted(clock web.Clock, c *consent.Consent) web.Protection {
	if c == nil {
		return web.GoesOpted(web.When{})
	}
	return web.GoesOpted(clock.When(c.Given))
}

// history puts the audit rows of a case into words.
func history(clock web.Clock, rows []audit.Row, d *Desk) []Event {
	var out []Event
	for _, r := range rows {
		out = append(out, Event{clock.When(r.At), d.actWords(r)})
	}
	return out
}
