package smtpd

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"postern/internal/fail"
)

// desk is a backend in memory: desk@x.test and its tagged addresses are ours.
type desk struct {
	mu     sync.Mutex
	mails  []*Envelope
	accept func(*Envelope) error
	known  error
}

func (d *desk) Known(_ context.Context, a string) (bool, error) {
	return (strings.HasPrefix(a, "desk") && strings.HasSuffix(a, "@x.test")) || a == "postmaster", d.known
}

func (d *desk) Accept(_ context.Context, e *Envelope) error {
	if d.accept != nil {
		if err := d.accept(e); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mails = append(d.mails, e)
	return nil
}

func (d *desk) got() []*Envelope {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*Envelope(nil), d.mails...)
}

func start(t testing.TB, o Options, b Backend) *Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s := New(o, b)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(context.Background()) })
	return s
}

// talk is a raw client.
type talk struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, s *Server) *talk {
	t.Helper()
	c, err := net.Dial(s.Addr().Network(), s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &talk{t, c, bufio.NewReader(c)}
}

func (k *talk) send(s string) {
	k.t.Helper()
	if _, err := k.Write([]byte(s)); err != nil {
		k.t.Fatalf("send %.40q: %v", s, err)
	}
}

// reply reads one reply with all its lines.
func (k *talk) reply() string {
	var all strings.Builder
	for {
		l, err := k.in.ReadString('\n')
		all.WriteString(l)
		if err != nil || len(l) < 4 || l[3] != '-' {
			return all.String()
		}
	}
}

func (k *talk) want(code string) string {
	k.t.Helper()
	r := k.reply()
	if !strings.HasPrefix(r, code) {
		k.t.Fatalf("got %q, want %s", r, code)
	}
	return r
}

// say sends a line and wants a reply.
func (k *talk) say(line, code string) string {
	k.t.Helper()
	k.send(line + "\r\n")
	r := k.reply()
	if !strings.HasPrefix(r, code) {
		k.t.Fatalf("%.60q: got %q, want %s", line, r, code)
	}
	return r
}

func (k *talk) toData() {
	k.t.Helper()
	k.want("220")
	k.say("EHLO c.test", "250")
	k.say("MAIL FROM:<a@b.test>", "250")
	k.say("RCPT TO:<desk@x.test>", "250")
	k.say("DATA", "354")
}

// closed wants the end of the connection.
func (k *talk) closed() {
	k.t.Helper()
	if b, err := k.in.ReadByte(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		k.t.Fatalf("connection still open: %q %v", b, err)
	}
}

const good = "From: A <a@b.test>\r\nSubject: hi\r\n\r\nhello\r\n"

func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestDelivery(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{Hostname: "mx.x.test"}, b))
	k.want("220 mx.x.test")
	hello := k.say("EHLO c.test", "250")
	for _, no := range []string{"STARTTLS", "CHUNKING", "SMTPUTF8", "AUTH"} {
		if strings.Contains(hello, no) {
			t.Errorf("%s is offered", no)
		}
	}
	if !strings.Contains(hello, fmt.Sprintf("SIZE %d", defaultMaxBytes)) {
		t.Errorf("no SIZE in %q", hello)
	}
	// Pipelined, with dots to undo, twice the same recipient.
	k.send("MAIL FROM:<> SIZE=90\r\nRCPT TO:<desk@x.test>\r\nRCPT TO:<desk@x.test>\r\nRCPT TO:<desk+t@x.test>\r\nDATA\r\n")
	for _, c := range []string{"250", "250", "250", "250", "354"} {
		k.want(c)
	}
	k.send("From: a@b\r\n\r\n..\r\n...x\r\n.y\r\n\r\n.\r\nNOOP\r\n")
	k.want("250 2.0.0")
	k.want("250")
	k.say("QUIT", "221")
	k.closed()
	got := b.got()
	if len(got) != 1 {
		t.Fatalf("%d mails", len(got))
	}
	e := got[0]
	if want := "From: a@b\r\n\r\n.\r\n..x\r\ny\r\n\r\n"; string(e.Raw) != want {
		t.Errorf("raw %q, want %q", e.Raw, want)
	}
	if e.From != "" || len(e.To) != 2 || e.Helo != "c.test" || e.TLS || !e.Remote.IsLoopback() {
		t.Errorf("envelope %+v", e)
	}
}

