package security

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/fail"
)

// An Actor moves a report.
type Actor struct {
	ID   string // staff id; empty for the others
	Kind ActorKind
}

// ActorKind says what somebody may do to a report.
type ActorKind int

const (
	ByNobody   ActorKind = iota
	ByAgent              // may flag and propose
	ByTriager            // qualified: may decide
	ByReporter           // who told us
	ByProbe              // what watches that it stays fixed
	ByDesk               // the desk itself, when a moment has come
)

func (a Actor) qualified() bool { return a.Kind == ByTriager && a.ID != "" }

// moves are the ways from state to state, and who may go them. What is not here does
// not happen.
var moves = map[State]map[State][]ActorKind{
	Dismissed:    {Flagged: {ByAgent, ByTriager, ByReporter, ByDesk}},
	Flagged:      {Dismissed: {ByTriager}, Acknowledged: {ByTriager}},
	Acknowledged: {Assessing: {ByTriager}},
	Assessing:    with(exits(ByTriager), map[State][]ActorKind{NeedsInfo: {ByTriager}, Verified: {ByTriager}}),
	NeedsInfo:    {Assessing: {ByTriager, ByReporter}, Closed: {ByDesk}},
	Verified:     {Fixing: {ByTriager}, Duplicate: {ByTriager}, OtherVendor: {ByTriager}, AcceptedRisk: {ByTriager}},
	Fixing:       {FixReady: {ByTriager}, AcceptedRisk: {ByTriager}},
	FixReady:     {Retest: {ByTriager}},
	Retest:       {Resolved: {ByTriager}, Fixing: {ByTriager, ByReporter}},
	Resolved:     {Disclosed: {ByTriager}, Closed: {ByTriager, ByDesk}, Assessing: {ByProbe, ByReporter, ByTriager}},
	Disclosed:    {Closed: {ByTriager, ByDesk}, Assessing: {ByProbe, ByReporter, ByTriager}},
	Closed:       {Assessing: {ByProbe, ByReporter, ByTriager}},
}

func exits(k ...ActorKind) map[State][]ActorKind {
	out := map[State][]ActorKind{}
	for _, e := range Exits {
		out[e] = k
	}
	return out
}

func with(a, b map[State][]ActorKind) map[State][]ActorKind {
	for s, k := range b {
		a[s] = k
	}
	return a
}

func init() {
	for _, e := range Exits { // an exit can be appealed against, and ends
		moves[e] = map[State][]ActorKind{Closed: {ByTriager, ByDesk}, Assessing: {ByTriager}}
	}
	moves[AcceptedRisk][Assessing] = []ActorKind{ByTriager, ByDesk, ByReporter} // its time ran out, or they know more
}

// Next lists where a report can go from here by hand of that kind.
func (r *Report) Next(k ActorKind) (out []State) {
	for _, s := range States {
		if slices.Contains(moves[r.State][s], k) {
			out = append(out, s)
		}
	}
	return out
}

// Missing lists what must be known before a report can be in a state, in words for
// those who fill it in; nothing: it can.
func (r *Report) Missing(to State, now time.Time) (out []string) {
	need := func(ok bool, what string) {
		if !ok {
			out = append(out, what)
		}
	}
	if to.IsExit() {
		r.missingExit(to, now, need)
		return out
	}
	switch to {
	case Dismissed:
		need(r.Class != "" && r.Class != Unclassed, "what it is instead")
		need(len(r.Reason) >= 5, "why it is no security report, in a line")
	case Acknowledged:
		need(r.Owner != "", "an owner")
		need(r.Deputy != "" && r.Deputy != r.Owner, "a deputy, who is somebody else")
		need(r.Lang != "", "the language they write")
		need(r.Contact != "", "how they want to be reached")
		need(r.Publish != "", "what they want published")
	case Assessing:
		need(r.Scope != "", "whether it is in scope, or why it is worked on all the same")
		need(r.Sought, "a look for reports like it")
		need(r.Safety != "", "whether data is exposed, or the hole is used")
	case NeedsInfo:
		need(r.unanswered() > 0, "a question that they can answer")
	case Verified:
		need(r.Asset != "", "what is affected")
		need(r.Steps != "", "the steps that show it")
		need(r.CWE != "", "the kind of weakness (CWE)")
		need(r.CVSS != "" || r.SSVC != (SSVC{}), "a CVSS vector or an SSVC decision")
		need(r.Severity != "", "how severe it is")
		need(r.Verifier != "", "who of us reproduced it")
	case Fixing:
		need(r.Fixer != "", "who fixes it")
		need(!r.Target.IsZero(), "the day it will be fixed")
	case FixReady:
		need(r.Changed != "", "what was changed")
		need(len(r.Probes) > 0, "a probe that watches it")
	case Retest:
		need(!r.Asked.IsZero(), "that they were asked to retest")
	case Resolved:
		need(r.gone(), "a retest that found it gone, by them or by somebody who did not fix it")
		need(r.Green && len(r.Probes) > 0, "a probe that is green")
	case Disclosed:
		need(r.Disclosure.Text != "", "the text that is published")
		need(!r.Disclosure.Published.IsZero(), "the day of publication")
	case Closed:
		out = append(out, r.open(now)...)
	}
	return out
}

