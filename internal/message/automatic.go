package message

import "strings"

// Automatic says that a mail was written by a machine, and of which kind.
type Automatic string

const (
	ByHand    Automatic = ""
	AutoReply Automatic = "auto-reply"
	BounceMsg Automatic = "bounce"
	List      Automatic = "list"
	Bulk      Automatic = "bulk"
)

// Automatic judges the mail. returnPath is the envelope sender, nil if not known.
// Nothing automatic is ever answered automatically (RFC 3834, 2).
func (m *Mail) Automatic(returnPath *string) Automatic {
	h := m.Header()
	if null := ""; returnPath == nil && strings.TrimSpace(h.Get("Return-Path")) == "<>" {
		returnPath = &null // as it was written down at delivery (RFC 5321, 4.4)
	}
	from := strings.ToLower(firstLocal(h))
	auto := ""
	for _, v := range h.All("Auto-Submitted") { // any one of several counts
		if w := strings.ToLower(strings.TrimSpace(firstWord(v))); w != "" && (auto == "" || auto == "no") {
			auto = w
		}
	}
	precedence := ""
	for _, v := range h.All("Precedence") { // any one of several counts
		switch w := strings.ToLower(strings.TrimSpace(firstWord(v))); w {
		case "bulk", "junk", "list", "auto_reply":
			precedence = w
		}
	}
	switch {
	case m.Root.Type == "multipart/report" && strings.EqualFold(m.Root.Params["report-type"], "delivery-status"):
		return BounceMsg
	case from == "mailer-daemon" || from == "postmaster" && (auto != "" && auto != "no" || returnPath != nil && *returnPath == ""):
		return BounceMsg
	case auto != "" && auto != "no": // RFC 3834, 5; "no" is said by people's mailers
		return AutoReply
	case precedence == "auto_reply", h.Has("X-Autoreply"), h.Has("X-Autorespond"), h.Has("X-Autoresponder"), h.Has("X-Auto-Reply"):
		return AutoReply
	case suppresses(h.Get("X-Auto-Response-Suppress")):
		return AutoReply
	case h.Has("List-Id"), h.Has("List-Unsubscribe"), h.Has("List-Post"), precedence == "list":
		return List
	case returnPath != nil && *returnPath == "":
		if outOfOffice(h.Text("Subject")) {
			return AutoReply
		}
		return BounceMsg // RFC 5321, 4.5.5: nobody expects an answer
	case precedence != "":
		if outOfOffice(h.Text("Subject")) {
			return AutoReply
		}
		return Bulk
	case from == "postmaster":
		return Bulk
	case outOfOffice(h.Text("Subject")) && len(h.InReplyTo()) > 0:
		return AutoReply // a weak hint, beside another one
	}
	return ByHand
}

func firstLocal(h *Header) string {
	for _, name := range []string{"From", "Sender"} {
		if list := h.Addresses(name); len(list) > 0 {
			local, _, _ := strings.Cut(list[0].Addr, "@")
			return local
		}
	}
	return ""
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(stripComments(s), ";")
	return s
}

// suppresses reads Microsoft's header. DR and RN alone stand in ordinary mail.
func suppresses(v string) bool {
	for w := range strings.SplitSeq(strings.ToLower(v), ",") {
		switch strings.TrimSpace(w) {
		case "all", "autoreply", "oof":
			return true
		}
	}
	return false
}

// outOfOffice knows how absence is announced in four languages.
func outOfOffice(subject string) bool {
	s := strings.ToLower(strings.TrimSpace(subject))
	for _, begin := range []string{"automatic reply", "auto-reply", "auto reply", "autoreply", "out of office", "out of the office", "away from",
		"automatische antwort", "abwesenheit", "abwesend", "ich bin nicht im", "nicht im büro", "nicht im hause",
		"réponse automatique", "reponse automatique", "absence", "absent", "en congé",
		"respuesta automática", "respuesta automatica", "fuera de la oficina", "fuera de oficina", "ausente", "ausencia"} {
		if strings.HasPrefix(s, begin) {
			return true
		}
	}
	return false
}
