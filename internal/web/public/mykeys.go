package public

import (
	"net/http"
	"strings"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
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
	p := MyKeysPage{Public: s.place(r), Typed: typed}
	p.Errors = errs
	use, _ := o.contact.VerifiedKey(s.DB.Now())
	for n := range o.contact.Keys {
		k := &o.contact.Keys[n]
		p.Keys = append(p.Keys, MyKey{ID: k.ID, Fingerprint: web.Fingerprint(k.Cert.Fingerprint()), State: keyWords(p.Lang, k), Use: use != nil && use.ID == k.ID,
			Made: p.When(k.Cert.Created()), Expires: p.When(k.Cert.Expires()), Revocable: o.session.Factor.Decides() && k.Trust != contacts.Rejected && k.Trust != contacts.Expired})
	}
	return web.RenderStatus(w, r, status, Templates, "my-keys", p)
}

func keyWords(l lang.Lang, k *contacts.Key) string {
	switch {
	case k.Pending:
		return l.Must("mykeys.state.pending")
	case k.Trust == contacts.Verified && k.Via == contacts.ByInstruction:
		return l.Must("mykeys.state.bound")
	case k.Trust == contacts.Verified:
		return l.Must("mykeys.state.checked", l.Said(k.Via))
	case k.Trust == contacts.Rejected:
		return l.Must("mykeys.state.rejected")
	case k.Trust == contacts.Expired:
		return l.Must("mykeys.state.replaced")
	}
	return l.Must("mykeys.state.known")
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
	if !o.session.Factor.Decides() {
		return authorise.ErrReads
	}
	if bad == nil {
		i, wrong, err := s.Auth.Propose(r.Context(), &authorise.Proposal{Contact: o.contact.ID, Type: "key", Key: []byte(text), Proposer: "contact:" + string(o.contact.ID), Lang: o.session.Lang})
		switch {
		case err != nil:
			return err
		case i != nil:
			http.Redirect(w, r, "/my/authorised/"+string(i.ID), http.StatusSeeOther)
			return nil
		}
		bad = fail.New(fail.Invalid, "%s", wrong["key"])
	}
	return s.keysPage(w, r, http.StatusUnprocessableEntity, o, text, web.Errors{{Field: "key", Text: said(o.session.Lang, bad)}})
}

// revokeKey serves POST /my/keys/{id}/revoke: giving a key up takes authority
// away and is safe at once.
func (s *Site) revokeKey(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	if err := s.DB.View(ctx, func(tx *db.Tx) error { return s.mayChange(ctx, tx, o) }); fail.Is(err, fail.Denied) {
		return s.keysPage(w, r, http.StatusForbidden, o, "", web.Errors{{Field: "key", Text: said(o.session.Lang, err)}})
	} else if err != nil {
		return err
	}
	t, err := s.told(ctx, o, "key.rejected")
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
