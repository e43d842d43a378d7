package app

// Webhooks as the organisation's systems meet them: kept by a key, told of mail in
// ids, and asked to do what was approved.

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/hooks"
	"postern/internal/instructions"
	"postern/internal/outbox"
	"postern/internal/portal"
)

// system is one of the organisation's, at an address inside its house.
type system struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(event string) (int, string) // guarded by mu
	calls  []heard                          // guarded by mu
}

// heard is a call as it came in.
type heard struct{ id, at, signature, event, body string }

func newSystem(t *testing.T) *system {
	s := &system{answer: func(string) (int, string) { return http.StatusNoContent, "" }}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var event struct{ Type string }
		json.Unmarshal(b, &event)
		s.mu.Lock()
		s.calls = append(s.calls, heard{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), event.Type, string(b)})
		status, text := s.answer(event.Type)
		s.mu.Unlock()
		w.WriteHeader(status)
		io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

// of are the calls with one event.
func (s *system) of(event string) (out []heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.calls {
		if h.event == event {
			out = append(out, h)
		}
	}
	return out
}

// signed checks a call in the way docs/API.md shows.
func (h heard) signed(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(h.id + "." + h.at + "." + h.body))
	return slices.Contains(strings.Fields(h.signature), "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

// eachSystem runs f with a desk that may call the system, on each database.
func eachSystem(t *testing.T, f func(c *caller, s *system, later func(time.Duration))) {
	s := newSystem(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	eachPagesOf(t, func(cfg *config.Config) { cfg.HooksAllow, cfg.HooksCA = "127.0.0.0/8", ca }, func(p *pages, later func(time.Duration)) {
		s.mu.Lock()
		s.calls = nil
		s.mu.Unlock()
		f(newCaller(p), s, later)
	})
}

func (c *caller) addHook(key, address string, events ...string) (id, secret string) {
	c.Helper()
	b, _ := json.Marshal(map[string]any{"url": address, "events": events})
	w := c.call(ask{Key: key, Method: "POST", Path: "/webhooks", Body: string(b)})
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/api/v1/webhooks/"+field(w, "id") {
		c.Fatalf("%d %s", w.Code, w.Body)
	}
	return field(w, "id"), field(w, "secret")
}

// until waits for something that another goroutine does.
func (c *caller) until(what string, ok func() bool) {
	c.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.Fatal("it never came to this: " + what)
}

// call of a webhook that failed, made up.
func (c *caller) failedCall(hook string) (id string) {
	c.Helper()
	c.must(func(ctx context.Context, tx *db.Tx) error {
		if err := c.d.hooks.Send(ctx, tx, hooks.EndpointID(hook), hooks.Event{ID: "evt-" + db.NewID(), Name: "message.sent", Payload: []byte("{}")}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE hook_deliveries SET state = 'failed', done_at = made_at WHERE endpoint_id = $1`, hook)
		return err
	})
	return c.one(`SELECT id FROM hook_deliveries WHERE endpoint_id = $1 ORDER BY id DESC`, hook)
}

func (c *caller) goodForWebhooks(key string) map[string]ask {
	c.Helper()
	keep, _ := c.addHook(key, "https://hooks.example/keep", "message.sent")
	lose, _ := c.addHook(key, "https://hooks.example/lose", "message.sent")
	return map[string]ask{
		"GET /webhooks":                        {},
		"POST /webhooks":                       {Body: `{"url":"https://hooks.example/more","events":["message.received"]}`},
		"GET /webhooks/{id}":                   {ID: keep},
		"POST /webhooks/{id}/rotate":           {ID: keep},
		"POST /webhooks/{id}/enable":           {ID: keep},
		"POST /webhooks/{id}/disable":          {ID: keep},
		"DELETE /webhooks/{id}":                {ID: lose},
		"GET /webhooks/{id}/deliveries":        {ID: keep},
		"POST /webhooks/deliveries/{id}/retry": {ID: c.failedCall(keep)},
	}
}

func TestAPIKeepsWebhooks(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key := c.key(apikeys.WebhooksManage)
		on := func(method, path, id string) *httptest.ResponseRecorder {
			return c.call(ask{Key: key, Method: method, Path: path, ID: id})
		}
		id, secret := c.addHook(key, "https://hooks.example/in?token=canary", "message.sent", "instruction.approved")
		if !strings.HasPrefix(secret, "whsec_") {
			c.Errorf("the secret %q", secret)
		}
		for _, w := range []*httptest.ResponseRecorder{on("GET", "/webhooks", ""), on("GET", "/webhooks/{id}", id), on("POST", "/webhooks/{id}/disable", id), on("POST", "/webhooks/{id}/enable", id)} {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"url":"https://hooks.example/in?token=canary"`) || strings.Contains(w.Body.String(), "whsec_") {
				c.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if w := on("POST", "/webhooks/{id}/rotate", id); !strings.HasPrefix(field(w, "secret"), "whsec_") || field(w, "secret") == secret || field(w, "old_until") == "" {
			c.Errorf("rotated: %s", w.Body)
		}
		for name, b := range map[string]string{"plain": `{"url":"http://hooks.example/","events":["message.sent"]}`, "an unknown event": `{"url":"https://hooks.example/","events":["message.eaten"]}`,
			"no event": `{"url":"https://hooks.example/","events":[]}`, "not an address": `{"url":"hooks","events":["message.sent"]}`, "a secret of theirs": `{"url":"https://hooks.example/","events":["message.sent"],"secret":"x"}`} {
			if w := c.call(ask{Key: key, Method: "POST", Path: "/webhooks", Body: b}); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		failed := c.failedCall(id)
		if w := on("GET", "/webhooks/{id}/deliveries", id); !strings.Contains(w.Body.String(), `"id":"`+failed+`"`) || !strings.Contains(w.Body.String(), `"state":"failed"`) {
			c.Errorf("what was sent: %s", w.Body)
		}
		on("POST", "/webhooks/{id}/disable", id)
		if w := on("POST", "/webhooks/deliveries/{id}/retry", failed); w.Code != http.StatusConflict {
			c.Errorf("tried again while it is off: %d", w.Code)
		}
		on("POST", "/webhooks/{id}/enable", id)
		if w := on("POST", "/webhooks/deliveries/{id}/retry", failed); w.Code != http.StatusOK || field(w, "state") != "waiting" || field(w, "due") == "" {
			c.Errorf("tried again: %d %s", w.Code, w.Body)
		}
		if w := on("DELETE", "/webhooks/{id}", id); w.Code != http.StatusOK || field(w, "id") != id {
			c.Errorf("removed: %d %s", w.Code, w.Body)
		}
		for _, path := range []string{"GET /webhooks/{id}", "GET /webhooks/{id}/deliveries", "DELETE /webhooks/{id}", "POST /webhooks/{id}/rotate", "POST /webhooks/{id}/enable"} {
			method, path, _ := strings.Cut(path, " ")
			if w := on(method, path, id); w.Code != http.StatusNotFound {
				c.Errorf("%s of what is gone: %d", path, w.Code)
			}
		}
		acts := c.count(`SELECT COUNT(*) FROM audit WHERE actor LIKE 'api:%' AND act LIKE 'webhook.%'`)
		if others := c.count(`SELECT COUNT(*) FROM audit WHERE actor NOT LIKE 'api:%' AND act LIKE 'webhook.%'`); acts != 8 || others != 0 {
			c.Errorf("%d rows say that the key did it, %d that somebody else did", acts, others)
		}
	})
}

func TestAPIListsCallsOfAWebhookInPages(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		key := c.key(apikeys.WebhooksManage)
		id, _ := c.addHook(key, "https://hooks.example/", "message.sent")
		other, _ := c.addHook(key, "https://hooks.example/", "message.sent")
		var want, got []string
		for range 3 {
			want = append([]string{c.failedCall(id)}, want...)
		}
		c.failedCall(other)
		cursor := ""
		for query := "limit=2"; query != ""; {
			w := c.call(ask{Key: key, Method: "GET", Path: "/webhooks/{id}/deliveries", ID: id, Query: query})
			var list struct {
				Deliveries []struct{ ID string }
				Next       string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
				c.Fatal(err)
			}
			for _, d := range list.Deliveries {
				got = append(got, d.ID)
			}
			if query = ""; list.Next != "" {
				query, cursor = "limit=2&cursor="+list.Next, list.Next
			}
		}
		if !slices.Equal(got, want) {
			c.Errorf("listed %v, want %v", got, want)
		}
		if w := c.call(ask{Key: key, Method: "GET", Path: "/webhooks/{id}/deliveries", ID: other, Query: "cursor=" + cursor}); w.Code != http.StatusUnprocessableEntity {
			c.Errorf("another's cursor: %d", w.Code)
		}
	})
}

// TestMailIsToldInIdsOnly: what came in, by mail and on the portal, and what left,
// in the words of the document and no others.
func TestMailIsToldInIdsOnly(t *testing.T) {
	eachSystem(t, func(c *caller, s *system, later func(time.Duration)) {
		key := c.key(apikeys.Scopes...)
		_, secret := c.addHook(key, s.URL+"/in", "message.received", "message.sent")
		c.work()
		if err := c.d.hooks.Start(c.Context()); err != nil {
			c.Fatal(err)
		}
		c.Cleanup(c.d.hooks.Stop)
		asked := c.write("canary@canary.example", "canarysubject", "canarytext")
		emre := c.person("Canaryname", "canary2@canary.example", "0171 5550142")
		sent := c.send(key, "1", body(emre, "canarytext", `"subject":"canarysubject"`, routine))
		c.settled(key, field(sent, "id"))
		c.until("three calls", func() bool { return len(s.of("message.received")) == 1 && len(s.of("message.sent")) == 2 }) // and the acknowledgement
		var in struct {
			Data struct{ Case, Message, Contact string }
		}
		json.Unmarshal([]byte(s.of("message.received")[0].body), &in)
		if in.Data.Case != string(asked.ID) || in.Data.Contact != string(asked.Contact) || in.Data.Message != c.one(`SELECT id FROM messages WHERE case_id = $1 AND kind = 'in'`, asked.ID) {
			c.Errorf("came in: %+v", in)
		}
		found := false
		for _, h := range append(s.of("message.sent"), s.of("message.received")...) {
			if strings.Contains(strings.ToLower(h.body), "canary") || strings.Contains(h.body, "@") || !h.signed(secret) {
				c.Errorf("it tells too much, or is not signed: %+v", h)
			}
			want := fmt.Sprintf(`"data":{"case":%q,"contact":%q,"delivery":`, field(sent, "case"), emre)
			found = found || strings.Contains(h.body, want) && strings.Contains(h.body, `"message":"`+field(sent, "id")+`","state":"captured"`)
		}
		if !found {
			c.Errorf("what was sent was not told: %v", s.of("message.sent"))
		}
		// It comes back: told once more, in another state.
		d := c.deliveriesOf(cases.ID(field(sent, "case")), field(sent, "id"))[0]
		for range 2 {
			c.must(func(ctx context.Context, tx *db.Tx) error {
				_, err := c.d.outbox.Bounced(ctx, tx, d.MailID, "5.1.1", true)
				return err
			})
		}
		c.until("a call", func() bool { return len(s.of("message.sent")) == 3 })
		if last := s.of("message.sent")[2]; !strings.Contains(last.body, `"delivery":"`+string(d.ID)+`"`) || !strings.Contains(last.body, `"state":"`+string(outbox.Bounced)+`"`) {
			c.Errorf("it came back: %+v", last)
		}
		if n := c.count(`SELECT COUNT(*) FROM hook_deliveries`); n != 4 {
			c.Errorf("%d calls", n)
		}
	})
}

// TestMailAsksNobodyWhereNobodyListens: without an endpoint that wants it, mail
// leads to no call and, once that is known, to no question.
func TestMailAsksNobodyWhereNobodyListens(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		c.addHook(c.key(apikeys.Scopes...), "https://hooks.example/", "instruction.approved")
		if err := c.d.hooks.Reload(c.Context()); err != nil {
			c.Fatal(err)
		}
		if c.d.hooks.Wants(receivedEvent) || c.d.hooks.Wants(sentEvent) || !c.d.hooks.Wants("instruction.approved") {
			c.Error("it does not know what is wanted")
		}
		c.work()
		c.write("ada@brandt.example", "A", "B")
		if n := c.count(`SELECT COUNT(*) FROM hook_deliveries`); n != 0 {
			c.Errorf("%d calls", n)
		}
	})
}

