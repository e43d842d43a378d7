package api

import (
	"context"
	"net/http"
	"time"

	"postern/internal/apikeys"
	"postern/internal/db"
	"postern/internal/hooks"
)

// webhook is a system that is told what happened here.
type webhook struct {
	ID       string    `json:"id"`
	URL      string    `json:"url"`
	Events   []string  `json:"events"`
	Enabled  bool      `json:"enabled"`
	Why      string    `json:"why,omitempty" about:"it was switched off by itself: why"`
	OldUntil time.Time `json:"old_until,omitzero" about:"until here the secret before the last rotation signs too"`
	Made     time.Time `json:"made"`
	Secret   string    `json:"secret,omitempty" about:"what signs the calls; shown when it was made, and never again"`
}

type webhookList struct {
	Webhooks []webhook `json:"webhooks"`
}

type newWebhook struct {
	URL    string   `json:"url" min:"1" max:"2000" about:"https"`
	Events []string `json:"events" max:"50" about:"what it is told of"`
}

type removed struct {
	ID string `json:"id" about:"what was removed"`
}

// webhookCall is one event on its way to one webhook.
type webhookCall struct {
	ID       string    `json:"id"`
	EventID  string    `json:"event_id" about:"the header webhook-id, the same in every attempt"`
	Event    string    `json:"event"`
	State    string    `json:"state" enum:"waiting sending deferred sent failed" about:"deferred: it was not taken and is tried again at due. failed: given up, or nobody is there to take it"`
	Reason   string    `json:"reason,omitempty" about:"why it was not taken"`
	Status   int       `json:"status,omitempty" about:"of the last answer"`
	Attempts int       `json:"attempts"`
	Made     time.Time `json:"made"`
	Tried    time.Time `json:"tried,omitzero"`
	Due      time.Time `json:"due,omitzero" about:"when it is tried next"`
	Done     time.Time `json:"done,omitzero"`
}

type webhookCalls struct {
	Deliveries []webhookCall `json:"deliveries"`
	Next       string        `json:"next,omitempty" about:"the cursor of the next page; absent on the last"`
}

