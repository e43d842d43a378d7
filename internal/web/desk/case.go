package desk

import (
	"context"
	"net/http"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/vault"
	"postern/internal/web"
)

// file is everything the case page shows, read in one transaction and opened
// after it.
type file struct {
	c        *cases.Case
	key      *vault.Key
	sealed   []cases.Sealed
	thread   []*cases.Message
	sent     []outbox.Delivery
	items    map[string]*portal.Item // by delivery
	links    []cases.Link
	members  []contacts.ID
	people   map[contacts.ID]*contacts.Contact
	draft    *cases.Draft
	viewer   cases.Viewer
	history  []audit.Row
	earlier  []cases.Case
	passkeys int
	call     *ladder.Call
	steps    []ladder.Climb
	chosen   []consent.Consent // what the contact of the case chose, ended ones too
}

func (d *Desk) open(ctx context.Context, tx *db.Tx, me *visitor, id cases.ID) (f *file, err error) {
	f = &file{items: map[string]*portal.Item{}, people: map[contacts.ID]*contacts.Contact{}}
	if f.c, err = d.cases.Get(ctx, tx, id); err != nil {
		return nil, err
	}
	f.viewer = me.viewer()
	if f.key, err = d.vault.Get(ctx, tx, f.c.KeyID); err != nil {
		return nil, err
	}
	if f.sealed, err = cases.Thread(ctx, tx, id); err != nil {
		return nil, err
	}
	if f.sent, err = d.out.OfCase(ctx, tx, id); err != nil {
		return nil, err
	}
	items, err := portal.OfCase(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for i := range items {
		f.items[items[i].Delivery] = &items[i]
	}
	if f.links, err = cases.Links(ctx, tx, f.viewer, id); err != nil {
		return nil, err
	}
	if f.draft, err = cases.GetDraft(ctx, tx, f.key, id, me.ID()); err != nil {
		return nil, err
	}
	if f.chosen, err = consent.Of(ctx, tx, f.c.Contact); err != nil {
		return nil, err
	}
	if f.history, err = audit.About(ctx, tx, string(id), 30); err != nil {
		return nil, err
	}
	if err := d.openCall(ctx, tx, me, f); err != nil {
		return nil, err
	}
	return f, d.openPeople(ctx, tx, f)
}

func (d *Desk) openPeople(ctx context.Context, tx *db.Tx, f *file) (err error) {
	if f.members, err = cases.Participants(ctx, tx, f.c.ID); err != nil {
		return err
	}
	ids := append([]contacts.ID{f.c.Contact}, f.members...)
	for _, m := range f.sealed {
		ids = append(ids, m.Contact)
	}
	if f.draft != nil {
		ids = append(ids, f.draft.To...)
	}
	for _, id := range ids {
		if id == "" || f.people[id] != nil {
			continue
		}
		if f.people[id], err = d.book.Get(ctx, tx, id); err != nil {
			return err
		}
	}
	if f.earlier, err = d.cases.OfContact(ctx, tx, f.c.Contact, 6); err != nil {
		return err
	}
	if f.earlier, err = f.viewer.Readable(ctx, tx, f.earlier); err != nil {
		return err
	}
	f.passkeys, err = d.passkeys(ctx, tx, f.c.Contact)
	return err
}

// unseal opens the messages, outside the transaction. A damaged one is shown as
// damaged; the others stay readable.
func (f *file) unseal() {
	for i := range f.sealed {
		m, err := f.sealed[i].Open(f.key)
		if err != nil {
			m = &f.sealed[i].Message
			m.Doc = cases.Doc{Text: ""}
			m.Evidence = &cases.Evidence{Verdict: "N", Problem: "it is damaged: what is stored is not what was written"}
		}
		f.thread = append(f.thread, m)
	}
}

// showCase serves GET /desk/cases/{id}.
func (d *Desk) showCase(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.renderCase(w, r, me, http.StatusOK, caseExtra{frame: cases.MessageID(r.FormValue("html")), note: r.FormValue("note") == "1"})
}

// caseExtra is what a page holds that is shown once, or only on request.
type caseExtra struct {
	frame  cases.MessageID // whose HTML is shown
	note   bool            // the composer writes a note
	phone  bool            // of a telephone call
	code   *AccessCode
	errors web.Errors
	draft  *cases.Draft // instead of the stored one
	find   string
	ticked map[string]bool
	done   *web.Notice
}

func (d *Desk) renderCase(w http.ResponseWriter, r *http.Request, me *visitor, status int, x caseExtra) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	p := CasePage{Staff: d.chrome(me, "inbox"), Code: x.code}
	p.Errors, p.Done = x.errors, x.done
	var f *file
	var found []contacts.Contact
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if f, err = d.open(ctx, tx, me, id); err != nil {
			return err
		}
		if x.draft != nil {
			f.draft = x.draft
			if err := d.openPeople(ctx, tx, f); err != nil {
				return err
			}
		}
		if x.find != "" {
			if found, err = d.book.Search(ctx, tx, x.find, 8); err != nil {
				return err
			}
		}
		if p.Compose, err = d.composer(ctx, tx, me, &p, f, x); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	if f.c.Security != cases.NoReport || f.c.Circle {
		d.sawReport(ctx, me, id)
	}
	f.unseal()
	d.fillCase(&p, f, x)
	for _, c := range found {
		p.Compose.Found = append(p.Compose.Found, Candidate{string(c.ID), web.Plain(c.Title()), c.MailTo()})
	}
	if f.c.Unread && x.draft == nil {
		d.markRead(ctx, f.c.ID)
	}
	return web.RenderStatus(w, r, status, Templates, "case", p)
}

