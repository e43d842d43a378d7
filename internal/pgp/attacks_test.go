package pgp

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"postern/internal/gpgtest"
)

func made(t *testing.T, name string) *Secret {
	t.Helper()
	s, err := Generate(name, strings.ToLower(name)+"@brandt.example", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signs makes a detached signature with the library.
func signs(t *testing.T, s *Secret, text []byte, hash crypto.Hash) []byte {
	t.Helper()
	cfg := config(time.Now())
	cfg.DefaultHash = hash
	var out bytes.Buffer
	if err := openpgp.DetachSign(&out, []*openpgp.Entity{s.e}, bytes.NewReader(text), cfg); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verdict(t *testing.T, text, sig []byte, k *Key) (bool, Fault) {
	t.Helper()
	list, err := Detached(text, sig)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	return list[0].Verify(k, time.Now())
}

// Row 20: Eve binds Ada's signing subkey to her own certificate.
func TestAdoptedSubkeySignsNothing(t *testing.T) {
	ada, eve := made(t, "Ada"), made(t, "Eve")
	text := []byte("text")
	sig := signs(t, ada, text, crypto.SHA256)
	if ok, fault := verdict(t, text, sig, ada.Public()); !ok || fault != "" {
		t.Fatalf("the good one: %v %q", ok, fault)
	}
	var stolen openpgp.Subkey
	for _, s := range ada.e.Subkeys {
		if s.PublicKey.PubKeyAlgo.CanSign() {
			stolen = s
		}
	}
	cfg := config(time.Now())
	for name, embedded := range map[string]*packet.Signature{"not bound back": nil, "bound back to Ada": stolen.Bindings[0].Packet.EmbeddedSignature} {
		bind := &packet.Signature{Version: 4, SigType: packet.SigTypeSubkeyBinding, PubKeyAlgo: eve.e.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: time.Now().Add(-time.Minute),
			IssuerKeyId: &eve.e.PrimaryKey.KeyId, IssuerFingerprint: eve.e.PrimaryKey.Fingerprint, FlagsValid: true, FlagSign: true, EmbeddedSignature: embedded}
		if err := bind.SignKey(stolen.PublicKey, eve.e.PrivateKey, cfg); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		stolen.PublicKey.Serialize(&out)
		bind.Serialize(&out)
		keys, err := ParseKeys(append(eve.Public().Bytes(), out.Bytes()...))
		if err != nil {
			continue // refused as a whole
		}
		if ok, _ := verdict(t, text, sig, keys[0]); ok {
			t.Errorf("%s: signs for Eve", name)
		}
		for _, id := range keys[0].KeyIDs() {
			if id == stolen.PublicKey.KeyId {
				t.Errorf("%s: it shadows Ada's", name)
			}
		}
	}
}

// Row 19 and 20: a subkey of Eve's put behind Ada's certificate.
func TestInjectedSubkeyIsDropped(t *testing.T) {
	ada, eve := made(t, "Ada"), made(t, "Eve")
	text := []byte("text")
	sig := signs(t, eve, text, crypto.SHA256)
	var out bytes.Buffer
	for i := range eve.e.Subkeys {
		eve.e.Subkeys[i].Serialize(&out, false)
	}
	keys, err := ParseKeys(append(ada.Public().Bytes(), out.Bytes()...))
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := verdict(t, text, sig, keys[0]); ok || !bytes.Equal(keys[0].Bytes(), ada.Public().Bytes()) {
		t.Error("a foreign subkey was taken")
	}
}

// Row 21: what is too weak is refused, with a way to mend it.
func TestWeakKeysAreRefused(t *testing.T) {
	g := gpgtest.New(t)
	for name, args := range map[string][]string{
		"RSA of 1024 bits": {"--quick-generate-key", "A <a@x.example>", "rsa1024", "sign,cert", "0"},
		"DSA":              {"--quick-generate-key", "B <b@x.example>", "dsa2048", "sign,cert", "0"},
		"secp256k1":        {"--quick-generate-key", "C <c@x.example>", "secp256k1", "sign,cert", "0"},
		"SHA-1":            {"--cert-digest-algo", "SHA1", "--quick-generate-key", "D <d@x.example>", "ed25519", "sign,cert", "0"},
	} {
		_, status, err := g.Run(nil, args...)
		if err != nil {
			t.Fatalf("%s: %s", name, status)
		}
		_, rest, _ := strings.Cut(string(status), "KEY_CREATED P ")
		_, err = ParseKeys(g.Export(strings.Fields(rest)[0]))
		if err == nil || !strings.Contains(err.Error(), "gpg --") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, status, err := g.Run(nil, "--quick-generate-key", "E <e@x.example>", "rsa2048", "sign,cert", "0")
	if err != nil {
		t.Fatal(status)
	}
	_, rest, _ := strings.Cut(string(status), "KEY_CREATED P ")
	if _, err = ParseKeys(g.Export(strings.Fields(rest)[0])); err != nil {
		t.Errorf("RSA of 2048 bits: %v", err)
	}
}

// Row 22: user IDs that are not vouched for, or not there.
func TestUserIDsNobodyVouchesFor(t *testing.T) {
	ada := made(t, "Ada")
	packets, err := split(ada.Public().Bytes(), 100)
	if err != nil {
		t.Fatal(err)
	}
	uid := []byte("Bank <bank@x.example>")
	fake := append([]byte{0xc0 | 13, byte(len(uid))}, uid...)
	var before, without []byte
	for _, p := range packets {
		if p.tag == 13 {
			before = append(before, fake...)
		} else if p.tag != tagSignature || len(without) == 0 {
			without = append(without, p.raw...)
		}
		before = append(before, p.raw...)
	}
	keys, err := ParseKeys(before)
	if err != nil {
		t.Fatal(err)
	}
	if a := keys[0].Addresses(); len(a) != 1 || a[0] != "ada@brandt.example" {
		t.Errorf("%v", a)
	}
	if keys, err := ParseKeys(without); err == nil {
		t.Errorf("without a user ID: %v", keys)
	}
}

// Row 23: compressed data inside compressed data inside ...
func TestNestedCompression(t *testing.T) {
	wrap := func(in []byte) []byte {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(in)
		w.Close()
		return append([]byte{0xa3, 2}, z.Bytes()...) // of no stated length
	}
	text := append([]byte{0xcb, 11, 'b', 0, 0, 0, 0, 0}, "hello"...)
	for depth := range 8 {
		data := text
		for range depth {
			data = wrap(data)
		}
		o, err := ReadSigned(data)
		if depth <= maxDepth && (err != nil || string(o.Data) != "hello") || depth > maxDepth && err == nil {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
	bomb := append([]byte{0xcb, 0xff, 0, 0x80, 0, 0, 'b', 0, 0, 0, 0, 0}, make([]byte, 8<<20-6)...)
	for _, data := range [][]byte{wrap(bomb), wrap(wrap(bomb)), wrap(wrap(wrap(bomb)))} {
		if o, err := ReadSigned(data); err == nil || len(o.Data) > 0 {
			t.Errorf("8 MiB from %d bytes: %v", len(data), err)
		}
	}
	short := wrap(text)[1:]
	stated := append([]byte{0xa0, byte(len(short))}, short...)
	if _, err := ReadSigned(stated); err != nil {
		t.Error(err)
	}
	if _, err := ReadSigned(append(stated, text...)); err == nil {
		t.Error("a second text behind the first")
	}
	if _, err := ReadSigned(wrap(append(bytes.Clone(text), text...))); err == nil {
		t.Error("two texts in one")
	}
}

// Row 2: nothing is released before the last byte was checked, whatever the form
// of the encryption.
func TestEveryFlippedByteCloses(t *testing.T) {
	us := made(t, "Us")
	text := []byte(strings.Repeat("a line of text\r\n", 40))
	for name, set := range map[string]func(*packet.Config){
		"MDC": func(c *packet.Config) { c.AEADConfig = nil }, "old ciphers": func(c *packet.Config) { c.AEADConfig, c.DefaultCipher = nil, packet.CipherAES128 },
	} {
		cfg := config(time.Now())
		set(cfg)
		var out bytes.Buffer
		w, err := openpgp.Encrypt(&out, []*openpgp.Entity{us.e}, nil, []*openpgp.Entity{us.e}, nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text)
		w.Close()
		if o, err := Open(out.Bytes(), []*Secret{us}); err != nil || !bytes.Equal(o.Data, text) {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range out.Len() {
			data := bytes.Clone(out.Bytes())
			data[i] ^= 1
			if o, err := Open(data, []*Secret{us}); err == nil && !bytes.Equal(o.Data, text) || err != nil && o != nil && len(o.Data) > 0 {
				t.Fatalf("%s: byte %d: %v", name, i, err)
			}
		}
	}
}

// The same for the authenticated modes, chunk by chunk, and for a cut at every
// place.
func TestEveryFlippedByteClosesAEAD(t *testing.T) {
	sk := sessionKey{packet.CipherAES256, bytes.Repeat([]byte{7}, 32)}
	text := []byte(strings.Repeat("a line of text\r\n", 40))
	for _, mode := range []packet.AEADMode{packet.AEADModeOCB, packet.AEADModeEAX, packet.AEADModeGCM} {
		var out bytes.Buffer
		w, err := packet.SerializeSymmetricallyEncrypted(&out, sk.cipher, true, packet.CipherSuite{Cipher: sk.cipher, Mode: mode}, sk.key, &packet.Config{AEADConfig: &packet.AEADConfig{DefaultMode: mode, ChunkSize: 64}})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text)
		w.Close()
		open := func(data []byte) ([]byte, error) {
			packets, err := split(data, 2)
			if err != nil || len(packets) != 1 {
				return nil, ErrMalformed
			}
			return (&envelope{data: packets[0]}).decrypt(sk)
		}
		if got, err := open(out.Bytes()); err != nil || !bytes.Equal(got, text) {
			t.Fatal(err)
		}
		for i := range out.Len() {
			data := bytes.Clone(out.Bytes())
			data[i] ^= 1
			if got, err := open(data); len(got) > 0 || err == nil {
				t.Fatalf("mode %d, byte %d: %v", mode, i, err)
			}
			if got, err := open(out.Bytes()[:i]); len(got) > 0 || i > 0 && err == nil {
				t.Fatalf("mode %d, cut at %d: %v", mode, i, err)
			}
		}
	}
}

// A certificate made to cost: checks are bounded in size and in number.
func TestCostlyKeysAreRefused(t *testing.T) {
	for bits, want := range map[int]string{8193: "larger than anybody needs", 60000: "larger than anybody needs", 1023: "too weak"} {
		n := make([]byte, (bits+7)/8)
		for i := range n {
			n[i] = 0xff
		}
		n[0] = byte(1<<((bits-1)%8+1) - 1)
		body := append([]byte{4, 0x60, 0, 0, 0, 1, byte(bits >> 8), byte(bits)}, n...)
		body = append(body, 0, 17, 1, 0, 1)
		key := append([]byte{0x99, byte(len(body) >> 8), byte(len(body))}, body...)
		pkt, err := rawPacket{raw: key}.parse()
		if err != nil {
			t.Fatal(err)
		}
		if err := strong(pkt.(*packet.PublicKey)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	ada := made(t, "Ada")
	packets, err := split(ada.Public().Bytes(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var many []byte
	for i, p := range packets {
		n := 1
		if i == 2 { // the signature on the user ID
			n = maxSelfSigs + 1
		}
		many = append(many, bytes.Repeat(p.raw, n)...)
	}
	if _, err := ParseKeys(many); err == nil || !strings.Contains(err.Error(), "vouches for itself more than") {
		t.Error(err)
	}
}
