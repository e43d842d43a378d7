package app

// Where links lead: what is written by anybody here does not leave while it leads
// people over plain HTTP, or to somebody who looks like us.

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/links"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/safehttp"
)

// misleading is a text for each way in which a link is seen by its writing, with words
// of what its writer is told, a twin that leaves, and words of why it is held.
func misleading() map[string][4]string {
	return map[string][4]string{
		"http":       {"Pay at http://northmere.example/pay now.", "plain HTTP", "Pay at https://northmere.example/pay now.", "plain HTTP"},
		"www":        {"Pay at www.northmere.example now.", "plain HTTP", "Pay at https://www.northmere.example now.", "plain HTTP"},
		"look-alike": {"Pay at https://north-mere.example/pay now.", "looks like northmere.example", "Pay at https://pay.northmere.example/ now.", "looks like one of our own names"},
		"userinfo":   {"Pay at https://northmere.example@survey.example/ now.", "before an @", "Pay at https://northmere.example/@pay now.", "before an @"},
		"javascript": {"Press [here](javascript:alert(1)) now.", "makes a program do something", "Press [here](https://northmere.example/) now.", "makes a program do something"},
		"shortener":  {"Pay at https://bit.ly/3xY now.", "hides where it leads", "Pay at https://survey.example/3xY now.", "hides where it leads"},
		"disguise":   {"Pay at [https://northmere.example](https://survey.example) now.", "leads elsewhere", "Pay at [our survey](https://survey.example) now.", "shown as another address"},
	}
}

func linkPages(t *testing.T) *pages {
	cfg := testConfig(t, "")
	cfg.LinksListed = "survey.example"
	return openPagesOf(t, cfg, nil)
}

// past queues a text the way no door does: it was written before somebody looked alike,
// or by a program that forgot to ask.
func (p *pages) past(c *cases.Case, kind outbox.Kind, subject, text string) cases.MessageID {
	p.Helper()
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.Out, Door: "desk", Author: p.staffID("agent"), At: p.d.db.Now(), Doc: cases.Doc{Subject: subject, Text: text}}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		key, err := p.d.vault.Get(ctx, tx, c.KeyID)
		if err != nil {
			return err
		}
		parts, err := cases.Seal(m, key)
		if err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		person, err := p.d.contacts.Get(ctx, tx, c.Contact)
		if err != nil {
			return err
		}
		return p.d.outbox.Queue(ctx, tx, &outbox.Delivery{Case: c.ID, Message: m.ID, Contact: c.Contact, Kind: kind, Mailbox: c.Mailbox, Address: person.MailTo(), Shown: policy.Signed})
	})
	return m.ID
}

// ends waits until a message is out, or held, and says which and why.
func (p *pages) ends(m cases.MessageID) (state, reason string) {
	p.Helper()
	p.eventually("it ends", func() bool {
		state, reason, _ = strings.Cut(p.one(`SELECT state || ' ' || reason FROM deliveries WHERE message_id = $1 AND kind <> 'nudge'`, m), " ")
		return slices.Contains([]outbox.State{outbox.Held, outbox.Captured, outbox.Sent, outbox.Failed}, outbox.State(state))
	})
	return state, reason
}

func (p *pages) delivery(m cases.MessageID) outbox.ID {
	return outbox.ID(p.one(`SELECT id FROM deliveries WHERE message_id = $1`, m))
}

func TestP6MisleadingLinksAreRefusedWhenSent(t *testing.T) {
	p := linkPages(t)
	p.work()
	c := p.write("Ada Brandt <ada@brandt.example>", "My card", "It is gone.")
	path := "/desk/cases/" + string(c.ID)
	for name, x := range misleading() {
		_, err := p.answerAs("agent", c, x[0])
		if !fail.Is(err, fail.Invalid) || !strings.Contains(fail.Text(err), x[1]) {
			t.Errorf("%s: %v", name, err)
		}
		form := url.Values{"text": {x[0]}, "to": {string(c.Contact)}}
		w := p.do("agent", "POST", path+"/send", form)
		if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, x[1]) || !strings.Contains(body, "This link cannot leave") {
			t.Errorf("%s on the page: %d", name, w.Code)
		}
		if pre := p.do("agent", "POST", path+"/preview", form).Body.String(); !strings.Contains(pre, x[1]) || !strings.Contains(pre, `"class":"stop"`) {
			t.Errorf("%s while it is written: %s", name, pre)
		}
		if _, err := p.d.outbox.PrepareSystem(t.Context(), &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Subject: "x", Mailbox: c.Mailbox, Text: x[0]}); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s by API: %v", name, err)
		}
		if _, err := p.d.outbox.PrepareSystem(t.Context(), &outbox.SystemMessage{Actor: "api:test", To: c.Contact, Subject: x[0], Mailbox: c.Mailbox, Text: "x"}); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s in a subject by API: %v", name, err)
		}
		m := p.answered("agent", c, x[2]+" "+db.NewID())
		p.due(m)
		if state, reason := p.ends(m); state != string(outbox.Captured) && state != string(outbox.Sent) {
			t.Errorf("%s: its twin is %s: %s", name, state, reason)
		}
	}
}

