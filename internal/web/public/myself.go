package public

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/web"
)

// myKeys serves GET /my/keys.
func (s *Site) myKeys(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.keysPage(w, r, http.StatusOK, o, "", nil)
}

func (s *Site) keysPage(w http.ResponseWriter, r *http.Request, status int, o *owner, typed string, errs web.Errors) error {
	p := MyKeysPage{Public: s.base(), Typed: typed}
	p.Errors = errs
	use, _ := o.contact.VerifiedKey(s.DB.Now())
	for n := range o.contact.Keys {
		k := &o.contact.Keys[n]
		p.Keys = append(p.Keys, MyKey{ID: k.ID, Fingerprint: web.Fingerprint(k.Cert.Fingerprint()), State: keyWords(k), Use: use != nil && use.ID == k.ID,
			Made: p.When(k.Cert.Created()), Expires: p.When(k.Cert.Expires()), Revocable: o.session.Factor.Decides() && k.Trust != contacts.Rejected && k.Trust != contacts.Expired})
	}
	return web.RenderStatus(w, r, status, Templates, "my-keys", p)
}

func keyWords(k *contacts.Key) string {
	switch {
	case k.Pending:
		return "It came to us beside your checked key, and counts for nothing"
	case k.Trust == contacts.Verified && k.Via == contacts.ByInstruction:
		return "Checked: you bound it yourself"
	case k.Trust == contacts.Verified:
		return "Checked with you by " + k.Via
	case k.Trust == contacts.Rejected:
		return "Not used any more: it was revoked or rejected"
	case k.Trust == contacts.Expired:
		return "Replaced by another"
	}
	return "Known, but never compared with you: it protects nothing yet"
}

// bindKey serves POST /my/keys: a pasted or uploaded key becomes an instruction,
// which is proved like any other.
func (s *Site) bindKey(w http.ResponseWriter, r *http.Request) error {
	bad := web.ParseForm(w, r)
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	text := strings.TrimSpace(r.FormValue("key"))
	if files, err := web.Uploads(r); err == nil && text == "" && len(files) == 1 {
		text = string(files[0].Data)
	}
	if bad == nil && text == "" {
		bad = fail.New(fail.Invalid, "paste your key, or choose its file")
	}
	if bad == nil {
		i, wrong, err := s.Auth.Propose(r.Context(), &authorise.Proposal{Contact: o.contact.ID, Type: "key", Key: []byte(text), Proposer: "contact:" + string(o.contact.ID)})
		switch {
		case err != nil:
			return err
		case i != nil:
			http.Redirect(w, r, "/my/authorised/"+string(i.ID), http.StatusSeeOther)
			return nil
		}
		bad = fail.New(fail.Invalid, "%s", wrong["key"])
	}
	return s.keysPage(w, r, http.StatusUnprocessableEntity, o, text, web.Errors{{Field: "key", Text: upperFirst(fail.Text(bad)) + "."}})
}

// revokeKey serves POST /my/keys/{id}/revoke: giving a key up takes authority
// away and is safe at once.
func (s *Site) revokeKey(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	if !o.session.Factor.Decides() {
		return s.keysPage(w, r, http.StatusForbidden, o, "", web.Errors{{Field: "key", Text: upperFirst(fail.Text(errAgreed)) + "."}})
	}
	ctx := r.Context()
	t, err := s.told(ctx, o.contact.ID, "a key of yours was revoked")
	if err != nil {
		return err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		k, err := s.Contacts.GetKey(ctx, tx, o.contact.ID, r.PathValue("id"))
		if err != nil {
			return err
		}
		if k.Trust == contacts.Verified {
			if err := contacts.GaveUp(ctx, tx, o.contact.ID); err != nil {
				return err
			}
		}
		k.Reject(string(o.contact.ID), "its owner")
		if err := s.Contacts.SaveKey(ctx, tx, k); err != nil {
			return err
		}
		if err := s.Auth.Recheck(ctx, tx, o.contact.ID); err != nil {
			return err
		}
		if err := s.Outbox.Tell(ctx, tx, t); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(o.contact.ID)), Act: "key.rejected", About: string(o.contact.ID), Detail: string(k.Cert.Fingerprint()) + " by its owner"})
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/my/keys", http.StatusSeeOther)
	return nil
}

// told prepares the notice that goes to all addresses when an authenticator changes.
func (s *Site) told(ctx context.Context, c contacts.ID, what string) (*outbox.Telling, error) {
	org := s.Org()
	how := "reply to this mail"
	if org.Phone != "" {
		how = "call " + org.Phone + ", or " + how
	}
	return s.Outbox.PrepareTelling(ctx, c, "A change to how you prove who you are",
		"At "+org.Name+", "+what+".\n\nIf it was you, you need do nothing. If it was not, "+how+" at once, and look through https://"+org.Host+"/my/access.\n\nFor instructions that could cost you much, what is new counts only after 72 hours.")
}

