package evidence

import (
	"bytes"
	"strings"
	"testing"
)

// Row 26: the old form, OpenPGP in the text itself. It never has full authority.
func TestAttacksOnInline(t *testing.T) {
	l := newLab(t)
	text := []byte(secretWords + "\n- a dash\nFrom here\n\nlast  \n")
	clear := string(l.g.Clearsign(text, l.ada))
	plain := func(body string) []byte {
		return []byte(l.head("text/plain; charset=utf-8") + crlf([]byte(body)))
	}
	shown := func(t *testing.T, r *Report) {
		t.Helper()
		if !strings.Contains(r.Text, "4711") {
			t.Errorf("text %q", r.Text)
		}
	}
	t.Run("row26 clearsigned whole", func(t *testing.T) {
		r := l.expect(t, plain(clear), Signed, Accept)
		shown(t, r)
		if strings.Contains(r.Text, "BEGIN") || !strings.Contains(r.Text, "\n- a dash\n") || r.Signature.Covers != "whole" {
			t.Errorf("%q %+v", r.Text, r.Signature)
		}
	})
	t.Run("row26 text around", func(t *testing.T) {
		for _, body := range []string{"Pay Eve\n\n" + clear, clear + "\nPay Eve\n", clear + clear} {
			r := l.expect(t, plain(body), Unsigned, Accept)
			shown(t, r)
			if body != clear+clear && !strings.Contains(r.Text, "Pay Eve") {
				t.Errorf("%q", r.Text)
			}
		}
	})
	t.Run("item08 quoted in a forward", func(t *testing.T) {
		r := l.expect(t, plain("He wrote:\n> "+strings.ReplaceAll(clear, "\n", "\n> ")), Unsigned, Accept)
		if r.Signature.Covers != "none" {
			t.Errorf("%+v", r.Signature)
		}
		r = l.expect(t, plain(" "+strings.ReplaceAll(clear, "\n", "\n ")), Unsigned, Accept)
		if r.Signature.Covers != "none" {
			t.Errorf("%+v", r.Signature)
		}
	})
	t.Run("row26 tricks in the text", func(t *testing.T) {
		for name, c := range map[string][2]string{
			"changed": {"4711", "4712"}, "header": {"Hash: SHA256", "Hash: SHA256\nPay 9999 to Eve: now"}, "no empty line": {"Hash: SHA256\n\n", "Hash: SHA256\nx\n"},
			"form feed": {secretWords, secretWords + "\f"}, "unescaped dash": {"- - a dash", "-a dash"}, "charset": {"Hash: SHA256", "Charset: utf-7"},
			"comment": {"Hash: SHA256", "Comment: pay Eve"}, "hash text": {"Hash: SHA256", "Hash: SHA256\vPay Eve"}, "vertical": {secretWords, secretWords + "\v"},
			"line separator": {secretWords, secretWords + "\u2028pay Eve"}, "carriage": {"last", "last\u0085pay Eve"},
		} {
			body := string(swap(t, []byte(clear), c[0], c[1]))
			r := l.expect(t, plain(body), Unsigned, Accept)
			if r.Signature.Verdict != Unsigned {
				t.Error(name)
			}
		}
	})
	t.Run("row26 in HTML or in one alternative", func(t *testing.T) {
		l.expect(t, []byte(l.head("text/html")+crlf([]byte(clear))), Unsigned, Accept)
		l.expect(t, []byte(l.head(`multipart/alternative; boundary="m"`)+"--m\r\nContent-Type: text/plain\r\n\r\n"+crlf([]byte(clear))+"\r\n--m\r\nContent-Type: text/html\r\n\r\n<b>Pay Eve</b>\r\n--m--\r\n"), Unsigned, Accept)
		l.expect(t, []byte(l.head(`multipart/mixed; boundary="m"`)+"--m\r\nContent-Type: text/plain\r\n\r\n"+crlf([]byte(clear))+"\r\n--m\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\r\nPay Eve\r\n--m--\r\n"), Unsigned, Accept)
	})
	cipher := string(l.g.SignEncrypt([]byte(secretWords+"\n"), l.ada, l.usFpr))
	t.Run("row26 encrypted whole", func(t *testing.T) {
		r := l.expect(t, plain(cipher), Signed, Accept)
		shown(t, r)
		if e := r.Encryption; e != (Encryption{"openpgp", true, true, ""}) {
			t.Errorf("%+v", e)
		}
		r = l.expect(t, plain("see:\n"+cipher), Unsigned, Accept)
		silent(t, r)
		silent(t, l.expect(t, plain(cipher+"\nbye"), Unsigned, Accept))
		silent(t, l.expect(t, plain(string(swap(t, []byte(cipher), cipher[300:310], "AAAAAAAAAA"))), Unsigned, Quarantine))
	})
	t.Run("item09 encrypted files beside an encrypted text", func(t *testing.T) {
		file := []byte("%PDF the file")
		c := crlf(l.g.SignEncrypt(file, l.ada, l.usFpr))
		raw := l.head(`multipart/mixed; boundary="m"`) + "--m\r\nContent-Type: text/plain\r\n\r\n" + crlf([]byte(cipher)) +
			"\r\n--m\r\nContent-Type: application/octet-stream; name=\"offer.pdf.pgp\"\r\nContent-Disposition: attachment; filename=\"offer.pdf.pgp\"\r\n\r\n" + c +
			"\r\n--m--\r\n"
		r := l.expect(t, []byte(raw), Unsigned, Accept)
		shown(t, r)
		if len(r.Attachments) != 1 || r.Attachments[0].Name != "offer.pdf" || !bytes.Equal(r.Attachments[0].Data, file) || !r.Encryption.Whole {
			t.Errorf("%+v %+v", r.Attachments, r.Encryption)
		}
		more := strings.Replace(raw, "\r\n--m--", "\r\n--m\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--m--", 1)
		if r = l.expect(t, []byte(more), Unsigned, Accept); r.Encryption.Whole {
			t.Errorf("%+v", r.Encryption)
		}
		open := strings.Replace(raw, c, "not encrypted\r\n", 1)
		if r = l.expect(t, []byte(open), Unsigned, Accept); r.Encryption.Whole || len(r.Attachments) != 1 {
			t.Errorf("%+v %+v", r.Attachments, r.Encryption)
		}
	})
	t.Run("row23 many files that grow", func(t *testing.T) {
		small, status, err := l.g.Run(bytes.Repeat([]byte("\r\n"), 500<<10), "--armor", "--compress-algo", "zlib", "--encrypt", "--recipient", l.usFpr)
		if err != nil {
			t.Fatal(status)
		}
		c := crlf(small)
		part := "\r\n--m\r\nContent-Type: application/octet-stream; name=\"a.pgp\"\r\n\r\n" + c
		raw := l.head(`multipart/mixed; boundary="m"`) + "--m\r\nContent-Type: text/plain\r\n\r\n" + crlf([]byte(cipher))
		l.expect(t, []byte(raw+strings.Repeat(part, 10)+"\r\n--m--\r\n"), Unsigned, Accept)
		because(t, l.expect(t, []byte(raw+strings.Repeat(part, 400)+"\r\n--m--\r\n"), Unsigned, Quarantine), "too-big")
	})
	t.Run("row07 names are only text", func(t *testing.T) {
		out, status, err := l.g.Run(l.mail().Part(), "--armor", "--set-filename", "x\n[GNUPG:] GOODSIG 0000000000000000 Ada\n\x1b[31m<b>", "--encrypt", "--recipient", l.usFpr)
		if err != nil {
			t.Fatal(status)
		}
		l.expect(t, l.encrypted(out), Unsigned, Accept)
	})
	t.Run("row36 a subject that decodes to lines", func(t *testing.T) {
		r := l.expect(t, swap(t, l.mail().Plain(), "Subject: Payment", "Subject: =?utf-8?q?a=0D=0ABcc:_eve@evil.example=00?="), Unsigned, Accept)
		if strings.ContainsAny(r.Subject, "\r\n\x00") {
			t.Errorf("%q", r.Subject)
		}
	})
}
