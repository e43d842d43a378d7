package app

// The API as a program meets it that was made from the document: every answer
// is held against what the document says of it.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/audit"
	"postern/internal/db"
)

// caller asks the API and checks what comes back.
type caller struct {
	*pages
	doc  map[string]any
	seen map[string]bool // "POST /messages 201"
}

func newCaller(p *pages) *caller {
	p.Helper()
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, httptest.NewRequest("GET", "https://localhost:8443/api/openapi.json", nil))
	c := &caller{pages: p, seen: map[string]bool{}}
	if err := json.Unmarshal(w.Body.Bytes(), &c.doc); err != nil || w.Code != http.StatusOK {
		p.Fatalf("the document: %d %v", w.Code, err)
	}
	return c
}

// key makes a key.
func (c *caller) key(scopes ...apikeys.Scope) (token string) {
	c.Helper()
	c.must(func(ctx context.Context, tx *db.Tx) (err error) {
		token, err = apikeys.NewStore(c.d.vault).Add(ctx, tx, &apikeys.Key{Name: "test", Scopes: scopes}, audit.System)
		return err
	})
	return token
}

// ask is one request; Path is the document's, with {id} for ID.
type ask struct {
	Key, Method, Path, ID, Query, Body string
	Once                               string
	Head                               map[string]string
}

func (a ask) request() *http.Request {
	r := httptest.NewRequest(a.Method, "https://localhost:8443/api/v1"+strings.ReplaceAll(a.Path, "{id}", a.ID), strings.NewReader(a.Body))
	r.URL.RawQuery = a.Query
	if a.Key != "" {
		r.Header.Set("Authorization", "Bearer "+a.Key)
	}
	if a.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.Once != "" {
		r.Header.Set("Idempotency-Key", a.Once)
	}
	for k, v := range a.Head {
		r.Header.Set(k, v)
	}
	return r
}

// call asks and holds the answer against the document.
func (c *caller) call(a ask) *httptest.ResponseRecorder {
	c.Helper()
	w := httptest.NewRecorder()
	c.site.ServeHTTP(w, a.request())
	c.seen[fmt.Sprintf("%s %s %d", a.Method, a.Path, w.Code)] = true
	for _, f := range c.faults(a, w) {
		c.Errorf("%s %s answered %d, and %s:\n%s", a.Method, a.Path, w.Code, f, w.Body)
	}
	return w
}

func (c *caller) faults(a ask, w *httptest.ResponseRecorder) (out []string) {
	if w.Header().Get("Cache-Control") != "no-store" || len(w.Result().Cookies()) > 0 {
		out = append(out, "it may be kept, or sets a cookie")
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control") {
			out = append(out, "it lets other sites in: "+name)
		}
	}
	said := dig(c.doc, "paths", a.Path, strings.ToLower(a.Method), "responses", fmt.Sprint(w.Code))
	if said == nil {
		return append(out, "the document does not say so")
	}
	content := dig(c.resolve(said), "content", w.Header().Get("Content-Type"), "schema")
	if content == nil {
		return append(out, "the document says nothing of "+w.Header().Get("Content-Type"))
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		return append(out, "it is not JSON")
	}
	return append(out, c.misfits(content, v, "answer")...)
}

// dig goes down into nested objects; nil if there is no such place.
func dig(v any, path ...string) map[string]any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	m, _ := v.(map[string]any)
	return m
}

