package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/advisory"
	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/probe"
	"postern/internal/publications"
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
		Owner: d.nameOf(r.Owner), Deputy: d.nameOf(r.Deputy), CWEs: security.Weaknesses, Score: r.RatingWords(), Similar: x.similar, Proposed: d.proposed(base.Clock, me, r), Lead: me.person.Has(staff.Lead),
		Day: dateField(r.Disclosure.Day, d.o.Zone), Target: dateField(r.Target, d.o.Zone), Until: dateField(r.Until, d.o.Zone)}
	for i := range r.Clocks {
		if c := &r.Clocks[i]; c.Runs() {
			p.Clocks = append(p.Clocks, *d.face(base.Clock, c))
		}
	}
	for i, o := range r.Law {
		p.Law = append(p.Law, Owed{N: i, Law: strings.ToUpper(o.Law), Name: o.Name, Why: o.Why, By: base.When(o.By), Done: base.When(o.Done), Late: o.Done.IsZero() && o.By.Before(base.Now)})
	}
	for _, g := range security.Regimes {
		p.Regimes = append(p.Regimes, Option{g.ID, g.Name + ": " + g.Starts, false})
	}
	p.People, p.Deputies = d.triagers(r.Owner), d.triagers(r.Deputy)
	p.Fixers = d.staffers(r.Fixer)
	for _, s := range security.Severities {
		p.Severities = append(p.Severities, Option{string(s), upperFirst(string(s)), s == r.Severity})
	}
	for _, s := range r.Next(security.ByTriager) {
		p.Next = append(p.Next, Step2{To: string(s), Words: StateNames[s], Missing: r.Missing(s, base.Now), Two: r.TakesTwo(s)})
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
	w := Rewarded{State: string(r.Reward.State), Words: rewardNames[r.Reward.State], By: d.nameOf(r.Reward.By), Frozen: r.Extortion, What: r.Reward.Thing, MayApprove: r.Reward.By != me.ID()}
	if r.Reward.Cents > 0 {
		w.What = fmt.Sprintf("%d.%02d %s", r.Reward.Cents/100, r.Reward.Cents%100, r.Reward.Currency)
	}
	for _, s := range r.Reward.Next() {
		w.Next = append(w.Next, Option{string(s), rewardNames[s], false})
	}
	return w
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
	"report.struck":         "noted that a clock ran out",
	"report.red":            "found it back: a probe is red",
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

// day reads a date from a field: the end of that day, where the organisation is.
func (d *Desk) day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation("2006-01-02", s, d.o.Zone)
	if err != nil {
		return t, fail.New(fail.Invalid, "write the day as 2026-11-30")
	}
	return t.Add(17 * time.Hour), nil
}

