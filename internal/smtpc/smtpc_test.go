package smtpc

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/fail"
)

const plain = "From: desk@x.test\r\nSubject: hi\r\n\r\nhello\r\n"

// large does not fit into the socket buffers, so a fault during the body meets
// a body under way.
func large() []byte {
	return []byte(plain + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 200000))
}

// TestF9EveryState: a relay that fails in each state in each way, and the class
// that each case must have. Before the final dot nothing is in doubt.
func TestF9EveryState(t *testing.T) {
	faults := []fault{f4xx, f5xx, fTimeout, fHalfOpen, fRST, fTLS}
	// In the order of faults. A 5xx about us (before MAIL) keeps the mail.
	table := []struct {
		stage string
		want  [6]Outcome
	}{
		{StageBanner, [6]Outcome{Deferred, Deferred, Deferred, Deferred, Deferred, Deferred}},
		{StageEHLO, [6]Outcome{Deferred, Deferred, Deferred, Deferred, Deferred, Deferred}},
		{StageStartTLS, [6]Outcome{Deferred, Deferred, Deferred, Deferred, Deferred, Deferred}},
		{StageTLS, [6]Outcome{Deferred, Deferred, Deferred, Deferred, Deferred, Deferred}},
		{StageAuth, [6]Outcome{Deferred, Deferred, Deferred, Deferred, Deferred, Deferred}},
		{StageMail, [6]Outcome{Deferred, Refused, Deferred, Deferred, Deferred, Deferred}},
		{StageRcpt, [6]Outcome{Deferred, Refused, Deferred, Deferred, Deferred, Deferred}},
		{StageData, [6]Outcome{Deferred, Refused, Deferred, Deferred, Deferred, Deferred}},
		{StageBody, [6]Outcome{Deferred, Refused, Deferred, Deferred, Deferred, Deferred}},
		{StageDot, [6]Outcome{Deferred, Refused, InDoubt, InDoubt, InDoubt, InDoubt}},
		{stageQuit, [6]Outcome{Sent, Sent, Sent, Sent, Sent, Sent}},
	}
	for _, row := range table {
		for i, how := range faults {
			t.Run(row.stage+"/"+string(how), func(t *testing.T) {
				t.Parallel()
				f := newFake(t, func(f *fake) { f.stage, f.how = row.stage, how })
				c := New(f.relay())
				raw := []byte(plain)
				if row.stage == StageBody {
					raw = large()
				}
				got := c.Send(t.Context(), "desk@x.test", "bob@y.test", raw)
				c.Close()
				check(t, row.stage, how, row.want[i], got)
				if mails, _ := f.got(); (got.Outcome == Sent) != (len(mails) == 1) {
					t.Errorf("%v, and the relay has %d mails", got.Outcome, len(mails))
				}
			})
		}
	}
}

func check(t *testing.T, stage string, how fault, want Outcome, got Result) {
	t.Helper()
	if got.Outcome != want {
		t.Errorf("got %v (%+v), want %v", got.Outcome, got, want)
	}
	if got.Text == "" || len(got.Text) > 200 || strings.ContainsAny(got.Text, "\r\n\x07") {
		t.Errorf("text %q", got.Text)
	}
	if stage == stageQuit {
		return
	}
	if stage == StageBanner && how == fRST && got.Stage == StageConnect {
		return // the reset may come before connect returns
	}
	if got.Stage != stage {
		t.Errorf("stage %q, want %q (%s)", got.Stage, stage, got.Text)
	}
	if stage == StageTLS {
		return // no answer can come in the middle of a handshake
	}
	switch how {
	case f4xx:
		if got.Code != 451 || got.Enhanced != "4.7.9" || got.Text != "come <back>  later" {
			t.Errorf("%+v", got)
		}
	case f5xx:
		if got.Code != 550 || got.Enhanced != "5.7.1" || got.Text != "go away" {
			t.Errorf("%+v", got)
		}
	default:
		if got.Code != 0 {
			t.Errorf("%+v", got)
		}
	}
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := Relay{Addr: l.Addr().String(), TLS: TLSNone}
	l.Close()
	if got := New(r).Send(t.Context(), "", "a@b.test", []byte(plain)); got.Outcome != Deferred || got.Stage != StageConnect {
		t.Errorf("%+v", got)
	}
}

