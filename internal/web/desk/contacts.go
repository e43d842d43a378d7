package desk

import (
	"context"
	"net/http"
	"net/mail"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/staff"
	"postern/internal/web"
)

// listContacts serves GET /desk/contacts.
func (d *Desk) listContacts(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := ContactsPage{Staff: d.chrome(me, "contacts"), Query: strings.TrimSpace(r.FormValue("q"))}
	const limit = 50
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		var list []contacts.Contact
		if p.Query != "" {
			list, err = d.book.Search(ctx, tx, p.Query, limit)
		} else {
			list, err = d.book.List(ctx, tx, contacts.ID(r.FormValue("after")), limit+1)
		}
		if err != nil {
			return err
		}
		if len(list) > limit {
			list = list[:limit]
			p.Older = "/desk/contacts?after=" + string(list[limit-1].ID)
		}
		for i := range list {
			full, err := d.book.Get(ctx, tx, list[i].ID)
			if err != nil {
				return err
			}
			list[i] = *full
		}
		if p.Rows, err = d.contactRows(ctx, tx, me, p.Clock, list); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "contacts", p)
}

// contactRows puts contacts into a list, with how it stands with each.
func (d *Desk) contactRows(ctx context.Context, tx *db.Tx, me *visitor, clock web.Clock, list []contacts.Contact) (out []ContactRow, err error) {
	standing := map[contacts.ID]cases.Standing{}
	if me.May(canReadCases) {
		ids := make([]contacts.ID, len(list))
		for i := range list {
			ids[i] = list[i].ID
		}
		if standing, err = cases.StandingOf(ctx, tx, me.viewer(), ids); err != nil {
			return nil, err
		}
	}
	for i := range list {
		c := &list[i]
		s := standing[c.ID]
		out = append(out, ContactRow{ID: string(c.ID), Name: web.Plain(c.Title()), Address: c.MailTo(), Key: keyTrust(clock, c), Open: s.Open, Waiting: s.Waiting, Last: clock.When(s.Last)})
	}
	return out, nil
}

// showContact serves GET /desk/contacts/{id}.
func (d *Desk) showContact(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.renderContact(w, r, me, http.StatusOK, ContactDraft{}, nil)
}

func (d *Desk) renderContact(w http.ResponseWriter, r *http.Request, me *visitor, status int, draft ContactDraft, errs web.Errors) error {
	p := &ContactPage{Draft: draft}
	p.Errors = errs
	return d.contactPage(w, r, me, status, p)
}

