package jws

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"

	"postern/internal/fail"
)

// maxToken is more than any token of ours has.
const maxToken = 64 << 10

// Verify checks a token against a key set and returns its claims as they were
// signed. It takes what Sign writes and nothing else: one algorithm, whatever the
// header asks for (RFC 8725, 3.1), a key that is named and is what its name says,
// no member in the header that we do not write. So "none", a public key used as
// an HMAC key, keys and addresses of keys inside the token, and every critical
// extension (RFC 7515, 4.1.11) are refused. Whether the claims are still in time
// and meant for the reader is the reader's question.
func Verify(token string, jwks []byte) (claims []byte, err error) {
	if len(token) > maxToken {
		return nil, fail.New(fail.Invalid, "the token is too long to be one of ours")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fail.New(fail.Invalid, "a token has three parts with full stops between them; this one has %d", len(parts))
	}
	front, err := decode(parts[0])
	if err != nil {
		return nil, err
	}
	kid, err := readHeader(front)
	if err != nil {
		return nil, err
	}
	public, err := find(jwks, kid)
	if err != nil {
		return nil, err
	}
	if err := checkSignature(public, parts[0]+"."+parts[1], parts[2]); err != nil {
		return nil, err
	}
	if claims, err = decode(parts[1]); err != nil {
		return nil, err
	}
	_, err = object(claims)
	return claims, err
}

// readHeader returns the name of the key, if the header is as Sign writes it.
func readHeader(front []byte) (kid string, err error) {
	members, err := object(front)
	if err != nil {
		return "", err
	}
	want := map[string]string{"alg": algorithm, "typ": tokenType}
	for name, raw := range members {
		var value string
		if json.Unmarshal(raw, &value) != nil {
			return "", fail.New(fail.Invalid, "the header of the token is not one of ours: %q is not a text", name)
		}
		switch must, known := want[name]; {
		case name == "kid":
			kid = value
		case !known:
			return "", fail.New(fail.Invalid, "the header of the token is not one of ours: it has a member %q", name)
		case value != must:
			return "", fail.New(fail.Invalid, "the token's %s is %q; only %q is taken", name, value, must)
		}
	}
	if len(members) != len(want)+1 {
		return "", fail.New(fail.Invalid, "the header of the token must have alg, typ and kid")
	}
	return kid, nil
}

// find returns the key of that name. A key that is not ES256's, or whose name is
// not its thumbprint, is none.
func find(set []byte, kid string) (*ecdsa.PublicKey, error) {
	var keys struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(set, &keys); err != nil {
		return nil, fail.New(fail.Invalid, "the key set is not JSON as RFC 7517 has it")
	}
	for _, k := range keys.Keys {
		if k.Kid != kid || k.Kty != "EC" || k.Crv != "P-256" || k.Use != "sig" || k.Alg != algorithm {
			continue
		}
		x, errX := decode(k.X)
		y, errY := decode(k.Y)
		if errX != nil || errY != nil {
			continue
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curve(), append(append([]byte{4}, x...), y...)) // on the curve, or an error
		if err == nil && thumbprint(public) == kid {
			return public, nil
		}
	}
	return nil, fail.New(fail.NotFound, "the token was signed by a key that is not in the key set; fetch the set again, or the key is no longer published")
}

func checkSignature(public *ecdsa.PublicKey, input, signature string) error {
	bad := fail.New(fail.Denied, "the signature does not fit the token: it was changed, or is not ours")
	sig, err := decode(signature)
	if err != nil || len(sig) != 2*half {
		return bad
	}
	r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
	sum := sha256.Sum256([]byte(input))
	if low(s) != s || !ecdsa.Verify(public, sum[:], r, s) {
		return bad
	}
	return nil
}

// object reads a JSON object whose names are all different. The library would
// take the last of two, another reader the first (RFC 7515, 4; RFC 7519, 4).
func object(b []byte) (map[string]json.RawMessage, error) {
	bad := fail.New(fail.Invalid, "a part of the token is not a JSON object whose names are all different")
	if !json.Valid(b) || !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return nil, bad
	}
	d := json.NewDecoder(bytes.NewReader(b))
	members := map[string]json.RawMessage{}
	if _, err := d.Token(); err != nil {
		return nil, bad
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, bad
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, bad
		}
		if _, twice := members[name.(string)]; twice { // in an object a name is a string
			return nil, bad
		}
		members[name.(string)] = value
	}
	return members, nil
}
