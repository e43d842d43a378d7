package links

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"postern/internal/safehttp"
)

// page is what a browser would do with a page, as far as it can be read off it.
type page struct {
	at      *url.URL // of the page
	base    *url.URL // what relative addresses begin at
	based   bool     // by <base>
	policy  string   // its Content-Security-Policy
	refresh *url.URL
	jumps   string // a script leads on to http
	posts   bool   // a script sends something to http
	fetches bool   // not by a form
	forms   []*pageForm
	buttons []*pageForm
	active  []string // loaded over http: can change the page
	passive []string // loaded over http: can be changed itself
}

type pageForm struct {
	raw, method string
	fields      []string
	by          string
}

var charsets = regexp.MustCompile(`(?i)charset\s*=\s*["']?\s*(utf-?16|utf-?32|utf-?7|iso-2022|hz-gb)`)

// page looks at what was answered, and returns where it leads on to by itself.
func (f *follower) page(u *url.URL, v *safehttp.Visit) *url.URL {
	kind, _, _ := strings.Cut(strings.ToLower(v.Header.Get("Content-Type")), ";")
	switch strings.TrimSpace(kind) {
	case "", "text/html", "application/xhtml+xml":
	default:
		return nil
	}
	if e := strings.ToLower(v.Header.Get("Content-Encoding")); e != "" && e != "identity" || unreadable(v) {
		f.r.nobodyKnows(24, "leads to a page in a coding that could not be read")
		return nil
	}
	p := &page{at: u, base: u, policy: strings.ToLower(strings.Join(v.Header.Values("Content-Security-Policy"), ","))}
	p.read(v.Body)
	f.forms(p)
	f.scripts(p)
	f.mixed(p)
	if p.refresh != nil && p.refresh.Scheme == "http" {
		f.r.say(Block, 10, Refresh, "leads to a page that leads on over plain HTTP by itself", "have the page mended, or write the https address it ends at")
		return nil
	}
	if p.jumps != "" {
		f.r.say(Block, 10, Refresh, "leads to a page whose script leads on over plain HTTP, to "+short(p.jumps), "have the page mended")
	}
	if p.refresh != nil && (p.refresh.Scheme != "https" || p.refresh.String() == u.String()) {
		return nil
	}
	return p.refresh
}

// unreadable reports whether the bytes are no ASCII with something around it: forms
// could hide in them.
func unreadable(v *safehttp.Visit) bool {
	return bytes.HasPrefix(v.Body, []byte{0xfe, 0xff}) || bytes.HasPrefix(v.Body, []byte{0xff, 0xfe}) ||
		charsets.MatchString(v.Header.Get("Content-Type")) || charsets.Match(v.Body[:min(len(v.Body), 2048)])
}

func (p *page) read(body []byte) {
	z := html.NewTokenizer(bytes.NewReader(body))
	z.SetMaxBuf(safehttp.MaxPage)
	inside := ""
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			switch inside {
			case "script":
				p.script(string(z.Text()))
			case "style":
				p.style(string(z.Text()))
			}
		case html.EndTagToken:
			inside = ""
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			inside = t.Data
			a := map[string]string{}
			for _, x := range t.Attr {
				if _, twice := a[x.Key]; !twice { // browsers take the first
					a[x.Key] = x.Val
				}
			}
			p.tag(t.Data, a)
		}
	}
}

// tag looks at one element.
func (p *page) tag(name string, a map[string]string) {
	for k, v := range a {
		if strings.HasPrefix(k, "on") {
			p.script(v)
		}
	}
	p.style(a["style"])
	switch name {
	case "base":
		if to := p.resolve(a["href"]); a["href"] != "" && to != nil && !p.based {
			p.base, p.based = to, true
		}
	case "meta":
		p.meta(a)
	case "form":
		p.forms = append(p.forms, &pageForm{raw: a["action"], method: method(a["method"]), by: "form"})
	case "input", "select", "textarea", "button":
		p.field(name, a)
	case "script", "iframe", "frame", "embed":
		p.load(&p.active, a["src"])
		p.load(&p.active, a["href"]) // of a script in an SVG
		p.load(&p.active, a["xlink:href"])
	case "object":
		p.load(&p.active, a["data"])
	case "link":
		if rel := strings.ToLower(a["rel"]); strings.Contains(rel, "stylesheet") || strings.Contains(rel, "import") || strings.Contains(rel, "preload") || strings.Contains(rel, "manifest") {
			p.load(&p.active, a["href"])
		} else if strings.Contains(rel, "icon") {
			p.load(&p.passive, a["href"])
		}
	case "img", "audio", "video", "source", "track":
		p.load(&p.passive, a["src"])
		p.load(&p.passive, a["poster"])
		for set := range strings.SplitSeq(a["srcset"], ",") {
			if in := strings.Fields(set); len(in) > 0 {
				p.load(&p.passive, in[0])
			}
		}
	}
}

