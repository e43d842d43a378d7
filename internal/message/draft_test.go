package message

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/fail"
)

func draft(text string) *Draft {
	return &Draft{From: Address{"Northmere", "support@northmere.example"}, To: []Address{{"", "ada@brandt.example"}}, Subject: "Hello",
		Date: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), MessageID: "one@northmere.example", Text: text}
}

func written(t *testing.T, d *Draft) []byte {
	t.Helper()
	fields, err := d.Fields(d.Subject)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := d.Body(append(fields, Field{"MIME-Version", "1.0"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What is written is read back as it was, and every byte on the way is safe for a
// signature: ASCII, CRLF, short lines, nothing that a server would change.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for name, text := range map[string]string{
		"plain": "Good morning,\n\nwe are moving.\n", "trailing space": "signed \nby us\t\n", "dots": ".\n..\n.hidden\n", "from": "From here on\n>From there\n",
		"equals": "a=b =3D =\n", "long": strings.Repeat("word ", 400) + "\n", "no break": strings.Repeat("x", 3000) + "\n", "unicode": "Grüße, 你好, \U0001F600\n",
		"long unicode": strings.Repeat("ü", 2000) + "\n", "dashes": "-- \nMara\n--=_x--\n", "no end": "no line end", "blank": "\n\n\n", "crlf": "one\r\ntwo\r\n", "bare cr": "one\rtwo\n",
	} {
		t.Run(name, func(t *testing.T) {
			raw := written(t, draft(text))
			for i, line := range bytes.Split(raw, []byte("\r\n")) {
				if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") || bytes.HasPrefix(line, []byte("From ")) || bytes.HasSuffix(line, []byte(" ")) || bytes.HasSuffix(line, []byte("\t")) || string(line) == "." {
					t.Errorf("line %d is not safe: %q", i, line)
				}
			}
			for _, c := range raw {
				if c > 0x7e {
					t.Fatalf("byte %#x", c)
				}
			}
			m := Parse(raw)
			if m.Ambiguous() != "" {
				t.Errorf("ambiguous: %s", m.Ambiguous())
			}
			got := strings.TrimRight(strings.ReplaceAll(m.Root.Display().Text, "\r\n", "\n"), "\n")
			want := strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
			if got != want {
				t.Errorf("read back %q, want %q", got, want)
			}
		})
	}
}

func TestAttachmentsAreReadBack(t *testing.T) {
	d := draft("See the file.")
	data := make([]byte, 10_000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	d.Attachments = []Attachment{{"Kontoauszug März.pdf", "application/pdf", data}, {"../../etc/passwd", "text/html; x", []byte("<b>")}, {"", "", nil}}
	c := Parse(written(t, d)).Root.Display()
	if len(c.Attachments) != 3 || c.Attachments[0].Name != "Kontoauszug März.pdf" || strings.ContainsAny(c.Attachments[1].Name, "/\\") {
		t.Fatalf("%+v", c.Attachments)
	}
	if !bytes.Equal(c.Attachments[0].Data, data) {
		t.Errorf("%d bytes", len(c.Attachments[0].Data))
	}
}

// Nobody's text becomes a header field of ours.
func TestNothingIsInjected(t *testing.T) {
	evil := "x\r\nBcc: mallory@evil.example\r\n\r\nbody"
	for name, change := range map[string]func(*Draft){
		"subject": func(d *Draft) { d.Subject = evil },
		"name":    func(d *Draft) { d.From.Name = evil },
		"to name": func(d *Draft) { d.To[0].Name = evil },
		"address": func(d *Draft) { d.To[0].Addr = "ada@brandt.example>\r\nBcc: <mallory@evil.example" },
		"id":      func(d *Draft) { d.MessageID = "a@b>\r\nBcc: mallory@evil.example" },
		"refers":  func(d *Draft) { d.InReplyTo = evil },
		"refs":    func(d *Draft) { d.References = []string{"a@b", evil} },
		"header":  func(d *Draft) { d.Headers = [][2]string{{"Reply-To", evil}} },
		"field":   func(d *Draft) { d.Headers = [][2]string{{"X\r\nBcc", "mallory@evil.example"}} },
		"own":     func(d *Draft) { d.Headers = [][2]string{{"bcc", "mallory@evil.example"}} },
		"content": func(d *Draft) { d.Headers = [][2]string{{"Content-Type", "text/html"}} },
		"auto":    func(d *Draft) { d.AutoSubmitted = evil },
		"filename": func(d *Draft) {
			d.Attachments = []Attachment{{evil + `"; x="`, "text/plain\r\nBcc: mallory@evil.example", nil}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := draft("Hello.")
			change(d)
			fields, err := d.Fields(d.Subject)
			if fail.Is(err, fail.Invalid) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw, err := d.Body(fields, nil)
			if fail.Is(err, fail.Invalid) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := Parse(raw)
			var all func(p *Part)
			all = func(p *Part) {
				if p.Header.Count("Bcc") > 0 {
					t.Errorf("injected:\n%s", raw)
				}
				for _, q := range p.Parts {
					all(q)
				}
			}
			all(m.Root)
			if head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n")); bytes.Contains(head, []byte("body")) {
				t.Errorf("the head ends early:\n%s", raw)
			}
		})
	}
}

// Limits end in a problem that is named, and soon.
func TestLimitsEndInANamedProblem(t *testing.T) {
	head := "From: a@b.example\r\nMIME-Version: 1.0\r\n"
	deep := head
	for i := range maxDepth + 10 {
		deep += "Content-Type: multipart/mixed; boundary=b" + strings.Repeat("x", i) + "\r\n\r\n--b" + strings.Repeat("x", i) + "\r\n"
	}
	for name, raw := range map[string]string{
		"parts":  head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 10_000) + "--b--\r\n",
		"depth":  deep,
		"fields": head + strings.Repeat("X-A: b\r\n", maxFields+10) + "\r\nhello\r\n",
	} {
		began := time.Now()
		m := Parse([]byte(raw))
		if len(m.Problems) == 0 {
			t.Errorf("%s: no problem is named", name)
		}
		m.Root.Display()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}
