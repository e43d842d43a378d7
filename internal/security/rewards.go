package security

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
)

// Rewards is what the organisation pays, by what is affected and how severe it is; the
// policy shows it. The empty table means: no money.
type Rewards struct {
	Currency string // three letters (ISO 4217)
	Rows     []RewardRow
}

// A RewardRow holds for what its asset names; "*" for all the rest.
type RewardRow struct {
	Asset string
	Cents [4]int64 // in the order of Severities
}

// ParseRewards reads a table as the settings have it: a currency, then an asset and four
// amounts, the worst severity first, for each row:
//
//	EUR; *: 1000 500 200 50; pay.bank.example: 2500 1000 400 100
func ParseRewards(s string) (Rewards, error) {
	var t Rewards
	if strings.TrimSpace(s) == "" {
		return t, nil
	}
	parts := strings.Split(strings.TrimRight(strings.TrimSpace(s), ";"), ";")
	t.Currency = strings.ToUpper(strings.TrimSpace(parts[0]))
	if len(t.Currency) != 3 || strings.Trim(t.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return t, fail.New(fail.Invalid, "begin with a currency of three letters, such as EUR; then rows, each as “asset: critical high medium low”")
	}
	seen := map[string]bool{}
	for _, p := range parts[1:] {
		asset, amounts, _ := strings.Cut(strings.TrimSpace(p), ": ")
		row, list := RewardRow{Asset: strings.TrimSpace(asset)}, strings.Fields(amounts)
		if row.Asset == "" || strings.ContainsAny(row.Asset, "|<>`\r\n") || len(list) != len(Severities) || seen[row.Asset] {
			return t, fail.New(fail.Invalid, "write each row once, as “asset: critical high medium low”, with four amounts; not %q", strings.TrimSpace(p))
		}
		for i, x := range list {
			n, err := strconv.ParseInt(x, 10, 64)
			if err != nil || n < 0 || n > 1_000_000 || i > 0 && n*100 > row.Cents[i-1] {
				return t, fail.New(fail.Invalid, "amounts are whole, and none is more than that for what is worse; not %q", strings.TrimSpace(p))
			}
			row.Cents[i] = n * 100
		}
		seen[row.Asset] = true
		t.Rows = append(t.Rows, row)
	}
	if !seen["*"] {
		return t, fail.New(fail.Invalid, "say what holds for all the rest: a row “*: critical high medium low”")
	}
	return t, nil
}

// Of is what a finding is worth by the table: by the row whose asset is named in what is
// affected, the longest first; else by "*". ok is false where there is no table, or the
// finding is not rated.
func (t *Rewards) Of(asset string, s Severity) (cents int64, ok bool) {
	best := -1
	for i, r := range t.Rows {
		if r.Asset == "*" && best < 0 || r.Asset != "*" && names(asset, r.Asset) && (best < 0 || t.Rows[best].Asset == "*" || len(r.Asset) > len(t.Rows[best].Asset)) {
			best = i
		}
	}
	for i, x := range Severities {
		if x == s && best >= 0 {
			return t.Rows[best].Cents[i], true
		}
	}
	return 0, false
}

// names reports whether a text names an asset: as a word of its own, or a name below it.
func names(text, asset string) bool {
	text, asset = strings.ToLower(text), strings.ToLower(asset)
	part := func(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }
	for at := 0; ; {
		n := strings.Index(text[at:], asset)
		if n < 0 {
			return false
		}
		from, to := at+n, at+n+len(asset)
		if (from == 0 || !part(text[from-1])) && (to == len(text) || !part(text[to])) {
			return true
		}
		at = to
	}
}

// InCurrency is the currency of what is paid.
func (t *Rewards) InCurrency() string { return cmp.Or(t.Currency, "EUR") }

// A LedgerLine is a step of a reward.
type LedgerLine struct {
	Ref      cases.Ref
	Asset    string
	Severity Severity
	RewardAct
}

// Ledger lists every step of every reward, oldest report first.
func (s *Service) Ledger(ctx context.Context, tx *db.Tx) (out []LedgerLine, err error) {
	list, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM reports WHERE state NOT IN ('flagged', 'dismissed') ORDER BY received_at, case_id`)
	if err != nil {
		return nil, err
	}
	all, err := s.entries(ctx, tx, list)
	for _, e := range all {
		r, w := e.Report, &e.Report.Reward
		for _, a := range w.Log {
			out = append(out, LedgerLine{e.Case.Ref, r.Asset, r.Severity, a})
		}
	}
	return out, err
}

// Money is an amount as it is written: "250.00 EUR".
func Money(cents int64, currency string) string {
	return fmt.Sprintf("%d.%02d %s", cents/100, cents%100, currency)
}
