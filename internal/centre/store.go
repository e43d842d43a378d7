package centre

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/mailboxes"
	"postern/internal/staff"
	"postern/internal/vault"
)

// Store keeps the support centre's parts. The tree stands in memory too.
type Store struct {
	Links *links.Guard // of what is kept to be read or sent; nil: by the writing alone; set before the store is used

	d     *db.DB
	v     *vault.Vault
	boxes *mailboxes.Store
	staff *staff.Service
	tree  atomic.Pointer[Tree]

	library atomic.Pointer[Library]
	shelf   atomic.Pointer[Shelf]
}

// For is a store that only makes and reads tokens.
func For(v *vault.Vault) *Store { return &Store{v: v} }

// Open loads what is stored.
func Open(ctx context.Context, d *db.DB, v *vault.Vault, boxes *mailboxes.Store, s *staff.Service) (*Store, error) {
	c := &Store{d: d, v: v, boxes: boxes, staff: s}
	return c, c.Reload(ctx)
}

// misleads says which link keeps a text from being kept, or nil.
func (s *Store) misleads(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, linksFor)
	defer cancel()
	if f := links.Blocked(s.Links.Check(ctx, text)); f != nil {
		return fail.New(fail.Invalid, "%s", f)
	}
	return nil
}

// linksFor is how long somebody waits for what is behind the links of a text.
const linksFor = 10 * time.Second

// Tree is the list of topics as it stands. Do not change it.
func (s *Store) Tree() *Tree { return s.tree.Load() }

// Reload reads topics and canned replies again; another node may have changed them.
// A row that cannot be read as a tree, because somebody wrote past the desk, takes nothing
// away: the topics that stood go on to stand, and the doors always do.
func (s *Store) Reload(ctx context.Context) error {
	stored := errors.Join(s.loadReplies(ctx), s.loadArticles(ctx))
	t := parsed()
	err := s.d.View(ctx, func(tx *db.Tx) error {
		found, err := s.newest(ctx, tx)
		if found != nil {
			t = found
		}
		return err
	})
	if err != nil {
		if s.tree.Load() == nil && fail.Is(err, fail.Invalid) {
			s.tree.Store(parsed())
		}
		return err
	}
	s.tree.Store(t)
	return stored
}

func (s *Store) newest(ctx context.Context, tx *db.Tx) (*Tree, error) {
	type row struct {
		version int64
		text    string
	}
	r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.version, &r.text) },
		`SELECT version, text FROM topic_trees ORDER BY version DESC LIMIT 1`)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := Parse(r.text)
	if err != nil {
		return nil, fmt.Errorf("the stored topics: %w", err)
	}
	t.Version = r.version
	return t, nil
}

// SaveTopics makes a text the list of topics. from is the version that it was made
// of: somebody else's change in between is a Conflict.
func (s *Store) SaveTopics(ctx context.Context, actor, text string, from int64) error {
	t, err := Parse(text)
	if err != nil {
		return err
	}
	for _, x := range t.Topics {
		if box, err := s.boxes.Get(x.Mailbox); x.Mailbox != "" && (err != nil || box.Closed) {
			return fail.New(fail.Invalid, "%q goes to %s, which is none of our open mailboxes", x.words["en"].Name, x.Mailbox)
		}
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		var version int64
		if now, err := s.newest(ctx, tx); err == nil && now != nil {
			version = now.Version
		} else if err != nil && !fail.Is(err, fail.Invalid) {
			return err
		}
		if version != from {
			return fail.New(fail.Conflict, "somebody else changed the topics in the meantime; nothing was saved")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO topic_trees (version, text, actor, made_at) VALUES ($1, $2, $3, $4)`, version+1, t.Text, actor, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "topics.changed", About: "topics", Detail: fmt.Sprintf("version %d, %d topics", version+1, len(t.Topics))})
	})
	if err != nil {
		return err
	}
	return s.Reload(ctx)
}

// MailboxFor is the address of ours that a topic goes to: its own, a mailbox for
// security for that door, else the one that stands for the organisation.
func (s *Store) MailboxFor(topic string) string {
	open := func(address string) bool { b, err := s.boxes.Get(address); return err == nil && !b.Closed }
	if x := s.Tree().Topic(topic); x != nil && open(x.Mailbox) {
		return x.Mailbox
	}
	for _, b := range s.boxes.All() {
		if topic == Security && !b.Closed && strings.HasPrefix(b.Address, "security@") {
			return b.Address
		}
	}
	return s.boxes.First().Address
}
