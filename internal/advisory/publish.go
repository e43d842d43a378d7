package advisory

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"postern/internal/lang"
	"postern/internal/pgp"
)

// Where things stand on the site (CSAF 2.0, 7.1).
const (
	Root         = "/.well-known/csaf/"
	MetadataPath = Root + "provider-metadata.json"
	PagePath     = "/security-advisories" // for people
)

// Folder is where the documents of a label stand.
func Folder(label string) string { return Root + strings.ToLower(label) + "/" }

// FeedName is the ROLIE feed in a label's folder.
func FeedName(label string) string { return "csaf-feed-tlp-" + strings.ToLower(label) + ".json" }

// Beside makes what stands beside a file: its sums, and its signature by the
// organisation (CSAF 2.0, 7.1.18 to 7.1.20). The keys are what is put behind its name.
func Beside(name string, data []byte, by *pgp.Secret, at time.Time) (map[string][]byte, error) {
	if made := by.Public().Created(); at.Before(made) { // the key was made anew since
		at = made
	}
	sig, err := by.Detached(data, at)
	if err != nil {
		return nil, err
	}
	short, long := sha256.Sum256(data), sha512.Sum512(data)
	line := func(sum []byte) []byte { return []byte(hex.EncodeToString(sum) + "  " + path.Base(name) + "\n") }
	return map[string][]byte{".sha256": line(short[:]), ".sha512": line(long[:]), ".asc": sig}, nil
}

// Listed are the advisories that a folder for programs lists, the latest first.
func Listed(list []Advisory, label string) []Advisory {
	out := slices.DeleteFunc(slices.Clone(list), func(a Advisory) bool { return !a.ForPrograms() || a.Label() != label || a.First().IsZero() })
	slices.SortStableFunc(out, func(a, b Advisory) int { return b.Last().Compare(a.Last()) })
	return out
}

// Index is index.txt (CSAF 2.0, 7.1.12).
func Index(list []Advisory) []byte {
	var b strings.Builder
	for _, a := range Listed(list, White) {
		b.WriteString(a.Path() + "\n")
	}
	return []byte(b.String())
}

// Changes is changes.csv, the latest first (CSAF 2.0, 7.1.13).
func Changes(list []Advisory) []byte {
	var b strings.Builder
	for _, a := range Listed(list, White) {
		fmt.Fprintf(&b, "%q,%q\n", a.Path(), stamp(a.Last())) // neither has anything that would need more
	}
	return []byte(b.String())
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type term struct {
	Scheme string `json:"scheme"`
	Term   string `json:"term"`
}

type content struct {
	Type string `json:"type"`
	Src  string `json:"src"`
}

type format struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
}

type entry struct {
	ID        string  `json:"id"`
	Title     string  `json:"title"`
	Link      []link  `json:"link"`
	Published string  `json:"published"`
	Updated   string  `json:"updated"`
	Content   content `json:"content"`
	Format    format  `json:"format"`
}

type feed struct {
	ID       string  `json:"id"`
	Title    string  `json:"title"`
	Link     []link  `json:"link"`
	Category []term  `json:"category"`
	Updated  string  `json:"updated"`
	Entry    []entry `json:"entry"`
}

// Feed is the ROLIE feed (CSAF 2.0, 7.1.15). none is its date while it is empty.
func Feed(list []Advisory, by Publisher, none time.Time) ([]byte, error) {
	folder := by.Site + Folder(White)
	f := feed{ID: strings.TrimSuffix(FeedName(White), ".json"), Title: "Security advisories of " + by.Name + " (TLP:WHITE)",
		Link: []link{{"self", folder + FeedName(White)}}, Category: []term{{"urn:ietf:params:rolie:category:information-type", "csaf"}}, Updated: stamp(none), Entry: []entry{}}
	for i, a := range Listed(list, White) {
		if i == 0 {
			f.Updated = stamp(a.Last())
		}
		t, _ := a.In(lang.English)
		src := folder + a.Path()
		f.Entry = append(f.Entry, entry{ID: a.ID, Title: t.Title, Published: stamp(a.First()), Updated: stamp(a.Last()),
			Link:    []link{{"self", src}, {"hash", src + ".sha256"}, {"hash", src + ".sha512"}, {"signature", src + ".asc"}},
			Content: content{"application/json", src}, Format: format{"https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json", "2.0"}})
	}
	return JSON(map[string]feed{"feed": f})
}