// TestAnotherClient lets go-smtp's client speak, over TLS too.
func TestAnotherClient(t *testing.T) {
	conf, pool := certificate(t)
	b := &desk{}
	s := start(t, Options{TLS: conf, RequireTLS: true}, b)
	c, err := smtp.DialStartTLS(s.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := good + strings.Repeat(strings.Repeat("x", 70)+"\r\n.dot\r\n", 50000)
	for range 3 {
		if err := c.SendMail("a@b.test", []string{"desk@x.test"}, strings.NewReader(big)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SendMail("a@b.test", []string{"someone@else.test"}, strings.NewReader(good)); err == nil {
		t.Error("relayed")
	}
	got := b.got()
	if len(got) != 3 || string(got[2].Raw) != big || !got[2].TLS {
		t.Errorf("%d mails", len(got))
	}
}

// TestS1Smuggling: no form of a wrong line end around a dot ends a message,
// each is refused, and nothing behind it is read as a second one.
func TestS1Smuggling(t *testing.T) {
	second := "MAIL FROM:<evil@b.test>\r\nRCPT TO:<desk@x.test>\r\nDATA\r\n" + good + "\r\n.\r\n"
	forms := map[string]string{
		"LF.LF": "\n.\n", "CR.CR": "\r.\r", "CR.LF": "\r.\n", "LF.CR": "\n.\r",
		"LF.CRLF": "\n.\r\n", "CRLF.LF": "\r\n.\n", "CR.CRLF": "\r.\r\n", "CRLF.CR": "\r\n.\r",
		"CRCRLF.CRLF": "\r\r\n.\r\n", "CRLF.CRCRLF": "\r\n.\r\r\n", "LF..CRLF": "\n..\r\n",
		"NUL.CRLF": "\x00.\r\n", "CRLF NUL.": "\r\n\x00.\r\n", "CRLF.NUL": "\r\n.\x00\r\n",
		"CRLF.NUL only": "\r\n.\x00", "bare CR": "a\rb", "bare LF": "a\nb", "NUL": "a\x00b",
		"CR at a buffer's end": strings.Repeat("z", readBuffer-len("hello")-len(good)+5) + "\r.\r\n",
	}
	for pad := range 6 { // every way the buffer may cut CR from LF
		forms[fmt.Sprintf("cut %d", pad)] = strings.Repeat("y", 2*readBuffer-pad) + "\r" + "\r\n.\r\n"
		forms[fmt.Sprintf("cut LF %d", pad)] = strings.Repeat("y", 2*readBuffer-pad) + "\n.\r\n"
	}
	for name, form := range forms {
		for _, header := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, header), func(t *testing.T) {
				b := &desk{}
				k := dial(t, start(t, Options{}, b))
				k.toData()
				text := good + "hello" + form
				if header {
					text = "From: a@b.test\r\nSubject: x" + form + "\r\n"
				}
				// All in one packet: the form, a second message, the true end.
				k.send(text + second + "\r\n.\r\nQUIT\r\n")
				k.want("550 5.6.0")
				k.closed()
				if n := len(b.got()); n != 0 {
					t.Errorf("%d mails accepted", n)
				}
			})
		}
	}
}

