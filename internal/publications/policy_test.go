package publications

import (
	"bytes"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/lang"
)

// shippedPolicy is the text that a desk comes with, as somebody would change it.
func shippedPolicy(t *testing.T) *Policy {
	t.Helper()
	p, err := firstPolicy()
	if err != nil {
		t.Fatal(err)
	}
	p.Why, p.Promises, p.Notes = "", DefaultPromises, map[lang.Lang]string{lang.English: "Words.", lang.German: "Wörter."}
	return p
}

func TestTheShippedPolicyMayStand(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example", "security@northmere.example")
	l.Org = func() string { return "Northmere *Savings* <b>" }
	p := shippedPolicy(t)
	if field, err := l.CheckPolicy(p); err != nil {
		t.Fatal(field, err)
	}
	for _, g := range lang.All {
		h, in, err := l.PolicyHTML(p, g)
		if err != nil || in != g {
			t.Fatal(in, err)
		}
		page := string(h)
		for _, want := range []string{`href="https://help.northmere.example/report"`, `href="mailto:security@northmere.example"`, `href="https://help.northmere.example/security-thanks"`, "Northmere *Savings* &lt;b&gt;", "CERT"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %q", g, want)
			}
		}
		if strings.ContainsAny(page, "{}") || strings.Contains(page, "raw HTML") {
			t.Errorf("%s: something was not filled in", g)
		}
		if n := strings.Count(page, "<h2>"); n != 10 {
			t.Errorf("%s has %d parts", g, n)
		}
	}
}

// TestThePolicysNumbersAreThoseOfTheSettings: each promise that is changed shows, in
// both languages, and one day is one day.
func TestThePolicysNumbersAreThoseOfTheSettings(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example")
	p := shippedPolicy(t)
	p.Promises = Promises{1, 21, 31, 41, 51, 61, 71, 81, 91, 101, 111, "", nil}
	for g, want := range map[lang.Lang][]string{
		lang.English: {"within 1 working day.", "Within 21 working days", "after 31 days", "within 41 days", "within 51 days", "within 61 days", "within 71 working days", "give us 81 days", "for 91 days", "within 101 days", "within 111 working days"},
		lang.German:  {"innerhalb von 1 Arbeitstag.", "Innerhalb von 21 Arbeitstagen", "nach 31 Tagen", "von 41 Tagen", "von 51 Tagen", "von 61 Tagen", "von 71 Arbeitstagen", "nach 81 Tagen", "nach 91 Tagen", "von 101 Tagen", "von 111 Arbeitstagen"},
	} {
		h, _, err := l.PolicyHTML(p, g)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(h), w) {
				t.Errorf("%s: no %q", g, w)
			}
		}
	}
}

func TestAPolicyWithoutDoorsOrPromisesIsRefused(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example")
	for _, place := range Places() {
		p := shippedPolicy(t)
		p.Texts[lang.German] = strings.ReplaceAll(p.Texts[lang.German], place.Name, "…")
		field, err := l.CheckPolicy(p)
		if place.Needed != fail.Is(err, fail.Invalid) || place.Needed && (field != "text-de" || !strings.Contains(fail.Text(err), place.Name)) {
			t.Errorf("without %s: %q, %v", place.Name, field, err)
		}
	}
	for name, change := range map[string]func(string) string{
		"unknown place":   func(s string) string { return s + "\n\n{first_answer}" },
		"plain HTTP":      func(s string) string { return s + "\n\nhttp://northmere.example/report" },
		"unseen letters":  func(s string) string { return s + "\n\nN\u200bDA" },
		"a door in code":  func(s string) string { return strings.Replace(s, "{security_mail}", "`{security_mail}`", 1) },
		"a hidden door":   func(s string) string { return strings.Replace(s, "{report_form}", "<!-- {report_form} -->", 1) },
		"nothing":         func(string) string { return "" },
		"more than a lot": func(s string) string { return s + strings.Repeat("a", 60_000) },
	} {
		p := shippedPolicy(t)
		p.Texts[lang.English] = change(p.Texts[lang.English])
		if field, err := l.CheckPolicy(p); !fail.Is(err, fail.Invalid) || field != "text-en" {
			t.Errorf("%s: %q, %v", name, field, err)
		}
	}
	p := shippedPolicy(t)
	p.Notes = map[lang.Lang]string{lang.English: "x"}
	if field, err := l.CheckPolicy(p); field != "note-de" || !fail.Is(err, fail.Invalid) {
		t.Errorf("without a word about what changed: %q, %v", field, err)
	}
}