func (r *Report) missingExit(to State, now time.Time, need func(bool, string)) {
	need(len(strings.TrimSpace(r.Reason)) >= 20, "the reason, in words that they can read")
	switch to {
	case Duplicate:
		need(r.Original != "" && r.Original != r.Case, "the report that it repeats")
	case OtherVendor:
		need(r.Vendor != "", "where it went")
	case AcceptedRisk:
		need(r.Accepter != "", "who accepts the risk, by name")
		need(r.Until.After(now) && r.Until.Before(now.Add(366*day)), "until when it is accepted: a year at most")
	}
}

// open lists what is still open beside the report itself.
func (r *Report) open(now time.Time) (out []string) {
	if r.Reward.Open() && r.State != NeedsInfo && (r.Reward.State != Undecided || !r.Confirmed.IsZero()) {
		out = append(out, "the reward is not settled")
	}
	if r.Disclosure.Open() && !r.State.IsExit() && r.State != NeedsInfo {
		out = append(out, "the disclosure is not settled")
	}
	if r.Appeal != nil && r.Appeal.Done.IsZero() {
		out = append(out, "their appeal is not answered")
	}
	if r.State == AcceptedRisk && r.Until.After(now) {
		out = append(out, "the accepted risk is looked at again when its time is up")
	}
	for _, d := range r.Law {
		if d.Done.IsZero() {
			out = append(out, d.Name+" is owed by law")
		}
	}
	return out
}

// settle has a report that is fixed close by itself a week after nothing of it is open any
// more; what is opened again in that week stays.
func (r *Report) settle(now time.Time) {
	if (r.State == Resolved || r.State == Disclosed) && r.Running(ClockExit) == nil && len(r.open(now)) == 0 {
		r.start(ClockExit, now, now.Add(7*day), now.Add(7*day))
	}
}

// second reports whether a move takes two qualified people: what cannot be reproduced,
// and what is called no security matter after they have come back.
func (r *Report) second(to State) bool {
	switch to {
	case NotReproducible:
		return true
	case NotSecurity, Dismissed, Spam:
		return r.Often() >= 2
	}
	return false
}

// Often is how often they have written. That somebody qualified wrote back makes none of
// it unsaid.
func (r *Report) Often() int { return max(r.Contacts, r.Came) }

// Propose notes what somebody thinks it is; it moves nothing. An agent may propose too.
func (r *Report) Propose(to State, by Actor, reason string, now time.Time) error {
	if by.Kind != ByAgent && by.Kind != ByTriager || by.ID == "" {
		return fail.New(fail.Denied, "a person who works here proposes")
	}
	if !slices.Contains(moves[r.State][to], ByTriager) {
		return fail.New(fail.Conflict, "from %q a report does not go to %q", r.State, to)
	}
	if len(strings.TrimSpace(reason)) < 5 {
		return fail.New(fail.Invalid, "say why, in a line")
	}
	if q := r.Proposal; by.Kind == ByAgent && q != nil && !q.Agent {
		return fail.New(fail.Conflict, "somebody who triages has proposed already")
	}
	r.Proposal = &Proposal{To: to, By: by.ID, Reason: reason, At: now, Agent: by.Kind == ByAgent}
	return nil
}

// Fill changes what is known of a report; what its state needs stays filled in.
func (r *Report) Fill(now time.Time, f func(r *Report)) error {
	was := *r
	f(r)
	if settled := r.State == FixReady || r.State == Retest || r.State == Resolved; settled && r.Fixer != was.Fixer {
		*r = was
		return fail.New(fail.Conflict, "who fixed it stays written down: they do not retest it")
	}
	if r.State != Flagged && r.State != Dismissed && r.State != Acknowledged && len(was.Missing(Assessing, now)) == 0 && len(r.Missing(Assessing, now)) > 0 {
		*r = was
		return fail.New(fail.Invalid, "scope, safety and the look for reports like it stay written down")
	}
	if r.State.Open() && r.State != NeedsInfo && r.State != Flagged {
		if missing := r.Missing(r.State, now); len(missing) > 0 {
			*r = was
			return fail.New(fail.Invalid, "this cannot be taken away any more: %s", strings.Join(missing, "; "))
		}
	}
	return nil
}

