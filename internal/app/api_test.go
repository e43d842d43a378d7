package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/apikeys"
	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

// eachCaller runs f with the API of a desk on each database.
func eachCaller(t *testing.T, f func(c *caller, later func(time.Duration))) {
	eachPages(t, func(p *pages, later func(time.Duration)) { f(newCaller(p), later) })
}

// person puts somebody into the book; phone may be "".
func (c *caller) person(name, address, phone string) contacts.ID {
	c.Helper()
	n := c.d.contacts.New(name, address, "staff", c.d.db.Now())
	c.must(func(ctx context.Context, tx *db.Tx) error {
		if err := c.d.contacts.Add(ctx, tx, n); err != nil || phone == "" {
			return err
		}
		return c.d.contacts.AddPhone(ctx, tx, n.ID, phone, "staff", "zara")
	})
	return n.ID
}

func (c *caller) count(query string, args ...any) (n int64) {
	c.Helper()
	c.must(func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, query, args...)
		return err
	})
	return n
}

// body writes a message to somebody; more fields may be given.
func body(to contacts.ID, text string, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"contact":%q,"text":%q`, to, text)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

const (
	aSubject = `"subject":"Your statement"`
	routine  = `"sensitive":false`
)

func (c *caller) send(key, once, body string) *httptest.ResponseRecorder {
	c.Helper()
	return c.call(ask{Key: key, Method: "POST", Path: "/messages", Once: once, Body: body})
}

// field is one of an answer.
func field(w *httptest.ResponseRecorder, path ...string) string {
	var v map[string]any
	json.Unmarshal(w.Body.Bytes(), &v)
	s, _ := dig(v, path[:len(path)-1]...)[path[len(path)-1]].(string)
	return s
}

// TestAPIAnswersAsDocumented brings every operation to every status that the
// document names for it, but those that need our own machine to fail.
func TestAPIAnswersAsDocumented(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		all := c.key(apikeys.Scopes...)
		emre := c.person("Emre", "emre@kestrel.example", "0171 5550142")
		lena := c.person("Lena", "lena@lindqvist.example", "")
		sent := c.send(all, "1", body(emre, "It is there.", aSubject, routine))
		good := map[string]ask{
			"POST /messages":                  {Once: "2", Body: body(emre, "And again.", aSubject, routine)},
			"GET /messages/{id}":              {ID: field(sent, "id")},
			"GET /contacts":                   {Query: "address=emre@kestrel.example"},
			"GET /contacts/{id}":              {ID: string(emre)},
			"POST /reports":                   {Once: "3", Body: `{"text":"The form posts to plain http."}`},
			"POST /contacts":                  {Body: `{"name":"Ines","address":"ines@x.example"}`},
			"POST /contacts/{id}/identifiers": {ID: string(emre), Body: `{"type":"address","value":"emre@second.example"}`},
		}
		maps.Copy(good, c.goodForInstructions(all, emre))
		maps.Copy(good, c.goodForWebhooks(all))
		conflicts := map[string]string{"POST /messages": body(lena, "secret", aSubject), "POST /reports": `{"text":" "}`, "POST /contacts": `{"name":"E","address":"EMRE@kestrel.example"}`,
			"POST /contacts/{id}/identifiers": `{"type":"address","value":"lena@lindqvist.example"}`, "POST /instructions": wish(emre, "closed-kind", `{"what":"x"}`)}
		for _, op := range c.documented() {
			a, known := good[op]
			if !known {
				c.Errorf("%s: this test does not know how to call it", op)
				continue
			}
			a.Method, a.Path, _ = strings.Cut(op, " ")
			with := func(change func(*ask)) {
				b := a
				b.Key = all
				change(&b)
				if b.Once != "" {
					b.Once = db.NewID()
				}
				c.call(b)
			}
			with(func(*ask) {})
			with(func(b *ask) { b.Query = "nonsense=1" })
			with(func(b *ask) {
				b.ID, b.Body = db.NewID(), strings.Replace(b.Body, string(emre), db.NewID(), 1)
			})
			if a.Body == "" && slices.Contains(c.statuses(op), "422") {
				with(func(b *ask) { b.Query = "cursor=x" })
			}
			if a.Body == "" && slices.Contains(c.statuses(op), "409") {
				with(func(*ask) {}) // what is done cannot be done again
			}
			with(func(b *ask) { b.Key = "" })
			with(func(b *ask) { b.Key = c.key(other(c.scope(op))) })
			if a.Body != "" {
				with(func(b *ask) { b.Body = conflicts[op] })
				with(func(b *ask) { b.Body = "{}" })
				with(func(b *ask) { b.Head = map[string]string{"Content-Type": "text/plain"} })
				with(func(b *ask) { b.Body = `{"text":"` + strings.Repeat("x", 17<<20) + `"}` })
			}
			tired := c.key(apikeys.Scopes...)
			for range 101 {
				r := a
				r.Key, r.Path, r.Method, r.ID, r.Query, r.Body, r.Once = tired, "/contacts", "GET", "", "limit=1", "", ""
				c.site.ServeHTTP(httptest.NewRecorder(), r.request())
			}
			with(func(b *ask) { b.Key = tired })
			for _, s := range c.statuses(op) {
				if s != "500" && s != "503" && s != "507" && !c.seen[op+" "+s] {
					c.Errorf("%s never answered %s, as the document says it may", op, s)
				}
			}
			later(time.Minute)
		}
	})
}

// other is a scope that is not this one.
func other(s apikeys.Scope) apikeys.Scope {
	if s == apikeys.WebhooksManage {
		return apikeys.ContactsRead
	}
	return apikeys.WebhooksManage
}

func TestAPIWantsOneGoodKey(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		good, gone, late := c.key(apikeys.ContactsRead), c.key(apikeys.ContactsRead), ""
		keys := apikeys.NewStore(c.d.vault)
		c.must(func(ctx context.Context, tx *db.Tx) (err error) {
			late, err = keys.Add(ctx, tx, &apikeys.Key{Name: "late", Scopes: apikeys.Scopes, Expires: tx.Now.Add(time.Hour)}, audit.System)
			return err
		})
		get := func(key string) *httptest.ResponseRecorder {
			return c.call(ask{Key: key, Method: "GET", Path: "/contacts"})
		}
		for _, k := range []string{good, gone, late} {
			if w := get(k); w.Code != http.StatusOK {
				c.Fatalf("a good key: %d", w.Code)
			}
		}
		c.must(func(ctx context.Context, tx *db.Tx) error {
			k, err := keys.Find(ctx, tx, gone)
			if err != nil {
				return err
			}
			return keys.Revoke(ctx, tx, k.ID, audit.System)
		})
		later(time.Hour)
		for name, k := range map[string]string{"revoked": gone, "expired": late, "made up": apikeys.Prefix + db.NewID() + "_" + db.NewSecret(), "cut": good[:40], "of another form": "secret"} {
			w := get(k)
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
				c.Errorf("%s: %d %q", name, w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
		if w := get(""); w.Code != http.StatusUnauthorized || strings.Contains(w.Header().Get("WWW-Authenticate"), "error") { // RFC 6750, 3.1
			c.Errorf("no key: %d %q", w.Code, w.Header().Get("WWW-Authenticate"))
		}
		for name, head := range map[string]string{"by another scheme": "Basic " + good, "alone": good} {
			if w := c.call(ask{Method: "GET", Path: "/contacts", Head: map[string]string{"Authorization": head}}); w.Code != http.StatusUnauthorized {
				c.Errorf("%s: %d", name, w.Code)
			}
		}
		if w := c.call(ask{Method: "GET", Path: "/contacts", Query: "access_token=" + good}); w.Code != http.StatusUnauthorized {
			c.Errorf("in the address: %d", w.Code)
		}
		r := ask{Key: good, Method: "GET", Path: "/contacts"}.request()
		r.Header.Add("Authorization", "Bearer "+good)
		w := httptest.NewRecorder()
		if c.site.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
			c.Errorf("twice: %d", w.Code)
		}
		if w := c.call(ask{Method: "GET", Path: "/contacts", Head: map[string]string{"Authorization": "bearer " + good}}); w.Code != http.StatusOK { // RFC 9110, 11.1
			c.Errorf("the scheme in small letters: %d", w.Code)
		}
	})
}

// TestAPIEachScopeOpensItsOwnOnly: for every operation, every key with one scope.
func TestAPIEachScopeOpensItsOwnOnly(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		for _, scope := range apikeys.Scopes {
			key := c.key(scope)
			for _, op := range c.documented() {
				a := ask{Key: key, ID: db.NewID(), Once: db.NewID()}
				a.Method, a.Path, _ = strings.Cut(op, " ")
				w := c.call(a)
				if denied := w.Code == http.StatusForbidden; denied == slices.Contains(c.scopes(op), scope) {
					c.Errorf("%s with a key for %s: %d", op, scope, w.Code)
				} else if denied && !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="insufficient_scope", scope="`+string(c.scope(op))) {
					c.Errorf("%s: %q", op, w.Header().Get("WWW-Authenticate"))
				}
			}
		}
	})
}

