package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/pquerna/otp/totp"

	"postern/internal/app"
	"postern/internal/browsertest"
	"postern/internal/db/dbtest"
	"postern/internal/gpgtest"
)

var keyField = regexp.MustCompile(`Autocrypt:[^\n]*\n(?: [^\n]*\n)*`)

// TestProofStory: three instructions of three kinds, proved by gpg over mail, by a
// passkey, and by a call-back in a browser without JavaScript.
func TestProofStory(t *testing.T) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			database := ""
			if name == "postgres" {
				database = url(t)
			}
			proofStory(t, serve(t, database))
		})
	}
}

// cast is who plays: three members of staff, because who proposes, who lets in or
// takes a call, and who approves are never one person; and the desk's key.
type cast struct {
	*testing.T
	d               *desk
	b               *browsertest.Browser
	noor, ivo, mara *browsertest.Tab
	g               *gpgtest.GPG
	key             string // the desk's, by fingerprint
	bearer          string // key of the API
}

func proofStory(t *testing.T, d *desk) {
	s := &cast{T: t, d: d, b: browsertest.Start(t, d.spki), g: gpgtest.New(t)}
	s.staff()
	s.key = regexp.MustCompile(`/keys/([0-9A-F]{40})\.asc`).FindStringSubmatch(string(d.get("/keys")))[1]
	s.g.Import(d.get("/keys/" + s.key + ".asc"))
	s.api()
	s.byMail()
	s.byPasskey()
	s.byCall()
	for _, tab := range []*browsertest.Tab{s.noor, s.ivo, s.mara} {
		for _, c := range tab.Complaints() {
			if !strings.Contains(c, "status of 403") { // what was refused was meant to be
				t.Errorf("the browser complained: %q", c)
			}
		}
	}
	d.stop()
	var out bytes.Buffer
	if code := app.Run(t.Context(), app.Env{Args: []string{"audit", "verify"}, Vars: d.env, Stdout: &out, Stderr: &out}); code != 0 || !strings.Contains(out.String(), "unbroken") {
		t.Errorf("audit verify: %d %s", code, &out)
	}
}

func (s *cast) staff() {
	s.noor = s.b.Tab(s.T, browsertest.Authenticator)
	s.noor.Go(regexp.MustCompile(`https://\S+/desk/setup/\S+`).FindString(s.d.out.String()))
	s.noor.Fill("#org", "Northmere Savings")
	s.noor.Fill("#name", "Noor Bakker")
	s.noor.Fill("#email", "noor@northmere.example")
	s.noor.Click("main form button")
	s.noor.Wait("Your account")
	s.ivo, s.mara = s.colleague("Ivo"), s.colleague("Mara")
}

// colleague is invited by Noor and signs in by the link.
func (s *cast) colleague(name string) *browsertest.Tab {
	s.Helper()
	tab := s.b.Tab(s.T, browsertest.Authenticator)
	s.noor.Go(s.d.url + "/desk/people")
	s.noor.Fill("#name", name+" Keller")
	s.noor.Fill("#email", strings.ToLower(name)+"@northmere.example")
	s.noor.Press(`form[action="/desk/people"] input[value=agent]`)
	s.noor.Click(`form[action="/desk/people"] > button`)
	s.noor.Wait("Sign-in link for " + name)
	tab.Go(regexp.MustCompile(`https://\S+/desk/link/[0-9a-z]+`).FindString(s.noor.Text()))
	tab.Click("main form button")
	tab.Wait("Your account")
	return tab
}

// api makes a key for the organisation's own system, beside the running desk.
func (s *cast) api() {
	s.Helper()
	var out bytes.Buffer
	if code := app.Run(s.Context(), app.Env{Args: []string{"api-key", "add", "--name", "core", "--scope", "instructions.read"}, Vars: s.d.env, Stdout: &out, Stderr: &out}); code != 0 {
		s.Fatalf("%d %s", code, &out)
	}
	s.bearer = regexp.MustCompile(`pk_\S+`).FindString(out.String())
}

