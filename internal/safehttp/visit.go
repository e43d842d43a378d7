package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"postern/internal/fail"
)

// MaxPage is how much of a page is read.
const MaxPage = 1 << 20

// A Visitor looks at public pages, to say what is wrong with them. It goes where a
// Client goes, by the same look at every address that is dialled, and differs in what
// it bears: plain HTTP and old TLS are what it is there to find. What came that way is
// looked at and never believed. To who shows a bad certificate nothing is said.
type Visitor struct {
	o      Options
	dialer *net.Dialer
}

// A Visit is what was met at one address; a redirect is an answer like others.
type Visit struct {
	Status      int // 0: nothing was asked, because of Faults
	Header      http.Header
	Body        []byte
	Cut         bool   // the body was longer than MaxPage, or broke off
	Address     string // the digits that were dialled
	TLS         uint16 // the version; 0: plain HTTP
	Certificate *x509.Certificate
	Faults      []Fault // of the certificate
}

// A Fault is why a certificate vouches for nothing.
type Fault string

const (
	Expired    Fault = "it has expired"
	NotYet     Fault = "it is not valid yet"
	WrongHost  Fault = "it is for another host"
	SelfSigned Fault = "it is signed by nobody but itself"
	Untrusted  Fault = "nobody who is trusted has signed it"
)

// NewVisitor returns a visitor. Options hold as for New.
func NewVisitor(o Options) *Visitor {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Visitor{o, &net.Dialer{Timeout: o.Timeout, Resolver: o.Resolver, ControlContext: control(o.Allow)}}
}

// CheckVisit is Check for what a visitor may look at, and returns the address without
// what is never sent. Ports below 1024 other than those of the web belong to programs
// that could take a request for something else.
func CheckVisit(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fail.New(fail.Invalid, "this is not an address; write it as https://host.example/path")
	}
	u.Fragment, u.RawFragment = "", ""
	as := *u
	if u.Scheme == "http" {
		as.Scheme = "https"
	}
	if err := Check(as.String()); err != nil {
		return nil, err
	}
	if n, _ := strconv.Atoi(u.Port()); n != 0 && n != 80 && n != 443 && n < 1024 {
		return nil, fail.New(fail.Invalid, "no page is looked at on port %d", n)
	}
	return u, nil
}

// Get asks for a page. Errors are those of Client.Do.
func (v *Visitor) Get(ctx context.Context, address string) (*Visit, error) {
	u, err := CheckVisit(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	met := &meeting{}
	transport := v.transport(u.Hostname(), met)
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail.New(fail.Invalid, "the request cannot be made of this address")
	}
	req.Header.Set("User-Agent", "Postern link check")
	req.Header.Set("Accept", "text/html, */*;q=0.5")
	res, err := transport.RoundTrip(req)
	seen := met.get()
	if len(seen.Faults) > 0 {
		return seen, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxPage+1))
	seen.Status, seen.Header, seen.Body, seen.Cut = res.StatusCode, res.Header, body, err != nil
	if len(body) > MaxPage {
		seen.Body, seen.Cut = body[:MaxPage], true
	}
	return seen, nil
}

// errBadCertificate ends a handshake before a byte of the request was sent.
var errBadCertificate = fail.New(fail.Unavailable, "its certificate is not one that is trusted for this name")

// meeting is what was met so far. The library dials in a goroutine of its own, which may
// outlive an exchange that was given up.
type meeting struct {
	mu   sync.Mutex
	seen Visit // guarded by mu
}

func (m *meeting) note(f func(*Visit)) { m.mu.Lock(); defer m.mu.Unlock(); f(&m.seen) }

func (m *meeting) get() *Visit { m.mu.Lock(); defer m.mu.Unlock(); v := m.seen; return &v }

// transport is used for one exchange, and notes what it meets.
func (v *Visitor) transport(host string, met *meeting) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := v.dialer.DialContext(ctx, network, address)
			if err == nil {
				met.note(func(s *Visit) { s.Address = c.RemoteAddr().String() })
			}
			return c, err
		},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS10, InsecureSkipVerify: true, // what is skipped is done below, and reported
			VerifyConnection: func(s tls.ConnectionState) error {
				faults := v.faults(s.PeerCertificates, host)
				met.note(func(m *Visit) { m.TLS, m.Certificate, m.Faults = s.Version, s.PeerCertificates[0], faults })
				if len(faults) > 0 {
					return errBadCertificate
				}
				return nil
			}},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
	}
}

// faults looks for everything that is wrong with a certificate, where the library
// stops at the first.
func (v *Visitor) faults(chain []*x509.Certificate, host string) (out []Fault) {
	leaf, now := chain[0], v.o.Now()
	at := now // the signature is looked at as of a time when all could be valid
	switch {
	case now.After(leaf.NotAfter):
		out, at = append(out, Expired), leaf.NotAfter.Add(-time.Second)
	case now.Before(leaf.NotBefore):
		out, at = append(out, NotYet), leaf.NotBefore.Add(time.Second)
	}
	if leaf.VerifyHostname(host) != nil {
		out = append(out, WrongHost)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: v.o.RootCAs, Intermediates: between, CurrentTime: at}); err != nil {
		if leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
			return append(out, SelfSigned)
		}
		return append(out, Untrusted)
	}
	return out
}