// TestCutLines feeds good mail in all pieces: a CRLF cut anywhere is no bare CR.
func TestCutLines(t *testing.T) {
	b := &desk{}
	s := start(t, Options{}, b)
	for pad := range 12 {
		k := dial(t, s)
		k.toData()
		body := good + strings.Repeat("y", readBuffer-len(good)-pad) + "\r\n..\r\n" + strings.Repeat("z", 3*readBuffer) + "\r\n"
		k.send(body + ".\r\n")
		k.want("250")
		want := strings.Replace(body, "\r\n..\r\n", "\r\n.\r\n", 1)
		if got := b.got(); string(got[len(got)-1].Raw) != want {
			t.Fatalf("pad %d: changed", pad)
		}
	}
}

func TestBareLineEndInCommands(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{}, b))
	k.want("220")
	k.say("EHLO c.test", "250")
	k.say("MAIL FROM:<a\rb@c.test>", "500 5.5.2")
	k.send("NOOP\n")
	k.want("500 5.5.2")
	k.say("MAIL FROM:<a\x00@c.test>", "500 5.5.2")
	k.say("MAIL FROM:<a@c.test>", "250")
}

// TestS2StartTLSInjection: what is sent in clear behind STARTTLS is not obeyed.
func TestS2StartTLSInjection(t *testing.T) {
	conf, pool := certificate(t)
	b := &desk{}
	k := dial(t, start(t, Options{TLS: conf}, b))
	k.want("220")
	if !strings.Contains(k.say("EHLO c.test", "250"), "STARTTLS") {
		t.Fatal("no STARTTLS")
	}
	k.send("STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@b.test>\r\nRCPT TO:<desk@x.test>\r\n")
	k.want("220")
	c := tls.Client(k.Conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err := c.Handshake(); err != nil {
		t.Fatal(err) // the injected bytes must not reach TLS either
	}
	k = &talk{t, c, bufio.NewReader(c)}
	k.say("DATA", "503")
	k.say("MAIL FROM:<a@b.test>", "503") // and EHLO is forgotten
	if strings.Contains(k.say("EHLO c.test", "250"), "STARTTLS") {
		t.Error("STARTTLS offered inside TLS")
	}
	k.say("STARTTLS", "503")
	k.say("MAIL FROM:<a@b.test>", "250")
}

func TestTLSRequired(t *testing.T) {
	conf, _ := certificate(t)
	k := dial(t, start(t, Options{TLS: conf, RequireTLS: true}, &desk{}))
	k.want("220")
	k.say("EHLO c.test", "250")
	k.say("MAIL FROM:<a@b.test>", "530 5.7.0")
	if err := New(Options{Addr: "127.0.0.1:0", RequireTLS: true}, &desk{}).Start(); !fail.Is(err, fail.Invalid) {
		t.Errorf("started without a certificate: %v", err)
	}
}

func TestNotTLS(t *testing.T) {
	conf, _ := certificate(t)
	k := dial(t, start(t, Options{TLS: conf}, &desk{}))
	k.want("220")
	k.say("EHLO c.test", "250")
	k.say("STARTTLS", "220")
	k.send("this is no handshake\r\n")
	k.SetReadDeadline(time.Now().Add(3 * time.Second))
	for {
		if _, err := k.in.ReadByte(); err != nil {
			break
		}
	}
}

func TestCommands(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, c := range []struct {
		name  string
		steps []string // line, code, line, code
	}{
		{"order", []string{"MAIL FROM:<a@b.test>", "503", "RCPT TO:<desk@x.test>", "503", "DATA", "503"}},
		{"nested", []string{"EHLO c", "250", "MAIL FROM:<a@b.test>", "250", "MAIL FROM:<a@b.test>", "503"}},
		{"verify", []string{"VRFY desk@x.test", "252 2.5.0", "VRFY no@x.test", "252 2.5.0", "EXPN list", "252"}},
		{"hello", []string{"EHLO", "501", "LHLO c", "500", "HELO c", "250"}},
		{"auth", []string{"EHLO c", "250", "AUTH PLAIN AGEAYg==", "502"}},
		{"bdat", []string{"EHLO c", "250", "BDAT 10 LAST", "502"}},
		{"relay", []string{"EHLO c", "250", "MAIL FROM:<desk@x.test>", "250", "RCPT TO:<x@y.test>", "550 5.1.1",
			"RCPT TO:<x%y.test@x.test>", "550 5.1.1", "RCPT TO:<@x.test:x@y.test>", "550 5.1.1", "RCPT TO:<desk@x.test@y.test>", "501"}},
		{"route", []string{"EHLO c", "250", "MAIL FROM:<@a.test,@b.test:u@c.test>", "250", "RCPT TO:<@a.test:desk@x.test>", "250"}},
		{"postmaster", []string{"EHLO c", "250", "MAIL FROM:<>", "250", "RCPT TO:<Postmaster>", "550", "RCPT TO:<postmaster>", "250"}},
		{"size", []string{"EHLO c", "250", "MAIL FROM:<> SIZE=99999999999999999999999", "552 5.3.4", "MAIL FROM:<> SIZE=-1", "501", "MAIL FROM:<> SIZE=1001", "552", "MAIL FROM:<> SIZE=1000", "250"}},
		{"params", []string{"EHLO c", "250", "MAIL FROM:<a@b.test> SMTPUTF8", "555 5.6.7", "MAIL FROM:<a@b.test> BODY=BINARYMIME", "501", "MAIL FROM:<a@b.test> RET=FULL", "555", "MAIL FROM:<a@b.test> BODY=8BITMIME", "250", "RCPT TO:<desk@x.test> NOTIFY=NEVER", "555"}},
		{"no brackets", []string{"EHLO c", "250", "MAIL FROM: a@b.test", "501", "MAIL FROM:<a@b.test", "501"}},
		{"bad paths", []string{"EHLO c", "250", "MAIL FROM:<a b@c.test>", "501", "MAIL FROM:<ü@c.test>", "501", "MAIL FROM:<" + long + "@c.test>", "501", "MAIL FROM:<a@-c.test>", "501"}},
		{"more bad paths", []string{"EHLO c", "250", "MAIL FROM:<a..b@c.test>", "501", "MAIL FROM:<a@c..test>", "501", `MAIL FROM:<"a\"@c.test>`, "501"}},
		{"good paths", []string{"EHLO c", "250", `MAIL FROM:<"a > b"@c.test>`, "250", "RSET", "250", "MAIL FROM:<a@[127.0.0.1]>", "250", "RCPT TO:<>", "501"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := dial(t, start(t, Options{MaxBytes: 1000}, &desk{}))
			k.want("220")
			for i := 0; i < len(c.steps); i += 2 {
				k.say(c.steps[i], c.steps[i+1])
			}
		})
	}
}

// TestBDATContentIsNotCommands: the chunk of a refused BDAT is never obeyed.
func TestBDATContentIsNotCommands(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{}, b))
	k.want("220")
	k.send("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<desk@x.test>\r\nBDAT 60 LAST\r\nDATA\r\n" + good + ".\r\n")
	for _, c := range []string{"250", "250", "250", "502"} {
		k.want(c)
	}
	k.closed()
	if len(b.got()) != 0 {
		t.Error("accepted")
	}
}

