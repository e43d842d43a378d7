package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/passkeytest"
	"postern/internal/portal"
	"postern/internal/staff"
)

// TestS14StrangersLockNobodyOut: whoever guesses is slowed down where they are;
// the customer comes in from elsewhere, and by passkey from anywhere.
func TestS14StrangersLockNobodyOut(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		n := p.d.contacts.New("Lena", "lena@kestrelmail.example", "staff", p.d.db.Now())
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, n) })
		code := portal.NewCode()
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.portal.IssueSignIn(ctx, tx, n.ID, portal.AccessCode, "ivo", code)
		})
		slowed := 0
		for range 30 {
			if w := p.from("192.0.2.66", "/my/sign-in", url.Values{"address": {"lena@kestrelmail.example"}, "code": {"0000 0000"}}); w.Code == http.StatusTooManyRequests {
				slowed++
			}
		}
		if slowed < 20 {
			t.Errorf("a guesser was slowed down %d times of 30", slowed)
		}
		if w := p.from("198.51.100.7", "/my/sign-in", url.Values{"address": {"lena@kestrelmail.example"}, "code": {code}}); w.Code != http.StatusSeeOther {
			t.Errorf("from her own network: %d", w.Code)
		}
		a, o := passkeytest.New(t), staff.Owner{Kind: "contact", ID: string(n.ID), Name: "lena@kestrelmail.example"}
		keys := p.d.staff.Passkeys()
		options, err := keys.BeginRegister(t.Context(), o, "key")
		if err == nil {
			err = keys.FinishRegister(t.Context(), o, a.Register(options))
		}
		if err != nil {
			t.Fatal(err)
		}
		a.Counter++
		if options, err = keys.BeginLogin(t.Context(), staff.Owner{Kind: "contact"}); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "https://localhost:8443/my/passkey/finish", strings.NewReader(string(a.Login(options))))
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.RemoteAddr = "192.0.2.66:4711"
		w := httptest.NewRecorder()
		p.site.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("her passkey from the slowed network: %d %s", w.Code, w.Body)
		}
	})
}

// TestP3StrangersPathsOfThePlace: every address of the place, with another's ids,
// is not found; without a session it leads to the way in.
func TestP3StrangersPathsOfThePlace(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		bob := p.d.contacts.New("Bob", "bob@kestrelmail.example", "staff", p.d.db.Now())
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, bob) })
		i := p.wishOf(c.Contact)
		cookie := p.session(bob.ID, portal.Passkey)
		for _, path := range []string{"/app", "/code", "/show-code", "/signed", "/not-mine", "/cancel", "/passkey/begin", "/passkey/finish"} {
			if w := p.at(cookie, "POST", "/my/authorised/"+i+path, url.Values{"app": {"1"}, "code": {"1"}, "signed": {"x"}}); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
			if w := p.at(nil, "POST", "/my/authorised/"+i+path, nil); w.Code != http.StatusSeeOther && w.Code != http.StatusForbidden {
				t.Errorf("%s by nobody: %d", path, w.Code)
			}
		}
		for _, path := range []string{"/my/authorised/" + i, "/my/authorised/" + i + "/receipt.eml"} {
			if w := p.at(cookie, "GET", path, nil); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if w := p.at(cookie, "POST", "/my/messages/"+string(item.ID), nil); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("another's message: %d", w.Code)
		}
		if w := p.at(p.session(c.Contact, portal.Passkey), "POST", "/my/messages/"+string(item.ID), nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "canary-content") {
			t.Errorf("their own: %d", w.Code)
		}
		mine := p.session(c.Contact, portal.Passkey)
		if w := p.at(cookie, "POST", "/my/messages/"+string(item.ID)+"/reply", url.Values{"text": {"hello"}}); w.Code != http.StatusNotFound {
			t.Errorf("an answer to another's message: %d", w.Code)
		}
		if w := p.at(cookie, "GET", "/my/messages/"+string(item.ID)+"/files/0", nil); w.Code != http.StatusNotFound {
			t.Errorf("another's file: %d", w.Code)
		}
		if w := p.at(mine, "POST", "/my/messages/"+string(item.ID)+"/reply", url.Values{"text": {""}, "do": {"send"}}); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("an empty answer: %d", w.Code)
		}
		if w := p.at(mine, "POST", "/my/messages/"+string(item.ID)+"/reply", url.Values{"text": {"Thank you."}, "do": {"send"}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "We have your answer") {
			t.Errorf("their answer: %d", w.Code)
		}
		// S10: whoever fetches changes nothing.
		for range 3 {
			for _, path := range []string{"/my", "/my/authorised/" + i, "/my/access", "/my/keys", "/my/begin/payment"} {
				p.at(p.session(c.Contact, portal.Passkey), "GET", path, nil)
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM instructions WHERE state <> 'proposed'`); n != 0 {
			t.Errorf("%d moved", n)
		}
	})
}

// wishOf proposes something of a contact's.
func (p *pages) wishOf(c contacts.ID) string {
	p.Helper()
	i, wrong, err := p.d.auth.Propose(p.Context(), movesOut(c))
	if err != nil || len(wrong) > 0 {
		p.Fatal(err, wrong)
	}
	return string(i.ID)
}

func movesOut(c contacts.ID) *authorise.Proposal {
	return &authorise.Proposal{Contact: c, Type: "postal-address", Values: map[string]string{"street": "Elm Street 4", "town": "4418 Westhaven"}, Proposer: "staff:ivo"}
}

// TestP8EveryMailLeadsToAPerson: the link under a mail opens a page; its button
// opens the case, also a closed one, once, and shows nothing of it.
func TestP8EveryMailLeadsToAPerson(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		link := "/person/" + p.d.cases.Tokens.Make(c.Ref)
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE cases SET state = 'closed', unread = FALSE, closed_at = $2 WHERE id = $1`, c.ID, db.Micros(tx.Now))
			return err
		})
		for range 3 {
			for _, method := range []string{"GET", "HEAD"} {
				if w := p.at(nil, method, link, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "Statement") || strings.Contains(w.Body.String(), "Emre") {
					p.Errorf("%s: %d, or it shows something", method, w.Code)
				}
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM cases WHERE id = $1 AND state = 'closed' AND alarm = ''`, c.ID); n != 1 {
			p.Error("whoever fetched it changed something")
		}
		for range 2 {
			if w := p.at(nil, "POST", link, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), string(c.Ref)) {
				p.Fatalf("%d", w.Code)
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM cases WHERE id = $1 AND state = 'open' AND unread AND alarm <> ''`, c.ID); n != 1 {
			p.Error("nobody is woken")
		}
		if n := p.count(`SELECT COUNT(*) FROM audit WHERE act = 'person.asked'`); n != 1 {
			p.Errorf("recorded %d times", n)
		}
		if page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String(); !strings.Contains(page, "They ask for a person") {
			p.Error("the case does not say so")
		}
		for _, bad := range []string{"PN-1234-567.abcdefgh", string(c.Ref), string(c.Ref) + ".00000000"} {
			if w := p.at(nil, "POST", "/person/"+bad, nil); w.Code != http.StatusNotFound {
				p.Errorf("%s: %d", bad, w.Code)
			}
		}
	})
}
