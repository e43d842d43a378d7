package links

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/safehttp"
)

// An open redirect of ours shows where it leads, and we do not go there: nobody makes us
// ask a stranger's server by writing to us.
func TestWeStayOnOurOwnHosts(t *testing.T) {
	asked := map[string]int{}
	fetch := func(_ context.Context, address string) (*safehttp.Visit, error) {
		u, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		asked[u.Hostname()]++
		switch u.Path {
		case "/out":
			return &safehttp.Visit{Status: 302, TLS: 0x304, Header: http.Header{"Location": {"https://evil.example/catch?who=desk"}}}, nil
		case "/on":
			return &safehttp.Visit{Status: 302, TLS: 0x304, Header: http.Header{"Location": {"https://pay.bank.example/end"}}}, nil
		}
		return &safehttp.Visit{Status: 200, TLS: 0x304, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<p>here</p>")}, nil
	}
	c := NewChecker(fetch, func() *Judge { return NewJudge([]string{"bank.example"}, nil) }, time.Now)
	r := c.FollowOurs(t.Context(), "https://www.bank.example/out?to=https://evil.example")
	if asked["evil.example"] != 0 || asked["www.bank.example"] != 1 {
		t.Fatalf("asked: %v", asked)
	}
	if last := r.Chain[len(r.Chain)-1]; !strings.Contains(last.URL, "evil.example") || last.Trouble == "" || len(r.Findings) == 0 {
		t.Errorf("it does not say where it leads: %+v, %+v", r.Chain, r.Findings)
	}
	if r := c.FollowOurs(t.Context(), "https://www.bank.example/on"); asked["pay.bank.example"] != 1 || r.Chain[len(r.Chain)-1].Status != 200 {
		t.Errorf("what leads to another host of ours: %v, %+v", asked, r.Chain)
	}
	if c.Follow(t.Context(), "https://www.bank.example/out"); asked["evil.example"] != 1 {
		t.Error("what we ourselves write is not followed to its end")
	}
}

// A page that is answered with 200 and says in its title that there is none is worth
// knowing, and holds nothing back.
func TestAPageThatSaysThatItIsNone(t *testing.T) {
	for title, gone := range map[string]bool{"Page not found - Bank": true, "404": true, "Seite nicht gefunden": true, "Room 4042": false, "Lost and found": false} {
		c := NewChecker(func(context.Context, string) (*safehttp.Visit, error) {
			return &safehttp.Visit{Status: 200, TLS: 0x304, Header: http.Header{"Content-Type": {"text/html"}, "Strict-Transport-Security": {"max-age=63072000; includeSubDomains"}}, Body: []byte("<!doctype html><title>" + title + "</title><p>x</p>")}, nil
		}, func() *Judge { return NewJudge([]string{"bank.example"}, nil) }, time.Now)
		r := c.Follow(t.Context(), "https://www.bank.example/x")
		found := false
		for _, f := range r.Findings {
			found = found || f.Kind == Gone && f.Grade == Info
		}
		if found != gone || Blocked(r.Findings) != nil {
			t.Errorf("%q: %+v", title, r.Findings)
		}
	}
}
