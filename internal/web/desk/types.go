package desk

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/web"
)

// types serves GET /desk/types.
func (d *Desk) types(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := TypesPage{Staff: d.chrome(me, "types")}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		p.Rows = nil
		list, err := instructions.Types(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range list {
			row := TypeRow{ID: t.ID, Title: t.Title, Level: upperFirst(instructions.Words(t.Level)), Signer: upperFirst(instructions.Words(t.Signer)), People: strconv.FormatInt(t.Approvals, 10), Waits: hoursOf(t.Cooling), Does: "A person does it"}
			switch {
			case t.Does != "":
				row.Does = "The desk does it"
			case t.Hook != "":
				row.Does = "A system of ours does it"
			}
			if t.Closed {
				row.Closed = "Closed"
			}
			p.Rows = append(p.Rows, row)
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "types", p)
}

func hoursOf(t time.Duration) string { return strconv.Itoa(int(t / time.Hour)) }

// typePage serves GET /desk/types/{id}; the id "new" is a blank one.
func (d *Desk) typePage(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	t := &instructions.Type{Level: instructions.Passkey, Signer: instructions.Passkey, Approvals: 1, Expiry: 48 * time.Hour, Risky: true}
	if id := r.PathValue("id"); id != "new" {
		if err := d.db.View(ctx, func(tx *db.Tx) (err error) { t, err = instructions.TypeOf(ctx, tx, id); return err }); err != nil {
			return err
		}
	}
	return d.showType(w, r, me, http.StatusOK, t, fieldLines(t), raiseLines(t), nil)
}

func (d *Desk) showType(w http.ResponseWriter, r *http.Request, me *visitor, status int, t *instructions.Type, fields, raise string, errs web.Errors) error {
	p := TypePage{Staff: d.chrome(me, "types"), New: r.PathValue("id") == "new", ID: t.ID, Title: t.Title, People: strconv.FormatInt(t.Approvals, 10), Expiry: hoursOf(t.Expiry), Cooling: hoursOf(t.Cooling),
		Fields: fields, Raise: raise, Risky: t.Risky, Customer: t.Customer, Closed: t.Closed, Does: t.Does}
	p.Errors = errs
	for _, l := range instructions.Levels {
		p.Level = append(p.Level, Option{instructions.KindOf(l), upperFirst(instructions.Words(l)), l == t.Level})
		p.Signer = append(p.Signer, Option{instructions.KindOf(l), upperFirst(instructions.Words(l)), l == t.Signer})
	}
	ctx := r.Context()
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if p.Hooks, err = d.hookOptions(ctx, tx, t.Hook); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "type", p)
}

// fieldLines writes fields a line each: name | label | kind | optional | choices.
func fieldLines(t *instructions.Type) string {
	var out []string
	for _, f := range t.Fields {
		parts := []string{f.Name, f.Label, string(f.Kind)}
		if f.Optional {
			parts = append(parts, "optional")
		}
		if len(f.Choices) > 0 {
			parts = append(parts, strings.Join(f.Choices, "; "))
		}
		out = append(out, strings.Join(parts, " | "))
	}
	return strings.Join(out, "\n")
}

// raiseLines writes rules a line each: field > amount | proof | people.
func raiseLines(t *instructions.Type) string {
	var out []string
	for _, r := range t.Raise {
		when := r.Field + " > " + r.Above
		if r.Above == "" {
			when = r.Field + " = " + r.Is
		}
		out = append(out, fmt.Sprintf("%s | %s | %d", when, instructions.KindOf(r.Level), r.Approvals))
	}
	return strings.Join(out, "\n")
}