func TestAPIShowsNothingOfOthers(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		one, two := c.key(apikeys.Scopes...), c.key(apikeys.Scopes...)
		emre, lena := c.person("Emre", "emre@home.example", "0171 5550142"), c.person("Lena", "lena@lindqvist.example", "0171 5550143")
		sent := c.send(one, "1", body(emre, "It is there.", aSubject))
		id, ref, in := field(sent, "id"), field(sent, "ref"), field(sent, "case")
		if w := c.call(ask{Key: one, Method: "GET", Path: "/messages/{id}", ID: id}); w.Code != http.StatusOK || field(w, "ref") != ref || ref == "" {
			c.Errorf("its own: %d %s", w.Code, w.Body)
		}
		_, theirs := c.waiting("canary-agent")
		agents := c.one(`SELECT id FROM messages WHERE case_id = $1`, theirs.ID)
		for name, a := range map[string]ask{"another key's": {Key: two, ID: id}, "an agent's": {Key: one, ID: agents}, "made up": {Key: one, ID: db.NewID()},
			"a zero byte": {Key: one, ID: "%00"}, "dots": {Key: one, ID: "%2e%2e%2fcontacts"}, "quoted": {Key: one, ID: "'%20OR%20''='"}, "long": {Key: one, ID: strings.Repeat("a", 4000)}} {
			a.Method, a.Path = "GET", "/messages/{id}"
			if w := c.call(a); w.Code != http.StatusNotFound {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			a.Path = "/contacts/{id}"
			if w := c.call(a); w.Code != http.StatusNotFound {
				c.Errorf("%s, as a contact: %d", name, w.Code)
			}
		}
		// Nobody's letter goes into somebody else's case, whoever mixed them up.
		for name, field := range map[string]string{"by its reference": ref, "by its id": in, "that is not there": db.NewID(), "of another shape": "PN-0000-000'"} {
			if w := c.send(one, db.NewID(), body(lena, "Yours.", `"case":"`+field+`"`)); w.Code != http.StatusNotFound {
				c.Errorf("a case %s: %d %s", name, w.Code, w.Body)
			}
		}
		for name, who := range map[string]string{"id": `"contact":"` + db.NewID() + `"`, "zero": `"contact":"\u0000"`, "address": `"address":"nobody@x.example"`} {
			if w := c.send(one, db.NewID(), `{"text":"x",`+aSubject+`,`+who+`}`); w.Code != http.StatusNotFound {
				c.Errorf("a contact by %s who is not there: %d %s", name, w.Code, w.Body)
			}
		}
		if n := c.count(`SELECT COUNT(*) FROM messages WHERE door = 'api'`); n != 1 {
			c.Errorf("%d messages", n)
		}
	})
}

