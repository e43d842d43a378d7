package desk

import (
	"context"
	"net/http"
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
		out = append(out, Option{string(e.ID), "A system of ours: " + e.Host(), string(e.ID) == current})
	}
	return out, err
}

// webhooks serves GET /desk/webhooks.
func (d *Desk) webhooks(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.webhooksPage(w, r, me, http.StatusOK, "", nil)
}

func (d *Desk) webhooksPage(w http.ResponseWriter, r *http.Request, me *visitor, status int, secret string, errs web.Errors) error {
	ctx := r.Context()
	p := WebhooksPage{Staff: d.chrome(me, "webhooks"), Secret: secret}
	p.Errors = errs
	if len(errs) > 0 {
		p.URL = r.FormValue("url")
	}
	for _, e := range hooks.Events() {
		p.Events = append(p.Events, Option{e, e, len(errs) == 0 || strings.Contains(strings.Join(r.Form["event"], " "), e)})
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
	return web.RenderStatus(w, r, status, Templates, "webhooks", p)
}

func (d *Desk) webhookRow(ctx context.Context, tx *db.Tx, clock web.Clock, e *hooks.Endpoint) (WebhookRow, error) {
	row := WebhookRow{ID: string(e.ID), Host: e.Host(), Why: upperFirst(e.Why), Events: strings.Join(e.Events, ", "), Enabled: e.Enabled, Made: clock.When(e.Made)}
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
	var secret string
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		_, secret, err = d.hooks.Add(ctx, tx, strings.TrimSpace(r.FormValue("url")), r.Form["event"], audit.Staff(me.ID()))
		return err
	})
	if fail.Is(err, fail.Invalid) {
		return d.webhooksPage(w, r, me, http.StatusUnprocessableEntity, "", web.Errors{{Field: "url", Text: upperFirst(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	return d.webhooksPage(w, r, me, http.StatusOK, secret, nil)
}

// rotateWebhook serves POST /desk/webhooks/{id}/rotate.
func (d *Desk) rotateWebhook(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	var secret string
	err := d.db.Update(ctx, func(tx *db.Tx) (err error) {
		secret, err = d.hooks.Rotate(ctx, tx, hooks.EndpointID(r.PathValue("id")), audit.Staff(me.ID()))
		return err
	})
	if err != nil {
		return err
	}
	return d.webhooksPage(w, r, me, http.StatusOK, secret, nil)
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
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error {
		return d.hooks.Remove(ctx, tx, hooks.EndpointID(r.PathValue("id")), audit.Staff(me.ID()))
	})
}

// callAgain serves POST /desk/webhooks/calls/{id}/again.
func (d *Desk) callAgain(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onWebhook(w, r, func(ctx context.Context, tx *db.Tx) error {
		return d.hooks.Retry(ctx, tx, hooks.DeliveryID(r.PathValue("id")), audit.Staff(me.ID()))
	})
}
