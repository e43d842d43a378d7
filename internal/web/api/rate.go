package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"postern/internal/apikeys"
)

// How often one key may ask, on each node: so many at once, and so many a second
// after that. It keeps a program that runs wild from starving mail and people.
const (
	burst     = 100
	perSecond = 20
)

// rates holds a bucket of tokens for each key that has asked. Only keys that
// were checked get one, so there are as many as there are keys.
type rates struct {
	mu sync.Mutex
	of map[apikeys.ID]*bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take uses one request up; what it returns is how long to wait, 0 to go on.
func (r *rates) take(id apikeys.ID, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.of[id]
	if b == nil {
		if r.of == nil {
			r.of = map[apikeys.ID]*bucket{}
		}
		b = &bucket{burst, now}
		r.of[id] = b
	}
	if passed := now.Sub(b.at); passed > 0 { // a clock that goes back gives nothing
		b.tokens, b.at = min(burst, b.tokens+passed.Seconds()*perSecond), now
	}
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / perSecond * float64(time.Second))
	}
	b.tokens--
	return 0
}

// Few large bodies are in memory at once: a hundred statements of ten megabytes
// would push out the mail. rooms is how many, roomy how large is large.
const (
	rooms = 4
	roomy = 1 << 20
)

// room waits until there is room for the body of a request; leave gives it back.
func (a *API) room(r *http.Request) (leave func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= roomy {
		return func() {}, nil
	}
	select {
	case a.rooms <- struct{}{}:
		return func() { <-a.rooms }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// seconds is a wait as Retry-After says it (RFC 9110, 10.2.3), never 0.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
