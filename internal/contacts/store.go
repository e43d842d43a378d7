package contacts

import (
	"context"
	"fmt"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/pgp"
	"postern/internal/vault"
)

// Book reads and writes contacts. It holds no state but parsed certificates.
type Book struct {
	v     *vault.Vault
	certs *certs
}

// NewBook returns the book whose texts v seals.
func NewBook(v *vault.Vault) *Book { return &Book{v, newCerts()} }

const columns = `id, name, key_id, source, signed, unsigned, able_until, made_at`

const byAddress = `(SELECT contact_id FROM contact_addresses WHERE lookup = $1)`

func (b *Book) scan(c *Contact, row func(...any) error) error {
	var name []byte
	if err := row(&c.ID, &name, &c.KeyID, &c.Source, &c.Signed, &c.Unsigned, db.Time(&c.AbleUntil), db.Time(&c.Made)); err != nil {
		return err
	}
	var err error
	c.Name, err = b.v.Desk().OpenText(name, "contact", string(c.ID), "name")
	return err
}

// Get returns a contact with addresses, phones and keys; none is NotFound.
func (b *Book) Get(ctx context.Context, tx *db.Tx, id ID) (*Contact, error) {
	return read(ctx, tx, b.AskID(id))
}

// Find returns the contact who owns an address; none is NotFound.
func (b *Book) Find(ctx context.Context, tx *db.Tx, address string) (*Contact, error) {
	return read(ctx, tx, b.Ask(address))
}

// Who is the id of whoever owns an address, empty for nobody. It takes as long for
// one as for the other: nothing of theirs is opened.
func (b *Book) Who(ctx context.Context, tx *db.Tx, address string) (ID, error) {
	ids, err := db.Strings(ctx, tx, `SELECT contact_id FROM contact_addresses WHERE lookup = $1`, b.lookup(address))
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ID(ids[0]), nil
}

func read(ctx context.Context, tx *db.Tx, a *Asked) (*Contact, error) {
	if err := tx.Read(ctx, a.Queries...); err != nil {
		return nil, err
	}
	return a.Contact()
}

// Asked is a contact who is read together with other things.
type Asked struct {
	Queries []db.Query
	c       Contact
	found   bool
	none    string
	id      string // SQL for whose, with the one argument
	arg     any
}

// AskID and Ask return the queries for a contact by id and by address.
func (b *Book) AskID(id ID) *Asked { return b.ask(`$1`, string(id), "there is no such person") }

func (b *Book) Ask(address string) *Asked {
	return b.ask(byAddress, b.lookup(address), "nobody has this address")
}

func (b *Book) ask(id, arg, none string) *Asked {
	a := &Asked{none: none, id: id, arg: arg}
	c := &a.c // its id is there when its addresses are opened
	a.Queries = []db.Query{
		{SQL: `SELECT ` + columns + ` FROM contacts WHERE id = ` + id, Args: []any{arg}, Row: func(row func(...any) error) error { a.found = true; return b.scan(c, row) }},
		b.addresses(c, id, arg),
		db.Into(&c.Phones, b.scanPhone, `SELECT id, phone, source, by_staff, changed, made_at FROM contact_phones WHERE contact_id = `+id+` ORDER BY made_at, id`, arg),
		db.Into(&c.Keys, b.scanKey, `SELECT `+keyColumns+` FROM contact_keys WHERE contact_id = `+id+` ORDER BY made_at DESC, id`, arg),
	}
	return a
}

// AskSender asks for whoever owns the address that a mail came from: no more of them than
// every mail needs, their name and the data key of their content, in one row.
func (b *Book) AskSender(address string) (*Asked, *vault.Asked) {
	a := &Asked{none: "nobody has this address", id: byAddress, arg: b.lookup(address)}
	key, places := b.v.Join()
	a.Queries = []db.Query{{SQL: `SELECT ` + db.Of("c", columns) + `, k.id, k.wrapped, k.destroyed_at FROM contacts c JOIN data_keys k ON k.id = c.key_id WHERE c.id = ` + a.id, Args: []any{a.arg},
		Row: func(row func(...any) error) error {
			a.found = true
			return b.scan(&a.c, func(dest ...any) error { return row(append(dest, places...)...) })
		}}}
	return a, key
}

