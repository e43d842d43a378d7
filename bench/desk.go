package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"postern/bench/load"
	"postern/internal/pgp"
)

// deskUnder is `postern serve` under measurement.
type deskUnder struct {
	*process
	binary, data       string
	env                []string
	url, smtp, metrics string
	http               *http.Client
	cert               *x509.Certificate // its own, which the load trusts
	sink               *load.Sink

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

func port() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// newDesk prepares a desk with a data folder and doors of its own.
func newDesk(dir, database string) (*deskUnder, error) {
	sink, err := load.NewSink()
	if err != nil {
		return nil, err
	}
	web, smtp, metrics := port(), port(), port()
	d := &deskUnder{binary: filepath.Join(dir, "postern"), data: filepath.Join(dir, fmt.Sprintf("data-%d", time.Now().UnixNano())), sink: sink,
		url: "https://localhost:" + web, smtp: "127.0.0.1:" + smtp, metrics: "http://127.0.0.1:" + metrics + "/metrics"}
	d.env = append(os.Environ(), "POSTERN_DATA_DIR="+d.data, "POSTERN_DATABASE="+database, "POSTERN_WEB_URL="+d.url, "POSTERN_WEB_ADDR=127.0.0.1:"+web, "POSTERN_SMTP_ADDR="+d.smtp,
		"POSTERN_METRICS_ADDR=127.0.0.1:"+metrics, "POSTERN_ORG_MAILBOX="+box, "POSTERN_SMTP_MAX_CONNECTIONS_PER_IP=100", "POSTERN_RELAY_ADDR="+sink.Addr(), "POSTERN_RELAY_TLS=none", "POSTERN_LOG_LEVEL=error", "POSTERN_LINKS_FETCH=false", "POSTERN_REPORT_CANARY=false")
	return d, nil
}

// start runs the desk and returns after how long it greeted a mail client and
// served a page. The page comes over TLS with the desk's own certificate.
func (d *deskUnder) start() (time.Duration, error) {
	c := exec.Command(d.binary, "serve")
	c.Env, c.Stdout, c.Stderr = d.env, writer{d}, os.Stderr
	d.process = &process{cmd: c, addr: d.smtp}
	start := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	if !awaits(d.smtp, 20*time.Second) {
		return 0, fmt.Errorf("the desk did not start")
	}
	if d.http == nil {
		if err := d.trust(); err != nil {
			return 0, err
		}
	}
	d.http.CloseIdleConnections()
	for {
		if _, err := d.get("/keys"); err == nil {
			return time.Since(start), nil
		} else if time.Since(start) > 20*time.Second {
			return 0, err
		}
		time.Sleep(time.Millisecond)
	}
}

// greets reports whether a mail client hears 220.
func greets(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	var b [3]byte
	_, err = io.ReadFull(c, b[:])
	return err == nil && string(b[:]) == "220"
}

// awaits waits until a mail client hears 220; false: it did not within that time.
func awaits(addr string, within time.Duration) bool {
	for until := time.Now().Add(within); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if greets(addr) {
			return true
		}
	}
	return false
}

// trust makes the browser, which knows the desk's own certificate and no other.
func (d *deskUnder) trust() error {
	cert, err := os.ReadFile(filepath.Join(d.data, "tls.crt"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(cert)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	d.cert = parsed
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	jar, _ := cookiejar.New(nil)
	d.http = &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 20}, Timeout: 30 * time.Second}
	return nil
}

// writer gathers what the desk prints.
type writer struct{ d *deskUnder }

func (w writer) Write(p []byte) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	return w.d.out.Write(p)
}

func (d *deskUnder) said() string { d.mu.Lock(); defer d.mu.Unlock(); return d.out.String() }

