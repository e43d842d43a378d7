package cases

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/vault"
)

// Store reads and writes cases; v seals what is written.
type Store struct {
	v      *vault.Vault
	Tokens Tokens
}

// NewStore returns the store.
func NewStore(v *vault.Vault) *Store { return &Store{v, NewTokens(v)} }

const columns = `id, ref, subject, who, contact_id, key_id, mailbox, state, assignee, sensitive, sensitive_why, unread, held, alarm, trust, made_at, last_at, closed_at, version, topic, door,
	rung, lifted, scripted, contacts, returns, due_at, heard_at, spoke_at, lang, since_at, began, spam, security, closed_circle`

func (s *Store) scan(c *Case, row func(...any) error) error {
	var subject, who []byte
	err := row(&c.ID, &c.Ref, &subject, &who, &c.Contact, &c.KeyID, &c.Mailbox, &c.State, &c.Assignee, &c.Sensitive, &c.SensitiveWhy,
		&c.Unread, &c.Held, &c.Alarm, &c.Trust, db.Time(&c.Made), db.Time(&c.Last), db.Time(&c.ClosedAt), &c.Version, &c.Topic, &c.Door,
		&c.Rung, &c.Lifted, &c.Scripted, &c.Contacts, &c.Returns, db.Time(&c.Due), db.Time(&c.Heard), db.Time(&c.Spoke), &c.Lang, db.Time(&c.Since), &c.Began, &c.Spam, &c.Security, &c.Circle)
	if err != nil {
		return err
	}
	if c.Subject, err = s.v.Desk().OpenText(subject, "case", string(c.ID), "subject"); err != nil {
		return err
	}
	c.Who, err = s.v.Desk().OpenText(who, "case", string(c.ID), "who")
	return err
}

// OpenSubject opens what the column subject of a case holds.
func (s *Store) OpenSubject(id ID, sealed []byte) (string, error) {
	return s.v.Desk().OpenText(sealed, "case", string(id), "subject")
}

// AskID is the query for a case by its id.
func (s *Store) AskID(out *[]Case, id ID) db.Query {
	return db.Into(out, s.scan, `SELECT `+columns+` FROM cases WHERE id = $1`, id)
}

// Keyed is a case, read in one row with the data key that seals its messages.
type Keyed struct {
	Case
	Key *vault.Asked
}

// AskWithKey is the query for cases by their ids, one at least.
func (s *Store) AskWithKey(out *[]Keyed, ids ...ID) db.Query {
	in, args := db.In(nil, ids)
	return db.Into(out, func(c *Keyed, row func(...any) error) error {
		key, places := s.v.Join()
		c.Key = key
		return s.scan(&c.Case, func(dest ...any) error { return row(append(dest, places...)...) })
	}, `SELECT `+db.Of("c", columns)+`, k.id, k.wrapped, k.destroyed_at FROM cases c JOIN data_keys k ON k.id = c.key_id WHERE c.id IN `+in, args...)
}

// AskKey is the query for the data key that seals a case's messages.
func (s *Store) AskKey(id ID) (*vault.Asked, db.Query) {
	return s.v.Ask(`(SELECT key_id FROM cases WHERE id = $1)`, id)
}

// Get returns a case; none is NotFound.
func (s *Store) Get(ctx context.Context, tx *db.Tx, id ID) (*Case, error) {
	return s.one(ctx, tx, `SELECT `+columns+` FROM cases WHERE id = $1`, id)
}

// ByRef returns the case with the reference; none is NotFound.
func (s *Store) ByRef(ctx context.Context, tx *db.Tx, ref Ref) (*Case, error) {
	return s.one(ctx, tx, `SELECT `+columns+` FROM cases WHERE ref = $1`, ref)
}

func (s *Store) one(ctx context.Context, tx *db.Tx, query string, args ...any) (*Case, error) {
	c, err := db.One(ctx, tx, s.scan, query, args...)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such case")
	}
	return c, err
}