// Whose is the SQL for the id of whoever is asked for, and its one argument.
func (a *Asked) Whose() (sql string, arg any) { return a.id, a.arg }

// AskKey adds the query for the data key of the contact's content.
func (a *Asked) AskKey(v *vault.Vault) *vault.Asked {
	key, query := v.Ask(`(SELECT key_id FROM contacts WHERE id = `+a.id+`)`, a.arg)
	a.Queries = append(a.Queries, query)
	return key
}

// Contact returns who was read; none is NotFound.
func (a *Asked) Contact() (*Contact, error) {
	if !a.found {
		return nil, fail.New(fail.NotFound, "%s", a.none)
	}
	return &a.c, nil
}

// addresses is the query for the addresses of c.
func (b *Book) addresses(c *Contact, id, arg string) db.Query {
	return db.Into(&c.Addresses, func(a *Address, row func(...any) error) error {
		var sealed []byte
		if err := row(&sealed, &a.Source, db.Time(&a.Made)); err != nil {
			return err
		}
		var err error
		a.Address, err = b.v.Desk().OpenText(sealed, "contact", string(c.ID), "address")
		return err
	}, `SELECT address, source, made_at FROM contact_addresses WHERE contact_id = `+id+` ORDER BY preferred_at DESC, made_at, lookup`, arg)
}

