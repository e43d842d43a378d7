package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/app"
	"postern/internal/browsertest"
	"postern/internal/db/dbtest"
	"postern/internal/gpgtest"
)

var shots = flag.String("shots", "", "folder for pictures of the story's pages")

// desk is a running `postern serve`.
type desk struct {
	t          *testing.T
	dir        string
	url, smtp  string
	out        *output
	relay      *relay
	stop       func()
	env        []string
	spki       string
	httpClient *http.Client
}

// output gathers what the program prints while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *output) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// serve starts the program as its user would, with a relay on this machine.
func serve(t *testing.T, database string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), out: &output{}, relay: newRelay(t)}
	port, mail := freePort(t), freePort(t)
	d.url, d.smtp = "https://localhost:"+port, "127.0.0.1:"+mail
	d.env = []string{"POSTERN_DATA_DIR=" + d.dir, "POSTERN_WEB_URL=" + d.url, "POSTERN_WEB_ADDR=127.0.0.1:" + port, "POSTERN_SMTP_ADDR=" + d.smtp,
		"POSTERN_ORG_MAILBOX=support@northmere.example", "POSTERN_REPORT_CANARY=false", "POSTERN_ORG_PHONE=0555 0100", "POSTERN_RELAY_ADDR=" + d.relay.addr, "POSTERN_RELAY_TLS=none",
		"POSTERN_LOG_LEVEL=warn", "POSTERN_LINKS_FETCH=false"}
	if database != "" {
		d.env = append(d.env, "POSTERN_DATABASE="+database)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- app.Run(ctx, app.Env{Args: []string{"serve"}, Vars: d.env, Stdout: d.out, Stderr: d.out})
	}()
	var once sync.Once
	d.stop = func() {
		once.Do(func() {
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("serve ended with %d:\n%s", code, d.out)
			}
		})
	}
	t.Cleanup(d.stop)
	d.until("the program is up", func() bool { return strings.Contains(d.out.String(), "is running") })
	d.trust()
	return d
}

// trust takes the self-signed certificate from the data folder.
func (d *desk) trust() {
	b, err := os.ReadFile(filepath.Join(d.dir, "tls.crt"))
	if err != nil {
		d.t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	d.spki = base64.StdEncoding.EncodeToString(sum[:])
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	d.httpClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func (d *desk) until(what string, f func() bool) {
	d.t.Helper()
	await(f, func(string, ...any) { d.t.Fatalf("never happened: %s\n%s", what, d.out) })
}

// await polls what another process or goroutine does, for half a minute.
func await(f func() bool, fatalf func(string, ...any)) {
	for range 600 {
		if f() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	fatalf("it never happened")
}

func (d *desk) get(path string) []byte {
	d.t.Helper()
	res, err := d.httpClient.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		d.t.Fatalf("GET %s: %d, %v", path, res.StatusCode, err)
	}
	return b
}

// swaks sends a mail with an outside SMTP client, by STARTTLS.
func (d *desk) swaks(from string, mail []byte) {
	d.t.Helper()
	path, err := exec.LookPath("swaks")
	if err != nil {
		d.t.Fatal("swaks is not installed; install it with: apt-get install swaks")
	}
	file := filepath.Join(d.t.TempDir(), "mail")
	if err := os.WriteFile(file, bytes.ReplaceAll(mail, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
		d.t.Fatal(err)
	}
	out, err := exec.Command(path, "--server", d.smtp, "--tls", "--from", from, "--to", "support@northmere.example", "--data", "@"+file).CombinedOutput()
	if err != nil {
		d.t.Fatalf("swaks: %v\n%s", err, out)
	}
}

// relay is the mail server that sends for the desk: it keeps what it takes.
type relay struct {
	addr string
	mu   sync.Mutex
	got  []letter // guarded by mu
}

type letter struct {
	from, to string
	raw      []byte
}

func newRelay(t *testing.T) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &relay{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.talk(c)
		}
	}()
	return r
}

func (r *relay) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 relay")
	var m letter
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "MAIL":
			m = letter{from: between(line, "<", ">")}
			say("250 ok")
		case "RCPT":
			m.to = between(line, "<", ">")
			say("250 ok")
		case "DATA":
			say("354 go on")
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				m.raw = append(m.raw, strings.TrimPrefix(line, ".")...)
			}
			r.mu.Lock()
			r.got = append(r.got, m)
			r.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

