package security

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"postern/internal/fail"
)

// Rate reads a CVSS vector, 3.1 or 4.0: its score from 0 to 10, and how severe that is
// by the words of the standard. A score of 0 is no severity.
func Rate(vector string) (score float64, s Severity, err error) {
	switch {
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, "", fail.Wrap(fail.Invalid, err, "this is no CVSS 3.1 vector")
		}
		score = v.BaseScore()
		if strings.Count(vector, "/") > 8 { // more than the base metrics: the formula for those differs, also where none of them changes anything
			score = v.EnvironmentalScore()
		}
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, "", fail.Wrap(fail.Invalid, err, "this is no CVSS 4.0 vector")
		}
		score = v.Score()
	default:
		return 0, "", fail.New(fail.Invalid, "write the vector with its version, such as CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N")
	}
	switch {
	case score >= 9:
		s = Critical
	case score >= 7:
		s = High
	case score >= 4:
		s = Medium
	case score > 0:
		s = Low
	}
	return score, s, nil
}

var cweForm = regexp.MustCompile(`^CWE-[1-9][0-9]{0,4}$`)

// CheckCWE refuses what is no number of that list.
func CheckCWE(s string) error {
	if s != "" && !cweForm.MatchString(s) {
		return fail.New(fail.Invalid, "write the kind of weakness as CWE and its number, such as CWE-319")
	}
	return nil
}

// A Weakness is an entry of the CWE list that is often met.
type Weakness struct{ ID, Name string }

// Weaknesses are those offered; any other number may be written.
var Weaknesses = []Weakness{
	{"CWE-319", "Sent in clear: plain HTTP, plain mail"}, {"CWE-311", "Not encrypted where it lies"}, {"CWE-295", "Certificate not checked"}, {"CWE-298", "Certificate expired"},
	{"CWE-639", "Another's data by changing a number"}, {"CWE-862", "No check of who may"}, {"CWE-863", "Wrong check of who may"}, {"CWE-284", "Access not kept"}, {"CWE-425", "Page reached by its address alone"},
	{"CWE-200", "Shown to who should not see it"}, {"CWE-359", "People's data exposed"}, {"CWE-497", "Inner details exposed"}, {"CWE-532", "Secrets in a log"}, {"CWE-538", "File or folder lies open"}, {"CWE-548", "List of a folder"},
	{"CWE-287", "Who they are is not proved"}, {"CWE-306", "No proof asked"}, {"CWE-307", "As many tries as one likes"}, {"CWE-308", "One factor alone"}, {"CWE-384", "Session fixed beforehand"}, {"CWE-613", "Session does not end"},
	{"CWE-640", "Weak way to a new password"}, {"CWE-521", "Weak passwords taken"}, {"CWE-522", "Passwords not protected"}, {"CWE-256", "Password kept in clear"}, {"CWE-798", "Password or key built in"},
	{"CWE-79", "Script put into a page (XSS)"}, {"CWE-89", "SQL put into a query"}, {"CWE-77", "Command put into a command"}, {"CWE-22", "Path leads outside"}, {"CWE-94", "Code put in"}, {"CWE-434", "Dangerous file taken"}, {"CWE-611", "XML reads other files"}, {"CWE-502", "Untrusted data made objects"},
	{"CWE-352", "Acts on another site's request (CSRF)"}, {"CWE-601", "Redirect to anywhere"}, {"CWE-918", "Server fetches for others (SSRF)"}, {"CWE-1021", "Page in a foreign frame"}, {"CWE-290", "Sender can be faked"}, {"CWE-345", "Origin not checked"},
	{"CWE-326", "Weak encryption"}, {"CWE-327", "Broken encryption"}, {"CWE-330", "Numbers that can be guessed"}, {"CWE-20", "Input not checked"}, {"CWE-472", "Price or fixed value can be changed"}, {"CWE-840", "Rules of the business can be bent"}, {"CWE-693", "A protection is missing"}, {"CWE-1188", "Unsafe default"},
}

// SSVC are the answers to the four questions of CISA's decision tree.
type SSVC struct {
	Exploitation string `json:"exploitation"` // none, poc, active
	Automatable  bool   `json:"automatable,omitempty"`
	Total        bool   `json:"total,omitempty"` // the impact is, and not partial
	People       string `json:"people"`          // what it means for people: low, medium, high
}

// Decide is the tree's answer: track, track*, attend or act.
func (d SSVC) Decide() (string, error) {
	col, ok := map[string]int{"low": 0, "medium": 1, "high": 2}[d.People]
	rows, known := ssvc[d.Exploitation]
	if !ok || !known {
		return "", fail.New(fail.Invalid, "for the SSVC decision say both how it is exploited and what it means for people")
	}
	n := 0
	if d.Automatable {
		n += 2
	}
	if d.Total {
		n++
	}
	return rows[n][col], nil
}

// bySSVC is how severe a finding is that was rated by the tree alone.
var bySSVC = map[string]Severity{"act": Critical, "attend": High, "track*": Medium, "track": Low}

// Rates checks how a finding is rated, and fills in how severe that is: as the CVSS
// vector says; else as a person chose; else as the SSVC tree does.
func (r *Report) Rates() error {
	if err := CheckCWE(r.CWE); err != nil {
		return err
	}
	if r.Said != "" && !slices.Contains(Severities, r.Said) {
		return fail.New(fail.Invalid, "choose how severe it is from the list")
	}
	r.Severity = r.Said
	if r.SSVC != (SSVC{}) {
		d, err := r.SSVC.Decide()
		if err != nil {
			return err
		}
		if r.Said == "" {
			r.Severity = bySSVC[d]
		}
	}
	if r.CVSS == "" {
		return nil
	}
	_, by, err := Rate(r.CVSS)
	if err == nil && by != "" {
		r.Severity = by
	}
	return err
}

var ssvc = map[string][4][3]string{ // rows: neither, total, automatable, both
	"none":   {{"track", "track", "track"}, {"track", "track", "track*"}, {"track", "track", "attend"}, {"track", "track", "attend"}},
	"poc":    {{"track", "track", "track*"}, {"track", "track*", "attend"}, {"track", "track", "attend"}, {"track", "track*", "attend"}},
	"active": {{"track", "track", "attend"}, {"track", "attend", "act"}, {"attend", "attend", "act"}, {"attend", "act", "act"}},
}

// RatingWords is the rating as it is shown; empty: not rated.
func (r *Report) RatingWords() string {
	out := title(string(r.Severity))
	if r.CVSS != "" {
		if score, _, err := Rate(r.CVSS); err == nil {
			out = fmt.Sprintf("%s %.1f", out, score)
		}
	}
	if d, err := r.SSVC.Decide(); err == nil {
		out += " · " + title(d)
	}
	return out
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
