package smtpc

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault says how the fake relay fails when it reaches a stage.
type fault string

const (
	f4xx      fault = "4xx"
	f5xx      fault = "5xx"
	fTimeout  fault = "time-out"  // says nothing
	fHalfOpen fault = "half-open" // closes its writing side, reads on
	fRST      fault = "RST"
	fTLS      fault = "TLS failure" // talks nonsense on the wire
)

const stageQuit = "quit"

// fake is a relay that fails at one stage in one way, for the first `times`
// connections (0: always).
type fake struct {
	t        testing.TB
	l        net.Listener
	conf     *tls.Config
	pool     *x509.CertPool
	implicit bool
	noTLS    bool // does not offer STARTTLS
	noPipe   bool
	auth     string // mechanisms

	after func(n int, c net.Conn) // called when a mail was accepted
	over  chan struct{}           // closed when the test ends

	mu    sync.Mutex
	stage string              // guarded by mu
	how   fault               // guarded by mu
	times int                 // guarded by mu
	mails []string            // guarded by mu
	conns int                 // guarded by mu
	seen  []string            // guarded by mu: command lines
	open  map[net.Conn]string // guarded by mu
	wg    sync.WaitGroup
}

func newFake(t testing.TB, set func(*fake)) *fake {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"relay.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	f := &fake{t: t, pool: x509.NewCertPool(), auth: "PLAIN LOGIN", open: map[net.Conn]string{}, over: make(chan struct{})}
	f.pool.AddCert(leaf)
	f.conf = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if set != nil {
		set(f)
	}
	if f.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.wg.Go(f.serve)
	t.Cleanup(func() {
		close(f.over)
		f.l.Close()
		f.mu.Lock()
		for c := range f.open {
			c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func (f *fake) relay() Relay {
	return Relay{
		Addr: f.l.Addr().String(), TLS: TLSRequired, RootCAs: f.pool, ServerName: "relay.test", Implicit: f.implicit,
		Username: "user", Password: "pass word", Hostname: "desk.test", Timeout: 300 * time.Millisecond,
	}
}

func (f *fake) serve() {
	for {
		c, err := f.l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns++
		n := f.conns
		f.open[c] = ""
		f.mu.Unlock()
		f.wg.Go(func() {
			defer func() {
				c.Close()
				f.mu.Lock()
				delete(f.open, c)
				f.mu.Unlock()
			}()
			(&talk{f: f, raw: c.(*net.TCPConn), c: c, in: bufio.NewReader(c), n: n}).run()
		})
	}
}

func (f *fake) got() (mails []string, conns int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.mails...), f.conns
}

func (f *fake) commands() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, "\n")
}

// due is what connection n meets at a stage, "" for nothing.
func (f *fake) due(stage string, n int) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stage != stage || f.times > 0 && n > f.times {
		return ""
	}
	return f.how
}

// fail changes what goes wrong from now on.
func (f *fake) fail(stage string, how fault, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stage, f.how, f.times = stage, how, times
}

// talk is one connection of the fake.
type talk struct {
	f   *fake
	raw *net.TCPConn
	c   net.Conn
	in  *bufio.Reader
	n   int
	tls bool
}

// fails acts out the fault when it is due here; true ends the connection.
func (k *talk) fails(stage string) (end bool) {
	how := k.f.due(stage, k.n)
	switch how {
	case f4xx:
		k.say("451 4.7.9 come <back>\x07 later")
		return true
	case f5xx:
		k.say("550 5.7.1 go away")
		return true
	case fTimeout:
		if stage == StageBody {
			<-k.f.over // and does not read either: a body that is read may be accepted
			return true
		}
		for { // until the client gives up
			if _, err := k.in.ReadByte(); err != nil {
				return true
			}
		}
	case fHalfOpen:
		k.raw.CloseWrite()
		for {
			if _, err := k.in.ReadByte(); err != nil {
				return true
			}
		}
	case fRST:
		k.raw.SetLinger(0)
		k.raw.Close()
		return true
	case fTLS:
		k.raw.Write([]byte("\x15\x03\x03garbage, not a record\r\n"))
		return true
	}
	return false
}

func (k *talk) say(s string) { fmt.Fprintf(k.c, "%s\r\n", s) }

// next reads a command; a connection whose fault is 4xx or 5xx goes on until
// the client leaves.
func (k *talk) next() (string, bool) {
	l, err := k.in.ReadString('\n')
	l = strings.TrimRight(l, "\r\n")
	k.f.mu.Lock()
	k.f.seen = append(k.f.seen, l)
	k.f.mu.Unlock()
	return l, err == nil
}

func (k *talk) startTLS() bool {
	t := tls.Server(k.raw, k.f.conf)
	if t.Handshake() != nil {
		return false
	}
	k.c, k.in, k.tls = t, bufio.NewReader(t), true
	return true
}

func (k *talk) run() {
	if k.f.implicit && (k.fails(StageTLS) || !k.startTLS()) {
		return
	}
	if k.fails(StageBanner) {
		return
	}
	k.say("220-relay.test\r\n220 ready")
	for {
		line, ok := k.next()
		if !ok || k.command(line) {
			return
		}
	}
}

// failed: after a 4xx or 5xx the relay listens on.
func (k *talk) failed(stage string) (stop, answered bool) {
	how := k.f.due(stage, k.n)
	if !k.fails(stage) {
		return false, false
	}
	return how != f4xx && how != f5xx, true
}

func (k *talk) command(line string) (stop bool) {
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	stage := map[string]string{
		"EHLO": StageEHLO, "STARTTLS": StageStartTLS, "AUTH": StageAuth, "MAIL": StageMail,
		"RCPT": StageRcpt, "DATA": StageData, "QUIT": stageQuit,
	}[verb]
	if stop, answered := k.failed(stage); answered {
		return stop
	}
	switch verb {
	case "EHLO":
		k.ehlo()
	case "STARTTLS":
		k.say("220 go")
		return k.fails(StageTLS) || !k.startTLS()
	case "AUTH":
		k.signIn(line)
	case "DATA":
		k.say("354 go")
		return k.data()
	case "QUIT":
		k.say("221 bye")
		return true
	default:
		k.say("250 2.0.0 ok")
	}
	return false
}

func (k *talk) ehlo() {
	k.say("250-relay.test")
	if !k.tls && !k.f.noTLS {
		k.say("250-STARTTLS")
	}
	if !k.f.noPipe {
		k.say("250-PIPELINING")
	}
	k.say("250-AUTH " + k.f.auth)
	k.say("250 SIZE 1000000")
}

func (k *talk) signIn(line string) {
	if strings.HasSuffix(line, "LOGIN") {
		k.say("334 VXNlcm5hbWU6")
		k.next()
		k.say("334 UGFzc3dvcmQ6")
		k.next()
	}
	k.say("235 2.7.0 welcome")
}

func (k *talk) data() (stop bool) {
	var mail strings.Builder
	for {
		l, err := k.in.ReadString('\n')
		if err != nil {
			return true
		}
		if l == ".\r\n" {
			break
		}
		mail.WriteString(strings.TrimPrefix(l, "."))
		if stop, answered := k.failed(StageBody); answered {
			return stop || true // a server that answers during the body hangs up
		}
	}
	if stop, answered := k.failed(StageDot); answered {
		return stop
	}
	k.f.mu.Lock()
	k.f.mails = append(k.f.mails, mail.String())
	n := len(k.f.mails)
	k.f.mu.Unlock()
	k.say("250 2.0.0 queued")
	if k.f.after != nil {
		k.f.after(n, k.raw)
	}
	return false
}
