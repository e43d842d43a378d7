package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"postern/internal/apikeys"
)

// dict is a JSON object.
type dict = map[string]any

// document describes the operations (OpenAPI 3.1.0). All of it is made from
// them: it says what they check and what they send.
func (a *API) document(ops []operation) []byte {
	paths := map[string]dict{}
	for _, op := range ops {
		if paths[op.Path] == nil {
			paths[op.Path] = dict{}
		}
		paths[op.Path][methodName(op.Method)] = a.describe(op)
	}
	doc := dict{
		"openapi": "3.1.0",
		"info": dict{"title": "Postern", "version": a.Version,
			"description": "For the organisation's own systems. What is sent here goes the way of every message of the desk: signed, encrypted to the customer's own key or waiting on the portal, never sensitive in clear."},
		"servers":    []any{dict{"url": a.BaseURL + root}},
		"security":   []any{dict{"key": []string{}}},
		"paths":      paths,
		"components": dict{"securitySchemes": dict{"key": dict{"type": "http", "scheme": "bearer", "description": "A key, as \"postern api-key add\" prints it. Scopes: " + scopeWords()}}, "responses": a.problems(), "schemas": a.schemas},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // only strings, numbers and what holds them
	}
	return b
}

func scopeWords() string {
	s := ""
	for i, x := range apikeys.Scopes {
		if i > 0 {
			s += ", "
		}
		s += string(x)
	}
	return s + "."
}

func methodName(m string) string {
	return map[string]string{http.MethodGet: "get", http.MethodPost: "post", http.MethodPut: "put", http.MethodPatch: "patch", http.MethodDelete: "delete"}[m]
}

func (a *API) describe(op operation) dict {
	out := dict{"operationId": op.ID, "summary": op.Summary, "description": op.About + " Scope: " + string(op.Scope) + ".",
		"responses": a.responses(op), "x-scope": op.Scope}
	if op.Or != "" {
		out["description"] = op.About + " Scope: " + string(op.Scope) + ", or " + string(op.Or) + "."
		out["x-scope-or"] = op.Or
	}
	if p := parameters(op); len(p) > 0 {
		out["parameters"] = p
	}
	if op.in != nil {
		out["requestBody"] = dict{"required": true, "content": content("application/json", a.schemas.of(op.in, true))}
	}
	return out
}

func content(kind string, s *schema) dict { return dict{kind: dict{"schema": s}} }

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func parameters(op operation) (out []any) {
	text := func(max int) *schema { return &schema{Type: "string", MaxLength: max} }
	for _, m := range inPath.FindAllStringSubmatch(op.Path, -1) {
		out = append(out, dict{"name": m[1], "in": "path", "required": true, "schema": text(26)})
	}
	for _, q := range op.Query {
		out = append(out, dict{"name": q.Name, "in": "query", "description": q.About, "schema": text(q.Max)})
	}
	if op.Once {
		out = append(out, dict{"name": "Idempotency-Key", "in": "header", "required": true, "schema": text(maxOnce),
			"description": "Names the thing to be done, so that it is done once however often it is asked for."})
	}
	return out
}

func (a *API) responses(op operation) dict {
	ok := dict{"description": "Done.", "content": content("application/json", a.schemas.of(op.out, false))}
	if op.Status == http.StatusCreated {
		ok["headers"] = dict{"Location": dict{"description": "Where it can be read.", "schema": &schema{Type: "string"}}}
	}
	out := dict{strconv.Itoa(op.Status): ok}
	for _, k := range op.fails() {
		out[strconv.Itoa(k.status)] = dict{"$ref": "#/components/responses/" + k.name}
	}
	return out
}

// fails are all the ways in which an operation may fail.
func (op operation) fails() []kind {
	out := append(slices.Clone(op.Fails), malformed, unauthenticated, denied, tooMany, internal, away)
	if op.in != nil {
		out = append(out, large, mediaType, invalid)
	}
	if op.Method != http.MethodGet {
		out = append(out, full)
	}
	return out
}

func (a *API) problems() dict {
	out := dict{}
	for _, k := range kinds {
		out[k.name] = dict{"description": k.title + ". " + k.about, "content": content("application/problem+json", a.schemas.of(reflect.TypeFor[problem](), false))}
	}
	return out
}
