package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"postern/internal/db"
	"postern/internal/fail"
)

// maxOnce bounds an Idempotency-Key.
const maxOnce = 200

// onceKey reads the name that the caller gave to what must be done once.
func onceKey(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) != 1 || given[0] == "" || len(given[0]) > maxOnce || strings.ContainsFunc(given[0], func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", refuse(malformed, fmt.Sprintf("send one header Idempotency-Key, of at most %d visible characters, fresh for each thing to be done and the same when it is tried again", maxOnce))
	}
	return given[0], nil
}

// once does what a request asks for, unless it was done: then the answer is the
// one given before. prepare runs outside the transaction, what it returns inside
// it, and the answer is kept in that same transaction: of many equal requests at
// once one counts, and what failed leaves nothing behind and may be tried again.
func once[Out any](ctx context.Context, a *API, c *call, prepare func() (func(tx *db.Tx) (*Out, error), error)) (out *Out, err error) {
	name := hex.EncodeToString(a.Vault.MAC("api-once", string(c.key.ID), c.once))
	err = a.DB.View(ctx, func(tx *db.Tx) error { out, err = answered[Out](ctx, tx, a, c, name); return err })
	if err != nil || out != nil {
		return out, err
	}
	do, err := prepare()
	if err != nil {
		return nil, err
	}
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		if out, err = answered[Out](ctx, tx, a, c, name); err != nil || out != nil {
			return err // somebody was first since we looked
		}
		if out, err = do(tx); err != nil {
			return err
		}
		b, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("keep an answer: %w", err)
		}
		return tx.Must(ctx, fail.New(fail.Conflict, "the same request is being worked on; ask again"),
			`INSERT INTO api_once (key_id, once, request, answer, made_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			c.key.ID, name, c.sum, a.Vault.Desk().Seal(b, "api-once", string(c.key.ID), name), db.Micros(tx.Now))
	})
	return out, err
}

// answered returns what was answered under the name, or nil; what was another
// request is Invalid.
func answered[Out any](ctx context.Context, tx *db.Tx, a *API, c *call, name string) (*Out, error) {
	type row struct {
		request string
		answer  []byte
	}
	r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.request, &r.answer) },
		`SELECT request, answer FROM api_once WHERE key_id = $1 AND once = $2`, c.key.ID, name)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.request != c.sum {
		return nil, fail.New(fail.Invalid, "this Idempotency-Key was used for another request; nothing was done. Use a fresh one for a new thing")
	}
	b, err := a.Vault.Desk().Open(r.answer, "api-once", string(c.key.ID), name)
	if err != nil {
		return nil, err
	}
	out := new(Out)
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	return out, nil
}
