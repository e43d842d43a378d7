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
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"postern/bench/load"
	"postern/internal/pgp"
)

// deskUnder is `postern serve` under measurement.
type deskUnder struct {
	*process
	url, metrics string
	http         *http.Client
	out          *bytes.Buffer
	mu           sync.Mutex
	sink         *load.Sink
	first        time.Duration // from the start of the process to the first 220 and page
}

func port() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func startDesk(dir, database string) (*deskUnder, error) {
	data := filepath.Join(dir, fmt.Sprintf("data-%d", time.Now().UnixNano()))
	sink, err := load.NewSink()
	if err != nil {
		return nil, err
	}
	web, smtp, metrics := port(), port(), port()
	d := &deskUnder{url: "https://localhost:" + web, metrics: "http://127.0.0.1:" + metrics + "/metrics", out: &bytes.Buffer{}, sink: sink}
	c := exec.Command(filepath.Join(dir, "postern"), "serve")
	c.Env = append(os.Environ(), "POSTERN_DATA_DIR="+data, "POSTERN_DATABASE="+database, "POSTERN_WEB_URL="+d.url, "POSTERN_WEB_ADDR=127.0.0.1:"+web, "POSTERN_SMTP_ADDR=127.0.0.1:"+smtp,
		"POSTERN_METRICS_ADDR=127.0.0.1:"+metrics, "POSTERN_ORG_MAILBOX="+box, "POSTERN_SMTP_MAX_CONNECTIONS_PER_IP=100", "POSTERN_RELAY_ADDR="+sink.Addr(), "POSTERN_RELAY_TLS=none", "POSTERN_LOG_LEVEL=error")
	c.Stdout, c.Stderr = writer{d}, os.Stderr
	d.process = &process{cmd: c, addr: "127.0.0.1:" + smtp}
	start := time.Now()
	if err := c.Start(); err != nil {
		return nil, err
	}
	for time.Since(start) < 20*time.Second {
		if strings.Contains(d.said(), "is running") {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	cert, err := os.ReadFile(filepath.Join(data, "tls.crt"))
	if err != nil {
		return nil, fmt.Errorf("the desk did not start: %w", err)
	}
	block, _ := pem.Decode(cert)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	jar, _ := cookiejar.New(nil)
	d.http = &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 20}, Timeout: 30 * time.Second}
	if _, err := d.get("/keys"); err != nil {
		return nil, err
	}
	d.first = time.Since(start)
	return d, nil
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
	io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusSeeOther {
		err = fmt.Errorf("POST %s: %s", path, res.Status)
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
		for range 6000 {
			if d.filed() >= total {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return fmt.Errorf("only %.0f of %.0f mails were filed", d.filed(), total)
	}
}

// postern measures the desk on one kind of database.
func (l *lab) postern(kind, database string) error {
	d, err := startDesk(l.dir, database)
	if err != nil {
		return err
	}
	defer d.stop()
	fmt.Printf("\nPostern on %s: first page %s after its start, %d MiB idle.\n", kind, ms(d.first), d.memory("VmRSS")>>20)
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
			d.mark()
			r, err := l.measure(d.addr, what, n, wait)
			if err != nil {
				return err
			}
			cpu, rss := d.usage()
			ref := l.ref[what][n].Rate()
			fmt.Printf("  in  %-5s %2d connections  %7.0f mails/s complete   p50 %6s  p95 %6s   %5.2f ms CPU a mail   %4d MiB peak   %3.0f%% of the bound\n",
				what, n, r.Rate(), ms(r.P50), ms(r.P95), cpu*1000/float64(r.N+20+10*n), rss>>20, 100*r.Rate()/ref)
		}
	}
	return l.answers(d)
}

// answers measures the way out: an agent's POST, and the drain into the sink.
func (l *lab) answers(d *deskUnder) error {
	if err := d.setUp(); err != nil {
		return err
	}
	ids, err := d.verifiedCases()
	if err != nil {
		return err
	}
	d.sink.Reset()
	const n, agents = 600, 2
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	errs := make(chan error, agents)
	for w := range agents {
		wg.Go(func() {
			for i := w; i < n; i += agents {
				start := time.Now()
				id := ids[i%len(ids)]
				if err := d.postOnly("/desk/cases/"+id[0]+"/send", url.Values{"text": {l.mails.text}, "to": {id[1]}, "sensitive": {"1"}, "do": {"send"}}); err != nil {
					select {
					case errs <- err:
					default:
					}
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	d.mark()
	for range 1200 {
		if d.sink.Count() >= n {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	cpu, rss := d.usage()
	fmt.Printf("  out se: an agent's send answered p50 %s p95 %s (2 agents at once)   %d left at %.0f/s, %.2f ms CPU each, %d MiB peak\n", ms(took[n/2]), ms(took[n*95/100]),
		d.sink.Count(), float64(d.sink.Count())/d.sink.Seconds(), cpu*1000/n, rss>>20)
	return nil
}

// setUp signs the first person in, through the link that the desk printed.
func (d *deskUnder) setUp() error {
	link := regexp.MustCompile(`/desk/setup/\S+`).FindString(d.said())
	return d.post(link, url.Values{"org": {"Northmere"}, "support": {box}, "name": {"Noor"}, "email": {"noor@northmere.example"}})
}

// verifiedCases compares the keys of some customers, through the forms, and
// returns a case and its contact for each.
func (d *deskUnder) verifiedCases() (out [][2]string, err error) {
	page, err := d.get("/desk/contacts")
	if err != nil {
		return nil, err
	}
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
		if err := d.post(form[1], url.Values{"via": {"call-back"}, "same": {"1"}}); err != nil {
			return nil, err
		}
		for _, c := range ca {
			out = append(out, [2]string{c[1], m[1]})
		}
		if len(out) > 400 {
			break
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no customer with a key was found")
	}
	return out, nil
}
