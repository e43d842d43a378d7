package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/config"
	"postern/internal/db"
)

// TestP7TheReportFormIsFiveShortPages: what is affected, what was seen, files, who they
// are if they like, a look over it; nothing is asked for that they may not know.
func TestP7TheReportFormIsFiveShortPages(t *testing.T) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, _ func(time.Duration)) {
		v := p.visitor("192.0.2.9")
		for n, path := range []string{"/contact/affected", "/contact/about/security"} {
			if page := v.get(path).Body.String(); !strings.Contains(page, fmt.Sprintf("Step %d of 5", n+1)) {
				p.Errorf("%s is not step %d of 5", path, n+1)
			}
		}
		v.step(v.post("/contact/affected", url.Values{"affected": {"the pay page of the app"}}), http.StatusSeeOther, "/contact/about/security")
		v.step(v.post("/contact/about/security", url.Values{"text": {"It shows the address of whoever paid before me."}}), http.StatusSeeOther, "/contact/files")
		if page := v.get("/contact/files").Body.String(); !strings.Contains(page, "Step 3 of 5") {
			p.Error("no page for files")
		}
		v.step(v.upload("/contact/files", url.Values{"do": {"keep"}}, map[string]string{"screen.png": "not really a picture"}), http.StatusSeeOther, "/contact/files")
		if page := v.get("/contact/files").Body.String(); !strings.Contains(page, "screen.png") {
			p.Error("the file is not kept")
		}
		v.step(v.upload("/contact/files", url.Values{"do": {"on"}}, nil), http.StatusSeeOther, "/contact/you")
		if page := v.get("/contact/you").Body.String(); !strings.Contains(page, "Step 4 of 5") {
			p.Error("who they are is not step 4")
		}
		v.step(v.post("/contact/you", url.Values{}), http.StatusSeeOther, "/contact/check")
		if page := v.get("/contact/check").Body.String(); !strings.Contains(page, "Step 5 of 5") || !strings.Contains(page, "the pay page of the app") || !strings.Contains(page, "screen.png") {
			p.Error("the look over it lacks something")
		}
		v.step(v.post("/contact/send", nil), http.StatusSeeOther, "/contact/done")
		ref := refWords.FindStringSubmatch(v.get("/contact/done").Body.String())[1]
		c := p.byRef(ref)
		if c.Security != cases.Suspected || c.Topic != centre.Security {
			p.Errorf("%+v", c)
		}
		page := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(p.do("triager", "GET", "/desk/security/"+string(c.ID), nil).Body.String())
		if !strings.Contains(page, "the pay page of the app") || !strings.Contains(page, "it came by the door for security problems") {
			p.Errorf("the triager does not see what is affected, or why it is here:\n%s", page)
		}
		wrong := p.visitor("192.0.2.10")
		if w := wrong.post("/contact/affected", url.Values{"affected": {strings.Repeat("x", 3000)}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "xxx") {
			p.Errorf("too long: %d", w.Code)
		}
		if w := wrong.post("/contact/affected", url.Values{"affected": {"x"}, "website": {"spam"}}); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("the trap: %d", w.Code)
		}
	})
}

