package centre

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/vault"
)

// Limits of forms. A network is one IPv4 address or IPv6 /64, kept as a keyed hash
// for a day.
const (
	DraftLife  = 24 * time.Hour
	BeginsHour = 60 // forms begun from one network in an hour
	MaxText    = 100_000
	MaxFiles   = 20
	MaxBytes   = 20 << 20
)

// A Draft is a form that somebody has begun. It is kept here, sealed under a key of
// its own, and found by a secret that only their browser has.
type Draft struct {
	Topic    string             `json:"topic"`
	Affected string             `json:"affected,omitempty"` // of a security report: what it is about
	Text     string             `json:"text,omitempty"`
	Name     string             `json:"name,omitempty"`
	Address  string             `json:"address,omitempty"`
	Nudge    string             `json:"nudge,omitempty"` // instead of Address: the answer waits on the page, and this address is told that it does
	Files    []cases.Attachment `json:"files,omitempty"`
	Lang     lang.Lang          `json:"lang,omitempty"`

	// Once it is sent, all of the above is gone, and this is kept to be shown twice.
	Ref  cases.Ref `json:"ref,omitempty"`
	Code string    `json:"code,omitempty"`
	Sum  string    `json:"sum,omitempty"` // SHA-256 of the text, for the receipt
	Sent time.Time `json:"sent,omitzero"`

	id    string
	key   *vault.Key
	Case  cases.ID `json:"-"` // that it became
	Shown int64    `json:"-"` // how often its code was
}

func (s *Store) draftID(secret string) string { return s.v.Index("form-draft", secret) }

// errForgotten: a form that is not there, or not any more.
var errForgotten = fail.New(fail.NotFound, "this form is not kept any more: one that nobody sends is forgotten after a day")

// count counts a form against its network, in this hour. Too many are TooMany.
func (s *Store) count(ctx context.Context, tx *db.Tx, what, network string, most int64) error {
	n, err := db.List(ctx, tx, func(n *int64, row func(...any) error) error { return row(n) },
		`INSERT INTO form_posts (network, hour, posts) VALUES ($1, $2, 1) ON CONFLICT (network, hour) DO UPDATE SET posts = form_posts.posts + 1 WHERE form_posts.posts < $3 RETURNING posts`,
		s.v.Index("form-"+what, network), tx.Now.Unix()/3600, most)
	if err == nil && len(n) == 0 {
		return fail.New(fail.TooMany, "many forms came from your network in this hour, and we take a few at a time. Yours is kept; try again later, or write a mail")
	}
	return err
}

// Begin keeps a new form and returns the secret that finds it.
func (s *Store) Begin(ctx context.Context, f *Draft, network string) (secret string, err error) {
	secret = db.NewSecret()
	f.id, f.key = s.draftID(secret), s.v.NewKey()
	doc, err := f.seal()
	if err != nil {
		return "", err
	}
	return secret, s.d.Update(ctx, func(tx *db.Tx) error {
		if err := s.count(ctx, tx, "begin", network, BeginsHour); err != nil {
			return err
		}
		if err := vault.Add(ctx, tx, f.key); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO form_drafts (id, key_id, doc, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
			f.id, f.key.ID, doc, db.Micros(tx.Now), db.Micros(tx.Now.Add(DraftLife)))
		return err
	})
}

func (f *Draft) seal() ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode a form: %w", err)
	}
	return f.key.Seal(b, "form", f.id), nil
}

// Find returns the form that a browser's secret finds; none is NotFound.
func (s *Store) Find(ctx context.Context, secret string) (*Draft, error) {
	f := &Draft{id: s.draftID(secret)}
	var doc []byte
	err := s.d.View(ctx, func(tx *db.Tx) (err error) { doc, err = s.read(ctx, tx, f); return err })
	if fail.Is(err, fail.NotFound) || secret == "" {
		return nil, errForgotten
	}
	if err != nil {
		return nil, err
	}
	b, err := f.key.Open(doc, "form", f.id)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("decode a form: %w", err)
	}
	return f, nil
}

func (s *Store) read(ctx context.Context, tx *db.Tx, f *Draft) (doc []byte, err error) {
	type row struct {
		key string
		doc []byte
		c   cases.ID
		n   int64
	}
	r, err := db.One(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.key, &r.doc, &r.c, &r.n) },
		`SELECT key_id, doc, case_id, shown FROM form_drafts WHERE id = $1 AND expires_at > $2`, f.id, db.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	f.Case, f.Shown = r.c, r.n
	f.key, err = s.v.Get(ctx, tx, r.key)
	return r.doc, err
}

// Save keeps a changed form. add are files that came with it; those whose number is
// in drop go.
func (s *Store) Save(ctx context.Context, f *Draft, add []cases.File, drop []int) error {
	var kept []cases.Attachment
	var gone []string
	total := 0
	for i, a := range f.Files {
		if slices.Contains(drop, i) {
			gone = append(gone, a.Blob)
			continue
		}
		kept = append(kept, a)
		total += a.Size
	}
	for _, a := range add {
		total += len(a.Data)
	}
	if len(kept)+len(add) > MaxFiles || total > MaxBytes {
		return fail.New(fail.Invalid, "no more than 20 files, and 20 MB together; what came before is kept, what you just added is not")
	}
	doc := cases.Doc{}
	blobs := doc.Attach(add, f.key)
	f.Files = append(kept, doc.Attachments...)
	sealed, err := f.seal()
	if err != nil {
		return err
	}
	return s.d.Update(ctx, func(tx *db.Tx) error {
		if err := cases.PutFiles(ctx, tx, blobs, f.key); err != nil {
			return err
		}
		if err := dropBlobs(ctx, tx, gone); err != nil {
			return err
		}
		return tx.Must(ctx, errSent, `UPDATE form_drafts SET doc = $2, blobs = $3 WHERE id = $1 AND case_id = ''`, f.id, sealed, f.blobs())
	})
}

