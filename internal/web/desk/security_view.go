package desk

import (
	"postern/internal/cases"
	"postern/internal/security"
	"postern/internal/web"
)

// BoardPage is "security": what waits for a look, and the reports by state.
type BoardPage struct {
	web.Staff
	Open, Waiting, Late int
	Suspicions          []Suspicion
	Columns             []Column
	Sample              Sample
	Figures             []string  // of the last 90 days, a line each
	Charts              []Chart   // of their weeks
	Doors               []Watched // our own pages that are watched
	Hosts               []HostRow
}

// Suspicion is a flagged case in the list.
type Suspicion struct {
	ID, Ref, Who, Door string
	Subject            string
	Why                []string
	Clock              ClockFace
}

// Column is a part of the board.
type Column struct {
	Title string
	Cards []Card
}

// Card is a report on the board.
type Card struct {
	ID, Ref, Title, Who string
	State               string
	Rating              string // "High 7.5"; empty: not rated
	Grade               string // class of the tag: stop, warn or nothing
	Clock               *ClockFace
	Marks               []string // what else stands out
}

// ClockFace is a clock as it is shown.
type ClockFace struct {
	Words  string // "A person's first word"
	At     web.When
	Late   bool
	Paused bool
}

// Sample is what is to be read of what nobody flagged.
type Sample struct {
	Left, Read, Missed int
	Recall             int  // of 100 reports, so many are recognised
	Known              bool // enough were read to say that
	Rows               []SampleRow
}

// SampleRow is one message of the sample.
type SampleRow struct{ Message, Case, Ref, Text string }

// SuspicionPage is "suspicion": is this a report? It is decided in ten seconds.
type SuspicionPage struct {
	web.Staff
	ID, Ref, Who, Door string
	First              Said   // what was flagged
	Again              []Said // what they wrote since, while it waits
	Trust              web.Trust
	Reasons            []string
	Clock              *ClockFace
	Contacts           int
	Decide             bool // this person is qualified
	Two                bool // it takes two
	Proposed           *ProposedBy
	Classes            []Option
	Class, Reason      string // as typed
	Before             []string
	Links              []LinkRow
	Tried              []string // what was found behind those of ours
}

// Said is a message as it is read for whether it tells of a hole.
type Said struct {
	At            web.When
	Subject, Text []Stretch
}

// Stretch is a piece of a text; Hot is what fired.
type Stretch struct {
	Text string
	Hot  bool
}

// ProposedBy is what a colleague thinks.
type ProposedBy struct {
	Who, What, Reason string
	At                web.When
	Mine              bool
}

// ReportPage is "report": all of one report, for those who may read it.
type ReportPage struct {
	web.Staff
	ID, Ref, Title, Who string
	State               string
	Came                string // "by the form, on 3 May"
	Clocks              []ClockFace
	Law                 []Owed
	Regimes             []Option
	Knew                string // when it came, for the field that says since when we knew
	R                   *security.Report
	Owner, Deputy       string
	People              []Option // who triages
	Deputies, Fixers    []Option
	CWEs                []security.Weakness
	Severities          []Option
	Calculators         []security.Calculator
	Exploitations, Harm []Option // of the SSVC tree
	Decision            string   // of it
	Score               string
	Next                []NextState
	Questions           []Asked
	Similar             []Likely
	Linked              []cases.Link
	Circle              []Let
	Others              []Option // who can be let in
	Looks               []Event
	History             []Event
	Proposed            *ProposedBy
	Appeal              *Appealed
	Lead                bool
	Day, Target, Until  string // dates as fields want them
	Reward              Rewarded
	Credit              string // name that they want to be thanked under, and that does not stand there yet
	Probes              []Watched
	Links               []LinkRow
	Tried               []string
}

// Watched is a probe of a report.
type Watched struct {
	ID, Kind, Target string
	State            string // new, green, amber, red, unknown
	Since            web.When
	Stopped          bool
}

// HostRow is a host that is ours, or is to be shown to be.
type HostRow struct {
	Name, Token, How string
	Confirmed        bool
	Failed           web.When
}

// NextState is a state that can come next, with what is still missing for it.
type NextState struct {
	To, Words string
	Missing   []string
	Two       bool // it takes a second person
}

// Owed is a duty by law.
type Owed struct {
	N              int
	Law, Name, Why string
	By, Done       web.When
	Late           bool
}

// Asked is a question with its answer.
type Asked struct {
	Text, Answer string
	At           web.When
}

// Likely is a report that is about the same, or says much the same.
type Likely struct {
	ID, Ref, Subject string
	Shared           int64
	Asset            bool // what is affected is the same
}

// Let is somebody who was let in.
type Let struct{ ID, Name, By string }

// Appealed is their appeal.
type Appealed struct {
	Text, Answer string
	At           web.When
	Open, May    bool
}

// Rewarded is how the reward stands.
type Rewarded struct {
	State, Words string
	What         string
	By           string
	Why          string
	Currency     string
	Promised     string // what the table has for it; empty: nothing
	Amount       string // the same, as the field wants it
	Next         []Option
	Frozen       bool
	MayApprove   bool
}
