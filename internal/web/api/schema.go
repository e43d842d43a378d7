package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/fail"
)

// A schema says what a value looks like, in the words of JSON Schema 2020-12, as
// OpenAPI 3.1 uses them. It is made from a Go type, so that the document, the
// check of what comes in, and the code that reads it cannot differ.
//
// The tags of a field: json gives its name, and omitempty or omitzero make it
// optional; about explains it; enum lists what it may be; min and max are its
// length in characters, or the number of items.
type schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        string             `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	Encoding    string             `json:"contentEncoding,omitempty"` // RFC 4648
	Description string             `json:"description,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	MinLength   int                `json:"minLength,omitempty"`
	MaxLength   int                `json:"maxLength,omitempty"`
	MaxItems    int                `json:"maxItems,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Closed      *bool              `json:"additionalProperties,omitempty"` // false in what comes in
}

// schemas are those of structs, by name: components/schemas of the document.
type schemas map[string]*schema

const schemaPath = "#/components/schemas/"

// of returns the schema of a type; in says that values of it come in.
func (s schemas) of(t reflect.Type, in bool) *schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"} // RFC 3339
	case t == reflect.TypeFor[[]byte]():
		return &schema{Type: "string", Encoding: "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), in)
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		return &schema{Type: "integer"}
	case reflect.Slice:
		return &schema{Type: "array", Items: s.of(t.Elem(), in)}
	case reflect.Struct:
		return s.ofStruct(t, in)
	}
	panic("api: no schema for " + t.String()) // a programmer's mistake, found at start
}

func (s schemas) ofStruct(t reflect.Type, in bool) *schema {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	ref := &schema{Ref: schemaPath + name}
	if s[name] != nil {
		return ref
	}
	x := &schema{Type: "object", Properties: map[string]*schema{}}
	if in {
		x.Closed = new(bool)
	}
	s[name] = x
	for i := range t.NumField() {
		f := t.Field(i)
		key, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.of(f.Type, in)
		p.Description = f.Tag.Get("about")
		if e := f.Tag.Get("enum"); e != "" {
			p.Enum = strings.Fields(e)
		}
		if p.Type == "array" {
			p.MaxItems = number(f.Tag.Get("max"))
		} else {
			p.MinLength, p.MaxLength = number(f.Tag.Get("min")), number(f.Tag.Get("max"))
		}
		x.Properties[key] = p
		if !strings.HasPrefix(rest, "omit") {
			x.Required = append(x.Required, key)
		}
	}
	return ref
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // no tag, no bound
	return n
}

// check compares a value that came in with its schema; at names the place.
func (s schemas) check(v any, x *schema, at string) error {
	if name, ok := strings.CutPrefix(x.Ref, schemaPath); ok {
		x = s[name]
	}
	switch v := v.(type) {
	case map[string]any:
		if x.Type == "object" {
			return s.checkObject(v, x, at)
		}
	case []any:
		if x.Type == "array" {
			return s.checkList(v, x, at)
		}
	case string:
		if x.Type == "string" {
			return checkText(v, x, at)
		}
	case bool:
		if x.Type == "boolean" {
			return nil
		}
	case json.Number:
		if _, err := v.Int64(); x.Type == "integer" && err == nil {
			return nil
		}
	}
	return fail.New(fail.Invalid, "%s must be of the type %s", place(at), x.Type)
}

func (s schemas) checkObject(v map[string]any, x *schema, at string) error {
	for name := range v {
		if x.Properties[name] == nil {
			return fail.New(fail.Invalid, "there is no field %q in %s", clip(name), place(at))
		}
	}
	for _, name := range x.Required {
		if _, there := v[name]; !there {
			return fail.New(fail.Invalid, "the field %q is missing in %s", name, place(at))
		}
	}
	for name, p := range x.Properties {
		if f, there := v[name]; there {
			if err := s.check(f, p, strings.TrimPrefix(at+"."+name, ".")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s schemas) checkList(v []any, x *schema, at string) error {
	if x.MaxItems > 0 && len(v) > x.MaxItems {
		return fail.New(fail.Invalid, "%s holds more than %d", place(at), x.MaxItems)
	}
	for i, item := range v {
		if err := s.check(item, x.Items, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func checkText(v string, x *schema, at string) error {
	n := utf8.RuneCountInString(v)
	switch {
	case n < x.MinLength:
		return fail.New(fail.Invalid, "%s must not be empty", place(at))
	case x.MaxLength > 0 && n > x.MaxLength:
		return fail.New(fail.Invalid, "%s is longer than %d characters", place(at), x.MaxLength)
	case len(x.Enum) > 0 && !slices.Contains(x.Enum, v):
		return fail.New(fail.Invalid, "%s must be one of %s", place(at), strings.Join(x.Enum, ", "))
	}
	return nil
}

func place(at string) string {
	if at == "" {
		return "the body"
	}
	return `"` + at + `"`
}
