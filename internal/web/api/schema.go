package api

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A schema says what a value looks like, in the words of JSON Schema 2020-12, as
// OpenAPI 3.1 uses them. It is made from a Go type, so that the document, the
// check of what comes in, and the code that reads it cannot differ.
//
// The tags of a field: json gives its name, and omitempty or omitzero make it
// optional; about explains it; enum lists what it may be; min and max are its
// length in characters, or the number of items or of fields.
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
	Rest        any                `json:"additionalProperties,omitempty"` // of what comes in: false, or what each other field is (*schema)
	MaxFields   int                `json:"maxProperties,omitempty"`
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
	case reflect.Map: // by names that somebody chose
		return &schema{Type: "object", Rest: s.of(t.Elem(), in)}
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
		x.Rest = false
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
		switch p.Type {
		case "array":
			p.MaxItems = number(f.Tag.Get("max"))
		case "object":
			p.MaxFields = number(f.Tag.Get("max"))
		default:
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
