package links

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

const (
	maxHops  = 10
	hstsYear = 365 * 24 * 60 * 60
	soon     = 14 * 24 * time.Hour
)

// follower goes one link's way to its end.
type follower struct {
	fetch  Fetch
	judge  *Judge
	now    time.Time
	r      *Report
	strict map[string]bool // hosts whose Strict-Transport-Security was looked at
}

func (f *follower) run(ctx context.Context) {
	cur := f.r.Link
	for range maxHops + 1 {
		u, ok := f.enter(cur)
		if !ok {
			return
		}
		v, err := f.fetch(ctx, u.String())
		if err != nil {
			f.failed(u, err)
			return
		}
		f.r.Chain = append(f.r.Chain, Hop{URL: u.String(), Status: v.Status, Address: v.Address, TLS: tlsName(v.TLS)})
		if !f.connection(u, v) {
			return
		}
		next, ok := f.next(u, v)
		if !ok {
			return
		}
		f.open(u, next)
		cur = next.String()
	}
	f.r.nobodyKnows(19, "leads on and on: after "+strconv.Itoa(maxHops)+" redirects it was still not at a page")
}

// enter looks at an address before it is asked for.
func (f *follower) enter(address string) (*url.URL, bool) {
	first := len(f.r.Chain) == 0
	c := &clauses{link: f.r.Link}
	u := f.judge.parse(c, address)
	if u != nil && u.User != nil {
		c.say(Block, 16, UserInfo, "leads on to an address with a name before an @", writeAgain)
	}
	for _, x := range c.out {
		switch {
		case x.Row != 1, u == nil && first:
			f.r.say(x.Grade, x.Row, x.Kind, x.Why, x.Mend)
		case !first:
			f.r.say(Block, 2, Downgrade, "leads on over plain HTTP, to "+short(address)+", where everybody on the way reads what is typed", "write the https address of the page, or have the redirect mended")
		}
	}
	if u == nil || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		f.r.Chain = append(f.r.Chain, Hop{URL: short(address), Trouble: "not asked for"})
		return nil, false
	}
	u.Fragment, u.RawFragment = "", ""
	return u, true
}

// failed says that there was no answer to look at.
func (f *follower) failed(u *url.URL, err error) {
	trouble, row := fail.Text(err), 24
	switch {
	case errors.Is(err, ErrOutside):
		f.r.Chain = append(f.r.Chain, Hop{URL: u.String(), Trouble: "outside of what may be looked at"})
		f.r.say(Warn, 19, Redirector, "leads on to "+u.Hostname()+", which may not be looked at from here", writeTarget)
		return
	case fail.Is(err, fail.Denied) && !f.judge.Known(u.Hostname()):
		f.r.Chain = append(f.r.Chain, Hop{URL: u.String(), Trouble: "a place inside a network, which is not looked at"})
		f.r.say(Block, 20, Number, "leads to "+u.Hostname()+", which stands inside a network that the reader cannot reach", "write an address that the reader can reach")
		return
	case fail.Is(err, fail.Denied): // whom we know may stand beside us here, and be reached from outside too
		trouble, row = "it leads to a place inside a network, which is not looked at", 20
	case trouble == "":
		trouble = "there was no answer in time"
	}
	f.r.Chain = append(f.r.Chain, Hop{URL: u.String(), Trouble: trouble})
	f.r.nobodyKnows(row, "could not be looked at: "+trouble)
}

// connection looks at how a host was reached; false if nothing was asked of it.
func (f *follower) connection(u *url.URL, v *safehttp.Visit) bool {
	if u.Scheme == "http" {
		return true
	}
	if v.Certificate != nil {
		f.r.Cert = NewCert(u.Hostname(), v.Certificate)
	}
	if len(v.Faults) > 0 {
		for _, x := range v.Faults {
			f.r.Cert.Faults = append(f.r.Cert.Faults, string(x))
		}
		f.r.say(Block, 11, BadCert, "leads to a host whose certificate vouches for nothing: "+strings.Join(f.r.Cert.Faults, ", "), "leave the link out until that is mended")
		return false
	}
	if v.Certificate != nil {
		f.ends(u)
	}
	if v.TLS != 0 && v.TLS < tls.VersionTLS12 {
		f.r.say(Warn, 12, OldTLS, "leads to a host that speaks "+tlsName(v.TLS)+" only", "have TLS 1.2 or newer switched on there")
	}
	f.hsts(u, v)
	return true
}

// ends looks at how long a certificate is still good for. Ours is ours to renew, so it
// is red; of somebody else's we only tell. One that is given out for days is not near
// its end before two thirds are over.
func (f *follower) ends(u *url.URL) {
	left, life := f.r.Cert.Until.Sub(f.now), f.r.Cert.Until.Sub(f.r.Cert.From)
	if left >= soon || left >= life/3 {
		return
	}
	g := Warn
	if f.judge.Ours(strings.ToLower(u.Hostname())) {
		g = Block
	}
	f.r.say(g, 11, BadCert, "leads to a host whose certificate ends in "+strconv.Itoa(int(left.Hours()/24))+" days", "have the certificate renewed")
}

