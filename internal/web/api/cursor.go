package api

import (
	"encoding/base64"
	"strconv"

	"postern/internal/fail"
)

// Pages of a list: how many rows if nobody asks, and at most.
const (
	pageSize = 50
	maxPage  = 100
)

// The parameters of a list.
var (
	cursorQuery = query{"cursor", "Where to go on: what \"next\" of the page before said. It is for the key it was given to.", 300}
	limitQuery  = query{"limit", "How many at most, 1 to 100; 50 if not given.", 3}
)

// cursor seals a place in a list for the caller: it cannot be read, made up, or
// used with another key or another list.
func (a *API) cursor(c *call, list, at string) string {
	return base64.RawURLEncoding.EncodeToString(a.Vault.Desk().SealText(at, "cursor", string(c.key.ID), list))
}

// from opens the cursor that the caller brought; without one it is "".
func (a *API) from(c *call, list string) (string, error) {
	given := c.query[cursorQuery.Name]
	if given == "" {
		return "", nil
	}
	wrong := fail.New(fail.Invalid, "this cursor is not one that was given to this key for this list; begin again without one")
	b, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil || len(b) == 0 {
		return "", wrong
	}
	at, err := a.Vault.Desk().OpenText(b, "cursor", string(c.key.ID), list)
	if err != nil {
		return "", wrong
	}
	return at, nil
}

// limit is how many rows the caller wants.
func limit(c *call) (int, error) {
	given, there := c.query[limitQuery.Name]
	if !there {
		return pageSize, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 || n > maxPage {
		return 0, fail.New(fail.Invalid, "limit must be a number from 1 to %d", maxPage)
	}
	return n, nil
}