// Add stores a new case.
func (s *Store) Add(ctx context.Context, tx *db.Tx, c *Case) error {
	if c.Door == "" {
		c.Door = "mail"
	}
	err := tx.Put(ctx, `INSERT INTO cases (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)`,
		c.ID, c.Ref, s.v.Desk().SealText(c.Subject, "case", string(c.ID), "subject"), s.v.Desk().SealText(c.Who, "case", string(c.ID), "who"),
		c.Contact, c.KeyID, c.Mailbox, c.State, c.Assignee, c.Sensitive, c.SensitiveWhy, c.Unread, c.Held, c.Alarm, c.Trust,
		db.Micros(c.Made), db.Micros(c.Last), db.Micros(c.ClosedAt), c.Topic, c.Door,
		c.Rung, c.Lifted, c.Scripted, c.Contacts, c.Returns, db.Micros(c.Due), db.Micros(c.Heard), db.Micros(c.Spoke), string(c.Lang), db.Micros(c.Since), c.Topic, c.Spam, c.Security, c.Circle)
	if err != nil {
		return err
	}
	c.Version = 1
	if c.Contact != "" {
		if err := Join(ctx, tx, c.ID, c.Contact); err != nil {
			return err
		}
	}
	return s.index(ctx, tx, c.ID, c.Subject+" "+c.Who)
}

// Save stores a changed case. A change by somebody else in between is a Conflict.
func (s *Store) Save(ctx context.Context, tx *db.Tx, c *Case) error {
	err := tx.Must(ctx, fail.New(fail.Conflict, "somebody else changed this case in the meantime; look at it again"), `UPDATE cases SET state = $2, assignee = $3, sensitive = $4, sensitive_why = $5, unread = $6, held = $7,
		trust = $8, last_at = $9, closed_at = $10, version = version + 1, alarm = $12, topic = $13,
		rung = $14, lifted = $15, scripted = $16, contacts = $17, returns = $18, due_at = $19, heard_at = $20, spoke_at = $21, since_at = $22, spam = $23, security = $24, closed_circle = $25 WHERE id = $1 AND version = $11`,
		c.ID, c.State, c.Assignee, c.Sensitive, c.SensitiveWhy, c.Unread, c.Held, c.Trust, db.Micros(c.Last), db.Micros(c.ClosedAt), c.Version, c.Alarm, c.Topic,
		c.Rung, c.Lifted, c.Scripted, c.Contacts, c.Returns, db.Micros(c.Due), db.Micros(c.Heard), db.Micros(c.Spoke), db.Micros(c.Since), c.Spam, c.Security, c.Circle)
	if err == nil {
		c.Version++
	}
	return err
}

// index makes the case findable by the words of text.
func (s *Store) index(ctx context.Context, tx *db.Tx, id ID, text string) error {
	words := s.v.Words(text)
	if len(words) == 0 {
		return nil
	}
	query, args := `INSERT INTO case_words (word, case_id) VALUES `, []any{id}
	for i, w := range words {
		if i > 0 {
			query += ", "
		}
		args = append(args, w)
		query += fmt.Sprintf("($%d, $1)", len(args))
	}
	return tx.Put(ctx, query+` ON CONFLICT DO NOTHING`, args...)
}

// LangOf is the language of the contact's last case in which they wrote; if they never
// did, of the last that has one, by the page they were at; else English.
func LangOf(ctx context.Context, tx *db.Tx, c contacts.ID) (lang.Lang, error) {
	l, err := db.One(ctx, tx, func(l *lang.Lang, row func(...any) error) error { return row(l) },
		`SELECT lang FROM cases WHERE contact_id = $1 AND lang <> '' ORDER BY heard_at DESC, last_at DESC, id DESC LIMIT 1`, c)
	if fail.Is(err, fail.NotFound) {
		return lang.English, nil
	}
	if err != nil {
		return lang.English, err
	}
	return *l, nil
}

// Join makes a contact part of a case: their mail with its reference is let in.
func Join(ctx context.Context, tx *db.Tx, id ID, c contacts.ID) error {
	return tx.Put(ctx, `INSERT INTO case_contacts (case_id, contact_id, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, c, db.Micros(tx.Now))
}

// Participants lists who is part of a case, in the order they joined.
func Participants(ctx context.Context, tx *db.Tx, id ID) ([]contacts.ID, error) {
	return db.List(ctx, tx, func(c *contacts.ID, row func(...any) error) error { return row(c) },
		`SELECT contact_id FROM case_contacts WHERE case_id = $1 ORDER BY made_at, contact_id`, id)
}

// Has reports whether the contact is part of the case.
func Has(ctx context.Context, tx *db.Tx, id ID, c contacts.ID) (bool, error) {
	if c == "" {
		return false, nil
	}
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM case_contacts WHERE case_id = $1 AND contact_id = $2`, id, c)
	return n > 0, err
}

