package app

// What customers choose about their own protection, on the pages: who may, what
// is shown, and what a link in a mail can do.

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/portal"
)

// session signs a customer in with a factor.
func (p *pages) session(c contacts.ID, f portal.Factor) *http.Cookie {
	p.Helper()
	var token string
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		token, err = portal.Enter(ctx, tx, c, f, "")
		return err
	})
	return &http.Cookie{Name: "__Host-postern-portal", Value: token}
}

func (p *pages) consents(c contacts.ID) (list []consent.Consent) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) { list, err = consent.Of(ctx, tx, c); return err })
	return list
}

func (p *pages) count(query string, args ...any) (n int64) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, query, args...)
		return err
	})
	return n
}

// give gives a scope up the way a customer does.
func (p *pages) give(c contacts.ID, scope string) *httptest.ResponseRecorder {
	p.Helper()
	w := p.at(p.session(c, portal.Passkey), "POST", "/my/protection/"+scope, url.Values{"do": {"give"}, "agree": {scope}, "version": {"1"}})
	if w.Code != http.StatusOK {
		p.Fatalf("%s: %d %s", scope, w.Code, w.Body)
	}
	return w
}

func TestP5GivingUpNeedsAFactorATickAndTodaysWording(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary-content")
		passkey := p.session(c.Contact, portal.Passkey)
		agent := &http.Cookie{Name: "__Host-postern-desk", Value: p.tokens["admin"]}
		good := func() url.Values { return url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"1"}} }
		without := func(key string, with ...string) url.Values { f := good(); f.Del(key); f[key] = with; return f }
		for _, try := range []struct {
			name   string
			cookie *http.Cookie
			path   string
			form   url.Values
			want   int
		}{
			{"nobody", nil, "encryption", good(), http.StatusSeeOther},
			{"an admin of ours", agent, "encryption", good(), http.StatusSeeOther},
			{"a made-up session", &http.Cookie{Name: passkey.Name, Value: "made-up"}, "encryption", good(), http.StatusSeeOther},
			{"a session by the link alone", p.session(c.Contact, portal.LinkOnly), "encryption", good(), http.StatusSeeOther},
			{"a session by nothing", p.session(c.Contact, ""), "encryption", good(), http.StatusSeeOther},
			{"without the tick", passkey, "encryption", without("agree"), http.StatusUnprocessableEntity},
			{"the tick of another scope", passkey, "encryption", without("agree", "factor"), http.StatusUnprocessableEntity},
			{"without a wording", passkey, "encryption", without("version"), http.StatusConflict},
			{"an old wording", passkey, "encryption", without("version", "0"), http.StatusConflict},
			{"a wording to come", passkey, "encryption", without("version", "3"), http.StatusConflict},
			{"the other button", passkey, "encryption", without("do", "keep"), http.StatusSeeOther},
			{"no button", passkey, "encryption", without("do"), http.StatusSeeOther},
			{"another scope", passkey, "receipts", without("agree", "receipts"), http.StatusNotFound},
			{"everything", passkey, "all", without("agree", "all"), http.StatusNotFound},
		} {
			if w := p.at(try.cookie, "POST", "/my/protection/"+try.path, try.form); w.Code != try.want {
				p.Errorf("%s: %d, want %d", try.name, w.Code, try.want)
			}
		}
		r := httptest.NewRequest("POST", "https://localhost:8443/my/protection/encryption", strings.NewReader(good().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.AddCookie(passkey)
		w := httptest.NewRecorder()
		if p.site.ServeHTTP(w, r); w.Code != http.StatusForbidden {
			p.Errorf("another site's form: %d", w.Code)
		}
		later(portal.SessionIdle + time.Second)
		if w := p.at(passkey, "POST", "/my/protection/encryption", good()); w.Code != http.StatusSeeOther {
			p.Errorf("an idle session: %d", w.Code)
		}
		if list := p.consents(c.Contact); len(list) != 0 {
			p.Errorf("%+v", list)
		}
	})
}

