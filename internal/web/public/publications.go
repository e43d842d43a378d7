package public

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/advisory"
	"postern/internal/db"
	"postern/internal/lang"
	"postern/internal/publications"
	"postern/internal/web"
)

// published is what the organisation says about security.
func (s *Site) published() map[string]web.Handler {
	return map[string]web.Handler{
		"GET " + publications.WellKnownPath:                s.securityTxt,
		"GET /security.txt":                                s.toSecurityTxt,
		"GET " + publications.PolicyPath:                   s.policy,
		"GET " + publications.PolicyPath + "/versions":     s.policyVersions,
		"GET " + publications.PolicyPath + "/versions/{n}": s.policy,
		"GET " + publications.ThanksPath:                   s.thanks,
		"GET " + advisory.PagePath:                         s.advisories,
		"GET " + advisory.PagePath + "/{id}":               s.advisory,
		"GET " + advisory.PagePath + "/{id}/osv.json":      s.osv,
		"GET " + advisory.Root + "{path...}":               s.csaf,
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

// advisories serves GET /security-advisories.
func (s *Site) advisories(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), AdvisoriesPage{Public: s.page(r)}
	var list []publications.Record
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = publications.Published(ctx, tx); return err })
	if err != nil {
		return err
	}
	for _, a := range list {
		t, in := a.In(p.Lang)
		row := AdvisoryRow{ID: a.ID, Title: t.Title, In: string(in), Severity: severity(p.Lang, &a.Advisory), Published: p.When(a.First())}
		if len(a.Revisions) > 1 {
			row.Changed = p.When(a.Last())
		}
		p.List = append(p.List, row)
	}
	return web.Render(w, r, Templates, "advisories", p)
}

// severity is the CVSS score with its word.
func severity(l lang.Lang, a *advisory.Advisory) string {
	score, word := a.Score()
	if word == "" {
		return ""
	}
	return fmt.Sprintf("%.1f, %s (CVSS 3.1)", score, l.Must("advisory.severity."+strings.ToLower(word)))
}

// advisory serves GET /security-advisories/{id}.
func (s *Site) advisory(w http.ResponseWriter, r *http.Request) error {
	ctx, p := r.Context(), AdvisoryPage{Public: s.page(r)}
	var a *publications.Record
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		a, err = publications.PublishedAs(ctx, tx, r.PathValue("id"))
		return err
	})
	if err != nil {
		return err
	}
	t, in := a.In(p.Lang)
	p.ID, p.CVE, p.Title, p.Wrong, p.Made, p.In, p.Severity = a.ID, a.CVE, t.Title, t.Wrong, t.Done, string(in), severity(p.Lang, &a.Advisory)
	p.Reported, p.Mended, p.Published = p.When(a.Reported), p.When(a.Fixed), p.When(a.First())
	p.Thanks, p.Products, p.References = a.Thanks, a.Products, a.References
	for _, v := range a.Revisions {
		p.Revisions = append(p.Revisions, RevisionRow{p.When(v.Date), v.Summary})
	}
	if a.ForPrograms() {
		p.File = advisory.Folder(a.Label()) + a.Path()
	}
	return web.Render(w, r, Templates, "advisory", p)
}

// osv serves GET /security-advisories/{id}/osv.json.
func (s *Site) osv(w http.ResponseWriter, r *http.Request) error {
	f, err := s.Published.OSV(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	serveOpenly(w, f.Type, f.Data)
	return nil
}

// csaf serves GET /.well-known/csaf/, folders as pages.
func (s *Site) csaf(w http.ResponseWriter, r *http.Request) error {
	path := r.PathValue("path")
	if path == "" || strings.HasSuffix(path, "/") {
		names, err := s.Published.Listing(r.Context(), path)
		if err != nil {
			return err
		}
		return web.Render(w, r, Templates, "csaf-folder", FolderPage{Public: s.page(r), Folder: advisory.Root + path, Names: names})
	}
	f, err := s.Published.CSAF(r.Context(), path)
	if err != nil {
		return err
	}
	serveOpenly(w, f.Type, f.Data)
	return nil
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
