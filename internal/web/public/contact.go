package public

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/web"
)

// The form that anybody may use, one thing a page. What was written so far is kept
// on the server, and found by a secret in a cookie.

const formCookie = "__Host-postern-form"

// formRoutes are the pages of the form and of the case that it begins.
func (s *Site) formRoutes() map[string]web.Handler {
	return map[string]web.Handler{
		"GET /contact":                        s.topics,
		"GET /contact/about/{topic}":          s.write,
		"POST /contact/about/{topic}":         s.write,
		"GET /contact/affected":               s.affected,
		"POST /contact/affected":              s.affected,
		"GET /contact/files":                  s.reportFiles,
		"POST /contact/files":                 s.reportFiles,
		"GET /contact/you":                    s.you,
		"POST /contact/you":                   s.you,
		"GET /contact/check":                  s.checkForm,
		"POST /contact/send":                  s.sendForm,
		"GET /contact/done":                   s.doneForm,
		"GET /contact/receipt.eml":            s.formReceipt,
		"GET /case":                           s.findCase,
		"POST /case":                          s.openCase,
		"GET /case/{ref}":                     s.casePage,
		"POST /case/{ref}/reply":              s.caseReply,
		"POST /case/{ref}/report":             s.reportReply,
		"POST /case/{ref}/sign-out":           s.leaveCase,
		"GET /case/{ref}/files/{message}/{n}": s.caseFile,
	}
}

func (s *Site) secret(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > 200 {
		return ""
	}
	return c.Value
}

func setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: seconds})
}

// draft finds what this browser began and did not send; nil if there is nothing.
func (s *Site) draft(r *http.Request) (*centre.Draft, error) {
	secret := s.secret(r, formCookie)
	if secret == "" {
		return nil, nil
	}
	f, err := s.Centre.Find(r.Context(), secret)
	if fail.Is(err, fail.NotFound) || err == nil && f.Case != "" {
		return nil, nil
	}
	return f, err
}

// topics serves GET /contact.
func (s *Site) topics(w http.ResponseWriter, r *http.Request) error {
	f, err := s.draft(r)
	if err != nil {
		return err
	}
	p := TopicsPage{Public: s.page(r), Draft: f != nil}
	p.Topics = s.Centre.Tree().List(p.Lang)
	return web.Render(w, r, Templates, "contact", p)
}

// named finds a topic or a door in the page's language; none is NotFound.
func (s *Site) named(p web.Public, id string) (string, error) {
	list := s.Centre.Tree().List(p.Lang)
	if i := slices.IndexFunc(list, func(c centre.Choice) bool { return c.ID == id }); i >= 0 {
		return list[i].Name, nil
	}
	return "", fail.New(fail.NotFound, "there is no such topic")
}

