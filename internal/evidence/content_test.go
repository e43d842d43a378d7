package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/message"
)

// What is shown of a mail, under attack: character sets, forms that differ,
// names, and sizes. All of it is signed by Ada, so only the one change counts.
func TestAttacksOnContent(t *testing.T) {
	l := newLab(t)
	sign := func(part string) []byte { return l.signedMail([]byte(part), l.g.Sign([]byte(part), l.ada)) }
	seal := func(part string) []byte { return l.encrypted(l.g.SignEncrypt([]byte(part), l.ada, l.usFpr)) }
	t.Run("row27 alternatives", func(t *testing.T) {
		alt := func(html string) string {
			return "Content-Type: multipart/alternative; boundary=\"a\"\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\n" + secretWords + "\r\n--a\r\nContent-Type: text/html\r\n\r\n" + html + "\r\n--a--\r\n"
		}
		for _, wrap := range []func(string) []byte{sign, seal} {
			r := l.good(t, wrap(alt("<p>Please pay <b>1.204,50</b> EUR to account 4711</p>")))
			for _, s := range r.Reasons {
				t.Errorf("alike, but %s", s)
			}
			r = l.good(t, wrap(alt("<p>Please pay <b>9.999,99</b> EUR to account 4711</p>")))
			because(t, r, "alternatives-differ")
			if strings.Contains(r.Text, "9.999") {
				t.Errorf("%q", r.Text)
			}
		}
	})
	t.Run("row28 charset", func(t *testing.T) {
		for _, c := range []string{"utf-7", "x-unknown", "utf-16", "utf-32", "hz-gb-2312", "iso-2022-kr"} {
			for _, wrap := range []func(string) []byte{sign, seal} {
				r := l.expect(t, wrap("Content-Type: text/plain; charset="+c+"\r\n\r\n+ADw-script+AD4- "+secretWords), Unsigned, Quarantine)
				because(t, r, "undecodable-charset")
				silent(t, r)
			}
			l.expect(t, []byte(l.head("text/plain; charset="+c)+secretWords), Unsigned, Quarantine)
		}
		l.expect(t, sign("Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B 1.204,50"), Unsigned, Quarantine)
		for c, body := range map[string]string{"": "Grüße 1.204,50", "utf-8": "Grüße 1.204,50", "iso-8859-1": "Gr\xfc\xdfe 1.204,50", "US-ASCII": "Gr\xfc\xdfe 1.204,50", "KOI8-R": "\xf0\xd2 1.204,50"} {
			l.good(t, seal("Content-Type: text/plain; charset=\""+c+"\"\r\n\r\n"+body))
		}
	})
	t.Run("row28 charset of an attachment is not ours", func(t *testing.T) {
		l.good(t, seal("Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\n"+secretWords+"\r\n--a\r\nContent-Type: text/csv; charset=utf-16; name=\"a.csv\"\r\n\r\nx\r\n--a--\r\n"))
	})
	t.Run("row28 NUL and bidi", func(t *testing.T) {
		r := l.good(t, seal("Content-Type: text/plain; charset=utf-8\r\n\r\n"+secretWords+"\u202e4711\u2066"))
		because(t, r, "bidi-controls")
		if strings.ContainsAny(r.Text, "\u202e\u2066") {
			t.Errorf("%q", r.Text)
		}
		if r = l.expect(t, seal("Content-Type: text/plain\r\n\r\n"+secretWords+"\x00"), Unsigned, Accept); strings.Contains(r.Text, "\x00") {
			t.Errorf("%q", r.Text)
		}
		r = l.expect(t, swap(t, l.signed(), "Payment", "=?utf-8?q?a=E2=80=AEb?="), Verified, Accept)
		if strings.Contains(r.Subject, "\u202e") {
			t.Errorf("%q", r.Subject)
		}
	})
	t.Run("item28 words and names", func(t *testing.T) {
		raw := swap(t, l.signed(), "To: "+l.usAddr, "To: =?utf-8?q?Northmere=2C_Support?= <"+l.usAddr+">, \"Weiß, Eva\" <eva@x.example>")
		raw = swap(t, raw, "Subject: Payment", "Subject: =?utf-8?b?R3LDvA==?= =?utf-8?q?=C3?=\r\n =?utf-8?q?=9Fe?= a =?utf-8?q?b?= c")
		r := l.good(t, raw)
		if len(r.To) != 2 || r.To[0] != (Address{"Northmere, Support", l.usAddr}) || r.To[1] != (Address{"Weiß, Eva", "eva@x.example"}) {
			t.Errorf("%+v", r.To)
		}
		if r.Subject != "Grüße a b c" {
			t.Errorf("%q", r.Subject)
		}
	})
	t.Run("item28 file names", func(t *testing.T) {
		data := bytes.Repeat([]byte("0123456789abcdef"), 200)
		for field, want := range map[string]string{
			`filename="plan.pdf"`: "plan.pdf", `filename*=utf-8''%c3%a4%20b.pdf`: "ä b.pdf", "filename*0*=utf-8''%c3%a4;\r\n filename*1=\"b\"; filename*2=.pdf": "äb.pdf",
			`filename="=?utf-8?q?=C3=A4.pdf?="`: "ä.pdf", `filename="a=?utf-8?q?=0D=0A?=b.pdf"`: "", `filename*=utf-8''a%0d%0aX:%20b.pdf`: "", `filename="../../etc/passwd"`: "",
			`filename="C:\\x\\y.exe"`: "", `filename="a` + "\u202e" + `fdp.exe"`: "afdp.exe", `filename=".."`: "", `filename="a%00.pdf"`: "a%00.pdf", `filename*=utf-7''+AC8-.pdf`: "",
		} {
			part := "Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\n" + secretWords + "\r\n--a\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; " + field +
				"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + crlf([]byte(wrap64(data))) + "\r\n--a--\r\n"
			r := l.good(t, seal(part))
			if len(r.Attachments) != 1 {
				t.Fatalf("%s: %+v", field, r.Attachments)
			}
			f := r.Attachments[0]
			sum := sha256.Sum256(data)
			if f.Size != len(data) || f.SHA256 != hex.EncodeToString(sum[:]) || f.Type != "application/pdf" {
				t.Errorf("%s: %d %s %s", field, f.Size, f.SHA256, f.Type)
			}
			if want != "" && f.Name != want || f.Name == "" || strings.ContainsAny(f.Name, "\r\n\x00/\\\u202e") || f.Name == ".." {
				t.Errorf("%s: name %q, want %q", field, f.Name, want)
			}
		}
	})
	t.Run("attachments and images survive", func(t *testing.T) {
		part := "Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\n--a\r\nContent-Type: multipart/related; boundary=\"r\"\r\n\r\n--r\r\nContent-Type: multipart/alternative; boundary=\"l\"\r\n\r\n--l\r\nContent-Type: text/plain\r\n\r\n" + secretWords +
			"\r\n--l\r\nContent-Type: text/html\r\n\r\n<p>" + secretWords + "<img src=\"cid:i\">\r\n--l--\r\n--r\r\nContent-Type: image/png\r\nContent-ID: <i>\r\n\r\nPNG\r\n--r--\r\n--a\r\nContent-Type: text/plain; name=\"notes.txt\"\r\n\r\nnotes\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nFrom: eve@evil.example\r\n\r\nx\r\n--a--\r\n"
		r := l.good(t, seal(part))
		if len(r.Attachments) != 3 || r.HTML == "" || r.Attachments[1].Name != "notes.txt" || strings.Contains(r.Text, "notes") {
			t.Errorf("%+v %q", r.Attachments, r.Text)
		}
	})
}

