package desk

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
	"postern/internal/web"
)

// signInPage serves GET /desk/sign-in.
func (d *Desk) signInPage(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, Templates, "sign-in", SignInPage{Org: d.o.Org(), Next: localPath(r.FormValue("next"))})
}

// signIn serves POST /desk/sign-in: password and code.
func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8192)
	email, next := strings.TrimSpace(r.FormValue("email")), localPath(r.FormValue("next"))
	p, err := d.staff.CheckPassword(r.Context(), email, r.FormValue("password"), r.FormValue("code"), web.Network(r))
	if k := fail.KindOf(err); err != nil && (k == fail.Denied || k == fail.TooMany) {
		e := d.db.Update(r.Context(), func(tx *db.Tx) error {
			return audit.Append(r.Context(), tx, audit.Entry{Actor: audit.System, Act: "staff.refused", About: "sign-in", Detail: "password and code"})
		})
		if e != nil {
			return e
		}
		status := http.StatusForbidden
		if k == fail.TooMany {
			status = http.StatusTooManyRequests
		}
		return web.RenderStatus(w, r, status, Templates, "sign-in", SignInPage{Org: d.o.Org(), Email: email, Next: next,
			Errors: web.Errors{{Field: "email", Text: upperFirst(fail.Text(err)) + "."}}})
	}
	if err != nil {
		return err
	}
	if err := d.welcome(w, r, p.ID, "password and code"); err != nil {
		return err
	}
	return back(w, r, next)
}

// passkeyBegin serves POST /desk/sign-in/passkey/begin.
func (d *Desk) passkeyBegin(w http.ResponseWriter, r *http.Request) error {
	options, err := d.staff.Passkeys().BeginLogin(r.Context(), staff.Owner{Kind: "staff"})
	if err != nil {
		return err
	}
	return web.JSON(w, options)
}

// passkeyFinish serves POST /desk/sign-in/passkey/finish.
func (d *Desk) passkeyFinish(w http.ResponseWriter, r *http.Request) error {
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	id, err := d.staff.Passkeys().FinishLogin(r.Context(), staff.Owner{Kind: "staff"}, answer)
	if err != nil {
		return err
	}
	if err := d.welcome(w, r, staff.ID(id), "passkey"); err != nil {
		return err
	}
	return web.JSON(w, map[string]string{})
}

// linkPage serves GET /desk/link/{token}: looking uses nothing up.
func (d *Desk) linkPage(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), r.PathValue("token")
	p := LinkPage{Org: d.o.Org(), Token: token}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		l, err := d.staff.PeekLink(ctx, tx, staff.SignInBy, token)
		if err != nil {
			return err
		}
		who, err := d.staff.Get(ctx, tx, l.Person)
		if err != nil {
			return err
		}
		p.Name, p.Roles, p.Until = who.Name, roleWords(who.Roles), d.clock().When(l.Expires)
		way, err := d.hasWayIn(ctx, tx, who.ID)
		p.First = !way
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "link", p)
}

// hasWayIn reports whether somebody can sign in without a link.
func (d *Desk) hasWayIn(ctx context.Context, tx *db.Tx, id staff.ID) (bool, error) {
	n, err := d.staff.Passkeys().Count(ctx, tx, "staff", string(id))
	if err != nil || n > 0 {
		return n > 0, err
	}
	return d.staff.HasPassword(ctx, tx, id)
}

// useLink serves POST /desk/link/{token}. Who has no other way in is led to where
// they get one.
func (d *Desk) useLink(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var l *staff.Link
	way := false
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if l, err = d.staff.UseLink(ctx, tx, staff.SignInBy, r.PathValue("token")); err != nil {
			return err
		}
		way, err = d.hasWayIn(ctx, tx, l.Person)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.welcome(w, r, l.Person, "one-time link"); err != nil {
		return err
	}
	if !way {
		return back(w, r, "/desk/account")
	}
	return back(w, r, "/desk")
}

// setupPage serves GET /desk/setup/{token}.
func (d *Desk) setupPage(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), r.PathValue("token")
	if err := d.db.View(ctx, func(tx *db.Tx) error { _, err := d.staff.PeekLink(ctx, tx, staff.SetUp, token); return err }); err != nil {
		return err
	}
	org := d.o.Org()
	return web.Render(w, r, Templates, "setup", SetupPage{Token: token, OrgName: org.Name, Host: org.Host, SupportAddress: org.Mail})
}

// setup serves POST /desk/setup/{token}: the organisation's name, its mailbox,
// and the first person, who is agent, triager and admin.
func (d *Desk) setup(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), r.PathValue("token")
	r.Body = http.MaxBytesReader(w, r.Body, 8192)
	org := d.o.Org()
	p := SetupPage{Token: token, OrgName: strings.TrimSpace(r.FormValue("org")), Host: org.Host, SupportAddress: strings.TrimSpace(r.FormValue("support")),
		Name: strings.TrimSpace(r.FormValue("name")), Email: strings.TrimSpace(r.FormValue("email"))}
	bad := func(field string, err error) error {
		if k := fail.KindOf(err); k != fail.Invalid && k != fail.Conflict {
			return err
		}
		p.Errors = web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "setup", p)
	}
	if err := d.db.View(ctx, func(tx *db.Tx) error { _, err := d.staff.PeekLink(ctx, tx, staff.SetUp, token); return err }); err != nil {
		return err
	}
	if err := d.o.SetUp(ctx, p.OrgName, p.SupportAddress); err != nil {
		field := "support"
		if p.OrgName == "" || strings.ContainsAny(p.OrgName, "\r\n@<>") || len(p.OrgName) > 100 {
			field = "org"
		}
		return bad(field, err)
	}
	first := &staff.Person{Name: p.Name, Email: p.Email, Roles: staff.Roles}
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := d.staff.UseLink(ctx, tx, staff.SetUp, token); err != nil {
			return err
		}
		if err := d.staff.Add(ctx, tx, first); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(string(first.ID)), Act: "desk.set-up", About: "desk"})
	})
	if err != nil {
		return bad("email", err)
	}
	d.peopleChanged()
	if err := d.welcome(w, r, first.ID, "set-up link"); err != nil {
		return err
	}
	return back(w, r, "/desk/account")
}

// signOut serves POST /desk/sign-out.
func (d *Desk) signOut(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		if err := d.staff.End(ctx, tx, me.session); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "staff.signed-out", About: me.ID()})
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", Secure: true, HttpOnly: true, MaxAge: -1})
	web.ClearSite(w)
	return back(w, r, "/desk/sign-in")
}

// linkLife is how long an invitation or a recovery link works.
const linkLife = 24 * time.Hour
