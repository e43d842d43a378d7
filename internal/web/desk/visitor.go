package desk

import (
	"net/http"
	"net/url"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/staff"
	"postern/internal/web"
)

const cookieName = "__Host-postern-desk"

// visitor is who made a request.
type visitor struct {
	person  *staff.Person
	session *staff.Session
}

func (v *visitor) ID() string                     { return string(v.person.ID) }
func (v *visitor) Name() string                   { return v.person.Name }
func (v *visitor) May(what staff.Permission) bool { return v.person.May(what) }
func (v *visitor) owner() staff.Owner {
	return staff.Owner{Kind: "staff", ID: v.ID(), Name: v.person.Email}
}
func (v *visitor) roleWords() string { return roleWords(v.person.Roles) }

func roleWords(roles []staff.Role) string {
	names := map[staff.Role]string{staff.Agent: "agent", staff.Triager: "triager", staff.Lead: "lead", staff.Executive: "executive", staff.Admin: "admin"}
	var out []string
	for _, r := range roles {
		out = append(out, names[r])
	}
	if len(out) == 0 {
		return "No role"
	}
	return upperFirst(strings.Join(out, " and "))
}

// guarded lets a person in who is signed in and may do what the route needs.
// Who is not signed in is sent to sign in; who may not gets a plain no.
func (d *Desk) guarded(rt route) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		me, err := d.whoIs(r)
		if fail.Is(err, fail.Denied) && !web.WantsJSON(r) {
			next := ""
			if r.Method == http.MethodGet {
				next = "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			return back(w, r, "/desk/sign-in"+next)
		}
		if err != nil {
			return err
		}
		if rt.need != "" && !me.May(rt.need) {
			return fail.New(fail.Denied, "your role does not allow this; ask an admin if you need it")
		}
		if one := rt.ofCase(r); one != "" {
			if err := d.admit(r.Context(), me, one); err != nil {
				return err
			}
		}
		return rt.serve(w, r, me)
	}
}

// ofCase is the case that a route is about; empty: none.
func (rt route) ofCase(r *http.Request) cases.ID {
	if strings.Contains(rt.pattern, " /desk/cases/{id}") || strings.Contains(rt.pattern, " /desk/security/{id}") {
		return cases.ID(r.PathValue("id"))
	}
	return ""
}

func (d *Desk) whoIs(r *http.Request) (*visitor, error) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil, fail.New(fail.Denied, "you are not signed in")
	}
	ctx := r.Context()
	me := &visitor{}
	err = d.db.Once(ctx, func(tx *db.Tx) (err error) {
		me.person, me.session, err = d.staff.Authenticate(ctx, tx, c.Value)
		return err
	})
	if err != nil {
		return nil, err
	}
	if me.session.Stale(d.db.Now()) {
		err = d.db.Update(ctx, func(tx *db.Tx) error { return d.staff.Touch(ctx, tx, me.session) })
	}
	return me, err
}

// welcome signs a person in and sets the cookie.
func (d *Desk) welcome(w http.ResponseWriter, r *http.Request, id staff.ID, how string) error {
	ctx := r.Context()
	var token string
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		p, err := d.staff.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if token, err = d.staff.SignIn(ctx, tx, p, device(r.UserAgent())); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(string(id)), Act: "staff.signed-in", About: string(id), Detail: "by " + how})
	})
	if err != nil {
		return err
	}
	d.setCookie(w, token)
	return nil
}

func (d *Desk) setCookie(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(staff.Absolute.Seconds())})
}

// device is a browser in two words.
func device(agent string) string {
	browser, system := "A browser", ""
	for _, b := range []struct{ mark, name string }{{"Firefox/", "Firefox"}, {"Edg/", "Edge"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b.mark) {
			browser = b.name
			break
		}
	}
	for _, s := range []struct{ mark, name string }{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, s.mark) {
			system = " on " + s.name
			break
		}
	}
	return browser + system
}
