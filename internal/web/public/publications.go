package public

import (
	"net/http"

	"postern/internal/publications"
	"postern/internal/web"
)

// published is what the organisation says about security.
func (s *Site) published() map[string]web.Handler {
	return map[string]web.Handler{
		"GET " + publications.WellKnownPath: s.securityTxt,
		"GET /security.txt":                 s.toSecurityTxt,
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
