package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/portal"

	"context"
)

// TestP3EnterMakesAnOldSessionNew: POST /my/enter makes an old session new: the ten minutes begin again.
func TestP3EnterMakesAnOldSessionNew(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary")
		p.enrol(c.Contact)
		cookie := p.sessionBy(c.Contact, portal.Passkey, "")
		id := p.one(`SELECT id FROM passkeys WHERE owner_id = $1`, c.Contact)
		for range 20 { // and on, past two hours
			later(authorise.Recent)
			w := p.at(cookie, "POST", "/my/enter", url.Values{})
			if got := w.Result().Cookies(); len(got) == 1 {
				cookie = got[0]
			}
		}
		w := p.at(cookie, "POST", "/my/access/passkeys/"+id+"/remove", url.Values{})
		if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n == 0 {
			p.Errorf("a cookie of 200 minutes ago removed her passkey: %d", w.Code)
		}
	})
}

// slow is a body whose sender waits before its end.
type slow struct {
	io.Reader
	before func()
}

func (s *slow) Read(b []byte) (int, error) {
	if s.before != nil {
		s.before()
		s.before = nil
	}
	return s.Reader.Read(b)
}

// TestP3SlowBodyBindsAfterAllWasEnded: a request that was begun before all sessions were ended, and whose body comes after, binds a passkey.
func TestP3SlowBodyBindsAfterAllWasEnded(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary")
	cookie := p.sessionBy(c.Contact, portal.TextCode, portal.ByText)
	a := passkeytest.New(p.T)
	a.Counter = 1
	answer := a.Register(jsonOf(p, p.send(cookie, "/my/access/passkeys/begin", nil)))
	body := &slow{strings.NewReader(string(answer)), func() {
		p.must(func(ctx context.Context, tx *db.Tx) error { return portal.EndAll(ctx, tx, c.Contact, "") })
	}}
	r := httptest.NewRequest("POST", "https://localhost:8443/my/access/passkeys/finish", body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	p.site.ServeHTTP(w, r)
	if n := p.count(`SELECT COUNT(*) FROM passkeys WHERE owner_id = $1`, c.Contact); n != 0 {
		p.Errorf("all sessions were ended, and it binds: %d", w.Code)
	}
}

// TestP3NewClosedWeakKindIsLost: a new weak kind that is made closed is nowhere, and the page and the log say that it waits.
func TestP3NewClosedWeakKindIsLost(t *testing.T) {
	p := openPages(t, "")
	weak := goodKind()
	weak.Set("people", "0")
	weak.Set("closed", "1")
	w := p.do("admin", "POST", "/desk/types/new", weak)
	if n := p.count(`SELECT COUNT(*) FROM instruction_types WHERE id = 'lasting-payee'`); n != 1 {
		p.Errorf("%d, %d kinds; the log: %d lowering", w.Code, n, p.count(`SELECT COUNT(*) FROM audit WHERE act = 'instruction-type.lowering'`))
	}
}

// TestP3WaitingKindStopsTheClock: a kind that waits and cannot be stored stops the whole clock.
func TestP3WaitingKindStopsTheClock(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		weak := goodKind()
		weak.Set("people", "0")
		weak.Set("title", "A lasting payee"+strings.Repeat("\xff", 40))
		p.do("admin", "POST", "/desk/types/new", goodKind())
		w := p.do("admin", "POST", "/desk/types/lasting-payee", weak)
		later(instructions.LoweringWait + time.Hour)
		if err := p.d.auth.Tick(p.Context()); err != nil {
			p.Errorf("%d, the clock stands: %v", w.Code, err)
		}
	})
}

// TestP3TwoKindsUnderOneTitle: two kinds under one title, by a change.
func TestP3TwoKindsUnderOneTitle(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		p.do("admin", "POST", "/desk/types/new", goodKind())
		twin := goodKind()
		twin.Set("title", "A new payee")
		w := p.do("admin", "POST", "/desk/types/lasting-payee", twin)
		later(instructions.LoweringWait + time.Hour)
		if err := p.d.auth.Tick(p.Context()); err != nil {
			p.Fatal(err)
		}
		if n := p.count(`SELECT COUNT(*) FROM instruction_types WHERE doc LIKE '%"title":"A new payee"%'`); n > 1 {
			p.Errorf("%d: %d kinds have this title", w.Code, n)
		}
		// and at once: with what nobody sees the difference of
		near := goodKind()
		near.Set("id", "payment-2")
		near.Set("title", "A  payment")
		near.Set("fields", "amount | Amount | amount\npayee | Payee | name")
		w = p.do("admin", "POST", "/desk/types/new", near)
		if n := p.count(`SELECT COUNT(*) FROM instruction_types WHERE id = 'payment-2' AND next_at = 0 AND NOT closed`); n == 1 {
			p.Errorf("%d: “A  payment” of any amount, one person, no rules, open at once", w.Code)
		}
	})
}

var _ = http.StatusOK
