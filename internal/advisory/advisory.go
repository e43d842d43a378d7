// Package advisory writes down a weakness that was mended, for people and for their
// programs: CSAF 2.0 and OSV, with names, sums and signatures as CSAF wants them. It
// is pure: the same advisory makes the same bytes, on every node and in every year, so
// a published document is never stored and yet never changes.
package advisory

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"

	"postern/internal/fail"
	"postern/internal/lang"
)

// White is the one label of what everybody may read (TLP 1.0, which CSAF 2.0 uses).
const White = "WHITE"

// labels of TLP 1.0, the most open first.
var labels = []string{White, "GREEN", "AMBER", "RED"}

// An Advisory is one version of what is said about one weakness. Without products it
// is a plain note for people; with them it is a document for programs too.
type Advisory struct {
	ID         string             `json:"-"`
	Texts      map[lang.Lang]Text `json:"texts"`
	Reported   time.Time          `json:"reported,omitzero"`
	Fixed      time.Time          `json:"fixed,omitzero"`
	Revisions  []Revision         `json:"revisions,omitempty"` // published versions, the first first
	Products   []Product          `json:"products,omitempty"`
	CVE        string             `json:"cve,omitempty"`
	CWE        string             `json:"cwe,omitempty"`   // such as CWE-79
	CVSS3      string             `json:"cvss3,omitempty"` // vector of version 3.1
	CVSS4      string             `json:"cvss4,omitempty"` // vector of version 4.0
	References []Reference        `json:"references,omitempty"`
	TLP        string             `json:"tlp,omitempty"` // empty: WHITE
	Credited   bool               `json:"credited,omitempty"`
	Thanks     []string           `json:"-"` // names, by a consent that holds now; never kept here
}

// Text is an advisory in one language.
type Text struct {
	Title string `json:"title"`
	Wrong string `json:"wrong"` // what was wrong, and for whom
	Done  string `json:"done"`  // what was done, and what readers have to do
}

// A Revision is a version that was published.
type Revision struct {
	Date    time.Time `json:"date"`
	Summary string    `json:"summary"`
}

// A Product is what was affected. A service that has no versions takes dates instead.
type Product struct {
	Name     string   `json:"name"`
	Affected []string `json:"affected"`
	Fixed    []string `json:"fixed,omitempty"`
}

// A Reference leads on.
type Reference struct {
	Summary string `json:"summary"`
	URL     string `json:"url"`
}

// Label is its TLP label.
func (a *Advisory) Label() string {
	if a.TLP == "" {
		return White
	}
	return a.TLP
}

// ForPrograms reports whether there is a document for programs too.
func (a *Advisory) ForPrograms() bool { return len(a.Products) > 0 }

// In is the text in a language, else in English, else in any; l is the one it is in.
func (a *Advisory) In(l lang.Lang) (Text, lang.Lang) {
	for _, l := range append([]lang.Lang{l, lang.English}, lang.All...) {
		if x := a.Texts[l]; x.Title != "" {
			return x, l
		}
	}
	return Text{}, lang.English
}

// First and Last are when it was published, and when last changed; zero for a draft.
func (a *Advisory) First() time.Time {
	if len(a.Revisions) == 0 {
		return time.Time{}
	}
	return a.Revisions[0].Date
}

// Last is when it was last changed.
func (a *Advisory) Last() time.Time {
	if len(a.Revisions) == 0 {
		return time.Time{}
	}
	return a.Revisions[len(a.Revisions)-1].Date
}

// Score is the base score of the CVSS 3.1 vector and its word; empty without one.
func (a *Advisory) Score() (score float64, severity string) {
	v, err := cvss31.ParseVector(a.CVSS3)
	if a.CVSS3 == "" || err != nil {
		return 0, ""
	}
	severity, err = cvss31.Rating(v.BaseScore())
	if err != nil {
		return 0, ""
	}
	return v.BaseScore(), severity
}

// Limits of an advisory.
const (
	maxTitle = 160
	maxText  = 20_000
	maxName  = 200
	maxList  = 50
)

var (
	cveWords = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
	// rangeWords make a version a range (CSAF 2.0, 6.1.31); "vers:" says so properly.
	rangeWords = regexp.MustCompile(`(?i)[<>]|\b(after|all|before|earlier|later|prior|versions)\b`)
)