// Rerated shortens the promise of a fix to what the severity allows that it has now.
func (r *Report) Rerated(p *Promises, now time.Time) {
	c := r.Running(ClockFix)
	if c == nil || r.Severity == "" {
		return
	}
	if latest := now.Add(time.Duration(p.FixDays(r.Severity)) * day); c.Target.After(latest) {
		c.Target, c.Limit, c.Missed = latest, latest, 0
		if !r.Target.IsZero() {
			r.Target = latest
		}
	}
}

// Move moves the report; what the state needs must be filled in before. A move that
// nobody of that kind may make is Denied, one that is not on the map Conflict, and one
// for which something is missing Invalid, with the list.
func (r *Report) Move(p *Promises, to State, by Actor, now time.Time) error {
	who, ok := moves[r.State][to]
	if !ok {
		return fail.New(fail.Conflict, "a report that is %q does not become %q", r.State, to)
	}
	if !slices.Contains(who, by.Kind) || by.Kind == ByTriager && !by.qualified() {
		return fail.New(fail.Denied, "that takes somebody who is qualified to triage; you can propose it")
	}
	// What comes back, or is answered, is taken up whatever was filled in; who works on it
	// fills in the rest.
	if missing := r.Missing(to, now); len(missing) > 0 && (to != Assessing || by.Kind == ByTriager && r.State == Acknowledged) {
		return fail.New(fail.Invalid, "still missing: %s", strings.Join(missing, "; "))
	}
	if by.Kind == ByDesk && to == Closed && r.State == NeedsInfo && (len(r.Reminded) < 2 || r.Running(ClockInfo) == nil || r.Running(ClockInfo).Missed == 0) {
		return fail.New(fail.Conflict, "they still have time to answer")
	}
	if r.State.IsExit() && to == Closed && !r.appealOver(now) {
		return fail.New(fail.Conflict, "they can appeal until %s", r.Ended().Add(AppealWindow).Format("2 January 2006"))
	}
	if r.State.IsExit() && r.State != AcceptedRisk && to == Assessing && (r.Appeal == nil || !r.Appeal.Upheld) {
		return fail.New(fail.Conflict, "it opens again when an appeal is upheld")
	}
	if r.second(to) && !r.agreed(to, by) {
		return fail.New(fail.Conflict, "this takes two qualified people, because %s; propose it, and a colleague decides", r.whySecond(to))
	}
	r.enter(p, to, by, now)
	return nil
}

func (r *Report) whySecond(to State) string {
	if to == NotReproducible {
		return "nobody could reproduce it"
	}
	return fmt.Sprintf("they have written %d times", r.Often())
}

// agreed reports whether another qualified person proposed the same.
func (r *Report) agreed(to State, by Actor) bool {
	q := r.Proposal
	return q != nil && !q.Agent && q.To == to && q.By != by.ID
}

func (r *Report) appealOver(now time.Time) bool {
	if r.Appeal != nil {
		return !r.Appeal.Done.IsZero()
	}
	return !now.Before(r.Ended().Add(AppealWindow))
}

// Ended is when the last exit was taken.
func (r *Report) Ended() (at time.Time) { return r.Exited }

// enter changes the state, and starts and ends its clocks.
func (r *Report) enter(p *Promises, to State, by Actor, now time.Time) {
	from := r.State
	reopens := to == Assessing && (from == Closed || from == Resolved || from == Disclosed || from.IsExit())
	proposed := r.Proposal
	r.State, r.Proposal = to, nil
	switch {
	case to == Flagged:
		r.flagged(p, now)
	case to == Dismissed:
		r.met(ClockLook, now)
		r.void(now, ClockFirst)
	case to == Acknowledged:
		r.met(ClockLook, now)
		r.start(ClockAssess, now, p.Calendar.Days(now, p.Assess), now.Add(assessLimit))
		r.startUpdate(p, now)
		r.start(ClockPublish, r.Received, r.Received.Add(time.Duration(p.Publish)*day), r.Received.Add(time.Duration(p.Publish)*day))
	case reopens:
		r.reopened(p, now)
	case to == Assessing:
		r.met(ClockInfo, now)
		r.resume(now)
	case to == NeedsInfo:
		r.Reminded = nil
		r.pause(now, ClockAssess, ClockUpdate)
		r.start(ClockInfo, now, now.Add(infoWait), now.Add(infoWait))
	case to == Verified:
		r.met(ClockAssess, now)
		if r.Confirmed.IsZero() {
			r.Confirmed = now
		}
		fix := now.Add(time.Duration(p.FixDays(r.Severity)) * day)
		r.start(ClockFix, now, fix, fix)
		reward := p.Calendar.Days(now, p.Reward)
		if r.Reward.Open() {
			r.start(ClockReward, now, reward, reward)
		}
	case to.IsExit():
		r.exited(to, by, proposed, now)
	case to == Fixing:
		r.met(ClockRetest, now)
		if c := r.Running(ClockFix); c == nil { // the retest found it still there: the promise was not kept
			r.start(ClockFix, now, now.Add(3*day), now.Add(3*day))
		}
	case to == FixReady:
		r.met(ClockFix, now)
		ask := p.Calendar.Days(now, p.AskAgain)
		r.start(ClockAsk, now, ask, ask)
	case to == Retest:
		r.met(ClockAsk, now)
		r.start(ClockRetest, now, now.Add(retestWait), now.Add(retestWait))
	case to == Resolved:
		r.met(ClockRetest, now)
	case to == Disclosed:
		r.met(ClockPublish, now)
		r.void(now, ClockUpdate) // there is nothing left to tell
	case to == Closed:
		r.void(now, ClockLook, ClockFirst, ClockAssess, ClockUpdate, ClockFix, ClockAsk, ClockRetest, ClockInfo, ClockReward, ClockPublish, ClockAppeal, ClockRisk, ClockExit)
	}
}