// TestAPIMessageIsSentOnce: many at once, one by one, and with another body.
func TestAPIMessageIsSentOnce(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key := c.key(apikeys.MessagesSend)
		emre, lena := c.person("Emre", "emre@kestrel.example", "0171 5550142"), c.person("Lena", "lena@lindqvist.example", "")
		answers := make([]string, 50)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				w := httptest.NewRecorder()
				c.site.ServeHTTP(w, ask{Key: key, Method: "POST", Path: "/messages", Once: "october", Body: body(emre, "It is there.", aSubject)}.request())
				answers[i] = fmt.Sprint(w.Code, w.Header().Get("Location"), w.Body)
			})
		}
		wg.Wait()
		for _, a := range answers {
			if a != answers[0] || !strings.HasPrefix(a, "201") {
				c.Fatalf("two answers to one request:\n%s\n%s", answers[0], a)
			}
		}
		only := func(want int64) {
			c.Helper()
			for _, table := range []string{"messages", "deliveries", "cases", "api_once"} {
				if n := c.count(`SELECT COUNT(*) FROM ` + table); n != want {
					c.Errorf("%d %s, want %d", n, table, want)
				}
			}
		}
		only(1)
		if w := c.send(key, "october", body(emre, "It is not there.", aSubject)); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "another request") {
			c.Errorf("another body: %d %s", w.Code, w.Body)
		}
		later(25 * time.Hour)
		if err := c.d.expire(c.Context()); err != nil {
			c.Fatal(err)
		}
		if w := c.send(key, "october", body(emre, "It is there.", aSubject)); fmt.Sprint(w.Code, w.Header().Get("Location"), w.Body) != answers[0] {
			c.Errorf("a day later: %d %s", w.Code, w.Body)
		}
		only(1)
		// What was refused did not happen, and may be tried again.
		if w := c.send(key, "lena", body(lena, "Secret.", aSubject)); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "second factor") {
			c.Errorf("blocked: %d %s", w.Code, w.Body)
		}
		only(1)
		c.must(func(ctx context.Context, tx *db.Tx) error {
			return c.d.contacts.AddPhone(ctx, tx, lena, "0171 5550143", "staff", "zara")
		})
		if w := c.send(key, "lena", body(lena, "Secret.", aSubject)); w.Code != http.StatusCreated {
			c.Errorf("tried again: %d %s", w.Code, w.Body)
		}
		if w := c.send(c.key(apikeys.MessagesSend), "october", body(emre, "Another system's.", aSubject)); w.Code != http.StatusCreated {
			c.Errorf("the same name from another key: %d %s", w.Code, w.Body)
		}
		only(3)
		for _, bad := range []string{"", strings.Repeat("x", 201), "a b", "ä"} {
			if w := c.send(key, bad, body(emre, "x", aSubject)); w.Code != http.StatusBadRequest {
				c.Errorf("Idempotency-Key %.20q: %d", bad, w.Code)
			}
		}
		only(3)
	})
}

