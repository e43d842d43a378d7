package app

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"postern/internal/instructions"
)

// waysToMove lists every way in the product by which money, data or what proves a
// person can be moved or changed, and the proof that each demands. Every route
// that changes something must stand here or among those that move nothing: a new
// one fails this test until somebody has thought about it.
var waysToMove = map[string]string{
	// The customer's own acts.
	"POST /my/authorised/{id}/passkey/finish": "their passkey over nonce and text; new ones wait 72 hours for what is risky",
	"POST /my/authorised/{id}/app":            "a code of their app, in their session",
	"POST /my/authorised/{id}/code":           "a code from the call to the number on file, in a session that another person, or their own factor, opened",
	"POST /my/authorised/{id}/show-code":      "proves nothing: the other half of a call-back, which a member of staff types",
	"POST /my/authorised/{id}/signed":         "their verified key's signature over the text",
	"POST /my/authorised/{id}/not-mine":       "their session: it stops, and never starts anything; what was done is taken away only where the session decides",
	"POST /my/authorised/{id}/cancel":         "their session; their own proposal, before it is proved",
	"POST /my/begin/{type}":                   "proposes, in a session that decides; proved like any instruction",
	"POST /my/keys":                           "proposes the key as an instruction; the old way proves it",
	"POST /my/keys/{id}/revoke":               "the strongest way they have, shown within ten minutes; every address is told, and what is needed does not fall for 30 days",
	"POST /my/access/passkeys/finish":         "an instruction: what they hold proves it over its text, a first one the code that let them in; every address gets a link that takes it away",
	"POST /my/access/passkeys/{id}/remove":    "the strongest way they have, shown within ten minutes; every address is told, and what is needed does not fall for 30 days",
	"POST /my/access/app":                     "begins in one session, for ten minutes; counts for nothing",
	"POST /my/access/app/confirm":             "an instruction, like a passkey",
	"POST /my/access/app/remove":              "the strongest way they have, shown within ten minutes; every address is told",
	"POST /my/access/agreed":                  "the strongest way they have, shown within ten minutes; it decides nothing",
	"POST /my/access/agreed/remove":           "the strongest way they have, shown within ten minutes",
	"POST /m/{link}/enrol/finish":             "an instruction, like a passkey in their place",
	"POST /m/{link}/code":                     "an access code, read out on the telephone",
	"POST /m/{link}/passkey/finish":           "their passkey",
	"POST /m/{link}":                          "shows the way to prove it; opens only for who gave the second factor up, with a proof",
	"POST /my/sign-in":                        "a code of their app, one that was read out or sent, or the agreed one",
	"POST /my/send-code":                      "goes to the number on file alone, and to none that staff put there in the last seven days",
	"POST /my/passkey/finish":                 "their passkey",
	"POST /my/enter":                          "a session that another factor than the link opened",
	"POST /my/messages/{id}/reply":            "their session; moves nothing but words into their own case",
	"POST /my/messages/{id}":                  "their session; their own message",
	"POST /my/protection/{scope}":             "the strongest way they have, shown within ten minutes, a tick, the wording of today; a day later if staff let them in",
	"POST /my/protection/{scope}/back":        "more protection needs no more than their session",
	"POST /address/{token}":                   "the link that went to the new address, after proof, approval and the wait",
	"POST /my/authorised/{id}/call-me":        "proves nothing: asks staff for the call",
	"POST /person/{token}":                    "the link under our mail: opens the case for a person, shows nothing",
	"POST /check":                             "nothing: says whether a message is ours, to who has it",
	"POST /help/{id}":                         "nothing: a count of whether an article helped",
	"POST /survey/{token}":                    "the link under our mail: words into its case, which they can only open and lift",
	"POST /contact/send":                      "proves nothing: a case of its own; an address typed there is nobody's, and no answer to it is shown to who typed it",
	"POST /contact/about/{topic}":             "proves nothing: words kept for a day, for the browser that wrote them",
	"POST /contact/affected":                  "proves nothing: the same",
	"POST /contact/files":                     "proves nothing: the same",
	"POST /contact/you":                       "proves nothing: the same",
	"POST /case":                              "the reference and the sixteen digits of its receipt: shows what waits there, for who gave no address",
	"POST /case/{ref}/reply":                  "that page, for half an hour: words into its case",
	"POST /stop/{token}":                      "the link in their mail: it stops or takes away what is new, and starts nothing",
	"POST /back/{token}":                      "the link in their mail: more protection harms nobody",
	"mail signed by the verified key":         "verdict V over the whole text and the approving line alone, of the instruction's own time",
	"mail that gives a protection up":         "verdict V over the phrase alone, fresh, after their last choice",
	// What staff do.
	"POST /desk/authorisations/{id}/code":              "starts a call-back: never by who proposed it, or put the number on file",
	"POST /desk/authorisations/{id}/heard":             "a code that the customer's page showed; never by who proposed it, or let them in",
	"POST /desk/authorisations/{id}/approve":           "after the customer's proof; never who proposed, let in, vouched or took the call",
	"POST /desk/authorisations/{id}/done":              "after proof and approval; records what was done",
	"POST /desk/authorisations/{id}/refuse":            "stops it",
	"POST /desk/authorisations/{id}/cancel":            "their own proposal, before it is proved",
	"POST /desk/cases/{id}/propose":                    "proposes; proved by the customer",
	"POST /desk/contacts/{id}/place-code":              "a call to the number on file, not by who put it there; recorded with the session",
	"POST /desk/cases/{id}/deliveries/{delivery}/code": "a call to the number on file",
	"POST /desk/contacts/{id}/addresses":               "every address that was there before is told; the one we write to stays",
	"POST /desk/contacts/{id}/phones":                  "only the first; every address is told",
	"POST /desk/contacts/{id}/phones/{phone}/show":     "changes nothing: the number on file to who may call it, paced like a code, and recorded",
	"POST /desk/contacts/{id}/keys":                    "counts for nothing until it is compared",
	"POST /desk/contacts/{id}/keys/{key}/verify":       "an instruction, of who holds nothing that proves more, attested by who compared out of band; every address gets a link that takes it away; risky uses wait 72 hours; where a key or passkey was given up lately, two people",
	"POST /desk/contacts/{id}/keys/{key}/reject":       "takes authority away; every address is told, and what is needed does not fall for 30 days",
	"POST /desk/types/{id}":                            "an admin; what demands less, a new kind too, waits for another, or 72 hours; open instructions keep what they were shown with",
	"POST /desk/types/{id}/agree":                      "an admin, never who wants it, nor an account made or changed in the 72 hours before; to what they saw",
	"POST /desk/types/{id}/keep":                       "an admin; the kind stays as it is",
	"POST /desk/cases/{id}/send":                       "policy decides for each person; nothing sensitive leaves readable without their own choice",
	"POST /case/{ref}/report":                          "that page, for half an hour: answers to what was asked, a retest, an appeal, a word on the reward that is theirs; nothing on an account",
	"POST /desk/security/{id}/reward":                  "somebody who triages proposes, another approves; never while money is demanded for silence",
	"POST /desk/security/{id}/split":                   "somebody who triages; the part has the same person, and what they hold opens it too",
	"POST /desk/security/{id}/link":                    "somebody who triages; two reports are shown beside each other",
	"POST /desk/security/{id}/told":                    "somebody who triages writes down what they said; a reward is theirs already, approved by two",
	"POST /desk/security/{id}/circle":                  "somebody who triages lets a colleague read one case, or takes them out; recorded",
	"POST /desk/security/{id}/decide":                  "somebody who triages, two where they came back; an agent only proposes",
	"POST /desk/security/{id}/move":                    "somebody who triages, and what the state needs; two people where the map says so",
	"POST /desk/security-policy":                       "a lead or an admin; a text without doors and promises is refused, every version is kept",
	"POST /desk/security/hosts":                        "somebody who triages names a host; it is asked only once it shows that it is ours",
	"POST /desk/security/{id}/appeal":                  "somebody who triages and did not close it",
	// The organisation's systems.
	"API POST /instructions":              "proposes; proved by the customer",
	"API POST /instructions/{id}/cancel":  "its own proposal, before it is proved",
	"API POST /messages":                  "policy decides as for an agent's answer",
	"API POST /contacts/{id}/identifiers": "a mail address alone; numbers and keys are refused; every address that was there is told",
	"webhook answer":                      "the call is of what was proved and approved",
}

