package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/ladder"
	"postern/internal/security"
	"postern/internal/staff"
	"postern/internal/web"
)

// unsure is why a flagged case goes to those above.
const unsure = ladder.Unsure

// report is the page of one report.
func (d *Desk) report(base web.Staff, me *visitor, x *dossier) ReportPage {
	r := x.r
	p := ReportPage{Staff: base, ID: string(x.c.ID), Ref: string(x.c.Ref), Title: cmp.Or(web.Plain(r.Title), web.Plain(x.c.Subject)), Who: web.Plain(x.c.Who), State: StateNames[r.State], R: r,
		Owner: d.nameOf(r.Owner), Deputy: d.nameOf(r.Deputy), CWEs: security.Weaknesses, Score: r.RatingWords(), Similar: x.similar, Linked: x.linked, Proposed: d.proposed(base.Clock, me, r), Lead: me.person.Has(staff.Lead),
		Day: dateField(r.Disclosure.Day, d.o.Zone), Target: dateField(r.Target, d.o.Zone), Until: dateField(r.Until, d.o.Zone)}
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Runs() {
			p.Clocks = append(p.Clocks, *d.face(base.Clock, c))
		}
	}
	for i, o := range r.Law {
		p.Law = append(p.Law, Owed{N: i, Law: strings.ToUpper(o.Law), Name: o.Name, Why: o.Why, By: base.When(o.By), Done: base.When(o.Done), Late: o.Done.IsZero() && o.By.Before(base.Now)})
	}
	p.Knew = x.r.Received.In(d.o.Zone).Format("2006-01-02T15:04")
	for _, g := range security.Regimes {
		p.Regimes = append(p.Regimes, Option{g.ID, g.Name + ": " + g.Starts, false})
	}
	p.People, p.Deputies = d.triagers(r.Owner), d.triagers(r.Deputy)
	p.Fixers = d.staffers(r.Fixer)
	for _, s := range security.Severities {
		p.Severities = append(p.Severities, Option{string(s), upperFirst(string(s)), s == r.Severity})
	}
	p.Calculators, p.Exploitations, p.Harm = security.Calculators, picks(r.SSVC.Exploitation, "none", "not known to be", "poc", "somebody has shown how", "active", "it is, now"), picks(r.SSVC.People, "low", "little", "medium", "something", "high", "much")
	if s, err := r.SSVC.Decide(); err == nil {
		p.Decision = upperFirst(s)
	}
	for _, s := range r.Next(security.ByTriager) {
		p.Next = append(p.Next, NextState{To: string(s), Words: StateNames[s], Missing: r.Missing(s, base.Now), Two: r.TakesTwo(s)})
	}
	for _, q := range r.Questions {
		p.Questions = append(p.Questions, Asked{Text: q.Text, Answer: q.Answer, At: base.When(q.Answered)})
	}
	d.fillCircle(&p, x)
	for _, e := range x.events {
		p.History = append(p.History, Event{base.When(e.At), d.eventWords(e)})
	}
	if a := r.Appeal; a != nil {
		p.Appeal = &Appealed{Text: a.Text, Answer: a.Answer, At: base.When(a.At), Open: a.Done.IsZero(), May: !slices.Contains(a.Closers, me.ID())}
	}
	for _, b := range x.probes {
		p.Probes = append(p.Probes, Watched{ID: string(b.ID), Kind: string(b.Kind), Target: b.Target, State: string(b.State), Since: base.When(b.Since), Stopped: !b.Stopped.IsZero()})
	}
	for i := range x.sealed {
		m, err := x.sealed[i].Open(x.key)
		switch {
		case err != nil:
		case m.ID == r.Message:
			p.Links = d.linksIn(m.Doc.Subject + "\n" + m.Doc.Text)
		case m.Kind == cases.Note && strings.HasPrefix(m.Doc.Text, triedHead):
			p.Tried = append(p.Tried, m.Doc.Text)
		}
	}
	if k := x.credit; k != nil && !k.Consented.IsZero() && k.Withdrawn.IsZero() && k.Shown.IsZero() && !r.Disclosure.Published.IsZero() {
		p.Credit = web.Plain(k.Name)
	}
	p.Reward = d.rewarded(me, r)
	return p
}

