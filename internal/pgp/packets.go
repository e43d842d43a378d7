package pgp

import (
	"bytes"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet types (RFC 9580, 5).
const (
	tagPKESK      = 1
	tagSignature  = 2
	tagSKESK      = 3
	tagOnePass    = 4
	tagSecret     = 5
	tagPublic     = 6
	tagSecretSub  = 7
	tagCompressed = 8
	tagSED        = 9
	tagMarker     = 10
	tagLiteral    = 11
	tagTrust      = 12
	tagSEIPD      = 18
	tagAEAD       = 20
	tagPadding    = 21
)

// rawPacket is one packet, found but not parsed.
type rawPacket struct {
	tag  int
	raw  []byte // header and body
	head int    // bytes of header before the body; the body may be in pieces
}

// body0 is the i-th byte of the body, or 0 if there is none.
func (p rawPacket) body0(i int) byte {
	if p.head+i < len(p.raw) {
		return p.raw[p.head+i]
	}
	return 0
}

// parse hands the packet to the library.
func (p rawPacket) parse() (packet.Packet, error) { return packet.Read(bytes.NewReader(p.raw)) }

// split finds the packets in data without parsing any (RFC 9580, 4.2). Lengths
// that reach beyond the data are an error.
func split(data []byte, limit int) ([]rawPacket, error) {
	var out []rawPacket
	for len(data) > 0 {
		if len(out) >= limit {
			return out, fmt.Errorf("%w: too many packets", ErrMalformed)
		}
		p, err := first(data)
		if err != nil {
			return out, err
		}
		out = append(out, p)
		data = data[len(p.raw):]
	}
	return out, nil
}

func first(data []byte) (rawPacket, error) {
	bad := fmt.Errorf("%w: a packet does not end", ErrMalformed)
	c := data[0]
	if c&0x80 == 0 {
		return rawPacket{}, fmt.Errorf("%w: no packet where one was expected", ErrMalformed)
	}
	if c&0x40 == 0 { // 4.2.2, the old format
		p := rawPacket{tag: int(c >> 2 & 15)}
		n := 1 << (c & 3)
		if c&3 == 3 { // as long as the data
			p.head, p.raw = 1, data
			return p, nil
		}
		if len(data) < 1+n {
			return p, bad
		}
		size := 0
		for _, b := range data[1 : 1+n] {
			size = size<<8 | int(b)
		}
		p.head = 1 + n
		if size > len(data)-p.head {
			return p, bad
		}
		p.raw = data[:p.head+size]
		return p, nil
	}
	p := rawPacket{tag: int(c & 63)}
	at := 1
	for piece := 0; ; piece++ {
		size, n, partial := length(data[at:])
		if n == 0 || size > len(data)-at-n {
			return p, bad
		}
		if partial && p.tag != tagLiteral && p.tag != tagCompressed && p.tag != tagSED && p.tag != tagSEIPD && p.tag != tagAEAD {
			return p, bad // 4.2.1.4: only for data packets
		}
		if piece == 0 {
			p.head = at + n
		}
		if at += n + size; !partial {
			p.raw = data[:at]
			return p, nil
		}
	}
}

// length reads a length of the new format (RFC 9580, 4.2.1); n is 0 if it does
// not end.
func length(b []byte) (size, n int, partial bool) {
	switch {
	case len(b) == 0:
		return 0, 0, false
	case b[0] < 192:
		return int(b[0]), 1, false
	case b[0] < 224:
		if len(b) < 2 {
			return 0, 0, false
		}
		return int(b[0]-192)<<8 + int(b[1]) + 192, 2, false
	case b[0] < 255:
		return 1 << (b[0] & 31), 1, true
	}
	if len(b) < 5 {
		return 0, 0, false
	}
	return int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4]), 5, false
}
