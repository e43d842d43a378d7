package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/gpgtest"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/staff"
)

// TestP3OneAdminDoesNotAgreeWithHerself: an account that she made, or handed
// herself a link to, is no other person.
func TestP3OneAdminDoesNotAgreeWithHerself(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		weak := goodKind()
		weak.Set("people", "0")
		p.do("admin", "POST", "/desk/types/new", goodKind())
		p.do("admin", "POST", "/desk/types/lasting-payee", weak)
		w := p.do("admin", "POST", "/desk/people", url.Values{"name": {"Mia two"}, "email": {"mia2@northmere.example"}, "role": {"admin"}})
		link := regexp.MustCompile(`/desk/link/[0-9A-Za-z_-]+`).FindString(w.Body.String())
		w = p.do("", "POST", link, nil)
		for _, c := range w.Result().Cookies() {
			p.tokens["second"] = c.Value
		}
		w = p.do("second", "POST", "/desk/types/lasting-payee/agree", nil)
		if n := p.one(`SELECT CAST(approvals AS TEXT) FROM instruction_types WHERE id = 'lasting-payee'`); n == "0" {
			p.Errorf("agreed by an account that she made a moment ago: %d, %s people", w.Code, n)
		} else {
			p.Logf("link %q, agree %d", link, w.Code)
		}
	})
}

// TestP3NewWeakKindIsClosedMeanwhile: a new kind that demands nothing is not
// there before another agreed.
func TestP3NewWeakKindIsClosedMeanwhile(t *testing.T) {
	p := openPages(t, "")
	weak := goodKind()
	for k, v := range map[string]string{"id": "payment-2", "title": "A payment of another kind", "level": "call", "signer": "call", "people": "0", "cooling": "0", "customer": "1"} {
		weak.Set(k, v)
	}
	weak.Del("risky")
	w := p.do("admin", "POST", "/desk/types/new", weak)
	if n := p.count(`SELECT COUNT(*) FROM instruction_types WHERE id = 'payment-2' AND next_at > 0 AND doc LIKE '%"closed":true%'`); n != 1 || w.Code != http.StatusSeeOther {
		p.Errorf("it begins at once: %d", w.Code)
	}
}

// TestP3NoTextToANumberOfAnAgentsOwn: one agent, alone: puts a number on
// file, takes the text code there, binds a passkey, waits, approves. No text goes
// there.
func TestP3NoTextToANumberOfAnAgentsOwn(t *testing.T) {
	eachPagesOf(t, captureTexts, func(p *pages, later func(time.Duration)) {
		p.waiting("canary") // so that there is a mailbox
		agent := p.staffID("agent")
		olga := p.stranger("olga@kestrel.example")
		if w := p.do("agent", "POST", "/desk/contacts/"+string(olga)+"/phones", url.Values{"phone": {"+49 171 6660666"}}); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		}
		if w := p.do("agent", "POST", "/desk/contacts/"+string(olga)+"/place-code", nil); w.Code != http.StatusForbidden {
			p.Errorf("a code to read out: %d", w.Code)
		}
		p.askCode("olga@kestrel.example", "192.0.2.1")
		p.sendTexts()
		list := p.captured()
		if len(list) == 0 {
			return // no text goes to a number that staff put on file a moment ago
		}
		_, cookie := p.signIn("olga@kestrel.example", digits.FindString(list[0].Text), "192.0.2.1")
		if cookie == nil {
			p.Fatal("not let in")
		}
		a := passkeytest.New(p.T)
		a.Counter = 1
		options := p.send(cookie, "/my/access/passkeys/begin", nil)
		if w := p.send(cookie, "/my/access/passkeys/finish", a.Register(jsonOf(p, options))); w.Code != http.StatusOK {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		later(authorise.Fresh + time.Minute)
		i, wrong, err := p.d.auth.Propose(p.Context(), &authorise.Proposal{Contact: olga, Type: "payment", Proposer: "contact:" + string(olga),
			Values: map[string]string{"amount": "19000.00 EUR", "payee": "Ivo", "account": "DE89370400440532013000"}})
		if err != nil || len(wrong) > 0 {
			p.Fatal(err, wrong)
		}
		o, err := p.d.auth.BeginPasskey(p.Context(), olga, i.ID)
		if err != nil {
			p.Fatal(err)
		}
		a.Counter++
		if err := p.d.auth.FinishPasskey(p.Context(), olga, i.ID, a.Login(o)); err != nil {
			p.Fatal(err)
		}
		if err := p.d.auth.Approve(p.Context(), agent, i.ID); err == nil {
			got, _, _ := p.d.auth.Read(p.Context(), "", i.ID)
			p.Errorf("one agent alone moved 19000 EUR: %s", got.State)
		}
	})
}

func jsonOf(p *pages, w *httptest.ResponseRecorder) any {
	p.Helper()
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		p.Fatal(err, w.Body)
	}
	return v
}