// mayBind says why this session may not change how one proves who one is, or
// give a protection up, or nil: who has a passkey comes in by it, else by the app.
// Only the first may follow a code that was read out or sent, and none an agreed
// one: the weaker way never removes or waives the stronger.
func (s *Site) mayBind(ctx context.Context, tx *db.Tx, o *owner) error {
	if !o.session.Factor.Decides() {
		return errAgreed
	}
	n, err := s.Passkeys.Count(ctx, tx, "contact", string(o.contact.ID))
	if err != nil {
		return err
	}
	app, err := s.Passkeys.AppOf(ctx, tx, string(o.contact.ID))
	if err != nil {
		return err
	}
	if n > 0 && o.session.Factor != portal.Passkey || app != nil && o.session.Factor != portal.Passkey && o.session.Factor != portal.CodeApp {
		return fail.New(fail.Denied, "come in with your passkey or your app to change this. If you have lost them, ask us for a recovery: it is an instruction of its own, and you hear of it on every address")
	}
	return nil
}

// myAccess serves GET /my/access.
func (s *Site) myAccess(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.accessPage(w, r, http.StatusOK, o, nil)
}

func (s *Site) accessPage(w http.ResponseWriter, r *http.Request, status int, o *owner, errs web.Errors) error {
	ctx := r.Context()
	p := AccessPage{Public: s.base()}
	p.Errors = errs
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		p.Passkeys, p.Sessions = nil, nil
		keys, err := s.Passkeys.List(ctx, tx, "contact", string(o.contact.ID))
		if err != nil {
			return err
		}
		for _, k := range keys {
			p.Passkeys = append(p.Passkeys, MyPasskey{k.ID, k.Name, p.When(k.Made), p.When(k.Used)})
		}
		app, err := s.Passkeys.AppOf(ctx, tx, string(o.contact.ID))
		if err != nil {
			return err
		}
		if app != nil {
			p.App, p.AppSince = true, p.When(app.Made)
		}
		p.May = s.mayBind(ctx, tx, o) == nil
		if err := s.agreedPart(ctx, tx, o, &p); err != nil {
			return err
		}
		if set, err := s.Passkeys.PendingApp(ctx, tx, s.passkeyOwner(o), p.Org.Name); err == nil && p.May {
			p.Setup = &AppSetup{set.Secret, set.Address}
		}
		list, err := portal.Sessions(ctx, tx, o.contact.ID)
		for n := range list {
			p.Sessions = append(p.Sessions, MySession{factorWords(list[n].Factor), p.When(list[n].Made), list[n].Hash == o.session.Hash})
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "my-access", p)
}

func (s *Site) passkeyOwner(o *owner) staff.Owner {
	return staff.Owner{Kind: "contact", ID: string(o.contact.ID), Name: o.contact.MailTo()}
}

// change does something to how they prove who they are, and tells every address.
// act is for the audit log; what goes into the notice.
func (s *Site) change(w http.ResponseWriter, r *http.Request, field, act, what string, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	nothing := func(context.Context, *owner) error { return nil }
	return s.changeAfter(w, r, field, act, what, nothing, f)
}

// changeAfter is change with something that is prepared outside the transaction.
func (s *Site) changeAfter(w http.ResponseWriter, r *http.Request, field, act, what string, prepare func(context.Context, *owner) error, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	if err = prepare(ctx, o); err == nil {
		err = s.changed(ctx, o, act, what, f)
	}
	if k := fail.KindOf(err); err != nil && (k == fail.Denied || k == fail.Invalid || k == fail.Conflict) {
		return s.accessPage(w, r, web.StatusOf(err), o, web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/my/access", http.StatusSeeOther)
	return nil
}

// changed makes the change, tells of it and records it, all or nothing.
func (s *Site) changed(ctx context.Context, o *owner, act, what string, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	t, err := s.told(ctx, o.contact.ID, what)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := s.mayBind(ctx, tx, o); err != nil {
			return err
		}
		if err := f(ctx, tx, o); err != nil {
			return err
		}
		if err := s.Outbox.Tell(ctx, tx, t); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(o.contact.ID)), Act: act, About: string(o.contact.ID), Detail: "after " + string(o.session.Factor)})
	})
}

