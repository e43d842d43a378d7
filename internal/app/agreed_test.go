package app

// The code that customers choose for themselves: who may choose one, and what it
// opens and does not.

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/config"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/passkeytest"
	"postern/internal/portal"
	"postern/internal/staff"
)

const ownCode = "heron over tannery lane"

func agreeing(code string) url.Values { return url.Values{"agreed": {code}} }

// agree chooses a code in a session by passkey.
func (p *pages) agree(c contacts.ID, code string) {
	p.Helper()
	if w := p.at(p.session(c, portal.Passkey), "POST", "/my/access/agreed", agreeing(code)); w.Code != http.StatusSeeOther {
		p.Fatalf("%d %s", w.Code, w.Body)
	}
}

func TestAgreedCodeIsChosenByWhoProvedMore(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		for _, try := range []struct {
			f    portal.Factor
			code string
			want int
		}{
			{"", ownCode, http.StatusSeeOther}, {portal.LinkOnly, ownCode, http.StatusSeeOther}, // to the way in
			{portal.TextCode, ownCode, http.StatusForbidden}, {portal.Agreed, ownCode, http.StatusForbidden},
			{portal.Passkey, "elevenchars", http.StatusUnprocessableEntity}, {portal.Passkey, "passwordpassword", http.StatusUnprocessableEntity},
			{portal.Passkey, "emre@kestrel.example", http.StatusUnprocessableEntity}, {portal.Passkey, "01715550142", http.StatusUnprocessableEntity},
		} {
			w := p.at(p.session(c.Contact, try.f), "POST", "/my/access/agreed", agreeing(try.code))
			if w.Code != try.want || p.count(`SELECT COUNT(*) FROM agreed_codes`) != 0 {
				p.Errorf("%q chose %q: %d, want %d", try.f, try.code, w.Code, try.want)
			}
			if strings.Contains(w.Body.String(), try.code) && try.code != emre {
				p.Errorf("%q comes back on the page", try.code)
			}
		}
		for _, f := range []portal.Factor{portal.Passkey, portal.CodeApp, portal.AccessCode} {
			cookie := p.session(c.Contact, f)
			if page := p.at(cookie, "GET", "/my/access", nil).Body.String(); !strings.Contains(page, `action="/my/access/agreed"`) {
				p.Errorf("%s is not offered it", f)
			}
			if w := p.at(cookie, "POST", "/my/access/agreed", agreeing(ownCode)); w.Code != http.StatusSeeOther {
				p.Errorf("%s: %d", f, w.Code)
			}
			if page := p.at(cookie, "GET", "/my/access", nil).Body.String(); !strings.Contains(page, "Chosen ") {
				p.Errorf("%s does not see it", f)
			}
			if w := p.at(cookie, "POST", "/my/access/agreed/remove", nil); w.Code != http.StatusSeeOther || p.count(`SELECT COUNT(*) FROM agreed_codes`) != 0 {
				p.Errorf("%s removes it: %d", f, w.Code)
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, c.Contact); n != 6 {
			p.Errorf("%d notices of three set and three removed", n)
		}
	})
}

// TestAgreedCodeReadsAndDecidesNothing.
func TestAgreedCodeReadsAndDecidesNothing(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		p.agree(c.Contact, ownCode)
		w, cookie := p.signIn(emre, ownCode, "192.0.2.1")
		if w.Code != http.StatusSeeOther || cookie == nil {
			p.Fatalf("not let in: %d", w.Code)
		}
		if page := p.at(cookie, "GET", "/my", nil).Body.String(); !strings.Contains(page, "With the code that you chose") {
			p.Error("the page does not say how they came in")
		}
		if w := p.at(cookie, "POST", "/my/messages/"+string(item.ID), nil); !strings.Contains(w.Body.String(), "canary-content") || p.item(item.ID).Factor != portal.Agreed {
			p.Errorf("their message: %d, opened by %q", w.Code, p.item(item.ID).Factor)
		}
		for path, form := range map[string]url.Values{
			"/my/access/passkeys/begin": nil, "/my/access/passkeys/finish": nil, "/my/access/passkeys/x/remove": nil,
			"/my/access/app": nil, "/my/access/app/confirm": {"code": {"123456"}}, "/my/access/app/remove": nil,
			"/my/access/agreed": agreeing("linden at the ferry stairs"), "/my/access/agreed/remove": nil, "/my/keys/x/revoke": nil,
			"/my/protection/encryption": {"do": {"give"}, "agree": {"encryption"}, "version": {"1"}},
			"/my/protection/factor":     {"do": {"give"}, "agree": {"factor"}, "version": {"1"}},
			"/my/protection/proof":      {"do": {"give"}, "agree": {"proof"}, "version": {"1"}},
		} {
			if w := p.at(cookie, "POST", path, form); w.Code != http.StatusForbidden {
				p.Errorf("%s: %d", path, w.Code)
			}
		}
		if len(p.consents(c.Contact)) != 0 || p.count(`SELECT COUNT(*) FROM contact_totp`) != 0 || p.count(`SELECT COUNT(*) FROM agreed_codes`) != 1 {
			p.Error("something changed")
		}
		page := p.at(cookie, "GET", "/my/access", nil).Body.String()
		for _, button := range []string{"Add a passkey</button>", "Set up a code app", `action="/my/access/agreed`} {
			if strings.Contains(page, button) {
				p.Errorf("it is offered %s", button)
			}
		}
		// Widened by the button on a message's page, it stays what it is.
		if w := p.at(cookie, "POST", "/my/enter", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		} else if w := p.at(cookie, "POST", "/my/access/app", nil); w.Code != http.StatusForbidden {
			p.Errorf("after entering again: %d", w.Code)
		}
	})
}

const appSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// TestTextCodeBindsTheFirstAlone: like a code that was read out. Beside an app it
// begins, and the app must approve it (package authorise).
func TestTextCodeBindsTheFirstAlone(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		for _, f := range []portal.Factor{portal.AccessCode, portal.TextCode} {
			cookie := p.session(c.Contact, f)
			if w := p.at(cookie, "POST", "/my/access/passkeys/begin", nil); w.Code != http.StatusOK {
				p.Errorf("%s, the first: %d", f, w.Code)
			}
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.staff.Passkeys().BindApp(ctx, tx, string(c.Contact), &staff.MadeApp{Secret: appSecret}, "")
		})
		for _, f := range []portal.Factor{portal.AccessCode, portal.TextCode} {
			cookie := p.session(c.Contact, f)
			for _, path := range []string{"/my/access/app/remove", "/my/access/agreed", "/my/access/agreed/remove"} {
				if w := p.at(cookie, "POST", path, agreeing(ownCode)); w.Code != http.StatusForbidden {
					p.Errorf("%s, beside an app, %s: %d", f, path, w.Code)
				}
			}
		}
	})
}

// TestAgreedCodeRemembersWhoLetThemIn: who read out the code that opened the
// session in which it was chosen may know it, and stays named for a week.
func TestAgreedCodeRemembersWhoLetThemIn(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		read := portal.NewCode()
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.portal.IssueSignIn(ctx, tx, c.Contact, portal.AccessCode, "noor", read)
		})
		_, cookie := p.signIn(emre, read, "192.0.2.1")
		if w := p.at(cookie, "POST", "/my/access/agreed", agreeing(ownCode)); w.Code != http.StatusSeeOther {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, want := range []string{"noor", ""} {
			if _, cookie := p.signIn(emre, ownCode, "192.0.2.1"); cookie == nil {
				p.Fatal("not let in")
			}
			if got := p.one(`SELECT by_staff FROM portal_sessions WHERE factor = $1 ORDER BY made_at DESC LIMIT 1`, portal.Agreed); got != want {
				p.Errorf("let in by %q, want %q", got, want)
			}
			later(authorise.Settled)
		}
	})
}

func TestAgreedCodeEndsWithItsSessions(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		p.agree(c.Contact, ownCode)
		_, one := p.signIn(emre, ownCode, "192.0.2.1")
		p.agree(c.Contact, "linden at the ferry stairs")
		if w, cookie := p.signIn(emre, ownCode, "192.0.2.1"); w.Code != http.StatusForbidden || cookie != nil {
			p.Errorf("the replaced code: %d", w.Code)
		}
		_, two := p.signIn(emre, "linden at the ferry stairs", "192.0.2.1")
		if one == nil || two == nil {
			p.Fatal("not let in")
		}
		if w := p.at(one, "GET", "/my/messages", nil); w.Code != http.StatusSeeOther {
			p.Errorf("a session of the replaced code: %d", w.Code)
		}
		if w := p.at(two, "GET", "/my/messages", nil); w.Code != http.StatusOK {
			p.Errorf("a session of the new code: %d", w.Code)
		}
		p.at(p.session(c.Contact, portal.Passkey), "POST", "/my/access/agreed/remove", nil)
		if w := p.at(two, "GET", "/my/messages", nil); w.Code != http.StatusSeeOther {
			p.Errorf("a session of the removed code: %d", w.Code)
		}
	})
}

