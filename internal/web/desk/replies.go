package desk

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/staff"
	"postern/internal/web"
)

// replies serves GET /desk/replies: every canned reply, and what came of it.
func (d *Desk) replies(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := RepliesPage{Staff: d.chrome(me, "replies")}
	lib := d.o.Centre.Library()
	var uses map[string]centre.Use
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if uses, err = centre.Uses(ctx, tx); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	row := func(x centre.Reply) ReplyRow {
		out := ReplyRow{ID: x.ID, Name: x.Name, Prefix: x.Prefix, Version: x.Version, Changed: p.When(x.At), Use: uses[x.ID]}
		for _, l := range lang.All {
			if x.Texts[l] != "" {
				out.Langs = append(out.Langs, l.Name())
			}
		}
		if x.Auto != "" {
			out.Auto, _ = d.topicOptions(&cases.Case{Topic: x.Auto})
		}
		return out
	}
	for _, x := range lib.All() {
		if n := len(p.Folders); n == 0 || p.Folders[n-1].Name != x.Folder {
			p.Folders = append(p.Folders, ReplyFolder{Name: x.Folder})
		}
		f := &p.Folders[len(p.Folders)-1]
		f.Rows = append(f.Rows, row(x))
	}
	for _, x := range lib.Retired() {
		p.Retired = append(p.Retired, row(x))
	}
	return web.Render(w, r, Templates, "replies", p)
}

// replyPage serves GET /desk/replies/{id}; the id "new" is a blank one.
func (d *Desk) replyPage(w http.ResponseWriter, r *http.Request, me *visitor) error {
	x := &centre.Reply{Texts: centre.Texts{}}
	if id := r.PathValue("id"); id != "new" {
		if x = d.o.Centre.Library().Get(id); x == nil {
			return fail.New(fail.NotFound, "there is no such canned reply")
		}
	}
	return d.showReply(w, r, me, http.StatusOK, x, nil)
}

// saveReply serves POST /desk/replies/{id}. With do=preview nothing is kept.
func (d *Desk) saveReply(w http.ResponseWriter, r *http.Request, me *visitor) error {
	r.Body = http.MaxBytesReader(w, r.Body, 200_000)
	if err := r.ParseForm(); err != nil {
		return fail.New(fail.Invalid, "the texts are longer than 20,000 characters")
	}
	x := &centre.Reply{Name: r.FormValue("name"), Folder: r.FormValue("folder"), Prefix: r.FormValue("prefix"), Auto: r.FormValue("auto"), Texts: centre.Texts{}, Retired: r.FormValue("do") == "retire",
		Do: centre.Do{Topic: r.FormValue("do-topic"), Assign: r.FormValue("do-assign") != "", Sensitive: r.FormValue("do-sensitive") != "", Close: r.FormValue("do-close") != ""}}
	if id := r.PathValue("id"); id != "new" {
		if d.o.Centre.Library().Get(id) == nil {
			return fail.New(fail.NotFound, "there is no such canned reply")
		}
		x.ID = id
		x.Version, _ = strconv.ParseInt(r.FormValue("version"), 10, 64) // nonsense is version 0, and conflicts
	}
	for _, l := range lang.All {
		x.Texts[l] = r.FormValue("text-" + string(l))
	}
	roles, err := staff.ParseRoles(r.Form["role"])
	if err != nil {
		return err
	}
	x.Roles = roles
	if r.FormValue("do") == "preview" {
		return d.showReply(w, r, me, http.StatusOK, x, nil)
	}
	field, err := d.o.Centre.SaveReply(r.Context(), audit.Staff(me.ID()), x)
	if k := fail.KindOf(err); err != nil && k != fail.Invalid && k != fail.Conflict {
		return err
	}
	if err != nil {
		return d.showReply(w, r, me, web.StatusOf(err), x, web.Errors{{Field: cmp.Or(field, "name"), Text: upperFirst(fail.Text(err)) + "."}})
	}
	return back(w, r, "/desk/replies")
}

