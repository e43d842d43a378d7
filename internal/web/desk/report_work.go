package desk

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/probe"
	"postern/internal/publications"
	"postern/internal/security"
	"postern/internal/staff"
)

// filling reads the form of what is known.
type filling struct {
	r             *http.Request
	me            *visitor
	until, target time.Time
}

// text is a field, cut at most bytes.
func (f *filling) text(name string, most int) string {
	s := strings.TrimSpace(strings.ReplaceAll(f.r.FormValue(name), "\r\n", "\n"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// into writes the fields that the form has into the report.
func (f *filling) into(x *security.Report) error {
	for name, place := range map[string]*string{"title": &x.Title, "asset": &x.Asset, "scope": &x.Scope, "safety": &x.Safety, "cwe": &x.CWE, "cvss": &x.CVSS, "contact": &x.Contact, "publish": &x.Publish,
		"reason": &x.Reason, "vendor": &x.Vendor, "accepter": &x.Accepter, "owner": &x.Owner, "deputy": &x.Deputy, "fixer": &x.Fixer} {
		if f.r.Form.Has(name) {
			*place = f.text(name, 500)
		}
	}
	for name, place := range map[string]*string{"steps": &x.Steps, "changed": &x.Changed, "publication": &x.Disclosure.Text, "hidden": &x.Disclosure.Hidden, "cve": &x.Disclosure.CVE, "product": &x.Disclosure.Product} {
		if f.r.Form.Has(name) {
			*place = f.text(name, 20_000)
		}
	}
	on := func(name string) bool { return f.r.FormValue(name) == "1" }
	if f.r.Form.Has("known") { // the boxes of this form
		x.Sought, x.Exploited, x.Exposed = on("sought"), on("exploited"), on("exposed")
		if on("reproduced") && x.Verifier == "" {
			x.Verifier = f.me.ID()
		}
	}
	if f.r.Form.Has("until") {
		x.Until = f.until
	}
	if f.r.Form.Has("exploitation") {
		x.SSVC = security.SSVC{Exploitation: f.r.FormValue("exploitation"), People: f.r.FormValue("people"), Automatable: on("automatable"), Total: on("total")}
	}
	for i := range security.Calculators {
		c := &security.Calculators[i]
		v, err := c.Vector(func(metric string) string { return f.r.FormValue("cvss-" + c.Version + "-" + metric) })
		if err != nil {
			return err
		}
		if v != "" {
			x.CVSS = v
		}
	}
	if said := security.Severity(f.r.FormValue("severity")); f.r.Form.Has("severity") && said != security.Severity(f.r.FormValue("severity-was")) {
		x.Said = said
	}
	return x.Rates()
}

// fillReport serves POST /desk/security/{id}/fill: what is known.
func (d *Desk) fillReport(w http.ResponseWriter, r *http.Request, me *visitor) error {
	f, err := filling{r: r, me: me}, error(nil)
	if f.until, err = d.day(r.FormValue("until")); err == nil {
		f.target, err = d.day(r.FormValue("target"))
	}
	if err != nil {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	return d.onReport(w, r, me, "report.filled", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		var bad error
		exploited, exposed := x.Exploited, x.Exposed
		if err := x.Fill(tx.Now, func(x *security.Report) { bad = f.into(x) }); bad != nil || err != nil {
			return cmp.Or(bad, err)
		}
		x.Rerated(d.o.Security.Promises(), tx.Now)
		x.MarkLaw(d.o.Security.Promises(), exploited, exposed, tx.Now)
		if err := d.mayOwn(x.Owner, x.Deputy); err != nil {
			return err
		}
		if ref := f.text("original", 40); ref != "" {
			o, err := d.original(r, tx, ref)
			if err != nil {
				return err
			}
			x.Original = o
		}
		if r.Form.Has("target") && !f.target.IsZero() && !f.target.Equal(x.Target) {
			return x.MoveTarget(f.target, f.text("target-why", 500), me.ID(), tx.Now)
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
		case security.Duplicate:
			if x.Original != "" && x.Original != x.Case {
				if err := cases.AddLink(r.Context(), tx, x.Case, x.Original, "the same"); err != nil {
					return err
				}
			}
		case security.Disclosed:
			x.Disclosure.Published = tx.Now
			if err := d.publishReport(r.Context(), tx, me, x); err != nil {
				return err
			}
		}
		return x.Move(d.o.Security.Promises(), to, me.actor(), tx.Now)
	})
}

// askReporter serves POST /desk/security/{id}/ask: questions, a line each. Who reported reads
// them on the case page, or in the mail that tells of it.
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

// split serves POST /desk/security/{id}/split: a part of it becomes a report of its own.
func (d *Desk) split(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	var part *cases.Case
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if part, err = d.o.Security.Split(ctx, tx, id, me.actor(), r.FormValue("heading"), strings.ReplaceAll(r.FormValue("part"), "\r\n", "\n")); err != nil {
			return err
		}
		return d.o.Centre.ShareReceipt(ctx, tx, id, part.ID)
	})
	if fail.Is(err, fail.Invalid) || fail.Is(err, fail.Conflict) {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return back(w, r, "/desk/security/"+string(part.ID))
}

// link serves POST /desk/security/{id}/link: another report that belongs to it.
func (d *Desk) link(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ref := strings.TrimSpace(r.FormValue("ref"))
	return d.onReport(w, r, me, "report.linked", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		other, err := d.original(r, tx, ref)
		if err != nil {
			return err
		}
		if other == x.Case {
			return fail.New(fail.Invalid, "that is this report")
		}
		return cases.AddLink(r.Context(), tx, x.Case, other, "belongs together")
	})
}

// retest serves POST /desk/security/{id}/retest: what somebody here found.
func (d *Desk) retest(w http.ResponseWriter, r *http.Request, me *visitor) error {
	by := me.ID()
	if r.FormValue("by") == "reporter" { // as they told us
		by = "reporter"
	}
	return d.onReport(w, r, me, "report.retested", strings.TrimSpace(r.FormValue("notes")), func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		if said := r.FormValue("gone"); said != "yes" && said != "no" {
			return fail.New(fail.Invalid, "choose whether it is gone or still there")
		}
		gone := r.FormValue("gone") == "yes"
		if err := x.SayRetest(by, me.ID(), gone, strings.TrimSpace(r.FormValue("notes")), tx.Now); err != nil || gone || by != "reporter" {
			return err
		}
		return x.Move(d.o.Security.Promises(), security.Fixing, me.actor(), tx.Now) // as by their own click
	})
}

