package probe

import (
	"context"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

const (
	// wellKnown is where a host shows that it is the organisation's, if not in the DNS.
	wellKnown = "/.well-known/postern-verify.txt"
	record    = "postern-verify="

	recheck = 7 * day
	grace   = 7 * day // how long a host that does not show it any more is still asked
)

// Confirm looks whether a host shows what it must. It is not for a transaction: it asks
// the DNS and the host.
func (w *Watch) Confirm(ctx context.Context, name, by string) error {
	var h *Host
	err := w.o.DB.View(ctx, func(tx *db.Tx) (err error) { h, err = GetHost(ctx, tx, name); return err })
	if err != nil {
		return err
	}
	how, err := w.shows(ctx, h)
	if err != nil {
		return err
	}
	return w.o.DB.Update(ctx, func(tx *db.Tx) error {
		if err := db.Change(ctx, tx, `UPDATE hosts SET how = $2, confirmed_at = CASE WHEN confirmed_at = 0 THEN $3 ELSE confirmed_at END, checked_at = $3, failed_at = 0 WHERE host = $1`,
			name, how, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: by, Act: "host.confirmed", About: name, Detail: "by " + how})
	})
}

// shows looks in the DNS first, which asks nothing of the host itself.
func (w *Watch) shows(ctx context.Context, h *Host) (how string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if records, err := w.o.TXT(ctx, h.Name); err == nil {
		for _, r := range records {
			if strings.TrimSpace(r) == record+h.Token {
				return "dns", nil
			}
		}
	}
	if err := w.slot(ctx, h.Name, false); err != nil {
		return "", err
	}
	v, err := w.o.Fetch(ctx, "https://"+h.Name+wellKnown)
	if err == nil && v.Status == 200 && len(v.Faults) == 0 && strings.TrimSpace(string(v.Body)) == h.Token {
		return "file", nil
	}
	return "", fail.New(fail.Conflict, "%s shows it neither by a TXT record %s%s nor in https://%s%s", h.Name, record, h.Token, h.Name, wellKnown)
}

// recheckHosts looks weekly whether hosts still are the organisation's. One that does
// not show it is asked again daily, and after a week no more.
func (w *Watch) recheckHosts(ctx context.Context) error {
	for {
		var h *Host
		err := w.o.DB.Update(ctx, func(tx *db.Tx) error {
			h = nil
			list, err := db.List(ctx, tx, scanHost, `UPDATE hosts SET checked_at = $1 WHERE host IN (SELECT host FROM hosts
				WHERE confirmed_at > 0 AND (checked_at <= $2 OR failed_at > 0 AND checked_at <= $3) ORDER BY checked_at LIMIT 1) RETURNING `+hostColumns,
				db.Micros(tx.Now), db.Micros(tx.Now.Add(-recheck)), db.Micros(tx.Now.Add(-day)))
			if err == nil && len(list) > 0 {
				h = &list[0]
			}
			return err
		})
		if err != nil || h == nil {
			return err
		}
		_, shown := w.shows(ctx, h)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.rechecked(ctx, h, shown == nil); err != nil {
			return err
		}
	}
}

func (w *Watch) rechecked(ctx context.Context, h *Host, shown bool) error {
	return w.o.DB.Update(ctx, func(tx *db.Tx) error {
		failed, confirmed := time.Time{}, h.Confirmed
		if !shown {
			if failed = h.Failed; failed.IsZero() {
				failed = tx.Now
			}
			if tx.Now.Sub(failed) >= grace {
				confirmed = time.Time{}
			}
		}
		if err := tx.Put(ctx, `UPDATE hosts SET failed_at = $2, confirmed_at = $3 WHERE host = $1`, h.Name, db.Micros(failed), db.Micros(confirmed)); err != nil {
			return err
		}
		if !shown && h.Failed.IsZero() || confirmed.IsZero() {
			if err := w.o.Lost(ctx, tx, h.Name); err != nil {
				return err
			}
		}
		if !confirmed.IsZero() {
			return nil
		}
		// Nobody looks any more: what was green is not known to be.
		if err := tx.Put(ctx, `UPDATE probes SET state = 'unknown', since = $2 WHERE host = $1 AND state IN ('green', 'amber') AND stopped_at = 0`, h.Name, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "host.lost", About: h.Name, Detail: "it does not show its token any more"})
	})
}
