package app

// Codes by text message and agreed codes, through the pages: who gets one, what
// the page tells to whoever only tries, and what one opens.

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/texts"
)

const emre = "emre@kestrel.example"

func captureTexts(c *config.Config) { c.TextsCapture = true }

// askCode asks for a code on the page, from a network.
func (p *pages) askCode(address, from string) *httptest.ResponseRecorder {
	return p.from(from, "/my/send-code", url.Values{"address": {address}})
}

// from posts a form from a network.
func (p *pages) from(network, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://localhost:8443"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = network + ":4711"
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	return w
}

// sendTexts does what the jobs do, for all that was asked.
func (p *pages) sendTexts() {
	p.Helper()
	var ids []string
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		ids, err = db.Strings(ctx, tx, `SELECT id FROM texts WHERE state = 'asked' ORDER BY asked_at, id`)
		return err
	})
	for _, id := range ids {
		if err := p.d.textCode(p.Context(), texts.ID(id)); err != nil {
			p.Fatal(err)
		}
	}
}

// captured are the texts in the tray, newest first.
func (p *pages) captured() (list []texts.Captured) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		list, err = p.d.texts.Captured(ctx, tx, 50)
		return err
	})
	return list
}

var digits = regexp.MustCompile(`\d{4} \d{4}`)

// texted asks for a code and takes it out of the tray.
func (p *pages) texted() string {
	p.Helper()
	before := len(p.captured())
	p.askCode(emre, "192.0.2.1")
	p.sendTexts()
	list := p.captured()
	if len(list) != before+1 {
		p.Fatalf("%d texts, want one more than %d", len(list), before)
	}
	return digits.FindString(list[0].Text)
}

// signIn tries a code; the cookie is nil if it did not let in.
func (p *pages) signIn(address, code, network string) (*httptest.ResponseRecorder, *http.Cookie) {
	w := p.from(network, "/my/sign-in", url.Values{"address": {address}, "code": {code}})
	if c := w.Result().Cookies(); len(c) == 1 && c[0].MaxAge > 0 {
		return w, c[0]
	}
	return w, nil
}

// stranger is a contact without a telephone number; its address is as long as Emre's.
func (p *pages) stranger(address string) contacts.ID {
	n := p.d.contacts.New("Olga", address, "staff", p.d.db.Now())
	p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, n) })
	return n.ID
}

// TestAskingForACodeSaysNothing is S13 for the button: the same status and bytes,
// but for the address that came back, whoever it belongs to.
func TestAskingForACodeSaysNothing(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		p.waiting("canary")
		p.stranger("olga@kestrel.example")
		changed := p.stranger("iris@kestrel.example")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			if err := p.d.contacts.AddPhone(ctx, tx, changed, "0171 5550143", "staff", "x"); err != nil {
				return err
			}
			return p.d.contacts.ReplacePhone(ctx, tx, changed, "0171 5550144", "an-instruction")
		})
		var first string
		for _, address := range []string{emre, "olga@kestrel.example", "iris@kestrel.example", "anna@nowhere.example", " EMRE@kestrel.example", emre, emre, emre, emre} {
			w := p.askCode(address, "192.0.2.1")
			p.sendTexts()
			if w.Code != http.StatusOK || len(w.Result().Cookies()) > 0 {
				p.Errorf("%s: %d", address, w.Code)
			}
			page := strings.ReplaceAll(w.Body.String(), contacts.Normal(address), "")
			if first == "" {
				first = page
			}
			if page != first || len(contacts.Normal(address)) != len(emre) {
				p.Errorf("%s is answered differently", address)
			}
		}
		// Beyond the network's limit too.
		for range texts.PerNetwork {
			w := p.askCode(emre, "192.0.2.1")
			if page := strings.ReplaceAll(w.Body.String(), emre, ""); w.Code != http.StatusOK || page != first {
				p.Fatalf("beyond the limit: %d", w.Code)
			}
		}
		if n := len(p.captured()); n != texts.PerHour {
			p.Errorf("%d texts went out, want %d", n, texts.PerHour)
		}
		for _, c := range p.captured() {
			if c.Number != "0171 5550142" {
				p.Errorf("to %s", c.Number)
			}
		}
		if w := p.askCode("not an address", "192.0.2.9"); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("no address: %d", w.Code)
		}
	})
}