// TestS32HostileReports: what comes with a report is stored as it is and never shown as
// more than text; who floods is slowed down, and nobody is asked who they are.
func TestS32HostileReports(t *testing.T) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, _ func(time.Duration)) {
		const xss = `<script>alert(1)</script><img src=x onerror=alert(2)> "'><svg/onload=alert(3)> {{.Secret}}`
		v := p.visitor("192.0.2.20")
		v.step(v.post("/contact/affected", url.Values{"affected": {xss}}), http.StatusSeeOther, "/contact/about/security")
		v.step(v.post("/contact/about/security", url.Values{"text": {"PoC: " + xss}}), http.StatusSeeOther, "/contact/files")
		v.step(v.upload("/contact/files", url.Values{"do": {"on"}}, map[string]string{"poc.html": "<script>fetch('/desk')</script>", "../../etc/passwd": "x", "report.asc": "-----BEGIN PGP MESSAGE-----\n\nhQEMA0000000000000000\n-----END PGP MESSAGE-----\n"}), http.StatusSeeOther, "/contact/you")
		v.step(v.post("/contact/you", url.Values{"name": {xss}}), http.StatusSeeOther, "/contact/check")
		v.step(v.post("/contact/send", nil), http.StatusSeeOther, "/contact/done")
		page := v.get("/contact/done").Body.String()
		ref, code := refWords.FindStringSubmatch(page)[1], codeWords.FindStringSubmatch(page)[1]
		c := p.byRef(ref)
		v.step(v.open(ref, code), http.StatusSeeOther, "/case/"+ref)
		bare := regexp.MustCompile(`(?i)<script>alert|<img src=x|<svg/onload`)
		for who, path := range map[string][2]string{"desk": {"triager", "/desk/security/" + string(c.ID)}, "case": {"triager", "/desk/cases/" + string(c.ID)}, "board": {"triager", "/desk/security"}} {
			w := p.do(path[0], "GET", path[1], nil)
			if w.Code != http.StatusOK || bare.MatchString(w.Body.String()) {
				p.Errorf("%s: %d, or it is shown as more than text", who, w.Code)
			}
		}
		if w := v.get("/case/" + ref); bare.MatchString(w.Body.String()) || !strings.Contains(w.Body.String(), "alert(1)") {
			p.Error("the case page")
		}
		var files []string
		p.must(func(ctx context.Context, tx *db.Tx) error {
			key, err := p.d.vault.Get(ctx, tx, c.KeyID)
			if err != nil {
				return err
			}
			list, err := cases.Thread(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			files = nil
			for i := range list {
				m, err := list[i].Open(key)
				if err != nil {
					return err
				}
				for n := range m.Doc.Attachments {
					files = append(files, fmt.Sprintf("/desk/cases/%s/messages/%s/files/%d", c.ID, m.ID, n))
				}
			}
			return nil
		})
		if len(files) != 3 {
			p.Fatalf("%d files", len(files))
		}
		for _, f := range files {
			w := p.do("triager", "GET", f, nil)
			if d := w.Header().Get("Content-Disposition"); w.Code != http.StatusOK || !strings.HasPrefix(d, "attachment") || strings.Contains(d, "/") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				p.Errorf("%s: %d %q", f, w.Code, d)
			}
			if w := p.do("agent", "GET", f, nil); w.Code != http.StatusOK { // flagged, not yet of the circle
				p.Errorf("%s as agent: %d", f, w.Code)
			}
		}

		// Too much of it is refused, and the words stay.
		big := p.visitor("192.0.2.21")
		big.step(big.post("/contact/about/security", url.Values{"text": {"I keep my words."}}), http.StatusSeeOther, "/contact/files")
		if w := big.upload("/contact/files", nil, map[string]string{"500mb": strings.Repeat("x", 21<<20)}); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("21 MB: %d", w.Code)
		}
		if page := big.get("/contact/about/security").Body.String(); !strings.Contains(page, "I keep my words.") {
			p.Error("the words are gone")
		}

		// The same again and again, from one network: slowed down, and never asked for a name.
		taken := 0
		for range 30 {
			f := p.visitor("192.0.2.22")
			if w := f.post("/contact/about/security", url.Values{"text": {"Your page is not secure."}}); w.Code != http.StatusSeeOther {
				break
			}
			f.post("/contact/you", nil)
			w := f.post("/contact/send", nil)
			if w.Code == http.StatusSeeOther {
				taken++
				continue
			}
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || regexp.MustCompile(`(?i)sign in|your name is|captcha`).MatchString(w.Body.String()) {
				p.Fatalf("the flood: %d", w.Code)
			}
		}
		if taken == 0 || taken > 25 {
			p.Errorf("%d of 30 were taken", taken)
		}
	})
}

// TestS13ReportStatusSaysNothing: whoever asks for the state of a report learns from a
// wrong code nothing that a made-up reference would not say.
func TestS13ReportStatusSaysNothing(t *testing.T) {
	eachPagesOf(t, func(*config.Config) {}, func(p *pages, _ func(time.Duration)) {
		v := p.visitor("192.0.2.30")
		ref, code := v.sendForm(centre.Security, "Your page shows the address of whoever paid before me.", "", "")
		var answers []*httptest.ResponseRecorder
		other := "NS" + ref[2:len(ref)-2] + map[bool]string{true: "22", false: "33"}[strings.HasSuffix(ref, "33")]
		for n, x := range [][2]string{{ref, "0000 0000 0000 0000"}, {other, "0000 0000 0000 0000"}, {other, code}} {
			answers = append(answers, p.visitor(fmt.Sprintf("198.51.100.%d", n+1)).open(x[0], x[1]))
		}
		same := func(w *httptest.ResponseRecorder, typed string) string {
			return strings.ReplaceAll(w.Body.String(), typed, "REF")
		}
		for n, typed := range []string{ref, other, other} {
			if w := answers[n]; w.Code != answers[0].Code || w.Code < 400 || same(w, typed) != same(answers[0], ref) {
				p.Errorf("answer %d differs: %d", n, w.Code)
			}
		}
		// The page itself, without its code, is there for no reference.
		a, b := v.get("/case/"+ref), v.get("/case/"+other)
		if a.Code != b.Code || same(a, ref) != same(b, other) {
			p.Errorf("the page tells them apart: %d, %d", a.Code, b.Code)
		}
		for _, path := range []string{"/report", "/reply"} {
			a, b := v.post("/case/"+ref+path, url.Values{"do": {"answer"}, "text": {"x"}}), v.post("/case/"+other+path, url.Values{"do": {"answer"}, "text": {"x"}})
			if a.Code != b.Code || a.Code < 400 || same(a, ref) != same(b, other) {
				p.Errorf("%s tells them apart: %d, %d", path, a.Code, b.Code)
			}
		}
	})
}
