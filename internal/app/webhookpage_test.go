package app

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestWebhooksAskFirst: two on one host are told apart, a secret is of a named one,
// an answer that is loaded again changes nothing, and nothing goes without a tick.
func TestWebhooksAskFirst(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		add := func(address string) (int, string) {
			w := p.do("admin", "POST", "/desk/webhooks", url.Values{"url": {address}, "event": {"message.sent"}})
			return w.Code, w.Body.String()
		}
		for _, path := range []string{"/one", "/two?token=tulip"} {
			if code, page := add("https://core.northmere.example" + path); code != http.StatusOK || !strings.Contains(page, "Secret of core.northmere.example/"+path[1:4]) || strings.Contains(page, "tulip") {
				p.Fatalf("%d: %s", code, page)
			}
		}
		if code, page := add("https://core.northmere.example/one"); code != http.StatusUnprocessableEntity || !strings.Contains(page, "already") || strings.Contains(page, "whsec_") {
			p.Errorf("the same one again: %d", code)
		}
		list := p.do("admin", "GET", "/desk/webhooks", nil).Body.String()
		found := regexp.MustCompile(`(?s)action="/desk/webhooks/(\w+)/rotate".*?name="turn" value="([^"]*)"`).FindStringSubmatch(list)
		if found == nil || strings.Contains(list, "whsec_") {
			p.Fatalf("no form, or a secret without asking: %s", list)
		}
		path := "/desk/webhooks/" + found[1]
		rotated := func() int64 { return p.count(`SELECT COUNT(*) FROM audit WHERE act = 'webhook.rotated'`) }
		turn := url.Values{"turn": {found[2]}}
		if w := p.do("admin", "POST", path+"/rotate", turn); w.Code != http.StatusUnprocessableEntity || rotated() != 0 || !strings.Contains(w.Body.String(), "Tick that you mean it") {
			p.Errorf("without a tick: %d", w.Code)
		}
		turn.Set("sure", "1")
		if w := p.do("admin", "POST", path+"/rotate", turn); w.Code != http.StatusOK || rotated() != 1 || !strings.Contains(w.Body.String(), "Secret of core.northmere.example/one") {
			p.Errorf("with one: %d", w.Code)
		}
		if w := p.do("admin", "POST", path+"/rotate", turn); w.Code != http.StatusConflict || rotated() != 1 || strings.Contains(w.Body.String(), "whsec_") {
			p.Errorf("the answer loaded again: %d, %d", w.Code, rotated())
		}
		if w := p.do("admin", "POST", path+"/remove", nil); w.Code != http.StatusUnprocessableEntity || p.count(`SELECT COUNT(*) FROM hook_endpoints`) != 2 {
			p.Errorf("removed without a tick: %d", w.Code)
		}
		if w := p.do("admin", "POST", path+"/remove", url.Values{"sure": {"1"}}); w.Code != http.StatusSeeOther || p.count(`SELECT COUNT(*) FROM hook_endpoints`) != 1 {
			p.Errorf("not removed: %d", w.Code)
		}
	})
}
