package texts_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/safehttp"
	"postern/internal/texts"
	"postern/internal/vault"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// desk has texts that go to a sender, and a clock that the test moves.
type desk struct {
	*testing.T
	*texts.Texts
	d   *db.DB
	now time.Time
}

func each(t *testing.T, sender func(d *db.DB, v *vault.Vault) texts.Sender, f func(s *desk)) {
	s := &desk{now: noon}
	dbtest.EachAt(t, func() time.Time { return s.now }, func(t *testing.T, d *db.DB) {
		s.now = noon
		v, err := vault.New(vault.NewMaster())
		if err != nil {
			t.Fatal(err)
		}
		s.T, s.d, s.Texts = t, d, texts.New(d, v, sender(d, v))
		f(s)
	})
}

func (s *desk) must(f func(ctx context.Context, tx *db.Tx) error) {
	s.Helper()
	if err := s.d.Update(s.Context(), func(tx *db.Tx) error { return f(s.Context(), tx) }); err != nil {
		s.Fatal(err)
	}
}

func (s *desk) ask(network string) (id texts.ID) {
	s.Helper()
	s.must(func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = s.Ask(ctx, tx, "ada@canary.example", network)
		return err
	})
	return id
}

// queue is a text that waits.
func (s *desk) queue() (id texts.ID) {
	s.Helper()
	id = s.ask("192.0.2.1")
	s.must(func(ctx context.Context, tx *db.Tx) error {
		x, err := s.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		return s.Queue(ctx, tx, x, "ada", "+44 555 0142", "Northmere: 4821 0937 is your code")
	})
	return id
}

func (s *desk) get(id texts.ID) (x *texts.Text) {
	s.Helper()
	s.must(func(ctx context.Context, tx *db.Tx) (err error) { x, err = s.Get(ctx, tx, id); return err })
	return x
}

// clear reports whether any row of the texts holds s readably.
func (s *desk) clear(words ...string) bool {
	s.Helper()
	found := false
	s.must(func(ctx context.Context, tx *db.Tx) error {
		for _, q := range []string{`SELECT doc FROM texts`, `SELECT doc FROM captured_texts`} {
			list, err := db.List(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, q)
			if err != nil {
				return err
			}
			for _, b := range list {
				for _, w := range words {
					found = found || strings.Contains(string(b), w)
				}
			}
		}
		return nil
	})
	return found
}

func nobody(*db.DB, *vault.Vault) texts.Sender { return nil }

func TestWithoutAProviderNothingIsAsked(t *testing.T) {
	each(t, nobody, func(s *desk) {
		err := s.d.Update(s.Context(), func(tx *db.Tx) error {
			_, err := s.Ask(s.Context(), tx, "ada@canary.example", "192.0.2.1")
			return err
		})
		if s.On() || !fail.Is(err, fail.Denied) {
			s.Errorf("on: %v, %v", s.On(), err)
		}
	})
}

func capture(d *db.DB, v *vault.Vault) texts.Sender { return texts.NewCapture(d, v) }

func TestNetworkHasItsLimit(t *testing.T) {
	each(t, capture, func(s *desk) {
		for range texts.PerNetwork {
			if s.ask("192.0.2.1") == "" {
				s.Fatal("refused within the limit")
			}
		}
		if s.ask("192.0.2.1") != "" {
			s.Error("one more was taken")
		}
		if s.ask("192.0.2.2") == "" {
			s.Error("another network pays for it")
		}
		s.now = s.now.Add(time.Hour)
		if s.ask("192.0.2.1") == "" {
			s.Error("an hour later it is still refused")
		}
	})
}

func TestPersonHasLimitsByHourAndDay(t *testing.T) {
	each(t, capture, func(s *desk) {
		allowed := func() (ok bool) {
			s.must(func(ctx context.Context, tx *db.Tx) (err error) { ok, err = texts.Allowed(ctx, tx, "ada"); return err })
			return ok
		}
		for hour := range 2 {
			for range texts.PerHour {
				if !allowed() {
					s.Fatalf("refused within the limit, hour %d", hour)
				}
				s.queue()
			}
			if allowed() {
				s.Errorf("a fourth in hour %d", hour)
			}
			s.now = s.now.Add(time.Hour)
		}
		if allowed() {
			s.Error("a seventh in a day")
		}
		s.now = s.now.Add(23 * time.Hour)
		if !allowed() {
			s.Error("a day later still refused")
		}
	})
}

func TestCapturedTextIsSealedAndRead(t *testing.T) {
	each(t, capture, func(s *desk) {
		id := s.queue()
		if s.clear("canary", "0142", "4821") {
			s.Error("a waiting text can be read in its row")
		}
		if err := s.Deliver(s.Context(), id); err != nil {
			s.Fatal(err)
		}
		if s.clear("0142", "4821") {
			s.Error("a captured text can be read in its row")
		}
		if x := s.get(id); x.State != texts.Sent || x.Doc != (texts.Doc{}) {
			s.Errorf("%+v", x)
		}
		var list []texts.Captured
		s.must(func(ctx context.Context, tx *db.Tx) (err error) { list, err = s.Captured(ctx, tx, 10); return err })
		if len(list) != 1 || list[0].Number != "+44 555 0142" || !strings.Contains(list[0].Text, "4821 0937") || !list[0].At.Equal(noon) {
			s.Errorf("%+v", list)
		}
		if err := s.Deliver(s.Context(), id); err != nil {
			s.Error(err)
		}
		s.must(func(ctx context.Context, tx *db.Tx) (err error) { list, err = s.Captured(ctx, tx, 10); return err })
		if len(list) != 1 {
			s.Errorf("sent twice: %d", len(list))
		}
	})
}