func (d *deskUnder) get(path string) (string, error) {
	res, err := d.http.Get(d.url + path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return string(b), err
}

func (d *deskUnder) post(path string, form url.Values) error {
	res, err := d.http.PostForm(d.url+path, form)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 {
		err = fmt.Errorf("POST %s: %s\n%.300s", path, res.Status, b)
	}
	return err
}

// postOnly posts a form and does not fetch the page that the answer points to.
func (d *deskUnder) postOnly(path string, form url.Values) error {
	c := *d.http
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.PostForm(d.url+path, form)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusSeeOther {
		said := regexp.MustCompile(`<div class="errs".*?</div>`).Find(b)
		err = fmt.Errorf("POST %s: %s: %s", path, res.Status, said)
	}
	return err
}

// key takes the desk's public key from where customers find it.
func (d *deskUnder) key() (*pgp.Key, error) {
	page, err := d.get("/keys")
	if err != nil {
		return nil, err
	}
	path := regexp.MustCompile(`/keys/[0-9A-F]{40}\.asc`).FindString(page)
	data, err := d.get(path)
	if err != nil {
		return nil, err
	}
	keys, err := pgp.ParseKeys([]byte(data))
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

var filedLine = regexp.MustCompile(`(?m)^postern_intake_events_total\{event="filed"\} (\S+)`)

// filed is how many mails were handled completely.
func (d *deskUnder) filed() float64 {
	res, err := http.Get(d.metrics)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	m := filedLine.FindSubmatch(b)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	return n
}

// waiter returns what waits until so many more mails are filed.
func (d *deskUnder) waiter() func(int) error {
	total := d.filed()
	return func(n int) error {
		total += float64(n)
		for range 3000 {
			if d.filed() >= total {
				return nil
			}
			time.Sleep(20 * time.Millisecond) // asking costs the desk something too
		}
		return fmt.Errorf("only %.0f of %.0f mails were filed", d.filed(), total)
	}
}

// postern measures the desk on one kind of database.
func (l *lab) postern(kind, database string) error {
	bound, err := l.wayOut(kind, database)
	if err != nil {
		return err
	}
	d, err := newDesk(l.dir, database)
	if err != nil {
		return err
	}
	first, err := d.start()
	if err != nil {
		return err
	}
	defer func() { d.stop() }()
	idle := d.memory("VmRSS") >> 20
	fmt.Printf("\nPostern on %s: first page %s after its first start (keys and tables are made), %d MiB idle.\n", kind, ms(first), idle)
	k, err := d.key()
	if err != nil {
		return err
	}
	l.mails.toDesk(k)
	if _, err := load.Run(d.addr, 4, l.mails.introductions()); err != nil {
		return err
	}
	wait := d.waiter()
	time.Sleep(time.Second)
	for _, what := range []string{"se", "plain"} {
		for _, n := range connections {
			if err := l.in(d, kind, what, n, wait); err != nil {
				return err
			}
		}
	}
	if err := l.flood(d, kind, wait); err != nil {
		return err
	}
	if err := l.large(d, kind, wait); err != nil {
		return err
	}
	if err := l.apart(d, kind); err != nil {
		return err
	}
	return l.answers(d, kind, bound)
}

// in measures the way in with one kind of mail on so many connections.
func (l *lab) in(d *deskUnder, kind, what string, n int, wait func(int) error) error {
	d.mark()
	r, whole, err := l.measure(d.addr, what, n, wait)
	if err != nil {
		return err
	}
	cpu, rss := d.usage()
	part := whole / l.ref[what][n].Rate()
	fmt.Printf("  in  %-5s %2d connections  %3.0f%% of the bound   %6.0f mails/s complete, %6.0f accepted   p50 %7s  p95 %7s   %5.2f ms CPU a mail   %4d MiB peak\n",
		what, n, 100*part, whole, r.Rate(), ms(r.P50), ms(r.P95), cpu*1000/float64(r.N+20+10*n), rss>>20)
	where := fmt.Sprintf("%s, in %s, %d connections", kind, what, n)
	if what == "plain" {
		l.least("2", where+": of Postfix's accept", whole/l.postfix[n], 1.5, "x")
		return nil
	}
	switch n {
	case 1:
		l.least("1", where+": of the bound", part, 0.6, "")
	case 50:
		l.least("1", where+": of the bound", part, 0.5, "")
		l.most("6", where+": memory", float64(rss)/(1<<20), 160, " MiB")
	}
	return nil
}

// large measures how much memory one mail of 25 MB adds.
func (l *lab) large(d *deskUnder, kind string, wait func(int) error) error {
	time.Sleep(2 * time.Second)
	before := d.memory("VmRSS")
	d.mark()
	m := l.mails.large(25 << 20)
	if _, err := load.Run(d.addr, 1, []load.Mail{m}); err != nil {
		return fmt.Errorf("25 MB: %w", err)
	}
	if err := wait(1); err != nil {
		return err
	}
	_, peak := d.usage()
	times := float64(peak-before) / float64(len(m.Raw))
	fmt.Printf("  in  one mail of 25 MB: %d MiB before, %d MiB peak: %.1f times its size\n", before>>20, peak>>20, times)
	l.most("6", kind+", a 25 MB mail: memory added, of its size", times, 2, "x")
	return nil
}

// verifiedCases compares the keys of some customers, through the forms, and
// returns a case and its contact for each.
func (d *deskUnder) verifiedCases() (out [][2]string, err error) {
	page, err := d.get("/desk/contacts")
	if err != nil {
		return nil, err
	}
	compared := 0 // the desk lets nobody compare more than twenty an hour
	for _, m := range regexp.MustCompile(`href="/desk/contacts/([0-9a-z]{26})"`).FindAllStringSubmatch(page, -1) {
		one, err := d.get("/desk/contacts/" + m[1])
		if err != nil {
			return nil, err
		}
		form := regexp.MustCompile(`action="(/desk/contacts/[^"]+/verify)"`).FindStringSubmatch(one)
		ca := regexp.MustCompile(`href="/desk/cases/([0-9a-z]{26})"`).FindAllStringSubmatch(one, 12)
		if form == nil || len(ca) == 0 {
			continue
		}
		if err := d.post(form[1], url.Values{"via": {"in person"}, "same": {"1"}}); err != nil {
			return nil, err
		}
		for _, c := range ca {
			out = append(out, [2]string{c[1], m[1]})
		}
		if compared++; compared == 20 {
			break
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no customer with a key was found")
	}
	return out, nil
}