// fillReport serves POST /desk/security/{id}/fill: what is known.
func (d *Desk) fillReport(w http.ResponseWriter, r *http.Request, me *visitor) error {
	text := func(name string, most int) string {
		s := strings.TrimSpace(strings.ReplaceAll(r.FormValue(name), "\r\n", "\n"))
		if len(s) > most {
			s = strings.ToValidUTF8(s[:most], "")
		}
		return s
	}
	until, err := d.day(r.FormValue("until"))
	if err != nil {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	target, err := d.day(r.FormValue("target"))
	if err != nil {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	return d.onReport(w, r, me, "report.filled", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		var bad error
		err := x.Fill(tx.Now, func(x *security.Report) {
			for name, place := range map[string]*string{"title": &x.Title, "asset": &x.Asset, "scope": &x.Scope, "safety": &x.Safety, "cwe": &x.CWE, "cvss": &x.CVSS, "contact": &x.Contact, "publish": &x.Publish,
				"reason": &x.Reason, "vendor": &x.Vendor, "accepter": &x.Accepter, "owner": &x.Owner, "deputy": &x.Deputy, "fixer": &x.Fixer} {
				if r.Form.Has(name) {
					*place = text(name, 500)
				}
			}
			for name, place := range map[string]*string{"steps": &x.Steps, "changed": &x.Changed, "publication": &x.Disclosure.Text, "hidden": &x.Disclosure.Hidden, "cve": &x.Disclosure.CVE, "product": &x.Disclosure.Product} {
				if r.Form.Has(name) {
					*place = text(name, 20_000)
				}
			}
			if r.Form.Has("known") { // the boxes of this form
				x.Sought, x.Exploited, x.Exposed = r.FormValue("sought") == "1", r.FormValue("exploited") == "1", r.FormValue("exposed") == "1"
				if r.FormValue("reproduced") == "1" && x.Verifier == "" {
					x.Verifier = me.ID()
				}
			}
			if r.Form.Has("until") {
				x.Until = until
			}
			bad = d.rate(x, security.Severity(r.FormValue("severity")))
		})
		if bad != nil {
			return bad
		}
		if err != nil {
			return err
		}
		if err := d.mayOwn(x.Owner, x.Deputy); err != nil {
			return err
		}
		if ref := text("original", 40); ref != "" {
			o, err := d.original(r, tx, ref)
			if err != nil {
				return err
			}
			x.Original = o
		}
		if r.Form.Has("target") && !target.IsZero() && !target.Equal(x.Target) {
			return x.MoveTarget(target, text("target-why", 500), me.ID(), tx.Now)
		}
		return nil
	})
}

// mayOwn wants people who triage as owner and deputy.
func (d *Desk) mayOwn(list ...string) error {
	for _, id := range list {
		if id != "" && !slices.ContainsFunc(d.directory(), func(p staff.Person) bool { return string(p.ID) == id && p.May(staff.SecurityTriage) }) {
			return fail.New(fail.Invalid, "owner and deputy are people who triage; choose from the list")
		}
	}
	return nil
}

// rate checks how a finding is rated; a vector decides how severe it is.
func (d *Desk) rate(x *security.Report, s security.Severity) error {
	if err := security.CheckCWE(x.CWE); err != nil {
		return err
	}
	if s != "" {
		x.Severity = s
	}
	if x.CVSS == "" {
		return nil
	}
	_, by, err := security.Rate(x.CVSS)
	if err == nil && by != "" {
		x.Severity = by
	}
	return err
}

// original finds the report that this one repeats.
func (d *Desk) original(r *http.Request, tx *db.Tx, ref string) (cases.ID, error) {
	parsed, ok := cases.ParseRef(ref)
	if !ok {
		return "", fail.New(fail.Invalid, "write the reference of the report that it repeats")
	}
	c, err := d.cases.ByRef(r.Context(), tx, parsed)
	if fail.Is(err, fail.NotFound) || err == nil && c.Security == cases.NoReport {
		return "", fail.New(fail.Invalid, "there is no report with the reference %s", ref)
	}
	if err != nil {
		return "", err
	}
	return c.ID, nil
}

// moveReport serves POST /desk/security/{id}/move.
func (d *Desk) moveReport(w http.ResponseWriter, r *http.Request, me *visitor) error {
	to, reason := security.State(r.FormValue("to")), strings.TrimSpace(r.FormValue("why"))
	act := "report.moved"
	if r.FormValue("do") == "propose" {
		act = "report.proposed"
	}
	return d.onReport(w, r, me, act, reason, func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if act == "report.proposed" {
			return x.Propose(to, me.actor(), reason, tx.Now)
		}
		switch to {
		case security.Retest:
			x.Asked = tx.Now
		case security.Disclosed:
			x.Disclosure.Published = tx.Now
			if err := d.publishReport(r.Context(), tx, me, x); err != nil {
				return err
			}
		}
		return x.Move(d.o.Security.Promises(), to, me.actor(), tx.Now)
	})
}

