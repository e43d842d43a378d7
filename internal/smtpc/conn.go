package smtpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// conn is one connection, owned by whoever took it.
type conn struct {
	r    Relay
	raw  net.Conn // the socket
	c    net.Conn // raw, or TLS over it
	in   *bufio.Reader
	ext  map[string]string // what EHLO offered, in upper case
	tls  bool
	used time.Time
}

// stepError says where a connection could not be made ready.
type stepError struct {
	stage string
	reply reply // zero when there was none
	err   error
}

func (e *stepError) Error() string { return e.stage + ": " + e.text() }
func (e *stepError) Unwrap() error { return e.err }

// text is the server's when it gave one.
func (e *stepError) text() string {
	switch {
	case e.reply.code != 0 && e.reply.text != "":
		return e.reply.text
	case errors.Is(e.err, context.Canceled):
		return "stopped by us"
	case errors.Is(e.err, os.ErrDeadlineExceeded), errors.Is(e.err, context.DeadlineExceeded):
		return "no answer in time"
	case e.err != nil:
		return printable(e.err.Error())
	}
	return "an answer that does not belong here"
}

var (
	errNoStartTLS = errors.New("TLS is required and the server does not offer STARTTLS")
	errClearPass  = errors.New("a password is configured and the connection has no verified TLS")
	errNoMech     = errors.New("the server offers neither AUTH PLAIN nor LOGIN")
	errClearNet   = errors.New("without TLS only a loopback or private address may be used")
	errPolicy     = errors.New("unknown TLS policy; use required, opportunistic or none")
)

// verify reports whether the certificate must be right. A password needs a
// proven receiver even where the policy would do without.
func (r *Relay) verify() bool { return r.TLS != TLSOpportunistic || r.Username != "" }

func (r *Relay) tlsConfig() *tls.Config {
	name := r.ServerName
	if name == "" {
		name, _, _ = net.SplitHostPort(r.Addr)
	}
	return &tls.Config{
		ServerName: name, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: !r.verify(),
	}
}

// connect makes a connection ready for MAIL.
func connect(ctx context.Context, r Relay) (*conn, error) {
	switch r.TLS {
	case TLSRequired, TLSOpportunistic:
	case TLSNone:
		if r.Username != "" && !r.Implicit {
			return nil, &stepError{stage: StageAuth, err: errClearPass}
		}
	default:
		return nil, &stepError{stage: StageConnect, err: errPolicy}
	}
	d := net.Dialer{Timeout: min(r.Timeout, 30*time.Second)}
	raw, err := d.DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return nil, &stepError{stage: StageConnect, err: err}
	}
	k := &conn{r: r, raw: raw}
	k.attach(raw)
	if err := k.guarded(ctx, k.prepare); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// guarded runs f, and breaks the connection under it when ctx ends.
func (k *conn) guarded(ctx context.Context, f func() error) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		k.raw.Close()
		close(done)
	})
	err := f()
	if !stop() {
		<-done
		if err == nil { // finished, but on a connection that is closed now
			err = ctx.Err()
		}
	}
	return err
}

func (k *conn) attach(c net.Conn) {
	k.c = c
	k.in = bufio.NewReaderSize(c, 4096)
}

// prepare goes from the banner to AUTH.
func (k *conn) prepare() error {
	if k.r.TLS == TLSNone && !k.r.Implicit && !nearby(k.raw.RemoteAddr()) {
		return &stepError{stage: StageConnect, err: errClearNet}
	}
	if k.r.Implicit {
		if err := k.handshake(); err != nil {
			return err
		}
	}
	if _, err := k.expect(StageBanner, 2, nil); err != nil {
		return err
	}
	if err := k.hello(); err != nil {
		return err
	}
	if err := k.secure(); err != nil {
		return err
	}
	return k.auth()
}

// nearby: what TLSNone is for.
func nearby(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	ip := ap.Addr().Unmap()
	return err == nil && (ip.IsLoopback() || ip.IsPrivate())
}

func (k *conn) hello() error {
	var lines []string
	if err := k.write("EHLO " + k.r.Hostname + "\r\n"); err != nil {
		return &stepError{stage: StageEHLO, err: err}
	}
	if _, err := k.expect(StageEHLO, 2, &lines); err != nil {
		return err
	}
	k.ext = map[string]string{}
	for i, l := range lines {
		if i == 0 {
			continue // the server's name
		}
		name, args, _ := strings.Cut(l, " ")
		k.ext[strings.ToUpper(name)] = strings.ToUpper(args)
	}
	return nil
}