// newApp serves POST /my/access/app: a secret for the code app; it counts after
// its first code.
func (s *Site) newApp(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	_, sealed, err := s.Passkeys.NewApp(s.passkeyOwner(o), s.Org().Name)
	if err != nil {
		return err
	}
	ctx := r.Context()
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := s.mayBind(ctx, tx, o); err != nil {
			return err
		}
		return s.Passkeys.AddApp(ctx, tx, string(o.contact.ID), o.session.By, sealed)
	})
	if k := fail.KindOf(err); err != nil && (k == fail.Denied || k == fail.Conflict) {
		return s.accessPage(w, r, web.StatusOf(err), o, web.Errors{{Field: "app", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/my/access", http.StatusSeeOther)
	return nil
}

// confirmApp serves POST /my/access/app/confirm.
func (s *Site) confirmApp(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "code", "app.added", "a code app was added", func(ctx context.Context, tx *db.Tx, o *owner) error {
		return s.Passkeys.ConfirmApp(ctx, tx, string(o.contact.ID), r.FormValue("code"))
	})
}

// removeApp serves POST /my/access/app/remove.
func (s *Site) removeApp(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "app", "app.removed", "a code app was removed", func(ctx context.Context, tx *db.Tx, o *owner) error {
		return s.Passkeys.RemoveApp(ctx, tx, string(o.contact.ID))
	})
}

// removePasskey serves POST /my/access/passkeys/{id}/remove.
func (s *Site) removePasskey(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "passkeys", "passkey.removed", "a passkey was removed", func(ctx context.Context, tx *db.Tx, o *owner) error {
		if err := contacts.GaveUp(ctx, tx, o.contact.ID); err != nil {
			return err
		}
		return s.Passkeys.Remove(ctx, tx, "contact", string(o.contact.ID), r.PathValue("id"))
	})
}

// endOthers serves POST /my/access/sessions/end.
func (s *Site) endOthers(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	if err := s.DB.Update(ctx, func(tx *db.Tx) error { return portal.EndAll(ctx, tx, o.contact.ID, o.session.Hash) }); err != nil {
		return err
	}
	http.Redirect(w, r, "/my/access", http.StatusSeeOther)
	return nil
}

// addBegin serves POST /my/access/passkeys/begin.
func (s *Site) addBegin(w http.ResponseWriter, r *http.Request) error {
	o, err := s.binder(r)
	if err != nil {
		return err
	}
	options, err := s.Passkeys.BeginRegister(r.Context(), s.passkeyOwner(o), "Portal")
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// addFinish serves POST /my/access/passkeys/finish.
func (s *Site) addFinish(w http.ResponseWriter, r *http.Request) error {
	o, err := s.binder(r)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	if err := s.bound(r.Context(), o, answer); err != nil {
		return err
	}
	return web.JSON(w, map[string]string{"next": "/my/access"})
}

// bound stores a new passkey and tells every address, both or neither.
func (s *Site) bound(ctx context.Context, o *owner, answer []byte) error {
	t, err := s.told(ctx, o.contact.ID, "a passkey was added")
	if err != nil {
		return err
	}
	return s.Passkeys.FinishBinding(ctx, s.passkeyOwner(o), answer, o.session.By, func(ctx context.Context, tx *db.Tx) error {
		if n, err := s.Passkeys.Count(ctx, tx, "contact", string(o.contact.ID)); err != nil || n > 1 { // this one is counted
			if err == nil {
				err = s.mayBind(ctx, tx, o)
			}
			if err != nil {
				return err
			}
		}
		if err := s.Outbox.Tell(ctx, tx, t); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(o.contact.ID)), Act: "passkey.added", About: string(o.contact.ID), Detail: "on the portal, after " + string(o.session.Factor)})
	})
}

// binder is who may add a passkey, for the scripts.
func (s *Site) binder(r *http.Request) (*owner, error) {
	ses, err := s.session(r)
	if err != nil {
		return nil, fail.New(fail.Denied, "your time on this page is over; come in again")
	}
	o := &owner{session: ses}
	return o, s.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if o.contact, err = s.Contacts.Get(r.Context(), tx, ses.Contact); err != nil {
			return err
		}
		return s.mayBind(r.Context(), tx, o)
	})
}

