package app

// Instructions as the organisation's systems meet them: proposed by a key, proved
// by nobody but the customer.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"postern/internal/apikeys"
	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/portal"
)

const moving = `{"street":"Canary Lane 4","town":"10115 Berlin"}`

// wish writes a proposal; more fields may be given.
func wish(to contacts.ID, kind, values string, more ...string) string {
	return "{" + strings.Join(append([]string{fmt.Sprintf(`"contact":%q,"type":%q,"values":%s`, to, kind, values)}, more...), ",") + "}"
}

func (c *caller) propose(key, once, body string) *httptest.ResponseRecorder {
	c.Helper()
	return c.call(ask{Key: key, Method: "POST", Path: "/instructions", Once: once, Body: body})
}

func (c *caller) instruction(key, id string) *httptest.ResponseRecorder {
	c.Helper()
	return c.call(ask{Key: key, Method: "GET", Path: "/instructions/{id}", ID: id})
}

// kind makes a type of instruction with one field, proved by a call.
func (c *caller) kind(t instructions.Type) {
	c.Helper()
	t.Title, t.Fields, t.Level, t.Signer, t.Expiry = "A copy of a statement", []instructions.Field{{Name: "what", Label: "Which", Kind: instructions.Text}}, instructions.Call, instructions.Passkey, 24*time.Hour
	c.must(func(ctx context.Context, tx *db.Tx) error { return instructions.SaveType(ctx, tx, &t, audit.System) })
}

// prove is what the customer does: they are called, and type the code on the page.
func (c *caller) prove(who contacts.ID, id string) {
	c.Helper()
	var phone string
	c.must(func(ctx context.Context, tx *db.Tx) error {
		p, err := c.d.contacts.Get(ctx, tx, who)
		if err == nil {
			phone = p.Phones[0].ID
		}
		return err
	})
	code, err := c.d.auth.ReadOut(c.Context(), "noor", instructions.ID(id), phone)
	if err != nil {
		c.Fatal(err)
	}
	if err := c.d.auth.ByCall(c.Context(), &portal.Session{Contact: who, Factor: portal.Passkey}, instructions.ID(id), code); err != nil {
		c.Fatal(err)
	}
}

func (c *caller) goodForInstructions(key string, who contacts.ID) map[string]ask {
	c.Helper()
	c.kind(instructions.Type{ID: "closed-kind", Closed: true})
	id := field(c.propose(key, "a", wish(who, "postal-address", moving)), "id")
	return map[string]ask{
		"POST /instructions":             {Once: "b", Body: wish(who, "postal-address", moving)},
		"GET /instructions":              {Query: "state=proposed"},
		"GET /instructions/{id}":         {ID: id},
		"POST /instructions/{id}/cancel": {ID: id},
		"GET /instruction-types":         {},
	}
}

// TestAPIProposalIsProvedByTheCustomer: from the wish to a token that somebody
// else's library takes, by the keys at the address of the site.
func TestAPIProposalIsProvedByTheCustomer(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key, reader := c.key(apikeys.InstructionsPropose, apikeys.InstructionsRead), c.key(apikeys.InstructionsRead)
		emre := c.person("Emre", "emre@kestrel.example", "0171 5550142")
		w := c.propose(key, "1", wish(emre, "postal-address", `{"street":"  Canary   Lane 4","town":"10115 Berlin"}`))
		id := field(w, "id")
		if w.Code != http.StatusCreated || w.Header().Get("Location") != "/api/v1/instructions/"+id || field(w, "state") != "proposed" || field(w, "need") != "call" ||
			!strings.Contains(w.Body.String(), `"approvals":1`) || field(w, "proposer") != "api" {
			c.Fatalf("%d %s", w.Code, w.Body)
		}
		text, ref := field(w, "text"), field(w, "reference")
		if !strings.Contains(text, "Street and number: Canary Lane 4\n") || !strings.Contains(text, "by our systems") || !strings.Contains(text, "Reference: "+ref+"\n") || ref == "" {
			c.Errorf("the text %q with the reference %q", text, ref)
		}
		if mine := c.instruction(key, id); field(mine, "text") != text || field(mine, "reference") != ref || field(mine, "token") != "" {
			c.Errorf("its proposer reads %s", mine.Body)
		}
		if other := c.instruction(reader, id); other.Code != http.StatusOK || strings.Contains(other.Body.String(), "Canary") || strings.Contains(other.Body.String(), ref) {
			c.Errorf("another key reads %d %s", other.Code, other.Body)
		}
		later(time.Minute)
		c.prove(emre, id)
		if w := c.instruction(reader, id); field(w, "state") != "proved" || field(w, "proof") != "call" || field(w, "proved") == "" || !strings.Contains(w.Body.String(), `"approved":0`) || field(w, "token") != "" {
			c.Errorf("proved: %s", w.Body)
		}
		if err := c.d.auth.Approve(c.Context(), "noor", instructions.ID(id)); !fail.Is(err, fail.Denied) {
			c.Errorf("who took the call approved: %v", err)
		}
		if err := c.d.auth.Approve(c.Context(), "vera", instructions.ID(id)); err != nil {
			c.Fatal(err)
		}
		w = c.instruction(reader, id)
		if field(w, "state") != "approved" || !strings.Contains(w.Body.String(), `"approved":1`) || field(w, "ready") == "" || field(w, "text") != "" {
			c.Errorf("approved: %s", w.Body)
		}
		claims := c.verified(field(w, "token"))
		if claims.ID != id || claims.Subject != string(emre) || claims.Text != text || claims.Reference != ref || claims.State != "approved" || claims.Proof != "call" ||
			claims.Approvers != 1 || claims.Bind != instructions.Bind(ref, text) || claims.Issuer != c.d.cfg.URL || claims.Values["street"] != "Canary Lane 4" {
			c.Errorf("claims %+v", claims)
		}
		if err := c.d.auth.ByHand(c.Context(), "vera", instructions.ID(id), "changed in the register"); err != nil {
			c.Fatal(err)
		}
		if w := c.instruction(reader, id); field(w, "state") != "executed" || field(w, "result") != "changed in the register" || c.verified(field(w, "token")).State != "executed" {
			c.Errorf("executed: %s", w.Body)
		}
	})
}

