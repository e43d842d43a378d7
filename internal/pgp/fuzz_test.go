package pgp

import (
	"bytes"
	"testing"
	"time"

	"postern/internal/message"
)

// FuzzOpen gives whatever to every entrance for messages and signatures.
func FuzzOpen(f *testing.F) {
	us, _ := Generate("Us", "us@northmere.example", time.Now().Add(-time.Hour))
	for _, s := range [][]byte{nil, {0x85, 1}, {0xd2, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, []byte("-----BEGIN PGP MESSAGE-----\n\nAAAA\n=AAAA\n-----END PGP MESSAGE-----\n"),
		[]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n")} {
		f.Add(s)
	}
	for _, s := range corpus(us) {
		f.Add(s)
		f.Add(armor(kindMessage, s))
	}
	secrets, at := []*Secret{us}, time.Now()
	check := func(list []Signature) {
		for i := range list {
			list[i].Verify(us.Public(), at)
			list[i].Issuer()
			list[i].IntendedFor()
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keep := bytes.Clone(data)
		o, err := Open(data, secrets)
		switch {
		case err == nil:
			check(o.Signatures)
		case o != nil && o.Data != nil:
			t.Fatalf("%v, but text was released", err)
		}
		if o, err := ReadSigned(data); err == nil {
			check(o.Signatures)
		}
		if list, err := Detached([]byte("x"), data); err == nil {
			check(list)
		}
		if b, ok, err := Inline(data); ok && err == nil {
			check(b.Signatures)
		}
		if !bytes.Equal(data, keep) {
			t.Fatal("the input was changed")
		}
	})
}

// corpus is a few real things: a certificate, a key, a message with its inside,
// and a signature.
func corpus(us *Secret) (out [][]byte) {
	d := message.Draft{From: message.Address{Addr: "us@northmere.example"}, To: []message.Address{{Addr: "us@northmere.example"}}, Subject: "x", Date: time.Now(), MessageID: "1@northmere.example", Text: "hello"}
	out = append(out, us.Public().Bytes(), us.Bytes())
	for _, to := range [][]*Key{nil, {us.Public()}} {
		s, err := Seal(Outgoing{Draft: d, Signer: us, To: to, OuterSubject: "x", Now: time.Now()})
		if err != nil {
			panic(err)
		}
		data, _ := message.Parse(s.Raw).Root.Parts[1].Data()
		out = append(out, data)
		if env, err := takeApart(data); err == nil {
			if inside, err := env.decrypt(s.session); err == nil {
				out = append(out, inside)
			}
		}
	}
	return out
}

// FuzzKeys reads whatever as certificates and as secret keys. What is read once
// must read the same again from its own serialisation.
func FuzzKeys(f *testing.F) {
	us, _ := Generate("Us", "us@northmere.example", time.Now().Add(-time.Hour))
	f.Add(us.Bytes())
	f.Add(us.Public().Armored())
	f.Add([]byte{0x99, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeys(data)
		if err == nil && len(keys) == 0 {
			t.Fatal("neither keys nor an error")
		}
		for _, k := range keys {
			again, err := ParseKeys(k.Armored())
			if err != nil || len(again) != 1 || again[0].Fingerprint() != k.Fingerprint() {
				t.Fatalf("%s is not read again: %v", k.Fingerprint(), err)
			}
			k.CanEncrypt(time.Now())
			k.Expires()
			k.Addresses()
		}
		ParseSecret(data)
	})
}