// movesNothing are acts that change no authenticator, release no content and move
// no money.
var movesNothing = regexp.MustCompile(`/(begin|sign-out|reply|person|end|undo|edit|release|discard|assign|state|sensitive|take|lift|end-call|note|draft|preview|recall|name|cases|again|roles|link|disable|enable|mailboxes|webhooks|topics|topic|on|off|rotate|remove|audit|verify|health|check|password|totp|codes|end-all|people|contacts|finish|setup|\{token\}|sign-in|sample|ask|follow|fill|flag|mark|plan|probe|retest|\{id\})$`)

func TestP3EveryWayThatMovesSomethingNamesItsProof(t *testing.T) {
	found := map[string]bool{}
	for file, pattern := range map[string]string{"../web/public/site.go": `"(POST /[^"]+)"`, "../web/public/contact.go": `"(POST /[^"]+)"`, "../web/desk/routes.go": `"(POST /desk[^"]*)"`} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = true
		}
	}
	if len(found) < 80 {
		t.Fatalf("only %d acts found", len(found))
	}
	var unknown []string
	for act := range found {
		nothing := movesNothing.MatchString(act)
		if strings.HasPrefix(act, "POST /my") { // the customer's own place: everything is named
			nothing = regexp.MustCompile(`/(begin|sign-out|sessions/end)$`).MatchString(act)
		}
		if waysToMove[act] == "" && !nothing {
			unknown = append(unknown, act)
		}
	}
	sort.Strings(unknown)
	for _, act := range unknown {
		t.Errorf("%s: does it move money, data or an authenticator? Say which proof it demands", act)
	}
	for act := range waysToMove {
		if strings.HasPrefix(act, "POST /") && !found[act] {
			t.Errorf("%s is named and is not there", act)
		}
	}
}