// saveType serves POST /desk/types/{id}.
func (d *Desk) saveType(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	old := &instructions.Type{ID: strings.TrimSpace(r.FormValue("id"))}
	if id := r.PathValue("id"); id != "new" {
		if err := d.db.View(ctx, func(tx *db.Tx) (err error) { old, err = instructions.TypeOf(ctx, tx, id); return err }); err != nil {
			return err
		}
	}
	t, err := readType(r, old)
	if err == nil {
		err = d.db.Update(ctx, func(tx *db.Tx) error { return d.keepType(ctx, tx, r, t, me) })
	}
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict) {
		return d.showType(w, r, me, http.StatusUnprocessableEntity, t, r.FormValue("fields"), r.FormValue("raise"), web.Errors{{Field: "title", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return back(w, r, "/desk/types")
}

func (d *Desk) keepType(ctx context.Context, tx *db.Tx, r *http.Request, t *instructions.Type, me *visitor) error {
	if r.PathValue("id") == "new" {
		if _, err := instructions.TypeOf(ctx, tx, t.ID); err == nil {
			return fail.New(fail.Conflict, "there is a kind with this short name already")
		}
	}
	if t.Hook != "" {
		list, err := d.hookOptions(ctx, tx, t.Hook)
		if err != nil {
			return err
		}
		known := false
		for _, h := range list {
			known = known || h.On
		}
		if !known {
			return fail.New(fail.Invalid, "there is no such webhook")
		}
	}
	return instructions.SaveType(ctx, tx, t, audit.Staff(me.ID()))
}

// readType reads the form over what is there; what the desk does itself stays.
func readType(r *http.Request, old *instructions.Type) (*instructions.Type, error) {
	t := *old
	t.Title = strings.TrimSpace(r.FormValue("title"))
	t.Level, t.Signer = levelOf(r.FormValue("level")), levelOf(r.FormValue("signer"))
	t.Risky, t.Customer, t.Closed, t.Hook = r.FormValue("risky") != "", r.FormValue("customer") != "", r.FormValue("closed") != "", r.FormValue("hook")
	n := func(name string) (int64, error) {
		v, err := strconv.ParseInt(strings.TrimSpace(r.FormValue(name)), 10, 32)
		if err != nil || v < 0 {
			err = fail.New(fail.Invalid, "people and hours are whole numbers")
		}
		return v, err
	}
	people, err := n("people")
	if err != nil {
		return &t, err
	}
	expiry, err := n("expiry")
	if err != nil {
		return &t, err
	}
	cooling, err := n("cooling")
	if err != nil {
		return &t, err
	}
	t.Approvals, t.Expiry, t.Cooling = people, time.Duration(expiry)*time.Hour, time.Duration(cooling)*time.Hour
	if t.Does == "" {
		t.Fields = readFields(r.FormValue("fields"))
	}
	t.Raise, err = readRaise(r.FormValue("raise"))
	return &t, err
}

func levelOf(kind string) instructions.Level {
	for _, l := range instructions.Levels {
		if instructions.KindOf(l) == kind {
			return l
		}
	}
	return 0
}

func cells(line string) (out []string) {
	for _, c := range strings.Split(line, "|") {
		out = append(out, strings.TrimSpace(c))
	}
	return out
}

func readFields(text string) (out []instructions.Field) {
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		c := append(cells(line), "", "", "")
		f := instructions.Field{Name: c[0], Label: c[1], Kind: instructions.Kind(c[2])}
		for _, more := range c[3:] {
			switch {
			case more == "optional":
				f.Optional = true
			case more != "":
				for _, choice := range strings.Split(more, ";") {
					f.Choices = append(f.Choices, strings.TrimSpace(choice))
				}
			}
		}
		out = append(out, f)
	}
	return out
}

func readRaise(text string) (out []instructions.Raise, err error) {
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		c := cells(line)
		bad := fail.New(fail.Invalid, "write a rule for more as: amount > 1000.00 EUR | passkey | 1")
		if len(c) != 3 {
			return out, bad
		}
		people, err := strconv.ParseInt(c[2], 10, 32)
		rule := instructions.Raise{Level: levelOf(c[1]), Approvals: people}
		field, limit, above := strings.Cut(c[0], ">")
		if !above {
			var is bool
			if field, limit, is = strings.Cut(c[0], "="); !is {
				return out, bad
			}
			rule.Is = strings.TrimSpace(limit)
		} else {
			rule.Above = strings.TrimSpace(limit)
		}
		rule.Field = strings.TrimSpace(field)
		if err != nil || rule.Level == 0 || people < 0 || people > 3 {
			return out, bad
		}
		out = append(out, rule)
	}
	return out, nil
}
