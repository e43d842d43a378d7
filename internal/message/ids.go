package message

import (
	"net/mail"
	"strings"
	"time"
)

const (
	maxID  = 998 // bytes of a message id
	maxIDs = 100 // of References
)

// MessageID is the mail's id without angle brackets, "" without a good one.
func (h *Header) MessageID() string {
	ids := ids(h.Get("Message-ID"))
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// InReplyTo lists the ids of In-Reply-To.
func (h *Header) InReplyTo() []string { return ids(h.Get("In-Reply-To")) }

// References lists the ids of References, oldest first; of very many, the newest.
func (h *Header) References() []string { return ids(h.Get("References")) }

// ids finds "<...>" (RFC 5322, 3.6.4); what stands between is not looked at.
func ids(s string) []string {
	var out []string
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		s = s[i+1:]
		j := strings.IndexAny(s, "<>")
		if j < 0 {
			break
		}
		if id := strings.TrimSpace(s[:j]); s[j] == '>' && id != "" && len(id) <= maxID &&
			!strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 127 }) {
			out = append(out, id)
		}
		s = s[j:]
	}
	if len(out) > maxIDs {
		out = out[len(out)-maxIDs:]
	}
	return out
}

// Date is the time the mail says it was written; zero without a good one.
func (h *Header) Date() time.Time {
	v := h.Get("Date")
	if h.Count("Date") != 1 || len(v) > 200 {
		return time.Time{}
	}
	t, err := mail.ParseDate(v)
	if err != nil {
		if t, err = mail.ParseDate(strings.TrimSpace(stripComments(v))); err != nil {
			return time.Time{}
		}
	}
	return t
}
