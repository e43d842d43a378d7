package web_test

import (
	"html/template"
	"os"
	"regexp"
	"strings"

	"postern/internal/advisory"
	"postern/internal/centre"
	"postern/internal/lang"
	"postern/internal/web"
	"postern/internal/web/desk"
	"postern/internal/web/public"
)

// policyText is the policy that a desk comes with, and how it reads with something in
// its places.
func policyText(l lang.Lang) (string, template.HTML) {
	if l == lang.Pseudo {
		l = lang.English
	}
	b, err := os.ReadFile("../publications/texts/policy." + string(l) + ".md")
	if err != nil {
		panic(err)
	}
	filled := strings.NewReplacer("{report_form}", "[support.northmere.example/report](https://support.northmere.example/report)", "{security_mail}", "[security@northmere.example](mailto:security@northmere.example)",
		"{rewards}", "| In EUR | pay.northmere.example | everything else |\n|---|---|---|\n| critical | 2500 | 1000 |\n| high | 1000 | 500 |\n| medium | 400 | 200 |\n| low | 100 | 50 |").Replace(string(b))
	body, err := centre.ArticleIn{Text: regexp.MustCompile(`\{\w+\}`).ReplaceAllString(filled, "14 days")}.HTML()
	if err != nil {
		panic(err)
	}
	return string(b), body
}

// publicationFixtures are the pages about security, and the desk's to write them.
func publicationFixtures() []fixture {
	d := public.Templates
	var out []fixture
	for _, l := range []lang.Lang{lang.English, lang.German, lang.Pseudo} {
		base := in(l)
		add := func(file, name string, page any) {
			out = append(out, fixture{"p-" + file + "-" + strings.ToLower(string(l)), d, name, page})
		}
		since := base.When(now.AddDate(0, -2, 0))
		_, body := policyText(l)
		text := "en"
		if l == lang.German {
			text = "de"
		}
		policy := public.PolicyPage{Public: base, Version: 3, Since: since, In: text, Body: body}
		add("policy", "policy", policy)
		policy.Old, policy.Version = true, 2
		add("policy-old", "policy", policy)
		add("policy-versions", "policy-versions", public.PolicyVersionsPage{Public: base, Versions: []public.PolicyVersion{{N: 2, At: since, Note: "We pay for reports now, and say what. What was reported before the first of October is looked at again, by the same table.", In: "en"}, {N: 1, At: base.When(now.AddDate(-1, 0, 0)), Note: l.Must("policy.why.first"), In: string(l)}}})
		add("thanks", "thanks", public.ThanksPage{Public: base, Names: []public.Thanked{{Name: "Ada Brandt", Line: "https://ada.example/<b>", Since: since}, {Name: strings.Repeat("Wolfeschlegelsteinhausenbergerdorff", 2), Since: since}, {Name: "✔ نور الشامي", Line: "for the way that showed the names of others", Since: since}}})
		add("thanks-none", "thanks", public.ThanksPage{Public: base})
		add("advisories", "advisories", public.AdvisoriesPage{Public: base, List: []public.AdvisoryRow{{ID: "SA-2026-0002", Title: "Names and addresses travelled in clear", In: "en", Severity: "6.5, " + l.Must("advisory.severity.medium") + " (CVSS 3.1)", Published: since, Changed: base.When(now)}, {ID: "SA-2026-0001", Title: "Ein Link führte zu fremden Unterlagen", In: "de", Published: since}}})
		add("advisories-none", "advisories", public.AdvisoriesPage{Public: base})
		note := public.AdvisoryPage{Public: base, ID: "SA-2026-0001", Title: "Names and addresses travelled in clear", In: "en", Published: since, Revisions: []public.RevisionRow{{At: since, Summary: "First published."}},
			Wrong: "The page behind our mails took names and addresses over plain HTTP.\n\nWhoever stood on the way could read them.", Made: "It is reached over HTTPS alone. Nobody need do anything."}
		add("advisory-note", "advisory", note)
		note.CVE, note.Severity, note.Reported, note.Mended, note.Thanks = "CVE-2026-12345", "6.5, "+l.Must("advisory.severity.medium")+" (CVSS 3.1)", base.When(now.AddDate(0, -4, 0)), base.When(now.AddDate(0, -3, 0)), []string{"Ada Brandt"}
		note.Products = []advisory.Product{{Name: "Address page", Affected: []string{"1.0", "1.1"}, Fixed: []string{"1.2"}}, {Name: "Payment kit for shops", Affected: []string{"vers:semver/<2.0.1"}}}
		note.References, note.File = []advisory.Reference{{Summary: "What a finder wrote", URL: "https://ada.example/clear"}}, "/.well-known/csaf/white/2026/sa-2026-0001.json"
		add("advisory", "advisory", note)
		add("csaf-folder", "csaf-folder", public.FolderPage{Public: base, Folder: "/.well-known/csaf/white/2026/", Names: []string{"sa-2026-0001.json", "sa-2026-0001.json.asc", "sa-2026-0001.json.sha256", "sa-2026-0001.json.sha512"}})
		add("policy-none", "policy-versions", public.PolicyVersionsPage{Public: base})
	}
	return append(out, policyDeskFixtures()...)
}

func policyDeskFixtures() []fixture {
	d := desk.Templates
	en, enBody := policyText(lang.English)
	de, deBody := policyText(lang.German)
	edit := desk.PolicyPage{Staff: staff("policy", ""), Version: 2, Texts: []desk.PolicyText{{Lang: "en", Name: "English", Text: en, Preview: enBody}, {Lang: "de", Name: "Deutsch", Text: de, Preview: deBody}},
		Places:   []desk.Option{{ID: "{report_form}", Name: "the form, as a link", On: true}, {ID: "{reward}", Name: "working days until it is decided what a report is worth"}},
		Versions: []desk.PolicyVersion{{N: 2, At: at(-40), By: "Noor Bakker", Note: "We pay for reports now.", Texts: []desk.Option{{ID: "en", Name: en}, {ID: "de", Name: de}}}, {N: 1, At: at(-900), Note: "The first version.", Texts: []desk.Option{{ID: "en", Name: en}}}}}
	bad := edit
	wrong := "“You must sign an NDA” can be read as a demand to be silent, or to sign that."
	bad.Texts = []desk.PolicyText{{Lang: "en", Name: "English", Text: "You must sign an NDA.", Wrong: wrong, WrongNote: "Say what changed, in up to 300 letters: everybody can read it in the list of changes."}}
	bad.Errors = web.Errors{{Field: "text-en", Text: wrong}}
	return []fixture{{"policy-edit", d, "security-policy", edit}, {"policy-edit-error", d, "security-policy", bad}}
}
