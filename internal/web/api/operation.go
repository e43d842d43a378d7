package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"postern/internal/apikeys"
	"postern/internal/fail"
)

// An operation is one thing the API does. does fills in its last fields.
type operation struct {
	Method, Path string // the path below root
	ID           string // its name in programs that are made from the document
	Summary      string
	About        string
	Scope        apikeys.Scope
	Or           apikeys.Scope // another scope that is enough; empty: none
	Status       int           // of success
	Query        []query
	Fails        []kind // beside those that every operation has
	Once         bool   // it takes, and needs, an Idempotency-Key
	MaxBody      int64  // 0: defaultBody

	in, out reflect.Type // in is nil where no body comes in
	run     func(ctx context.Context, a *API, c *call, body []byte) (any, error)
}

// A query is a parameter of the address.
type query struct {
	Name, About string
	Max         int // length
}

// defaultBody is the largest body of an operation that names no other.
const defaultBody = 64 << 10

// nothing comes in with an operation that has no body.
type nothing struct{}

// call is one request, read and checked.
type call struct {
	key      *apikeys.Key
	id       string // {id} of the path, shaped like an id of ours
	query    map[string]string
	once     string // what Idempotency-Key said
	sum      string // what it came with: a keyed hash of address and body
	location string // of what was made; the operation sets it
}

// does makes an operation of its words and its function.
func does[In, Out any](o operation, f func(ctx context.Context, c *call, in *In) (*Out, error)) operation {
	o.out = reflect.TypeFor[Out]()
	if reflect.TypeFor[In]() != reflect.TypeFor[nothing]() {
		o.in = reflect.TypeFor[In]()
	}
	o.run = func(ctx context.Context, a *API, c *call, body []byte) (any, error) {
		in := new(In)
		if o.in != nil {
			if err := a.read(body, o.in, in); err != nil {
				return nil, err
			}
		}
		return f(ctx, c, in)
	}
	return o
}

// read checks a body against the schema of its type and decodes it.
func (a *API) read(body []byte, t reflect.Type, in any) error {
	v, err := parse(body)
	if err != nil {
		return err
	}
	if err := a.schemas.check(v, a.schemas.of(t, true), ""); err != nil {
		return err
	}
	if err := json.Unmarshal(body, in); err != nil { // base64 is all that is left to be wrong
		return fail.Wrap(fail.Invalid, err, "a field that must be base64 is not")
	}
	return nil
}

// answer serves an operation to a caller whose key was checked.
func (a *API) answer(op operation) handler {
	return func(w http.ResponseWriter, r *http.Request, key *apikeys.Key) error {
		if err := needs(w, key, op.Scope, op.Or); err != nil {
			return err
		}
		leave, err := a.room(r)
		if err != nil {
			return err
		}
		defer leave()
		c, body, err := a.take(w, r, op, key)
		if err != nil {
			return err
		}
		out, err := op.run(r.Context(), a, c, body)
		if err != nil {
			return err
		}
		b, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("answer in JSON: %w", err)
		}
		if c.location != "" {
			w.Header().Set("Location", c.location)
		}
		send(w, op.Status, "application/json", b)
		return nil
	}
}

// take reads what came with a request.
func (a *API) take(w http.ResponseWriter, r *http.Request, op operation, key *apikeys.Key) (c *call, body []byte, err error) {
	c = &call{key: key}
	if c.query, err = readQuery(r, op.Query); err != nil {
		return nil, nil, err
	}
	if strings.Contains(op.Path, "{id}") {
		if c.id = r.PathValue("id"); !isID(c.id) {
			return nil, nil, refuse(notFound, "there is nothing with this id")
		}
	}
	if op.Once {
		if c.once, err = onceKey(r); err != nil {
			return nil, nil, err
		}
	}
	if op.in == nil {
		return c, nil, nil
	}
	limit := op.MaxBody
	if limit == 0 {
		limit = defaultBody
	}
	if body, err = readBody(w, r, limit); err != nil {
		return nil, nil, err
	}
	if op.Once {
		c.sum = hex.EncodeToString(a.Vault.MAC("api-request", op.Method, r.URL.Path, string(body)))
	}
	return c, body, nil
}

// isID reports whether a text has the shape of our ids (db.NewID); nothing else
// is asked for in the database.
func isID(s string) bool {
	return len(s) == 26 && !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') })
}
