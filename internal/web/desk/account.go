package desk

import (
	"io"
	"net/http"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
	"postern/internal/web"
)

// fresh is how lately somebody must have proved who they are to change how they
// prove it.
const fresh = 15 * time.Minute

// account serves GET /desk/account.
func (d *Desk) account(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.accountPage(w, r, me, http.StatusOK, nil, nil, nil)
}

func (d *Desk) accountPage(w http.ResponseWriter, r *http.Request, me *visitor, status int, setup *TOTPSetup, codes []string, errs web.Errors) error {
	ctx := r.Context()
	p := AccountPage{Staff: d.chrome(me, "account"), Email: me.person.Email, Setup: setup, Codes: codes}
	p.Errors = errs
	err := d.db.View(ctx, func(tx *db.Tx) error {
		keys, err := d.staff.Passkeys().List(ctx, tx, "staff", me.ID())
		if err != nil {
			return err
		}
		if p.Password, err = d.staff.HasPassword(ctx, tx, me.person.ID); err != nil {
			return err
		}
		for _, k := range keys {
			p.Passkeys = append(p.Passkeys, Passkey{ID: k.ID, Name: k.Name, Made: p.When(k.Made), Used: p.When(k.Used), Last: len(keys) == 1 && !p.Password})
		}
		if len(keys) == 0 && !p.Password && setup == nil {
			p.Done = noWayIn()
		}
		if p.Left, err = staff.RecoveryLeft(ctx, tx, me.person.ID); err != nil {
			return err
		}
		sessions, err := d.staff.Sessions(ctx, tx, me.person.ID)
		if err != nil {
			return err
		}
		for i := range sessions {
			s := &sessions[i]
			p.Sessions = append(p.Sessions, Session{ID: s.ID, Browser: s.Device, Began: p.When(s.Made), Seen: p.When(s.Seen), Until: p.When(s.Ends()), Me: s.ID == me.session.ID})
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "account", p)
}

// noWayIn is said for as long as only a link, which works once, let them in.
func noWayIn() *web.Notice {
	return &web.Notice{Class: "warn", Icon: "pass", Title: "Add a passkey, or a password and code, before you go on.",
		Text: "The link you came by works once. Without one of these your way in is lost when this session ends, and an admin has to make you a new link.", URL: "/desk", Link: "Go on without one"}
}

// proved refuses a change of factors in a session that is not fresh: a browser
// left open must not be enough to take an account over.
func (d *Desk) proved(me *visitor) error {
	if !me.session.Fresh(d.db.Now(), fresh) {
		return fail.New(fail.Denied, "to change how you sign in, sign out and in again first: you proved who you are more than 15 minutes ago")
	}
	return nil
}

// setPassword serves POST /desk/account/password.
func (d *Desk) setPassword(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if err := d.proved(me); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 8192)
	s, err := d.staff.SetPassword(r.Context(), me.person, r.FormValue("password"), d.o.Org().Name)
	if fail.Is(err, fail.Invalid) {
		return d.accountPage(w, r, me, http.StatusUnprocessableEntity, nil, nil, web.Errors{{Field: "password", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return d.accountPage(w, r, me, http.StatusOK, &TOTPSetup{Secret: groups(s.Secret), Address: s.Address}, nil, nil)
}

func groups(s string) string {
	out := ""
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			out += " "
		}
		out += s[i:min(i+4, len(s))]
	}
	return out
}

// confirmTOTP serves POST /desk/account/totp.
func (d *Desk) confirmTOTP(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		if err := d.staff.ConfirmTOTP(ctx, tx, me.person.ID, r.FormValue("code")); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "staff.password", About: me.ID()})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/account")
}

// newCodes serves POST /desk/account/codes.
func (d *Desk) newCodes(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if err := d.proved(me); err != nil {
		return err
	}
	ctx := r.Context()
	var codes []string
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if codes, err = d.staff.NewRecoveryCodes(ctx, tx, me.person.ID); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "staff.codes", About: me.ID()})
	})
	if err != nil {
		return err
	}
	return d.accountPage(w, r, me, http.StatusOK, nil, codes, nil)
}

// enrolBegin serves POST /desk/account/passkeys/begin.
func (d *Desk) enrolBegin(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if err := d.proved(me); err != nil {
		return err
	}
	var in struct{ Name string }
	if err := web.ReadJSON(w, r, &in); err != nil {
		return err
	}
	options, err := d.staff.Passkeys().BeginRegister(r.Context(), me.owner(), in.Name)
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// enrolFinish serves POST /desk/account/passkeys/finish.
func (d *Desk) enrolFinish(w http.ResponseWriter, r *http.Request, me *visitor) error {
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	ctx := r.Context()
	if err := d.staff.Passkeys().FinishRegister(ctx, me.owner(), answer); err != nil {
		return err
	}
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "passkey.added", About: me.ID()})
	})
	if err != nil {
		return err
	}
	return web.JSON(w, map[string]string{"next": "/desk/account"})
}

// removePasskey serves POST /desk/account/passkeys/{id}/remove. The last way in
// stays.
func (d *Desk) removePasskey(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if err := d.proved(me); err != nil {
		return err
	}
	ctx := r.Context()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		n, err := d.staff.Passkeys().Count(ctx, tx, "staff", me.ID())
		if err != nil {
			return err
		}
		other, err := d.staff.HasPassword(ctx, tx, me.person.ID)
		if err != nil {
			return err
		}
		if n == 1 && !other {
			return fail.New(fail.Conflict, "this is your only way in; add another one first")
		}
		if err := d.staff.Passkeys().Remove(ctx, tx, "staff", me.ID(), r.PathValue("id")); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "passkey.removed", About: me.ID()})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/account")
}

// endSession serves POST /desk/account/sessions/{id}/end.
func (d *Desk) endSession(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	if err := d.db.Update(ctx, func(tx *db.Tx) error { return d.staff.EndOne(ctx, tx, me.person.ID, r.PathValue("id")) }); err != nil {
		return err
	}
	return back(w, r, "/desk/account")
}

// endAll serves POST /desk/account/sessions/end-all: everywhere, here too.
func (d *Desk) endAll(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		if err := d.staff.EndAll(ctx, tx, me.person.ID, ""); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "staff.signed-out", About: me.ID(), Detail: "everywhere"})
	})
	if err != nil {
		return err
	}
	web.ClearSite(w)
	return back(w, r, "/desk/sign-in")
}
