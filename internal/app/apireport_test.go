package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/security"
)

// TestP10AReportByAPIWaitsForAPerson: a system hands it in, and it waits for somebody
// qualified; who reported comes to it with reference and code; sent twice it is one.
// What the API itself says or does stops no clock.
func TestP10AReportByAPIWaitsForAPerson(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		key, other := c.key(apikeys.ReportsSend), c.key(apikeys.MessagesSend, apikeys.MessagesRead)
		body := `{"affected":"https://pay.northmere.example","text":"The form there posts to plain http.","name":"Ines","language":"de","attachments":[{"name":"../screen.png","data":"iVBORw0KGgo="}]}`
		once := db.NewID()
		send := func(key, once, body string) (int, map[string]string) {
			w := c.call(ask{Method: "POST", Path: "/reports", Key: key, Once: once, Body: body})
			out := map[string]string{}
			json.Unmarshal(w.Body.Bytes(), &out)
			return w.Code, out
		}
		code, got := send(key, once, body)
		if code != http.StatusCreated || got["code"] == "" || got["ref"] == "" {
			c.Fatalf("%d %v", code, got)
		}
		if code, again := send(key, once, body); code != http.StatusCreated || again["ref"] != got["ref"] || again["code"] != got["code"] {
			c.Errorf("the second time: %d %v", code, again)
		}
		if n := c.count(`SELECT COUNT(*) FROM cases`); n != 1 {
			c.Errorf("%d cases", n)
		}
		x := c.byRef(got["ref"])
		r := c.reportOf(x)
		if x.Security != cases.Suspected || x.Door != "api" || r.State != security.Flagged || r.Door != "api" || r.Running(security.ClockFirst) == nil {
			c.Errorf("%+v, %+v", x, r)
		}
		if code, _ := send(other, db.NewID(), `{"text":"x"}`); code != http.StatusForbidden {
			c.Errorf("with a key for other things: %d", code)
		}
		for _, bad := range []string{`{"text":"  \n "}`, `{"affected":"x"}`, `{"text":"x","address":"nobody"}`, `{"text":"x","address":"support@northmere.example"}`, `{"text":"x","language":"xx"}`} {
			if code, _ := send(key, db.NewID(), bad); code != http.StatusUnprocessableEntity {
				c.Errorf("%s: %d", bad, code)
			}
		}
		if w := c.call(ask{Method: "POST", Path: "/messages", Key: other, Once: db.NewID(), Body: `{"contact":"` + string(x.Contact) + `","case":"` + string(x.ID) + `","text":"Our site is secure.","sensitive":false}`}); w.Code == http.StatusCreated {
			if r := c.reportOf(x); r.Running(security.ClockFirst) == nil || !r.FirstReply.IsZero() {
				c.Error("a program's word stopped the clock of the first answer")
			}
		}

		// Who reported comes to it.
		finder := c.visitor("192.0.2.44")
		finder.step(finder.open(got["ref"], got["code"]), http.StatusSeeOther, "/case/"+got["ref"])
		page := finder.get("/case/" + got["ref"]).Body.String()
		if !strings.Contains(page, "The form there posts to plain http.") || !strings.Contains(page, "https://pay.northmere.example") {
			c.Error("they do not see what they wrote")
		}
		if w := c.do("triager", "GET", "/desk/security", nil); !strings.Contains(w.Body.String(), got["ref"]) {
			c.Error("it does not stand on the security desk")
		}
		if w := c.do("triager", "POST", "/desk/security/"+string(x.ID)+"/decide", url.Values{"say": {"report"}}); w.Code != http.StatusSeeOther {
			c.Errorf("taken on: %d", w.Code)
		}
		if page = finder.get("/case/" + got["ref"]).Body.String(); !strings.Contains(page, `id="report"`) {
			c.Error("the page shows nothing of how it stands")
		}
	})
}
