package app

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/lang"
	"postern/internal/outbox"
	"postern/internal/portal"
)

// customer is somebody in their place, whose browser asks for a language.
func (p *pages) customer(session *http.Cookie, speaks string) *visitor {
	x := p.visitor("192.0.2.9")
	x.speaks, x.cookies[session.Name] = speaks, session.Value
	return x
}

// letters are the mails to an address, once there are so many.
func (p *pages) letters(address string, n int) string {
	p.Helper()
	p.eventually("mails to "+address, func() bool { return len(p.mailsTo(address)) >= n })
	return strings.ReplaceAll(strings.Join(p.mailsTo(address), "\n"), "=\r\n", "")
}

// TestGermanCustomerIsSpokenToInGerman: the place, what it refuses, and the letters
// about it; what is signed and what was recorded stays as it was written.
func TestGermanCustomerIsSpokenToInGerman(t *testing.T) {
	eachPages(t, func(p *pages, _ func(time.Duration)) {
		p.work()
		c := p.write("jana@kestrel.example", "Umzug", "Guten Tag,\r\n\r\nich bin umgezogen und habe eine neue Anschrift. Bitte helfen Sie mir.")
		says := func(page, want string) {
			t.Helper()
			if !strings.Contains(page, want) {
				t.Errorf("nothing says %q:\n%s", want, page)
			}
		}
		x := p.customer(p.session(c.Contact, portal.AccessCode), "de")
		says(x.get("/my").Body.String(), ", Ihr Bereich</h1>")
		says(x.get("/my/begin/postal-address").Body.String(), "Noch einmal lesen")
		says(x.post("/my/begin/postal-address", url.Values{"street": {"Kai 4"}}).Body.String(), "Füllen Sie das aus.")

		// An instruction: its text is the one that is signed, in English, and says so.
		w := x.post("/my/begin/postal-address", url.Values{"street": {"Kai 4"}, "town": {"24103 Kiel"}})
		path := w.Header().Get("Location")
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		page := x.get(path).Body.String()
		says(page, "Wollen Sie das?")
		says(page, "Der folgende Text ist auf Englisch; er gilt so, wie er hier steht.")
		says(page, "What: A new postal address")
		says(x.post(path+"/code", url.Values{"code": {"1234 5678"}}).Body.String(), "Das hat es nicht nachgewiesen.")
		id := instructions.ID(strings.TrimPrefix(path, "/my/authorised/"))
		follow := func(id instructions.ID) {
			t.Helper()
			if err := p.d.auth.Follow(t.Context(), authorise.Step{Instruction: id, What: authorise.Asked}); err != nil {
				t.Fatal(err)
			}
		}
		follow(id)
		mails := p.letters("jana@kestrel.example", 2) // the acknowledgement is one
		says(mails, "Subject: Etwas wartet auf Ihre Freigabe")
		says(mails, "Um es zu lesen und zu entscheiden")
		if strings.Contains(mails, "Something") || strings.Contains(mails, "Reply to this mail") {
			t.Errorf("English in it:\n%s", mails)
		}

		// What staff propose reaches them in the language that they spoke last.
		i, wrong, err := p.d.auth.Propose(t.Context(), &authorise.Proposal{Contact: c.Contact, Type: "card", Values: map[string]string{"card": "4471", "reason": "Lost"}, Proposer: "staff:noor"})
		if err != nil || len(wrong) > 0 {
			t.Fatal(err, wrong)
		}
		follow(i.ID)
		if n := strings.Count(p.letters("jana@kestrel.example", 3), "Um es zu lesen und zu entscheiden"); n != 2 {
			t.Errorf("%d German letters", n)
		}

		// What they give up, they read in German: a version of its own.
		x = p.customer(p.session(c.Contact, portal.Passkey), "de")
		says(x.get("/my/protection/encryption").Body.String(), "Ein falscher Buchstabe in einer Adresse")
		says(x.post("/my/protection/encryption", url.Values{"do": {"give"}, "version": {"2"}}).Body.String(), "Setzen Sie das H")
		says(x.post("/my/protection/encryption", url.Values{"do": {"give"}, "agree": {"encryption"}, "version": {"2"}}).Body.String(), "Ihre Wahl ist festgehalten")
		if list := p.consents(c.Contact); len(list) != 1 || list[0].Wording != 2 {
			t.Errorf("%v", list)
		}
		says(p.letters("jana@kestrel.example", 4), "Fassung 2, SHA-256")
		says(p.customer(p.session(c.Contact, portal.Passkey), "en").get("/my/protection").Body.String(), "You gave this up on")

		// A way in that is taken away is told in the language of the page.
		if w := x.post("/my/access/agreed", agreeing(ownCode)); w.Code != http.StatusSeeOther {
			t.Fatalf("%d", w.Code)
		}
		says(p.letters("jana@kestrel.example", 5), "Ein Code Ihrer Wahl wurde gesetzt")
		if w := p.customer(p.session(c.Contact, portal.Passkey), "en").post("/my/access/agreed/remove", nil); w.Code != http.StatusSeeOther {
			t.Fatalf("%d", w.Code)
		}
		says(p.letters("jana@kestrel.example", 6), "the code of your own choice was removed")

		// A notice of ours, in whichever language, does not change what they speak.
		told, err := p.d.outbox.PrepareChange(t.Context(), c.Contact, outbox.PhoneByStaff)
		if err != nil {
			t.Fatal(err)
		}
		p.must(func(ctx context.Context, tx *db.Tx) error { return p.d.outbox.Tell(ctx, tx, told) })
		says(p.letters("jana@kestrel.example", 7), "Jemand von uns hat eine Telefonnummer")
	})
}