// TestTextsHaveLimitsAndTheirJobSaysNothing: three an hour and six a day, from
// however many networks; the jobs hold neither address nor number nor code.
func TestTextsHaveLimitsAndTheirJobSaysNothing(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		for hour, want := range []int{3, 6, 6} {
			for i := range 5 {
				p.askCode(emre, "192.0.2."+string(rune('1'+i)))
				p.sendTexts()
			}
			if n := len(p.captured()); n != want {
				p.Errorf("hour %d: %d texts, want %d", hour, n, want)
			}
			later(time.Hour)
		}
		later(24 * time.Hour)
		p.texted()
		jobs := p.one(`SELECT CAST(COUNT(*) AS TEXT) FROM river_job WHERE kind = 'text_code'`)
		if jobs != "16" {
			p.Errorf("%s jobs", jobs)
		}
		args := p.one(`SELECT CAST(MAX(CAST(args AS TEXT)) AS TEXT) FROM river_job WHERE kind = 'text_code'`)
		if strings.Contains(args, "emre") || strings.Contains(args, "5550142") || digits.MatchString(args) {
			p.Errorf("a job says %s", args)
		}
		var rows []audit.Row
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			rows, err = audit.About(ctx, tx, string(c.Contact), 100)
			return err
		})
		issued := slices.IndexFunc(rows, func(r audit.Row) bool { return r.Act == "place.code-issued" })
		if issued < 0 || rows[issued].Actor != audit.System || rows[issued].Detail != "text code" {
			p.Errorf("recorded: %+v", rows)
		}
	})
}

func TestTextGoesToNoNumberOfThisMonth(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.contacts.ReplacePhone(ctx, tx, c.Contact, "0171 9999999", "an-instruction")
		})
		p.askCode(emre, "192.0.2.1")
		p.sendTexts()
		if list := p.captured(); len(list) != 0 {
			p.Errorf("sent: %+v", list)
		}
		later(instructions.PhoneRest)
		if code := p.texted(); code == "" {
			p.Error("after 30 days it still does not count")
		}
	})
}

// TestTextSaysWhoItIsFromAndLetsInOnce.
func TestTextSaysWhoItIsFromAndLetsInOnce(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		code := p.texted()
		text := p.captured()[0].Text
		for _, want := range []string{"Northmere Savings", "localhost:8443", "come into your place", "ten minutes", "never read it to anybody"} {
			if !strings.Contains(text, want) {
				p.Errorf("the text does not say %q: %s", want, text)
			}
		}
		if w, cookie := p.signIn("olga@kestrel.example", code, "192.0.2.1"); w.Code != http.StatusForbidden || cookie != nil {
			p.Errorf("for another address: %d", w.Code)
		}
		w, cookie := p.signIn(emre, code, "192.0.2.1")
		if w.Code != http.StatusSeeOther || cookie == nil {
			p.Fatalf("not let in: %d", w.Code)
		}
		page := p.at(cookie, "GET", "/my", nil).Body.String()
		if !strings.Contains(page, "With a code by text message") {
			p.Error("the page does not say how they came in")
		}
		if got := p.one(`SELECT factor FROM portal_sessions WHERE contact_id = $1`, c.Contact); got != string(portal.TextCode) {
			p.Errorf("recorded as %q", got)
		}
		if w, cookie := p.signIn(emre, code, "192.0.2.1"); w.Code != http.StatusForbidden || cookie != nil {
			p.Errorf("a second time: %d", w.Code)
		}
		code = p.texted()
		later(portal.CodeLife)
		if w, cookie := p.signIn(emre, code, "192.0.2.1"); w.Code != http.StatusForbidden || cookie != nil {
			p.Errorf("in the eleventh minute: %d", w.Code)
		}
		code = p.texted()
		for range portal.MaxTries {
			p.signIn(emre, "0000 0000", "192.0.2.7")
		}
		// A stranger who guesses is slowed down where they are, and uses nothing up.
		if w, cookie := p.signIn(emre, code, "192.0.2.1"); w.Code != http.StatusSeeOther || cookie == nil {
			p.Errorf("after five wrong tries of somebody else: %d", w.Code)
		}
	})
}

