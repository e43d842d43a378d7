package app

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/staff"
)

// TestContactsListSaysHowItStands: open and waiting cases are counted, closed ones
// are not, and somebody without a case has none.
func TestContactsListSaysHowItStands(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content") // one that waits for them
		for _, state := range []cases.State{cases.Open, cases.Open, cases.Closed} {
			another := *c
			another.ID, another.Ref, another.State = cases.ID(db.NewID()), cases.NewRef(), state
			p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.cases.Add(ctx, tx, &another) })
		}
		n := p.d.contacts.New("Nora", "nora@kestrel.example", "staff", p.d.db.Now())
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, n) })
		for _, path := range []string{"/desk/contacts", "/desk/contacts?q=Emre", "/desk/search?q=Emre"} {
			page := p.do("agent", "GET", path, nil).Body.String()
			if !strings.Contains(page, "2 open, 1 waiting for them") {
				p.Errorf("%s does not say how it stands: %s", path, page)
			}
			if got := strings.Count(page, "None open"); path == "/desk/contacts" && got != 1 {
				p.Errorf("%s: %d people without a case, want Nora alone", path, got)
			}
		}
	})
}

// TestLinkLeadsToAWayIn: who has neither passkey nor password is led to where they
// get one, and told what happens without; who has one is not.
func TestLinkLeadsToAWayIn(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		id := staff.ID(p.staffID("agent"))
		link := func() (path string) {
			p.must(func(ctx context.Context, tx *db.Tx) error {
				token, err := p.d.staff.MakeLink(ctx, tx, staff.SignInBy, id, time.Hour)
				path = "/desk/link/" + token
				return err
			})
			return path
		}
		path := link()
		if page := p.do("", "GET", path, nil).Body.String(); !strings.Contains(page, "Next you set up a passkey") {
			p.Errorf("the link does not say what comes next: %s", page)
		}
		if w := p.do("", "POST", path, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/desk/account" {
			p.Errorf("without a way in: %d to %s", w.Code, w.Header().Get("Location"))
		}
		if page := p.do("agent", "GET", "/desk/account", nil).Body.String(); !strings.Contains(page, "your way in is lost when this session ends") {
			p.Errorf("the account does not warn: %s", page)
		}
		setup, err := p.d.staff.SetPassword(p.Context(), &staff.Person{ID: id, Name: "agent", Email: "agent@northmere.example"}, "four quiet herons at dusk", "Northmere")
		if err != nil {
			p.Fatal(err)
		}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.staff.ConfirmTOTP(ctx, tx, id, p.now(setup.Secret))
		})
		path = link()
		if page := p.do("", "GET", path, nil).Body.String(); strings.Contains(page, "Next you set up") {
			p.Error("the link promises what does not come")
		}
		if w := p.do("", "POST", path, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/desk" {
			p.Errorf("with a password: %d to %s", w.Code, w.Header().Get("Location"))
		}
		if page := p.do("agent", "GET", "/desk/account", nil).Body.String(); strings.Contains(page, "your way in is lost") {
			p.Error("the account warns of nothing")
		}
	})
}

// TestErrorPagesLeadToWhereTheRoleStarts: an admin is not sent to the inbox.
func TestErrorPagesLeadToWhereTheRoleStarts(t *testing.T) {
	p := openPages(t, "")
	for who, start := range map[string]string{"admin": "/desk/health", "agent": "/desk/inbox", "triager": "/desk/inbox"} {
		for _, path := range []string{"/desk/nowhere", map[string]string{"admin": "/desk/inbox"}[who]} {
			if path == "" {
				continue
			}
			page := p.do(who, "GET", path, nil).Body.String()
			if !strings.Contains(page, `class="btn" href="/desk"`) || strings.Contains(page, `href="/desk/inbox"`) {
				p.Errorf("%s at %s: %s", who, path, page)
			}
		}
		if got := p.do(who, "GET", "/desk", nil).Header().Get("Location"); got != start {
			p.Errorf("%s starts at %s", who, got)
		}
	}
}

