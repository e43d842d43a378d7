package ladder

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

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
	if c.Security.Watched() {
		return fail.New(fail.Conflict, "no canned answer, and no program's, goes out here: it may tell of a security hole. A person writes, in their own words")
	}
	if c.Lifted {
		return fail.New(fail.Conflict, "no canned answer goes out here: somebody further up was called. Write in your own words")
	}
	return fail.New(fail.Conflict, "the last answer was canned too, and a second one in a row does not go out. Write in your own words. Nothing was sent; the case was handed up")
}

// Refuses reports whether this answer must not go out.
func (l *Ladder) Refuses(c *cases.Case, a Answer) bool {
	return l != nil && (a.Canned && (c.Lifted || c.Scripted) || c.Security.Watched() && (a.Canned || a.By == ""))
}

// before is how it stood before an answer, for taking it back.
type before struct {
	Lifted, Scripted, Unread bool
	Contacts                 int64
	Due, Spoke, Since        time.Time
	Alarm                    string
	State                    cases.State
	Assignee                 string
	Step                     string // the climb that it ended
	Untaken                  bool   // nobody had taken that one
}

func stand(c *cases.Case) before {
	return before{Lifted: c.Lifted, Scripted: c.Scripted, Unread: c.Unread, Contacts: c.Contacts, Due: c.Due, Spoke: c.Spoke, Since: c.Since, Alarm: c.Alarm, State: c.State, Assignee: c.Assignee}
}

// Spoke counts an answer of ours to whoever the case is with, in the transaction that
// queues it. The caller saves the case.
func (l *Ladder) Spoke(ctx context.Context, tx *db.Tx, c *cases.Case, a Answer) error {
	if l == nil {
		return nil
	}
	was := stand(c)
	rung, since, kept, ends := c.Rung, c.Since, time.Time{}, false
	switch {
	case a.By == "" && !a.Canned: // a letter of one of our systems is nobody's answer
		return nil
	case a.Canned:
		c.Scripted = true
		if a.By != "" && !c.Lifted {
			c.Due = time.Time{}
		}
	default:
		var err error
		if was.Step, was.Untaken, ends, err = l.answered(ctx, tx, c, a); err != nil {
			return err
		}
		if ends {
			kept = was.Due // a script and a word from below keep no promise of a person's
		}
	}
	if l.o.Spoken != nil && !a.Canned {
		if err := l.o.Spoken(ctx, tx, c, a); err != nil {
			return err
		}
	}
	b, err := json.Marshal(was)
	if err != nil {
		return fmt.Errorf("keep how a case stood: %w", err)
	}
	return tx.Put(ctx, `INSERT INTO answers (message_id, case_id, at, staff_id, canned, reply_id, version, rung, since, due_at, contacts, ends, before)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		a.Message, c.ID, db.Micros(tx.Now), a.By, a.Canned, a.Reply, a.Version, rung, db.Micros(since), db.Micros(kept), was.Contacts, ends, string(b))
}

// answered moves the case for an answer in somebody's own words; ends tells whether
// they got from it what they waited for. Of a lifted case it ends the step if somebody
// of its rung wrote it; who stands below may help, and the call goes on.
func (l *Ladder) answered(ctx context.Context, tx *db.Tx, c *cases.Case, a Answer) (step string, untaken, ends bool, err error) {
	if c.Lifted {
		p, err := l.o.Staff.Get(ctx, tx, staff.ID(a.By))
		if err != nil {
			return "", false, false, err
		}
		may, err := l.mayTake(ctx, tx, p, c.Rung)
		if err != nil {
			return "", false, false, err
		}
		if !may {
			c.Scripted, c.State = false, cases.Open // it still waits for them
			return "", false, false, nil
		}
		open, err := l.open(ctx, tx, c.ID)
		if err != nil {
			return "", false, false, err
		}
		if open != nil {
			step, untaken = open.ID, open.By == ""
			if untaken {
				c.Assignee = a.By
			}
			if err := tx.Put(ctx, `UPDATE climbs SET done_at = $2, done_by = $3, taken_by = CASE WHEN taken_by = '' THEN $4 ELSE taken_by END, taken_at = CASE WHEN taken_at = 0 THEN $2 ELSE taken_at END WHERE id = $1`,
				step, db.Micros(tx.Now), a.Message, a.By); err != nil {
				return "", false, false, err
			}
		}
		c.Alarm = ""
	}
	c.Lifted, c.Scripted, c.Contacts, c.Due, c.Spoke, c.Since = false, false, 0, time.Time{}, tx.Now, time.Time{}
	return step, untaken, true, nil
}

// said is a counted answer.
type said struct {
	message cases.MessageID
	canned  bool
	ends    bool
	before  before
}

func scanSaid(s *said, row func(...any) error) error {
	var b string
	if err := row(&s.message, &s.canned, &s.ends, &b); err != nil {
		return err
	}
	return json.Unmarshal([]byte(b), &s.before)
}

// Newer reports whether an answer went out, or is about to, after this one.
func (l *Ladder) Newer(ctx context.Context, tx *db.Tx, c cases.ID, m cases.MessageID) (bool, error) {
	if l == nil {
		return false, nil
	}
	list, err := l.saidIn(ctx, tx, c)
	return len(list) > 0 && list[len(list)-1].message != m && slices.ContainsFunc(list, func(s said) bool { return s.message == m }), err
}

func (l *Ladder) saidIn(ctx context.Context, tx *db.Tx, c cases.ID) ([]said, error) {
	return db.List(ctx, tx, scanSaid, `SELECT message_id, canned, ends, before FROM answers WHERE case_id = $1 ORDER BY at, message_id`, c)
}

// Counted reports whether an answer counts.
func (l *Ladder) Counted(ctx context.Context, tx *db.Tx, m cases.MessageID) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM answers WHERE message_id = $1`, m)
	return n > 0, err
}

