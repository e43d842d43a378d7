package app

// The portal through its pages, at chosen moments: who comes with what, and
// what is shown, recorded and refused.

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/portal"
)

// eachPages runs f on a desk on each database; later moves the desk's clock.
func eachPages(t *testing.T, f func(p *pages, later func(time.Duration))) {
	eachPagesOf(t, func(*config.Config) {}, f)
}

// eachPagesOf is eachPages with other settings.
func eachPagesOf(t *testing.T, set func(*config.Config), f func(p *pages, later func(time.Duration))) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = mk(t)
			}
			now := time.Now().UTC().Truncate(time.Second)
			clock := make(chan time.Time, 1) // holds the time; whoever reads puts it back
			clock <- now
			get := func() time.Time { n := <-clock; clock <- n; return n }
			cfg := testConfig(t, database)
			set(cfg)
			f(openPagesOf(t, cfg, get), func(d time.Duration) { clock <- (<-clock).Add(d) })
		})
	}
}

// code gives the customer an access code by telephone.
func (p *pages) code(id portal.ID) (code string) {
	p.Helper()
	code = portal.NewCode()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		i, err := portal.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		return p.d.portal.IssueCode(ctx, tx, i, "noor", code)
	})
	return code
}

// at asks a page of the portal with a cookie, if any.
func (p *pages) at(cookie *http.Cookie, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://localhost:8443"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	return w
}

func (p *pages) enter(link, code string) (int, *http.Cookie) {
	w := p.at(nil, "POST", "/m/"+link+"/code", url.Values{"code": {code}})
	if c := w.Result().Cookies(); len(c) == 1 && c[0].MaxAge > 0 {
		return w.Code, c[0]
	}
	return w.Code, nil
}

// acts are the audit rows about a case.
func (p *pages) acts(c *cases.Case) (out []string) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		rows, err := audit.About(ctx, tx, string(c.ID), 100)
		for _, r := range rows {
			out = append(out, r.Act)
		}
		return err
	})
	return out
}

// TestP4ScannersOpenNothing: whoever fetches, follows and fetches again is
// recorded as that, once, and nothing else happens.
func TestP4ScannersOpenNothing(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		for _, method := range []string{"GET", "HEAD", "GET", "GET"} {
			w := p.at(nil, method, "/m/"+item.Link, nil)
			if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "canary") || strings.Contains(w.Body.String(), "emre@") || len(w.Result().Cookies()) > 0 {
				p.Errorf("%s: %d", method, w.Code)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") == "" {
				p.Errorf("%s: %v", method, w.Header())
			}
		}
		if acts := p.acts(c); !slices.Equal(only(acts, "item."), []string{"item.placed", "item.fetched"}) && !slices.Equal(only(acts, "item."), []string{"item.fetched", "item.placed"}) {
			p.Errorf("recorded: %v", acts)
		}
		if i := p.item(item.ID); !i.Released.IsZero() || i.Tries != 0 {
			p.Errorf("%+v", i)
		}
	})
}

func only(acts []string, prefix string) (out []string) {
	for _, a := range acts {
		if strings.HasPrefix(a, prefix) {
			out = append(out, a)
		}
	}
	return out
}

func TestP4CodeIsLateAfterTenMinutes(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		item, c := p.waiting("canary-content")
		code := p.code(item.ID)
		later(11 * time.Minute)
		if status, cookie := p.enter(item.Link, code); status != http.StatusForbidden || cookie != nil {
			p.Errorf("in the eleventh minute: %d", status)
		}
		if acts := p.acts(c); !slices.Contains(acts, "item.refused") || slices.Contains(acts, "item.released") {
			p.Errorf("recorded: %v", acts)
		}
		code = p.code(item.ID)
		later(9 * time.Minute)
		if status, cookie := p.enter(item.Link, code); status != http.StatusSeeOther || cookie == nil {
			p.Errorf("in the tenth minute: %d", status)
		}
	})
}

func TestP4SixthTryFailsWithTheRightCode(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, _ := p.waiting("canary-content")
		code := p.code(item.ID)
		for range portal.MaxTries {
			if status, _ := p.enter(item.Link, "1111 1111"); status != http.StatusForbidden {
				p.Errorf("a wrong code: %d", status)
			}
		}
		if status, cookie := p.enter(item.Link, code); status != http.StatusForbidden || cookie != nil {
			p.Errorf("the sixth try: %d", status)
		}
		if w := p.at(nil, "POST", "/m/"+item.Link, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), `name="code"`) {
			p.Errorf("a locked item still asks for a code: %d", w.Code)
		}
	})
}

