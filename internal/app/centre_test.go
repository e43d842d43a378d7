package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/lang"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/portal"
)

// A visitor is a browser on the public pages: its cookies, its network, its language.
type visitor struct {
	*pages
	cookies map[string]string
	network string
	speaks  string
}

func (p *pages) visitor(network string) *visitor {
	return &visitor{p, map[string]string{}, network, "en"}
}

func (c *visitor) ask(method, path, kind string, body *bytes.Buffer) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://localhost:8443"+path, body)
	r.RemoteAddr = c.network + ":5000"
	r.Header.Set("Accept-Language", c.speaks)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, v := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	w := httptest.NewRecorder()
	c.site.ServeHTTP(w, r)
	for _, k := range w.Result().Cookies() {
		if c.cookies[k.Name] = k.Value; k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		}
	}
	return w
}

func (c *visitor) get(path string) *httptest.ResponseRecorder {
	return c.ask("GET", path, "", &bytes.Buffer{})
}

func (c *visitor) post(path string, form url.Values) *httptest.ResponseRecorder {
	return c.ask("POST", path, "application/x-www-form-urlencoded", bytes.NewBufferString(form.Encode()))
}

// upload posts a form with files.
func (c *visitor) upload(path string, form url.Values, files map[string]string) *httptest.ResponseRecorder {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for k, list := range form {
		for _, v := range list {
			m.WriteField(k, v)
		}
	}
	for name, text := range files {
		w, _ := m.CreateFormFile("files", name)
		w.Write([]byte(text))
	}
	m.Close()
	return c.ask("POST", path, m.FormDataContentType(), &b)
}

// step is a page that must answer so.
func (c *visitor) step(w *httptest.ResponseRecorder, code int, to string) {
	c.Helper()
	if w.Code != code || w.Header().Get("Location") != to {
		c.Fatalf("%d to %q, want %d to %q\n%s", w.Code, w.Header().Get("Location"), code, to, w.Body)
	}
}

var (
	refWords  = regexp.MustCompile(`<p class="code">([A-Z0-9-]+)</p>`)
	codeWords = regexp.MustCompile(`<p class="code">(\d{4} \d{4} \d{4} \d{4})</p>`)
)

// sendForm goes through the form, and returns the reference and the code.
func (c *visitor) sendForm(topic, text, name, address string) (ref, code string) {
	c.Helper()
	next := "/contact/you"
	if topic == centre.Security {
		next = "/contact/files"
	}
	c.step(c.post("/contact/about/"+topic, url.Values{"text": {text}}), http.StatusSeeOther, next)
	c.step(c.post("/contact/you", url.Values{"name": {name}, "address": {address}}), http.StatusSeeOther, "/contact/check")
	c.step(c.post("/contact/send", nil), http.StatusSeeOther, "/contact/done")
	page := c.get("/contact/done").Body.String()
	r, k := refWords.FindStringSubmatch(page), codeWords.FindStringSubmatch(page)
	if r == nil || k == nil {
		c.Fatalf("no reference or code: %s", page)
	}
	return r[1], k[1]
}

func (p *pages) byRef(ref string) (c *cases.Case) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = p.d.cases.ByRef(ctx, tx, cases.Ref(ref))
		return err
	})
	return c
}

// open comes to the case page with a code.
func (c *visitor) open(ref, code string) *httptest.ResponseRecorder {
	return c.post("/case", url.Values{"ref": {ref}, "code": {code}})
}