// refreshes is the shared declarative refresh of the HTML standard: a time, a sign or blanks,
// perhaps "url=", and where it leads.
var refreshes = regexp.MustCompile(`(?is)^\s*[0-9.]*[\s;,]+(?:url\s*=)?(.+)$`)

func (p *page) meta(a map[string]string) {
	switch strings.ToLower(a["http-equiv"]) {
	case "content-security-policy":
		p.policy += "," + strings.ToLower(a["content"])
	case "refresh":
		if m := refreshes.FindStringSubmatch(a["content"]); m != nil && p.refresh == nil {
			if to := strings.Trim(m[1], " \t\r\n\"'"); to != "" {
				p.refresh = p.resolve(to)
			}
		}
	}
}

// personal are the beginnings of names by which forms ask for something that is
// nobody else's business.
var personal = regexp.MustCompile(`(?i)(?:^|[^a-z])(?:e-?mail|mail|pass|pwd|kennwort|tel|phone|mobile|handy|name|first|last|sur|user|vorname|nachname|birth|dob|geb|iban|bic|card|cc|cvv|cvc|ssn|tax|steuer|account|konto|address|adresse|street|stra|zip|plz|post|pin|tan|otp)`)

func (p *page) field(name string, a map[string]string) {
	kind := strings.ToLower(a["type"])
	if to, has := a["formaction"]; has {
		p.buttons = append(p.buttons, &pageForm{raw: to, method: method(a["formmethod"]), by: "button"})
	}
	if name == "button" || kind == "hidden" || kind == "submit" || kind == "button" || kind == "image" || len(p.forms) == 0 {
		return
	}
	ask := a["name"]
	if kind == "email" || kind == "password" || kind == "tel" || personal.MatchString(ask) || personal.MatchString(a["autocomplete"]) {
		if ask == "" {
			ask = kind
		}
		last := p.forms[len(p.forms)-1]
		last.fields = append(last.fields, short(ask))
	}
}

func method(s string) string {
	if strings.EqualFold(strings.TrimSpace(s), "post") {
		return "POST"
	}
	return "GET"
}

// resolve is where a relative address leads; nil if nowhere. Browsers drop tabs and line
// breaks in it and read \ as /.
func (p *page) resolve(s string) *url.URL {
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(s))
	u, err := p.base.Parse(s)
	if err != nil {
		return nil
	}
	return u
}

func (p *page) load(into *[]string, s string) {
	if s == "" || len(*into) > 20 {
		return
	}
	if u := p.resolve(s); u != nil && u.Scheme == "http" {
		*into = append(*into, u.String())
	}
}

var (
	cssLoads  = regexp.MustCompile(`(?i)url\(\s*["']?(http://[^"')\s]+)`)
	cssStyles = regexp.MustCompile(`(?i)@import\s+(?:url\(\s*)?["']?(http://[^"')\s;]+)`)
	jumping   = regexp.MustCompile("(?i)(?:location(?:\\.href)?\\s*=\\s*|location\\.(?:assign|replace)\\(\\s*)[\"'`](http://[^\"'`\\s]+)")
	fetching  = regexp.MustCompile("(?i)(?:fetch|sendBeacon|axios[.a-z]*|\\$\\.(?:post|get|ajax)|\\.open)\\s*\\([^)]{0,80}[\"'`]http://|new\\s+WebSocket\\(\\s*[\"'`]ws://")
	building  = regexp.MustCompile("(?i)(?:\\.action\\s*=\\s*|action[\"']?\\s*,\\s*|action=\\\\?)[\"'`]?http://")
)

