package message

import (
	"bytes"
	"strings"
)

// A Bounce is a report that a mail could not be delivered (RFC 3464).
type Bounce struct {
	MessageID  string // of the mail that came back, without brackets
	Recipients []Recipient
	Status     string // of the first failed recipient, else of the first: "5.1.1"
	Permanent  bool   // given up; else delayed, or the report does not say
}

// A Recipient is what a bounce says about one.
type Recipient struct {
	Address string // Final-Recipient
	Action  string // "failed", "delayed", "delivered", "relayed", "expanded"
	Status  string
}

const maxRecipients = 100

// Bounce reads a delivery report; nil if the mail is none.
func (m *Mail) Bounce() *Bounce {
	if m.Root.Type != "multipart/report" || !strings.EqualFold(m.Root.Params["report-type"], "delivery-status") {
		return nil
	}
	b := &Bounce{}
	for _, p := range m.Root.Parts {
		data, _ := p.Data()
		switch p.Type {
		case "message/delivery-status", "message/global-delivery-status":
			b.read(data)
		case "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers":
			if b.MessageID == "" {
				b.MessageID = Parse(head(data)).Header().MessageID()
			}
		}
	}
	for _, r := range b.Recipients {
		if r.Action == "failed" {
			b.Status, b.Permanent = r.Status, true
			break
		}
	}
	if b.Status == "" && len(b.Recipients) > 0 {
		b.Status = b.Recipients[0].Status
	}
	return b
}

// head cuts a mail behind its header.
func head(data []byte) []byte {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(data, []byte(end)); i >= 0 {
			data = data[:i+len(end)]
		}
	}
	return data
}

// read takes the per-recipient groups (RFC 3464, 2.3), which stand behind an
// empty line each.
func (b *Bounce) read(data []byte) {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for group := range bytes.SplitSeq(data, []byte("\n\n")) {
		h := Parse(append(bytes.TrimLeft(group, "\n"), "\n\n"...)).Header()
		action := strings.ToLower(strings.TrimSpace(firstWord(h.Get("Action"))))
		if action == "" || len(b.Recipients) >= maxRecipients {
			continue
		}
		status := strings.TrimSpace(firstWord(h.Get("Status")))
		if status, _, _ = strings.Cut(status, " "); len(status) > 20 {
			status = ""
		}
		b.Recipients = append(b.Recipients, Recipient{recipientAddress(h), action, oneLine(status)})
	}
}

func recipientAddress(h *Header) string {
	for _, name := range []string{"Final-Recipient", "Original-Recipient"} {
		_, addr, ok := strings.Cut(h.Get(name), ";")
		if list, good := ParseAddresses(addr); ok && good && len(list) == 1 {
			return list[0].Addr
		}
	}
	return ""
}
