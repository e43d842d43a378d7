// Package figures counts what the desk does for people, the honest kind: what was
// promised against what was kept, how often a script was all somebody got, how many
// words it took until a person answered, and what people said of it.
package figures

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
)

// A Span is what is counted: from and up to, but not, to.
type Span struct{ From, To time.Time }

// Weeks is the span of the n weeks that end with the one of now.
func Weeks(now time.Time, n int) Span {
	end := monday(now).AddDate(0, 0, 7)
	return Span{end.AddDate(0, 0, -7*n), end}
}

// monday is the beginning of the week, in UTC.
func monday(t time.Time) time.Time {
	t = t.UTC()
	back := (int(t.Weekday()) + 6) % 7
	return time.Date(t.Year(), t.Month(), t.Day()-back, 0, 0, 0, 0, time.UTC)
}

// A Count is how often something with a name happened.
type Count struct {
	Name string
	N    int64
}

// An Opinion is what people said of a topic, a canned reply or a group of staff.
type Opinion struct {
	Name     string
	Asked    int64
	Answered int64
	Scored   int64
	Sum      int64 // of the scores
	Unsolved int64
}

// Mean is the mean score; 0: nobody gave one.
func (o Opinion) Mean() float64 {
	if o.Scored == 0 {
		return 0
	}
	return float64(o.Sum) / float64(o.Scored)
}

// A Week is what happened in one.
type Week struct {
	From                             time.Time
	Contacts, Kept, Missed, Lifted   int64
	Answers, Canned, CannedInARow    int64
	AfterCanned, Asked, Scored, Sums int64
}

// Figures are those of a span.
type Figures struct {
	Span
	Weeks    []Week
	Doors    []Count // contacts, by how they came
	Cases    int64   // opened
	Contacts int64
	Kept     int64 // promises of a person's word
	Missed   int64
	Wait     time.Duration // median until an answer
	Slowest  time.Duration
	Until    []Count         // contacts until a person answered: "1", "2", "3 and more"
	Answers  int64           // that people sent
	Canned   int64           // of these
	OnlyBy   int64           // cases that got answers, and none in own words
	Answered int64           // cases that got any
	Lifts    []Count         // by why
	Rungs    map[int64]int64 // steps to each rung
	Untaken  int64           // calls that nobody took in time
	Back     int64           // cases that came back after they were closed
	Waiting  int64           // that wait for us now
	Late     int64           // of these, past what was promised
	Oldest   time.Duration   // how long the longest of these has waited for a word
	Spam     int64           // closed as such
	Security Security
	Topics   []Opinion
	Replies  []Opinion
	Groups   []Opinion
}

// Security is how reports of security problems fared: what somebody found to be one
// counts, whatever it came as.
type Security struct {
	Cases, Answered, OnlyBy int64   // heard in the span; answered; by scripts alone
	WrongDoor               []Count // that came as something else, by door
	Until                   []Count // contacts until somebody qualified answered
	Longest                 time.Duration
}

// KeptShare is the share of promises that were kept, in percent; -1: none was due.
func (f *Figures) KeptShare() int { return percent(f.Kept, f.Kept+f.Missed) }

// OnlyShare is the share of answered cases that got scripts alone.
func (f *Figures) OnlyShare() int { return percent(f.OnlyBy, f.Answered) }

func percent(part, all int64) int {
	if all == 0 {
		return -1
	}
	return int((part*100 + all/2) / all)
}