// askReporter serves POST /desk/security/{id}/ask: questions, a line each. They are put
// into the answer that goes to them, too.
func (d *Desk) askReporter(w http.ResponseWriter, r *http.Request, me *visitor) error {
	var list []string
	for line := range strings.Lines(r.FormValue("questions")) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return d.onReport(w, r, me, "report.asked", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if err := x.Ask(list, tx.Now); err != nil {
			return err
		}
		if x.State != security.Assessing {
			return nil
		}
		return x.Move(d.o.Security.Promises(), security.NeedsInfo, me.actor(), tx.Now)
	})
}

// retest serves POST /desk/security/{id}/retest: what somebody here found.
func (d *Desk) retest(w http.ResponseWriter, r *http.Request, me *visitor) error {
	by := me.ID()
	if r.FormValue("by") == "reporter" { // as they told us
		by = "reporter"
	}
	return d.onReport(w, r, me, "report.retested", strings.TrimSpace(r.FormValue("notes")), func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		return x.SayRetest(by, me.ID(), r.FormValue("gone") == "yes", strings.TrimSpace(r.FormValue("notes")), tx.Now)
	})
}

// reward serves POST /desk/security/{id}/reward.
func (d *Desk) reward(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onReport(w, r, me, "report.rewarded", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		switch to := security.RewardState(r.FormValue("to")); to {
		case security.Proposed:
			cents, err := amount(r.FormValue("amount"))
			if err != nil {
				return err
			}
			return x.ProposeReward(security.Reward{Cents: cents, Currency: "EUR", Thing: strings.TrimSpace(r.FormValue("thing"))}, me.actor(), tx.Now)
		case security.NoReward:
			return x.ProposeReward(security.Reward{State: to, Why: strings.TrimSpace(r.FormValue("why"))}, me.actor(), tx.Now)
		default:
			return x.MoveReward(to, me.actor(), tx.Now)
		}
	})
}

// amount reads "250" or "250.50".
func amount(s string) (int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, nil
	}
	whole, part, _ := strings.Cut(strings.ReplaceAll(s, ",", "."), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	c, err2 := strconv.ParseInt((part + "00")[:2], 10, 64)
	if err != nil || err2 != nil || n < 0 || n > 1_000_000 || len(part) > 2 {
		return 0, fail.New(fail.Invalid, "write the amount as 250 or 250.50")
	}
	return n*100 + c, nil
}

// plan serves POST /desk/security/{id}/plan: the day of publication, or why there is
// none.
func (d *Desk) plan(w http.ResponseWriter, r *http.Request, me *visitor) error {
	to, err := d.day(r.FormValue("day"))
	if err != nil {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	why := strings.TrimSpace(r.FormValue("why"))
	return d.onReport(w, r, me, "report.planned", why, func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if r.FormValue("do") == "not" {
			return x.PublishNot(why, me.actor(), tx.Now)
		}
		return x.Plan(to, why, me.actor(), tx.Now)
	})
}

// markReport serves POST /desk/security/{id}/mark: a demand of money for silence, and
// what the law wants.
func (d *Desk) markReport(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onReport(w, r, me, "report.law", strings.TrimSpace(r.FormValue("why")), func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		switch what := r.FormValue("what"); what {
		case "extortion":
			x.Extortion = true
		case "no-extortion":
			if !me.person.Has(staff.Lead) {
				return fail.New(fail.Conflict, "a lead takes that mark away")
			}
			x.Extortion = false
		case "start":
			if !x.StartLaw(r.FormValue("law"), tx.Now) {
				return fail.New(fail.Invalid, "choose which law it is")
			}
		case "show-credit":
			return publications.ShowCredit(r.Context(), tx, audit.Staff(me.ID()), x.Case)
		case "done":
			return x.DoneLaw(r.FormValue("n"), me.ID(), strings.TrimSpace(r.FormValue("why")), tx.Now)
		default:
			return fail.New(fail.Invalid, "say what is marked")
		}
		return nil
	})
}

