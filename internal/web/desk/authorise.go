package desk

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/web"
)

func (d *Desk) stateWords(clock web.Clock, i *instructions.Instruction) string {
	switch i.State {
	case instructions.Proposed:
		if !clock.Now.Before(i.Expires) {
			return "Lapsed"
		}
		return "Waits for the customer’s proof"
	case instructions.Proved:
		return "Proved, waits for approval"
	case instructions.Approved:
		if i.Stuck {
			return "Approved, but it was not done: look at it"
		}
		if clock.Now.Before(i.Ready) {
			return "Approved, waits until " + clock.When(i.Ready).Inside()
		}
		return "Approved, to be done"
	case instructions.Executed:
		return "Done"
	case instructions.Refused:
		if i.Why == "five wrong tries" {
			return "Stopped after five wrong tries"
		}
		return "Refused"
	case instructions.Frozen:
		return "Frozen: its owner did not ask for it"
	case instructions.Expired:
		return "Lapsed"
	}
	return "Taken back"
}

// authorisations serves GET /desk/authorisations.
func (d *Desk) authorisations(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := AuthorisationsPage{Staff: d.chrome(me, "authorisations")}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		waiting, err := d.auth.Instructions.Waiting(ctx, tx, 200)
		if err != nil {
			return err
		}
		ended, err := d.auth.Instructions.Ended(ctx, tx, 50)
		if err != nil {
			return err
		}
		if p.Waiting, err = d.authorisationRows(ctx, tx, me, waiting); err != nil {
			return err
		}
		if p.Ended, err = d.authorisationRows(ctx, tx, me, ended); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "authorisations", p)
}

func (d *Desk) authorisationRows(ctx context.Context, tx *db.Tx, me *visitor, list []instructions.Instruction) ([]AuthorisationRow, error) {
	if err := d.auth.Instructions.Seen(ctx, tx, list); err != nil {
		return nil, err
	}
	var out []AuthorisationRow
	clock := d.clock()
	for n := range list {
		i := &list[n]
		c, err := d.cases.Get(ctx, tx, i.Case)
		if err != nil {
			return nil, err
		}
		yours := me.May(staff.InstructionsApprove) && (i.State == instructions.Proved && i.Proposer != "staff:"+me.ID() || i.State == instructions.Approved && i.Due(clock.Now) == nil && (!i.Auto || i.Stuck))
		out = append(out, AuthorisationRow{ID: string(i.ID), Title: i.Doc.Title, Who: c.Who, Ref: string(c.Ref), State: d.stateWords(clock, i), Yours: yours, At: clock.When(i.Made)})
	}
	return out, nil
}

// authorisation serves GET /desk/authorisations/{id}.
func (d *Desk) authorisation(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.authorisationPage(w, r, me, http.StatusOK, nil, nil)
}