// write serves /contact/about/{topic}: the text and its files.
func (s *Site) write(w http.ResponseWriter, r *http.Request) error {
	p := WritePage{Public: s.page(r), ID: r.PathValue("topic")}
	p.Security = p.ID == centre.Security
	var err error
	if p.Topic, err = s.named(p.Public, p.ID); err != nil {
		return err
	}
	f, err := s.draft(r)
	if err != nil {
		return err
	}
	if f == nil {
		f = &centre.Draft{}
	}
	if r.Method != http.MethodPost {
		p.Text, p.Files = f.Text, formFiles(f)
		return web.Render(w, r, Templates, "contact-message", p)
	}
	next, err := s.takeMessage(w, r, &p, f)
	if err != nil {
		return err
	}
	if len(p.Errors) > 0 {
		p.Files = formFiles(f)
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "contact-message", p)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// takeMessage keeps what was typed, and says where to go on. What is wrong stands in
// the page's errors; the text is kept all the same.
func (s *Site) takeMessage(w http.ResponseWriter, r *http.Request, p *WritePage, f *centre.Draft) (next string, err error) {
	wrong := func(field, key string) {
		p.Errors = append(p.Errors, web.FieldError{Field: field, Text: p.Lang.Must(key) + "."})
	}
	if err := web.ParseForm(w, r); err != nil {
		wrong("files", "form.files.many")
		p.Text = f.Text
		return "", nil
	}
	uploads, err := web.Uploads(r)
	if err != nil {
		return "", err
	}
	p.Text = r.FormValue("text")
	f.Topic, f.Text, f.Lang = p.ID, p.Text, p.Lang
	f.Normal()
	var drop []int
	for _, v := range r.Form["drop"] {
		if n, err := strconv.Atoi(v); err == nil {
			drop = append(drop, n)
		}
	}
	more := r.FormValue("do") == "keep"
	switch left := len(f.Files) + len(uploads) - len(drop); {
	case strings.TrimSpace(r.FormValue("website")) != "":
		wrong("website", "form.trap.filled")
		return "", nil
	case len(f.Text) > centre.MaxText:
		wrong("text", "form.text.long")
		return "", nil
	case f.Text == "" && left <= 0 && !more:
		wrong("text", "form.text.empty")
		return "", nil
	}
	if err := s.begun(w, r, f); err != nil {
		return "", s.busy(err, p)
	}
	files := make([]cases.File, 0, len(uploads))
	for _, u := range uploads {
		files = append(files, cases.File{Name: u.Name, Type: u.Type, Data: u.Data})
	}
	err = s.Centre.Save(r.Context(), f, files, drop)
	if fail.Is(err, fail.Invalid) {
		wrong("files", "form.files.many")
		return "", s.Centre.Save(r.Context(), f, nil, nil) // the text is kept
	}
	switch {
	case more:
		return "/contact/about/" + p.ID, err
	case p.Security && len(uploads) == 0:
		return "/contact/files", err
	case f.Name != "" || f.Address != "" || f.Nudge != "":
		return "/contact/check", err
	}
	return "/contact/you", err
}

// begun keeps a new form, if it is new.
func (s *Site) begun(w http.ResponseWriter, r *http.Request, f *centre.Draft) error {
	if f.Known() {
		return nil
	}
	secret, err := s.Centre.Begin(r.Context(), f, web.Network(r))
	if err == nil {
		setCookie(w, formCookie, secret, int(centre.DraftLife.Seconds()))
	}
	return err
}

// countReply counts what somebody sends without an account against their network; too
// many are TooMany, in the page's language.
func (s *Site) countReply(r *http.Request, l lang.Lang) error {
	err := s.Centre.CountReply(r.Context(), web.Network(r))
	if fail.Is(err, fail.TooMany) {
		err = fail.New(fail.TooMany, "%s", l.Must("form.many"))
	}
	return err
}

// busy has the limit of a network say so in the visitor's language.
func (s *Site) busy(err error, p *WritePage) error {
	if fail.Is(err, fail.TooMany) {
		return fail.New(fail.TooMany, "%s", p.Lang.Must("form.many"))
	}
	return err
}

func formFiles(f *centre.Draft) (out []FormFile) {
	for n, a := range f.Files {
		out = append(out, FormFile{n, a.Name, a.Size})
	}
	return out
}

// going finds the form that is under way; without one it leads to the beginning, and
// done is true.
func (s *Site) going(w http.ResponseWriter, r *http.Request) (f *centre.Draft, done bool, err error) {
	f, err = s.draft(r)
	if err == nil && f == nil {
		return nil, true, fail.New(fail.NotFound, "%s", s.page(r).Lang.Must("form.gone"))
	}
	return f, err != nil, err
}

// you serves /contact/you: who it is from, if they like to say.
func (s *Site) you(w http.ResponseWriter, r *http.Request) error {
	f, done, err := s.going(w, r)
	if done {
		return err
	}
	p := YouPage{Public: s.page(r), ID: f.Topic, Name: f.Name, Address: cmp.Or(f.Address, f.Nudge), Nudge: f.Nudge != "", Security: f.Topic == centre.Security}
	if r.Method != http.MethodPost {
		return web.Render(w, r, Templates, "contact-you", p)
	}
	r.Body = http.MaxBytesReader(w, r.Body, 8192)
	p.Name, p.Address, p.Nudge = r.FormValue("name"), r.FormValue("address"), r.FormValue("nudge") != ""
	address, err := s.Intake.FormAddress(p.Address)
	if err != nil {
		key := "form.address.bad"
		if s.Mailboxes.Is(strings.ToLower(strings.TrimSpace(p.Address))) {
			key = "form.address.ours"
		}
		p.Errors = web.Errors{{Field: "address", Text: p.Lang.Must(key) + "."}}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "contact-you", p)
	}
	f.Name, f.Address, f.Nudge = p.Name, address, ""
	if p.Nudge {
		f.Address, f.Nudge = "", address
	}
	f.Normal()
	if err := s.Centre.Save(r.Context(), f, nil, nil); err != nil {
		return err
	}
	http.Redirect(w, r, "/contact/check", http.StatusSeeOther)
	return nil
}

