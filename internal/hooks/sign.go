package hooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"postern/internal/fail"
)

// secretSize is between the 24 and 64 bytes of Standard Webhooks, "Signature scheme".
const secretSize = 32

func newSecret() []byte {
	b := make([]byte, secretSize)
	rand.Read(b)
	return b
}

// secretText is how a secret is written for the other side.
func secretText(raw []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(raw) }

// sign is the signature of one attempt under one secret. Neither id nor time can
// hold a full stop, so nothing can be moved from one part to another.
func sign(secret []byte, id string, at time.Time, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id + "." + seconds(at) + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// Headers are those of a request that is signed with one secret, for what is sent
// past the queue of this package.
func Headers(secret []byte, id string, at time.Time, body []byte) map[string]string {
	return headers([][]byte{secret}, id, at, body)
}

// ParseSecret reads a secret as secretText writes it, with or without its prefix.
func ParseSecret(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(raw) < 24 || len(raw) > 64 {
		return nil, fail.New(fail.Invalid, "the secret must be 24 to 64 bytes in base64, such as whsec_ and what \"openssl rand -base64 32\" prints")
	}
	return raw, nil
}

// headers are those of one attempt (Standard Webhooks, "Webhook headers"): its
// time is its own, the id is not. During a rotation there is a signature for each
// secret.
func headers(secrets [][]byte, id string, at time.Time, body []byte) map[string]string {
	var signatures []string
	for _, s := range secrets {
		signatures = append(signatures, sign(s, id, at, body))
	}
	return map[string]string{"Content-Type": "application/json", "User-Agent": "Postern", "Webhook-Id": id, "Webhook-Timestamp": seconds(at),
		"Webhook-Signature": strings.Join(signatures, " ")}
}