func TestAPIKeyIsSlowedDownAlone(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key, calm := c.key(apikeys.ContactsRead), c.key(apikeys.ContactsRead)
		get := func(k string) *httptest.ResponseRecorder {
			return c.call(ask{Key: k, Method: "GET", Path: "/contacts", Query: "limit=1"})
		}
		for i := range 100 {
			if w := get(key); w.Code != http.StatusOK {
				c.Fatalf("request %d: %d", i, w.Code)
			}
		}
		if w := get(key); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
			c.Errorf("one more: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		if w := get(calm); w.Code != http.StatusOK {
			c.Errorf("another key: %d", w.Code)
		}
		later(time.Second)
		for i := range 20 {
			if w := get(key); w.Code != http.StatusOK {
				c.Errorf("a second later, request %d: %d", i, w.Code)
			}
		}
		if w := get(key); w.Code != http.StatusTooManyRequests {
			c.Errorf("and one more: %d", w.Code)
		}
	})
}

// Each differs from a good body by one thing.
func TestAPIReadsJSONStrictly(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		good := body(emre, "It is there.", aSubject)
		deep := strings.Repeat("[", 30) + strings.Repeat("]", 30)
		for name, bad := range map[string]string{"a field twice": body(emre, "x", aSubject, `"text":"y"`), "twice, in another case": body(emre, "x", aSubject, `"Text":"y"`),
			"an unknown field": body(emre, "x", aSubject, `"phone":"1"`), "a name in capitals": strings.Replace(good, `"text"`, `"TEXT"`, 1), "more behind it": good + "{}", "a second text": good + " 1",
			"cut off": good[:len(good)-1], "a comma too much": good[:len(good)-1] + ",}", "null": body(emre, "x", `"subject":null`), "a number": body(emre, "x", `"subject":1`),
			"no object": "[]", "only white": "  ", "not UTF-8": strings.Replace(good, "there", "th\xffre", 1), "no text": strings.Replace(good, `"text"`, `"texts"`, 1), "empty text": body(emre, "", aSubject),
			"blank text": body(emre, "  \n ", aSubject), "too deep": body(emre, "x", aSubject, `"attachments":`+deep), "no base64": body(emre, "x", aSubject, `"attachments":[{"name":"a","data":"%%%"}]`),
			"a file field twice": body(emre, "x", aSubject, `"attachments":[{"name":"a","name":"b","data":""}]`), "a line break in the subject": body(emre, "x", `"subject":"a\r\nBcc: x@y.example"`),
			"subject and case": body(emre, "x", aSubject, `"case":"PN-0000-000"`), "neither subject nor case": body(emre, "x"), "contact and address": body(emre, "x", aSubject, `"address":"emre@kestrel.example"`),
			"a mailbox of others": body(emre, "x", aSubject, `"mailbox":"x@y.example"`), "a strange media type": body(emre, "x", aSubject, `"attachments":[{"name":"a","type":"text/plain\r\nX: y","data":""}]`),
			"a mail as a file": body(emre, "x", aSubject, `"attachments":[{"name":"a","type":"message/rfc822","data":""}]`), "21 files": body(emre, "x", aSubject, `"attachments":[`+strings.Repeat(`{"name":"a","data":""},`, 20)+`{"name":"a","data":""}]`),
			"a long subject": body(emre, "x", `"subject":"`+strings.Repeat("x", 201)+`"`), "files too large": body(emre, "x", aSubject, `"attachments":[{"name":"a","data":"`+strings.Repeat("AAAA", 3600000)+`"}]`)} {
			w := c.send(key, db.NewID(), bad)
			if w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity || field(w, "detail") == "" {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "json:") || strings.Contains(w.Body.String(), "goroutine") {
				c.Errorf("%s: it says what is inside: %s", name, w.Body)
			}
		}
		if n := c.count(`SELECT COUNT(*) FROM messages`); n != 0 {
			c.Errorf("%d messages", n)
		}
		for kind, want := range map[string]int{"": 415, "text/json": 415, "application/json; charset=latin1": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=UTF-8": 201} {
			w := c.call(ask{Key: key, Method: "POST", Path: "/messages", Once: db.NewID(), Body: good, Head: map[string]string{"Content-Type": kind}})
			if w.Code != want {
				c.Errorf("Content-Type %q: %d, want %d", kind, w.Code, want)
			}
		}
		later(time.Minute)
		for _, q := range []string{"limit=0", "limit=101", "limit=x", "limit=1&limit=2", "Limit=1", "address=%ff", "a=%zz", "cursor=AAAA", "limit=-1", "limit="} {
			if w := c.call(ask{Key: key, Method: "GET", Path: "/contacts", Query: q}); w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
				c.Errorf("?%s: %d", q, w.Code)
			}
		}
	})
}

