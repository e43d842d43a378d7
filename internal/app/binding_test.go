package app

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

	"github.com/pquerna/otp/totp"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/portal"
	"postern/internal/staff"
)

// sessionBy is a session of the contact that somebody's code opened.
func (p *pages) sessionBy(c contacts.ID, f portal.Factor, by string) *http.Cookie {
	p.Helper()
	var token string
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		token, err = portal.Enter(ctx, tx, c, f, by)
		return err
	})
	return &http.Cookie{Name: "__Host-postern-portal", Value: token}
}

// pendingSecret is what the page shows this session to type into the app, or "".
func (p *pages) pendingSecret(cookie *http.Cookie) string {
	p.Helper()
	page := p.at(cookie, "GET", "/my/access", nil).Body.String()
	_, rest, ok := strings.Cut(page, `<p class="code">`)
	if !ok {
		return ""
	}
	secret, _, _ := strings.Cut(rest, "</p>")
	return strings.ReplaceAll(secret, " ", "")
}

func (p *pages) now(secret string) string {
	code, _ := totp.GenerateCode(secret, p.d.db.Now())
	return code
}

// send posts an authenticator's answer.
func (p *pages) send(cookie *http.Cookie, path string, answer []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://localhost:8443"+path, bytes.NewReader(answer))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	return w
}

func (p *pages) notices(c contacts.ID) int64 {
	return p.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, c)
}

// bindApp gives the contact a code app that has been there for long.
func (p *pages) bindApp(c contacts.ID, later func(time.Duration)) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		return p.d.staff.Passkeys().BindApp(ctx, tx, string(c), &staff.MadeApp{Secret: appSecret}, "")
	})
	later(40 * 24 * time.Hour)
}

// checkedKey gives the contact a verified key.
func (p *pages) checkedKey(c contacts.ID) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		who, err := p.d.contacts.Get(ctx, tx, c)
		if err != nil {
			return err
		}
		if _, err = p.d.contacts.AddKey(ctx, tx, who, p.d.boxes.All()[0].Secret.Public(), contacts.Seen, "staff"); err != nil {
			return err
		}
		if who, err = p.d.contacts.Get(ctx, tx, c); err != nil {
			return err
		}
		k := &who.Keys[0]
		if err := k.Verify("in person", "zara", "Zara", tx.Now); err != nil {
			return err
		}
		return p.d.contacts.SaveKey(ctx, tx, k)
	})
}

func (p *pages) needOf(c contacts.ID) string {
	p.Helper()
	return p.one(`SELECT CAST(need AS TEXT) FROM instructions WHERE id = $1`, p.wishOf(c))
}

// TestP3AnAppIsSetUpInOneSession: nobody plants a secret that its owner confirms
// later, and who let in stays named.
func TestP3AnAppIsSetUpInOneSession(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		agent := p.sessionBy(c.Contact, portal.AccessCode, "ivo")
		p.at(agent, "POST", "/my/access/app", nil)
		planted := p.pendingSecret(agent)
		if planted == "" {
			p.Fatal("no secret is shown to who began")
		}
		own := p.sessionBy(c.Contact, portal.AccessCode, "noor")
		if p.pendingSecret(own) != "" {
			p.Error("another session sees it")
		}
		if w := p.at(own, "POST", "/my/access/app/confirm", url.Values{"code": {p.now(planted)}}); w.Code != http.StatusConflict {
			p.Errorf("another session confirmed it: %d", w.Code)
		}
		later(11 * time.Minute)
		if w := p.at(agent, "POST", "/my/access/app/confirm", url.Values{"code": {p.now(planted)}}); w.Code != http.StatusConflict {
			p.Errorf("after eleven minutes: %d", w.Code)
		}
		agent = p.sessionBy(c.Contact, portal.AccessCode, "ivo") // who was so long away comes in again
		p.at(agent, "POST", "/my/access/app", nil)
		secret := p.pendingSecret(agent)
		if w := p.at(agent, "POST", "/my/access/app/confirm", url.Values{"code": {p.now(secret)}}); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		}
		if by := p.one(`SELECT by_staff FROM contact_totp WHERE contact_id = $1`, c.Contact); by != "ivo" {
			p.Errorf("bound with the help of %q", by)
		}
		if n := p.count(`SELECT COUNT(*) FROM instructions WHERE type_id = 'code-app' AND state = 'executed'`); n != 1 {
			p.Errorf("%d instructions", n)
		}
	})
}

