package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postern/internal/fail"
)

const lineLen = 76 // RFC 2045, 6.7 and 6.8

// escaper fits a text into a quoted string (RFC 5322, 3.2.4).
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// WriteFields writes header fields, folded.
func WriteFields(out *bytes.Buffer, fields []Field) {
	for _, f := range fields {
		fold(out, f.Name, f.Value)
	}
}

// fold breaks a field at blanks so that lines stay under 78 (RFC 5322, 2.1.1).
// A word longer than a line stays whole, but for the base64 of Autocrypt, in
// which blanks mean nothing (Autocrypt 1.1, 2.1).
func fold(b *bytes.Buffer, name, value string) {
	words := strings.Split(value, " ")
	if strings.EqualFold(name, "Autocrypt") {
		words = chop(words)
	}
	b.WriteString(name)
	b.WriteByte(':')
	col := len(name) + 1
	for i, w := range words {
		if i > 0 && col+1+len(w) > lineLen && w != "" {
			b.WriteString("\r\n")
			col = 0
		}
		b.WriteByte(' ')
		b.WriteString(w)
		col += 1 + len(w)
	}
	b.WriteString("\r\n")
}

func chop(words []string) []string {
	var out []string
	for _, w := range words {
		for len(w) > lineLen-2 {
			out = append(out, w[:lineLen-2])
			w = w[lineLen-2:]
		}
		out = append(out, w)
	}
	return out
}

// encodeText makes an unstructured value ASCII (RFC 2047, 5, rule 1).
func encodeText(s string) (string, error) {
	if strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) {
		return "", fail.New(fail.Invalid, "a header field may not hold a line break or a NUL")
	}
	if printable(s) && !strings.Contains(s, "=?") && longest(s) < 900 {
		return s, nil
	}
	return encodeWords(s), nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 127 })
}

func longest(s string) int {
	n := 0
	for w := range strings.SplitSeq(s, " ") {
		n = max(n, len(w))
	}
	return n
}

// encodeWords writes base64 words of at most 75 characters, each of whole
// characters (RFC 2047, 2 and 5).
func encodeWords(s string) string {
	var out []string
	for s != "" {
		n := cut(s, 45)
		out = append(out, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(n))+"?=")
		s = s[len(n):]
	}
	return strings.Join(out, " ")
}

// formatAddresses writes mailboxes. The names are quoted or encoded, never raw.
func formatAddresses(list []Address) (string, error) {
	var out []string
	for _, a := range list {
		addr, err := asciiAddress(a.Addr)
		if err != nil {
			return "", err
		}
		if strings.ContainsAny(a.Name, "\r\n\x00") || !utf8.ValidString(a.Name) {
			return "", fail.New(fail.Invalid, "a name may not hold a line break or a NUL")
		}
		switch name := strings.TrimSpace(a.Name); {
		case name == "":
			out = append(out, addr)
		case printable(name) && !strings.Contains(name, "=?") && len(name) < 200:
			if strings.ContainsAny(name, `()<>[]:;@\,."`) {
				name = `"` + escaper.Replace(name) + `"`
			}
			out = append(out, name+" <"+addr+">")
		default:
			out = append(out, encodeWords(name)+" <"+addr+">")
		}
	}
	return strings.Join(out, ", "), nil
}

// asciiAddress checks an address and gives its domain in ASCII (RFC 5891).
func asciiAddress(addr string) (string, error) {
	list, ok := ParseAddresses(addr)
	if !ok || len(list) != 1 || list[0].Name != "" {
		return "", fail.New(fail.Invalid, "%q is not an address that mail can be sent to", addr)
	}
	i := strings.LastIndexByte(list[0].Addr, '@')
	local, domain := list[0].Addr[:i], list[0].Addr[i+1:]
	if !printable(domain) {
		var err error
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", fail.Wrap(fail.Invalid, err, fmt.Sprintf("%q has a domain that does not exist", addr))
		}
	}
	if !printable(local) {
		return "", fail.New(fail.Invalid, "%q has letters before the @ that not every mail server takes", addr)
	}
	return local + "@" + domain, nil
}

