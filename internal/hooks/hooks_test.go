package hooks_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/hooks"
	"postern/internal/safehttp"
	"postern/internal/vault"
)

// A call is a request as the receiver got it.
type call struct {
	id, at, signature, body, path, kind string
}

// receiver is a system of the organisation's. answer is called with each request.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(c call) (status int, body string) // guarded by mu
	calls  []call                                 // guarded by mu
	after  string                                 // Retry-After; guarded by mu
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: func(call) (int, string) { return 200, "" }}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		c := call{q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), q.Header.Get("webhook-signature"), string(body), q.URL.RequestURI(),
			q.Method + " " + q.Header.Get("content-type")}
		r.mu.Lock()
		r.calls = append(r.calls, c)
		answer := r.answer
		if r.after != "" {
			w.Header().Set("Retry-After", r.after)
		}
		r.mu.Unlock()
		status, text := answer(c)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(f func(call) (int, string)) { r.mu.Lock(); defer r.mu.Unlock(); r.answer = f }
func (r *receiver) got() []call                    { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.calls) }

// hold keeps the next request waiting: begun says that it came, and it is answered
// when release is closed.
func (r *receiver) hold(status int) (begun, release chan struct{}) {
	begun, release = make(chan struct{}, 10), make(chan struct{})
	r.set(func(call) (int, string) { begun <- struct{}{}; <-release; return status, "" })
	return begun, release
}

// client is one that may reach the receiver.
func (r *receiver) client() *safehttp.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	return safehttp.New(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: roots, Timeout: 10 * time.Second})
}

// desk has one node with hooks, one receiver and one endpoint, and a clock that
// the test moves.
type desk struct {
	*hooks.Hooks
	t      *testing.T
	d      *db.DB
	v      *vault.Vault
	r      *receiver
	e      *hooks.Endpoint
	secret string
	log    *safeBuffer
	states chan string // what deliveries came to, as it was committed
	mu     *sync.Mutex
	at     *time.Time
	done   func(hooks.Delivery) error // guarded by mu; OnDone
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func each(t *testing.T, f func(*desk)) {
	var mu sync.Mutex
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	dbtest.EachAt(t, clock, func(t *testing.T, d *db.DB) {
		v, err := vault.New(vault.NewMaster())
		if err != nil {
			t.Fatal(err)
		}
		s := &desk{t: t, d: d, v: v, r: newReceiver(t), log: &safeBuffer{}, states: make(chan string, 1000), mu: &mu, at: &at}
		s.Hooks = s.node("a")
		s.must(func(tx *db.Tx) (err error) {
			s.e, s.secret, err = s.Add(t.Context(), tx, s.r.URL+"/in?token=canary-url", []string{"instruction.approved", "message.sent"}, "agent")
			return err
		})
		f(s)
	})
}

// node is another process on the same database; it ends with the test.
func (s *desk) node(name string) *hooks.Hooks {
	h := hooks.New(hooks.Options{DB: s.d, Vault: s.v, Client: s.r.client(), Node: name,
		Log:     slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(state string) { s.states <- state },
		OnDone: func(_ context.Context, _ *db.Tx, d hooks.Delivery) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.done == nil {
				return nil
			}
			return s.done(d)
		}})
	s.t.Cleanup(h.Stop)
	return h
}

func (s *desk) onDone(f func(hooks.Delivery) error) { s.mu.Lock(); defer s.mu.Unlock(); s.done = f }

// pass moves the clock and lets the worker look what became due.
func (s *desk) pass(d time.Duration) {
	s.mu.Lock()
	*s.at = s.at.Add(d)
	s.mu.Unlock()
	s.Wake()
}

