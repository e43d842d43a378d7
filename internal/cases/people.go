package cases

import (
	"postern/internal/contacts"
	"postern/internal/db"
)

// AskParticipants is the query for who is part of a case.
func AskParticipants(out *[]contacts.ID, id ID) db.Query {
	return db.Into(out, func(c *contacts.ID, row func(...any) error) error { return row(c) },
		`SELECT contact_id FROM case_contacts WHERE case_id = $1 ORDER BY made_at, contact_id`, id)
}
