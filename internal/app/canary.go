package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/jobs"
	"postern/internal/security"
	"postern/internal/smtpc"
	"postern/internal/staff"
)

// canaryArgs: report a made-up hole to ourselves, and see whether the last one arrived.
type canaryArgs struct{}

func (canaryArgs) Kind() string { return "canaries" }

func (d *Desk) addCanaryJob() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ canaryArgs) error { return d.canaries(ctx) })
	d.jobs.Every(5*time.Minute, canaryArgs{}) // what is under way is judged, also where no more are sent
}

// canaryTexts are reports as people write them; a week has one of them. Each is
// recognised by its words alone.
var canaryTexts = []string{
	"I can see other customers' invoices when I change the number in the address of the page. This is a security problem; please pass it on to whoever is responsible for security.",
	"Your payment page is not secure: it loads over plain http and the form on it asks for name and card number. Anybody in the same network can read along.",
	"The search field of your site runs any script that I put into the address (reflected XSS). I tested it with an alert only. Whom do I tell?",
	"Ihre Anmeldeseite ist unsicher: Ich sehe nach dem Anmelden die Daten einer anderen Kundin, mit Adresse und Kontonummer. Bitte leiten Sie das an die IT-Sicherheit weiter.",
	"My account was not hacked. It is your page that shows the letters of other people to me, with their names. Please get me your security people.",
	"The backup of your database lies open on your server, and anybody can download it without a password. I found it by accident and deleted my copy.",
	"Der Link in Ihrer Mail führt auf eine Seite ohne https, und dort soll man Name und Kontonummer eingeben. Das ist eine Sicherheitslücke, kein Fehler von mir.",
}

// canaries sends what is due of this week's, and tells people of those that failed. It
// may run on several nodes and twice: a week and a door have one.
func (d *Desk) canaries(ctx context.Context) error {
	if !d.up.Load() {
		return nil
	}
	doors := map[string]func(context.Context, string) error{"form": d.canaryByForm}
	if d.addrs["smtp"] != "" { // mail that comes by LMTP alone has a server before it that we do not know
		doors["mail"] = d.canaryByMail
	}
	if !d.cfg.Canaries {
		clear(doors)
	}
	for door, send := range doors {
		var c *security.Canary
		err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
			c = nil
			if n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM staff`); err != nil || n == 0 {
				return err // nobody could be told
			}
			c, err = security.HatchCanary(ctx, tx, door)
			return err
		})
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		text := canaryTexts[int(c.Week)%len(canaryTexts)]
		if err := send(ctx, text+"\n\ncanary-"+c.Token); err != nil { // it will not arrive, and then people hear of it
			d.log.Warn("this week's canary could not be sent", "door", door, "err", err)
		}
	}
	return d.db.Update(ctx, func(tx *db.Tx) error {
		triagers, err := d.mailsOf(ctx, tx, func(p *staff.Person) bool { return p.May(staff.SecurityTriage) })
		if err != nil {
			return err
		}
		failed, err := d.security.JudgeCanaries(ctx, tx, len(triagers) > 0)
		if err != nil {
			return err
		}
		for _, c := range failed {
			if err := d.tellDoor(ctx, tx, doorArgs{Canary: c.Door, Why: c.Why}); err != nil {
				return err
			}
		}
		return nil
	})
}

// near is an address that listens on every interface, as this host reaches it.
func near(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return addr
	}
	return net.JoinHostPort("localhost", port)
}

// canaryByMail writes to the address that security.txt names, through our own SMTP door.
// It is marked as sent by a program, so nobody acknowledges it.
func (d *Desk) canaryByMail(ctx context.Context, text string) error {
	to := d.published.SecurityMail()
	addr := d.addrs["smtp"]
	if to == "" || addr == "" {
		return fail.New(fail.Unavailable, "no mailbox is open, or this node takes no mail by SMTP")
	}
	const from = "canary@canary.invalid"
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "From: <%s>\r\nTo: <%s>\r\nSubject: A report from the weekly canary\r\nDate: %s\r\nMessage-ID: <%s@canary.invalid>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		from, to, d.db.Now().Format(time.RFC1123Z), db.NewID(), strings.ReplaceAll(text, "\n", "\r\n"))
	client := smtpc.New(smtpc.Relay{Addr: near(addr), TLS: smtpc.TLSOpportunistic, Hostname: "localhost", Timeout: time.Minute})
	defer client.Close()
	if r := client.Send(ctx, from, to, raw.Bytes()); r.Outcome != smtpc.Sent {
		return fail.New(fail.Unavailable, "our own SMTP door answered: %s", r.Text)
	}
	return nil
}

// canaryByForm goes through the report form page by page, as a visitor without scripts,
// over TLS to our own pages.
func (d *Desk) canaryByForm(ctx context.Context, text string) error {
	client, err := d.ownVisitor()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return d.reportByForm(ctx, client, "canary", text)
}

// ownVisitor is a browser without scripts that knows our own pages alone, by the
// certificate that they have.
func (d *Desk) ownVisitor() (*http.Client, error) {
	roots := x509.NewCertPool()
	for _, der := range d.cert.Certificate { // it must be ours, whoever signed it
		if c, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(c)
		}
	}
	jar, err := cookiejar.New(nil)
	return &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, near(d.addrs["web.addr"]))
	}}}, err
}

// reportByForm hands a report in, without a name.
func (d *Desk) reportByForm(ctx context.Context, client *http.Client, affected, text string) error {
	for _, step := range []struct {
		path string
		form url.Values
		end  string
	}{{"/contact/affected", url.Values{"affected": {affected}}, "/contact/about/security"}, {"/contact/about/security", url.Values{"text": {text}}, "/contact/files"},
		{"/contact/files", url.Values{"do": {"on"}}, "/contact/you"}, {"/contact/you", nil, "/contact/check"}, {"/contact/send", nil, "/contact/done"}} {
		if err := postForm(ctx, client, d.cfg.URL+step.path, step.form, step.end); err != nil {
			return err
		}
	}
	return nil
}

// postForm posts one page of a form, and wants to come to the next.
func postForm(ctx context.Context, client *http.Client, target string, form url.Values, end string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "Postern's canary")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != end {
		return fail.New(fail.Unavailable, "%s answered %d and led to %s", target, res.StatusCode, res.Request.URL.Path)
	}
	return nil
}