// reply has an agent answer a case, and the outbox send it; how says how it went.
func (p *pages) reply(c *cases.Case, text string) (how policy.Protection) {
	p.Helper()
	m, err := p.d.outbox.Send(p.Context(), &outbox.Answer{Case: c.ID, Staff: p.staffID("agent"), Text: text, To: []contacts.ID{c.Contact}})
	if err != nil {
		p.Fatal(err)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error { // the time to undo is over
		_, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = 0 WHERE message_id = $1`, m)
		return err
	})
	p.eventually("it is sent", func() bool {
		return p.count(`SELECT COUNT(*) FROM deliveries WHERE message_id = $1 AND kind <> 'nudge' AND done_at > 0`, m) == 1
	})
	return policy.Protection(p.one(`SELECT protection FROM deliveries WHERE message_id = $1 AND kind <> 'nudge'`, m))
}

// TestP7NobodyNeedsAnAccount: from the first page to an answer, without a name, a
// key or an address; the answer waits behind the code, and both sides see how far
// it went.
func TestP7NobodyNeedsAnAccount(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		p.work()
		x := p.visitor("192.0.2.1")
		ref, code := x.sendForm("payments-and-bills", "My bill came twice. canary-question", "", "")
		c := p.byRef(ref)
		if c.Door != "form" || c.Topic != "payments-and-bills" || c.Trust != "form" || c.Alarm != "" || c.Who != "Somebody without a name" {
			t.Errorf("%+v", c)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries`); n != 0 {
			t.Errorf("%d mails to nobody", n)
		}
		if page := x.get("/contact/done").Body.String(); !strings.Contains(page, code) || !strings.Contains(page, "last time") {
			t.Error("the code is not shown a second time")
		}
		if page := x.get("/contact/done").Body.String(); strings.Contains(page, code) || !strings.Contains(page, "shown twice") {
			t.Error("the code is shown a third time")
		}
		x.step(x.post("/contact/send", nil), http.StatusSeeOther, "/contact/done") // a second click
		if n := p.count(`SELECT COUNT(*) FROM cases`); n != 1 {
			t.Errorf("%d cases", n)
		}

		// An agent answers; nothing leaves by mail, not even what is sensitive.
		if how := p.reply(c, "The second is void. Card 4111 1111 1111 1111. canary-answer"); how != policy.Page {
			t.Errorf("it went %s", how)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE raw_blob <> ''`); n != 0 {
			t.Errorf("%d mails", n)
		}
		desk := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String()
		for _, want := range []string{"On the case page, not seen yet", "Written in the form; nobody proved who", "wrote by the form", "About: Payments and bills"} {
			if !strings.Contains(desk, want) {
				t.Errorf("the desk does not say %q", want)
			}
		}

		// The page opens with both, and with nothing else.
		y := p.visitor("192.0.2.2")
		if w := y.get("/case/" + ref); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("without the code: %d", w.Code)
		}
		x.step(x.open(" "+strings.ToLower(ref)+" ", strings.ReplaceAll(code, " ", "")), http.StatusSeeOther, "/case/"+ref)
		page := x.get("/case/" + ref).Body.String()
		for _, want := range []string{"canary-question", "canary-answer", "Answered: the next word is yours", "One of our agents", "Waits here, and was in no mail"} {
			if !strings.Contains(page, want) {
				t.Errorf("the case page does not say %q", want)
			}
		}
		if desk := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String(); !strings.Contains(desk, "Seen on the case page") {
			t.Error("the desk does not see that it was read")
		}
		x.get("/case/" + ref)
		if n := len(only(p.acts(c), "case.page-read")); n != 1 {
			t.Errorf("read %d times", n)
		}

		// More words, a file, and a person.
		x.step(x.upload("/case/"+ref+"/reply", url.Values{"text": {"And the first? canary-more"}, "do": {"send"}}, map[string]string{"bill.txt": "canary-file"}), http.StatusSeeOther, "/case/"+ref+"?sent=1")
		page = x.get("/case/" + ref + "?sent=1").Body.String()
		file := regexp.MustCompile(`/case/[A-Z0-9-]+/files/[a-z0-9]+/0`).FindString(page)
		if !strings.Contains(page, "canary-more") || !strings.Contains(page, "We have it.") || x.get(file).Body.String() != "canary-file" {
			t.Errorf("file %q", file)
		}
		if w := y.get(file); strings.Contains(w.Body.String(), "canary") {
			t.Error("the file is open to who has not the code")
		}
		x.step(x.post("/case/"+ref+"/reply", url.Values{"text": {""}, "do": {"person"}}), http.StatusSeeOther, "/case/"+ref+"?sent=1")
		if c := p.byRef(ref); c.Alarm == "" || c.State != cases.Open {
			t.Errorf("they asked for a person: %+v", c)
		}
		if w := x.post("/case/"+ref+"/reply", url.Values{"text": {" "}, "do": {"send"}}); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("nothing at all: %d", w.Code)
		}
		later(31 * time.Minute)
		if w := x.get("/case/" + ref); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("after half an hour: %d", w.Code)
		}
		x.step(x.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		x.step(x.post("/case/"+ref+"/sign-out", nil), http.StatusSeeOther, "/case")
		if w := x.get("/case/" + ref); w.Code != http.StatusForbidden {
			t.Errorf("after closing the page: %d", w.Code)
		}
	})
}

// TestP2ACaseOpensWithItsCodeAlone: a wrong code, another's, a made-up reference, a
// forged cookie: one answer to all, and a wrong try locks nobody out.
func TestP2ACaseOpensWithItsCodeAlone(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		a, b := p.visitor("192.0.2.1"), p.visitor("192.0.2.2")
		refA, codeA := a.sendForm(centre.SomethingElse, "canary-a", "", "")
		refB, codeB := b.sendForm(centre.SomethingElse, "canary-b", "", "")
		same := ""
		for n, try := range [][2]string{{refA, codeB}, {refA, "0000 0000 0000 0000"}, {"AAAA-BBBB", codeA}, {refA, "12"}, {refA, ""}, {"", codeA}} {
			x := p.visitor(fmt.Sprintf("198.51.100.%d", n+1))
			w := x.open(try[0], try[1])
			words := strings.ReplaceAll(w.Body.String(), `value="`+try[0]+`"`, `value=""`)
			if w.Code != http.StatusForbidden || strings.Contains(words, "canary") || x.cookies["__Host-postern-case"] != "" {
				t.Errorf("%q: %d", try, w.Code)
			}
			if same == "" {
				same = words
			} else if same != words {
				t.Errorf("%q is answered otherwise", try)
			}
		}
		// B's page opens nothing of A's.
		b.step(b.open(refB, codeB), http.StatusSeeOther, "/case/"+refB)
		if w := b.get("/case/" + refA); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "canary-a") {
			t.Errorf("another's case: %d", w.Code)
		}
		if w := b.post("/case/"+refA+"/reply", url.Values{"text": {"x"}}); w.Code != http.StatusForbidden {
			t.Errorf("an answer into another's case: %d", w.Code)
		}
		token := b.cookies["__Host-postern-case"]
		idA := string(p.byRef(refA).ID)
		id, rest, _ := strings.Cut(token, ".")
		for _, forged := range []string{idA + "." + rest, id + ".9999999999" + rest[strings.IndexByte(rest, '.'):], token[:len(token)-2] + "AA", "x", ""} {
			y := p.visitor("203.0.113.9")
			y.cookies["__Host-postern-case"] = forged
			for _, ref := range []string{refA, refB} {
				if w := y.get("/case/" + ref); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "canary") {
					t.Errorf("%q opens %s: %d", forged, ref, w.Code)
				}
			}
		}
		// Many wrong codes slow their network, and nobody else.
		x, slowed := p.visitor("198.51.100.77"), false
		for range 12 {
			if w := x.open(refA, "1111 1111 1111 1111"); w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "" {
				slowed = true
			}
		}
		if !slowed {
			t.Error("guesses are not slowed down")
		}
		a.step(a.open(refA, codeA), http.StatusSeeOther, "/case/"+refA)
		// The code stands nowhere.
		for _, q := range []string{`SELECT hash FROM receipts`, `SELECT doc FROM form_drafts`} {
			for _, v := range p.rows(q) {
				if strings.Contains(v, strings.ReplaceAll(codeA, " ", "")) || strings.Contains(v, codeA) || strings.Contains(v, "argon2") {
					t.Errorf("%s holds it in clear", q)
				}
			}
		}
	})
}

func (p *pages) rows(query string) (out []string) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = db.List(ctx, tx, func(s *string, row func(...any) error) error {
			var b []byte
			err := row(&b)
			*s = string(b)
			return err
		}, query)
		return err
	})
	return out
}

// TestP2AnAddressSomebodyTypedReadsNothing: who types a customer's address into the
// form gets a receipt, and by it not a word of what is answered to that address.
func TestP2AnAddressSomebodyTypedReadsNothing(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		p.work()
		ada := p.write("ada@brandt.example", "Hello", "canary-mail")
		x := p.visitor("192.0.2.1")
		ref, code := x.sendForm("payments-and-bills", "Dear desk, EVIL-WORDS http://evil.example, what is my balance?", "EVIL-NAME", "Ada@Brandt.example")
		c := p.byRef(ref)
		if c.Contact != ada.Contact || c.ID == ada.ID {
			t.Fatalf("filed with %s in %s", c.Contact, c.ID)
		}
		if how := p.reply(c, "Your balance is canary-balance."); how == policy.Page {
			t.Errorf("the answer waits for who typed the address: %s", how)
		}
		// The customer's own mail into that case, too.
		if own := p.write("ada@brandt.example", "Re: ["+p.d.cases.Tokens.Make(c.Ref)+"]", "I did not write that. canary-own"); own.ID != c.ID {
			t.Error("her mail did not join")
		}
		x.step(x.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		page := x.get("/case/" + ref).Body.String()
		if strings.Contains(page, "canary") || !strings.Contains(page, "By mail to A••••a@Brandt.example") && !strings.Contains(page, "By mail to a••••a@brandt.example") {
			t.Errorf("the case page: %s", page)
		}
		// What went to her by itself holds nothing that the other wrote.
		for _, raw := range p.mailsTo("ada@brandt.example") {
			if strings.Contains(raw, "EVIL") || strings.Contains(raw, "evil.example") {
				t.Errorf("a mail of ours carries a stranger's words:\n%s", raw)
			}
		}
	})
}

// mailsTo are the finished mails that left for an address.
func (p *pages) mailsTo(address string) (out []string) {
	p.Helper()
	var list []outbox.Delivery
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		list, err = p.d.outbox.Tray(ctx, tx, 500)
		return err
	})
	for _, d := range list {
		if !strings.EqualFold(d.Address, address) || d.RawBlob == "" {
			continue
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			b, err := p.d.vault.GetBlob(ctx, tx, d.RawBlob)
			if err != nil {
				return err
			}
			raw, err := b.Open()
			out = append(out, string(raw))
			return err
		})
	}
	return out
}

// TestP7DoorsStay: an admin, an import, the API, a setting and somebody with the
// database try to take the two doors away.
func TestP7DoorsStay(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		stand := func(who string) {
			t.Helper()
			for _, speaks := range []string{"en", "de"} {
				x := p.visitor("192.0.2.1")
				x.speaks = speaks
				for _, path := range []string{"/", "/contact"} {
					page := x.get(path).Body.String()
					other, report := strings.LastIndex(page, `<a href="/something-else"><svg`), strings.LastIndex(page, `<a href="/report"><svg`)
					if other < 0 || report < other || strings.LastIndex(page, "/contact/about/") > other {
						t.Errorf("%s, %s in %s: the list does not end with both doors", who, path, speaks)
					}
				}
				for _, topic := range []string{centre.SomethingElse, centre.Security} {
					if w := x.get("/contact/about/" + topic); w.Code != http.StatusOK {
						t.Errorf("%s: %s answers %d", who, topic, w.Code)
					}
				}
				for path, form := range map[string]string{"/something-else": "/contact/about/", "/report": "/contact/affected", "/contact/affected": "/contact/affected"} {
					if w := x.get(path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), form) {
						t.Errorf("%s: %s answers %d", who, path, w.Code)
					}
				}
			}
		}
		stand("as shipped")

		// The admin: an empty list; the doors under their own names, moved, renamed, hidden.
		version := func() string {
			m := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(p.do("admin", "GET", "/desk/topics", nil).Body.String())
			return m[1]
		}
		if w := p.do("admin", "POST", "/desk/topics", url.Values{"text": {""}, "version": {version()}}); w.Code != http.StatusSeeOther {
			t.Errorf("an empty list: %d", w.Code)
		}
		stand("an admin with an empty list")
		for _, bad := range []string{"Something else", "SOMETHING ELSE!", "Report a security problem [sensitive]", "Ein Sicherheitsproblem melden", "Cards\nde: Etwas anderes", "Cards\n  Something  Else | hidden here"} {
			w := p.do("admin", "POST", "/desk/topics", url.Values{"text": {bad}, "version": {version()}})
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "stands at the end of the list by itself") || !strings.Contains(w.Body.String(), strings.Split(bad, "\n")[0]) {
				t.Errorf("%q: %d", bad, w.Code)
			}
		}
		if w := p.do("agent", "POST", "/desk/topics", url.Values{"text": {"x"}, "version": {version()}}); w.Code != http.StatusForbidden {
			t.Errorf("an agent: %d", w.Code)
		}
		stand("an admin")

		// An import, by the same gate.
		for _, text := range []string{"", "something-else\nsecurity", strings.Repeat("x", 50_000)} {
			p.d.centre.SaveTopics(p.Context(), "cli", text, p.d.centre.Tree().Version)
		}
		stand("an import")

		// The API has no way to them.
		if w := p.do("", "PUT", "/api/v1/topics", nil); w.Code < 400 {
			t.Errorf("the API: %d", w.Code)
		}

		// No setting names them.
		for _, setting := range []string{"POSTERN_CENTRE_DOORS=off", "POSTERN_DOORS=none", "POSTERN_CENTRE_TOPICS="} {
			if _, err := config.Load("", []string{setting}); err == nil {
				t.Errorf("the setting %s is taken", setting)
			}
		}
		file := filepath.Join(t.TempDir(), "postern.toml")
		os.WriteFile(file, []byte("[centre]\ndoors = false\n"), 0o600)
		if _, err := config.Load(file, nil); err == nil {
			t.Error("a settings file without doors is taken")
		}

		// Somebody who writes into the database.
		for n, text := range []string{"", "Something else", "\t\x00[[[", "Cards and PINs"} {
			p.must(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO topic_trees (version, text, actor, made_at) VALUES ($1, $2, 'x', 0)`, 1000+n, strings.ReplaceAll(text, "\x00", "?"))
				return err
			})
			p.d.centre.Reload(p.Context()) // one that cannot be read leaves what stood
			stand(fmt.Sprintf("the database, %q", text))
		}
	})
}