// TestP3EveryKindDemandsAProof: no kind of instruction comes without one, and what
// can cost much asks for more of whoever can give more.
func TestP3EveryKindDemandsAProof(t *testing.T) {
	for _, k := range instructions.Shipped() {
		if k.Level < instructions.Call || k.Signer < k.Level {
			t.Errorf("%s: %d, %d", k.ID, k.Level, k.Signer)
		}
		binds := slices.Contains([]string{instructions.DoesAddress, instructions.DoesPhone, instructions.DoesKey, instructions.DoesRecover}, k.Does)
		if binds && (k.Approvals < 1 || k.Cooling == 0) {
			t.Errorf("%s binds something, and nobody looks or waits", k.ID)
		}
		if k.Level == instructions.Call && k.Approvals == 0 && !k.Enrols() { // the first of anything: what they hold proves the next, and the old channel takes it away
			t.Errorf("%s: a call and nobody's yes", k.ID)
		}
	}
}

// TestS29StolenAgentSession: whoever has an agent's session swaps no key, adds no
// second number, tells the customer of whatever they do, is stopped after twenty
// acts, and leaves an alarm.
func TestS29StolenAgentSession(t *testing.T) {
	eachPages(t, func(p *pages, later func(time.Duration)) {
		_, c := p.waiting("canary-content")
		before := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'notice'`)
		path := "/desk/contacts/" + string(c.Contact)
		if w := p.do("agent", "POST", path+"/phones", url.Values{"phone": {"+49 30 9999999"}}); w.Code != http.StatusUnprocessableEntity {
			p.Errorf("a second number: %d", w.Code)
		}
		if w := p.do("agent", "POST", path+"/addresses", url.Values{"address": {"thief@evil.example"}}); w.Code != http.StatusSeeOther {
			p.Errorf("an address: %d", w.Code)
		}
		if n := p.count(`SELECT COUNT(*) FROM deliveries WHERE kind = 'notice'`); n != before+1 {
			p.Errorf("%d notices, want one more than %d: the address that was there before", n, before)
		}
		codes := 0
		for range 30 {
			if w := p.do("agent", "POST", path+"/place-code", nil); w.Code == http.StatusOK {
				codes++
			} else if w.Code != http.StatusTooManyRequests {
				p.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if codes > 20 {
			p.Errorf("%d codes were given", codes)
		}
		if n := p.count(`SELECT COUNT(*) FROM audit WHERE act = 'security.alarm'`); n != 1 {
			p.Errorf("%d alarms", n)
		}
		if w := p.do("triager", "POST", path+"/place-code", nil); w.Code != http.StatusOK {
			p.Errorf("a colleague: %d", w.Code)
		}
		for range 3 { // at work all the time
			later(20 * time.Minute)
			p.do("agent", "GET", "/desk/account", nil)
		}
		if w := p.do("agent", "POST", path+"/place-code", nil); w.Code != http.StatusOK {
			p.Errorf("an hour later: %d", w.Code)
		}
	})
}