// circle serves POST /desk/security/{id}/circle: who else reads it.
func (d *Desk) circle(w http.ResponseWriter, r *http.Request, me *visitor) error {
	who, id := r.FormValue("staff"), cases.ID(r.PathValue("id"))
	if d.nameOf(who) == "" {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, fail.New(fail.Invalid, "choose somebody from the list"))
	}
	act := "report.let-in"
	if r.FormValue("do") == "out" {
		act = "report.let-out"
	}
	return d.onReport(w, r, me, act, d.nameOf(who), func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if act == "report.let-out" {
			return security.LetOut(r.Context(), tx, id, who)
		}
		return security.LetIn(r.Context(), tx, id, who, me.ID())
	})
}

// answerAppeal serves POST /desk/security/{id}/appeal.
func (d *Desk) answerAppeal(w http.ResponseWriter, r *http.Request, me *visitor) error {
	upheld := r.FormValue("say") == "upheld"
	return d.onReport(w, r, me, "report.decided-appeal", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if err := x.DecideAppeal(me.actor(), upheld, strings.TrimSpace(r.FormValue("answer")), tx.Now); err != nil {
			return err
		}
		if !upheld {
			return nil
		}
		return x.Move(d.o.Security.Promises(), security.Assessing, me.actor(), tx.Now)
	})
}

// publishReport publishes the plain note on a report: what was wrong, what was done,
// the days, and thanks to whoever wants them.
func (d *Desk) publishReport(ctx context.Context, tx *db.Tx, me *visitor, x *security.Report) error {
	l := lang.English
	rec := &publications.Record{Case: x.Case, Advisory: advisory.Advisory{Texts: map[lang.Lang]advisory.Text{l: {Title: x.Title, Wrong: x.Disclosure.Text, Done: x.Changed}},
		Reported: x.Received, Fixed: x.FixedAt(), CWE: x.CWE, CVE: x.Disclosure.CVE}}
	switch {
	case strings.HasPrefix(x.CVSS, "CVSS:3.1/"):
		rec.CVSS3 = x.CVSS
	case strings.HasPrefix(x.CVSS, "CVSS:4.0/"):
		rec.CVSS4 = x.CVSS
	}
	if x.Disclosure.Product != "" {
		name, versions, _ := strings.Cut(x.Disclosure.Product, "|")
		affected, fixed, _ := strings.Cut(versions, "|")
		rec.Products = []advisory.Product{{Name: strings.TrimSpace(name), Affected: listOf(affected), Fixed: listOf(fixed)}}
	}
	actor := audit.Staff(me.ID())
	credit, err := publications.CreditOf(ctx, tx, x.Case)
	if err != nil {
		return err
	}
	if credit != nil && !credit.Consented.IsZero() && credit.Withdrawn.IsZero() && credit.Shown.IsZero() {
		if err := publications.ShowCredit(ctx, tx, actor, x.Case); err != nil {
			return err
		}
	}
	if err := publications.Save(ctx, tx, actor, rec); err != nil {
		return err
	}
	x.Disclosure.Advisory = rec.ID
	_, err = d.o.Published.Publish(ctx, tx, actor, rec.ID)
	return err
}

func listOf(s string) (out []string) {
	for x := range strings.SplitSeq(s, ",") {
		if x = strings.TrimSpace(x); x != "" {
			out = append(out, x)
		}
	}
	return out
}

