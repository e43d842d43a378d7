// Package ladder sees to it that a script never ends a conversation that a script
// cannot end (P9).
//
// A case stands on a rung: agents, triagers, leads, the executive. What shows that
// nobody was helped, a word after a canned answer, a third contact on one matter, a
// bad survey, a missed promise, the person's own click, lifts it one rung. Somebody of
// that rung is called, takes it and answers in own words; until then no canned reply
// goes out, the case cannot be closed, and a clock runs. Whoever does not take it in
// time is passed over: the next rung is called.
package ladder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hours"
	"postern/internal/staff"
)

// Rungs, from the ground.
const (
	Agents int64 = iota
	Triagers
	Leads
	Executive
)

// Roles are who stands on each rung.
var Roles = [...]staff.Role{staff.Agent, staff.Triager, staff.Lead, staff.Executive}

// Why a case is lifted.
type Why string

const (
	AfterCanned  Why = "after-canned"  // they wrote again after a canned answer
	SecondCanned Why = "second-canned" // a second canned answer in a row was tried
	Third        Why = "third-contact" // a third contact on one matter, by any door
	CameBack     Why = "came-back"     // they came back twice after it was closed
	Asked        Why = "asked"         // their own click
	LowScore     Why = "low-score"     // a survey at the lower end, or "not solved"
	Comment      Why = "comment"       // a survey with a comment that asks
	Missed       Why = "missed"        // what was promised was not kept
	NobodyTook   Why = "nobody-took"   // the rung below was called, and nobody came
	ByHand       Why = "by-hand"       // somebody here handed it up
	Unsure       Why = "unsure"        // somebody qualified does not know whether it is a security report
	ClosedSilent Why = "closed-silent" // closed while a word was owed; nobody is called
)

var words = map[Why]string{
	AfterCanned: "They wrote again after a canned answer", SecondCanned: "A second canned answer in a row was about to go out",
	Third: "They write for the third time about one matter, and nobody has answered them in own words", CameBack: "They came back again after the case was closed",
	Asked: "They ask for a person: what we wrote did not answer them", LowScore: "They say in a survey that it is not solved, or badly done",
	Comment: "Their comment in a survey asks for an answer", Missed: "They were promised an answer by now", NobodyTook: "Nobody below took it in the promised time", ByHand: "A colleague hands it up", Unsure: "A triager is not sure whether it is a security report", ClosedSilent: "Closed without a word",
}

// Words says it to those who work here.
func (w Why) Words() string { return words[w] }

// Whys lists all.
func Whys() []Why {
	return []Why{AfterCanned, SecondCanned, Third, CameBack, Asked, LowScore, Comment, Missed, NobodyTook, ByHand, Unsure, ClosedSilent}
}

// A Climb is one step up.
type Climb struct {
	ID      string
	Case    cases.ID
	Rung    int64
	Why     Why
	At, Due time.Time
	By      string // staff id of who took it; empty: nobody yet
	Taken   time.Time
	Done    time.Time
}

// Promises are the organisation's own: how many hours of work until a person
// answers, and until somebody who was called takes a case.
type Promises struct {
	Hours        *hours.Hours
	Answer, Take time.Duration
}