func (r *Report) flagged(p *Promises, now time.Time) {
	r.Seen++
	r.start(ClockLook, now, p.Calendar.Add(now, time.Duration(p.Look)*time.Hour), p.Calendar.Days(now, lookLimit))
	r.start(ClockFirst, now, p.Calendar.Days(now, p.First), p.Calendar.Days(now, firstLimit))
}

func (r *Report) startUpdate(p *Promises, now time.Time) {
	u := now.Add(time.Duration(p.Update) * day)
	r.start(ClockUpdate, now, u, u)
}

func (r *Report) exited(to State, by Actor, proposed *Proposal, now time.Time) {
	r.met(ClockAssess, now)
	r.void(now, ClockFix, ClockUpdate, ClockPublish, ClockReward)
	r.Exited, r.Exiters, r.Appeal = now, []string{by.ID}, nil
	if proposed != nil {
		r.Exiters = append(r.Exiters, proposed.By)
	}
	if to == AcceptedRisk {
		r.start(ClockRisk, now, r.Until, r.Until)
		return
	}
	r.start(ClockExit, now, now.Add(AppealWindow), now.Add(AppealWindow))
}

// reopened takes it up again, with half the time.
func (r *Report) reopened(p *Promises, now time.Time) {
	r.Reopened++
	r.void(now, ClockRisk, ClockExit, ClockPublish, ClockReward)
	half := p.Calendar.Days(now, max(p.Assess/2, 1))
	r.start(ClockAssess, now, half, now.Add(assessLimit/2))
	r.startUpdate(p, now)
	r.start(ClockFirst, now, p.Calendar.Days(now, p.First), p.Calendar.Days(now, firstLimit))
	r.Green, r.Retests, r.Changed, r.Target, r.Asked = false, nil, "", time.Time{}, time.Time{}
	r.Disclosure.Published = time.Time{}
	r.start(ClockPublish, now, now.Add(time.Duration(p.Publish)*day), now.Add(time.Duration(p.Publish)*day))
}

// MoveTarget promises another day for the fix, with a reason that they read.
func (r *Report) MoveTarget(to time.Time, why, by string, now time.Time) error {
	c := r.Running(ClockFix)
	if c == nil {
		return fail.New(fail.Conflict, "no fix is promised")
	}
	if latest := c.From.Add(90 * day); to.After(latest) {
		return fail.New(fail.Invalid, "a fix takes 90 days at most: until %s; if it cannot be fixed, the risk is accepted by name", latest.Format("2 January 2006"))
	}
	if to.Before(now) {
		return fail.New(fail.Invalid, "that day is over")
	}
	if r.Target.IsZero() && !to.After(c.Target) {
		r.Target = to
	} else {
		if len(strings.TrimSpace(why)) < 10 {
			return fail.New(fail.Invalid, "say why the day moves; they read it")
		}
		from := r.Target
		if from.IsZero() {
			from = c.Target
		}
		r.Changes = append(r.Changes, Change{From: from, To: to, Why: why, By: by, At: now})
		r.Target = to
	}
	c.Target, c.Limit, c.Missed = to, to, 0
	return nil
}

// Unclassed stands where nobody has said what a text is.
const Unclassed = ""

// TakesTwo reports whether a move takes two qualified people.
func (r *Report) TakesTwo(to State) bool { return r.second(to) }

// Refused reports whether it is at rest without having been accepted.
func (r *Report) Refused() bool {
	return r.State.IsExit() || r.State == Closed && (r.Unanswered || !r.Exited.IsZero())
}

// FixedAt is when it was fixed; zero: it is not.
func (r *Report) FixedAt() (at time.Time) {
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Name == ClockFix && !c.Met.IsZero() {
			at = c.Met
		}
	}
	return at
}