// TestP3APICannotMoveAuthenticators: no key of a system, whatever its scopes, adds,
// changes or removes what a person proves themselves with.
func TestP3APICannotMoveAuthenticators(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		all, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		s, err := pgp.Generate("Emre", "emre@kestrel.example", c.d.db.Now())
		if err != nil {
			c.Fatal(err)
		}
		armored, _ := json.Marshal(string(s.Public().Armored()))
		for name, b := range map[string]string{"a phone": `{"type":"phone","value":"0171 999"}`, "a key": `{"type":"key","value":` + string(armored) + `}`} {
			w := c.call(ask{Key: all, Method: "POST", Path: "/contacts/{id}/identifiers", ID: string(emre), Body: b})
			if w.Code != http.StatusForbidden || !strings.Contains(field(w, "detail"), "The customer does it, with proof") {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		for _, b := range []string{`{"type":"phone","type":"address","value":"a@b.example"}`, `{"type":"passkey","value":"x"}`, `{"type":"Phone","value":"0171 999"}`} {
			if w := c.call(ask{Key: all, Method: "POST", Path: "/contacts/{id}/identifiers", ID: string(emre), Body: b}); w.Code < 400 {
				c.Errorf("%s: %d", b, w.Code)
			}
		}
		for _, more := range []string{`"phone":"0171 999"`, `"phones":[{"number":"0171 999"}]`, `"key":` + string(armored), `"keys":[]`} {
			if w := c.call(ask{Key: all, Method: "POST", Path: "/contacts", Body: `{"name":"X","address":"x@x.example",` + more + `}`}); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("a contact with %.12s: %d", more, w.Code)
			}
		}
		for _, method := range []string{"PUT", "PATCH", "DELETE", "POST"} {
			for _, path := range []string{"/contacts/" + string(emre), "/contacts/" + string(emre) + "/phones", "/contacts/" + string(emre) + "/keys", "/contacts/" + string(emre) + "/passkeys"} {
				w := httptest.NewRecorder()
				c.site.ServeHTTP(w, ask{Key: all, Method: method, Path: path, Body: `{"value":"0171 999"}`}.request())
				if w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
					c.Errorf("%s %s: %d", method, path, w.Code)
				}
			}
		}
		w := c.call(ask{Key: all, Method: "GET", Path: "/contacts/{id}", ID: string(emre)})
		if strings.Contains(w.Body.String(), "5550142") || !strings.Contains(w.Body.String(), `"ends":"•• 42"`) {
			c.Errorf("the number is shown: %s", w.Body)
		}
		if p, k, n := c.count(`SELECT COUNT(*) FROM contact_phones`), c.count(`SELECT COUNT(*) FROM contact_keys`), c.count(`SELECT COUNT(*) FROM contacts`); p != 1 || k != 0 || n != 1 {
			c.Errorf("%d phones, %d keys, %d contacts", p, k, n)
		}
	})
}

