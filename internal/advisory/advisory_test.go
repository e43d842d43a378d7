package advisory

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postern/internal/fail"
	"postern/internal/gpgtest"
	"postern/internal/lang"
	"postern/internal/pgp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	when = time.Date(2026, 11, 20, 10, 30, 0, 0, time.FixedZone("CET", 3600))
	us   = Publisher{Name: "Northmere Savings", Site: "https://help.northmere.example", Contact: "security@northmere.example"}
)

// sample has everything that an advisory can have.
func sample() *Advisory {
	return &Advisory{ID: "SA-2026-0001", CVE: "CVE-2026-12345", CWE: "CWE-319", CVSS3: "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:N/A:N", CVSS4: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:P/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
		Texts: map[lang.Lang]Text{lang.English: {"Names travelled <in clear>", "The page behind our mails took names & addresses over plain HTTP.", "It is reached over HTTPS alone. Nobody need do anything."},
			lang.German: {"Namen reisten offen", "Die Seite hinter unseren Mails nahm Namen über HTTP.", "Sie ist nur noch über HTTPS erreichbar."}},
		Reported: when.AddDate(0, 0, -20), Fixed: when.AddDate(0, 0, -10),
		Revisions:  []Revision{{when, "First published."}, {when.AddDate(0, 0, 2), "The CVE was added."}},
		Products:   []Product{{"Address page", []string{"1.0", "1.1"}, []string{"1.2"}}, {"Payment kit", []string{"vers:semver/<2.0.1"}, []string{"2.0.1"}}},
		References: []Reference{{"What a finder wrote", "https://ada.example/clear"}}, Credited: true, Thanks: []string{"Ada Brandt"}}
}

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	add := func(url, file string) {
		f, err := os.Open(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"2.0", "3.0", "3.1"} {
		add("https://www.first.org/cvss/cvss-v"+v+".json", "cvss-v"+v+".json")
	}
	base := "https://docs.oasis-open.org/csaf/csaf/v2.0/"
	add(base+"csaf_json_schema.json", "csaf_json_schema.json")
	add(base+"provider_json_schema.json", "provider_json_schema.json")
	add(base+"ROLIE_feed_json_schema.json", "ROLIE_feed_json_schema.json")
	s, err := c.Compile(base + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func written(t *testing.T, v any) []byte {
	t.Helper()
	b, err := JSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what is made now (%v). What was published would change under its readers; if that must be, run with -update", file, err)
	}
}

// TestDocumentsFitTheSchemas holds what we write to the schemas of CSAF 2.0, and to
// the bytes that were written before.
func TestDocumentsFitTheSchemas(t *testing.T) {
	doc := schema(t, "csaf_json_schema.json")
	full := written(t, Build(sample(), us))
	if err := validate(t, doc, full); err != nil {
		t.Error(err)
	}
	golden(t, "full.golden.json", full)
	least := &Advisory{ID: "SA-2026-0002", Texts: map[lang.Lang]Text{lang.German: {"Kurz", "Etwas war falsch.", "Es ist behoben."}}, Revisions: []Revision{{when, "Erste Fassung."}}, Products: []Product{{Name: "Netzbank", Affected: []string{"2026-11-19"}}}}
	small := written(t, Build(least, us))
	if err := validate(t, doc, small); err != nil {
		t.Error(err)
	}
	golden(t, "small.golden.json", small)
	if faults := append(Check(Build(sample(), us)), Check(Build(least, us))...); len(faults) > 0 {
		t.Error(faults)
	}
	key := secret(t).Public()
	meta, err := Metadata(us, key, when)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, schema(t, "provider_json_schema.json"), meta); err != nil {
		t.Error(err)
	}
	rolie := schema(t, "ROLIE_feed_json_schema.json")
	for _, list := range [][]Advisory{nil, {*sample(), *least}} {
		f, err := Feed(list, us, when)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, rolie, f); err != nil {
			t.Error(err)
		}
	}
}

