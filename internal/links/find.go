package links

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// A Link is one place in a text that leads somewhere when it is clicked.
type Link struct {
	URL  string // as it is written
	Text string // what is shown instead of it, in Markdown or HTML; "" if nothing is
}

// marks are the bytes at which a link may be seen: the colon of a scheme, the slash
// of a path, the dot of www., the end of a Markdown label.
var marks = func() (m [256]bool) {
	for _, c := range []byte(":/.]") {
		m[c] = true
	}
	return m
}()

// Find returns what a mail program or our own pages would make clickable: what has a
// scheme, what begins with www., a domain with a path behind it, and the targets of
// Markdown and HTML.
//
// A bare domain counts only where a path follows. Programs differ: most make
// "bank.example/pay" clickable (and open it over HTTP), few do that with "bank.example".
// Without the path every "readme.md" and every missing blank behind a full stop would
// be a link, and a guard that cries at each of those is clicked away.
func Find(text string) []Link {
	f := finder{text: bare(text)}
	f.scan()
	if strings.Contains(f.text, "<") && strings.Contains(f.text, "=") {
		f.tags()
	}
	return f.done()
}

type finder struct {
	text string
	out  []Link
	refs []Link            // [Text][URL], where URL is the name of a definition
	defs map[string]string // [name]: target
}

// scan walks over the text once; what is inside a link is not looked at again.
func (f *finder) scan() {
	for i := 0; i < len(f.text); i++ {
		if !marks[f.text[i]] {
			continue
		}
		end := 0
		switch f.text[i] {
		case ':':
			end = f.scheme(i)
		case '/':
			end = f.domain(i)
		case '.':
			end = f.www(i)
		case ']':
			end = f.markdown(i)
		}
		if end > i {
			i = end - 1
		}
	}
}

// add keeps a link that begins at from and returns where it ends.
func (f *finder) add(from int) int {
	end := from + run(f.text[from:])
	f.out = append(f.out, Link{URL: trim(f.text[from:end])})
	return end
}

// run is how far a link written into a text reaches.
func run(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r <= ' ', r == '<', r == '>', r == '"', r == '`', r == 0x7f, unicode.IsSpace(r):
			return i
		case r == ']' && i+1 < len(s) && (s[i+1] == '(' || s[i+1] == '['): // a Markdown label ends
			return i
		}
		i += n
	}
	return len(s)
}

// trim takes off what belongs to the sentence around a link.
func trim(s string) string {
	for {
		t := strings.TrimRight(s, ".,;:!?'*_~|\\“”„«»’…")
		for _, p := range []string{"()", "[]", "{}"} {
			if strings.HasSuffix(t, p[1:]) && strings.Count(t, p[:1]) < strings.Count(t, p[1:]) {
				t = t[:len(t)-1]
			}
		}
		if t == s {
			return s
		}
		s = t
	}
}

const maxScheme = 30

// scheme sees a link at its colon.
func (f *finder) scheme(i int) int {
	from := i
	for from > 0 && i-from < maxScheme && schemeByte(f.text[from-1]) {
		from--
	}
	for from < i && !letter(f.text[from]) {
		from++
	}
	rest := f.text[i+1:]
	if from == i || rest == "" {
		return 0
	}
	name := strings.ToLower(f.text[from:i])
	for _, web := range []string{"https", "http"} {
		if strings.HasSuffix(name, web) { // whatever is glued before it
			if c := rest[0]; letter(c) || digit(c) || strings.IndexByte(`/\[%@`, c) >= 0 || c >= utf8.RuneSelf {
				return f.add(i - len(web))
			}
			return 0
		}
	}
	if strings.HasPrefix(rest, "//") && len(rest) > 2 && rest[2] > ' ' || runs(name, rest) {
		return f.add(from)
	}
	return 0
}

// runs reports whether a scheme without slashes makes a program do something. Those
// that stand in prose too ("data: see below") must look like a link behind the colon.
func runs(name, rest string) bool {
	switch name {
	case "javascript", "vbscript", "livescript", "mhtml", "view-source", "ms-msdt", "search-ms", "blob":
		return rest[0] > ' '
	case "file":
		return rest[0] == '/' || rest[0] == '\\'
	case "data":
		kind, more, ok := strings.Cut(rest[:min(len(rest), 60)], "/")
		return rest[0] == ',' || rest[0] == ';' || ok && kind != "" && strings.Trim(strings.ToLower(kind), "abcdefghijklmnopqrstuvwxyz") == "" && more != "" && letter(more[0]) && strings.ContainsAny(rest[:min(len(rest), 100)], ",;")
	}
	return false
}

