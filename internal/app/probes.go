package app

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/jobs"
	"postern/internal/links"
	"postern/internal/probe"
	"postern/internal/publications"
	"postern/internal/safehttp"
	"postern/internal/security"
	"postern/internal/staff"
)

// probeArgs: ask what is due, and see whether our own doors are watched.
type probeArgs struct{}

func (probeArgs) Kind() string { return "probes" }

// sampleArgs: draw the week's sample of what was not flagged.
type sampleArgs struct{}

func (sampleArgs) Kind() string { return "security_sample" }

// openProbes sets up the watch over what was fixed, and over our own doors.
func (d *Desk) openProbes() {
	fetch := d.fetch
	if fetch == nil {
		fetch = safehttp.NewVisitor(safehttp.Options{Timeout: linkFor, Now: d.db.Now}).Get
	}
	d.probes = probe.NewWatch(probe.Options{DB: d.db, Fetch: fetch, Judge: func() *links.Judge { j := d.links.Judge(); return j },
		Red: func(ctx context.Context, tx *db.Tx, id string, _ *probe.Probe, _ *probe.Result) error {
			return d.security.Red(ctx, tx, cases.ID(id))
		},
		Green: func(ctx context.Context, tx *db.Tx, id string, _ *probe.Probe, _ *probe.Result) error {
			return d.security.Seen(ctx, tx, cases.ID(id))
		},
		Alarm: func(ctx context.Context, tx *db.Tx, _ string, p *probe.Probe, _ *probe.Result) error {
			return d.tellDoor(ctx, tx, doorArgs{About: string(p.ID), Target: p.Target})
		},
		Blind: func(ctx context.Context, tx *db.Tx, id string, p *probe.Probe, r *probe.Result) error {
			if id != "" {
				return d.security.Blind(ctx, tx, cases.ID(id))
			}
			return d.tellDoor(ctx, tx, doorArgs{About: string(p.ID), Target: p.Target, Why: "it could not be looked at, three times in a row; the last time: " + r.Why})
		},
		Lost: func(ctx context.Context, tx *db.Tx, host string) error {
			return d.tellDoor(ctx, tx, doorArgs{About: host, Target: host, Why: "it does not show any more that it is yours: after a week its probes ask no more"})
		}})
}

func (d *Desk) addProbeJobs() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ probeArgs) error {
		if err := d.watchDoors(ctx); err != nil {
			return err
		}
		if err := d.noteHosts(ctx); err != nil {
			return err
		}
		return d.probes.Run(ctx)
	})
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ sampleArgs) error { return d.security.Sample(ctx) })
	d.jobs.Every(time.Hour, sampleArgs{})
	if d.cfg.LinksFetch {
		d.jobs.Every(time.Minute, probeArgs{})
	}
}

// doors are our own pages without which nobody could tell us anything.
var doors = []struct {
	path  string
	holds string
}{{"/.well-known/security.txt", "Contact:"}, {"/security-policy", ""}, {"/contact/about/security", "name=\"text\""}}

// watchDoors begins to watch our own doors. That the host is ours this desk shows itself:
// it serves the token, and asks for it as for that of any other host.
func (d *Desk) watchDoors(ctx context.Context) error {
	name := hostOf(d.cfg.URL)
	var h *probe.Host
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		there, err := probe.Standing(ctx, tx)
		if err != nil {
			return err
		}
		watched := map[string]bool{}
		for _, p := range there {
			watched[p.Target] = true
		}
		for _, x := range doors {
			target := d.cfg.URL + x.path
			if watched[target] {
				continue
			}
			p := &probe.Probe{Kind: probe.Status, Target: target, Spec: probe.Spec{Status: 200}, By: audit.System}
			if x.holds != "" {
				p.Kind, p.Spec = probe.Body, probe.Spec{Contains: x.holds}
			}
			if err := probe.Add(ctx, tx, p); err != nil {
				d.log.Debug("a door is not watched", "door", target, "err", err) // such as on localhost
			}
		}
		if h, err = probe.GetHost(ctx, tx, name); fail.Is(err, fail.NotFound) {
			h, err = probe.AddHost(ctx, tx, name, audit.System)
		}
		if fail.Is(err, fail.Invalid) { // such as localhost
			h, err = nil, nil
		}
		return err
	})
	if err != nil || h == nil || !h.Confirmed.IsZero() || d.db.Now().Sub(time.UnixMicro(d.ownTried.Load())) < time.Hour {
		return err
	}
	d.ownTried.Store(d.db.Now().UnixMicro())
	if err := d.probes.Confirm(ctx, name, audit.System); err != nil {
		d.log.Warn("our own pages are not watched: the desk does not reach itself there", "host", name, "err", err)
	}
	return nil
}

