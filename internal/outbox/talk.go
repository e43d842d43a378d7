package outbox

import (
	"context"
	"hash/maphash"
	"strconv"
	"sync"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/lang"
	"postern/internal/vault"
)

// A talk is what an answer is measured against: the newest words of both sides in the
// case, and what a canned reply would be filled in with.
type talk struct {
	said, heard []mention
	c           []cases.Case
}

// mention is a message without what is in it.
type mention struct {
	id     cases.MessageID
	author string
	at     time.Time
}

func scanMention(m *mention, row func(...any) error) error {
	return row(&m.id, &m.author, db.Time(&m.at))
}

// earlier is how many of our answers in the case a new one is compared with, and theirs
// of what they wrote.
const (
	earlier = 5
	theirs  = 3
)

// ask asks for the words around an answer. A delivery is made with its message or later: so
// of a long case only the last ones are looked at.
func (x *talk) ask(o *Outbox, id cases.ID) []db.Query {
	return []db.Query{o.cases.AskID(&x.c, id), db.Into(&x.said, scanMention, `SELECT id, author, at FROM (`+newest(`kind = 'out' AND door IN ('desk', 'api')`, 4*earlier)+`) m
		WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.case_id = $1 AND d.made_at >= m.at - 1000000 AND d.message_id = m.id AND d.state <> 'undone')
		ORDER BY at DESC, id DESC LIMIT `+strconv.Itoa(earlier), id)}
}

func (x *talk) askTheirs(id cases.ID) db.Query {
	return db.Into(&x.heard, scanMention, newest(`kind = 'in'`, theirs), id)
}

// newest is the query for the newest messages of a case.
func newest(which string, most int) string {
	return `SELECT id, author, at FROM messages WHERE case_id = $1 AND ` + which + ` ORDER BY at DESC, id DESC LIMIT ` + strconv.Itoa(most)
}

// traces remembers how messages read, by their runs of words: a message never changes,
// and to open the same ones for every answer would cost more than all the rest.
type traces struct {
	mu    sync.Mutex
	of    map[cases.MessageID]reading // guarded by mu, as order
	order []cases.MessageID
}

// reading is a message's trace, and its text as one number.
type reading struct {
	trace centre.Trace
	sum   uint64
}

// keptTraces bounds them: some 5 KB each for a long answer.
const keptTraces = 1200

var textSeed = maphash.MakeSeed()

func (t *traces) get(id cases.MessageID) (reading, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.of[id]
	return r, ok
}

func (t *traces) put(id cases.MessageID, r reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[cases.MessageID]reading{}
	}
	if _, ok := t.of[id]; !ok {
		t.order = append(t.order, id)
	}
	t.of[id] = r
	for len(t.order) > keptTraces {
		delete(t.of, t.order[0])
		t.order = t.order[1:]
	}
}

// read returns how the messages read; what is not known yet is fetched with look, in one
// go, and opened.
func (o *Outbox) read(id cases.ID, key *vault.Key, list []mention, values []string, look func(...db.Query) error) ([]reading, error) {
	out := make([]reading, len(list))
	missing := make([][]cases.Sealed, len(list))
	var queries []db.Query
	for i, m := range list {
		var ok bool
		if out[i], ok = o.traces.get(m.id); !ok {
			queries = append(queries, cases.AskMessage(&missing[i], id, m.id))
		}
	}
	if len(queries) == 0 {
		return out, nil
	}
	if err := look(queries...); err != nil {
		return nil, err
	}
	for i, found := range missing {
		if len(found) == 0 {
			continue
		}
		m, err := found[0].Open(key)
		if err != nil {
			return nil, err
		}
		out[i] = reading{centre.Read(m.Doc.Text, values).Trace(), maphash.String(textSeed, m.Doc.Text)}
		o.traces.put(m.ID, out[i])
	}
	return out, nil
}

// sample is a text with what it is measured against.
func (o *Outbox) sample(id cases.ID, text string, x *talk, key *vault.Key, look func(...db.Query) error) (s centre.Sample, said []reading, err error) {
	w := o.words()
	filled := []string{w.Promise, w.Org}
	for _, c := range x.c {
		filled = append(filled, c.Who, string(c.Ref))
		if o.centre != nil {
			filled = append(filled, o.centre.Tree().Name(lang.English, c.Topic))
		}
	}
	s.Text = centre.Read(text, filled)
	if said, err = o.read(id, key, x.said, filled, look); err != nil {
		return s, nil, err
	}
	for _, r := range said {
		s.Earlier = append(s.Earlier, r.trace)
	}
	if !s.Text.Quotes() {
		return s, said, nil
	}
	if err := look(x.askTheirs(id)); err != nil {
		return s, nil, err
	}
	heard, err := o.read(id, key, x.heard, nil, look)
	for _, r := range heard {
		s.Theirs = append(s.Theirs, r.trace)
	}
	return s, said, err
}

// measure finds out whether an answer is canned, outside the transaction, and marks it.
// The very same, a moment after it was sent, is a second click: that is a Conflict.
func (o *Outbox) measure(ctx context.Context, m *cases.Message, x *talk, key *vault.Key) (ladder.Answer, error) {
	s, said, err := o.sample(m.Case, m.Doc.Text, x, key, func(q ...db.Query) error { return o.d.Read(ctx, q...) })
	if err != nil {
		return ladder.Answer{}, err
	}
	sum := maphash.String(textSeed, m.Doc.Text)
	if len(said) > 0 && m.Door == "desk" && x.said[0].author == m.Author && m.At.Sub(x.said[0].at) < Undo && said[0].sum == sum {
		return ladder.Answer{}, fail.New(fail.Conflict, "this very answer is on its way already")
	}
	canned := o.centre.Library().Measure(s)
	o.traces.put(m.ID, reading{s.Text.Trace(), sum})
	m.Canned = canned.Is()
	a := ladder.Answer{Message: m.ID, Canned: m.Canned}
	if m.Canned {
		a.Reply, a.Version = canned.Reply, canned.Version
	}
	return a, nil
}

// Canned says how much of a draft is prepared text, and whether it must not go out like
// that: for the composer, before anything is sent.
func (o *Outbox) Canned(ctx context.Context, tx *db.Tx, c *cases.Case, key *vault.Key, text string) (found centre.Canned, refused error, err error) {
	var x talk
	if err := tx.Read(ctx, x.ask(o, c.ID)...); err != nil {
		return found, nil, err
	}
	s, _, err := o.sample(c.ID, text, &x, key, func(q ...db.Query) error { return tx.Read(ctx, q...) })
	if err != nil {
		return found, nil, err
	}
	found = o.centre.Library().Measure(s)
	if o.ladder.Refuses(c, ladder.Answer{Canned: found.Is()}) {
		refused = ladder.ErrSecond(c)
	}
	return found, refused, nil
}
