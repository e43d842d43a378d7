package public

import (
	"context"
	"net/http"
	"net/mail"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/portal"
	"postern/internal/web"
)

// errAgreed answers what a session by an agreed code may not do.
var errAgreed = fail.New(fail.Denied, "the code that you chose lets you read, and no more. Come in with your passkey, your app, or a code that we read to you, to change this")

// mayAgree says why no code can be chosen in this session, or nil. A text message
// is the weaker way: what lasts does not follow from it.
func (s *Site) mayAgree(ctx context.Context, tx *db.Tx, o *owner) error {
	switch {
	case s.Auth.Strict:
		return fail.New(fail.Denied, "only a passkey opens this place; codes are switched off here")
	case o.session.Factor == portal.TextCode, o.session.By == portal.ByText:
		return fail.New(fail.Denied, "after a code by text message no code can be chosen. Come in with your passkey, your app, or a code that we read to you")
	}
	return s.mayChange(ctx, tx, o)
}

// agreedPart fills the page's part about the agreed code.
func (s *Site) agreedPart(ctx context.Context, tx *db.Tx, o *owner, p *AccessPage) error {
	code, err := s.Agreed.Of(ctx, tx, string(o.contact.ID))
	p.Codes, p.Agree = !s.Auth.Strict, s.mayAgree(ctx, tx, o) == nil
	p.Agreed, p.Since = !code.Made.IsZero(), p.When(code.Made)
	return err
}

// agree serves POST /my/access/agreed: a code that the customer chooses. A new one
// ends what the old one opened.
func (s *Site) agree(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	phc := ""
	prepare := func(ctx context.Context, o *owner) (err error) {
		if err := s.DB.View(ctx, func(tx *db.Tx) error { return s.mayAgree(ctx, tx, o) }); err != nil {
			return err
		}
		phc, err = s.Agreed.Hash(ctx, r.FormValue("agreed"), ownWords(o.contact, s.Org().Name)...)
		return err
	}
	return s.changeAfter(w, r, "agreed", "agreed.set", prepare, func(ctx context.Context, tx *db.Tx, o *owner) error {
		if err := s.mayAgree(ctx, tx, o); err != nil {
			return err
		}
		if err := portal.EndBy(ctx, tx, o.contact.ID, portal.Agreed); err != nil {
			return err
		}
		return s.Agreed.Save(ctx, tx, string(o.contact.ID), o.session.By, phc)
	})
}

// unagree serves POST /my/access/agreed/remove.
func (s *Site) unagree(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "agreed", "agreed.removed", func(ctx context.Context, tx *db.Tx, o *owner) error {
		if err := portal.EndBy(ctx, tx, o.contact.ID, portal.Agreed); err != nil {
			return err
		}
		return s.Agreed.Remove(ctx, tx, string(o.contact.ID))
	})
}

func ownWords(c *contacts.Contact, org string) []string {
	out := []string{c.Name, org}
	for _, a := range c.Addresses {
		out = append(out, a.Address)
	}
	for _, p := range c.Phones {
		out = append(out, p.Number)
	}
	return out
}

// mayText reports whether codes can be sent to telephones.
func (s *Site) mayText() bool { return s.Texts && !s.Auth.Strict }

// sendCode serves POST /my/send-code. It only notes the wish, and says the same
// whoever has the address, with or without a number, within the limits or beyond:
// what comes of it is decided afterwards, where nobody can watch the time.
func (s *Site) sendCode(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	if !s.mayText() {
		return fail.New(fail.Denied, "this desk sends no codes by text message")
	}
	address := contacts.Normal(r.FormValue("address"))
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
		return s.enterPage(w, r, http.StatusUnprocessableEntity, address, web.Errors{{Field: "address", Text: web.LangOf(r).Must("enter.address.bad")}})
	}
	ctx := r.Context()
	if err := s.DB.Update(ctx, func(tx *db.Tx) error { return s.AskText(ctx, tx, address, web.Network(r)) }); err != nil {
		return err
	}
	return s.renderEnter(w, r, http.StatusOK, EnterPage{Address: address, Asked: true}, nil)
}
