package message

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const maxHTML = 4 << 20 // bytes of HTML that are turned into text

// htmlText turns HTML into plain text. It reads tokens, not a tree: a tree can
// be made to cost far more than its source. What is not shown is left out; a
// link shows where it leads.
func htmlText(src string) string {
	t := htmlWriter{z: html.NewTokenizer(strings.NewReader(cut(src, maxHTML)))}
	t.z.SetMaxBuf(maxHTML)
	for t.next() {
	}
	text, _ := cleanText(t.out.String())
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	text = strings.Join(lines, "\n")
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text)
}

type htmlWriter struct {
	z      *html.Tokenizer
	out    strings.Builder
	hidden int       // open elements since the outermost hidden one, itself included
	tag    atom.Atom // of the outermost hidden element
	link   string
	linkAt int // where in out the link's text begins
	blank  bool
}

func (t *htmlWriter) next() bool {
	switch t.z.Next() {
	case html.ErrorToken:
		t.endLink()
		return false
	case html.TextToken:
		if t.hidden == 0 {
			t.text(string(t.z.Text()))
		}
	case html.StartTagToken:
		t.start(false)
	case html.SelfClosingTagToken:
		t.start(true)
	case html.EndTagToken:
		name, _ := t.z.TagName()
		t.end(atom.Lookup(name))
	}
	return true
}

// text adds text with its blanks folded to one.
func (t *htmlWriter) text(s string) {
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\u00a0' {
			t.blank = true
			continue
		}
		if r == '\u200b' || r == '\u200c' || r == '\ufeff' || r == '\u00ad' || r == '\u034f' {
			continue // invisible: padding of newsletters, and a way to hide words
		}
		if t.blank {
			t.blank = false
			t.out.WriteByte(' ')
		}
		t.out.WriteRune(r)
	}
}

func (t *htmlWriter) newline(n int) {
	t.blank = false
	for range n {
		t.out.WriteByte('\n')
	}
}

func (t *htmlWriter) start(closed bool) {
	name, more := t.z.TagName()
	tag := atom.Lookup(name)
	void := closed || isVoid(tag)
	attr := map[string]string{}
	for more && len(attr) < 20 {
		var k, v []byte
		k, v, more = t.z.TagAttr()
		attr[string(k)] = string(v)
	}
	if t.hidden > 0 && (t.tag == atom.Svg || t.tag == atom.Math) && breaksOut[tag] {
		t.hidden = 0 // a picture that was never closed ends here, as in a browser
	}
	if t.hidden > 0 {
		if tag == t.tag && !void {
			t.hidden++
		}
		return
	}
	switch tag {
	case atom.Script, atom.Style, atom.Head, atom.Template, atom.Title, atom.Svg, atom.Math, atom.Iframe, atom.Textarea, atom.Select:
		if !void {
			t.hidden, t.tag = 1, tag
		}
		return
	}
	if !void && tag != 0 && isHidden(attr) {
		t.hidden, t.tag = 1, tag
		return
	}
	switch tag {
	case atom.Br:
		t.newline(1)
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.Blockquote, atom.Table, atom.Ul, atom.Ol, atom.Hr:
		t.newline(2)
	case atom.Div, atom.Tr:
		t.newline(1)
	case atom.Li:
		t.newline(1)
		t.out.WriteString("- ")
	case atom.Td, atom.Th:
		t.blank = true
	case atom.Img:
		if alt := strings.TrimSpace(attr["alt"]); alt != "" {
			t.text(" [" + cut(alt, 200) + "] ")
		}
	case atom.A:
		t.endLink()
		t.link, t.linkAt = attr["href"], t.out.Len()
	}
}

// breaksOut are the tags that end a picture or a formula that is still open (HTML, 13.2.6.5).
var breaksOut = map[atom.Atom]bool{atom.B: true, atom.Big: true, atom.Blockquote: true, atom.Body: true, atom.Br: true, atom.Center: true, atom.Code: true, atom.Dd: true, atom.Div: true, atom.Dl: true, atom.Dt: true,
	atom.Em: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Hr: true, atom.I: true, atom.Img: true, atom.Li: true, atom.Ol: true, atom.P: true, atom.Pre: true,
	atom.S: true, atom.Small: true, atom.Span: true, atom.Strong: true, atom.Sub: true, atom.Sup: true, atom.Table: true, atom.Tt: true, atom.U: true, atom.Ul: true, atom.Var: true}

func (t *htmlWriter) end(tag atom.Atom) {
	if t.hidden > 0 {
		if tag == t.tag {
			t.hidden--
		}
		return
	}
	switch tag {
	case atom.A:
		t.endLink()
	case atom.P, atom.Div, atom.Tr, atom.H1, atom.H2, atom.H3, atom.H4, atom.Blockquote, atom.Table, atom.Ul, atom.Ol:
		t.newline(1)
	}
}

// endLink writes where a link leads, unless its text says exactly that.
func (t *htmlWriter) endLink() {
	url := oneLine(strings.TrimSpace(t.link))
	t.link = ""
	if url == "" || strings.HasPrefix(url, "#") || t.linkAt > t.out.Len() {
		return
	}
	if shown := strings.TrimSpace(t.out.String()[t.linkAt:]); shown == url || "mailto:"+shown == url {
		return
	}
	t.out.WriteString(" <" + cut(url, 2000) + ">")
}

func isVoid(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr, atom.Param:
		return true
	}
	return false
}

// isHidden knows the usual ways to hide an element. It cannot know them all:
// HTML is shown as text to people only, and never read for instructions.
func isHidden(attr map[string]string) bool {
	if _, ok := attr["hidden"]; ok {
		return true
	}
	style := strings.ToLower(strings.Join(strings.Fields(attr["style"]), ""))
	for _, s := range []string{"display:none", "visibility:hidden", "font-size:0;", "font-size:0px", "opacity:0;", "mso-hide:all", "max-height:0"} {
		if strings.Contains(style+";", s) {
			return true
		}
	}
	return false
}