// TestP3WhoLetInIsRememberedBehindAMessagesLink: a passkey that staff helped to bind
// opens a session that says so, whichever door it comes by.
func TestP3WhoLetInIsRememberedBehindAMessagesLink(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary")
		ivo := p.sessionBy(c.Contact, portal.AccessCode, "ivo")
		var options any
		a := passkeytest.New(p.T)
		a.Counter = 1
		json.Unmarshal(p.at(ivo, "POST", "/my/access/passkeys/begin", nil).Body.Bytes(), &options)
		if w := p.send(ivo, "/my/access/passkeys/finish", a.Register(options)); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/my/access") {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		json.Unmarshal(p.at(nil, "POST", "/m/"+item.Link+"/passkey/begin", nil).Body.Bytes(), &options)
		a.Counter++
		if w := p.send(nil, "/m/"+item.Link+"/passkey/finish", a.Login(options)); w.Code != http.StatusOK {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		if by := p.one(`SELECT by_staff FROM portal_sessions WHERE factor = 'passkey'`); by != "ivo" {
			p.Errorf("let in by %q", by)
		}
	})
}

// TestS14NoCodeLocksAnAppOut: neither other right codes nor a stranger's wrong ones.
func TestS14NoCodeLocksAnAppOut(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.agree(c.Contact, ownCode)
		p.bindApp(c.Contact, later)
		for range 60 {
			if _, cookie := p.signIn(emre, ownCode, "192.0.2.1"); cookie == nil {
				p.Fatal("the agreed code did not let in")
			}
		}
		if n := p.count(`SELECT misses FROM contact_totp`); n != 0 {
			p.Errorf("sixty right codes count as %d misses", n)
		}
		for i := range 60 {
			p.signIn(emre, "000000", "203.0.113."+string(rune('0'+i/5%10))+string(rune('0'+i/50)))
		}
		if _, cookie := p.signIn(emre, p.now(appSecret), "192.0.2.2"); cookie != nil {
			p.Error("after fifty misses within the hour it is tried on")
		}
		later(61 * time.Minute)
		if _, cookie := p.signIn(emre, p.now(appSecret), "192.0.2.2"); cookie == nil {
			p.Error("an hour later the right code does not let in")
		}
	})
}

// TestP5ACodeWaivesNoSignature: who has a key gives nothing up after a code.
func TestP5ACodeWaivesNoSignature(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		p.checkedKey(c.Contact)
		for _, f := range []portal.Factor{portal.TextCode, portal.AccessCode} {
			cookie := p.session(c.Contact, f)
			for _, scope := range []string{"proof", "encryption", "factor", "signature"} {
				if w := p.at(cookie, "POST", "/my/protection/"+scope, url.Values{"do": {"give"}, "agree": {scope}, "version": {"1"}}); w.Code != http.StatusForbidden {
					p.Errorf("%s gave %s up: %d", f, scope, w.Code)
				}
			}
			key := p.one(`SELECT id FROM contact_keys WHERE contact_id = $1`, c.Contact)
			if w := p.at(cookie, "POST", "/my/keys/"+key+"/revoke", nil); w.Code != http.StatusForbidden {
				p.Errorf("%s revoked the key: %d", f, w.Code)
			}
		}
		if len(p.consents(c.Contact)) != 0 {
			p.Error("something was given up")
		}
	})
}

// TestP3StaffRejectNoCheckedKeyInSilence.
func TestP3StaffRejectNoCheckedKeyInSilence(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		p.checkedKey(c.Contact)
		before, told := p.needOf(c.Contact), p.notices(c.Contact)
		key := p.one(`SELECT id FROM contact_keys WHERE contact_id = $1`, c.Contact)
		if w := p.do("agent", "POST", "/desk/contacts/"+string(c.Contact)+"/keys/"+key+"/reject", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		}
		if p.notices(c.Contact) != told+1 {
			p.Error("nobody was told")
		}
		if after := p.needOf(c.Contact); after != before {
			p.Errorf("what is needed fell from %s to %s", before, after)
		}
	})
}

