package links

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// The kinds that are seen by following a link.
const (
	Downgrade  Kind = "downgrade"   // row 2: https leads on to http
	Upgraded   Kind = "upgraded"    // row 3: http that only leads on to https
	ClearForm  Kind = "clearform"   // rows 4 to 7: what is typed travels in clear
	OpenFields Kind = "openfields"  // row 7: what is typed stands in the address
	ScriptPost Kind = "scriptpost"  // row 8
	Mixed      Kind = "mixed"       // row 9
	Refresh    Kind = "refresh"     // row 10: the page itself leads on to http
	BadCert    Kind = "certificate" // row 11
	OldTLS     Kind = "tls"         // row 12
	NoHSTS     Kind = "hsts"        // row 13
	Redirector Kind = "redirector"  // row 19
	Unreadable Kind = "unreadable"  // row 24: the page could not be looked at whole
	Gone       Kind = "gone"        // row 24: there is no such page
	Unknown    Kind = "unknown"     // nobody knows: it did not answer
)

// Verdict sums a report up.
type Verdict string

const (
	Green   Verdict = "green"
	Amber   Verdict = "amber"
	Red     Verdict = "red"
	Nothing Verdict = "unknown" // it could not be found out, which is no pass
)

// A Report is what was met behind one link, and when: evidence that can be shown later.
type Report struct {
	Link     string    `json:"link"`
	At       time.Time `json:"at"`
	Verdict  Verdict   `json:"verdict"`
	Chain    []Hop     `json:"chain"`
	Cert     *Cert     `json:"certificate,omitempty"` // of the last host that showed one
	Forms    []Form    `json:"forms,omitempty"`       // of the last page
	Page     string    `json:"page,omitempty"`        // SHA-256 of the last body
	Findings []Finding `json:"findings,omitempty"`
	Hash     string    `json:"hash"` // SHA-256 of all of the above as JSON

	unknown bool
}

// A Hop is one address on the way.
type Hop struct {
	URL     string `json:"url"`
	Status  int    `json:"status,omitempty"` // 0: it was not asked, or did not answer
	Address string `json:"address,omitempty"`
	TLS     string `json:"tls,omitempty"`
	Trouble string `json:"trouble,omitempty"`
}

// A Cert is a certificate as it was shown.
type Cert struct {
	Host   string    `json:"host"`
	Names  []string  `json:"names,omitempty"`
	Issuer string    `json:"issuer"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Sum    string    `json:"sum"` // SHA-256 of the certificate
	Faults []string  `json:"faults,omitempty"`
}

// NewCert describes a certificate.
func NewCert(host string, c *x509.Certificate) *Cert {
	sum := sha256.Sum256(c.Raw)
	return &Cert{Host: host, Names: c.DNSNames, Issuer: c.Issuer.String(), From: c.NotBefore.UTC(), Until: c.NotAfter.UTC(), Sum: hex.EncodeToString(sum[:])}
}

// A Form is one way to send something from a page.
type Form struct {
	Action string   `json:"action"` // where it goes, whole
	Method string   `json:"method"`
	Fields []string `json:"fields,omitempty"` // those that ask for something personal
	By     string   `json:"by"`               // form, or the button that sends it elsewhere
}

func (r *Report) say(g Grade, row int, k Kind, why, mend string) {
	for _, f := range r.Findings {
		if f.Row == row && f.Kind == k && f.Why == why {
			return
		}
	}
	r.Findings = append(r.Findings, Finding{Link: r.Link, Grade: g, Row: row, Kind: k, Why: why, Mend: mend})
}

// nobodyKnows says that something could not be looked at. That is a warning, never a pass.
func (r *Report) nobodyKnows(row int, why string) {
	r.unknown = true
	r.say(Warn, row, Unknown, why, "open it yourself and make sure")
}

// seal sums up.
func (r *Report) seal() {
	r.Verdict = Green
	for _, f := range r.Findings {
		switch {
		case f.Grade == Block:
			r.Verdict = Red
		case f.Grade == Warn && r.Verdict == Green:
			r.Verdict = Amber
		}
	}
	if r.unknown && r.Verdict != Red {
		r.Verdict = Nothing
	}
	r.Hash = ""
	b, err := json.Marshal(r)
	if err != nil {
		return // there is nothing in it that cannot be written
	}
	sum := sha256.Sum256(b)
	r.Hash = hex.EncodeToString(sum[:])
}

// Why is the worst of the findings in words; empty if there is none.
func (r *Report) Why() string {
	for _, g := range []Grade{Block, Warn} {
		var all []string
		for _, f := range r.Findings {
			if f.Grade == g {
				all = append(all, f.Why)
			}
		}
		if len(all) > 0 {
			return strings.Join(all, "; ")
		}
	}
	return ""
}

func tlsName(v uint16) string {
	if v == 0 {
		return ""
	}
	return tls.VersionName(v)
}
