package app

// Who gets at what on the staff's pages.

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/intake"
	"postern/internal/portal"
	"postern/internal/staff"
)

// write sends a mail to the desk and waits until it is a case.
func (p *pages) write(from, subject, text string) *cases.Case {
	p.Helper()
	raw := fmt.Sprintf("From: %s\r\nTo: support@northmere.example\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@x.example>\r\n\r\n%s\r\n", from, subject,
		p.d.db.Now().Format(time.RFC1123Z), db.NewID(), text)
	if err := p.d.intake.Accept(p.Context(), &intake.Envelope{Door: "smtp", From: from, To: []string{"support@northmere.example"}, Raw: []byte(raw)}); err != nil {
		p.Fatal(err)
	}
	for range 500 {
		var id string
		p.must(func(ctx context.Context, tx *db.Tx) error {
			list, err := db.Strings(ctx, tx, `SELECT case_id FROM spool ORDER BY id DESC LIMIT 1`)
			if err == nil {
				id = list[0]
			}
			return err
		})
		if id != "" {
			var c *cases.Case
			p.must(func(ctx context.Context, tx *db.Tx) (err error) {
				c, err = p.d.cases.Get(ctx, tx, cases.ID(id))
				return err
			})
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Fatal("the mail was not filed")
	return nil
}

func (p *pages) work() {
	p.Helper()
	if err := p.d.outbox.Start(p.Context()); err != nil {
		p.Fatal(err)
	}
	if err := p.d.intake.Start(p.Context()); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { p.d.intake.Stop(); p.d.outbox.Stop() })
}

func (p *pages) one(query string, args ...any) string {
	p.Helper()
	var list []string
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		list, err = db.Strings(ctx, tx, query, args...)
		return err
	})
	if len(list) == 0 {
		p.Fatalf("nothing found: %s", query)
	}
	return list[0]
}

// TestIdsOfAnotherCaseAreNotFound: the parts of a case are reached through their
// own case only.
func TestIdsOfAnotherCaseAreNotFound(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		p.work()
		a, b := p.write("ada@brandt.example", "A", "canary-a"), p.write("ben@other.example", "B", "canary-b")
		item, ofItem := p.waiting("canary-item")
		message := p.one(`SELECT id FROM messages WHERE case_id = $1 AND kind = 'in'`, a.ID)
		for _, path := range []string{"/messages/" + message + "/raw", "/messages/" + message + "/html", "/messages/" + message + "/files/0"} {
			if w := p.do("agent", "GET", "/desk/cases/"+string(b.ID)+path, nil); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "canary") {
				p.Errorf("%s of another case: %d", path, w.Code)
			}
		}
		for _, act := range []string{"undo", "edit", "release", "discard"} {
			if w := p.do("agent", "POST", "/desk/cases/"+string(b.ID)+"/messages/"+message+"/"+act, nil); w.Code != http.StatusNotFound {
				p.Errorf("%s of another case: %d", act, w.Code)
			}
		}
		for _, act := range []string{"code", "recall"} {
			if w := p.do("agent", "POST", "/desk/cases/"+string(a.ID)+"/deliveries/"+item.Delivery+"/"+act, nil); w.Code != http.StatusNotFound {
				p.Errorf("%s of another case: %d", act, w.Code)
			}
		}
		if i := p.item(item.ID); !i.Recalled.IsZero() || i.Case != ofItem.ID {
			p.Errorf("%+v", i)
		}
		if w := p.do("agent", "GET", "/desk/cases/"+string(a.ID)+"/messages/"+message+"/raw", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "canary-a") {
			p.Errorf("their own: %d", w.Code)
		}
	})
}

// TestKeysOfAnotherContactAreNotFound: nobody's key is verified through somebody else.
func TestKeysOfAnotherContactAreNotFound(t *testing.T) {
	p := openPages(t, "")
	var ids [2]contacts.ID
	for i := range ids {
		n := p.d.contacts.New("P", fmt.Sprintf("p%d@x.example", i), "staff", p.d.db.Now())
		ids[i] = n.ID
		p.must(func(ctx context.Context, tx *db.Tx) error {
			if err := p.d.contacts.Add(ctx, tx, n); err != nil {
				return err
			}
			c, err := p.d.contacts.Get(ctx, tx, n.ID)
			if err != nil {
				return err
			}
			_, err = p.d.contacts.AddKey(ctx, tx, c, p.d.boxes.All()[0].Secret.Public(), contacts.Harvested, "staff")
			return err
		})
	}
	key := p.one(`SELECT id FROM contact_keys WHERE contact_id = $1`, ids[0])
	for _, act := range []string{"verify", "reject"} {
		for _, role := range []string{"agent", "admin"} {
			if w := p.do(role, "POST", "/desk/contacts/"+string(ids[1])+"/keys/"+key+"/"+act, url.Values{"via": {"call-back"}, "fingerprint": {"x"}}); w.Code != http.StatusNotFound && w.Code != http.StatusForbidden {
				t.Errorf("%s as %s: %d", act, role, w.Code)
			}
		}
	}
	if got := p.one(`SELECT trust FROM contact_keys WHERE id = $1`, key); got != string(contacts.Harvested) {
		t.Errorf("trust is %s", got)
	}
}