// TestNumberIsShownToWhoCallsIt: on request, once, with a trace, and not without
// end; the page itself shows its last digits only.
func TestNumberIsShownToWhoCallsIt(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		_, c := p.waiting("canary-content")
		path := "/desk/contacts/" + string(c.Contact)
		id := p.one(`SELECT id FROM contact_phones WHERE contact_id = $1`, c.Contact)
		const number = "0171 5550142"
		shown := func() int64 { return p.count(`SELECT COUNT(*) FROM audit WHERE act = 'phone.shown'`) }
		page := p.do("agent", "GET", path, nil).Body.String()
		if strings.Contains(page, number) || !strings.Contains(page, path+"/phones/"+id+"/show") {
			p.Errorf("the number stands on the page, or there is no way to it: %s", page)
		}
		if w := p.do("agent", "POST", path+"/phones/"+id+"/show", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), number) || shown() != 1 {
			p.Errorf("%d, %d entries: %s", w.Code, shown(), w.Body)
		}
		if page := p.do("agent", "GET", path, nil).Body.String(); strings.Contains(page, number) || !strings.Contains(page, "Telephone number shown, by agent") {
			p.Errorf("it is shown twice, or the history does not tell: %s", page)
		}
		if w := p.do("agent", "POST", path+"/place-code", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), number) {
			p.Errorf("who reads the code out does not see the number: %d", w.Code)
		}
		other := p.d.contacts.New("Nora", "nora@kestrel.example", "staff", p.d.db.Now())
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, other) })
		for _, no := range []struct {
			who, path string
			want      int
		}{{"admin", path + "/phones/" + id + "/show", http.StatusForbidden}, {"triager", path + "/phones/made-up/show", http.StatusNotFound}, {"triager", "/desk/contacts/" + string(other.ID) + "/phones/" + id + "/show", http.StatusNotFound}} {
			if w := p.do(no.who, "POST", no.path, nil); w.Code != no.want || strings.Contains(w.Body.String(), number) {
				p.Errorf("%s at %s: %d", no.who, no.path, w.Code)
			}
		}
		before := shown()
		for range 30 {
			p.do("agent", "POST", path+"/phones/"+id+"/show", nil)
		}
		if n := shown() - before; n > 18 {
			p.Errorf("%d numbers within the hour", n)
		}
		if w := p.do("agent", "POST", path+"/phones/"+id+"/show", nil); w.Code != http.StatusTooManyRequests || strings.Contains(w.Body.String(), number) {
			p.Errorf("one too many: %d", w.Code)
		}
	})
}

// TestSecondNumberIsProposed: the page offers no form that cannot succeed.
func TestSecondNumberIsProposed(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary-content")
	page := p.do("agent", "GET", "/desk/contacts/"+string(c.Contact), nil).Body.String()
	if strings.Contains(page, `name="phone"`) || !strings.Contains(page, "/desk/cases/"+string(c.ID)+"/propose?type=phone") {
		p.Errorf("with a number on file: %s", page)
	}
	if w := p.do("agent", "GET", "/desk/cases/"+string(c.ID)+"/propose?type=phone", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Another telephone number</h1>") {
		p.Errorf("the link leads to: %d %s", w.Code, w.Body)
	}
	n := p.d.contacts.New("Nora", "nora@kestrel.example", "staff", p.d.db.Now())
	p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.contacts.Add(ctx, tx, n) })
	if page := p.do("agent", "GET", "/desk/contacts/"+string(n.ID), nil).Body.String(); !strings.Contains(page, `name="phone"`) || strings.Contains(page, "/show") {
		p.Errorf("without one: %s", page)
	}
}

// TestWrongCallBackCodeSpeaksToStaff: the customer's sentence is for the customer.
func TestWrongCallBackCodeSpeaksToStaff(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary-content")
	id := p.wishOf(c.Contact)
	phone := p.one(`SELECT id FROM contact_phones WHERE contact_id = $1`, c.Contact)
	w := p.do("agent", "POST", "/desk/authorisations/"+id+"/heard", url.Values{"phone": {phone}, "code": {"0000 0000"}})
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "Ask them to read the code to you again") || strings.Contains(w.Body.String(), "call us") {
		p.Errorf("%d: %s", w.Code, w.Body)
	}
	w = p.do("agent", "POST", "/desk/authorisations/"+id+"/code", url.Values{"phone": {phone}})
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "0171 5550142") {
		p.Errorf("who reads the code out does not see the number: %d %s", w.Code, w.Body)
	}
}
