// Package smtpc delivers one message to one host, the organisation's relay, by
// SMTP (RFC 5321), and says exactly what became of it.
//
// Invariants:
//
//   - InDoubt is said only when the final dot may have left and no valid answer
//     came back. Before the dot, everything that goes wrong is Deferred (or
//     Refused by a 5xx about this message), and repeating it is safe.
//   - A 5xx before MAIL, at AUTH for instance, is about us and not about the
//     message: Deferred, so that a changed password bounces nothing.
//   - Under TLSRequired nothing of the message and no secret is sent without
//     verified TLS. A password is never sent without verified TLS, whatever
//     the policy.
//   - What leaves is 7-bit with CRLF line ends, or it does not leave.
//   - A message is tried again within one Send only on a kept connection that
//     turned out dead before the dot.
package smtpc

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"time"
)

// TLSPolicy says what a connection must have.
type TLSPolicy string

const (
	TLSRequired      TLSPolicy = "required"      // STARTTLS or implicit, verified
	TLSOpportunistic TLSPolicy = "opportunistic" // encrypted if offered, unverified allowed
	TLSNone          TLSPolicy = "none"          // in clear; loopback and private networks only
)

// Relay says where mail goes and how.
type Relay struct {
	Addr       string // host:port
	Implicit   bool   // TLS from the first byte (RFC 8314, port 465)
	TLS        TLSPolicy
	RootCAs    *x509.CertPool // nil: the system's
	ServerName string         // in the certificate; "": the host of Addr
	Username   string         // "": no AUTH
	Password   string
	Hostname   string        // what we call ourselves; "": localhost
	Timeout    time.Duration // for one step; 0: five minutes (RFC 5321, 4.5.3.2)
	PoolSize   int           // connections at once; they are kept when idle; 0: 4
}

// Outcome is what became of a message.
type Outcome int

const (
	Deferred Outcome = iota // not accepted; try again later
	Sent                    // accepted by the relay
	Refused                 // will never be accepted
	InDoubt                 // may have been accepted: an answer never came
)

func (o Outcome) String() string {
	return [...]string{"deferred", "sent", "refused", "in doubt"}[o]
}

// Stages of a delivery, in order.
const (
	StageMessage  = "message" // our own check, before anything is sent
	StageConnect  = "connect"
	StageBanner   = "banner"
	StageEHLO     = "ehlo"
	StageStartTLS = "starttls"
	StageTLS      = "tls"
	StageAuth     = "auth"
	StageMail     = "mail"
	StageRcpt     = "rcpt"
	StageData     = "data"
	StageBody     = "body"
	StageDot      = "dot"
)

// Result is the whole answer. Text is the server's, printable ASCII of at most
// 200 bytes, or ours; it may contain an address, so it is not for a log.
type Result struct {
	Outcome  Outcome
	Code     int    // 0: no answer
	Enhanced string // RFC 3463, "" when none was given
	Text     string
	Stage    string
}

// Client sends to one relay and keeps connections open between messages. Its
// methods may be called concurrently.
type Client struct {
	relay Relay
	slots chan struct{} // one for each connection that works

	mu     sync.Mutex
	idle   []*conn // guarded by mu; the last one was used last
	closed bool    // guarded by mu
}

// maxIdle is how long an unused connection is kept: servers hang up on idle
// clients, and a fresh connection is cheaper than a failed attempt.
const maxIdle = 30 * time.Second

// New makes a client; it connects when it has something to send.
func New(r Relay) *Client {
	if r.TLS == "" {
		r.TLS = TLSRequired
	}
	if r.Hostname == "" {
		r.Hostname = "localhost"
	}
	if r.Timeout <= 0 {
		r.Timeout = 5 * time.Minute
	}
	if r.PoolSize <= 0 {
		r.PoolSize = 4
	}
	return &Client{relay: r, slots: make(chan struct{}, r.PoolSize)}
}

// Send delivers raw from the reverse path ("" is the null path) to one
// recipient. Ending ctx before the final dot makes the message Deferred, after
// it InDoubt.
func (c *Client) Send(ctx context.Context, from, to string, raw []byte) Result {
	if text := checkMessage(from, to, raw); text != "" {
		return Result{Outcome: Refused, Stage: StageMessage, Text: text}
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Result{Outcome: Deferred, Stage: StageConnect, Text: "stopped by us"}
	}
	if k := c.take(); k != nil {
		res, dead := c.attempt(ctx, k, from, to, raw)
		if !dead || ctx.Err() != nil {
			return res
		}
	}
	k, err := connect(ctx, c.relay)
	if err != nil {
		return deferral(err)
	}
	res, _ := c.attempt(ctx, k, from, to, raw)
	return res
}

// attempt runs one transaction on k and keeps or closes it. dead reports that
// the connection, not the message, was the trouble, and that the dot was not
// sent.
func (c *Client) attempt(ctx context.Context, k *conn, from, to string, raw []byte) (res Result, dead bool) {
	err := k.guarded(ctx, func() (err error) {
		res, err = k.transact(from, to, raw)
		return err
	})
	if err != nil {
		k.close()
		return res, res.Outcome == Deferred
	}
	if res.Outcome != Sent && !k.reset(ctx) {
		k.close()
		return res, false
	}
	c.keep(k)
	return res, false
}

// take returns a kept connection that is alive as far as can be seen, or nil.
func (c *Client) take() *conn {
	for {
		c.mu.Lock()
		if len(c.idle) == 0 {
			c.mu.Unlock()
			return nil
		}
		k := c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		c.mu.Unlock()
		if time.Since(k.used) < maxIdle && k.quiet() {
			return k
		}
		k.close()
	}
}

func (c *Client) keep(k *conn) {
	k.used = time.Now()
	c.mu.Lock()
	full := c.closed || len(c.idle) >= c.relay.PoolSize
	if !full {
		c.idle = append(c.idle, k)
	}
	c.mu.Unlock()
	if full {
		k.quit()
	}
}

// Close ends the kept connections. A Send under way finishes; its connection
// is not kept. Close may be called twice.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, k := range idle {
		k.quit()
	}
}

// deferral tells a failure before MAIL as a result.
func deferral(err error) Result {
	res := Result{Outcome: Deferred, Stage: StageConnect}
	if f := (*stepError)(nil); errors.As(err, &f) {
		res.Stage, res.Code, res.Enhanced, res.Text = f.stage, f.reply.code, f.reply.enhanced, f.text()
	} else {
		res.Text = printable(err.Error())
	}
	return res
}