// verified takes a token apart as the organisation's system would: with another
// library, by the keys that stand on the site.
func (c *caller) verified(token string) (out authorise.Claims) {
	c.Helper()
	keys := c.do("", "GET", "/.well-known/jwks.json", nil)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys.Body.Bytes(), &set); err != nil || keys.Code != http.StatusOK {
		c.Fatalf("the keys: %d %v", keys.Code, err)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		c.Fatalf("the token %q: %v", token, err)
	}
	b, err := parsed.Verify(&set)
	if err != nil {
		c.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		c.Fatal(err)
	}
	return out
}

func TestAPIProposalThatCannotBe(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		key, emre, lena := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142"), c.person("Lena", "lena@lindqvist.example", "0171 5550143")
		theirs := field(c.send(key, "l", body(lena, "Yours.", aSubject)), "case")
		w := c.propose(key, "1", wish(emre, "payment", `{"amount":"a lot","payee":"P\u0430ypal","account":"DE00 1","nonsense":"x"}`))
		if w.Code != http.StatusUnprocessableEntity || field(w, "fields", "nonsense") == "" {
			c.Errorf("a field that is not there: %d %s", w.Code, w.Body)
		}
		w = c.propose(key, "1", wish(emre, "payment", `{"amount":"a lot","payee":"P\u0430ypal","account":"DE00 1"}`))
		for _, name := range []string{"amount", "payee", "account"} {
			if w.Code != http.StatusUnprocessableEntity || field(w, "fields", name) == "" {
				c.Errorf("%s is not told: %d %s", name, w.Code, w.Body)
			}
		}
		if field(w, "fields", "purpose") != "" {
			c.Errorf("what is optional is told: %s", w.Body)
		}
		for name, x := range map[string]struct {
			body string
			want int
		}{
			"nobody":            {wish(contacts.ID(db.NewID()), "postal-address", moving), 404},
			"no such kind":      {wish(emre, "payments'", moving), 404},
			"a zero byte":       {strings.Replace(wish(emre, "KIND", moving), "KIND", `\u0000`, 1), 404},
			"another's case":    {wish(emre, "postal-address", moving, `"case":"`+theirs+`"`), 404},
			"a made-up case":    {wish(emre, "postal-address", moving, `"case":"`+db.NewID()+`"`), 404},
			"nobody named":      {`{"type":"postal-address","values":` + moving + `}`, 422},
			"named twice":       {wish(emre, "postal-address", moving, `"address":"emre@kestrel.example"`), 422},
			"a state":           {wish(emre, "postal-address", moving, `"state":"approved"`), 422},
			"a value in pieces": {wish(emre, "postal-address", `{"street":["x"],"town":"y"}`), 422},
			"many values":       {wish(emre, "postal-address", `{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","j":"","k":"","l":"","m":""}`), 422},
			"no key":            {wish(emre, "key", `{"key":"ABCD"}`), 422},
		} {
			if w := c.propose(key, db.NewID(), x.body); w.Code != x.want {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		if n := c.count(`SELECT COUNT(*) FROM instructions`); n != 0 {
			c.Errorf("%d instructions", n)
		}
		// What was refused may be tried again, out of its own case.
		mine := field(c.send(key, "e", body(emre, "Yours.", aSubject)), "case")
		if w := c.propose(key, "1", wish(emre, "postal-address", moving, `"case":"`+mine+`"`)); w.Code != http.StatusCreated || field(w, "case") != mine {
			c.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestAPIProposesOnce: the same request again is the same instruction, word for
// word, also when it has moved on.
func TestAPIProposesOnce(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		first := c.propose(key, "move", wish(emre, "postal-address", moving))
		c.prove(emre, field(first, "id"))
		if again := c.propose(key, "move", wish(emre, "postal-address", moving)); again.Code != http.StatusCreated || again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") {
			c.Errorf("again: %d %s\nfirst: %s", again.Code, again.Body, first.Body)
		}
		if w := c.propose(key, "move", wish(emre, "postal-address", `{"street":"Elm 1","town":"x"}`)); w.Code != http.StatusUnprocessableEntity {
			c.Errorf("another body: %d", w.Code)
		}
		if w := c.propose(c.key(apikeys.Scopes...), "move", wish(emre, "postal-address", moving)); field(w, "id") == field(first, "id") {
			c.Error("another key got this one's answer")
		}
		if n := c.count(`SELECT COUNT(*) FROM instructions`); n != 2 {
			c.Errorf("%d instructions", n)
		}
		c.must(func(ctx context.Context, tx *db.Tx) error {
			rows, err := db.Strings(ctx, tx, `SELECT once FROM api_once`)
			if len(rows) != 2 {
				c.Errorf("%d answers are kept", len(rows))
			}
			return err
		})
	})
}

func TestAPICancelsItsOwnOnly(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		one, two := c.key(apikeys.Scopes...), c.key(apikeys.Scopes...)
		emre := c.person("Emre", "emre@kestrel.example", "0171 5550142")
		cancel := func(key, id string) *httptest.ResponseRecorder {
			return c.call(ask{Key: key, Method: "POST", Path: "/instructions/{id}/cancel", ID: id})
		}
		id := field(c.propose(one, "1", wish(emre, "postal-address", moving)), "id")
		staffs, _, err := c.d.auth.Propose(c.Context(), &authorise.Proposal{Contact: emre, Type: "postal-address", Values: map[string]string{"street": "Elm 1", "town": "x"}, Proposer: "staff:noor"})
		if err != nil {
			c.Fatal(err)
		}
		for name, w := range map[string]*httptest.ResponseRecorder{"another key's": cancel(two, id), "staff's": cancel(one, string(staffs.ID)), "made up": cancel(one, db.NewID()), "quoted": cancel(one, "'%20OR%20''='")} {
			if w.Code != http.StatusNotFound {
				c.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		if w := cancel(one, id); w.Code != http.StatusOK || field(w, "state") != "cancelled" || field(w, "why") == "" {
			c.Errorf("its own: %d %s", w.Code, w.Body)
		}
		if w := cancel(one, id); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "cancelled already") {
			c.Errorf("twice: %d %s", w.Code, w.Body)
		}
		id = field(c.propose(one, "2", wish(emre, "postal-address", moving)), "id")
		c.prove(emre, id)
		if w := cancel(one, id); w.Code != http.StatusConflict {
			c.Errorf("proved: %d %s", w.Code, w.Body)
		}
		if n := c.count(`SELECT COUNT(*) FROM audit WHERE act = 'instruction.cancelled' AND actor LIKE 'api:%'`); n != 1 {
			c.Errorf("%d rows say who", n)
		}
	})
}