// A Link ties two cases together, with the reason.
type Link struct {
	Other ID
	Ref   Ref
	Title []byte // its subject, sealed (OpenSubject)
	Why   string
}

// AddLink links two cases, both ways.
func AddLink(ctx context.Context, tx *db.Tx, a, b ID, why string) error {
	for _, p := range [][2]ID{{a, b}, {b, a}} {
		if err := tx.Put(ctx, `INSERT INTO case_links (case_id, other, why, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			p[0], p[1], why, db.Micros(tx.Now)); err != nil {
			return err
		}
	}
	return nil
}

// Links lists what a case is linked to.
func Links(ctx context.Context, tx *db.Tx, who Viewer, id ID) ([]Link, error) {
	return db.List(ctx, tx, func(l *Link, row func(...any) error) error { return row(&l.Other, &l.Ref, &l.Title, &l.Why) },
		`SELECT l.other, c.ref, c.subject, l.why FROM case_links l JOIN cases c ON c.id = l.other WHERE l.case_id = $2 AND (NOT c.closed_circle OR $3 OR EXISTS (SELECT 1 FROM report_circle k WHERE k.case_id = c.id AND k.staff_id = $1)) ORDER BY l.made_at, c.ref`, who.ID, id, who.All)
}

// Parts are the sealed forms of a message, ready for AddMessage. The Message-ID
// is kept apart too: answers need it, and not the rest.
type Parts struct{ doc, evidence, mailID []byte }

// Seal returns the sealed forms of a message; k is the case's data key. It is
// done outside the transaction.
func Seal(m *Message, k *vault.Key) (*Parts, error) {
	doc, err := sealJSON(k, m.Doc, "message", string(m.ID), "doc")
	if err != nil {
		return nil, err
	}
	p := &Parts{doc: doc}
	if m.Doc.MailID != "" {
		p.mailID = k.SealText(m.Doc.MailID, "message", string(m.ID), "mail-id")
	}
	if m.Evidence != nil {
		p.evidence, err = sealJSON(k, m.Evidence, "message", string(m.ID), "evidence")
	}
	return p, err
}

func sealJSON(k *vault.Key, v any, place ...string) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", place[0], err)
	}
	return k.Seal(b, place...), nil
}

// AddMessage stores a message with its sealed forms.
func AddMessage(ctx context.Context, tx *db.Tx, m *Message, p *Parts) error {
	verdict := ""
	if m.Evidence != nil {
		verdict = m.Evidence.Verdict
	}
	return tx.Put(ctx, `INSERT INTO messages (id, case_id, kind, door, contact_id, author, at, verdict, raw_blob, mail_id, doc, evidence, canned, automatic)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		m.ID, m.Case, m.Kind, m.Door, m.Contact, m.Author, db.Micros(m.At), verdict, m.RawBlob, p.mailID, p.doc, p.evidence, m.Canned, m.Doc.Automatic != "")
}

// SaveMessage replaces what a message holds and proves, after its mail was
// looked at again.
func SaveMessage(ctx context.Context, tx *db.Tx, m *Message, p *Parts) error {
	return db.Change(ctx, tx, `UPDATE messages SET verdict = $2, mail_id = $3, doc = $4, evidence = $5 WHERE id = $1`, m.ID, m.Evidence.Verdict, p.mailID, p.doc, p.evidence)
}

// A Sealed message comes from the table; Open makes it readable, outside the
// transaction.
type Sealed struct {
	Message
	doc, evidence []byte
}

const messageColumns = `id, case_id, kind, door, contact_id, author, at, doc, evidence, raw_blob, canned`

func scanMessage(m *Sealed, row func(...any) error) error {
	return row(&m.ID, &m.Case, &m.Kind, &m.Door, &m.Contact, &m.Author, db.Time(&m.At), &m.doc, &m.evidence, &m.RawBlob, &m.Canned)
}

// Thread returns a case's messages, oldest first.
func Thread(ctx context.Context, tx *db.Tx, id ID) ([]Sealed, error) {
	return db.List(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE case_id = $1 ORDER BY at, id`, id)
}

// LastOut returns our newest messages in a case, oldest first.
func LastOut(ctx context.Context, tx *db.Tx, id ID, limit int) ([]Sealed, error) {
	list, err := db.List(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE case_id = $1 AND kind = 'out' ORDER BY at DESC, id DESC LIMIT CAST($2 AS BIGINT)`, id, limit)
	slices.Reverse(list)
	return list, err
}

// AskMessage is the query for one message of the case.
func AskMessage(out *[]Sealed, id ID, m MessageID) db.Query {
	return db.Into(out, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE id = $1 AND case_id = $2`, m, id)
}

// AskMessages is the query for messages of whatever cases, one at least; in no order.
func AskMessages(out *[]Sealed, ids []MessageID) db.Query {
	in, args := db.In(nil, ids)
	return db.Into(out, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE id IN `+in, args...)
}

// GetMessage returns one message of the case; another's is NotFound.
func GetMessage(ctx context.Context, tx *db.Tx, id ID, m MessageID) (*Sealed, error) {
	var found []Sealed
	if err := tx.Read(ctx, AskMessage(&found, id, m)); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fail.New(fail.NotFound, "not found")
	}
	return &found[0], nil
}

