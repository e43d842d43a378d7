package smtpd

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRecipientLimit(t *testing.T) {
	k := dial(t, start(t, Options{MaxRecipients: 2}, &desk{}))
	k.want("220")
	k.say("EHLO c", "250")
	k.say("MAIL FROM:<a@b.test>", "250")
	k.say("RCPT TO:<desk1@x.test>", "250")
	k.say("RCPT TO:<desk2@x.test>", "250")
	k.say("RCPT TO:<desk3@x.test>", "452 4.5.3")
	k.say("DATA", "354")
	k.send(good + ".\r\n")
	k.want("250")
}

func TestConnectionLimits(t *testing.T) {
	var mu sync.Mutex
	events := map[string]int{}
	s := start(t, Options{MaxConns: 5, MaxConnsPerIP: 2, Observe: func(e string) {
		mu.Lock()
		events[e]++
		mu.Unlock()
	}}, &desk{})
	first := dial(t, s)
	first.want("220")
	dial(t, s).want("220")
	third := dial(t, s)
	third.want("421 4.7.0 Too many connections from your address")
	third.closed()
	first.say("QUIT", "221")
	first.closed()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); { // the slot is free when the session has ended
		k := dial(t, s)
		if r := k.reply(); strings.HasPrefix(r, "220") {
			break
		} else if !strings.HasPrefix(r, "421") {
			t.Fatal(r)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if events[EventTurnedAway] < 1 || events[EventConnection] != 3 {
		t.Errorf("%v", events)
	}
}

func TestTotalLimit(t *testing.T) {
	s := start(t, Options{MaxConns: 1}, &desk{})
	dial(t, s).want("220")
	dial(t, s).want("421 4.7.0 Too many connections,")
}

func TestCallers(t *testing.T) {
	for _, c := range [][2]string{
		{"192.0.2.1", "192.0.2.1/32"}, {"2001:db8::1", "2001:db8::/64"}, {"fe80::1%eth0", "fe80::/64"},
	} {
		if got := network(netip.MustParseAddr(c[0])); got.String() != c[1] {
			t.Errorf("%s: %s", c[0], got)
		}
	}
}

func TestNonsenseEnds(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		most int
	}{
		"unknown commands":   {"FOO", maxBad},
		"empty lines":        {"", maxBad},
		"http":               {"GET / HTTP/1.1", maxBad},
		"unknown recipients": {"RCPT TO:<no@x.test>", maxUnknown},
		"noops":              {"NOOP", maxIdle},
		"stray data":         {"DATA x", maxBad},
		"stray recipients":   {"RCPT TO:<desk@x.test>", maxStray},
	} {
		t.Run(name, func(t *testing.T) {
			k := dial(t, start(t, Options{}, &desk{}))
			k.want("220")
			k.say("EHLO c", "250")
			if name != "stray recipients" {
				k.say("MAIL FROM:<a@b.test>", "250")
			}
			for range c.most + 2 {
				k.Write([]byte(c.line + "\r\n"))
				r := k.reply()
				if strings.HasPrefix(r, "421") {
					k.closed()
					return
				}
				if r == "" {
					break
				}
			}
			if r := k.reply(); r != "" {
				t.Errorf("still open: %q", r)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	b := &desk{}
	s := start(t, Options{ReadTimeout: 100 * time.Millisecond, msgTime: 300 * time.Millisecond}, b)
	idle := dial(t, s)
	idle.want("220")
	idle.want("421 4.4.2")
	idle.closed()

	slow := dial(t, s) // one byte at a time does not prolong a command
	slow.want("220")
	go func() { // ends when the server hangs up
		for range 100 {
			if _, err := slow.Write([]byte("N")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	slow.want("421 4.4.2")

	drip := dial(t, s) // nor a message
	drip.toData()
	go func() {
		for range 100 {
			if _, err := drip.Write([]byte("x\r\n")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	drip.want("421 4.4.2")
	if len(b.got()) != 0 {
		t.Error("half a message was accepted")
	}
}

func TestHangUpInData(t *testing.T) {
	b := &desk{}
	s := start(t, Options{}, b)
	k := dial(t, s)
	k.toData()
	k.send(good)
	k.Close()
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if len(b.got()) != 0 {
		t.Error("half a message was accepted")
	}
}

// TestF22Stop: in-flight messages finish, others are told 421, and Stop may be
// called twice.
func TestF22Stop(t *testing.T) {
	b := &desk{}
	s := start(t, Options{}, b)
	idle, busy := dial(t, s), dial(t, s)
	idle.want("220")
	busy.toData()
	busy.send("From: a@b.test\r\n")
	time.Sleep(20 * time.Millisecond)
	stopped := make(chan error, 2)
	go func() { stopped <- s.Stop(context.Background()) }()
	idle.want("421 4.3.2")
	idle.closed()
	go func() { stopped <- s.Stop(context.Background()) }()
	busy.send("\r\nhello\r\n.\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<desk@x.test>\r\nDATA\r\n")
	busy.want("250 2.0.0 Received")
	for {
		r := busy.reply()
		if r == "" || strings.HasPrefix(r, "421") {
			break
		}
	}
	for range 2 {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
	if len(b.got()) != 1 {
		t.Errorf("%d mails", len(b.got()))
	}
	if err := s.Start(); err == nil {
		t.Error("started again")
	}
}

// TestForcedStop: who does not finish is cut off, and never told 250.
func TestForcedStop(t *testing.T) {
	b := &desk{}
	s := start(t, Options{graceful: 100 * time.Millisecond}, b)
	k := dial(t, s)
	k.toData()
	k.send("From: a@b.test\r\n")
	time.Sleep(20 * time.Millisecond)
	if err := s.Stop(t.Context()); err == nil {
		t.Error("no word about the unfinished message")
	}
	if r := k.reply(); strings.HasPrefix(r, "250") {
		t.Error(r)
	}
}

func TestStopWithoutStart(t *testing.T) {
	s := New(Options{Addr: "127.0.0.1:0"}, &desk{})
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestMemory: many large mails at once are deferred, not kept in memory; the
// room comes back.
func TestMemory(t *testing.T) {
	b := &desk{}
	s := start(t, Options{MaxBytes: 100000, MaxMemory: 200000}, b)
	var open []*talk
	for range 4 {
		k := dial(t, s)
		k.toData()
		open = append(open, k)
	}
	for _, k := range open {
		k.send(good + strings.Repeat("0123456789\r\n", 7000))
	}
	codes := map[string]int{}
	for _, k := range open {
		k.send(".\r\n")
		codes[k.reply()[:9]]++
	}
	if codes["250 2.0.0"] < 1 || codes["452 4.3.1"] < 1 || len(codes) != 2 {
		t.Errorf("%v", codes)
	}
	for _, k := range open {
		k.say("NOOP", "250")
	}
	if n := s.held.Load(); n != 0 {
		t.Errorf("%d bytes still held", n)
	}
}