// TestP7ReportByTheFormReachesSomebody: the door for security problems marks the case
// at once, and it goes to the mailbox for them.
func TestP7ReportByTheFormReachesSomebody(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		if _, err := p.d.boxes.Add(p.Context(), "system", "Security", "security@northmere.example", false); err != nil {
			t.Fatal(err)
		}
		x := p.visitor("192.0.2.1")
		ref, _ := x.sendForm(centre.Security, "Your page sends names in clear", "", "")
		if c := p.byRef(ref); c.Alarm == "" || !c.Sensitive || c.Mailbox != "security@northmere.example" {
			t.Errorf("%+v", c)
		}
	})
}

// TestFormKeepsWhatWasTyped: wrong input comes back with its text; files are added
// and taken away; what nobody sends is forgotten for good.
func TestFormKeepsWhatWasTyped(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		x := p.visitor("192.0.2.1")
		for _, path := range []string{"/contact/you", "/contact/check", "/contact/done", "/contact/receipt.eml"} {
			if w := x.get(path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "begin again") {
				t.Errorf("%s before anything was begun: %d", path, w.Code)
			}
		}
		about := "/contact/about/payments-and-bills"
		if w := x.get("/contact/about/no-such-topic"); w.Code != http.StatusNotFound {
			t.Errorf("no such topic: %d", w.Code)
		}
		for _, c := range []struct {
			form url.Values
			want string
		}{{url.Values{"text": {"  "}}, "Write something, or add a file"}, {url.Values{"text": {"canary-typed"}, "website": {"http://spam.example"}}, "This field must stay empty"},
			{url.Values{"text": {strings.Repeat("x", 100_001)}}, "longer than 100,000"}} {
			w := x.post(about, c.form)
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), c.want) || !strings.Contains(w.Body.String(), strings.TrimSpace(c.form.Get("text"))) {
				t.Errorf("%.20q: %d", c.form.Get("text"), w.Code)
			}
		}
		x.step(x.upload(about, url.Values{"text": {"canary-typed"}, "do": {"keep"}}, map[string]string{"a.txt": "canary-file-a", "b.txt": "canary-file-b"}), http.StatusSeeOther, about)
		page := x.get(about).Body.String()
		if !strings.Contains(page, "canary-typed") || !strings.Contains(page, "a.txt") || !strings.Contains(page, "b.txt") {
			t.Errorf("not kept: %s", page)
		}
		if n := len(p.rows(`SELECT doc FROM form_drafts`)); n != 1 {
			t.Fatalf("%d drafts", n)
		}
		for _, q := range []string{`SELECT doc FROM form_drafts`, `SELECT sealed FROM blobs`} {
			for _, v := range p.rows(q) {
				if strings.Contains(v, "canary") {
					t.Errorf("%s holds it in clear", q)
				}
			}
		}
		if w := p.visitor("192.0.2.9").get(about); strings.Contains(w.Body.String(), "canary") {
			t.Error("another browser sees it")
		}
		first := "a.txt"
		if strings.Index(page, "b.txt") < strings.Index(page, "a.txt") {
			first = "b.txt"
		}
		x.step(x.upload(about, url.Values{"text": {"canary-typed"}, "drop": {"0"}}, nil), http.StatusSeeOther, "/contact/you")
		if w := x.post("/contact/you", url.Values{"name": {"Hanna"}, "address": {"hanna at home"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "hanna at home") {
			t.Errorf("no address: %d", w.Code)
		}
		if w := x.post("/contact/you", url.Values{"address": {p.d.boxes.All()[0].Address}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "an address of ours") {
			t.Errorf("our own address: %d", w.Code)
		}
		x.step(x.post("/contact/you", url.Values{"name": {"Hanna"}, "address": {"hanna@kestrel.example"}}), http.StatusSeeOther, "/contact/check")
		page = x.get("/contact/check").Body.String()
		if !strings.Contains(page, "canary-typed") || !strings.Contains(page, "hanna@kestrel.example") || strings.Contains(page, first) {
			t.Errorf("check: %s", page)
		}
		later(centre.DraftLife + time.Minute)
		if w := x.post("/contact/send", nil); w.Code != http.StatusNotFound {
			t.Errorf("after a day: %d", w.Code)
		}
		if err := p.d.centre.Purge(p.Context()); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{`SELECT doc FROM form_drafts`, `SELECT sealed FROM blobs`} {
			if n := len(p.rows(q)); n != 0 {
				t.Errorf("%s: %d are left", q, n)
			}
		}
	})
}

