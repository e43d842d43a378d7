package public

import (
	"context"
	"io"
	"net/http"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/web"
)

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