// to returns the mails that went to an address and hold a text in their head.
func (r *relay) to(address string) (out []letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		if m.to == address {
			out = append(out, m)
		}
	}
	return out
}

// signedBy checks with GnuPG that a multipart/signed mail is the desk's, and
// returns its text.
func signedBy(t *testing.T, g *gpgtest.GPG, raw []byte, fpr string) string {
	t.Helper()
	boundary := regexp.MustCompile(`(?s)multipart/signed;.*?boundary="?([^";\r\n]+)`).FindSubmatch(raw)
	if boundary == nil {
		t.Fatalf("this mail is not signed:\n%.2000s", raw)
	}
	parts := bytes.Split(raw, append([]byte("\r\n--"), boundary[1]...))
	if len(parts) < 4 {
		t.Fatalf("%d parts", len(parts))
	}
	part, sig := bytes.TrimPrefix(parts[1], []byte("\r\n")), parts[2]
	status, err := g.Verify(sig[bytes.Index(sig, []byte("-----BEGIN")):], part)
	if err != nil || !status.Has("GOODSIG") || !strings.Contains(string(status), fpr) {
		t.Fatalf("gpg does not vouch for it: %v\n%s", err, status)
	}
	return unQP(string(part))
}

func unQP(s string) string {
	s = strings.ReplaceAll(s, "=\r\n", "")
	return regexp.MustCompile(`=([0-9A-F]{2})`).ReplaceAllStringFunc(s, func(h string) string {
		var b byte
		fmt.Sscanf(h[1:], "%02X", &b)
		return string([]byte{b})
	})
}

// armour cuts the encrypted block out of a mail.
func armour(raw []byte) []byte {
	i, j := bytes.Index(raw, []byte("-----BEGIN PGP MESSAGE-----")), bytes.Index(raw, []byte("-----END PGP MESSAGE-----"))
	if i < 0 || j < i {
		return nil
	}
	return raw[i : j+len("-----END PGP MESSAGE-----\r\n")]
}

// TestStory is the main job, end to end: real mail in, real mail out, a browser
// on both sides, GnuPG as the customer.
func TestStory(t *testing.T) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = url(t)
			}
			story(t, serve(t, database))
		})
	}
}

func story(t *testing.T, d *desk) {
	b := browsertest.Start(t, d.spki)
	agent := b.Tab(t, browsertest.Authenticator)

	// Set-up: one link, four lines; then a passkey, and in again with it.
	agent.Go(regexp.MustCompile(`https://\S+/desk/setup/\S+`).FindString(d.out.String()))
	agent.Fill("#org", "Northmere Savings")
	agent.Fill("#name", "Noor Bakker")
	agent.Fill("#email", "noor@northmere.example")
	agent.Click("main form button")
	agent.Wait("Your account")
	agent.Fill("#pkname", "Test device")
	agent.Press(`form[data-passkey=register] button`)
	agent.Wait("Added")
	agent.Click(`form[action="/desk/sign-out"] button`)
	agent.Wait("Sign in with a passkey")
	agent.Press(`form[data-passkey=login] button`)
	agent.Wait("No open cases")

	// The customer takes the desk's key from where mail programs look for it.
	ada := gpgtest.New(t)
	fpr := ada.Generate("Ada Brandt <ada@brandt.example>", "0", time.Time{})
	page := string(d.get("/keys"))
	desk := regexp.MustCompile(`/keys/([0-9A-F]{40})\.asc`).FindStringSubmatch(page)[1]
	ada.Import(d.get("/keys/" + desk + ".asc"))

	protectedAnswer(t, d, agent, ada, fpr, desk)
	keylessAnswer(t, d, b, agent, ada, desk)

	for _, tab := range []*browsertest.Tab{agent} {
		if c := tab.Complaints(); len(c) > 0 {
			t.Errorf("the browser complained: %q", c)
		}
	}
	d.stop()
	var out bytes.Buffer
	if code := app.Run(t.Context(), app.Env{Args: []string{"audit", "verify"}, Vars: d.env, Stdout: &out, Stderr: &out}); code != 0 || !strings.Contains(out.String(), "unbroken") {
		t.Errorf("audit verify: %d %s", code, &out)
	}
}