func (s *desk) must(f func(*db.Tx) error) {
	s.t.Helper()
	if err := s.d.Update(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *desk) start() {
	s.t.Helper()
	if err := s.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *desk) publish(ids ...string) {
	s.t.Helper()
	s.must(func(tx *db.Tx) error {
		for _, id := range ids {
			if _, err := s.Publish(s.t.Context(), tx, hooks.Event{ID: id, Name: "instruction.approved", Payload: []byte(`{"n":"canary-payload"}`), About: "order"}); err != nil {
				return err
			}
		}
		return nil
	})
}

// until waits for the next delivery to come to a state.
func (s *desk) until(want string) {
	s.t.Helper()
	select {
	case got := <-s.states:
		if got != want {
			s.t.Fatalf("came to %s, want %s", got, want)
		}
	case <-time.After(20 * time.Second):
		s.t.Fatalf("nothing came to %s; the log:\n%s", want, s.log)
	}
}

// untilAll waits until as many deliveries came to these states, in any order.
func (s *desk) untilAll(want ...string) {
	s.t.Helper()
	var got []string
	for range want {
		select {
		case state := <-s.states:
			got = append(got, state)
		case <-time.After(20 * time.Second):
			s.t.Fatalf("came to %v, want %v; the log:\n%s", got, want, s.log)
		}
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		s.t.Fatalf("came to %v, want %v", got, want)
	}
}

// delivery is the newest one about the order.
func (s *desk) delivery() *hooks.Delivery {
	s.t.Helper()
	var list []hooks.Delivery
	s.must(func(tx *db.Tx) (err error) { list, err = s.About(s.t.Context(), tx, "order", 1); return err })
	if len(list) == 0 {
		s.t.Fatal("there is no delivery")
	}
	return &list[0]
}

// acts are the acts on record about something, oldest first.
func (s *desk) acts(about string) (out []string) {
	s.t.Helper()
	s.must(func(tx *db.Tx) error {
		rows, err := audit.About(s.t.Context(), tx, about, 100)
		out = nil
		for _, r := range rows {
			out = append([]string{r.Act}, out...)
		}
		return err
	})
	return out
}

// signedBy checks a call as any receiver would: Standard Webhooks, "Signature
// scheme", written down once more.
func signedBy(c call, secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(secret, "whsec_") {
		return false
	}
	h := hmac.New(sha256.New, key)
	io.WriteString(h, c.id+"."+c.at+"."+c.body)
	return slices.Contains(strings.Split(c.signature, " "), "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// The vector that the libraries of the specification share.
func TestSignatureOfTheSpecification(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := hooks.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDeliveryIsSignedAndTaken(t *testing.T) {
	each(t, func(s *desk) {
		var told []hooks.Delivery
		s.onDone(func(d hooks.Delivery) error { told = append(told, d); return nil })
		s.r.set(func(call) (int, string) { return 201, `{"ref":"A-17"}` })
		s.start()
		s.publish("evt_1")
		s.until("sent")
		c := s.r.got()[0]
		if c.id != "evt_1" || c.body != `{"n":"canary-payload"}` || c.path != "/in?token=canary-url" || c.kind != "POST application/json" || !signedBy(c, s.secret) {
			t.Errorf("the receiver got %+v", c)
		}
		if c.at != strconv.FormatInt(s.d.Now().Unix(), 10) {
			t.Errorf("the time is %s", c.at)
		}
		d := s.delivery()
		if d.State != hooks.Sent || d.Status != 201 || d.Attempts != 1 || string(d.Answer) != `{"ref":"A-17"}` || d.Reason != "" || d.Tried.IsZero() || d.Done.IsZero() || d.Endpoint != s.e.ID {
			t.Errorf("recorded %+v", d)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(told) != 1 || told[0].State != hooks.Sent || told[0].About != "order" || string(told[0].Answer) != `{"ref":"A-17"}` {
			t.Errorf("told %+v", told)
		}
	})
}

func TestTimestampIsPartOfTheSignature(t *testing.T) {
	each(t, func(s *desk) {
		s.start()
		s.publish("evt_1")
		s.until("sent")
		c := s.r.got()[0]
		for name, change := range map[string]func(*call){"id": func(c *call) { c.id = "evt_2" }, "time": func(c *call) { c.at += "0" }, "body": func(c *call) { c.body += " " }} {
			changed := c
			change(&changed)
			if signedBy(changed, s.secret) {
				t.Errorf("the signature fits another %s", name)
			}
		}
	})
}

// Only 200 to 299 is success, and an answer is kept to its first bytes.
func TestWhatAnswersMean(t *testing.T) {
	want := map[int]hooks.State{200: hooks.Sent, 204: hooks.Sent, 299: hooks.Sent, 301: hooks.Deferred, 304: hooks.Deferred, 308: hooks.Deferred,
		400: hooks.Deferred, 401: hooks.Deferred, 404: hooks.Deferred, 429: hooks.Deferred, 500: hooks.Deferred, 503: hooks.Deferred}
	each(t, func(s *desk) {
		s.r.set(func(c call) (int, string) {
			status, _ := strconv.Atoi(c.id)
			return status, strings.Repeat("x", hooks.MaxAnswer+1)
		})
		for status := range want {
			s.publish(strconv.Itoa(status))
		}
		s.start()
		for range want {
			select {
			case <-s.states:
			case <-time.After(20 * time.Second):
				t.Fatal("not all were tried")
			}
		}
		var list []hooks.Delivery
		s.must(func(tx *db.Tx) (err error) { list, err = s.To(t.Context(), tx, s.e.ID, 100); return err })
		for _, d := range list {
			status, _ := strconv.Atoi(d.HookID)
			if d.State != want[status] || d.Status != status {
				t.Errorf("%d is %s with status %d, want %s", status, d.State, d.Status, want[status])
			}
			if status != 204 && status != 304 && len(d.Answer) != hooks.MaxAnswer {
				t.Errorf("%d: %d bytes kept", status, len(d.Answer))
			}
		}
		if len(list) != len(want) {
			t.Errorf("%d deliveries, want %d", len(list), len(want))
		}
	})
}