// Validate says in words what keeps it from being published, and at which field.
func (a *Advisory) Validate() (field string, err error) {
	bad := func(field, format string, in ...any) (string, error) {
		return field, fail.New(fail.Invalid, format, in...)
	}
	n := 0
	for _, l := range lang.All {
		t := a.Texts[l]
		if t == (Text{}) {
			continue
		}
		n++
		switch {
		case strings.TrimSpace(t.Title) == "" || len([]rune(t.Title)) > maxTitle || strings.ContainsAny(t.Title, "\r\n"):
			return bad("title-"+string(l), "give it a title of up to 160 letters")
		case strings.TrimSpace(t.Wrong) == "" || len(t.Wrong) > maxText:
			return bad("wrong-"+string(l), "write what was wrong, in up to 20,000 characters")
		case strings.TrimSpace(t.Done) == "" || len(t.Done) > maxText:
			return bad("done-"+string(l), "write what was done, in up to 20,000 characters")
		}
	}
	switch {
	case n == 0:
		return bad("title-"+string(lang.English), "write it in at least one language")
	case !slices.Contains(labels, a.Label()):
		return bad("tlp", "the label must be one of %s", strings.Join(labels, ", "))
	case !a.Fixed.IsZero() && a.Fixed.Before(a.Reported):
		return bad("fixed", "it cannot have been mended before it was reported")
	case a.CVE != "" && !cveWords.MatchString(a.CVE):
		return bad("cve", "a CVE looks like CVE-2026-12345")
	case a.CWE != "" && cweNames[a.CWE] == "":
		return bad("cwe", "%s is none of the weaknesses that are known here; take the nearest, such as CWE-200, or none", a.CWE)
	}
	if field, err := a.validateScores(); err != nil {
		return field, err
	}
	return a.validateLists()
}

func (a *Advisory) validateScores() (field string, err error) {
	if a.CVSS3 != "" {
		if _, err := cvss31.ParseVector(a.CVSS3); err != nil {
			return "cvss3", fail.Wrap(fail.Invalid, err, "this is no CVSS 3.1 vector; it looks like CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N")
		}
	}
	if a.CVSS4 != "" {
		if _, err := cvss40.ParseVector(a.CVSS4); err != nil {
			return "cvss4", fail.Wrap(fail.Invalid, err, "this is no CVSS 4.0 vector; it begins with CVSS:4.0/AV:")
		}
	}
	return "", nil
}

func (a *Advisory) validateLists() (field string, err error) {
	if len(a.Products) > maxList || len(a.References) > maxList {
		return "products", fail.New(fail.Invalid, "name 50 products and 50 references at most")
	}
	names := map[string]bool{}
	for _, p := range a.Products {
		if strings.TrimSpace(p.Name) == "" || len(p.Name) > maxName || names[p.Name] {
			return "products", fail.New(fail.Invalid, "each product needs a name of its own, up to 200 characters")
		}
		names[p.Name] = true
		if len(p.Affected) == 0 || len(p.Affected)+len(p.Fixed) > maxList {
			return "products", fail.New(fail.Invalid, "say which versions of %q were affected, 50 at most; for a service write days, such as 2026-11-20", p.Name)
		}
		seen := map[string]bool{}
		for _, v := range append(slices.Clone(p.Affected), p.Fixed...) {
			switch {
			case strings.TrimSpace(v) == "" || len(v) > maxName || seen[v]:
				return "products", fail.New(fail.Invalid, "a version of %q is empty, too long, or stands there twice", p.Name)
			case !strings.HasPrefix(v, "vers:") && rangeWords.MatchString(v):
				return "products", fail.New(fail.Invalid, "%q is no version but a range; write each version, or a range as vers:generic/<2.1", v)
			}
			seen[v] = true
		}
	}
	for _, r := range a.References {
		u, err := url.Parse(r.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.TrimSpace(r.Summary) == "" || len(r.Summary)+len(r.URL) > 2000 {
			return "references", fail.New(fail.Invalid, "a reference is a few words and an https address")
		}
	}
	return "", nil
}

var notInNames = regexp.MustCompile(`[^+\-a-z0-9]+`)

// FileName is what its document is called (CSAF 2.0, 5.1).
func FileName(id string) string {
	return notInNames.ReplaceAllString(strings.ToLower(id), "_") + ".json"
}

// Path is where its document stands below the folder of its label.
func (a *Advisory) Path() string { return fmt.Sprintf("%d/%s", a.First().UTC().Year(), FileName(a.ID)) }

// stamp writes a moment with its zone.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
