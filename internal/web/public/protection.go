package public

import (
	"context"
	"net/http"
	"strconv"

	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/portal"
	"postern/internal/web"
)

// owner is who looks at their own protection, after a second factor.
type owner struct {
	contact *contacts.Contact
	session *portal.Session
	chosen  []consent.Consent
}

// protected finds the owner; done is true when an answer was given. A session
// that the link alone opened is nobody's here: by it nobody gets further.
func (s *Site) protected(w http.ResponseWriter, r *http.Request) (o *owner, done bool, err error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		http.Redirect(w, r, "/my", http.StatusSeeOther)
		return nil, true, nil
	}
	ctx := r.Context()
	o = &owner{}
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if o.session, err = portal.FindSession(ctx, tx, cookie.Value); err != nil {
			return err
		}
		if !o.session.Factor.Proves() {
			return fail.New(fail.NotFound, "the link alone proves nothing")
		}
		o.session.Lang = web.LangOf(r)
		if o.contact, err = s.Contacts.Get(ctx, tx, o.session.Contact); err != nil {
			return err
		}
		if o.chosen, err = consent.Of(ctx, tx, o.contact.ID); err != nil {
			return err
		}
		return portal.Touch(ctx, tx, o.session)
	})
	if fail.Is(err, fail.NotFound) {
		http.Redirect(w, r, "/my", http.StatusSeeOther)
		return nil, true, nil
	}
	return o, err != nil, err
}

// protection serves GET /my/protection.
func (s *Site) protection(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	p := ProtectionPage{Public: s.place(r), Mails: halves(o.contact)}
	for _, id := range consent.Scopes() {
		v, _, err := s.scope(p.Clock, o, id)
		if err != nil {
			return err
		}
		p.Scopes = append(p.Scopes, v)
	}
	return web.Render(w, r, Templates, "protection", p)
}

// scope puts one kind of protection into words of the page's language.
func (s *Site) scope(clock web.Clock, o *owner, id consent.Scope) (Scope, consent.Wording, error) {
	w, err := consent.In(id, clock.Lang)
	if err != nil {
		return Scope{}, w, err
	}
	v := Scope{ID: string(id), Title: w.Title, Means: w.Means, Lines: w.Lines[:]}
	if c := consent.Chosen(o.chosen, id, s.DB.Now()); c != nil {
		v = away(clock, v, c)
	}
	return v, w, nil
}

func away(clock web.Clock, v Scope, c *consent.Consent) Scope {
	v.Away, v.Since, v.Until = true, clock.When(c.Given), clock.When(c.Expires)
	if clock.Now.Before(c.Starts) {
		v.From = clock.When(c.Starts)
	}
	v.How = clock.Lang.Must("prot.how.page", clock.Lang.Said(c.Factor))
	if c.Channel == consent.SignedMail {
		v.How = clock.Lang.Must("prot.how.mail")
	}
	return v
}

// halves are the addresses that receipts go to.
func halves(c *contacts.Contact) (out []string) {
	for _, a := range c.Addresses {
		out = append(out, half(a.Address))
	}
	return out
}

// giveUp serves GET /my/protection/{scope}: the disclaimer. Nothing happens yet.
func (s *Site) giveUp(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	return s.giveUpPage(w, r, http.StatusOK, o, nil)
}

func (s *Site) giveUpPage(w http.ResponseWriter, r *http.Request, status int, o *owner, errs web.Errors) error {
	base := s.place(r)
	v, wording, err := s.scope(base.Clock, o, consent.Scope(r.PathValue("scope")))
	if err != nil {
		return err
	}
	p := GiveUpPage{Public: base, Scope: v, Still: wording.Still, Version: wording.Version, Waits: o.session.By != ""}
	p.Today, p.Ends = p.When(p.Now), p.When(p.Now.Add(consent.Life))
	p.Errors = errs
	if err := s.DB.View(r.Context(), func(tx *db.Tx) error { return s.mayChange(r.Context(), tx, o) }); fail.Is(err, fail.Denied) {
		p.Why = said(p.Lang, err)
	} else if err != nil {
		return err
	}
	if key, _ := o.contact.VerifiedKey(s.DB.Now()); key != nil {
		p.Phrase, p.Mail = wording.Phrase(), p.Org.Mail
	}
	return web.RenderStatus(w, r, status, Templates, "give-up", p)
}