// Of counts a span.
func Of(ctx context.Context, tx *db.Tx, s Span) (*Figures, error) {
	f := &Figures{Span: s, Rungs: map[int64]int64{}}
	for _, step := range []func(context.Context, *db.Tx) error{f.contacts, f.answers, f.climbs, f.now, f.security, f.opinions, f.weeks} {
		if err := step(ctx, tx); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Figures) in() (from, to int64) { return db.Micros(f.From), db.Micros(f.To) }

func scanCount(c *Count, row func(...any) error) error { return row(&c.Name, &c.N) }

func (f *Figures) contacts(ctx context.Context, tx *db.Tx) (err error) {
	from, to := f.in()
	if f.Cases, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE made_at >= $1 AND made_at < $2 AND heard_at > 0 AND NOT spam`, from, to); err != nil {
		return err
	}
	if f.Doors, err = db.List(ctx, tx, scanCount, `SELECT door, COUNT(*) FROM messages WHERE kind = 'in' AND NOT automatic AND at >= $1 AND at < $2 GROUP BY door ORDER BY COUNT(*) DESC, door`, from, to); err != nil {
		return err
	}
	for _, d := range f.Doors {
		f.Contacts += d.N
	}
	if f.Spam, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE spam AND closed_at >= $1 AND closed_at < $2`, from, to); err != nil {
		return err
	}
	f.Back, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE returns > 0 AND heard_at >= $1 AND heard_at < $2`, from, to)
	return err
}

func (f *Figures) answers(ctx context.Context, tx *db.Tx) error {
	type answer struct {
		at, since, due, contacts int64
		canned, ends             bool
	}
	from, to := f.in()
	list, err := db.List(ctx, tx, func(a *answer, row func(...any) error) error {
		return row(&a.at, &a.since, &a.due, &a.contacts, &a.canned, &a.ends)
	}, `SELECT at, since, due_at, contacts, canned, ends FROM answers WHERE staff_id <> '' AND at >= $1 AND at < $2`, from, to)
	if err != nil {
		return err
	}
	var waits []int64
	until := [3]int64{}
	for _, a := range list {
		f.Answers++
		if a.due > 0 && a.at <= a.due { // one that was missed is a step up
			f.Kept++
		}
		if a.since > 0 && (a.ends || a.canned) {
			waits = append(waits, a.at-a.since)
		}
		if a.canned {
			f.Canned++
		} else if a.ends && a.contacts > 0 {
			until[min(a.contacts, 3)-1]++
		}
	}
	if len(waits) > 0 {
		slices.Sort(waits)
		f.Wait, f.Slowest = time.Duration(waits[len(waits)/2])*time.Microsecond, time.Duration(waits[len(waits)-1])*time.Microsecond
	}
	f.Until = []Count{{"1", until[0]}, {"2", until[1]}, {"3 and more", until[2]}}
	if f.Answered, err = db.Count(ctx, tx, `SELECT COUNT(DISTINCT case_id) FROM answers WHERE at >= $1 AND at < $2`, from, to); err != nil {
		return err
	}
	f.OnlyBy, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT case_id FROM answers WHERE at >= $1 AND at < $2 GROUP BY case_id HAVING SUM(CASE WHEN canned THEN 0 ELSE 1 END) = 0) t`, from, to)
	return err
}

func (f *Figures) climbs(ctx context.Context, tx *db.Tx) (err error) {
	from, to := f.in()
	if f.Lifts, err = db.List(ctx, tx, scanCount, `SELECT why, COUNT(*) FROM climbs WHERE at >= $1 AND at < $2 GROUP BY why ORDER BY COUNT(*) DESC, why`, from, to); err != nil {
		return err
	}
	for _, l := range f.Lifts {
		switch ladder.Why(l.Name) {
		case ladder.NobodyTook:
			f.Untaken = l.N
			f.Missed += l.N
		case ladder.Missed, ladder.ClosedSilent:
			f.Missed += l.N
		}
	}
	type rung struct{ rung, n int64 }
	list, err := db.List(ctx, tx, func(r *rung, row func(...any) error) error { return row(&r.rung, &r.n) }, `SELECT rung, COUNT(*) FROM climbs WHERE why <> 'closed-silent' AND at >= $1 AND at < $2 GROUP BY rung`, from, to)
	for _, r := range list {
		f.Rungs[r.rung] = r.n
	}
	return err
}

// now is how it stands, whatever the span.
func (f *Figures) now(ctx context.Context, tx *db.Tx) (err error) {
	if f.Waiting, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE due_at > 0`); err != nil {
		return err
	}
	if f.Late, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM cases WHERE due_at > 0 AND due_at < $1`, db.Micros(tx.Now)); err != nil {
		return err
	}
	heard, err := db.Count(ctx, tx, `SELECT COALESCE(MIN(since_at), 0) FROM cases WHERE due_at > 0 AND since_at > 0`)
	if heard > 0 {
		f.Oldest = tx.Now.Sub(time.UnixMicro(heard))
	}
	return err
}

