package staff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// Flags of authenticator data (WebAuthn Level 3, 6.1).
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagAT = 1 << 6
)

// authenticator is a security key with its browser: ES256, attestation "none".
// Each field that a test changes makes one lie.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte // what register was given; login returns it
	counter uint32
	origin  string
	rp      string
	flags   byte
	kind    string // type in the client data; "" for the right one
}

func newAuthenticator(t *testing.T) *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &authenticator{t: t, key: key, id: id, origin: "https://localhost:8443", rp: "localhost", flags: flagUP | flagUV}
}

// asked is the part of the options a browser acts on.
type asked struct {
	PublicKey struct {
		Challenge string
		RPID      string `json:"rpId"`
		RP        struct{ ID string }
		User      struct{ ID string }

		UserVerification       string
		AuthenticatorSelection struct{ UserVerification, ResidentKey string }
		AllowCredentials       []struct{ ID string }
		ExcludeCredentials     []struct{ ID string }
	}
}

func (a *authenticator) read(options any) asked {
	a.t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		a.t.Fatal(err)
	}
	var o asked
	if err := json.Unmarshal(b, &o); err != nil {
		a.t.Fatal(err)
	}
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) clientData(kind, challenge string) []byte {
	if a.kind != "" {
		kind = a.kind
	}
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	return b
}

// data is the authenticator data: RP id hash, flags, counter, and the new
// credential if there is one.
func (a *authenticator) data(flags byte, credential []byte) []byte {
	rp := sha256.Sum256([]byte(a.rp))
	out := append(rp[:], flags)
	return append(binary.BigEndian.AppendUint32(out, a.counter), credential...)
}

// text and bytes are the two CBOR strings needed here (RFC 8949, 3.1).
func cborText(s string) []byte { return append([]byte{0x60 | byte(len(s))}, s...) }

func cborBytes(b []byte) []byte {
	if len(b) < 256 {
		return append([]byte{0x58, byte(len(b))}, b...)
	}
	return append([]byte{0x59, byte(len(b) >> 8), byte(len(b))}, b...)
}

// cose is the public key as a COSE map: kty EC2, alg ES256, P-256, x, y.
func (a *authenticator) cose() []byte {
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	out = append(out, cborBytes(point[1:33])...)
	return append(append(out, 0x22), cborBytes(point[33:])...)
}

// register answers BeginRegister's options.
func (a *authenticator) register(options any) []byte {
	a.t.Helper()
	o := a.read(options)
	a.handle, _ = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	client := a.clientData("webauthn.create", o.PublicKey.Challenge)
	credential := append(make([]byte, 16), byte(len(a.id)>>8), byte(len(a.id)))
	credential = append(append(credential, a.id...), a.cose()...)
	object := append([]byte{0xa3}, cborText("fmt")...)
	object = append(append(object, cborText("none")...), cborText("attStmt")...)
	object = append(append(object, 0xa0), cborText("authData")...)
	object = append(object, cborBytes(a.data(a.flags|flagAT, credential))...)
	return a.answer(map[string]any{"clientDataJSON": b64(client), "attestationObject": b64(object), "transports": []string{"usb"}})
}

// login answers BeginLogin's options.
func (a *authenticator) login(options any) []byte {
	a.t.Helper()
	client := a.clientData("webauthn.get", a.read(options).PublicKey.Challenge)
	data, hash := a.data(a.flags, nil), sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(sig), "userHandle": b64(a.handle)})
}

func (a *authenticator) answer(response map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "authenticatorAttachment": "cross-platform",
		"clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}
