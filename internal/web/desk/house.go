package desk

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/staff"
	"postern/internal/texts"
	"postern/internal/web"
)

// rawShown is how much of a mail a page shows.
const rawShown = 64 << 10

// withChrome fills the frame of a page that reads nothing else.
func (d *Desk) withChrome(ctx context.Context, me *visitor, s *web.Staff) error {
	return d.db.View(ctx, func(tx *db.Tx) error { return d.fillChrome(ctx, tx, me, s, "") })
}

// tray serves GET /desk/tray.
func (d *Desk) tray(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := TrayPage{Staff: d.chrome(me, "tray"), Relay: d.o.Relay}
	var list []outbox.Delivery
	var captured []texts.Captured
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if list, err = d.out.Tray(ctx, tx, 100); err != nil {
			return err
		}
		if captured, err = d.o.Texts.Captured(ctx, tx, 50); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	for i := range list {
		if d.admit(ctx, me, list[i].Case) != nil { // of the closed circle
			continue
		}
		raw, err := d.blob(ctx, list[i].RawBlob)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, trayRow(p.Clock, &list[i], raw))
	}
	for _, t := range captured {
		p.Texts = append(p.Texts, TrayText{t.Number, t.Text, p.Clock.When(t.At)})
	}
	return web.Render(w, r, Templates, "tray", p)
}

func trayRow(clock web.Clock, s *outbox.Delivery, raw []byte) TrayRow {
	kind := "Answer"
	switch {
	case s.Kind == outbox.Ack:
		kind = "Receipt"
	case s.Kind == outbox.Notice, s.Protection == policy.Portal:
		kind = "Notice"
	}
	return TrayRow{ID: string(s.ID), To: s.Address, Subject: headerOf(raw, "Subject"), At: clock.When(s.Done), Kind: kind,
		Protection: protection(clock, policy.Verdict{Protection: s.Protection}, nil), Size: len(raw)}
}

// headers reads the head of a mail of ours, unfolded, for the eye.
func headers(raw []byte) []Header {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var out []Header
	dec := mime.WordDecoder{}
	for _, line := range strings.Split(string(head), "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			out[len(out)-1].Value += line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		out = append(out, Header{name, strings.TrimSpace(value)})
	}
	for i := range out {
		if s, err := dec.DecodeHeader(out[i].Value); err == nil {
			out[i].Value = s
		}
		if len(out[i].Value) > 300 {
			out[i].Value = out[i].Value[:300] + "…"
		}
	}
	return out
}

