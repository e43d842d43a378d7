package advisory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	cvss31 "github.com/pandatix/go-cvss/31"
	"golang.org/x/text/language"
)

// A Fault is a mandatory test of CSAF 2.0 (section 6.1) that a document fails.
type Fault struct{ Test, Text string }

func (f Fault) String() string { return f.Test + ": " + f.Text }

// tests are those of section 6.1 that can apply to what our documents are made of. We
// write no groups, relationships, helpers, hashes, flags, involvements or translations,
// so 6.1.3 to 6.1.5, 6.1.13, 6.1.15, 6.1.24, 6.1.25, 6.1.28, 6.1.32 and 6.1.33 have
// nothing to look at, nor have the profiles that are not ours (other parts of 6.1.27).
var tests = []struct {
	id  string
	run func(*Document) string // what is wrong; "" if nothing is
}{
	{"6.1.1", missingProducts}, {"6.1.2", productsTwice}, {"6.1.6", contradictions}, {"6.1.7", scoresTwice}, {"6.1.8", badVectors}, {"6.1.9", badScores},
	{"6.1.11", badWeakness}, {"6.1.12", badLanguage}, {"6.1.14", unsortedHistory}, {"6.1.16", versionOfHistory}, {"6.1.17", finalDrafts}, {"6.1.18", releasedDrafts},
	{"6.1.19", earlyRevisions}, {"6.1.20", earlyVersion}, {"6.1.21", missingRevisions}, {"6.1.22", revisionsTwice}, {"6.1.23", cveTwice}, {"6.1.26", otherProfile},
	{"6.1.27.4", noTree}, {"6.1.27.5", noNotes}, {"6.1.27.6", noStatus}, {"6.1.27.11", noVulnerability}, {"6.1.29", remedyForNothing}, {"6.1.30", mixedVersions}, {"6.1.31", ranges},
}

// Check runs the mandatory tests.
func Check(d *Document) (out []Fault) {
	for _, t := range tests {
		if text := t.run(d); text != "" {
			out = append(out, Fault{t.id, text})
		}
	}
	return out
}

// leaves are the tree's products, with the branch that each stands at.
func leaves(d *Document) (out []Branch) {
	var walk func([]Branch)
	walk = func(list []Branch) {
		for _, b := range list {
			if b.Product != nil {
				out = append(out, b)
			}
			walk(b.Branches)
		}
	}
	if d.ProductTree != nil {
		walk(d.ProductTree.Branches)
	}
	return out
}

// ids are the products that a vulnerability speaks of.
func (v *Vulnerability) ids() (out []string) {
	if s := v.ProductStatus; s != nil {
		out = append(append(out, s.Fixed...), s.KnownAffected...)
	}
	for _, r := range v.Remediations {
		out = append(out, r.ProductIDs...)
	}
	for _, s := range v.Scores {
		out = append(out, s.Products...)
	}
	return out
}

func missingProducts(d *Document) string {
	known := map[string]bool{}
	for _, b := range leaves(d) {
		known[b.Product.ProductID] = true
	}
	for _, v := range d.Vulnerabilities {
		for _, id := range v.ids() {
			if !known[id] {
				return "no product is called " + id
			}
		}
	}
	return ""
}

func productsTwice(d *Document) string {
	seen := map[string]bool{}
	for _, b := range leaves(d) {
		if seen[b.Product.ProductID] {
			return "two products are called " + b.Product.ProductID
		}
		seen[b.Product.ProductID] = true
	}
	return ""
}

func contradictions(d *Document) string {
	for _, v := range d.Vulnerabilities {
		if v.ProductStatus == nil {
			continue
		}
		for _, id := range v.ProductStatus.Fixed {
			if slices.Contains(v.ProductStatus.KnownAffected, id) {
				return id + " is affected and fixed"
			}
		}
	}
	return ""
}

func scoresTwice(d *Document) string {
	for _, v := range d.Vulnerabilities {
		seen := map[string]bool{}
		for _, s := range v.Scores {
			for _, id := range s.Products {
				if s.CVSS3 != nil && seen[id] {
					return id + " has two scores"
				}
				seen[id] = true
			}
		}
	}
	return ""
}

// eachScore looks at every score with its vector read.
func eachScore(d *Document, f func(*CVSS3, *cvss31.CVSS31, error) string) string {
	for _, v := range d.Vulnerabilities {
		for _, s := range v.Scores {
			if s.CVSS3 == nil {
				continue
			}
			vector, err := cvss31.ParseVector(s.CVSS3.VectorString)
			if text := f(s.CVSS3, vector, err); text != "" {
				return text
			}
		}
	}
	return ""
}

func badVectors(d *Document) string {
	return eachScore(d, func(s *CVSS3, _ *cvss31.CVSS31, err error) string {
		if err != nil || s.Version != "3.1" {
			return fmt.Sprintf("%q is no vector of version 3.1", s.VectorString)
		}
		return ""
	})
}

func badScores(d *Document) string {
	return eachScore(d, func(s *CVSS3, v *cvss31.CVSS31, err error) string {
		if err != nil {
			return ""
		}
		word, err := cvss31.Rating(v.BaseScore())
		if err != nil || s.BaseScore != v.BaseScore() || !strings.EqualFold(word, s.BaseSeverity) {
			return fmt.Sprintf("%s scores %.1f, not %.1f %s", s.VectorString, v.BaseScore(), s.BaseScore, s.BaseSeverity)
		}
		return ""
	})
}

