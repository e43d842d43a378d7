package app

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/lang"
	"postern/internal/outbox"
	"postern/internal/staff"
)

// TestPublicJourneysByKeyboard: with scripts off and nothing but the keyboard, in both
// languages and the pseudo one, somebody asks, finds, writes, gets a reference, comes
// back, asks for a person, answers the survey, and shows us a mail.
func TestPublicJourneysByKeyboard(t *testing.T) {
	s := openStreet(t, "", nil)
	person := &staff.Person{Name: "Mara Stein", Email: "mara@northmere.example", Roles: []staff.Role{staff.Agent}}
	s.must(func(ctx context.Context, tx *db.Tx) error { return s.d.staff.Add(ctx, tx, person) })
	a := &centre.Article{Published: true, Texts: map[lang.Lang]centre.ArticleIn{lang.English: {Title: "Card lost or stolen", Text: "Block it at once."}, lang.German: {Title: "Karte verloren oder gestohlen", Text: "Sperren Sie sie sofort."}}}
	if field, err := s.d.centre.SaveArticle(t.Context(), "test", a); err != nil {
		t.Fatal(field, err)
	}
	for _, x := range []struct {
		l     lang.Lang
		width int64
	}{{lang.English, 1280}, {lang.German, 390}, {lang.Pseudo, 390}} {
		say := x.l.Must
		fits := func(where string) {
			t.Helper()
			if n := s.tab.TooWide(); n > 0 {
				t.Errorf("%s, %s: %d pixels too wide at %d", x.l, where, n, x.width)
			}
		}
		page := func(words string) {
			t.Helper()
			s.tab.Wait(words)
			fits(words)
		}
		s.tab.Size(x.width)
		s.tab.Go(s.url + "/?lang=" + string(x.l))
		page(say("home.title"))

		// Search, an article, and out of it to a person.
		s.tab.Reach("#q")
		s.tab.Keys(map[bool]string{true: "Karte", false: "card"}[x.l == lang.German])
		s.tab.Enter()
		page(say("help.found", 1))
		s.tab.Reach(`a[href="/help/card-lost-or-stolen"]`)
		s.tab.Enter()
		page(say("help.helped"))
		s.tab.Reach(`button[value="no"]`)
		s.tab.Enter()
		page(say("help.said.no"))
		s.tab.Reach(`a[href="/contact/about/something-else"]`)
		s.tab.Enter()
		page(say("form.message"))

		// A mistake first: nothing is sent, and the focus is at what is wrong.
		s.tab.Reach(`form button.btn--go`)
		s.tab.Enter()
		page(say("form.text.empty"))
		s.tab.Reach("#text")
		s.tab.Keys("Where is my card? canary-" + string(x.l))
		s.tab.Reach(`form button.btn--go`)
		s.tab.Enter()
		page(say("form.you"))
		s.tab.Reach(`form button.btn--go`)
		s.tab.Enter()
		page("canary-" + string(x.l))
		s.tab.Reach(`form[action="/contact/send"] button`)
		s.tab.Enter()
		page(say("done.title"))
		text := s.tab.Text()
		code := regexp.MustCompile(`\d{4} \d{4} \d{4} \d{4}`).FindString(text)
		ref := regexp.MustCompile(`P[A-Z0-9]{1,3}-[A-Z0-9-]+`).FindString(text)
		if code == "" || ref == "" {
			t.Fatalf("no reference or code: %s", text)
		}

		// Back to the case, by reference and code.
		s.back(x.l, ref, code, page)
		page(say("yourcase.state.open"))
		s.tab.Reach("#text")
		s.tab.Keys("One more thing.")
		s.tab.Reach(`button[value="person"]`)
		s.tab.Enter()
		page(say("yourcase.who.person"))

		// Answered and closed: was it solved?
		c := s.byRef(ref)
		if !c.Lifted {
			t.Fatal("nobody was called")
		}
		if _, err := s.d.outbox.Send(t.Context(), &outbox.Answer{Case: c.ID, Staff: string(person.ID), Text: "It was sent on Monday, I asked the printer myself.", To: []contacts.ID{c.Contact}}); err != nil {
			t.Fatal(err)
		}
		s.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := s.d.cases.Get(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			if err := c.Close(tx.Now); err != nil {
				return err
			}
			return s.d.cases.Save(ctx, tx, c)
		})
		if err := s.d.outbox.AskSurvey(t.Context(), c.ID, "agent"); err != nil {
			t.Fatal(err)
		}
		s.tab.Go(s.url + "/case/" + ref)
		page(say("yourcase.state.closed"))
		s.tab.Reach(`a[href^="/survey/"]`)
		s.tab.Enter()
		page(say("survey.question"))
		s.tab.Reach(`input[name="score"]`)
		s.tab.Keys(" ")
		s.tab.Reach(`button[value="unsolved"]`)
		s.tab.Enter()
		page(say("survey.thanks.open", ref))
		if now := s.byRef(ref); now.State != cases.Open || !now.Lifted {
			t.Errorf("%s: %+v", x.l, now)
		}

		s.reports(x.l, page)
		s.must(func(ctx context.Context, tx *db.Tx) error { // an hour later: only so many go without a wait
			_, err := tx.Exec(ctx, `DELETE FROM form_posts`)
			return err
		})

		// Is this from you?
		s.tab.Go(s.url + "/check")
		s.tab.Reach("#text")
		s.tab.Keys("Your account is locked, confirm at https://evil.example")
		s.tab.Reach(`form[action="/check"] button`)
		s.tab.Enter()
		page(say("check.is.foreign"))
		s.tab.Reach(`a[href="/contact/done"]`)
		s.tab.Enter()
		page(say("done.title"))

		// The doors, from the foot of any page.
		s.tab.Reach(`footer a[href="/report"]`)
		s.tab.Enter()
		page(say("report.promise.name"))
		s.tab.Reach(`footer a[href="/something-else"]`)
		s.tab.Enter()
		page(say("else.work"))
	}
	for _, c := range s.tab.Complaints() {
		if !strings.Contains(c, "status of 422") { // the mistake that was made on purpose
			t.Errorf("the browser complains: %s", c)
		}
	}
	if list := s.tab.Strangers(s.url); len(list) > 0 {
		t.Errorf("asked elsewhere: %s", list)
	}
}

