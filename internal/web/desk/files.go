package desk

import (
	"context"
	"net/http"
	"strconv"

	"github.com/microcosm-cc/bluemonday"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/vault"
	"postern/internal/web"
)

// read opens one message of a case.
func (d *Desk) read(ctx context.Context, id cases.ID, mid cases.MessageID) (*cases.Message, error) {
	var sealed *cases.Sealed
	var key *vault.Key
	err := d.db.View(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if key, err = d.vault.Get(ctx, tx, c.KeyID); err != nil {
			return err
		}
		sealed, err = cases.GetMessage(ctx, tx, id, mid)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sealed.Open(key)
}

func (d *Desk) messageOf(r *http.Request) (*cases.Message, error) {
	return d.read(r.Context(), cases.ID(r.PathValue("id")), cases.MessageID(r.PathValue("message")))
}

// looked records who looked at what of a case beyond its page.
func (d *Desk) looked(ctx context.Context, me *visitor, m *cases.Message, act string) error {
	return d.db.Update(ctx, func(tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Staff(me.ID()), Act: act, About: string(m.Case), Detail: "message " + string(m.ID)})
	})
}

// rawMail serves GET /desk/cases/{id}/messages/{message}/raw: the bytes as they came.
func (d *Desk) rawMail(w http.ResponseWriter, r *http.Request, me *visitor) error {
	m, err := d.messageOf(r)
	if err != nil {
		return err
	}
	if m.RawBlob == "" {
		return fail.New(fail.NotFound, "this message did not come by mail")
	}
	s, err := d.in.Get(r.Context(), m.RawBlob)
	if err != nil {
		return err
	}
	if err := d.looked(r.Context(), me, m, "mail.downloaded"); err != nil {
		return err
	}
	web.ServeFile(w, "mail.eml", s.Envelope.Raw)
	return nil
}

// fileOf serves GET /desk/cases/{id}/messages/{message}/files/{n}.
func (d *Desk) fileOf(w http.ResponseWriter, r *http.Request, me *visitor) error {
	m, err := d.messageOf(r)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(m.Doc.Attachments) {
		return fail.New(fail.NotFound, "there is no such file")
	}
	a := m.Doc.Attachments[n]
	var data []byte
	if a.Blob != "" {
		data, err = d.blob(r.Context(), a.Blob)
	} else {
		data, err = d.inbound1(r.Context(), m, n, a.SHA256)
	}
	if err != nil {
		return err
	}
	if err := d.looked(r.Context(), me, m, "file.downloaded"); err != nil {
		return err
	}
	web.ServeFile(w, a.Name, data)
	return nil
}

func (d *Desk) blob(ctx context.Context, id string) ([]byte, error) {
	var b *vault.Blob
	if err := d.db.View(ctx, func(tx *db.Tx) (err error) { b, err = d.vault.GetBlob(ctx, tx, id); return err }); err != nil {
		return nil, err
	}
	return b.Open()
}

// inbound1 takes one file out of the stored mail again.
func (d *Desk) inbound1(ctx context.Context, m *cases.Message, n int, sum string) ([]byte, error) {
	rep, err := d.examine(ctx, m)
	if err != nil {
		return nil, err
	}
	if n >= len(rep.Attachments) || rep.Attachments[n].SHA256 != sum {
		return nil, fail.New(fail.NotFound, "the stored mail does not hold this file any more")
	}
	return rep.Attachments[n].Data, nil
}

func (d *Desk) examine(ctx context.Context, m *cases.Message) (*evidence.Report, error) {
	if m.RawBlob == "" {
		return nil, fail.New(fail.NotFound, "this message did not come by mail")
	}
	return d.in.Examine(ctx, m.RawBlob)
}

// draftFile serves GET /desk/cases/{id}/draft/files/{n}.
func (d *Desk) draftFile(w http.ResponseWriter, r *http.Request, me *visitor) error {
	_, _, draft, err := d.storedDraft(r.Context(), me, cases.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || draft == nil || n < 0 || n >= len(draft.Files) {
		return fail.New(fail.NotFound, "there is no such file")
	}
	data, err := d.blob(r.Context(), draft.Files[n].Blob)
	if err != nil {
		return err
	}
	web.ServeFile(w, draft.Files[n].Name, data)
	return nil
}

// mailHTML keeps the structure of a mail's HTML and nothing that loads, runs,
// styles or leads anywhere.
func mailHTML() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "i", "em", "u", "s", "small", "sub", "sup",
		"blockquote", "pre", "code", "hr", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "center")
	p.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	return p
}

// htmlOf serves GET /desk/cases/{id}/messages/{message}/html, the page inside
// the sandboxed frame.
func (d *Desk) htmlOf(w http.ResponseWriter, r *http.Request, me *visitor) error {
	m, err := d.messageOf(r)
	if err != nil {
		return err
	}
	rep, err := d.examine(r.Context(), m)
	if err != nil {
		return err
	}
	if rep.HTML == "" {
		return fail.New(fail.NotFound, "this message has no HTML")
	}
	return web.RenderFrame(w, r, d.clean(rep.HTML))
}
