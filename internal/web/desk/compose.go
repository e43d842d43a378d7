package desk

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/dlp"
	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/vault"
	"postern/internal/web"
)

// composer fills the form from the draft, or begins a new answer to the person
// the case is with.
func (d *Desk) composer(ctx context.Context, tx *db.Tx, me *visitor, p *CasePage, f *file, x caseExtra) (Composer, error) {
	draft := f.draft
	if draft == nil {
		draft = &cases.Draft{}
		if f.c.Contact != "" {
			draft.To = []contacts.ID{f.c.Contact}
		}
	}
	c := Composer{Case: string(f.c.ID), Note: x.note || draft.Note, Phone: x.phone, Text: draft.Text, Saved: p.When(draft.Saved), Sensitive: draft.Sensitive || f.c.Sensitive,
		Closed: f.c.State == cases.Closed, UndoFor: int(outbox.Undo.Seconds()), Find: x.find, Searched: x.find != ""}
	if f.c.Sensitive {
		c.Fixed = "This case is sensitive: " + f.c.SensitiveWhy
	}
	for i, a := range draft.Files {
		c.Files = append(c.Files, File{Name: a.Name, Size: a.Size, URL: fmt.Sprintf("/desk/cases/%s/draft/files/%d", f.c.ID, i)})
	}
	c.Canned, c.Macro, c.Changes = d.cannedOf(me), draft.Macro, d.macroWords(draft.Macro)
	switch {
	case f.c.Security.Watched():
		c.CannedOff = "It may tell of a security hole: no canned reply goes out. Write in your own words."
	case f.c.Lifted:
		c.CannedOff = "Somebody further up was called: no canned reply goes out until they have answered in own words."
	case f.c.Scripted:
		c.CannedOff = "The last answer was canned: a second one in a row does not go out."
	}
	var err error
	c.Preview, err = d.preview(ctx, tx, p.Clock, f.c, f.key, answerOf(f.c.ID, draft), x.ticked)
	return c, err
}

// preview says how a draft would go now. Page, script and sending ask here. With the
// key of the case it also says what counts as canned.
func (d *Desk) preview(ctx context.Context, tx *db.Tx, clock web.Clock, c *cases.Case, key *vault.Key, answer *outbox.Answer, ticked map[string]bool) (Preview, error) {
	ways, found, err := d.out.Preview(ctx, tx, c, answer)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{To: []Recipient{}, Findings: []Finding{}}
	var verdicts []policy.Verdict
	var todo []string
	for _, w := range ways {
		verdicts = append(verdicts, w.Verdict)
		detail := "Contact, added by you"
		if w.OnCase {
			detail = "On this case"
		} else {
			p.Findings = append(p.Findings, firstTime(w.Contact, ticked))
		}
		if w.Protection == policy.Blocked {
			todo = append(todo, "it cannot go to "+web.Plain(w.Contact.Title()))
		}
		how := protection(clock, w.Verdict, w.Contact)
		if w.Protection == policy.OptedOut {
			how = goesOpted(clock, w.Choice)
			p.Findings = append(p.Findings, theirsAlone(w.Contact, ticked))
		}
		p.To = append(p.To, Recipient{ID: string(w.Contact.ID), Name: web.Plain(w.Contact.Title()), Detail: detail, Protection: how, Why: "Because " + w.Why + "."})
	}
	p.Findings = append(p.Findings, dlpFindings(found, verdicts)...)
	led, blocked := linkFindings(d.out.Links(answer.Text), ticked)
	p.Findings = append(p.Findings, led...)
	if blocked {
		todo = append(todo, "mend the links that lead where none may")
	}
	if open := openPlaces(answer.Text); len(open) > 0 {
		p.Findings = append(p.Findings, openFindings(open)...)
		todo = append(todo, "fill in what is still open")
	}
	if key != nil { // whoever sends is told by sending
		canned, refused, err := d.out.Canned(ctx, tx, c, key, answer.Text)
		if err != nil {
			return p, err
		}
		p.Findings = append(p.Findings, cannedFinding(canned, refused)...)
	}
	for _, f := range p.Findings {
		if f.Confirm != "" && !f.Ticked {
			todo = append(todo, "confirm "+strings.ToLower(f.Title[:1])+strings.TrimSuffix(f.Title[1:], "."))
		}
	}
	if len(ways) == 0 {
		todo = append(todo, "choose somebody to send it to")
	}
	p.Shown = string(policy.Weakest(verdicts))
	p.Send = web.SendFor(p.Shown, len(todo) > 0)
	p.Todo = sentenceOf(todo)
	return p, nil
}