// markReport serves POST /desk/security/{id}/mark: a demand of money for silence, and
// what the law wants.
func (d *Desk) markReport(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onReport(w, r, me, "report.law", strings.TrimSpace(r.FormValue("why")), func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		switch what := r.FormValue("what"); what {
		case "extortion":
			if x.Extortion {
				return fail.New(fail.Conflict, "it bears that mark already")
			}
			x.Freeze(tx.Now)
			return d.o.Security.TellFrozen(r.Context(), tx, c)
		case "no-extortion":
			if !me.person.Has(staff.Lead) {
				return fail.New(fail.Conflict, "a lead takes that mark away")
			}
			x.Thaw(tx.Now)
		case "start":
			knew, err := d.moment(r.FormValue("knew"), tx.Now)
			if err != nil {
				return err
			}
			if !x.StartLaw(r.FormValue("law"), knew) {
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
					if err := x.Answer(n, words, tx.Now); err != nil || x.State != security.NeedsInfo {
						return err
					}
					return x.Move(d.o.Security.Promises(), security.Assessing, security.Actor{Kind: security.ByReporter}, tx.Now) // one answer is an answer
				}
			}
			return fail.New(fail.Conflict, "no question is open")
		case "appeal":
			return x.Appeals(d.o.Security.Promises(), words, tx.Now)
		case "credit":
			if err := x.SetCredit(words, tx.Now); err != nil {
				return err
			}
			if words == "" { // they do not want to be named, or not any more
				if err := publications.WithdrawCredit(r.Context(), tx, audit.Staff(me.ID()), x.Case); !fail.Is(err, fail.NotFound) {
					return err
				}
				return nil
			}
			return publications.Consent(r.Context(), tx, audit.Staff(me.ID()), publications.Credit{Case: x.Case, Name: words})
		case "donated":
			return x.GiveAway(&d.o.Security.Promises().Rewards, words, me.actor(), tx.Now)
		case "accepted", "declined":
			return x.MoveReward(&d.o.Security.Promises().Rewards, security.RewardState(what), me.actor(), tx.Now)
		}
		return fail.New(fail.Invalid, "say what they told us")
	})
}

// moment reads a moment that is over from a field, as the clock stands where the
// organisation is; an empty field is now.
func (d *Desk) moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	t, err := time.ParseInLocation("2006-01-02T15:04", s, d.o.Zone)
	if err != nil {
		return t, fail.New(fail.Invalid, "write the moment as 2026-11-30T14:05")
	}
	if t.After(now) {
		return t, fail.New(fail.Invalid, "that is still to come")
	}
	return t.UTC(), nil
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
