package desk

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/figures"
	"postern/internal/security"
	"postern/internal/web"
)

// reward serves POST /desk/security/{id}/reward.
func (d *Desk) reward(w http.ResponseWriter, r *http.Request, me *visitor) error {
	table := &d.o.Security.Promises().Rewards
	return d.onReport(w, r, me, "report.rewarded", "", func(tx *db.Tx, x *security.Report, c *cases.Case) error {
		switch to := security.RewardState(r.FormValue("to")); to {
		case security.Proposed:
			cents, err := amount(r.FormValue("amount"))
			if err != nil {
				return err
			}
			return x.ProposeReward(table, security.Reward{Cents: cents, Thing: strings.TrimSpace(r.FormValue("thing")), Why: r.FormValue("why")}, me.actor(), tx.Now)
		case security.NoReward:
			return x.ProposeReward(table, security.Reward{State: to, Why: r.FormValue("why")}, me.actor(), tx.Now)
		default:
			return x.MoveReward(table, to, me.actor(), tx.Now)
		}
	})
}

// ledger serves GET /desk/security/rewards.csv: each step of each reward.
func (d *Desk) ledger(w http.ResponseWriter, r *http.Request, me *visitor) error {
	var list []security.LedgerLine
	err := d.db.View(r.Context(), func(tx *db.Tx) (err error) {
		list, err = d.o.Security.Ledger(r.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	var sheet figures.Sheet
	sheet.Put("report", "affected", "severity", "step", "when", "by", "amount", "currency", "present", "why", "given to")
	for _, l := range list {
		by := "they"
		if l.By != "" {
			by = cmp.Or(d.nameOf(l.By), "somebody who has left")
		}
		sheet.Put(l.Ref, l.Asset, l.Severity, cmp.Or(string(l.State), "taken back"), l.At.In(d.o.Zone).Format("2006-01-02 15:04"), by, fmt.Sprintf("%d.%02d", l.Cents/100, l.Cents%100), l.Currency, l.Thing, l.Why, l.To)
	}
	web.ServeFile(w, "rewards-"+d.db.Now().In(d.o.Zone).Format("2006-01-02")+".csv", sheet.Bytes())
	return nil
}

// amount reads "250" or "250.50".
func amount(s string) (int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, nil
	}
	whole, part, _ := strings.Cut(strings.ReplaceAll(s, ",", "."), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	c, err2 := strconv.ParseInt((part + "00")[:2], 10, 64)
	if err != nil || err2 != nil || n < 0 || n > 1_000_000 || len(part) > 2 || strings.Trim(part, "0123456789") != "" {
		return 0, fail.New(fail.Invalid, "write the amount as 250 or 250.50")
	}
	return n*100 + c, nil
}