// openPlaces lists what a canned reply left open and nobody filled in.
func openPlaces(text string) (out []string) {
	for _, name := range centre.Unfilled(text) {
		if slices.ContainsFunc(centre.Places(), func(p struct{ Name, For string }) bool { return p.Name == name }) {
			out = append(out, name)
		}
	}
	return out
}

func sentenceOf(todo []string) string {
	if len(todo) == 0 {
		return ""
	}
	s := strings.Join(todo, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// firstTime asks for a tick that names the person.
func firstTime(c *contacts.Contact, ticked map[string]bool) Finding {
	id := "first:" + string(c.ID)
	return Finding{ID: id, Class: "warn", Icon: "people", Title: "First time to this person on this case.",
		Confirm: "I mean " + web.Plain(c.Title()) + ", " + c.MailTo(), Ticked: ticked[id]}
}

// theirsAlone asks for a tick before something sensitive leaves readable: a choice
// is about one's own data, and no program sees whose data a text holds.
func theirsAlone(c *contacts.Contact, ticked map[string]bool) Finding {
	id := "own:" + string(c.ID)
	name := web.Plain(c.Title())
	return Finding{ID: id, Class: "warn", Icon: "alert", Title: "It is sensitive and leaves readable.", Text: "They chose that for their own data. Other people’s stays protected.",
		Confirm: "Nothing in it is about anybody but " + name, Ticked: ticked[id]}
}

// dlpFindings tells what the detector saw; protection is raised by it, so there
// is nothing to confirm.
func dlpFindings(found []dlp.Finding, verdicts []policy.Verdict) []Finding {
	var out []Finding
	seen := map[string]bool{}
	for _, f := range found {
		if seen[f.Masked] || len(out) == 5 {
			continue
		}
		seen[f.Masked] = true
		text := "So this message is sensitive and does not leave readable."
		switch policy.Weakest(verdicts) {
		case policy.Encrypted:
			text = "It leaves encrypted. Does it belong to the person you write to?"
		case policy.OptedOut:
			text = "It leaves readable, because they chose so. Does it belong to the person you write to?"
		}
		out = append(out, Finding{ID: "dlp:" + f.Masked, Class: "warn", Icon: "alert", Title: "The text holds " + string(f.Kind) + ": " + f.Masked, Text: text})
	}
	return out
}

// linkFindings tells where links lead: what blocks has to be mended, of what only warns
// somebody has to say that it is meant, once for each link.
func linkFindings(found []links.Finding, ticked map[string]bool) (out []Finding, blocked bool) {
	for _, f := range found {
		if f.Grade == links.Block {
			blocked = true
			out = append(out, Finding{ID: "link:" + string(f.Kind) + ":" + f.Link, Class: "stop", Icon: "link", Title: "This link cannot leave: it " + f.Why + ".", Text: web.Plain(f.Link) + " – " + upperFirst(f.Mend) + "."})
		}
	}
	warned := map[string]int{} // link: its finding
	for _, f := range found {
		if f.Grade != links.Warn {
			continue
		}
		text := upperFirst(f.Mend) + "."
		if n, ok := warned[f.Link]; ok {
			if !strings.Contains(out[n].Text, text) {
				out[n].Text += " It also " + f.Why + ". " + text
			}
			continue
		}
		id := "link:" + f.Link
		warned[f.Link] = len(out)
		out = append(out, Finding{ID: id, Class: "warn", Icon: "link", Title: "This link " + f.Why + ".", Text: text, Confirm: "I have made sure of " + web.Plain(f.Link), Ticked: ticked[id]})
	}
	return out, blocked
}

// askLinks follows the links of what was written before it is decided about: short enough
// to wait for, and what did not answer until then is shown as not known.
func (d *Desk) askLinks(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(ctx, linksFor)
	defer cancel()
	d.out.AskLinks(ctx, text)
}

const linksFor = 4 * time.Second

// form reads the composer's form over the stored draft.
func (d *Desk) form(w http.ResponseWriter, r *http.Request, stored *cases.Draft) (*cases.Draft, []cases.File, map[string]bool, error) {
	if err := web.ParseForm(w, r); err != nil {
		return nil, nil, nil, err
	}
	draft := &cases.Draft{Text: strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"), Sensitive: r.FormValue("sensitive") != "", Macro: r.FormValue("macro")}
	if stored != nil {
		draft.Files = stored.Files
	}
	for _, id := range r.Form["to"] {
		if len(draft.To) < 10 && !slices.Contains(draft.To, contacts.ID(id)) {
			draft.To = append(draft.To, contacts.ID(id))
		}
	}
	ticked := map[string]bool{}
	for _, id := range r.Form["confirm"] {
		ticked[id] = true
	}
	var files []cases.File
	up, err := web.Uploads(r)
	for _, f := range up {
		files = append(files, cases.File(f))
	}
	return draft, files, ticked, err
}

// answerOf is a draft as an answer.
func answerOf(id cases.ID, draft *cases.Draft) *outbox.Answer {
	return &outbox.Answer{Case: id, Text: draft.Text, Sensitive: draft.Sensitive, To: draft.To, Attached: draft.Files}
}

// storedDraft reads the case with the visitor's draft.
func (d *Desk) storedDraft(ctx context.Context, me *visitor, id cases.ID) (c *cases.Case, key *vault.Key, draft *cases.Draft, err error) {
	var found []cases.Case
	var drafts []cases.SealedDraft
	asked, query := d.cases.AskKey(id)
	if err := d.db.Read(ctx, d.cases.AskID(&found, id), query, cases.AskDraft(&drafts, id, me.ID())); err != nil {
		return nil, nil, nil, err
	}
	if len(found) == 0 {
		return nil, nil, nil, fail.New(fail.NotFound, "there is no such case")
	}
	if key, err = asked.Key(); err == nil && len(drafts) > 0 {
		draft, err = drafts[0].Open(key)
	}
	return &found[0], key, draft, err
}

// saveDraft serves POST /desk/cases/{id}/draft: autosave, and the buttons of the
// composer that change the draft.
func (d *Desk) saveDraft(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	c, key, stored, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	draft, files, ticked, err := d.form(w, r, stored)
	if err != nil {
		return err
	}
	if len(draft.Text) > outbox.MaxText {
		return fail.New(fail.Invalid, "the text is longer than 200,000 characters; attach it as a file")
	}
	extra := caseExtra{draft: draft, ticked: ticked}
	act, arg, _ := strings.Cut(r.FormValue("do"), ":")
	switch act {
	case "find":
		extra.find = strings.TrimSpace(r.FormValue("find"))
	case "canned":
		if err := d.insert(ctx, c, me, draft, r.FormValue("canned")); err != nil {
			return err
		}
	case "no-macro":
		draft.Macro = ""
	case "add":
		if !slices.Contains(draft.To, contacts.ID(arg)) {
			draft.To = append(draft.To, contacts.ID(arg))
		}
	case "remove":
		draft.To = slices.DeleteFunc(draft.To, func(c contacts.ID) bool { return string(c) == arg })
	case "drop":
		if n, err := strconv.Atoi(arg); err == nil && n >= 0 && n < len(draft.Files) {
			draft.Files = slices.Delete(slices.Clone(draft.Files), n, n+1)
		}
	}
	if err := d.keepDraft(ctx, me, id, key, draft, files); err != nil {
		return err
	}
	if web.WantsJSON(r) {
		return web.JSON(w, Saved{d.clock().When(draft.Saved).Time()})
	}
	return d.renderCase(w, r, me, http.StatusOK, extra)
}

// keepDraft stores the draft and files that came with it.
func (d *Desk) keepDraft(ctx context.Context, me *visitor, id cases.ID, key *vault.Key, draft *cases.Draft, files []cases.File) error {
	doc := cases.Doc{Attachments: draft.Files}
	sealedFiles := doc.Attach(files, key)
	draft.Files, draft.Saved = doc.Attachments, d.db.Now()
	sealed, err := cases.SealDraft(draft, key, id, me.ID())
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *db.Tx) error {
		for _, c := range draft.To { // a foreign or made-up id is nobody
			if _, err := d.book.Get(ctx, tx, c); err != nil {
				return fail.New(fail.Invalid, "one of the people you chose is not a contact")
			}
		}
		if err := cases.PutFiles(ctx, tx, sealedFiles, key); err != nil {
			return err
		}
		return cases.SaveDraft(ctx, tx, id, me.ID(), sealed)
	})
}

// showPreview serves POST /desk/cases/{id}/preview for the composer's script.
func (d *Desk) showPreview(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	_, key, stored, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	draft, files, ticked, err := d.form(w, r, stored)
	if err != nil {
		return err
	}
	for _, f := range files { // chosen, not stored yet: they count as files
		draft.Files = append(slices.Clone(draft.Files), cases.Attachment{Name: f.Name, Size: len(f.Data)})
	}
	d.askLinks(ctx, draft.Text)
	var p Preview
	err = d.db.View(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		p, err = d.preview(ctx, tx, d.clock(), c, key, answerOf(id, draft), ticked)
		return err
	})
	if err != nil {
		return err
	}
	return web.JSON(w, p)
}

