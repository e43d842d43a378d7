package desk

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hooks"
	"postern/internal/web"
)

// hookOptions lists the systems that may do what was approved.
func (d *Desk) hookOptions(ctx context.Context, tx *db.Tx, current string) (out []Option, err error) {
	list, err := d.hooks.List(ctx, tx)
	for _, e := range list {
		out = append(out, Option{string(e.ID), "A system of ours: " + e.Address(), string(e.ID) == current})
	}
	return out, err
}

// webhooks serves GET /desk/webhooks.
func (d *Desk) webhooks(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.webhooksPage(w, r, me, http.StatusOK, &WebhooksPage{}, nil)
}

// webhooksPage fills a page that may already hold a secret, shown once.
func (d *Desk) webhooksPage(w http.ResponseWriter, r *http.Request, me *visitor, status int, p *WebhooksPage, errs web.Errors) error {
	ctx := r.Context()
	p.Staff = d.chrome(me, "webhooks")
	p.Errors = errs
	if len(errs) > 0 {
		p.URL = r.FormValue("url")
	}
	for _, e := range hooks.Events() {
		p.Events = append(p.Events, Option{e, e, p.URL == "" || strings.Contains(strings.Join(r.Form["event"], " "), e)})
	}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		p.Rows = nil
		list, err := d.hooks.List(ctx, tx)
		if err != nil {
			return err
		}
		for n := range list {
			row, err := d.webhookRow(ctx, tx, p.Clock, &list[n])
			if err != nil {
				return err
			}
			p.Rows = append(p.Rows, row)
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "webhooks", *p)
}

func (d *Desk) webhookRow(ctx context.Context, tx *db.Tx, clock web.Clock, e *hooks.Endpoint) (WebhookRow, error) {
	row := WebhookRow{ID: string(e.ID), Address: e.Address(), Turn: turnOf(e), Why: upperFirst(e.Why), Events: strings.Join(e.Events, ", "), Enabled: e.Enabled, Made: clock.When(e.Made)}
	if row.Events == "" {
		row.Events = "only what it is to do"
	}
	calls, err := d.hooks.To(ctx, tx, e.ID, 20)
	for _, c := range calls {
		row.Calls = append(row.Calls, CallRow{string(c.ID), c.Event, string(c.State), c.Reason, c.Attempts, clock.When(c.Made), c.State == hooks.Failed})
	}
	return row, err
}

// addWebhook serves POST /desk/webhooks.
func (d *Desk) addWebhook(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil {
		return err
	}
	p, address := &WebhooksPage{}, strings.TrimSpace(r.FormValue("url"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		list, err := d.hooks.List(ctx, tx)
		if err != nil {
			return err
		}
		for n := range list {
			if list[n].URL == address { // loading the answer again must not make another
				return fail.New(fail.Conflict, "there is a webhook with this address already")
			}
		}
		e, secret, err := d.hooks.Add(ctx, tx, address, r.Form["event"], audit.Staff(me.ID()))
		if err == nil {
			p.Secret, p.SecretOf = secret, e.Address()
		}
		return err
	})
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict) {
		return d.webhooksPage(w, r, me, http.StatusUnprocessableEntity, &WebhooksPage{}, web.Errors{{Field: "url", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return d.webhooksPage(w, r, me, http.StatusOK, p, nil)
}

// turnOf names the secret an endpoint has now: asking for another in place of one
// that is gone already is refused, so that loading the answer again changes nothing.
func turnOf(e *hooks.Endpoint) string { return strconv.FormatInt(e.OldUntil.UnixMicro(), 36) }

// rotateWebhook serves POST /desk/webhooks/{id}/rotate.
func (d *Desk) rotateWebhook(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), hooks.EndpointID(r.PathValue("id"))
	p := &WebhooksPage{}
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		e, err := d.hooks.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		p.SecretOf = e.Address()
		if err := sure(r); err != nil {
			return err
		}
		if r.FormValue("turn") != turnOf(e) {
			return fail.New(fail.Conflict, "this webhook has got a new secret already, and it was shown then; tick again if you need another")
		}
		p.Secret, err = d.hooks.Rotate(ctx, tx, id, audit.Staff(me.ID()))
		return err
	})
	if k := fail.KindOf(err); err != nil && (k == fail.Invalid || k == fail.Conflict) {
		return d.unsure(w, r, me, "rotate", err)
	}
	if err != nil {
		return err
	}
	return d.webhooksPage(w, r, me, http.StatusOK, p, nil)
}

// sure wants the tick beside a button that takes something away.
func sure(r *http.Request) error {
	if r.FormValue("sure") == "" {
		return fail.New(fail.Invalid, "tick that you mean it")
	}
	return nil
}

// unsure shows the list again, with what was not done and why.
func (d *Desk) unsure(w http.ResponseWriter, r *http.Request, me *visitor, act string, err error) error {
	return d.webhooksPage(w, r, me, web.StatusOf(err), &WebhooksPage{}, web.Errors{{Field: act + "-" + r.PathValue("id"), Text: upperFirst(fail.Text(err)) + "."}})
}

// onWebhook runs a change and shows the list again.
func (d *Desk) onWebhook(w http.ResponseWriter, r *http.Request, f func(ctx context.Context, tx *db.Tx) error) error {
	ctx := r.Context()
	if err := d.db.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) }); err != nil {
		return err
	}
	return back(w, r, "/desk/webhooks")
}

// webhookOn serves POST /desk/webhooks/{id}/on, and webhookOff /off.
func (d *Desk) webhookOn(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error {
		return d.hooks.SetEnabled(ctx, tx, hooks.EndpointID(r.PathValue("id")), true, audit.Staff(me.ID()))
	})
}

func (d *Desk) webhookOff(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error {
		return d.hooks.SetEnabled(ctx, tx, hooks.EndpointID(r.PathValue("id")), false, audit.Staff(me.ID()))
	})
}

// removeWebhook serves POST /desk/webhooks/{id}/remove.
func (d *Desk) removeWebhook(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), hooks.EndpointID(r.PathValue("id"))
	if err := sure(r); err != nil {
		if e := d.db.View(ctx, func(tx *db.Tx) error { _, err := d.hooks.Get(ctx, tx, id); return err }); e != nil {
			return e
		}
		return d.unsure(w, r, me, "remove", err)
	}
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error { return d.hooks.Remove(ctx, tx, id, audit.Staff(me.ID())) })
}

// callAgain serves POST /desk/webhooks/calls/{id}/again.
func (d *Desk) callAgain(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error {
		return d.hooks.Retry(ctx, tx, hooks.DeliveryID(r.PathValue("id")), audit.Staff(me.ID()))
	})
}
