package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"postern/internal/fail"
)

// An Attachment of a mail that is written.
type Attachment struct {
	Name, Type string
	Data       []byte
}

// A Draft is a mail to be written.
type Draft struct {
	From          Address
	To            []Address
	Subject       string
	Date          time.Time
	MessageID     string // without angle brackets
	InReplyTo     string // the same
	References    []string
	Text          string // LF or CRLF line ends
	Attachments   []Attachment
	AutoSubmitted string      // "auto-replied", "auto-generated" or "" (RFC 3834, 5)
	Headers       [][2]string // further fields, e.g. Reply-To, Autocrypt
}

// Fields is the header of the mail with that subject, without the fields that
// describe its body: encoded, not yet folded.
func (d *Draft) Fields(subject string) ([]Field, error) {
	from, err := formatAddresses([]Address{d.From})
	if err != nil {
		return nil, err
	}
	to, err := formatAddresses(d.To)
	if err != nil {
		return nil, err
	}
	if d.MessageID == "" || d.Date.IsZero() || len(d.To) == 0 {
		return nil, fail.New(fail.Invalid, "a mail needs a recipient, a date and a Message-ID")
	}
	id, err := formatIDs([]string{d.MessageID})
	if err != nil {
		return nil, err
	}
	fields := []Field{{"From", from}, {"To", to}, {"Subject", ""}, {"Date", d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700")}, {"Message-ID", id}}
	if fields[2].Value, err = encodeText(subject); err != nil {
		return nil, err
	}
	if d.InReplyTo != "" {
		v, err := formatIDs([]string{d.InReplyTo})
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{"In-Reply-To", v})
	}
	if len(d.References) > 0 {
		v, err := formatIDs(d.References[max(0, len(d.References)-20):])
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{"References", v})
	}
	switch d.AutoSubmitted {
	case "":
	case "auto-replied", "auto-generated":
		fields = append(fields, Field{"Auto-Submitted", d.AutoSubmitted})
	default:
		return nil, fail.New(fail.Invalid, "%q is no way for a mail to be automatic", d.AutoSubmitted)
	}
	return d.further(fields)
}

// further adds the fields that the caller gave.
func (d *Draft) further(fields []Field) ([]Field, error) {
	for _, f := range d.Headers {
		name := f[0]
		if name == "" || len(name) > 60 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 127 || r == ':' }) {
			return nil, fail.New(fail.Invalid, "%q is no name for a header field", name)
		}
		for _, own := range []string{"From", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Sender", "Auto-Submitted", "MIME-Version", "HP-Outer"} {
			if strings.EqualFold(name, own) || strings.HasPrefix(strings.ToLower(name), "content-") {
				return nil, fail.New(fail.Invalid, "the header field %s is set by the draft itself", name)
			}
		}
		v := f[1]
		if !strings.EqualFold(name, "Autocrypt") || !printable(v) { // its base64 is one long word, and fold knows where to break it
			var err error
			if v, err = encodeText(v); err != nil {
				return nil, err
			}
		}
		fields = append(fields, Field{name, v})
	}
	return fields, nil
}

// Boundary is the n-th boundary of the mail. No part can hold it: quoted-printable
// never gives "=_", and base64 has no "_".
func (d *Draft) Boundary(n string) string {
	sum := sha256.Sum256([]byte(d.MessageID + "\x00" + n))
	return "=_" + hex.EncodeToString(sum[:15])
}

// Body writes the text and the attachments as one MIME entity. lead stands
// before its own fields; params are added to its Content-Type. Every part is
// 7-bit safe (RFC 3156, 3).
func (d *Draft) Body(lead []Field, params [][2]string) ([]byte, error) {
	size := len(d.Text)*2 + 4096
	for _, a := range d.Attachments {
		size += len(a.Data)*4/3 + len(a.Data)/38 + 1024
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	WriteFields(out, lead)
	if len(d.Attachments) == 0 {
		d.text(out, params)
		return out.Bytes(), nil
	}
	boundary := d.Boundary("mixed")
	WriteFields(out, []Field{{"Content-Type", withParams("multipart/mixed", append([][2]string{{"boundary", boundary}}, params...))}})
	out.WriteString("\r\n--" + boundary + "\r\n")
	d.text(out, nil)
	for _, a := range d.Attachments {
		out.WriteString("\r\n--" + boundary + "\r\n")
		if err := a.write(out); err != nil {
			return nil, err
		}
	}
	out.WriteString("\r\n--" + boundary + "--\r\n")
	return out.Bytes(), nil
}

func (d *Draft) text(out *bytes.Buffer, params [][2]string) {
	WriteFields(out, []Field{
		{"Content-Type", withParams("text/plain", append([][2]string{{"charset", "utf-8"}}, params...))},
		{"Content-Transfer-Encoding", "quoted-printable"},
	})
	out.WriteString("\r\n")
	writeQP(out, d.Text)
}

func (a *Attachment) write(out *bytes.Buffer) error {
	if strings.ContainsAny(a.Name+a.Type, "\r\n\x00") {
		return fail.New(fail.Invalid, "the name of an attachment holds a line break")
	}
	name := fileName(a.Name)
	if name == "" {
		name = nameFor(a.Type)
	}
	WriteFields(out, []Field{
		{"Content-Type", withParams(safeType(a.Type), [][2]string{{"name", name}})},
		{"Content-Disposition", withParams("attachment", [][2]string{{"filename", name}})},
		{"Content-Transfer-Encoding", "base64"},
	})
	out.WriteString("\r\n")
	WriteBase64(out, a.Data)
	return nil
}

// safeType gives a media type that may be base64; composite ones may not (RFC
// 2045, 6.4).
func safeType(t string) string {
	main, sub, ok := strings.Cut(strings.ToLower(t), "/")
	word := func(s string) bool {
		return s != "" && len(s) < 100 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 127 || strings.ContainsRune(`()<>@,;:\"/[]?=`, r) })
	}
	if !ok || main == "message" || main == "multipart" || !word(main) || !word(sub) {
		return "application/octet-stream"
	}
	return main + "/" + sub
}