// TestShapes sends in all configurations, and reads back what arrived.
func TestShapes(t *testing.T) {
	for name, c := range map[string]struct {
		fake  func(*fake)
		relay func(*Relay)
	}{
		"STARTTLS":             {},
		"implicit":             {fake: func(f *fake) { f.implicit = true }},
		"no pipelining":        {fake: func(f *fake) { f.noPipe = true }},
		"LOGIN":                {fake: func(f *fake) { f.auth = "CRAM-MD5 LOGIN" }},
		"no AUTH":              {relay: func(r *Relay) { r.Username = "" }},
		"opportunistic":        {relay: func(r *Relay) { r.TLS, r.Username, r.RootCAs = TLSOpportunistic, "", nil }},
		"opportunistic, clear": {fake: func(f *fake) { f.noTLS = true }, relay: func(r *Relay) { r.TLS, r.Username = TLSOpportunistic, "" }},
		"clear":                {relay: func(r *Relay) { r.TLS, r.Username = TLSNone, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, c.fake)
			r := f.relay()
			if c.relay != nil {
				c.relay(&r)
			}
			client := New(r)
			defer client.Close()
			for _, raw := range []string{plain, ".\r\n..\r\n.x\r\n\r\n.", "no line end", string(large()[:1<<20])} {
				if got := client.Send(t.Context(), "", "bob@y.test", []byte(raw)); got.Outcome != Sent || got.Code != 250 || got.Text != "queued" {
					t.Fatalf("%+v", got)
				}
				mails, _ := f.got()
				if got := mails[len(mails)-1]; strings.TrimSuffix(got, "\r\n") != strings.TrimSuffix(raw, "\r\n") {
					t.Errorf("got %.60q, want %.60q", got, raw)
				}
			}
			if _, conns := f.got(); conns != 1 {
				t.Errorf("%d connections", conns)
			}
			want := !strings.Contains(name, "clear") && name != "implicit"
			if got := strings.Contains(f.commands(), "STARTTLS"); got != want {
				t.Errorf("STARTTLS used: %v", got)
			}
		})
	}
}

// TestNoDowngrade: without verified TLS neither the mail nor the password
// leaves.
func TestNoDowngrade(t *testing.T) {
	for name, c := range map[string]struct {
		fake  func(*fake)
		relay func(*Relay)
		stage string
	}{
		"required, not offered":     {func(f *fake) { f.noTLS = true }, func(*Relay) {}, StageStartTLS},
		"required, unknown issuer":  {nil, func(r *Relay) { r.RootCAs = nil }, StageTLS},
		"required, wrong name":      {nil, func(r *Relay) { r.ServerName = "other.test" }, StageTLS},
		"zero policy is required":   {func(f *fake) { f.noTLS = true }, func(r *Relay) { r.TLS = "" }, StageStartTLS},
		"password, opportunistic":   {func(f *fake) { f.noTLS = true }, func(r *Relay) { r.TLS = TLSOpportunistic }, StageAuth},
		"password, unknown issuer":  {nil, func(r *Relay) { r.TLS, r.RootCAs = TLSOpportunistic, nil }, StageTLS},
		"password, policy none":     {nil, func(r *Relay) { r.TLS = TLSNone }, StageAuth},
		"unknown policy":            {nil, func(r *Relay) { r.TLS = "maybe" }, StageConnect},
		"no mechanism":              {func(f *fake) { f.auth = "CRAM-MD5" }, func(*Relay) {}, StageAuth},
		"handshake, opportunistic":  {func(f *fake) { f.stage, f.how = StageTLS, fTLS }, func(r *Relay) { r.TLS, r.Username = TLSOpportunistic, "" }, StageTLS},
		"implicit, unknown issuer":  {func(f *fake) { f.implicit = true }, func(r *Relay) { r.RootCAs = nil }, StageTLS},
		"implicit on a STARTTLS po": {nil, func(r *Relay) { r.Implicit = true }, StageTLS},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, c.fake)
			r := f.relay()
			c.relay(&r)
			client := New(r)
			defer client.Close()
			if got := client.Send(t.Context(), "desk@x.test", "bob@y.test", []byte(plain)); got.Outcome != Deferred || got.Stage != c.stage {
				t.Errorf("%+v", got)
			}
			if s := f.commands(); strings.Contains(s, "AUTH") || strings.Contains(s, "MAIL") {
				t.Errorf("sent %q", s)
			}
			err := Probe(t.Context(), r)
			if err == nil || !strings.Contains(fail.Text(err), r.Addr) || strings.Contains(err.Error(), r.Password) {
				t.Errorf("probe: %v", err)
			}
		})
	}
}

