package consent

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"strings"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// A link for going back stands in every mail that leaves readable by choice. It
// is a consent's id with a MAC for this one purpose, so it is the same in each
// mail and nobody makes one up. Whoever holds it can do one thing, which harms
// nobody: bring protection back.

// Token is the end of the link for going back from a consent.
func Token(v *vault.Vault, id ID) string { return string(id) + tokenMAC(v, id) }

func tokenMAC(v *vault.Vault, id ID) string {
	return hex.EncodeToString(v.MAC("consent-back", string(id))[:16])
}

const macLen = 32

// ByToken returns the consent that a link leads back from. A link that we never
// made is NotFound.
func ByToken(ctx context.Context, tx *db.Tx, v *vault.Vault, token string) (*Consent, error) {
	unknown := fail.New(fail.NotFound, "this link does not lead back to a protection")
	if len(token) <= macLen || len(token) > 200 {
		return nil, unknown
	}
	token = strings.ToLower(token)
	id, mac := ID(token[:len(token)-macLen]), token[len(token)-macLen:]
	if !hmac.Equal([]byte(mac), []byte(tokenMAC(v, id))) {
		return nil, unknown
	}
	c, err := db.One(ctx, tx, scan, `SELECT `+columns+` FROM consents WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) {
		return nil, unknown
	}
	return c, err
}
