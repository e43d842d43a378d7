package public

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
	"postern/internal/web"
)

var stateWords = map[instructions.State]string{instructions.Proposed: "Waits for you", instructions.Proved: "Authorised, our staff look at it", instructions.Approved: "Approved, not done yet",
	instructions.Executed: "Done", instructions.Refused: "Not carried out", instructions.Frozen: "Stopped: you did not ask for it", instructions.Expired: "Lapsed", instructions.Cancelled: "Taken back"}

// authorised serves GET /my/authorised.
func (s *Site) authorised(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := AuthorisedPage{Public: s.base()}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p.Waiting, p.Others, p.Types = nil, nil, nil
		list, err := s.Auth.Instructions.OfContact(ctx, tx, o.contact.ID, 200)
		if err != nil {
			return err
		}
		if err := s.Auth.Instructions.Seen(ctx, tx, list); err != nil {
			return err
		}
		for n := range list {
			i := &list[n]
			row := InstructionRow{string(i.ID), i.Doc.Title, stateWords[i.State], i.State == instructions.Proposed && tx.Now.Before(i.Expires), p.When(i.Made)}
			if row.Open {
				p.Waiting = append(p.Waiting, row)
			} else {
				p.Others = append(p.Others, row)
			}
		}
		types, err := instructions.Types(ctx, tx)
		for _, t := range types {
			if o.session.Factor.Decides() && t.Customer && !t.Closed && t.Does != instructions.DoesKey && !t.Enrols() {
				p.Types = append(p.Types, TypeChoice{t.ID, t.Title})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "authorised", p)
}

// instruction serves GET /my/authorised/{id}.
func (s *Site) instruction(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.instructionPage(w, r, http.StatusOK, o, "", nil)
}

func (s *Site) instructionPage(w http.ResponseWriter, r *http.Request, status int, o *owner, code string, errs web.Errors) error {
	ctx := r.Context()
	i, who, err := s.Auth.Read(ctx, o.contact.ID, instructions.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	p := InstructionPage{Public: s.base(), Path: "/my/authorised/" + string(i.ID), Title: i.Doc.Title, Text: i.Doc.Text, Approve: instructions.ApproveLine(i.Doc.Ref), Ref: i.Doc.Ref,
		Lines: lines(i.Doc.Text), Tries: int(instructions.MaxTries - i.Tries), State: string(i.State), Words: s.inWords(i), Need: instructions.Words(i.Need), Bind: i.Bind,
		Result: i.Result, Code: code, Mine: i.Proposer == "contact:"+string(who.ID) && i.State == instructions.Proposed, CanStop: i.Open() || i.State == instructions.Executed, Quote: i.Doc.Quote, By: authorise.ByWords(i.Proposer)}
	p.Errors, p.Made, p.Until = errs, p.When(i.Made), p.When(i.Expires)
	if i.State == instructions.Proposed && !s.DB.Now().Before(i.Expires) {
		p.State, p.Words, p.CanStop, p.Mine = "expired", "Nobody approved it in time, so it lapsed. Nothing was changed.", false, false
	}
	if err := s.ways(ctx, &p, i, who, o.session); err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "instruction", p)
}

// ways lists the proofs that count for it and that this person has.
func (s *Site) ways(ctx context.Context, p *InstructionPage, i *instructions.Instruction, who *contacts.Contact, ses *portal.Session) error {
	return s.DB.View(ctx, func(tx *db.Tx) error {
		if proof, err := s.Auth.Instructions.ProofOf(ctx, tx, i.ID); err == nil {
			p.Proof, p.Proved = instructions.Words(proof.Level), p.When(proof.At)
		} else if !fail.Is(err, fail.NotFound) {
			return err
		}
		if err := s.waysOf(ctx, tx, p, i, who); err != nil {
			return err
		}
		c, err := s.Cases.Get(ctx, tx, i.Case)
		if err != nil {
			return err
		}
		p.Called = c.Alarm != ""
		p.Call = len(who.Phones) > 0 && ses.Factor.Decides() && ses.By != portal.ByText && i.Need <= instructions.Call
		if len(who.Phones) > 0 {
			p.Phone = who.Phones[0].Last()
		}
		switch {
		case p.Passkey || p.App || p.Call || p.Sign:
		case p.Young != "":
			p.Missing = "Nothing else of yours counts for this. It stays open until " + p.Until.Inside() + "; come back then, or call us."
		default:
			p.Missing = "It needs " + p.Need + ", or something stronger, and we hold none of yours. Add a passkey under “My devices and sessions”, or call us."
			if i.Doc.Risky {
				p.Missing += " What is new counts for this only after 72 hours."
			}
		}
		return nil
	})
}

// waysOf is which of their own ways count: what is strong enough, and not too new.
func (s *Site) waysOf(ctx context.Context, tx *db.Tx, p *InstructionPage, i *instructions.Instruction, who *contacts.Contact) error {
	young := func(what string, made time.Time) bool {
		if !i.Doc.Risky || tx.Now.Sub(made) >= authorise.Fresh {
			return false
		}
		p.Young = upperFirst(what) + " is new. For something that could cost you much it counts from " + p.When(made.Add(authorise.Fresh)).Inside() + " on."
		return true
	}
	list, err := s.Passkeys.List(ctx, tx, "contact", string(who.ID))
	if err != nil {
		return err
	}
	for _, k := range list {
		p.Passkey = p.Passkey || i.Need <= instructions.Passkey && !young("your passkey", k.Made)
	}
	app, err := s.Passkeys.AppOf(ctx, tx, string(who.ID))
	if err != nil {
		return err
	}
	p.App = app != nil && i.Need <= instructions.TOTP && !young("your code app", app.Made)
	if key, _ := who.VerifiedKey(tx.Now); key != nil {
		p.Sign = !young("your key", key.Verified)
	}
	return nil
}

// lines takes the canonical text apart for the table: every line of it, in order,
// so that the table says what is approved, and nothing less.
func lines(text string) []TextLine {
	var out []TextLine
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		name, value, ok := strings.Cut(l, ": ")
		to, first := strings.CutPrefix(l, "INSTRUCTION TO ")
		switch {
		case first && len(out) == 0:
			out = append(out, TextLine{Name: "To", Value: to})
		case strings.HasPrefix(l, "END OF INSTRUCTION"): // says no fact
		case !ok:
			out = append(out, TextLine{Value: strings.TrimSpace(l)})
		case strings.TrimSpace(name) == "Letters" && len(out) > 0:
			out[len(out)-1].Letters = value
		default:
			out = append(out, TextLine{Name: strings.TrimSpace(name), Value: value})
		}
	}
	return out
}