// TestInstructionIsDoneByWebhookOnce: the system fails twice, then does it. It is
// done once, and the receipt says what the system answered.
func TestInstructionIsDoneByWebhookOnce(t *testing.T) {
	eachSystem(t, func(c *caller, s *system, later func(time.Duration)) {
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		id, secret := c.addHook(key, s.URL+"/do", "instruction.due")
		c.kind(instructions.Type{ID: "copy", Hook: id})
		s.mu.Lock()
		s.answer = func(string) (int, string) {
			if len(s.calls) <= 2 {
				return http.StatusServiceUnavailable, "canary-not-yet"
			}
			return http.StatusOK, "Booked as 4711\ncanary-second-line"
		}
		s.mu.Unlock()
		for _, start := range []func(context.Context) error{c.d.hooks.Start, c.d.jobs.Start} {
			if err := start(c.Context()); err != nil {
				c.Fatal(err)
			}
		}
		c.Cleanup(func() { c.d.hooks.Stop(); c.d.jobs.Stop(context.Background()) })
		wish := field(c.propose(key, "1", wish(emre, "copy", `{"what":"October"}`)), "id")
		c.prove(emre, wish)
		state := func() string { return c.one(`SELECT state FROM instructions WHERE id = $1`, wish) }
		for n := range 2 {
			c.until("refused", func() bool {
				return c.count(`SELECT COUNT(*) FROM hook_deliveries WHERE state = 'deferred' AND attempts = $1`, n+1) == 1
			})
			if got := state(); got != "approved" {
				c.Errorf("after attempt %d it is %s", n+1, got)
			}
			later(10 * time.Minute)
		}
		c.until("done", func() bool { return state() == "executed" })

		calls := s.of("instruction.due")
		if len(calls) != 3 {
			c.Fatalf("%d calls", len(calls))
		}
		for _, h := range calls {
			if h.id != wish+"-due" || !h.signed(secret) {
				c.Errorf("%+v", h)
			}
		}
		var due struct {
			Data struct{ ID, State, Token string }
		}
		json.Unmarshal([]byte(calls[2].body), &due)
		if claims := c.verified(due.Data.Token); due.Data.ID != wish || claims.ID != wish || claims.State != "approved" || claims.Values["what"] != "October" {
			c.Errorf("it was asked with %s", calls[2].body)
		}
		// The clock looks again, the answer is told again, days pass: nothing more.
		delivery := c.one(`SELECT id FROM hook_deliveries WHERE hook_id = $1`, wish+"-due")
		if err := c.d.takeAnswer(c.Context(), calledArgs{instructions.ID(wish), hooks.DeliveryID(delivery)}); err != nil {
			c.Error(err)
		}
		later(100 * time.Hour)
		if err := c.d.auth.Tick(c.Context()); err != nil {
			c.Error(err)
		}
		if n := c.count(`SELECT COUNT(*) FROM hook_deliveries WHERE event = 'instruction.due'`); n != 1 || len(s.of("instruction.due")) != 3 {
			c.Errorf("%d deliveries, %d calls", n, len(s.of("instruction.due")))
		}
		if n := c.count(`SELECT COUNT(*) FROM audit WHERE act = 'instruction.executed'`); n != 1 {
			c.Errorf("it was done %d times", n)
		}
		if w := c.instruction(key, wish); field(w, "state") != "executed" || !strings.HasSuffix(field(w, "result"), "Booked as 4711") || c.verified(field(w, "token")).State != "executed" {
			c.Errorf("%s", w.Body)
		}
		c.until("a receipt", func() bool { return c.count(`SELECT COUNT(*) FROM messages WHERE id = $1`, wish+"-done") == 1 })
		if text := c.text(wish + "-done"); !strings.Contains(text, "What was done: done by our systems: Booked as 4711\n") || strings.Contains(text, "canary") {
			c.Errorf("the receipt:\n%s", text)
		}
	})
}

