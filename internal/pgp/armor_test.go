package pgp

import (
	"crypto/rand"
	"testing"
)

// The sum of whole words and the sum of single bytes are the one of RFC 9580, 6.1.1.1.
func TestArmorChecksum(t *testing.T) {
	plain := func(data []byte) uint32 {
		c := uint32(0xb704ce)
		for _, b := range data {
			c ^= uint32(b) << 16
			for range 8 {
				if c <<= 1; c&0x1000000 != 0 {
					c ^= 0x1864cfb
				}
			}
		}
		return c & 0xffffff
	}
	if got := crc24([]byte("123456789")); got != 0x21cf02 {
		t.Errorf("%x", got)
	}
	data := make([]byte, 100)
	rand.Read(data)
	for n := range data {
		if got, want := crc24(data[:n]), plain(data[:n]); got != want {
			t.Fatalf("%d bytes: %06x, want %06x", n, got, want)
		}
	}
}
