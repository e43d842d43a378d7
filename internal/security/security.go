// Package security works security reports to their end (P10, P11).
//
// A case that may tell of a weakness is flagged, whatever door it came by. Only
// somebody qualified says that it is none, and with a reason. What is one moves through
// states, each with the data that it takes to enter and a clock that runs in it; beside
// the report run three further tracks, the word we owe them, the reward and the
// disclosure, and the clocks of the law where they apply. ISO/IEC 29147 and 30111 have
// the words.
//
// The rules are in machine.go, without SQL; store.go keeps reports.
package security

import (
	"time"

	"postern/internal/cases"
	"postern/internal/lang"
	"postern/internal/recognise"
)

// State of a report.
type State string

const (
	Flagged      State = "flagged"      // it may be one; a qualified person looks
	Dismissed    State = "dismissed"    // a qualified person said that it is none
	Acknowledged State = "acknowledged" // it is one, and has an owner
	Assessing    State = "assessing"
	NeedsInfo    State = "needs-info" // they were asked
	Verified     State = "verified"

	Duplicate       State = "duplicate"
	NotSecurity     State = "not-security"
	OtherVendor     State = "other-vendor"
	OutOfScope      State = "out-of-scope"
	NotReproducible State = "not-reproducible"
	AcceptedRisk    State = "accepted-risk"
	Spam            State = "spam"

	Fixing    State = "fixing"
	FixReady  State = "fix-ready"
	Retest    State = "retest"
	Resolved  State = "resolved"
	Disclosed State = "disclosed"
	Closed    State = "closed"
)

// States lists all, in the order of a report's life.
var States = []State{Flagged, Dismissed, Acknowledged, Assessing, NeedsInfo, Verified, Duplicate, NotSecurity, OtherVendor, OutOfScope, NotReproducible,
	AcceptedRisk, Spam, Fixing, FixReady, Retest, Resolved, Disclosed, Closed}

// Exits are the ways a report ends without having been verified, or without a fix.
var Exits = []State{Duplicate, NotSecurity, OtherVendor, OutOfScope, NotReproducible, AcceptedRisk, Spam}

// A Report is a case with a security track.
type Report struct {
	Case    cases.ID
	State   State
	Owner   string // staff id
	Due     time.Time
	Version int64
	Doc
}

// Doc is what is known of a report; it is stored sealed.
type Doc struct {
	// How it came.
	Received time.Time       `json:"received"`
	Door     string          `json:"door"`
	Message  cases.MessageID `json:"message"` // the word that flagged it
	Class    recognise.Class `json:"class"`
	Reasons  []string        `json:"reasons,omitempty"`
	Score    float64         `json:"score,omitempty"`
	Contacts int             `json:"contacts"`       // how often they wrote before a qualified person answered
	Came     int             `json:"came,omitempty"` // how often they wrote in all
	Seen     int             `json:"seen"`           // how often it was flagged
	Part     bool            `json:"part,omitempty"` // of another report: counted there

	// Who works on it.
	Deputy  string    `json:"deputy,omitempty"`
	Lang    lang.Lang `json:"lang,omitempty"`
	Contact string    `json:"contact_wish,omitempty"`    // how they want to be reached
	Publish string    `json:"disclosure_wish,omitempty"` // what they want published, and when

	// What it is.
	Title     string   `json:"title,omitempty"`
	Asset     string   `json:"asset,omitempty"`
	Scope     string   `json:"scope,omitempty"`  // in scope, or why it is worked on all the same
	Sought    bool     `json:"sought,omitempty"` // reports like it were looked for
	Safety    string   `json:"safety,omitempty"` // is data exposed, is it exploited: what was found
	Exploited bool     `json:"exploited,omitempty"`
	Exposed   bool     `json:"exposed,omitempty"` // data of people is
	Extortion bool     `json:"extortion,omitempty"`
	Steps     string   `json:"steps,omitempty"`
	CWE       string   `json:"cwe,omitempty"`
	CVSS      string   `json:"cvss,omitempty"` // vector, 3.1 or 4.0
	SSVC      SSVC     `json:"ssvc,omitzero"`
	Severity  Severity `json:"severity,omitempty"`
	Said      Severity `json:"said,omitempty"`     // what a person chose; Severity follows it where there is no CVSS vector
	Verifier  string   `json:"verifier,omitempty"` // staff id of who reproduced it

	Questions []Question `json:"questions,omitempty"`

	// How it ended, where it was no finding.
	Reason   string    `json:"reason,omitempty"`   // told to them
	Original cases.ID  `json:"original,omitempty"` // of a duplicate
	Vendor   string    `json:"vendor,omitempty"`   // where it went
	Accepter string    `json:"accepter,omitempty"` // who accepts the risk, by name
	Until    time.Time `json:"until,omitzero"`     // for how long
	Proposal *Proposal `json:"proposal,omitempty"` // what one person proposed and another must say too
	Appeal   *Appeal   `json:"appeal,omitempty"`
	Exited   time.Time `json:"exited,omitzero"`
	Exiters  []string  `json:"exiters,omitempty"` // staff ids: who decided it, and who proposed it

	// The fix.
	Fixer   string      `json:"fixer,omitempty"`
	Target  time.Time   `json:"target,omitzero"`
	Changes []Change    `json:"changes,omitempty"` // of the target, with reasons
	Changed string      `json:"changed,omitempty"` // what was changed
	Probes  []string    `json:"probes,omitempty"`
	Green   bool        `json:"green,omitempty"` // the probes are
	Asked   time.Time   `json:"retest_asked,omitzero"`
	Retests []RetestSay `json:"retests,omitempty"`

	// What follows.
	Reward     Reward     `json:"reward,omitzero"`
	Table      *Rewards   `json:"table,omitempty"` // that held when they reported
	Disclosure Disclosure `json:"disclosure,omitzero"`
	Law        []Duty     `json:"law,omitempty"`
	Reopened   int        `json:"reopened,omitempty"`

	// The word we owe.
	FirstReply time.Time   `json:"first_reply,omitzero"`
	Qualified  time.Time   `json:"qualified,omitzero"`   // when somebody who triages first wrote to them
	Counted    []Counted   `json:"counted,omitempty"`    // our newest words, and what each moved
	Confirmed  time.Time   `json:"confirmed,omitzero"`   // when it was first reproduced
	Unanswered bool        `json:"unanswered,omitempty"` // closed because they did not answer
	Heard      time.Time   `json:"heard,omitzero"`       // when they last heard from a person
	Clocks     []Clock     `json:"clocks,omitempty"`
	Reminded   []time.Time `json:"reminded,omitempty"`
}

