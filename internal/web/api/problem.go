package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"postern/internal/apikeys"
	"postern/internal/fail"
)

// A problem is what a caller reads when something went wrong (RFC 9457, 3).
type problem struct {
	Type     string            `json:"type" about:"which kind of problem; it leads into this document"`
	Title    string            `json:"title" about:"the kind in words"`
	Status   int               `json:"status" about:"the HTTP status again"`
	Detail   string            `json:"detail" about:"what happened, why, and what to do now"`
	Incident string            `json:"incident,omitempty" about:"reference into the desk's log, when it was our fault"`
	Fields   map[string]string `json:"fields,omitempty" about:"what is wrong with each of the values, by its name"`
}

// kind is one of the ways to fail: its status, its title, what to do about it.
type kind struct {
	status       int
	name         string // in components/responses
	title, about string
}

var (
	malformed       = kind{400, "Malformed", "The request cannot be read", "Broken JSON, a field twice, an unknown parameter, a header that is missing. Mend the program."}
	unauthenticated = kind{401, "Unauthenticated", "No valid key", "The key is missing, unknown, revoked or expired. WWW-Authenticate says which of them can be told."}
	denied          = kind{403, "Denied", "Not allowed", "The key lacks the scope, or no key may do this."}
	notFound        = kind{404, "NotFound", "Not found", "There is nothing here, or nothing that this key may see."}
	method          = kind{405, "Method", "Wrong method", "The address is right, the method is not; Allow lists those it takes."}
	conflict        = kind{409, "Conflict", "Not possible as things stand", "It is there already, or policy does not let it go; the detail says what would help."}
	large           = kind{413, "Large", "Too large", "The body is larger than the operation takes."}
	mediaType       = kind{415, "MediaType", "Not JSON", "Send Content-Type: application/json."}
	invalid         = kind{422, "Invalid", "Something in the request is wrong", "A field is unknown, missing, too long or makes no sense; the detail names it."}
	tooMany         = kind{429, "TooMany", "Too many requests", "Wait as many seconds as Retry-After says."}
	internal        = kind{500, "Internal", "Something went wrong on our side", "Nothing was half done. Report the incident; the log has the cause under it."}
	away            = kind{503, "Away", "Not available now", "Something we need is away. The same request may work in a moment."}
	full            = kind{507, "Full", "No room left", "The desk's disk is full; nothing was kept."}
)

var kinds = []kind{malformed, unauthenticated, denied, notFound, method, conflict, large, mediaType, invalid, tooMany, internal, away, full}

// A refusal fails in a way that only this door knows.
type refusal struct {
	kind   kind
	text   string
	fields map[string]string
}

func (r *refusal) Error() string { return r.text }

func refuse(k kind, text string) error { return &refusal{kind: k, text: text} }

// refuseFields says of each value by its name why it cannot be taken.
func refuseFields(wrong map[string]string) error {
	names := strings.Join(slices.Sorted(maps.Keys(wrong)), ", ")
	return &refusal{invalid, `in "values" these cannot be taken, and "fields" says why: ` + names, wrong}
}

// kindOf is how a failure is answered, and in which words.
func kindOf(err error) (kind, string) {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.kind, r.text
	}
	if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
		return large, fmt.Sprintf("the body is larger than %d bytes", big.Limit)
	}
	k, known := map[fail.Kind]kind{fail.Invalid: invalid, fail.Denied: denied, fail.NotFound: notFound, fail.Conflict: conflict,
		fail.Unavailable: away, fail.Full: full, fail.TooMany: tooMany}[fail.KindOf(err)]
	if !known {
		k = internal
	}
	return k, fail.Text(err)
}

// notLetIn turns the refusal of a key into a challenge (RFC 6750, 3.1).
func notLetIn(w http.ResponseWriter, err error) error {
	if !fail.Is(err, fail.Denied) {
		return err
	}
	w.Header().Set("WWW-Authenticate", realm+`, error="invalid_token", error_description="unknown, revoked or expired"`)
	return refuse(unauthenticated, fail.Text(err))
}

// needs refuses a key without the scope, or another that is enough (RFC 6750, 3.1).
func needs(w http.ResponseWriter, key *apikeys.Key, s, or apikeys.Scope) error {
	if key.May(s) || or != "" && key.May(or) {
		return nil
	}
	w.Header().Set("WWW-Authenticate", realm+`, error="insufficient_scope", scope="`+string(s)+`"`)
	return refuse(denied, "this key may not do that: it lacks the scope "+string(s))
}

// caught turns a panic into an answer and a row in the log.
func (a *API) caught(w http.ResponseWriter, r *http.Request) {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		a.fail(w, r, fail.Panic(p))
	}
}

// fail answers with the problem. The cause goes to the log, under a reference.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read an answer
	}
	k, text := kindOf(err)
	p := problem{Type: a.typeOf(k), Title: k.title, Status: k.status, Detail: sentence(text)}
	if r := (*refusal)(nil); errors.As(err, &r) {
		p.Fields = r.fields
	}
	if k == internal {
		p.Incident, p.Detail = rand.Text()[:8], sentence(k.title)
		slog.ErrorContext(r.Context(), "api request failed", "method", r.Method, "route", r.Pattern, "incident", p.Incident, "err", err)
	}
	if h := w.Header(); h.Get("Retry-After") == "" {
		switch k {
		case tooMany, away:
			h.Set("Retry-After", "30")
		case full:
			h.Set("Retry-After", "300")
		}
	}
	b, _ := json.Marshal(p) // strings and numbers cannot fail
	send(w, k.status, "application/problem+json", b)
}

// typeOf is the problem's type: the place in our document that explains it.
func (a *API) typeOf(k kind) string { return a.BaseURL + docPath + "#/components/responses/" + k.name }

func send(w http.ResponseWriter, status int, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(b) // a caller who has gone away is no failure of ours
}

// sentence makes a text that is written to stand inside a sentence stand alone.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