func (d *Desk) fillCircle(p *ReportPage, x *dossier) {
	in := map[string]bool{}
	for _, m := range x.circle {
		in[m.Staff] = true
		p.Circle = append(p.Circle, Let{m.Staff, d.nameOf(m.Staff), d.nameOf(m.By)})
	}
	for _, who := range d.directory() {
		if !who.Disabled && !who.May(staff.SecurityTriage) && who.May(staff.CasesRead) && !in[string(who.ID)] {
			p.Others = append(p.Others, Option{string(who.ID), who.Name, false})
		}
	}
	for _, l := range x.looks {
		p.Looks = append(p.Looks, Event{p.When(l.Last), fmt.Sprintf("%s, %d times that day", cmp.Or(d.nameOf(l.Staff), "Somebody"), l.Times)})
	}
}

var rewardNames = map[security.RewardState]string{security.Undecided: "Not decided", security.NoReward: "None", security.Proposed: "Proposed", security.Approved: "Approved", security.Offered: "Offered to them", security.Accepted: "They accept",
	security.Paid: "Paid", security.Donated: "Donated", security.Declined: "They decline"}

func (d *Desk) rewarded(me *visitor, r *security.Report) Rewarded {
	w := Rewarded{State: string(r.Reward.State), Words: rewardNames[r.Reward.State], By: d.nameOf(r.Reward.By), Frozen: r.Extortion, What: r.Reward.Thing, Why: web.Plain(r.Reward.Why), MayApprove: r.Reward.By != me.ID()}
	if r.Reward.Cents > 0 {
		w.What = security.Money(r.Reward.Cents, r.Reward.Currency)
	}
	table := r.TableOf(&d.o.Security.Promises().Rewards)
	w.Currency = table.InCurrency()
	if cents, ok := table.Of(r.Asset, r.Severity); ok {
		w.Promised, w.Amount = security.Money(cents, w.Currency), strconv.FormatInt(cents/100, 10)
	}
	for _, s := range r.Reward.Next() {
		w.Next = append(w.Next, Option{string(s), rewardNames[s], false})
	}
	return w
}

// picks are the options of a field, by id and words; the one that is on is current.
func picks(current string, pairs ...string) (out []Option) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Option{pairs[i], pairs[i+1], pairs[i] == current})
	}
	return out
}

func (d *Desk) triagers(current string) (out []Option) {
	for _, p := range d.directory() {
		if on := string(p.ID) == current; on || !p.Disabled && p.May(staff.SecurityTriage) {
			out = append(out, Option{string(p.ID), p.Name, on})
		}
	}
	return out
}

var eventVerbs = map[string]string{
	"report.flagged":        "flagged it",
	"report.wrote":          "wrote",
	"report.spoke":          "answered them in own words",
	"report.unspoke":        "noted that an answer never reached them",
	"report.struck":         "noted that a promise was missed",
	"report.due":            "noted that a wait is over",
	"report.red":            "found it back: a probe is red",
	"report.blind":          "could not look: a probe sees nothing any more",
	"report.filled":         "filled in what is known",
	"report.asked":          "asked them",
	"report.answered":       "answered a question",
	"report.acknowledged":   "took it on",
	"report.dismissed":      "said that it is none",
	"report.unsure":         "was not sure and asked those above",
	"report.rewarded":       "moved the reward",
	"report.planned":        "set the day of publication",
	"report.law":            "marked what the law wants",
	"report.appealed":       "appealed",
	"report.proposed":       "proposed",
	"report.retested":       "retested it",
	"report.let-in":         "let somebody in",
	"report.let-out":        "took somebody out of the circle",
	"report.decided-appeal": "answered the appeal",
	"report.split":          "split it",
	"report.linked":         "linked it with",
}

// eventWords says a step of a report.
func (d *Desk) eventWords(e security.Event) string {
	who := "The desk"
	switch kind, id, _ := strings.Cut(e.Actor, ":"); kind {
	case "staff":
		who = cmp.Or(d.nameOf(id), "Somebody who has left")
	case "contact":
		who = "They"
	}
	s := who + " " + cmp.Or(eventVerbs[e.Act], "moved it")
	if e.From != "" && e.From != e.To {
		s += ": " + StateNames[e.From] + " to " + StateNames[e.To]
	}
	if e.Reason != "" {
		s += ". " + web.Plain(e.Reason)
	}
	return s
}

func dateField(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02")
}
