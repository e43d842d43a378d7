package app

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/browsertest"
	"postern/internal/config"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/message"
	"postern/internal/portal"
	"postern/internal/vault"
)

// TestP5OptOutStory: a customer without JavaScript gives encryption up with open
// eyes, is asked a year later, does not answer and is protected again; gives it up
// once more, and takes it back by the button behind the link in a mail.
func TestP5OptOutStory(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = mk(t)
			}
			optOutStory(t, database)
		})
	}
}

// street is a desk that listens, with a clock that the test moves.
type street struct {
	*pages
	url string
	tab *browsertest.Tab
	b   *browsertest.Browser
}

func openStreet(t *testing.T, database string, clock func() time.Time) *street {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	url := fmt.Sprintf("https://localhost:%d", port)
	cfg, err := config.Load("", []string{"POSTERN_DATA_DIR=" + t.TempDir() + "/data", "POSTERN_DATABASE=" + database, "POSTERN_ORG_NAME=Northmere Savings", "POSTERN_ORG_MAILBOX=support@northmere.example", "POSTERN_LINKS_FETCH=false", "POSTERN_REPORT_CANARY=false",
		"POSTERN_WEB_URL=" + url, fmt.Sprintf("POSTERN_WEB_ADDR=127.0.0.1:%d", port), "POSTERN_SMTP_ADDR=off"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	if err := d.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(d.cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	b := browsertest.Start(t, base64.StdEncoding.EncodeToString(sum[:]))
	return &street{&pages{T: t, d: d, tokens: map[string]string{}}, url, b.Tab(t, browsertest.NoJS), b}
}

// withScripts is a tab where scripts run.
func (s *street) withScripts() *browsertest.Tab { return s.b.Tab(s.T) }

// enter lets the customer in by a code, as read out by a member of staff at a time
// when it counts as theirs alone.
func (s *street) enter(c contacts.ID, address string) {
	s.Helper()
	code := portal.NewCode()
	s.must(func(ctx context.Context, tx *db.Tx) error {
		return s.d.portal.IssueSignIn(ctx, tx, c, portal.AccessCode, "ivo", code)
	})
	s.tab.Go(s.url + "/my")
	if strings.Contains(s.tab.Text(), "your place") {
		return // still in
	}
	s.tab.Fill("#address", address)
	s.tab.Fill("#code", code)
	s.tab.Click(`form[action="/my/sign-in"] button`)
	s.tab.Wait("your place")
}

// mails are the texts of the mails in the tray that hold the words, newest first.
func (s *street) mails(words string) (out []string) {
	s.Helper()
	var sealed []*vault.Blob
	err := s.d.db.View(s.Context(), func(tx *db.Tx) error {
		sealed = nil
		list, err := s.d.outbox.Tray(s.Context(), tx, 100)
		for _, m := range list {
			b, err := s.d.vault.GetBlob(s.Context(), tx, m.RawBlob)
			if err != nil {
				return err
			}
			sealed = append(sealed, b)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	for _, b := range sealed {
		raw, err := b.Open()
		if err != nil {
			s.Fatal(err)
		}
		if text := message.Parse(raw).Root.Display().Text; strings.Contains(text, words) {
			out = append(out, text)
		}
	}
	return out
}

func (s *street) until(what string, f func() bool) {
	s.Helper()
	for range 400 {
		if f() {
			return
		}
		time.Sleep(50 * time.Millisecond) // other goroutines send
	}
	s.Fatalf("never happened: %s", what)
}

func optOutStory(t *testing.T, database string) {
	clock := make(chan time.Time, 1)
	clock <- time.Now().UTC().Truncate(time.Second)
	get := func() time.Time { n := <-clock; clock <- n; return n }
	later := func(d time.Duration) { clock <- (<-clock).Add(d) }
	s := openStreet(t, database, get)
	n := s.d.contacts.New("Lena", "lena@kestrelmail.example", "staff", get())
	s.must(func(ctx context.Context, tx *db.Tx) error { return s.d.contacts.Add(ctx, tx, n) })

	giveUp := func() {
		s.enter(n.ID, "lena@kestrelmail.example")
		s.tab.Go(s.url + "/my/protection/encryption")
		s.tab.Wait("Whoever gets into your mailbox, now or in ten years, reads everything that we ever sent you.")
		s.tab.Click(`button[value=give]`)
		s.tab.Wait("Tick that you have read what can happen")
		s.tab.Press("#agree")
		s.tab.Click(`button[value=give]`)
		s.tab.Wait("Your choice is recorded")
	}
	standing := func() int64 {
		return s.count(`SELECT COUNT(*) FROM consents WHERE scope = 'encryption' AND ended_at = 0 AND starts_at <= $1 AND expires_at > $1`, db.Micros(get()))
	}
	giveUp()
	if standing() != 0 {
		t.Error("by a code that one of us read out it counts at once")
	}
	later(25 * time.Hour)
	if standing() != 1 {
		t.Fatal("it does not count")
	}
	s.until("the receipt is out", func() bool { return len(s.mails("Encryption of my mails")) == 1 })

	// A year is nearly over: the question, and no answer.
	later(340 * 24 * time.Hour)
	for range 3 {
		if err := s.d.protection(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.until("the question is out", func() bool { return len(s.mails("If you do nothing, the protection comes back")) > 0 })
	if n := len(s.mails("If you do nothing, the protection comes back")); n != 1 {
		t.Errorf("asked %d times", n)
	}
	asked := len(s.mails("Encryption of my mails"))
	later(40 * 24 * time.Hour)
	if err := s.d.protection(t.Context()); err != nil {
		t.Fatal(err)
	}
	if standing() != 0 || s.count(`SELECT COUNT(*) FROM consents`) != 1 {
		t.Errorf("%d stand, and %d rows are kept", standing(), s.count(`SELECT COUNT(*) FROM consents`))
	}
	s.until("they are told that it is over", func() bool { return len(s.mails("Encryption of my mails")) > asked })

	// Once more, and back by the page: one click.
	giveUp()
	later(25 * time.Hour)
	s.enter(n.ID, "lena@kestrelmail.example")
	s.tab.Go(s.url + "/my/protection")
	s.tab.Wait("You gave this up on")
	s.tab.Click(`form[action="/my/protection/encryption/back"] button`)
	s.tab.Wait("You are protected again")
	if standing() != 0 {
		t.Error("it still stands")
	}
	// And by the link in a mail: a page with a button, that following opens nothing.
	giveUp()
	later(25 * time.Hour)
	var id string
	s.must(func(ctx context.Context, tx *db.Tx) error {
		list, err := db.Strings(ctx, tx, `SELECT id FROM consents WHERE ended_at = 0`)
		id = list[0]
		return err
	})
	link := regexp.MustCompile(`https://localhost:\d+/back/\S+`).FindString(strings.Join(s.mails("/back/"), "\n"))
	if link == "" {
		t.Fatalf("no link back in any mail of consent %s", id)
	}
	s.tab.Go(link)
	if standing() != 1 {
		t.Error("following the link did something")
	}
	s.tab.Click("main form button")
	s.tab.Wait("You are protected again")
	if standing() != 0 {
		t.Error("the button did nothing")
	}
}