// TestFormWorksInTheBrowser: where scripts run, the browser has done the work of a form
// before its sender has read it through, and a sixth form goes without waiting.
func TestFormWorksInTheBrowser(t *testing.T) {
	s := openStreet(t, "", nil)
	tab := s.withScripts()
	for n := range 7 {
		tab.Go(s.url + "/contact/about/something-else")
		tab.Fill("#text", "Again and again.")
		tab.Click(`form button.btn--go`)
		tab.Wait("How can we answer you?")
		tab.Click(`form button.btn--go`)
		tab.Wait("Check before you send")
		tab.Click(`form[action="/contact/send"] button`)
		tab.Wait("We have your message")
		if got := s.count(`SELECT COUNT(*) FROM cases`); got != int64(n+1) {
			t.Fatalf("%d cases after %d forms", got, n+1)
		}
	}
	if list := tab.Complaints(); len(list) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(list, "; "))
	}
}

// TestShortNamesInTheComposer: ";hours " and the text is there; a name that is none
// stays as it was typed.
func TestShortNamesInTheComposer(t *testing.T) {
	s := openStreet(t, "", nil)
	person := &staff.Person{Name: "Mara Stein", Email: "mara@northmere.example", Roles: []staff.Role{staff.Agent}}
	var token string
	s.must(func(ctx context.Context, tx *db.Tx) (err error) {
		if err = s.d.staff.Add(ctx, tx, person); err == nil {
			token, err = s.d.staff.MakeLink(ctx, tx, staff.SignInBy, person.ID, time.Hour)
		}
		return err
	})
	if field, err := s.d.centre.SaveReply(t.Context(), "test", &centre.Reply{Name: "Hours", Prefix: "hours", Texts: centre.Texts{lang.English: hoursText}}); err != nil {
		t.Fatal(field, err)
	}
	c := s.write("ada@brandt.example", "Counter", "When are you open?")
	tab := s.withScripts()
	tab.Go(s.url + "/desk/link/" + token)
	tab.Click(`form button`)
	tab.Go(s.url + "/desk/cases/" + string(c.ID))
	tab.Wait("Counter")
	tab.Press("#text")
	tab.Keys("Dear Ada, ;nothing ;hours ")
	tab.Wait("It counts as canned") // the preview has seen the text
	if got := tab.Value("#text"); got != "Dear Ada, ;nothing "+hoursText {
		t.Errorf("%q", got)
	}
	if list := tab.Complaints(); len(list) > 1 { // the name that is none
		t.Errorf("the browser complains: %s", strings.Join(list, "; "))
	}
}

// reports hands a security report in by keyboard: five short pages, a mistake on the way,
// and back to it with the code. page waits for words and looks whether the page fits.
func (s *street) reports(l lang.Lang, page func(words string)) {
	s.Helper()
	say := l.Must
	next := func() {
		s.Helper()
		s.tab.Reach("form button.btn--go")
		s.tab.Enter()
	}
	s.tab.Go(s.url + "/report")
	page(say("report.promise.name"))
	s.tab.Reach(`main a[href="/contact/affected"]`)
	s.tab.Enter()
	page(say("report.affected"))
	s.tab.Reach("#affected")
	s.tab.Keys("the pay page")
	next()
	page(say("form.message.security"))
	next()
	page(say("form.text.empty"))
	s.tab.Reach("#text")
	s.tab.Keys("It shows the street of whoever paid before me.")
	next()
	page(say("report.files"))
	next()
	page(say("form.you"))
	next()
	page("the pay page")
	s.tab.Reach(`form[action="/contact/send"] button`)
	s.tab.Enter()
	page(say("done.title"))
	text := s.tab.Text()
	code, ref := regexp.MustCompile(`\d{4} \d{4} \d{4} \d{4}`).FindString(text), regexp.MustCompile(`P[A-Z0-9]{1,3}-[A-Z0-9-]+`).FindString(text)
	c := s.byRef(ref)
	if code == "" || c.Security != cases.Suspected {
		s.Fatalf("%s: %+v", l, c)
	}
	s.back(l, ref, code, page)
	page(say("report.title"))
}

// back comes to a case again, from the page that showed its reference and code.
func (s *street) back(l lang.Lang, ref, code string, page func(words string)) {
	s.Helper()
	s.tab.Reach(`a[href="/case"]`)
	s.tab.Enter()
	page(l.Must("yourcase.find"))
	s.tab.Reach("#ref")
	s.tab.Keys(ref)
	s.tab.Reach("#code")
	s.tab.Keys(code)
	s.tab.Reach(`form[action="/case"] button`)
	s.tab.Enter()
}
