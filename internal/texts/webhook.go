package texts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/fail"
	"postern/internal/hooks"
	"postern/internal/safehttp"
)

// Webhook gives texts to a provider, or to a few lines of the organisation's own
// before one: a signed POST (Standard Webhooks) of to, text and kind.
type Webhook struct {
	client *safehttp.Client
	url    string
	secret []byte
	kind   string
	now    func() time.Time
}

// Kinds a provider is asked for: a message, or a voice that reads it out.
const (
	SMS   = "sms"
	Voice = "voice"
)

// NewWebhook returns a sender to an address. secret is written as whsec_ and base64.
func NewWebhook(client *safehttp.Client, url, secret, kind string, now func() time.Time) (*Webhook, error) {
	if err := safehttp.Check(url); err != nil {
		return nil, err
	}
	raw, err := hooks.ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	if kind != SMS && kind != Voice {
		return nil, fail.New(fail.Invalid, "a text is sent as sms or as voice")
	}
	return &Webhook{client, url, raw, kind, now}, nil
}

// Send posts the text; whatever is not a 2xx is Unavailable. The same text to the
// same number has the same id, so that a provider who got it already need not
// send it twice.
func (w *Webhook) Send(ctx context.Context, number, text string) error {
	body, err := json.Marshal(map[string]string{"to": number, "text": text, "kind": w.kind})
	if err != nil {
		return err
	}
	id := hmac.New(sha256.New, w.secret)
	id.Write(body)
	a, err := w.client.Do(ctx, safehttp.Request{Method: "POST", URL: w.url, Body: body,
		Header: hooks.Headers(w.secret, "text_"+hex.EncodeToString(id.Sum(nil)[:16]), w.now(), body)})
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the provider was not reached: "+reason(err))
	}
	if a.Status < 200 || a.Status > 299 {
		return fail.New(fail.Unavailable, "%s", fmt.Sprintf("the provider answered %d", a.Status))
	}
	return nil
}

func reason(err error) string {
	if s := fail.Text(err); s != "" {
		return s
	}
	return "the exchange broke off"
}
