package web

import (
	"fmt"
	"html/template"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"postern/internal/lang"
)

// shared has the parts, and the pages that are nobody's own.
var shared = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/*.html"))
})

// Parse returns the templates of a door, templates/*.html of its files, on top
// of the shared parts, with the door's own functions.
func Parse(own fs.FS, more template.FuncMap) *template.Template {
	t := template.Must(template.New("").Funcs(funcs).Funcs(more).ParseFS(files, "templates/*.html"))
	return template.Must(t.ParseFS(own, "templates/*.html"))
}

var funcs = template.FuncMap{
	"asset":  Asset,
	"icon":   icon,
	"plain":  Plain,
	"by":     By,
	"size":   Size,
	"plural": plural,
	"ending": func(phone string) string { return strings.TrimLeft(phone, "• ") },
	"field":  field,
	"when":   func(w When) template.HTML { return timeTag(w, w.Short()) },
	"brief":  func(w When) template.HTML { return timeTag(w, w.Brief()) },
	"date":   func(w When) template.HTML { return timeTag(w, w.Date()) },
	"full":   func(w When) template.HTML { return timeTag(w, w.Full()) },
	"age":    func(w When) template.HTML { return timeTag(w, w.Age()) },
}

// icon draws a symbol of icons.svg. It repeats words that stand beside it, so
// it says nothing to a screen reader.
func icon(name string) (template.HTML, error) {
	for _, c := range name {
		if c < 'a' || c > 'z' {
			return "", fmt.Errorf("icon %q", name)
		}
	}
	src, err := Asset("icons.svg#i-" + name)
	return template.HTML(`<svg class="i" aria-hidden="true"><use href="` + src + `"/></svg>`), err
}

// symbols are those of icons.svg, ready to stand in a page.
var symbols = sync.OnceValue(func() map[string]template.HTML {
	b, err := files.ReadFile("static/icons.svg")
	if err != nil {
		panic(err) // it is embedded
	}
	out := map[string]template.HTML{}
	for _, m := range regexp.MustCompile(`(?s)<symbol id="i-([a-z]+)" viewBox="([0-9. -]+)">(.*?)</symbol>`).FindAllStringSubmatch(string(b), -1) {
		out[m[1]] = template.HTML(`<svg class="i" viewBox="` + m[2] + `" aria-hidden="true">` + m[3] + `</svg>`)
	}
	return out
})

// DrawnIcon is icon with the symbol in the page itself: public pages have few, and are
// there with one request less.
func DrawnIcon(name string) (template.HTML, error) {
	s, ok := symbols()[name]
	if !ok {
		return "", fmt.Errorf("icon %q", name)
	}
	return s, nil
}

// timeTag has nothing of others in it: digits, month names and a zone.
func timeTag(w When, words string) template.HTML {
	if w.IsZero() {
		return ""
	}
	return template.HTML(`<time datetime="` + w.ISO() + `" title="` + w.Full() + `">` + template.HTMLEscapeString(words) + `</time>`)
}

// plural says "1 case" or "3 cases": {{plural 3 "case" "cases"}}.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Size says a number of bytes as people do.
func Size(n int) string {
	switch {
	case n < 1000:
		return plural(n, "byte", "bytes")
	case n < 1_000_000:
		return fmt.Sprintf("%d KB", (n+500)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// Field is one line of a form: label, hint, error, input.
type Field struct {
	Name, Label, Value, Error string
	Type, Auto, Hint          string
	Lang                      lang.Lang
}

func field(e Errors, name, label, value string) Field {
	return Field{Name: name, Label: label, Value: value, Error: e.Of(name), Type: "text", Auto: "off"}
}

// As sets the type of the input and its autocomplete word.
func (f Field) As(kind, auto string) Field { f.Type, f.Auto = kind, auto; return f }

// In has it speak a language.
func (f Field) In(l lang.Lang) Field { f.Lang = l; return f }

// ErrorWord stands before what is wrong.
func (f Field) ErrorWord() string { return f.Lang.Must("error") }

// Hinted adds a line of help.
func (f Field) Hinted(hint string) Field { f.Hint = hint; return f }