// secure starts TLS as the policy says. A failed handshake never falls back to
// clear text, not even an opportunistic one: it would reward who breaks it.
func (k *conn) secure() error {
	_, offered := k.ext["STARTTLS"]
	switch {
	case k.tls, k.r.TLS == TLSNone:
		return nil
	case !offered && k.r.TLS == TLSRequired:
		return &stepError{stage: StageStartTLS, err: errNoStartTLS}
	case !offered:
		return nil
	}
	if err := k.write("STARTTLS\r\n"); err != nil {
		return &stepError{stage: StageStartTLS, err: err}
	}
	if _, err := k.expect(StageStartTLS, 2, nil); err != nil {
		return err
	}
	// attach below drops what was sent in clear behind the answer: it may be an
	// attacker's (RFC 3207, 5).
	if err := k.handshake(); err != nil {
		return err
	}
	return k.hello()
}

func (k *conn) handshake() error {
	t := tls.Client(k.raw, k.r.tlsConfig())
	k.deadline(min(k.r.Timeout, time.Minute))
	if err := t.Handshake(); err != nil {
		return &stepError{stage: StageTLS, err: err}
	}
	k.attach(t)
	k.tls = true
	return nil
}

// auth signs in by PLAIN (RFC 4616) or LOGIN, over verified TLS only.
func (k *conn) auth() error {
	if k.r.Username == "" {
		return nil
	}
	if !k.tls || !k.r.verify() {
		return &stepError{stage: StageAuth, err: errClearPass}
	}
	b64 := base64.StdEncoding.EncodeToString
	var say []string
	switch mechs := strings.Fields(k.ext["AUTH"]); {
	case slices.Contains(mechs, "PLAIN"):
		say = []string{"AUTH PLAIN " + b64([]byte("\x00"+k.r.Username+"\x00"+k.r.Password))}
	case slices.Contains(mechs, "LOGIN"):
		say = []string{"AUTH LOGIN", b64([]byte(k.r.Username)), b64([]byte(k.r.Password))}
	default:
		return &stepError{stage: StageAuth, err: errNoMech}
	}
	for i, line := range say {
		want := 3
		if i == len(say)-1 {
			want = 2
		}
		if err := k.write(line + "\r\n"); err != nil {
			return &stepError{stage: StageAuth, err: err}
		}
		if _, err := k.expect(StageAuth, want, nil); err != nil {
			return err
		}
	}
	return nil
}

// expect reads an answer of the wanted class within one step's time.
func (k *conn) expect(stage string, class int, lines *[]string) (reply, error) {
	k.deadline(k.r.Timeout)
	r, err := readReply(k.in, lines)
	if err != nil || r.class() != class {
		return r, &stepError{stage: stage, reply: r, err: err}
	}
	return r, nil
}

// write sends a command within one step's time.
func (k *conn) write(s string) error {
	k.deadline(k.r.Timeout)
	_, err := k.c.Write([]byte(s))
	return err
}

func (k *conn) deadline(d time.Duration) { k.raw.SetDeadline(time.Now().Add(d)) }

// reset makes the connection fit for another message after a refused one.
func (k *conn) reset(ctx context.Context) bool {
	return nil == k.guarded(ctx, func() error {
		if err := k.write("RSET\r\n"); err != nil {
			return err
		}
		_, err := k.expect("rset", 2, nil)
		return err
	})
}

// quiet reports that the server has neither hung up nor said anything: nothing
// is due between two transactions.
func (k *conn) quiet() bool {
	if k.in.Buffered() > 0 {
		return false
	}
	switch pending(k.raw) {
	case nothing:
		return true
	case something:
		if !k.tls {
			return false
		}
		// Perhaps only a session ticket: TLS tells by trying to read.
		k.raw.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := k.in.Peek(1)
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	return false
}

// quit is polite for a moment and then closes.
func (k *conn) quit() {
	k.deadline(min(k.r.Timeout, 2*time.Second))
	if _, err := k.c.Write([]byte("QUIT\r\n")); err == nil {
		readReply(k.in, nil)
	}
	k.close()
}

// close drops the connection without a word.
func (k *conn) close() { k.raw.Close() }
