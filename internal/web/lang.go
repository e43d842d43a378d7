package web

import (
	"net/http"
	"slices"
	"time"

	"postern/internal/lang"
)

const langCookie = "__Host-postern-lang"

// LangOf is the language that a visitor chose, or that their browser asks for.
func LangOf(r *http.Request) lang.Lang {
	if c, err := r.Cookie(langCookie); err == nil {
		if l, ok := lang.Parse(c.Value); ok {
			return l
		}
	}
	return lang.Match(r.Header.Get("Accept-Language"))
}

// Choose takes the language from a link "?lang=de", and leads back to the page in
// it; it reports whether it did.
func Choose(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || !r.URL.Query().Has("lang") {
		return false
	}
	if l, ok := lang.Parse(r.URL.Query().Get("lang")); ok {
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: string(l), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
			MaxAge: int((365 * 24 * time.Hour).Seconds())})
	}
	to := *r.URL // our own path: the mux has cleaned it
	q := to.Query()
	q.Del("lang")
	if len(to.Path) > 1 && (to.Path[1] == '/' || to.Path[1] == '\\') {
		to.Path = "/" // a browser would take what follows for another host
	}
	to.RawQuery, to.Scheme, to.Host = q.Encode(), "", ""
	http.Redirect(w, r, to.RequestURI(), http.StatusSeeOther)
	return true
}

// In makes a page's base speak the visitor's language, and offer the others.
func (p Public) In(r *http.Request) Public {
	p.Lang = LangOf(r)
	p.Org.Hours = p.Lang.Hours(p.Org.Hours)
	for _, l := range lang.All {
		if l != p.Lang {
			p.Langs = append(slices.Clip(p.Langs), l)
		}
	}
	return p
}