// TestP3OneAgentSwapsNoKey: by the pages: reject hers, compare his.
func TestP3OneAgentSwapsNoKey(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary")
	p.checkedKey(c.Contact)
	g := gpgtest.New(p.T)
	keys, err := pgp.ParseKeys(g.Export(g.Generate("Rogue <rogue@evil.example>", "0", time.Now().Add(-24*time.Hour))))
	if err != nil {
		p.Fatal(err)
	}
	at := "/desk/contacts/" + string(c.Contact) + "/keys"
	p.do("agent", "POST", at, url.Values{"key": {string(keys[0].Armored())}})
	old := p.one(`SELECT id FROM contact_keys WHERE contact_id = $1 AND trust = 'verified'`, c.Contact)
	his := p.one(`SELECT id FROM contact_keys WHERE contact_id = $1 AND trust <> 'verified'`, c.Contact)
	compare := func() int {
		return p.do("agent", "POST", at+"/"+his+"/verify", url.Values{"same": {"1"}, "via": {"in person"}}).Code
	}
	if code := compare(); code != http.StatusUnprocessableEntity {
		p.Errorf("beside hers: %d", code)
	}
	p.do("agent", "POST", at+"/"+old+"/reject", nil)
	code := compare()
	var use string
	p.must(func(ctx context.Context, tx *db.Tx) error {
		who, err := p.d.contacts.Get(ctx, tx, contacts.ID(c.Contact))
		if err == nil {
			if k, _ := who.VerifiedKey(tx.Now); k != nil {
				use = strings.Join(k.Cert.Addresses(), " ")
			}
		}
		return err
	})
	if strings.Contains(use, "rogue") {
		p.Errorf("%d: what is sensitive goes to %s now", code, use)
	}
}

// TestP3AgreedCodeTakesNothingAway: the code of their choice reads, stops, and
// no more.
func TestP3AgreedCodeTakesNothingAway(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary")
	cookie := p.sessionBy(c.Contact, portal.AccessCode, "noor")
	a := passkeytest.New(p.T)
	a.Counter = 1
	p.send(cookie, "/my/access/passkeys/finish", a.Register(jsonOf(p, p.send(cookie, "/my/access/passkeys/begin", nil))))
	id := p.one(`SELECT id FROM instructions WHERE contact_id = $1`, c.Contact)
	w := p.at(p.sessionBy(c.Contact, portal.Agreed, ""), "POST", "/my/authorised/"+id+"/not-mine", url.Values{})
	if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n == 0 {
		p.Errorf("an agreed code took it away: %d", w.Code)
	}
	for range 45 {
		w = p.at(p.sessionBy(c.Contact, portal.Agreed, ""), "POST", "/my/begin/recovery", url.Values{"reason": {"Lost"}})
	}
	if w.Code == http.StatusTooManyRequests {
		p.Errorf("by an agreed code the owner's own proposals are used up")
	}
}

// TestP5AStolenSessionGivesNothingUp: a session of a while ago, without a new
// proof, removes nothing and gives nothing up.
func TestP5AStolenSessionGivesNothingUp(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.enrol(c.Contact)
		cookie := p.sessionBy(c.Contact, portal.Passkey, "")
		later(authorise.Recent)
		id := p.one(`SELECT id FROM passkeys WHERE owner_id = $1`, c.Contact)
		w := p.at(cookie, "POST", "/my/access/passkeys/"+id+"/remove", url.Values{})
		if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n == 0 {
			p.Errorf("the stolen cookie removed her passkey: %d", w.Code)
		}
		if page := p.at(cookie, "GET", "/my/protection/encryption", nil).Body.String(); !strings.Contains(page, "come in again") {
			p.Error("the page does not say beforehand that this takes a new proof")
		}
		w = p.at(cookie, "POST", "/my/protection/encryption", url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"1"}})
		if n := p.count(`SELECT COUNT(*) FROM consents`); n != 0 || w.Code != http.StatusForbidden {
			p.Errorf("the stolen cookie gave her encryption up: %d", w.Code)
		}
		if w := p.at(p.sessionBy(c.Contact, portal.Passkey, ""), "POST", "/my/access/passkeys/"+id+"/remove", url.Values{}); w.Code != http.StatusSeeOther {
			p.Errorf("she herself, who just came in: %d", w.Code)
		}
	})
}

// TestP3WhatADisabledAdminWantedIsDropped: it does not begin by itself.
func TestP3WhatADisabledAdminWantedIsDropped(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		mia := &staff.Person{Name: "mia", Email: "mia@northmere.example", Roles: []staff.Role{staff.Admin}}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			if err := p.d.staff.Add(ctx, tx, mia); err != nil {
				return err
			}
			token, err := p.d.staff.SignIn(ctx, tx, mia, "test")
			p.tokens["mia"] = token
			return err
		})
		weak := goodKind()
		weak.Set("people", "0")
		p.do("admin", "POST", "/desk/types/new", goodKind())
		p.do("mia", "POST", "/desk/types/lasting-payee", weak)
		if w := p.do("admin", "POST", "/desk/people/"+string(mia.ID)+"/disable", nil); w.Code != http.StatusSeeOther {
			p.Fatalf("%d", w.Code)
		}
		later(instructions.LoweringWait + time.Hour)
		if err := p.d.auth.Tick(p.Context()); err != nil {
			p.Fatal(err)
		}
		if n := p.one(`SELECT CAST(approvals AS TEXT) FROM instruction_types WHERE id = 'lasting-payee'`); n == "0" {
			p.Error("she was disabled, and it begins")
		}
	})
}