// TestStoppedInstructionIsNotAskedFor: what its owner stopped between two attempts
// does not go out again, by itself or by hand.
func TestStoppedInstructionIsNotAskedFor(t *testing.T) {
	eachSystem(t, func(c *caller, s *system, later func(time.Duration)) {
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		id, _ := c.addHook(key, s.URL+"/do", "instruction.due")
		c.kind(instructions.Type{ID: "copy", Hook: id})
		s.mu.Lock()
		s.answer = func(string) (int, string) { return http.StatusServiceUnavailable, "" }
		s.mu.Unlock()
		for _, start := range []func(context.Context) error{c.d.hooks.Start, c.d.jobs.Start} {
			if err := start(c.Context()); err != nil {
				c.Fatal(err)
			}
		}
		c.Cleanup(func() { c.d.hooks.Stop(); c.d.jobs.Stop(context.Background()) })
		wish := field(c.propose(key, "1", wish(emre, "copy", `{"what":"October"}`)), "id")
		c.prove(emre, wish)
		in := func(state string) func() bool {
			return func() bool {
				return c.count(`SELECT COUNT(*) FROM hook_deliveries WHERE event = 'instruction.due' AND state = $1 AND attempts = 1`, state) == 1
			}
		}
		c.until("refused", in("deferred"))
		if err := c.d.auth.NotMine(c.Context(), &portal.Session{Contact: emre, Factor: portal.Passkey}, instructions.ID(wish)); err != nil {
			c.Fatal(err)
		}
		later(10 * time.Minute)
		c.until("given up", in("failed"))
		again := c.call(ask{Key: key, Method: "POST", Path: "/webhooks/deliveries/{id}/retry", ID: c.one(`SELECT id FROM hook_deliveries WHERE event = 'instruction.due'`)})
		if again.Code != http.StatusOK {
			c.Errorf("tried again: %d %s", again.Code, again.Body)
		}
		c.until("given up again", func() bool {
			return c.count(`SELECT COUNT(*) FROM hook_deliveries WHERE event = 'instruction.due' AND state = 'failed' AND attempts = 0 AND reason LIKE '%frozen%'`) == 1
		})
		if n := len(s.of("instruction.due")); n != 1 {
			c.Errorf("%d calls", n)
		}
		// An answer that crossed the stop does not bring it back, and is on record.
		if err := c.d.auth.Called(c.Context(), instructions.ID(wish), true, "booked"); err != nil {
			c.Error(err)
		}
		if w := c.instruction(key, wish); field(w, "state") != "frozen" || c.count(`SELECT COUNT(*) FROM audit WHERE act = 'instruction.done-too-late'`) != 1 {
			c.Errorf("%s", w.Body)
		}
	})
}

// text opens a message of a case.
func (c *caller) text(id string) (out string) {
	c.Helper()
	in := cases.ID(c.one(`SELECT case_id FROM messages WHERE id = $1`, id))
	c.must(func(ctx context.Context, tx *db.Tx) error {
		var sealed []cases.Sealed
		asked, query := c.d.cases.AskKey(in)
		if err := tx.Read(ctx, query, cases.AskMessage(&sealed, in, cases.MessageID(id))); err != nil {
			return err
		}
		key, err := asked.Key()
		if err != nil {
			return err
		}
		m, err := sealed[0].Open(key)
		if err == nil {
			out = m.Doc.Text
		}
		return err
	})
	return out
}