// webhooks are the operations on the systems that are told.
func (a *API) webhooks() []operation {
	const scope = apikeys.WebhooksManage
	return []operation{
		does(operation{Method: http.MethodGet, Path: "/webhooks", ID: "listWebhooks", Summary: "List webhooks",
			About: "All of them, the oldest first, whoever made them; without their secrets.", Scope: scope, Status: http.StatusOK}, a.listWebhooks),
		does(operation{Method: http.MethodPost, Path: "/webhooks", ID: "addWebhook", Summary: "Add a webhook",
			About: "The answer holds its secret, this once. It does no instruction: which system does which kind is set by people, on the desk.", Scope: scope, Status: http.StatusCreated}, a.addWebhook),
		does(operation{Method: http.MethodGet, Path: "/webhooks/{id}", ID: "getWebhook", Summary: "Read a webhook", About: "Without its secret.",
			Scope: scope, Status: http.StatusOK, Fails: []kind{notFound}}, a.getWebhook),
		does(operation{Method: http.MethodPost, Path: "/webhooks/{id}/rotate", ID: "rotateWebhook", Summary: "Give a webhook a new secret",
			About: "The answer holds it, this once. For a day the one before signs too.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound}}, a.rotateWebhook),
		does(operation{Method: http.MethodPost, Path: "/webhooks/{id}/enable", ID: "enableWebhook", Summary: "Switch a webhook on",
			About: "What failed while it was off can be tried again.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound}}, a.enableWebhook),
		does(operation{Method: http.MethodPost, Path: "/webhooks/{id}/disable", ID: "disableWebhook", Summary: "Switch a webhook off",
			About: "What waits for it fails.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound}}, a.disableWebhook),
		does(operation{Method: http.MethodDelete, Path: "/webhooks/{id}", ID: "removeWebhook", Summary: "Remove a webhook",
			About: "Its address and its secrets are forgotten; what waits for it fails, what was sent stays on record.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound}}, a.removeWebhook),
		does(operation{Method: http.MethodGet, Path: "/webhooks/{id}/deliveries", ID: "listDeliveries", Summary: "List what was sent to a webhook",
			About: "The newest first, without what was in it.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound, invalid}, Query: []query{cursorQuery, limitQuery}}, a.listDeliveries),
		does(operation{Method: http.MethodPost, Path: "/webhooks/deliveries/{id}/retry", ID: "retryDelivery", Summary: "Try a failed delivery again",
			About: "From the beginning, under the same webhook-id.", Scope: scope, Status: http.StatusOK, Fails: []kind{notFound, conflict}}, a.retryDelivery),
	}
}

func showWebhook(e *hooks.Endpoint, secret string, now time.Time) webhook {
	out := webhook{ID: string(e.ID), URL: e.URL, Events: e.Events, Enabled: e.Enabled, Why: e.Why, Made: e.Made, Secret: secret}
	if now.Before(e.OldUntil) {
		out.OldUntil = e.OldUntil
	}
	return out
}

func showCall(d *hooks.Delivery) webhookCall {
	out := webhookCall{ID: string(d.ID), EventID: d.HookID, Event: d.Event, State: string(d.State), Reason: d.Reason, Status: d.Status, Attempts: int(d.Attempts),
		Made: d.Made, Tried: d.Tried, Done: d.Done}
	if d.State == hooks.Waiting || d.State == hooks.Deferred {
		out.Due = d.Due
	}
	return out
}

func (a *API) listWebhooks(ctx context.Context, _ *call, _ *nothing) (*webhookList, error) {
	out := &webhookList{}
	return out, a.DB.View(ctx, func(tx *db.Tx) error {
		out.Webhooks = []webhook{}
		all, err := a.Hooks.List(ctx, tx)
		for n := range all {
			out.Webhooks = append(out.Webhooks, showWebhook(&all[n], "", tx.Now))
		}
		return err
	})
}

func (a *API) addWebhook(ctx context.Context, c *call, in *newWebhook) (out *webhook, err error) {
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		e, secret, err := a.Hooks.Add(ctx, tx, in.URL, in.Events, c.key.Actor())
		if err != nil {
			return err
		}
		made := showWebhook(e, secret, tx.Now)
		out, c.location = &made, root+"/webhooks/"+made.ID
		return nil
	})
	return out, err
}

func (a *API) getWebhook(ctx context.Context, c *call, _ *nothing) (out *webhook, err error) {
	err = a.DB.View(ctx, func(tx *db.Tx) error { out, err = a.readWebhook(ctx, tx, c, ""); return err })
	return out, err
}

func (a *API) readWebhook(ctx context.Context, tx *db.Tx, c *call, secret string) (*webhook, error) {
	e, err := a.Hooks.Get(ctx, tx, hooks.EndpointID(c.id))
	if err != nil {
		return nil, err
	}
	out := showWebhook(e, secret, tx.Now)
	return &out, nil
}

func (a *API) rotateWebhook(ctx context.Context, c *call, _ *nothing) (out *webhook, err error) {
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		secret, err := a.Hooks.Rotate(ctx, tx, hooks.EndpointID(c.id), c.key.Actor())
		if err != nil {
			return err
		}
		out, err = a.readWebhook(ctx, tx, c, secret)
		return err
	})
	return out, err
}

func (a *API) enableWebhook(ctx context.Context, c *call, _ *nothing) (*webhook, error) {
	return a.setWebhook(ctx, c, true)
}

func (a *API) disableWebhook(ctx context.Context, c *call, _ *nothing) (*webhook, error) {
	return a.setWebhook(ctx, c, false)
}

func (a *API) setWebhook(ctx context.Context, c *call, on bool) (out *webhook, err error) {
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		if err := a.Hooks.SetEnabled(ctx, tx, hooks.EndpointID(c.id), on, c.key.Actor()); err != nil {
			return err
		}
		out, err = a.readWebhook(ctx, tx, c, "")
		return err
	})
	return out, err
}

func (a *API) removeWebhook(ctx context.Context, c *call, _ *nothing) (*removed, error) {
	return &removed{c.id}, a.DB.Update(ctx, func(tx *db.Tx) error {
		return a.Hooks.Remove(ctx, tx, hooks.EndpointID(c.id), c.key.Actor())
	})
}

func (a *API) listDeliveries(ctx context.Context, c *call, _ *nothing) (*webhookCalls, error) {
	n, err := limit(c)
	if err != nil {
		return nil, err
	}
	list := "webhook " + c.id
	before, err := a.from(c, list)
	if err != nil {
		return nil, err
	}
	out := &webhookCalls{}
	return out, a.DB.View(ctx, func(tx *db.Tx) error {
		out.Deliveries, out.Next = []webhookCall{}, ""
		if _, err := a.Hooks.Get(ctx, tx, hooks.EndpointID(c.id)); err != nil {
			return err
		}
		all, err := a.Hooks.Calls(ctx, tx, hooks.EndpointID(c.id), hooks.DeliveryID(before), n+1)
		if len(all) > n {
			all = all[:n]
			out.Next = a.cursor(c, list, string(all[n-1].ID))
		}
		for k := range all {
			out.Deliveries = append(out.Deliveries, showCall(&all[k]))
		}
		return err
	})
}

func (a *API) retryDelivery(ctx context.Context, c *call, _ *nothing) (out *webhookCall, err error) {
	id := hooks.DeliveryID(c.id)
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		if err := a.Hooks.Retry(ctx, tx, id, c.key.Actor()); err != nil {
			return err
		}
		d, err := a.Hooks.Delivery(ctx, tx, id)
		if err != nil {
			return err
		}
		shown := showCall(d)
		out = &shown
		return nil
	})
	return out, err
}