func (d *Desk) authorisationPage(w http.ResponseWriter, r *http.Request, me *visitor, status int, code *AccessCode, errs web.Errors) error {
	ctx := r.Context()
	i, who, err := d.auth.Read(ctx, "", instructions.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	p := AuthorisationPage{Staff: d.chrome(me, "authorisations"), ID: string(i.ID), Title: i.Doc.Title, Who: who.Title(), Contact: string(who.ID), State: string(i.State), Text: i.Doc.Text,
		Quote: i.Doc.Quote, Need: instructions.Words(i.Need), Tries: int(instructions.MaxTries - i.Tries), Proposer: d.proposerWords(i.Proposer), Bind: i.Bind, Approvals: int(i.Approvals),
		Result: i.Result, Code: code, Case: string(i.Case), Note: r.FormValue("note"), Reason: r.FormValue("reason")}
	p.Errors, p.Words = errs, d.stateWords(p.Clock, i)
	p.Made, p.Until, p.Ready = p.When(i.Made), p.When(i.Expires), p.When(i.Ready)
	mine := i.Proposer == "staff:"+me.ID()
	open := i.State == instructions.Proposed && p.Clock.Now.Before(i.Expires)
	p.MayCall = open && i.Need <= instructions.Call && me.May(staff.CodesIssue) && !mine
	p.MayRefuse = i.Open() && me.May(staff.InstructionsApprove)
	p.Waits = i.State == instructions.Approved && i.Due(p.Clock.Now) != nil
	p.MayDo = i.State == instructions.Approved && !p.Waits && (!i.Auto || i.Stuck) && me.May(staff.InstructionsApprove)
	p.MayCancel = open && mine
	for n := range who.Phones {
		ph := PhoneChoice{ID: who.Phones[n].ID, Shown: who.Phones[n].Last()}
		if err := instructions.MayCall(&who.Phones[n], p.Clock.Now); err != nil {
			ph.No = upperFirst(fail.Text(err)) + "."
		}
		p.Phones = append(p.Phones, ph)
	}
	err = d.db.View(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, i.Case)
		if err != nil {
			return err
		}
		p.Ref = string(c.Ref)
		if err := d.fillProof(ctx, tx, me, &p, i); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "authorisation", p)
}

