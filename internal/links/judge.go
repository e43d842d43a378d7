package links

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// The kinds that are seen in the writing of a link.
const (
	Clear     Kind = "clear"     // row 1: plain HTTP
	Script    Kind = "homograph" // row 14: a name in other letters
	LookAlike Kind = "lookalike" // row 15: nearly one of our names
	UserInfo  Kind = "userinfo"  // row 16: something before an @ that looks like the host
	Disguise  Kind = "disguise"  // row 17: shown is another address
	Shortener Kind = "shortener" // row 18
	PassOn    Kind = "passon"    // row 19: the address holds another
	Number    Kind = "number"    // row 20: a number for a name, a port, a place inside
	Scheme    Kind = "scheme"    // row 21: not a page at all
	Malformed Kind = "malformed" // read in one way by us and in another by a browser
	Stranger  Kind = "stranger"  // row 22: on no list of the organisation's
	Secret    Kind = "secret"    // row 23: a secret or an address in the link
)

// Judge knows which names are the organisation's. The zero Judge knows none.
type Judge struct {
	origins map[string]bool // host:port of our own pages
	own     []string        // domains of ours
	names   []ownName       // the same, as others would imitate them
	listed  []string        // third parties that the organisation sends people to
}

// NewJudge takes our own domains, or addresses (https://host:port) whose port counts as
// ours too, and the domains of third parties that people are sent to.
func NewJudge(own, listed []string) *Judge {
	j := &Judge{origins: map[string]bool{}}
	for _, o := range own {
		if u, err := url.Parse(o); err == nil && u.Scheme == "https" && u.Host != "" {
			j.origins[strings.ToLower(u.Host)] = true
			o = u.Hostname()
		}
		if host, err := ascii(o); err == nil && host != "" {
			j.own = append(j.own, host)
			if n := nameOf(host); n.label != "" {
				j.names = append(j.names, n)
			}
		}
	}
	for _, l := range listed {
		if host, err := ascii(l); err == nil && host != "" {
			j.listed = append(j.listed, host)
		}
	}
	return j
}

// ascii is a host name as it is looked up, in small letters.
func ascii(host string) (string, error) {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(host), "."))
	if plainASCII(host) && !strings.Contains(host, "xn--") {
		return host, nil // idna refuses names with an underscore, which exist
	}
	return idna.Lookup.ToASCII(host)
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Ours reports whether a host belongs to the organisation: it is on the list, below a
// name on it, or has the same registered domain.
func (j *Judge) Ours(host string) bool {
	if under(host, j.own) {
		return true
	}
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return false
	}
	for _, n := range j.names {
		if n.registered == registered {
			return true
		}
	}
	return false
}

// Known reports whether the organisation sends people to a host: its own or a listed one.
func (j *Judge) Known(host string) bool { return j.Ours(host) || under(host, j.listed) }

func under(host string, domains []string) bool {
	for _, d := range domains {
		if host == d || len(host) > len(d) && host[len(host)-len(d)-1] == '.' && strings.HasSuffix(host, d) {
			return true
		}
	}
	return false
}

// Look judges every link in a text.
func (j *Judge) Look(text string) []Finding {
	var out []Finding
	for _, l := range Find(text) {
		out = append(out, j.Judge(l)...)
	}
	return j.lastWord(out, text)
}

// lastWord keeps in what InClear finds, should the finder ever overlook it: that nothing
// leads over plain HTTP does not hang on one reading of a text.
func (j *Judge) lastWord(found []Finding, text string) []Finding {
	if Blocked(found) != nil {
		return found
	}
	if link := InClear(text); link != "" {
		c := &clauses{link: link, out: found}
		c.say(Block, 1, Clear, inClear, writeHTTPS)
		return c.out
	}
	return found
}

const inClear = "leads over plain HTTP, where everybody on the way reads what is typed"

// clauses are what a link's findings are gathered in.
type clauses struct {
	link string
	out  []Finding
}

func (c *clauses) say(g Grade, row int, k Kind, why, mend string) {
	c.out = append(c.out, Finding{Link: c.link, Grade: g, Row: row, Kind: k, Why: why, Mend: mend})
}