// TestFormLimits: one network sends so many forms an hour, and is told when to come
// back; another is not held up by it. What it wrote is kept.
func TestFormLimits(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		x := p.visitor("192.0.2.1")
		for range 5 {
			x.sendForm(centre.SomethingElse, "again", "", "")
		}
		begin := func() {
			p.Helper()
			x.step(x.post("/contact/about/something-else", url.Values{"text": {"once more"}}), http.StatusSeeOther, "/contact/you")
		}
		field := func(w *httptest.ResponseRecorder, pattern string) string {
			m := regexp.MustCompile(pattern).FindStringSubmatch(w.Body.String())
			if m == nil {
				p.Fatalf("no %s: %s", pattern, w.Body)
			}
			return m[1]
		}
		slow := func(form url.Values) *httptest.ResponseRecorder {
			p.Helper()
			w := x.post("/contact/send", form)
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "One minute, please") || !strings.Contains(w.Body.String(), "once more") {
				p.Fatalf("%d %s", w.Code, w.Body)
			}
			return w
		}
		// Without scripts: a minute's wait, and not a second less; another form's note does not count.
		begin()
		wait := field(slow(nil), `name="wait" value="([^"]+)"`)
		slow(url.Values{"wait": {wait}})
		slow(url.Values{"wait": {"1" + wait}})
		slow(url.Values{"wait": {strconv.FormatInt(p.d.db.Now().Add(-time.Hour).Unix(), 10) + wait[strings.IndexByte(wait, '.'):]}})
		later(time.Minute)
		x.step(x.post("/contact/send", url.Values{"wait": {wait}}), http.StatusSeeOther, "/contact/done")
		begin()
		slow(url.Values{"wait": {wait}})
		// With scripts: work for this form; too little, another's and none do not count.
		task := field(x.get("/contact/check"), `data-work="([^"]+)"`)
		slow(url.Values{"work": {task + ":1"}})
		slow(url.Values{"work": {solve("1.AAAAAAAAAAAAAAAAAAAAAA")}})
		x.step(x.post("/contact/send", url.Values{"work": {solve(task)}}), http.StatusSeeOther, "/contact/done")
		begin()
		slow(url.Values{"work": {solve(task)}})
		// Even with work there is an end.
		many := false
		for range 60 {
			w := x.post("/contact/about/something-else", url.Values{"text": {"and more"}})
			if w.Code == http.StatusSeeOther {
				w = x.post("/contact/send", url.Values{"work": {solve(field(x.get("/contact/check"), `data-work="([^"]+)"`))}})
			}
			if w.Code == http.StatusTooManyRequests {
				many = w.Header().Get("Retry-After") != ""
				break
			}
		}
		if !many {
			p.Error("there is no end")
		}
		y := p.visitor("192.0.2.2")
		y.sendForm(centre.SomethingElse, "from elsewhere", "", "")
		for _, v := range p.rows(`SELECT network FROM form_posts`) {
			if strings.Contains(v, "192.0.2") {
				p.Error("networks are kept in clear")
			}
		}
	})
}

