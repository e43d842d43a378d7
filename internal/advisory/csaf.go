package advisory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	cvss40 "github.com/pandatix/go-cvss/40"

	"postern/internal/lang"
)

// Category of our documents (CSAF 2.0, 4.4).
const category = "csaf_security_advisory"

// A Publisher is the organisation that an advisory is by.
type Publisher struct {
	Name    string // the organisation's
	Site    string // https://host; also its namespace
	Contact string // where to write about it
}

// The document, as CSAF 2.0 names its parts (section 3.2). What we never write is
// left out.
type (
	Document struct {
		Document        Meta            `json:"document"`
		ProductTree     *ProductTree    `json:"product_tree,omitempty"`
		Vulnerabilities []Vulnerability `json:"vulnerabilities,omitempty"`
	}
	Meta struct {
		Acknowledgments []Acknowledgment `json:"acknowledgments,omitempty"`
		Category        string           `json:"category"`
		CSAFVersion     string           `json:"csaf_version"`
		Distribution    Distribution     `json:"distribution"`
		Lang            string           `json:"lang"`
		Notes           []Note           `json:"notes,omitempty"`
		Publisher       PublisherOf      `json:"publisher"`
		References      []ReferenceTo    `json:"references,omitempty"`
		Title           string           `json:"title"`
		Tracking        Tracking         `json:"tracking"`
	}
	Acknowledgment struct {
		Names []string `json:"names"`
	}
	Distribution struct {
		TLP struct {
			Label string `json:"label"`
		} `json:"tlp"`
	}
	Note struct {
		Category string `json:"category"`
		Text     string `json:"text"`
		Title    string `json:"title,omitempty"`
	}
	PublisherOf struct {
		Category       string `json:"category"`
		ContactDetails string `json:"contact_details,omitempty"`
		Name           string `json:"name"`
		Namespace      string `json:"namespace"`
	}
	ReferenceTo struct {
		Category string `json:"category"`
		Summary  string `json:"summary"`
		URL      string `json:"url"`
	}
	Tracking struct {
		CurrentReleaseDate string       `json:"current_release_date"`
		Generator          *Generator   `json:"generator,omitempty"`
		ID                 string       `json:"id"`
		InitialReleaseDate string       `json:"initial_release_date"`
		RevisionHistory    []RevisionOf `json:"revision_history"`
		Status             string       `json:"status"`
		Version            string       `json:"version"`
	}
	Generator struct {
		Engine struct {
			Name string `json:"name"`
		} `json:"engine"`
	}
	RevisionOf struct {
		Date    string `json:"date"`
		Number  string `json:"number"`
		Summary string `json:"summary"`
	}
	ProductTree struct {
		Branches []Branch `json:"branches"`
	}
	Branch struct {
		Branches []Branch         `json:"branches,omitempty"`
		Category string           `json:"category"`
		Name     string           `json:"name"`
		Product  *FullProductName `json:"product,omitempty"`
	}
	FullProductName struct {
		Name      string `json:"name"`
		ProductID string `json:"product_id"`
	}
	Vulnerability struct {
		CVE           string         `json:"cve,omitempty"`
		CWE           *Weakness      `json:"cwe,omitempty"`
		DiscoveryDate string         `json:"discovery_date,omitempty"`
		Notes         []Note         `json:"notes,omitempty"`
		ProductStatus *ProductStatus `json:"product_status,omitempty"`
		Remediations  []Remediation  `json:"remediations,omitempty"`
		Scores        []Score        `json:"scores,omitempty"`
		Title         string         `json:"title,omitempty"`
	}
	Weakness struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	ProductStatus struct {
		Fixed         []string `json:"fixed,omitempty"`
		KnownAffected []string `json:"known_affected,omitempty"`
	}
	Remediation struct {
		Category   string   `json:"category"`
		Date       string   `json:"date,omitempty"`
		Details    string   `json:"details"`
		ProductIDs []string `json:"product_ids,omitempty"`
	}
	Score struct {
		CVSS3    *CVSS3   `json:"cvss_v3,omitempty"`
		Products []string `json:"products"`
	}
	CVSS3 struct {
		Version      string  `json:"version"`
		VectorString string  `json:"vectorString"`
		BaseScore    float64 `json:"baseScore"`
		BaseSeverity string  `json:"baseSeverity"`
	}
)

