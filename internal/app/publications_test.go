package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/advisory"
	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/gpgtest"
	"postern/internal/lang"
	"postern/internal/publications"
)

// TestSecurityTxtIsServed: where RFC 9116 wants it, as it wants it, signed, and the
// old place leads there; the doctor looks at the same.
func TestSecurityTxtIsServed(t *testing.T) {
	p := openPages(t, "")
	if _, err := p.d.boxes.Add(t.Context(), audit.System, "Security", "security@northmere.example", true); err != nil {
		t.Fatal(err)
	}
	w := p.do("", http.MethodGet, "/.well-known/security.txt", nil)
	if k := w.Header().Get("Content-Type"); w.Code != http.StatusOK || k != "text/plain; charset=utf-8" {
		t.Fatalf("%d, %q", w.Code, k)
	}
	g := gpgtest.New(t)
	g.Import(p.d.boxes.All()[0].Secret.Public().Armored())
	plain, status, err := g.Decrypt(w.Body.Bytes())
	if err != nil || !status.Has("GOODSIG") {
		t.Fatalf("gpg: %v, %s", err, status)
	}
	for _, want := range []string{"Contact: https://localhost:8443/report\r\nContact: mailto:security@northmere.example\r\n", "Canonical: https://localhost:8443/.well-known/security.txt"} {
		if !strings.Contains(strings.ReplaceAll(string(plain), "\n", "\r\n"), want) && !strings.Contains(string(plain), want) {
			t.Errorf("no %q in %q", want, plain)
		}
	}
	if w := p.do("", http.MethodGet, "/security.txt", nil); w.Code != http.StatusFound || w.Header().Get("Location") != "/.well-known/security.txt" {
		t.Errorf("the old place: %d, %q", w.Code, w.Header().Get("Location"))
	}
	if c := checkSecurityTxt(p.d.cfg, p.d.db, p.d.boxes); c.State != "good" {
		t.Errorf("the doctor: %+v", c)
	}
	plainly := *p.d.cfg
	plainly.URL = "http://localhost"
	if c := checkSecurityTxt(&plainly, p.d.db, p.d.boxes); c.State != "bad" || c.Mend == "" {
		t.Errorf("the doctor, of a site in clear: %+v", c)
	}
}

// openedAt is a desk on a clock that the test moves.
func openedAt(t *testing.T, start time.Time) (*pages, func(time.Duration)) {
	now := start
	p := openPagesAt(t, "", func() time.Time { return now })
	return p, func(d time.Duration) { now = now.Add(d) }
}

func TestSecurityTxtIsServedForYears(t *testing.T) {
	p, later := openedAt(t, time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC))
	for range 24 {
		w := p.do("", http.MethodGet, "/.well-known/security.txt", nil)
		if problem, err := publications.CheckSecurityTxt(w.Body.Bytes(), "https://localhost:8443/.well-known/security.txt", p.d.boxes.All()[0].Secret.Public(), p.d.db.Now()); problem != publications.Sound {
			t.Fatal(p.d.db.Now(), problem, err)
		}
		later(31 * 24 * time.Hour)
	}
}

