package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/figures"
	"postern/internal/jobs"
	"postern/internal/ladder"
	"postern/internal/outbox"
	"postern/internal/staff"
)

// summaryArgs: send last week's figures, once they are complete.
type summaryArgs struct{}

func (summaryArgs) Kind() string { return "weekly_summary" }

func (d *Desk) addSummaryJob() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ summaryArgs) error { return d.summary(ctx) })
	d.jobs.Every(time.Hour, summaryArgs{})
}

// summary sends the executive, signed, what the week that is over was like. It may run
// every hour: the letter is named by the week, and goes once.
func (d *Desk) summary(ctx context.Context) error {
	now := d.db.Now()
	week := figures.Weeks(now.AddDate(0, 0, -7), 1)
	if now.Sub(week.To) < 6*time.Hour { // the night's last answers count too
		return nil
	}
	var f *figures.Figures
	var to []string
	sent := false
	err := d.db.View(ctx, func(tx *db.Tx) error {
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, summaryID(week))
		if sent = n > 0; err != nil || sent {
			return err
		}
		if to, err = d.mailsOf(ctx, tx, func(p *staff.Person) bool { return p.Has(staff.Executive) }); err == nil && len(to) > 0 {
			f, err = figures.Of(ctx, tx, week)
		}
		return err
	})
	if err != nil || sent || len(to) == 0 {
		return err
	}
	return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: summaryID(week), Kind: outbox.Summary, To: to, Subject: "The week from " + week.From.Format("2 January 2006") + " in figures", Text: d.summaryText(f),
		Files: []cases.File{{Name: "figures-" + week.From.Format("2006-01-02") + ".csv", Type: "text/csv", Data: f.CSV(figures.NamesOf(d.centre))}}})
}

// mailsOf are the addresses of those who work here and of whom ok is true.
func (d *Desk) mailsOf(ctx context.Context, tx *db.Tx, ok func(*staff.Person) bool) (out []string, err error) {
	all, err := d.staff.List(ctx, tx)
	for i := range all {
		if !all[i].Disabled && ok(&all[i]) {
			out = append(out, all[i].Email)
		}
	}
	return out, err
}

func summaryID(week figures.Span) cases.MessageID {
	return cases.MessageID("summary-" + week.From.Format("2006-01-02"))
}

func (d *Desk) summaryText(f *figures.Figures) string {
	var b strings.Builder
	line := func(format string, in ...any) { fmt.Fprintf(&b, format+"\n", in...) }
	line("%s, the week from %s to %s.\n", d.org.get(), f.From.Format("2 January"), f.To.Add(-time.Hour).Format("2 January 2006"))
	line("People wrote %d times, in %d new cases.", f.Contacts, f.Cases)
	if share := f.KeptShare(); share >= 0 {
		line("Promises of a person's word: %d %% kept (%d kept, %d missed).", share, f.Kept, f.Missed)
	}
	if f.Wait > 0 {
		line("Half were answered within %s; the longest wait was %s.", f.Wait.Round(time.Minute), f.Slowest.Round(time.Minute))
	}
	if share := f.OnlyShare(); share >= 0 {
		line("Answered by scripts alone: %d %% of cases (%d of %d).", share, f.OnlyBy, f.Answered)
	}
	line("Until a person answered: %d after one contact, %d after two, %d after three or more.", f.Until[0].N, f.Until[1].N, f.Until[2].N)
	line("Cases that went up: %d to triagers, %d to leads, %d to you. Calls that nobody took in time: %d.", f.Rungs[ladder.Triagers], f.Rungs[ladder.Leads], f.Rungs[ladder.Executive], f.Untaken)
	for _, l := range f.Lifts {
		line("  %d× %s", l.N, ladder.Why(l.Name).Words())
	}
	line("Came back after they were closed: %d.", f.Back)
	line("Now %d wait for us, %d of them past what was promised.", f.Waiting, f.Late)
	if x := f.Security; x.Cases > 0 {
		line("Security reports: %d heard, %d answered, %d by scripts alone; somebody qualified answered %d after one contact, %d after two, %d after three or more.", x.Cases, x.Answered, x.OnlyBy, x.Until[0].N, x.Until[1].N, x.Until[2].N)
		for _, c := range x.WrongDoor {
			line("  %d came by the wrong door: %s", c.N, c.Name)
		}
	}
	names := figures.NamesOf(d.centre)
	for _, o := range f.Topics {
		if o.Scored > 0 || o.Unsolved > 0 {
			line("Said of %s: %.1f of 5 by %d; %d not solved.", names.Topic(o.Name), o.Mean(), o.Scored, o.Unsolved)
		}
	}
	line("\nAll of it, with charts: %s/desk/figures?weeks=1", d.cfg.URL)
	return b.String()
}