// plainWord is one in the letters of English; what has capitals alone may be a reference
// or part of a fingerprint.
var plainWord = regexp.MustCompile(`\b[A-Za-z]{3,}\b`)

// TestPlaceHasNoPlainWords walks the place in the pseudo-locale: what is plain there
// was written past the catalogue, unless it is the organisation's or the customer's own.
func TestPlaceHasNoPlainWords(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("canary")
	p.checkedKey(c.Contact)
	x := p.customer(p.session(c.Contact, portal.Passkey), "en")
	x.cookies["__Host-postern-lang"] = string(lang.Pseudo)
	path := x.post("/my/begin/payment", url.Values{"amount": {"12.00 EUR"}, "payee": {"Zoe"}, "account": {"DE89370400440532013000"}}).Header().Get("Location")
	if path == "" {
		t.Fatal("nothing was begun")
	}
	x.post("/my/protection/factor", url.Values{"do": {"give"}, "agree": {"factor"}, "version": {"1"}})
	known := map[string]bool{}
	for _, k := range instructions.Shipped() {
		known[k.Title] = true
		for _, f := range k.Fields {
			known[f.Label] = true
		}
	}
	for _, w := range strings.Fields("Deutsch English UTC JavaScript gpg clearsign SHA Emre emre kestrel example Statement support northmere localhost DKIM") {
		known[w] = true
	}
	org := p.d.publicOrg()
	for _, own := range []string{org.Name, org.Host, org.Mail, org.Address, org.Hours} {
		known[own] = true
	}
	all := ""
	for k := range known {
		all += " " + k
	}
	for _, path := range []string{"/my", "/my/messages", "/my/authorised", path, "/my/begin/payment", "/my/keys", "/my/access", "/my/data", "/my/protection"} {
		w := x.get(path)
		doc, err := html.ParseWithOptions(bytes.NewReader(w.Body.Bytes()), html.ParseOptionEnableScripting(false))
		if err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, w.Code, err)
		}
		for _, s := range ownWordsOf(doc) {
			for _, word := range plainWord.FindAllString(s, -1) {
				if strings.ContainsAny(word, "aeioucns") && !strings.Contains(all, word) {
					t.Errorf("%s: %q is plain in %q", path, word, s)
				}
			}
		}
	}
}

// ownWordsOf are the texts of a page but for what is kept in English: the text of an
// instruction, and wordings that are recorded.
func ownWordsOf(n *html.Node) (out []string) {
	for _, a := range n.Attr {
		if a.Key == "lang" && a.Val == "en" || a.Key == "aria-labelledby" && strings.HasPrefix(a.Val, "s-") {
			return nil
		}
		if a.Key == "aria-label" {
			out = append(out, a.Val)
		}
	}
	switch {
	case n.Data == "script" || n.Data == "style":
		return nil
	case n.Type == html.TextNode:
		out = append(out, n.Data)
	}
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		out = append(out, ownWordsOf(k)...)
	}
	return out
}