// contactPage fills a page that may already hold what is shown once.
func (d *Desk) contactPage(w http.ResponseWriter, r *http.Request, me *visitor, status int, p *ContactPage) error {
	ctx, id, errs := r.Context(), contacts.ID(r.PathValue("id")), p.Errors
	p.Staff, p.MayCall = d.chrome(me, "contacts"), me.May(staff.CodesIssue)
	p.Errors = errs
	err := d.db.View(ctx, func(tx *db.Tx) error {
		c, err := d.book.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		n, err := d.passkeys(ctx, tx, id)
		if err != nil {
			return err
		}
		p.Card = *d.card(p.Clock, c, n)
		chosen, err := consent.Of(ctx, tx, id)
		if err != nil {
			return err
		}
		p.Card.GivenUp = givenUp(p.Clock, chosen)
		rows, err := audit.About(ctx, tx, string(id), 30)
		if err != nil {
			return err
		}
		p.Card.History = history(p.Clock, rows, d)
		if me.May(canReadCases) {
			list, err := d.cases.OfContact(ctx, tx, id, 20)
			if err != nil {
				return err
			}
			if list, err = me.viewer().Readable(ctx, tx, list); err != nil {
				return err
			}
			p.Card.Cases = d.rows(p.Clock, list)
			for _, c := range list {
				if p.Propose == "" && c.State != cases.Closed {
					p.Propose = string(c.ID)
				}
			}
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "contact", *p)
}

// card puts a contact into words.
func (d *Desk) card(clock web.Clock, c *contacts.Contact, passkeys int) *ContactCard {
	card := &ContactCard{ID: string(c.ID), Name: web.Plain(c.Title()), Source: sourceWords(clock, c), Trust: keyTrust(clock, c), Passkeys: passkeys}
	if c.Signed > 0 {
		card.Signs = "Signed " + times(c.Signed)
		if c.Unsigned > 0 {
			card.Signs += "; the latest " + theyWere(c.Unsigned) + " not signed"
		}
	}
	for _, a := range c.Addresses {
		card.Addresses = append(card.Addresses, Address{a.Address, upperFirst(originWords(a.Source))})
	}
	for _, p := range c.Phones {
		card.Phones = append(card.Phones, Phone{p.ID, p.Last(), upperFirst(originWords(p.Source)) + ", " + clock.When(p.Made).Inside()})
	}
	use, _ := c.VerifiedKey(clock.Now)
	for i := range c.Keys {
		k := keyView(clock, &c.Keys[i], use)
		if c.Keys[i].Pending && card.Pending == nil {
			card.Pending = &k
			continue
		}
		card.Keys = append(card.Keys, k)
	}
	return card
}

// givenUp lists what they gave up of their protection; agents read it, and
// cannot change it.
func givenUp(clock web.Clock, chosen []consent.Consent) (out []GivenUp) {
	for _, s := range consent.Scopes() {
		c := consent.Chosen(chosen, s, clock.Now)
		if c == nil {
			continue
		}
		w, err := consent.Shown(s, c.Wording)
		if err == nil && w.Lang != lang.English { // staff read English
			w, err = consent.Current(s)
		}
		if err != nil {
			continue // a wording that was never shown
		}
		v := GivenUp{Title: w.Title, Since: clock.When(c.Given)}
		if clock.Now.Before(c.Starts) {
			v.From = clock.When(c.Starts)
		}
		out = append(out, v)
	}
	return out
}

func sourceWords(clock web.Clock, c *contacts.Contact) string {
	switch c.Source {
	case "mail":
		return "First wrote by mail, " + clock.When(c.Made).Inside()
	case "staff":
		return "Added by staff, " + clock.When(c.Made).Inside()
	case "api":
		return "Added by one of our systems, " + clock.When(c.Made).Inside()
	}
	return "Known since " + clock.When(c.Made).Inside()
}

func originWords(source string) string {
	switch source {
	case "autocrypt", "gossip":
		return "came in the head of a mail"
	case "attached":
		return "came attached to a mail"
	case "staff":
		return "put on file by staff"
	case "api":
		return "put on file by one of our systems"
	case "mail":
		return "they wrote from it"
	case "records":
		return "from the organisation’s records"
	case "form":
		return "typed in the form, by whoever wrote there"
	}
	return source
}

func times(n int64) string {
	if n == 1 {
		return "one message"
	}
	return numberWords(n) + " messages"
}

func theyWere(n int64) string {
	if n == 1 {
		return "was"
	}
	return numberWords(n) + " were"
}

// newContact serves GET /desk/contacts/new and POST /desk/contacts.
func (d *Desk) newContact(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := NewContactPage{Staff: d.chrome(me, "contacts")}
	p.ContactDraft = ContactDraft{Name: strings.TrimSpace(r.FormValue("name")), Address: strings.TrimSpace(r.FormValue("address")),
		Phone: strings.TrimSpace(r.FormValue("phone")), Key: strings.TrimSpace(r.FormValue("key"))}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		id, errs, err := d.addContact(ctx, me, p.ContactDraft)
		if err != nil {
			return err
		}
		if len(errs) == 0 {
			return back(w, r, "/desk/contacts/"+string(id))
		}
		p.Errors, status = errs, http.StatusUnprocessableEntity
	}
	if err := d.db.View(ctx, func(tx *db.Tx) error { return d.fillChrome(ctx, tx, me, &p.Staff, "") }); err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "new-contact", p)
}

