package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"postern/internal/jws"
)

// TestOutsideLibrary: what we sign, somebody else's library takes; and the name
// of the key is the thumbprint that it computes.
func TestOutsideLibrary(t *testing.T) {
	each(t, func(s *desk) {
		s.rotate()
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(s.JWKS(), &set); err != nil || len(set.Keys) != 2 {
			t.Fatalf("%d keys, %v", len(set.Keys), err)
		}
		for _, k := range set.Keys {
			sum, err := k.Thumbprint(crypto.SHA256)
			if err != nil || base64.RawURLEncoding.EncodeToString(sum) != k.KeyID || !k.Valid() || !k.IsPublic() || k.Algorithm != "ES256" || k.Use != "sig" {
				t.Errorf("key %s: %v", k.KeyID, err)
			}
		}
		for range 20 { // signatures with short numbers among them
			token := s.sign(ann)
			parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatal(err)
			}
			got, err := parsed.Verify(&set)
			var back claims
			if err != nil || json.Unmarshal(got, &back) != nil || back != ann {
				t.Fatalf("%s, %v", got, err)
			}
			if typ := parsed.Signatures[0].Header.ExtraHeaders["typ"]; typ != "JWT" {
				t.Errorf("typ %v", typ)
			}
			changed := []byte(token)
			changed[len(token)/2] ^= 1
			if parsed, err := jose.ParseSignedCompact(string(changed), []jose.SignatureAlgorithm{jose.ES256}); err == nil {
				if _, err := parsed.Verify(&set); err == nil {
					t.Error("a changed token was taken")
				}
			}
		}
	})
}