func (d *Desk) showReply(w http.ResponseWriter, r *http.Request, me *visitor, status int, x *centre.Reply, errs web.Errors) error {
	ctx := r.Context()
	p := ReplyPage{Staff: d.chrome(me, "replies"), ID: cmp.Or(x.ID, "new"), Version: x.Version, Name: x.Name, Folder: x.Folder, Prefix: x.Prefix, Retired: x.Retired,
		Assign: x.Do.Assign, Sensitive: x.Do.Sensitive, Close: x.Do.Close}
	p.Errors = errs
	_, topics := d.topicOptions(&cases.Case{Topic: x.Auto})
	p.Auto = slices.DeleteFunc(topics, func(o Option) bool { return o.ID == centre.Security })
	_, topics = d.topicOptions(&cases.Case{Topic: x.Do.Topic})
	p.Topics = slices.DeleteFunc(topics, func(o Option) bool { return centre.IsDoor(o.ID) })
	for _, role := range []staff.Role{staff.Agent, staff.Triager, staff.Lead, staff.Executive} {
		name, _, _ := strings.Cut(roleNamesOf[role], ":")
		p.Roles = append(p.Roles, Option{string(role), name + "s", slices.Contains(x.Roles, role)})
	}
	sample := map[string]string{"name": "Ada Brandt", "reference": "N7K4-2QXD", "topic": "Payments and bills", "organisation": d.o.Org().Name, "promise": d.o.Org().Promise, "agent": me.Name()}
	for _, l := range lang.All {
		text := ReplyText{Lang: string(l), Name: l.Name(), Text: x.Texts[l]}
		text.Preview, _ = centre.Fill(text.Text, sample)
		text.Error = errs.Of("text-" + string(l))
		p.Texts = append(p.Texts, text)
	}
	for _, pl := range centre.Places() {
		p.Places = append(p.Places, Option{ID: "{" + pl.Name + "}", Name: pl.For})
	}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		p.Versions = nil
		if x.ID != "" {
			list, err := d.o.Centre.Versions(ctx, tx, x.ID)
			if err != nil {
				return err
			}
			for _, v := range list {
				p.Versions = append(p.Versions, ReplyVersion{N: v.Version, At: p.When(v.At), By: d.nameOf(strings.TrimPrefix(v.By, audit.Staff(""))), Text: v.Texts.In(lang.English)})
			}
			uses, err := centre.Uses(ctx, tx)
			if err != nil {
				return err
			}
			p.Use = uses[x.ID]
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "reply-edit", p)
}

// filled is a canned reply as it reads in a case.
func (d *Desk) filled(c *cases.Case, name string, me *visitor, x *centre.Reply) (string, []string) {
	topic, _ := d.topicOptions(c)
	return centre.Fill(x.Texts.In(c.Lang), map[string]string{"name": name, "reference": string(c.Ref), "topic": topic, "organisation": d.o.Org().Name, "promise": d.o.Org().Promise, "agent": me.Name()})
}

// luring is what leads somewhere, or can be called.
var luring = regexp.MustCompile(`(?i)[\pL\d-]\.\pL{2,}|://|@|\d{4,}`)

// greeted is the name to greet somebody by: the one they gave, never an address.
func (d *Desk) greeted(ctx context.Context, c *cases.Case) (name string, err error) {
	if c.Contact == "" {
		return "", nil
	}
	return name, d.db.View(ctx, func(tx *db.Tx) error {
		k, err := d.book.Get(ctx, tx, c.Contact)
		if err == nil {
			if name = web.Plain(k.Name); luring.MatchString(name) {
				name = "" // it would put somebody's link or number into our words
			}
		}
		return err
	})
}

