package public

import (
	"net/http"
	"strconv"
	"strings"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/fail"
	"postern/internal/web"
)

// The form for security problems has five short pages: what is affected, what was seen,
// files, who they are if they like to say, and a look over it. The draft is that of the
// other form; each page can be left empty but that of what was seen.

const securityForm = "/contact/about/" + centre.Security

// AffectedPage is "report-affected".
type AffectedPage struct {
	web.Public
	Affected string
}

// FilesPage is "report-files".
type FilesPage struct {
	web.Public
	Files []FormFile
}

// maxAffected is how long what is affected may be, in bytes.
const maxAffected = 2000

// affected serves /contact/affected: the first page.
func (s *Site) affected(w http.ResponseWriter, r *http.Request) error {
	f, err := s.draft(r)
	if err != nil {
		return err
	}
	if f == nil {
		f = &centre.Draft{}
	}
	p := AffectedPage{Public: s.page(r), Affected: f.Affected}
	if r.Method != http.MethodPost {
		return web.Render(w, r, Templates, "report-affected", p)
	}
	r.Body = http.MaxBytesReader(w, r.Body, 32<<10)
	p.Affected = strings.TrimSpace(r.FormValue("affected"))
	wrong := func(field, key string) error {
		p.Errors = web.Errors{{Field: field, Text: p.Lang.Must(key) + "."}}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "report-affected", p)
	}
	switch {
	case strings.TrimSpace(r.FormValue("website")) != "":
		return wrong("website", "form.trap.filled")
	case len(p.Affected) > maxAffected:
		return wrong("affected", "form.text.long")
	}
	f.Topic, f.Affected, f.Lang = centre.Security, p.Affected, p.Lang
	if err := s.begun(w, r, f); err != nil {
		if fail.Is(err, fail.TooMany) {
			err = fail.New(fail.TooMany, "%s", p.Lang.Must("form.many"))
		}
		return err
	}
	if err := s.Centre.Save(r.Context(), f, nil, nil); err != nil {
		return err
	}
	http.Redirect(w, r, securityForm, http.StatusSeeOther)
	return nil
}

// reportFiles serves /contact/files: the third page.
func (s *Site) reportFiles(w http.ResponseWriter, r *http.Request) error {
	f, done, err := s.going(w, r)
	if done {
		return err
	}
	p := FilesPage{Public: s.page(r), Files: formFiles(f)}
	if r.Method != http.MethodPost {
		return web.Render(w, r, Templates, "report-files", p)
	}
	wrong := func(err error) error {
		if !fail.Is(err, fail.Invalid) {
			return err
		}
		p.Errors = web.Errors{{Field: "files", Text: p.Lang.Must("form.files.many") + "."}}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "report-files", p)
	}
	if err := web.ParseForm(w, r); err != nil {
		return wrong(fail.New(fail.Invalid, "too large"))
	}
	uploads, err := web.Uploads(r)
	if err != nil {
		return err
	}
	var files []cases.File
	for _, u := range uploads {
		files = append(files, cases.File{Name: u.Name, Type: u.Type, Data: u.Data})
	}
	var drop []int
	for _, v := range r.Form["drop"] {
		if n, err := strconv.Atoi(v); err == nil {
			drop = append(drop, n)
		}
	}
	if err := s.Centre.Save(r.Context(), f, files, drop); err != nil {
		return wrong(err)
	}
	next := "/contact/you"
	switch {
	case r.FormValue("do") == "keep":
		next = "/contact/files"
	case f.Name != "" || f.Address != "" || f.Nudge != "":
		next = "/contact/check"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}
