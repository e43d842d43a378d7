package public

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/lang"
	"postern/internal/portal"
	"postern/internal/vault"
	"postern/internal/web"
)

const cookieName = "__Host-postern-portal"

// visit is one request to an item: who it is for, and whether the visitor has
// proved anything.
type visit struct {
	link    string
	item    *portal.Item
	c       *cases.Case
	contact *contacts.Contact
	session *portal.Session // nil before the proof
	keys    int             // passkeys enrolled
	alone   bool            // they chose that the link alone is enough (link.go)
}

func (s *Site) visit(r *http.Request) (*visit, error) {
	v := &visit{link: r.PathValue("link")}
	ctx := r.Context()
	return v, s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if v.item, err = portal.ByLink(ctx, tx, v.link); err != nil {
			return err
		}
		if v.c, err = s.Cases.Get(ctx, tx, v.item.Case); err != nil {
			return err
		}
		if v.contact, err = s.Contacts.Get(ctx, tx, v.item.Contact); err != nil {
			return err
		}
		if v.keys, err = s.Passkeys.Count(ctx, tx, "contact", string(v.item.Contact)); err != nil {
			return err
		}
		if v.alone, err = s.byLinkAlone(ctx, tx, v); err != nil {
			return err
		}
		cookie, err := r.Cookie(cookieName)
		if err != nil {
			return nil
		}
		ses, err := portal.FindSession(ctx, tx, cookie.Value)
		if err == nil && ses.Item == v.item.ID && ses.Contact == v.item.Contact && (ses.Factor.Proves() || v.alone) {
			v.session, ses.Lang = ses, web.LangOf(r)
		}
		if fail.Is(err, fail.NotFound) {
			err = nil
		}
		return err
	})
}

func (v *visit) path() string { return "/m/" + v.link }

func (v *visit) phone() string {
	if len(v.contact.Phones) == 0 {
		return ""
	}
	return v.contact.Phones[0].Last()
}

// gone answers for what is not there: an unknown link, or content that was
// recalled or has expired.
func (s *Site) gone(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := GonePage{Public: s.page(r), Why: "unknown"}
	status := http.StatusNotFound
	if v != nil && v.item != nil && v.c != nil {
		status, p.Ref = http.StatusGone, string(v.c.Ref)
		p.Why, p.At = "expired", p.When(v.item.Expires)
		if !v.item.Recalled.IsZero() {
			p.Why, p.At = "recalled", p.When(v.item.Recalled)
		}
	}
	return web.RenderStatus(w, r, status, Templates, "gone", p)
}

// enter finds the visit and turns away what is gone; done is true when an
// answer was given.
func (s *Site) enter(w http.ResponseWriter, r *http.Request) (v *visit, done bool, err error) {
	v, err = s.visit(r)
	if fail.Is(err, fail.NotFound) {
		return nil, true, s.gone(w, r, nil)
	}
	if err != nil {
		return nil, true, err
	}
	if v.item.Gone(s.DB.Now()) != nil {
		return nil, true, s.gone(w, r, v)
	}
	return v, false, nil
}

// open serves GET /m/{link}. Following a link opens nothing: without a session
// there is a page with a button.
func (s *Site) open(w http.ResponseWriter, r *http.Request) error {
	v, done, err := s.enter(w, r)
	if done {
		return err
	}
	if v.session != nil {
		return s.message(w, r, http.StatusOK, v, "", nil, false)
	}
	ctx := r.Context()
	if err := s.DB.Update(ctx, func(tx *db.Tx) error { return portal.Fetched(ctx, tx, v.item.ID) }); err != nil {
		return err
	}
	p := OpenPage{Public: s.page(r), Link: v.path(), Ref: string(v.c.Ref), To: half(v.contact.MailTo()), Phone: v.phone(), Passed: v.keys > 0, Alone: v.alone}
	p.Until = p.When(v.item.Expires)
	return web.Render(w, r, Templates, "open", p)
}

// prove serves POST /m/{link}: the second factor, where they did not give it up.
func (s *Site) prove(w http.ResponseWriter, r *http.Request) error {
	v, done, err := s.enter(w, r)
	if done {
		return err
	}
	if v.alone {
		return s.openAlone(w, r, v)
	}
	return s.provePage(w, r, http.StatusOK, v, nil)
}