func (c *caller) resolve(v map[string]any) map[string]any {
	if ref, ok := v["$ref"].(string); ok {
		return dig(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return v
}

// misfits are the places where a value is not what the schema says, and the
// fields that it does not name.
func (c *caller) misfits(schema map[string]any, v any, at string) (out []string) {
	s := c.resolve(schema)
	bad := func(text string) { out = append(out, at+" "+text) }
	switch s["type"] {
	case "object":
		m, ok := v.(map[string]any)
		if !ok {
			bad("is no object")
		}
		for _, name := range list(s["required"]) {
			if _, there := m[name]; !there {
				bad("lacks " + name)
			}
		}
		for name, f := range m {
			if p := dig(s, "properties", name); p != nil {
				out = append(out, c.misfits(p, f, at+"."+name)...)
			} else if rest := dig(s, "additionalProperties"); rest != nil {
				out = append(out, c.misfits(rest, f, at+"."+name)...)
			} else {
				bad("holds an undocumented " + name)
			}
		}
	case "array":
		l, ok := v.([]any)
		if !ok {
			bad("is no list")
		}
		for _, item := range l {
			out = append(out, c.misfits(dig(s, "items"), item, at+"[]")...)
		}
	case "string":
		x, ok := v.(string)
		_, err := time.Parse(time.RFC3339, x)
		if e := list(s["enum"]); !ok || len(e) > 0 && !slices.Contains(e, x) || s["format"] == "date-time" && err != nil {
			bad(fmt.Sprintf("may not be %v", v))
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			bad("is no boolean")
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int(n)) {
			bad("is no whole number")
		}
	default:
		bad("has no type in the document")
	}
	return out
}

func list(v any) (out []string) {
	l, _ := v.([]any)
	for _, x := range l {
		out = append(out, x.(string))
	}
	return out
}

// documented lists the operations of the document: "POST /messages".
func (c *caller) documented() (out []string) {
	for path, methods := range dig(c.doc, "paths") {
		for m := range methods.(map[string]any) {
			out = append(out, strings.ToUpper(m)+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

// scope is what the document says an operation needs.
func (c *caller) scope(op string) apikeys.Scope { return c.scopes(op)[0] }

// scopes are those of which the document says that one is enough.
func (c *caller) scopes(op string) []apikeys.Scope {
	method, path, _ := strings.Cut(op, " ")
	o := dig(c.doc, "paths", path, strings.ToLower(method))
	s, _ := o["x-scope"].(string)
	out := []apikeys.Scope{apikeys.Scope(s)}
	if or, ok := o["x-scope-or"].(string); ok {
		out = append(out, apikeys.Scope(or))
	}
	return out
}

// statuses are those that the document names for an operation.
func (c *caller) statuses(op string) (out []string) {
	method, path, _ := strings.Cut(op, " ")
	for s := range dig(c.doc, "paths", path, strings.ToLower(method), "responses") {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// TestEveryOperationIsInTheDocument: those in the source, and no others, whatever
// somebody adds.
func TestEveryOperationIsInTheDocument(t *testing.T) {
	c := newCaller(openPages(t, ""))
	var inSource []string
	files, _ := filepath.Glob("../web/api/*.go")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Method: http\.Method(\w+), Path: "([^"]*)", ID: "\w+"`).FindAllStringSubmatch(string(b), -1) {
			inSource = append(inSource, strings.ToUpper(m[1])+" "+m[2])
		}
		if regexp.MustCompile(`\.Handle(Func)?\(`).Match(b) && filepath.Base(f) != "api.go" {
			t.Errorf("%s serves something past the operations", f)
		}
	}
	slices.Sort(inSource)
	if got := c.documented(); !slices.Equal(got, inSource) || len(got) < 6 {
		t.Errorf("the document has %v, the source %v", got, inSource)
	}
	if c.doc["openapi"] != "3.1.0" || dig(c.doc, "components", "securitySchemes", "key")["scheme"] != "bearer" {
		t.Errorf("%v", c.doc["openapi"])
	}
	seen := map[string]bool{}
	for _, op := range c.documented() {
		method, path, _ := strings.Cut(op, " ")
		o := dig(c.doc, "paths", path, strings.ToLower(method))
		id, _ := o["operationId"].(string)
		if id == "" || seen[id] || !slices.Contains(apikeys.Scopes, c.scope(op)) {
			t.Errorf("%s: operationId %q, scope %q", op, id, c.scope(op))
		}
		seen[id] = true
	}
}

// TestRefsOfTheDocumentLeadSomewhere: programs are made from it.
func TestRefsOfTheDocumentLeadSomewhere(t *testing.T) {
	c := newCaller(openPages(t, ""))
	b, err := json.Marshal(c.doc)
	if err != nil {
		t.Fatal(err)
	}
	refs := regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(string(b), -1)
	if len(refs) < 30 {
		t.Fatalf("%d refs", len(refs))
	}
	for _, m := range refs {
		if c.resolve(map[string]any{"$ref": m[1]}) == nil {
			t.Errorf("%s leads nowhere", m[1])
		}
	}
}

// TestAPIPageNamesEveryOperation: docs/API.md has a section with a curl line for
// each, and names every scope and every status.
func TestAPIPageNamesEveryOperation(t *testing.T) {
	c := newCaller(openPages(t, ""))
	b, err := os.ReadFile("../../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range c.documented() {
		_, section, found := strings.Cut(string(b), "\n### "+op+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		if !found || !strings.Contains(section, "\ncurl ") {
			t.Errorf("docs/API.md shows no curl for %s", op)
		}
	}
	for _, s := range apikeys.Scopes {
		if !strings.Contains(string(b), "`"+string(s)+"`") {
			t.Errorf("docs/API.md does not name the scope %s", s)
		}
	}
	for _, k := range dig(c.doc, "components", "responses") {
		if title, _, _ := strings.Cut(dig(k)["description"].(string), "."); title == "" {
			t.Errorf("a problem without a title: %v", k)
		}
	}
	table := regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`).FindAllStringSubmatch(string(b), -1)
	var rows []string
	for _, m := range table {
		rows = append(rows, strings.Split(m[1], ", ")...)
	}
	for _, op := range c.documented() {
		for _, s := range c.statuses(op) {
			if s[0] != '2' && !slices.Contains(rows, s) {
				t.Errorf("docs/API.md does not explain %s", s)
			}
		}
	}
}
