package centre

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

// A form costs its sender a little, so that nobody sends ten thousand: a browser that
// runs scripts works for a second; one that does not sends a few at once and then waits
// a minute for each. Nobody has to prove to be human.
const (
	freeSends  = 5               // an hour from one network, without work and without waiting
	workBits   = 15              // leading zero bits that the work must find
	workLife   = 24 * time.Hour  // as long as the form
	SlowWait   = time.Minute     // for who has done no work
	slowEarly  = 2 * time.Second // clocks and networks are not exact
	paidAnHour = BeginsHour
)

// ErrSlow: this network has sent a few forms already, and did no work for this one.
var ErrSlow = fail.New(fail.TooMany, "several forms came from your network in this hour. Yours is kept; wait a minute, and send it then")

// Task is what a browser works on for this form.
func (s *Store) Task(f *Draft) string { return s.token("form-work", f.id, s.d.Now()) }

// Wait is a note that the sender of this form was asked to wait.
func (s *Store) Wait(f *Draft) string { return s.token("form-wait", f.id, s.d.Now()) }

func (s *Store) token(purpose, id string, at time.Time) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	return unix + "." + base64.RawURLEncoding.EncodeToString(s.v.MAC(purpose, id, unix)[:16])
}

// made returns when a token of ours was made for this form; the zero time: it was not.
func (s *Store) made(purpose, id, token string) time.Time {
	unix, _, _ := strings.Cut(token, ".")
	n, err := strconv.ParseInt(unix, 10, 64)
	if at := time.Unix(n, 0); err == nil && hmac.Equal([]byte(token), []byte(s.token(purpose, id, at))) {
		return at
	}
	return time.Time{}
}

// Paid reports whether the sender of this form has worked for it, or waited. work is
// "task:answer"; both may be empty.
func (s *Store) Paid(f *Draft, work, wait string) bool {
	now := s.d.Now()
	if task, _, ok := strings.Cut(work, ":"); ok && len(work) < 200 {
		if at := s.made("form-work", f.id, task); !at.IsZero() && now.Sub(at) < workLife && zeros(sha256.Sum256([]byte(work))) >= workBits {
			return true
		}
	}
	at := s.made("form-wait", f.id, wait)
	return !at.IsZero() && now.Sub(at) >= SlowWait-slowEarly && now.Sub(at) < workLife
}

func zeros(sum [32]byte) (n int) {
	for _, b := range sum {
		if b != 0 {
			return n + bits.LeadingZeros8(b)
		}
		n += 8
	}
	return n
}

// CountSend counts a form that is sent against its network, before any work is done for
// it. Who has not paid gets ErrSlow after the first few; who has, TooMany after many.
func (s *Store) CountSend(ctx context.Context, network string, paid bool) error {
	err := s.d.Update(ctx, func(tx *db.Tx) error {
		if paid {
			return s.count(ctx, tx, "send", network, paidAnHour)
		}
		return s.count(ctx, tx, "send", network, freeSends)
	})
	if fail.Is(err, fail.TooMany) && !paid {
		return ErrSlow
	}
	return err
}