// settled waits until nothing is under way and returns the state of a message.
func (c *caller) settled(key, id string) *httptest.ResponseRecorder {
	c.Helper()
	for range 1000 {
		w := c.call(ask{Key: key, Method: "GET", Path: "/messages/{id}", ID: id})
		if w.Code == http.StatusTooManyRequests {
			c.Fatal("asked too often")
		}
		if !strings.Contains(w.Body.String(), `"state":"queued"`) {
			return w
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.Fatal("it does not leave")
	return nil
}

// left are the finished mails of a message, as they would go to the relay.
func (c *caller) left(id string) (out [][]byte) {
	c.Helper()
	c.must(func(ctx context.Context, tx *db.Tx) error {
		blobs, err := db.Strings(ctx, tx, `SELECT raw_blob FROM deliveries WHERE message_id = $1`, id)
		if err != nil {
			return err
		}
		for _, name := range blobs {
			b, err := c.d.vault.GetBlob(ctx, tx, name)
			if err != nil {
				return err
			}
			raw, err := b.Open()
			if err != nil {
				return err
			}
			out = append(out, raw)
		}
		return nil
	})
	return out
}

// TestP2SensitiveAPIMessageWaitsOnThePortal: whoever has no key gets a notice that
// says nothing, whether the system said that it is sensitive, said nothing, or
// said that it is not and was wrong.
func TestP2SensitiveAPIMessageWaitsOnThePortal(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		c.work()
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		file := base64.StdEncoding.EncodeToString([]byte("canarydata"))
		for name, b := range map[string]string{"said so": body(emre, "canarytext", `"subject":"canarysubject"`, `"sensitive":true`), "said nothing": body(emre, "canarytext", `"subject":"canarysubject"`),
			"a card in the text": body(emre, "canarytext 4111 1111 1111 1111", `"subject":"canarysubject"`, routine), "a card in the subject": body(emre, "canarytext", `"subject":"canarysubject 4111 1111 1111 1111"`, routine),
			"a file": body(emre, "canarytext", `"subject":"canarysubject"`, routine, `"attachments":[{"name":"canaryfile.pdf","data":"`+file+`"}]`)} {
			w := c.send(key, db.NewID(), b)
			if w.Code != http.StatusCreated || field(w, "protection") != "portal" {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
				continue
			}
			state := c.settled(key, field(w, "id")).Body.String()
			if !strings.Contains(state, `"state":"captured","protection":"portal"`) || !strings.Contains(state, `"placed":`) || !strings.Contains(state, `"notified":`) || strings.Contains(state, "released") {
				c.Errorf("%s: %s", name, state)
			}
			if strings.Contains(strings.ToLower(state), "canary") {
				c.Errorf("%s: the state tells the content: %s", name, state)
			}
			for _, raw := range c.left(field(w, "id")) {
				m := message.Parse(raw)
				text, _ := m.Root.Parts[0].Data()
				if low := strings.ToLower(string(raw) + string(text) + m.Header().Text("Subject")); strings.Contains(low, "canary") || strings.Contains(low, "4111") {
					c.Errorf("%s: it left in clear:\n%s", name, raw)
				}
			}
			later(time.Minute)
		}
		if n := c.count(`SELECT COUNT(*) FROM items`); n != 5 {
			c.Errorf("%d items wait", n)
		}
	})
}

// ours is what a customer holds who has verified our key.
type ours evidence.Known

func (k ours) ByAddress(string) []evidence.Known { return []evidence.Known{evidence.Known(k)} }
func (k ours) ByID([]uint64, []pgp.Fingerprint) []evidence.Known {
	return []evidence.Known{evidence.Known(k)}
}

// TestP1EveryAPIMailIsSigned: encrypted, in clear, and the notice.
func TestP1EveryAPIMailIsSigned(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		c.work()
		key := c.key(apikeys.Scopes...)
		ada, emre := c.person("Ada", "ada@brandt.example", ""), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		s, err := pgp.Generate("Ada", "ada@brandt.example", c.d.db.Now().Add(-time.Hour))
		if err != nil {
			c.Fatal(err)
		}
		c.must(func(ctx context.Context, tx *db.Tx) error {
			who, err := c.d.contacts.Get(ctx, tx, ada)
			if err != nil {
				return err
			}
			if _, err := c.d.contacts.AddKey(ctx, tx, who, s.Public(), contacts.Seen, "staff"); err != nil {
				return err
			}
			if who, err = c.d.contacts.Get(ctx, tx, ada); err != nil {
				return err
			}
			k := &who.Keys[0]
			if err := k.Verify("call-back", "noor", "Noor", tx.Now); err != nil {
				return err
			}
			return c.d.contacts.SaveKey(ctx, tx, k)
		})
		box := c.d.boxes.All()[0]
		us := ours{Key: box.Secret.Public(), Trust: evidence.VerifiedTrust, Owner: "us", Addresses: []string{box.Address}, Via: "letter", At: c.d.db.Now()}
		for want, b := range map[string]string{"encrypted": body(ada, "canarytext", aSubject), "signed": body(emre, "We open at nine.", aSubject, routine), "portal": body(emre, "canarytext", aSubject)} {
			w := c.send(key, db.NewID(), b)
			if field(w, "protection") != want {
				c.Errorf("%s: %d %s", want, w.Code, w.Body)
			}
			c.settled(key, field(w, "id"))
			mails := c.left(field(w, "id"))
			if len(mails) != 1 {
				c.Errorf("%s: %d mails", want, len(mails))
			}
			for _, raw := range mails {
				r := evidence.Examine(raw, evidence.Options{At: c.d.db.Now(), Secrets: []*pgp.Secret{s}, Keys: us})
				if r.Signature.Verdict != evidence.Verified || r.Signature.Covers != "whole" || (r.Encryption.Scheme == "openpgp") != (want == "encrypted") {
					c.Errorf("%s: %+v %+v\n%s", want, r.Signature, r.Encryption, raw)
				}
				if strings.Contains(string(raw), "canary") {
					c.Errorf("%s: it left in clear", want)
				}
			}
		}
	})
}