// broken is a provider who never takes anything.
type broken struct{ tries *int }

func (b broken) Send(context.Context, string, string) error {
	*b.tries++
	return fail.New(fail.Unavailable, "the provider answered 503")
}

func TestFailureIsTriedAgainAndThenRecorded(t *testing.T) {
	tries := 0
	each(t, func(*db.DB, *vault.Vault) texts.Sender { return broken{&tries} }, func(s *desk) {
		tries = 0
		id := s.queue()
		for n := range 2 {
			if err := s.Deliver(s.Context(), id); !fail.Is(err, fail.Unavailable) {
				s.Fatalf("no error, so nobody tries again: %v", err)
			}
			if x := s.get(id); x.State != texts.Waiting || x.Attempts != int64(n+1) || x.Reason != "the provider answered 503" {
				s.Errorf("%+v", x)
			}
			s.now = s.now.Add(texts.Life / 2)
		}
		if err := s.Deliver(s.Context(), id); err != nil {
			s.Errorf("given up, and tried again: %v", err)
		}
		if x := s.get(id); x.State != texts.Failed || x.Doc != (texts.Doc{}) || tries != 2 {
			s.Errorf("%+v after %d tries", x, tries)
		}
		var rows []audit.Row
		s.must(func(ctx context.Context, tx *db.Tx) (err error) {
			rows, err = audit.About(ctx, tx, "ada", 10)
			return err
		})
		if len(rows) != 1 || rows[0].Act != "text.failed" || !strings.HasSuffix(rows[0].Detail, "the provider answered 503") || strings.Contains(rows[0].Detail, "4821") {
			s.Errorf("recorded: %+v", rows)
		}
	})
}

// receiver is a provider's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []call
}

type call struct{ id, at, signature, body, kind string }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newReceiver(t *testing.T) (*receiver, texts.Sender) {
	r := &receiver{status: 202}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, call{q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Timestamp"), q.Header.Get("Webhook-Signature"), string(b), q.Method + " " + q.Header.Get("Content-Type")})
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.status)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	client := safehttp.New(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: roots})
	w, err := texts.NewWebhook(client, r.URL+"/send", secret, texts.SMS, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// signed checks a call as any receiver would (Standard Webhooks, "Signature scheme").
func (c call) signed() bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	h := hmac.New(sha256.New, key)
	io.WriteString(h, c.id+"."+c.at+"."+c.body)
	return c.signature == "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestWebhookIsSignedAndSaysWhat(t *testing.T) {
	r, w := newReceiver(t)
	for range 2 {
		if err := w.Send(t.Context(), "+44 555 0142", "a code"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Send(t.Context(), "+44 555 0142", "another code"); err != nil {
		t.Fatal(err)
	}
	var body map[string]string
	c := r.got[0]
	if err := json.Unmarshal([]byte(c.body), &body); err != nil || len(body) != 3 || body["to"] != "+44 555 0142" || body["text"] != "a code" || body["kind"] != "sms" || c.kind != "POST application/json" {
		t.Errorf("got %+v, %v", c, err)
	}
	if !c.signed() || c.at != "1795521600" {
		t.Errorf("signature %s at %s", c.signature, c.at)
	}
	for name, change := range map[string]func(*call){"id": func(c *call) { c.id = "other" }, "time": func(c *call) { c.at += "0" }, "body": func(c *call) { c.body += " " }} {
		changed := c
		if change(&changed); changed.signed() {
			t.Errorf("it fits another %s", name)
		}
	}
	if r.got[1].id != c.id || r.got[2].id == c.id {
		t.Errorf("ids %s %s %s: the same text keeps its id, another has its own", c.id, r.got[1].id, r.got[2].id)
	}
}

func TestWhatTheProviderRefusesIsNotSent(t *testing.T) {
	for _, status := range []int{301, 307, 400, 401, 410, 429, 500} {
		r, w := newReceiver(t)
		r.status = status
		if err := w.Send(t.Context(), "+44 555 0142", "a code"); !fail.Is(err, fail.Unavailable) || len(r.got) != 1 {
			t.Errorf("%d: %v after %d calls", status, err, len(r.got))
		}
	}
	r, w := newReceiver(t)
	r.Close()
	if err := w.Send(t.Context(), "+44 555 0142", "a code"); !fail.Is(err, fail.Unavailable) || strings.Contains(err.Error(), "0142") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestWebhookIsRefusedByItsSettings(t *testing.T) {
	client := safehttp.New(safehttp.Options{})
	for name, c := range map[string][3]string{
		"plain HTTP": {"http://sms.example/send", secret, texts.SMS}, "no address": {"", secret, texts.SMS}, "a user in it": {"https://me:pw@sms.example/", secret, texts.SMS},
		"no secret": {"https://sms.example/", "", texts.SMS}, "a short secret": {"https://sms.example/", "whsec_c2hvcnQ=", texts.SMS}, "not base64": {"https://sms.example/", "correct horse battery staple", texts.SMS},
		"another kind": {"https://sms.example/", secret, "fax"}} {
		if _, err := texts.NewWebhook(client, c[0], c[1], c[2], time.Now); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := texts.NewWebhook(client, "https://sms.example/send", secret, texts.Voice, time.Now); err != nil {
		t.Error(err)
	}
	// Inside the house only what the settings allow.
	w, err := texts.NewWebhook(client, "https://127.0.0.1/send", secret, texts.SMS, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), "+44 555 0142", "a code"); !strings.Contains(fail.Text(err), "not reached") {
		t.Errorf("an address of this machine: %v", err)
	}
}