func (s *Site) provePage(w http.ResponseWriter, r *http.Request, status int, v *visit, errs web.Errors) error {
	p := ProvePage{Public: s.page(r), Link: v.path(), Ref: string(v.c.Ref), Passkey: v.keys > 0, Phone: v.phone(), Issued: true,
		Tries: int(portal.MaxTries - v.item.Tries), Locked: v.item.Locked()}
	p.Errors = errs
	return web.RenderStatus(w, r, status, Templates, "prove", p)
}

// code serves POST /m/{link}/code.
func (s *Site) code(w http.ResponseWriter, r *http.Request) error {
	v, done, err := s.enter(w, r)
	if done {
		return err
	}
	if s.Auth.Strict {
		return fail.New(fail.Denied, "%s", s.page(r).Lang.Must("portal.strict"))
	}
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	var token string
	var refused error
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if v.item, err = portal.Get(ctx, tx, v.item.ID); err != nil {
			return err
		}
		token, refused, err = s.Portal.Redeem(ctx, tx, v.item, r.FormValue("code"))
		return err
	})
	if err != nil {
		return err
	}
	if refused != nil {
		if v, err = s.visit(r); err != nil {
			return err
		}
		text := upperFirst(fail.Text(refused))
		if p := s.page(r); p.Foreign() { // the store says more, in English
			text = p.Lang.Must("portal.refused.left", max(0, portal.MaxTries-v.item.Tries))
		}
		return s.provePage(w, r, http.StatusForbidden, v, web.Errors{{Field: "code", Text: text + "."}})
	}
	setSession(w, token)
	http.Redirect(w, r, v.path(), http.StatusSeeOther)
	return nil
}

func setSession(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(portal.SessionAbsolute / time.Second)})
}

// thread is the case as its customer sees it, with the key that opens it.
func (s *Site) thread(ctx context.Context, v *visit) (content *portal.Content, earlier []*cases.Message, err error) {
	var sealed []cases.Sealed
	var key *vault.Key
	var items []portal.Item
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if v.item, content, _, err = s.Portal.Read(ctx, tx, v.session, v.item.ID); err != nil {
			return err
		}
		if key, err = s.Vault.Get(ctx, tx, v.c.KeyID); err != nil {
			return err
		}
		if sealed, err = cases.Thread(ctx, tx, v.c.ID); err != nil {
			return err
		}
		if items, err = portal.OfCase(ctx, tx, v.c.ID); err != nil {
			return err
		}
		return portal.Touch(ctx, tx, v.session)
	})
	if err != nil {
		return nil, nil, err
	}
	// Of what we wrote, they see only what was shown to them on the portal
	// before: everything else went another way, or to somebody else.
	shown := map[cases.MessageID]bool{}
	for _, i := range items {
		if i.Contact == v.item.Contact && !i.Released.IsZero() {
			shown[i.Message] = true
		}
	}
	for i := len(sealed) - 1; i >= 0; i-- {
		m := &sealed[i]
		mine := m.Kind == cases.In && m.Door == "portal" && m.Contact == v.item.Contact
		if m.ID == v.item.Message || !mine && !(m.Kind == cases.Out && shown[m.ID]) {
			continue
		}
		open, err := m.Open(key)
		if err != nil {
			return nil, nil, err
		}
		earlier = append(earlier, open)
	}
	return content, earlier, nil
}

// message shows what waited. errs and reply come back with a form that was refused.
func (s *Site) message(w http.ResponseWriter, r *http.Request, status int, v *visit, reply string, errs web.Errors, asked bool) error {
	content, earlier, err := s.thread(r.Context(), v)
	if err != nil {
		return err
	}
	p := MessagePage{Public: s.page(r), Link: v.path(), Ref: string(v.c.Ref), Subject: content.Subject, Factor: string(v.session.Factor), Reply: reply, Enrol: v.keys == 0 && v.session.Factor.Proves(), Asked: asked}
	p.Errors, p.Until, p.Opened = errs, p.When(v.item.Expires), p.When(v.item.Released)
	p.Item = Letter{Lang: p.Lang, ID: "item", From: content.From, At: p.When(content.Written), Text: content.Text, Files: files(v, content.Attachments)}
	for _, m := range earlier {
		p.Earlier = append(p.Earlier, Letter{Lang: p.Lang, ID: string(m.ID), From: content.From, Mine: m.Kind == cases.In, At: p.When(m.At), Text: m.Doc.Text, Files: named(m.Doc.Attachments)})
	}
	return web.RenderStatus(w, r, status, Templates, "message", p)
}