func (p *page) style(s string) {
	for _, m := range cssStyles.FindAllStringSubmatch(s, 20) {
		p.load(&p.active, m[1]) // as much a style sheet as a linked one
	}
	for _, m := range cssLoads.FindAllStringSubmatch(cssStyles.ReplaceAllString(s, ""), 20) {
		p.load(&p.passive, m[1])
	}
}

func (p *page) script(s string) {
	if !strings.Contains(s, "://") {
		return
	}
	if m := jumping.FindStringSubmatch(s); m != nil && p.jumps == "" {
		p.jumps = m[1]
	}
	if fetching.MatchString(s) {
		p.posts, p.fetches = true, true
	}
	p.posts = p.posts || building.MatchString(s)
}

// forms judges every way to send something from the page.
func (f *follower) forms(p *page) {
	f.r.Forms = nil // of the last page only
	if p.at.Scheme == "http" && len(p.forms) > 0 {
		f.r.say(Block, 4, ClearForm, "leads to a page over plain HTTP that asks for something: it collects data in clear", "write the https address, or leave it out")
	}
	for _, form := range slices.Concat(p.forms, p.buttons) {
		to := p.resolve(form.raw)
		if to == nil {
			continue
		}
		f.r.Forms = append(f.r.Forms, Form{Action: to.String(), Method: form.method, Fields: form.fields, By: form.by})
		const mend = "have the form sent to an https address"
		absolute := strings.HasPrefix(strings.ToLower(strings.TrimSpace(form.raw)), "http:")
		switch {
		case to.Scheme == "http" && form.by == "button":
			f.r.say(Block, 7, ClearForm, "leads to a page with a button that sends what is typed over plain HTTP, to "+short(to.Host), mend)
		case to.Scheme == "http" && absolute:
			f.r.say(Block, 5, ClearForm, "leads to a form that sends what is typed over plain HTTP, to "+short(to.Host), mend)
		case to.Scheme == "http":
			f.r.say(Block, 6, ClearForm, "leads to a form that sends what is typed over plain HTTP, because its page or its base is plain HTTP", mend)
		case to.Scheme == "mailto":
			f.r.say(Warn, 5, ClearForm, "leads to a form that sends what is typed by mail", mend)
		case to.Scheme == "https" && !f.judge.Known(strings.ToLower(to.Hostname())):
			f.r.say(Warn, 22, Stranger, "leads to a form that sends what is typed to "+to.Hostname()+", which is on no list", "make sure that it is meant; who may be sent there often is put on the list links.listed")
		}
		if form.by == "form" && form.method == "GET" && len(form.fields) > 0 {
			f.r.say(Warn, 7, OpenFields, "leads to a form that puts what is typed ("+strings.Join(form.fields, ", ")+") into the address", "have the form sent by POST")
		}
	}
}

// scripts judges what scripts of the page send. A policy of the page can forbid it.
func (f *follower) scripts(p *page) {
	if !p.posts {
		return
	}
	g := Warn
	if strings.Contains(p.policy, "upgrade-insecure-requests") || !p.fetches && p.keepsForms() {
		g = Info
	}
	f.r.say(g, 8, ScriptPost, "leads to a page whose script sends something over plain HTTP", "have the script mended")
}

// keepsForms reports whether the policy lets forms go to https only.
func (p *page) keepsForms() bool {
	for part := range strings.FieldsFuncSeq(p.policy, func(r rune) bool { return r == ';' || r == ',' }) {
		in := strings.Fields(part)
		if len(in) > 0 && in[0] == "form-action" {
			return !slices.ContainsFunc(in[1:], func(s string) bool { return s == "*" || strings.HasPrefix(s, "http:") })
		}
	}
	return false
}

func (f *follower) mixed(p *page) {
	if p.at.Scheme != "https" {
		return
	}
	say := func(g Grade, in []string, what string) {
		if len(in) == 0 {
			return
		}
		if strings.Contains(p.policy, "upgrade-insecure-requests") {
			g = Info
		}
		f.r.say(g, 9, Mixed, "leads to a page that loads "+what+" over plain HTTP, from "+short(in[0]), "have everything on the page loaded by https")
	}
	say(Block, p.active, "programs or frames")
	say(Warn, p.passive, "pictures or sounds")
}