// cannedOf lists what somebody may put into an answer, by folder.
func (d *Desk) cannedOf(me *visitor) (out []CannedFolder) {
	for _, x := range d.o.Centre.Library().All() {
		if !x.May(me.person) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Name != x.Folder {
			out = append(out, CannedFolder{Name: x.Folder})
		}
		name := x.Name
		if x.Prefix != "" {
			name += " (;" + x.Prefix + ")"
		}
		f := &out[len(out)-1]
		f.Items = append(f.Items, Option{ID: x.ID, Name: name})
	}
	return out
}

// insert puts a canned reply into a draft.
func (d *Desk) insert(ctx context.Context, c *cases.Case, me *visitor, draft *cases.Draft, id string) error {
	x := d.o.Centre.Library().Get(id)
	if x == nil || !x.May(me.person) {
		return fail.New(fail.NotFound, "there is no such canned reply, or you may not use it")
	}
	name, err := d.greeted(ctx, c)
	if err != nil {
		return err
	}
	text, _ := d.filled(c, name, me, x)
	draft.Text = strings.TrimSpace(draft.Text)
	if draft.Text != "" {
		draft.Text += "\n\n"
	}
	draft.Text += text
	if x.Do != (centre.Do{}) {
		draft.Macro = x.ID
	}
	return nil
}

// cannedFor serves GET /desk/cases/{id}/canned/{prefix}: what the composer puts in
// where ";prefix " was typed.
func (d *Desk) cannedFor(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	var c *cases.Case
	if err := d.db.View(ctx, func(tx *db.Tx) (err error) { c, err = d.cases.Get(ctx, tx, cases.ID(r.PathValue("id"))); return err }); err != nil {
		return err
	}
	for _, x := range d.o.Centre.Library().All() {
		if x.Prefix == "" || x.Prefix != r.PathValue("prefix") || !x.May(me.person) {
			continue
		}
		name, err := d.greeted(ctx, c)
		if err != nil {
			return err
		}
		text, open := d.filled(c, name, me, &x)
		macro := ""
		if x.Do != (centre.Do{}) {
			macro = x.ID
		}
		return web.JSON(w, Canned{Name: x.Name, Text: text, Open: open, Macro: macro})
	}
	return fail.New(fail.NotFound, "there is no canned reply of that short name")
}

// macroWords says what a macro changes with sending.
func (d *Desk) macroWords(id string) (out []string) {
	x := d.o.Centre.Library().Get(id)
	if x == nil {
		return nil
	}
	if x.Do.Topic != "" {
		name, _ := d.topicOptions(&cases.Case{Topic: x.Do.Topic})
		out = append(out, "it is about "+name)
	}
	if x.Do.Assign {
		out = append(out, "it is yours")
	}
	if x.Do.Sensitive {
		out = append(out, "it is sensitive")
	}
	if x.Do.Close {
		out = append(out, "it is closed")
	}
	return out
}

// runMacro makes a macro's changes, once its text was sent.
func (d *Desk) runMacro(ctx context.Context, me *visitor, id cases.ID, macro string) error {
	x := d.o.Centre.Library().Get(macro)
	if x == nil || !x.May(me.person) {
		return nil
	}
	tree := d.o.Centre.Tree()
	return d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.Do.Topic != "" && (!tree.Protected(c.Topic) || tree.Protected(x.Do.Topic)) { // out of a protected one it takes a reason
			c.Topic = x.Do.Topic
			if tree.Protected(c.Topic) {
				c.Raise("its topic is sensitive")
			}
		}
		if x.Do.Sensitive {
			c.Raise("marked by a macro")
		}
		if x.Do.Assign {
			c.Assignee = me.ID()
		}
		if x.Do.Close && !c.Held && !c.Lifted && !c.Security.Watched() && c.State != cases.Closed {
			if err := d.closeCase(ctx, tx, me, c); err != nil {
				return err
			}
		}
		if err := d.cases.Save(ctx, tx, c); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "case.macro", About: string(id), Detail: "canned reply " + macro})
	})
}