func TestP6MisleadingLinksAreHeldWhenTheyLeave(t *testing.T) {
	p := linkPages(t)
	p.work()
	c := p.write("Ada Brandt <ada@brandt.example>", "My card", "It is gone.")
	for name, x := range misleading() {
		m := p.past(c, outbox.Reply, "", x[0])
		if state, reason := p.ends(m); state != string(outbox.Held) || !strings.Contains(reason, x[3]) || strings.Contains(reason, "northmere") || strings.Contains(reason, "bit.ly") {
			t.Errorf("%s: %s: %s", name, state, reason) // nothing of the text may be in it: it is not sealed
		}
		// Releasing it changes nothing.
		p.release(c, m)
		if state, _ := p.ends(m); state != string(outbox.Held) {
			t.Errorf("%s: released, it is %s", name, state)
		}
		if state, reason := p.ends(p.past(c, outbox.Reply, "", x[2])); state == string(outbox.Held) {
			t.Errorf("%s: its twin is held: %s", name, reason)
		}
	}
	if state, _ := p.ends(p.past(c, outbox.Reply, "See http://northmere.example", "x")); state != string(outbox.Held) {
		t.Errorf("in the subject: %s", state)
	}
	if mails := strings.Join(p.mailsTo("ada@brandt.example"), "\n"); strings.Contains(mails, "http://northmere") || strings.Contains(mails, "bit.ly") || strings.Contains(mails, "north-mere") {
		t.Error("one of them left")
	}
}

// What they wrote as a subject goes back in ours: not with such a link in it.
func TestP6TheirSubjectLeadsNowhere(t *testing.T) {
	p := linkPages(t)
	p.work()
	c := p.write("Ada Brandt <ada@brandt.example>", "Look at https://north-mere.example/x", "Hello.")
	p.reply(c, "We have looked at it, and wrote this ourselves.")
	for _, mail := range p.mailsTo("ada@brandt.example") {
		if head, _, _ := strings.Cut(mail, "\r\n\r\n"); strings.Contains(head, "north-mere") {
			t.Error(head)
		}
	}
}

func TestP6CannedRepliesAndArticlesAreJudgedWhenKept(t *testing.T) {
	p := linkPages(t)
	for name, x := range misleading() {
		for n, text := range []string{x[0], x[2]} {
			field, err := p.d.centre.SaveReply(t.Context(), "zara", &centre.Reply{Name: name, Texts: centre.Texts{lang.German: text}})
			if (n == 0) != (fail.Is(err, fail.Invalid) && field == "text-de" && strings.Contains(fail.Text(err), x[1])) {
				t.Errorf("%s: a canned reply with %q: %s, %v", name, text, field, err)
			}
			field, err = p.d.centre.SaveArticle(t.Context(), "zara", &centre.Article{Texts: map[lang.Lang]centre.ArticleIn{lang.English: {Title: name, Text: text}}})
			if (n == 0) != (fail.Is(err, fail.Invalid) && field == "text-en" && strings.Contains(fail.Text(err), x[1])) {
				t.Errorf("%s: an article with %q: %s, %v", name, text, field, err)
			}
		}
	}
}

// Who is sent to a stranger is sent there by somebody who meant it.
func TestP6AStrangersLinkIsConfirmed(t *testing.T) {
	p := linkPages(t)
	c := p.write1(t)
	path := "/desk/cases/" + string(c.ID) + "/send"
	form := url.Values{"text": {"Look at https://stranger.example/ please."}, "to": {string(c.Contact)}}
	if w := p.do("agent", "POST", path, form); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "I have made sure of https://stranger.example/") {
		t.Errorf("not asked: %d", w.Code)
	}
	form["confirm"] = []string{"link:https://other.example/"}
	if w := p.do("agent", "POST", path, form); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("another link was confirmed: %d", w.Code)
	}
	form["confirm"] = []string{"link:https://stranger.example/"}
	if w := p.do("agent", "POST", path, form); w.Code != http.StatusSeeOther {
		t.Errorf("confirmed: %d", w.Code)
	}
	form = url.Values{"text": {"Look at https://survey.example/ and " + p.d.cfg.URL + "/case please."}, "to": {string(c.Contact)}}
	if w := p.do("agent", "POST", path, form); w.Code != http.StatusSeeOther {
		t.Errorf("a listed one: %d", w.Code)
	}
	form["text"], form["confirm"] = []string{"Look at https://bit.ly/x please."}, []string{"link:https://bit.ly/x", "link:shortener:https://bit.ly/x"}
	if w := p.do("agent", "POST", path, form); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("what blocks was confirmed away: %d", w.Code)
	}
}

func (p *pages) write1(t *testing.T) *cases.Case {
	t.Helper()
	p.work()
	return p.write("Ada Brandt <ada@brandt.example>", "My card", "It is gone.")
}