// List returns contacts by id, newest first, before the given id (""); without
// keys and phones.
func (b *Book) List(ctx context.Context, tx *db.Tx, before ID, limit int) ([]Contact, error) {
	list, err := db.List(ctx, tx, b.scan, `SELECT `+columns+` FROM contacts WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT CAST($2 AS BIGINT)`, before, limit)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := tx.Read(ctx, b.addresses(&list[i], `$1`, string(list[i].ID))); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Search finds contacts by whole address or by the beginnings of words of name
// and address.
func (b *Book) Search(ctx context.Context, tx *db.Tx, query string, limit int) ([]Contact, error) {
	ids, err := vault.Find(ctx, tx, "contact_words", "contact_id", b.v.Words(query), 500)
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, id := range ids {
		c, err := b.Get(ctx, tx, ID(id))
		if err != nil {
			return nil, err
		}
		texts := []string{c.Name}
		for _, a := range c.Addresses {
			texts = append(texts, a.Address)
		}
		if vault.Matches(query, texts...) {
			if out = append(out, *c); len(out) == limit {
				break
			}
		}
	}
	return out, nil
}

// New is a contact to be added, with the data key of their content. The key is
// made here, outside any transaction.
type New struct {
	Contact
	key *vault.Key
}

// New prepares a contact. No database is touched.
func (b *Book) New(name, address, source string, now time.Time) *New {
	n := &New{Contact: Contact{ID: ID(db.NewID()), Name: name, Source: source, Made: now}}
	n.key = b.v.NewKey()
	n.KeyID = n.key.ID
	if address != "" {
		n.Addresses = []Address{{address, source, now}}
	}
	return n
}

// Key is the data key of the new contact's content.
func (n *New) Key() *vault.Key { return n.key }

// Add stores a new contact. An address that somebody has already is a Conflict.
func (b *Book) Add(ctx context.Context, tx *db.Tx, n *New) error {
	if err := vault.Add(ctx, tx, n.key); err != nil {
		return err
	}
	err := tx.Put(ctx, `INSERT INTO contacts (id, name, key_id, source, made_at) VALUES ($1, $2, $3, $4, $5)`,
		n.ID, b.v.Desk().SealText(n.Name, "contact", string(n.ID), "name"), n.KeyID, n.Source, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	for _, a := range n.Addresses {
		if err := b.AddAddress(ctx, tx, n.ID, a.Address, a.Source); err != nil {
			return err
		}
	}
	return b.index(ctx, tx, n.ID, n.Name)
}

// AddAddress gives the contact one more address.
func (b *Book) AddAddress(ctx context.Context, tx *db.Tx, id ID, address, source string) error {
	n, err := tx.Exec(ctx, `INSERT INTO contact_addresses (lookup, contact_id, address, source, made_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (lookup) DO NOTHING`,
		b.lookup(address), id, b.v.Desk().SealText(address, "contact", string(id), "address"), source, db.Micros(tx.Now))
	if err != nil {
		return err
	}
	if n == 0 { // no error of the database: on PostgreSQL that would end the whole transaction
		return fail.New(fail.Conflict, "this address belongs to a contact already")
	}
	return b.index(ctx, tx, id, address)
}

// AddPhone puts a number on file. One that took the place of another, or that an
// instruction brought, waits before it counts for call-backs.
func (b *Book) AddPhone(ctx context.Context, tx *db.Tx, id ID, number, source, staff string) error {
	if len(Phone{Number: number}.Last()) <= len("••") {
		return fail.New(fail.Invalid, "a phone number needs at least four digits")
	}
	p := db.NewID()
	_, err := tx.Exec(ctx, `INSERT INTO contact_phones (id, contact_id, phone, source, by_staff, made_at, changed) VALUES ($1, $2, $3, $4, $5, $6,
		$7 OR EXISTS (SELECT 1 FROM contact_phones WHERE contact_id = $2))`, p, id, b.v.Desk().SealText(number, "phone", p), source, staff, db.Micros(tx.Now), source == ByInstruction)
	return err
}

// Rename gives the contact another name.
func (b *Book) Rename(ctx context.Context, tx *db.Tx, id ID, name string) error {
	if err := db.Change(ctx, tx, `UPDATE contacts SET name = $2, version = version + 1 WHERE id = $1`,
		id, b.v.Desk().SealText(name, "contact", string(id), "name")); err != nil {
		return err
	}
	return b.index(ctx, tx, id, name)
}

// CountSigned notes that a message proved to be the contact's, or did not.
func CountSigned(ctx context.Context, tx *db.Tx, id ID, proved bool) error {
	q := `UPDATE contacts SET unsigned = unsigned + 1 WHERE id = $1`
	if proved {
		q = `UPDATE contacts SET signed = signed + 1, unsigned = 0 WHERE id = $1`
	}
	return tx.Put(ctx, q, id)
}

func (b *Book) lookup(address string) string { return b.v.Index("address", Normal(address)) }

func (b *Book) index(ctx context.Context, tx *db.Tx, id ID, text string) error {
	for _, w := range b.v.Words(text) {
		if err := tx.Put(ctx, `INSERT INTO contact_words (word, contact_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, w, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) scanPhone(p *Phone, row func(...any) error) error {
	var sealed []byte
	if err := row(&p.ID, &sealed, &p.Source, &p.By, &p.Changed, db.Time(&p.Made)); err != nil {
		return err
	}
	var err error
	p.Number, err = b.v.Desk().OpenText(sealed, "phone", p.ID)
	return err
}

const keyColumns = `id, contact_id, data, trust, source, pending, via, by_staff, by_name, verified_at, made_at, replaced_by`

func (b *Book) scanKey(k *Key, row func(...any) error) error {
	var sealed, name []byte
	if err := row(&k.ID, &k.Contact, &sealed, &k.Trust, &k.Source, &k.Pending, &k.Via, &k.By, &name, db.Time(&k.Verified), db.Time(&k.Made), &k.Replaced); err != nil {
		return err
	}
	var err error
	if k.ByName, err = b.v.Desk().OpenText(name, "key", k.ID, "by"); err != nil {
		return err
	}
	k.Cert, err = b.certs.get(k.ID+string(sealed[max(0, len(sealed)-16):]), func() (*pgp.Key, error) {
		data, err := b.v.Desk().Open(sealed, "key", k.ID)
		if err != nil {
			return nil, err
		}
		parsed, err := pgp.ParseKeys(data)
		if err != nil {
			return nil, fmt.Errorf("stored key %s: %w", k.ID, err)
		}
		if len(parsed) != 1 {
			return nil, fmt.Errorf("stored key %s holds %d certificates", k.ID, len(parsed))
		}
		return parsed[0], nil
	})
	return err
}
