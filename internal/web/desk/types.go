package desk

import (
	"cmp"
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
	"postern/internal/staff"
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
		if p.Waiting, err = d.waitingKinds(ctx, tx, me); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "types", p)
}

// waitingKinds are the changes that wait for another admin, or for their time.
func (d *Desk) waitingKinds(ctx context.Context, tx *db.Tx, me *visitor) (out []WaitingKind, err error) {
	list, err := instructions.Nexts(ctx, tx)
	for _, n := range list {
		mine := n.By == audit.Staff(me.ID())
		out = append(out, WaitingKind{ID: n.Type.ID, Title: n.Type.Title, By: d.nameOf(strings.TrimPrefix(n.By, audit.Staff(""))), From: d.clock().When(n.At), Mine: mine, Sum: n.Sum, Changes: changed(typeForm(&n.Was), typeForm(&n.Type))})
	}
	return out, err
}

// changed is what two versions of a kind say otherwise, in the words of the form.
func changed(was, is *TypePage) (out []KindChange) {
	say := func(what, a, b string) {
		if a != b {
			out = append(out, KindChange{what, strings.Split(cmp.Or(a, "nothing"), "\n"), strings.Split(cmp.Or(b, "nothing"), "\n")})
		}
	}
	say("Title", was.Title, is.Title)
	say("Proof it needs at least", chosen(was.Level), chosen(is.Level))
	say("Of who has a checked key or a passkey", chosen(was.Signer), chosen(is.Signer))
	say("People who approve", was.People, is.People)
	say("Who approves", chosen(was.Approver), chosen(is.Approver))
	say("Open for, in hours", was.Expiry, is.Expiry)
	say("Wait after the proof, in hours", was.Cooling, is.Cooling)
	say("Who does it", doer(was.Hook), doer(is.Hook))
	say("Fields", was.Fields, is.Fields)
	say("Asks for more when", was.Raise, is.Raise)
	say("It can cost them much", yesNo(was.Risky), yesNo(is.Risky))
	say("Customers may begin it", yesNo(was.Customer), yesNo(is.Customer))
	say("Closed", yesNo(was.Closed), yesNo(is.Closed))
	return out
}

func chosen(list []Option) string {
	for _, o := range list {
		if o.On {
			return o.Name
		}
	}
	return ""
}

func doer(hook string) string {
	if hook == "" {
		return "a person"
	}
	return "the system " + hook
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// agreeType serves POST /desk/types/{id}/agree.
func (d *Desk) agreeType(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWaiting(w, r, me, func(ctx context.Context, tx *db.Tx, id, actor string) error {
		p, err := d.staff.Get(ctx, tx, staff.ID(me.ID()))
		if err != nil {
			return err
		}
		return instructions.AgreeType(ctx, tx, id, actor, r.FormValue("seen"), p.Touched)
	})
}

// keepOldType serves POST /desk/types/{id}/keep.
func (d *Desk) keepOldType(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWaiting(w, r, me, instructions.KeepType)
}

func (d *Desk) onWaiting(w http.ResponseWriter, r *http.Request, me *visitor, act func(context.Context, *db.Tx, string, string) error) error {
	ctx := r.Context()
	if err := d.db.Update(ctx, func(tx *db.Tx) error { return act(ctx, tx, r.PathValue("id"), audit.Staff(me.ID())) }); err != nil {
		return err
	}
	return back(w, r, "/desk/types")
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
	return d.showType(w, r, me, http.StatusOK, typeForm(t), nil)
}

// typeForm writes a kind into the form.
func typeForm(t *instructions.Type) *TypePage {
	return &TypePage{ID: t.ID, Title: t.Title, Level: levelOptions(instructions.KindOf(t.Level)), Signer: levelOptions(instructions.KindOf(t.Signer)), Approver: approverOptions(t.Approver), Hook: t.Hook,
		People: strconv.FormatInt(t.Approvals, 10), Expiry: hoursOf(t.Expiry), Cooling: hoursOf(t.Cooling), Fields: fieldLines(t), Raise: raiseLines(t),
		Risky: t.Risky, Customer: t.Customer, Closed: t.Closed, Does: t.Does}
}

// typedForm is the form as it was typed; what the desk does itself cannot be.
func typedForm(r *http.Request, old *instructions.Type) *TypePage {
	p := &TypePage{ID: old.ID, Title: r.FormValue("title"), Level: levelOptions(r.FormValue("level")), Signer: levelOptions(r.FormValue("signer")), Approver: approverOptions(r.FormValue("approver")), Hook: r.FormValue("hook"),
		People: r.FormValue("people"), Expiry: r.FormValue("expiry"), Cooling: r.FormValue("cooling"), Fields: r.FormValue("fields"), Raise: r.FormValue("raise"),
		Risky: r.FormValue("risky") != "", Customer: r.FormValue("customer") != "", Closed: r.FormValue("closed") != "", Does: old.Does}
	if old.Does != "" {
		p.Fields = fieldLines(old)
	}
	return p
}

func levelOptions(chosen string) (out []Option) {
	for _, l := range instructions.Levels {
		out = append(out, Option{instructions.KindOf(l), upperFirst(instructions.Words(l)), instructions.KindOf(l) == chosen})
	}
	return out
}

func approverOptions(chosen string) []Option {
	return []Option{{"", "Whoever works with customers", chosen == ""}, {"agent", "Agents", chosen == "agent"}, {"triager", "Triagers", chosen == "triager"}}
}

func (d *Desk) showType(w http.ResponseWriter, r *http.Request, me *visitor, status int, p *TypePage, errs web.Errors) error {
	ctx := r.Context()
	p.Staff, p.New = d.chrome(me, "types"), r.PathValue("id") == "new"
	p.Errors = errs
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if p.Hooks, err = d.hookOptions(ctx, tx, p.Hook); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "type", *p)
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
	t, errs := readType(r, old)
	if len(errs) == 0 {
		field, err := "", error(nil)
		err = d.db.Update(ctx, func(tx *db.Tx) (err error) { field, err = d.keepType(ctx, tx, r, t, me); return err })
		if k := fail.KindOf(err); err == nil || k != fail.Invalid && k != fail.Conflict {
			if err == nil {
				err = back(w, r, "/desk/types")
			}
			return err
		}
		errs = web.Errors{{Field: field, Text: upperFirst(fail.Text(err)) + "."}}
	}
	return d.showType(w, r, me, http.StatusUnprocessableEntity, typedForm(r, old), errs)
}