func TestNearby(t *testing.T) {
	for a, want := range map[string]bool{"127.0.0.1:25": true, "10.0.0.1:25": true, "[::1]:25": true, "192.0.2.1:25": false, "[2001:db8::1]:25": false, "x": false} {
		if got := nearby(text(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

type text string

func (text) Network() string  { return "tcp" }
func (a text) String() string { return string(a) }

// TestInjectedAnswers: what a man in the middle adds in clear behind the answer
// to STARTTLS is dropped.
func TestInjectedAnswers(t *testing.T) {
	f := newFake(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "220 hi\r\n")
		buf := make([]byte, 1000)
		c.Read(buf)
		fmt.Fprintf(c, "250-x\r\n250 STARTTLS\r\n")
		c.Read(buf)
		fmt.Fprintf(c, "220 go\r\n250-fake\r\n250 AUTH PLAIN\r\n235 in\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
		c.Read(buf)
	}()
	r := f.relay()
	r.Addr = l.Addr().String()
	c := New(r)
	if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Deferred || got.Stage != StageTLS {
		t.Errorf("%+v", got)
	}
	<-done
}

func TestMessagesThatMayNotLeave(t *testing.T) {
	c := New(Relay{Addr: "127.0.0.1:1", TLS: TLSNone})
	for _, m := range [][3]string{
		{"a@b.test", "c@d.test", "bare\nLF\r\n"}, {"a@b.test", "c@d.test", "bare\rCR\r\n"}, {"a@b.test", "c@d.test", "x\r\n.\n"},
		{"a@b.test", "c@d.test", "x\r"}, {"a@b.test", "c@d.test", "\nx\r\n"}, {"a@b.test", "c@d.test", "\r\r\n"},
		{"a@b.test", "c@d.test", "8-bit \xe4\r\n"}, {"a@b.test", "c@d.test", "ü\r\n"}, {"a@b.test", "c@d.test", "NUL\x00\r\n"}, {"a@b.test", "c@d.test", ""},
		{"a@b.test", "", plain}, {"a@b.test", "c", plain}, {"a@b.test", "c@", plain}, {"a@b.test", "c@d.test>\r\nRCPT TO:<e@f.test", plain},
		{"a@b.test", "c d@e.test", plain}, {"a@b.test", "ü@e.test", plain}, {"a\r@b.test", "c@d.test", plain}, {"a@b.test> SIZE=1", "c@d.test", plain},
	} {
		if got := c.Send(t.Context(), m[0], m[1], []byte(m[2])); got.Outcome != Refused || got.Stage != StageMessage || got.Text == "" {
			t.Errorf("%q: %+v", m, got)
		}
	}
}

// TestReuse: one connection serves many mails, a refused one in between, and a
// dead kept connection is replaced without anybody noticing.
func TestReuse(t *testing.T) {
	f := newFake(t, nil)
	c := New(f.relay())
	defer c.Close()
	send := func() {
		t.Helper()
		if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Sent {
			t.Fatalf("%+v", got)
		}
	}
	send()
	send()
	f.fail(StageRcpt, f5xx, 0)
	if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Refused {
		t.Errorf("%+v", got)
	}
	f.fail(StageMail, f4xx, 0) // pipelined: RCPT's answer must not be taken for the next one's
	if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Deferred || got.Code != 451 {
		t.Errorf("%+v", got)
	}
	f.fail("", "", 0)
	send()
	if mails, conns := f.got(); conns != 1 || len(mails) != 3 {
		t.Errorf("%d connections, %d mails", conns, len(mails))
	}
	if !strings.Contains(f.commands(), "RSET") {
		t.Error("no RSET after a refused mail")
	}
}

// TestDeadConnection: kept, and gone when it is needed, in every way.
func TestDeadConnection(t *testing.T) {
	for name, kill := range map[string]func(c net.Conn){
		"closed": func(c net.Conn) { c.Close() },
		"reset":  func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"half":   func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, func(f *fake) {
				f.after = func(n int, c net.Conn) {
					if n == 1 {
						kill(c)
					}
				}
			})
			c := New(f.relay())
			defer c.Close()
			for range 3 {
				if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Sent {
					t.Fatalf("%+v", got)
				}
			}
			if mails, conns := f.got(); conns != 2 || len(mails) != 3 {
				t.Errorf("%d connections, %d mails", conns, len(mails))
			}
		})
	}
}

// TestNoSecondTryAfterTheDot: only before the dot is a message tried again.
func TestNoSecondTryAfterTheDot(t *testing.T) {
	f := newFake(t, nil)
	c := New(f.relay())
	defer c.Close()
	c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain))
	f.fail(StageDot, fRST, 1)
	if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != InDoubt {
		t.Errorf("%+v", got)
	}
	if _, conns := f.got(); conns != 1 {
		t.Errorf("%d connections", conns)
	}
	// On a kept connection that dies before it, it is.
	f.fail("", "", 0)
	c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain))
	for _, stage := range []string{StageMail, StageRcpt, StageData} {
		_, conns := f.got()
		f.fail(stage, fRST, conns)
		if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Sent {
			t.Errorf("%s: %+v", stage, got)
		}
	}
}

