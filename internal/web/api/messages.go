package api

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"postern/internal/apikeys"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
)

// Limits of what one message brings. A body holds its files in base64, a third
// larger, and its text.
const (
	maxFiles   = 10 << 20
	maxMessage = maxFiles/3*4 + 2<<20
)

type newMessage struct {
	Contact     string    `json:"contact,omitempty" max:"26" about:"the id of the contact; give this or address"`
	Address     string    `json:"address,omitempty" max:"320" about:"an address of an existing contact. It says who: the mail goes to the first address on file"`
	Subject     string    `json:"subject,omitempty" max:"200" about:"begins a case; give this or case"`
	Case        string    `json:"case,omitempty" max:"40" about:"goes on with this case: its id or its reference. The contact must be part of it"`
	Mailbox     string    `json:"mailbox,omitempty" max:"320" about:"which of our mailboxes a new case belongs to; the first one if not given"`
	Text        string    `json:"text" min:"1" max:"200000"`
	Sensitive   *bool     `json:"sensitive,omitempty" about:"true if not given: say false only where nothing in it would matter to a stranger. What is found in the text can raise it, and a file always does"`
	Attachments []newFile `json:"attachments,omitempty" max:"20" about:"10 MiB together at most"`
}

type newFile struct {
	Name string `json:"name" min:"1" max:"255"`
	Type string `json:"type,omitempty" max:"127" about:"media type, such as application/pdf; found out if not given"`
	Data []byte `json:"data" about:"the content"`
}

type queuedMessage struct {
	ID         string `json:"id"`
	Case       string `json:"case"`
	Ref        string `json:"ref" about:"the reference of the case, as people see it"`
	Contact    string `json:"contact"`
	Protection string `json:"protection" enum:"encrypted portal signed opted-out" about:"how it goes, as decided now; opted-out: readable, by the customer's own choice. It is decided again when it leaves, and never goes with less"`
	Why        string `json:"why" about:"why so, in words"`
}

// messages are the operations on what is sent.
func (a *API) messages() []operation {
	return []operation{
		does(operation{Method: http.MethodPost, Path: "/messages", ID: "sendMessage", Summary: "Send a message to a contact",
			About: "It goes the way of an agent's answer: signed always; encrypted to their verified key, or on the portal, or in clear if it is routine. What may not go at all is a conflict that says why, and nothing is kept of it.",
			Scope: apikeys.MessagesSend, Status: http.StatusCreated, Fails: []kind{notFound, conflict}, Once: true, MaxBody: maxMessage}, a.sendMessage),
		does(operation{Method: http.MethodGet, Path: "/messages/{id}", ID: "getMessage", Summary: "How far a message went",
			About: "For messages that were sent with this key. What is in a message is never given out.", Scope: apikeys.MessagesRead, Status: http.StatusOK, Fails: []kind{notFound}}, a.getMessage),
	}
}

func (a *API) sendMessage(ctx context.Context, c *call, in *newMessage) (*queuedMessage, error) {
	out, err := once(ctx, a, c, func() (func(*db.Tx) (*queuedMessage, error), error) {
		s, err := a.systemMessage(ctx, c, in)
		if err != nil {
			return nil, err
		}
		p, err := a.Outbox.PrepareSystem(ctx, s)
		if err != nil {
			return nil, err
		}
		return func(tx *db.Tx) (*queuedMessage, error) {
			q, err := a.Outbox.QueueSystem(ctx, tx, p)
			if err != nil {
				return nil, err
			}
			return &queuedMessage{ID: string(q.Message), Case: string(q.Case.ID), Ref: string(q.Case.Ref), Contact: string(q.Contact.ID),
				Protection: string(q.Protection), Why: q.Why}, nil
		}, nil
	})
	if err == nil {
		c.location = root + "/messages/" + out.ID
	}
	return out, err
}

// systemMessage makes of the request what the outbox takes.
func (a *API) systemMessage(ctx context.Context, c *call, in *newMessage) (*outbox.SystemMessage, error) {
	s := &outbox.SystemMessage{Actor: c.key.Actor(), Subject: strings.TrimSpace(in.Subject), Text: in.Text, Sensitive: in.Sensitive == nil || *in.Sensitive}
	switch {
	case (in.Contact == "") == (in.Address == ""):
		return nil, fail.New(fail.Invalid, `give "contact" or "address", and not both`)
	case (s.Subject == "") == (in.Case == ""):
		return nil, fail.New(fail.Invalid, `give "subject" to begin a case or "case" to go on with one, and not both`)
	case strings.ContainsFunc(s.Subject, unicode.IsControl):
		return nil, fail.New(fail.Invalid, `"subject" must be one line`)
	case in.Case != "" && in.Mailbox != "":
		return nil, fail.New(fail.Invalid, `a case has its mailbox: leave "mailbox" out`)
	}
	var err error
	if s.Files, err = filesOf(in.Attachments); err != nil {
		return nil, err
	}
	if in.Case == "" {
		if s.Mailbox, err = a.mailbox(in.Mailbox); err != nil {
			return nil, err
		}
	}
	return s, a.DB.View(ctx, func(tx *db.Tx) error {
		s.To, s.Case, err = a.find(ctx, tx, in.Contact, in.Address, in.Case)
		return err
	})
}
