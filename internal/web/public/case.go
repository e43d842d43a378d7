package public

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/outbox"
	"postern/internal/policy"
	"postern/internal/vault"
	"postern/internal/web"
)

const caseCookie = "__Host-postern-case"

// findCase serves GET /case.
func (s *Site) findCase(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, Templates, "case-find", FindPage{Public: s.page(r)})
}

// openCase serves POST /case: a reference and the code of its receipt.
func (s *Site) openCase(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	p := FindPage{Public: s.page(r), Ref: r.FormValue("ref")}
	token, err := s.Centre.OpenCase(r.Context(), p.Ref, r.FormValue("code"), web.Network(r))
	switch {
	case fail.Is(err, fail.TooMany):
		return fail.New(fail.TooMany, "%s", p.Lang.Must("yourcase.many"))
	case fail.Is(err, fail.Denied):
		p.Errors = web.Errors{{Field: "ref", Text: p.Lang.Must("yourcase.wrong") + "."}}
		return web.RenderStatus(w, r, http.StatusForbidden, Templates, "case-find", p)
	case err != nil:
		return err
	}
	setCookie(w, caseCookie, token, 1800)
	http.Redirect(w, r, "/case/"+strings.ToUpper(strings.TrimSpace(p.Ref)), http.StatusSeeOther)
	return nil
}

// held is a case that its receipt opened.
type held struct {
	receipt centre.Receipt
	c       *cases.Case
	key     *vault.Key
	who     *contacts.Contact
	sealed  []cases.Sealed
	sent    []outbox.Delivery
	survey  *centre.Survey
	report  *ReportFace
}

// hold reads the case in the address, if this browser opened it with its receipt.
// Where it did not, the way in is shown, and done is true.
func (s *Site) hold(w http.ResponseWriter, r *http.Request) (h *held, done bool, err error) {
	ctx := r.Context()
	h = &held{}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if h.receipt, err = s.Centre.CasePage(ctx, tx, s.secret(r, caseCookie)); err != nil {
			return err
		}
		if h.c, err = s.Cases.Get(ctx, tx, h.receipt.Case); err != nil {
			return err
		}
		if string(h.c.Ref) != r.PathValue("ref") {
			return centre.ErrReceipt
		}
		if h.key, err = s.Vault.Get(ctx, tx, h.c.KeyID); err != nil {
			return err
		}
		if h.who, err = s.Contacts.Get(ctx, tx, h.receipt.Contact); err != nil {
			return err
		}
		if h.sealed, err = cases.Thread(ctx, tx, h.c.ID); err != nil {
			return err
		}
		if h.survey, err = s.Centre.SurveyOfCase(ctx, tx, h.c.ID); err != nil {
			return err
		}
		if h.report, err = s.reportFace(ctx, tx, s.page(r), h); err != nil {
			return err
		}
		h.sent, err = s.Outbox.OfCase(ctx, tx, h.c.ID)
		return err
	})
	if fail.Is(err, fail.Denied) {
		p := FindPage{Public: s.page(r), Ref: r.PathValue("ref")}
		p.Errors = web.Errors{{Field: "code", Text: p.Lang.Must("yourcase.again") + "."}}
		return nil, true, web.RenderStatus(w, r, http.StatusForbidden, Templates, "case-find", p)
	}
	return h, err != nil, err
}

// casePage serves GET /case/{ref}.
func (s *Site) casePage(w http.ResponseWriter, r *http.Request) error {
	h, done, err := s.hold(w, r)
	if done {
		return err
	}
	return s.showCase(w, r, http.StatusOK, h, "", nil)
}

func (s *Site) showCase(w http.ResponseWriter, r *http.Request, status int, h *held, text string, errs web.Errors) error {
	p := CasePage{Public: s.page(r), Ref: string(h.c.Ref), State: string(h.c.State), Person: h.c.Alarm != "", Sent: r.URL.Query().Has("sent"), Text: text}
	p.Errors, p.Due, p.Report = errs, p.When(h.c.Due), h.report
	if x := h.survey; x != nil && x.Contact == h.receipt.Contact && x.Answered.IsZero() && h.c.State == cases.Closed {
		p.Survey = s.Centre.SurveyToken(x.ID)
	}
	if h.c.Assignee != "" {
		p.Role = s.RoleOf(h.c.Assignee)
	}
	if p.Report != nil && p.Report.Role != "" { // whoever owns the report is at it
		p.Role = p.Report.Role
	}
	for n := range h.sealed {
		word, ok, err := s.word(p.Public, h, &h.sealed[n])
		if err != nil {
			return err
		}
		if ok {
			p.Thread = append(p.Thread, word)
		}
	}
	if err := s.markRead(r.Context(), h); err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "case-page", p)
}

