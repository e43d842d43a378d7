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
	"postern/internal/lang"
	"postern/internal/portal"
	"postern/internal/web"
)

// stateKey is the key of the words on how an instruction stands.
func stateKey(s instructions.State) string { return "state." + string(s) }

// authorised serves GET /my/authorised.
func (s *Site) authorised(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := AuthorisedPage{Public: s.place(r)}
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
			row := InstructionRow{string(i.ID), i.Doc.Title, p.Lang.Must(stateKey(i.State)), i.State == instructions.Proposed && tx.Now.Before(i.Expires), p.When(i.Made)}
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
	p := InstructionPage{Public: s.place(r), Path: "/my/authorised/" + string(i.ID), Title: i.Doc.Title, Text: i.Doc.Text, Approve: instructions.ApproveLine(i.Doc.Ref), Ref: i.Doc.Ref,
		Lines: lines(i.Doc.Text), Tries: int(instructions.MaxTries - i.Tries), State: string(i.State), Bind: i.Bind,
		Code: code, Mine: i.Proposer == "contact:"+string(who.ID) && i.State == instructions.Proposed, CanStop: i.Open() || i.State == instructions.Executed}
	p.Errors, p.Until = errs, p.When(i.Expires)
	p.Words, p.Need, p.Result = inWords(p.Clock, i), p.Lang.Said(instructions.Words(i.Need)), p.Lang.Said(i.Result)
	if i.State == instructions.Proposed && !s.DB.Now().Before(i.Expires) {
		p.State, p.Words, p.CanStop, p.Mine = "expired", p.Lang.Must("ins.expired"), false, false
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
			p.Proof, p.Proved = p.Lang.Said(i.ProvedBy(proof)), p.When(proof.At)
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
			p.Missing = p.Lang.Must("ins.missing.young", p.Until.Inside())
		default:
			p.Missing = p.Lang.Must("ins.missing", p.Need)
			if i.Doc.Risky {
				p.Missing += " " + p.Lang.Must("ins.missing.risky")
			}
		}
		return nil
	})
}

// waysOf is which of their own ways count: what is strong enough, and not too new.
func (s *Site) waysOf(ctx context.Context, tx *db.Tx, p *InstructionPage, i *instructions.Instruction, who *contacts.Contact) error {
	young := func(key string, made time.Time) bool {
		if !i.Doc.Risky || tx.Now.Sub(made) >= authorise.Fresh {
			return false
		}
		p.Young = p.Lang.Must(key, p.When(made.Add(authorise.Fresh)).Inside())
		return true
	}
	list, err := s.Passkeys.List(ctx, tx, "contact", string(who.ID))
	if err != nil {
		return err
	}
	for _, k := range list {
		p.Passkey = p.Passkey || i.Need <= instructions.Passkey && !young("ins.young.passkey", k.Made)
	}
	app, err := s.Passkeys.AppOf(ctx, tx, string(who.ID))
	if err != nil {
		return err
	}
	p.App = app != nil && i.Need <= instructions.TOTP && !young("ins.young.app", app.Made)
	if key, _ := who.VerifiedKey(tx.Now); key != nil {
		p.Sign = !young("ins.young.key", key.Verified)
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

// inWords says how an instruction stands, in a sentence of the page's language.
func inWords(clock web.Clock, i *instructions.Instruction) string {
	say := clock.Lang.Must
	switch i.State {
	case instructions.Proposed:
		return say("ins.proposed", clock.When(i.Expires).Inside())
	case instructions.Proved:
		return say("ins.authorised")
	case instructions.Approved:
		if clock.Now.Before(i.Ready) {
			return say("ins.approved.waits", clock.When(i.Ready).Inside())
		}
		return say("ins.approved")
	case instructions.Executed:
		return say("ins.done", clock.When(i.Ended).Inside())
	case instructions.Refused:
		if i.Why == "five wrong tries" {
			return say("ins.refused.tries")
		}
		return say("ins.refused")
	case instructions.Frozen:
		return say("ins.frozen")
	case instructions.Cancelled:
		return say("ins.cancelled")
	}
	return say("ins.expired")
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
			return s.instructionPage(w, r, web.StatusOf(err), o, "", web.Errors{{Field: field, Text: said(o.session.Lang, err)}})
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
		return s.instructionPage(w, r, web.StatusOf(err), o, "", web.Errors{{Field: "code", Text: said(o.session.Lang, err)}})
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
	p := AddressPage{Public: s.page(r), Token: r.PathValue("token")}
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
	p := StopPage{Public: s.page(r), Token: r.PathValue("token")}
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
		i, bad, err := s.Auth.Propose(ctx, &authorise.Proposal{Contact: o.contact.ID, Type: t.ID, Values: values, Key: []byte(values["key"]), Proposer: "contact:" + string(o.contact.ID), Lang: o.session.Lang})
		if err != nil {
			return err
		}
		if i != nil {
			http.Redirect(w, r, "/my/authorised/"+string(i.ID), http.StatusSeeOther)
			return nil
		}
		status, wrong = http.StatusUnprocessableEntity, bad
	}
	p := WishPage{Public: s.place(r), ID: t.ID, Title: t.Title}
	for _, f := range t.Fields {
		p.Fields = append(p.Fields, wishField(p.Lang, f, values[f.Name], p.Lang.Said(wrong[f.Name])))
		if e := wrong[f.Name]; e != "" {
			p.Errors = append(p.Errors, web.FieldError{Field: f.Name, Text: f.Label + ": " + p.Lang.Said(e) + "."})
		}
	}
	return web.RenderStatus(w, r, status, Templates, "wish", p)
}

var fieldHints = map[instructions.Kind]string{instructions.Amount: "wish.hint.amount", instructions.IBAN: "wish.hint.iban", instructions.Phone: "wish.hint.phone",
	instructions.Date: "wish.hint.date", instructions.Key: "wish.hint.key"}

func wishField(l lang.Lang, f instructions.Field, value, wrong string) WishField {
	w := WishField{Name: f.Name, Label: f.Label, Value: value, Error: wrong, Choices: f.Choices, Key: f.Kind == instructions.Key, Optional: f.Optional, Type: "text"}
	switch f.Kind {
	case instructions.Mail:
		w.Type = "email"
	case instructions.Phone:
		w.Type = "tel"
	}
	if f.Optional {
		w.Label = l.Must("wish.optional", f.Label)
	}
	if key := fieldHints[f.Kind]; key != "" {
		w.Hint = l.Must(key)
	}
	return w
}