// TestTextComesToNobodyWhoHasGone: a wish that waited too long, and one while a
// code that was read out is good.
func TestTextComesToNobodyWhoHasGone(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.askCode(emre, "192.0.2.1")
		later(texts.Life)
		p.sendTexts()
		read := portal.NewCode()
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.portal.IssueSignIn(ctx, tx, c.Contact, portal.AccessCode, "noor", read)
		})
		p.askCode(emre, "192.0.2.1")
		p.sendTexts()
		if list := p.captured(); len(list) != 0 {
			p.Errorf("sent: %+v", list)
		}
		if n := p.count(`SELECT COUNT(*) FROM texts WHERE state <> 'dropped'`); n != 0 {
			p.Errorf("%d not dropped", n)
		}
		w, cookie := p.signIn(emre, read, "192.0.2.1")
		if cookie == nil {
			p.Fatalf("the code that was read out does not let in: %d", w.Code)
		}
		if got := p.one(`SELECT factor || ' ' || by_staff FROM portal_sessions WHERE contact_id = $1`, c.Contact); got != "access code noor" {
			p.Errorf("recorded as %q", got)
		}
	})
}

// TestTextsAreOfferedWhereTheyAreSet, and nowhere else.
func TestTextsAreOfferedWhereTheyAreSet(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*config.Config)
		want bool
	}{
		"nothing":  {func(*config.Config) {}, false},
		"the tray": {captureTexts, true},
		"a provider": {func(c *config.Config) {
			c.TextsURL, c.TextsSecret = "https://sms.example/send", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		}, true},
		"strict": {func(c *config.Config) { c.TextsCapture, c.StrictProof = true, true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, "")
			c.set(cfg)
			p := openPagesOf(t, cfg, nil)
			p.waiting("canary")
			if got := strings.Contains(p.at(nil, "GET", "/my", nil).Body.String(), "/my/send-code"); got != c.want {
				t.Errorf("offered: %v", got)
			}
			w := p.askCode(emre, "192.0.2.1")
			if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[c.want]; w.Code != want {
				t.Errorf("asked for: %d, want %d", w.Code, want)
			}
			if n := p.count(`SELECT COUNT(*) FROM texts`); (n > 0) != c.want {
				t.Errorf("%d rows", n)
			}
		})
	}
}

// TestTrayShowsTextsToWhoMayReadIt and to nobody else.
func TestTrayShowsTextsToWhoMayReadIt(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		p.waiting("canary")
		code := p.texted()
		for _, r := range append([]staff.Role{""}, staff.Roles...) {
			w := p.do(string(r), "GET", "/desk/tray", nil)
			may := r != "" && (&staff.Person{Roles: []staff.Role{r}}).May(staff.TrayRead)
			if got := strings.Contains(w.Body.String(), code); got != may || (w.Code == http.StatusOK) != may {
				p.Errorf("%q: %d, shown %v, want %v", r, w.Code, got, may)
			}
		}
	})
	// What was captured once is not shown where texts go to a provider, or nowhere.
	p := openPages(t, "")
	p.waiting("canary")
	if err := texts.NewCapture(p.d.db, p.d.vault).Send(t.Context(), "0171 5550142", "canary 4821 0937"); err != nil {
		t.Fatal(err)
	}
	if w := p.do("agent", "GET", "/desk/tray", nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "4821 0937") {
		t.Errorf("%d", w.Code)
	}
}

// TestWrongProviderIsRefusedAtStart: by the names of its settings.
func TestWrongProviderIsRefusedAtStart(t *testing.T) {
	for name, set := range map[string]func(*config.Config){
		"plain HTTP": func(c *config.Config) {
			c.TextsURL, c.TextsSecret = "http://sms.example/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		},
		"a weak secret": func(c *config.Config) { c.TextsURL, c.TextsSecret = "https://sms.example/", "secret" },
	} {
		cfg := testConfig(t, "")
		set(cfg)
		d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
		if err == nil {
			d.close()
		}
		if !fail.Is(err, fail.Invalid) || !strings.Contains(fail.Text(err), "texts.url") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDoctorWarnsOfTheTray(t *testing.T) {
	for want, c := range map[string]config.Config{"off": {}, "good": {TextsURL: "https://sms.example/", TextsKind: "sms"}, "soon": {TextsCapture: true}, "bad": {TextsCapture: true, RelayAddr: "mail.example:25"}} {
		if got := checkTexts(&c); got.State != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