// keepType saves it; of what is wrong it says at which field, or "kind" for the
// whole form.
func (d *Desk) keepType(ctx context.Context, tx *db.Tx, r *http.Request, t *instructions.Type, me *visitor) (field string, err error) {
	if r.PathValue("id") == "new" {
		if _, err := instructions.TypeOf(ctx, tx, t.ID); err == nil {
			return "id", fail.New(fail.Conflict, "there is a kind with this short name already")
		}
	}
	if t.Hook != "" {
		list, err := d.hookOptions(ctx, tx, t.Hook)
		if err != nil {
			return "", err
		}
		known := false
		for _, h := range list {
			known = known || h.On
		}
		if !known {
			return "hook", fail.New(fail.Invalid, "there is no such webhook")
		}
	}
	_, err = instructions.ChangeType(ctx, tx, t, audit.Staff(me.ID()))
	return "kind", err
}

// readType reads the form over what is there; what the desk does itself stays.
// Everything that is wrong with a field is said at once, in the order of the form.
func readType(r *http.Request, old *instructions.Type) (t *instructions.Type, errs web.Errors) {
	is := *old
	t = &is
	bad := func(field, text string) { errs = append(errs, web.FieldError{Field: field, Text: text}) }
	number := func(field string, from, to int64, text string) int64 {
		v, err := strconv.ParseInt(strings.TrimSpace(r.FormValue(field)), 10, 32)
		if err != nil || v < from || v > to {
			bad(field, text)
		}
		return v
	}
	sound := func(field string, part instructions.Type) bool {
		err := checkPart(part)
		if err != nil {
			bad(field, upperFirst(fail.Text(err))+".")
		}
		return err == nil
	}
	sound("id", instructions.Type{ID: cmp.Or(t.ID, " ")})
	t.Title = strings.TrimSpace(r.FormValue("title"))
	sound("title", instructions.Type{Title: cmp.Or(t.Title, " ")})
	if t.Level = levelOf(r.FormValue("level")); t.Level == 0 {
		bad("level", "Choose the proof it needs at least.")
	}
	if t.Signer = levelOf(r.FormValue("signer")); t.Signer < t.Level || t.Signer == 0 {
		bad("signer", "Of who has a checked key or a passkey, ask for as much as of others, or for more.")
	}
	t.Approver = r.FormValue("approver")
	sound("approver", instructions.Type{Approver: t.Approver})
	t.Approvals = number("people", 0, 3, "Write how many people approve it: 0, 1, 2 or 3.")
	t.Expiry = time.Duration(number("expiry", 1, 90*24, "Write for how many hours it is open: a whole number, from 1 to 2160.")) * time.Hour
	t.Cooling = time.Duration(number("cooling", 0, 30*24, "Write how many hours it waits: a whole number, from 0 to 720.")) * time.Hour
	t.Risky, t.Customer, t.Closed, t.Hook = r.FormValue("risky") != "", r.FormValue("customer") != "", r.FormValue("closed") != "", r.FormValue("hook")
	if t.Does == "" {
		t.Fields = readFields(r.FormValue("fields"))
	}
	raise, err := readRaise(r.FormValue("raise"))
	t.Raise = raise
	switch fine := t.Does != "" || sound("fields", instructions.Type{Fields: append([]instructions.Field{}, t.Fields...)}); {
	case err != nil:
		bad("raise", upperFirst(fail.Text(err))+".")
	case fine:
		sound("raise", instructions.Type{Fields: t.Fields, Raise: t.Raise})
	}
	return t, errs
}

// checkPart checks one part of a kind whose other parts are sound.
func checkPart(t instructions.Type) error {
	t.ID, t.Title = cmp.Or(t.ID, "sound"), cmp.Or(t.Title, "Sound")
	t.Level, t.Signer, t.Expiry = instructions.Passkey, instructions.Passkey, time.Hour
	if t.Fields == nil {
		t.Fields = []instructions.Field{{Name: "words", Label: "Words", Kind: instructions.Text}}
	}
	return t.Check()
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
