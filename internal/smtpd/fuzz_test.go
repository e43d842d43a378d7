package smtpd

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// FuzzSession gives bytes to a session, which must end in time, panic never,
// and hand over nothing with a wrong line end.
func FuzzSession(f *testing.F) {
	begin := "EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<desk@x.test>\r\nDATA\r\n"
	for _, s := range []string{
		"", begin + good + ".\r\n", begin + good + "\r\n.\rx\r\n.\r\n", begin + good + "\n.\r\nMAIL",
		begin + good + "\r\n.\r\r\n.\r\n" + begin, "BDAT 4 LAST\r\nabcd", "STARTTLS\r\n", "LHLO x\r\n", strings.Repeat("NOOP\r\n", 80),
		begin + strings.Repeat(".", 5000) + "\r\n.\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, lmtp bool) {
		b := &desk{}
		s := New(Options{LMTP: lmtp, MaxBytes: 20000, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second}, b)
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() { newSession(s, ours).run(); close(done) }()
		go io.Copy(io.Discard, theirs) // ends with the session
		theirs.SetWriteDeadline(time.Now().Add(2 * time.Second))
		theirs.Write(in)
		theirs.Close()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the session hangs")
		}
		for _, e := range b.got() {
			lf := bytes.Count(e.Raw, []byte("\n"))
			if crlf := bytes.Count(e.Raw, []byte("\r\n")); crlf != lf || crlf != bytes.Count(e.Raw, []byte("\r")) || bytes.IndexByte(e.Raw, 0) >= 0 {
				t.Errorf("wrong line end in %q", e.Raw)
			}
			if checkHeader(e.Raw) != "" || len(e.To) == 0 {
				t.Errorf("accepted %q for %v", e.Raw, e.To)
			}
		}
	})
}

// FuzzContent compares with the plain reading of RFC 5321: a message ends at
// the first CRLF.CRLF, wherever the reader's buffer is cut.
func FuzzContent(f *testing.F) {
	f.Add([]byte("a\r\n.\r\n"), uint8(0))
	f.Add([]byte("a\r\r\n.\r\r\n..\r\n.\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, tail []byte, pad uint8) {
		in := append(bytes.Repeat([]byte("p"), readBuffer-int(pad)%12), tail...)
		end := bytes.Index(in, []byte("\r\n.\r\n"))
		c := content{in: newSession(New(Options{}, nil), &fixed{Reader: bytes.NewReader(in)}).in, limit: 1 << 20, hold: func(int64) bool { return true }}
		err := c.read()
		if (err == nil) != (end >= 0) {
			t.Fatalf("err %v, end at %d of %q", err, end, tail)
		}
		if err != nil {
			return
		}
		raw := in[:end+2]
		lf := bytes.Count(raw, []byte("\n"))
		clean := lf == bytes.Count(raw, []byte("\r\n")) && lf == bytes.Count(raw, []byte("\r")) && bytes.IndexByte(raw, 0) < 0
		if clean == c.lineEnds {
			t.Fatalf("lineEnds %v for %q", c.lineEnds, tail)
		}
		if want := bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n")); clean && !bytes.Equal(c.buf, want) {
			t.Fatalf("got %q, want %q", c.buf, want)
		}
	})
}

// fixed is a connection that only gives bytes.
type fixed struct {
	net.Conn
	io.Reader
}

func (c *fixed) Read(p []byte) (int, error)      { return c.Reader.Read(p) }
func (c *fixed) SetReadDeadline(time.Time) error { return nil }
func (c *fixed) RemoteAddr() net.Addr            { return &net.UnixAddr{} }

// BenchmarkAccept is the rate of the door alone, the backend takes no time.
func BenchmarkAccept(b *testing.B) {
	mail := good + strings.Repeat(strings.Repeat("x", 74)+"\r\n", 135) // 10 KB
	s := start(b, Options{}, &nowhere{})
	b.SetBytes(int64(len(mail)))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		c, err := smtp.Dial(s.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		for p.Next() {
			if err := c.SendMail("a@b.test", []string{"desk@x.test"}, strings.NewReader(mail)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkContent25MB shows what a large mail costs in memory.
func BenchmarkContent25MB(b *testing.B) {
	mail := append(bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), 25<<20/78), ".\r\n"...)
	for _, declared := range []int64{0, int64(len(mail))} {
		name := "undeclared"
		if declared > 0 {
			name = "declared"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(mail)))
			for b.Loop() {
				n := newSession(New(Options{}, nil), &fixed{Reader: bytes.NewReader(mail)})
				c := content{in: n.in, limit: defaultMaxBytes, declared: declared, hold: func(int64) bool { return true }}
				if err := c.read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type nowhere struct{ desk }

func (*nowhere) Accept(context.Context, *Envelope) error { return nil }
