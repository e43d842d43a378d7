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

const byAddress = `= (SELECT contact_id FROM contact_addresses WHERE lookup = $1)`

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

// Asked are contacts who are read together with other things.
type Asked struct {
	Queries []db.Query
	found   map[ID]*Contact
	none    string
	whose   string // SQL that follows what their id is compared with
	args    []any
}

// AskID and Ask return the queries for contacts by id, one at least, and by address.
func (b *Book) AskID(ids ...ID) *Asked {
	in, args := db.In(nil, ids)
	return b.ask(`IN `+in, args, "there is no such person")
}

func (b *Book) Ask(address string) *Asked {
	return b.ask(byAddress, []any{b.lookup(address)}, "nobody has this address")
}

func (b *Book) ask(whose string, args []any, none string) *Asked {
	a := &Asked{none: none, found: map[ID]*Contact{}, whose: whose, args: args}
	a.Queries = []db.Query{{SQL: `SELECT ` + columns + ` FROM contacts WHERE id ` + whose, Args: args, Row: a.row(b.scan)}, b.addresses(a.found, whose, args),
		theirs(a.found, func(c *Contact) *[]Phone { return &c.Phones }, b.scanPhone,
			`SELECT contact_id, id, phone, source, by_staff, changed, made_at FROM contact_phones WHERE contact_id `+whose+` ORDER BY made_at, id`, args),
		theirs(a.found, func(c *Contact) *[]Key { return &c.Keys }, func(k *Key, row func(...any) error) (ID, error) { err := b.scanKey(k, row); return k.Contact, err },
			`SELECT `+keyColumns+` FROM contact_keys WHERE contact_id `+whose+` ORDER BY made_at DESC, id`, args)}
	return a
}

// row takes a contact in.
func (a *Asked) row(scan func(*Contact, func(...any) error) error) func(func(...any) error) error {
	return func(row func(...any) error) error {
		c := &Contact{}
		err := scan(c, row)
		a.found[c.ID] = c
		return err
	}
}

// theirs is a query for what belongs to contacts who were read before.
func theirs[T any](found map[ID]*Contact, list func(*Contact) *[]T, scan func(*T, func(...any) error) (ID, error), sql string, args []any) db.Query {
	return db.Query{SQL: sql, Args: args, Row: func(row func(...any) error) error {
		var t T
		whose, err := scan(&t, row)
		if c := found[whose]; c != nil {
			l := list(c)
			*l = append(*l, t)
		}
		return err
	}}
}

// addresses is the query for the addresses of contacts.
func (b *Book) addresses(found map[ID]*Contact, whose string, args []any) db.Query {
	return theirs(found, func(c *Contact) *[]Address { return &c.Addresses }, func(a *Address, row func(...any) error) (whose ID, err error) {
		var sealed []byte
		if err := row(&whose, &sealed, &a.Source, db.Time(&a.Made)); err != nil {
			return whose, err
		}
		a.Address, err = b.v.Desk().OpenText(sealed, "contact", string(whose), "address")
		return whose, err
	}, `SELECT contact_id, address, source, made_at FROM contact_addresses WHERE contact_id `+whose+` ORDER BY preferred_at DESC, made_at, lookup`, args)
}

// AskSender asks for whoever owns the address that a mail came from: no more of them than
// every mail needs, their name and the data key of their content, in one row.
func (b *Book) AskSender(address string) (*Asked, *vault.Asked) {
	a := &Asked{none: "nobody has this address", found: map[ID]*Contact{}, whose: byAddress, args: []any{b.lookup(address)}}
	key, places := b.v.Join()
	a.Queries = []db.Query{{SQL: `SELECT ` + db.Of("c", columns) + `, k.id, k.wrapped, k.destroyed_at FROM contacts c JOIN data_keys k ON k.id = c.key_id WHERE c.id ` + a.whose, Args: a.args,
		Row: a.row(func(c *Contact, row func(...any) error) error {
			return b.scan(c, func(dest ...any) error { return row(append(dest, places...)...) })
		})}}
	return a, key
}

// Whose is the SQL that the id of whoever is asked for fulfils, behind it, and its one argument.
func (a *Asked) Whose() (sql string, arg any) { return a.whose, a.args[0] }

// AskKey adds the query for the data key of the contact's content.
func (a *Asked) AskKey(v *vault.Vault) *vault.Asked {
	key, query := v.Ask(`(SELECT key_id FROM contacts WHERE id `+a.whose+`)`, a.args...)
	a.Queries = append(a.Queries, query)
	return key
}

// Contact returns who was read, where one was asked for; none is NotFound.
func (a *Asked) Contact() (*Contact, error) {
	for id := range a.found {
		return a.Of(id)
	}
	return a.Of("")
}

// Of returns one of those who were read; whoever is not among them is NotFound.
func (a *Asked) Of(id ID) (*Contact, error) {
	if c := a.found[id]; c != nil {
		return c, nil
	}
	return nil, fail.New(fail.NotFound, "%s", a.none)
}

// List returns contacts by id, newest first, before the given id (""); without
// keys and phones.
func (b *Book) List(ctx context.Context, tx *db.Tx, before ID, limit int) ([]Contact, error) {
	list, err := db.List(ctx, tx, b.scan, `SELECT `+columns+` FROM contacts WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT CAST($2 AS BIGINT)`, before, limit)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, nil
	}
	found, ids := map[ID]*Contact{}, []ID(nil)
	for i := range list {
		found[list[i].ID], ids = &list[i], append(ids, list[i].ID)
	}
	in, args := db.In(nil, ids)
	return list, tx.Read(ctx, b.addresses(found, `IN `+in, args))
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

func (b *Book) scanPhone(p *Phone, row func(...any) error) (whose ID, err error) {
	var sealed []byte
	if err := row(&whose, &p.ID, &sealed, &p.Source, &p.By, &p.Changed, db.Time(&p.Made)); err != nil {
		return whose, err
	}
	p.Number, err = b.v.Desk().OpenText(sealed, "phone", p.ID)
	return whose, err
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
