package smtpc

import (
	"bytes"
	"strings"
)

func sevenBit(raw []byte) bool {
	for _, c := range raw {
		if c == 0 || c > 0x7f {
			return false
		}
	}
	return true
}

// checkMessage says why a message may not leave, or "". A bare CR or LF would
// let a lenient server see a second message (SMTP smuggling), an 8-bit byte
// would be re-encoded on the way and break the signature.
func checkMessage(from, to string, raw []byte) string {
	switch {
	case from != "" && !plainAddress(from):
		return "the sender address cannot be sent by SMTP"
	case !plainAddress(to):
		return "the recipient address cannot be sent by SMTP"
	case len(raw) == 0:
		return "the message is empty"
	case !sevenBit(raw):
		return "the message holds a NUL or an 8-bit byte; it must be encoded"
	}
	lf := bytes.Count(raw, []byte("\n"))
	if n := bytes.Count(raw, []byte("\r\n")); n != lf || n != bytes.Count(raw, []byte("\r")) {
		return "the message has a bare CR or LF"
	}
	return ""
}

// plainAddress reports whether a can stand between < and > in a command.
// Quoted local parts with spaces are not for us to write to.
func plainAddress(a string) bool {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at == len(a)-1 || len(a) > 254 {
		return false
	}
	for i := range len(a) {
		if c := a[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// stuffed returns raw with dots doubled at the beginning of lines (RFC 5321,
// 4.5.2) and a line end at its end; raw itself when nothing needs a change.
func stuffed(raw []byte) []byte {
	dots := bytes.Count(raw, []byte("\r\n."))
	if raw[0] == '.' {
		dots++
	}
	ends := bytes.HasSuffix(raw, []byte("\r\n"))
	if dots == 0 && ends {
		return raw
	}
	out := make([]byte, 0, len(raw)+dots+2)
	if raw[0] == '.' {
		out = append(out, '.')
	}
	for {
		i := bytes.Index(raw, []byte("\r\n."))
		if i < 0 {
			break
		}
		out = append(append(out, raw[:i+3]...), '.')
		raw = raw[i+3:]
	}
	out = append(out, raw...)
	if !ends {
		out = append(out, "\r\n"...)
	}
	return out
}

// printable makes a foreign text fit to be stored and shown on one line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.TrimSpace(s)
}