func (s *Site) inWords(i *instructions.Instruction) string {
	clock := s.Clock()
	switch i.State {
	case instructions.Proposed:
		return "It waits for you until " + clock.When(i.Expires).Inside() + ". Nothing is done without you."
	case instructions.Proved:
		return "You authorised it. Our staff look at it before it is done."
	case instructions.Approved:
		if clock.Now.Before(i.Ready) {
			return "It is approved, and waits until " + clock.When(i.Ready).Inside() + " so that you can still stop it."
		}
		return "It is approved and will be done."
	case instructions.Executed:
		return "It was done " + clock.When(i.Ended).Inside() + "."
	case instructions.Refused:
		if i.Why == "five wrong tries" {
			return "Five wrong tries were made, so it was stopped. Nothing was changed. Call us, or begin again."
		}
		return "It was not carried out. Nothing was changed."
	case instructions.Frozen:
		return "You said that you did not ask for this. It is stopped, and our security people look at it."
	case instructions.Cancelled:
		return "It was taken back. Nothing was changed."
	}
	return "Nobody approved it in time, so it lapsed. Nothing was changed."
}

// act runs one step on the instruction in the address, and shows it again.
func (s *Site) act(w http.ResponseWriter, r *http.Request, field string, f func(ctx context.Context, o *owner, id instructions.ID) error) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	id := instructions.ID(r.PathValue("id"))
	err = f(r.Context(), o, id)
	switch fail.KindOf(err) {
	case fail.Denied, fail.Invalid, fail.Conflict:
		if err != nil {
			return s.instructionPage(w, r, web.StatusOf(err), o, "", web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}})
		}
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/my/authorised/"+string(id), http.StatusSeeOther)
	return nil
}

