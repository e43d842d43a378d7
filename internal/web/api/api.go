// Package api is the door for the organisation's own systems: JSON over HTTPS,
// below /api/v1/, described by an OpenAPI document at /api/openapi.json.
//
// Whoever asks shows a key (Authorization: Bearer, RFC 6750) and may do what its
// scopes name. No cookie is read or set and no other site is allowed in, so
// there is nothing that a browser could be made to do here. What goes wrong is
// said as a problem (RFC 9457): what happened, why, what to do now, and never
// what broke inside.
//
// An operation is one value of type operation: its path, its scope, its words,
// and a function from a Go struct to a Go struct. The document, the checks of
// what comes in, and the routes are all made from it. To add operations, write
// a file with a method that returns them, as contacts.go does, and name the
// method in operations.
package api

import (
	"net/http"
	"slices"
	"strings"

	"postern/internal/apikeys"
	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/hooks"
	"postern/internal/intake"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/vault"
)

// Options is what the API needs.
type Options struct {
	DB        *db.DB
	Vault     *vault.Vault
	Keys      *apikeys.Store
	Cases     *cases.Store
	Contacts  *contacts.Book
	Mailboxes *mailboxes.Store
	Outbox    *outbox.Outbox
	Intake    *intake.Intake
	Auth      *authorise.Flow
	Hooks     *hooks.Hooks
	BaseURL   string // https://host, no trailing slash
	Version   string
	HSTS      bool // reached by TLS with a certificate that others trust
}

// API serves the operations.
type API struct {
	Options
	schemas schemas
	rates   rates
	rooms   chan struct{} // one for each large body that is worked on
	doc     []byte
}

// root is where the operations stand; the document stands beside it, at an
// address that does not change with the version.
const (
	root    = "/api/v1"
	docPath = "/api/openapi.json"
)

// operations lists all, in the order of the document.
func (a *API) operations() []operation {
	return slices.Concat(a.messages(), a.contacts(), a.instructions(), a.webhooks(), a.reports())
}

// New returns the API.
func New(o Options) http.Handler {
	a := &API{Options: o, schemas: schemas{}, rooms: make(chan struct{}, rooms)}
	ops := a.operations()
	a.doc = a.document(ops)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+docPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(a.doc) // a caller who has gone away is no failure of ours
	})
	methods := map[string][]string{}
	for _, op := range ops {
		mux.Handle(op.Method+" "+root+op.Path, a.guard(a.answer(op)))
		methods[op.Path] = append(methods[op.Path], op.Method)
	}
	for path, allowed := range methods {
		mux.Handle(root+path, a.guard(wrongMethod(allowed)))
	}
	mux.Handle("/", a.guard(func(http.ResponseWriter, *http.Request, *apikeys.Key) error {
		return refuse(notFound, "there is no such address in this API; "+docPath+" lists all")
	}))
	return a.headers(mux)
}

// headers sets what every answer carries: it is data, for the one who asked.
func (a *API) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if a.HSTS {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// wrongMethod answers a path with a method it does not have (RFC 9110, 15.5.6).
func wrongMethod(allowed []string) handler {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(slices.Clone(allowed), http.MethodHead)
	}
	allow := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request, _ *apikeys.Key) error {
		w.Header().Set("Allow", allow)
		return refuse(method, "this address takes "+allow)
	}
}
