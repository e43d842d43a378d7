// Package load sends mails over SMTP as fast as a server takes them, and is the
// sink that mails out are sent to. It measures, and judges nothing.
package load

import (
	"bufio"
	"net"
	"net/textproto"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Mail is one mail to send.
type Mail struct {
	From, To string
	Raw      []byte // CRLF, dot-stuffed by Send
}

// Result of one run.
type Result struct {
	N        int
	Seconds  float64
	P50, P95 time.Duration
}

// Rate is mails per second.
func (r Result) Rate() float64 { return float64(r.N) / r.Seconds }

// Run sends all mails over n connections that stay open, and returns when the
// last 250 is in.
func Run(addr string, n int, mails []Mail) (Result, error) {
	var next atomic.Int64
	took := make([]time.Duration, len(mails))
	errs := make(chan error, n)
	start := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			c, err := dial(addr)
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(mails) {
					return
				}
				t := time.Now()
				if err := c.send(mails[i]); err != nil {
					errs <- err
					return
				}
				took[i] = time.Since(t)
			}
		})
	}
	wg.Wait()
	secs := time.Since(start).Seconds()
	select {
	case err := <-errs:
		return Result{}, err
	default:
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	return Result{len(mails), secs, took[len(took)/2], took[len(took)*95/100]}, nil
}

type conn struct {
	*textproto.Conn
	c net.Conn
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	t := &conn{textproto.NewConn(c), c}
	if _, _, err := t.ReadResponse(220); err != nil {
		return nil, err
	}
	return t, t.cmd(250, "EHLO load.example")
}

func (c *conn) cmd(want int, format string, args ...any) error {
	if err := c.PrintfLine(format, args...); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(want)
	return err
}

func (c *conn) send(m Mail) error {
	if err := c.cmd(250, "MAIL FROM:<%s> SIZE=%d", m.From, len(m.Raw)); err != nil {
		return err
	}
	if err := c.cmd(250, "RCPT TO:<%s>", m.To); err != nil {
		return err
	}
	if err := c.cmd(354, "DATA"); err != nil {
		return err
	}
	w := c.DotWriter()
	if _, err := w.Write(m.Raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(250)
	return err
}

// Sink is an SMTP server that takes everything and remembers when.
type Sink struct {
	l     net.Listener
	n     atomic.Int64
	first atomic.Int64 // Unix nanoseconds
	last  atomic.Int64
}

// NewSink listens on a free port.
func NewSink() (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Sink{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s, nil
}

// Addr is where it listens; Close ends it.
func (s *Sink) Addr() string { return s.l.Addr().String() }
func (s *Sink) Close()       { s.l.Close() }

// Count is how many mails came; Seconds from the first to the last of them.
func (s *Sink) Count() int       { return int(s.n.Load()) }
func (s *Sink) Seconds() float64 { return float64(s.last.Load()-s.first.Load()) / 1e9 }

// Reset forgets what came.
func (s *Sink) Reset() { s.n.Store(0); s.first.Store(0); s.last.Store(0) }

func (s *Sink) serve(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	say := func(text string) {
		w.WriteString(text + "\r\n")
		if r.Buffered() == 0 { // RFC 2920: answers of one group travel together
			w.Flush()
		}
	}
	say("220 sink")
	data := false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if data {
			if string(line) == ".\r\n" {
				data = false
				now := time.Now().UnixNano()
				s.first.CompareAndSwap(0, now)
				s.last.Store(now)
				s.n.Add(1)
				say("250 2.0.0 taken")
			}
			continue
		}
		switch verb := strings.ToUpper(string(line[:min(4, len(line))])); verb {
		case "EHLO":
			say("250-sink\r\n250 PIPELINING") // as every relay of our day
		case "HELO":
			say("250 sink")
		case "DATA":
			data = true
			say("354 go on")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 2.0.0 fine")
		}
	}
}