// markRead notes that somebody has seen the case. Losing it is harmless.
func (d *Desk) markRead(ctx context.Context, id cases.ID) {
	d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil || !c.Unread {
			return err
		}
		c.Unread = false
		return d.cases.Save(ctx, tx, c)
	})
}

func (d *Desk) fillCase(p *CasePage, f *file, x caseExtra) {
	c := f.c
	p.ID, p.Ref, p.Subject, p.State, p.Mailbox = string(c.ID), string(c.Ref), web.Plain(c.Subject), string(c.State), c.Mailbox
	p.Last, p.Alarm, p.Security = p.When(c.Last), c.Alarm, string(c.Security)
	d.fillCall(p, f)
	if c.Sensitive {
		p.Sensitive = c.SensitiveWhy
	}
	p.Topic, p.Topics = d.topicOptions(c)
	p.Listed = d.o.Centre.Tree().Protected(c.Topic)
	p.Assignee, p.Staffers = d.nameOf(c.Assignee), d.staffers(c.Assignee)
	for _, id := range f.members {
		if k := f.people[id]; k != nil {
			p.With = append(p.With, web.Plain(k.Title()))
		}
	}
	for _, l := range f.links {
		subject, _ := d.cases.OpenSubject(l.Other, l.Title) // a damaged one has none
		p.Links = append(p.Links, LinkedCase{ID: string(l.Other), Ref: string(l.Ref), Subject: web.Plain(subject), Why: l.Why})
	}
	for _, m := range f.thread {
		p.Messages = append(p.Messages, d.message(p.Clock, f, m, x.frame))
	}
	if k := f.people[c.Contact]; k != nil {
		p.Contact = d.card(p.Clock, k, f.passkeys)
		p.Contact.GivenUp = givenUp(p.Clock, f.chosen)
		p.Contact.History = history(p.Clock, f.history, d)
		for _, e := range f.earlier {
			if e.ID != c.ID {
				p.Contact.Cases = append(p.Contact.Cases, d.rows(p.Clock, []cases.Case{e})...)
			}
		}
	}
}

// change runs one change of a case and shows the case again.
func (d *Desk) change(w http.ResponseWriter, r *http.Request, me *visitor, act string, f func(tx *db.Tx, c *cases.Case) (detail string, err error)) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		detail, err := f(tx, c)
		if err != nil {
			return err
		}
		if err := d.cases.Save(ctx, tx, c); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: act, About: string(id), Detail: detail})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(id))
}

