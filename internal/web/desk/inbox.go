package desk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/web"
)

// pageRows is how many cases a page of the inbox holds.
const pageRows = 50

// inbox serves GET /desk/inbox/{view}.
func (d *Desk) inbox(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, view := r.Context(), cases.View(r.PathValue("view"))
	if view == "" {
		view = cases.ViewOpen
	}
	after, err := parseMark(r.FormValue("after"))
	if err != nil {
		return err
	}
	p := InboxPage{Staff: d.chrome(me, "inbox"), View: string(view)}
	var list []cases.Case
	err = d.db.View(ctx, func(tx *db.Tx) error {
		if list, err = d.cases.List(ctx, tx, view, me.viewer(), after, pageRows+1); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, string(view))
	})
	if err != nil {
		return err
	}
	for _, v := range p.Views {
		if v.ID == p.View {
			p.Total = v.Count
		}
	}
	if len(list) > pageRows {
		list = list[:pageRows]
		last := list[pageRows-1]
		p.Older = "/desk/inbox/" + string(view) + "?after=" + formatMark(cases.Mark{Last: last.Last, ID: last.ID})
	}
	if after.ID != "" {
		p.Newer = "/desk/inbox/" + string(view)
	}
	p.Rows = d.rows(p.Clock, list)
	for _, row := range p.Rows {
		if row.Unread {
			p.Unread++
		}
	}
	return web.Render(w, r, Templates, "inbox", p)
}

func formatMark(m cases.Mark) string { return fmt.Sprintf("%d.%s", m.Last.UnixMicro(), m.ID) }

func parseMark(s string) (cases.Mark, error) {
	if s == "" {
		return cases.Mark{}, nil
	}
	at, id, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || len(id) > 40 {
		return cases.Mark{}, fail.New(fail.Invalid, "this page of the list cannot be found; begin at the top")
	}
	return cases.Mark{Last: time.UnixMicro(n), ID: cases.ID(id)}, nil
}

func (d *Desk) rows(clock web.Clock, list []cases.Case) []Row {
	var out []Row
	for _, c := range list {
		out = append(out, Row{ID: string(c.ID), Who: web.Plain(c.Who), Subject: web.Plain(c.Subject), At: clock.When(c.Last), Trust: trustOfClass(c.Trust),
			Unread: c.Unread, Held: c.Held, Alarm: c.Alarm != "", Waiting: c.State == cases.Waiting, Closed: c.State == cases.Closed, Assignee: d.nameOf(c.Assignee), Due: clock.When(c.Due), Late: !c.Due.IsZero() && c.Due.Before(clock.Now), Lifted: c.Lifted})
	}
	return out
}

// trustOfClass is the trust word of a row; the message itself says more.
func trustOfClass(class string) web.Trust {
	switch class {
	case "checked":
		return web.TrustChecked("", "", web.When{})
	case "unchecked":
		return web.TrustUnchecked()
	case "other":
		return web.TrustOther()
	case "part":
		return web.TrustPart()
	case "usual":
		return web.TrustUsual()
	case "mismatch":
		return web.TrustMismatch()
	case "sent":
		return web.TrustSent()
	case "receipt":
		return web.TrustReceipt()
	case "form":
		return web.TrustForm()
	case "phone":
		return web.TrustPhone("")
	case "survey":
		return web.TrustSurvey()
	}
	return web.TrustNone()
}

// search serves GET /desk/search.
func (d *Desk) search(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := SearchPage{Staff: d.chrome(me, "inbox"), Query: strings.TrimSpace(r.FormValue("q"))}
	const limit = 50
	var found []cases.Case
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if found, err = d.cases.Search(ctx, tx, p.Query, limit+1); err != nil {
			return err
		}
		if found, err = me.viewer().Readable(ctx, tx, found); err != nil {
			return err
		}
		people, err := d.book.Search(ctx, tx, p.Query, 10)
		if err != nil {
			return err
		}
		if p.Contacts, err = d.contactRows(ctx, tx, me, p.Clock, people); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	if len(found) > limit {
		found, p.More = found[:limit], true
	}
	p.Rows = d.rows(p.Clock, found)
	return web.Render(w, r, Templates, "search", p)
}

// keyTrust is the best that can be said of a contact's keys.
func keyTrust(clock web.Clock, c *contacts.Contact) web.Trust {
	key, dead := c.VerifiedKey(clock.Now)
	for _, k := range c.Keys {
		if k.Pending && key != nil {
			return web.KeyPending()
		}
	}
	switch {
	case key != nil:
		return web.KeyChecked(key.Via, clock.When(key.Verified))
	case dead != nil:
		return web.KeyDead()
	case len(c.Keys) > 0:
		return web.KeyUnchecked()
	}
	return web.KeyNone()
}