// TestNoPolicyDemandsSilence: what demands a signature or silence without end is
// refused however it is dressed up; what limits itself, or speaks of us, is not.
func TestNoPolicyDemandsSilence(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example")
	for _, text := range []string{
		"You must sign a non-disclosure agreement.", "Before you report, sign our NDA.", "Reports are read only after an NDA has been signed.", "An N**D**A is part of the process.", "A N&#68;A applies.", "No reward is paid without a non-disclosure agreement.", "Ohne Geheimhaltungsvereinbarung gibt es keine Antwort.", "Rewards require a confidentiality agreement.",
		"No reward is paid without a non-disclosure agreement before.", "You will not get an answer unless you accept the NDA.", "All findings fall under a duty of non‑disclosure.",
		"You may never publish what you found.", "Publication is forbidden.", "You must not disclose the weakness.", "Do not publish anything.", "You may publish only with our consent.", "Nothing may be published without our written permission.",
		"Publication is at our discretion.", "You agree to keep it confidential for ever.", "Findings stay secret indefinitely.", "Do not talk to the press.", "You cannot go public until we agree.", "After {disclosure} you may still never publish.",
		"Publishing needs our approval.", "You may not publish anything, we never do.", "We never write about it; you must not disclose it either.", "Do not publish anything, we mend it within {fix_other}.", "Do not publish before 90 days and then never.", "It is not permitted to disclose details.", "Please keep what you found\nsecret forever.", "You must not publish personal data, nor ever write about the rest.",
		"Sie müssen eine Verschwiegenheitserklärung unterschreiben.", "Eine Geheimhaltungsvereinbarung ist Voraussetzung.", "Sie dürfen nie darüber berichten.", "Eine Veröffentlichung ist verboten.", "Veröffentlichen Sie nichts.", "Sie dürfen es nicht veröffentlichen.",
		"Veröffentlichen dürfen Sie nur mit unserer Zustimmung.", "Ohne unsere schriftliche Erlaubnis darf nichts öffentlich werden.", "Bewahren Sie dauerhaft Stillschweigen.", "Behandeln Sie alles für immer vertraulich.", "Über die Veröffentlichung entscheiden wir nach eigenem Ermessen.",
	} {
		p := shippedPolicy(t)
		p.Texts[lang.English] += "\n\n" + text
		if _, err := l.CheckPolicy(p); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q may stand", text)
		}
	}
	for _, text := range []string{
		"We never ask for a non-disclosure agreement.", "There is no NDA.", "We answer without a non-disclosure agreement.", "We publish only after we have mended it.", "Nobody gets an NDA from us.", "We never keep you from publishing.", "We do not publish your name without your consent.", "Do not publish personal data of others.",
		"Please do not publish it for {disclosure}.", "If you publish, we never take action against you.", "You are free to publish after {disclosure}.", "We publish an advisory when it is mended.", "Your report is confidential.", "Our policy is public.",
		"Wir verlangen keine Geheimhaltungsvereinbarung.", "Bitte veröffentlichen Sie es {disclosure} lang nicht.", "Wir veröffentlichen Ihren Namen nie ohne Ihre Einwilligung.", "Veröffentlichen Sie keine personenbezogenen Daten.", "Never send us your password.",
	} {
		p := shippedPolicy(t)
		p.Texts[lang.English] += "\n\n" + text
		if _, err := l.CheckPolicy(p); err != nil {
			t.Errorf("%q may not stand: %v", text, err)
		}
	}
}

