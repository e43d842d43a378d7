package links

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"postern/internal/safehttp"
)

// Fetch asks for one page and follows nothing; safehttp.Visitor.Get is one.
type Fetch func(ctx context.Context, address string) (*safehttp.Visit, error)

// ErrOutside is what a Fetch answers for a host that it may not ask: the way is known
// up to there, and no further.
var ErrOutside = errors.New("outside of what may be looked at")

// Checker follows links and remembers for a while where they led.
type Checker struct {
	Patience time.Duration // for a whole way; 0: 20 s; set before it is used

	fetch Fetch
	judge func() *Judge
	now   func() time.Time

	mu   sync.Mutex
	kept map[string]*Report // guarded by mu
}

// How long a report is good for: a page that is fine may change, one that is not may be
// mended by whoever reads about it, and one that did not answer may do so in a minute.
const (
	keepGreen   = time.Hour
	keepRed     = 5 * time.Minute
	keepUnknown = time.Minute
	maxKept     = 1000
	followFor   = 20 * time.Second
)

// NewChecker follows links with fetch. The judge says which hosts are known; nil: none.
func NewChecker(fetch Fetch, judge func() *Judge, now func() time.Time) *Checker {
	if judge == nil {
		judge = func() *Judge { return &Judge{} }
	}
	return &Checker{fetch: fetch, judge: judge, now: now, kept: map[string]*Report{}}
}

// Follow goes a link's way to its end now.
func (c *Checker) Follow(ctx context.Context, link string) *Report {
	return c.follow(ctx, link, c.fetch)
}

// FollowOurs goes a link's way as long as it leads over hosts of ours: whoever has us look
// at a redirect of our own does not make us ask where it leads.
func (c *Checker) FollowOurs(ctx context.Context, link string) *Report {
	judge := c.judge()
	return c.follow(ctx, link, func(ctx context.Context, address string) (*safehttp.Visit, error) {
		if u, err := url.Parse(address); err != nil || !judge.Ours(strings.ToLower(u.Hostname())) {
			return nil, ErrOutside
		}
		return c.fetch(ctx, address)
	})
}

func (c *Checker) follow(ctx context.Context, link string, fetch Fetch) *Report {
	patience := c.Patience
	if patience == 0 {
		patience = followFor
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := &Report{Link: link, At: c.now().UTC()}
	f := &follower{fetch: fetch, judge: c.judge(), now: r.At, r: r, strict: map[string]bool{}}
	f.run(ctx)
	r.seal()
	return r
}

// Check is Follow, unless the link was followed lately.
func (c *Checker) Check(ctx context.Context, link string) *Report {
	if r := c.Cached(link); r != nil {
		return r
	}
	r := c.Follow(ctx, link)
	c.keep(r)
	return r
}

// Again is Check for whom it is not enough that nobody knew a moment ago.
func (c *Checker) Again(ctx context.Context, link string) *Report {
	if r := c.Cached(link); r != nil && r.Verdict != Nothing {
		return r
	}
	r := c.Follow(ctx, link)
	c.keep(r)
	return r
}

// Cached is what was found behind a link lately; nil if nothing is known.
func (c *Checker) Cached(link string) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.kept[link]; r != nil && c.now().Sub(r.At) < life(r) {
		return r
	}
	return nil
}

func life(r *Report) time.Duration {
	switch r.Verdict {
	case Green, Amber:
		return keepGreen
	case Red:
		return keepRed
	}
	return keepUnknown
}

// keep drops what is over first, then anything: what was dropped is followed again.
func (c *Checker) keep(r *Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= maxKept {
		for link, old := range c.kept {
			if c.now().Sub(old.At) >= life(old) {
				delete(c.kept, link)
			}
		}
		for link := range c.kept {
			if len(c.kept) < maxKept {
				break
			}
			delete(c.kept, link)
		}
	}
	c.kept[r.Link] = r
}