// myData serves GET /my/data, and as a file GET /my/data.json.
func (s *Site) myData(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := DataPage{Public: s.base(), Name: o.contact.Name}
	p.Since = p.When(o.contact.Made)
	for _, a := range o.contact.Addresses {
		p.Addresses = append(p.Addresses, a.Address)
	}
	for _, n := range o.contact.Phones {
		p.Phones = append(p.Phones, n.Last())
	}
	var list []instructions.Instruction
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p.Cases = nil
		found, err := s.Cases.OfContact(ctx, tx, o.contact.ID, 500)
		if err != nil {
			return err
		}
		for _, c := range found {
			p.Cases = append(p.Cases, string(c.Ref))
		}
		if list, err = s.Auth.Instructions.OfContact(ctx, tx, o.contact.ID, 500); err != nil {
			return err
		}
		return s.Auth.Instructions.Seen(ctx, tx, list)
	})
	if err != nil {
		return err
	}
	if !strings.HasSuffix(r.URL.Path, ".json") {
		return web.Render(w, r, Templates, "my-data", p)
	}
	out := map[string]any{"name": p.Name, "addresses": p.Addresses, "telephones_end_in": p.Phones, "cases": p.Cases, "known_since": o.contact.Made}
	var keys, authorised []map[string]any
	for n := range o.contact.Keys {
		keys = append(keys, map[string]any{"fingerprint": o.contact.Keys[n].Cert.Fingerprint(), "state": o.contact.Keys[n].Trust})
	}
	for n := range list {
		authorised = append(authorised, map[string]any{"reference": list[n].Doc.Ref, "text": list[n].Doc.Text, "state": list[n].State, "proposed": list[n].Made, "proved": list[n].ProvedAt})
	}
	out["keys"], out["instructions"], out["choices"] = keys, authorised, o.chosen
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	web.ServeFile(w, "my-data.json", b)
	return nil
}

// myMessages serves GET /my/messages.
func (s *Site) myMessages(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := LettersPage{Public: s.base()}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p.Rows = nil
		items, err := portal.OfContact(ctx, tx, o.contact.ID, 100)
		if err != nil {
			return err
		}
		refs := map[cases.ID]cases.Ref{}
		for n := range items {
			i := &items[n]
			if refs[i.Case] == "" {
				c, err := s.Cases.Get(ctx, tx, i.Case)
				if err != nil {
					return err
				}
				refs[i.Case] = c.Ref
			}
			row := LetterRow{ID: string(i.ID), Ref: string(refs[i.Case]), At: p.When(i.Placed), New: i.Released.IsZero()}
			if i.Gone(tx.Now) != nil {
				row.Gone, row.New = "expired", false
				if !i.Recalled.IsZero() {
					row.Gone = "recalled"
				}
			}
			p.Rows = append(p.Rows, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "my-messages", p)
}

// letter is a message of theirs in their place, opened.
type letter struct {
	item    *portal.Item
	content *portal.Content
	c       *cases.Case
	ses     portal.Session
}

// letter opens a message that waits for the customer; another's is NotFound. It
// counts as shown from then on.
func (s *Site) letter(r *http.Request, o *owner) (*letter, error) {
	ctx := r.Context()
	l := &letter{ses: *o.session}
	l.ses.Item = "" // the place shows whatever is theirs
	return l, s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if l.item, l.content, _, err = s.Portal.Read(ctx, tx, &l.ses, portal.ID(r.PathValue("id"))); err != nil {
			return err
		}
		if l.c, err = s.Cases.Get(ctx, tx, l.item.Case); err != nil {
			return err
		}
		return s.Portal.ReleaseTo(ctx, tx, l.item, o.session)
	})
}

// myMessage serves POST /my/messages/{id}: a button, not a link, shows what waits.
func (s *Site) myMessage(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.letterPage(w, r, http.StatusOK, o, "", nil)
}

func (s *Site) letterPage(w http.ResponseWriter, r *http.Request, status int, o *owner, reply string, errs web.Errors) error {
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	p := LetterPage{Public: s.base(), Path: "/my/messages/" + string(l.item.ID), Ref: string(l.c.Ref), Subject: l.content.Subject, Reply: reply}
	p.Errors, p.Until = errs, p.When(l.item.Expires)
	p.Item = Letter{ID: "item", From: l.content.From, At: p.When(l.content.Written), Text: l.content.Text, Files: named(l.content.Attachments)}
	for n := range p.Item.Files {
		p.Item.Files[n].URL = fmt.Sprintf("%s/files/%d", p.Path, n)
	}
	return web.RenderStatus(w, r, status, Templates, "my-message", p)
}

// myFile serves GET /my/messages/{id}/files/{n}, of a message that was shown.
func (s *Site) myFile(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(l.content.Attachments) {
		return fail.New(fail.NotFound, "there is no such file")
	}
	return s.serveAttachment(w, r, l.content.Attachments[n])
}

// myReply serves POST /my/messages/{id}/reply.
func (s *Site) myReply(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	l, err := s.letter(r, o)
	if err != nil {
		return err
	}
	text := r.FormValue("text")
	ref, err := s.Intake.FromPortal(r.Context(), &intake.PortalReply{Session: &l.ses, Item: l.item, Text: text, Person: r.FormValue("do") == "person"})
	if fail.Is(err, fail.Invalid) {
		return s.letterPage(w, r, http.StatusUnprocessableEntity, o, text, web.Errors{{Field: "text", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	p := SentPage{Public: s.base(), Link: "/my/messages", Ref: string(ref), Person: r.FormValue("do") == "person", Place: true}
	p.At = p.When(p.Now)
	return web.Render(w, r, Templates, "sent", p)
}