// checkForm serves GET /contact/check.
func (s *Site) checkForm(w http.ResponseWriter, r *http.Request) error {
	f, done, err := s.going(w, r)
	if done {
		return err
	}
	return s.showCheck(w, r, http.StatusOK, f, "")
}

// waitForm asks the sender of one form of many to wait a minute: the way of who runs no
// scripts. What was written is kept.
func (s *Site) waitForm(w http.ResponseWriter, r *http.Request, f *centre.Draft) error {
	w.Header().Set("Retry-After", strconv.Itoa(int(centre.SlowWait.Seconds())))
	return s.showCheck(w, r, http.StatusTooManyRequests, f, s.Centre.Wait(f))
}

// showCheck shows what would be sent, with the task that a browser works on meanwhile.
func (s *Site) showCheck(w http.ResponseWriter, r *http.Request, status int, f *centre.Draft, wait string) (err error) {
	p := CheckPage{Task: s.Centre.Task(f), Wait: wait, Public: s.page(r), ID: f.Topic, Text: f.Text, Name: f.Name, Address: f.Address, Nudge: f.Nudge, Files: formFiles(f), Affected: f.Affected, Security: f.Topic == centre.Security}
	if p.Topic, err = s.named(p.Public, f.Topic); err != nil { // it was taken off the list meanwhile
		p.ID = centre.SomethingElse
		p.Topic, err = s.named(p.Public, p.ID)
	}
	if err != nil {
		return err
	}
	if f.Topic != centre.Security { // nobody sends a finder to an article
		p.Articles = s.leaves(p.Public, s.Centre.Shelf().Find(p.Lang, f.Text, 3))
	}
	return web.RenderStatus(w, r, status, Templates, "contact-check", p)
}

// sendForm serves POST /contact/send.
func (s *Site) sendForm(w http.ResponseWriter, r *http.Request) error {
	secret := s.secret(r, formCookie)
	f, err := s.Centre.Find(r.Context(), secret)
	switch {
	case fail.Is(err, fail.NotFound):
		return fail.New(fail.NotFound, "%s", s.page(r).Lang.Must("form.gone"))
	case err != nil:
		return err
	case f.Case == "":
		if _, err := s.named(s.page(r), f.Topic); err != nil {
			f.Topic = centre.SomethingElse
		}
		r.Body = http.MaxBytesReader(w, r.Body, 8192)
		err = s.Intake.FromForm(r.Context(), f, web.Network(r), s.Centre.Paid(f, r.PostFormValue("work"), r.PostFormValue("wait")))
		if errors.Is(err, centre.ErrSlow) {
			return s.waitForm(w, r, f)
		}
		if fail.Is(err, fail.TooMany) {
			return fail.New(fail.TooMany, "%s", s.page(r).Lang.Must("form.many"))
		}
		if sent, e := s.Centre.Again(r.Context(), f); err != nil && (e != nil || !sent) { // a second click finds it sent
			return err
		}
	}
	http.Redirect(w, r, "/contact/done", http.StatusSeeOther)
	return nil
}

// doneForm serves GET /contact/done: the reference and the code, twice.
func (s *Site) doneForm(w http.ResponseWriter, r *http.Request) error {
	f, err := s.Centre.Show(r.Context(), s.secret(r, formCookie))
	if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Conflict) {
		return fail.New(fail.NotFound, "%s", s.page(r).Lang.Must("form.gone"))
	}
	if err != nil {
		return err
	}
	p := DonePage{Public: s.page(r), Ref: string(f.Ref), Code: f.Code, Last: f.Shown >= 2, Security: f.Topic == centre.Security}
	p.Sent = p.When(f.Sent)
	if f.Address != "" {
		p.Address = half(f.Address)
	}
	return web.Render(w, r, Templates, "contact-done", p)
}

// formReceipt serves GET /contact/receipt.eml: signed by us, to be kept.
func (s *Site) formReceipt(w http.ResponseWriter, r *http.Request) error {
	f, err := s.Centre.Find(r.Context(), s.secret(r, formCookie))
	if fail.Is(err, fail.NotFound) || err == nil && f.Case == "" {
		err = fail.New(fail.NotFound, "%s", s.page(r).Lang.Must("form.gone"))
	}
	if err != nil {
		return err
	}
	raw, err := s.Outbox.FormReceipt(s.Centre.MailboxFor(f.Topic), f.Ref, f.Sent, f.Sum, web.LangOf(r))
	if err != nil {
		return err
	}
	web.ServeFile(w, "receipt-"+string(f.Ref)+".eml", raw)
	return nil
}
