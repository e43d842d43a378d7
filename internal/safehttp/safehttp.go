// Package safehttp speaks to addresses that a person typed: webhooks and the
// like. Whoever can type an address could otherwise make the desk knock at doors
// that only the desk's own network can reach (server-side request forgery).
//
// It goes by what is dialled, never by what is written: the address of every
// connection is looked at when its socket is about to connect, after names were
// resolved. So a name that resolves to something else the second time, a number
// in octal, or a name in the hosts file cannot lead inside. Only https; a
// redirect is an answer like others and is never followed; no proxy, no cookies,
// no connection is used twice; time and size of an answer are bounded.
//
// Errors never hold the address: its path or query may be a secret.
//
// A Visitor looks at pages that a message leads to. It bears more (visit.go).
package safehttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"postern/internal/fail"
)

// MaxAnswer is how much of an answer's body is read.
const MaxAnswer = 64 << 10

const (
	defaultTimeout = 15 * time.Second
	maxHeaders     = 32 << 10
)

// Options says where a client may go. The zero value goes to public addresses.
type Options struct {
	Allow    []netip.Prefix   // networks of our own that may be reached all the same
	RootCAs  *x509.CertPool   // nil: the system's
	Timeout  time.Duration    // of a whole exchange; 0: 15 s
	Resolver *net.Resolver    // nil: the system's
	Now      func() time.Time // when a Visitor looks at certificates; nil: time.Now
}

// Client sends requests. Several may be under way at once.
type Client struct {
	http    *http.Client
	timeout time.Duration
}

// New returns a client.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	dialer := &net.Dialer{Timeout: o.Timeout, Resolver: o.Resolver, ControlContext: control(o.Allow)}
	return &Client{timeout: o.Timeout, http: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial for us, and look at nothing
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			DisableKeepAlives:      true,
			DisableCompression:     true, // what comes is what is counted
			MaxResponseHeaderBytes: maxHeaders,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A Request is what is sent.
type Request struct {
	Method string
	URL    string
	Header map[string]string
	Body   []byte
}

// An Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool // the body was longer than MaxAnswer, or broke off, or did not end in time
}

// Do sends a request and reads the answer. An address that may not be reached is
// Denied, a malformed one Invalid, anything else that went wrong Unavailable.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	if err := Check(r.URL); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fail.New(fail.Invalid, "the request cannot be made of this method and address")
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, explain(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body, Cut: err != nil}
	if len(body) > MaxAnswer {
		a.Body, a.Cut = body[:MaxAnswer], true
	}
	return a, nil
}

// explain says what went wrong in our words. The library's would repeat the
// address, and an x509 error the names in a certificate.
func explain(err error) error {
	var network net.Error
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	var plain tls.RecordHeaderError
	switch {
	case fail.Is(err, fail.Denied):
		return fail.New(fail.Denied, "%s", fail.Text(err))
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &network) && network.Timeout():
		return fail.New(fail.Unavailable, "there was no answer in time")
	case errors.As(err, &dns):
		return fail.New(fail.Unavailable, "the host name was not found")
	case errors.As(err, &cert):
		return fail.New(fail.Unavailable, "its certificate is not one that is trusted for this name")
	case errors.As(err, &alert), errors.As(err, &plain):
		return fail.New(fail.Unavailable, "it does not speak TLS 1.2 or newer in a way we understand")
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fail.New(fail.Unavailable, "no connection could be made")
	}
	return fail.New(fail.Unavailable, "the connection broke off before there was an answer")
}