func TestP5DisclaimerReceiptAndOneClickBack(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		cookie := p.session(c.Contact, portal.CodeApp)
		if w := p.at(cookie, "GET", "/my/protection", nil); w.Code != http.StatusOK || strings.Count(w.Body.String(), "This is on.") != len(consent.Scopes()) {
			p.Errorf("nothing given up: %d", w.Code)
		}
		wording, _ := consent.Current(consent.Encryption)
		page := p.at(cookie, "GET", "/my/protection/encryption", nil).Body.String()
		for _, line := range append(wording.Lines[:], wording.Title, wording.Still, "Version 1") {
			if !strings.Contains(page, strings.ReplaceAll(line, "'", "&#39;")) {
				p.Errorf("the disclaimer does not say %q", line)
			}
		}
		if strings.Count(page, `<button class="btn" name="do"`) != 2 || strings.Contains(page, "checked") {
			p.Error("the two buttons are not equal, or the tick is set")
		}
		w := p.give(c.Contact, "encryption")
		list := p.consents(c.Contact)
		if len(list) != 1 || list[0].Factor != "passkey" || list[0].Channel != consent.Portal || list[0].Sum != wording.Sum() || !strings.Contains(w.Body.String(), wording.Sum()) {
			p.Fatalf("%+v", list)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, c.Contact); n != 1 {
			p.Errorf("%d receipts", n)
		}
		if page := p.at(cookie, "GET", "/my/protection", nil).Body.String(); !strings.Contains(page, "You gave this up on") || strings.Count(page, "This is on.") != len(consent.Scopes())-1 {
			p.Error("the page does not say what was given up")
		}
		for range 2 { // twice is harmless
			if w := p.at(cookie, "POST", "/my/protection/encryption/back", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "You are protected again") {
				p.Errorf("going back: %d", w.Code)
			}
		}
		if list := p.consents(c.Contact); len(list) != 1 || list[0].How != consent.ByPortal {
			p.Errorf("%+v", list)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, c.Contact); n != 2 {
			p.Errorf("%d receipts in all", n)
		}
	})
}

