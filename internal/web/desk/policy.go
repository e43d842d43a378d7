package desk

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/publications"
	"postern/internal/web"
)

// policy serves GET and POST /desk/security-policy. With do=preview nothing is kept.
func (d *Desk) policy(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p, err := d.o.Published.Policy(r.Context())
	if err != nil {
		return err
	}
	p.Notes = nil // each version says anew what changed
	if r.Method == http.MethodGet {
		return d.showPolicy(w, r, me, http.StatusOK, p, nil)
	}
	r.Body = http.MaxBytesReader(w, r.Body, 600_000)
	if err := r.ParseForm(); err != nil {
		return fail.New(fail.Invalid, "the texts are longer than 60,000 characters; nobody reads that")
	}
	p.Version, _ = strconv.ParseInt(r.FormValue("version"), 10, 64) // nonsense is version 0, and conflicts
	p.Texts, p.Notes = map[lang.Lang]string{}, map[lang.Lang]string{}
	for _, l := range lang.All {
		p.Texts[l], p.Notes[l] = r.FormValue("text-"+string(l)), r.FormValue("note-"+string(l))
	}
	if r.FormValue("do") == "preview" {
		return d.showPolicy(w, r, me, http.StatusOK, p, nil)
	}
	field, err := d.o.Published.SavePolicy(r.Context(), audit.Staff(me.ID()), p)
	if k := fail.KindOf(err); err != nil && k != fail.Invalid && k != fail.Conflict {
		return err
	}
	if err != nil {
		return d.showPolicy(w, r, me, web.StatusOf(err), p, web.Errors{{Field: cmp.Or(field, "text-en"), Text: upperFirst(fail.Text(err)) + "."}})
	}
	return back(w, r, "/desk/security-policy")
}

func (d *Desk) showPolicy(w http.ResponseWriter, r *http.Request, me *visitor, status int, shown *publications.Policy, errs web.Errors) error {
	ctx := r.Context()
	p := PolicyPage{Staff: d.chrome(me, "policy"), Version: shown.Version}
	p.Errors = errs
	for _, x := range publications.Places() {
		p.Places = append(p.Places, Option{ID: x.Name, Name: policyPlaces[x.Name], On: x.Needed})
	}
	for _, l := range lang.All {
		t := PolicyText{Lang: string(l), Name: l.Name(), Text: shown.Texts[l], Note: shown.Notes[l], Wrong: errs.Of("text-" + string(l)), WrongNote: errs.Of("note-" + string(l))}
		if t.Text != "" {
			var err error
			if t.Preview, _, err = d.o.Published.PolicyHTML(shown, l); err != nil {
				return err
			}
		}
		p.Texts = append(p.Texts, t)
	}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		list, err := d.o.Published.PolicyVersions(ctx, tx)
		if err != nil {
			return err
		}
		p.Versions = nil
		for _, v := range list {
			p.Versions = append(p.Versions, d.policyVersion(p.Staff, &v))
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "security-policy", p)
}

func (d *Desk) policyVersion(s web.Staff, v *publications.Policy) PolicyVersion {
	note, _ := v.Note(lang.English)
	out := PolicyVersion{N: v.Version, At: s.When(v.At), By: d.nameOf(strings.TrimPrefix(v.By, audit.Staff(""))), Note: note}
	for _, l := range lang.All {
		if v.Texts[l] != "" {
			out.Texts = append(out.Texts, Option{ID: string(l), Name: v.Texts[l]})
		}
	}
	return out
}

// policyPlaces says what each place is filled with.
var policyPlaces = map[string]string{
	"{report_form}": "the form, as a link", "{security_mail}": "the address for reports, as a link",
	"{first_reply}": "working days until a person answers", "{assessment}": "working days until they hear how it is judged", "{update}": "days between two words of ours at most",
	"{fix_critical}": "days until something critical is mended", "{fix_high}": "days until something serious is mended", "{fix_other}": "days until anything else is mended",
	"{disclosure}": "days that we ask for before they publish", "{appeal_answer}": "working days until somebody else answers an objection", "{appeal_time}": "days in which they can object",
	"{silence}": "days without an answer after which they need not wait", "{reward}": "working days until it is decided what a report is worth",
	"{keys}": "the page with our keys, as a link", "{thanks}": "the page of thanks, as a link", "{org}": "our name",
}