// TestLookingChangesNothing: whatever a GET shows, it moves nothing but the mark
// that somebody has seen a case, and the record of who looked.
func TestLookingChangesNothing(t *testing.T) {
	p := openPages(t, "")
	p.work()
	c := p.write("ada@brandt.example", "A", "canary-a")
	message := p.one(`SELECT id FROM messages WHERE case_id = $1 AND kind = 'in'`, c.ID)
	fill := func(pattern string) string {
		s := strings.ReplaceAll(pattern, "{$}", "")
		s = strings.ReplaceAll(s, "cases/{id}", "cases/"+string(c.ID))
		s = strings.ReplaceAll(s, "contacts/{id}", "contacts/"+string(c.Contact))
		s = strings.ReplaceAll(s, "{message}", message)
		return regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(s, "0")
	}
	state := func() string {
		var b strings.Builder
		for _, q := range []string{`SELECT id || state || assignee || CAST(sensitive AS TEXT) FROM cases ORDER BY id`, `SELECT id || kind FROM messages ORDER BY id`, `SELECT id || state FROM deliveries ORDER BY id`,
			`SELECT id FROM contacts ORDER BY id`, `SELECT id || CAST(disabled AS TEXT) FROM staff ORDER BY id`, `SELECT case_id FROM drafts`, `SELECT address FROM mailboxes ORDER BY address`, `SELECT hash FROM staff_sessions ORDER BY hash`} {
			p.must(func(ctx context.Context, tx *db.Tx) error {
				list, err := db.Strings(ctx, tx, q)
				if err != nil {
					return fmt.Errorf("%s: %w", q, err)
				}
				b.WriteString(strings.Join(list, "\n") + "\n--\n")
				return nil
			})
		}
		return b.String()
	}
	p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil)
	p.eventually("the acknowledgement is out", func() bool {
		return p.count(`SELECT COUNT(*) FROM deliveries WHERE state IN ('waiting', 'working')`) == 0
	})
	before, seen := state(), 0
	for _, r := range deskRoutes(t) {
		if r[0] != "GET" {
			continue
		}
		for _, role := range staff.Roles {
			for _, method := range []string{"GET", "HEAD"} {
				// Whatever a form would send in the address changes nothing either.
				w := p.do(string(role), method, fill(r[1])+"?do=send&text=x&to=closed&role=admin&token=x", nil)
				if w.Code >= 500 {
					t.Errorf("%s %s as %s: %d", method, fill(r[1]), role, w.Code)
				}
				if w.Code == http.StatusOK {
					seen++
				}
			}
		}
	}
	if after := state(); after != before {
		t.Errorf("looking changed something:\n%s\n%s", before, after)
	}
	if seen < 40 {
		t.Errorf("only %d pages were shown", seen)
	}
}

func TestDisabledPersonLosesAccessAtOnce(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		if w := p.do("agent", "GET", "/desk/inbox", nil); w.Code != http.StatusOK {
			p.Fatalf("%d", w.Code)
		}
		id := ""
		p.must(func(ctx context.Context, tx *db.Tx) error {
			list, err := p.d.staff.List(ctx, tx)
			for _, s := range list {
				if s.Email == "agent@northmere.example" {
					id = string(s.ID)
				}
			}
			return err
		})
		if w := p.do("agent", "POST", "/desk/people/"+id+"/disable", nil); w.Code != http.StatusForbidden {
			p.Errorf("an agent disables: %d", w.Code)
		}
		if w := p.do("admin", "POST", "/desk/people/"+id+"/disable", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, ask := range [][2]string{{"GET", "/desk/inbox"}, {"GET", "/desk/account"}, {"POST", "/desk/account/codes"}} {
			if w := p.do("agent", ask[0], ask[1], nil); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/desk/sign-in") {
				p.Errorf("%s %s after it: %d", ask[0], ask[1], w.Code)
			}
		}
		// A link that was made before lets nobody in either.
		var token string
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			token, err = p.d.staff.MakeLink(ctx, tx, staff.SignInBy, staff.ID(id), time.Hour)
			return err
		})
		if w := p.do("", "POST", "/desk/link/"+token, nil); len(w.Result().Cookies()) > 0 || w.Code < 400 {
			p.Errorf("a link for somebody disabled: %d", w.Code)
		}
	})
}

