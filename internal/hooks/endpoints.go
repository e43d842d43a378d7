package hooks

import (
	"context"
	"net/url"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/safehttp"
)

// EndpointID names an endpoint.
type EndpointID string

// An Endpoint is a system that wants to be told.
type Endpoint struct {
	ID       EndpointID
	URL      string   // may hold a token: for those who may change it
	Events   []string // what it wants
	Enabled  bool
	Why      string    // it was switched off by itself: why
	OldUntil time.Time // until here the secret before the last rotation signs too
	MadeBy   string    // the actor, as audit names it
	Made     time.Time

	secret, oldSecret []byte // sealed
}

// Host is what of the address may be shown to anybody.
func (e *Endpoint) Host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Address is the host and the path, which tell two endpoints on one host apart; what
// follows them may be a token and is left out.
func (e *Endpoint) Address() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Host + u.Path
}

const endpointColumns = `id, url, events, secret, old_secret, old_until, enabled, why, made_by, made_at`

func (h *Hooks) scanEndpoint(e *Endpoint, row func(...any) error) error {
	var address []byte
	var events string
	err := row(&e.ID, &address, &events, &e.secret, &e.oldSecret, db.Time(&e.OldUntil), &e.Enabled, &e.Why, &e.MadeBy, db.Time(&e.Made))
	if err != nil {
		return err
	}
	e.Events = strings.Fields(events)
	e.URL, err = h.v.Desk().OpenText(address, place, string(e.ID), "url")
	return err
}

// place is the first part of where sealed fields stand.
const place = "hook"

// Add makes an endpoint and returns its secret, which is shown this once. Here and
// below the actor is who did it, as audit names them: a member of staff or a key.
func (h *Hooks) Add(ctx context.Context, tx *db.Tx, address string, events []string, actor string) (e *Endpoint, secret string, err error) {
	if err := safehttp.Check(address); err != nil {
		return nil, "", err
	}
	if events, err = known(events); err != nil {
		return nil, "", err
	}
	raw := newSecret()
	e = &Endpoint{ID: EndpointID(db.NewID()), URL: address, Events: events, Enabled: true, MadeBy: actor, Made: tx.Now}
	e.secret = h.v.Desk().Seal(raw, place, string(e.ID), "secret")
	err = tx.Put(ctx, `INSERT INTO hook_endpoints (id, url, events, secret, made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		e.ID, h.v.Desk().SealText(address, place, string(e.ID), "url"), strings.Join(events, " "), e.secret, actor, db.Micros(tx.Now))
	if err != nil {
		return nil, "", err
	}
	tx.AfterCommit(h.forget)
	return e, secretText(raw), record(ctx, tx, actor, "webhook.added", e.ID, "events "+strings.Join(events, ", "))
}

func record(ctx context.Context, tx *db.Tx, actor, act string, about EndpointID, detail string) error {
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: act, About: string(about), Detail: detail})
}

// List returns all endpoints, oldest first.
func (h *Hooks) List(ctx context.Context, tx *db.Tx) ([]Endpoint, error) {
	return db.List(ctx, tx, h.scanEndpoint, `SELECT `+endpointColumns+` FROM hook_endpoints ORDER BY made_at, id`)
}

// Get returns an endpoint; none is NotFound.
func (h *Hooks) Get(ctx context.Context, tx *db.Tx, id EndpointID) (*Endpoint, error) {
	e, err := db.One(ctx, tx, h.scanEndpoint, `SELECT `+endpointColumns+` FROM hook_endpoints WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.NotFound, "there is no such webhook; it may have been removed")
	}
	return e, err
}

// SetEnabled switches an endpoint on or off. What is queued for one that is off
// fails, is shown, and can be tried again once it is on.
func (h *Hooks) SetEnabled(ctx context.Context, tx *db.Tx, id EndpointID, on bool, actor string) error {
	if _, err := h.Get(ctx, tx, id); err != nil {
		return err
	}
	if err := db.Change(ctx, tx, `UPDATE hook_endpoints SET enabled = $2, why = '' WHERE id = $1`, id, on); err != nil {
		return err
	}
	tx.AfterCommit(h.forget)
	if on {
		return record(ctx, tx, actor, "webhook.enabled", id, "")
	}
	if err := h.hasten(ctx, tx, id); err != nil {
		return err
	}
	return record(ctx, tx, actor, "webhook.disabled", id, "")
}

// hasten makes due at once what waits for an endpoint that will not get it, so
// that whoever waits for its end need not wait for days.
func (h *Hooks) hasten(ctx context.Context, tx *db.Tx, id EndpointID) error {
	tx.AfterCommit(h.worker.Wake)
	return tx.Put(ctx, `UPDATE hook_deliveries SET due_at = $2 WHERE endpoint_id = $1 AND done_at = 0 AND due_at > $2`, id, db.Micros(tx.Now))
}

// Rotate gives an endpoint a new secret and returns it, this once. For OldSecret
// the one before signs too; one still older does not.
func (h *Hooks) Rotate(ctx context.Context, tx *db.Tx, id EndpointID, actor string) (secret string, err error) {
	e, err := h.Get(ctx, tx, id)
	if err != nil {
		return "", err
	}
	old, err := h.v.Desk().Open(e.secret, place, string(id), "secret")
	if err != nil {
		return "", err
	}
	raw := newSecret()
	err = db.Change(ctx, tx, `UPDATE hook_endpoints SET secret = $2, old_secret = $3, old_until = $4 WHERE id = $1`, id,
		h.v.Desk().Seal(raw, place, string(id), "secret"), h.v.Desk().Seal(old, place, string(id), "old secret"), db.Micros(tx.Now.Add(OldSecret)))
	if err != nil {
		return "", err
	}
	return secretText(raw), record(ctx, tx, actor, "webhook.rotated", id, "")
}

// Remove forgets an endpoint, its address and its secrets. What is queued for it
// fails; what was sent stays on record.
func (h *Hooks) Remove(ctx context.Context, tx *db.Tx, id EndpointID, actor string) error {
	if _, err := h.Get(ctx, tx, id); err != nil {
		return err
	}
	if err := db.Change(ctx, tx, `DELETE FROM hook_endpoints WHERE id = $1`, id); err != nil {
		return err
	}
	tx.AfterCommit(h.forget)
	if err := h.hasten(ctx, tx, id); err != nil {
		return err
	}
	return record(ctx, tx, actor, "webhook.removed", id, "")
}