// hsts looks at Strict-Transport-Security, RFC 6797, 6.1, once for each host.
func (f *follower) hsts(u *url.URL, v *safehttp.Visit) {
	host := strings.ToLower(u.Hostname())
	if f.strict[host] {
		return
	}
	f.strict[host] = true
	const mend = "have the header Strict-Transport-Security sent, with max-age=31536000 and includeSubDomains"
	h := strings.ToLower(v.Header.Get("Strict-Transport-Security"))
	if h == "" {
		f.r.say(Warn, 13, NoHSTS, "leads to "+host+", which does not tell browsers to come by https only", mend)
		return
	}
	age, sub := int64(0), false
	for part := range strings.SplitSeq(h, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "max-age":
			age, _ = strconv.ParseInt(strings.Trim(value, `" `), 10, 64)
		case "includesubdomains":
			sub = true
		}
	}
	if age < hstsYear {
		f.r.say(Warn, 13, NoHSTS, "leads to "+host+", which tells browsers to come by https for less than a year", mend)
	} else if !sub {
		f.r.say(Warn, 13, NoHSTS, "leads to "+host+", which leaves the names below it out when it tells browsers to come by https only", mend)
	}
}

// next is where an answer leads on to; false at the end of the way.
func (f *follower) next(u *url.URL, v *safehttp.Visit) (*url.URL, bool) {
	switch v.Status {
	case 301, 302, 303, 307, 308:
		to, err := u.Parse(v.Header.Get("Location"))
		if err != nil || v.Header.Get("Location") == "" {
			f.r.nobodyKnows(24, "leads on to an address that cannot be read")
			return nil, false
		}
		return to, true
	}
	f.last(u)
	if to := f.page(u, v); to != nil {
		return to, true
	}
	f.arrived(u, v)
	return nil, false
}

// last says what it means that a link which began in clear ended here.
func (f *follower) last(u *url.URL) {
	if !strings.HasPrefix(strings.ToLower(f.r.Link), "http:") {
		return
	}
	if u.Scheme == "http" {
		f.r.say(Block, 1, Clear, "is answered over plain HTTP, where everybody on the way reads what is typed", writeHTTPS)
		return
	}
	f.r.say(Warn, 3, Upgraded, "is plain HTTP and only leads on to https: on the way there anybody can answer instead", writeHTTPS)
}

// softGone finds the title of a page that says that there is none.
var softGone = regexp.MustCompile(`(?i)<title[^>]{0,80}>[^<]{0,120}(?:\b404\b|not found|nicht gefunden|introuvable|no encontrad)`)

// arrived looks at the answer as a whole.
func (f *follower) arrived(u *url.URL, v *safehttp.Visit) {
	sum := sha256.Sum256(v.Body)
	f.r.Page = hex.EncodeToString(sum[:])
	switch {
	case v.Status == 404 || v.Status == 410:
		f.r.say(Warn, 24, Gone, "leads to a page that does not exist", "write the address of one that does")
	case v.Status == 200 && softGone.Match(v.Body[:min(len(v.Body), 16<<10)]):
		f.r.say(Info, 24, Gone, "leads to a page whose title says that there is none, though it was answered as one", "open it yourself and make sure")
	case v.Status >= 400:
		f.r.nobodyKnows(24, "was answered with an error ("+strconv.Itoa(v.Status)+"), so what people see there is not known")
	}
	if v.Cut {
		f.r.say(Warn, 24, Unreadable, "leads to a page of which only the beginning could be looked at", "open it yourself and make sure")
	}
	if first := f.r.Chain[0]; len(f.r.Chain) > 1 {
		from, err := url.Parse(first.URL)
		if err == nil && place(from.Hostname()) != place(u.Hostname()) {
			f.r.say(f.trust(from, u), 19, Redirector, "leads to "+u.Hostname()+" by way of "+strings.Join(f.hosts(), ", "), writeTarget)
		}
	}
	if from, err := url.Parse(f.r.Link); err == nil && secretIn(from) != "" {
		switch strings.ToLower(strings.TrimSpace(v.Header.Get("Referrer-Policy"))) {
		case "", "unsafe-url", "no-referrer-when-downgrade":
			f.r.say(Warn, 23, Secret, "holds "+secretIn(from)+", and its page may tell others by which address it was reached", "have the header Referrer-Policy: no-referrer sent there")
		}
	}
}

// trust is how bad it is to pass from one host to another: not, if both are known.
func (f *follower) trust(from, to *url.URL) Grade {
	if f.judge.Known(strings.ToLower(from.Hostname())) && f.judge.Known(strings.ToLower(to.Hostname())) {
		return Info
	}
	return Warn
}

func (f *follower) hosts() (out []string) {
	for _, h := range f.r.Chain[:len(f.r.Chain)-1] {
		if u, err := url.Parse(h.URL); err == nil && (len(out) == 0 || out[len(out)-1] != u.Hostname()) {
			out = append(out, u.Hostname())
		}
	}
	return out
}

// place is what belongs together among hosts.
func place(host string) string {
	host = strings.ToLower(host)
	if r := registered(host); r != "" {
		return r
	}
	return host
}

// open sees a redirector that leads wherever its address says: anybody can make a link
// that begins with its name and ends at their page. One with a signature may be fine.
func (f *follower) open(u, next *url.URL) {
	if place(u.Hostname()) == place(next.Hostname()) {
		return
	}
	signed := false
	for name := range u.Query() {
		switch strings.ToLower(name) {
		case "sig", "signature", "hmac", "mac", "hash", "s", "h":
			signed = true
		}
	}
	for _, values := range u.Query() {
		for _, value := range values {
			if to, err := url.Parse(value); err != nil || to.Hostname() == "" || !strings.EqualFold(to.Hostname(), next.Hostname()) {
				continue
			}
			g := Warn
			if !signed && f.judge.Ours(strings.ToLower(u.Hostname())) {
				g = Block
			}
			f.r.say(g, 19, PassOn, "goes to "+u.Hostname()+", which leads on to whatever its address says", writeTarget)
			return
		}
	}
}
