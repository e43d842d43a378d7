package pgp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sync"
)

// The library's armour costs more than the cryptography at ten megabytes, so
// this is our own (RFC 9580, 6.2).

// block kinds
const (
	kindMessage   = "PGP MESSAGE"
	kindSignature = "PGP SIGNATURE"
	kindPublic    = "PGP PUBLIC KEY BLOCK"
	kindSecret    = "PGP PRIVATE KEY BLOCK"
	kindSigned    = "PGP SIGNED MESSAGE"
)

// armor wraps data. The checksum protects nothing (RFC 9580, 6.1), but GnuPG 2.2
// reads the tail line as data where there is neither checksum nor padding.
func armor(kind string, data []byte) []byte {
	const perLine = 48
	sum := crc24(data)
	out := make([]byte, 0, len(data)*4/3+len(data)/perLine*2+160)
	out = append(out, "-----BEGIN "+kind+"-----\r\n\r\n"...)
	for len(data) > 0 {
		n := min(len(data), perLine)
		out = base64.StdEncoding.AppendEncode(out, data[:n])
		out = append(out, '\r', '\n')
		data = data[n:]
	}
	out = append(out, '=')
	out = base64.StdEncoding.AppendEncode(out, []byte{byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return append(out, "\r\n-----END "+kind+"-----\r\n"...)
}

// crcTables are for eight bytes at once: table i is for a byte that i others
// follow. The sum stands in the upper 24 bits.
var crcTables = sync.OnceValue(func() (t [8][256]uint32) {
	for i := range t[0] {
		c := uint32(i) << 24
		for range 8 {
			if c&0x80000000 != 0 {
				c = c<<1 ^ 0x864cfb00
			} else {
				c <<= 1
			}
		}
		t[0][i] = c
	}
	for n := 1; n < 8; n++ {
		for i, c := range t[n-1] {
			t[n][i] = c<<8 ^ t[0][c>>24]
		}
	}
	return t
})

// crc24 is the checksum of armour (RFC 9580, 6.1.1).
func crc24(data []byte) uint32 {
	t := crcTables()
	c := uint32(0xb704ce00)
	for len(data) >= 8 {
		c ^= binary.BigEndian.Uint32(data)
		c = t[7][c>>24] ^ t[6][c>>16&255] ^ t[5][c>>8&255] ^ t[4][c&255] ^ t[3][data[4]] ^ t[2][data[5]] ^ t[1][data[6]] ^ t[0][data[7]]
		data = data[8:]
	}
	for _, b := range data {
		c = c<<8 ^ t[0][byte(c>>24)^b]
	}
	return c >> 8
}

// armored is one block of armour found in a text.
type armored struct {
	kind       string
	data       []byte
	start, end int // of the block in the text
}

// nextArmor finds the first block of armour that begins a line in text at or
// behind from. ok is false if there is none. An err means that there is one,
// but damaged.
func nextArmor(text []byte, from int) (a armored, ok bool, err error) {
	begin := []byte("-----BEGIN PGP ")
	for from < len(text) {
		i := bytes.Index(text[from:], begin)
		if i < 0 {
			return a, false, nil
		}
		if from += i; from == 0 || text[from-1] == '\n' {
			return readArmor(text, from)
		}
		from++
	}
	return a, false, nil
}

func readArmor(text []byte, start int) (a armored, ok bool, err error) {
	bad := fmt.Errorf("%w: the armour is damaged", ErrMalformed)
	line, next := cutLine(text, start)
	if !bytes.HasSuffix(line, []byte("-----")) || len(line) > 60 {
		return a, true, bad
	}
	a.kind, a.start = string(line[len("-----BEGIN "):len(line)-len("-----")]), start
	for { // headers, up to an empty line; some leave them and the line out
		line, after := cutLine(text, next)
		if len(line) == 0 && next < len(text) {
			next = after
			break
		}
		if !bytes.Contains(line, []byte(": ")) && !bytes.HasSuffix(line, []byte(":")) {
			break
		}
		next = after
	}
	tail := []byte("-----END " + a.kind + "-----")
	i := bytes.Index(text[next:], tail)
	if i < 0 {
		return a, true, bad
	}
	a.end = next + i + len(tail)
	a.data, err = fromBase64(text[next : next+i])
	return a, true, err
}

// fromBase64 decodes the lines between the armour's head and tail. The checksum
// line, if any, is not looked at (RFC 9580, 6.1.1). Lines are joined whole: byte
// by byte this was a third of the cost of a large mail.
func fromBase64(in []byte) ([]byte, error) {
	bad := fmt.Errorf("%w: the armour is damaged", ErrMalformed)
	clean := make([]byte, 0, len(in))
	for len(in) > 0 {
		line, rest, _ := bytes.Cut(in, []byte("\n"))
		line = bytes.Trim(line, " \t\r")
		if len(line) > 0 && line[0] == '=' { // "=abcd" on a line of its own ends it
			if len(line) > 8 || len(bytes.TrimSpace(rest)) > 0 {
				return nil, bad
			}
			break
		}
		clean, in = append(clean, line...), rest
	}
	clean = bytes.TrimRight(clean, "=")
	n, err := base64.RawStdEncoding.Decode(clean, clean) // in place: the output is never ahead
	if err != nil {
		return nil, bad
	}
	return clean[:n], nil
}

// cutLine returns the line at i without its end and blanks before it, and where
// the next one begins.
func cutLine(text []byte, i int) (line []byte, next int) {
	end := len(text)
	next = end
	if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
		end, next = i+n, i+n+1
	}
	return bytes.TrimRight(text[i:end], " \t\r"), next
}

// packetsIn gives the packets in data, which may be armoured as kind, or not at
// all: a name ending in .asc says nothing.
func packetsIn(data []byte, kind string) ([]byte, error) {
	if len(data) > 0 && data[0]&0x80 != 0 {
		return data, nil
	}
	a, ok, err := nextArmor(data, 0)
	switch {
	case !ok:
		return nil, ErrNoPackets
	case err != nil:
		return nil, err
	case a.kind != kind:
		return nil, ErrNoPackets
	case len(a.data) == 0:
		return nil, ErrNoPackets
	}
	return a.data, nil
}