const (
	writeHTTPS  = "write the https address, or leave it out"
	writeAgain  = "write it again as https://host.example/path"
	writeTarget = "write the address that it ends at"
)

// Judge says what is wrong with one link as it is written.
func (j *Judge) Judge(l Link) []Finding {
	c := &clauses{link: l.URL}
	u := j.parse(c, l.URL)
	if u == nil {
		return c.out
	}
	if u.Scheme == "mailto" || u.Scheme == "tel" {
		return j.disguised(c, l, "")
	}
	if u.User != nil {
		c.say(Block, 16, UserInfo, "holds a name before an @, which looks like the place it leads to and is not: it leads to "+short(u.Host), "leave out what stands before the @")
	}
	host := j.host(c, u)
	if host == "" || j.origins[strings.ToLower(u.Host)] {
		return j.disguised(c, l, host)
	}
	j.port(c, u)
	switch {
	case j.Ours(host):
		j.secrets(c, u)
		return j.disguised(c, l, host)
	case shorteners[host] || shorteners[registered(host)]:
		c.say(Block, 18, Shortener, "is a short one that hides where it leads", writeTarget)
	case under(host, j.listed):
	default:
		if like := j.like(host); like != "" {
			c.say(Block, 15, LookAlike, "looks like "+like+" and leads to "+host+", which is somebody else's", "write our own address, or have "+host+" put on the list links.listed")
		} else if Blocked(c.out) == nil {
			c.say(Warn, 22, Stranger, "leads to "+host+", which is not ours", "make sure that it is meant; who may be sent there often is put on the list links.listed")
		}
	}
	j.passes(c, u, host)
	j.secrets(c, u)
	return j.disguised(c, l, host)
}

// parse reads a link the strict way: what net/url and browsers read differently is
// refused. Browsers drop tabs and line breaks, take \ for /, and one slash for two.
func (j *Judge) parse(c *clauses, link string) *url.URL {
	if strings.HasPrefix(link, "//") {
		link = "https:" + link
	}
	name, rest, ok := strings.Cut(link, ":")
	name = strings.ToLower(name)
	if !ok || strings.ContainsAny(name, "/.?#") || digits(rest) { // www.host, host/path, host:port/path
		c.say(Block, 1, Clear, "has no https:// before it, so mail programs open it over plain HTTP", "write https:// before it, or leave it out")
		return nil
	}
	switch name {
	case "https", "mailto", "tel":
	case "http":
		c.say(Block, 1, Clear, inClear, writeHTTPS)
	default:
		c.say(Block, 21, Scheme, "does not lead to a page: "+short(name)+": makes a program do something", "leave it out")
		return nil
	}
	malformed := func() *url.URL {
		c.say(Block, 21, Malformed, "is written so that programs read it in different ways", writeAgain)
		return nil
	}
	for _, r := range link {
		if r <= ' ' || r == 0x7f || r == '\\' || r == utf8.RuneError {
			return malformed()
		}
	}
	u, err := url.Parse(link)
	if err != nil || len(link) > maxLink {
		return malformed()
	}
	if name == "mailto" || name == "tel" {
		return u
	}
	if u.Hostname() == "" || // https:evil.example, which browsers open
		strings.HasSuffix(u.Host, ":") || strings.HasPrefix(rest, "///") {
		return malformed()
	}
	if path := strings.ToLower(u.EscapedPath() + "?" + u.RawQuery); strings.Contains(path, "%0d") || strings.Contains(path, "%0a") || strings.Contains(path, "%00") {
		return malformed() // a line break on its way into a header
	}
	return u
}

const maxLink = 4000

// digits reports whether a colon was that of a port.
func digits(rest string) bool {
	port, _, _ := strings.Cut(rest, "/")
	return port != "" && strings.Trim(port, "0123456789") == ""
}