func TestP4CodeAndSessionAreForOneItem(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		one, _ := p.waiting("canary-one")
		two := p.another(one, "canary-two")
		code := p.code(one.ID)
		if status, cookie := p.enter(two.Link, code); status != http.StatusForbidden || cookie != nil {
			p.Errorf("a code for another item: %d", status)
		}
		_, cookie := p.enter(one.Link, code)
		if cookie == nil {
			p.Fatal("not let in")
		}
		for _, path := range []string{"", "/files/0"} {
			if w := p.at(cookie, "GET", "/m/"+two.Link+path, nil); strings.Contains(w.Body.String(), "canary") {
				p.Errorf("another item%s with this session: %d", path, w.Code)
			}
		}
		if w := p.at(cookie, "POST", "/m/"+two.Link+"/reply", url.Values{"text": {"x"}}); w.Code != http.StatusSeeOther {
			p.Errorf("a reply to another item: %d", w.Code)
		}
		// A link without the session opens nothing, whoever holds it.
		if w := p.at(nil, "GET", "/m/"+one.Link, nil); strings.Contains(w.Body.String(), "canary") {
			p.Error("a stolen link shows the content")
		}
		if w := p.at(&http.Cookie{Name: cookie.Name, Value: cookie.Value + "0"}, "GET", "/m/"+one.Link, nil); strings.Contains(w.Body.String(), "canary") {
			p.Error("a made-up session shows the content")
		}
	})
}

// another places a second item for another contact of the same case.
func (p *pages) another(one *portal.New, text string) *portal.New {
	p.Helper()
	n := p.d.contacts.New("Lena", "lena@lindqvist.example", "staff", p.d.db.Now())
	item, err := p.d.portal.New(portal.Item{Case: one.Case, Message: one.Message, Contact: n.ID, Delivery: db.NewID()}, portal.Content{Text: text}, p.d.db.Now())
	if err != nil {
		p.Fatal(err)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := p.d.contacts.Add(ctx, tx, n); err != nil {
			return err
		}
		return p.d.portal.Place(ctx, tx, item)
	})
	return item
}

func TestP4SessionEndsWithIdlenessRecallAndExpiry(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		item, _ := p.waiting("canary-content")
		_, cookie := p.enter(item.Link, p.code(item.ID))
		if w := p.at(cookie, "GET", "/m/"+item.Link, nil); !strings.Contains(w.Body.String(), "canary-content") {
			p.Fatalf("let in, and sees nothing: %d", w.Code)
		}
		later(portal.SessionIdle + time.Second)
		if w := p.at(cookie, "GET", "/m/"+item.Link, nil); strings.Contains(w.Body.String(), "canary") {
			p.Error("an idle session still reads")
		}
		_, cookie = p.enter(item.Link, p.code(item.ID))
		later(portal.ItemLife)
		for _, c := range []*http.Cookie{nil, cookie} {
			for _, ask := range [][2]string{{"GET", ""}, {"POST", ""}, {"POST", "/code"}, {"POST", "/reply"}, {"GET", "/files/0"}} {
				if w := p.at(c, ask[0], "/m/"+item.Link+ask[1], url.Values{"text": {"x"}}); w.Code != http.StatusGone || strings.Contains(w.Body.String(), "canary") {
					p.Errorf("%s %s after its time: %d", ask[0], ask[1], w.Code)
				}
			}
		}
	})
}

func TestP4EveryFormOnAMadeUpLinkIsNotFound(t *testing.T) {
	p := openPages(t, "")
	for _, ask := range [][2]string{{"GET", ""}, {"POST", ""}, {"POST", "/code"}, {"POST", "/reply"}, {"POST", "/person"}, {"GET", "/files/0"}, {"POST", "/passkey/begin"}, {"POST", "/passkey/finish"}, {"POST", "/enrol/begin"}, {"POST", "/enrol/finish"}} {
		if w := p.at(nil, ask[0], "/m/made-up"+ask[1], url.Values{"text": {"x"}}); w.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d", ask[0], ask[1], w.Code)
		}
	}
	item, _ := p.waiting("canary-content")
	for _, path := range []string{"/enrol/begin", "/enrol/finish", "/passkey/finish"} {
		if w := p.at(nil, "POST", "/m/"+item.Link+path, nil); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s without proof: %d", path, w.Code)
		}
	}
	if i := p.item(item.ID); !i.Released.IsZero() {
		t.Error("it counts as released")
	}
}

// TestPortalAnswerWithFileLands: text and file are in the case, as evidence of the factor.
func TestPortalAnswerWithFileLands(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		_, cookie := p.enter(item.Link, p.code(item.ID))
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		form.WriteField("text", "It was not me.")
		f, _ := form.CreateFormFile("files", "../proof.pdf")
		f.Write([]byte("%PDF-1.4 proof"))
		form.Close()
		r := httptest.NewRequest("POST", "https://localhost:8443/m/"+item.Link+"/reply", &b)
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		p.site.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String()
		if !strings.Contains(page, "It was not me.") || !strings.Contains(page, "proof.pdf") || !strings.Contains(page, "access code") {
			p.Error("the agent does not see the answer, its file and how it was proved")
		}
		if strings.Contains(page, "../proof") {
			p.Error("the file's name keeps a path")
		}
		if w := p.at(cookie, "POST", "/m/"+item.Link+"/reply", url.Values{"text": {"  "}}); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("an empty answer: %d", w.Code)
		}
	})
}
