// Package passkeytest is a security key for tests, with its browser: ES256,
// attestation "none". Each field that a test changes makes one lie.
package passkeytest

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
	UP = 1 << 0
	UV = 1 << 2
	AT = 1 << 6
)

// Authenticator is one security key.
type Authenticator struct {
	Key     *ecdsa.PrivateKey
	ID      []byte
	Handle  []byte // what Register was given; Login returns it
	Counter uint32
	Origin  string
	RP      string
	Flags   byte
	Kind    string // type in the client data; "" for the right one

	t testing.TB
}

// New returns a key that is on https://localhost:8443.
func New(t testing.TB) *Authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &Authenticator{t: t, Key: key, ID: id, Origin: "https://localhost:8443", RP: "localhost", Flags: UP | UV}
}

// Asked is the part of the options a browser acts on.
type Asked struct {
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

// Read is what the options ask for.
func (a *Authenticator) Read(options any) Asked {
	a.t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		a.t.Fatal(err)
	}
	var o Asked
	if err := json.Unmarshal(b, &o); err != nil {
		a.t.Fatal(err)
	}
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *Authenticator) clientData(kind, challenge string) []byte {
	if a.Kind != "" {
		kind = a.Kind
	}
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	return b
}

// data is the authenticator data: RP id hash, flags, counter, and the new
// credential if there is one.
func (a *Authenticator) data(flags byte, credential []byte) []byte {
	rp := sha256.Sum256([]byte(a.RP))
	out := append(rp[:], flags)
	return append(binary.BigEndian.AppendUint32(out, a.Counter), credential...)
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
func (a *Authenticator) cose() []byte {
	point, err := a.Key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	out = append(out, cborBytes(point[1:33])...)
	return append(append(out, 0x22), cborBytes(point[33:])...)
}

// Register answers BeginRegister's options.
func (a *Authenticator) Register(options any) []byte {
	a.t.Helper()
	o := a.Read(options)
	a.Handle, _ = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	client := a.clientData("webauthn.create", o.PublicKey.Challenge)
	credential := append(make([]byte, 16), byte(len(a.ID)>>8), byte(len(a.ID)))
	credential = append(append(credential, a.ID...), a.cose()...)
	object := append([]byte{0xa3}, cborText("fmt")...)
	object = append(append(object, cborText("none")...), cborText("attStmt")...)
	object = append(append(object, 0xa0), cborText("authData")...)
	object = append(object, cborBytes(a.data(a.Flags|AT, credential))...)
	return a.answer(map[string]any{"clientDataJSON": b64(client), "attestationObject": b64(object), "transports": []string{"usb"}})
}

// Login answers BeginLogin's options.
func (a *Authenticator) Login(options any) []byte {
	a.t.Helper()
	client := a.clientData("webauthn.get", a.Read(options).PublicKey.Challenge)
	data, hash := a.data(a.Flags, nil), sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, a.Key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(sig), "userHandle": b64(a.Handle)})
}

func (a *Authenticator) answer(response map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"id": b64(a.ID), "rawId": b64(a.ID), "type": "public-key", "authenticatorAttachment": "cross-platform",
		"clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}