// security is the stone-wall set of what was found to be a security report.
func (f *Figures) security(ctx context.Context, tx *db.Tx) (err error) {
	from, to := f.in()
	const these = `FROM cases WHERE topic = 'security' AND heard_at >= $1 AND heard_at < $2`
	s := &f.Security
	if s.Cases, err = db.Count(ctx, tx, `SELECT COUNT(*) `+these, from, to); err != nil || s.Cases == 0 {
		return err
	}
	if s.WrongDoor, err = db.List(ctx, tx, scanCount, `SELECT door, COUNT(*) `+these+` AND began <> 'security' GROUP BY door ORDER BY COUNT(*) DESC, door`, from, to); err != nil {
		return err
	}
	type row struct {
		id           string
		staff        string
		canned, ends bool
		contacts     int64
	}
	list, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error {
		return scan(&r.id, &r.canned, &r.ends, &r.contacts, &r.staff)
	},
		`SELECT a.case_id, a.canned, a.ends, a.contacts, COALESCE(p.roles, '') FROM answers a LEFT JOIN staff p ON p.id = a.staff_id WHERE a.case_id IN (SELECT id `+these+`) ORDER BY a.at, a.message_id`, from, to)
	if err != nil {
		return err
	}
	own, counted, until, before := map[string]bool{}, map[string]bool{}, [3]int64{}, map[string]int64{}
	for _, r := range list {
		own[r.id] = own[r.id] || !r.canned
		before[r.id] += r.contacts
		qualified := strings.Contains(r.staff, "triager") || strings.Contains(r.staff, "lead") || strings.Contains(r.staff, "executive")
		if !r.canned && r.ends && qualified && !counted[r.id] {
			counted[r.id] = true
			until[min(max(before[r.id], 1), 3)-1]++
		}
	}
	for _, had := range own {
		s.Answered++
		if !had {
			s.OnlyBy++
		}
	}
	s.Until = []Count{{"1", until[0]}, {"2", until[1]}, {"3 and more", until[2]}}
	spoke, err := db.Count(ctx, tx, `SELECT COALESCE(MIN(CASE WHEN spoke_at > 0 THEN spoke_at ELSE made_at END), 0) FROM cases WHERE topic = 'security' AND state <> 'closed'`)
	if spoke > 0 {
		s.Longest = tx.Now.Sub(time.UnixMicro(spoke))
	}
	return err
}

func (f *Figures) opinions(ctx context.Context, tx *db.Tx) (err error) {
	from, to := f.in()
	for column, out := range map[string]*[]Opinion{"topic": &f.Topics, "reply_id": &f.Replies, "staff_group": &f.Groups} {
		*out, err = db.List(ctx, tx, func(o *Opinion, row func(...any) error) error {
			return row(&o.Name, &o.Asked, &o.Answered, &o.Scored, &o.Sum, &o.Unsolved)
		}, `SELECT `+column+`, COUNT(*), SUM(CASE WHEN answered_at > 0 THEN 1 ELSE 0 END), SUM(CASE WHEN score > 0 THEN 1 ELSE 0 END), CAST(SUM(score) AS BIGINT), SUM(CASE WHEN unsolved THEN 1 ELSE 0 END)
			FROM surveys WHERE asked_at >= $1 AND asked_at < $2 GROUP BY `+column+` ORDER BY COUNT(*) DESC, `+column, from, to)
		if err != nil {
			return err
		}
	}
	f.Replies = slices.DeleteFunc(f.Replies, func(o Opinion) bool { return o.Name == "" })
	return nil
}

