package desk

import (
	"context"
	"net/http"
	"strings"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/pgp"
	"postern/internal/web"
)

// addKey serves POST /desk/contacts/{id}/keys.
func (d *Desk) addKey(w http.ResponseWriter, r *http.Request, me *visitor) error {
	text := strings.TrimSpace(r.FormValue("key"))
	cert, bad := oneKey([]byte(text))
	return d.onContact(w, r, me, "key", ContactDraft{Key: text}, func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (string, string, error) {
		if bad != nil {
			return "", "", bad
		}
		learnt, err := d.book.AddKey(ctx, tx, c, cert, contacts.Seen, "staff")
		if err == nil && learnt == contacts.Nothing {
			err = fail.New(fail.Conflict, "this key is on file already, as new as this one or newer")
		}
		act := "key.added"
		if learnt == contacts.Renewed {
			act = "key.renewed"
		}
		return act, string(cert.Fingerprint()), err
	})
}

// verifyKey serves POST /desk/contacts/{id}/keys/{key}/verify: a first key, compared
// with its owner out of band, is bound by an instruction that this attests.
func (d *Desk) verifyKey(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), contacts.ID(r.PathValue("id"))
	err := d.db.View(ctx, func(tx *db.Tx) error { _, err := d.book.GetKey(ctx, tx, id, r.PathValue("key")); return err })
	if err == nil {
		err = d.pace(ctx, me)
	}
	if err == nil && r.FormValue("same") == "" {
		err = fail.New(fail.Invalid, "tick that you compared the whole fingerprint with the person")
	}
	if err == nil {
		_, err = d.auth.Compared(ctx, me.ID(), id, r.PathValue("key"), r.FormValue("via"))
	}
	return d.afterContact(w, r, me, "key", ContactDraft{}, err)
}

// rejectKey serves POST /desk/contacts/{id}/keys/{key}/reject.
func (d *Desk) rejectKey(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.onContact(w, r, me, "key", ContactDraft{}, func(ctx context.Context, tx *db.Tx, c *contacts.Contact) (string, string, error) {
		k, err := d.book.GetKey(ctx, tx, c.ID, r.PathValue("key"))
		if err != nil {
			return "", "", err
		}
		if k.Trust == contacts.Verified { // what is needed of them does not fall at once
			if err := contacts.GaveUp(ctx, tx, c.ID); err != nil {
				return "", "", err
			}
		}
		k.Reject(me.ID(), me.Name())
		if err := d.book.SaveKey(ctx, tx, k); err != nil {
			return "", "", err
		}
		if err := d.recheck(ctx, tx, c.ID); err != nil {
			return "", "", err
		}
		return "key.rejected", string(k.Cert.Fingerprint()), nil
	})
}

func keyView(clock web.Clock, k *contacts.Key, use *contacts.Key) Key {
	v := Key{ID: k.ID, Fingerprint: web.Fingerprint(k.Cert.Fingerprint()), Trust: string(k.Trust), Use: use != nil && use.ID == k.ID, Via: k.Via, By: k.ByName,
		At: clock.When(k.Verified), Source: upperFirst(originWords(k.Source)), Made: clock.When(k.Cert.Created()), Expires: clock.When(k.Cert.Expires()), Emails: k.Cert.Addresses()}
	state := k.Cert.State(clock.Now)
	if state != "works" && k.Trust != contacts.Rejected {
		v.Trust = state
	}
	v.Comparable = k.Trust != contacts.Verified && k.Trust != contacts.Rejected && state == "works"
	return v
}

// oneKey reads exactly one certificate; what is wrong is said so that the agent
// can tell the customer.
func oneKey(data []byte) (*pgp.Key, error) {
	certs, err := pgp.ParseKeys(data)
	switch {
	case err != nil && fail.KindOf(err) == fail.Internal:
		return nil, fail.New(fail.Invalid, "this is not an OpenPGP key: paste the whole block, from BEGIN PGP PUBLIC KEY BLOCK to END")
	case err != nil:
		return nil, err
	case len(certs) != 1:
		return nil, fail.New(fail.Invalid, "give exactly one key; this holds %d", len(certs))
	}
	return certs[0], nil
}