// site is what the desk meets when it follows links.
type site struct {
	mu    sync.Mutex
	to    string // where the page leads on to; guarded by mu
	down  bool   // guarded by mu
	asked int    // guarded by mu
}

func (s *site) set(to string, down bool) { s.mu.Lock(); defer s.mu.Unlock(); s.to, s.down = to, down }

func (s *site) fetch(_ context.Context, address string) (*safehttp.Visit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	v := &safehttp.Visit{Status: 200, Header: http.Header{"Content-Type": {"text/html"}, "Strict-Transport-Security": {"max-age=63072000; includeSubDomains"}}}
	if s.down {
		return nil, fail.New(fail.Unavailable, "the host name was not found")
	}
	if s.to != "" && strings.HasPrefix(address, "https:") {
		v.Status = 302
		v.Header.Set("Location", s.to)
	}
	return v, nil
}

// TestP6ARedirectToHTTPIsFoundWhenItLeaves: the page was fine when the answer was
// written. It is held when it leaves, whoever releases it, until the page is mended; and
// a page that does not answer is a warning to whoever writes, and no reason to hold.
func TestP6ARedirectToHTTPIsFoundWhenItLeaves(t *testing.T) {
	eachPagesOf(t, func(c *config.Config) { c.LinksListed = "survey.example" }, func(p *pages, later func(time.Duration)) {
		s := &site{}
		p.d.links.Checker = links.NewChecker(s.fetch, p.d.links.Judge, p.d.db.Now)
		p.work()
		c := p.write("Ada Brandt <ada@brandt.example>", "My card", "It is gone.")
		form := url.Values{"text": {"Please answer https://survey.example/q until Friday."}, "to": {string(c.Contact)}}
		path := "/desk/cases/" + string(c.ID)
		if w := p.do("agent", "POST", path+"/send", form); w.Code != http.StatusSeeOther || s.asked == 0 {
			p.Fatalf("a page that is fine: %d, asked %d times", w.Code, s.asked)
		}
		m := cases.MessageID(p.one(`SELECT id FROM messages WHERE case_id = $1 AND door = 'desk' ORDER BY id DESC LIMIT 1`, c.ID))
		s.set("http://survey.example/q", false)
		later(2 * time.Hour)
		p.due(m)
		if state, reason := p.ends(m); state != string(outbox.Held) || !strings.Contains(reason, "leads on over plain HTTP") || !strings.Contains(reason, "write the https address") {
			p.Fatalf("%s: %s", state, reason)
		}
		if c = p.fresh(c); !c.Held {
			p.Error("the case does not show it")
		}
		p.release(c, m)
		if state, _ := p.ends(m); state != string(outbox.Held) {
			p.Errorf("released, it is %s", state)
		}
		p.signAllIn(nil)
		if pre := p.do("agent", "POST", path+"/preview", form).Body.String(); !strings.Contains(pre, "leads on over plain HTTP") || !strings.Contains(pre, `"class":"stop"`) {
			p.Errorf("the next who writes it: %s", pre)
		}
		s.set("", true)
		later(10 * time.Minute)
		if pre := p.do("agent", "POST", path+"/preview", form).Body.String(); !strings.Contains(pre, "could not be looked at") || !strings.Contains(pre, "I have made sure of") {
			p.Errorf("a page that does not answer: %s", pre)
		}
		s.set("", false)
		p.release(c, m)
		if state, reason := p.ends(m); state != string(outbox.Captured) {
			p.Errorf("mended, it is %s: %s", state, reason)
		}
	})
}

func (p *pages) due(m cases.MessageID) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE message_id = $1`, m)
		return err
	})
}

// release lets a held message be tried again, and waits until it was.
func (p *pages) release(c *cases.Case, m cases.MessageID) {
	p.Helper()
	id, held := p.delivery(m), `SELECT COUNT(*) FROM audit WHERE about = $1 AND act LIKE 'delivery.%' AND act <> 'delivery.retried'`
	before := p.count(held, c.ID)
	c = p.fresh(c)
	p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.outbox.Retry(ctx, tx, c, id, "agent") })
	p.eventually("it is tried again", func() bool { return p.count(held, c.ID) > before })
}

// Without the setting nobody is asked anything.
func TestP6NothingIsFetchedUnlessTheSettingsSaySo(t *testing.T) {
	cfg := testConfig(t, "")
	if cfg.LinksFetch {
		t.Fatal("the tests fetch")
	}
	if d := openPagesOf(t, cfg, nil).d; d.links.Checker != nil {
		t.Error("it fetches")
	}
	cfg, err := config.Load("", []string{"POSTERN_DATA_DIR=" + t.TempDir() + "/data"})
	if err != nil || !cfg.LinksFetch {
		t.Fatal("it is not the default", err)
	}
	if d := openPagesOf(t, cfg, nil).d; d.links.Checker == nil {
		t.Error("it does not fetch")
	}
}
