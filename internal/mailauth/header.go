package mailauth

import (
	"bytes"
	"net/mail"
)

// fields calls f with name and value of each header field, unfolded by spaces.
func fields(header []byte, f func(name, value string)) {
	var name string
	var value []byte
	flush := func() {
		if name != "" {
			f(name, string(value))
		}
		name, value = "", nil
	}
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			value = append(append(value, ' '), bytes.TrimSpace(line)...)
			continue
		}
		flush()
		n, v, ok := bytes.Cut(line, []byte(":"))
		if ok {
			name, value = string(bytes.TrimRight(n, " \t")), append(value, v...)
		}
	}
	flush()
}

// head is the header with its last line end; ok is false when it is so long or
// in so many pieces that the libraries, which are quadratic in that, would
// make work of it.
func head(raw []byte) (header []byte, ok bool) {
	end := bytes.Index(raw, []byte("\r\n\r\n"))
	if end < 0 || end > maxHeader {
		return nil, false
	}
	header = raw[:end+2]
	return header, bytes.Count(header, []byte("\n")) <= maxLines
}

// fromDomain is the domain of the only mailbox of the only From field, or "".
func fromDomain(header []byte) string {
	var all []string
	fields(header, func(name, value string) {
		if isFrom(name) {
			all = append(all, value)
		}
	})
	if len(all) != 1 || len(all[0]) > maxField {
		return ""
	}
	list, err := mail.ParseAddressList(all[0])
	if err != nil || len(list) != 1 {
		return ""
	}
	return clean(domainOf(list[0].Address))
}