func TestEveryVersionOfThePolicyIsKept(t *testing.T) {
	for name, open := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			l, ctx := newLab(t, open, "support@northmere.example"), t.Context()
			promises := DefaultPromises
			l.Promises = func() Promises { return promises }
			for range 2 {
				if err := l.Begin(ctx); err != nil {
					t.Fatal(err)
				}
			}
			first, err := l.Policy(ctx)
			if err != nil || first.Version != 1 || first.Why != FirstVersion || first.By != audit.System || !first.At.Equal(l.now) {
				t.Fatalf("%+v, %v", first, err)
			}
			l.now = l.now.Add(day)
			p := shippedPolicy(t)
			p.Version, p.Texts[lang.English] = 1, p.Texts[lang.English]+"\n\nMore."
			if _, err := l.SavePolicy(ctx, "staff:noor", p); err != nil {
				t.Fatal(err)
			}
			again := shippedPolicy(t)
			again.Version = 1
			if _, err := l.SavePolicy(ctx, "staff:ivo", again); !fail.Is(err, fail.Conflict) {
				t.Errorf("over somebody else's change: %v", err)
			}
			promises.FirstReply = 2
			if err := l.Begin(ctx); err != nil {
				t.Fatal(err)
			}
			var list []Policy
			if err := l.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = l.PolicyVersions(ctx, tx); return err }); err != nil {
				t.Fatal(err)
			}
			if len(list) != 3 || list[0].Why != PromisesChanged || list[0].Promises.FirstReply != 2 || list[1].By != "staff:noor" || list[1].Promises.FirstReply != 1 || list[0].Texts[lang.English] != list[1].Texts[lang.English] {
				t.Errorf("versions %+v", list)
			}
			if old, err := l.PolicyVersion(ctx, 1); err != nil || strings.Contains(old.Texts[lang.English], "More.") {
				t.Errorf("the first version: %v", err)
			}
			if _, err := l.PolicyVersion(ctx, 9); !fail.Is(err, fail.NotFound) {
				t.Errorf("a version that never was: %v", err)
			}
			var h bytes.Buffer
			for _, v := range list {
				w, _, _ := l.PolicyHTML(&v, lang.English)
				h.WriteString(string(w))
			}
			if n := strings.Count(h.String(), "within 1 working day."); n != 2 {
				t.Errorf("the promises that held: %d", n)
			}
		})
	}
}

// TestAnOldPolicyShowsTheTable: a policy from before there was one says what is paid as
// soon as the settings do; no text of the organisation denies it.
func TestAnOldPolicyShowsTheTable(t *testing.T) {
	for name, text := range map[string]string{
		"as it was shipped": "By form {report_form} or {security_mail}.\n\n## Money\n\nWe pay no money for reports. Should that change, a table stands here, and it holds for everybody who reports from then on. What it is worth is decided later.\n",
		"of their own":      "By form {report_form} or {security_mail}.",
	} {
		l := newLab(t, dbtest.SQLite, "support@northmere.example")
		p := shippedPolicy(t)
		p.Texts = map[lang.Lang]string{lang.English: text}
		if err := l.addPolicy(t.Context(), audit.System, p, 0); err != nil {
			t.Fatal(name, err)
		}
		promises := DefaultPromises
		promises.Currency, promises.Rewards = "EUR", []RewardRow{{Asset: "*", Amounts: [4]string{"1000", "500", "200", "50"}}}
		l.Promises = func() Promises { return promises }
		if err := l.Begin(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		now, err := l.Policy(t.Context())
		if err != nil || now.Version != 2 {
			t.Fatalf("%s: %v, %+v", name, err, now)
		}
		h, _, err := l.PolicyHTML(now, lang.English)
		if err != nil || !strings.Contains(string(h), "<td") || !strings.Contains(string(h), "1000") || !strings.Contains(string(h), "In EUR") || strings.Contains(string(h), "no money") {
			t.Errorf("%s: %v\n%s", name, err, h)
		}
	}
}
