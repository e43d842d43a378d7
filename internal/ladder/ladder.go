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
)

var words = map[Why]string{
	AfterCanned: "They wrote again after a canned answer", SecondCanned: "A second canned answer in a row was about to go out",
	Third: "They write for the third time about one matter, and nobody has answered them in own words", CameBack: "They came back again after the case was closed",
	Asked: "They ask for a person: what we wrote did not answer them", LowScore: "They say in a survey that it is not solved, or badly done",
	Comment: "Their comment in a survey asks for an answer", Missed: "They were promised an answer by now", NobodyTook: "Nobody below took it in the promised time", ByHand: "A colleague hands it up",
}

// Words says it to those who work here.
func (w Why) Words() string { return words[w] }

// Whys lists all.
func Whys() []Why {
	return []Why{AfterCanned, SecondCanned, Third, CameBack, Asked, LowScore, Comment, Missed, NobodyTook, ByHand}
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
}

// Ladder lifts cases. A nil one lifts none.
type Ladder struct{ o Options }

// New returns the ladder.
func New(o Options) *Ladder { return &Ladder{o} }

// afterthought is how soon a further message is still the same contact.
const afterthought = 10 * time.Minute

// matter is how long two cases of one person may be one matter.
const matter = 30 * 24 * time.Hour

// Heard counts a message of theirs, by any door, and lifts the case if it shows that
// nobody was helped. The caller has moved the case and saves it. known is false for
// somebody who never wrote before.
func (l *Ladder) Heard(ctx context.Context, tx *db.Tx, c *cases.Case, m *cases.Message, known bool) error {
	if l == nil || m.Kind != cases.In || m.Doc.Automatic != "" {
		return nil
	}
	fresh := m.At.Sub(c.Heard) >= afterthought
	if fresh {
		c.Contacts++
	}
	c.Heard = m.At
	if c.Due.IsZero() {
		c.Due = l.o.Promises.Hours.Add(tx.Now, l.o.Promises.Answer)
	}
	contacts, scripted, called := c.Contacts, c.Scripted, false
	if known {
		others, err := l.sameMatter(ctx, tx, c, m.Contact)
		if err != nil {
			return err
		}
		for _, o := range others {
			contacts += o.contacts
			scripted, called = scripted || o.scripted, called || o.lifted
		}
	}
	if scripted {
		if err := outcome(ctx, tx, c.ID, "answered"); err != nil {
			return err
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

// other is a case beside the one that is looked at.
type other struct {
	contacts         int64
	scripted, lifted bool
	topic            string
	subject          string
}

// sameMatter are the other cases of this person that may be about the same: lately
// alive, with the same topic or a word of the subject in common, and not answered by a
// person yet.
func (l *Ladder) sameMatter(ctx context.Context, tx *db.Tx, c *cases.Case, who contacts.ID) ([]other, error) {
	if who == "" {
		return nil, nil
	}
	return db.List(ctx, tx, func(o *other, row func(...any) error) error {
		var id cases.ID
		var sealed []byte
		if err := row(&id, &o.contacts, &o.scripted, &o.lifted, &o.topic, &sealed); err != nil {
			return err
		}
		if o.topic == "" || o.topic != c.Topic {
			var err error
			if o.subject, err = l.o.Cases.OpenSubject(id, sealed); err != nil {
				return err
			}
		}
		if !alike(c, o) {
			*o = other{}
		}
		return nil
	}, `SELECT id, contacts, scripted, lifted, topic, subject FROM cases WHERE contact_id = $1 AND last_at > $2 AND id <> $3 AND heard_at > 0 AND (contacts > 0 OR scripted) ORDER BY last_at DESC LIMIT 8`,
		who, db.Micros(tx.Now.Add(-matter)), c.ID)
}

// Up lifts the case one rung and calls who stands there. Within ten minutes a second
// cause lifts no further: five clicks are one cry.
func (l *Ladder) Up(ctx context.Context, tx *db.Tx, c *cases.Case, why Why) error {
	if l == nil {
		return nil
	}
	last, err := l.open(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	if last != nil && tx.Now.Sub(last.At) < afterthought && why != Missed && why != NobodyTook {
		return nil
	}
	people, rung, err := l.people(ctx, tx, min(c.Rung+1, Executive))
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

// Take gives a lifted case to somebody of its rung. Somebody below is Denied.
func (l *Ladder) Take(ctx context.Context, tx *db.Tx, c *cases.Case, id string) error {
	step, err := l.open(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	if !c.Lifted || step == nil {
		return fail.New(fail.Conflict, "nobody was called to this case, or they answered already")
	}
	p, err := l.o.Staff.Get(ctx, tx, staff.ID(id))
	if err != nil {
		return err
	}
	may, err := l.mayTake(ctx, tx, p, c.Rung)
	if err != nil {
		return err
	}
	if !may {
		return fail.New(fail.Denied, "this case was lifted to the %s; one of them takes it", Name(c.Rung))
	}
	if step.By == id {
		return nil
	}
	c.Assignee, c.Due = id, l.o.Promises.Hours.Add(tx.Now, l.o.Promises.Answer)
	if err := tx.Put(ctx, `UPDATE climbs SET taken_by = $2, taken_at = $3 WHERE id = $1`, step.ID, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(id), Act: "case.taken", About: string(c.ID), Detail: "as " + string(Roles[c.Rung])})
}

// A Call is a lifted case as the desk shows it.
type Call struct {
	Climb
	May bool // the viewer may take it
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
	return &Call{*step, may && step.By != string(viewer.ID)}, err
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
	for _, id := range due {
		if err := l.o.DB.Update(ctx, func(tx *db.Tx) error { return l.overdue(ctx, tx, id) }); err != nil && !fail.Is(err, fail.Conflict) {
			return err
		}
	}
	return nil
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
