package links

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Guard stands in the way out: of answers, of canned replies and articles when they are
// kept. It judges what is written and, where the desk may fetch, what is found behind
// it. A nil Guard judges the writing and knows no name of ours.
type Guard struct {
	Checker *Checker // nil: nothing is fetched; set before the guard is used

	own    func() []string
	listed []string

	mu    sync.Mutex
	made  []string // what judge was made of; guarded by mu
	judge *Judge   // guarded by mu
}

// NewGuard takes what NewJudge takes; own is asked again each time, because mailboxes
// come and go.
func NewGuard(own func() []string, listed []string) *Guard {
	return &Guard{own: own, listed: listed}
}

// Judge is the judge of what is ours now.
func (g *Guard) Judge() *Judge {
	if g == nil {
		return &Judge{}
	}
	own := g.own()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.judge == nil || !slices.Equal(own, g.made) {
		g.made, g.judge = own, NewJudge(own, g.listed)
	}
	return g.judge
}

// Look says what is wrong with the links of a text, as far as is known: from their
// writing, and from having followed them lately. It asks nobody, so it is fit for a
// transaction and for every keystroke.
func (g *Guard) Look(text string) []Finding {
	out, _ := g.look(text)
	return out
}

// maxFollowed is how many links of one text are followed. A letter has a few; who has
// more of them is told.
const maxFollowed = 10

// look also returns the links that are worth following.
func (g *Guard) look(text string) (out []Finding, follow []string) {
	found, j := Find(text), g.Judge()
	defer func() { out = j.lastWord(out, text) }()
	for _, l := range found {
		said := j.Judge(l)
		out = append(out, said...)
		if g == nil || g.Checker == nil || Blocked(said) != nil || !j.away(l.URL) || slices.Contains(follow, l.URL) {
			continue
		}
		if len(follow) == maxFollowed {
			out = append(out, Finding{Link: l.URL, Grade: Warn, Row: 24, Kind: Unknown, Why: "was not looked at: there are more than ten", Mend: "open it yourself and make sure"})
			continue
		}
		follow = append(follow, l.URL)
		if r := g.Checker.Cached(l.URL); r != nil {
			out = append(out, r.forWriters()...)
		}
	}
	return out, follow
}

// away reports whether a link leads to a page that is not one of the desk's own.
func (j *Judge) away(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && !j.origins[strings.ToLower(u.Host)]
}

// forWriters is what somebody who writes a letter needs to know of a report. That a host
// sends no HSTS is for a probe to say: nobody mends that by writing another letter.
func (r *Report) forWriters() (out []Finding) {
	for _, f := range r.Findings {
		switch f.Kind {
		case NoHSTS, OldTLS, Upgraded, Secret, Mixed, BadCert:
			if f.Grade != Block {
				continue
			}
		}
		if f.Grade != Info {
			out = append(out, f)
		}
	}
	return out
}

// Ask follows the links of a text that nobody followed lately; Look knows more after it.
// It ends with ctx: what did not answer until then is unknown.
func (g *Guard) Ask(ctx context.Context, text string) {
	if g != nil && g.Checker != nil {
		g.each(ctx, text, g.Checker.Check)
	}
}

// Check is Ask and Look for a text that leaves now: a link that did not answer a minute
// ago is asked again.
func (g *Guard) Check(ctx context.Context, text string) []Finding {
	if g != nil && g.Checker != nil {
		g.each(ctx, text, g.Checker.Again)
	}
	return g.Look(text)
}

func (g *Guard) each(ctx context.Context, text string, follow func(context.Context, string) *Report) {
	_, links := g.look(text)
	var wg sync.WaitGroup
	for _, l := range links {
		wg.Go(func() { follow(ctx, l) })
	}
	wg.Wait()
}