// TestAPIMessageIsNobodysAnswer: it moves no case, takes none, cannot be undone
// because it is gone, and the agent sees that a machine wrote it.
func TestAPIMessageIsNobodysAnswer(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		c.work()
		key := c.key(apikeys.Scopes...)
		asks := c.write("ada@brandt.example", "Where is it?", "I wait.")
		c.must(func(ctx context.Context, tx *db.Tx) error {
			return c.d.contacts.AddPhone(ctx, tx, asks.Contact, "0171 5550142", "staff", "zara")
		})
		w := c.send(key, "1", `{"address":"ADA@brandt.example","case":"`+strings.ToLower(string(asks.Ref))+`","text":"Your statement is there."}`)
		if w.Code != http.StatusCreated || field(w, "case") != string(asks.ID) || field(w, "contact") != string(asks.Contact) {
			c.Fatalf("%d %s", w.Code, w.Body)
		}
		id := field(w, "id")
		c.must(func(ctx context.Context, tx *db.Tx) error {
			now, err := c.d.cases.Get(ctx, tx, asks.ID)
			if err == nil && (now.State != cases.Open || !now.Unread || now.Assignee != "" || !now.Last.Equal(asks.Last) || !now.Sensitive) {
				c.Errorf("the case moved: %+v", now)
			}
			return err
		})
		for _, d := range c.deliveriesOf(asks.ID, id) {
			if d.UndoLeft(c.d.db.Now()) != 0 || d.Kind != outbox.Reply {
				c.Errorf("%+v", d)
			}
		}
		if state := c.settled(key, id).Body.String(); strings.Count(state, `"state":`) != 1 { // the receipt of the case is not part of it
			c.Errorf("one message went to one person: %s", state)
		}
		if door := c.one(`SELECT door FROM messages WHERE id = $1`, id); door != "api" {
			c.Errorf("door %q", door)
		}
		if author := c.one(`SELECT author FROM messages WHERE id = $1`, id); !strings.HasPrefix(author, "api:") || c.count(`SELECT COUNT(*) FROM staff WHERE id = $1`, author) != 0 {
			c.Errorf("author %q", author)
		}
		if n := c.count(`SELECT COUNT(*) FROM audit WHERE act = 'message.queued' AND actor LIKE 'api:%'`); n != 1 {
			c.Errorf("%d rows say who", n)
		}
		page := c.do("agent", "GET", "/desk/cases/"+string(asks.ID), nil).Body.String()
		if !strings.Contains(page, "Your statement is there.") || !strings.Contains(page, "Sent by one of our systems") {
			c.Error("the agent does not see it, or not whose it is")
		}
	})
}

func (c *caller) deliveriesOf(in cases.ID, m string) (out []outbox.Delivery) {
	c.Helper()
	c.must(func(ctx context.Context, tx *db.Tx) error {
		all, err := c.d.outbox.OfCase(ctx, tx, in)
		for _, d := range all {
			if string(d.Message) == m {
				out = append(out, d)
			}
		}
		return err
	})
	if len(out) != 1 {
		c.Errorf("%d deliveries", len(out))
	}
	return out
}

func TestAPIListsInPages(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		one, two := c.key(apikeys.Scopes...), c.key(apikeys.Scopes...)
		for i := range 5 {
			c.person(fmt.Sprint("P", i), fmt.Sprintf("p%d@x.example", i), "0171 5550142")
		}
		var names []string
		query, pages, cursor := "limit=2", 0, ""
		for ; query != ""; pages++ {
			w := c.call(ask{Key: one, Method: "GET", Path: "/contacts", Query: query})
			var list struct {
				Contacts []struct {
					Name   string
					Phones []struct{ Ends string }
				}
				Next string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
				c.Fatal(err)
			}
			for _, p := range list.Contacts {
				names = append(names, p.Name)
				if len(p.Phones) != 1 {
					c.Errorf("a list hides what there is: %+v", p)
				}
			}
			if query = ""; list.Next != "" {
				query, cursor = "limit=2&cursor="+list.Next, list.Next
			}
		}
		if strings.Join(names, " ") != "P4 P3 P2 P1 P0" || pages != 3 {
			c.Errorf("%v in %d pages", names, pages)
		}
		for name, a := range map[string]ask{"another key's": {Key: two, Query: "cursor=" + cursor}, "cut": {Key: one, Query: "cursor=" + cursor[:len(cursor)-2]}, "an id": {Key: one, Query: "cursor=" + db.NewID()}} {
			a.Method, a.Path = "GET", "/contacts"
			if w := c.call(a); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("%s cursor: %d", name, w.Code)
			}
		}
	})
}

