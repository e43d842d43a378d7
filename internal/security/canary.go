package security

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
)

// A Canary is a report that the desk makes up and sends to itself each week, through its
// own listeners: what stands before them is no part of it. One that does not come to wait
// for somebody qualified tells that something behind the door is broken.
type Canary struct {
	Week  int64
	Door  string // mail, form
	Token string // stands in its text as canary-TOKEN
	Sent  time.Time
	Case  cases.ID
	State string // sent, passed, failed
	Why   string // it failed

	flagged, recognised bool
}

const (
	canaryColumns = `week, door, token, sent_at, case_id, flagged, recognised, state, why`
	canaryWait    = 30 * time.Minute // then it is lost
	canaryAgain   = 24 * time.Hour   // after one that failed
)

func scanCanary(c *Canary, row func(...any) error) error {
	return row(&c.Week, &c.Door, &c.Token, db.Time(&c.Sent), &c.Case, &c.flagged, &c.recognised, &c.State, &c.Why)
}

// canaryMark finds a canary in a text.
var canaryMark = regexp.MustCompile(`\bcanary-([A-Z2-7]{26})\b`)

// Canaries lists the newest of each door, by door.
func Canaries(ctx context.Context, tx *db.Tx) ([]Canary, error) {
	return db.List(ctx, tx, scanCanary, `SELECT `+canaryColumns+` FROM canaries c WHERE week = (SELECT MAX(week) FROM canaries WHERE door = c.door) ORDER BY door`)
}

// HatchCanary notes a canary that is about to be sent by a door; nil: this week's was
// sent already, and did not fail a day ago.
func HatchCanary(ctx context.Context, tx *db.Tx, door string) (*Canary, error) {
	c := &Canary{Week: tx.Now.Unix() / (7 * 86400), Door: door, Token: rand.Text(), Sent: tx.Now}
	there, err := db.List(ctx, tx, scanCanary, `SELECT `+canaryColumns+` FROM canaries WHERE week = $1 AND door = $2`, c.Week, door)
	if err != nil || len(there) > 0 && (there[0].State != "failed" || tx.Now.Before(there[0].Sent.Add(canaryAgain))) {
		return nil, err
	}
	return c, tx.Put(ctx, `INSERT INTO canaries (week, door, token, sent_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (week, door) DO UPDATE SET token = excluded.token, sent_at = excluded.sent_at, case_id = '', flagged = FALSE, recognised = FALSE, state = 'sent', why = ''`, c.Week, c.Door, c.Token, db.Micros(c.Sent))
}

// landed notes a canary that came in with a new case; false: it is none of ours.
func (s *Service) landed(ctx context.Context, tx *db.Tx, c *cases.Case, h *Inbound, flagged bool) (bool, error) {
	if !strings.Contains(h.Message.Doc.Text, "canary-") {
		return false, nil
	}
	m := canaryMark.FindStringSubmatch(h.Message.Doc.Text)
	if m == nil {
		return false, nil
	}
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM canaries WHERE token = $1 AND door = $2 AND state = 'sent' AND case_id = ''`, m[1], h.Message.Door)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Put(ctx, `UPDATE canaries SET case_id = $2, flagged = $3, recognised = $4 WHERE token = $1`, m[1], c.ID, flagged, h.Verdict.Flagged)
}

// JudgeCanaries closes what passed, and says which failed now; the caller tells people.
// qualified: somebody works here who may triage. Nothing of a canary stays in the figures.
func (s *Service) JudgeCanaries(ctx context.Context, tx *db.Tx, qualified bool) (failed []Canary, err error) {
	waiting, err := db.List(ctx, tx, scanCanary, `SELECT `+canaryColumns+` FROM canaries WHERE state = 'sent' ORDER BY week, door`)
	if err != nil {
		return nil, err
	}
	for _, c := range waiting {
		switch {
		case c.Case == "" && tx.Now.Before(c.Sent.Add(canaryWait)):
			continue
		case c.Case == "":
			c.Why = "it did not arrive within half an hour"
		case !c.flagged:
			c.Why = "it arrived, and nobody qualified was called"
		case !c.recognised:
			c.Why = "it arrived, and its words were not recognised"
		case !qualified:
			c.Why = "it arrived, and nobody works here who may decide what it is"
		}
		act := "canary.passed"
		c.State = "passed"
		if c.Why != "" {
			act, c.State = "canary.failed", "failed"
			failed = append(failed, c)
		}
		if c.Case != "" {
			if err := s.bury(ctx, tx, c.Case); err != nil {
				return nil, err
			}
		}
		if err := tx.Put(ctx, `UPDATE canaries SET state = $2, why = $3 WHERE token = $1`, c.Token, c.State, c.Why); err != nil {
			return nil, err
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: act, About: c.Door, Detail: c.Why}); err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// bury closes the case of a canary: it is no report, and counts as none.
func (s *Service) bury(ctx context.Context, tx *db.Tx, id cases.ID) error {
	c, err := s.o.Cases.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	touched, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM reports WHERE case_id = $1 AND state <> 'flagged'`, id)
	if err != nil || touched > 0 { // somebody took it for a report, and works on it
		return err
	}
	for _, table := range []string{"reports", "report_events", "report_words", "report_assets", "report_looks", "looks"} {
		if err := tx.Put(ctx, `DELETE FROM `+table+` WHERE case_id = $1`, id); err != nil {
			return err
		}
	}
	c.Security, c.Unread, c.Spam, c.Heard, c.Topic = cases.NoReport, false, true, time.Time{}, ""
	if err := tx.Put(ctx, `UPDATE messages SET automatic = TRUE WHERE case_id = $1`, id); err != nil { // nobody wrote it
		return err
	}
	if c.State != cases.Closed {
		if err := c.Close(tx.Now); err != nil && !fail.Is(err, fail.Conflict) { // somebody is at it; they see what it is
			return err
		}
	}
	return s.o.Cases.Save(ctx, tx, c)
}