// protectedAnswer: signed and encrypted mail in; verdict; a key compared; a
// signed and encrypted answer out.
func protectedAnswer(t *testing.T, d *desk, agent *browsertest.Tab, ada *gpgtest.GPG, fpr, desk string) {
	m := &gpgtest.Mail{From: "Ada Brandt <ada@brandt.example>", To: "support@northmere.example", Subject: "...", Text: "Please tell me the balance of my account 4471.\n\nAda",
		Headers: ada.Autocrypt("ada@brandt.example", fpr)}
	d.swaks("ada@brandt.example", ada.Encrypted(m, fpr, desk))
	d.until("the receipt is out", func() bool { return len(d.relay.to("ada@brandt.example")) == 1 })
	receipt := d.relay.to("ada@brandt.example")[0]
	text := signedBy(t, ada, receipt.raw, desk)
	if !strings.Contains(text, "A person will answer you") || strings.Contains(text, "4471") || receipt.from != "" {
		t.Errorf("receipt from %q:\n%s", receipt.from, text)
	}

	agent.Go(d.url + "/desk/inbox")
	agent.Wait("Signed, key not checked yet")
	agent.Click(".rows .row a")
	agent.Wait("Please tell me the balance of my account 4471.")
	agent.Wait("Encrypted to us")
	agent.Click(`.keys a.btn`) // compare the fingerprint, on a call to the number on file
	agent.Press(`details:has(#phone) > summary`)
	agent.Fill("#phone", "0171 5550143")
	agent.Click(`form[action$="/phones"] button`)
	agent.Wait("•• 43")
	agent.Press(`details:has(input[name=via]) > summary`)
	agent.Press(`input[name=via][value="call-back"]`)
	agent.Press(`input[name=same]`)
	agent.Click(`form[action$="/verify"] button`)
	agent.Wait("Key checked by call-back")
	agent.Go(d.url + "/desk/inbox")
	d.until("the message is judged again", func() bool { agent.Go(d.url + "/desk/inbox"); return strings.Contains(agent.Text(), "Signed, checked") })
	agent.Click(".rows .row a")
	agent.Wait("Signed by Ada’s key — checked by call-back")
	agent.Wait("Send encrypted")
	agent.Fill("#text", "Dear Ada,\n\nyour balance is 1,204.50.\n\nNoor Bakker")
	for _, w := range []int64{1280, 390} {
		for _, theme := range []string{"light", "dark"} {
			agent.Shot(*shots, "case-encrypted", w, theme)
		}
	}
	agent.Click("[data-send]")
	agent.Wait("Nothing has left yet")
	var raw, plain []byte
	var status gpgtest.Status
	d.until("the answer is out", func() bool { // not what tells her that her key was checked
		for _, m := range d.relay.to("ada@brandt.example") {
			if block := armour(m.raw); block != nil {
				var err error
				if plain, status, err = ada.Decrypt(block); err != nil {
					t.Fatalf("gpg: %v\n%s\n%s", err, status, m.raw)
				}
				if raw = m.raw; strings.Contains(unQP(string(plain)), "your balance") {
					return true
				}
			}
		}
		return false
	})
	if bytes.Contains(raw, []byte("balance")) || bytes.Contains(raw, []byte("1,204")) {
		t.Error("the answer left readable")
	}
	if !status.Has("GOODSIG") || !strings.Contains(string(status), desk) {
		t.Fatalf("gpg: %s\n%s", status, raw)
	}
	if s := unQP(string(plain)); !strings.Contains(s, "your balance is 1,204.50.") {
		t.Errorf("the answer reads\n%s", s)
	}
}