// TestTheSchemasCanRefuse: one change each, and a document fits no more.
func TestTheSchemasCanRefuse(t *testing.T) {
	doc, rolie, provider := schema(t, "csaf_json_schema.json"), schema(t, "ROLIE_feed_json_schema.json"), schema(t, "provider_json_schema.json")
	full := string(written(t, Build(sample(), us)))
	feed, _ := Feed([]Advisory{*sample()}, us, when)
	meta, _ := Metadata(us, secret(t).Public(), when)
	for _, c := range []struct {
		schema       *jsonschema.Schema
		text, is, as string
	}{
		{doc, full, `"WHITE"`, `"CLEAR"`}, {doc, full, `"CVE-2026-12345"`, `"2026-12345"`}, {doc, full, `"csaf_version": "2.0"`, `"csaf_version": "3"`}, {doc, full, `"namespace"`, `"namespaces"`},
		{doc, full, `"baseSeverity": "MEDIUM"`, `"baseSeverity": "medium"`}, {doc, full, `"2026-11-20T09:30:00Z"`, `"20 November"`},
		{rolie, string(feed), `"csaf"`, `"vulnerability"`}, {rolie, string(feed), `"updated"`, `"changed"`}, {provider, string(meta), `csaf_trusted_provider`, `trusted`}, {provider, string(meta), `provider-metadata.json`, `metadata.json`},
	} {
		if !strings.Contains(c.text, c.is) {
			t.Fatalf("no %s", c.is)
		}
		if validate(t, c.schema, []byte(strings.ReplaceAll(c.text, c.is, c.as))) == nil {
			t.Errorf("%s as %s fits", c.is, c.as)
		}
	}
}

// TestEachMandatoryTestFindsItsFault changes one thing in a sound document for each.
func TestEachMandatoryTestFindsItsFault(t *testing.T) {
	revision := func(d *Document, n int) *RevisionOf { return &d.Document.Tracking.RevisionHistory[n] }
	faults := map[string]func(*Document){
		"6.1.1": func(d *Document) { d.Vulnerabilities[0].Remediations[0].ProductIDs[0] = "CSAFPID-9" },
		"6.1.2": func(d *Document) {
			d.ProductTree.Branches[0].Branches[0].Branches[1].Product.ProductID = "CSAFPID-0001"
		},
		"6.1.6": func(d *Document) { d.Vulnerabilities[0].ProductStatus.Fixed[0] = "CSAFPID-0001" },
		"6.1.7": func(d *Document) {
			d.Vulnerabilities[0].Scores = append(d.Vulnerabilities[0].Scores, d.Vulnerabilities[0].Scores[0])
		},
		"6.1.8":     func(d *Document) { d.Vulnerabilities[0].Scores[0].CVSS3.VectorString = "CVSS:3.1/AV:N" },
		"6.1.9":     func(d *Document) { d.Vulnerabilities[0].Scores[0].CVSS3.BaseScore = 9.8 },
		"6.1.11":    func(d *Document) { d.Vulnerabilities[0].CWE.Name = "Cross-site Scripting" },
		"6.1.12":    func(d *Document) { d.Document.Lang = "english!" },
		"6.1.14":    func(d *Document) { revision(d, 0).Date = "2027-01-01T00:00:00Z" },
		"6.1.16":    func(d *Document) { d.Document.Tracking.Version = "3" },
		"6.1.17":    func(d *Document) { d.Document.Tracking.Version = "0" },
		"6.1.18":    func(d *Document) { revision(d, 0).Number = "0" },
		"6.1.19":    func(d *Document) { revision(d, 1).Number = "2.0.0-rc1" },
		"6.1.20":    func(d *Document) { d.Document.Tracking.Version = "2.0.0-rc1" },
		"6.1.21":    func(d *Document) { revision(d, 1).Number = "3" },
		"6.1.22":    func(d *Document) { revision(d, 1).Number = "1" },
		"6.1.23":    func(d *Document) { d.Vulnerabilities = append(d.Vulnerabilities, d.Vulnerabilities[0]) },
		"6.1.26":    func(d *Document) { d.Document.Category = "Security_Advisory" },
		"6.1.27.4":  func(d *Document) { d.ProductTree = nil },
		"6.1.27.5":  func(d *Document) { d.Vulnerabilities[0].Notes = nil },
		"6.1.27.6":  func(d *Document) { d.Vulnerabilities[0].ProductStatus = nil },
		"6.1.27.11": func(d *Document) { d.Vulnerabilities = nil },
		"6.1.29":    func(d *Document) { d.Vulnerabilities[0].Remediations[0].ProductIDs = nil },
		"6.1.30":    func(d *Document) { d.Document.Tracking.Version = "2.0.0" },
		"6.1.31":    func(d *Document) { d.ProductTree.Branches[0].Branches[0].Branches[0].Name = "all before 1.1" },
	}
	for _, test := range tests {
		change := faults[test.id]
		if change == nil {
			t.Errorf("%s: no fault for it", test.id)
			continue
		}
		d := Build(sample(), us)
		change(d)
		if !slices.ContainsFunc(Check(d), func(f Fault) bool { return f.Test == test.id }) {
			t.Errorf("%s finds nothing; found: %v", test.id, Check(d))
		}
	}
}