// OfAuthor returns a message without what is in it, if the author wrote it;
// another's is NotFound.
func OfAuthor(ctx context.Context, tx *db.Tx, author string, id MessageID) (*Message, error) {
	return db.One(ctx, tx, func(m *Message, row func(...any) error) error {
		return row(&m.ID, &m.Case, &m.Kind, &m.Door, &m.Author, db.Time(&m.At))
	}, `SELECT id, case_id, kind, door, author, at FROM messages WHERE id = $1 AND author = $2 AND author <> ''`, id, author)
}

// MailsOf returns the stored mails of a contact, newest first.
func MailsOf(ctx context.Context, tx *db.Tx, c contacts.ID, limit int) ([]Sealed, error) {
	return db.List(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE contact_id = $1 AND raw_blob <> '' ORDER BY at DESC LIMIT CAST($2 AS BIGINT)`, c, limit)
}

// Open decrypts the message with its case's data key.
func (m *Sealed) Open(k *vault.Key) (*Message, error) {
	b, err := k.Open(m.doc, "message", string(m.ID), "doc")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &m.Doc); err != nil {
		return nil, fmt.Errorf("decode message %s: %w", m.ID, err)
	}
	if len(m.evidence) > 0 {
		if b, err = k.Open(m.evidence, "message", string(m.ID), "evidence"); err != nil {
			return nil, err
		}
		m.Evidence = new(Evidence)
		if err := json.Unmarshal(b, m.Evidence); err != nil {
			return nil, fmt.Errorf("decode evidence of %s: %w", m.ID, err)
		}
	}
	return &m.Message, nil
}

// AddMailID remembers a mail's Message-ID, so that answers and repeats are
// recognised. sum is the hash of what the sender wrote; a mail that is there
// already is a Conflict: another copy of it was filed at the same moment.
func (s *Store) AddMailID(ctx context.Context, tx *db.Tx, mailID string, m *Message, sum string) error {
	if mailID == "" {
		return nil
	}
	return tx.Must(ctx, fail.New(fail.Conflict, "this mail was filed a moment ago"),
		`INSERT INTO message_ids (hash, message_id, case_id, sum) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, s.MailHash(mailID), m.ID, m.Case, sum)
}

// AskSeen is the query for the case that holds the same mail as this one, if it
// came before; a mail without an id never did.
func (s *Store) AskSeen(out *[]ID, mailID, sum string) db.Query {
	return db.Into(out, func(id *ID, row func(...any) error) error { return row(id) },
		`SELECT case_id FROM message_ids WHERE hash = $1 AND sum = $2 AND sum <> '' LIMIT 1`, s.MailHash(mailID), sum)
}

// MailHash is under what a Message-ID is found in message_ids.
func (s *Store) MailHash(mailID string) int64 { return s.v.Word("mail-id " + mailID) }

// ByMailIDs returns the cases that hold any of the mails, nearest reference
// first.
func (s *Store) ByMailIDs(ctx context.Context, tx *db.Tx, mailIDs []string) ([]ID, error) {
	var out []ID
	for _, m := range mailIDs {
		ids, err := db.List(ctx, tx, func(id *ID, row func(...any) error) error { return row(id) },
			`SELECT DISTINCT case_id FROM message_ids WHERE hash = $1 LIMIT 4`, s.MailHash(m))
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
		if len(out) >= 4 {
			break
		}
	}
	return out, nil
}

