package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/portal"
	"postern/internal/staff"
)

func testConfig(t *testing.T, database string) *config.Config {
	t.Helper()
	c, err := config.Load("", []string{"POSTERN_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "POSTERN_DATABASE=" + database,
		"POSTERN_ORG_NAME=Northmere Savings", "POSTERN_ORG_MAILBOX=support@northmere.example", "POSTERN_LINKS_FETCH=false", "POSTERN_REPORT_CANARY=false"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pages is a desk without sockets: its handlers, and somebody of each role.
type pages struct {
	*testing.T
	d           *Desk
	site, staff http.Handler
	tokens      map[string]string // session by role
}

func openPages(t *testing.T, database string) *pages { return openPagesAt(t, database, nil) }

func openPagesAt(t *testing.T, database string, clock func() time.Time) *pages {
	return openPagesOf(t, testConfig(t, database), clock)
}

func openPagesOf(t *testing.T, cfg *config.Config, clock func() time.Time) *pages {
	t.Helper()
	d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	p := &pages{T: t, d: d, tokens: map[string]string{}}
	p.site, p.staff = d.handlers()
	for _, r := range staff.Roles {
		person := &staff.Person{Name: string(r), Email: string(r) + "@northmere.example", Roles: []staff.Role{r}}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			if err := d.staff.Add(ctx, tx, person); err != nil {
				return err
			}
			p.tokens[string(r)], err = d.staff.SignIn(ctx, tx, person, "test")
			return err
		})
	}
	return p
}

func (p *pages) must(f func(ctx context.Context, tx *db.Tx) error) {
	p.Helper()
	if err := p.d.db.Update(p.Context(), func(tx *db.Tx) error { return f(p.Context(), tx) }); err != nil {
		p.Fatal(err)
	}
}

// do asks a page as somebody; "" is nobody.
func (p *pages) do(who, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://localhost:8443"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if t := p.tokens[who]; t != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-postern-desk", Value: t})
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(path, "/desk") {
		p.staff.ServeHTTP(w, r)
	} else {
		p.site.ServeHTTP(w, r)
	}
	return w
}

// deskRoutes reads the map of routes from its source, so that a new route is in
// the test without anybody remembering it.
func deskRoutes(t *testing.T) (out [][3]string) {
	b, err := os.ReadFile("../web/desk/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{"(GET|POST) (/desk[^"]*)", (staff\.\w+|""),`).FindAllStringSubmatch(string(b), -1) {
		out = append(out, [3]string{m[1], m[2], strings.TrimPrefix(m[3], "staff.")})
	}
	if len(out) < 60 {
		t.Fatalf("only %d routes found", len(out))
	}
	return out
}

var permissions = map[string]staff.Permission{"CasesRead": staff.CasesRead, "CasesAnswer": staff.CasesAnswer, "ContactsEdit": staff.ContactsEdit, "KeysVerify": staff.KeysVerify,
	"CodesIssue": staff.CodesIssue, "QuarantineRead": staff.QuarantineRead, "QuarantineRerun": staff.QuarantineRerun, "TrayRead": staff.TrayRead, "PeopleManage": staff.PeopleManage,
	"SettingsManage": staff.SettingsManage, "MailboxesManage": staff.MailboxesManage, "AuditRead": staff.AuditRead, "InstructionsApprove": staff.InstructionsApprove,
	"SecurityTriage": staff.SecurityTriage, "RepliesUse": staff.RepliesUse, "RepliesEdit": staff.RepliesEdit, "FiguresRead": staff.FiguresRead}

// TestEveryRouteForEveryRole: nobody gets in without signing in, nobody without
// the permission, and a made-up id is not found, whatever the route.
func TestEveryRouteForEveryRole(t *testing.T) {
	for name, mk := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = mk(t)
			}
			p := openPages(t, database)
			for _, r := range deskRoutes(t) {
				method, pattern, need := r[0], r[1], r[2]
				if strings.HasPrefix(pattern, "/desk/account/sessions/end-all") || pattern == "/desk/sign-out" {
					continue // these end the session they are tried with
				}
				path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.ReplaceAll(pattern, "{$}", ""), "made-up")
				path = strings.ReplaceAll(path, "/files/made-up", "/files/0")
				if w := p.do("", method, path, nil); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/desk/sign-in") {
					t.Errorf("%s %s as nobody: %d", method, path, w.Code)
				}
				for _, role := range staff.Roles {
					w := p.do(string(role), method, path, nil)
					may := need == `""` || (&staff.Person{Roles: []staff.Role{role}}).May(permissions[need])
					switch {
					case !may && w.Code != http.StatusForbidden:
						t.Errorf("%s %s as %s: %d, want 403", method, path, role, w.Code)
					case w.Code >= 500:
						t.Errorf("%s %s as %s: %d", method, path, role, w.Code)
					case may && strings.Contains(path, "made-up") && (w.Code < 400 || w.Code == http.StatusForbidden):
						t.Errorf("%s %s as %s with a made-up id: %d", method, path, role, w.Code)
					}
					if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
						t.Errorf("%s %s: content policy %q", method, path, csp)
					}
				}
			}
		})
	}
}

func TestAnotherSitesFormIsRefused(t *testing.T) {
	p := openPages(t, "")
	for _, path := range []string{"/desk/people", "/desk/account/codes", "/desk/sign-out", "/m/x"} {
		r := httptest.NewRequest(http.MethodPost, "https://localhost:8443"+path, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "https://evil.example")
		r.AddCookie(&http.Cookie{Name: "__Host-postern-desk", Value: p.tokens["admin"]})
		w := httptest.NewRecorder()
		if strings.HasPrefix(path, "/desk") {
			p.staff.ServeHTTP(w, r)
		} else {
			p.site.ServeHTTP(w, r)
		}
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestSignInLinkIsUsedByPostOnly(t *testing.T) {
	p := openPages(t, "")
	var token string
	p.must(func(ctx context.Context, tx *db.Tx) error {
		list, err := p.d.staff.List(ctx, tx)
		if err == nil {
			token, err = p.d.staff.MakeLink(ctx, tx, staff.SignInBy, list[0].ID, time.Hour)
		}
		return err
	})
	for range 3 {
		if w := p.do("", http.MethodGet, "/desk/link/"+token, nil); w.Code != http.StatusOK || len(w.Result().Cookies()) != 0 {
			t.Fatalf("looking at the link: %d, %v", w.Code, w.Result().Cookies())
		}
	}
	if w := p.do("", http.MethodPost, "/desk/link/"+token, nil); w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Fatalf("using it: %d", w.Code)
	}
	if w := p.do("", http.MethodPost, "/desk/link/"+token, nil); w.Code != http.StatusNotFound {
		t.Errorf("using it twice: %d", w.Code)
	}
}

// TestP6PlainHTTPOnlyPointsToHTTPS: no page, no form, nothing taken.
func TestP6PlainHTTPOnlyPointsToHTTPS(t *testing.T) {
	h := redirect("https://desk.example")
	for _, path := range []string{"/", "/report", "/m/secret", "/desk/sign-in?next=//evil.example", "//evil.example/x", "/%2e%2e/x"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://desk.example"+path, nil))
		if w.Code != http.StatusPermanentRedirect || !strings.HasPrefix(w.Header().Get("Location"), "https://desk.example/") || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q %q", path, w.Code, w.Header().Get("Location"), w.Body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://desk.example/desk/sign-in", strings.NewReader("password=x")))
	if w.Code != http.StatusForbidden || w.Body.Len() != 0 || w.Header().Get("Location") != "" {
		t.Errorf("a form posted in clear: %d %q", w.Code, w.Body)
	}
	if _, err := config.Load("", []string{"POSTERN_WEB_URL=http://desk.example"}); err == nil {
		t.Error("a desk without TLS can be configured")
	}
	for _, name := range []string{"site", "desk"} {
		b, _ := filepath.Glob("../web/" + map[string]string{"site": "public", "desk": "desk"}[name] + "/templates/*.html")
		for _, f := range b {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "http://") {
				t.Errorf("%s holds a plain link", f)
			}
		}
	}
}

// waiting places an item for a customer and returns its link.
func (p *pages) waiting(text string) (item *portal.New, c *cases.Case) {
	p.Helper()
	n := p.d.contacts.New("Emre", "emre@kestrel.example", "staff", p.d.db.Now())
	c = &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: "Statement", Who: "Emre", Contact: n.ID, KeyID: n.KeyID, Mailbox: "support@northmere.example", State: cases.Waiting, Made: p.d.db.Now(), Last: p.d.db.Now()}
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.Out, Door: "desk", At: p.d.db.Now(), Doc: cases.Doc{Text: text}}
	parts, err := cases.Seal(m, n.Key())
	if err != nil {
		p.Fatal(err)
	}
	item, err = p.d.portal.New(portal.Item{Case: c.ID, Message: m.ID, Contact: n.ID, Delivery: db.NewID()}, portal.Content{Subject: "Statement", Text: text, From: "Northmere"}, p.d.db.Now())
	if err != nil {
		p.Fatal(err)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := p.d.contacts.Add(ctx, tx, n); err != nil {
			return err
		}
		if err := p.d.contacts.AddPhone(ctx, tx, n.ID, "0171 5550142", "records", ""); err != nil {
			return err
		}
		if err := p.d.cases.Add(ctx, tx, c); err != nil {
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		return p.d.portal.Place(ctx, tx, item)
	})
	return item, c
}

func (p *pages) item(id portal.ID) (i *portal.Item) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) { i, err = portal.Get(ctx, tx, id); return err })
	return i
}

// TestP4FollowingALinkOpensNothing: scanners fetch, follow and press nothing.
func TestP4FollowingALinkOpensNothing(t *testing.T) {
	p := openPages(t, "")
	item, _ := p.waiting("canary-content")
	path := "/m/" + item.Link
	for _, method := range []string{"GET", "HEAD", "GET", "OPTIONS"} {
		if w := p.do("", method, path, nil); strings.Contains(w.Body.String(), "canary") || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d shows or sets something", method, w.Code)
		}
	}
	if w := p.do("", "POST", path, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "canary") {
		t.Errorf("Continue: %d", w.Code)
	}
	if i := p.item(item.ID); !i.Released.IsZero() || i.Fetched.IsZero() || i.Tries != 0 {
		t.Errorf("%+v", i)
	}
	for _, sub := range []string{"/files/0"} {
		if w := p.do("", "GET", path+sub, nil); w.Code != http.StatusSeeOther {
			t.Errorf("%s without proof: %d", sub, w.Code)
		}
	}
	for _, sub := range []string{"/reply", "/person"} {
		if w := p.do("", "POST", path+sub, url.Values{"text": {"x"}}); w.Code != http.StatusSeeOther {
			t.Errorf("%s without proof: %d", sub, w.Code)
		}
	}
	if w := p.do("", "GET", "/m/made-up", nil); w.Code != http.StatusNotFound {
		t.Errorf("a made-up link: %d", w.Code)
	}
}

func TestP4CodeOpensAndReplyLands(t *testing.T) {
	p := openPages(t, "")
	item, c := p.waiting("canary-content")
	other, _ := func() (*portal.New, *cases.Case) {
		n, err := p.d.portal.New(portal.Item{Case: c.ID, Message: "m", Contact: "somebody-else", Delivery: db.NewID()}, portal.Content{Text: "other-canary"}, p.d.db.Now())
		if err != nil {
			t.Fatal(err)
		}
		return n, c
	}()
	code := portal.NewCode()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := p.d.portal.Place(ctx, tx, other); err != nil {
			return err
		}
		i, err := portal.Get(ctx, tx, item.ID)
		if err != nil {
			return err
		}
		return p.d.portal.IssueCode(ctx, tx, i, "noor", code)
	})
	path := "/m/" + item.Link
	if w := p.do("", "POST", path+"/code", url.Values{"code": {"0000 0000"}}); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "canary") {
		t.Errorf("a wrong code: %d", w.Code)
	}
	w := p.do("", "POST", path+"/code", url.Values{"code": {code}})
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Fatalf("the right code: %d", w.Code)
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("%+v", cookie)
	}
	with := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://localhost:8443"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		p.site.ServeHTTP(w, r)
		return w
	}
	if w := with("GET", path, nil); !strings.Contains(w.Body.String(), "canary-content") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("after the proof: %d %q", w.Code, w.Header().Get("Cache-Control"))
	}
	if w := with("GET", "/m/"+other.Link, nil); strings.Contains(w.Body.String(), "other-canary") {
		t.Error("another person's item opened with this session")
	}
	if w := with("POST", path+"/reply", url.Values{"text": {"It was not me."}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), string(c.Ref)) {
		t.Errorf("the reply: %d", w.Code)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		got, err := p.d.cases.Get(ctx, tx, c.ID)
		if err == nil && (got.State != cases.Open || got.Trust != "sent" || !got.Sensitive) {
			t.Errorf("%+v", got)
		}
		return err
	})
	if w := with("POST", path+"/sign-out", nil); w.Header().Get("Clear-Site-Data") == "" {
		t.Error("signing out leaves what the browser kept")
	}
	if w := with("GET", path, nil); strings.Contains(w.Body.String(), "canary-content") {
		t.Error("signed out, and still reading")
	}
	if w := p.do("", "POST", path+"/code", url.Values{"code": {code}}); w.Code != http.StatusForbidden {
		t.Errorf("the same code again: %d", w.Code)
	}
}

func TestRecalledItemIsGone(t *testing.T) {
	p := openPages(t, "")
	item, _ := p.waiting("canary-content")
	p.must(func(ctx context.Context, tx *db.Tx) error {
		i, err := portal.Get(ctx, tx, item.ID)
		if err != nil {
			return err
		}
		return portal.Recall(ctx, tx, i, "staff:noor")
	})
	for _, method := range []string{"GET", "POST"} {
		if w := p.do("", method, "/m/"+item.Link, nil); w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "recalled") {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestSecondDeskOnOneFolderStops(t *testing.T) {
	cfg := testConfig(t, "")
	d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if _, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil); !fail.Is(err, fail.Conflict) {
		t.Errorf("got %v", err)
	}
}

// TestLogsAndMetricsSayNothingOfPeople runs mail and pages through a desk and
// looks for what was in them.
func TestLogsAndMetricsSayNothingOfPeople(t *testing.T) {
	var log strings.Builder
	d, err := Open(t.Context(), testConfig(t, ""), slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.intake.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := "From: Canaryname <canary@canary.example>\r\nTo: support@northmere.example\r\nSubject: canarysubject\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <c@canary.example>\r\n\r\ncanarybody\r\n"
	for _, text := range []string{raw, strings.Replace(raw, "\r\n\r\n", "\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n", 1)} {
		if err := d.intake.Accept(t.Context(), &intake.Envelope{Door: "smtp", From: "canary@canary.example", To: []string{"support@northmere.example"}, Raw: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	d.intake.Stop()
	w := httptest.NewRecorder()
	d.stats.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	metrics, _ := io.ReadAll(w.Body)
	for name, text := range map[string]string{"log": log.String(), "metrics": string(metrics)} {
		if strings.Contains(strings.ToLower(text), "canary") {
			t.Errorf("the %s speaks of people:\n%s", name, text)
		}
	}
	if !strings.Contains(string(metrics), "postern_intake_events_total") {
		t.Error("nothing was counted")
	}
}