// send serves POST /desk/cases/{id}/send. Whatever is refused comes back in the
// form; nothing that was typed is lost.
func (d *Desk) send(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	c, key, stored, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	draft, files, ticked, err := d.form(w, r, stored)
	if err != nil {
		return err
	}
	again := func(err error) error {
		if k := fail.KindOf(err); k != fail.Invalid && k != fail.Conflict {
			return err
		}
		if e := d.keepDraft(ctx, me, id, key, draft, files); e != nil {
			return e
		}
		return d.renderCase(w, r, me, http.StatusUnprocessableEntity, caseExtra{draft: draft, ticked: ticked,
			errors: web.Errors{{Field: "text", Text: upperFirst(fail.Text(err)) + "."}}})
	}
	d.askLinks(ctx, draft.Text)
	a := answerOf(id, draft)
	if err := d.settled(ctx, c, a, ticked); err != nil {
		return again(err)
	}
	a.Staff, a.Files, a.Shown = me.ID(), files, map[contacts.ID]policy.Protection{}
	if shown := policy.Protection(r.FormValue("shown")); shown != "" && shown != policy.Blocked {
		for _, to := range draft.To {
			a.Shown[to] = shown
		}
	}
	m, err := d.out.Send(ctx, a)
	if err != nil {
		return again(err)
	}
	if draft.Macro != "" {
		if err := d.runMacro(ctx, me, id, draft.Macro); err != nil {
			return err
		}
	}
	return back(w, r, "/desk/cases/"+string(id)+"#m-"+string(m))
}

