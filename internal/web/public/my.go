package public

import (
	"context"
	"io"
	"net/http"
	"strings"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/web"
)

// my serves GET /my: the customer's place, or the way in.
func (s *Site) my(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.session(r); err != nil {
		if !fail.Is(err, fail.NotFound) {
			return err
		}
		return s.enterPage(w, r, http.StatusOK, "", nil)
	}
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := PlacePage{Public: s.place(r), Name: web.Plain(o.contact.Title())}
	p.Factor = p.Lang.Must(factorKey(o.session.Factor))
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err := s.Auth.Instructions.OfContact(ctx, tx, o.contact.ID, 100)
		if err != nil {
			return err
		}
		for _, i := range list {
			if i.State == instructions.Proposed {
				p.Waiting++
			}
		}
		items, err := portal.OfContact(ctx, tx, o.contact.ID, 100)
		if err != nil {
			return err
		}
		for n := range items {
			if items[n].Released.IsZero() && items[n].Gone(tx.Now) == nil {
				p.Unread++
			}
		}
		keys, err := s.Passkeys.Count(ctx, tx, "contact", string(o.contact.ID))
		p.Passkeys = keys
		return err
	})
	if err != nil {
		return err
	}
	if k, _ := o.contact.VerifiedKey(s.DB.Now()); k != nil {
		p.Key = web.Fingerprint(k.Cert.Fingerprint())
	}
	for _, c := range o.chosen {
		if c.Ended.IsZero() && s.DB.Now().Before(c.Expires) {
			p.Lowered++
		}
	}
	return web.Render(w, r, Templates, "place", p)
}

// session finds a session that proves somebody; none is NotFound.
func (s *Site) session(r *http.Request) (ses *portal.Session, err error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, fail.New(fail.NotFound, "nobody is here")
	}
	err = s.DB.View(r.Context(), func(tx *db.Tx) (err error) { ses, err = portal.FindSession(r.Context(), tx, cookie.Value); return err })
	if err != nil {
		return nil, err
	}
	if !ses.Factor.Proves() {
		return nil, fail.New(fail.NotFound, "the link alone proves nothing")
	}
	ses.Lang = web.LangOf(r)
	return ses, nil
}

func (s *Site) enterPage(w http.ResponseWriter, r *http.Request, status int, address string, errs web.Errors) error {
	return s.renderEnter(w, r, status, EnterPage{Address: address}, errs)
}

func (s *Site) renderEnter(w http.ResponseWriter, r *http.Request, status int, p EnterPage, errs web.Errors) error {
	p.Public, p.Codes, p.Texts = s.place(r), !s.Auth.Strict, s.mayText()
	p.Errors = errs
	return web.RenderStatus(w, r, status, Templates, "enter", p)
}

// signIn serves POST /my/sign-in: an address, and a code of the app, one that was
// read out or sent, or one that was agreed.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	address, code := strings.TrimSpace(r.FormValue("address")), r.FormValue("code")
	if s.Auth.Strict {
		return fail.New(fail.Denied, "only a passkey opens this place; codes are switched off here")
	}
	token, err := s.tryCode(r.Context(), address, code, web.Network(r))
	if fail.Is(err, fail.TooMany) || fail.Is(err, fail.Unavailable) {
		return s.enterPage(w, r, web.StatusOf(err), address, web.Errors{{Field: "code", Text: said(web.LangOf(r), err)}})
	}
	if err != nil {
		return err
	}
	if token == "" { // the one answer, which does not say whether the address is known
		return s.enterPage(w, r, http.StatusForbidden, address, web.Errors{{Field: "code", Text: web.LangOf(r).Must("enter.refused")}})
	}
	return s.welcome(w, r, token)
}

// try is a code under way: whose it would be, and what is known of them.
type try struct {
	who    contacts.ID // "" is nobody
	name   string      // for counting wrong tries
	from   string      // the network
	code   string
	agreed staff.Agreed
	fits   bool // the code is the agreed one
}

// tryCode tries a code as every kind. Whether somebody has the address makes no
// difference to what is done, only to what comes of it.
func (s *Site) tryCode(ctx context.Context, address, code, from string) (token string, err error) {
	t := &try{from: from, code: code}
	if err := s.DB.Update(ctx, func(tx *db.Tx) error { return s.beginTry(ctx, tx, t, address) }); err != nil {
		return "", err
	}
	if t.fits, err = s.Agreed.Fits(ctx, t.agreed, code, from); err != nil {
		return "", err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		token = ""
		factor, by, err := s.judge(ctx, tx, t)
		if err != nil || factor == "" {
			return err
		}
		if err := staff.EndTry(ctx, tx, t.name, from); err != nil {
			return err
		}
		token, err = portal.Enter(ctx, tx, t.who, factor, by)
		return err
	})
	return token, err
}