// TestThePolicyIsReadByAllAndWrittenByFew: anybody reads it, in their language, with
// the doors and without a script; leads and admins change it; what it was stays.
func TestThePolicyIsReadByAllAndWrittenByFew(t *testing.T) {
	p := openPages(t, "")
	x := p.visitor("192.0.2.1")
	page := x.get("/security-policy").Body.String()
	for _, want := range []string{"<h1>Security policy</h1>", "within 1 working day.", `href="https://localhost:8443/report"`, `href="mailto:support@northmere.example"`, "Northmere Savings runs", "Version 1, in force since", `href="/security-policy/versions"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	x.speaks = "de"
	if page := x.get("/security-policy").Body.String(); !strings.Contains(page, "innerhalb von 1 Arbeitstag.") || !strings.Contains(page, `<article class="article prose" lang="de">`) {
		t.Error("no German")
	}
	x.speaks = "en"
	now, err := p.d.published.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	form := func(more string) url.Values {
		return url.Values{"version": {"1"}, "text-en": {now.Texts["en"] + more}, "note-en": {"A word more."}, "do": {"save"}}
	}
	for who, want := range map[string]int{"agent": 403, "triager": 403, "executive": 403, "lead": 422, "admin": 422} {
		if w := p.do(who, "POST", "/desk/security-policy", form("\n\nYou must sign our NDA.")); w.Code != want {
			t.Errorf("%s: %d, want %d", who, w.Code, want)
		}
	}
	if w := p.do("lead", "POST", "/desk/security-policy", form("\n\nYou must sign our NDA.")); !strings.Contains(w.Body.String(), `<a href="#text-en">“You must sign our NDA”`) {
		t.Error("it is not said what is wrong, and where")
	}
	preview := form("\n\nFresh words.")
	preview.Set("do", "preview")
	if w := p.do("lead", "POST", "/desk/security-policy", preview); w.Code != 200 || !strings.Contains(w.Body.String(), "<p>Fresh words.</p>") || strings.Contains(x.get("/security-policy").Body.String(), "Fresh words.") {
		t.Errorf("a preview: %d", w.Code)
	}
	if w := p.do("lead", "POST", "/desk/security-policy", form("\n\nFresh words.")); w.Code != 303 {
		t.Fatalf("saving: %d, %s", w.Code, w.Body)
	}
	if w := p.do("admin", "POST", "/desk/security-policy", form("\n\nOther words.")); w.Code != http.StatusConflict {
		t.Errorf("over somebody else's change: %d", w.Code)
	}
	if page := x.get("/security-policy").Body.String(); !strings.Contains(page, "<p>Fresh words.</p>") || !strings.Contains(page, "Version 2") {
		t.Error("what was saved is not read")
	}
	if page := x.get("/security-policy/versions").Body.String(); !strings.Contains(page, "A word more.") || !strings.Contains(page, "The first version.") || strings.Contains(page, "lead") {
		t.Errorf("the list of changes: %s", page)
	}
	if page := x.get("/security-policy/versions/1").Body.String(); strings.Contains(page, "Fresh words.") || !strings.Contains(page, "another one is in force") {
		t.Error("the first version is not what it was")
	}
	for _, path := range []string{"/security-policy/versions/9", "/security-policy/versions/x", "/security-policy/versions/-1"} {
		if w := x.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if page := p.do("admin", "GET", "/desk/security-policy", nil).Body.String(); !strings.Contains(page, "<bdi>lead</bdi>: A word more.") || !strings.Contains(page, "{report_form}") {
		t.Error("the desk does not say who changed it")
	}
}

// TestThanksShowNamesAndNothingElse: what somebody wants to be called is text, is not
// made a link, and is gone with the next look after they took it back.
func TestThanksShowNamesAndNothingElse(t *testing.T) {
	p := openPages(t, "")
	page := func() string { return p.do("", "GET", "/security-thanks", nil).Body.String() }
	if !strings.Contains(page(), "Nobody is named yet.") {
		t.Error("somebody is named")
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := publications.Consent(ctx, tx, audit.System, publications.Credit{Case: "secret-case", Name: "<script>alert(1)</script>", Line: "https://ada.example/ [x](https://evil.example)"}); err != nil {
			return err
		}
		return publications.ShowCredit(ctx, tx, audit.System, "secret-case")
	})
	got := page()
	if !strings.Contains(got, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>") || strings.Contains(got, `href="https://ada`) || strings.Contains(got, `href="https://evil`) || strings.Contains(got, "secret-case") {
		t.Error(got)
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		return publications.WithdrawCredit(ctx, tx, audit.System, "secret-case")
	})
	if strings.Contains(page(), "script&gt;alert") {
		t.Error("a withdrawn name is still there")
	}
}

