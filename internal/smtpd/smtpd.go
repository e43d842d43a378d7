// Package smtpd receives mail by SMTP (RFC 5321) and LMTP (RFC 2033). It is
// the end of the road for a message: it relays nothing, knows no AUTH, and
// takes only recipients that its Backend calls its own.
//
// Invariants:
//
//   - 250 after DATA is written only when Backend.Accept has returned nil. Our
//     own trouble, a panic included, is a 4xx: the sender keeps the mail.
//   - Only CRLF.CRLF ends a message. A bare CR, a bare LF or a NUL anywhere in
//     it refuses the message and ends the connection, so whatever the sender
//     believed to be a second message is never read as one.
//   - Envelope.Raw is what was sent, dot-stuffing undone (RFC 5321, 4.5.2) and
//     nothing added.
//   - What was sent in clear behind STARTTLS is thrown away.
//   - Every wait has an end, every buffer a bound; no address and no content
//     reaches a log.
//
// The protocol is spoken here and not by a library, because line ends must be
// judged on the wire. go-smtp's server undoes dot-stuffing before its session
// sees a byte, and drops the CR of CRLF.CR on the way: a session behind it
// cannot refuse that form. Its client serves in the tests as the other side.
//
// CHUNKING is not offered: one way to send content is enough. SMTPUTF8 is not
// offered either, because an answer could not be sent to such an address; the
// content itself may be 8-bit (8BITMIME).
package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/fail"
)

// Envelope is one message as it was handed over.
type Envelope struct {
	Remote netip.Addr // zero on a Unix socket
	Helo   string     // what the client called itself; proves nothing
	TLS    bool
	LMTP   bool
	From   string   // reverse path; "" is the null path of bounces
	To     []string // our mailboxes, without repetition
	Raw    []byte   // CRLF bytes as received, no header added
}

// Backend is what stands behind the door. It has two real implementations: the
// desk, and the load program's bound.
type Backend interface {
	// Known reports whether address is one of our mailboxes, tagged addresses
	// and "postmaster" without a domain (RFC 5321, 4.5.1) included.
	Known(ctx context.Context, address string) (bool, error)
	// Accept returns nil only when the bytes are on disk. The envelope is the
	// backend's to keep.
	Accept(ctx context.Context, e *Envelope) error
}

// Options are usable at zero, except that Addr is needed.
type Options struct {
	Addr, Network     string // Network "tcp" (default) or "unix"
	LMTP              bool
	Hostname          string // in the greeting; "localhost" at zero
	TLS               *tls.Config
	RequireTLS        bool  // MAIL is refused before STARTTLS
	MaxBytes          int64 // of one message; 0: 36 MiB, that is 25 MiB in base64
	MaxMemory         int64 // of all messages under way together; 0: 256 MiB
	MaxRecipients     int   // of one message; 0: 100
	MaxConns          int   // 0: 1000
	MaxConnsPerIP     int   // 0: 100
	ReadTimeout       time.Duration
	WriteTimeout      time.Duration
	Logger            *slog.Logger
	Observe           func(event string) // metrics hook; may be nil
	graceful, msgTime time.Duration      // for tests
}

// Events given to Options.Observe.
const (
	EventConnection   = "connection"
	EventTurnedAway   = "turned_away" // over a connection limit
	EventTLS          = "tls"
	EventAccepted     = "accepted"
	EventDeferred     = "deferred"          // 4xx after DATA
	EventRefused      = "refused"           // 5xx after DATA
	EventLineEnds     = "bad_line_ends"     // refused for a bare CR, LF or NUL
	EventTooLarge     = "too_large"         // refused for size
	EventUnknown      = "unknown_recipient" // 550 at RCPT
	EventBadCommand   = "bad_command"
	EventDisconnected = "disconnected" // we ended it: time-out, too many errors
)

const (
	defaultMaxBytes = 36 << 20
	maxLine         = 2 << 20 // one line of content; real mail has lines of a megabyte
	maxCommand      = 2048    // RFC 5321, 4.5.3.1.4 asks 512, extensions add to it
	readBuffer      = 4096    // per connection, idle ones too
)

// Server is one listening door.
type Server struct {
	o   Options
	b   Backend
	log *slog.Logger

	ctx    context.Context // given to the backend; cancelled by a forced stop
	cancel context.CancelFunc

	held atomic.Int64 // bytes of the messages under way

	mu       sync.Mutex
	listener net.Listener          // guarded by mu
	sessions map[*session]struct{} // guarded by mu
	perIP    map[netip.Prefix]int  // guarded by mu
	stopping bool                  // guarded by mu
	wg       sync.WaitGroup        // accept loop and sessions
	stopped  chan struct{}         // closed by the first Stop when all is over
	quit     chan struct{}         // closed when stopping begins
}

// New makes a server that does not listen yet.
func New(o Options, b Backend) *Server {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	wait := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.MaxRecipients, 100) // RFC 5321, 4.5.3.1.8: at least 100
	def(&o.MaxConns, 1000)
	def(&o.MaxConnsPerIP, 100)
	wait(&o.ReadTimeout, 5*time.Minute) // RFC 5321, 4.5.3.2.7
	wait(&o.WriteTimeout, time.Minute)
	wait(&o.graceful, 10*time.Second)
	wait(&o.msgTime, 15*time.Minute)
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 256 << 20
	}
	o.MaxMemory = max(o.MaxMemory, 2*o.MaxBytes) // one message must fit
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Hostname == "" {
		o.Hostname = "localhost"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string) {}
	}
	s := &Server{
		o: o, b: b, log: o.Logger,
		sessions: map[*session]struct{}{}, perIP: map[netip.Prefix]int{},
		stopped: make(chan struct{}), quit: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start binds the address and serves in the background.
func (s *Server) Start() error {
	if s.o.RequireTLS && s.o.TLS == nil {
		return fail.New(fail.Invalid, "mail door %s: TLS is required but no certificate is configured", s.o.Addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.stopping {
		return fail.New(fail.Conflict, "mail door %s was started before", s.o.Addr)
	}
	if s.o.Network == "unix" {
		removeStale(s.o.Addr)
	}
	l, err := net.Listen(s.o.Network, s.o.Addr)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "mail door: cannot listen on "+s.o.Addr)
	}
	s.listener = l
	s.wg.Go(func() { s.acceptLoop(l) })
	return nil
}

// removeStale removes the socket of a process that is gone; a living one keeps
// its socket, and Listen then says so.
func removeStale(path string) {
	if st, err := os.Stat(path); err != nil || st.Mode()&fs.ModeSocket == 0 {
		return
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return
	}
	os.Remove(path)
}

// Addr is the bound address, nil before Start.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Stop closes the door. A message whose DATA has begun may finish, for ten
// seconds or until ctx ends; everybody else is told 421. It may be called
// twice; each call returns when nothing runs any more.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopping
	s.stopping = true
	if first {
		close(s.quit)
		if s.listener != nil {
			s.listener.Close()
		}
		for c := range s.sessions {
			c.w.interrupt(false)
		}
	}
	s.mu.Unlock()
	if !first {
		<-s.stopped
		return nil
	}
	defer close(s.stopped)
	defer s.cancel()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }() // waited for below, on both ways
	ctx, cancel := context.WithTimeout(ctx, s.o.graceful)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	left := len(s.sessions)
	for c := range s.sessions {
		c.w.interrupt(true)
	}
	s.mu.Unlock()
	<-done
	if left == 0 {
		return nil
	}
	return errors.New("mail door: stopped with messages unfinished; their senders will try again")
}