func (d *Desk) checkContact(in ContactDraft) (cert *pgp.Key, errs web.Errors) {
	bad := func(field, text string) { errs = append(errs, web.FieldError{Field: field, Text: text}) }
	if in.Name == "" || len(in.Name) > 200 {
		bad("name", "Write the person’s name")
	}
	if a, err := mail.ParseAddress(in.Address); err != nil || a.Address != in.Address {
		bad("address", "Write one mail address, such as name@example.org")
	} else if d.boxes.Is(in.Address) {
		bad("address", "This is one of our own mailboxes")
	}
	if in.Key != "" {
		var err error
		if cert, err = oneKey([]byte(in.Key)); err != nil {
			bad("key", upperFirst(fail.Text(err)))
		}
	}
	return cert, errs
}

func (d *Desk) addContact(ctx context.Context, me *visitor, in ContactDraft) (contacts.ID, web.Errors, error) {
	cert, errs := d.checkContact(in)
	if len(errs) > 0 {
		return "", errs, nil
	}
	n := d.book.New(in.Name, in.Address, "staff", d.db.Now())
	field := "address"
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		field = "address"
		if err := d.book.Add(ctx, tx, n); err != nil {
			return err
		}
		field = "phone"
		if in.Phone != "" {
			if err := d.book.AddPhone(ctx, tx, n.ID, in.Phone, "staff", me.ID()); err != nil {
				return err
			}
		}
		field = "key"
		if cert != nil {
			if _, err := d.book.AddKey(ctx, tx, &n.Contact, cert, contacts.Seen, "staff"); err != nil {
				return err
			}
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "contact.added", About: string(n.ID)})
	})
	if k := fail.KindOf(err); err != nil && (k == fail.Conflict || k == fail.Invalid) {
		return "", web.Errors{{Field: field, Text: upperFirst(fail.Text(err))}}, nil
	}
	return n.ID, nil, err
}

// rename serves POST /desk/contacts/{id}/name.
func (d *Desk) rename(w http.ResponseWriter, r *http.Request, me *visitor) error {
	name := strings.TrimSpace(r.FormValue("name"))
	return d.onContact(w, r, me, "name", ContactDraft{Name: name}, func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (string, string, error) {
		if name == "" || len(name) > 200 {
			return "", "", fail.New(fail.Invalid, "write the person’s name")
		}
		return "contact.renamed", "", d.book.Rename(ctx, tx, c.ID, name)
	})
}

// addAddress serves POST /desk/contacts/{id}/addresses. The first address stays
// the one we write to.
func (d *Desk) addAddress(w http.ResponseWriter, r *http.Request, me *visitor) error {
	address := strings.TrimSpace(r.FormValue("address"))
	return d.onContact(w, r, me, "address", ContactDraft{Address: address}, func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (string, string, error) {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address || d.boxes.Is(address) {
			return "", "", fail.New(fail.Invalid, "write one mail address of theirs, such as name@example.org")
		}
		return "address.added", "", d.book.AddAddress(ctx, tx, c.ID, address, "staff")
	})
}

// addPhone serves POST /desk/contacts/{id}/phones.
func (d *Desk) addPhone(w http.ResponseWriter, r *http.Request, me *visitor) error {
	number := strings.TrimSpace(r.FormValue("phone"))
	return d.onContact(w, r, me, "phone", ContactDraft{Phone: number}, func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (act, detail string, err error) {
		return "phone.added", "", d.firstPhone(ctx, tx, c, number, me)
	})
}

// firstPhone puts the first number on file. Another takes its place only by an
// instruction of its owner's.
func (d *Desk) firstPhone(ctx context.Context, tx *db.Tx, c *contacts.Contact, number string, me *visitor) error {
	if len(c.Phones) > 0 {
		return fail.New(fail.Conflict, "a number is on file already; another takes its place only by an instruction of theirs, proposed from a case")
	}
	return d.book.AddPhone(ctx, tx, c.ID, number, "staff", me.ID())
}