// addProbe serves POST /desk/security/{id}/probe: something watches what was fixed.
func (d *Desk) addProbe(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p := &probe.Probe{Case: r.PathValue("id"), Kind: probe.Kind(r.FormValue("kind")), Target: strings.TrimSpace(r.FormValue("target")), By: audit.Staff(me.ID())}
	words := strings.TrimSpace(r.FormValue("words"))
	switch p.Kind {
	case probe.Header:
		p.Spec.Name, p.Spec.Contains, _ = strings.Cut(words, ":")
		p.Spec.Contains = strings.TrimSpace(p.Spec.Contains)
	case probe.Body:
		if without, ok := strings.CutPrefix(words, "not "); ok {
			p.Spec.Without = without
		} else {
			p.Spec.Contains = words
		}
	case probe.Status:
		p.Spec.Status, _ = strconv.Atoi(words) // what is no number is refused as no code
	case probe.Certificate:
		p.Spec.Days, _ = strconv.Atoi(words)
	}
	return d.onReport(w, r, me, "report.filled", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		ctx := r.Context()
		if r.FormValue("do") == "stop" {
			return d.stopProbe(ctx, tx, me, x, probe.ID(r.FormValue("probe")))
		}
		if err := probe.Add(ctx, tx, p); err != nil {
			return err
		}
		x.Probes, x.Green = append(x.Probes, string(p.ID)), false
		_, err := probe.AddHost(ctx, tx, p.Host, audit.Staff(me.ID()))
		return err
	})
}

// stopProbe ends one; what was fixed keeps at least one that watches it.
func (d *Desk) stopProbe(ctx context.Context, tx *db.Tx, me *visitor, x *security.Report, id probe.ID) error {
	p, err := probe.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if p.Case != string(x.Case) {
		return fail.New(fail.NotFound, "there is no such probe")
	}
	if len(x.Probes) < 2 && x.State != security.Verified && x.State != security.Fixing && x.State != security.Assessing {
		return fail.New(fail.Conflict, "what was fixed is watched for ever; add another probe before this one stops")
	}
	if rest := x.State == security.Resolved || x.State == security.Disclosed || x.State == security.Closed; rest && (!me.person.Has(staff.Lead) || p.By == audit.Staff(me.ID())) {
		return fail.New(fail.Conflict, "of what was fixed, a lead who did not make the probe stops it")
	}
	return probe.Stop(ctx, tx, id, audit.Staff(me.ID()))
}

// hosts serves POST /desk/security/hosts: which hosts are ours, so that they may be
// asked.
func (d *Desk) hosts(w http.ResponseWriter, r *http.Request, me *visitor) error {
	name := strings.ToLower(strings.TrimSpace(r.FormValue("host")))
	if r.FormValue("do") == "confirm" {
		if err := d.o.Probes.Confirm(r.Context(), name, audit.Staff(me.ID())); err != nil {
			return err
		}
		return back(w, r, "/desk/security#hosts")
	}
	err := d.db.Update(r.Context(), func(tx *db.Tx) error {
		_, err := probe.AddHost(r.Context(), tx, name, audit.Staff(me.ID()))
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/security#hosts")
}

// told serves POST /desk/security/{id}/told: what who reported told us by mail or on the
// telephone, written down by somebody who triages.
func (d *Desk) told(w http.ResponseWriter, r *http.Request, me *visitor) error {
	words, what := strings.TrimSpace(r.FormValue("told")), r.FormValue("what")
	if len(words) > 10_000 {
		words = strings.ToValidUTF8(words[:10_000], "")
	}
	act := map[string]string{"answer": "report.answered", "appeal": "report.appealed", "credit": "report.credit"}[what]
	if act == "" {
		act = "report.rewarded"
	}
	return d.onReport(w, r, me, act, "as they told us", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		switch what {
		case "answer":
			for n := range x.Questions {
				if x.Questions[n].Answered.IsZero() {
					return x.Answer(n, words, tx.Now)
				}
			}
			return fail.New(fail.Conflict, "no question is open")
		case "appeal":
			return x.Appeals(d.o.Security.Promises(), words, tx.Now)
		case "credit":
			if err := x.SetCredit(words, tx.Now); err != nil || words == "" {
				return err
			}
			return publications.Consent(r.Context(), tx, audit.Staff(me.ID()), publications.Credit{Case: x.Case, Name: words})
		case "accepted", "donated", "declined":
			return x.MoveReward(security.RewardState(what), me.actor(), tx.Now)
		}
		return fail.New(fail.Invalid, "say what they told us")
	})
}
