package public

import (
	"fmt"
	"net/http"
	"strconv"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/portal"
	"postern/internal/web"
)

// myMessages serves GET /my/messages.
func (s *Site) myMessages(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := LettersPage{Public: s.place(r)}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p.Rows = nil
		items, err := portal.OfContact(ctx, tx, o.contact.ID, 100)
		if err != nil {
			return err
		}
		refs := map[cases.ID]cases.Ref{}
		for n := range items {
			i := &items[n]
			if refs[i.Case] == "" {
				c, err := s.Cases.Get(ctx, tx, i.Case)
				if err != nil {
					return err
				}
				refs[i.Case] = c.Ref
			}
			row := LetterRow{ID: string(i.ID), Ref: string(refs[i.Case]), At: p.When(i.Placed), New: i.Released.IsZero()}
			if i.Gone(tx.Now) != nil {
				row.Gone, row.New = "expired", false
				if !i.Recalled.IsZero() {
					row.Gone = "recalled"
				}
			}
			p.Rows = append(p.Rows, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "my-messages", p)
}

// letter is a message of theirs in their place, opened.
type letter struct {
	item    *portal.Item
	content *portal.Content
	c       *cases.Case
	ses     portal.Session
}

// letter opens a message that waits for the customer; another's is NotFound. It
// counts as shown from then on.
func (s *Site) letter(r *http.Request, o *owner) (*letter, error) {
	ctx := r.Context()
	l := &letter{ses: *o.session}
	l.ses.Item = "" // the place shows whatever is theirs
	return l, s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if l.item, l.content, _, err = s.Portal.Read(ctx, tx, &l.ses, portal.ID(r.PathValue("id"))); err != nil {
			return err
		}
		if l.c, err = s.Cases.Get(ctx, tx, l.item.Case); err != nil {
			return err
		}
		return s.Portal.ReleaseTo(ctx, tx, l.item, o.session)
	})
}

// myMessage serves POST /my/messages/{id}: a button, not a link, shows what waits.
func (s *Site) myMessage(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.letterPage(w, r, http.StatusOK, o, "", nil)
}

// myMessageAgain serves GET /my/messages/{id}: a page that was shown and is loaded
// again. What was never opened needs the button.
func (s *Site) myMessageAgain(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	var i *portal.Item
	err = s.DB.View(ctx, func(tx *db.Tx) error { i, err = portal.Get(ctx, tx, portal.ID(r.PathValue("id"))); return err })
	if err == nil && (i.Contact != o.contact.ID || i.Released.IsZero()) || fail.Is(err, fail.NotFound) {
		http.Redirect(w, r, "/my/messages", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return s.letterPage(w, r, http.StatusOK, o, "", nil)
}

func (s *Site) letterPage(w http.ResponseWriter, r *http.Request, status int, o *owner, reply string, errs web.Errors) error {
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	p := LetterPage{Public: s.place(r), Path: "/my/messages/" + string(l.item.ID), Ref: string(l.c.Ref), Subject: l.content.Subject, Reply: reply}
	p.Errors, p.Until = errs, p.When(l.item.Expires)
	p.Item = Letter{Lang: p.Lang, ID: "item", From: l.content.From, At: p.When(l.content.Written), Text: l.content.Text, Files: named(l.content.Attachments)}
	for n := range p.Item.Files {
		p.Item.Files[n].URL = fmt.Sprintf("%s/files/%d", p.Path, n)
	}
	return web.RenderStatus(w, r, status, Templates, "my-message", p)
}

// myFile serves GET /my/messages/{id}/files/{n}, of a message that was shown.
func (s *Site) myFile(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(l.content.Attachments) {
		return fail.New(fail.NotFound, "there is no such file")
	}
	return s.serveAttachment(w, r, l.content.Attachments[n])
}

// myReply serves POST /my/messages/{id}/reply.
func (s *Site) myReply(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	text := r.FormValue("text")
	ref, err := s.Intake.FromPortal(r.Context(), &intake.PortalReply{Session: &l.ses, Item: l.item, Text: text, Person: r.FormValue("do") == "person"})
	if fail.Is(err, fail.Invalid) {
		return s.letterPage(w, r, http.StatusUnprocessableEntity, o, text, web.Errors{{Field: "text", Text: said(o.session.Lang, err)}})
	}
	if err != nil {
		return err
	}
	p := SentPage{Public: s.place(r), Link: "/my/messages", Ref: string(ref), Person: r.FormValue("do") == "person", Place: true}
	p.At = p.When(p.Now)
	return web.Render(w, r, Templates, "sent", p)
}