func TestWhatIsNoAdvisoryIsRefused(t *testing.T) {
	if field, err := sample().Validate(); err != nil {
		t.Fatal(field, err)
	}
	note := &Advisory{Texts: map[lang.Lang]Text{lang.German: {"Kurz", "Etwas.", "Behoben."}}}
	if field, err := note.Validate(); err != nil || note.ForPrograms() {
		t.Errorf("a plain note: %q, %v", field, err)
	}
	en := func(f func(*Text)) func(*Advisory) {
		return func(a *Advisory) { x := a.Texts["en"]; f(&x); a.Texts["en"] = x }
	}
	for name, c := range map[string]struct {
		field  string
		change func(*Advisory)
	}{
		"no words":        {"title-en", func(a *Advisory) { a.Texts = nil }},
		"no title":        {"title-en", en(func(x *Text) { x.Title = " " })},
		"two lines":       {"title-en", en(func(x *Text) { x.Title = "a\nb" })},
		"nothing wrong":   {"wrong-en", en(func(x *Text) { x.Wrong = "" })},
		"nothing done":    {"done-en", en(func(x *Text) { x.Done = "" })},
		"too long":        {"done-en", en(func(x *Text) { x.Done = strings.Repeat("a", 20_001) })},
		"label":           {"tlp", func(a *Advisory) { a.TLP = "CLEAR" }},
		"fixed too early": {"fixed", func(a *Advisory) { a.Fixed = a.Reported.AddDate(0, 0, -1) }},
		"CVE":             {"cve", func(a *Advisory) { a.CVE = "CVE-26-1" }},
		"CWE":             {"cwe", func(a *Advisory) { a.CWE = "CWE-0" }},
		"CVSS 3":          {"cvss3", func(a *Advisory) { a.CVSS3 = "7.5" }},
		"CVSS 3.0":        {"cvss3", func(a *Advisory) { a.CVSS3 = strings.Replace(a.CVSS3, "3.1", "3.0", 1) }},
		"CVSS 4":          {"cvss4", func(a *Advisory) { a.CVSS4 = a.CVSS3 }},
		"no name":         {"products", func(a *Advisory) { a.Products[0].Name = "" }},
		"one name twice":  {"products", func(a *Advisory) { a.Products[1].Name = a.Products[0].Name }},
		"no version":      {"products", func(a *Advisory) { a.Products[0].Affected = nil }},
		"both":            {"products", func(a *Advisory) { a.Products[0].Fixed = []string{"1.1"} }},
		"a range":         {"products", func(a *Advisory) { a.Products[0].Affected = []string{"<= 1.1"} }},
		"link in clear":   {"references", func(a *Advisory) { a.References[0].URL = "http://ada.example" }},
		"script":          {"references", func(a *Advisory) { a.References[0].URL = "javascript:alert(1)" }},
	} {
		a := sample()
		c.change(a)
		if field, err := a.Validate(); field != c.field || !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %q, %v", name, field, err)
		}
	}
}