type keyOf struct {
	Fingerprint string `json:"fingerprint"`
	URL         string `json:"url"`
}

type feedOf struct {
	Summary string `json:"summary"`
	Label   string `json:"tlp_label"`
	URL     string `json:"url"`
}

type distribution struct {
	DirectoryURL string              `json:"directory_url,omitempty"`
	Rolie        map[string][]feedOf `json:"rolie,omitempty"`
}

type metadata struct {
	CanonicalURL  string         `json:"canonical_url"`
	Distributions []distribution `json:"distributions"`
	LastUpdated   string         `json:"last_updated"`
	List          bool           `json:"list_on_CSAF_aggregators"`
	Version       string         `json:"metadata_version"`
	Mirror        bool           `json:"mirror_on_CSAF_aggregators"`
	Keys          []keyOf        `json:"public_openpgp_keys"`
	Publisher     PublisherOf    `json:"publisher"`
	Role          string         `json:"role"`
}

// Metadata is provider-metadata.json (CSAF 2.0, 7.1.7): who we are, where documents
// stand, and by which key they are signed.
func Metadata(by Publisher, key *pgp.Key, updated time.Time) ([]byte, error) {
	folder := by.Site + Folder(White)
	return JSON(metadata{CanonicalURL: by.Site + MetadataPath, LastUpdated: stamp(updated), List: true, Mirror: true, Version: "2.0", Role: "csaf_trusted_provider",
		Distributions: []distribution{{Rolie: map[string][]feedOf{"feeds": {{"All advisories that everybody may read", White, folder + FeedName(White)}}}}, {DirectoryURL: folder}},
		Keys:          []keyOf{{string(key.Fingerprint()), by.Site + "/keys/" + string(key.Fingerprint()) + ".asc"}},
		Publisher:     PublisherOf{Category: "vendor", ContactDetails: by.Contact, Name: by.Name, Namespace: by.Site}})
}

type (
	osv struct {
		Schema     string            `json:"schema_version"`
		ID         string            `json:"id"`
		Modified   string            `json:"modified"`
		Published  string            `json:"published"`
		Aliases    []string          `json:"aliases,omitempty"`
		Summary    string            `json:"summary"`
		Details    string            `json:"details"`
		Severity   []osvSeverity     `json:"severity,omitempty"`
		Affected   []osvAffected     `json:"affected,omitempty"`
		References []osvReference    `json:"references"`
		Credits    []osvCredit       `json:"credits,omitempty"`
		Own        map[string]string `json:"database_specific,omitempty"`
	}
	osvSeverity struct {
		Type  string `json:"type"`
		Score string `json:"score"`
	}
	osvAffected struct {
		Versions []string          `json:"versions"`
		Own      map[string]string `json:"database_specific"`
	}
	osvReference struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	}
	osvCredit struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
)

// OSV is the advisory in the format of osv.dev. Our products stand in none of its
// ecosystems, so their names stand where a database says what is its own.
func OSV(a *Advisory, by Publisher) ([]byte, error) {
	t, _ := a.In(lang.English)
	o := osv{Schema: "1.6.0", ID: a.ID, Modified: stamp(a.Last()), Published: stamp(a.First()), Summary: t.Title, Details: t.Wrong + "\n\n" + t.Done,
		References: []osvReference{{"ADVISORY", by.Site + PagePath + "/" + a.ID}}}
	if a.CVE != "" {
		o.Aliases = []string{a.CVE}
	}
	if a.CVSS3 != "" {
		o.Severity = append(o.Severity, osvSeverity{"CVSS_V3", a.CVSS3})
	}
	if a.CVSS4 != "" {
		o.Severity = append(o.Severity, osvSeverity{"CVSS_V4", a.CVSS4})
	}
	for _, p := range a.Products {
		o.Affected = append(o.Affected, osvAffected{p.Affected, map[string]string{"vendor": by.Name, "product": p.Name}})
	}
	for _, r := range a.References {
		o.References = append(o.References, osvReference{"WEB", r.URL})
	}
	for _, name := range a.Thanks {
		o.Credits = append(o.Credits, osvCredit{name, "REPORTER"})
	}
	if a.CWE != "" {
		o.Own = map[string]string{"cwe": a.CWE}
	}
	return JSON(o)
}