var errSent = fail.New(fail.Conflict, "this form was sent already")

// Load fetches the files of a form, to be filed with its case.
func (s *Store) Load(ctx context.Context, f *Draft) ([]cases.File, error) {
	var out []cases.File
	for _, a := range f.Files {
		var b *vault.Blob
		if err := s.d.View(ctx, func(tx *db.Tx) (err error) { b, err = s.v.GetBlob(ctx, tx, a.Blob); return err }); err != nil {
			return nil, err
		}
		data, err := b.Open()
		if err != nil {
			return nil, err
		}
		out = append(out, cases.File{Name: a.Name, Type: a.Type, Data: data})
	}
	return out, nil
}

// Sent marks a form as sent, in the transaction that makes its case. Of two at once
// one is a Conflict. What was written goes; the code is kept to be shown.
func (s *Store) Sent(ctx context.Context, tx *db.Tx, f *Draft, c *cases.Case, code, sum string) error {
	done := Draft{Topic: f.Topic, Lang: f.Lang, Address: f.Address, Ref: c.Ref, Code: code, Sum: sum, Sent: tx.Now, id: f.id, key: f.key}
	doc, err := done.seal()
	if err != nil {
		return err
	}
	if err := tx.Must(ctx, errSent, `UPDATE form_drafts SET doc = $2, case_id = $3, blobs = '' WHERE id = $1 AND case_id = ''`, f.id, doc, c.ID); err != nil {
		return err
	}
	return dropBlobs(ctx, tx, strings.Fields(f.blobs()))
}

// blobs names the files of a form.
func (f *Draft) blobs() string {
	var ids []string
	for _, a := range f.Files {
		ids = append(ids, a.Blob)
	}
	return strings.Join(ids, " ")
}

func dropBlobs(ctx context.Context, tx *db.Tx, ids []string) error {
	for _, id := range ids {
		if _, err := tx.Exec(ctx, `DELETE FROM blobs WHERE id = $1`, id); err != nil {
			return err
		}
	}
	return nil
}

// Again reports whether the form was sent in the meantime.
func (s *Store) Again(ctx context.Context, f *Draft) (sent bool, err error) {
	now := &Draft{id: f.id}
	err = s.d.View(ctx, func(tx *db.Tx) error { _, err := s.read(ctx, tx, now); return err })
	return now.Case != "", err
}

// Show returns a sent form with its code, the first two times; afterwards the code
// is gone from here too, and nobody can recover it.
func (s *Store) Show(ctx context.Context, secret string) (*Draft, error) {
	f, err := s.Find(ctx, secret)
	if err != nil {
		return nil, err
	}
	if f.Case == "" {
		return nil, fail.New(fail.Conflict, "this form was not sent yet")
	}
	if f.Code == "" {
		return f, nil
	}
	without := *f
	without.Code = ""
	doc, err := without.seal()
	if err != nil {
		return nil, err
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE form_drafts SET shown = shown + 1 WHERE id = $1 AND shown < 2`, f.id)
		if err != nil {
			return err
		}
		if n == 0 {
			f.Code = ""
			_, err = tx.Exec(ctx, `UPDATE form_drafts SET doc = $2 WHERE id = $1`, f.id, doc)
			return err
		}
		return nil
	})
	f.Shown++
	return f, err
}

// Purge forgets forms that nobody sent, and counts that are over. It destroys their
// keys, so that nothing of them can be read again.
func (s *Store) Purge(ctx context.Context) error {
	type old struct{ id, key, blobs string }
	for {
		n := 0
		err := s.d.Update(ctx, func(tx *db.Tx) error {
			list, err := db.List(ctx, tx, func(o *old, row func(...any) error) error { return row(&o.id, &o.key, &o.blobs) },
				`SELECT id, key_id, blobs FROM form_drafts WHERE expires_at <= $1 LIMIT 50`, db.Micros(tx.Now))
			if err != nil {
				return err
			}
			n = len(list)
			for _, o := range list {
				if err := dropBlobs(ctx, tx, strings.Fields(o.blobs)); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `DELETE FROM data_keys WHERE id = $1`, o.key); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `DELETE FROM form_drafts WHERE id = $1`, o.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	return s.d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM form_posts WHERE hour < $1`, tx.Now.Add(-24*time.Hour).Unix()/3600)
		return err
	})
}

// Known reports whether the form is kept already.
func (f *Draft) Known() bool { return f.id != "" }

// CountReply counts an answer on a case page against its network, before any work is
// done for it.
func (s *Store) CountReply(ctx context.Context, network string) error {
	return s.d.Update(ctx, func(tx *db.Tx) error { return s.count(ctx, tx, "reply", network, BeginsHour) })
}

// Normal makes what somebody typed fit to be kept.
func (f *Draft) Normal() {
	f.Text = strings.TrimSpace(strings.ReplaceAll(f.Text, "\r\n", "\n"))
	f.Name = strings.Join(strings.Fields(f.Name), " ")
	f.Address = strings.TrimSpace(f.Address)
}