// TestAdvisoriesAreReadByPeopleAndPrograms: the list, the page, the files beside it;
// a draft is nowhere, and what somebody wrote is text.
func TestAdvisoriesAreReadByPeopleAndPrograms(t *testing.T) {
	p := openPages(t, "")
	get := func(path string) *httptest.ResponseRecorder { return p.do("", "GET", path, nil) }
	if w := get("/security-advisories"); w.Code != 200 || !strings.Contains(w.Body.String(), "None yet.") {
		t.Fatalf("%d, %s", w.Code, w.Body)
	}
	r := &publications.Record{Case: "c-1", Advisory: advisory.Advisory{CVSS3: "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:N/A:N", Products: []advisory.Product{{Name: "Address page", Affected: []string{"2026-11-01"}}},
		Texts: map[lang.Lang]advisory.Text{lang.English: {Title: "<b>In clear</b>", Wrong: "One.\n\nhttps://evil.example", Done: "Two."}, lang.German: {Title: "Offen", Wrong: "Eins.", Done: "Zwei."}}}}
	var draft publications.Record
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := publications.Consent(ctx, tx, audit.System, publications.Credit{Case: "c-1", Name: "Ada <i>"}); err != nil {
			return err
		}
		if err := publications.ShowCredit(ctx, tx, audit.System, "c-1"); err != nil {
			return err
		}
		fresh := *r
		if err := publications.Save(ctx, tx, audit.System, &fresh); err != nil {
			return err
		}
		draft = *r
		r.ID = fresh.ID
		if err := publications.Save(ctx, tx, audit.System, &draft); err != nil {
			return err
		}
		_, err := p.d.published.Publish(ctx, tx, audit.System, fresh.ID)
		return err
	})
	page := get("/security-advisories/" + r.ID).Body.String()
	for _, want := range []string{"&lt;b&gt;In clear&lt;/b&gt;", "6.5, medium (CVSS 3.1)", "Ada &lt;i&gt; told us", "First published.", "/osv.json", ".json.asc"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(page, `href="https://evil.example"`) || strings.Contains(page, "c-1") {
		t.Error("it leads where somebody wrote, or names the case")
	}
	x := p.visitor("192.0.2.9")
	x.speaks = "de"
	if page := x.get("/security-advisories/" + r.ID).Body.String(); !strings.Contains(page, "Eins.") || !strings.Contains(page, "Was falsch war") {
		t.Error("no German")
	}
	if page := get("/security-advisories").Body.String(); !strings.Contains(page, r.ID) || strings.Contains(page, draft.ID) {
		t.Error("the list")
	}
	name := "/.well-known/csaf/" + "white/" + fmt.Sprint(p.d.db.Now().Year()) + "/" + advisory.FileName(r.ID)
	for path, kind := range map[string]string{"/.well-known/csaf/provider-metadata.json": "application/json", "/.well-known/csaf/white/index.txt": "text/plain; charset=utf-8", "/.well-known/csaf/white/changes.csv": "text/csv; charset=utf-8",
		"/.well-known/csaf/white/csaf-feed-tlp-white.json": "application/json", name: "application/json", name + ".sha256": "text/plain; charset=utf-8", name + ".sha512": "text/plain; charset=utf-8", name + ".asc": "application/pgp-signature",
		"/security-advisories/" + r.ID + "/osv.json": "application/json", "/.well-known/csaf/white/": "text/html; charset=utf-8"} {
		w := get(path)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || kind != "text/html; charset=utf-8" && w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d, %q", path, w.Code, w.Header())
		}
		if again := get(path); kind != "text/html; charset=utf-8" && again.Body.String() != w.Body.String() {
			t.Errorf("%s is not the same twice", path)
		}
	}
	g := gpgtest.New(t)
	g.Import(p.d.boxes.All()[0].Secret.Public().Armored())
	if status, err := g.Verify(get(name+".asc").Body.Bytes(), get(name).Body.Bytes()); err != nil || !status.Has("GOODSIG") {
		t.Errorf("gpg: %v, %s", err, status)
	}
	for _, path := range []string{"/security-advisories/" + draft.ID, "/security-advisories/" + draft.ID + "/osv.json", "/security-advisories/x", "/.well-known/csaf/red/", "/.well-known/csaf/white/" + advisory.FileName(r.ID), strings.Replace(name, advisory.FileName(r.ID), advisory.FileName(draft.ID), 1)} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		return publications.WithdrawCredit(ctx, tx, audit.System, "c-1")
	})
	for _, path := range []string{"/security-advisories/" + r.ID, name, "/security-advisories/" + r.ID + "/osv.json"} {
		if w := get(path); w.Code != 200 || strings.Contains(w.Body.String(), "Ada") {
			t.Errorf("%s after the name was withdrawn: %d", path, w.Code)
		}
	}
}
