package dlp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"My card is 4111 1111 1111 1111, thanks":             "a payment card number",
		"4111-1111-1111-1111":                                "a payment card number",
		"amex 378282246310005.":                              "a payment card number",
		"５５５５５５５５５５５５４４４４":                                   "a payment card number", // full-width
		"4111\u200b1111\u200b1111\u200b1111":                 "a payment card number",
		"card 4111 1111 1111 1111 12/27":                     "a payment card number",
		"4111 1111 1111 1112":                                "", // checksum
		"order 411111111111111111111111111":                  "",
		"0000 0000 0000 0000":                                "",
		"call +49 30 1234567 or 0171 2345678":                "",
		"sha 4f1111111111111111aa":                           "",
		"2026-11-24 08:33:02, id 20261124083302":             "",
		"IBAN DE89 3704 0044 0532 0130 00 please":            "a bank account number",
		"gb29nwbk60161331926819":                             "a bank account number",
		"DE89 3704 0044 0532 0130 01":                        "",
		"DEAD BEEF":                                          "",
		"Your password is Tr0ub4dor&3.":                      "a password or code",
		"Passwort: hund3rt-wasser":                           "a password or code",
		"mot de passe : s0leil!":                             "a password or code",
		"PIN 4711":                                           "a password or code",
		"pin: 0815":                                          "a password or code",
		"Please reset your password on our page.":            "",
		"Your password is never asked for by us.":            "",
		"We never ask for a PIN or a password.":              "",
		"the tanning salon 123":                              "",
		"-----BEGIN PRIVATE KEY-----\nMIIE":                  "a private key",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ":        "a private key",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----":               "",
		"invoice 12345, due 2026-12-01, amount 1.234,56 EUR": "",
	} {
		got := Find(text)
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%q: found %v", text, got)
		case want != "" && (len(got) == 0 || string(got[0].Kind) != want):
			t.Errorf("%q: found %v, want %s", text, got, want)
		}
	}
}

func TestFindingNeverHoldsTheValue(t *testing.T) {
	for _, f := range Find("4111 1111 1111 1111 DE89370400440532013000 password: hunter22 PIN 4711") {
		for _, secret := range []string{"41111111", "0532013000", "hunter22", "4711"} {
			if strings.Contains(strings.ReplaceAll(f.Masked, " ", ""), secret) {
				t.Errorf("%q holds %q", f.Masked, secret)
			}
		}
	}
}

func TestEveryCardIsFoundInProse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		d := []byte("4")
		for len(d) < 15 {
			d = append(d, byte('0'+r.IntN(10)))
		}
		for c := byte('0'); c <= '9'; c++ {
			if luhn(append(d[:15:15], c)) {
				d = append(d, c)
				break
			}
		}
		if distinctDigits(d) < 2 {
			continue
		}
		sep := []string{"", " ", "-", ".", "\u00a0"}[r.IntN(5)]
		text := fmt.Sprintf("please charge %s%s%s%s%s%s%s, thank you", d[:4], sep, d[4:8], sep, d[8:12], sep, d[12:])
		if got := Find(text); len(got) == 0 || got[0].Kind != Card {
			t.Fatalf("%q: %v", text, got)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("4111 1111 1111 1111 \xff DE89")
	f.Fuzz(func(t *testing.T, s string) {
		for _, x := range Find(s) {
			if x.Start < 0 || x.End < x.Start || x.End > len(s) {
				t.Errorf("%+v in %d bytes", x, len(s))
			}
		}
	})
}

func BenchmarkFind10KB(b *testing.B) {
	text := strings.Repeat("Dear customer, your order 12345 of 24 November is on its way, call 030 1234. ", 135)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Find(text)
	}
}