// TestAPIContactsThroughAndThrough: added, found, extended, refused twice.
func TestAPIContactsThroughAndThrough(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key := c.key(apikeys.ContactsRead, apikeys.ContactsWrite)
		post := func(path, id, b string) *httptest.ResponseRecorder {
			return c.call(ask{Key: key, Method: "POST", Path: path, ID: id, Body: b})
		}
		w := post("/contacts", "", `{"name":"Ines","address":"Ines@x.example"}`)
		id := field(w, "id")
		if w.Code != http.StatusCreated || w.Header().Get("Location") != "/api/v1/contacts/"+id {
			c.Fatalf("%d %s", w.Code, w.Body)
		}
		later(time.Second)
		if w := post("/contacts/{id}/identifiers", id, `{"type":"address","value":"second@x.example"}`); w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"addresses":[{"address":"Ines@x.example"`) {
			c.Errorf("a second address: %d %s", w.Code, w.Body)
		}
		for _, address := range []string{"ines@X.example", "second@x.example"} {
			if w := c.call(ask{Key: key, Method: "GET", Path: "/contacts", Query: "address=" + address}); !strings.Contains(w.Body.String(), id) {
				c.Errorf("%s is not found: %s", address, w.Body)
			}
		}
		if w := c.call(ask{Key: key, Method: "GET", Path: "/contacts", Query: "address=nobody@x.example"}); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"contacts":[]}` {
			c.Errorf("nobody: %d %s", w.Code, w.Body)
		}
		for _, bad := range []string{"support@northmere.example", "Ines <ines@y.example>", "ines", "a@b.example,c@d.example"} {
			if w := post("/contacts", "", `{"name":"I","address":"`+bad+`"}`); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("%s: %d", bad, w.Code)
			}
			if w := post("/contacts/{id}/identifiers", id, `{"type":"address","value":"`+bad+`"}`); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("%s, added: %d", bad, w.Code)
			}
		}
		if n := c.count(`SELECT COUNT(*) FROM audit WHERE about = $1 AND actor LIKE 'api:%' AND act IN ('contact.added', 'address.added')`, id); n != 2 {
			c.Errorf("%d rows of record", n)
		}
	})
}

// TestAPIIsNoPlaceForBrowsers: no cookie opens it, no other site is let in, and a
// program that names an origin is served like any other.
func TestAPIIsNoPlaceForBrowsers(t *testing.T) {
	c := newCaller(openPages(t, ""))
	key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "")
	foreign := map[string]string{"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
	if w := c.call(ask{Key: key, Method: "POST", Path: "/messages", Once: "1", Body: body(emre, "x", aSubject, routine), Head: foreign}); w.Code != http.StatusCreated {
		t.Errorf("with an origin: %d %s", w.Code, w.Body)
	}
	if w := c.call(ask{Method: "GET", Path: "/contacts", Head: map[string]string{"Cookie": "__Host-postern-desk=" + c.tokens["admin"]}}); w.Code != http.StatusUnauthorized {
		t.Errorf("with a member of staff's cookie: %d", w.Code)
	}
	for method, want := range map[string]int{"OPTIONS": 405, "DELETE": 405, "PUT": 405} {
		w := httptest.NewRecorder()
		c.site.ServeHTTP(w, ask{Key: key, Method: method, Path: "/contacts", Head: foreign}.request())
		if w.Code != want || w.Header().Get("Allow") != "GET, POST, HEAD" || w.Header().Get("Access-Control-Allow-Origin") != "" || field(w, "type") == "" {
			t.Errorf("%s: %d %v %s", method, w.Code, w.Header(), w.Body)
		}
	}
	for path, want := range map[string]int{"/nothing": 404, "/contacts/": 404, "": 404} {
		w := httptest.NewRecorder()
		c.site.ServeHTTP(w, ask{Key: key, Method: "GET", Path: path}.request())
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestAPIFailureTellsNothing: what broke inside goes to the log, under a reference.
func TestAPIFailureTellsNothing(t *testing.T) {
	c := newCaller(openPages(t, ""))
	key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "")
	c.must(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE contacts SET name = $2 WHERE id = $1`, emre, []byte("damaged, and longer than a tag is"))
		return err
	})
	w := c.call(ask{Key: key, Method: "GET", Path: "/contacts/{id}", ID: string(emre)})
	if w.Code != http.StatusInternalServerError || len(field(w, "incident")) != 8 || strings.Contains(w.Body.String(), "damaged") || strings.Contains(w.Body.String(), "sealed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if typ := field(w, "type"); !strings.HasSuffix(typ, "/api/openapi.json#/components/responses/Internal") {
		t.Errorf("type %q", typ)
	}
}
