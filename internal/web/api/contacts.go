package api

import (
	"context"
	"net/http"
	"time"

	"postern/internal/apikeys"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

// contact is a person the desk talks to. What proves them, phones and keys, can
// be seen in part and never changed.
type contact struct {
	ID        string    `json:"id"`
	Name      string    `json:"name" about:"as they gave it"`
	Addresses []address `json:"addresses" about:"the first is the one that mail goes to"`
	Phones    []phone   `json:"phones"`
	Keys      []key     `json:"keys"`
	Made      time.Time `json:"made"`
}

type address struct {
	Address string    `json:"address"`
	Source  string    `json:"source" about:"where we have it from: mail, staff, portal, api"`
	Made    time.Time `json:"made"`
}

type phone struct {
	Ends string `json:"ends" about:"its last digits; the whole number never leaves the desk"`
}

type key struct {
	Fingerprint string    `json:"fingerprint"`
	Trust       string    `json:"trust" enum:"seen harvested discovered pinned verified rejected expired revoked" about:"how sure we are that it is theirs"`
	Usable      bool      `json:"usable" about:"sensitive messages are encrypted to this one"`
	Pending     bool      `json:"pending" about:"it turned up beside a verified key, and carries no authority yet"`
	Made        time.Time `json:"made"`
}

type contactList struct {
	Contacts []contact `json:"contacts"`
	Next     string    `json:"next,omitempty" about:"the cursor of the next page; absent on the last"`
}

type newContact struct {
	Name    string `json:"name" min:"1" max:"200"`
	Address string `json:"address" min:"3" max:"320" about:"one mail address, such as name@example.org"`
}

type newIdentifier struct {
	Type  string `json:"type" enum:"address phone key" about:"only an address can be added; a phone number or a key is added by its owner, with proof"`
	Value string `json:"value" min:"1" max:"20000"`
}

// contacts are the operations on the book of contacts.
func (a *API) contacts() []operation {
	return []operation{
		does(operation{Method: http.MethodGet, Path: "/contacts", ID: "listContacts", Summary: "List contacts, or find the one with an address",
			About: "The newest first. With an address, the list holds whoever has it, or nobody.", Scope: apikeys.ContactsRead, Status: http.StatusOK, Fails: []kind{invalid},
			Query: []query{{"address", "A whole mail address.", 320}, cursorQuery, limitQuery}}, a.listContacts),
		does(operation{Method: http.MethodGet, Path: "/contacts/{id}", ID: "getContact", Summary: "Read a contact",
			About: "Phone numbers are masked.", Scope: apikeys.ContactsRead, Status: http.StatusOK, Fails: []kind{notFound}}, a.getContact),
		does(operation{Method: http.MethodPost, Path: "/contacts", ID: "addContact", Summary: "Add a contact",
			About: "A name and an address. An address that somebody has already is a conflict.", Scope: apikeys.ContactsWrite, Status: http.StatusCreated, Fails: []kind{conflict}}, a.addContact),
		does(operation{Method: http.MethodPost, Path: "/contacts/{id}/identifiers", ID: "addIdentifier", Summary: "Add an address to a contact",
			About: "The first address stays the one that mail goes to. A phone number or a key is what a person proves themselves with: it is refused here, whatever the scopes.",
			Scope: apikeys.ContactsWrite, Status: http.StatusCreated, Fails: []kind{notFound, conflict}}, a.addIdentifier),
	}
}

// show puts a contact into the words of the API.
func show(c *contacts.Contact, now time.Time) contact {
	out := contact{ID: string(c.ID), Name: c.Name, Made: c.Made, Addresses: []address{}, Phones: []phone{}, Keys: []key{}}
	for _, x := range c.Addresses {
		out.Addresses = append(out.Addresses, address{x.Address, x.Source, x.Made})
	}
	for _, p := range c.Phones {
		out.Phones = append(out.Phones, phone{p.Last()})
	}
	use, _ := c.VerifiedKey(now)
	for i := range c.Keys {
		k := &c.Keys[i]
		out.Keys = append(out.Keys, key{string(k.Cert.Fingerprint()), string(k.Trust), use != nil && use.ID == k.ID, k.Pending, k.Made})
	}
	return out
}

func (a *API) listContacts(ctx context.Context, c *call, _ *nothing) (*contactList, error) {
	n, err := limit(c)
	if err != nil {
		return nil, err
	}
	after, err := a.from(c, "contacts")
	if err != nil {
		return nil, err
	}
	out := &contactList{Contacts: []contact{}}
	return out, a.DB.View(ctx, func(tx *db.Tx) error {
		if who, asked := c.query["address"]; asked {
			return a.findContact(ctx, tx, who, out)
		}
		ids, err := a.Contacts.List(ctx, tx, contacts.ID(after), n+1)
		if err != nil {
			return err
		}
		if len(ids) > n {
			ids = ids[:n]
			out.Next = a.cursor(c, "contacts", string(ids[n-1].ID))
		}
		return a.fillContacts(ctx, tx, ids, out)
	})
}

func (a *API) findContact(ctx context.Context, tx *db.Tx, address string, out *contactList) error {
	p, err := a.Contacts.Find(ctx, tx, address)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	if err == nil {
		out.Contacts = append(out.Contacts, show(p, tx.Now))
	}
	return err
}

// fillContacts reads the contacts of a page with all that they have, in one go.
func (a *API) fillContacts(ctx context.Context, tx *db.Tx, page []contacts.Contact, out *contactList) error {
	var people []*contacts.Asked
	var queries []db.Query
	for i := range page {
		who := a.Contacts.AskID(page[i].ID)
		people, queries = append(people, who), append(queries, who.Queries...)
	}
	if err := tx.Read(ctx, queries...); err != nil {
		return err
	}
	for _, who := range people {
		p, err := who.Contact()
		if err != nil {
			return err
		}
		out.Contacts = append(out.Contacts, show(p, tx.Now))
	}
	return nil
}

func (a *API) getContact(ctx context.Context, c *call, _ *nothing) (out *contact, err error) {
	err = a.DB.View(ctx, func(tx *db.Tx) error { out, err = a.readContact(ctx, tx, contacts.ID(c.id)); return err })
	return out, err
}

func (a *API) readContact(ctx context.Context, tx *db.Tx, id contacts.ID) (*contact, error) {
	p, err := a.Contacts.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	out := show(p, tx.Now)
	return &out, nil
}