// Unsaid undoes Spoke for an answer that never reached them: whoever was called is
// called still, and the clock runs from when it ran. Where later answers count, they
// stand on how it was before this one.
func (l *Ladder) Unsaid(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
	if l == nil {
		return nil
	}
	list, err := l.saidIn(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(list, func(s said) bool { return s.message == m })
	if n < 0 {
		return nil
	}
	was, later := list[n].before, list[n+1:]
	if l.o.Unspoken != nil {
		if err := l.o.Unspoken(ctx, tx, c, m); err != nil {
			return err
		}
	}
	if err := tx.Put(ctx, `DELETE FROM answers WHERE message_id = $1`, m); err != nil {
		return err
	}
	heir := slices.IndexFunc(later, func(s said) bool { return s.ends })
	if was.Step != "" {
		if heir >= 0 {
			err = tx.Put(ctx, `UPDATE climbs SET done_by = $2 WHERE id = $1 AND done_by = $3`, was.Step, later[heir].message, m)
		} else {
			err = tx.Put(ctx, `UPDATE climbs SET done_at = 0, done_by = '', taken_by = CASE WHEN $3 THEN '' ELSE taken_by END, taken_at = CASE WHEN $3 THEN 0 ELSE taken_at END WHERE id = $1 AND done_by = $2`, was.Step, m, was.Untaken)
			c.Assignee = was.Assignee
		}
		if err != nil {
			return err
		}
	}
	if len(later) > 0 { // what comes next stands on what this one stood on
		b, err := json.Marshal(was)
		if err != nil {
			return fmt.Errorf("keep how a case stood: %w", err)
		}
		next := later[max(heir, 0)].message
		if err := tx.Put(ctx, `UPDATE answers SET before = $2 WHERE message_id = $1`, next, string(b)); err != nil {
			return err
		}
	}
	if heir >= 0 {
		return nil
	}
	l.restore(c, was, len(later) == 0)
	return nil
}

// restore puts a case back to how it stood; what they said since stays.
func (l *Ladder) restore(c *cases.Case, was before, last bool) {
	c.Lifted = c.Lifted || was.Lifted
	if last {
		c.Scripted = was.Scripted
	}
	c.Contacts += was.Contacts
	if c.Alarm == "" {
		c.Alarm = was.Alarm
	}
	if c.Since.IsZero() || !was.Since.IsZero() && was.Since.Before(c.Since) {
		c.Since = was.Since
	}
	if !was.Due.IsZero() {
		c.Due = was.Due
		if c.State != cases.Open {
			c.State, c.ClosedAt = was.State, time.Time{}
		}
	}
	c.Spoke, c.Unread = was.Spoke, c.Unread || was.Unread
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