func formatIDs(list []string) (string, error) {
	var out []string
	for _, id := range list {
		if id == "" || len(id) > 900 || strings.ContainsAny(id, "<>") || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 127 }) {
			return "", fail.New(fail.Invalid, "%q cannot be a Message-ID", id)
		}
		out = append(out, "<"+id+">")
	}
	return strings.Join(out, " "), nil
}

// withParams writes a value with its parameters, encoded where they have to be
// (RFC 2231, 4).
func withParams(value string, params [][2]string) string {
	for _, p := range params {
		name, v := p[0], p[1]
		switch {
		case printable(v) && !strings.Contains(v, "=?") && len(v) <= 60:
			value += "; " + name + `="` + escaper.Replace(v) + `"`
		default:
			enc := percent(v)
			for i := 0; enc != ""; i++ {
				n := min(len(enc), 50)
				for n < len(enc) && n > 2 && (enc[n-1] == '%' || enc[n-2] == '%') {
					n-- // not within %XX
				}
				lead := ""
				if i == 0 {
					lead = "utf-8''"
				}
				value += fmt.Sprintf("; %s*%d*=%s%s", name, i, lead, enc[:n])
				enc = enc[n:]
			}
		}
	}
	return value
}

func percent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// writeQP writes text as quoted-printable with CRLF line ends. Blanks at the
// end of a line, "From " and dots at its start are encoded too: mail servers
// change them, and a signature would break (RFC 3156, 5).
func writeQP(out *bytes.Buffer, text string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	text = strings.TrimSuffix(text, "\n")
	out.Grow(len(text) + len(text)/8)
	for line := range strings.SplitSeq(text, "\n") {
		if asItIs(line) {
			out.WriteString(line)
			out.WriteString("\r\n")
			continue
		}
		col := 0
		for i := 0; i < len(line); i++ {
			if n := plainBytes(line[i:len(line)-1], lineLen-1-col); col > 0 && n > 0 { // nearly all of it
				out.WriteString(line[i : i+n])
				col, i = col+n, i+n
			}
			c := line[i]
			last := i == len(line)-1
			safe := c > ' ' && c < 127 && c != '=' || (c == ' ' || c == '\t') && !last
			if i == 0 && (c == '.' || strings.HasPrefix(line, "From ") || c == '-') {
				safe = false
			}
			need := 1
			if !safe {
				need = 3
			}
			if room := lineLen - 1; col+need > room && !(last && col+need <= lineLen) {
				out.WriteString("=\r\n")
				col = 0
				if c == '.' || c == '-' || c == 'F' {
					safe, need = false, 3
				}
			}
			if safe {
				out.WriteByte(c)
			} else {
				const hexa = "0123456789ABCDEF"
				out.Write([]byte{'=', hexa[c>>4], hexa[c&15]})
			}
			col += need
		}
		out.WriteString("\r\n")
	}
}

// plainBytes is how many bytes from the beginning on, most at the most, are as they are in
// quoted-printable.
func plainBytes(s string, most int) (n int) {
	for n < len(s) && n < most && (s[n] >= ' ' && s[n] < 127 && s[n] != '=' || s[n] == '\t') {
		n++
	}
	return n
}

// asItIs reports whether nothing of a line need be encoded, as in most lines.
func asItIs(line string) bool {
	if len(line) > lineLen {
		return false
	}
	for i := 0; i < len(line); i++ {
		if c := line[i]; c < ' ' || c >= 127 || c == '=' {
			return false
		}
	}
	return line == "" || line[0] != '.' && line[0] != '-' && line[len(line)-1] != ' ' && !strings.HasPrefix(line, "From ")
}

// WriteBase64 writes data in lines of 76 characters.
func WriteBase64(out *bytes.Buffer, data []byte) {
	const raw = lineLen / 4 * 3
	out.Grow(len(data)*4/3 + len(data)/raw*2 + 8)
	var line [lineLen + 2]byte
	for len(data) > 0 {
		n := min(len(data), raw)
		m := base64.StdEncoding.EncodedLen(n)
		base64.StdEncoding.Encode(line[:], data[:n])
		copy(line[m:], "\r\n")
		out.Write(line[:m+2])
		data = data[n:]
	}
}
