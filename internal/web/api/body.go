package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Two readers of one JSON text must not see two things (RFC 8259, 4 and 8.1): a
// field twice, a name in another case, text that is no UTF-8 are refused, where
// encoding/json would choose.

// maxDepth is far above any body of ours.
const maxDepth = 16

// readBody reads the body of a request, if it is JSON and not larger than limit.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, refuse(mediaType, "send the body as Content-Type: application/json, in UTF-8")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, refuse(mediaType, "send the body without Content-Encoding")
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

// parse reads one JSON text: objects as maps, arrays as slices.
func parse(body []byte) (any, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, refuse(malformed, "the body is not one JSON text in UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	return value(dec, 0)
}

func value(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, refuse(malformed, "the body is not JSON")
	}
	if depth > maxDepth {
		return nil, refuse(malformed, "the body is nested too deeply")
	}
	switch t {
	case json.Delim('{'):
		return object(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := value(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		dec.Token() // the bracket: the text was checked as a whole
		return list, nil
	}
	return t, nil
}

func object(dec *json.Decoder, depth int) (any, error) {
	m := map[string]any{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, refuse(malformed, "the body is not JSON")
		}
		if _, twice := m[name]; twice {
			return nil, refuse(malformed, fmt.Sprintf("the field %q is there twice", clip(name)))
		}
		if m[name], err = value(dec, depth+1); err != nil {
			return nil, err
		}
	}
	dec.Token()
	return m, nil
}

// clip shortens what a caller wrote, to be said back.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// readQuery reads the parameters that an operation has, each once, and no others.
func readQuery(r *http.Request, known []query) (map[string]string, error) {
	got, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(malformed, "the query of the address cannot be read")
	}
	out := map[string]string{}
	for name, values := range got {
		i := slices.IndexFunc(known, func(q query) bool { return q.Name == name })
		switch {
		case i < 0:
			return nil, refuse(malformed, fmt.Sprintf("there is no parameter %q here", clip(name)))
		case len(values) > 1:
			return nil, refuse(malformed, fmt.Sprintf("the parameter %q is there twice", name))
		case len(values[0]) > known[i].Max || !utf8.ValidString(values[0]):
			return nil, refuse(malformed, fmt.Sprintf("the parameter %q is too long, or no text", name))
		}
		out[name] = values[0]
	}
	return out, nil
}
