package security

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/probe"
	"postern/internal/recognise"
	"postern/internal/staff"
	"postern/internal/vault"
)

// Options is what the security desk needs.
type Options struct {
	DB       *db.DB
	Vault    *vault.Vault
	Cases    *cases.Store
	Staff    *staff.Service
	Promises Promises
	// Tell reaches people here: in the transaction it queues what tells them.
	Tell func(ctx context.Context, tx *db.Tx, c *cases.Case, w Word) error
	// Reach reports whether they can read what is protected: with a key, or behind a second
	// factor. Who cannot is answered in clear, with care.
	Reach func(ctx context.Context, tx *db.Tx, c *cases.Case) (bool, error)
	// Miss calls the next rung where a promise was not kept.
	Miss func(ctx context.Context, tx *db.Tx, c *cases.Case) error
	// Write puts a word of the desk's own on its way to them; it keeps no promise.
	Write func(ctx context.Context, tx *db.Tx, c *cases.Case, w Word) error
}

// Service works reports. A nil one works none.
type Service struct{ o Options }

// New returns the security desk.
func New(o Options) *Service { return &Service{o} }

// Promises are the times that apply.
func (s *Service) Promises() *Promises { return &s.o.Promises }

// An Inbound is a message from outside, as the recogniser judged it. Sure: they came by
// the door for security reports, or say so themselves.
type Inbound struct {
	Message *cases.Message
	Verdict recognise.Verdict
	Sure    string // why it needs no recognising

	canary bool // made up by the desk itself: nobody is called
}

// Heard notes what came in: what may be a report is flagged, whatever door it came by.
// The caller saves the case.
func (s *Service) Heard(ctx context.Context, tx *db.Tx, c *cases.Case, k *vault.Key, h *Inbound) error {
	m := h.Message
	if s == nil || m.Kind != cases.In {
		return nil
	}
	flagged := h.Verdict.Flagged || h.Sure != ""
	var err error
	if h.canary, err = s.landed(ctx, tx, c, h, flagged); err != nil {
		return err
	}
	// What a list or a ticket system sends may be somebody's report; that somebody is
	// away, written to a case that is there, says nothing new.
	if m.Doc.Automatic != "" && (!flagged || c.Security != cases.NoReport || !c.Heard.IsZero()) {
		return nil
	}
	if err := tx.Put(ctx, `INSERT INTO looks (message_id, case_id, at, class, score, flagged) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (message_id) DO UPDATE SET class = excluded.class, score = excluded.score, flagged = excluded.flagged`,
		m.ID, c.ID, db.Micros(m.At), string(h.Verdict.Class), int64(1000*h.Verdict.Score), flagged); err != nil {
		return err
	}
	if c.Security == cases.NoReport {
		known, err := int64(0), error(nil)
		if c.Version > 0 { // a case that is being made has none
			known, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM reports WHERE case_id = $1`, c.ID)
		}
		if err != nil || known == 0 {
			if err == nil && flagged {
				err = s.flag(ctx, tx, c, k, h)
			}
			return err
		}
	}
	r, err := get(ctx, tx, k, c.ID)
	if err != nil {
		return err
	}
	return s.again(ctx, tx, c, k, r, h, flagged)
}

// flag begins a report.
func (s *Service) flag(ctx context.Context, tx *db.Tx, c *cases.Case, k *vault.Key, h *Inbound) error {
	r := &Report{Case: c.ID, State: Dismissed, Doc: Doc{Received: h.Message.At, Lang: c.Lang, Table: s.o.Promises.table()}}
	if err := s.raise(ctx, tx, c, r, h, Actor{Kind: ByDesk}); err != nil {
		return err
	}
	if err := add(ctx, tx, k, r); err != nil {
		return err
	}
	if err := s.index(ctx, tx, c.ID, h.Message.Doc.Text); err != nil {
		return err
	}
	return s.record(ctx, tx, k, r, audit.System, "report.flagged", "", strings.Join(r.Reasons, "; "))
}

// raise brings a report to somebody qualified, and stops everything else.
func (s *Service) raise(ctx context.Context, tx *db.Tx, c *cases.Case, r *Report, h *Inbound, by Actor) error {
	r.Door, r.Message, r.Score, r.Reasons = h.Message.Door, h.Message.ID, h.Verdict.Score, h.Verdict.Reasons
	if h.Sure != "" {
		r.Reasons = append([]string{h.Sure}, r.Reasons...)
	}
	r.Class, r.Contacts = Unclassed, max(r.Contacts+1, int(c.Contacts))
	if err := r.Move(&s.o.Promises, Flagged, by, tx.Now); err != nil {
		return err
	}
	c.Security, c.Unread = cases.Suspected, true
	if s.o.Reach != nil {
		reach, err := s.o.Reach(ctx, tx, c)
		if err != nil {
			return err
		}
		if reach {
			c.Raise("it may tell of a security hole")
		}
	}
	if c.State != cases.Open {
		c.State, c.Last, c.ClosedAt = cases.Open, tx.Now, time.Time{}
	}
	if h.canary {
		return nil
	}
	return s.tellQualified(ctx, tx, c, Word{What: WordFlagged})
}

// again takes a further word of theirs into a report that is there.
func (s *Service) again(ctx context.Context, tx *db.Tx, c *cases.Case, k *vault.Key, r *Report, h *Inbound, flagged bool) error {
	from := r.State
	switch {
	case r.State == Dismissed: // whoever comes back is looked at again, whatever they write
		if !flagged {
			h.Verdict.Reasons = append(h.Verdict.Reasons, "they wrote again after it was dismissed")
		}
		if err := s.raise(ctx, tx, c, r, h, Actor{Kind: ByReporter}); err != nil {
			return err
		}
	case r.State == NeedsInfo: // whatever they write, and by whatever door, is an answer
		if err := r.Move(&s.o.Promises, Assessing, Actor{Kind: ByReporter}, tx.Now); err != nil {
			return err
		}
		if err := s.tellQualified(ctx, tx, c, Word{What: WordAnswered}); err != nil {
			return err
		}
	case (r.State == Closed || r.State == Resolved || r.State == Disclosed) && (r.Unanswered || h.Verdict.Flagged): // thanks, by the door for reports, are no new one
		if err := r.Move(&s.o.Promises, Assessing, Actor{Kind: ByReporter}, tx.Now); err != nil {
			return err
		}
		r.Unanswered = false
		s.open(c, tx.Now)
		if err := s.tellQualified(ctx, tx, c, Word{What: WordAnswered}); err != nil {
			return err
		}
	case r.State == Closed || r.State == Resolved || r.State == Disclosed || r.State.IsExit():
		if err := s.tellQualified(ctx, tx, c, Word{What: WordWrote}); err != nil {
			return err
		}
		r.Wrote(&s.o.Promises, tx.Now)
	default:
		r.Wrote(&s.o.Promises, tx.Now)
		if len(h.Verdict.Reasons) > 0 && r.State == Flagged {
			r.Reasons = merge(r.Reasons, h.Verdict.Reasons)
		}
	}
	if err := s.index(ctx, tx, c.ID, h.Message.Doc.Text); err != nil {
		return err
	}
	if err := save(ctx, tx, k, r); err != nil {
		return err
	}
	return s.record(ctx, tx, k, r, audit.Contact(string(h.Message.Contact)), "report.wrote", from, "")
}

func merge(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// open marks the case of a report that is worked on again.
func (s *Service) open(c *cases.Case, now time.Time) {
	c.Security, c.State, c.ClosedAt, c.Last, c.Unread = cases.Report, cases.Open, time.Time{}, now, true
}

// Raise flags a case by hand: anybody who works here may.
func (s *Service) Raise(ctx context.Context, tx *db.Tx, c *cases.Case, by Actor, why string, m *cases.Message) error {
	if c.Security.Watched() {
		return fail.New(fail.Conflict, "it is with the security people already")
	}
	if len(strings.TrimSpace(why)) < 5 {
		return fail.New(fail.Invalid, "say in a few words why it may be a security report")
	}
	k, err := s.o.Vault.Get(ctx, tx, c.KeyID)
	if err != nil {
		return err
	}
	h := &Inbound{Message: m, Sure: why}
	r, err := get(ctx, tx, k, c.ID)
	switch {
	case fail.Is(err, fail.NotFound):
		r = &Report{Case: c.ID, State: Dismissed, Doc: Doc{Received: m.At, Lang: c.Lang, Table: s.o.Promises.table()}}
		if err := s.raise(ctx, tx, c, r, h, by); err != nil {
			return err
		}
		err = add(ctx, tx, k, r)
	case err == nil && r.State == Dismissed:
		if err := s.raise(ctx, tx, c, r, h, by); err != nil {
			return err
		}
		err = save(ctx, tx, k, r)
	case err == nil:
		return fail.New(fail.Conflict, "this case was a security report; look at it on the board")
	}
	if err != nil {
		return err
	}
	if sealed, err := cases.GetMessage(ctx, tx, c.ID, m.ID); err == nil { // what it tells, to find others like it
		if said, err := sealed.Open(k); err == nil {
			if err := s.index(ctx, tx, c.ID, said.Doc.Subject+"\n"+said.Doc.Text); err != nil {
				return err
			}
		}
	} else if !fail.Is(err, fail.NotFound) {
		return err
	}
	return s.record(ctx, tx, k, r, audit.Staff(by.ID), "report.flagged", "", why)
}

// Spoke notes a word that a person wrote in their own words; nothing else stops the
// clock of the first word.
func (s *Service) Spoke(ctx context.Context, tx *db.Tx, c *cases.Case, by string, m cases.MessageID) error {
	if s == nil || c.Security == cases.NoReport {
		return nil
	}
	who, err := s.o.Staff.Get(ctx, tx, staff.ID(by))
	if err != nil {
		if fail.Is(err, fail.NotFound) {
			return nil // a program: it keeps no promise of a person's
		}
		return err
	}
	k, err := s.o.Vault.Get(ctx, tx, c.KeyID)
	if err != nil {
		return err
	}
	r, err := get(ctx, tx, k, c.ID)
	if err != nil {
		return err
	}
	r.Spoke(&s.o.Promises, m, who.May(staff.SecurityTriage), tx.Now)
	if err := save(ctx, tx, k, r); err != nil {
		return err
	}
	return s.record(ctx, tx, k, r, audit.Staff(by), "report.spoke", r.State, "")
}

// Unspoke takes back what Spoke noted of a word that never reached them.
func (s *Service) Unspoke(ctx context.Context, tx *db.Tx, c *cases.Case, m cases.MessageID) error {
	if s == nil || c.Security == cases.NoReport {
		return nil
	}
	k, err := s.o.Vault.Get(ctx, tx, c.KeyID)
	if err != nil {
		return err
	}
	r, err := get(ctx, tx, k, c.ID)
	if err != nil || !r.Unspoke(m) {
		return err
	}
	if err := save(ctx, tx, k, r); err != nil {
		return err
	}
	return s.record(ctx, tx, k, r, audit.System, "report.unspoke", r.State, "")
}

// record keeps a step, in the report's history and in the audit log.
func (s *Service) record(ctx context.Context, tx *db.Tx, k *vault.Key, r *Report, actor, act string, from State, reason string) error {
	e := Event{Case: r.Case, Actor: actor, Act: act, From: from, To: r.State, Reason: reason}
	if err := e.put(ctx, tx, k); err != nil {
		return err
	}
	detail := string(r.State)
	if from != r.State && from != "" {
		detail = string(from) + " to " + string(r.State)
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: act, About: string(r.Case), Detail: detail})
}

// Change loads a report, changes it in f, and keeps it, with what it says to the case
// and to everybody whom it concerns. act is for the record, such as report.moved; reason may be empty.
func (s *Service) Change(ctx context.Context, tx *db.Tx, id cases.ID, by Actor, act, reason string, f func(r *Report, c *cases.Case) error) error {
	c, k, r, err := s.load(ctx, tx, id)
	if err != nil {
		return err
	}
	from, told, asset := r.State, r.stated(), r.Asset
	if err := watched(ctx, tx, r); err != nil {
		return err
	}
	if err := f(r, c); err != nil {
		return err
	}
	if r.Asset != asset {
		if err := s.indexAsset(ctx, tx, id, r.Asset); err != nil {
			return err
		}
	}
	r.settle(tx.Now)
	switch now := r.stated(); {
	case r.State != from && now.decided != told.decided: // upheld: the answer says more than that it moved
		err = s.moved(ctx, tx, c, r, from, WordDecided)
	case r.State != from:
		err = s.moved(ctx, tx, c, r, from, WordMoved)
	case now.decided != told.decided:
		err = s.write(ctx, tx, c, Word{What: WordDecided, State: r.State})
	case now != told:
		err = s.write(ctx, tx, c, Word{What: WordChanged, State: r.State})
	}
	if err != nil {
		return err
	}
	if err := s.o.Cases.Save(ctx, tx, c); err != nil {
		return err
	}
	if err := save(ctx, tx, k, r); err != nil {
		return err
	}
	return s.record(ctx, tx, k, r, actorName(by, c), act, from, reason)
}

// load reads a report with its case and the case's data key.
func (s *Service) load(ctx context.Context, tx *db.Tx, id cases.ID) (c *cases.Case, k *vault.Key, r *Report, err error) {
	if c, err = s.o.Cases.Get(ctx, tx, id); err != nil {
		return nil, nil, nil, err
	}
	if k, err = s.o.Vault.Get(ctx, tx, c.KeyID); err != nil {
		return nil, nil, nil, err
	}
	r, err = get(ctx, tx, k, id)
	return c, k, r, err
}

// watched notes which probes watch it, and whether all of them are green.
func watched(ctx context.Context, tx *db.Tx, r *Report) error {
	list, err := probe.Of(ctx, tx, string(r.Case))
	if err != nil {
		return err
	}
	r.Probes, r.Green = nil, true
	for _, p := range list {
		if p.Stopped.IsZero() {
			r.Probes = append(r.Probes, string(p.ID))
			r.Green = r.Green && p.State == probe.Green
		}
	}
	r.Green = r.Green && len(r.Probes) > 0
	return nil
}

// Seen notes that a probe is green again, or for the first time.
func (s *Service) Seen(ctx context.Context, tx *db.Tx, id cases.ID) error {
	return s.Change(ctx, tx, id, Actor{Kind: ByProbe}, "report.green", "", func(r *Report, c *cases.Case) error { return nil })
}

func actorName(a Actor, c *cases.Case) string {
	switch a.Kind {
	case ByReporter:
		return audit.Contact(string(c.Contact))
	case ByAgent, ByTriager:
		return audit.Staff(a.ID)
	}
	return audit.System
}

// moved brings the case along with its report.
func (s *Service) moved(ctx context.Context, tx *db.Tx, c *cases.Case, r *Report, from State, what What) error {
	switch {
	case r.State == Dismissed:
		c.Security = cases.NoReport
		return nil
	case r.State == Closed:
		c.Security = cases.Settled
		if c.State != cases.Closed && !c.Held && !c.Lifted {
			if err := c.Close(tx.Now); err != nil {
				return err
			}
		}
	case c.Security != cases.Report:
		s.open(c, tx.Now)
		c.Unread = false
		if from == Flagged {
			c.Circle, c.Assignee = true, r.Owner
		}
	}
	if s.o.Write == nil || from == Flagged || r.State == Assessing && from == Acknowledged {
		return nil // a person writes the first word, and what it is about
	}
	w := Word{What: what, State: r.State}
	if r.State == Closed && r.Unanswered {
		w.What = WordClosed
	}
	return s.o.Write(ctx, tx, c, w)
}

// Get returns the report of a case, for those who may read the case.
func (s *Service) Get(ctx context.Context, tx *db.Tx, k *vault.Key, id cases.ID) (*Report, error) {
	return get(ctx, tx, k, id)
}

// Defaults fills in what a report needs to be acknowledged, as far as the desk can
// know it: the owner is who says that it is one.
func (s *Service) Defaults(ctx context.Context, tx *db.Tx, r *Report, c *cases.Case, owner string) error {
	if r.Owner == "" {
		r.Owner = owner
	}
	if r.Lang == "" {
		r.Lang = lang.Lang(c.Lang.String())
	}
	if r.Contact == "" {
		r.Contact = "by this case"
	}
	if r.Publish == "" {
		r.Publish = "not said"
	}
	if r.Deputy != "" && r.Deputy != r.Owner {
		return nil
	}
	all, err := s.o.Staff.List(ctx, tx)
	if err != nil {
		return err
	}
	for _, want := range []staff.Role{staff.Triager, staff.Lead} {
		for _, p := range all {
			if p.Has(want) && p.May(staff.SecurityTriage) && string(p.ID) != r.Owner {
				r.Deputy = string(p.ID)
				return nil
			}
		}
	}
	return nil
}

// FromReporter takes what who told us says to their report, on its page. What moves by
// their word moves at once; somebody qualified is told.
func (s *Service) FromReporter(ctx context.Context, tx *db.Tx, id cases.ID, act string, f func(r *Report) error) error {
	by := Actor{Kind: ByReporter}
	return s.Change(ctx, tx, id, by, act, "", func(r *Report, c *cases.Case) error {
		if err := f(r); err != nil {
			return err
		}
		c.Unread = true
		what := WordAnswered
		switch {
		case act == "report.appealed":
			what = WordAppeal
		case r.State == NeedsInfo && act == "report.answered": // one answer is an answer: nobody waits for the others, or is closed for them
			if err := r.Move(&s.o.Promises, Assessing, by, tx.Now); err != nil {
				return err
			}
		case r.State == Retest && len(r.Retests) > 0 && !r.Retests[len(r.Retests)-1].Gone:
			if err := r.Move(&s.o.Promises, Fixing, by, tx.Now); err != nil {
				return err
			}
		}
		return s.tellQualified(ctx, tx, c, Word{What: what})
	})
}
