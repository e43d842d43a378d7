package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/internal/fail"
)

// Handler is an http.Handler that may fail; the one place that turns a
// failure into a status and a page. What broke inside stays inside: the caller
// sees an incident reference, the log has the cause under the same reference.
type Handler func(w http.ResponseWriter, r *http.Request) error

func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.call(w, r); err != nil {
		Fail(w, r, err)
	}
}

// call turns a panic into an error, so that it too ends in a page.
func (h Handler) call(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h(w, r)
}

// NotFound answers every path that no page has.
var NotFound = Handler(func(http.ResponseWriter, *http.Request) error {
	return fail.New(fail.NotFound, "there is no such page")
})

// ErrorPage says what happened, why, and what to do now.
type ErrorPage struct {
	Public
	Staff    bool
	Status   int
	Kind     string // names the words in errors.html
	Text     string // what the failure says of itself; may be empty
	Incident string // reference into the log; empty when nothing was logged
}

// Fail answers with the page, or for one of our scripts the JSON, that fits the failure.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read an answer
	}
	p := ErrorPage{}
	p.Status, p.Kind = statusOf(err)
	s := siteOf(r)
	p.Org, p.Staff = s.Org, s.Staff
	if !p.Staff {
		p.Lang = LangOf(r)
	}
	p.Text = sentence(p.Lang.Said(fail.Text(err)))
	if p.Status == http.StatusInternalServerError {
		p.Incident = rand.Text()[:8]
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", r.Pattern, "incident", p.Incident, "err", err)
	}
	if after := retryAfter[p.Status]; after != "" {
		w.Header().Set("Retry-After", after)
	}
	if WantsJSON(r) {
		failJSON(w, p)
		return
	}
	if err := RenderStatus(w, r, p.Status, shared(), "error", p); err != nil {
		slog.ErrorContext(r.Context(), "error page failed", "err", err)
		http.Error(w, "Something went wrong.", p.Status)
	}
}

func failJSON(w http.ResponseWriter, p ErrorPage) {
	text := p.Text
	if text == "" {
		text = p.Lang.Must("fail.internal") + "."
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	b, _ := json.Marshal(map[string]string{"error": text, "incident": p.Incident}) // strings alone cannot fail
	w.Write(b)
}

// retryAfter is in seconds: when asking again may help.
var retryAfter = map[int]string{
	http.StatusTooManyRequests:     "60",
	http.StatusServiceUnavailable:  "30",
	http.StatusInsufficientStorage: "300",
}

// StatusOf is the status of a page that comes back with the failure on it.
func StatusOf(err error) int {
	status, _ := statusOf(err)
	return status
}

func statusOf(err error) (status int, kind string) {
	if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
		return http.StatusRequestEntityTooLarge, "large"
	}
	switch fail.KindOf(err) {
	case fail.Invalid:
		return http.StatusUnprocessableEntity, "invalid"
	case fail.Denied:
		return http.StatusForbidden, "denied"
	case fail.NotFound:
		return http.StatusNotFound, "notfound"
	case fail.Conflict:
		return http.StatusConflict, "conflict"
	case fail.TooMany:
		return http.StatusTooManyRequests, "many"
	case fail.Unavailable:
		return http.StatusServiceUnavailable, "away"
	case fail.Full:
		return http.StatusInsufficientStorage, "full"
	}
	return http.StatusInternalServerError, "internal"
}

// sentence makes a failure's text, which is written to stand inside a
// sentence, stand alone.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