func TestTooLarge(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{MaxBytes: 20000}, b))
	k.toData()
	k.send(good + strings.Repeat("0123456789\r\n", 2000) + ".\r\n")
	k.want("552 5.3.4")
	k.say("MAIL FROM:<a@b.test>", "250") // the session goes on
	k.say("RCPT TO:<desk@x.test>", "250")
	k.say("DATA", "354")
	k.send(good + ".\r\n")
	k.want("250")
	k.say("MAIL FROM:<a@b.test>", "250")
	k.say("RCPT TO:<desk@x.test>", "250")
	k.say("DATA", "354")
	go k.Write([]byte(strings.Repeat("never ending\r\n", 20000))) // ends with the connection
	k.want("552 5.3.4")
	k.closed()
	if len(b.got()) != 1 {
		t.Errorf("%d mails", len(b.got()))
	}
}

func TestExactLimit(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{MaxBytes: int64(len(good))}, b))
	k.toData()
	k.send(good + ".\r\n")
	k.want("250")
}

func TestLongLines(t *testing.T) {
	b := &desk{}
	k := dial(t, start(t, Options{}, b))
	k.toData()
	subject := "From: a@b.test\r\nSubject: " + strings.Repeat("s", 1<<20) + "\r\n\r\n" // no Date either
	k.send(subject + ".\r\n")
	k.want("250")
	if string(b.got()[0].Raw) != subject {
		t.Error("changed")
	}
	k.say("MAIL FROM:<a@b.test>", "250")
	k.say("RCPT TO:<desk@x.test>", "250")
	k.say("DATA", "354")
	k.send(good + strings.Repeat("s", 10<<20) + "\r\n.\r\n")
	k.want("550 5.6.0")
	k.say("NOOP "+strings.Repeat("x", 3000), "500")
	k.say("NOOP "+strings.Repeat("x", 9000), "500")
	k.send("NOOP " + strings.Repeat("x", 80000))
	k.want("500")
	k.closed()
}