// fillProof says what proved it, and who approved or may.
func (d *Desk) fillProof(ctx context.Context, tx *db.Tx, me *visitor, p *AuthorisationPage, i *instructions.Instruction) error {
	by, err := d.auth.Instructions.Approvers(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	p.Approvers = nil
	for _, id := range by {
		p.Approvers = append(p.Approvers, d.nameOf(id))
	}
	proof, err := d.auth.Instructions.ProofOf(ctx, tx, i.ID)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Proof, p.Proved, p.Attested = i.ProvedBy(proof), p.When(proof.At), d.nameOf(proof.Attested)
	if i.State == instructions.Proved && me.May(staff.InstructionsApprove) {
		why := i.MayApprove(me.ID(), proof, by, tx.Now)
		if why == nil {
			why = d.auth.MayApprove(ctx, tx, i, me.ID())
		}
		p.MayApprove = why == nil
		if why != nil {
			p.WhyNot = upperFirst(fail.Text(why)) + "."
		}
	}
	return nil
}

func (d *Desk) proposerWords(s string) string {
	kind, id, _ := strings.Cut(s, ":")
	switch kind {
	case "staff":
		return d.nameOf(id)
	case "contact":
		return "the customer, on the portal"
	}
	return "the organisation’s systems"
}

// onAuthorisation runs one step; what is wrong comes back on the page.
func (d *Desk) onAuthorisation(w http.ResponseWriter, r *http.Request, me *visitor, field string, f func(ctx context.Context, id instructions.ID) error) error {
	id := instructions.ID(r.PathValue("id"))
	err := f(r.Context(), id)
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict || k == fail.Denied) {
		return d.authorisationPage(w, r, me, web.StatusOf(err), nil, web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return back(w, r, "/desk/authorisations/"+string(id))
}

// readOut serves POST /desk/authorisations/{id}/code: a code to read out, on the
// answer to this one request and nowhere else.
func (d *Desk) readOut(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), instructions.ID(r.PathValue("id"))
	if err := d.pace(ctx, me); err != nil {
		return err
	}
	code, err := d.auth.ReadOut(ctx, me.ID(), id, r.FormValue("phone"))
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict || k == fail.Denied) {
		return d.authorisationPage(w, r, me, web.StatusOf(err), nil, web.Errors{{Field: "phone", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	i, who, err := d.auth.Read(ctx, "", id)
	if err != nil {
		return err
	}
	shown := ""
	for _, ph := range who.Phones {
		if ph.ID == r.FormValue("phone") {
			shown = ph.Number
		}
	}
	clock := d.clock()
	return d.authorisationPage(w, r, me, http.StatusOK, &AccessCode{Code: code, Who: who.Title(), Phone: shown, Until: clock.When(clock.Now.Add(instructions.CodeLife)), Tries: int(instructions.MaxTries - i.Tries)}, nil)
}

// heard serves POST /desk/authorisations/{id}/heard: the code the customer read out.
func (d *Desk) heard(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onAuthorisation(w, r, me, "code", func(ctx context.Context, id instructions.ID) error {
		err := d.auth.Heard(ctx, me.ID(), id, r.FormValue("phone"), r.FormValue("code"))
		if errors.Is(err, instructions.ErrRefused()) { // its words are for the customer
			return fail.New(fail.Denied, "that did not prove it, and nothing was changed. Ask them to read the code to you again, or begin anew with another")
		}
		return err
	})
}

// approve serves POST /desk/authorisations/{id}/approve.
func (d *Desk) approve(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onAuthorisation(w, r, me, "approve", func(ctx context.Context, id instructions.ID) error { return d.auth.Approve(ctx, me.ID(), id) })
}

// refuse serves POST /desk/authorisations/{id}/refuse.
func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onAuthorisation(w, r, me, "reason", func(ctx context.Context, id instructions.ID) error {
		return d.auth.Refuse(ctx, me.ID(), id, r.FormValue("reason"))
	})
}

// doneByHand serves POST /desk/authorisations/{id}/done.
func (d *Desk) doneByHand(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onAuthorisation(w, r, me, "note", func(ctx context.Context, id instructions.ID) error {
		return d.auth.ByHand(ctx, me.ID(), id, r.FormValue("note"))
	})
}

// cancelProposal serves POST /desk/authorisations/{id}/cancel.
func (d *Desk) cancelProposal(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onAuthorisation(w, r, me, "cancel", func(ctx context.Context, id instructions.ID) error { return d.auth.Cancel(ctx, "staff:"+me.ID(), id) })
}

// propose serves GET and POST /desk/cases/{id}/propose: an instruction out of a
// message, its fields filled from the words it came from.
func (d *Desk) propose(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := ProposePage{Staff: d.chrome(me, "inbox"), Case: r.PathValue("id"), Message: r.FormValue("message"), Type: r.FormValue("type"), Quote: r.FormValue("quote")}
	text, t, err := d.proposing(ctx, me, &p, contacts.ID(r.FormValue("contact")))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if t != nil {
		values, quote := t.Suggest(text)
		if p.Quote == "" && r.Method == http.MethodGet {
			p.Quote = quote
		}
		wrong := map[string]string{}
		if r.Method == http.MethodPost {
			for _, f := range t.Fields {
				values[f.Name] = r.FormValue(f.Name)
			}
			if text == "" {
				p.Message, p.Quote = "", "" // no message of this case
			}
			if !quoted(text, p.Quote) {
				p.Errors = append(p.Errors, web.FieldError{Field: "quote", Text: "These words do not stand in the message. Copy them from it, or leave the field empty."})
				p.Quote = ""
			}
			if len(p.Errors) > 0 {
				p.fill(t, values, wrong)
				return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "propose", p)
			}
			i, bad, err := d.auth.Propose(ctx, &authorise.Proposal{Contact: contacts.ID(r.FormValue("contact")), Type: t.ID, Values: values, Key: []byte(values["key"]), Case: cases.ID(p.Case),
				Message: cases.MessageID(p.Message), Quote: p.Quote, Proposer: "staff:" + me.ID()})
			if k := fail.KindOf(err); err != nil && (k == fail.Conflict || k == fail.TooMany) {
				bad, err = map[string]string{t.Fields[0].Name: fail.Text(err)}, nil
			}
			if err != nil {
				return err
			}
			if i != nil {
				return back(w, r, "/desk/authorisations/"+string(i.ID))
			}
			status, wrong = http.StatusUnprocessableEntity, bad
		}
		p.fill(t, values, wrong)
	}
	return web.RenderStatus(w, r, status, Templates, "propose", p)
}

// quoted reports whether each line of the quote stands in the text, spaces aside.
func quoted(text, quote string) bool {
	spaced := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for l := range strings.Lines(quote) {
		if !strings.Contains(spaced(text), spaced(l)) {
			return false
		}
	}
	return true
}

// fill puts the kind's fields into the form.
func (p *ProposePage) fill(t *instructions.Type, values, wrong map[string]string) {
	p.Title = t.Title
	for _, f := range t.Fields {
		p.Fields = append(p.Fields, ProposeField{f.Name, f.Label, values[f.Name], wrong[f.Name], f.Choices, f.Kind == instructions.Key})
		if e := wrong[f.Name]; e != "" {
			p.Errors = append(p.Errors, web.FieldError{Field: f.Name, Text: f.Label + ": " + e + "."})
		}
	}
}

// proposing reads the case, its people, the message and the type for the form.
func (d *Desk) proposing(ctx context.Context, me *visitor, p *ProposePage, chosen contacts.ID) (text string, t *instructions.Type, err error) {
	var f *file
	err = d.db.View(ctx, func(tx *db.Tx) error {
		if f, err = d.open(ctx, tx, me, cases.ID(p.Case)); err != nil {
			return err
		}
		p.Types, t = nil, nil
		types, err := instructions.Types(ctx, tx)
		if err != nil {
			return err
		}
		for n := range types {
			if types[n].Closed || types[n].Enrols() {
				continue
			}
			p.Types = append(p.Types, Option{types[n].ID, types[n].Title, types[n].ID == p.Type})
			if types[n].ID == p.Type {
				t = &types[n]
			}
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return "", nil, err
	}
	f.unseal()
	p.Ref = string(f.c.Ref)
	if chosen == "" {
		chosen = f.c.Contact
	}
	for _, id := range f.members {
		p.Who = append(p.Who, Option{string(id), f.people[id].Title(), id == chosen})
	}
	for _, m := range f.thread {
		if string(m.ID) == p.Message && m.Kind == cases.In {
			text = m.Doc.Text
			if m.Evidence != nil && m.Evidence.Usually {
				p.Usually = f.people[m.Contact].Title() + " usually signs; this message is not signed."
			}
		}
	}
	return text, t, nil
}

// pace stops a member of staff, or whoever has their session, from working through
// the customers one after another.
func (d *Desk) pace(ctx context.Context, me *visitor) error {
	var refused error
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) { refused, err = staff.Pace(ctx, tx, me.ID()); return err })
	if err != nil {
		return err
	}
	return refused
}

// placeCode serves POST /desk/contacts/{id}/place-code: a code to read out, with
// which they enter their place once.
func (d *Desk) placeCode(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), contacts.ID(r.PathValue("id"))
	if d.auth.Strict {
		return fail.New(fail.Conflict, "codes are switched off here: only passkeys and checked keys count")
	}
	if err := d.pace(ctx, me); err != nil {
		return err
	}
	code := portal.NewCode()
	var c *contacts.Contact
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if c, err = d.book.Get(ctx, tx, id); err != nil {
			return err
		}
		if err := mayCall(c, tx.Now); err != nil {
			return err
		}
		if authorise.LetIn(c.Phones[0].By, c.Phones[0].Made, tx.Now) == me.ID() {
			return fail.New(fail.Denied, "you put this number on file, so somebody else must make the call")
		}
		return d.portal.IssueSignIn(ctx, tx, id, portal.AccessCode, me.ID(), code)
	})
	if err != nil {
		return err
	}
	clock := d.clock()
	return d.contactPage(w, r, me, http.StatusOK, &ContactPage{Code: &AccessCode{Code: code, Who: c.Title(), Phone: c.Phones[0].Number, Until: clock.When(clock.Now.Add(portal.CodeLife)), Tries: portal.MaxTries}})
}
