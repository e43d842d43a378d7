package public

import (
	"net/http"
	"strconv"

	"postern/internal/db"
	"postern/internal/publications"
	"postern/internal/web"
)

// published is what the organisation says about security.
func (s *Site) published() map[string]web.Handler {
	return map[string]web.Handler{
		"GET " + publications.WellKnownPath:                s.securityTxt,
		"GET /security.txt":                                s.toSecurityTxt,
		"GET " + publications.PolicyPath:                   s.policy,
		"GET " + publications.ThanksPath:                   s.thanks,
		"GET " + publications.PolicyPath + "/versions":     s.policyVersions,
		"GET " + publications.PolicyPath + "/versions/{n}": s.policy,
	}
}

// securityTxt serves GET /.well-known/security.txt (RFC 9116).
func (s *Site) securityTxt(w http.ResponseWriter, r *http.Request) error {
	text, err := s.Published.SecurityTxt()
	if err != nil {
		return err
	}
	serveOpenly(w, "text/plain; charset=utf-8", text)
	return nil
}

// toSecurityTxt serves GET /security.txt, where some look first (RFC 9116, 3).
func (s *Site) toSecurityTxt(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, publications.WellKnownPath, http.StatusFound)
	return nil
}

// policy serves GET /security-policy, and /security-policy/versions/{n} for what it was.
func (s *Site) policy(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), PolicyPage{Public: s.page(r)}
	now, err := s.Published.Policy(ctx)
	if err != nil {
		return err
	}
	shown := now
	if v := r.PathValue("n"); v != "" {
		n, _ := strconv.ParseInt(v, 10, 64) // nonsense is version 0, and there is none
		if shown, err = s.Published.PolicyVersion(ctx, n); err != nil {
			return err
		}
	}
	p.Version, p.Since, p.Old = shown.Version, p.When(shown.At), shown.Version != now.Version
	body, in, err := s.Published.PolicyHTML(shown, p.Lang)
	if err != nil {
		return err
	}
	p.Body, p.In = body, string(in)
	return web.Render(w, r, Templates, "policy", p)
}

// policyVersions serves GET /security-policy/versions.
func (s *Site) policyVersions(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), PolicyVersionsPage{Public: s.page(r)}
	var list []publications.Policy
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = s.Published.PolicyVersions(ctx, tx); return err })
	if err != nil {
		return err
	}
	for _, v := range list {
		note, in := v.Note(p.Lang)
		p.Versions = append(p.Versions, PolicyVersion{v.Version, p.When(v.At), note, string(in)})
	}
	return web.Render(w, r, Templates, "policy-versions", p)
}

// thanks serves GET /security-thanks. It is read from the rows each time: a name that
// was withdrawn is gone with the next look.
func (s *Site) thanks(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), ThanksPage{Public: s.page(r)}
	var list []publications.Credit
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = publications.Thanked(ctx, tx); return err })
	if err != nil {
		return err
	}
	for _, c := range list {
		p.Names = append(p.Names, Thanked{c.Name, c.Line, p.When(c.Shown)})
	}
	return web.Render(w, r, Templates, "thanks", p)
}

// serveOpenly answers with a file that is made for programs of others: any site may
// read it, and a cache may keep it for a while.
func serveOpenly(w http.ResponseWriter, kind string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Write(data) // a caller who has gone away is no failure of ours
}