func TestAnswersOfTheBackend(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fail.New(fail.Unavailable, "secret detail"), "451 4.3.0"},
		{fail.New(fail.Full, "secret detail"), "452 4.3.1"},
		{fail.New(fail.TooMany, "secret detail"), "450 4.7.1"},
		{fail.New(fail.Invalid, "too odd\r\n250 ok"), "550 5.6.0 too odd  250 ok"},
		{fail.New(fail.Conflict, "secret detail"), "451 4.3.0"},
		{fail.New(fail.Denied, "secret detail"), "451 4.3.0"},
		{errors.New("secret detail"), "451 4.3.0"},
		{context.DeadlineExceeded, "451 4.3.0"},
		{nil, "451 4.3.0"}, // panics
	} {
		b := &desk{accept: func(*Envelope) error {
			if c.err == nil {
				panic("secret detail")
			}
			return c.err
		}}
		k := dial(t, start(t, Options{}, b))
		k.toData()
		k.send(good + ".\r\n")
		if r := k.want(c.want); strings.Contains(r, "secret") {
			t.Errorf("%v: %q", c.err, r)
		}
		k.say("NOOP", "250")
	}
	k := dial(t, start(t, Options{}, &desk{known: errors.New("secret")}))
	k.want("220")
	k.say("EHLO c", "250")
	k.say("MAIL FROM:<a@b.test>", "250")
	if r := k.say("RCPT TO:<desk@x.test>", "451 4.3.0"); strings.Contains(r, "secret") {
		t.Error(r)
	}
}

func TestLMTP(t *testing.T) {
	b := &desk{}
	path := filepath.Join(t.TempDir(), "lmtp.sock")
	s := start(t, Options{LMTP: true, Network: "unix", Addr: path}, b)
	k := dial(t, s)
	k.want("220 localhost LMTP")
	k.say("EHLO c", "500")
	k.say("LHLO c", "250")
	k.say("MAIL FROM:<a@b.test>", "250")
	k.say("DATA", "503") // RFC 2033, 4.2
	for _, to := range []string{"desk@x.test", "desk@x.test", "desk2@x.test"} {
		k.say("RCPT TO:<"+to+">", "250")
	}
	k.say("RCPT TO:<other@x.test>", "550")
	k.say("DATA", "354")
	k.send(good + ".\r\nNOOP\r\n")
	for range 3 {
		k.want("250 2.0.0 Received")
	}
	k.want("250 2.0.0 Still")
	if e := b.got()[0]; !e.LMTP || len(e.To) != 2 || e.Remote.IsValid() {
		t.Errorf("%+v", e)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	// A socket left by a killed process does not keep the door shut.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	start(t, Options{LMTP: true, Network: "unix", Addr: path}, b)
	if err := New(Options{LMTP: true, Network: "unix", Addr: path}, b).Start(); err == nil {
		t.Error("a living socket was taken over")
	}
}