// byApp serves POST /my/authorised/{id}/app.
func (s *Site) byApp(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "app", func(ctx context.Context, o *owner, id instructions.ID) error {
		return s.Auth.ByApp(ctx, o.session, id, r.FormValue("app"))
	})
}

// byCall serves POST /my/authorised/{id}/code.
func (s *Site) byCall(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "code", func(ctx context.Context, o *owner, id instructions.ID) error {
		return s.Auth.ByCall(ctx, o.session, id, r.FormValue("code"))
	})
}

// showCode serves POST /my/authorised/{id}/show-code: a code to be read out.
func (s *Site) showCode(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	code, err := s.Auth.ShowCode(r.Context(), o.session, instructions.ID(r.PathValue("id")))
	if fail.Is(err, fail.Conflict) || fail.Is(err, fail.Denied) {
		return s.instructionPage(w, r, web.StatusOf(err), o, "", web.Errors{{Field: "code", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return s.instructionPage(w, r, http.StatusOK, o, code, nil)
}

// callMe serves POST /my/authorised/{id}/call-me.
func (s *Site) callMe(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "call", func(ctx context.Context, o *owner, id instructions.ID) error {
		return s.Auth.AskCall(ctx, o.session, id)
	})
}

// bySignature serves POST /my/authorised/{id}/signed: pasted or uploaded.
func (s *Site) bySignature(w http.ResponseWriter, r *http.Request) error {
	bad := web.ParseForm(w, r)
	return s.act(w, r, "signed", func(ctx context.Context, o *owner, id instructions.ID) error {
		if bad != nil {
			return bad
		}
		data := []byte(r.FormValue("signed"))
		files, err := web.Uploads(r)
		if err != nil {
			return err
		}
		if len(strings.TrimSpace(string(data))) == 0 && len(files) == 1 {
			data = files[0].Data
		}
		return s.Auth.Pasted(ctx, o.contact.ID, id, data)
	})
}

// notMine serves POST /my/authorised/{id}/not-mine.
func (s *Site) notMine(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "stop", func(ctx context.Context, o *owner, id instructions.ID) error {
		return s.Auth.NotMine(ctx, o.session, id)
	})
}

// receipt serves GET /my/authorised/{id}/receipt.eml: signed by us, to be kept.
func (s *Site) receipt(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	raw, err := s.Auth.ReceiptFile(r.Context(), o.contact.ID, instructions.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	web.ServeFile(w, "receipt.eml", raw)
	return nil
}

// address serves /address/{token}: the link that went to a new address. Following
// it does nothing; its button does.
func (s *Site) address(w http.ResponseWriter, r *http.Request) error {
	p := AddressPage{Public: s.base(), Token: r.PathValue("token")}
	if r.Method == http.MethodPost {
		if err := s.Auth.Answer(r.Context(), p.Token); err != nil {
			return err
		}
		p.Done = true
	}
	return web.Render(w, r, Templates, "address", p)
}

// stop serves /stop/{token}: the link that went to every address when something was
// to prove them. Following it does nothing and shows nothing; its button does.
func (s *Site) stop(w http.ResponseWriter, r *http.Request) error {
	p := StopPage{Public: s.base(), Token: r.PathValue("token")}
	if r.Method != http.MethodPost {
		if _, err := s.Auth.Stopped(r.Context(), p.Token); err != nil {
			return err
		}
		return web.Render(w, r, Templates, "stop", p)
	}
	if err := s.Auth.Stop(r.Context(), p.Token); err != nil {
		return err
	}
	p.Done = true
	return web.Render(w, r, Templates, "stop", p)
}

// cancelWish serves POST /my/authorised/{id}/cancel.
func (s *Site) cancelWish(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "stop", func(ctx context.Context, o *owner, id instructions.ID) error {
		return s.Auth.Cancel(ctx, "contact:"+string(o.contact.ID), id)
	})
}

// approveBegin serves POST /my/authorised/{id}/passkey/begin.
func (s *Site) approveBegin(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.session(r)
	if err != nil {
		return fail.New(fail.Denied, "your time on this page is over; come in again")
	}
	options, err := s.Auth.BeginPasskey(r.Context(), ses.Contact, instructions.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// approveFinish serves POST /my/authorised/{id}/passkey/finish.
func (s *Site) approveFinish(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.session(r)
	if err != nil {
		return fail.New(fail.Denied, "your time on this page is over; come in again")
	}
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	id := instructions.ID(r.PathValue("id"))
	if err := s.Auth.FinishPasskey(r.Context(), ses.Contact, id, answer); err != nil {
		return err
	}
	return web.JSON(w, map[string]string{"next": "/my/authorised/" + string(id)})
}

// wish serves GET and POST /my/begin/{type}.
func (s *Site) wish(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	var t *instructions.Type
	if err := s.DB.View(ctx, func(tx *db.Tx) error { t, err = instructions.TypeOf(ctx, tx, r.PathValue("type")); return err }); err != nil {
		return err
	}
	if !t.Customer || t.Closed || t.Enrols() {
		return fail.New(fail.NotFound, "there is no such kind of instruction")
	}
	values := map[string]string{}
	for _, f := range t.Fields {
		values[f.Name] = r.FormValue(f.Name)
	}
	status, wrong := http.StatusOK, map[string]string{}
	if r.Method == http.MethodPost {
		if !o.session.Factor.Decides() {
			return authorise.ErrReads
		}
		i, bad, err := s.Auth.Propose(ctx, &authorise.Proposal{Contact: o.contact.ID, Type: t.ID, Values: values, Key: []byte(values["key"]), Proposer: "contact:" + string(o.contact.ID)})
		if err != nil {
			return err
		}
		if i != nil {
			http.Redirect(w, r, "/my/authorised/"+string(i.ID), http.StatusSeeOther)
			return nil
		}
		status, wrong = http.StatusUnprocessableEntity, bad
	}
	p := WishPage{Public: s.base(), ID: t.ID, Title: t.Title, Need: instructions.Words(t.Level)}
	for _, f := range t.Fields {
		p.Fields = append(p.Fields, wishField(f, values[f.Name], wrong[f.Name]))
		if e := wrong[f.Name]; e != "" {
			p.Errors = append(p.Errors, web.FieldError{Field: f.Name, Text: f.Label + ": " + e + "."})
		}
	}
	return web.RenderStatus(w, r, status, Templates, "wish", p)
}

var fieldHints = map[instructions.Kind]string{instructions.Amount: "With its currency, such as 1250.00 EUR.", instructions.IBAN: "Spaces do not matter.", instructions.Phone: "With its country, such as +49 30 1234567.",
	instructions.Date: "Year-month-day, such as 2026-12-01.", instructions.Key: "The whole block, from BEGIN PGP PUBLIC KEY BLOCK to END."}

func wishField(f instructions.Field, value, wrong string) WishField {
	kind := map[instructions.Kind]string{instructions.Mail: "email", instructions.Phone: "tel"}[f.Kind]
	if kind == "" {
		kind = "text"
	}
	label := f.Label
	if f.Optional {
		label += " (optional)"
	}
	return WishField{Name: f.Name, Label: label, Value: value, Hint: fieldHints[f.Kind], Error: wrong, Choices: f.Choices, Key: f.Kind == instructions.Key, Optional: f.Optional, Type: kind}
}
