package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"

	"postern/internal/cases"
)

// decide presses one of the three keys of the ten-second screen.
func (p *pages) decide(who string, c *cases.Case, say string) *httptest.ResponseRecorder {
	p.Helper()
	return p.do(who, "POST", "/desk/security/"+string(c.ID)+"/decide", url.Values{"say": {say}, "class": {"ordinary"}, "reason": {"it is about something else"}})
}

// dismissed says that a case is none that has come more than once: two people do.
func (p *pages) dismissed(c *cases.Case) {
	p.Helper()
	if w := p.decide("triager", c, "dismiss"); w.Code != http.StatusSeeOther || p.fresh(c).Security != cases.Suspected {
		p.Fatalf("one person dismissed it alone: %d, %q", w.Code, p.fresh(c).Security)
	}
	if w := p.decide("triager", c, "dismiss"); p.fresh(c).Security != cases.Suspected {
		p.Fatalf("one person dismissed it by asking twice: %d", w.Code)
	}
	if w := p.decide("lead", c, "dismiss"); w.Code != http.StatusSeeOther || p.fresh(c).Security != cases.NoReport {
		p.Fatalf("two people do not dismiss it: %d, %q\n%s", w.Code, p.fresh(c).Security, w.Body)
	}
}