func secret(t *testing.T) *pgp.Secret {
	t.Helper()
	s, err := pgp.Generate("Northmere Savings", "support@northmere.example", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhatStandsBesideAFileProvesIt: the sums are those of the bytes, GnuPG takes the
// signature, and for a changed file neither holds.
func TestWhatStandsBesideAFileProvesIt(t *testing.T) {
	key, g := secret(t), gpgtest.New(t)
	g.Import(key.Public().Armored())
	data := written(t, Build(sample(), us))
	beside, err := Beside(sample().Path(), data, key, when) // before there was a key
	if err != nil {
		t.Fatal(err)
	}
	if status, err := g.Verify(beside[".asc"], data); err != nil || !status.Has("GOODSIG") {
		t.Errorf("gpg: %v, %s", err, status)
	}
	if status, err := g.Verify(beside[".asc"], append(slices.Clone(data), '\n')); err == nil || !status.Has("BADSIG") {
		t.Errorf("a changed file: %v, %s", err, status)
	}
	short, long := sha256.Sum256(data), sha512.Sum512(data)
	if want := hex.EncodeToString(short[:]) + "  sa-2026-0001.json\n"; string(beside[".sha256"]) != want {
		t.Errorf("%q, want %q", beside[".sha256"], want)
	}
	if want := hex.EncodeToString(long[:]) + "  sa-2026-0001.json\n"; string(beside[".sha512"]) != want {
		t.Errorf("%q, want %q", beside[".sha512"], want)
	}
	again, _ := Beside(sample().Path(), data, key, when)
	if !bytes.Equal(again[".asc"], beside[".asc"]) {
		t.Error("signed otherwise the second time")
	}
}

func TestNamesAndLists(t *testing.T) {
	for id, want := range map[string]string{"SA-2026-0001": "sa-2026-0001.json", "Northmere SA/2026:1": "northmere_sa_2026_1.json", "../x": "_x.json", "ÄÖ+1": "_+1.json"} {
		if got := FileName(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	note, draft, amber, later := *sample(), *sample(), *sample(), *sample()
	note.Products, draft.Revisions, amber.TLP, later.ID = nil, nil, "AMBER", "SA-2026-0009"
	later.Revisions = []Revision{{when.AddDate(0, 0, 9), "First."}}
	list := []Advisory{*sample(), note, draft, amber, later}
	if got := string(Index(list)); got != "2026/sa-2026-0009.json\n2026/sa-2026-0001.json\n" {
		t.Errorf("index %q", got)
	}
	if got := string(Changes(list)); got != "\"2026/sa-2026-0009.json\",\"2026-11-29T09:30:00Z\"\n\"2026/sa-2026-0001.json\",\"2026-11-22T09:30:00Z\"\n" {
		t.Errorf("changes %q", got)
	}
	if list[0].ID != "SA-2026-0001" || len(list) != 5 {
		t.Error("the caller's list was changed")
	}
}

func TestOSVSaysTheSame(t *testing.T) {
	b, err := OSV(sample(), us)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "osv.golden.json", b)
	var o struct {
		Schema    string `json:"schema_version"`
		ID        string
		Published time.Time
		Modified  time.Time
		Aliases   []string
		Severity  []struct{ Type, Score string }
		Credits   []struct{ Name, Type string }
		Affected  []struct{ Versions []string }
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	if o.Schema != "1.6.0" || o.ID != "SA-2026-0001" || !o.Published.Equal(when) || !o.Modified.After(when) || len(o.Aliases) != 1 || len(o.Severity) != 2 || o.Credits[0].Name != "Ada Brandt" || len(o.Affected) != 2 {
		t.Errorf("%+v", o)
	}
}
