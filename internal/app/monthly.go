package app

import (
	"context"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/figures"
	"postern/internal/jobs"
	"postern/internal/outbox"
	"postern/internal/security"
	"postern/internal/staff"
)

// monthlyArgs: send last month's figures of security reports, once it is over.
type monthlyArgs struct{}

func (monthlyArgs) Kind() string { return "monthly_security" }

func (d *Desk) addMonthlyJob() {
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ monthlyArgs) error { return d.monthly(ctx) })
	d.jobs.Every(time.Hour, monthlyArgs{})
}

// monthly sends the executive, signed, how security reports fared in the month that is
// over. It may run every hour: the letter is named by the month, and goes once.
func (d *Desk) monthly(ctx context.Context) error {
	now := d.db.Now().In(d.zone)
	to := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, d.zone)
	from := to.AddDate(0, -1, 0)
	if now.Sub(to) < 6*time.Hour { // the night's last words count too
		return nil
	}
	id := cases.MessageID("security-" + from.Format("2006-01"))
	var f *security.Figures
	var people []string
	err := d.db.View(ctx, func(tx *db.Tx) error {
		people = nil
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, id)
		if err != nil || n > 0 {
			return err
		}
		if people, err = d.mailsOf(ctx, tx, func(p *staff.Person) bool { return p.Has(staff.Executive) }); err == nil && len(people) > 0 {
			f, err = security.FiguresOf(ctx, tx, from, to)
		}
		return err
	})
	if err != nil || len(people) == 0 {
		return err
	}
	return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: id, Kind: outbox.Summary, To: people, Subject: "Security reports in " + from.Format("January 2006"),
		Text:  d.org.get() + ", " + from.Format("January 2006") + ".\n\n" + strings.Join(f.Lines(), ".\n") + ".\n\nThe reports themselves stand on the security desk: " + d.cfg.StaffURL + "/desk/security",
		Files: []cases.File{{Name: "security-" + from.Format("2006-01") + ".csv", Type: "text/csv", Data: securitySheet(f, d.zone)}}})
}

// securitySheet has the weeks and the doors of reports, for a spreadsheet.
func securitySheet(f *security.Figures, zone *time.Location) []byte {
	var s figures.Sheet
	s.Put("week from", "flagged", "said to be none", "reproduced", "promises missed")
	for _, w := range f.Weeks {
		s.Put(w.From.In(zone).Format("2006-01-02"), w.Flagged, w.Dismissed, w.Verified, w.Struck)
	}
	s.Put()
	s.Put("came by", "flagged messages")
	for _, x := range f.Doors {
		s.Put(x.Name, x.N)
	}
	return s.Bytes()
}