// A Question is one of those they were asked.
type Question struct {
	Text     string    `json:"text"`
	Asked    time.Time `json:"asked"`
	Answer   string    `json:"answer,omitempty"`
	Answered time.Time `json:"answered,omitzero"`
}

// A Proposal waits for a second person.
type Proposal struct {
	To     State     `json:"to"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Agent  bool      `json:"agent,omitempty"` // made by somebody who may only propose
}

// An Appeal is theirs against an exit; there is one, and another person answers it.
type Appeal struct {
	Text    string    `json:"text"`
	At      time.Time `json:"at"`
	Exit    State     `json:"exit"`
	Closers []string  `json:"closers"` // who must not answer it
	By      string    `json:"by,omitempty"`
	Answer  string    `json:"answer,omitempty"`
	Upheld  bool      `json:"upheld,omitempty"`
	Done    time.Time `json:"done,omitzero"`
}

// A Change of a promised date.
type Change struct {
	From, To time.Time
	Why      string
	Agreed   bool `json:",omitempty"` // they said yes
	By       string
	At       time.Time
}

// Counted is a word of ours that a person wrote, and what it moved.
type Counted struct {
	Message   cases.MessageID `json:"m"`
	At        time.Time       `json:"at"`
	First     bool            `json:"first,omitempty"`     // it met the clock of the first word
	FirstEver bool            `json:"ever,omitempty"`      // and was the first of all
	Qualified bool            `json:"qualified,omitempty"` // the first by somebody who triages
	Update    time.Time       `json:"update,omitzero"`     // start of the clock that it met and began anew
	Heard     time.Time       `json:"heard,omitzero"`      // when they had heard before
}

// RetestSay is what a retest found.
type RetestSay struct {
	By    string    `json:"by"`              // "reporter", or staff id
	Noter string    `json:"noter,omitempty"` // staff id of who wrote down what they said
	Gone  bool      `json:"gone"`
	Notes string    `json:"notes,omitempty"`
	At    time.Time `json:"at"`
}

// Open reports whether somebody still works on it.
func (s State) Open() bool {
	switch s {
	case Flagged, Acknowledged, Assessing, NeedsInfo, Verified, Fixing, FixReady, Retest, Resolved:
		return true
	}
	return false
}

// IsExit reports whether the state ends a report without a fix.
func (s State) IsExit() bool {
	for _, e := range Exits {
		if s == e {
			return true
		}
	}
	return false
}

// Severity of a finding.
type Severity string

const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Severities, the worst first.
var Severities = []Severity{Critical, High, Medium, Low}
