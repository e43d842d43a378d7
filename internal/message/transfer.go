package message

import (
	"bytes"
	"encoding/base64"
)

// Data is the transfer-decoded body (RFC 2045, 6), with the first thing that
// was wrong about it, or "". An unknown encoding is taken as none.
func (p *Part) Data() ([]byte, Problem) {
	switch p.encoding {
	case "", "7bit", "8bit", "binary":
		if len(p.Body) > maxDecoded {
			return p.Body[:maxDecoded], TooBig
		}
		return p.Body, ""
	case "base64":
		return fromBase64(p.Body)
	case "quoted-printable":
		return fromQP(p.Body)
	}
	return p.Body, BadEncoding
}

// fromBase64 decodes as RFC 2045, 6.8 asks: what is not in the alphabet is
// skipped. Text behind the padding is a second encoding that others may show;
// it is not decoded, and noted.
func fromBase64(in []byte) ([]byte, Problem) {
	var problem Problem
	clean := make([]byte, 0, len(in))
	padded := 0
	for _, c := range in {
		switch {
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/':
			if padded > 0 {
				problem = BadEncoding
				continue
			}
			clean = append(clean, c)
		case c == '=':
			padded++
		case c == '\r' || c == '\n' || c == ' ' || c == '\t':
		default:
			problem = BadEncoding
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
		problem = BadEncoding
	}
	n, err := base64.RawStdEncoding.Decode(clean, clean) // in place: the output is never ahead
	if err != nil {
		problem = BadEncoding
	}
	if n > maxDecoded {
		return clean[:maxDecoded], TooBig
	}
	return clean[:n], problem
}

// fromQP decodes quoted-printable (RFC 2045, 6.7), taking what is wrong as it is.
func fromQP(in []byte) ([]byte, Problem) {
	var problem Problem
	out := make([]byte, 0, len(in))
	for len(in) > 0 {
		line, rest, found := bytes.Cut(in, []byte("\n"))
		in = rest
		crlf := bytes.HasSuffix(line, []byte("\r"))
		line = bytes.TrimRight(line, " \t\r") // rule 3: blanks at the end are from transport
		soft := bytes.HasSuffix(line, []byte("="))
		if soft {
			line = line[:len(line)-1]
		}
		for i := 0; i < len(line); i++ {
			if line[i] != '=' {
				out = append(out, line[i])
				continue
			}
			if i+2 < len(line) && unhex(line[i+1]) >= 0 && unhex(line[i+2]) >= 0 {
				out = append(out, byte(unhex(line[i+1])<<4|unhex(line[i+2])))
				i += 2
				continue
			}
			out = append(out, '=')
			problem = BadEncoding
		}
		if found && !soft {
			if crlf {
				out = append(out, '\r')
			}
			out = append(out, '\n')
		}
	}
	if len(out) > maxDecoded {
		return out[:maxDecoded], TooBig
	}
	return out, problem
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
