// Package mailboxes keeps our own addresses and the OpenPGP key of each: the
// only addresses that mail is taken for, and the only keys that sign.
//
// Keys are made when a mailbox is made, stored sealed, unlocked once and kept
// in memory: a subprocess or an unlocking per mail would cost more than all the
// rest of its handling.
package mailboxes

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/pgp"
	"postern/internal/vault"
)

// A Mailbox is one of our addresses.
type Mailbox struct {
	Address   string // lower case
	Name      string // what stands before the address in From
	Sensitive bool   // what comes here is sensitive by its topic
	Closed    bool   // refuses new mail
	Secret    *pgp.Secret
	Made      time.Time
}

// Store holds the mailboxes in memory and in the table.
type Store struct {
	d    *db.DB
	v    *vault.Vault
	list atomic.Pointer[[]Mailbox]

	prefer atomic.Value // string: the address that stands for the organisation
}

// Open loads the mailboxes.
func Open(ctx context.Context, d *db.DB, v *vault.Vault) (*Store, error) {
	s := &Store{d: d, v: v}
	return s, s.Reload(ctx)
}

// Reload reads the table again; another node may have added one.
func (s *Store) Reload(ctx context.Context) error {
	type row struct {
		Mailbox
		sealed []byte
	}
	var rows []row
	err := s.d.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = db.List(ctx, tx, func(r *row, scan func(...any) error) error {
			return scan(&r.Address, &r.Name, &r.Sensitive, &r.Closed, &r.sealed, db.Time(&r.Made))
		}, `SELECT address, name, sensitive, closed, secret, made_at FROM mailboxes ORDER BY made_at, address`)
		return err
	})
	if err != nil {
		return err
	}
	list := make([]Mailbox, len(rows))
	for i, r := range rows {
		raw, err := s.v.Desk().Open(r.sealed, "mailbox", r.Address)
		if err != nil {
			return err
		}
		if r.Secret, err = pgp.ParseSecret(raw); err != nil {
			return err
		}
		list[i] = r.Mailbox
	}
	s.list.Store(&list)
	return nil
}

// All returns the mailboxes, oldest first. Do not change it.
func (s *Store) All() []Mailbox { return *s.list.Load() }

// First is the mailbox that stands for the organisation where none is named: the one that
// was preferred, else the oldest; one that takes new mail before one that does not.
func (s *Store) First() *Mailbox {
	list := s.All()
	prefer, _ := s.prefer.Load().(string)
	best := 0
	rank := func(m *Mailbox) (n int) {
		if !m.Closed {
			n += 2
		}
		if m.Address == prefer {
			n++
		}
		return n
	}
	for i := range list {
		if rank(&list[i]) > rank(&list[best]) {
			best = i
		}
	}
	return &list[best]
}

// Prefer says which mailbox stands for the organisation.
func (s *Store) Prefer(address string) { s.prefer.Store(strings.ToLower(address)) }

// Get returns the mailbox with the address; none is NotFound.
func (s *Store) Get(address string) (*Mailbox, error) {
	address = strings.ToLower(address)
	for i, m := range s.All() {
		if m.Address == address {
			return &s.All()[i], nil
		}
	}
	return nil, fail.New(fail.NotFound, "this is not one of our addresses")
}

// Is reports whether an address is one of ours.
func (s *Store) Is(address string) bool {
	_, err := s.Get(address)
	return err == nil
}

// Secrets returns all our keys, for opening mail.
func (s *Store) Secrets() []*pgp.Secret {
	var out []*pgp.Secret
	for _, m := range s.All() {
		out = append(out, m.Secret)
	}
	return out
}

// deaf are addresses that say that nobody reads what comes to them.
var deaf = regexp.MustCompile(`(?i)^[^@]*((no|not|dont|never)[-._]?(reply|replies|answer|response)|nicht[-._]?antworten|keine[-._]?antwort)`)

// Add makes a mailbox and its key.
func (s *Store) Add(ctx context.Context, actor, name, address string, sensitive bool) (*Mailbox, error) {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != strings.TrimSpace(address) || strings.ContainsAny(address, "+\"\\ ") {
		return nil, fail.New(fail.Invalid, "%q is not an address a mailbox can have; write it as name@example.org", address)
	}
	if deaf.MatchString(address) {
		return nil, fail.New(fail.Invalid, "a mailbox that nobody reads cannot be made: every answer of ours can be answered")
	}
	if strings.ContainsAny(name, "\r\n\x00@<>") || name == "" {
		return nil, fail.New(fail.Invalid, "give the mailbox a name that people will see, without line breaks, @, < or >")
	}
	now := s.d.Now()
	secret, err := pgp.Generate(name, strings.ToLower(parsed.Address), now)
	if err != nil {
		return nil, err
	}
	m := Mailbox{Address: strings.ToLower(parsed.Address), Name: name, Sensitive: sensitive, Secret: secret, Made: now}
	sealed := s.v.Desk().Seal(secret.Bytes(), "mailbox", m.Address)
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO mailboxes (address, name, sensitive, secret, made_at) VALUES ($1, $2, $3, $4, $5)`,
			m.Address, m.Name, m.Sensitive, sealed, db.Micros(tx.Now))
		if fail.Is(err, fail.Conflict) {
			return fail.New(fail.Conflict, "there is a mailbox with this address already")
		}
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "mailbox.made", About: m.Address,
			Detail: "key " + string(secret.Public().Fingerprint())})
	})
	if err != nil {
		return nil, err
	}
	return &m, s.Reload(ctx)
}

// Save changes a mailbox's name and what it takes.
func (s *Store) Save(ctx context.Context, actor, address, name string, sensitive, closed bool) error {
	if strings.ContainsAny(name, "\r\n\x00@<>") || name == "" {
		return fail.New(fail.Invalid, "give the mailbox a name that people will see, without line breaks, @, < or >")
	}
	err := s.d.Update(ctx, func(tx *db.Tx) error {
		if err := db.Change(ctx, tx, `UPDATE mailboxes SET name = $2, sensitive = $3, closed = $4 WHERE address = $1`, address, name, sensitive, closed); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "mailbox.changed", About: address, Detail: fmt.Sprintf("sensitive %v, closed %v", sensitive, closed)})
	})
	if err != nil {
		return err
	}
	return s.Reload(ctx)
}
