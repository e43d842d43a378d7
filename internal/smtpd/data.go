package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"postern/internal/fail"
)

// data receives one message and hands it to the backend.
func (n *session) data(arg string) {
	switch {
	case arg != "":
		n.badCommand(501, "5.5.4", "DATA takes no argument")
		return
	case !n.mail || len(n.rcpts) == 0:
		n.strayed(503, "5.5.1", "No valid recipients; MAIL and RCPT come first")
		return
	}
	// From here to the answer a graceful stop waits for us.
	n.w.until(time.Now().Add(n.s.o.msgTime), true)
	n.reply(354, "", "Send the message; end it with a dot alone on a line")
	if n.out.Flush() != nil {
		n.over = true
		return
	}
	c := content{in: n.in, limit: n.s.o.MaxBytes, declared: n.size, hold: n.s.hold}
	defer c.drop()
	if err := c.read(); err != nil {
		n.farewell(err)
		n.over = true
		return
	}
	code, enhanced, text := n.judge(&c)
	answers := 1
	if n.s.o.LMTP { // RFC 2033, 4.2: one for each RCPT accepted
		answers = len(n.rcpts)
	}
	for range answers {
		n.reply(code, enhanced, text)
	}
	if code == 250 {
		n.bad, n.unknown, n.idle, n.stray = 0, 0, 0, 0
	}
	n.reset()
}

// judge decides about a message that was received to its end.
func (n *session) judge(c *content) (code int, enhanced, text string) {
	switch {
	case c.lineEnds:
		n.s.o.Observe(EventLineEnds)
		n.over = true // what follows on this connection is not to be trusted
		return 550, "5.6.0", "The message has a bare CR, a bare LF or a NUL; end every line with CRLF. Closing the connection"
	case c.tooLarge:
		n.s.o.Observe(EventTooLarge)
		return 552, "5.3.4", n.tooLargeText()
	case c.noRoom:
		n.s.o.Observe(EventDeferred)
		return 452, "4.3.1", "Many large messages at once, try again later"
	case c.longLine:
		n.s.o.Observe(EventRefused)
		return 550, "5.6.0", fmt.Sprintf("The message has a line longer than %d bytes; encode it", maxLine)
	}
	if text := checkHeader(c.buf); text != "" {
		n.s.o.Observe(EventRefused)
		return 550, "5.6.0", text
	}
	return n.answer(n.accept(&Envelope{
		Remote: n.remote, Helo: n.helo, TLS: n.tls, LMTP: n.s.o.LMTP,
		From: n.from, To: unique(n.rcpts), Raw: c.buf,
	}))
}

// accept calls the backend; a panic in it is our trouble, not the sender's.
func (n *session) accept(e *Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.s.log.Error("accepting a mail panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fail.New(fail.Internal, "panic")
		}
	}()
	ctx, cancel := context.WithTimeout(n.s.ctx, 2*time.Minute)
	defer cancel()
	return n.s.b.Accept(ctx, e)
}

// answer turns the backend's word into a reply. Only what the sender can mend
// is a 5xx.
func (n *session) answer(err error) (code int, enhanced, text string) {
	if err == nil {
		n.s.o.Observe(EventAccepted)
		return 250, "2.0.0", "Received and stored"
	}
	kind := fail.KindOf(err)
	if kind == fail.Invalid {
		n.s.o.Observe(EventRefused)
		if text = printable(fail.Text(err)); text == "" {
			text = "The message cannot be taken"
		}
		return 550, "5.6.0", text
	}
	n.s.o.Observe(EventDeferred)
	n.s.log.Warn("mail deferred", "kind", int(kind), "err", err)
	switch kind {
	case fail.Full:
		return 452, "4.3.1", "No room to store the message now, try again later"
	case fail.TooMany:
		return 450, "4.7.1", "Too many messages at once, try again later"
	default:
		return 451, "4.3.0", "Cannot store the message now, try again later"
	}
}

