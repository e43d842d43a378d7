package desk

import (
	"context"
	"net/http"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
	"postern/internal/web"
)

var roleNamesOf = map[staff.Role]string{staff.Agent: "Agent: reads and answers cases", staff.Triager: "Triager: an agent who also judges security reports and quarantined mail",
	staff.Lead: "Lead: called when the triagers did not answer; writes prepared texts and sees the figures", staff.Executive: "Executive: named for it all; called when nobody below answered, gets the weekly summary",
	staff.Admin: "Admin: people, mailboxes, keys, audit log; reads no cases"}

func roleOptions(have []staff.Role) []Option {
	var out []Option
	p := staff.Person{Roles: have}
	for _, r := range staff.Roles {
		out = append(out, Option{string(r), roleNamesOf[r], p.Has(r)})
	}
	return out
}

// listPeople serves GET /desk/people.
func (d *Desk) listPeople(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.peoplePage(w, r, me, http.StatusOK, nil, nil, nil)
}

func (d *Desk) peoplePage(w http.ResponseWriter, r *http.Request, me *visitor, status int, link *OneTimeLink, draft *staff.Person, errs web.Errors) error {
	ctx := r.Context()
	p := PeoplePage{Staff: d.chrome(me, "people"), Roles: roleOptions(nil), Invite: link}
	p.Errors = errs
	if draft != nil {
		p.Draft.Name, p.Draft.Email, p.Roles = draft.Name, draft.Email, roleOptions(draft.Roles)
	}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		list, err := d.staff.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, q := range list {
			row := Person{ID: string(q.ID), Name: q.Name, Email: q.Email, Roles: roleOptions(q.Roles), Last: p.When(q.Seen), Disabled: q.Disabled, Me: string(q.ID) == me.ID()}
			if row.Passkeys, err = d.staff.Passkeys().Count(ctx, tx, "staff", string(q.ID)); err != nil {
				return err
			}
			if row.Password, err = d.staff.HasPassword(ctx, tx, q.ID); err != nil {
				return err
			}
			p.Rows = append(p.Rows, row)
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "people", p)
}

// invite serves POST /desk/people.
func (d *Desk) invite(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := &staff.Person{Name: strings.TrimSpace(r.FormValue("name")), Email: strings.TrimSpace(r.FormValue("email"))}
	var err error
	if p.Roles, err = staff.ParseRoles(r.Form["role"]); err != nil {
		return err
	}
	var token string
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		if err := d.staff.Add(ctx, tx, p); err != nil {
			return err
		}
		if token, err = d.staff.MakeLink(ctx, tx, staff.SignInBy, p.ID, linkLife); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "staff.invited", About: string(p.ID), Detail: roleWords(p.Roles)})
	})
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict) {
		field := "email"
		if p.Name == "" {
			field = "name"
		}
		return d.peoplePage(w, r, me, http.StatusUnprocessableEntity, nil, p, web.Errors{{Field: field, Text: upperFirst(fail.Text(err))}})
	}
	if err != nil {
		return err
	}
	d.peopleChanged()
	return d.peoplePage(w, r, me, http.StatusOK, d.oneTime(token, p.Name), nil, nil)
}

func (d *Desk) oneTime(token, name string) *OneTimeLink {
	clock := d.clock()
	return &OneTimeLink{URL: d.o.StaffURL + "/desk/link/" + token, For: name, Until: clock.When(clock.Now.Add(linkLife))}
}

// onPerson runs one change of a person and records it.
func (d *Desk) onPerson(ctx context.Context, r *http.Request, me *visitor, act string, f func(tx *db.Tx, p *staff.Person) (string, error)) (*staff.Person, error) {
	var p *staff.Person
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		if p, err = d.staff.Get(ctx, tx, staff.ID(r.PathValue("id"))); err != nil {
			return err
		}
		detail, err := f(tx, p)
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: act, About: string(p.ID), Detail: detail})
	})
	d.peopleChanged()
	return p, err
}

func (d *Desk) changePerson(w http.ResponseWriter, r *http.Request, me *visitor, act string, f func(tx *db.Tx, p *staff.Person) (string, error)) error {
	if _, err := d.onPerson(r.Context(), r, me, act, f); err != nil {
		return err
	}
	return back(w, r, "/desk/people")
}

// setRoles serves POST /desk/people/{id}/roles.
func (d *Desk) setRoles(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if err := r.ParseForm(); err != nil {
		return fail.New(fail.Invalid, "this form could not be read")
	}
	roles, err := staff.ParseRoles(r.Form["role"])
	if err != nil {
		return err
	}
	return d.changePerson(w, r, me, "staff.roles", func(tx *db.Tx, p *staff.Person) (string, error) {
		p.Roles = roles
		return roleWords(roles), d.staff.Save(r.Context(), tx, p)
	})
}

// disable serves POST /desk/people/{id}/disable, enable the one beside it.
func (d *Desk) disable(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if r.PathValue("id") == me.ID() {
		return fail.New(fail.Conflict, "you cannot disable yourself")
	}
	return d.changePerson(w, r, me, "staff.disabled", func(tx *db.Tx, p *staff.Person) (string, error) {
		p.Disabled = true
		return "", d.staff.Save(r.Context(), tx, p)
	})
}

func (d *Desk) enable(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.changePerson(w, r, me, "staff.enabled", func(tx *db.Tx, p *staff.Person) (string, error) {
		p.Disabled = false
		return "", d.staff.Save(r.Context(), tx, p)
	})
}

// newLink serves POST /desk/people/{id}/link.
func (d *Desk) newLink(w http.ResponseWriter, r *http.Request, me *visitor) error {
	var token string
	p, err := d.onPerson(r.Context(), r, me, "staff.link", func(tx *db.Tx, p *staff.Person) (_ string, err error) {
		if p.Disabled {
			return "", fail.New(fail.Conflict, "this person is disabled; enable them first")
		}
		token, err = d.staff.MakeLink(r.Context(), tx, staff.SignInBy, p.ID, linkLife)
		return "", err
	})
	if err != nil {
		return err
	}
	return d.peoplePage(w, r, me, http.StatusOK, d.oneTime(token, p.Name), nil, nil)
}