// beginTry counts the try before it is judged.
func (s *Site) beginTry(ctx context.Context, tx *db.Tx, t *try, address string) (err error) {
	if t.who, err = s.Contacts.Who(ctx, tx, address); err != nil {
		return err
	}
	t.name = s.Vault.Index("address", contacts.Normal(address)) // as typed: two addresses of one person are not told to be so
	if err := staff.StartTry(ctx, tx, t.name, t.from); err != nil {
		return err
	}
	t.agreed, err = s.Agreed.Of(ctx, tx, string(t.who))
	return err
}

// judge tries the code as one of the app, then as one that was read out or sent,
// then as the agreed one. factor is empty if it is none.
func (s *Site) judge(ctx context.Context, tx *db.Tx, t *try) (factor portal.Factor, by string, err error) {
	app, _, err := s.Passkeys.UseApp(ctx, tx, string(t.who), t.code)
	if err != nil {
		return "", "", err
	}
	if app != nil {
		return portal.CodeApp, authorise.LetIn(app.By, app.Made, tx.Now), nil
	}
	if factor, by, err = s.Portal.RedeemSignIn(ctx, tx, t.who, t.code); err != nil || factor != "" {
		return factor, by, err
	}
	if !t.fits {
		return "", "", s.Passkeys.MissApp(ctx, tx, string(t.who), t.code)
	}
	if ok, err := s.Agreed.Use(ctx, tx, string(t.who), t.agreed); err != nil || !ok {
		return "", "", err
	}
	return portal.Agreed, authorise.LetIn(t.agreed.By, t.agreed.Made, tx.Now), nil
}

// welcome goes on with a new session: straight to what waits, if it is one thing.
func (s *Site) welcome(w http.ResponseWriter, r *http.Request, token string) error {
	setSession(w, token)
	http.Redirect(w, r, s.firstStop(r.Context(), token), http.StatusSeeOther)
	return nil
}

func (s *Site) firstStop(ctx context.Context, token string) string {
	next := "/my"
	s.DB.View(ctx, func(tx *db.Tx) error { // where this fails, /my says so
		ses, err := portal.FindSession(ctx, tx, token)
		if err != nil {
			return err
		}
		list, err := s.Auth.Instructions.OfContact(ctx, tx, ses.Contact, 100)
		waiting := 0
		for _, i := range list {
			if i.State == instructions.Proposed && tx.Now.Before(i.Expires) {
				waiting++
				next = "/my/authorised/" + string(i.ID)
			}
		}
		if waiting != 1 {
			next = "/my"
		}
		return err
	})
	return next
}

var anyContact = staff.Owner{Kind: "contact"}

// enterBegin serves POST /my/passkey/begin: the passkey itself says whose it is.
func (s *Site) enterBegin(w http.ResponseWriter, r *http.Request) error {
	options, err := s.Passkeys.BeginLogin(r.Context(), anyContact)
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// enterFinish serves POST /my/passkey/finish.
func (s *Site) enterFinish(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	id, key, err := s.Passkeys.FinishEntry(ctx, anyContact, answer)
	if err != nil {
		return err
	}
	var token string
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		token, err = portal.Enter(ctx, tx, contacts.ID(id), portal.Passkey, authorise.LetIn(key.By, key.Made, tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	setSession(w, token)
	return web.JSON(w, map[string]string{"next": s.firstStop(ctx, token)})
}

// widen serves POST /my/enter: from one message, opened by a factor, to the place.
func (s *Site) widen(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.session(r)
	if err == nil && s.Auth.Strict && ses.Factor != portal.Passkey {
		err = fail.New(fail.NotFound, "codes are switched off here")
	}
	if fail.Is(err, fail.NotFound) || err == nil && ses.Item == "" {
		http.Redirect(w, r, "/my", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	ctx := r.Context()
	var token string
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) { token, err = portal.Widen(ctx, tx, ses); return err })
	if err != nil {
		return err
	}
	setSession(w, token)
	http.Redirect(w, r, "/my", http.StatusSeeOther)
	return nil
}

// leave serves POST /my/sign-out.
func (s *Site) leave(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if cookie, err := r.Cookie(cookieName); err == nil {
		err := s.DB.Update(ctx, func(tx *db.Tx) error {
			ses, err := portal.FindSession(ctx, tx, cookie.Value)
			if err != nil {
				return err
			}
			return portal.End(ctx, tx, ses)
		})
		if err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", Secure: true, HttpOnly: true, MaxAge: -1})
	web.ClearSite(w)
	return web.Render(w, r, Templates, "signed-out", SignedOutPage{s.page(r)})
}

// factorKey is the key of the words on how somebody came in.
func factorKey(f portal.Factor) string {
	switch f {
	case portal.Passkey:
		return "factor.passkey"
	case portal.CodeApp:
		return "factor.app"
	case portal.TextCode:
		return "factor.text"
	case portal.Agreed:
		return "factor.agreed"
	}
	return "factor.call"
}
