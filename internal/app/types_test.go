package app

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/staff"
)

func goodKind() url.Values {
	return url.Values{"id": {"lasting-payee"}, "title": {"A lasting payee"}, "level": {"passkey"}, "signer": {"passkey"}, "people": {"1"}, "expiry": {"48"}, "cooling": {"24"},
		"fields": {"payee | Payee | name"}, "raise": {""}, "risky": {"1"}}
}

// TestKindOfInstructionKeepsWhatWasTyped: everything that is wrong is said at its
// own field, at once, and nothing that was typed is lost.
func TestKindOfInstructionKeepsWhatWasTyped(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		form := goodKind()
		for field, v := range map[string]string{"id": "New Payee", "title": " ", "level": "passkey", "signer": "call", "people": "9", "expiry": "abc", "cooling": "-1",
			"fields": "payee | Payee | nome", "raise": "amount is large", "hook": ""} {
			form.Set(field, v)
		}
		form.Del("risky")
		w := p.do("admin", "POST", "/desk/types/new", form)
		page := w.Body.String()
		if w.Code != http.StatusUnprocessableEntity {
			p.Fatalf("%d", w.Code)
		}
		for _, field := range []string{"id", "title", "signer", "people", "expiry", "cooling", "fields", "raise"} {
			if !strings.Contains(page, `href="#`+field+`"`) || !strings.Contains(page, `id="`+field+`-e"`) {
				p.Errorf("%s: nothing is said of it", field)
			}
		}
		for _, typed := range []string{`value="New Payee"`, `value="9"`, `value="abc"`, `value="-1"`, "payee | Payee | nome</textarea>", "amount is large</textarea>", `<option value="call" selected>`} {
			if !strings.Contains(page, typed) {
				p.Errorf("%s was lost", typed)
			}
		}
		if strings.Contains(page, `name="risky" value="1" checked`) || strings.Contains(page, `href="#level"`) {
			p.Error("a tick that was taken away is back, or what is right is blamed")
		}
	})
}

func TestKindOfInstructionSaysWhichFieldIsWrong(t *testing.T) {
	p := openPages(t, "")
	for _, c := range []struct{ field, value, at string }{
		{"people", "4", "people"}, {"people", "", "people"}, {"expiry", "0", "expiry"}, {"expiry", "2161", "expiry"}, {"cooling", "721", "cooling"}, {"cooling", "1.5", "cooling"},
		{"level", "word", "level"}, {"fields", "", "fields"}, {"fields", "payee", "fields"}, {"raise", "amount > 5 | passkey | 1", "raise"}, {"raise", "payee = Zoë | word | 1", "raise"},
		{"hook", "made-up", "hook"}, {"title", strings.Repeat("a", 81), "title"},
	} {
		form := goodKind()
		form.Set(c.field, c.value)
		w := p.do("admin", "POST", "/desk/types/new", form)
		if n := strings.Count(w.Body.String(), `<li><a href="#`); w.Code != http.StatusUnprocessableEntity || n != 1 || !strings.Contains(w.Body.String(), `href="#`+c.at+`"`) {
			t.Errorf("%s %q: %d, %d errors, want one at %s", c.field, c.value, w.Code, n, c.at)
		}
	}
	for _, want := range []int{http.StatusSeeOther, http.StatusUnprocessableEntity} { // the second time there is one of this name
		if w := p.do("admin", "POST", "/desk/types/new", goodKind()); w.Code != want {
			t.Errorf("a sound kind: %d, want %d", w.Code, want)
		}
	}
	form := goodKind() // of a kind that the desk does itself the whole is wrong, not a field
	form.Set("people", "0")
	if w := p.do("admin", "POST", "/desk/types/phone", form); w.Code == http.StatusUnprocessableEntity && !strings.Contains(w.Body.String(), `href="#kind"`) {
		t.Errorf("what is wrong with the whole is not said at the top: %s", w.Body)
	} else if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("nobody approves a new telephone number: %d", w.Code)
	}
}

// TestP3OneAdminAloneWeakensNoKind: what demands less waits in sight of every admin;
// who wants it cannot also agree, and nobody who is no admin can.
func TestP3OneAdminAloneWeakensNoKind(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		second := &staff.Person{Name: "second", Email: "second@northmere.example", Roles: []staff.Role{staff.Admin}}
		p.must(func(ctx context.Context, tx *db.Tx) error {
			if err := p.d.staff.Add(ctx, tx, second); err != nil {
				return err
			}
			return nil
		})
		later(instructions.LoweringWait + time.Minute)
		p.signAllIn(second)
		weak := goodKind()
		weak.Set("people", "0")
		for _, step := range []struct {
			who, path string
			form      url.Values
			code      int
		}{
			{"admin", "new", goodKind(), http.StatusSeeOther},
			{"admin", "lasting-payee", weak, http.StatusSeeOther},
			{"admin", "lasting-payee/agree", nil, http.StatusForbidden},
			{"agent", "lasting-payee/agree", nil, http.StatusForbidden},
			{"triager", "lasting-payee/keep", nil, http.StatusForbidden},
			{"second", "other-kind/agree", nil, http.StatusNotFound},
		} {
			if w := p.do(step.who, "POST", "/desk/types/"+step.path, step.form); w.Code != step.code {
				p.Fatalf("%s %s: %d, want %d", step.who, step.path, w.Code, step.code)
			}
		}
		people := func() string {
			return p.one(`SELECT approvals || ',' || version FROM instruction_types WHERE id = 'lasting-payee'`)
		}
		if people() != "1,1" {
			p.Fatalf("%s: weaker at once", people())
		}
		for who, may := range map[string]bool{"admin": false, "second": true} {
			page := p.do(who, "GET", "/desk/types", nil).Body.String()
			if strings.Contains(page, "lasting-payee/agree") != may || !strings.Contains(page, "lasting-payee/keep") || !strings.Contains(page, "People who approve") {
				p.Errorf("%s sees it wrong", who)
			}
		}
		if w := p.do("second", "POST", "/desk/types/lasting-payee/agree", url.Values{"seen": {"another"}}); w.Code != http.StatusConflict || people() != "1,1" {
			p.Errorf("to what she did not see: %d, %s", w.Code, people())
		}
		if w := p.do("second", "POST", "/desk/types/lasting-payee/agree", p.seen()); w.Code != http.StatusSeeOther || people() != "0,2" {
			p.Errorf("agreed: %d, %s", w.Code, people())
		}
		if w := p.do("second", "POST", "/desk/types/lasting-payee/agree", p.seen()); w.Code != http.StatusNotFound {
			p.Errorf("agreed twice: %d", w.Code)
		}
	})
}

// signAllIn lets everybody in anew, after a long time, and one more admin.
func (p *pages) signAllIn(more *staff.Person) {
	p.Helper()
	p.must(func(ctx context.Context, tx *db.Tx) error {
		list, err := p.d.staff.List(ctx, tx)
		for n := range list {
			name := list[n].Name
			if token, e := p.d.staff.SignIn(ctx, tx, &list[n], "test"); e == nil && (p.tokens[name] != "" || name == more.Name) {
				p.tokens[name] = token
			}
		}
		return err
	})
}

// seen is the form of whoever agrees to what waits.
func (p *pages) seen() url.Values {
	sum := regexp.MustCompile(`name="seen" value="([0-9a-f]+)"`).FindStringSubmatch(p.do("second", "GET", "/desk/types", nil).Body.String())
	if sum == nil {
		return url.Values{"seen": {"nothing"}}
	}
	return url.Values{"seen": {sum[1]}}
}