// token fetches the token of an instruction by API and has an outside library
// check it against the key set that the desk publishes.
func (s *cast) token(path, kind, proof string) {
	s.Helper()
	id := path[strings.LastIndexByte(path, '/')+1:]
	req, _ := http.NewRequest("GET", s.d.url+"/api/v1/instructions/"+id, nil)
	req.Header.Set("Authorization", "Bearer "+s.bearer)
	res, err := s.d.httpClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		s.Fatalf("%d: no token: %v", res.StatusCode, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(s.d.get("/.well-known/jwks.json"), &set); err != nil {
		s.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(answer.Token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.Fatal(err)
	}
	payload, err := signed.Verify(set.Key(signed.Signatures[0].Header.KeyID)[0])
	if err != nil {
		s.Fatalf("go-jose does not vouch for the token: %v", err)
	}
	var claims struct{ Jti, Type, Proof, State, Iss, Aud string }
	if json.Unmarshal(payload, &claims); claims.Jti != id || claims.Type != kind || claims.Proof != proof || claims.State != "executed" || claims.Iss != s.d.url {
		s.Errorf("the token says %s", payload)
	}
}

// customer is a case of somebody whose number is on file.
func (s *cast) customer(address, name, subject string, mail []byte) (caseURL string) {
	s.Helper()
	s.d.swaks(address, mail)
	s.d.until("the case is there", func() bool {
		s.noor.Go(s.d.url + "/desk/inbox")
		return strings.Contains(s.noor.Text(), subject)
	})
	s.noor.Click(".rows .row a")
	s.noor.Wait("Propose an instruction")
	caseURL, _, _ = strings.Cut(s.noor.URL(), "#")
	s.noor.Click(".side h2 a")
	s.noor.Press(`details:has(#phone) > summary`)
	s.noor.Fill("#phone", "0171 5550142")
	s.noor.Click(`form[action$="/phones"] button`)
	s.noor.Wait("•• 42")
	return caseURL
}

// propose makes an instruction out of the newest message of a case.
func (s *cast) propose(tab *browsertest.Tab, caseURL, kind string, fields map[string]string) (path string) {
	s.Helper()
	tab.Go(caseURL)
	tab.Click(`a[href*="/propose?message="]`)
	tab.Press(`input[name=type][value="` + kind + `"]`)
	tab.Click(`form[action$="/propose"] button`)
	tab.Wait("Ask the customer")
	for name, value := range fields {
		tab.Fill("#"+name, value)
	}
	tab.Shot(*shots, "propose-"+kind, 1280, "light")
	tab.Click(`form[action$="/propose"] .btn--go`)
	tab.Wait("The text that is proved")
	return tab.URL()
}

// mailTo waits for a mail to the address whose opened text holds the words.
func (s *cast) mailTo(address, words string) (text string) {
	s.Helper()
	s.d.until("a mail to "+address+" says "+words, func() bool {
		for _, m := range s.d.relay.to(address) {
			text = string(m.raw)
			if block := armour(m.raw); block != nil {
				plain, status, err := s.g.Decrypt(block)
				if err != nil || !status.Has("GOODSIG") || !strings.Contains(string(status), s.key) {
					s.Fatalf("gpg: %v\n%s", err, status)
				}
				text = unQP(string(plain))
			} else {
				text = signedBy(s.T, s.g, m.raw, s.key)
			}
			if text = strings.ReplaceAll(text, "\r\n", "\n"); strings.Contains(text, words) {
				return true
			}
		}
		return false
	})
	return text
}

// approveAndDo: somebody says yes, where somebody must, and does it.
func (s *cast) approveAndDo(tab *browsertest.Tab, path string, approve bool) {
	s.Helper()
	tab.Go(path)
	if approve {
		tab.Wait("Your yes")
		tab.Click(`form[action$="/approve"] button`)
	}
	tab.Wait("Approved, to be done")
	tab.Fill("#note", "entered in the register as 4471")
	tab.Click(`form[action$="/done"] button`)
	tab.Wait("What came of it")
	tab.Shot(*shots, "authorisation-done", 1280, "light")
}

// byMail: Ada signs with gpg, by mail.
func (s *cast) byMail() {
	fpr := s.g.Generate("Ada Brandt <ada@brandt.example>", "0", time.Time{})
	m := &gpgtest.Mail{From: "Ada Brandt <ada@brandt.example>", To: "support@northmere.example", Subject: "My card", Text: "My card 4471 was stolen, please send a new one.\n\nAda", Headers: s.g.Autocrypt("ada@brandt.example", fpr)}
	caseURL := s.customer("ada@brandt.example", "Ada", "My card", s.g.Signed(m, fpr))
	s.noor.Press(`details:has(input[name=via]) > summary`)
	s.noor.Press(`input[name=via][value="call-back"]`)
	s.noor.Press(`input[name=same]`)
	s.noor.Click(`form[action$="/verify"] button`)
	s.noor.Wait("Key checked by call-back")
	s.mailTo("ada@brandt.example", "A person will answer you")

	path := s.propose(s.ivo, caseURL, "card", map[string]string{"card": "4471"})
	asked := s.mailTo("ada@brandt.example", "TO APPROVE by mail")
	ref := regexp.MustCompile(`I approve (\S+)`).FindStringSubmatch(asked)[1]
	body := "I approve " + ref + "\n\n> " + strings.ReplaceAll(strings.TrimSpace(asked[strings.Index(asked, "Northmere Savings asks"):]), "\n", "\n> ")
	answer := &gpgtest.Mail{From: m.From, To: m.To, Subject: "Re: Please approve", Text: body}

	// Not signed, it is a message like others.
	s.d.swaks("ada@brandt.example", answer.Plain())
	s.d.until("the unsigned one is filed", func() bool {
		s.noor.Go(s.d.url + "/desk/inbox")
		return strings.Contains(s.noor.Text(), "Usually signs; this one is not")
	})
	s.noor.Go(path)
	s.noor.Wait("Waits for the customer’s proof")

	s.d.swaks("ada@brandt.example", s.g.Encrypted(answer, fpr, s.key))
	s.d.until("it is proved", func() bool { s.noor.Go(path); return strings.Contains(s.noor.Text(), "Proved, waits for approval") })
	s.noor.Wait("a checked signature")
	s.noor.Wait("You let the customer in, or vouched for their key, so somebody else must approve it.")
	s.approveAndDo(s.mara, path, true)
	s.token(path, "card", "signature")
	for _, words := range []string{"Receipt: what you authorised", "entered in the register as 4471"} {
		if receipt := s.mailTo("ada@brandt.example", words); !strings.Contains(receipt, ref) || !strings.Contains(receipt, "Card: 4471") || !strings.Contains(receipt, "a checked signature") {
			s.Errorf("the receipt:\n%s", receipt)
		}
	}
}

// enter lets somebody into their place by a code that a member of staff reads out.
func (s *cast) enter(tab, by *browsertest.Tab, contactURL, address string) {
	s.Helper()
	by.Go(contactURL)
	by.Click(`form[action$="/place-code"] button`)
	code := regexp.MustCompile(`\b\d{4} \d{4}\b`).FindString(by.Text())
	tab.Go(s.d.url + "/my")
	tab.Fill("#address", address)
	tab.Fill("#code", code)
	tab.Click(`form[action="/my/sign-in"] button`)
}

// leave signs the customer out.
func (s *cast) leave(tab *browsertest.Tab) {
	s.Helper()
	tab.Go(s.d.url + "/my")
	tab.Click(`form[action="/my/sign-out"] button`)
	tab.Wait("You are signed out")
}

// byPasskey: Emre adds a passkey at his first visit, and approves with it.
func (s *cast) byPasskey() {
	const emre = "emre@kestrelmail.example"
	caseURL := s.customer(emre, "Emre", "We have moved", (&gpgtest.Mail{From: "Emre <" + emre + ">", To: "support@northmere.example", Subject: "We have moved", Text: "Our new address is Elm Street 4, 4418 Westhaven."}).Plain())
	contactURL := s.noor.URL()
	tab := s.b.Tab(s.T, browsertest.Authenticator)
	s.noor.Click(`form[action$="/place-code"] button`)
	s.noor.Wait("You put this number on file")
	s.enter(tab, s.ivo, contactURL, emre)
	tab.Wait("your place")
	tab.Go(s.d.url + "/my/access")
	tab.Press(`form[data-passkey=register] button`)
	s.d.until("the passkey is there", func() bool { return strings.Contains(tab.Text(), "Portal, added") })
	s.mailTo(emre, "a passkey was added")
	tab.Wait("What you add here you approve with what you have") // a code that was read out binds the first, and no more
	s.leave(tab)
	tab.Go(s.d.url + "/my")
	tab.Press(`form[data-passkey=login] button`)
	tab.Wait("your place")
	tab.Go(s.d.url + "/my/access")
	tab.Click(`form[action="/my/access/app"] button`)
	tab.Wait("Type this secret into your app")
	secret := strings.ReplaceAll(regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}`).FindString(tab.Text()), " ", "")
	var step time.Duration // moves the app's clock, so that the next code is a new one
	codeApp := func() string {
		code, err := totp.GenerateCode(secret, time.Now().Add(step))
		if err != nil {
			s.Fatal(err)
		}
		return code
	}
	tab.Fill("#code", codeApp())
	tab.Click(`form[action="/my/access/app/confirm"] button`)
	tab.Wait("Do you want this?") // what he holds proves what is added to it
	tab.Press(`form[data-passkey=login] button`)
	tab.Wait("It was done")
	tab.Go(s.d.url + "/my/access")
	tab.Wait("Set up")
	s.leave(tab)

	path := s.propose(s.noor, caseURL, "postal-address", map[string]string{"street": "Elm Street 4", "town": "4418 Westhaven"})
	notice := s.mailTo(emre, "waits for your approval")
	words := keyField.ReplaceAllString(notice, "") // in whose base64 any three letters may stand
	if strings.Contains(words, "Elm") || strings.Contains(words, "moved") {
		s.Errorf("the notice says something:\n%s", notice)
	}
	// From opening to approved, counted: at most four clicks and one gesture.
	clicks, gestures := 0, 0
	tab.Go(s.d.url + "/my")
	tab.Fill("#address", emre)
	step += 30 * time.Second // a code serves once
	tab.Fill("#code", codeApp())
	tab.Click(`form[action="/my/sign-in"] button`)
	clicks++
	tab.Wait("Do you want this?") // it is the one that waits
	tab.Wait("Elm Street 4")
	shoot(tab, "instruction")
	tab.Press(`form[data-passkey=login] button`)
	clicks, gestures = clicks+1, gestures+1
	tab.Wait("You authorised it")
	if clicks > 4 || gestures > 1 {
		s.Errorf("%d clicks and %d gestures", clicks, gestures)
	}
	s.receiptOf(tab, "a passkey")
	s.approveAndDo(s.mara, path, true)
	s.token(path, "postal-address", "passkey")
	s.mailTo(emre, "was done on")
	if c := tab.Complaints(); len(c) > 0 {
		s.Errorf("the customer's browser complained: %q", c)
	}
}

// receiptOf fetches the signed receipt of the instruction on the page, with the
// customer's session, and has gpg check it.
func (s *cast) receiptOf(tab *browsertest.Tab, proof string) {
	s.Helper()
	raw := tab.Fetch(tab.URL() + "/receipt.eml")
	if text := signedBy(s.T, s.g, raw, s.key); !strings.Contains(text, "Elm Street 4") || !strings.Contains(text, proof) {
		s.Errorf("the receipt:\n%s", text)
	}
}

// byCall: Lena has no key and no passkey; her browser runs no JavaScript. Ivo lets
// her in, Mara reads out the code that proves it, Noor approves.
func (s *cast) byCall() {
	const lena = "lena@kestrelmail.example"
	s.customer(lena, "Lena", "A new name", (&gpgtest.Mail{From: "Lena <" + lena + ">", To: "support@northmere.example", Subject: "A new name", Text: "I have married."}).Plain())
	contactURL := s.noor.URL()
	tab := s.b.Tab(s.T, browsertest.NoJS)
	s.enter(tab, s.ivo, contactURL, lena)
	tab.Wait("your place")
	tab.Go(s.d.url + "/my/begin/name")
	tab.Fill("#name", "Lena Okаfor") // a Cyrillic letter
	tab.Click(`form[action="/my/begin/name"] button`)
	tab.Wait("is not what it looks like")
	tab.Fill("#name", "Lena Miller")
	tab.Click(`form[action="/my/begin/name"] button`)
	tab.Wait("Do you want this?")

	s.mara.Go(s.d.url + "/desk/authorisations")
	s.mara.Click(`main td a[href^="/desk/authorisations/"]`)
	path := s.mara.URL()
	tab.Press(`details:has(#code) > summary`)
	tab.Fill("#code", "0000 0000")
	tab.Click(`form[action$="/code"] button`)
	tab.Wait("That did not prove it")
	s.mara.Press(`input[name=phone][type=radio]`)
	s.mara.Click(`form[action$="/code"] button`)
	s.mara.Wait("Read this code to")
	code := regexp.MustCompile(`\b\d{4} \d{4}\b`).FindString(s.mara.Text())
	tab.Fill("#code", code)
	tab.Click(`form[action$="/code"] button`)
	tab.Wait("You authorised it")
	s.mailTo(lena, "was authorised in your name")
	s.mara.Go(path)
	s.mara.Wait("You took the call that proved it, so somebody else must approve it.")
	s.ivo.Go(path)
	s.ivo.Wait("You let the customer in, or vouched for their key, so somebody else must approve it.")
	s.approveAndDo(s.noor, path, true)
	s.token(path, "name", "call")
	s.mailTo(lena, "was done on")
}