// Options is what a ladder needs.
type Options struct {
	DB       *db.DB
	Cases    *cases.Store
	Staff    *staff.Service
	Promises Promises
	// Call reaches the people of a rung: in the transaction it queues what tells them.
	Call func(ctx context.Context, tx *db.Tx, c *cases.Case, step *Climb, people []staff.Person) error
	// Spoken is told of what a person wrote to them in own words, Unspoken of what never
	// reached them; both may be nil.
	Spoken   func(ctx context.Context, tx *db.Tx, c *cases.Case, a Answer) error
	Unspoken func(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error
}

// Ladder lifts cases. A nil one lifts none.
type Ladder struct{ o Options }

// New returns the ladder.
func New(o Options) *Ladder { return &Ladder{o} }

// afterthought is how soon a further message is still the same contact.
const afterthought = 10 * time.Minute

// Heard counts a message of theirs, by any door, and lifts the case if it shows that
// nobody was helped. The caller has moved the case and saves it. others are the cases of
// SameMatter, read a moment before.
func (l *Ladder) Heard(ctx context.Context, tx *db.Tx, c *cases.Case, m *cases.Message, others []Other) error {
	if l == nil || m.Kind != cases.In || m.Doc.Automatic != "" {
		return nil
	}
	fresh := m.At.Sub(c.Heard) >= afterthought
	if fresh { // counted from the last that counted: else a mail every nine minutes would be one contact for ever
		c.Contacts++
		c.Heard = m.At
	}
	if c.Since.IsZero() {
		c.Since = m.At
	}
	if c.Due.IsZero() {
		c.Due = l.o.Promises.Hours.Add(tx.Now, l.o.Promises.Answer)
	}
	contacts, scripted, called := c.Contacts, c.Scripted, false
	if scripted {
		if err := outcome(ctx, tx, c.ID, "answered"); err != nil {
			return err
		}
	}
	for _, o := range others {
		contacts += o.contacts
		scripted, called = scripted || o.scripted, called || o.lifted
		fresh = fresh && m.At.Sub(o.heard) >= afterthought
		if o.scripted {
			if err := outcome(ctx, tx, o.id, "escalated"); err != nil {
				return err
			}
		}
	}
	switch {
	case called && !c.Lifted && !c.Scripted: // somebody was called about this matter, in another case
		return nil
	case scripted:
		return l.Up(ctx, tx, c, AfterCanned)
	case !fresh:
		return nil
	case contacts >= 3:
		return l.Up(ctx, tx, c, Third)
	case c.Returns >= 2:
		return l.Up(ctx, tx, c, CameBack)
	}
	return nil
}

// Up lifts the case one rung and calls who stands there. While somebody is called who
// still has time to come, another cause lifts no further: five clicks are one cry.
func (l *Ladder) Up(ctx context.Context, tx *db.Tx, c *cases.Case, why Why) error {
	if l == nil {
		return nil
	}
	last, err := l.open(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	if last != nil && why != Missed && why != NobodyTook && why != ByHand && why != Unsure {
		waits := last.By == "" && tx.Now.Before(last.Due)
		justTaken := last.By != "" && tx.Now.Sub(last.Taken) < afterthought
		if waits || justTaken {
			return nil
		}
	}
	from := c.Rung
	if last == nil {
		if from, err = l.standing(ctx, tx, c); err != nil {
			return err
		}
	}
	people, rung, err := l.people(ctx, tx, min(from+1, Executive))
	if err != nil {
		return err
	}
	if last != nil {
		if err := done(ctx, tx, last.ID, "passed on"); err != nil {
			return err
		}
	}
	step := &Climb{ID: db.NewID(), Case: c.ID, Rung: rung, Why: why, At: tx.Now, Due: l.o.Promises.Hours.Add(tx.Now, l.o.Promises.Take)}
	if err := tx.Put(ctx, `INSERT INTO climbs (id, case_id, rung, why, at, due_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		step.ID, step.Case, step.Rung, step.Why, db.Micros(step.At), db.Micros(step.Due)); err != nil {
		return err
	}
	c.Rung, c.Lifted, c.Due, c.Alarm, c.Unread = rung, true, step.Due, why.Words(), true
	if c.State != cases.Open {
		c.State, c.Last, c.ClosedAt = cases.Open, tx.Now, time.Time{}
	}
	if err := outcome(ctx, tx, c.ID, "escalated"); err != nil {
		return err
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "case.lifted", About: string(c.ID), Detail: "to " + string(Roles[rung]) + ": " + string(why)}); err != nil {
		return err
	}
	if l.o.Call == nil {
		return nil
	}
	return l.o.Call(ctx, tx, c, step, people)
}

// coolDown is after how long without a call a case stands on the ground again.
const coolDown = 90 * 24 * time.Hour

// standing is the rung that the next step begins from.
func (l *Ladder) standing(ctx context.Context, tx *db.Tx, c *cases.Case) (int64, error) {
	if c.Rung == Agents {
		return Agents, nil
	}
	last, err := db.Count(ctx, tx, `SELECT COALESCE(MAX(at), 0) FROM climbs WHERE case_id = $1`, c.ID)
	if err != nil || tx.Now.Sub(time.UnixMicro(last)) > coolDown {
		return Agents, err
	}
	return c.Rung, nil
}

// people are those of a rung, or of the nearest above it that has any, else of the
// nearest below: somebody is always called.
func (l *Ladder) people(ctx context.Context, tx *db.Tx, rung int64) ([]staff.Person, int64, error) {
	all, err := l.o.Staff.List(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	on := func(r staff.Role) (out []staff.Person) {
		for _, p := range all {
			if !p.Disabled && p.Has(r) {
				out = append(out, p)
			}
		}
		return out
	}
	for r := rung; r <= Executive; r++ {
		if p := on(Roles[r]); len(p) > 0 {
			return p, r, nil
		}
	}
	for r := rung - 1; r >= Agents; r-- {
		if p := on(Roles[r]); len(p) > 0 {
			return p, rung, nil
		}
	}
	return on(staff.Admin), rung, nil // who can at least give somebody the role
}

// RungOf is how high somebody stands; -1: on none.
func RungOf(p *staff.Person) int64 {
	for r := Executive; r >= Agents; r-- {
		if p.Has(Roles[r]) {
			return r
		}
	}
	return -1
}

// mayTake reports whether somebody may answer for a rung. Where nobody stands on it or
// above, whoever answers cases may.
func (l *Ladder) mayTake(ctx context.Context, tx *db.Tx, p *staff.Person, rung int64) (bool, error) {
	if !p.May(staff.CasesAnswer) {
		return false, nil
	}
	if RungOf(p) >= rung {
		return true, nil
	}
	all, err := l.o.Staff.List(ctx, tx)
	for _, x := range all {
		if !x.Disabled && RungOf(&x) >= rung {
			return false, err
		}
	}
	return true, err
}

// called is the call that somebody may answer for. There must be one, and they must
// stand high enough: else Conflict, or Denied.
func (l *Ladder) called(ctx context.Context, tx *db.Tx, c *cases.Case, id string) (*Climb, error) {
	step, err := l.open(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	if !c.Lifted || step == nil {
		return nil, fail.New(fail.Conflict, "nobody is called to this case, or they answered already")
	}
	p, err := l.o.Staff.Get(ctx, tx, staff.ID(id))
	if err != nil {
		return nil, err
	}
	may, err := l.mayTake(ctx, tx, p, c.Rung)
	if err == nil && !may {
		err = fail.New(fail.Denied, "this case was lifted to the %s; it is for one of them", Name(c.Rung))
	}
	return step, err
}

// Take gives a lifted case to somebody of its rung. Somebody below is Denied.
func (l *Ladder) Take(ctx context.Context, tx *db.Tx, c *cases.Case, id string) error {
	step, err := l.called(ctx, tx, c, id)
	if err != nil || step.By == id {
		return err
	}
	c.Assignee = id
	if step.By == "" { // who takes it from somebody has no more time than they had
		c.Due = l.o.Promises.Hours.Add(tx.Now, l.o.Promises.Answer)
	}
	if err := tx.Put(ctx, `UPDATE climbs SET taken_by = $2, taken_at = $3 WHERE id = $1`, step.ID, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(id), Act: "case.taken", About: string(c.ID), Detail: "as " + string(Roles[c.Rung])})
}

// End ends a call without an answer to them, for a reason that the caller records: it
// is spam, it was settled by telephone, they cannot be reached. Only who could answer
// for the rung may.
func (l *Ladder) End(ctx context.Context, tx *db.Tx, c *cases.Case, id string) error {
	step, err := l.called(ctx, tx, c, id)
	if err != nil {
		return err
	}
	c.Lifted, c.Due, c.Alarm, c.Contacts, c.Since = false, time.Time{}, "", 0, time.Time{}
	return done(ctx, tx, step.ID, "ended by "+id)
}

// Waits reports whether this person waits for a word of ours in any case, and whether
// somebody was called to one.
func (l *Ladder) Waits(ctx context.Context, tx *db.Tx, who contacts.ID) (waits, called bool, err error) {
	if l == nil || who == "" {
		return false, false, nil
	}
	list, err := db.List(ctx, tx, func(b *bool, row func(...any) error) error { return row(b) },
		`SELECT lifted FROM cases WHERE contact_id = $1 AND last_at > $2 AND (contacts > 0 OR lifted) LIMIT 50`, who, db.Micros(tx.Now.Add(-matter)))
	return len(list) > 0, slices.Contains(list, true), err
}

// Owe promises a word, if they wait for one and none is promised.
func (l *Ladder) Owe(c *cases.Case, now time.Time) {
	if l != nil && c.Due.IsZero() && c.Contacts > 0 {
		c.Due = l.o.Promises.Hours.Add(now, l.o.Promises.Answer)
	}
}

// Silent notes that a case is closed while a word was owed: a promise that was not kept.
func (l *Ladder) Silent(ctx context.Context, tx *db.Tx, c *cases.Case) error {
	if l == nil {
		return nil
	}
	return tx.Put(ctx, `INSERT INTO climbs (id, case_id, rung, why, at, due_at, done_at, done_by) VALUES ($1, $2, $3, $4, $5, $6, $5, 'closed')`,
		db.NewID(), c.ID, c.Rung, ClosedSilent, db.Micros(tx.Now), db.Micros(c.Due))
}

// A Call is a lifted case as the desk shows it.
type Call struct {
	Climb
	May bool // the viewer may take it
	End bool // and may end it
}

// CallOf is who was called to a case and has not answered; nil: nobody.
func (l *Ladder) CallOf(ctx context.Context, tx *db.Tx, c *cases.Case, viewer *staff.Person) (*Call, error) {
	if l == nil || !c.Lifted {
		return nil, nil
	}
	step, err := l.open(ctx, tx, c.ID)
	if err != nil || step == nil {
		return nil, err
	}
	may, err := l.mayTake(ctx, tx, viewer, c.Rung)
	return &Call{*step, may && step.By != string(viewer.ID), may}, err
}

// Name is what those on a rung are called.
func Name(rung int64) string {
	return [...]string{"agents", "triagers", "leads", "executive"}[min(max(rung, 0), Executive)]
}

// Of lists the steps of a case, oldest first.
func (l *Ladder) Of(ctx context.Context, tx *db.Tx, c cases.ID) ([]Climb, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM climbs WHERE case_id = $1 ORDER BY at, id`, c)
}

const columns = `id, case_id, rung, why, at, due_at, taken_by, taken_at, done_at`

func scan(s *Climb, row func(...any) error) error {
	return row(&s.ID, &s.Case, &s.Rung, &s.Why, db.Time(&s.At), db.Time(&s.Due), &s.By, db.Time(&s.Taken), db.Time(&s.Done))
}

// open is the step that waits to be answered, or nil.
func (l *Ladder) open(ctx context.Context, tx *db.Tx, c cases.ID) (*Climb, error) {
	list, err := db.List(ctx, tx, scan, `SELECT `+columns+` FROM climbs WHERE case_id = $1 AND done_at = 0 ORDER BY at DESC, id DESC LIMIT 1`, c)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func done(ctx context.Context, tx *db.Tx, id, by string) error {
	return tx.Put(ctx, `UPDATE climbs SET done_at = $2, done_by = $3 WHERE id = $1`, id, db.Micros(tx.Now), by)
}

// Run lifts what is overdue. It may run on several nodes at once, and twice.
func (l *Ladder) Run(ctx context.Context) error {
	var due []cases.ID
	err := l.o.DB.View(ctx, func(tx *db.Tx) (err error) {
		due, err = db.List(ctx, tx, func(id *cases.ID, row func(...any) error) error { return row(id) },
			`SELECT id FROM cases WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at LIMIT 500`, db.Micros(tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range due { // one that is damaged holds up no other
		if e := l.o.DB.Update(ctx, func(tx *db.Tx) error { return l.overdue(ctx, tx, id) }); e != nil && !fail.Is(e, fail.Conflict) {
			err = errors.Join(err, fmt.Errorf("case %s: %w", id, e))
		}
	}
	return err
}

func (l *Ladder) overdue(ctx context.Context, tx *db.Tx, id cases.ID) error {
	c, err := l.o.Cases.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if c.Due.IsZero() || c.Due.After(tx.Now) {
		return nil // another node was faster
	}
	why := Missed
	if step, err := l.open(ctx, tx, id); err != nil {
		return err
	} else if step != nil && step.By == "" {
		why = NobodyTook
	}
	if err := l.Up(ctx, tx, c, why); err != nil {
		return err
	}
	return l.o.Cases.Save(ctx, tx, c)
}