// assign serves POST /desk/cases/{id}/assign.
func (d *Desk) assign(w http.ResponseWriter, r *http.Request, me *visitor) error {
	to := r.FormValue("staff")
	if to == "me" {
		to = me.ID()
	}
	if to != "" && d.nameOf(to) == "" {
		return fail.New(fail.Invalid, "there is nobody of that name here; choose from the list")
	}
	return d.change(w, r, me, "case.assigned", func(_ *db.Tx, c *cases.Case) (string, error) {
		c.Assignee = to
		return "to " + to, nil
	})
}

// asSpam is how a case is closed that nobody waits in.
const asSpam cases.State = "spam"

// setState serves POST /desk/cases/{id}/state. To close a case while a word is owed
// takes a reason, which is kept in the case, and counts as a promise that was not kept.
func (d *Desk) setState(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id, to := r.Context(), cases.ID(r.PathValue("id")), cases.State(r.FormValue("to"))
	reason := strings.TrimSpace(r.FormValue("reason"))
	_, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	m, parts, err := d.newNote(me, id, key, "Closed without an answer: "+reason)
	if err != nil {
		return err
	}
	return d.change(w, r, me, "case."+string(to), func(tx *db.Tx, c *cases.Case) (string, error) {
		if (to == cases.Closed || to == asSpam) && c.Topic == centre.Security && !me.May(staff.SecurityTriage) {
			return "", fail.New(fail.Denied, "a report of a security problem is closed by a triager")
		}
		switch to {
		case asSpam:
			if err := c.Close(tx.Now); err != nil { // nobody is asked how it was
				return "", err
			}
			c.Spam, c.Contacts, c.Since = true, 0, time.Time{}
			return "", nil
		case cases.Closed:
			if c.Due.IsZero() || c.State == cases.Closed || c.Lifted {
				return "", d.closeCase(ctx, tx, me, c)
			}
			if len(reason) < 5 {
				return "", fail.New(fail.Invalid, "they were promised a word. Answer them, or say why the case is closed without one; the reason is kept in the case")
			}
			if err := d.o.Ladder.Silent(ctx, tx, c); err != nil {
				return "", err
			}
			if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
				return "", err
			}
			return "without an answer; the reason is note " + string(m.ID), d.closeCase(ctx, tx, me, c)
		case cases.Open:
			if c.State == cases.Closed {
				if err := c.Reopen(tx.Now); err != nil {
					return "", err
				}
			}
			c.State = cases.Open
			d.o.Ladder.Owe(c, tx.Now)
			return "", nil
		case cases.Waiting:
			if c.Lifted {
				return "", fail.New(fail.Conflict, "somebody further up was called: the case waits for them, not for the customer")
			}
			c.State = cases.Waiting
			return "", nil
		}
		return "", fail.New(fail.Invalid, "a case is open, waiting or closed")
	})
}

// closeCase closes a case, and notes that nobody wrote again after what was sent.
func (d *Desk) closeCase(ctx context.Context, tx *db.Tx, me *visitor, c *cases.Case) error {
	if err := c.Close(tx.Now); err != nil {
		return err
	}
	if err := d.o.Ladder.Closed(ctx, tx, c); err != nil {
		return err
	}
	return d.o.Closed(ctx, tx, c, me.person)
}

// setSensitive serves POST /desk/cases/{id}/sensitive.
func (d *Desk) setSensitive(w http.ResponseWriter, r *http.Request, me *visitor) error {
	reason := strings.TrimSpace(r.FormValue("reason"))
	if r.FormValue("to") == "sensitive" {
		return d.change(w, r, me, "case.raised", func(_ *db.Tx, c *cases.Case) (string, error) {
			c.Raise("marked by " + d.nameOf(me.ID()))
			return "sensitive", nil
		})
	}
	// The reason is somebody's own words: it goes into the case, where it is
	// sealed, and the audit log names the note.
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	_, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	m, parts, err := d.newNote(me, id, key, "Not sensitive any more: "+reason)
	if err != nil {
		return err
	}
	return d.change(w, r, me, "case.lowered", func(tx *db.Tx, c *cases.Case) (string, error) {
		if err := c.Lower(reason); err != nil {
			return "", err
		}
		return "routine; the reason is note " + string(m.ID), cases.AddMessage(ctx, tx, m, parts)
	})
}