// settled refuses while something has to be confirmed.
func (d *Desk) settled(ctx context.Context, c *cases.Case, a *outbox.Answer, ticked map[string]bool) error {
	return d.db.View(ctx, func(tx *db.Tx) error {
		p, err := d.preview(ctx, tx, d.clock(), c, nil, a, ticked)
		if err == nil && p.Todo != "" {
			err = fail.New(fail.Invalid, "%s", strings.TrimSuffix(p.Todo, "."))
		}
		return err
	})
}

// note serves POST /desk/cases/{id}/note. A note never leaves.
func (d *Desk) note(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	c, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	text, phone := strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"), r.FormValue("phone") != ""
	if strings.TrimSpace(text) == "" || len(text) > outbox.MaxText {
		return d.renderCase(w, r, me, http.StatusUnprocessableEntity, caseExtra{draft: &cases.Draft{Text: text, Note: true}, note: true, phone: phone,
			errors: web.Errors{{Field: "text", Text: "Write the note before you keep it."}}})
	}
	if phone {
		if err := d.in.FromPhone(ctx, c.ID, me.ID(), text); err != nil {
			return err
		}
		return back(w, r, "/desk/cases/"+string(c.ID)+"#newest")
	}
	m, parts, err := d.newNote(me, c.ID, key, text)
	if err != nil {
		return err
	}
	err = d.db.Update(ctx, func(tx *db.Tx) error {
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: "note.added", About: string(c.ID)})
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(c.ID)+"#m-"+string(m.ID))
}

// newNote is an internal note of the visitor's, ready to be added to the case.
func (d *Desk) newNote(me *visitor, id cases.ID, key *vault.Key, text string) (*cases.Message, *cases.Parts, error) {
	m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: id, Kind: cases.Note, Door: "desk", Author: me.ID(), At: d.db.Now(), Doc: cases.Doc{Text: text}}
	parts, err := cases.Seal(m, key)
	return m, parts, err
}
