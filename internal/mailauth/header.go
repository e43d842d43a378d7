package mailauth

import (
	"bytes"
	"net/mail"
	"strings"
)

// fields calls f with name and value of each header field, unfolded by spaces.
func fields(header []byte, f func(name, value string)) {
	var name, value string
	flush := func() {
		if name != "" {
			f(name, value)
		}
		name = ""
	}
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			value += " " + string(bytes.TrimSpace(line))
			continue
		}
		flush()
		n, v, ok := strings.Cut(string(line), ":")
		if ok {
			name, value = strings.TrimRight(n, " \t"), v
		}
	}
	flush()
}

func hasField(header []byte, want string) (found bool) {
	fields(header, func(name, _ string) { found = found || strings.EqualFold(name, want) })
	return found
}

// fromDomain is the domain of the only mailbox of the only From field, or "".
func fromDomain(raw []byte) string {
	end := bytes.Index(raw, []byte("\r\n\r\n"))
	if end < 0 {
		end = len(raw)
	}
	if end > maxHeader {
		return ""
	}
	var all []string
	fields(raw[:end], func(name, value string) {
		if isFrom(name) {
			all = append(all, value)
		}
	})
	if len(all) != 1 {
		return ""
	}
	list, err := mail.ParseAddressList(all[0])
	if err != nil || len(list) != 1 {
		return ""
	}
	return clean(domainOf(list[0].Address))
}