func headerOf(raw []byte, name string) string {
	for _, h := range headers(raw) {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

func cut(raw []byte) (string, bool) {
	if len(raw) > rawShown {
		return strings.ToValidUTF8(string(raw[:rawShown]), "�"), true
	}
	return strings.ToValidUTF8(string(raw), "�"), false
}

func (d *Desk) captured(ctx context.Context, me *visitor, id string) (s *outbox.Delivery, raw []byte, err error) {
	err = d.db.View(ctx, func(tx *db.Tx) error { s, err = d.out.Get(ctx, tx, outbox.ID(id)); return err })
	if err == nil {
		err = d.admit(ctx, me, s.Case)
	}
	if err == nil && s.State != outbox.Captured {
		err = fail.New(fail.NotFound, "this mail is not in the tray")
	}
	if err != nil {
		return nil, nil, err
	}
	raw, err = d.blob(ctx, s.RawBlob)
	return s, raw, err
}

// trayMail serves GET /desk/tray/{id}.
func (d *Desk) trayMail(w http.ResponseWriter, r *http.Request, me *visitor) error {
	s, raw, err := d.captured(r.Context(), me, r.PathValue("id"))
	if err != nil {
		return err
	}
	p := TrayMailPage{Staff: d.chrome(me, "tray")}
	p.TrayRow, p.Headers = trayRow(p.Clock, s, raw), headers(raw)
	p.Raw, p.Cut = cut(raw)
	if err := d.withChrome(r.Context(), me, &p.Staff); err != nil {
		return err
	}
	return web.Render(w, r, Templates, "tray-mail", p)
}

// trayRaw serves GET /desk/tray/{id}/raw.
func (d *Desk) trayRaw(w http.ResponseWriter, r *http.Request, me *visitor) error {
	_, raw, err := d.captured(r.Context(), me, r.PathValue("id"))
	if err != nil {
		return err
	}
	web.ServeFile(w, "mail.eml", raw)
	return nil
}

// quarantine serves GET /desk/quarantine.
func (d *Desk) quarantine(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := QuarantinePage{Staff: d.chrome(me, "quarantine")}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		list, err := d.in.Quarantined(ctx, tx, 100)
		if err != nil {
			return err
		}
		for i := range list {
			may, err := d.mayReadAside(ctx, tx, me, &list[i])
			if err != nil {
				return err
			}
			if may {
				p.Rows = append(p.Rows, quarantineRow(p.Clock, &list[i]))
			}
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "quarantine", p)
}

func quarantineRow(clock web.Clock, s *intake.Spooled) QuarantineRow {
	_, text, ok := strings.Cut(s.Reason, ": ")
	if !ok {
		text = s.Reason
	}
	return QuarantineRow{ID: s.ID, From: s.Envelope.From, To: strings.Join(s.Envelope.To, ", "), At: clock.When(s.Came), Reason: upperFirst(web.Plain(text)) + ".", Size: int(s.Size), Tries: int(s.Attempts) + 1}
}

// quarantineMail serves GET /desk/quarantine/{id}.
func (d *Desk) quarantineMail(w http.ResponseWriter, r *http.Request, me *visitor) error {
	s, err := d.inQuarantine(r, me)
	if err != nil {
		return err
	}
	p := QuarantineMailPage{Staff: d.chrome(me, "quarantine")}
	p.QuarantineRow = quarantineRow(p.Clock, s)
	p.Raw, p.Cut = cut(s.Envelope.Raw)
	if err := d.withChrome(r.Context(), me, &p.Staff); err != nil {
		return err
	}
	return web.Render(w, r, Templates, "quarantine-mail", p)
}

func (d *Desk) inQuarantine(r *http.Request, me *visitor) (*intake.Spooled, error) {
	s, err := d.in.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	may := false
	err = d.db.View(r.Context(), func(tx *db.Tx) (err error) { may, err = d.mayReadAside(r.Context(), tx, me, s); return err })
	if err == nil && (s.State != "quarantine" || !may) {
		err = fail.New(fail.NotFound, "this mail is not in quarantine")
	}
	return s, err
}

// mayReadAside reports whether somebody may read a mail in quarantine: one for the security
// people is for them, there as in a case.
func (d *Desk) mayReadAside(ctx context.Context, tx *db.Tx, me *visitor, s *intake.Spooled) (bool, error) {
	if me.May(staff.SecurityTriage) {
		return true, nil
	}
	guarded, err := d.in.Guarded(ctx, tx, s)
	return !guarded, err
}

// quarantineRaw serves GET /desk/quarantine/{id}/raw.
func (d *Desk) quarantineRaw(w http.ResponseWriter, r *http.Request, me *visitor) error {
	s, err := d.inQuarantine(r, me)
	if err != nil {
		return err
	}
	web.ServeFile(w, "mail.eml", s.Envelope.Raw)
	return nil
}

// runAgain serves POST /desk/quarantine/{id}/again.
func (d *Desk) runAgain(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	if err := d.db.Update(ctx, func(tx *db.Tx) error { return d.in.Rerun(ctx, tx, r.PathValue("id"), me.ID()) }); err != nil {
		return err
	}
	return back(w, r, "/desk/quarantine")
}

// mailboxes serves GET and POST /desk/mailboxes.
func (d *Desk) mailboxes(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p := MailboxesPage{Staff: d.chrome(me, "mailboxes")}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		p.Draft = Mailbox{Address: strings.TrimSpace(r.FormValue("address")), Name: strings.TrimSpace(r.FormValue("name")), Sensitive: r.FormValue("sensitive") != ""}
		_, err := d.boxes.Add(r.Context(), audit.Staff(me.ID()), p.Draft.Name, p.Draft.Address, p.Draft.Sensitive)
		if err == nil {
			return back(w, r, "/desk/mailboxes")
		}
		if k := fail.KindOf(err); k != fail.Invalid && k != fail.Conflict {
			return err
		}
		p.Errors, status = web.Errors{{Field: "address", Text: upperFirst(fail.Text(err))}}, http.StatusUnprocessableEntity
	}
	for _, b := range d.boxes.All() {
		p.Rows = append(p.Rows, Mailbox{ID: b.Address, Address: b.Address, Name: b.Name, Sensitive: b.Sensitive, Disabled: b.Closed})
	}
	if err := d.withChrome(r.Context(), me, &p.Staff); err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "mailboxes", p)
}

// saveMailbox serves POST /desk/mailboxes/{id}.
func (d *Desk) saveMailbox(w http.ResponseWriter, r *http.Request, me *visitor) error {
	err := d.boxes.Save(r.Context(), audit.Staff(me.ID()), r.PathValue("id"), strings.TrimSpace(r.FormValue("name")), r.FormValue("sensitive") != "", r.FormValue("disabled") != "")
	if err != nil {
		return err
	}
	return back(w, r, "/desk/mailboxes")
}

