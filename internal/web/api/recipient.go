package api

import (
	"context"
	"strings"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

// find looks up the person that a request names, by id or address, and the case,
// if it names one.
func (a *API) find(ctx context.Context, tx *db.Tx, contact, address, in string) (who contacts.ID, c cases.ID, err error) {
	nobody := fail.New(fail.NotFound, "there is no such contact; add them first")
	if contact != "" && !isID(contact) {
		return "", "", nobody
	}
	asked := a.Contacts.AskID(contacts.ID(contact))
	if address != "" {
		asked = a.Contacts.Ask(address)
	}
	if err := tx.Read(ctx, asked.Queries...); err != nil {
		return "", "", err
	}
	p, err := asked.Contact()
	if fail.Is(err, fail.NotFound) {
		return "", "", nobody
	}
	if err != nil {
		return "", "", err
	}
	if in == "" {
		return p.ID, "", nil
	}
	c, err = a.caseNamed(ctx, tx, in)
	return p.ID, c, err
}

// caseNamed finds a case by its reference or its id. Whether the person is part
// of it is asked where it is used.
func (a *API) caseNamed(ctx context.Context, tx *db.Tx, name string) (cases.ID, error) {
	none := fail.New(fail.NotFound, "there is no such case with this person")
	if ref, ok := cases.ParseRef(name); ok {
		found, err := a.Cases.ByRef(ctx, tx, ref)
		if fail.Is(err, fail.NotFound) {
			return "", none
		}
		if err != nil {
			return "", err
		}
		return found.ID, nil
	}
	if !isID(name) {
		return "", none
	}
	return cases.ID(name), nil
}

// mailbox is the one that a new case belongs to: answers come back there, so it
// must take mail.
func (a *API) mailbox(name string) (string, error) {
	for _, b := range a.Mailboxes.All() {
		if !b.Closed && (name == "" || strings.EqualFold(name, b.Address)) {
			return b.Address, nil
		}
	}
	return "", fail.New(fail.Invalid, `"mailbox" is not one of ours that takes mail`)
}