func (f *Figures) weeks(ctx context.Context, tx *db.Tx) error {
	const week = 7 * 24 * time.Hour
	n := int(f.To.Sub(f.From) / week)
	if n < 1 || n > 120 {
		return fail.New(fail.Invalid, "figures go over 1 to 120 weeks")
	}
	f.Weeks = make([]Week, n)
	for i := range f.Weeks {
		f.Weeks[i].From = f.From.Add(time.Duration(i) * week)
	}
	type row struct{ week, a, b, c int64 }
	from, to := f.in()
	each := func(query string, add func(w *Week, r row)) error {
		list, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.week, &r.a, &r.b, &r.c) }, query, from, to, week.Microseconds())
		for _, r := range list {
			if r.week >= 0 && int(r.week) < n {
				add(&f.Weeks[r.week], r)
			}
		}
		return err
	}
	if err := each(`SELECT (at - $1) / $3, COUNT(*), 0, 0 FROM messages WHERE kind = 'in' AND NOT automatic AND at >= $1 AND at < $2 GROUP BY (at - $1) / $3`, func(w *Week, r row) { w.Contacts = r.a }); err != nil {
		return err
	}
	if err := each(`SELECT (at - $1) / $3, COUNT(*), SUM(CASE WHEN canned THEN 1 ELSE 0 END), 0 FROM answers WHERE staff_id <> '' AND at >= $1 AND at < $2 GROUP BY (at - $1) / $3`, func(w *Week, r row) { w.Answers, w.Canned = r.a, r.b }); err != nil {
		return err
	}
	if err := each(`SELECT (at - $1) / $3, COUNT(*), 0, 0 FROM answers WHERE staff_id <> '' AND due_at > 0 AND at <= due_at AND at >= $1 AND at < $2 GROUP BY (at - $1) / $3`, func(w *Week, r row) { w.Kept = r.a }); err != nil {
		return err
	}
	if err := each(`SELECT (at - $1) / $3, COUNT(*), 0, 0 FROM climbs WHERE why IN ('missed', 'nobody-took', 'closed-silent') AND at >= $1 AND at < $2 GROUP BY (at - $1) / $3`, func(w *Week, r row) { w.Missed = r.a }); err != nil {
		return err
	}
	if err := each(`SELECT (at - $1) / $3, COUNT(*), SUM(CASE WHEN why = 'after-canned' THEN 1 ELSE 0 END), SUM(CASE WHEN why = 'second-canned' THEN 1 ELSE 0 END) FROM climbs WHERE at >= $1 AND at < $2 GROUP BY (at - $1) / $3`,
		func(w *Week, r row) { w.Lifted, w.AfterCanned, w.CannedInARow = r.a, r.b, r.c }); err != nil {
		return err
	}
	return each(`SELECT (asked_at - $1) / $3, COUNT(*), SUM(CASE WHEN score > 0 THEN 1 ELSE 0 END), CAST(SUM(score) AS BIGINT) FROM surveys WHERE asked_at >= $1 AND asked_at < $2 GROUP BY (asked_at - $1) / $3`,
		func(w *Week, r row) { w.Asked, w.Scored, w.Sums = r.a, r.b, r.c })
}

// Names puts names to what is counted by an id; what has none keeps its id.
type Names struct{ Topic, Reply func(id string) string }

// NamesOf takes the names from the support centre.
func NamesOf(c *centre.Store) Names {
	return Names{Topic: func(id string) string { return cmp.Or(c.Tree().Name(lang.English, id), id, "No topic") },
		Reply: func(id string) string {
			if r := c.Library().Get(id); r != nil {
				return r.Name
			}
			return id
		}}
}

// CSV writes the weeks and the opinions for a spreadsheet. No cell can be read as a
// formula, whoever chose its words.
func (f *Figures) CSV(names Names) []byte {
	var b Sheet
	put := b.Put
	put("week from", "contacts", "promises kept", "promises missed", "answers", "canned", "went up", "after a canned answer", "second canned in a row", "asked how it was", "scored", "mean score")
	for _, x := range f.Weeks {
		put(x.From.Format("2006-01-02"), x.Contacts, x.Kept, x.Missed, x.Answers, x.Canned, x.Lifted, x.AfterCanned, x.CannedInARow, x.Asked, x.Scored, mean(x.Sums, x.Scored))
	}
	put()
	put("opinion of", "name", "asked", "answered", "mean score", "not solved")
	for _, kind := range []string{"topic", "canned reply", "group"} {
		for _, o := range map[string][]Opinion{"topic": f.Topics, "canned reply": f.Replies, "group": f.Groups}[kind] {
			name := o.Name
			switch kind {
			case "topic":
				name = names.Topic(name)
			case "canned reply":
				name = names.Reply(name)
			}
			put(kind, name, o.Asked, o.Answered, mean(o.Sum, o.Scored), o.Unsolved)
		}
	}
	put()
	put("went up because", "times")
	for _, l := range f.Lifts {
		put(ladder.Why(l.Name).Words(), l.N)
	}
	put()
	put("came by", "contacts")
	for _, d := range f.Doors {
		put(d.Name, d.N)
	}
	return b.Bytes()
}

// A Sheet is a table for a spreadsheet, as CSV (RFC 4180).
type Sheet struct{ bytes.Buffer }

// Put adds a row, each cell in quotes: some programs separate at ;.
func (b *Sheet) Put(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strings.ReplaceAll(Cell(fmt.Sprint(c)), `"`, `""`) + `"`)
	}
	b.WriteString("\r\n")
}

func mean(sum, n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(sum)/float64(n))
}

// Cell makes a text safe in a spreadsheet: what could begin a formula is marked as
// words (OWASP, CSV injection).
func Cell(s string) string {
	if s == "" {
		return s
	}
	if strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
