package app

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/policy"
)

// TestP1IsThisFromYou: a mail of ours is recognised, as a file and as the text that
// somebody sees; one letter, one line, another address for answers, and it is not; what
// is not ours is with the security people; who only guesses our words learns nothing.
func TestP1IsThisFromYou(t *testing.T) {
	eachWatch(t, func(p *pages, later func(time.Duration)) {
		p.work()
		c := p.write("ada@brandt.example", "Your counter", "When can I come?")
		text := "Dear Ada,\n\nyou can come on Friday at ten, and I will be there myself to show you the papers. Look at https://northmere.example/counter before.\n\nKind regards\nMara Stein"
		if how := p.reply(c, text); how != policy.Signed {
			t.Fatal(how)
		}
		d := p.write("emre@yildiz.example", "Papers", "Please send them.")
		p.must(func(ctx context.Context, tx *db.Tx) error {
			return p.d.contacts.AddPhone(ctx, tx, d.Contact, "0171 5550143", "staff", "zara")
		})
		if how := p.reply(d, "Your account number is DE89 3704 0044 0532 0130 00, and that is all."); how != policy.Portal {
			t.Fatal(how)
		}
		find := func(to, has string) string {
			p.Helper()
			for _, raw := range p.mailsTo(to) {
				if strings.Contains(raw, has) {
					return raw
				}
			}
			p.Fatalf("no mail to %s with %q", to, has)
			return ""
		}
		raw := find("ada@brandt.example", "Mara Stein")
		notice := find("emre@yildiz.example", "/m/")
		seen := bodyOf(raw)
		if !strings.Contains(seen, "/person/") || !strings.Contains(seen, "Friday at ten") {
			t.Fatalf("the body: %q", seen)
		}
		show := func(network, text, file string) (string, *visitor) {
			p.Helper()
			x := p.visitor(network)
			files := map[string]string{}
			if file != "" {
				files["mail.eml"] = file
			}
			w := x.upload("/check", url.Values{"text": {text}}, files)
			if w.Code != http.StatusOK {
				p.Fatalf("%d %s", w.Code, w.Body)
			}
			for word, is := range map[string]string{"Yes, this is from us": "ours", "Do not trust this": "changed", "Nothing shows that this is from us": "foreign"} {
				if strings.Contains(w.Body.String(), "<h2>"+word) {
					return is, x
				}
			}
			p.Fatalf("no answer: %s", w.Body)
			return "", nil
		}
		quoted := "> " + strings.ReplaceAll(seen, "\n", "\n> ")
		replace := func(s, a, b string) string {
			if !strings.Contains(s, a) {
				p.Fatalf("%q is not in it", a)
			}
			return strings.Replace(s, a, b, 1)
		}
		received := "Received: from relay.example (relay.example [192.0.2.1])\r\n\tby mx.brandt.example; Fri, 27 Nov 2026 10:00:00 +0000\r\nX-Spam: no\r\n" + raw
		n := 0
		for _, x := range []struct{ name, text, file, want string }{
			{"the mail as a file", "", raw, "ours"},
			{"after its way through the net", "", received, "ours"},
			{"with the line ends of Unix", "", strings.ReplaceAll(raw, "\r\n", "\n"), "ours"},
			{"the notice", "", notice, "ours"},
			{"the source of it, pasted", raw, "", "ours"},
			{"its text", seen, "", "ours"},
			{"its text, quoted", quoted, "", "ours"},
			{"its text, broken otherwise", strings.ReplaceAll(seen, " ", "\n"), "", "ours"},
			{"its text, forwarded", "---------- Forwarded message ----------\nFrom: " + p.d.boxes.All()[0].Name + " <support@northmere.example>\nDate: Fri, 27 Nov 2026 10:12\nSubject: Re: Your counter [" + p.d.cases.Tokens.Make(c.Ref) + "]\nTo: <ada@brandt.example>\n\n" + seen, "", "ours"},
			{"the notice's text", bodyOf(notice), "", "ours"},

			{"one letter in the file", "", replace(raw, "Friday", "Fryday"), "changed"},
			{"another link in the file", "", replace(raw, "northmere.example/counter", "northmere.example.evil.example"), "changed"},
			{"answers go elsewhere", "", regexp.MustCompile(`(?m)^Reply-To: [^\r]*`).ReplaceAllString(raw, "Reply-To: evil@evil.example"), "changed"},
			{"sent by somebody else", "", regexp.MustCompile(`(?m)^From: [^\r]*`).ReplaceAllString(raw, "From: Northmere <support@northmere-bank.example>"), "changed"},
			{"one letter in the text", replace(seen, "Friday", "Fryday"), "", "changed"},
			{"another number in the text", replace(seen, "at ten", "at 10"), "", "changed"},
			{"a line before it", "Call 0900 123456 at once.\n" + seen, "", "changed"},
			{"a line after it", seen + "\nP.S. Confirm at https://evil.example", "", "changed"},
			{"a sender that is a sentence", "From: call 0900 123456\n\n" + seen, "", "changed"},
			{"a sender that is not", "From: Northmere <support@evil.example>\n\n" + seen, "", "changed"},
			{"a subject that is another", "Subject: Call 0900 123456 at once\n\n" + seen, "", "changed"},
			{"a date that is a telephone", "Date: 0900 1234 5678\n\n" + seen, "", "changed"},
			{"a recipient that is a sentence", "To: call 0900 123456 <ada@brandt.example>\n\n" + seen, "", "changed"},
			{"our last lines below another text", "Dear Ada, confirm your account at https://evil.example.\n\n" + seen[strings.Index(seen, "-- "):], "", "changed"},

			{"phishing", "Dear customer, your account is locked. Confirm it at https://northmere.evil.example. Northmere Savings", "", "foreign"},
			{"our words, guessed", text, "", "foreign"},
			{"our words below a made-up token", text + "\n" + regexp.MustCompile(`\.[A-Za-z0-9]+`).ReplaceAllString(p.d.cases.Tokens.Make(c.Ref), ".AAAAAAAAAAAA"), "", "foreign"},
			{"a stranger's mail", "", "From: Northmere <support@northmere.example>\r\nTo: ada@brandt.example\r\nSubject: Locked\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nMessage-ID: <x@evil.example>\r\n\r\nConfirm at https://evil.example\r\n", "foreign"},
		} {
			n++
			got, _ := show("192.0.2."+string(rune('0'+n/10))+string(rune('0'+n%10)), x.text, x.file)
			if got != x.want {
				p.Errorf("%s: %s, want %s", x.name, got, x.want)
			}
		}

		// Where the register has forgotten it, the signature alone still knows it.
		p.must(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM message_ids`)
			return err
		})
		if got, _ := show("203.0.113.50", "", raw); got != "ours" {
			p.Errorf("by its signature alone: %s", got)
		}
		if got, _ := show("203.0.113.51", "", replace(raw, "Friday", "Fryday")); got == "ours" {
			p.Error("by a broken signature")
		}

		// It is with the security people, and who asked has a reference.
		before := p.count(`SELECT COUNT(*) FROM cases WHERE topic = $1`, centre.Security)
		_, x := show("198.51.100.9", "Your parcel waits: https://evil.example. canary-phish", "")
		if now := p.count(`SELECT COUNT(*) FROM cases WHERE topic = $1`, centre.Security); now != before+1 {
			t.Fatalf("%d cases more", now-before)
		}
		ref := refWords.FindStringSubmatch(x.get("/contact/done").Body.String())
		if ref == nil {
			t.Fatal("no reference")
		}
		filed := p.byRef(ref[1])
		if page := p.do("triager", "GET", "/desk/cases/"+string(filed.ID), nil).Body.String(); !strings.Contains(page, "canary-phish") || !strings.Contains(page, "nothing shows that it is ours") || filed.Alarm == "" {
			t.Errorf("%+v", filed)
		}
		if n := p.count(`SELECT COUNT(*) FROM cases WHERE topic = $1`, centre.Security); n < 15 {
			t.Errorf("%d cases for the security people", n)
		}

		// Bad input.
		y := p.visitor("203.0.113.1")
		if w := y.upload("/check", url.Values{"text": {"  "}}, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("nothing: %d", w.Code)
		}
		if w := y.upload("/check", url.Values{"text": {strings.Repeat("x", centre.MaxText+1)}}, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("too much: %d", w.Code)
		}
		if w := y.upload("/check", nil, map[string]string{"a.eml": "x", "b.eml": "y"}); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("two at once: %d", w.Code)
		}
	})
}

// bodyOf is the text of a signed mail, as a mail program shows it.
func bodyOf(raw string) string {
	_, rest, _ := strings.Cut(raw, "Content-Type: text/plain")
	_, text, _ := strings.Cut(rest, "\r\n\r\n")
	text, _, _ = strings.Cut(text, "\r\n--")
	if i := strings.Index(text, "\r\n-----BEGIN"); i > 0 {
		text = text[:i]
	}
	text = strings.ReplaceAll(text, "=\r\n", "")
	return strings.ReplaceAll(regexp.MustCompile(`=([0-9A-F]{2})`).ReplaceAllStringFunc(text, func(s string) string {
		n := strings.Index("0123456789ABCDEF", s[1:2])*16 + strings.Index("0123456789ABCDEF", s[2:3])
		return string([]byte{byte(n)})
	}), "\r\n", "\n")
}