// noteHosts remembers which hosts the organisation has shown to be its own: links to them
// are links to us.
func (d *Desk) noteHosts(ctx context.Context) error {
	var list []probe.Host
	if err := d.db.View(ctx, func(tx *db.Tx) (err error) { list, err = probe.Hosts(ctx, tx); return err }); err != nil {
		return err
	}
	var names []string
	for _, h := range list {
		if !h.Confirmed.IsZero() {
			names = append(names, h.Name)
		}
	}
	d.confirmed.Store(&names)
	return nil
}

// furtherHosts are ours beside that of the pages and the domains of the mailboxes.
func (d *Desk) furtherHosts() []string {
	own := config.Domains(d.cfg.LinksOwn)
	if names := d.confirmed.Load(); names != nil {
		own = append(own, *names...)
	}
	return own
}

// mailStuck tells those who triage of a mail to them that this desk could not read.
func (d *Desk) mailStuck(ctx context.Context, tx *db.Tx, id string) error {
	return d.tellDoor(ctx, tx, doorArgs{About: id, Target: d.cfg.StaffURL + "/desk/quarantine/" + id, Why: "a mail to the security people could not be read by this desk, and waits there for a person"})
}

// tellDoor tells those who triage, and the admins, that a door of ours is broken, or is
// watched no more.
func (d *Desk) tellDoor(ctx context.Context, tx *db.Tx, a doorArgs) (err error) {
	a.ID = db.NewID()
	if a.To, err = d.mailsOf(ctx, tx, func(p *staff.Person) bool { return p.May(staff.SecurityTriage) || p.Has(staff.Admin) }); err != nil {
		return err
	}
	event := map[string]string{"what": "door", "url": a.Target}
	if a.Canary != "" {
		event = map[string]string{"what": "canary", "door": a.Canary, "why": a.Why}
	}
	if err := d.publish(ctx, tx, reportEvent, a.ID+"-door", cmp.Or(a.About, "canary"), event); err != nil || len(a.To) == 0 {
		return err
	}
	return d.jobs.Insert(ctx, tx, a)
}

// verifyToken is what our own host shows, so that it may be watched; "" if nobody asked
// for that.
func (d *Desk) verifyToken(ctx context.Context) (token string, err error) {
	u, _ := url.Parse(d.cfg.URL) // checked when the settings were read
	err = d.db.View(ctx, func(tx *db.Tx) error {
		list, err := db.Strings(ctx, tx, `SELECT token FROM hosts WHERE host = $1`, u.Hostname())
		if err == nil && len(list) > 0 {
			token = list[0]
		}
		return err
	})
	return token, err
}

// policyPromises are the times that the policy names: those that the clocks run by.
func policyPromises(p security.Promises) publications.Promises {
	out := publications.DefaultPromises
	out.FirstReply, out.Assessment, out.Update, out.Reward, out.Disclosure, out.AppealAnswer = p.First, p.Assess, p.Update, p.Reward, p.Publish, p.Appeal
	out.FixCritical, out.FixHigh, out.FixOther = p.Fix[0], p.Fix[1], max(p.Fix[2], p.Fix[3])
	out.Currency = p.Rewards.Currency
	for _, r := range p.Rewards.Rows {
		row := publications.RewardRow{Asset: r.Asset}
		for i, c := range r.Cents {
			row.Amounts[i] = fmt.Sprint(c / 100)
		}
		out.Rewards = append(out.Rewards, row)
	}
	return out
}