// Build makes the document of an advisory that was published and has products.
func Build(a *Advisory, by Publisher) *Document {
	t, l := a.In(lang.English)
	d := &Document{Document: meta(a, by, t, l)}
	tree, affected, fixed := products(a, by.Name)
	d.ProductTree = tree
	v := Vulnerability{CVE: a.CVE, Title: t.Title, Notes: []Note{{Category: "description", Text: t.Wrong}},
		ProductStatus: &ProductStatus{Fixed: fixed, KnownAffected: affected},
		Remediations:  []Remediation{{Category: "vendor_fix", Details: t.Done, ProductIDs: affected}}}
	if !a.Reported.IsZero() {
		v.DiscoveryDate = stamp(a.Reported)
	}
	if !a.Fixed.IsZero() {
		v.Remediations[0].Date = stamp(a.Fixed)
	}
	if a.CWE != "" {
		v.CWE = &Weakness{a.CWE, cweNames[a.CWE]}
	}
	if score, severity := a.Score(); severity != "" {
		v.Scores = []Score{{&CVSS3{"3.1", a.CVSS3, score, strings.ToUpper(severity)}, affected}}
	}
	if c, err := cvss40.ParseVector(a.CVSS4); a.CVSS4 != "" && err == nil { // CSAF 2.0 has no field for version 4
		v.Notes = append(v.Notes, Note{Category: "other", Title: "CVSS v4.0", Text: fmt.Sprintf("%s (%.1f)", a.CVSS4, c.Score())})
	}
	d.Vulnerabilities = []Vulnerability{v}
	return d
}

func meta(a *Advisory, by Publisher, t Text, l lang.Lang) Meta {
	m := Meta{Category: category, CSAFVersion: "2.0", Lang: string(l), Title: t.Title, Notes: []Note{{Category: "summary", Text: t.Wrong}},
		Publisher:  PublisherOf{Category: "vendor", ContactDetails: by.Contact, Name: by.Name, Namespace: by.Site},
		References: []ReferenceTo{{"self", "This document", by.Site + Folder(a.Label()) + a.Path()}, {"self", "The same for people", by.Site + PagePath + "/" + a.ID}},
		Tracking: Tracking{CurrentReleaseDate: stamp(a.Last()), InitialReleaseDate: stamp(a.First()), ID: a.ID, Status: "final", Version: strconv.Itoa(len(a.Revisions)),
			Generator: &Generator{}}}
	m.Distribution.TLP.Label = a.Label()
	m.Tracking.Generator.Engine.Name = "Postern"
	for n, r := range a.Revisions {
		m.Tracking.RevisionHistory = append(m.Tracking.RevisionHistory, RevisionOf{stamp(r.Date), strconv.Itoa(n + 1), r.Summary})
	}
	for _, r := range a.References {
		m.References = append(m.References, ReferenceTo{"external", r.Summary, r.URL})
	}
	if len(a.Thanks) > 0 {
		m.Acknowledgments = []Acknowledgment{{a.Thanks}}
	}
	return m
}

// products makes the tree: vendor, product, version.
func products(a *Advisory, vendor string) (tree *ProductTree, affected, fixed []string) {
	top := Branch{Category: "vendor", Name: vendor}
	n := 0
	for _, p := range a.Products {
		b := Branch{Category: "product_name", Name: p.Name}
		leaf := func(v string) string {
			n++
			id, kind := fmt.Sprintf("CSAFPID-%04d", n), "product_version"
			if strings.HasPrefix(v, "vers:") {
				kind = "product_version_range"
			}
			b.Branches = append(b.Branches, Branch{Category: kind, Name: v, Product: &FullProductName{vendor + " " + p.Name + " " + v, id}})
			return id
		}
		for _, v := range p.Affected {
			affected = append(affected, leaf(v))
		}
		for _, v := range p.Fixed {
			fixed = append(fixed, leaf(v))
		}
		top.Branches = append(top.Branches, b)
	}
	return &ProductTree{[]Branch{top}}, affected, fixed
}

// JSON writes a document for good: the same bytes each time.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return b.Bytes(), nil
}
