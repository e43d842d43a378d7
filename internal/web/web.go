// Package web has what all pages share: one place that turns a failure into a
// page, rendering, response headers, static files, and the words for trust,
// protection and time. It knows nothing of cases or people.
//
// Layout: css/*.css become one style sheet in the order of their names;
// static/ holds icons, the engraved band and small ES modules; templates/ has
// the parts that staff and public pages are put together from. A page is a
// template named after it, which calls "head", then writes its own <title>,
// then "rail" or "letterhead", its <main>, and "tail" or "footer".
package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"

	"postern/internal/fail"
)

// Render writes the named template of the set with the page as its data. The
// page is complete before the first byte leaves, so a failure is still a page.
func Render(w http.ResponseWriter, r *http.Request, set *template.Template, name string, page any) error {
	return RenderStatus(w, r, http.StatusOK, set, name, page)
}

// RenderStatus is Render with another status, such as 422 for a form that comes back.
func RenderStatus(w http.ResponseWriter, r *http.Request, status int, set *template.Template, name string, page any) error {
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, name, page); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	writePage(w, r, status, b.Bytes())
	return nil
}

// JSON answers one of our own scripts.
func JSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("answer in JSON: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.Write(b) // a caller who has gone away is no failure of ours
	return nil
}

// maxJSON is far above any answer of a passkey.
const maxJSON = 64 << 10

// ReadJSON reads the body of a request that one of our scripts sent.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fail.Wrap(fail.Invalid, err, "this request could not be read")
	}
	return nil
}

// WantsJSON reports whether one of our scripts asks, and not a browser page.
func WantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }
