package centre

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/staff"
)

// A Reply is a canned one: a text that answers what is asked often. With Do it is a
// macro, which also changes the case; with Auto it is sent by rule, once, to whoever
// writes about that topic in the form.
type Reply struct {
	ID      string       `json:"-"`
	Version int64        `json:"-"`
	By      string       `json:"-"` // who wrote this version, as the audit log names them
	At      time.Time    `json:"-"`
	Folder  string       `json:"folder,omitempty"`
	Name    string       `json:"name"`
	Prefix  string       `json:"prefix,omitempty"` // typed after ";" it brings the text
	Roles   []staff.Role `json:"roles,omitempty"`  // who may use it; none: whoever answers
	Texts   Texts        `json:"texts"`
	Do      Do           `json:"do,omitzero"`
	Auto    string       `json:"auto,omitempty"` // topic
	Retired bool         `json:"retired,omitempty"`
}

// Texts by language.
type Texts map[lang.Lang]string

// In is the text in a language, else in English, else in any.
func (t Texts) In(l lang.Lang) string {
	if s := t[l]; s != "" {
		return s
	}
	if s := t[lang.English]; s != "" {
		return s
	}
	for _, l := range lang.All {
		if t[l] != "" {
			return t[l]
		}
	}
	return ""
}

// Do is what a macro changes, besides writing.
type Do struct {
	Topic     string `json:"topic,omitempty"`
	Assign    bool   `json:"assign,omitempty"` // to whoever sends it
	Sensitive bool   `json:"sensitive,omitempty"`
	Close     bool   `json:"close,omitempty"` // once it is sent
}

// Places are what a text may leave open, and what each stands for.
func Places() []struct{ Name, For string } {
	return []struct{ Name, For string }{{"name", "their name, as they gave it"}, {"reference", "the case's reference"}, {"topic", "what the case is about"},
		{"organisation", "your organisation"}, {"promise", "when a person answers"}, {"agent", "whoever sends it"}}
}

var place = regexp.MustCompile(`\{([a-zA-Z_ ]*)\}`)

// Fill puts values into a text. Empty values are listed in missing and left open.
func Fill(text string, values map[string]string) (filled string, missing []string) {
	filled = place.ReplaceAllStringFunc(text, func(s string) string {
		name := s[1 : len(s)-1]
		v, known := values[name]
		if known && v != "" {
			return v
		}
		if !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
		return s
	})
	return filled, missing
}

// Unfilled lists what a text still leaves open: it must not leave like that.
func Unfilled(text string) []string { _, m := Fill(text, nil); return m }

// May reports whether this person may use it.
func (r *Reply) May(p *staff.Person) bool {
	if r.Retired || !p.May(staff.RepliesUse) {
		return false
	}
	return len(r.Roles) == 0 || slices.ContainsFunc(r.Roles, p.Has)
}

// Limits of a canned reply.
const (
	maxReplyName = 80
	maxReplyText = 20_000
	maxReplies   = 2000
)

var prefixForm = regexp.MustCompile(`^[a-z0-9-]{1,20}$`)

func (r *Reply) check() (field string, err error) {
	r.Name, r.Folder, r.Prefix = strings.Join(strings.Fields(r.Name), " "), strings.Join(strings.Fields(r.Folder), " "), strings.ToLower(strings.TrimSpace(r.Prefix))
	switch {
	case r.Name == "" || len([]rune(r.Name)) > maxReplyName:
		return "name", fail.New(fail.Invalid, "give it a name of up to 80 letters, by which colleagues find it")
	case len([]rune(r.Folder)) > maxReplyName:
		return "folder", fail.New(fail.Invalid, "a folder's name has up to 80 letters")
	case r.Prefix != "" && !prefixForm.MatchString(r.Prefix):
		return "prefix", fail.New(fail.Invalid, "a short name has up to 20 small letters, digits and hyphens")
	}
	texts := Texts{}
	for _, l := range lang.All {
		s := strings.TrimSpace(strings.ReplaceAll(r.Texts[l], "\r\n", "\n"))
		if s == "" {
			continue
		}
		if len(s) > maxReplyText {
			return "text-" + string(l), fail.New(fail.Invalid, "the text is longer than 20,000 characters")
		}
		for _, name := range Unfilled(s) {
			if !slices.ContainsFunc(Places(), func(p struct{ Name, For string }) bool { return p.Name == name }) {
				return "text-" + string(l), fail.New(fail.Invalid, "{%s} is not known; what can be filled in is listed below the text", name)
			}
			if r.Auto != "" && (name == "name" || name == "agent" || name == "topic") {
				return "text-" + string(l), fail.New(fail.Invalid, "{%s} cannot stand in what is sent by rule: it goes to an address that anybody may have typed, and nobody here sends it", name)
			}
		}
		texts[l] = s
	}
	if r.Texts = texts; len(texts) == 0 {
		return "text-" + string(lang.English), fail.New(fail.Invalid, "write the text in at least one language")
	}
	if r.Auto == Security {
		return "auto", fail.New(fail.Invalid, "no script answers a security report")
	}
	return "", nil
}

// Library is all canned replies, as they stand, and what they were, for measuring.
type Library struct {
	list   []Reply         // newest versions, by folder and name
	shapes []shape         // of every version in every language
	runs   map[uint64]bool // of all of them
}

// All lists the replies that are not retired, by folder and name.
func (l *Library) All() []Reply {
	if l == nil {
		return nil
	}
	var out []Reply
	for _, r := range l.list {
		if !r.Retired {
			out = append(out, r)
		}
	}
	return out
}

// Retired lists those that nobody uses any more.
func (l *Library) Retired() (out []Reply) {
	for _, r := range l.list {
		if r.Retired {
			out = append(out, r)
		}
	}
	return out
}

// Get returns a reply; nil if there is none.
func (l *Library) Get(id string) *Reply {
	if l == nil {
		return nil
	}
	if i := slices.IndexFunc(l.list, func(r Reply) bool { return r.ID == id }); i >= 0 {
		return &l.list[i]
	}
	return nil
}

// AutoFor is what a rule sends about a topic; nil: nothing.
func (l *Library) AutoFor(topic string) *Reply {
	if l == nil || topic == "" || topic == Security {
		return nil
	}
	if i := slices.IndexFunc(l.list, func(r Reply) bool { return !r.Retired && r.Auto == topic }); i >= 0 {
		return &l.list[i]
	}
	return nil
}

// Library is the canned replies as they stand.
func (s *Store) Library() *Library {
	if s == nil {
		return nil
	}
	return s.library.Load()
}

type replyRow struct {
	Reply
	doc string
}

func scanReply(r *replyRow, row func(...any) error) error {
	return row(&r.ID, &r.Version, &r.doc, &r.By, db.Time(&r.At))
}

func (r *replyRow) open() (Reply, error) {
	reply := r.Reply
	if err := json.Unmarshal([]byte(r.doc), &reply); err != nil {
		return reply, fmt.Errorf("read canned reply %s: %w", r.ID, err)
	}
	return reply, nil
}

// loadReplies reads every version.
func (s *Store) loadReplies(ctx context.Context) error {
	var rows []replyRow
	err := s.d.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = db.List(ctx, tx, scanReply, `SELECT id, version, doc, actor, made_at FROM canned_replies ORDER BY id, version`)
		return err
	})
	if err != nil {
		return err
	}
	l := &Library{runs: map[uint64]bool{}}
	var bad error // what cannot be read takes nothing else away
	for n := range rows {
		r, err := rows[n].open()
		if err != nil {
			bad = fail.Wrap(fail.Invalid, err, "a stored canned reply cannot be read")
			continue
		}
		for _, text := range r.Texts {
			x := shapeOf(r.ID, r.Version, text)
			l.shapes = append(l.shapes, x)
			maps.Copy(l.runs, x.runs)
		}
		if k := len(l.list); k > 0 && l.list[k-1].ID == r.ID {
			l.list[k-1] = r
		} else {
			l.list = append(l.list, r)
		}
	}
	slices.SortFunc(l.list, func(a, b Reply) int {
		if c := strings.Compare(strings.ToLower(a.Folder), strings.ToLower(b.Folder)); c != 0 {
			return c
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	s.library.Store(l)
	return bad
}

// SaveReply keeps a new version of a canned reply, or a new one (version 0). What is
// wrong is Invalid at a field; somebody else's change in between is a Conflict.
func (s *Store) SaveReply(ctx context.Context, actor string, r *Reply) (field string, err error) {
	if field, err := r.check(); err != nil {
		return field, err
	}
	for _, l := range lang.All {
		if err := s.misleads(ctx, r.Texts[l]); err != nil && !r.Retired { // whoever takes one away need not mend it
			return "text-" + string(l), err
		}
	}
	if r.Auto != "" && s.Tree().Topic(r.Auto) == nil && r.Auto != SomethingElse {
		return "auto", fail.New(fail.Invalid, "there is no such topic")
	}
	if r.Do.Topic != "" && s.Tree().Topic(r.Do.Topic) == nil {
		return "do-topic", fail.New(fail.Invalid, "there is no such topic")
	}
	if r.ID == "" {
		r.ID = db.NewID()
	}
	if err := s.loadReplies(ctx); err != nil {
		return "", err
	}
	for _, o := range s.Library().All() {
		switch {
		case o.ID == r.ID || r.Retired:
		case r.Prefix != "" && o.Prefix == r.Prefix:
			return "prefix", fail.New(fail.Conflict, "%q brings this short name already", o.Name)
		case r.Auto != "" && o.Auto == r.Auto:
			return "auto", fail.New(fail.Conflict, "%q is sent for this topic already; one is all that goes out", o.Name)
		}
	}
	if len(s.Library().list) >= maxReplies {
		return "name", fail.New(fail.Invalid, "there are %d canned replies; retire some first", maxReplies)
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("keep a canned reply: %w", err)
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		newest, err := db.Count(ctx, tx, `SELECT COALESCE(MAX(version), 0) FROM canned_replies WHERE id = $1`, r.ID)
		if err != nil {
			return err
		}
		if newest != r.Version {
			return fail.New(fail.Conflict, "somebody else changed it in the meantime; nothing was saved")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO canned_replies (id, version, doc, actor, made_at) VALUES ($1, $2, $3, $4, $5)`, r.ID, newest+1, string(doc), actor, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "canned.saved", About: r.ID, Detail: fmt.Sprintf("version %d", newest+1)})
	})
	if err != nil {
		return "", err
	}
	return "", s.loadReplies(ctx)
}

// Versions lists what a canned reply was, newest first.
func (s *Store) Versions(ctx context.Context, tx *db.Tx, id string) ([]Reply, error) {
	rows, err := db.List(ctx, tx, scanReply, `SELECT id, version, doc, actor, made_at FROM canned_replies WHERE id = $1 ORDER BY version DESC`, id)
	if err != nil {
		return nil, err
	}
	var out []Reply
	for n := range rows {
		r, err := rows[n].open()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Use is how often a canned reply went out, and what came of it.
type Use struct{ Sent, Solved, Answered, Escalated int64 }

// Uses counts by reply.
func Uses(ctx context.Context, tx *db.Tx) (map[string]Use, error) {
	out := map[string]Use{}
	type row struct {
		id, outcome string
		n           int64
	}
	rows, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.id, &r.outcome, &r.n) },
		`SELECT reply_id, outcome, COUNT(*) FROM answers WHERE reply_id <> '' GROUP BY reply_id, outcome`)
	for _, r := range rows {
		u := out[r.id]
		u.Sent += r.n
		switch r.outcome {
		case "solved":
			u.Solved += r.n
		case "answered":
			u.Answered += r.n
		case "escalated":
			u.Escalated += r.n
		}
		out[r.id] = u
	}
	return out, err
}