// keylessAnswer: plain mail in by an outside client; the answer waits on the
// portal; notice, code by telephone, message, reply.
func keylessAnswer(t *testing.T, d *desk, b *browsertest.Browser, agent *browsertest.Tab, g *gpgtest.GPG, desk string) {
	emre := &gpgtest.Mail{From: "Emre <emre@kestrelmail.example>", To: "support@northmere.example", Subject: "My October statement", Text: "May I have my statement?"}
	d.swaks("emre@kestrelmail.example", emre.Plain())
	d.until("the case is there", func() bool {
		agent.Go(d.url + "/desk/inbox")
		return strings.Contains(agent.Text(), "My October statement")
	})
	agent.Click(".rows .row a")
	agent.Wait("Not signed")
	caseURL, _, _ := strings.Cut(agent.URL(), "#")
	agent.Click(".side h2 a")
	agent.Press(`details:has(#phone) > summary`)
	agent.Fill("#phone", "0171 5550142")
	agent.Click(`form[action$="/phones"] button`)
	agent.Wait("•• 42")
	agent.Go(caseURL)
	agent.Press("input[name=sensitive]")
	agent.Fill("#text", "Dear Emre, you spent 312.20 in October.")
	agent.Wait("Send by portal")
	for _, theme := range []string{"light", "dark"} {
		agent.Shot(*shots, "case-portal", 1280, theme)
	}
	agent.Click("[data-send]")
	raw := d.notices("emre@kestrelmail.example", 1)[0].raw
	notice := signedBy(t, g, raw, desk)
	if strings.Contains(notice, "312.20") || strings.Contains(notice, "October") || bytes.Contains(raw, []byte("October")) {
		t.Errorf("the notice says something:\n%s", notice)
	}
	link := regexp.MustCompile(`https://\S+/m/[0-9a-z]+`).FindString(notice)

	customer := b.Tab(t, browsertest.NoJS)
	customer.Go(link)
	customer.Wait("A secure message waits for you")
	shoot(customer, "portal-open")
	customer.Click("main form button")
	customer.Wait("Prove that it is you")
	customer.Fill("#code", "0000 0000")
	customer.Click(`form[action$="/code"] button`)
	customer.Wait("That did not open the message")

	agent.Go(caseURL)
	agent.Wait("Second factor refused, not viewed")
	agent.Click(`form[action$="/code"] button`)
	code := regexp.MustCompile(`\b\d{4} \d{4}\b`).FindString(agent.Text())
	if code == "" {
		t.Fatalf("no code on the page:\n%s", agent.Text())
	}
	customer.Fill("#code", code)
	shoot(customer, "portal-prove")
	customer.Click(`form[action$="/code"] button`)
	customer.Wait("Dear Emre, you spent 312.20 in October.")
	shoot(customer, "portal-message")
	customer.Fill("#text", "Thank you. The 14th was not me!")
	customer.Click(`button[value=send]`)
	customer.Wait("We have your answer")

	agent.Go(caseURL)
	agent.Wait("The 14th was not me!")
	agent.Wait("Sent in the portal")
	agent.Wait("Viewed, after the second factor")
	for _, w := range []int64{1280, 390} {
		agent.Shot(*shots, "case-thread", w, "light")
	}
	passkeyAnswer(t, d, b, agent, g, desk, caseURL, link)
}

// passkeyAnswer: the customer adds a passkey after a code, and opens the next
// message with it, without a call.
func passkeyAnswer(t *testing.T, d *desk, b *browsertest.Browser, agent *browsertest.Tab, g *gpgtest.GPG, desk, caseURL, link string) {
	customer := b.Tab(t, browsertest.Authenticator)
	agent.Click(`form[action$="/code"] button`)
	code := regexp.MustCompile(`\b\d{4} \d{4}\b`).FindString(agent.Text())
	customer.Go(link)
	customer.Click("main form button")
	customer.Fill("#code", code)
	customer.Click(`form[action$="/code"] button`)
	customer.Wait("Next time without a call")
	customer.Press(`form[data-passkey=register] button`)
	d.until("the passkey is added", func() bool { return !strings.Contains(customer.Text(), "Next time without a call") })
	customer.Click(`form[action$="/sign-out"] button`)
	customer.Wait("You are signed out")

	agent.Go(caseURL)
	agent.Fill("#text", "Dear Emre, the booking of the 14th was taken back.")
	agent.Wait("their passkey opens it")
	agent.Click("[data-send]")
	notices := d.notices("emre@kestrelmail.example", 2)
	notice := signedBy(t, g, notices[1].raw, desk)
	customer.Go(regexp.MustCompile(`https://\S+/m/[0-9a-z]+`).FindString(notice))
	customer.Click("main form button")
	customer.Press(`form[data-passkey=login] button`)
	customer.Wait("the booking of the 14th was taken back")
	if c := customer.Complaints(); len(c) > 0 {
		t.Errorf("the customer's browser complained: %q", c)
	}
}

// notices waits until so many say that a message waits on the portal.
func (d *desk) notices(address string, n int) (out []letter) {
	d.t.Helper()
	d.until("the notice is out", func() bool {
		out = nil
		for _, m := range d.relay.to(address) {
			if bytes.Contains(m.raw, []byte("A secure message")) {
				out = append(out, m)
			}
		}
		return len(out) == n
	})
	return out
}

func shoot(tab *browsertest.Tab, name string) {
	for _, w := range []int64{1280, 390} {
		for _, theme := range []string{"light", "dark"} {
			tab.Shot(*shots, name, w, theme)
		}
	}
}