// TestRemovedWaysEndTheirSessions: whoever came in by what was removed is out.
func TestRemovedWaysEndTheirSessions(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		p.enrol(c.Contact)
		thief := p.byPasskey(p.enrol(c.Contact), "203.0.113.1").Result().Cookies()[0]
		id := p.one(`SELECT id FROM passkeys ORDER BY made_at DESC, id DESC LIMIT 1`)
		if w := p.at(p.session(c.Contact, portal.Passkey), "POST", "/my/access/passkeys/"+id+"/remove", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		}
		if w := p.at(thief, "POST", "/my/access/passkeys/begin", nil); w.Code != http.StatusForbidden {
			p.Errorf("it goes on: %d", w.Code)
		}
	})
}

// TestS10TheStopLinkNeedsItsButton: whoever fetches it changes nothing.
func TestS10TheStopLinkNeedsItsButton(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		ivo := p.sessionBy(c.Contact, portal.AccessCode, "ivo")
		p.at(ivo, "POST", "/my/access/app", nil)
		p.at(ivo, "POST", "/my/access/app/confirm", url.Values{"code": {p.now(p.pendingSecret(ivo))}})
		var i *instructions.Instruction
		id := instructions.ID(p.one(`SELECT id FROM instructions WHERE type_id = 'code-app'`))
		p.must(func(ctx context.Context, tx *db.Tx) (err error) {
			i, err = p.d.auth.Instructions.Get(ctx, tx, id)
			return err
		})
		link := "/stop/" + p.d.auth.Instructions.Token(instructions.StopLink, i)
		for range 3 {
			for _, method := range []string{"GET", "HEAD"} {
				if w := p.at(nil, method, link, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "Emre") {
					p.Errorf("%s: %d, or it names somebody", method, w.Code)
				}
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM contact_totp`); n != 1 {
			p.Fatal("fetching it took the app away")
		}
		if w := p.at(nil, "POST", link, nil); w.Code != http.StatusOK || p.count(`SELECT COUNT(*) FROM contact_totp`) != 0 {
			p.Errorf("%d, or the app stands", w.Code)
		}
		if w := p.at(ivo, "GET", "/my/access", nil); w.Code != http.StatusSeeOther {
			p.Errorf("the session goes on: %d", w.Code)
		}
	})
}

// TestWhoPutTheNumberOnFileOpensNoPlace.
func TestWhoPutTheNumberOnFileOpensNoPlace(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		agent := p.staffID("agent")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE contact_phones SET by_staff = $2, made_at = $3 WHERE contact_id = $1`, c.Contact, agent, db.Micros(tx.Now))
			return err
		})
		if w := p.do("agent", "POST", "/desk/contacts/"+string(c.Contact)+"/place-code", nil); w.Code != http.StatusForbidden {
			p.Errorf("%d", w.Code)
		}
	})
}

func (p *pages) staffID(who string) (id string) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		person, _, err := p.d.staff.Authenticate(ctx, tx, p.tokens[who])
		if err == nil {
			id = string(person.ID)
		}
		return err
	})
	return id
}

// TestAProposalQuotesItsMessage: its words, of this case, or none.
func TestAProposalQuotesItsMessage(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary")
		m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: c.ID, Kind: cases.In, Door: "mail", Contact: c.Contact, At: p.d.db.Now(), Doc: cases.Doc{Text: "Please send mail to\nElm Street 4, 4418 Westhaven from now on."}}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			key, err := p.d.vault.Get(ctx, tx, c.KeyID)
			if err != nil {
				return err
			}
			parts, err := cases.Seal(m, key)
			if err != nil {
				return err
			}
			return cases.AddMessage(ctx, tx, m, parts)
		})
		form := url.Values{"message": {string(m.ID)}, "type": {"postal-address"}, "contact": {string(c.Contact)}, "street": {"Elm Street 4"}, "town": {"4418 Westhaven"}}
		for quote, want := range map[string]int{"Elm Street 4,  4418 Westhaven": http.StatusSeeOther, "": http.StatusSeeOther, "She said so on the telephone": http.StatusUnprocessableEntity} {
			form.Set("quote", quote)
			if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/propose", form); w.Code != want {
				p.Errorf("%q: %d", quote, w.Code)
			}
		}
		form.Set("message", "of-another-case")
		form.Set("quote", "made up")
		w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/propose", form)
		if w.Code != http.StatusSeeOther || strings.Contains(p.do("agent", "GET", w.Header().Get("Location"), nil).Body.String(), "made up") {
			p.Errorf("words of no message stand with it: %d", w.Code)
		}
	})
}
