package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"postern/internal/apikeys"
	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

type apiKeyCmd struct {
	Add    apiKeyAddCmd    `cmd:"" help:"Make a key and print it, once."`
	List   apiKeyListCmd   `cmd:"" help:"List the keys: what they may do, when they were last used, when they end."`
	Revoke apiKeyRevokeCmd `cmd:"" help:"End a key for good; it stops with the next request."`
}

type apiKeyAddCmd struct {
	Name    string   `required:"" help:"Which system will hold the key."`
	Scope   []string `required:"" help:"What it may do, such as messages.send; give it several times, or several with commas. A wrong one is answered with all there are."`
	Expires string   `help:"When it ends, such as 90d or 12h from now; without it the key does not end by itself."`
}

type apiKeyListCmd struct{}

type apiKeyRevokeCmd struct {
	ID string `arg:"" help:"The key's id, as the list shows it."`
}

// onKeys runs f in a transaction on the configured database. A desk may be
// running on it: this writes as any other node of it does.
func (c *commands) onKeys(ctx context.Context, e *Env, f func(tx *db.Tx, keys *apikeys.Store) error) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	d, v, err := offline(ctx, cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := v.Check(ctx, d); err != nil { // a key hashed with another master key would open nothing
		return fail.Wrap(fail.Denied, err, "the master key does not fit this database (setting master_key_file)")
	}
	return d.Update(ctx, func(tx *db.Tx) error { return f(tx, apikeys.NewStore(v)) })
}

// Run prints the key alone on standard output, so that a script can take it, and
// the words about it on standard error.
func (a apiKeyAddCmd) Run(ctx context.Context, e *Env, c *commands) error {
	scopes, err := apikeys.ParseScopes(a.Scope)
	if err != nil {
		return err
	}
	life, err := parseLife(a.Expires)
	if err != nil {
		return err
	}
	var token string
	k := &apikeys.Key{Name: a.Name, Scopes: scopes}
	err = c.onKeys(ctx, e, func(tx *db.Tx, keys *apikeys.Store) (err error) {
		if life > 0 {
			k.Expires = tx.Now.Add(life)
		}
		token, err = keys.Add(ctx, tx, k, audit.System)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, token)
	fmt.Fprintf(e.Stderr, "This is the key for %s. It is shown now and never again; keep it where only that system can read it.\n%s\n", k.Name, ends(k))
	return nil
}

func ends(k *apikeys.Key) string {
	if k.Expires.IsZero() {
		return "It does not end by itself: postern api-key revoke " + string(k.ID)
	}
	return "It ends on " + k.Expires.Format("2 January 2006, 15:04 MST") + ", or with: postern api-key revoke " + string(k.ID)
}

// parseLife reads how long a key lives: "90d", "12h"; "" is no end. It is at most
// ten years: longer is a slip.
func parseLife(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour}[s[len(s)-1]]
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil || unit == 0 || n < 1 || n > int(3653*24*time.Hour/unit) {
		return 0, fail.New(fail.Invalid, "--expires cannot be %q: write a number of days or hours, such as 90d or 12h, and not more than ten years", s)
	}
	return time.Duration(n) * unit, nil
}

func (apiKeyListCmd) Run(ctx context.Context, e *Env, c *commands) error {
	var list []apikeys.Key
	var now time.Time
	err := c.onKeys(ctx, e, func(tx *db.Tx, keys *apikeys.Store) (err error) {
		now = tx.Now
		list, err = keys.List(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(e.Stdout, `There are no keys. "postern api-key add" makes one.`)
		return nil
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSTATE\tMADE\tLAST USED\tSCOPES")
	for i := range list {
		k := &list[i]
		var scopes []string
		for _, s := range k.Scopes {
			scopes = append(scopes, string(s))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, keyState(k, now), day(k.Made), day(k.Used), strings.Join(scopes, ","))
	}
	return w.Flush()
}

func keyState(k *apikeys.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked " + day(k.Revoked)
	case !k.Live(now):
		return "expired " + day(k.Expires)
	case k.Expires.IsZero():
		return "good"
	}
	return "good until " + day(k.Expires)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.DateOnly)
}

func (a apiKeyRevokeCmd) Run(ctx context.Context, e *Env, c *commands) error {
	err := c.onKeys(ctx, e, func(tx *db.Tx, keys *apikeys.Store) error {
		return keys.Revoke(ctx, tx, apikeys.ID(a.ID), audit.System)
	})
	if err == nil {
		fmt.Fprintln(e.Stdout, "Revoked. The key stops with the next request.")
	}
	return err
}
