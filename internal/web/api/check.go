package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"postern/internal/fail"
)

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
	if x.MaxFields > 0 && len(v) > x.MaxFields {
		return fail.New(fail.Invalid, "%s holds more than %d", place(at), x.MaxFields)
	}
	for name, f := range v {
		if x.Properties[name] != nil {
			continue
		}
		rest, named := x.Rest.(*schema)
		if !named {
			return fail.New(fail.Invalid, "there is no field %q in %s", clip(name), place(at))
		}
		if err := s.check(f, rest, strings.TrimPrefix(at+"."+clip(name), ".")); err != nil {
			return err
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
