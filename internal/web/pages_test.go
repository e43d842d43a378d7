package web_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jba/templatecheck"
	"golang.org/x/net/html"

	"postern/internal/web"
)

// misfits are the templates that do not fit their pages. They are looked at before
// any test runs: a template that was executed once is rewritten.
var misfits = func() (out []string) {
	for _, f := range fixtures() {
		if f.set.Lookup(f.name) == nil {
			out = append(out, fmt.Sprintf("%s: no template %q", f.file, f.name))
		} else if err := templatecheck.CheckHTML(f.set.Lookup(f.name), f.page); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", f.file, err))
		}
	}
	return out
}()

func TestTemplatesFitTheirPages(t *testing.T) {
	for _, m := range misfits {
		t.Error(m)
	}
}

func render(t *testing.T, f fixture) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.set.ExecuteTemplate(&b, f.name, f.page); err != nil {
		t.Fatalf("%s: %v", f.file, err)
	}
	return b.Bytes()
}

// TestStructure holds every page to what assistive technology stands on.
func TestStructure(t *testing.T) {
	for _, f := range fixtures() {
		t.Run(f.file, func(t *testing.T) {
			page := render(t, f)
			doc, err := html.Parse(bytes.NewReader(page))
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"ZgotmplZ", " style=", "javascript:", " onclick", "http://"} {
				if bytes.Contains(bytes.ReplaceAll(page, []byte("http://support.northmere.example/a/"), nil), []byte(bad)) {
					t.Errorf("has %q", bad)
				}
			}
			c := check{t: t, ids: map[string]bool{}}
			c.walk(doc)
			c.finish()
		})
	}
}

// check collects what a page has, and complains at the end.
type check struct {
	t                   *testing.T
	ids                 map[string]bool
	refs, labels, needs []string
	h1, main, level     int
	lang, title         bool
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func (c *check) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		c.element(n)
	}
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		c.walk(k)
	}
}

func (c *check) element(n *html.Node) {
	if id := attr(n, "id"); id != "" {
		if c.ids[id] {
			c.t.Errorf("id %q twice", id)
		}
		c.ids[id] = true
	}
	for _, key := range []string{"aria-labelledby", "aria-describedby"} {
		c.refs = append(c.refs, strings.Fields(attr(n, key))...)
	}
	switch n.Data {
	case "html":
		c.lang = attr(n, "lang") != ""
	case "title":
		c.title = text(n) != ""
	case "main":
		c.main++
	case "h1", "h2", "h3", "h4":
		c.heading(n)
	case "label":
		c.labels = append(c.labels, attr(n, "for"))
	case "input", "select", "textarea":
		if kind := attr(n, "type"); kind != "hidden" && attr(n, "aria-label") == "" && !inside(n, "label") {
			c.needs = append(c.needs, attr(n, "id"))
		}
	case "button", "a", "summary":
		if text(n) == "" && attr(n, "aria-label") == "" {
			c.t.Errorf("%s without a name", n.Data)
		}
		if n.Data == "a" && attr(n, "href") == "#" {
			c.t.Errorf("link %q leads nowhere", text(n))
		}
	case "th":
		if attr(n, "scope") == "" {
			c.t.Errorf("th %q without scope", text(n))
		}
	case "svg":
		if attr(n, "aria-hidden") != "true" && attr(n, "aria-label") == "" {
			c.t.Error("svg is neither hidden nor named")
		}
	case "nav", "aside", "fieldset", "iframe", "section":
		c.named(n)
	case "form":
		if m := attr(n, "method"); m != "" && m != "post" && m != "dialog" {
			c.t.Errorf("form with method %q", m)
		}
	}
	if attr(n, "tabindex") != "" && attr(n, "tabindex") != "0" && attr(n, "tabindex") != "-1" {
		c.t.Error("positive tabindex")
	}
}

func (c *check) heading(n *html.Node) {
	if inside(n, "dialog") || inside(n, "aside") { // they begin anew
		return
	}
	level := int(n.Data[1] - '0')
	if level == 1 {
		c.h1++
	}
	if level > c.level+1 && c.level > 0 {
		c.t.Errorf("h%d %q after h%d", level, text(n), c.level)
	}
	if !insideRail(n) {
		c.level = level
	}
}

func insideRail(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if attr(p, "class") == "rail" {
			return true
		}
	}
	return false
}

func (c *check) named(n *html.Node) {
	switch n.Data {
	case "fieldset":
		for k := n.FirstChild; k != nil; k = k.NextSibling {
			if k.Data == "legend" {
				return
			}
		}
		c.t.Error("fieldset without a legend")
	case "iframe":
		if attr(n, "title") == "" || attr(n, "sandbox") != "" {
			c.t.Error("iframe without a title, or with something let out of the sandbox")
		}
	case "section":
		// a section without a name is no landmark, and allowed
	default:
		if attr(n, "aria-label") == "" && attr(n, "aria-labelledby") == "" {
			c.t.Errorf("%s without a name", n.Data)
		}
	}
}

func (c *check) finish() {
	if c.h1 != 1 || c.main != 1 || !c.lang || !c.title {
		c.t.Errorf("h1 %d, main %d, lang %v, title %v", c.h1, c.main, c.lang, c.title)
	}
	for _, id := range c.refs {
		if !c.ids[id] {
			c.t.Errorf("aria names #%s, which is not there", id)
		}
	}
	for _, id := range c.labels {
		if id != "" && !c.ids[id] {
			c.t.Errorf("label for #%s, which is not there", id)
		}
	}
	for _, id := range c.needs {
		if id == "" || !contains(c.labels, id) {
			c.t.Errorf("field #%s without a label", id)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func inside(n *html.Node, name string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Type == html.ElementNode && p.Data == name {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return strings.TrimSpace(n.Data)
	}
	var b strings.Builder
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		b.WriteString(text(k))
	}
	return b.String()
}

// TestBudgets weighs pages and files as they travel.
func TestBudgets(t *testing.T) {
	weigh := func(b []byte) int {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(b)
		w.Close()
		return z.Len()
	}
	sizes := map[string]int{}
	mux := http.NewServeMux()
	mux.Handle("GET /static/{hash}/{name}", web.Static)
	scripts := 0
	for _, name := range []string{"postern.css", "icons.svg", "band.svg", "favicon.svg", "passkey.js", "desk.js", "composer.js"} {
		url, err := web.Asset(name)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", url, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		sizes[name] = w.Body.Len()
		if strings.HasSuffix(name, ".js") {
			scripts += w.Body.Len()
		}
	}
	if sizes["postern.css"] > 15_000 || scripts > 8_000 {
		t.Errorf("style %d, scripts %d", sizes["postern.css"], scripts)
	}
	shared := sizes["postern.css"] + sizes["icons.svg"] + sizes["band.svg"] + sizes["favicon.svg"]
	for _, f := range fixtures() {
		n := weigh(render(t, f))
		t.Logf("%-16s %5d", f.file, n)
		if strings.HasPrefix(f.file, "p-") && (n > 14_000 || n+shared+sizes["passkey.js"] > 40_000) {
			t.Errorf("%s: %d, with everything %d", f.file, n, n+shared+sizes["passkey.js"])
		}
		if n > 60_000 {
			t.Errorf("%s: %d", f.file, n)
		}
	}
	t.Log(sizes)
}
