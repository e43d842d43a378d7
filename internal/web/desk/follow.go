package desk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/web"
)

// mostFollowed is how many links of one message are tried.
const mostFollowed = 5

// LinkRow is a link in what somebody wrote, and what is known of it.
type LinkRow struct {
	URL  string
	Ours bool
	Why  []string
}

// linksIn lists the links of a text, judged by how they are written.
func (d *Desk) linksIn(text string) (out []LinkRow) {
	j, seen := d.o.Links.Judge(), map[string]bool{}
	for _, l := range links.Find(text) {
		if seen[l.URL] || len(out) == 20 {
			continue
		}
		seen[l.URL] = true
		row := LinkRow{URL: web.Plain(l.URL), Ours: ours(j, l.URL)}
		for _, f := range j.Judge(l) {
			row.Why = append(row.Why, f.Why)
		}
		out = append(out, row)
	}
	return out
}

func ours(j *links.Judge, address string) bool {
	u, err := url.Parse(address)
	return err == nil && j.Ours(u.Hostname())
}

// follow serves POST /desk/security/{id}/follow: the links of ours in the message are
// followed to their end, and what was found stands in the case as a note. Nobody else's
// are: whoever writes to us does not make us ask their server.
func (d *Desk) follow(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	var x *dossier
	if err := d.db.View(ctx, func(tx *db.Tx) (err error) { x, err = d.dossier(ctx, tx, me, id); return err }); err != nil {
		return err
	}
	if d.o.Links == nil || d.o.Links.Checker == nil {
		return fail.New(fail.Conflict, "this desk does not follow links: the setting links.fetch says so")
	}
	var text string
	for i, since := 0, false; i < len(x.sealed); i++ { // and in what they wrote since
		since = since || x.sealed[i].ID == x.r.Message
		if !since || x.sealed[i].Kind != cases.In {
			continue
		}
		m, err := x.sealed[i].Open(x.key)
		if err != nil {
			return err
		}
		text += m.Doc.Subject + "\n" + m.Doc.Text + "\n"
	}
	words := d.tried(ctx, text)
	if words == "" {
		return fail.New(fail.Invalid, "no link to a page of ours stands in what they wrote")
	}
	m, parts, err := d.newNote(me, id, x.key, words)
	if err != nil {
		return err
	}
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "report.followed", About: string(id), Detail: "what was found is note " + string(m.ID)})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/security/"+string(id)+"#tried")
}

// tried follows what is ours and says what was found.
func (d *Desk) tried(ctx context.Context, text string) string {
	var b strings.Builder
	j, n, seen := d.o.Links.Judge(), 0, map[string]bool{}
	for _, l := range links.Find(text) {
		if n == mostFollowed || seen[l.URL] || !ours(j, l.URL) {
			continue
		}
		seen[l.URL] = true
		n++
		rep := d.o.Links.Checker.FollowOurs(ctx, l.URL)
		fmt.Fprintf(&b, "%s\nFollowed %s: %s\n", triedHead, rep.At.UTC().Format("2 January 2006 15:04 MST"), rep.Verdict)
		for _, h := range rep.Chain {
			fmt.Fprintf(&b, "- %s %d %s %s\n", h.URL, h.Status, h.TLS, h.Trouble)
		}
		for _, f := range rep.Findings {
			fmt.Fprintf(&b, "- %s\n", f.Why)
		}
		for _, f := range rep.Forms {
			fmt.Fprintf(&b, "- form: %s %s\n", f.Method, f.Action)
		}
		fmt.Fprintf(&b, "Evidence SHA-256 %s\n\n", rep.Hash)
	}
	return strings.TrimSpace(b.String())
}

// triedHead begins each part of such a note.
const triedHead = "We tried the link."