func TestCancel(t *testing.T) {
	for stage, want := range map[string]Outcome{
		StageBanner: Deferred, StageTLS: Deferred, StageAuth: Deferred, StageRcpt: Deferred, StageBody: Deferred, StageDot: InDoubt,
	} {
		t.Run(stage, func(t *testing.T) {
			f := newFake(t, func(f *fake) { f.stage, f.how = stage, fTimeout })
			r := f.relay()
			r.Timeout = time.Minute
			c := New(r)
			defer c.Close()
			raw := []byte(plain)
			if stage == StageBody {
				raw = large()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			got := c.Send(ctx, "a@b.test", "c@d.test", raw)
			if time.Since(began) > 5*time.Second {
				t.Errorf("took %v", time.Since(began))
			}
			if got.Outcome != want {
				t.Errorf("%+v, want %v", got, want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := New(newFake(t, nil).relay()).Send(ctx, "", "a@b.test", []byte(plain)); got.Outcome != Deferred {
		t.Errorf("%+v", got)
	}
}

func TestPoolAndClose(t *testing.T) {
	f := newFake(t, nil)
	r := f.relay()
	r.PoolSize, r.Timeout = 2, 5*time.Second
	c := New(r)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Sent {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.idle); n > 2 {
		t.Errorf("%d kept", n)
	}
	c.Close()
	c.Close()
	if got := c.Send(t.Context(), "a@b.test", "c@d.test", []byte(plain)); got.Outcome != Sent || len(c.idle) != 0 {
		t.Errorf("after Close: %+v, %d kept", got, len(c.idle))
	}
	if mails, _ := f.got(); len(mails) != 41 {
		t.Errorf("%d mails", len(mails))
	}
}

func TestProbe(t *testing.T) {
	f := newFake(t, nil)
	if err := Probe(t.Context(), f.relay()); err != nil {
		t.Error(err)
	}
	if s := f.commands(); strings.Contains(s, "MAIL") || !strings.Contains(s, "QUIT") {
		t.Error(s)
	}
	for stage, word := range map[string]string{StageBanner: "greet", StageEHLO: "host name", StageAuth: "password", StageTLS: "certificate", StageStartTLS: "start TLS"} {
		f := newFake(t, func(f *fake) { f.stage, f.how = stage, f5xx })
		err := Probe(t.Context(), f.relay())
		if err == nil || !strings.Contains(fail.Text(err), word) || strings.Contains(err.Error(), "pass word") {
			t.Errorf("%s: %v", stage, err)
		}
	}
}

func TestReplies(t *testing.T) {
	for in, want := range map[string]string{
		"250 2.1.5 ok\r\n":                   "250 2.1.5 ok",
		"250\r\n":                            "250  ",
		"550-5.1.1 no\r\n550 5.1.1 such\r\n": "550 5.1.1 no such",
		"250 5.1.1 mismatch\n":               "250  5.1.1 mismatch",
		"250 2.1 x\r\n":                      "250  2.1 x",
		"250-a\r\n251 b\r\n":                 "err",
		"25 x\r\n":                           "err",
		"abc\r\n":                            "err",
		"199 x\r\n":                          "err",
		"650 x\r\n":                          "err",
		"250_x\r\n":                          "err",
		"250-x\r\n":                          "err",
		strings.Repeat("250-x\r\n", 200):     "err",
		"250 " + strings.Repeat("x", 9000):   "err",
		"":                                   "err",
		"220 \x1b[31m\xff red\r\n":           "220   [31m  red",
	} {
		got := "err"
		if r, err := readReply(reader(in), nil); err == nil {
			got = fmt.Sprintf("%d %s %s", r.code, r.enhanced, r.text)
		}
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%.40q: got %q, want %q", in, got, want)
		}
	}
}

func reader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func FuzzReply(f *testing.F) {
	f.Add("250-x\r\n250 2.0.0 ok\r\n")
	f.Add("5")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := readReply(reader(in), nil)
		if err == nil && (r.code < 200 || r.code > 599 || len(r.text) > 200 || strings.ContainsAny(r.text, "\r\n\x00")) {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzStuffed(f *testing.F) {
	f.Add("a\r\n.\r\n..b\r\n")
	f.Add(".")
	f.Fuzz(func(t *testing.T, raw string) {
		if checkMessage("", "a@b.test", []byte(raw)) != "" {
			return
		}
		out := string(stuffed([]byte(raw)))
		if strings.HasPrefix(out, ".\r\n") || strings.Contains(out, "\r\n.\r\n") || !strings.HasSuffix(out, "\r\n") {
			t.Errorf("%q ends early: %q", raw, out)
		}
		back := strings.ReplaceAll("\r\n"+out, "\r\n.", "\r\n")[2:]
		if strings.TrimSuffix(back, "\r\n") != strings.TrimSuffix(raw, "\r\n") {
			t.Errorf("%q came back as %q", raw, back)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	f := newFake(b, nil)
	r := f.relay()
	r.Timeout = 10 * time.Second
	c := New(r)
	defer c.Close()
	raw := []byte(plain + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 128))
	b.ReportAllocs()
	for b.Loop() {
		if got := c.Send(b.Context(), "a@b.test", "c@d.test", raw); got.Outcome != Sent {
			b.Fatalf("%+v", got)
		}
	}
}