// enrol adds a passkey of a customer's.
func (p *pages) enrol(c contacts.ID) *passkeytest.Authenticator {
	p.Helper()
	a := passkeytest.New(p.T)
	o := staff.Owner{Kind: "contact", ID: string(c), Name: emre}
	options, err := p.d.staff.Passkeys().BeginRegister(p.Context(), o, "Portal")
	if err != nil {
		p.Fatal(err)
	}
	a.Counter = 1
	if err := p.d.staff.Passkeys().FinishRegister(p.Context(), o, a.Register(options)); err != nil {
		p.Fatal(err)
	}
	return a
}

// byPasskey comes in by a passkey, from a network.
func (p *pages) byPasskey(a *passkeytest.Authenticator, network string) *httptest.ResponseRecorder {
	var options any
	if err := json.Unmarshal(p.from(network, "/my/passkey/begin", nil).Body.Bytes(), &options); err != nil {
		p.Fatal(err)
	}
	a.Counter++
	r := httptest.NewRequest("POST", "https://localhost:8443/my/passkey/finish", bytes.NewReader(a.Login(options)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = network + ":4711"
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	return w
}

// TestWrongCodesSlowDownOneNetworkOfOnePerson is S14: nobody locks anybody out.
func TestWrongCodesSlowDownOneNetworkOfOnePerson(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.agree(c.Contact, ownCode)
		key := p.enrol(c.Contact)
		p.stranger("olga@kestrel.example")
		for _, address := range []string{emre, "olga@kestrel.example", "anna@nowhere.example"} {
			for i := range 5 {
				if w, _ := p.signIn(address, "not the code at all", "192.0.2.66"); w.Code != http.StatusForbidden {
					p.Errorf("%s, try %d: %d", address, i+1, w.Code)
				}
			}
			if w, cookie := p.signIn(address, ownCode, "192.0.2.66"); w.Code != http.StatusTooManyRequests || cookie != nil {
				p.Errorf("%s, the sixth: %d", address, w.Code)
			}
		}
		if w, cookie := p.signIn(emre, ownCode, "192.0.2.1"); cookie == nil {
			p.Errorf("the owner, from elsewhere: %d", w.Code)
		}
		if w := p.byPasskey(key, "192.0.2.66"); w.Code != http.StatusOK || len(w.Result().Cookies()) != 1 {
			p.Errorf("a passkey from the slowed network: %d %s", w.Code, w.Body)
		}
		later(16 * time.Minute)
		if w, cookie := p.signIn(emre, ownCode, "192.0.2.66"); cookie == nil {
			p.Errorf("after the wait: %d", w.Code)
		}
	})
}

// TestWrongCodeSaysNothing is S13 for the form: whoever the address belongs to,
// and whatever they have, the answer is the same but for the address.
func TestWrongCodeSaysNothing(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		p.agree(c.Contact, ownCode)
		p.stranger("olga@kestrel.example")
		first := map[string]string{}
		for _, address := range []string{emre, "olga@kestrel.example", "anna@nowhere.example"} {
			for _, code := range []string{"not the code at all", "0000 0000", "123456", ""} {
				w, cookie := p.signIn(address, code, "192.0.2.1")
				page := strings.ReplaceAll(w.Body.String(), address, "")
				if first[code] == "" {
					first[code] = page
				}
				if w.Code != http.StatusForbidden || cookie != nil || page != first[code] {
					p.Errorf("%s with %q is answered differently: %d", address, code, w.Code)
				}
			}
		}
	})
}

func TestStrictTakesNoAgreedCode(t *testing.T) {
	strict := func(c *config.Config) { c.StrictProof = true }
	eachPagesOf(t, strict, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		cookie := p.session(c.Contact, portal.Passkey)
		if page := p.at(cookie, "GET", "/my/access", nil).Body.String(); strings.Contains(page, "/my/access/agreed") {
			p.Error("it is offered")
		}
		if w := p.at(cookie, "POST", "/my/access/agreed", agreeing(ownCode)); w.Code != http.StatusForbidden || p.count(`SELECT COUNT(*) FROM agreed_codes`) != 0 {
			p.Errorf("it is set: %d", w.Code)
		}
		phc, err := p.d.staff.AgreedCodes().Hash(p.Context(), ownCode)
		if err != nil {
			p.Fatal(err)
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.staff.AgreedCodes().Save(ctx, tx, string(c.Contact), "", phc)
		})
		if w, cookie := p.signIn(emre, ownCode, "192.0.2.1"); w.Code != http.StatusForbidden || cookie != nil {
			p.Errorf("one of before lets in: %d", w.Code)
		}
	})
}
