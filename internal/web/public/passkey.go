package public

import (
	"io"
	"net/http"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
	"postern/internal/web"
)

func (v *visit) owner() staff.Owner {
	return staff.Owner{Kind: "contact", ID: string(v.item.Contact), Name: v.contact.MailTo()}
}

// present is enter for the scripts: what is gone is an error, not a page.
func (s *Site) present(r *http.Request) (*visit, error) {
	v, err := s.visit(r)
	if err != nil {
		return nil, err
	}
	return v, v.item.Gone(s.DB.Now())
}

// passkeyBegin serves POST /m/{link}/passkey/begin.
func (s *Site) passkeyBegin(w http.ResponseWriter, r *http.Request) error {
	v, err := s.present(r)
	if err != nil {
		return err
	}
	options, err := s.Passkeys.BeginLogin(r.Context(), v.owner())
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// passkeyFinish serves POST /m/{link}/passkey/finish.
func (s *Site) passkeyFinish(w http.ResponseWriter, r *http.Request) error {
	v, err := s.present(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	_, key, err := s.Passkeys.FinishEntry(ctx, v.owner(), answer)
	if err != nil {
		if fail.Is(err, fail.Denied) {
			e := s.DB.Update(ctx, func(tx *db.Tx) error {
				return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "item.refused", About: string(v.item.Case), Detail: "item " + string(v.item.ID) + "; passkey"})
			})
			if e != nil {
				return e
			}
		}
		return err
	}
	var token string
	err = s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		token, err = s.Portal.ReleaseByPasskey(ctx, tx, v.item, authorise.LetIn(key.By, key.Made, tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	setSession(w, token)
	return web.JSON(w, map[string]string{"next": v.path()})
}

// mayEnrol: a passkey is added by somebody who has just opened the item with
// another factor.
func (s *Site) mayEnrol(r *http.Request) (*visit, error) {
	v, err := s.present(r)
	if err == nil && (v.session == nil || !v.session.Factor.Decides()) {
		err = fail.New(fail.Denied, "your time on this page is over; open the link in our mail again")
	}
	return v, err
}

// enrolBegin serves POST /m/{link}/enrol/begin.
func (s *Site) enrolBegin(w http.ResponseWriter, r *http.Request) error {
	v, err := s.mayEnrol(r)
	if err != nil {
		return err
	}
	options, err := s.Passkeys.BeginRegister(r.Context(), v.owner(), "Portal")
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// enrolFinish serves POST /m/{link}/enrol/finish.
func (s *Site) enrolFinish(w http.ResponseWriter, r *http.Request) error {
	v, err := s.mayEnrol(r)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	return s.addPasskey(w, r, &owner{contact: v.contact, session: v.session}, answer, v.path())
}
