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
	"postern/internal/security"
)

// TestP11APartIsWorkedByItself: one message tells of two holes. The second becomes a
// report of its own, with the same person, promises from the day they wrote, and the code
// that they have; who is let into one of them learns nothing of the other.
func TestP11APartIsWorkedByItself(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		finder := p.visitor("192.0.2.7")
		ref, code := finder.sendForm("security", aReport+" And your reset mail comes in clear, with the password in it.", "", "")
		c := p.byRef(ref)
		form := url.Values{"heading": {"Passwords in reset mails"}, "part": {"your reset mail comes in clear, with the password in it"}}
		if code := p.onReport("triager", c, "split", form); code != http.StatusUnprocessableEntity {
			p.Errorf("what nobody has looked at is split: %d", code)
		}
		p.assessing(c)
		if code := p.onReport("agent", c, "split", form); code < 400 {
			p.Errorf("split by an agent: %d", code)
		}
		for name, bad := range map[string]url.Values{"no words": {"heading": {"Passwords"}, "part": {""}}, "no heading": {"heading": {""}, "part": form["part"]}} {
			if code := p.onReport("triager", c, "split", bad); code != http.StatusUnprocessableEntity {
				p.Errorf("%s: %d", name, code)
			}
		}
		if n := p.count(`SELECT COUNT(*) FROM cases`); n != 1 {
			p.Fatalf("%d cases after what was refused", n)
		}
		p.set(c, func(x *security.Report) { x.Extortion = true })
		later(2 * 24 * time.Hour)
		if code := p.onReport("triager", c, "split", form); code != http.StatusSeeOther {
			p.Fatalf("split: %d", code)
		}
		if code := p.onReport("triager", c, "split", form); code != http.StatusUnprocessableEntity {
			p.Errorf("split twice: %d", code)
		}
		var part *cases.Case
		p.must(func(ctx context.Context, tx *db.Tx) error {
			l, err := cases.Links(ctx, tx, cases.Viewer{All: true}, c.ID)
			if err != nil || len(l) != 1 {
				p.Fatalf("%v, %v", l, err)
			}
			part, err = p.d.cases.Get(ctx, tx, l[0].Other)
			return err
		})
		was, is := p.reportOf(c), p.reportOf(part)
		if part.Contact != c.Contact || part.Security != cases.Report || !part.Circle || is.State != security.Acknowledged || is.Owner != was.Owner || !is.Received.Equal(was.Received) || is.Running(security.ClockLook) != nil {
			p.Errorf("%+v, %+v", part, is)
		}
		for _, name := range []security.ClockName{security.ClockAssess, security.ClockPublish} { // what they wait for runs on
			if a, b := was.Running(name), is.Running(name); a == nil || b == nil || !a.Target.Equal(b.Target) {
				p.Errorf("%s: %+v, %+v", name, a, b)
			}
		}
		if !is.Extortion {
			p.Error("the part may be paid past the lead")
		}
		if part.Subject != c.Subject {
			p.Errorf("what the hole is stands in a subject: %q", part.Subject)
		}
		if was.State != security.Assessing {
			p.Errorf("the first one is %s", was.State)
		}

		// Who told us comes to both with the one code.
		finder.step(finder.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		if page := finder.get("/case/" + ref).Body.String(); !strings.Contains(page, string(part.Ref)) {
			p.Error("their page does not tell of the part")
		}
		finder.step(finder.open(string(part.Ref), code), http.StatusSeeOther, "/case/"+string(part.Ref))
		if page := finder.get("/case/" + string(part.Ref)).Body.String(); !strings.Contains(page, `id="report"`) {
			p.Error("the part's page does not say how it stands")
		}
		if w := p.visitor("192.0.2.9").open(string(part.Ref), "1234 5678 9012 3456"); w.Code == http.StatusSeeOther {
			p.Error("another code opens it")
		}

		// Linked and similar ones are for those who triage.
		if code := p.onReport("triager", part, "link", url.Values{"ref": {"NS-0000-X"}}); code != http.StatusUnprocessableEntity {
			p.Errorf("linked with nothing: %d", code)
		}
		if code := p.onReport("triager", part, "link", url.Values{"ref": {string(part.Ref)}}); code != http.StatusUnprocessableEntity {
			p.Errorf("linked with itself: %d", code)
		}
		if code := p.onReport("triager", c, "circle", url.Values{"do": {"in"}, "staff": {p.staffID("agent")}}); code != http.StatusSeeOther {
			p.Fatalf("let in: %d", code)
		}
		page := p.do("agent", "GET", "/desk/security/"+string(c.ID), nil)
		if page.Code != http.StatusOK || strings.Contains(page.Body.String(), string(part.ID)) || strings.Contains(page.Body.String(), string(part.Ref)) || strings.Contains(page.Body.String(), "Passwords in reset mails") {
			p.Errorf("who was let into one: %d, and sees the other", page.Code)
		}
		if w := p.do("agent", "GET", "/desk/security/"+string(part.ID), nil); w.Code != http.StatusNotFound && w.Code != http.StatusForbidden {
			p.Errorf("who was let into one opens the other: %d", w.Code)
		}
		if page := p.do("triager", "GET", "/desk/security/"+string(c.ID), nil).Body.String(); !strings.Contains(page, "split it") || !strings.Contains(page, string(part.Ref)) {
			p.Error("the history does not tell of the split")
		}
	})
}

// TestP11AnyWeaknessIsPublished: a kind of weakness that no advisory can name is left
// out, and holds nothing up.
func TestP11AnyWeaknessIsPublished(t *testing.T) {
	eachReport(t, func(p *pages, later func(time.Duration)) {
		for n, cwe := range []string{"CWE-1336", "CWE-319"} {
			ref, _ := p.visitor("192.0.2.7").sendForm("security", aReport, "", "")
			c := p.byRef(ref)
			p.assessing(c)
			p.set(c, func(x *security.Report) {
				x.State, x.CWE, x.Title, x.Changed = security.Resolved, cwe, "Names in clear", "They are not in clear any more."
				x.Disclosure.Text = "Names and streets could be read on their way to us."
			})
			if w := p.do("triager", "POST", "/desk/security/"+string(c.ID)+"/move", url.Values{"to": {"disclosed"}}); w.Code != http.StatusSeeOther {
				p.Errorf("%s: %d %s", cwe, w.Code, plainErrors(w.Body.String()))
			}
			if got := p.count(`SELECT COUNT(*) FROM advisories WHERE published_at > 0`); got != int64(n+1) {
				p.Errorf("%s: %d published", cwe, got)
			}
		}
	})
}