// word is a message as the receipt's owner may see it: what came over this form and
// page, and ours that wait here. What went by mail is for the mail address alone,
// which anybody could have typed; here stands that it went, and how far.
func (s *Site) word(p web.Public, h *held, sealed *cases.Sealed) (w Word, ok bool, err error) {
	switch {
	case sealed.Kind == cases.In && (sealed.Door == "form" || sealed.Door == "api" || sealed.Door == "page" || sealed.Door == "survey") && sealed.Contact == h.receipt.Contact:
		w = Word{Way: "yourcase.way." + sealed.Door, Shown: true}
	case sealed.Kind == cases.Out:
		w.Ours = true
		d := h.delivery(sealed.ID)
		if d == nil || d.State == outbox.Held || d.State == outbox.Undone || d.UndoLeft(p.Now) > 0 {
			return w, false, nil
		}
		if w.Way, w.To = wayOf(d), half(d.Address); d.Address == "" {
			w.To = ""
		}
		w.Shown = onPage(d)
	default:
		return w, false, nil
	}
	w.ID, w.At = string(sealed.ID), p.When(sealed.At)
	if !w.Shown {
		return w, true, nil
	}
	m, err := sealed.Open(h.key)
	if err != nil {
		return w, false, err
	}
	w.Text = m.Doc.Text
	for n, a := range m.Doc.Attachments {
		w.Files = append(w.Files, WordFile{a.Name, a.Size, "/case/" + string(h.c.Ref) + "/files/" + w.ID + "/" + strconv.Itoa(n)})
	}
	return w, true, nil
}

// delivery is how a message of ours went to the receipt's owner; nil: not to them.
func (h *held) delivery(m cases.MessageID) *outbox.Delivery {
	for n := range h.sent {
		if d := &h.sent[n]; d.Message == m && d.Contact == h.receipt.Contact && d.Kind != outbox.Nudge {
			return d
		}
	}
	return nil
}

// onPage reports whether an answer waits on the case page.
func onPage(d *outbox.Delivery) bool { return d.Protection == policy.Page && d.State == outbox.Sent }

// wayOf is the key of the words on how far an answer went.
func wayOf(d *outbox.Delivery) string {
	switch {
	case onPage(d):
		return "yourcase.way.here"
	case d.State == outbox.Sent || d.State == outbox.Captured:
		return "yourcase.way.mail.sent"
	case d.State == outbox.Failed || d.State == outbox.Bounced:
		return "yourcase.way.mail.failed"
	}
	return "yourcase.way.mail.waiting"
}

// markRead notes that answers which wait here were seen, the first time.
func (s *Site) markRead(ctx context.Context, h *held) error {
	var fresh []outbox.ID
	for n := range h.sent {
		if d := &h.sent[n]; onPage(d) && d.Read.IsZero() && d.Contact == h.receipt.Contact {
			fresh = append(fresh, d.ID)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		for _, id := range fresh {
			first, err := s.Outbox.Read(ctx, tx, id)
			if err != nil {
				return err
			}
			if !first {
				continue
			}
			if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(h.receipt.Contact)), Act: "case.page-read", About: string(h.c.ID), Detail: "delivery " + string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// caseReply serves POST /case/{ref}/reply: more words, or a person.
func (s *Site) caseReply(w http.ResponseWriter, r *http.Request) error {
	bad := web.ParseForm(w, r)
	h, done, err := s.hold(w, r)
	if done {
		return err
	}
	p := s.page(r)
	again := func(key string) error {
		return s.showCase(w, r, http.StatusUnprocessableEntity, h, r.FormValue("text"), web.Errors{{Field: "text", Text: p.Lang.Must(key) + "."}})
	}
	if bad != nil {
		return again("form.files.many")
	}
	uploads, err := web.Uploads(r)
	if err != nil {
		return err
	}
	var files []cases.File
	for _, u := range uploads {
		files = append(files, cases.File{Name: u.Name, Type: u.Type, Data: u.Data})
	}
	text, person := r.FormValue("text"), r.FormValue("do") == "person"
	switch {
	case len(files) > centre.MaxFiles:
		return again("form.files.many")
	case len(text) > centre.MaxText:
		return again("form.text.long")
	case strings.TrimSpace(text) == "" && len(files) == 0 && !person:
		return again("yourcase.empty")
	}
	if err := s.countReply(r, p.Lang); err != nil {
		return err
	}
	if _, err := s.Intake.FromPage(r.Context(), h.receipt, text, files, person); err != nil {
		return err
	}
	http.Redirect(w, r, "/case/"+string(h.c.Ref)+"?sent=1", http.StatusSeeOther)
	return nil
}

// caseFile serves a file of a message that the page shows.
func (s *Site) caseFile(w http.ResponseWriter, r *http.Request) error {
	h, done, err := s.hold(w, r)
	if done {
		return err
	}
	for n := range h.sealed {
		if string(h.sealed[n].ID) != r.PathValue("message") {
			continue
		}
		word, ok, err := s.word(s.page(r), h, &h.sealed[n])
		if err != nil || !ok || !word.Shown {
			break
		}
		m, err := h.sealed[n].Open(h.key)
		if err != nil {
			return err
		}
		i, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || i < 0 || i >= len(m.Doc.Attachments) {
			break
		}
		a := m.Doc.Attachments[i]
		var b *vault.Blob
		if err := s.DB.View(r.Context(), func(tx *db.Tx) (err error) { b, err = s.Vault.GetBlob(r.Context(), tx, a.Blob); return err }); err != nil {
			return err
		}
		data, err := b.Open()
		if err != nil {
			return err
		}
		web.ServeFile(w, a.Name, data)
		return nil
	}
	return fail.New(fail.NotFound, "there is no such file")
}

// leaveCase serves POST /case/{ref}/sign-out.
func (s *Site) leaveCase(w http.ResponseWriter, r *http.Request) error {
	setCookie(w, caseCookie, "", -1)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/case", http.StatusSeeOther)
	return nil
}