// solve does the work that a browser does for a form.
func solve(task string) string {
	for n := 0; ; n++ {
		s := fmt.Sprintf("%s:%d", task, n)
		if sum := sha256.Sum256([]byte(s)); sum[0] == 0 && sum[1] < 2 {
			return s
		}
	}
}

// TestS30TenThousandForms: ten thousand posts with strangers' addresses. What is too
// much is refused with the time to wait; real mail goes on; a stranger gets one mail,
// with nobody's words in it.
func TestS30TenThousandForms(t *testing.T) {
	p := openPages(t, "")
	p.work()
	const posts, networks, strangers = 10_000, 100, 40
	var taken, refused, slowest int64
	begun := map[int]*visitor{}
	for n := range posts {
		x := begun[n%networks]
		if x == nil {
			x = p.visitor(fmt.Sprintf("198.51.%d.%d", n%networks, 7))
			begun[n%networks] = x
		}
		if x.cookies["__Host-postern-form"] == "" {
			x.post("/contact/about/something-else", url.Values{"text": {"EVIL-WORDS"}})
			x.post("/contact/you", url.Values{"name": {"EVIL-NAME"}, "address": {fmt.Sprintf("s%d@victim.example", n%strangers)}})
		}
		switch w := x.post("/contact/send", nil); {
		case w.Code == http.StatusSeeOther:
			taken++
			delete(x.cookies, "__Host-postern-form")
		case w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "":
			refused++
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if n%500 == 250 { // a customer's mail in between
			begin := time.Now()
			p.write(fmt.Sprintf("real%d@x.example", n), "Real", "A question.")
			slowest = max(slowest, time.Since(begin).Milliseconds())
		}
	}
	t.Logf("%d posts: %d taken, %d refused with the time to wait; a real mail was a case after %d ms at most", posts, taken, refused, slowest)
	if taken != networks*5 || taken+refused != posts {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
	if slowest > 60_000 {
		t.Errorf("real mail waited %d ms", slowest)
	}
	p.eventually("all mail is out", func() bool { return p.count(`SELECT COUNT(*) FROM deliveries WHERE done_at = 0`) == 0 })
	if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'ack'`); n != strangers+posts/500 {
		t.Errorf("%d mails, to %d strangers and %d customers", n, strangers, posts/500)
	}
	for n := range strangers {
		mails := p.mailsTo(fmt.Sprintf("s%d@victim.example", n))
		if len(mails) != 1 || strings.Contains(mails[0], "EVIL") {
			t.Errorf("stranger %d: %d mails", n, len(mails))
		}
	}
}

// TestF25FormsWithStrangersAddresses: however many forms name a stranger's address,
// it gets one mail in 24 hours, without a word of whoever wrote.
func TestF25FormsWithStrangersAddresses(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		p.work()
		send := func(n int) {
			p.visitor(fmt.Sprintf("192.0.2.%d", n)).sendForm(centre.SomethingElse, fmt.Sprintf("EVIL-WORDS %d", n), "EVIL-NAME", fmt.Sprintf("Stranger%d@victim.example", n%3))
		}
		mails := func() (n int) {
			p.eventually("all mail is out", func() bool { return p.count(`SELECT COUNT(*) FROM deliveries WHERE done_at = 0`) == 0 })
			for i := range 3 {
				for _, raw := range p.mailsTo(fmt.Sprintf("stranger%d@victim.example", i)) {
					if n++; strings.Contains(raw, "EVIL") {
						t.Errorf("it carries a stranger's words:\n%s", raw)
					}
				}
			}
			return n
		}
		for n := range 30 {
			send(n + 1)
		}
		if got := mails(); got != 3 {
			t.Errorf("%d mails to three addresses", got)
		}
		later(23 * time.Hour)
		send(41)
		if got := mails(); got != 3 {
			t.Errorf("%d mails after 23 hours", got)
		}
		later(2 * time.Hour)
		send(42)
		if got := mails(); got != 4 {
			t.Errorf("%d mails after 25 hours", got)
		}
	})
}

// TestPagesSpeakTheVisitorsLanguage: by the browser, by a link, and never by leading
// somewhere else.
func TestPagesSpeakTheVisitorsLanguage(t *testing.T) {
	p := openPages(t, "")
	x := p.visitor("192.0.2.1")
	says := func(path, want string) {
		t.Helper()
		if page := x.get(path).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	x.speaks = "de-AT,de;q=0.9,en;q=0.5"
	says("/", `<html lang="de"`)
	says("/contact", "Ein Sicherheitsproblem melden")
	says("/no-such-page", "Hier ist nichts")
	says("/my", "Was auf Sie wartet")
	x.step(x.get("/contact?lang=en"), http.StatusSeeOther, "/contact")
	says("/contact", "Report a security problem")
	x.step(x.get("/?lang=de"), http.StatusSeeOther, "/")
	says("/", "Wie können wir helfen?")
	x.step(x.get("/?lang=xx"), http.StatusSeeOther, "/")
	says("/", "Wie können wir helfen?")
	for _, path := range []string{"//evil.example?lang=en", `/\evil.example?lang=en`, "/%2fevil.example?lang=en"} {
		if to := x.get(path).Header().Get("Location"); strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || strings.Contains(to, "://") {
			t.Errorf("%s leads to %q", path, to)
		}
	}
	if _, ok := lang.Parse("en-XA"); !ok {
		t.Error("the pseudo-locale is gone")
	}
}

// TestFormReceiptVerifies: what may be kept is signed by us, and holds neither the
// text nor the code.
func TestFormReceiptVerifies(t *testing.T) {
	p := openPages(t, "")
	x := p.visitor("192.0.2.1")
	ref, code := x.sendForm(centre.SomethingElse, "canary-text", "", "")
	w := x.get("/contact/receipt.eml")
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, "multipart/signed") || !strings.Contains(body, ref) || strings.Contains(body, "canary") || strings.Contains(body, code) {
		t.Errorf("%d\n%s", w.Code, body)
	}
	for _, way := range []string{"Reply to this mail", "/case", "/person/"} {
		if !strings.Contains(strings.ReplaceAll(body, "=\r\n", ""), way) {
			t.Errorf("it does not say %q", way)
		}
	}
}

// giveUpEncryption has a customer choose readable mail, in their place.
func (p *pages) giveUpEncryption(c contacts.ID) {
	p.Helper()
	ses := &portal.Session{Contact: c, Factor: portal.Passkey, Made: p.d.db.Now()}
	if _, err := p.d.outbox.GiveUp(p.Context(), c, []consent.Scope{consent.Encryption}, 1, ses.Proof()); err != nil {
		p.Fatal(err)
	}
}

// TestP5ListedTopicStaysProtected: what is about a topic on the organisation's list
// stays protected, whatever a customer chose; leaving it takes a reason.
func TestP5ListedTopicStaysProtected(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Statement", "may I have it?")
		p.giveUpEncryption(c.Contact)
		way := func() policy.Protection {
			t.Helper()
			var ways []outbox.Way
			p.must(func(ctx context.Context, tx *db.Tx) error {
				c, err := p.d.cases.Get(ctx, tx, c.ID)
				if err != nil {
					return err
				}
				ways, _, err = p.d.outbox.Preview(ctx, tx, c, &outbox.Answer{Case: c.ID, Text: "Here it is", Sensitive: true, To: []contacts.ID{c.Contact}})
				return err
			})
			return ways[0].Protection
		}
		if got := way(); got != policy.OptedOut {
			t.Fatalf("by their choice it goes %s", got)
		}
		set := func(topic, reason string) int {
			return p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/topic", url.Values{"topic": {topic}, "reason": {reason}}).Code
		}
		if code := set("no-such", ""); code != http.StatusUnprocessableEntity {
			t.Errorf("no such topic: %d", code)
		}
		if code := set("documents-and-copies", ""); code != http.StatusSeeOther {
			t.Fatalf("%d", code)
		}
		if got := way(); got == policy.OptedOut || got == policy.Signed {
			t.Errorf("about a listed topic it goes %s", got)
		}
		if code := set("payments-and-bills", ""); code != http.StatusUnprocessableEntity {
			t.Errorf("out of the topic without a reason: %d", code)
		}
		if code := set("payments-and-bills", "It is about a bill"); code != http.StatusSeeOther {
			t.Errorf("with a reason: %d", code)
		}
		if n := p.count(`SELECT COUNT(*) FROM messages WHERE case_id = $1 AND kind = 'note'`, c.ID); n != 1 {
			t.Errorf("%d notes", n)
		}
		// A topic that was on the list and is not any more protects on.
		set("documents-and-copies", "")
		if err := p.d.centre.SaveTopics(p.Context(), "system", "Cards", p.d.centre.Tree().Version); err != nil {
			t.Fatal(err)
		}
		if got := way(); got == policy.OptedOut || got == policy.Signed {
			t.Errorf("about a topic that is gone it goes %s", got)
		}
	})
}
