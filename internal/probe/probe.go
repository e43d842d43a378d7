// Package probe watches that what was mended stays mended, and that what should hold
// holds: a link that leads by https all the way, a header that is sent, a certificate
// that is good for a while, a page that answers, and what it says.
//
// Only hosts that the organisation has shown to be its own are asked (hosts.go), by GET,
// once in ten seconds at most, whatever number of probes and nodes there are. A probe of
// a case asks hourly for a week, daily until its ninetieth day, and weekly for ever.
//
// Once is no proof: what was bad is asked again after five minutes, and only the second
// time in a row it is red. What did not answer is unknown: that neither counts as bad
// nor takes away what counted before.
package probe

import (
	"encoding/json"
	"strings"
	"time"

	"postern/internal/fail"
	"postern/internal/safehttp"
)

// ID names a probe.
type ID string

// Kind is what is watched.
type Kind string

const (
	Link        Kind = "link"        // https all the way, and no form in clear
	Header      Kind = "header"      // a header is sent, and holds some words
	Certificate Kind = "certificate" // good, and for some days more
	Status      Kind = "status"      // the answer's code
	Body        Kind = "body"        // the page holds some words, or does not
)

// State of a probe, and of one result.
type State string

const (
	New     State = "new"
	Green   State = "green"
	Amber   State = "amber" // something to mend; or bad for the first time
	Red     State = "red"
	Unknown State = "unknown" // it could not be found out
)

// Spec says what must be so; which fields count depends on the kind.
type Spec struct {
	Name     string `json:"name,omitempty"`     // of the header
	Contains string `json:"contains,omitempty"` // header, body: these words, in any case of letters
	Without  string `json:"without,omitempty"`  // body: not these
	Days     int    `json:"days,omitempty"`     // certificate: days left at least
	Status   int    `json:"status,omitempty"`
}

// A Probe is one thing that is watched.
type Probe struct {
	ID      ID
	Case    string // "": it stands for itself
	Host    string
	Kind    Kind
	Target  string
	Spec    Spec
	By      string // who made it
	Made    time.Time
	Next    time.Time
	State   State
	Since   time.Time // of the state
	Failing time.Time // since when it is red; zero: it is not
	Mended  time.Time // since when it is not red any more; zero: it never was
	Stopped time.Time

	bad    int64 // red results in a row
	unseen int64 // and such that found nothing out
	owner  string
}

// A Result is what one look at it gave.
type Result struct {
	Probe    ID
	At       time.Time
	State    State
	Why      string
	Evidence json.RawMessage
	Hash     string // SHA-256 of the evidence
}

// check refuses a probe that could never say anything, and fills in the host.
func (p *Probe) check() error {
	u, err := safehttp.CheckVisit(p.Target)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && p.Kind != Link {
		return fail.New(fail.Invalid, "the address must begin with https://")
	}
	p.Host = strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	s := p.Spec
	switch p.Kind {
	case Link:
	case Header:
		if strings.TrimSpace(s.Name) == "" || strings.ContainsAny(s.Name, " :\r\n") {
			return fail.New(fail.Invalid, "name the header that must be sent, without a colon")
		}
	case Certificate:
		if s.Days < 0 || s.Days > 365 {
			return fail.New(fail.Invalid, "say for how many days more the certificate must be good, 365 at most")
		}
	case Status:
		if s.Status < 200 || s.Status > 599 {
			return fail.New(fail.Invalid, "say which code must be answered, such as 200")
		}
	case Body:
		if s.Contains == "" && s.Without == "" {
			return fail.New(fail.Invalid, "say which words the page must hold, or must not hold")
		}
	default:
		return fail.New(fail.Invalid, "there is no such kind of probe")
	}
	return nil
}

const (
	soonAgain = 5 * time.Minute
	day       = 24 * time.Hour
)

// every is how often it is asked at an age.
func every(age time.Duration) time.Duration {
	switch {
	case age < 7*day:
		return time.Hour
	case age < 90*day:
		return day
	}
	return 7 * day
}

// turn is a change that somebody must hear of.
type turn int

const (
	none  turn = iota
	red        // what was mended is broken again
	green      // it is mended
	blind      // nobody knows any more
)

// blindAfter is after how many looks in a row that found nothing out somebody is told.
const blindAfter = 3

// take moves a probe on by a result.
func (p *Probe) take(r State, now time.Time) turn {
	was := p.State
	t, again := none, false
	p.unseen++
	if r != Unknown {
		p.unseen = 0
	}
	switch r {
	case Red:
		p.bad++
		if p.bad >= 2 || was == Red {
			p.State = Red
		} else {
			p.State, again = Amber, true
		}
	case Unknown:
		again = was != Unknown && was != Red
		if was != Red { // it was broken when we last saw it
			p.State = Unknown
		}
	default:
		p.bad, p.State = 0, r
	}
	switch {
	case p.State == Red && was != Red:
		t, p.Failing = red, now
	case p.State != Red && was == Red:
		t, p.Failing, p.Mended = green, time.Time{}, now
	case p.State == Unknown && p.unseen == blindAfter:
		t = blind
	}
	if p.State != was {
		p.Since = now
	}
	begin := p.Made
	for _, t := range []time.Time{p.Failing, p.Mended} { // whoever mends it wants to know soon; what was mended just now breaks soonest
		if t.After(begin) {
			begin = t
		}
	}
	p.Next = now.Add(every(now.Sub(begin)))
	if again {
		p.Next = now.Add(soonAgain)
	}
	return t
}