func files(v *visit, list []cases.Attachment) (out []File) {
	for i, a := range list {
		out = append(out, File{Name: a.Name, Size: a.Size, URL: fmt.Sprintf("%s/files/%d", v.path(), i)})
	}
	return out
}

func named(list []cases.Attachment) (out []File) {
	for _, a := range list {
		out = append(out, File{Name: a.Name, Size: a.Size})
	}
	return out
}

// proved is enter for what needs a session; without one the visitor begins again.
func (s *Site) proved(w http.ResponseWriter, r *http.Request) (v *visit, done bool, err error) {
	v, done, err = s.enter(w, r)
	if done {
		return v, done, err
	}
	if v.session == nil {
		http.Redirect(w, r, v.path(), http.StatusSeeOther)
		return nil, true, nil
	}
	return v, false, nil
}

// file serves GET /m/{link}/files/{n}.
func (s *Site) file(w http.ResponseWriter, r *http.Request) error {
	v, done, err := s.proved(w, r)
	if done {
		return err
	}
	content, _, err := s.thread(r.Context(), v)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(content.Attachments) {
		return fail.New(fail.NotFound, "there is no such file")
	}
	return s.serveAttachment(w, r, content.Attachments[n])
}

func (s *Site) serveAttachment(w http.ResponseWriter, r *http.Request, a cases.Attachment) error {
	var b *vault.Blob
	if err := s.DB.View(r.Context(), func(tx *db.Tx) (err error) { b, err = s.Vault.GetBlob(r.Context(), tx, a.Blob); return err }); err != nil {
		return err
	}
	data, err := b.Open()
	if err != nil {
		return err
	}
	web.ServeFile(w, a.Name, data)
	return nil
}

// reply serves POST /m/{link}/reply, and /person, which asks for a person.
func (s *Site) reply(w http.ResponseWriter, r *http.Request) error {
	bad := web.ParseForm(w, r)
	v, done, err := s.proved(w, r)
	if done {
		return err
	}
	if bad != nil {
		return s.message(w, r, http.StatusUnprocessableEntity, v, "", web.Errors{{Field: "files", Text: said(web.LangOf(r), bad)}}, false)
	}
	rep := &intake.PortalReply{Session: v.session, Item: v.item, Text: r.FormValue("text"), Person: strings.HasSuffix(r.URL.Path, "/person")}
	files, err := web.Uploads(r)
	if err != nil {
		return err
	}
	for _, f := range files {
		rep.Files = append(rep.Files, cases.File(f))
	}
	ref, err := s.Intake.FromPortal(r.Context(), rep)
	if fail.Is(err, fail.Invalid) {
		return s.message(w, r, http.StatusUnprocessableEntity, v, rep.Text, web.Errors{{Field: "text", Text: said(web.LangOf(r), err)}}, false)
	}
	if err != nil {
		return err
	}
	p := SentPage{Public: s.page(r), Link: v.path(), Ref: string(ref), Person: rep.Person}
	p.At = p.When(p.Now)
	return web.Render(w, r, Templates, "sent", p)
}

// signOut serves POST /m/{link}/sign-out.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if v, err := s.visit(r); err == nil && v.session != nil {
		if err := s.DB.Update(ctx, func(tx *db.Tx) error { return portal.End(ctx, tx, v.session) }); err != nil {
			return err
		}
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", Secure: true, HttpOnly: true, MaxAge: -1})
	web.ClearSite(w)
	return web.Render(w, r, Templates, "signed-out", SignedOutPage{s.page(r)})
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// said is what a failure says to the visitor, as a sentence of the page's language.
func said(l lang.Lang, err error) string { return upperFirst(l.Said(fail.Text(err))) + "." }

// person serves /person/{token}, to which every mail of ours leads: a page with a
// button, which no program that follows links presses. It shows nothing of the case.
func (s *Site) person(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), r.PathValue("token")
	p := PersonPage{Public: s.page(r), Token: token}
	if r.Method != http.MethodPost {
		if _, err := s.Intake.PersonFor(ctx, token); err != nil {
			return err
		}
		return web.Render(w, r, Templates, "person", p)
	}
	if err := s.countReply(r, p.Lang); err != nil {
		return err
	}
	ref, err := s.Intake.AskPerson(ctx, token)
	if err != nil {
		return err
	}
	p.Ref = string(ref)
	return web.Render(w, r, Templates, "person", p)
}