// keys serves GET /desk/keys.
func (d *Desk) keys(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p := KeysPage{Staff: d.chrome(me, "keys")}
	for _, b := range d.boxes.All() {
		k := b.Secret.Public()
		p.Keys = append(p.Keys, OwnKey{ID: b.Address, Fingerprint: web.Fingerprint(k.Fingerprint()), Users: k.UserIDs(), Made: p.When(k.Created()), Expires: p.When(k.Expires()),
			Current: true, Published: []Published{{URL: d.o.BaseURL + "/keys", Found: true}, {URL: d.o.BaseURL + wkdPath(b.Address), Found: true}}})
	}
	if err := d.withChrome(r.Context(), me, &p.Staff); err != nil {
		return err
	}
	return web.Render(w, r, Templates, "keys", p)
}

// exportKey serves GET /desk/keys/{id}/export.
func (d *Desk) exportKey(w http.ResponseWriter, r *http.Request, _ *visitor) error {
	b, err := d.boxes.Get(r.PathValue("id"))
	if err != nil {
		return err
	}
	web.ServeFile(w, b.Address+".asc", b.Secret.Public().Armored())
	return nil
}

// auditLog serves GET /desk/audit, and POST /desk/audit/verify which walks the
// whole chain first.
func (d *Desk) auditLog(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := AuditPage{Staff: d.chrome(me, "audit"), Who: r.FormValue("who"), What: r.FormValue("what"), About: strings.TrimSpace(r.FormValue("about"))}
	if r.Method == http.MethodPost {
		head, err := audit.Verify(ctx, d.db, d.o.Anchor())
		p.Entries, p.Head, p.Checked = int(head.Seq), head.Hash, p.When(p.Now)
		if f := (*audit.Fault)(nil); asError(err, &f) {
			p.Broken = upperFirst(f.Error()) + "."
		} else if err != nil {
			return err
		}
	}
	const limit = 100
	var rows []audit.Row
	after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64) // none: from the top
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if rows, err = audit.Find(ctx, tx, audit.Filter{Who: d.actorsNamed(p.Who), Act: p.What, About: p.About, Before: after}, limit+1); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		p.Older = fmt.Sprintf("/desk/audit?who=%s&what=%s&about=%s&after=%d", escape(p.Who), escape(p.What), escape(p.About), rows[limit-1].Seq)
	}
	for _, a := range acts {
		p.Kinds = append(p.Kinds, Option{a.act, a.words, a.act == p.What})
	}
	for _, a := range rows {
		row := AuditRow{N: int(a.Seq), At: p.When(a.At), Who: d.actorWords(a.Actor), What: d.actWords(a), About: a.About}
		if strings.HasPrefix(a.Act, "case.") || strings.HasPrefix(a.Act, "message.") || strings.HasPrefix(a.Act, "item.") || strings.HasPrefix(a.Act, "delivery.") {
			if me.May(canReadCases) {
				row.URL = "/desk/cases/" + a.About
			}
		}
		p.Rows = append(p.Rows, row)
	}
	return web.Render(w, r, Templates, "audit", p)
}

// health serves GET /desk/health and POST /desk/health/check.
func (d *Desk) health(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p := HealthPage{Staff: d.chrome(me, "health"), Version: d.o.Version}
	p.Checked = p.When(p.Now)
	p.Checks = d.o.Checks(r.Context())
	for _, c := range p.Checks {
		if c.State == "bad" || c.State == "soon" {
			p.Needs++
		}
	}
	err := d.db.View(r.Context(), func(tx *db.Tx) (err error) {
		if p.Figures, err = d.healthFigures(r.Context(), tx); err != nil {
			return err
		}
		return d.fillChrome(r.Context(), tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, Templates, "health", p)
}

func (d *Desk) healthFigures(ctx context.Context, tx *db.Tx) ([]Figure, error) {
	var out []Figure
	for _, f := range []struct{ name, query, note string }{
		{"Mails waiting to be taken in", `SELECT COUNT(*) FROM (SELECT 1 FROM spool WHERE state IN ('spooled', 'working') LIMIT 1000) t`, ""},
		{"Mails waiting to leave", `SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE state IN ('waiting', 'deferred', 'working', 'sending') LIMIT 1000) t`, ""},
		{"In quarantine", `SELECT COUNT(*) FROM (SELECT 1 FROM spool WHERE state = 'quarantine' LIMIT 1000) t`, ""},
	} {
		n, err := db.Count(ctx, tx, f.query)
		if err != nil {
			return nil, err
		}
		out = append(out, Figure{f.name, fmt.Sprint(n), f.note})
	}
	return out, nil
}

// wkdPath is where mail programs look for the key of an address.
func wkdPath(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	return "/.well-known/openpgpkey/" + domain + "/hu/" + pgp.WKDHash(local) + "?l=" + local
}
