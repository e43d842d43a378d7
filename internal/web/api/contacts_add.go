package api

import (
	"context"
	"net/mail"
	"strings"
	"unicode"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
)

func (a *API) addContact(ctx context.Context, c *call, in *newContact) (out *contact, err error) {
	name := strings.TrimSpace(in.Name)
	if name == "" || strings.ContainsFunc(name, unicode.IsControl) {
		return nil, fail.New(fail.Invalid, `"name" must be a name, on one line`)
	}
	if err := a.theirs(in.Address); err != nil {
		return nil, err
	}
	n := a.Contacts.New(name, in.Address, "api", a.DB.Now())
	c.location = root + "/contacts/" + string(n.ID)
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		if err := a.Contacts.Add(ctx, tx, n); err != nil {
			return err
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: c.key.Actor(), Act: "contact.added", About: string(n.ID)}); err != nil {
			return err
		}
		out, err = a.readContact(ctx, tx, n.ID)
		return err
	})
	return out, err
}

// theirs refuses what is not one address of somebody else's.
func (a *API) theirs(address string) error {
	if p, err := mail.ParseAddress(address); err != nil || p.Address != address || len(address) > 320 {
		return fail.New(fail.Invalid, "give one mail address, such as name@example.org")
	}
	if a.Mailboxes.Is(address) {
		return fail.New(fail.Invalid, "this is one of our own mailboxes, and no customer's address")
	}
	return nil
}

// addIdentifier adds an address. What a person proves themselves with cannot
// come from a machine that says so: whoever holds its key would be everybody.
func (a *API) addIdentifier(ctx context.Context, c *call, in *newIdentifier) (out *contact, err error) {
	if in.Type != "address" {
		return nil, fail.New(fail.Denied, "a phone number or a key is what a person proves themselves with, so it cannot be added or changed by API. The customer does it, with proof: on the portal, by a message that their present key has signed, or by a call-back to the number on file")
	}
	if err := a.theirs(in.Value); err != nil {
		return nil, err
	}
	id := contacts.ID(c.id)
	c.location = root + "/contacts/" + c.id
	told, err := a.Outbox.PrepareChange(ctx, id, outbox.AddressBySystem)
	if err != nil {
		return nil, err
	}
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		if err := a.Outbox.Tell(ctx, tx, told); err != nil { // to those that were theirs before
			return err
		}
		if err := a.Contacts.AddAddress(ctx, tx, id, in.Value, "api"); err != nil {
			return err
		}
		if err := audit.Append(ctx, tx, audit.Entry{Actor: c.key.Actor(), Act: "address.added", About: string(id)}); err != nil {
			return err
		}
		out, err = a.readContact(ctx, tx, id)
		return err
	})
	return out, err
}
