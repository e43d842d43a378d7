package ladder

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
)

// An Answer is what goes out to them, as the ladder counts it.
type Answer struct {
	Message cases.MessageID
	By      string // staff id; empty: one of our systems, or a rule
	Canned  bool
	Reply   string // the canned reply that it is made of
	Version int64
}

// ErrSecond is the refusal of a canned answer where one must not go out.
func ErrSecond(c *cases.Case) error {
	if c.Lifted {
		return fail.New(fail.Conflict, "no canned answer goes out here: somebody further up was called. Write in your own words")
	}
	return fail.New(fail.Conflict, "the last answer was canned too, and a second one in a row does not go out. Write in your own words. Nothing was sent; the case was handed up")
}

// Refuses reports whether this answer must not go out.
func (l *Ladder) Refuses(c *cases.Case, a Answer) bool {
	return l != nil && a.Canned && (c.Lifted || c.Scripted)
}

// before is how it stood before an answer, for taking it back.
type before struct {
	Lifted, Scripted, Unread bool
	Contacts                 int64
	Due, Spoke               time.Time
	Alarm                    string
	State                    cases.State
	Step                     string // the climb that it ended
}

// Spoke counts an answer of ours in the transaction that queues it. The caller saves
// the case.
func (l *Ladder) Spoke(ctx context.Context, tx *db.Tx, c *cases.Case, a Answer) error {
	if l == nil {
		return nil
	}
	was := before{Lifted: c.Lifted, Scripted: c.Scripted, Unread: c.Unread, Contacts: c.Contacts, Due: c.Due, Spoke: c.Spoke, Alarm: c.Alarm, State: c.State}
	due, rung, waited := c.Due, c.Rung, c.Heard
	switch {
	case a.By == "" && !a.Canned: // a letter of one of our systems is nobody's answer
		return nil
	case a.Canned:
		c.Scripted = true
		if a.By != "" && !c.Lifted {
			c.Due = time.Time{}
		}
	default:
		step, err := l.answered(ctx, tx, c, a)
		if err != nil {
			return err
		}
		was.Step = step
	}
	b, err := json.Marshal(was)
	if err != nil {
		return fmt.Errorf("keep how a case stood: %w", err)
	}
	return tx.Put(ctx, `INSERT INTO answers (message_id, case_id, at, staff_id, canned, reply_id, version, rung, since, due_at, contacts, before)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		a.Message, c.ID, db.Micros(tx.Now), a.By, a.Canned, a.Reply, a.Version, rung, db.Micros(waited), db.Micros(due), was.Contacts, string(b))
}

// answered moves the case for an answer in somebody's own words. Of a lifted case it
// ends the step if somebody of its rung wrote it; who stands below may help, and the
// call goes on.
func (l *Ladder) answered(ctx context.Context, tx *db.Tx, c *cases.Case, a Answer) (step string, err error) {
	c.Scripted = false
	if !c.Lifted {
		c.Contacts, c.Due, c.Spoke = 0, time.Time{}, tx.Now
		return "", nil
	}
	p, err := l.o.Staff.Get(ctx, tx, staff.ID(a.By))
	if err != nil {
		return "", err
	}
	may, err := l.mayTake(ctx, tx, p, c.Rung)
	if err != nil {
		return "", err
	}
	if !may {
		c.State = cases.Open // it still waits for them
		return "", nil
	}
	open, err := l.open(ctx, tx, c.ID)
	if err != nil {
		return "", err
	}
	c.Lifted, c.Contacts, c.Due, c.Spoke, c.Alarm = false, 0, time.Time{}, tx.Now, ""
	if open == nil {
		return "", nil
	}
	if open.By == "" {
		if err := tx.Put(ctx, `UPDATE climbs SET taken_by = $2, taken_at = $3 WHERE id = $1`, open.ID, a.By, db.Micros(tx.Now)); err != nil {
			return "", err
		}
		c.Assignee = a.By
	}
	return open.ID, done(ctx, tx, open.ID, string(a.Message))
}

// Unsaid undoes Spoke for an answer that never left: whoever was called is called
// still, and the clock runs from when it ran. What happened since stays.
func (l *Ladder) Unsaid(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
	if l == nil {
		return nil
	}
	type row struct{ before, newest string }
	r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.before, &r.newest) },
		`SELECT before, (SELECT message_id FROM answers WHERE case_id = $2 ORDER BY at DESC, message_id DESC LIMIT 1) FROM answers WHERE message_id = $1 AND case_id = $2`, m, c.ID)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.Put(ctx, `DELETE FROM answers WHERE message_id = $1`, m); err != nil {
		return err
	}
	var was before
	if err := json.Unmarshal([]byte(r.before), &was); err != nil {
		return fmt.Errorf("read how a case stood: %w", err)
	}
	if was.Step != "" {
		if err := tx.Put(ctx, `UPDATE climbs SET done_at = 0, done_by = '' WHERE id = $1 AND done_by = $2`, was.Step, m); err != nil {
			return err
		}
	}
	if r.newest != string(m) {
		return nil // another answer went out since: it counts
	}
	c.Lifted, c.Scripted = c.Lifted || was.Lifted, was.Scripted
	c.Contacts += was.Contacts
	if !was.Due.IsZero() {
		c.Due, c.State = was.Due, was.State
	}
	if c.Alarm == "" {
		c.Alarm = was.Alarm
	}
	c.Spoke, c.Unread = was.Spoke, c.Unread || was.Unread
	return nil
}

// Closed notes what came of the canned answers in a case that is closed.
func (l *Ladder) Closed(ctx context.Context, tx *db.Tx, c *cases.Case) error {
	if l == nil {
		return nil
	}
	return outcome(ctx, tx, c.ID, "solved")
}

// outcome notes what came of the last canned answer. What came first stays, but that
// it had to be lifted counts over all, and coming back takes "solved" away.
func outcome(ctx context.Context, tx *db.Tx, c cases.ID, what string) error {
	over := `outcome = ''`
	switch what {
	case "answered":
		over = `outcome IN ('', 'solved')`
	case "escalated":
		over = `outcome <> 'escalated'`
	}
	return tx.Put(ctx, `UPDATE answers SET outcome = $2 WHERE case_id = $1 AND canned AND `+over+`
		AND message_id = (SELECT message_id FROM answers WHERE case_id = $1 ORDER BY at DESC, message_id DESC LIMIT 1)`, c, what)
}

// alike reports whether two cases of one person may be about the same: the same
// topic, or a longer word that both subjects have.
func alike(a *cases.Case, b *other) bool {
	if a.Topic != "" && a.Topic == b.topic {
		return true
	}
	have := map[string]bool{}
	for _, w := range strings.Fields(strings.ToLower(a.Subject)) {
		if w = strings.Trim(w, ".,:;!?()[]\"'"); utf8.RuneCountInString(w) >= 5 {
			have[w] = true
		}
	}
	for _, w := range strings.Fields(strings.ToLower(b.subject)) {
		if have[strings.Trim(w, ".,:;!?()[]\"'")] {
			return true
		}
	}
	return false
}
