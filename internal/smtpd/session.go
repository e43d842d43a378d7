package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// How much nonsense one connection may talk between two accepted messages.
const (
	maxBad     = 5    // commands we do not understand
	maxUnknown = 25   // recipients that are not ours: somebody is guessing
	maxIdle    = 60   // commands that get nobody further (NOOP, RSET, EHLO, MAIL)
	maxStray   = 1000 // RCPT and DATA out of order or over the limit; pipelines make many
)

// session is one connection. All of it belongs to the goroutine of run, except
// w, which guards itself.
type session struct {
	s      *Server
	w      *wire
	conn   net.Conn // w, or TLS over w
	in     *bufio.Reader
	out    *bufio.Writer
	remote netip.Addr

	tls  bool
	helo string // empty before EHLO, HELO or LHLO

	mail  bool // MAIL was accepted
	from  string
	size  int64    // as declared by SIZE=, 0 when not
	rcpts []string // one for each accepted RCPT, in order: LMTP answers each

	bad, unknown, idle, stray int
	over                      bool // say no more, close
}

func newSession(s *Server, c net.Conn) *session {
	n := &session{s: s, remote: remoteOf(c)}
	n.w = &wire{Conn: c, read: s.o.ReadTimeout, write: s.o.WriteTimeout}
	n.attach(n.w)
	return n
}

// attach starts reading from c with empty buffers.
func (n *session) attach(c net.Conn) {
	n.conn = c
	n.in = bufio.NewReaderSize(c, readBuffer)
	n.out = bufio.NewWriterSize(c, 512)
}

func (n *session) run() {
	defer func() {
		if p := recover(); p != nil {
			// The value may hold content; its type and the stack do not.
			n.s.log.Error("mail session panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			n.reply(421, "4.3.0", "Internal trouble, try again later")
		}
		n.out.Flush()
		n.linger()
	}()
	proto := "ESMTP"
	if n.s.o.LMTP {
		proto = "LMTP"
	}
	n.reply(220, "", n.s.o.Hostname+" "+proto+" ready")
	for !n.over {
		line, err := n.command()
		if err != nil {
			n.farewell(err)
			return
		}
		if line != nil {
			n.dispatch(line)
		}
	}
}

// linger lets the last reply arrive: closing a socket with unread bytes sends
// a reset, which can overtake the reply.
func (n *session) linger() {
	defer n.conn.Close()
	t, ok := n.w.Conn.(interface{ CloseWrite() error })
	if !ok || !n.over || n.w.stopped() {
		return
	}
	if t.CloseWrite() != nil {
		return
	}
	n.w.until(time.Now().Add(2*time.Second), false)
	var sink [1024]byte
	for range 256 {
		if _, err := n.w.Read(sink[:]); err != nil {
			return
		}
	}
}

// farewell answers the end of reading.
func (n *session) farewell(err error) {
	switch {
	case errors.Is(err, errEndless):
		n.hangUp(552, "5.3.4", n.tooLargeText())
	case errors.Is(err, errStopping):
		n.reply(421, "4.3.2", "Going down for a restart, try again later")
	case errors.Is(err, os.ErrDeadlineExceeded):
		n.s.o.Observe(EventDisconnected)
		n.reply(421, "4.4.2", "Waited too long, closing the connection")
	}
}

// command reads one line without its CRLF. A nil line without an error was
// refused already.
func (n *session) command() ([]byte, error) {
	if n.in.Buffered() == 0 {
		if err := n.out.Flush(); err != nil {
			return nil, err
		}
	}
	n.w.until(time.Now().Add(n.s.o.ReadTimeout), false)
	line, err := n.in.ReadSlice('\n')
	for long := 0; errors.Is(err, bufio.ErrBufferFull); long++ {
		if long == 16 { // 64 KiB and no end: not a client
			n.hangUp(500, "5.5.6", "Command line too long")
			return nil, nil
		}
		line, err = n.in.ReadSlice('\n')
		if err == nil {
			n.badCommand(500, "5.5.6", "Command line too long")
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	switch {
	case !ok:
		// RFC 5321, 2.3.8: only CRLF ends a line.
		n.badCommand(500, "5.5.2", "End every line with CRLF")
	case len(text) > maxCommand:
		n.badCommand(500, "5.5.6", "Command line too long")
	case bytes.ContainsFunc(text, control):
		n.badCommand(500, "5.5.2", "Control characters are not allowed in a command")
	default:
		return text, nil
	}
	return nil, nil
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// reply writes one line. Texts are ours or made printable before.
func (n *session) reply(code int, enhanced, text string) {
	if enhanced != "" {
		enhanced += " "
	}
	fmt.Fprintf(n.out, "%d %s%s\r\n", code, enhanced, text)
}

// badCommand answers nonsense and counts it.
func (n *session) badCommand(code int, enhanced, text string) {
	n.s.o.Observe(EventBadCommand)
	n.reply(code, enhanced, text)
	if n.bad++; n.bad >= maxBad {
		n.hangUp(421, "4.7.0", "Too many errors, closing the connection")
	}
}

// strayed answers a command that cannot be obeyed now, a limited number of times.
func (n *session) strayed(code int, enhanced, text string) {
	n.reply(code, enhanced, text)
	if n.stray++; n.stray >= maxStray {
		n.hangUp(421, "4.7.0", "Too many errors, closing the connection")
	}
}

// hangUp answers and ends the connection.
func (n *session) hangUp(code int, enhanced, text string) {
	n.s.o.Observe(EventDisconnected)
	n.reply(code, enhanced, text)
	n.over = true
}

// reset forgets the message under way, as RSET does.
func (n *session) reset() {
	n.mail, n.from, n.size, n.rcpts = false, "", 0, nil
}

// startTLS throws away what the client sent in clear behind its command: those
// bytes may be an attacker's (RFC 3207, 5; the injection of CVE-2011-0411).
func (n *session) startTLS() {
	if n.s.o.TLS == nil {
		n.reply(502, "5.5.1", "TLS is not available here")
		return
	}
	if n.tls {
		n.reply(503, "5.5.1", "TLS is active already")
		return
	}
	n.reply(220, "2.0.0", "Start TLS")
	if n.out.Flush() != nil {
		n.over = true
		return
	}
	t := tls.Server(n.w, n.s.o.TLS)
	n.w.until(time.Now().Add(min(n.s.o.ReadTimeout, time.Minute)), false)
	if err := t.HandshakeContext(n.s.ctx); err != nil {
		n.s.o.Observe(EventDisconnected)
		n.s.log.Debug("TLS handshake on a mail door ended", "err", err)
		n.over = true
		return
	}
	n.s.o.Observe(EventTLS)
	n.attach(t) // new buffers: nothing sent in clear survives
	n.tls, n.helo = true, ""
	n.reset()
}

// known asks the backend about a recipient, bounded in time.
func (n *session) known(address string) (bool, error) {
	ctx, cancel := context.WithTimeout(n.s.ctx, 30*time.Second)
	defer cancel()
	return n.s.b.Known(ctx, address)
}

// printable makes a text of foreign origin fit for one reply line.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}