// Mail built to cost: each ends in a report within bounds.
func TestAttacksOnSize(t *testing.T) {
	l := newLab(t)
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
		}
		b.WriteString("Content-Type: text/plain\r\n\r\n" + secretWords + "\r\n")
		for i := n - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "--b%d--\r\n", i)
		}
		return b.String()
	}
	parts := func(n int) string {
		return "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", n) + "--b--\r\n"
	}
	head := strings.TrimSuffix(l.head("x"), "Content-Type: x\r\n\r\n")
	for name, c := range map[string]struct {
		raw string
		d   Disposition
	}{
		"1 MB subject":    {strings.Replace(head, "Payment", strings.Repeat("Payment ", 1<<17), 1) + "\r\n" + secretWords, Accept},
		"folded subject":  {strings.Replace(head, "Payment", strings.Repeat("Payment\r\n ", 1<<17), 1) + "\r\n" + secretWords, Accept},
		"encoded subject": {strings.Replace(head, "Payment", strings.Repeat("=?utf-8?q?=?= ", 1<<16), 1) + "\r\n" + secretWords, Accept},
		"10,000 parts":    {head + parts(10000), Quarantine},
		"depth 20":        {head + deep(20), Accept},
		"depth 10,000":    {head + deep(10000), Quarantine},
		"20,000 fields":   {head + strings.Repeat("X-A: b\r\n", 20000) + "\r\n" + secretWords, Accept},
		"late From":       {strings.Replace(head, "From", "X-From", 1) + strings.Repeat("X-A: b\r\n", 20000) + "From: ada@brandt.example\r\n\r\nx", Refuse},
		"links":           {head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("<a href=\"http://x.example/\">x</a>", 5000), Accept},
		"one long line":   {head + "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("QUJD", 64<<10), Accept},
		"open tags":       {head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("<div><!--", 200000), Accept},
		"brackets":        {strings.Replace(head, "To: ", "To: "+strings.Repeat("(<\"", 20000), 1) + "\r\n", Accept},
		"params":          {head + "Content-Type: text/plain" + strings.Repeat(";a*0*=b", 8000) + "\r\n\r\n" + secretWords, Accept},
		"dashes":          {head + "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n" + strings.Repeat("--\r\n", 1<<20), Accept},
		"armour heads":    {head + "\r\n" + strings.Repeat("-----BEGIN PGP MESSAGE-----\r\n", 1<<16), Accept},
		"armour nearly":   {head + "\r\n" + strings.Repeat(" -----BEGIN PGP MESSAGE-----\r\n", 1<<16), Accept},
		"addresses":       {strings.Replace(head, "To: ", "To: "+strings.Repeat("a@b.example,", 100000), 1) + "\r\n", Accept},
		"nothing":         {"", Refuse},
		"a byte":          {"\x80", Refuse},
		"UTF-32":          {"F\x00\x00\x00r\x00\x00\x00o\x00\x00\x00m\x00\x00\x00", Refuse},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := Examine([]byte(c.raw), l.options())
			if r.Disposition != c.d || r.Signature.Verdict == Verified || r.Signature.Verdict == Signed {
				t.Errorf("%s %s %q", r.Signature.Verdict, r.Disposition, r.Reasons)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			if len(r.Subject) > 128<<10 || len(r.To) > 2000 {
				t.Errorf("%d bytes of subject, %d addresses", len(r.Subject), len(r.To))
			}
		})
	}
	t.Run("10,000 signed parts", func(t *testing.T) {
		for _, p := range []string{parts(10000), deep(10000), deep(60)} {
			l.expect(t, l.encrypted(l.g.SignEncrypt([]byte(p), l.ada, l.usFpr)), Unsigned, Quarantine)
		}
	})
}