// Draft is an agent's unfinished answer.
type Draft struct {
	Text      string        `json:"text"`
	Note      bool          `json:"note,omitempty"`
	Sensitive bool          `json:"sensitive,omitempty"`
	To        []contacts.ID `json:"to,omitempty"`
	Files     []Attachment  `json:"files,omitempty"`
	Macro     string        `json:"macro,omitempty"` // canned reply whose changes are made with sending
	Saved     time.Time     `json:"-"`
}

// SaveDraft stores the agent's draft of the case, sealed with k.
func SaveDraft(ctx context.Context, tx *db.Tx, id ID, staff string, sealed []byte) error {
	return tx.Put(ctx, `INSERT INTO drafts (case_id, staff_id, doc, saved_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (case_id, staff_id) DO UPDATE SET doc = excluded.doc, saved_at = excluded.saved_at`, id, staff, sealed, db.Micros(tx.Now))
}

// SealDraft and OpenDraft turn a draft into what is stored and back.
func SealDraft(d *Draft, k *vault.Key, id ID, staff string) ([]byte, error) {
	return sealJSON(k, d, "draft", string(id), staff)
}

// A SealedDraft is a draft as it is stored.
type SealedDraft struct {
	id    ID
	staff string
	doc   []byte
	saved time.Time
}

// AskDraft is the query for what somebody began to write in a case; one row, or none.
func AskDraft(out *[]SealedDraft, id ID, staff string) db.Query {
	return db.Into(out, func(d *SealedDraft, row func(...any) error) error {
		d.id, d.staff = id, staff
		return row(&d.doc, db.Time(&d.saved))
	}, `SELECT doc, saved_at FROM drafts WHERE case_id = $1 AND staff_id = $2`, id, staff)
}

// Open opens it with the case's key.
func (s *SealedDraft) Open(k *vault.Key) (*Draft, error) {
	b, err := k.Open(s.doc, "draft", string(s.id), s.staff)
	if err != nil {
		return nil, err
	}
	d := &Draft{}
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("decode draft: %w", err)
	}
	d.Saved = s.saved
	return d, nil
}

// GetDraft returns what somebody began to write, or nil.
func GetDraft(ctx context.Context, tx *db.Tx, k *vault.Key, id ID, staff string) (*Draft, error) {
	var found []SealedDraft
	if err := tx.Read(ctx, AskDraft(&found, id, staff)); err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Open(k)
}

// DropDraft forgets the agent's draft.
func DropDraft(ctx context.Context, tx *db.Tx, id ID, staff string) error {
	return tx.Put(ctx, `DELETE FROM drafts WHERE case_id = $1 AND staff_id = $2`, id, staff)
}

// From says whose mails in which case.
type From struct {
	Case    ID
	Contact contacts.ID
}

// A SealedID is the Message-ID of a stored mail.
type SealedID struct {
	From
	message MessageID
	at      time.Time
	sealed  []byte
}

// Open decrypts it with the case's data key.
func (s SealedID) Open(k *vault.Key) (string, error) {
	return k.OpenText(s.sealed, "message", string(s.message), "mail-id")
}

// AskLastFrom is the query for the newest five mails of each, in no order: what an answer
// refers to. Lists of all lengths have few query texts.
func AskLastFrom(out *[]SealedID, of []From) db.Query {
	n := 1
	for n < len(of) {
		n *= 2
	}
	var arms []string
	var args []any
	for i := range n {
		f := From{} // nobody's
		if i < len(of) {
			f = of[i]
		}
		args = append(args, f.Case, f.Contact)
		arms = append(arms, fmt.Sprintf(`SELECT * FROM (SELECT id, case_id, contact_id, at, mail_id FROM messages WHERE case_id = $%d AND contact_id = $%d AND kind = 'in' ORDER BY at DESC, id DESC LIMIT 5) m`, len(args)-1, len(args)))
	}
	return db.Into(out, func(s *SealedID, row func(...any) error) error {
		return row(&s.message, &s.Case, &s.Contact, db.Time(&s.at), &s.sealed)
	}, strings.Join(arms, ` UNION ALL `), args...)
}

// Newest are those of one among them, oldest first.
func Newest(list []SealedID, f From) (out []SealedID) {
	for _, s := range list {
		if s.From == f {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b SealedID) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.message, b.message)) })
	return out
}
