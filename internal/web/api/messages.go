package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"postern/internal/apikeys"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/web"
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

type message struct {
	ID         string      `json:"id"`
	Case       string      `json:"case"`
	Ref        string      `json:"ref"`
	Made       time.Time   `json:"made"`
	Recipients []recipient `json:"recipients"`
}

type recipient struct {
	Contact    string    `json:"contact"`
	State      string    `json:"state" enum:"queued deferred sent captured held failed bounced undone" about:"captured: no relay is set, it is in the desk's tray. held: a person must look at it"`
	Protection string    `json:"protection" enum:"encrypted portal signed opted-out blocked"`
	Reason     string    `json:"reason,omitempty" about:"why it is held, deferred, failed or came back"`
	At         time.Time `json:"at,omitzero" about:"when it came to this end"`
	Portal     *waiting  `json:"portal,omitempty" about:"if it waits on the portal: each moment apart"`
}

type waiting struct {
	Placed   time.Time `json:"placed"`
	Notified time.Time `json:"notified,omitzero" about:"the notice left"`
	Released time.Time `json:"released,omitzero" about:"the person proved themselves, and it was shown"`
	Factor   string    `json:"factor,omitempty" about:"by what: access code, passkey"`
	Recalled time.Time `json:"recalled,omitzero" about:"withdrawn before it was ever shown"`
	Expires  time.Time `json:"expires"`
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
	return s, a.DB.View(ctx, func(tx *db.Tx) error { return a.find(ctx, tx, in, s) })
}

// find looks the person and the case up.
func (a *API) find(ctx context.Context, tx *db.Tx, in *newMessage, s *outbox.SystemMessage) error {
	nobody := fail.New(fail.NotFound, "there is no such contact; add them first")
	if in.Contact != "" && !isID(in.Contact) {
		return nobody
	}
	who := a.Contacts.AskID(contacts.ID(in.Contact))
	if in.Address != "" {
		who = a.Contacts.Ask(in.Address)
	}
	if err := tx.Read(ctx, who.Queries...); err != nil {
		return err
	}
	p, err := who.Contact()
	if fail.Is(err, fail.NotFound) {
		return nobody
	}
	if err != nil {
		return err
	}
	s.To = p.ID
	if in.Case == "" {
		return nil
	}
	s.Case, err = a.caseNamed(ctx, tx, in.Case)
	return err
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

// mediaTypes that a file may have: no parameters, and none that is made of parts,
// which cannot be sent in base64 (RFC 2045, 6.4).
var mediaTypes = regexp.MustCompile(`^(application|audio|font|image|model|text|video)/[a-z0-9][a-z0-9.+_-]{0,99}$`)

func filesOf(list []newFile) (out []cases.File, err error) {
	total := 0
	for _, f := range list {
		if total += len(f.Data); total > maxFiles {
			return nil, fail.New(fail.Invalid, "the attachments are larger than 10 MiB together")
		}
		kind := strings.ToLower(f.Type)
		switch {
		case kind == "":
			kind = http.DetectContentType(f.Data)
		case !mediaTypes.MatchString(kind):
			return nil, fail.New(fail.Invalid, `"type" of an attachment must be a media type of a file, such as application/pdf`)
		}
		out = append(out, cases.File{Name: web.FileName(f.Name), Type: kind, Data: f.Data})
	}
	return out, nil
}

func (a *API) getMessage(ctx context.Context, c *call, _ *nothing) (out *message, err error) {
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		m, err := cases.OfAuthor(ctx, tx, c.key.Actor(), cases.MessageID(c.id))
		if fail.Is(err, fail.NotFound) {
			return fail.New(fail.NotFound, "there is no such message of this key")
		}
		if err != nil {
			return err
		}
		out, err = a.track(ctx, tx, m)
		return err
	})
	return out, err
}

// track says how far a message went to each person.
func (a *API) track(ctx context.Context, tx *db.Tx, m *cases.Message) (*message, error) {
	c, err := a.Cases.Get(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	sent, err := a.Outbox.OfCase(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	items, err := portal.OfCase(ctx, tx, m.Case)
	if err != nil {
		return nil, err
	}
	out := &message{ID: string(m.ID), Case: string(m.Case), Ref: string(c.Ref), Made: m.At, Recipients: []recipient{}}
	for i := range sent {
		if sent[i].Message == m.ID {
			out.Recipients = append(out.Recipients, recipientOf(&sent[i], items))
		}
	}
	return out, nil
}

func recipientOf(d *outbox.Delivery, items []portal.Item) recipient {
	r := recipient{Contact: string(d.Contact), State: string(d.State), Protection: string(d.Protection), Reason: d.Reason, At: d.Done}
	switch d.State {
	case outbox.Waiting, outbox.Working, outbox.Sending:
		r.State, r.Reason = "queued", ""
	}
	if r.Protection == "" {
		r.Protection = string(d.Shown)
	}
	for _, i := range items { // the last one counts: earlier ones were recalled
		if i.Delivery == string(d.ID) {
			r.Portal = &waiting{Placed: i.Placed, Notified: i.Notified, Released: i.Released, Factor: string(i.Factor), Recalled: i.Recalled, Expires: i.Expires}
		}
	}
	return r
}