// showPhone serves POST /desk/contacts/{id}/phones/{phone}/show: the whole number,
// for the call, on the answer to this one request and nowhere else.
func (d *Desk) showPhone(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), contacts.ID(r.PathValue("id"))
	if err := d.pace(ctx, me); err != nil {
		return err
	}
	p := &ContactPage{}
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.book.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, ph := range c.Phones {
			if ph.ID == r.PathValue("phone") {
				p.Number = &ShownNumber{Who: c.Title(), Number: ph.Number}
				return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "phone.shown", About: string(id), Detail: "the one that ends in " + ph.Last()})
			}
		}
		return fail.New(fail.NotFound, "this number is not on file")
	})
	if err != nil {
		return err
	}
	return d.contactPage(w, r, me, http.StatusOK, p)
}

// onContact runs one change on a contact; what is wrong with the input comes
// back beside the field.
func (d *Desk) onContact(w http.ResponseWriter, r *http.Request, me *visitor, field string, draft ContactDraft,
	f func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (act, detail string, err error)) error {
	ctx, id := r.Context(), contacts.ID(r.PathValue("id"))
	telling, err := d.telling(ctx, id, field, r)
	if err == nil && telling != nil {
		err = d.pace(ctx, me)
	}
	if err != nil {
		return err
	}
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.book.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		act, detail, err := f(ctx, tx, c)
		if err != nil {
			return err
		}
		if telling != nil {
			if err := d.out.Tell(ctx, tx, telling); err != nil {
				return err
			}
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: act, About: string(id), Detail: detail})
	})
	return d.afterContact(w, r, me, field, draft, err)
}

// afterContact shows what was wrong beside the field, or goes back to where the
// act was begun.
func (d *Desk) afterContact(w http.ResponseWriter, r *http.Request, me *visitor, field string, draft ContactDraft, err error) error {
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict) {
		return d.renderContact(w, r, me, http.StatusUnprocessableEntity, draft, web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	if c := r.FormValue("case"); c != "" {
		return back(w, r, "/desk/cases/"+c)
	}
	return back(w, r, "/desk/contacts/"+r.PathValue("id"))
}

// newCase serves POST /desk/contacts/{id}/cases: we write first.
func (d *Desk) newCase(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), contacts.ID(r.PathValue("id"))
	subject := strings.TrimSpace(r.FormValue("subject"))
	if subject == "" || len(subject) > 300 || strings.ContainsAny(subject, "\r\n") {
		return d.renderContact(w, r, me, http.StatusUnprocessableEntity, ContactDraft{}, web.Errors{{Field: "subject", Text: "Write what the case is about, in one line."}})
	}
	box := d.boxes.First()
	c := &cases.Case{ID: cases.ID(db.NewID()), Ref: cases.NewRef(), Subject: subject, Contact: id, Mailbox: box.Address, State: cases.Open, Assignee: me.ID(), Made: d.db.Now(), Last: d.db.Now()}
	if box.Sensitive {
		c.Raise("the mailbox is for sensitive matters")
	}
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		person, err := d.book.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		c.KeyID, c.Who = person.KeyID, person.Title()
		if err := d.cases.Add(ctx, tx, c); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "case.opened", About: string(c.ID), Detail: "by staff"})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(c.ID))
}

// telling is what a customer hears, on every address that was theirs before, when
// staff change how we know them. A name, and a key that counts for nothing yet,
// is no such change.
func (d *Desk) telling(ctx context.Context, id contacts.ID, field string, r *http.Request) (*outbox.Telling, error) {
	what := map[string]outbox.Change{"address": outbox.AddressByStaff, "phone": outbox.PhoneByStaff}[field]
	if strings.HasSuffix(r.URL.Path, "/reject") {
		err := d.db.View(ctx, func(tx *db.Tx) error {
			k, err := d.book.GetKey(ctx, tx, id, r.PathValue("key"))
			if err == nil && k.Trust == contacts.Verified {
				what = outbox.KeyByStaff
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if what == "" {
		return nil, nil
	}
	return d.out.PrepareChange(ctx, id, what)
}