// foreign is a key of a stranger's, with the names that RFC 7638 gives it.
type foreign struct {
	secret *ecdsa.PrivateKey
	jwk    jose.JSONWebKey
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	// RFC 7515, A.3: the key of its example for ES256.
	var k jose.JSONWebKey
	err := json.Unmarshal([]byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`), &k)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	k.KeyID, k.Algorithm, k.Use = base64.RawURLEncoding.EncodeToString(sum), "ES256", "sig"
	return &foreign{k.Key.(*ecdsa.PrivateKey), k}
}

func (f *foreign) set(t *testing.T) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{f.jwk.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// token signs whatever header and payload it is given; high asks for the larger
// of the two numbers that s can be.
func (f *foreign) token(t *testing.T, head, payload string, high bool) string {
	t.Helper()
	input := b64(head) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(nil, f.secret, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	n := f.secret.Curve.Params().N
	if (s.Cmp(new(big.Int).Rsh(n, 1)) > 0) != high {
		s.Sub(n, s)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + b64(string(sig[:]))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// Every header but our own is refused, though its signature is good.
func TestOnlyOurHeaderIsTaken(t *testing.T) {
	f := newForeign(t)
	set, kid := f.set(t), f.jwk.KeyID
	good := `{"alg":"ES256","typ":"JWT","kid":"` + kid + `"}`
	for _, head := range []string{good, `{"kid":"` + kid + `", "typ":"JWT", "alg":"ES256"}`} {
		if got, err := jws.Verify(f.token(t, head, `{"a":1}`, false), set); err != nil || string(got) != `{"a":1}` {
			t.Errorf("%s: %s, %v", head, got, err)
		}
	}
	for _, head := range []string{
		``, `null`, `[]`, `""`, `{}`, `{`, good + `{}`, good[:len(good)-1] + `,}`,
		`{"alg":"ES256","kid":"` + kid + `"}`, `{"typ":"JWT","kid":"` + kid + `"}`, `{"alg":"ES256","typ":"JWT"}`,
		`{"alg":"ES384","typ":"JWT","kid":"` + kid + `"}`, `{"alg":"es256","typ":"JWT","kid":"` + kid + `"}`, `{"alg":["ES256"],"typ":"JWT","kid":"` + kid + `"}`,
		`{"alg":null,"typ":"JWT","kid":"` + kid + `"}`, `{"ALG":"ES256","typ":"JWT","kid":"` + kid + `"}`, `{"alg":"ES256","typ":"JOSE","kid":"` + kid + `"}`,
		`{"alg":"ES256","typ":"JWT","kid":"` + kid + `x"}`, `{"alg":"ES256","typ":"JWT","kid":""}`, `{"alg":"ES256","typ":"JWT","kid":1}`,
		`{"alg":"none","alg":"ES256","typ":"JWT","kid":"` + kid + `"}`, `{"alg":"ES256","typ":"JWT","kid":"x","kid":"` + kid + `"}`,
		strings.Replace(good, `{`, `{"crit":["exp"],`, 1), strings.Replace(good, `{`, `{"crit":[],`, 1), strings.Replace(good, `{`, `{"crit":["b64"],"b64":true,`, 1),
		strings.Replace(good, `{`, `{"b64":true,`, 1), strings.Replace(good, `{`, `{"jku":"https://evil.example/",`, 1),
		strings.Replace(good, `{`, `{"zip":"DEF",`, 1), strings.Replace(good, `{`, `{"x5u":"https://evil.example/",`, 1),
	} {
		if _, err := jws.Verify(f.token(t, head, `{"a":1}`, false), set); err == nil {
			t.Errorf("taken: %s", head)
		}
	}
	for _, payload := range []string{``, `null`, `[1]`, `"a"`, `{"a":1,"a":2}`, `{"a":1}x`} {
		if _, err := jws.Verify(f.token(t, good, payload, false), set); err == nil {
			t.Errorf("taken: %s", payload)
		}
	}
	if _, err := jws.Verify(f.token(t, good, `{"a":1}`, true), set); err == nil {
		t.Error("the other writing of a signature was taken")
	}
}

// RFC 8725, 2.1: no signature at all, and the public key as an HMAC key.
func TestAlgorithmIsNotTheTokensChoice(t *testing.T) {
	f := newForeign(t)
	set, kid := f.set(t), f.jwk.KeyID
	for _, none := range []string{"none", "None", "NONE", ""} {
		head := b64(fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":%q}`, none, kid))
		for _, sig := range []string{"", "AA"} {
			if _, err := jws.Verify(head+"."+b64(`{"a":1}`)+"."+sig, set); err == nil {
				t.Errorf("alg %q with signature %q was taken", none, sig)
			}
		}
	}
	for _, secret := range [][]byte{set, []byte(f.jwk.KeyID)} {
		input := b64(`{"alg":"HS256","typ":"JWT","kid":"`+kid+`"}`) + "." + b64(`{"a":1}`)
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(input))
		if _, err := jws.Verify(input+"."+b64(string(h.Sum(nil))), set); err == nil {
			t.Error("an HMAC under a public key was taken")
		}
	}
}

// A key must be ES256's, and its name must be its thumbprint.
func TestKeySetIsNotBelievedBlindly(t *testing.T) {
	f := newForeign(t)
	set := string(f.set(t))
	token := f.token(t, `{"alg":"ES256","typ":"JWT","kid":"`+f.jwk.KeyID+`"}`, `{"a":1}`, false)
	for old, changed := range map[string]string{`"EC"`: `"oct"`, `"P-256"`: `"P-384"`, `"sig"`: `"enc"`, `"ES256"`: `"HS256"`,
		`"f83OJ3`: `"g83OJ3`, `"x_FEzR`: `"", "z":"`, `"keys"`: `"kees"`, `{"keys"`: `["keys"`} {
		if !strings.Contains(set, old) {
			t.Fatalf("%s is not in %s", old, set)
		}
		if _, err := jws.Verify(token, []byte(strings.Replace(set, old, changed, 1))); err == nil {
			t.Errorf("taken with %s for %s", changed, old)
		}
	}
	mine := "mine"
	named := strings.ReplaceAll(set, f.jwk.KeyID, mine)
	if _, err := jws.Verify(f.token(t, `{"alg":"ES256","typ":"JWT","kid":"mine"}`, `{"a":1}`, false), []byte(named)); err == nil {
		t.Error("a key was taken whose name is not its thumbprint")
	}
}

func TestEveryTamperingIsRefused(t *testing.T) {
	each(t, func(s *desk) {
		token, set := s.sign(ann), s.JWKS()
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
		for i := range token {
			for _, c := range []byte{alphabet[i%len(alphabet)], '\n', '=', '.', token[i] ^ 1, token[i] ^ 2} {
				if changed := token[:i] + string(c) + token[i+1:]; changed != token {
					refused(t, changed, set)
				}
				refused(t, token[:i]+string(c)+token[i:], set)
			}
			refused(t, token[:i], set)
			refused(t, token[:i]+token[i+1:], set)
		}
		parts := strings.Split(token, ".")
		other := strings.Split(s.sign(claims{"Bob", 1}), ".")
		for _, bad := range []string{"", ".", "..", "...", token + ".", "." + token, token + "\n", token + "=", parts[0] + "." + parts[1] + ".",
			parts[0] + "." + other[1] + "." + parts[2], parts[0] + "." + parts[1] + "." + other[2], parts[0] + ".." + parts[2],
			token + "." + parts[2], strings.Repeat("a", 70000)} {
			refused(t, bad, set)
		}
	})
}

func refused(t *testing.T, token string, set []byte) {
	t.Helper()
	if got, err := jws.Verify(token, set); err == nil {
		t.Errorf("taken: %q says %s", token, got)
	}
}

func TestAnotherDesksTokenIsRefused(t *testing.T) {
	var tokens []string
	var sets [][]byte
	each(t, func(s *desk) { tokens, sets = append(tokens, s.sign(ann)), append(sets, s.JWKS()) })
	for i, token := range tokens {
		refused(t, token, sets[1-i])
	}
}

func FuzzVerify(f *testing.F) {
	set := []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
		"kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U","use":"sig","alg":"ES256"}]}`)
	f.Add(b64(`{"alg":"ES256","typ":"JWT","kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"}`)+"."+b64(`{"a":1}`)+"."+b64(strings.Repeat("x", 64)), set)
	f.Fuzz(func(t *testing.T, token string, set []byte) {
		if claims, err := jws.Verify(token, set); err == nil && !json.Valid(claims) {
			t.Errorf("claims %q", claims)
		}
	})
}
