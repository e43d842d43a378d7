package app

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/portal"
)

// TestP3UndoTakesTheThiefsCodeAndChoices: what a thief opened or gave up by his
// passkey goes with it.
func TestP3UndoTakesTheThiefsCodeAndChoices(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		cookie := p.sessionBy(c.Contact, portal.TextCode, portal.ByText)
		a := passkeytest.New(p.T)
		a.Counter = 1
		p.send(cookie, "/my/access/passkeys/finish", a.Register(jsonOf(p, p.send(cookie, "/my/access/passkeys/begin", nil))))
		w := p.byPasskey(a, "192.0.2.9")
		for _, k := range w.Result().Cookies() {
			cookie = k
		}
		if w := p.at(cookie, "POST", "/my/access/agreed", agreeing(ownCode)); w.Code != http.StatusForbidden {
			p.Errorf("a text message stands behind it, and it sets a code that lasts: %d", w.Code)
		}
		if w := p.at(cookie, "POST", "/my/protection/encryption", url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"1"}}); w.Code != http.StatusOK {
			p.Fatalf("%d", w.Code)
		}
		later(48 * time.Hour)
		i, _, err := p.d.auth.Read(p.Context(), "", instructionOf(p, c.Contact))
		if err != nil {
			p.Fatal(err)
		}
		if err := p.d.auth.Stop(p.Context(), p.d.auth.Instructions.Token(instructions.StopLink, i)); err != nil {
			p.Fatal(err)
		}
		if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n != 0 {
			p.Fatal("not taken away")
		}
		if n := p.count(`SELECT COUNT(*) FROM agreed_codes WHERE contact_id = $1`, c.Contact); n != 0 {
			p.Error("the code that the thief chose still opens the place")
		}
		if _, in := p.signIn(emre, ownCode, "192.0.2.10"); in != nil {
			p.Error("he is in again")
		}
		if list := p.consents(c.Contact); len(list) != 1 || list[0].Ended.IsZero() {
			p.Errorf("the protection that he gave up is given up: %+v", list)
		}
	})
}

func instructionOf(p *pages, c contacts.ID) instructions.ID {
	return instructions.ID(p.one(`SELECT id FROM instructions WHERE contact_id = $1 AND type_id = 'passkey'`, c))
}

// TestP3ASleepingAccountAgreesAtOnce: an account that she made four days ago agrees at once.
func TestP3ASleepingAccountAgreesAtOnce(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		p.do("admin", "POST", "/desk/types/new", goodKind())
		w := p.do("admin", "POST", "/desk/people", url.Values{"name": {"Mia two"}, "email": {"mia2@northmere.example"}, "role": {"admin"}})
		link := regexp.MustCompile(`/desk/link/[0-9A-Za-z_-]+`).FindString(w.Body.String())
		for _, c := range p.do("", "POST", link, nil).Result().Cookies() {
			p.tokens["second"] = c.Value
		}
		for range 80 { // both stay signed in, or sign in again
			later(time.Hour)
			p.do("second", "GET", "/desk/types", nil)
			p.do("admin", "GET", "/desk/types", nil)
		}
		p.Log(p.do("admin", "GET", "/desk/types", nil).Code, p.do("second", "GET", "/desk/types", nil).Code)
		weak := goodKind()
		weak.Set("people", "0")
		p.do("admin", "POST", "/desk/types/lasting-payee", weak)
		page := p.do("second", "GET", "/desk/types", nil).Body.String()
		m := regexp.MustCompile(`name="seen" value="([^"]*)"`).FindStringSubmatch(page)
		if m == nil {
			p.Log("not signed in any more")
			return
		}
		w = p.do("second", "POST", "/desk/types/lasting-payee/agree", url.Values{"seen": {m[1]}})
		if n := p.one(`SELECT CAST(approvals AS TEXT) FROM instruction_types WHERE id = 'lasting-payee'`); n == "0" {
			p.Errorf("%d, at once", w.Code)
		}
	})
}

// TestP3NearTitle: a kind that reads like "A payment", of any amount by one person, is open at once.
func TestP3NearTitle(t *testing.T) {
	p := openPages(t, "")
	for id, title := range map[string]string{"pay-a": "A  payment", "pay-b": "\u0410 payment", "pay-c": "A payment.", "pay-d": "A pa\u0443ment"} {
		near := goodKind()
		near.Set("id", id)
		near.Set("title", title)
		near.Set("fields", "amount | Amount | amount\npayee | Payee | name")
		w := p.do("admin", "POST", "/desk/types/new", near)
		if n := p.count(`SELECT COUNT(*) FROM instruction_types WHERE id = $1 AND next_at = 0 AND NOT closed`, id); n == 1 {
			p.Errorf("%q: %d, open at once", title, w.Code)
		}
	}
}

// TestP3OldSessionBinds: a new passkey by a session of an access code that is 100 minutes old.
func TestP3OldSessionBinds(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		cookie := p.sessionBy(c.Contact, portal.AccessCode, "noor")
		for range 10 {
			later(authorise.Recent)
			p.at(cookie, "GET", "/my/access", nil)
		}
		a := passkeytest.New(p.T)
		a.Counter = 1
		w := p.send(cookie, "/my/access/passkeys/finish", a.Register(jsonOf(p, p.send(cookie, "/my/access/passkeys/begin", nil))))
		if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n != 0 {
			p.Errorf("%d: a cookie of 100 minutes ago binds a passkey at once", w.Code)
		}
	})
}
