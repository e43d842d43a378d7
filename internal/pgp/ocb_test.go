package pgp

import (
	"bytes"
	"crypto/aes"
	be "encoding/binary"
	"testing"

	"github.com/ProtonMail/go-crypto/ocb"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// gnupgOCB makes the packet that GnuPG 2.3 and later write where the recipient's
// key asks for it: packet 20 with OCB, in chunks of 64 bytes.
func gnupgOCB(t *testing.T, key, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := ocb.NewOCB(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := bytes.Repeat([]byte{9}, 15)
	body := append([]byte{1, 9, 2, 0}, iv...)
	seal := func(index int, plain []byte, total ...byte) {
		nonce := bytes.Clone(iv)
		nonce[14] ^= byte(index)
		ad := append(be.BigEndian.AppendUint64([]byte{0xd4, 1, 9, 2, 0}, uint64(index)), total...)
		body = aead.Seal(body, nonce, plain, ad)
	}
	index := 0
	for rest := text; len(rest) > 0; index++ {
		n := min(64, len(rest))
		seal(index, rest[:n])
		rest = rest[n:]
	}
	seal(index, nil, be.BigEndian.AppendUint64(nil, uint64(len(text)))...)
	return append([]byte{0xd4, 0xff, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestGnuPGsAuthenticatedPacket(t *testing.T) {
	sk := sessionKey{packet.CipherAES256, bytes.Repeat([]byte{7}, 32)}
	text := bytes.Repeat([]byte("a line\r\n"), 30)
	whole := gnupgOCB(t, sk.key, text)
	open := func(data []byte) ([]byte, error) {
		packets, err := split(data, 2)
		if err != nil || len(packets) != 1 {
			return nil, ErrMalformed
		}
		return (&envelope{data: packets[0]}).decrypt(sk)
	}
	if got, err := open(whole); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%q %v", got, err)
	}
	for i := range whole {
		data := bytes.Clone(whole)
		data[i] ^= 1
		if got, err := open(data); err == nil || len(got) > 0 {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for chunks := range 4 { // whole chunks taken from the end, with the length set right
		data := bytes.Clone(whole[:len(whole)-16-chunks*80])
		n := len(data) - 6
		data[4], data[5] = byte(n>>8), byte(n)
		if got, err := open(data); err == nil || len(got) > 0 {
			t.Fatalf("%d chunks less: %v", chunks, err)
		}
	}
}