// TestEveryAnswerIsGuardedByHeaders: pages, errors, redirects, files, scripts.
func TestEveryAnswerIsGuardedByHeaders(t *testing.T) {
	p := openPages(t, "")
	item, _ := p.waiting("canary-content")
	for _, path := range []string{"/", "/keys", "/nowhere", "/m/" + item.Link, "/m/made-up", "/report", "/desk", "/desk/sign-in", "/desk/inbox", "/desk/nowhere", "/desk/cases/made-up", "/desk/setup/made-up", "/desk/link/made-up"} {
		for _, who := range []string{"", "agent"} {
			h := p.do(who, "GET", path, nil).Header()
			for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": ""} {
				if got := h.Get(name); got == "" || !strings.Contains(got, want) {
					t.Errorf("%s as %q: %s is %q", path, who, name, got)
				}
			}
			if h.Get("Strict-Transport-Security") != "" {
				t.Errorf("%s pins a certificate that is self-signed", path)
			}
			if h.Get("Server") != "" || h.Get("X-Powered-By") != "" {
				t.Errorf("%s tells what serves it", path)
			}
		}
	}
}

// TestAgentSendsUndoesAndGetsTheWordsBack goes through the composer's forms.
func TestAgentSendsUndoesAndGetsTheWordsBack(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "A", "hello")
		base := "/desk/cases/" + string(c.ID)
		send := func(form url.Values) *httptest.ResponseRecorder {
			form.Set("to", string(c.Contact))
			return p.do("agent", "POST", base+"/send", form)
		}
		// Shown encrypted, and now it would go in clear: refused, and the words are still there.
		if w := send(url.Values{"text": {"canary-words"}, "shown": {"encrypted"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "canary-words") {
			p.Errorf("with another way than shown: %d", w.Code)
		}
		if w := send(url.Values{"text": {"My card is 4111 1111 1111 1111"}, "shown": {"signed"}}); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("a card number without a safe way: %d", w.Code)
		}
		w := send(url.Values{"text": {"canary-words"}, "shown": {"signed"}})
		if w.Code != http.StatusSeeOther {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		message := p.one(`SELECT message_id FROM deliveries WHERE kind = 'reply' ORDER BY made_at DESC`)
		later(10 * time.Second)
		if w := p.do("agent", "POST", base+"/messages/"+message+"/undo", nil); w.Code != http.StatusSeeOther {
			p.Errorf("undo: %d", w.Code)
		}
		if w := p.do("agent", "GET", base, nil); strings.Count(w.Body.String(), "canary-words") < 1 {
			p.Error("the words are gone")
		}
		if got := p.one(`SELECT state FROM deliveries WHERE message_id = $1`, message); got != "undone" {
			p.Errorf("it is %s", got)
		}
		send(url.Values{"text": {"canary-again"}, "shown": {"signed"}})
		message = p.one(`SELECT message_id FROM deliveries WHERE kind = 'reply' AND state = 'waiting'`)
		later(20 * time.Second)
		if w := p.do("agent", "POST", base+"/messages/"+message+"/undo", nil); w.Code != http.StatusConflict {
			p.Errorf("undo too late: %d", w.Code)
		}
	})
}

// TestCodeIsShownOnceToWhoMayIssueIt: the code stands on one answer and in no table.
func TestCodeIsShownOnceToWhoMayIssueIt(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		base := "/desk/cases/" + string(c.ID)
		w := p.do("agent", "POST", base+"/deliveries/"+item.Delivery+"/code", nil)
		code := regexp.MustCompile(`\b\d{4} \d{4}\b`).FindString(w.Body.String())
		if w.Code != http.StatusOK || code == "" {
			p.Fatalf("%d", w.Code)
		}
		if strings.Contains(p.do("agent", "GET", base, nil).Body.String(), code) {
			p.Error("the code is shown again")
		}
		if w := p.do("admin", "POST", base+"/deliveries/"+item.Delivery+"/code", nil); w.Code != http.StatusForbidden {
			p.Errorf("an admin issues a code: %d", w.Code)
		}
		if status, cookie := p.enter(item.Link, code); cookie == nil {
			p.Errorf("the code does not open it: %d", status)
		}
		if w := p.do("agent", "POST", base+"/deliveries/"+item.Delivery+"/recall", nil); w.Code != http.StatusConflict {
			p.Errorf("recall after it was read: %d", w.Code)
		}
	})
}

func TestLockedItemTakesNoFurtherCode(t *testing.T) {
	p := openPages(t, "")
	item, c := p.waiting("canary-content")
	for range portal.MaxTries {
		p.enter(item.Link, "1111 1111")
	}
	if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/deliveries/"+item.Delivery+"/code", nil); w.Code != http.StatusConflict {
		t.Errorf("%d", w.Code)
	}
}
