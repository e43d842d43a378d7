package public

import (
	"context"
	"io"
	"net/http"
	"strings"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/web"
)

// told prepares the notice that goes to all addresses when an authenticator changes,
// in the language of the page; the act names its words.
func (s *Site) told(ctx context.Context, o *owner, act string) (*outbox.Telling, error) {
	org, say := s.Org(), o.session.Lang.Must
	how := say("mail.ins.reply")
	if org.Phone != "" {
		how = say("mail.told.call", org.Phone)
	}
	text := []string{say("mail.told", org.Name, say("mail.told."+act)), say("mail.told.you", how, "https://"+org.Host+"/my/access"), say("mail.told.new")}
	return s.Outbox.PrepareTelling(ctx, o.contact.ID, o.session.Lang, say("mail.ins.change.subject"), strings.Join(text, "\n\n"))
}

// mayChange says why this session may not give up what protects its owner, or nil.
func (s *Site) mayChange(ctx context.Context, tx *db.Tx, o *owner) error {
	return s.Auth.MayChange(ctx, tx, o.contact, o.session)
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
	p := AccessPage{Public: s.place(r)}
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
		why := s.mayChange(ctx, tx, o)
		if p.May, p.Add = why == nil, o.session.Factor.Decides(); why != nil {
			p.Why = said(p.Lang, why)
		}
		if err := s.agreedPart(ctx, tx, o, &p); err != nil {
			return err
		}
		if set, err := s.Passkeys.PendingApp(ctx, tx, o.session.Hash, s.passkeyOwner(o), p.Org.Name); err == nil && p.Add {
			p.Setup = &AppSetup{set.Secret, set.Address}
		}
		list, err := portal.Sessions(ctx, tx, o.contact.ID)
		for n := range list {
			p.Sessions = append(p.Sessions, MySession{p.Lang.Must(factorKey(list[n].Factor)), p.When(list[n].Made), list[n].Hash == o.session.Hash})
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
// act is for the audit log, and names the words of the notice.
func (s *Site) change(w http.ResponseWriter, r *http.Request, field, act string, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	nothing := func(context.Context, *owner) error { return nil }
	return s.changeAfter(w, r, field, act, nothing, f)
}

// changeAfter is change with something that is prepared outside the transaction.
func (s *Site) changeAfter(w http.ResponseWriter, r *http.Request, field, act string, prepare func(context.Context, *owner) error, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	if err = prepare(ctx, o); err == nil {
		err = s.changed(ctx, o, act, f)
	}
	if k := fail.KindOf(err); err != nil && (k == fail.Denied || k == fail.Invalid || k == fail.Conflict) {
		return s.accessPage(w, r, web.StatusOf(err), o, web.Errors{{Field: field, Text: said(o.session.Lang, err)}})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/my/access", http.StatusSeeOther)
	return nil
}

// changed makes the change, tells of it and records it, all or nothing.
func (s *Site) changed(ctx context.Context, o *owner, act string, f func(ctx context.Context, tx *db.Tx, o *owner) error) error {
	t, err := s.told(ctx, o, act)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := s.mayChange(ctx, tx, o); err != nil {
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

// newApp serves POST /my/access/app: a secret for the code app, which this session
// alone goes on with.
func (s *Site) newApp(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if !o.session.Factor.Decides() {
			return errAgreed
		}
		if app, err := s.Passkeys.AppOf(ctx, tx, string(o.contact.ID)); err != nil || app != nil {
			if err == nil {
				err = fail.New(fail.Conflict, "an app is set up already; remove it first")
			}
			return err
		}
		return s.Passkeys.BeginApp(ctx, tx, o.session.Hash)
	})
	return s.afterAdding(w, r, o, "app", "/my/access", err)
}

// afterAdding shows the page again with what went wrong, or goes on.
func (s *Site) afterAdding(w http.ResponseWriter, r *http.Request, o *owner, field, next string, err error) error {
	switch k := fail.KindOf(err); {
	case err == nil:
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	case k == fail.Denied, k == fail.Invalid, k == fail.Conflict, k == fail.TooMany:
		return s.accessPage(w, r, web.StatusOf(err), o, web.Errors{{Field: field, Text: said(o.session.Lang, err)}})
	}
	return err
}

// confirmApp serves POST /my/access/app/confirm: the app showed its first code.
func (s *Site) confirmApp(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	var m *staff.MadeApp
	var i *instructions.Instruction
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if !o.session.Factor.Decides() {
			return errAgreed
		}
		m, err = s.Passkeys.FinishApp(ctx, tx, o.session.Hash, r.FormValue("code"))
		return err
	})
	if err == nil {
		i, err = s.Auth.AddApp(ctx, o.session, m)
	}
	return s.afterAdding(w, r, o, "code", added(i), err)
}

// added is where it goes on: where what was added stands, or where it is proved.
func added(i *instructions.Instruction) string {
	if i == nil || i.State == instructions.Executed {
		return "/my/access"
	}
	return "/my/authorised/" + string(i.ID)
}

// removeApp serves POST /my/access/app/remove.
func (s *Site) removeApp(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "app", "app.removed", func(ctx context.Context, tx *db.Tx, o *owner) error {
		if err := portal.EndAll(ctx, tx, o.contact.ID, o.session.Hash); err != nil {
			return err
		}
		return s.Passkeys.RemoveApp(ctx, tx, string(o.contact.ID))
	})
}

// removePasskey serves POST /my/access/passkeys/{id}/remove.
func (s *Site) removePasskey(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "passkeys", "passkey.removed", func(ctx context.Context, tx *db.Tx, o *owner) error {
		if err := contacts.GaveUp(ctx, tx, o.contact.ID); err != nil {
			return err
		}
		if err := portal.EndAll(ctx, tx, o.contact.ID, o.session.Hash); err != nil {
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
	return s.addPasskey(w, r, o, answer, "/my/access")
}

// addPasskey takes a passkey that was made on our page; page is where it goes on
// if it is theirs at once.
func (s *Site) addPasskey(w http.ResponseWriter, r *http.Request, o *owner, answer []byte, page string) error {
	m, err := s.Passkeys.FinishMaking(r.Context(), s.passkeyOwner(o), answer)
	if err != nil {
		return err
	}
	i, err := s.Auth.AddPasskey(r.Context(), o.session, m)
	if err != nil {
		return err
	}
	next := added(i)
	if i.State == instructions.Executed {
		next = page
	}
	return web.JSON(w, map[string]string{"next": next})
}

// binder is who may add a passkey, for the scripts.
func (s *Site) binder(r *http.Request) (*owner, error) {
	ses, err := s.session(r)
	if err != nil {
		return nil, fail.New(fail.Denied, "your time on this page is over; come in again")
	}
	if !ses.Factor.Decides() {
		return nil, errAgreed
	}
	o := &owner{session: ses}
	return o, s.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		o.contact, err = s.Contacts.Get(r.Context(), tx, ses.Contact)
		return err
	})
}