// host judges the name of the host and returns it as it is looked up; "" if there is no
// more to say about it.
func (j *Judge) host(c *clauses, u *url.URL) string {
	shown := u.Hostname()
	host, err := ascii(shown)
	if err != nil || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:") != "" || strings.Contains(host, "..") || strings.HasPrefix(host, ".") {
		c.say(Block, 14, Script, "has a host name that no program may look up: "+short(shown), writeAgain)
		return ""
	}
	if strings.HasPrefix(u.Host, "[") || numeric(host) {
		c.say(Block, 20, Number, "has a number for a name, so nobody sees whose it is", "write the name of the host")
		return ""
	}
	if j.origins[strings.ToLower(u.Host)] {
		return host
	}
	if !strings.Contains(host, ".") || under(host, inside) {
		c.say(Block, 20, Number, "leads to "+host+", a place that only a network inside knows", "write an address that the reader can reach")
		return ""
	}
	if strings.HasPrefix(host, "xn--") || strings.Contains(host, ".xn--") {
		if !j.Known(host) {
			c.say(Block, 14, Script, foreign(host), "if it is the right one, have "+host+" put on the list links.listed")
		}
	}
	return host
}

// inside are names that mean something else in every network (RFC 6761, 6762, 8375, and
// what offices use).
var inside = []string{"localhost", "local", "internal", "intranet", "lan", "corp", "home", "private", "home.arpa", "localdomain", "invalid", "onion"}

// numeric reports whether a resolver could take the host for a number: 127.1,
// 0x7f000001, 2130706433, 0177.0.0.1 (inet_aton).
func numeric(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && (digit(last[0]) && strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"))
}

func (j *Judge) port(c *clauses, u *url.URL) {
	if p := u.Port(); p != "" && p != "443" && !(u.Scheme == "http" && p == "80") {
		c.say(Block, 20, Number, "names the port "+p+", where another program answers than the one for the host's pages", "leave the port out")
	}
}

// passes sees an address inside the address: whoever can write one decides where
// readers end.
func (j *Judge) passes(c *clauses, u *url.URL, host string) {
	for _, values := range u.Query() {
		for _, v := range values {
			to, err := url.Parse(v)
			if err == nil && (to.Scheme == "http" || to.Scheme == "https") && to.Hostname() != "" && !strings.EqualFold(to.Hostname(), host) {
				c.say(Warn, 19, PassOn, "passes its reader on to "+short(to.Hostname()), writeTarget)
				return
			}
		}
	}
}

// disguised compares what is shown with where it leads.
func (j *Judge) disguised(c *clauses, l Link, host string) []Finding {
	if l.Text == "" || len(c.out) > 0 && c.out[0].Kind == Malformed {
		return c.out
	}
	shown := shownHost(l.Text)
	if shown == "" || shown == host || strings.TrimPrefix(shown, "www.") == strings.TrimPrefix(host, "www.") {
		return c.out
	}
	c.say(Block, 17, Disguise, "is shown as "+short(strings.TrimSpace(l.Text))+" and leads elsewhere", "show the address that it leads to, or words")
	return c.out
}

// shownHost is the host that a shown text names; "" if it is words.
func shownHost(text string) string {
	text = strings.Trim(bare(text), " \t\n*_`<>\"'.,")
	if strings.ContainsAny(text, " \t\n") {
		if in := Find(text); len(in) > 0 { // "go to https://bank.example"
			text = in[0].URL
		} else {
			return ""
		}
	}
	low := strings.ToLower(text)
	if !strings.Contains(low, "://") {
		if strings.Contains(low, "@") || !strings.Contains(low, ".") {
			return ""
		}
		host, _, _ := strings.Cut(low, "/")
		host, _, _ = strings.Cut(host, ":")
		if _, known := publicsuffix.PublicSuffix(host); !known && !strings.HasPrefix(host, "www.") && !strings.HasSuffix(host, ".example") {
			return "" // a file, a section, a version
		}
		low = "https://" + low
	}
	u, err := url.Parse(low)
	if err != nil {
		return "?" // looks like an address and is none
	}
	host, err := ascii(u.Hostname())
	if err != nil {
		return "?"
	}
	return host
}
