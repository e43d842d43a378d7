package dlp

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var table = map[Kind][]string{
	Card: {
		"My card is 4111 1111 1111 1111, thanks", "4111-1111-1111-1111", "amex 378282246310005.", "3782 822463 10005", "5105105105105100", "6011 1111 1111 1117",
		"５５５５５５５５５５５５４４４４", "٤١١١ ١١١١ ١١١١ ١١١١", "4111\u200b1111\u200b1111\u200b1111", "41\u00ad111111\u206011111111", "4111\u20111111\u20111111\u20111111",
		"card 4111 1111 1111 1111 12/27", "No. 2 4111 1111 1111 1111", "4111 - 1111 - 1111 - 1111", "4111 1111\r\n1111 1111", "card=4111111111111111&x=1", "visa4111111111111111", "4111111111111111and more",
		"12 34 56 78 90 12 4111 1111 1111 1111 99 88 77 66 55", "30569309025904", "4111.1111.1111.1111", "#4111111111111111",
	},
	IBAN: {"IBAN DE89 3704 0044 0532 0130 00 please", "gb29nwbk60161331926819", "IBAN:DE89370400440532013000", "DE89-3704-0044-0532-0130-00", "FR14 2004 1010 0505 0001 3M02 606",
		"ＤＥ８９ ３７０４ ００４４ ０５３２ ０１３０ ００", "DE89\u200b3704\u00a00044\u202f0532 0130 00", "DE89 3704 0044\n0532 0130 00", "NL91ABNA0417164300."},
	Secret: {
		"Your password is Tr0ub4dor&3.", "Passwort: hund3rt-wasser", "mot de passe : s0leil!", "PIN 4711", "pin: 0815", "Ihre PIN lautet 4711.", "CVV 123", "TAN: 123 456",
		"Password:\r\n\r\nhunter22", "password = swordfish", "Password: correct-horse-battery", "the password is \"swordfish\"", "Your password hunter22 is ready", "CONTRASEÑA: s3creta",
		"Benutzerpasswort: Sommer24", "DB_PASSWORD=s3cr3t!", "密码：abc123", "您的密码: abc123", "пароль: qwerty12", "HASŁO: zaq12wsx", "pass\u200bword: hunter22", "Your verification code is 918273",
		"api key: 9f8a7c6b5d", "Kennwort „blau7grün“",
	},
	Key: {"-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ", "-----BEGIN OPENSSH PRIVATE KEY-----", "use AKIAIOSFODNN7EXAMPLE please",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"},
	Birth:    {"born on 24 November 1980", "geboren am 24.11.1980", "Date of birth: 1980-11-24", "DOB 11/24/1980", "geb. 3. 5. 1977", "née le 1er mai 1980", "Geburtsdatum: 24.11.1980"},
	Identity: {"Steuer-ID: 86 095 742 719", "SSN 219-09-9999", "IdNr. 65929970489"},
	"": {
		"4111 1111 1111 1112", "order 411111111111111111111111111", "0000 0000 0000 0000", "call +49 30 1234567 or 0171 2345678", "sha 4f1111111111111111aa", "e4111111111111111a",
		"+4111111111111111", "id_4111111111111111", "/orders/4111111111111111", "2026-11-24 08:33:02, id 20261124083302", "DE89 3704 0044 0532 0130 01", "DEAD BEEF",
		"XDE89370400440532013000", "Please reset your password on our page.", "Your password is never asked for by us.", "We never ask for a PIN or a password.", "the tanning salon 123",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----", "invoice 12345, due 2026-12-01, amount 1.234,56 EUR", "Forgot your password? Visit https://x.example/reset/123", "Password: ********",
		"Password: <your password>", "Password: required", "Passwort: siehe beiliegendes Schreiben", "Password:\nUsername: ada", "password: https://x.example/r4", "Your password must have 8 characters",
		"password: min. 8 characters", "PIN-Brief 2026", "pin the topic for 30 days", "We were born to help since 1980", "geboren in Berlin", "task-sk-overview", "The SSN is not needed",
		"Steuer-ID 86 095 742 718", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "v1.2.3-20261124083302-9fceb02d0ae5", "secretary 2026", "the token ring", "ticket PST-2026-001234",
		"tracking 1Z999AA10123456784", "ISBN 978-3-16-148410-0", "Tel. 030/123456-78, Fax 030/123456-79",
	},
}

func TestFind(t *testing.T) {
	for want, texts := range table {
		for _, text := range texts {
			got := Find(text)
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("%q: found %v", text, got)
			case want != "" && (len(got) != 1 || got[0].Kind != want):
				t.Errorf("%q: found %v, want %s", text, got, want)
			}
		}
	}
}

func TestFindingsStandWhereTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"«Karte»: 4111\u200b 1111 1111 1111 – danke":             "4111\u200b 1111 1111 1111",
		"née le 24.11.1980, merci":                               "née le 24.11.1980",
		"Ḁ DOB 1980-11-24.":                                      "DOB 1980-11-24",
		"größe DE89\u00a03704 0044 0532 0130 00, bitte":          "DE89\u00a03704 0044 0532 0130 00",
		"ab -----BEGIN RSA PRIVATE KEY-----\nx":                  "-----BEGIN RSA PRIVATE KEY-----",
		"\xff\xfe Passwort: hund3rt, oder":                       "Passwort: hund3rt",
		"5 Stück; die Nummer ist 4111111111111111. 5 weitere ok": "4111111111111111",
	} {
		got := Find(text)
		if len(got) != 1 || text[got[0].Start:got[0].End] != want {
			t.Errorf("%q: found %+v, want %q", text, got, want)
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

var prose = []string{"", " thank you ", "Bitte buchen Sie von ", ", 3 times", "\r\n", "für Müller: ", "(", ")", " é. "}

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
		if distinct(d) < 2 {
			continue
		}
		var b strings.Builder
		b.WriteString(prose[r.IntN(len(prose))])
		for _, c := range d {
			b.WriteByte(c)
			if r.IntN(3) == 0 {
				b.WriteString([]string{" ", "-", ".", "\u00a0", "\u200b", " - ", "\u2011"}[r.IntN(7)])
			}
		}
		b.WriteString(prose[r.IntN(len(prose))])
		if got := Find(b.String()); len(got) == 0 || got[0].Kind != Card {
			t.Fatalf("%q: %v", b.String(), got)
		}
	}
}

// Texts made to be slow take no longer than others.
func TestTimeIsLinear(t *testing.T) {
	for _, unit := range []string{"4", "4 ", "41 ", "a4", "DE", "DE8 ", "password ", "password: ", "pin ", "-----BEGIN ", "eyJ.", "eyJa.", "born 1 ", "is is ", "\u200b", "passwort", "４", "sk-"} {
		text := strings.Repeat(unit, (1<<20)/len(unit))
		at := time.Now()
		Find(text)
		if d := time.Since(at); d > 2*time.Second {
			t.Errorf("1 MB of %q took %v", unit, d)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, texts := range table {
		for _, s := range texts {
			f.Add(s)
		}
	}
	f.Add("4111 1111 1111 1111 \xff DE89")
	f.Fuzz(func(t *testing.T, s string) {
		for _, x := range Find(s) {
			if x.Start < 0 || x.End <= x.Start || x.End > len(s) {
				t.Errorf("%+v in %d bytes", x, len(s))
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for name, line := range map[string]string{"ascii": "Dear customer, your order 12345 of 24 November is on its way, call 030 1234. ",
		"utf-8": "Grüße, Ihre Bestellung 12345 vom 24. November ist unterwegs, Rückfragen an 030 1234. "} {
		for size, n := range map[string]int{"10KB": 10 << 10, "1MB": 1 << 20} {
			text := strings.Repeat(line, n/len(line))
			b.Run(name+" "+size, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					Find(text)
				}
			})
		}
	}
}