// hold takes room for n more bytes, or gives some back when n is negative.
func (s *Server) hold(n int64) bool {
	if s.held.Add(n) > s.o.MaxMemory && n > 0 {
		s.held.Add(-n)
		return false
	}
	return true
}

func unique(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// content reads a message up to CRLF.CRLF, whatever is wrong with it, so that
// the answer comes when the sender expects one. Once it is known to be refused
// nothing more is kept.
type content struct {
	in       *bufio.Reader
	limit    int64
	declared int64 // SIZE=, 0 when not given; a hint
	hold     func(n int64) bool

	buf      []byte
	room     int64 // held for buf
	lineEnds bool  // a bare CR, a bare LF or a NUL
	tooLarge bool
	longLine bool
	noRoom   bool // too much memory in use for it now
}

var errEndless = errors.New("smtpd: message without an end")

// read consumes the message. The reader's buffer gives pieces of a line, cut
// at LF or where the buffer was full.
func (c *content) read() error {
	var (
		start  = true  // at the beginning of a line, that is after CRLF
		pendCR = false // the piece before ended in CR
		length int     // of this line so far
		total  int64
	)
	for {
		piece, err := c.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if total += int64(len(piece)); total > 4*c.limit {
			return errEndless
		}
		// RFC 5321, 4.1.1.4: a dot between two true line ends, nothing else.
		if start && string(piece) == ".\r\n" {
			return nil
		}
		if start && piece[0] == '.' {
			piece = piece[1:] // 4.5.2
		}
		full := err == nil && (bytes.HasSuffix(piece, []byte("\r\n")) || pendCR && string(piece) == "\n")
		c.inspect(piece, pendCR, full)
		if length += len(piece); length > maxLine {
			c.longLine = true
		}
		c.keep(piece)
		pendCR = len(piece) > 0 && piece[len(piece)-1] == '\r'
		start = full
		if err == nil {
			length = 0
		}
	}
}

// inspect marks the message when the piece holds what may not be there.
func (c *content) inspect(piece []byte, pendCR, full bool) {
	if pendCR && (len(piece) == 0 || piece[0] != '\n') {
		c.lineEnds = true
	}
	body := piece
	if full {
		body = bytes.TrimSuffix(bytes.TrimSuffix(piece, []byte("\n")), []byte("\r"))
	} else if len(body) > 0 && body[len(body)-1] == '\r' {
		body = body[:len(body)-1] // the next piece tells
	}
	if bytes.IndexByte(body, '\r') >= 0 || bytes.IndexByte(body, '\n') >= 0 || bytes.IndexByte(body, 0) >= 0 {
		c.lineEnds = true
	}
}

// keep stores the piece. It grows to the declared size once a quarter of it
// has really come, so that a lie costs its teller bytes.
func (c *content) keep(piece []byte) {
	need := int64(len(c.buf) + len(piece))
	if need > c.limit {
		c.tooLarge = true
	}
	if c.tooLarge || c.lineEnds || c.longLine || c.noRoom || need > int64(cap(c.buf)) && !c.grow(need) {
		c.drop()
		return
	}
	c.buf = append(c.buf, piece...)
}

// grow makes room for need bytes and some more, or marks that there is none.
func (c *content) grow(need int64) bool {
	have := int64(cap(c.buf))
	want := max(2*have, need, 4096)
	if c.declared > 0 && (c.declared <= 64<<10 || need >= c.declared/4) {
		want = max(c.declared+512, need)
	}
	want = min(want, max(c.limit, need))
	if !c.hold(want - have) {
		c.noRoom = true
		return false
	}
	c.room += want - have
	grown := make([]byte, len(c.buf), want)
	copy(grown, c.buf)
	c.buf = grown
	return true
}

// drop lets go of the bytes.
func (c *content) drop() {
	if c.room > 0 {
		c.hold(-c.room)
	}
	c.buf, c.room = nil, 0
}
