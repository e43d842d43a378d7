package desk

import (
	"context"
	"net/http"
	"strings"

	"postern/internal/advisory"
	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/lang"
	"postern/internal/publications"
	"postern/internal/security"
)

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
		return x.Plan(to, why, r.FormValue("agreed") == "1", me.actor(), tx.Now)
	})
}

// publishReport publishes the plain note on a report: what was wrong, what was done,
// the days, and thanks to whoever wants them.
func (d *Desk) publishReport(ctx context.Context, tx *db.Tx, me *visitor, x *security.Report) error {
	l := lang.English
	rec := &publications.Record{Case: x.Case, Advisory: advisory.Advisory{Texts: map[lang.Lang]advisory.Text{l: {Title: x.Title, Wrong: x.Disclosure.Text, Done: x.Changed}},
		Reported: x.Received, Fixed: x.FixedAt(), CVE: x.Disclosure.CVE}}
	if advisory.KnowsCWE(x.CWE) { // any number may be written in a report
		rec.CWE = x.CWE
	}
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
	if x.Disclosure.Advisory != "" { // it was published before, and came back: what stands there is revised
		before, err := publications.Get(ctx, tx, x.Disclosure.Advisory)
		if err != nil {
			return err
		}
		rec.ID, rec.Version, rec.Made, rec.Change = before.ID, before.Version, before.Made, "It came back after it was published, and was mended again."
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
