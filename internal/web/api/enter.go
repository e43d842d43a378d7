package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"postern/internal/apikeys"
	"postern/internal/db"
)

// handler serves a caller whose key was checked, and may fail.
type handler func(w http.ResponseWriter, r *http.Request, key *apikeys.Key) error

// guard lets nobody in without a key, and nobody too often; it is the one place
// that turns a failure into an answer.
func (a *API) guard(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.caught(w, r)
		key, err := a.enter(w, r)
		if err == nil {
			err = h(w, r, key)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

const realm = `Bearer realm="Postern API"`

// enter finds out whose key it is (RFC 6750, 2.1 and 3).
func (a *API) enter(w http.ResponseWriter, r *http.Request) (*apikeys.Key, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		w.Header().Set("WWW-Authenticate", realm)
		return nil, refuse(unauthenticated, `show a key: "Authorization: Bearer pk_..."; "postern api-key add" makes one`)
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		w.Header().Set("WWW-Authenticate", realm+`, error="invalid_request"`)
		return nil, refuse(unauthenticated, `show one key, as "Authorization: Bearer pk_..."`)
	}
	var key *apikeys.Key
	err := a.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		key, err = a.Keys.Find(r.Context(), tx, strings.TrimLeft(token, " "))
		return err
	})
	if err != nil {
		return nil, notLetIn(w, err)
	}
	now := a.DB.Now()
	if wait := a.rates.take(key.ID, now); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		return nil, refuse(tooMany, fmt.Sprintf("this key asks too often: after %d requests at once, %d a second", burst, perSecond))
	}
	return key, a.used(r.Context(), key)
}

// used notes, once an hour, that the key is in use.
func (a *API) used(ctx context.Context, key *apikeys.Key) error {
	if !key.Stale(a.DB.Now()) {
		return nil
	}
	return a.DB.Update(ctx, func(tx *db.Tx) error { return apikeys.Used(ctx, tx, key.ID) })
}