// www sees a link at the dot of its www.
func (f *finder) www(i int) int {
	if i < 3 || !strings.EqualFold(f.text[i-3:i], "www") || i+1 == len(f.text) {
		return 0
	}
	if c := f.text[i+1]; !letter(c) && !digit(c) && c < utf8.RuneSelf {
		return 0
	}
	if i > 3 && (hostByte(f.text[i-4]) && f.text[i-4] != '_' || f.text[i-4] == '@' || f.text[i-4] == '/') {
		return 0
	}
	return f.add(i - 3)
}

const maxHost = 253

// domain sees a link without a scheme at the slash behind its host.
func (f *finder) domain(i int) int {
	from := i
	for from > 0 && i-from < maxHost && (hostByte(f.text[from-1]) || f.text[from-1] == ':') {
		from--
	}
	host, _, _ := strings.Cut(f.text[from:i], ":")
	if !strings.Contains(host, ".") || strings.HasSuffix(host, ".") || from > 0 && strings.IndexByte(`@/\=&?#%`, f.text[from-1]) >= 0 {
		return 0
	}
	host = strings.ToLower(strings.Trim(host, "_-."))
	suffix, known := publicsuffix.PublicSuffix(host)
	if !known || suffix == host {
		return 0
	}
	return f.add(from)
}

// markdown sees a link at the end of its label.
func (f *finder) markdown(i int) int {
	if i+1 == len(f.text) {
		return 0
	}
	switch f.text[i+1] {
	case '(':
		target, n := inlineTarget(f.text[i+2:])
		f.target(target, label(f.text[:i]))
		return i + 2 + n
	case '[':
		if name, _, ok := strings.Cut(f.text[i+2:min(len(f.text), i+2+maxLabel)], "]"); ok {
			f.refs = append(f.refs, Link{URL: strings.ToLower(name), Text: label(f.text[:i])})
		}
	case ':':
		name := label(f.text[:i])
		if target := strings.TrimLeft(f.text[i+2:], " \t\n"); name != "" && target != "" {
			url, _ := inlineTarget(target)
			f.define(name, url)
		}
	}
	return 0
}

func (f *finder) define(name, url string) {
	if f.defs == nil {
		f.defs = map[string]string{}
	}
	if key := strings.ToLower(name); f.defs[key] == "" {
		f.defs[key] = url
	}
	f.target(url, name)
}

// target keeps a target of Markdown or HTML that leads away from the page it stands on.
func (f *finder) target(url, text string) {
	url = strings.Trim(bare(html.UnescapeString(url)), " \t\r\n") // browsers drop these at the ends
	name, _, colon := strings.Cut(url, ":")
	away := colon && name != "" && !strings.ContainsAny(name, "/?#")
	if away || strings.HasPrefix(url, "//") || strings.HasPrefix(strings.ToLower(url), "www.") || strings.ContainsRune(url, '\\') {
		f.out = append(f.out, Link{URL: url, Text: strings.TrimSpace(text)})
	}
}

// inlineTarget reads the target of a Markdown link and returns how many bytes it took.
func inlineTarget(s string) (target string, n int) {
	from := len(s) - len(strings.TrimLeft(s, " \t\n"))
	if strings.HasPrefix(s[from:], "<") {
		if in, _, ok := strings.Cut(s[from+1:], ">"); ok {
			return in, from + 2 + len(in)
		}
	}
	depth := 0
	for i := from; i < len(s); i++ {
		switch {
		case s[i] <= ' ' || s[i] == ')' && depth == 0:
			return s[from:i], i
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
	}
	return s[from:], len(s)
}

const maxLabel = 500

// label is what stands in the brackets that end here.
func label(before string) string {
	depth := 0
	for i := len(before) - 1; i >= 0 && len(before)-i < maxLabel; i-- {
		switch before[i] {
		case ']':
			depth++
		case '[':
			if depth == 0 {
				return before[i+1:]
			}
			depth--
		}
	}
	return ""
}

// done resolves references and drops what stands there twice.
func (f *finder) done() []Link {
	for _, r := range f.refs {
		if url := f.defs[r.URL]; url != "" {
			f.target(url, r.Text)
		}
	}
	if len(f.out) < 2 {
		return f.out
	}
	seen := map[Link]bool{}
	kept := f.out[:0]
	for _, l := range f.out {
		if !seen[l] {
			seen[l] = true
			kept = append(kept, l)
		}
	}
	return kept
}

func letter(c byte) bool     { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool      { return c >= '0' && c <= '9' }
func schemeByte(c byte) bool { return letter(c) || digit(c) || c == '+' || c == '-' || c == '.' }
func hostByte(c byte) bool {
	return letter(c) || digit(c) || c == '.' || c == '-' || c == '_' || c >= utf8.RuneSelf
}
