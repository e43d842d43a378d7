package web_test

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/internal/lang"
)

var (
	wordOf   = regexp.MustCompile(`\pL{3,}`)
	markable = "aeioucnsAEIOUS" // letters that the pseudo-locale marks
)

// knownPlain are words that are the same in every language: names of languages, of
// things one types, and of units and zones.
var knownPlain = strings.Fields("Deutsch English UTC CET SHA CSAF OSV gpg clearsign INSTRUCTION byte bytes example JBSW EHPK")

// TestPseudoPagesHaveNoPlainWords: what looks plain on a page in the pseudo-locale was
// written past the catalogue. A page's own data stays as it is.
func TestPseudoPagesHaveNoPlainWords(t *testing.T) {
	n := 0
	for _, f := range fixtures() {
		if !strings.HasSuffix(f.file, strings.ToLower("-"+string(lang.Pseudo))) {
			continue
		}
		n++
		known := map[string]bool{}
		learn := func(s string) {
			for _, w := range wordOf.FindAllString(s, -1) {
				known[w] = true
			}
		}
		for _, w := range knownPlain {
			learn(w)
		}
		eachString(reflect.ValueOf(f.page), learn)
		doc, err := html.ParseWithOptions(bytes.NewReader(render(t, f)), html.ParseOptionEnableScripting(false))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shownWords(doc) {
			for _, w := range wordOf.FindAllString(s, -1) {
				if !known[w] && strings.ContainsAny(w, markable) && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
					t.Errorf("%s: %q is plain in %q", f.file, w, s)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("%d pages", n)
	}
}

// shownWords are the texts of a page, seen or read out.
func shownWords(n *html.Node) (out []string) {
	if n.Type == html.ElementNode {
		if n.Data == "script" || n.Data == "style" || n.Data == "svg" {
			return nil
		}
		for _, key := range []string{"aria-label", "placeholder", "data-none", "data-broken"} {
			out = append(out, attr(n, key))
		}
	}
	if n.Type == html.TextNode {
		out = append(out, n.Data)
	}
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		out = append(out, shownWords(k)...)
	}
	return out
}

// eachString calls f with every text in a value.
func eachString(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			eachString(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), f)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachString(v.Elem(), f)
		}
	}
}