// choose serves POST /my/protection/{scope}: one of two buttons.
func (s *Site) choose(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	scope := consent.Scope(r.PathValue("scope"))
	if !scope.Known() {
		return fail.New(fail.NotFound, "there is no such protection")
	}
	if r.FormValue("do") != "give" {
		http.Redirect(w, r, "/my/protection", http.StatusSeeOther)
		return nil
	}
	if r.FormValue("agree") != string(scope) {
		return s.giveUpPage(w, r, http.StatusUnprocessableEntity, o, web.Errors{{Field: "agree", Text: o.session.Lang.Must("prot.tick")}})
	}
	if err := s.DB.View(r.Context(), func(tx *db.Tx) error { return s.mayChange(r.Context(), tx, o) }); err != nil {
		if !fail.Is(err, fail.Denied) {
			return err
		}
		return s.giveUpPage(w, r, http.StatusForbidden, o, web.Errors{{Field: "agree", Text: said(o.session.Lang, err)}})
	}
	version, _ := strconv.ParseInt(r.FormValue("version"), 10, 64) // nonsense is version 0, which never was
	given, err := s.Outbox.GiveUp(r.Context(), o.contact.ID, []consent.Scope{scope}, version, o.session.Proof())
	if fail.Is(err, fail.Conflict) {
		return s.giveUpPage(w, r, http.StatusConflict, o, web.Errors{{Field: "agree", Text: said(o.session.Lang, err)}})
	}
	if err != nil {
		return err
	}
	c, base := &given.Given[0].Consent, s.place(r)
	v, _, err := s.scope(base.Clock, &owner{}, scope)
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "protection-receipt", ReceiptPage{Public: base, Scope: away(base.Clock, v, c), Version: c.Wording, Sum: c.Sum, Mails: halves(o.contact)})
}

// protectAgain serves POST /my/protection/{scope}/back: one click.
func (s *Site) protectAgain(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	scope, base := consent.Scope(r.PathValue("scope")), s.place(r)
	v, _, err := s.scope(base.Clock, &owner{}, scope)
	if err != nil {
		return err
	}
	if _, err := s.Outbox.Protect(r.Context(), o.contact.ID, scope, consent.ByPortal); err != nil {
		return err
	}
	return web.Render(w, r, Templates, "protection-receipt", ReceiptPage{Public: base, Scope: v, Mails: halves(o.contact)})
}

// behind finds what a link in a mail leads back from, and whether that is still away.
func (s *Site) behind(ctx context.Context, token string) (c *consent.Consent, away bool, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = consent.ByToken(ctx, tx, s.Vault, token); err != nil {
			return err
		}
		// Whichever consent is open now: the link in an old mail still leads back.
		list, err := consent.Of(ctx, tx, c.Contact)
		away = consent.Chosen(list, c.Scope, tx.Now) != nil
		return err
	})
	return c, away, err
}

// back serves GET /back/{token}: a page with a button. Whoever follows links,
// fetches or looks ahead changes nothing and learns no name.
func (s *Site) back(w http.ResponseWriter, r *http.Request) error {
	c, away, err := s.behind(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.backPage(w, r, c, away, false)
}

// bring serves POST /back/{token}: the protection is back.
func (s *Site) bring(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	c, _, err := s.behind(ctx, r.PathValue("token"))
	if err != nil {
		return err
	}
	if _, err := s.Outbox.Protect(ctx, c.Contact, c.Scope, consent.ByLink); err != nil {
		return err
	}
	return s.backPage(w, r, c, false, true)
}

func (s *Site) backPage(w http.ResponseWriter, r *http.Request, c *consent.Consent, away, done bool) error {
	base := s.page(r)
	v, _, err := s.scope(base.Clock, &owner{}, c.Scope)
	if err != nil {
		return err
	}
	v.Away = away
	return web.Render(w, r, Templates, "protection-back", BackPage{Public: base, Scope: v, Link: r.URL.EscapedPath(), Done: done})
}
