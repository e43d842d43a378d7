package web

import (
	"context"
	"html/template"
	"net/http"

	"postern/internal/fail"
)

// Options says what kind of pages stand behind Headers.
type Options struct {
	Org   Org  // for the error pages
	Staff bool // staff pages may show a mail's HTML in a sandboxed frame of ours
	HSTS  bool // the pages are reached by TLS with a certificate that browsers trust
}

// csp allows our own files and nothing else. Inline script and style are never
// allowed, and no string can become markup: scripts build nodes.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// frameStyle is the whole style of a mail's HTML; frameHash is what the
// frame's own policy allows of it, checked in a test.
const (
	frameStyle = `:root{color-scheme:light dark}body{margin:12px 16px;font:17px/1.55 "Iowan Old Style",Palatino,Charter,"Noto Serif",Georgia,"Liberation Serif",serif;overflow-wrap:break-word}img{display:none}table{max-width:100%}`
	frameHash  = "sha256-0LVUX/+TLww3K631UVI2UWm5dfT3mJEpjhDx6AXG9DE="
)

var always = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"X-Frame-Options":              "DENY", // for browsers that do not know frame-ancestors
	"X-DNS-Prefetch-Control":       "off",
	"Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), accelerometer=(), autoplay=(), " +
		"browsing-topics=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), " +
		"identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), " +
		"picture-in-picture=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
}

// Headers sets what every answer carries, and refuses to change anything for a
// request that another site made the browser send.
func Headers(next http.Handler, o Options) http.Handler {
	policy := csp
	if o.Staff {
		policy += "; frame-src 'self'"
	}
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(Handler(func(http.ResponseWriter, *http.Request) error {
		return fail.New(fail.Denied, "this request came from another site, or your browser hid where it came from")
	}))
	inner := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for k, v := range always {
			h.Set(k, v)
		}
		h.Set("Content-Security-Policy", policy)
		if o.Staff {
			h.Set("X-Robots-Tag", "noindex")
		}
		if o.HSTS {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), siteKey{}, &o)))
	})
}

// siteKey finds the Options of a request: an error page needs the letterhead
// of the house that answers.
type siteKey struct{}

func siteOf(r *http.Request) Options {
	if o, ok := r.Context().Value(siteKey{}).(*Options); ok {
		return *o
	}
	return Options{}
}

// ClearSite makes the browser forget what it kept of us; for signing out.
func ClearSite(w http.ResponseWriter) {
	w.Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
}

// RenderFrame answers with a mail's HTML for the sandboxed frame. The HTML must
// come from a sanitiser; the policy is the second wall: nothing is loaded,
// nothing runs, nothing can be sent, and only our own page may frame it.
func RenderFrame(w http.ResponseWriter, r *http.Request, clean template.HTML) error {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+frameHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	return Render(w, r, shared(), "frame", struct {
		Style template.CSS
		HTML  template.HTML
	}{template.CSS(frameStyle), clean})
}
