package outbox

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/portal"
	"postern/internal/vault"
)

// finished returns the mail, ready to leave. A mail that was built before for
// the same protection and key is taken again, byte for byte.
func (o *Outbox) finished(ctx context.Context, l *letter) ([]byte, error) {
	to := ""
	switch {
	case l.to != nil:
		to = string(l.to.Fingerprint())
	case l.unsigned() != nil:
		to = withoutSignature // its last lines say so
	}
	if l.d.RawBlob != "" && l.d.Protection == l.decision.Protection && l.d.SealedTo == to {
		return o.again(ctx, l)
	}
	var item *portal.New
	if l.decision.Protection == policy.Portal {
		var err error
		if item, err = o.item(l); err != nil {
			return nil, err
		}
		l.link = item.Link
	}
	raw, err := o.seal(l)
	if err != nil {
		return nil, err
	}
	blob := db.NewID()
	sealed := l.key.Seal(raw, "blob", blob)
	err = o.d.Update(ctx, func(tx *db.Tx) error {
		if item != nil {
			if err := o.portal.Place(ctx, tx, item); err != nil {
				return err
			}
		}
		if l.d.Kind == Survey {
			if err := o.AutoAnswered(ctx, tx, l.d.Address); err != nil {
				return err
			}
		}
		if err := vault.PutBlob(ctx, tx, blob, l.key, len(raw), sealed); err != nil {
			return err
		}
		return o.recordAttempt(ctx, tx, l, to, blob)
	})
	return raw, err
}

// errLost ends the work on a delivery that is not this node's any more: its lease ran
// out, and another took it up.
var errLost = fail.New(fail.Conflict, "the delivery is gone, or another node works on it")

func (o *Outbox) recordAttempt(ctx context.Context, tx *db.Tx, l *letter, to, blob string) error {
	if l.d.Reason == sending || strings.HasPrefix(l.d.Reason, inDoubt) {
		if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "delivery.repeated", About: string(l.d.Case),
			Detail: "delivery " + string(l.d.ID) + ": the last attempt has no outcome; same Message-ID"}); err != nil {
			return err
		}
	}
	return tx.Must(ctx, errLost, `UPDATE deliveries SET state = 'sending', reason = '`+sending+`', attempts = $2, protection = $3, sealed_to = $4, raw_blob = $5, text_sum = $6 WHERE id = $1 AND done_at = 0 AND owner = $7`,
		l.d.ID, l.d.Attempts+1, l.decision.Protection, to, blob, l.d.textSum, o.worker.Queue.Owner)
}

func (o *Outbox) again(ctx context.Context, l *letter) ([]byte, error) {
	var b *vault.Blob
	err := o.d.Update(ctx, func(tx *db.Tx) (err error) {
		if b, err = o.v.GetBlob(ctx, tx, l.d.RawBlob); err != nil {
			return err
		}
		return o.recordAttempt(ctx, tx, l, l.d.SealedTo, l.d.RawBlob)
	})
	if err != nil {
		return nil, err
	}
	return b.Open()
}

// seal builds the mail and checks the finished bytes: what is not signed by
// this mailbox and encrypted to exactly this key does not leave.
func (o *Outbox) seal(l *letter) ([]byte, error) {
	o.cpu <- struct{}{}
	defer func() { <-o.cpu }()
	out := o.compose(l, o.d.Now())
	sealed, err := pgp.Seal(out)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := sealed.Check(out.Signer.Public(), out.To); err != nil {
		return nil, fmt.Errorf("the finished mail is not what it must be: %w", err)
	}
	l.d.textSum = o.textSum(out.Draft.Text)
	return sealed.Raw, nil
}

// item prepares what waits on the portal, a copy under a key of its own. Its
// files are reached through it alone: with its key gone nothing names them.
func (o *Outbox) item(l *letter) (*portal.New, error) {
	return o.portal.New(portal.Item{Case: l.c.ID, Message: l.m.ID, Contact: l.d.Contact, Delivery: string(l.d.ID)},
		portal.Content{Subject: l.c.Subject, Text: l.m.Doc.Text, From: l.box.Name, Attachments: l.m.Doc.Attachments, Written: l.m.At}, o.d.Now())
}
