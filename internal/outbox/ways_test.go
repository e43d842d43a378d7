package outbox

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/lang"
	"postern/internal/mailboxes"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/vault"
)

// kinds reads every kind of delivery from the source, so that a new one is in the test
// without anybody remembering it.
func kinds(t *testing.T) (out []Kind) {
	b, err := os.ReadFile("outbox.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+\s+Kind\s+= "(\w+)"`).FindAllStringSubmatch(string(b), -1) {
		out = append(out, Kind(m[1]))
	}
	if len(out) < 8 {
		t.Fatalf("only %v found", out)
	}
	return out
}

// TestP8EveryMailSaysHowToGoOn: whatever leaves, of every kind, by every protection
// that is a mail, in every language, carries in its signed part how to answer, where
// the case page is, and the button for a person; and nothing comes from an address
// that takes no answer.
func TestP8EveryMailSaysHowToGoOn(t *testing.T) {
	now := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	key, err := pgp.Generate("Northmere", "support@northmere.example", now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	words := Words{Org: "Northmere", BaseURL: "https://desk.northmere.example", Promise: "within one working day"}
	v, err := vault.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &Outbox{words: func() Words { return words }, centre: centre.For(v)}
	seen := 0
	for _, k := range kinds(t) {
		for _, p := range []policy.Protection{policy.Signed, policy.Encrypted, policy.Portal, policy.OptedOut} {
			for _, l := range append([]lang.Lang{""}, lang.All...) {
				x := &letter{d: &Delivery{Kind: k, Address: "ada@brandt.example", MailID: "x@northmere.example"}, c: &cases.Case{Ref: "N7K4-2QXD", Lang: l, Subject: "Hello"},
					m: &cases.Message{Doc: cases.Doc{Text: "What we say."}}, box: &mailboxes.Mailbox{Address: "support@northmere.example", Name: "Northmere", Secret: key},
					token: "N7K4-2QXD-abcdef", replyTo: "support+N7K4-2QXD-abcdef@northmere.example", link: "secret", decision: policy.Verdict{Protection: p}}
				if p == policy.Encrypted {
					x.to = key.Public()
				}
				out := o.compose(x, now)
				seen++
				if k.House() { // it goes to people who work here, and leads to the case
					if !strings.Contains(out.Draft.Text, words.BaseURL+"/desk/cases/") || strings.Contains(out.Draft.Text, "/person/") {
						t.Errorf("%s: %s", k, out.Draft.Text)
					}
					continue
				}
				for what, want := range map[string]string{"how to answer": l.Must("mail.foot.reply", "N7K4-2QXD"), "the case page": words.BaseURL + "/case", "a person": words.BaseURL + "/person/N7K4-2QXD-abcdef", "our key": group(string(key.Public().Fingerprint()))} {
					if !strings.Contains(out.Draft.Text, want) {
						t.Errorf("%s, %s, %q: nothing says %s:\n%s", k, p, l, what, out.Draft.Text)
					}
				}
				if out.Signer == nil {
					t.Errorf("%s, %s: not signed", k, p)
				}
				reply := ""
				for _, h := range out.Draft.Headers {
					if h[0] == "Reply-To" {
						reply = h[1]
					}
				}
				if reply != x.replyTo || strings.Contains(strings.ToLower(out.Draft.From.Addr+reply), "no-reply") {
					t.Errorf("%s, %s: answers go to %q", k, p, reply)
				}
				if k != Reply && out.Draft.AutoSubmitted == "" {
					t.Errorf("%s does not say that a machine sent it (RFC 3834)", k)
				}
			}
		}
	}
	if seen < 8*4*3 {
		t.Errorf("only %d mails", seen)
	}
}