func TestAPIListsInstructionsInPages(t *testing.T) {
	eachCaller(t, func(c *caller, _ func(time.Duration)) {
		key, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		var want []string
		for n := range 5 {
			id := field(c.propose(key, fmt.Sprint(n), wish(emre, "postal-address", moving)), "id")
			if n == 2 {
				c.prove(emre, id)
			} else {
				want = append([]string{id}, want...)
			}
		}
		var got []string
		query, cursor := "state=proposed&limit=3", ""
		for query != "" {
			w := c.call(ask{Key: key, Method: "GET", Path: "/instructions", Query: query})
			var list struct {
				Instructions []struct{ ID, Text, Token string }
				Next         string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
				c.Fatal(err)
			}
			for _, i := range list.Instructions {
				got = append(got, i.ID)
			}
			if strings.Contains(w.Body.String(), "Canary") {
				c.Errorf("the list holds content: %s", w.Body)
			}
			if query = ""; list.Next != "" {
				query, cursor = "state=proposed&limit=3&cursor="+list.Next, list.Next
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			c.Errorf("listed %v, want %v", got, want)
		}
		if w := c.call(ask{Key: key, Method: "GET", Path: "/instructions", Query: "state=proved"}); strings.Count(w.Body.String(), `"id":`) != 1 || !strings.Contains(w.Body.String(), `"proof":"call"`) {
			c.Errorf("proved: %s", w.Body)
		}
		for name, q := range map[string]string{"an unknown state": "state=done", "an empty one": "state=", "the cursor of another list": "cursor=" + cursor} {
			if w := c.call(ask{Key: key, Method: "GET", Path: "/instructions", Query: q}); w.Code != http.StatusUnprocessableEntity {
				c.Errorf("%s: %d", name, w.Code)
			}
		}
		w := c.call(ask{Key: c.key(apikeys.InstructionsRead), Method: "GET", Path: "/instruction-types"})
		if !strings.Contains(w.Body.String(), `{"name":"street","label":"Street and number","kind":"text","optional":false}`) {
			c.Errorf("the kinds: %s", w.Body)
		}
	})
}

// TestP3APINeverProvesOrApproves: no operation takes a proof, a yes, or that it
// was done; and nobody who guesses finds one.
func TestP3APINeverProvesOrApproves(t *testing.T) {
	eachCaller(t, func(c *caller, later func(time.Duration)) {
		all, emre := c.key(apikeys.Scopes...), c.person("Emre", "emre@kestrel.example", "0171 5550142")
		forbidden := regexp.MustCompile(`(?i)prove|proof|approv|execut|perform|confirm|authori[sz]e|sign|code|passkey|assert|decide|refuse`)
		writes := 0
		for _, op := range c.documented() {
			method, path, _ := strings.Cut(op, " ")
			o := dig(c.doc, "paths", path, strings.ToLower(method))
			if id, _ := o["operationId"].(string); forbidden.MatchString(path) || forbidden.MatchString(id) {
				c.Errorf("%s (%s) sounds like a proof or a yes", op, id)
			}
			in := dig(o, "requestBody", "content", "application/json", "schema")
			if in == nil {
				continue
			}
			writes++
			for name := range dig(c.resolve(in), "properties") {
				if forbidden.MatchString(name) || name == "state" {
					c.Errorf("%s takes %q", op, name)
				}
			}
		}
		if writes < 4 {
			c.Fatalf("only %d operations take something", writes)
		}
		id := field(c.propose(all, "1", wish(emre, "postal-address", moving)), "id")
		still := func(want string) {
			c.Helper()
			later(time.Minute)
			if w := c.instruction(all, id); field(w, "state") != want {
				c.Errorf("it is %s", w.Body)
			}
			if a, b := c.count(`SELECT COUNT(*) FROM instruction_proofs`), c.count(`SELECT COUNT(*) FROM instruction_approvals`); a != 0 && want == "proposed" || b != 0 {
				c.Errorf("%d proofs, %d approvals", a, b)
			}
		}
		try := func() {
			c.Helper()
			for _, last := range strings.Fields("prove proof proofs approve approvals approval execute done do result state confirm sign signature code codes passkey call refuse") {
				for _, method := range []string{"POST", "PUT", "PATCH"} {
					w := httptest.NewRecorder()
					c.site.ServeHTTP(w, ask{Key: all, Method: method, Path: "/instructions/{id}/" + last, ID: id, Once: db.NewID(), Body: `{"code":"0000 0000","state":"approved","by":"vera"}`}.request())
					if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
						c.Errorf("%s %s: %d", method, last, w.Code)
					}
				}
				later(10 * time.Second)
			}
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				w := httptest.NewRecorder()
				c.site.ServeHTTP(w, ask{Key: all, Method: method, Path: "/instructions/{id}", ID: id, Body: `{"state":"approved"}`}.request())
				if w.Code != http.StatusMethodNotAllowed {
					c.Errorf("%s: %d", method, w.Code)
				}
			}
			for _, op := range c.documented() {
				if method, path, _ := strings.Cut(op, " "); method != "GET" && !strings.HasSuffix(path, "/cancel") {
					c.call(ask{Key: all, Method: method, Path: path, ID: id, Once: db.NewID(), Body: map[bool]string{true: "{}"}[path != ""]})
					later(time.Second)
				}
			}
		}
		try()
		still("proposed")
		c.prove(emre, id)
		try()
		still("proved")
	})
}
