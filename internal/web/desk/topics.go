package desk

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/web"
)

// topics serves GET and POST /desk/topics. Whatever is written there, the list that
// people see ends with the two doors.
func (d *Desk) topics(w http.ResponseWriter, r *http.Request, me *visitor) error {
	tree := d.o.Centre.Tree()
	p := TopicsPage{Staff: d.chrome(me, "topics"), Text: tree.Text, Version: tree.Version}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 200_000)
		p.Text = strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n")
		from, _ := strconv.ParseInt(r.FormValue("version"), 10, 64) // nonsense is version 0, and conflicts
		err := d.o.Centre.SaveTopics(r.Context(), audit.Staff(me.ID()), p.Text, from)
		if err == nil {
			return back(w, r, "/desk/topics")
		}
		if k := fail.KindOf(err); k != fail.Invalid && k != fail.Conflict {
			return err
		}
		p.Errors, status = web.Errors{{Field: "text", Text: upperFirst(fail.Text(err)) + "."}}, web.StatusOf(err)
	}
	p.List, p.German = tree.List(lang.English), tree.List(lang.German)
	if err := d.withChrome(r.Context(), me, &p.Staff); err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "topics", p)
}

// topicOptions are what a case can be about.
func (d *Desk) topicOptions(c *cases.Case) (name string, out []Option) {
	for _, x := range d.o.Centre.Tree().List(lang.English) {
		on := x.ID == c.Topic
		if on {
			name = x.Name
		}
		out = append(out, Option{x.ID, strings.Repeat("– ", x.Depth) + x.Name, on})
	}
	if c.Topic != "" && name == "" { // it was taken off the list
		name = c.Topic
	}
	return name, out
}

// setTopic serves POST /desk/cases/{id}/topic. Out of a topic whose cases stay
// protected it takes a reason, as lowering does: what somebody chose could count
// from then on.
func (d *Desk) setTopic(w http.ResponseWriter, r *http.Request, me *visitor) error {
	to, reason := r.FormValue("topic"), strings.TrimSpace(r.FormValue("reason"))
	tree := d.o.Centre.Tree()
	if to != "" && !slices.ContainsFunc(tree.List(lang.English), func(c centre.Choice) bool { return c.ID == to }) {
		return fail.New(fail.Invalid, "there is no such topic; choose from the list")
	}
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	_, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	m, parts, err := d.newNote(me, id, key, "Another topic: "+reason)
	if err != nil {
		return err
	}
	return d.change(w, r, me, "case.topic", func(tx *db.Tx, c *cases.Case) (string, error) {
		leaves := tree.Protected(c.Topic) && !tree.Protected(to)
		if leaves && len(reason) < 5 {
			return "", fail.New(fail.Invalid, "what is about this topic stays protected. Say why the case is about another; the reason is kept in the case")
		}
		detail := "from " + c.Topic + " to " + to
		c.Topic = to
		if tree.Protected(to) {
			c.Raise("its topic is sensitive")
		}
		if !leaves {
			return detail, nil
		}
		return detail + "; the reason is note " + string(m.ID), cases.AddMessage(ctx, tx, m, parts)
	})
}
