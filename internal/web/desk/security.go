package desk

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/probe"
	"postern/internal/publications"
	"postern/internal/recognise"
	"postern/internal/security"
	"postern/internal/staff"
	"postern/internal/vault"
	"postern/internal/web"
)

// actor is what somebody may do to a report.
func (v *visitor) actor() security.Actor {
	if v.May(staff.SecurityTriage) {
		return security.Actor{ID: v.ID(), Kind: security.ByTriager}
	}
	return security.Actor{ID: v.ID(), Kind: security.ByAgent}
}

// reads reports whether somebody may read cases of the closed circle without having
// been let in: who triages, and the person whose name stands above all.
func (v *visitor) reads() bool {
	return v.May(staff.SecurityTriage) || v.person.Has(staff.Executive)
}

func (v *visitor) viewer() cases.Viewer { return cases.Viewer{ID: v.ID(), All: v.reads()} }

// admit keeps a case of the closed circle from who was not let in: to them it is not
// there. Every page and act on one case passes here.
func (d *Desk) admit(ctx context.Context, me *visitor, id cases.ID) error {
	if me.reads() {
		return nil
	}
	return d.db.View(ctx, func(tx *db.Tx) error {
		closed, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE id = $1 AND closed_circle`, id)
		if err != nil || closed == 0 {
			return err
		}
		in, err := security.MayRead(ctx, tx, id, me.ID())
		if err == nil && !in {
			err = fail.New(fail.NotFound, "there is no such case")
		}
		return err
	})
}

var clockNames = map[security.ClockName]string{
	security.ClockLook: "Somebody looks", security.ClockFirst: "A person’s first word", security.ClockAssess: "Assessed", security.ClockUpdate: "They hear from us", security.ClockFix: "Fixed",
	security.ClockAsk: "They are asked to retest", security.ClockRetest: "Retested", security.ClockInfo: "They answer", security.ClockReward: "Reward decided", security.ClockPublish: "Published",
	security.ClockAppeal: "Appeal answered", security.ClockRisk: "Risk looked at again", security.ClockExit: "Closed by itself",
}

// StateNames says a state to those who work here.
var StateNames = map[security.State]string{
	security.Flagged: "Waits for a look", security.Dismissed: "No report", security.Acknowledged: "Acknowledged", security.Assessing: "Assessing", security.NeedsInfo: "Asked them", security.Verified: "Reproduced",
	security.Duplicate: "Duplicate", security.NotSecurity: "Not security", security.OtherVendor: "Somebody else’s", security.OutOfScope: "Out of scope", security.NotReproducible: "Not reproducible",
	security.AcceptedRisk: "Risk accepted", security.Spam: "Spam", security.Fixing: "Fixing", security.FixReady: "Fix ready", security.Retest: "Retest", security.Resolved: "Resolved", security.Disclosed: "Disclosed", security.Closed: "Closed",
}

func (d *Desk) face(clock web.Clock, c *security.Clock) *ClockFace {
	if c == nil {
		return nil
	}
	return &ClockFace{Words: clockNames[c.Name], At: clock.When(c.Target), Late: !c.Target.After(clock.Now) && c.Paused.IsZero(), Paused: !c.Paused.IsZero()}
}

// board serves GET /desk/security.
func (d *Desk) board(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := BoardPage{Staff: d.chrome(me, "security")}
	var worked, rest []security.Entry
	var sample []security.Sampled
	var texts []string
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if worked, rest, err = d.o.Security.Board(ctx, tx); err != nil {
			return err
		}
		waiting, open, late, err := security.Count(ctx, tx)
		if err != nil {
			return err
		}
		p.Waiting, p.Open, p.Late = int(waiting), int(open), int(late)
		var read, missed int64
		if sample, read, missed, err = security.ToRead(ctx, tx); err != nil {
			return err
		}
		p.Sample = Sample{Left: len(sample), Read: int(read), Missed: int(missed)}
		if p.Sample.Recall, p.Sample.Known, err = security.RecallOf(ctx, tx); err != nil {
			return err
		}
		if err := d.fillDoors(ctx, tx, &p); err != nil {
			return err
		}
		f, err := security.FiguresOf(ctx, tx, tx.Now.AddDate(0, 0, -90), tx.Now)
		if err != nil {
			return err
		}
		p.Figures, p.Charts = f.Lines(), weekCharts(f.Weeks, d.o.Zone)
		if texts, err = d.sampled(ctx, tx, sample[:min(3, len(sample))]); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	for i, x := range texts {
		p.Sample.Rows = append(p.Sample.Rows, SampleRow{Message: string(sample[i].Message), Case: string(sample[i].Case), Text: x})
	}
	d.fillBoard(&p, worked, rest)
	return web.Render(w, r, Templates, "security", p)
}

// weekCharts show the weeks of reports.
func weekCharts(weeks []security.Week, zone *time.Location) []Chart {
	var labels []string
	var dismissed, verified, struck []int64
	for _, w := range weeks {
		labels = append(labels, w.From.In(zone).Format("2 Jan"))
		dismissed, verified, struck = append(dismissed, w.Dismissed), append(verified, w.Verified), append(struck, w.Struck)
	}
	return []Chart{ChartOf("Reports that were judged", labels, Series{"reproduced", verified, Main}, Series{"said to be none", dismissed, Other}), ChartOf("Promises missed on reports", labels, Series{"missed", struck, Bad})}
}

// fillDoors shows what watches our own doors, and which hosts are ours.
func (d *Desk) fillDoors(ctx context.Context, tx *db.Tx, p *BoardPage) error {
	standing, err := probe.Standing(ctx, tx)
	if err != nil {
		return err
	}
	for _, b := range standing {
		p.Doors = append(p.Doors, Watched{ID: string(b.ID), Kind: string(b.Kind), Target: b.Target, State: string(b.State), Since: p.When(b.Since), Stopped: !b.Stopped.IsZero()})
	}
	canaries, err := security.Canaries(ctx, tx)
	if err != nil {
		return err
	}
	for _, c := range canaries {
		state := map[string]string{"sent": "new", "passed": "green", "failed": "red"}[c.State]
		p.Doors = append(p.Doors, Watched{Kind: "canary", Target: "The report that the desk makes up and sends to itself each week, by " + c.Door + strings.TrimSuffix(": "+c.Why, ": "), State: state, Since: p.When(c.Sent)})
	}
	hosts, err := probe.Hosts(ctx, tx)
	for _, h := range hosts {
		p.Hosts = append(p.Hosts, HostRow{Name: h.Name, Token: h.Token, How: h.How, Confirmed: !h.Confirmed.IsZero(), Failed: p.When(h.Failed)})
	}
	return err
}

// sampled opens the first messages of the sample: they are read here.
func (d *Desk) sampled(ctx context.Context, tx *db.Tx, list []security.Sampled) (out []string, err error) {
	for _, x := range list {
		c, err := d.cases.Get(ctx, tx, x.Case)
		if err != nil {
			return nil, err
		}
		key, err := d.vault.Get(ctx, tx, c.KeyID)
		if err != nil {
			return nil, err
		}
		text := "It is damaged."
		if sealed, err := cases.GetMessage(ctx, tx, x.Case, x.Message); err != nil {
			text = "It is gone."
		} else if m, err := sealed.Open(key); err == nil {
			text = strings.TrimSpace(m.Doc.Subject + "\n" + m.Doc.Text)
		}
		out = append(out, text)
	}
	return out, nil
}

func (d *Desk) fillBoard(p *BoardPage, open, rest []security.Entry) {
	p.Columns = []Column{{Title: "New"}, {Title: "Triage"}, {Title: "Reproduced"}, {Title: "Fixing"}, {Title: "Disclosed, closed"}, {Title: "Not accepted"}}
	column := map[security.State]int{security.Acknowledged: 0, security.Assessing: 1, security.NeedsInfo: 1, security.Verified: 2, security.Fixing: 3, security.FixReady: 3, security.Retest: 3, security.Resolved: 3}
	for _, e := range open {
		if e.Report.State == security.Flagged {
			s := Suspicion{ID: string(e.Case.ID), Ref: string(e.Case.Ref), Who: web.Plain(e.Case.Who), Door: e.Report.Door, Subject: web.Plain(e.Case.Subject), Why: e.Report.Reasons}
			if c := d.face(p.Clock, e.Report.Running(security.ClockLook)); c != nil {
				s.Clock = *c
			}
			p.Suspicions = append(p.Suspicions, s)
			continue
		}
		n := column[e.Report.State]
		p.Columns[n].Cards = append(p.Columns[n].Cards, d.reportCard(p.Clock, e))
	}
	for _, e := range rest {
		n := 4
		if e.Report.Refused() {
			n = 5
		}
		p.Columns[n].Cards = append(p.Columns[n].Cards, d.reportCard(p.Clock, e))
	}
}

func (d *Desk) reportCard(clock web.Clock, e security.Entry) Card {
	r := e.Report
	c := Card{ID: string(e.Case.ID), Ref: string(e.Case.Ref), Title: web.Plain(r.Title), Who: web.Plain(e.Case.Who), State: StateNames[r.State], Rating: r.RatingWords(), Clock: d.face(clock, r.Nearest())}
	if c.Title == "" {
		c.Title = web.Plain(e.Case.Subject)
	}
	switch r.Severity {
	case security.Critical, security.High:
		c.Grade = "stop"
	case security.Medium:
		c.Grade = "warn"
	}
	asset, reward := web.Plain(r.Asset), rewardNames[r.Reward.State]
	for _, m := range []struct {
		on    bool
		words string
	}{{asset != "", "About " + asset}, {e.Original != "", "Repeats " + e.Original}, {r.Reward.State != security.Undecided && r.Reward.State != security.Proposed, "Reward: " + reward}, {r.Exploited, "Exploited"}, {r.Exposed, "Data of people exposed"}, {r.Extortion, "Demands money for silence"}, {r.Reward.State == security.Proposed, "Reward needs a second yes"},
		{r.Appeal != nil && r.Appeal.Done.IsZero(), "They appeal"}, {r.Reopened > 0, "Was closed before"}} {
		if m.on {
			c.Marks = append(c.Marks, m.words)
		}
	}
	return c
}

// judge serves POST /desk/security/sample: somebody read a message of the sample.
func (d *Desk) judge(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, m, said := r.Context(), cases.MessageID(r.FormValue("message")), r.FormValue("said")
	if said != "report" && said != "fine" {
		return fail.New(fail.Invalid, "say whether it is a report")
	}
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		if err := security.Judge(ctx, tx, m, said, me.ID()); err != nil || said == "fine" {
			return err
		}
		x, err := db.Strings(ctx, tx, `SELECT case_id FROM looks WHERE message_id = $1`, m)
		if err != nil || len(x) == 0 {
			return err
		}
		c, err := d.cases.Get(ctx, tx, cases.ID(x[0]))
		if err != nil || c.Security.Watched() {
			return err
		}
		if err := d.raise(ctx, tx, me, c, "found in the weekly sample"); err != nil {
			return err
		}
		return d.cases.Save(ctx, tx, c)
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/security#sample")
}

// raise flags a case by hand, for its newest message of theirs.
func (d *Desk) raise(ctx context.Context, tx *db.Tx, me *visitor, c *cases.Case, why string) error {
	list, err := cases.Thread(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	m := &cases.Message{Case: c.ID, Kind: cases.In, Door: c.Door, At: c.Made}
	for i := range list {
		if list[i].Kind == cases.In {
			m = &list[i].Message
		}
	}
	return d.o.Security.Raise(ctx, tx, c, me.actor(), why, m)
}

// flag serves POST /desk/security/{id}/flag: anybody who works here may.
func (d *Desk) flag(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.change(w, r, me, "case.flagged", func(tx *db.Tx, c *cases.Case) (string, error) {
		return "by hand", d.raise(r.Context(), tx, me, c, strings.TrimSpace(r.FormValue("why")))
	})
}

// securityCase serves GET /desk/security/{id}: the ten-second screen of what is
// flagged, else the report.
func (d *Desk) securityCase(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.renderSecurity(w, r, me, http.StatusOK, nil)
}

// dossier is what the pages of one report show.
type dossier struct {
	c       *cases.Case
	key     *vault.Key
	r       *security.Report
	sealed  []cases.Sealed
	events  []security.Event
	similar []Likely
	linked  []cases.Link
	circle  []security.Member
	looks   []security.Look
	probes  []probe.Probe
	credit  *publications.Credit // nil: they said nothing about one
}

func (d *Desk) dossier(ctx context.Context, tx *db.Tx, me *visitor, id cases.ID) (x *dossier, err error) {
	x = &dossier{}
	if x.c, err = d.cases.Get(ctx, tx, id); err != nil {
		return nil, err
	}
	if x.key, err = d.vault.Get(ctx, tx, x.c.KeyID); err != nil {
		return nil, err
	}
	if x.r, err = d.o.Security.Get(ctx, tx, x.key, id); err != nil {
		return nil, err
	}
	if x.sealed, err = cases.Thread(ctx, tx, id); err != nil {
		return nil, err
	}
	if x.events, err = security.Events(ctx, tx, x.key, id); err != nil {
		return nil, err
	}
	var like []security.Likeness
	if me.reads() { // who was let into one report learns of no other
		if like, err = security.Similar(ctx, tx, id); err != nil {
			return nil, err
		}
	}
	for _, l := range like {
		c, err := d.cases.Get(ctx, tx, l.Case)
		if err != nil {
			return nil, err
		}
		x.similar = append(x.similar, Likely{ID: string(c.ID), Ref: string(c.Ref), Subject: web.Plain(c.Subject), Shared: l.Shared, Asset: l.Asset})
	}
	if x.linked, err = cases.Links(ctx, tx, me.viewer(), id); err != nil {
		return nil, err
	}
	if x.circle, err = security.Circle(ctx, tx, id); err != nil {
		return nil, err
	}
	if x.probes, err = probe.Of(ctx, tx, string(id)); err != nil {
		return nil, err
	}
	if x.credit, err = publications.CreditOf(ctx, tx, id); err != nil {
		return nil, err
	}
	x.looks, err = security.Looks(ctx, tx, id)
	return x, err
}

// sawReport notes who read a report, or what was written about it. Losing it once is
// harmless: the page is there all the same.
func (d *Desk) sawReport(ctx context.Context, me *visitor, id cases.ID) {
	d.db.Update(ctx, func(tx *db.Tx) error { return security.Looked(ctx, tx, id, me.ID()) })
}

func (d *Desk) renderSecurity(w http.ResponseWriter, r *http.Request, me *visitor, status int, failed error) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	base := d.chrome(me, "security")
	var x *dossier
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if x, err = d.dossier(ctx, tx, me, id); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &base, "")
	})
	if err != nil {
		return err
	}
	d.sawReport(ctx, me, id)
	if x.r.State == security.Flagged || x.r.State == security.Dismissed {
		p := d.suspicion(base, me, x)
		if failed != nil {
			p.Errors = web.Errors{{Field: "reason", Text: fail.Text(failed) + "."}}
			p.Class, p.Reason = r.FormValue("class"), r.FormValue("reason")
		}
		return web.RenderStatus(w, r, status, Templates, "suspicion", p)
	}
	p := d.report(base, me, x)
	if failed != nil {
		p.Errors = web.Errors{{Field: "move", Text: upperFirst(fail.Text(failed)) + "."}}
	}
	return web.RenderStatus(w, r, status, Templates, "report", p)
}

// decide serves POST /desk/security/{id}/decide: report, not a report, unsure.
func (d *Desk) decide(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id, say := r.Context(), cases.ID(r.PathValue("id")), r.FormValue("say")
	class, reason := recognise.Class(r.FormValue("class")), strings.TrimSpace(r.FormValue("reason"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		act := map[string]string{"report": "report.acknowledged", "dismiss": "report.dismissed", "unsure": "report.unsure"}[say]
		return d.o.Security.Change(ctx, tx, id, me.actor(), act, reason, func(x *security.Report, c *cases.Case) error {
			switch say {
			case "report":
				if err := d.o.Security.Defaults(ctx, tx, x, c, me.ID()); err != nil {
					return err
				}
				return x.Move(d.o.Security.Promises(), security.Acknowledged, me.actor(), tx.Now)
			case "dismiss":
				return d.dismiss(x, me, class, reason, tx)
			case "unsure":
				if x.State != security.Flagged || c.Lifted {
					return fail.New(fail.Conflict, "those above are called already, or it is decided")
				}
				return d.o.Ladder.Up(ctx, tx, c, unsure)
			}
			return fail.New(fail.Invalid, "say whether it is a report")
		})
	})
	switch {
	case fail.Is(err, fail.Invalid), fail.Is(err, fail.Conflict):
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	case say == "report":
		return back(w, r, "/desk/security/"+string(id))
	}
	return back(w, r, "/desk/security")
}

// dismiss says that it is none. An agent proposes it; where it takes two, the first of
// them does.
func (d *Desk) dismiss(x *security.Report, me *visitor, class recognise.Class, reason string, tx *db.Tx) error {
	if !slices.Contains(recognise.Classes[1:], class) {
		return fail.New(fail.Invalid, "say what it is instead")
	}
	if len(reason) < 5 {
		return fail.New(fail.Invalid, "say why it is no security report, in a line")
	}
	p := x.Proposal
	if me.actor().Kind == security.ByAgent || x.Often() >= 2 && (p == nil || p.Agent || p.By == me.ID() || p.To != security.Dismissed) {
		return x.Propose(security.Dismissed, me.actor(), reason, tx.Now)
	}
	x.Class, x.Reason = class, reason
	return x.Move(d.o.Security.Promises(), security.Dismissed, me.actor(), tx.Now)
}

// onReport runs one change of a report and shows it again; what is refused stands above
// the page.
func (d *Desk) onReport(w http.ResponseWriter, r *http.Request, me *visitor, act, reason string, f func(tx *db.Tx, x *security.Report, c *cases.Case) error) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		return d.o.Security.Change(ctx, tx, id, me.actor(), act, reason, func(x *security.Report, c *cases.Case) error { return f(tx, x, c) })
	})
	if fail.Is(err, fail.Invalid) || fail.Is(err, fail.Conflict) {
		return d.renderSecurity(w, r, me, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return back(w, r, fmt.Sprintf("/desk/security/%s#%s", id, r.FormValue("at")))
}