func badWeakness(d *Document) string {
	for _, v := range d.Vulnerabilities {
		if v.CWE != nil && (v.CWE.Name == "" || cweNames[v.CWE.ID] != v.CWE.Name) {
			return fmt.Sprintf("%s is not called %q", v.CWE.ID, v.CWE.Name)
		}
	}
	return ""
}

func badLanguage(d *Document) string {
	if _, err := language.Parse(d.Document.Lang); err != nil {
		return fmt.Sprintf("%q is no language", d.Document.Lang)
	}
	return ""
}

func unsortedHistory(d *Document) string {
	var last time.Time
	n := 0
	for _, r := range d.Document.Tracking.RevisionHistory {
		at, err := time.Parse(time.RFC3339, r.Date)
		number, bad := strconv.Atoi(r.Number)
		if err != nil || bad != nil || at.Before(last) || number < n {
			return fmt.Sprintf("revision %s of %s is out of order", r.Number, r.Date)
		}
		last, n = at, number
	}
	return ""
}

func versionOfHistory(d *Document) string {
	t := d.Document.Tracking
	if n := len(t.RevisionHistory); n == 0 || t.RevisionHistory[n-1].Number != t.Version {
		return fmt.Sprintf("version %s is not that of the last revision", t.Version)
	}
	return ""
}

var (
	draftVersion = regexp.MustCompile(`^0(\.|$)`)
	early        = regexp.MustCompile(`^[^+]*-`)
	integer      = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
)

func finalDrafts(d *Document) string {
	t := d.Document.Tracking
	if (draftVersion.MatchString(t.Version) || early.MatchString(t.Version)) && t.Status != "draft" {
		return fmt.Sprintf("version %s is a draft and called %s", t.Version, t.Status)
	}
	return ""
}

func releasedDrafts(d *Document) string {
	t := d.Document.Tracking
	for _, r := range t.RevisionHistory {
		if t.Status != "draft" && draftVersion.MatchString(r.Number) {
			return "revision " + r.Number + " is a draft and stands in the history of what was released"
		}
	}
	return ""
}

func earlyRevisions(d *Document) string {
	for _, r := range d.Document.Tracking.RevisionHistory {
		if early.MatchString(r.Number) {
			return "revision " + r.Number + " is one before a release"
		}
	}
	return ""
}

func earlyVersion(d *Document) string {
	if t := d.Document.Tracking; t.Status != "draft" && early.MatchString(t.Version) {
		return "version " + t.Version + " is one before a release"
	}
	return ""
}

func missingRevisions(d *Document) string {
	for i, r := range d.Document.Tracking.RevisionHistory {
		n, err := strconv.Atoi(r.Number)
		if first := d.Document.Tracking.RevisionHistory[0].Number; err != nil || first != "0" && first != "1" {
			return "the history does not begin with revision 1"
		} else if zero, _ := strconv.Atoi(first); n != zero+i {
			return fmt.Sprintf("revision %d is missing", zero+i)
		}
	}
	return ""
}

func revisionsTwice(d *Document) string {
	seen := map[string]bool{}
	for _, r := range d.Document.Tracking.RevisionHistory {
		if seen[r.Number] {
			return "revision " + r.Number + " stands there twice"
		}
		seen[r.Number] = true
	}
	return ""
}

func cveTwice(d *Document) string {
	seen := map[string]bool{}
	for _, v := range d.Vulnerabilities {
		if v.CVE != "" && seen[v.CVE] {
			return v.CVE + " stands there twice"
		}
		seen[v.CVE] = true
	}
	return ""
}

func otherProfile(d *Document) string {
	if d.Document.Category != category {
		return fmt.Sprintf("%q is not what this is", d.Document.Category)
	}
	return ""
}

func noTree(d *Document) string {
	if d.ProductTree == nil {
		return "there is no product tree"
	}
	return ""
}

func noNotes(d *Document) string {
	for _, v := range d.Vulnerabilities {
		if len(v.Notes) == 0 {
			return "a vulnerability has no note"
		}
	}
	return ""
}

func noStatus(d *Document) string {
	for _, v := range d.Vulnerabilities {
		if s := v.ProductStatus; s == nil || len(s.Fixed)+len(s.KnownAffected) == 0 {
			return "a vulnerability says of no product how it stands"
		}
	}
	return ""
}

func noVulnerability(d *Document) string {
	if len(d.Vulnerabilities) == 0 {
		return "there is no vulnerability"
	}
	return ""
}

func remedyForNothing(d *Document) string {
	for _, v := range d.Vulnerabilities {
		for _, r := range v.Remediations {
			if len(r.ProductIDs) == 0 {
				return "a remediation is for no product"
			}
		}
	}
	return ""
}

func mixedVersions(d *Document) string {
	t := d.Document.Tracking
	for _, r := range t.RevisionHistory {
		if integer.MatchString(r.Number) != integer.MatchString(t.Version) {
			return "whole numbers and others stand side by side"
		}
	}
	return ""
}

func ranges(d *Document) string {
	for _, b := range leaves(d) {
		if b.Category == "product_version" && rangeWords.MatchString(b.Name) {
			return fmt.Sprintf("%q is no version but a range", b.Name)
		}
	}
	return ""
}