// TestP5ScannersOfTheLinkBackChangeNothing is S10: whoever fetches a mailed link
// changes nothing; the button acts, once, and only back.
func TestP5ScannersOfTheLinkBackChangeNothing(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		p.give(c.Contact, "encryption")
		link := "/back/" + consent.Token(p.d.vault, p.consents(c.Contact)[0].ID)
		rows := func() int64 {
			return p.count(`SELECT (SELECT COUNT(*) FROM audit) + (SELECT COUNT(*) FROM deliveries) + (SELECT COUNT(*) FROM consents WHERE ended_at > 0)`)
		}
		before := rows()
		for _, method := range []string{"GET", "HEAD", "GET", "HEAD", "GET", "HEAD", "OPTIONS"} {
			w := p.at(nil, method, link, nil)
			if method == "GET" && (w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Nothing has changed yet")) || strings.Contains(w.Body.String(), "emre") || len(w.Result().Cookies()) > 0 {
				p.Errorf("%s: %d", method, w.Code)
			}
		}
		if n := rows(); n != before {
			p.Errorf("looking at the link wrote %d rows", n-before)
		}
		for _, bad := range []string{"/back/made-up", link + "0", "/back/" + strings.Repeat("0", 58)} {
			for _, method := range []string{"GET", "POST"} {
				if w := p.at(nil, method, bad, nil); w.Code != http.StatusNotFound {
					p.Errorf("%s %s: %d", method, bad, w.Code)
				}
			}
		}
		for range 2 {
			if w := p.at(nil, "POST", link, url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"1"}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "You are protected again") {
				p.Errorf("the button: %d", w.Code)
			}
		}
		list := p.consents(c.Contact)
		if len(list) != 1 || list[0].How != consent.ByLink || consent.Standing(list, consent.Encryption, p.d.db.Now()) != nil {
			p.Errorf("%+v", list)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'notice'`); n != 2 {
			p.Errorf("%d receipts", n)
		}
		// Given up again, the old mail's link still leads back.
		p.give(c.Contact, "encryption")
		if w := p.at(nil, "POST", link, nil); w.Code != http.StatusOK || consent.Standing(p.consents(c.Contact), consent.Encryption, p.d.db.Now()) != nil {
			p.Errorf("the link of an old mail: %d", w.Code)
		}
	})
}

// TestP5LinkAloneOpensByItsButton: for whoever gave the second proof up, and
// nobody gets further by it than to that message.
func TestP5LinkAloneOpensByItsButton(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		path := "/m/" + item.Link
		p.give(c.Contact, "factor")
		for _, method := range []string{"GET", "HEAD", "GET", "HEAD", "GET", "HEAD"} {
			if w := p.at(nil, method, path, nil); strings.Contains(w.Body.String(), "canary") || len(w.Result().Cookies()) > 0 {
				p.Errorf("%s opens it", method)
			}
		}
		if i := p.item(item.ID); !i.Released.IsZero() {
			p.Fatal("a scanner released it")
		}
		w := p.at(nil, "POST", path, nil)
		if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
			p.Fatalf("the button: %d", w.Code)
		}
		cookie := w.Result().Cookies()[0]
		page := p.at(cookie, "GET", path, nil).Body.String()
		if i := p.item(item.ID); i.Factor != portal.LinkOnly || !strings.Contains(page, "canary-content") || !strings.Contains(page, "the link was enough, as you chose") || strings.Contains(page, "Add a passkey") {
			p.Errorf("%s: %.200s", i.Factor, page)
		}
		for _, ask := range [][2]string{{"POST", path + "/enrol/begin"}, {"POST", path + "/enrol/finish"}} {
			if w := p.at(cookie, ask[0], ask[1], nil); w.Code != http.StatusForbidden {
				p.Errorf("%s: %d", ask[1], w.Code)
			}
		}
		if w := p.at(cookie, "GET", "/my/protection", nil); w.Code != http.StatusSeeOther {
			p.Errorf("their protection by the link alone: %d", w.Code)
		}
		if w := p.at(cookie, "POST", path+"/reply", url.Values{"text": {"Yes, please."}}); w.Code != http.StatusOK {
			p.Errorf("an answer: %d", w.Code)
		}
		if got := p.one(`SELECT trust FROM cases WHERE id = $1`, c.ID); got != "none" {
			p.Errorf("an answer by the link alone counts as %q", got)
		}
		p.at(nil, "POST", "/back/"+consent.Token(p.d.vault, p.consents(c.Contact)[0].ID), nil)
		if w := p.at(cookie, "GET", path, nil); strings.Contains(w.Body.String(), "canary") {
			p.Error("taken back, and the link alone still reads")
		}
		if w := p.at(nil, "POST", path, nil); strings.Contains(w.Body.String(), "canary") || !strings.Contains(w.Body.String(), `name="code"`) {
			p.Errorf("taken back, and no proof is asked for: %d", w.Code)
		}
	})
}

func TestP5LinkAloneOpensNothingOfOthers(t *testing.T) {
	for name, near := range map[string]func(p *pages, c *cases.Case){
		"somebody else is part of the case": func(p *pages, c *cases.Case) {
			p.must(func(ctx context.Context, tx *db.Tx) error { return cases.Join(ctx, tx, c.ID, "ben") })
		},
		"the mailbox is on the list": func(p *pages, c *cases.Case) {
			if err := p.d.boxes.Save(p.Context(), "system", c.Mailbox, "Northmere", true, false); err != nil {
				p.Fatal(err)
			}
		},
		"they gave up another protection": func(p *pages, c *cases.Case) {
			if _, err := p.d.outbox.Protect(p.Context(), c.Contact, consent.Factor, consent.ByPortal); err != nil {
				p.Fatal(err)
			}
			p.give(c.Contact, "encryption")
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachPages(t, func(p *pages, _ func(time.Duration)) {
				item, c := p.waiting("canary-content")
				p.give(c.Contact, "factor")
				near(p, c)
				w := p.at(nil, "POST", "/m/"+item.Link, nil)
				if w.Code != http.StatusOK || len(w.Result().Cookies()) > 0 || !strings.Contains(w.Body.String(), `name="code"`) || !p.item(item.ID).Released.IsZero() {
					p.Errorf("%d", w.Code)
				}
			})
		})
	}
}

// TestP5LinkAloneIsAskedForAgainWhenItOpens: a choice that is taken back between
// the page and its button counts no more, and neither does that of another case.
func TestP5LinkAloneIsAskedForAgainWhenItOpens(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		item, c := p.waiting("canary-content")
		try := func(c *cases.Case) error {
			return p.d.db.Update(p.Context(), func(tx *db.Tx) error {
				_, err := p.d.portal.ReleaseByLink(p.Context(), tx, &item.Item, c, false)
				return err
			})
		}
		if err := try(c); !fail.Is(err, fail.Denied) {
			p.Errorf("nothing was given up: %v", err)
		}
		p.give(c.Contact, "factor")
		other := *c
		other.ID = "made-up"
		if err := try(&other); !fail.Is(err, fail.Denied) {
			p.Errorf("the item of another case: %v", err)
		}
		if err := try(c); err != nil {
			p.Errorf("given up: %v", err)
		}
	})
}

// TestP5AnAgentAloneGivesNothingUp: whoever read out a code and enters with it
// himself has a day in which every address of the customer says so, with the way
// back, before anything is less protected.
func TestP5AnAgentAloneGivesNothingUp(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		item, c := p.waiting("canary-content")
		_, cookie := p.enter(item.Link, p.code(item.ID)) // read out by noor
		w := p.at(cookie, "POST", "/my/protection/encryption", url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"1"}})
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Counts from") {
			p.Fatalf("%d %s", w.Code, w.Body)
		}
		form := url.Values{"text": {"We charged 4111 1111 1111 1111."}, "to": {string(c.Contact)}}
		preview := func() string {
			return p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/preview", form).Body.String()
		}
		if got := preview(); !strings.Contains(got, `"shown":"portal"`) {
			p.Errorf("it counts at once: %s", got)
		}
		if page := p.at(cookie, "GET", "/my/protection", nil).Body.String(); !strings.Contains(page, "a code that came by telephone") {
			p.Error("the page does not say that it waits")
		}
		list := p.consents(c.Contact)
		if w := p.at(nil, "GET", "/back/"+consent.Token(p.d.vault, list[0].ID), nil); !strings.Contains(w.Body.String(), "Nothing has changed yet") {
			p.Errorf("the receipt's link does not lead back from what waits: %d", w.Code)
		}
		later(consent.Wait)
		if consent.Standing(p.consents(c.Contact), consent.Encryption, p.d.db.Now()) == nil {
			p.Error("it does not count a day later")
		}
	})
}

// TestP5ComposerSaysWhoChose: the words, the button, and the tick without which
// nothing leaves readable.
func TestP5ComposerSaysWhoChose(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		p.give(c.Contact, "encryption")
		form := url.Values{"text": {"We charged 4111 1111 1111 1111."}, "to": {string(c.Contact)}, "shown": {"opted-out"}, "do": {"send"}}
		preview := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/preview", form).Body.String()
		for _, want := range []string{`"lead":"Readable on the way"`, `"rest":" (their choice, `, `"label":"Send unprotected"`, `"class":"opted"`, `"shown":"opted-out"`, "Nothing in it is about anybody but Emre"} {
			if !strings.Contains(preview, want) {
				p.Errorf("the composer does not say %s: %s", want, preview)
			}
		}
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/send", form); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("without the tick: %d", w.Code)
		}
		form.Set("confirm", "own:"+string(c.Contact))
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/send", form); w.Code != http.StatusSeeOther {
			p.Errorf("with the tick: %d %s", w.Code, w.Body)
		}
		if got := p.one(`SELECT shown FROM deliveries WHERE case_id = $1`, c.ID); got != "opted-out" {
			p.Errorf("queued as %s", got)
		}
		if page := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil).Body.String(); !strings.Contains(page, "(their choice, ") {
			p.Error("the case does not say why it leaves readable")
		}
		if page := p.do("agent", "GET", "/desk/contacts/"+string(c.Contact), nil).Body.String(); !strings.Contains(page, "Given up by themselves") || !strings.Contains(page, "Encryption of my mails") {
			p.Error("the contact's page does not say what they gave up")
		}
	})
}

// TestP5ConsentsStayInTheTable: the database itself refuses to delete one.
func TestP5ConsentsStayInTheTable(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		p.give(c.Contact, "encryption")
		err := p.d.db.Update(p.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(p.Context(), `DELETE FROM consents`)
			return err
		})
		if err == nil || len(p.consents(c.Contact)) != 1 {
			p.Errorf("deleted: %v", err)
		}
	})
}

// TestP5TheJobAsksAndBringsBack: what River runs every hour.
func TestP5TheJobAsksAndBringsBack(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary-content")
		p.give(c.Contact, "proof")
		for _, wait := range []time.Duration{consent.Life - consent.AskAhead, consent.AskAhead} {
			later(wait)
			if err := p.d.protection(p.Context()); err != nil {
				p.Fatal(err)
			}
		}
		list := p.consents(c.Contact)
		if len(list) != 1 || list[0].Asked.IsZero() || list[0].How != consent.Lapsed {
			p.Errorf("%+v", list)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE contact_id = $1 AND kind = 'notice'`, c.Contact); n != 3 {
			p.Errorf("%d mails, want a receipt, a question and a receipt", n)
		}
	})
}