// What machines write.
func TestAutomaticMail(t *testing.T) {
	l := newLab(t)
	null, some := "", "ada@brandt.example"
	for _, c := range []struct {
		head string
		path *string
		want message.Automatic
	}{
		{"", nil, ""}, {"", &some, ""}, {"Auto-Submitted: no\r\n", &some, ""}, {"Auto-Submitted: NO (really); x=y\r\n", nil, ""},
		{"Auto-Submitted: auto-replied\r\n", nil, message.AutoReply}, {"Auto-Submitted: auto-generated; x=y\r\n", nil, message.AutoReply},
		{"Precedence: first-class\r\nPrecedence: bulk\r\n", nil, message.Bulk}, {"Precedence: junk\r\n", nil, message.Bulk}, {"Precedence: list\r\n", nil, message.List},
		{"List-Id: <x.example>\r\n", nil, message.List}, {"X-Auto-Response-Suppress: OOF\r\n", nil, message.AutoReply}, {"X-Auto-Response-Suppress: DR, RN\r\n", nil, ""},
		{"", &null, message.BounceMsg}, {"Return-Path: <>\r\n", nil, message.BounceMsg}, {"Return-Path: <>\r\n", &some, ""}, {"Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n", nil, message.AutoReply},
	} {
		m := l.mail()
		m.Headers = c.head
		o := l.options()
		o.ReturnPath = c.path
		if r := Examine(m.Plain(), o); r.Automatic != c.want {
			t.Errorf("%q: %q, want %q", c.head, r.Automatic, c.want)
		}
	}
	for _, subject := range []string{"Automatic reply: x", "Abwesenheitsnotiz: x", "Réponse automatique : x", "Respuesta automática: x", "=?utf-8?q?R=C3=A9ponse_automatique?="} {
		m := l.mail()
		m.Subject, m.Headers = subject, "In-Reply-To: <a@northmere.example>\r\n"
		if r := Examine(m.Plain(), l.options()); r.Automatic != message.AutoReply {
			t.Errorf("%q: %q", subject, r.Automatic)
		}
	}
	report := func(action, status string) string {
		return "From: MAILER-DAEMON@mx.example\r\nTo: " + l.usAddr + "\r\nDate: " + l.now.Format(time.RFC1123Z) + "\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"r\"\r\n\r\n" +
			"--r\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; carl@x.example\r\nAction: " + action + "\r\nStatus: " + status +
			"\r\n\r\n--r\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <abc@northmere.example>\r\nSubject: x\r\n\r\n--r--\r\n"
	}
	for _, c := range []struct {
		action, status string
		permanent      bool
	}{{"failed", "5.1.1", true}, {"delayed", "4.4.1", false}, {"delivered", "2.0.0", false}} {
		r := Examine([]byte(report(c.action, c.status)), l.options())
		b := r.Bounce
		if b == nil || b.Permanent != c.permanent || b.Status != c.status || b.MessageID != "abc@northmere.example" || len(b.Recipients) != 1 || b.Recipients[0].Address != "carl@x.example" || r.Automatic != message.BounceMsg || r.Disposition != Accept {
			t.Errorf("%+v: %+v %q %s", c, b, r.Automatic, r.Disposition)
		}
	}
}
