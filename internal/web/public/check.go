package public

import (
	"errors"
	"net/http"
	"strings"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/fail"
	"postern/internal/outbox"
	"postern/internal/web"
)

// maxShown is how large a message may be that somebody shows us.
const maxShown = 5 << 20

// check serves POST /check: is this from you? What is not ours, or was changed, is with
// our security people by that; who asked gets a reference like everybody.
func (s *Site) check(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	p := CheckedPage{Public: s.page(r)}
	wrong := func(key string) error {
		p.Errors = web.Errors{{Field: "text", Text: p.Lang.Must(key) + "."}}
		return s.renderCheck(w, r, http.StatusUnprocessableEntity, &p)
	}
	if err := web.ParseForm(w, r); err != nil {
		return wrong("check.large")
	}
	uploads, err := web.Uploads(r)
	if err != nil {
		return err
	}
	p.Text = r.FormValue("text")
	shown := []byte(p.Text)
	if len(uploads) > 0 {
		shown = uploads[0].Data
	}
	switch {
	case len(uploads) > 1 || len(shown) > maxShown || len(uploads) == 0 && len(shown) > centre.MaxText:
		return wrong("check.large")
	case strings.TrimSpace(string(shown)) == "":
		return wrong("check.empty")
	}
	if err := s.countReply(r, p.Lang); err != nil {
		return err
	}
	f, err := s.Outbox.IsOurs(ctx, shown)
	if err != nil {
		return err
	}
	p.Asked, p.Origin, p.How, p.Sent, p.Key, p.To = true, string(f.Origin), f.How, p.When(f.Sent), web.Fingerprint(f.Key), half(f.To)
	if f.To == "" {
		p.To = ""
	}
	if f.Origin != outbox.Ours {
		if p.Filed, p.See, err = s.fileShown(w, r, p.Public, f, p.Text, uploads); err != nil {
			return err
		}
	}
	return s.renderCheck(w, r, http.StatusOK, &p)
}

// fileShown hands what is not ours to the security people. Where a network sends too
// many, it says so, and the answer stands all the same.
func (s *Site) fileShown(w http.ResponseWriter, r *http.Request, p web.Public, f outbox.Finding, text string, uploads []web.Upload) (filed, see bool, err error) {
	ctx := r.Context()
	words := map[outbox.Origin]string{outbox.Changed: "Somebody asks whether this is from us. The desk answered: something of ours is in it, and something that is not.", outbox.Foreign: "Somebody asks whether this is from us. The desk answered: nothing shows that it is ours."}[f.Origin]
	d := &centre.Draft{Topic: centre.Security, Lang: p.Lang, Text: words}
	if strings.TrimSpace(text) != "" {
		d.Text += "\n\n" + text[:min(len(text), centre.MaxText-1000)]
	}
	secret, err := s.Centre.Begin(ctx, d, web.Network(r))
	if err == nil {
		var files []cases.File
		for _, u := range uploads {
			files = append(files, cases.File{Name: u.Name, Type: u.Type, Data: u.Data})
		}
		if err = s.Centre.Save(ctx, d, files, nil); err == nil {
			err = s.Intake.FromForm(ctx, d, web.Network(r), true) // it was counted already, as a message that somebody shows us
		}
	}
	if fail.Is(err, fail.TooMany) {
		return false, false, nil
	}
	if err != nil {
		return false, false, errors.Join(errors.New("file what somebody showed us"), err)
	}
	if begun, err := s.draft(r); err != nil || begun == nil { // a form that they have begun is not lost by this
		setCookie(w, formCookie, secret, int(centre.DraftLife.Seconds()))
		see = true
	}
	return true, see, nil
}

// checkPage serves GET /check.
func (s *Site) checkPage(w http.ResponseWriter, r *http.Request) error {
	return s.renderCheck(w, r, http.StatusOK, &CheckedPage{Public: s.page(r)})
}

func (s *Site) renderCheck(w http.ResponseWriter, r *http.Request, status int, p *CheckedPage) error {
	return web.RenderStatus(w, r, status, Templates, "check", *p)
}
