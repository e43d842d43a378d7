package dlp

import (
	"strings"
	"unicode/utf8"
)

// A word names what may follow it, and how that looks.
type word struct {
	text string // lower case; the first word of several is the key of the table
	kind Kind
	is   func(f *folded, i int) (end int, ok bool) // reads what follows the word
}

// namers are the words, in the languages of our customers, by their first word.
var namers = func() map[string][]word {
	m := map[string][]word{}
	add := func(k Kind, is func(*folded, int) (int, bool), texts ...string) {
		for _, t := range texts {
			first := t
			if i := strings.IndexAny(t, " -"); i > 0 {
				first = t[:i]
			}
			m[first] = append(m[first], word{t, k, is})
		}
	}
	add(Secret, (*folded).password, "password", "passwd", "pwd", "passwort", "kennwort", "passphrase", "passcode", "mot de passe", "mdp", "contraseña", "contrasena",
		"clave", "senha", "palavra-passe", "wachtwoord", "hasło", "haslo", "heslo", "lösenord", "adgangskode", "passord", "salasana", "jelszó", "parola", "пароль",
		"密码", "密碼", "パスワード", "secret key", "secret", "client secret", "api key", "api-key", "apikey", "access token", "access key", "auth token", "token",
		"zugangscode", "freischaltcode", "recovery code", "backup code", "wiederherstellungscode")
	add(Secret, (*folded).code, "pin", "tan", "cvv", "cvv2", "cvc", "cvc2", "puk", "otp", "nip", "geheimzahl", "kartenprüfnummer", "prüfziffer", "security code", "verification code",
		"one-time code", "einmalcode", "sicherheitscode", "bestätigungscode", "code secret", "code pin", "código")
	add(Birth, (*folded).date, "born", "dob", "date of birth", "birth date", "birthdate", "birthday", "geboren", "geb", "geburtsdatum", "geburtstag", "né le", "née le",
		"date de naissance", "fecha de nacimiento", "nacido", "nacida", "data di nascita", "geboortedatum")
	add(Identity, (*folded).taxID, "steuer-id", "steuerid", "idnr", "steuer-idnr", "steueridentifikationsnummer", "steuerliche identifikationsnummer", "tax id", "tin")
	add(Identity, (*folded).ssn, "ssn", "social security", "itin")
	return m
}()

var namerSieve = func() (s sieve) {
	for first := range namers {
		s.add(first)
	}
	return s
}()

// tails are words that others end with: "Benutzerpasswort", "您的密码".
var tails = []string{"passwort", "kennwort", "password", "密码", "密碼", "パスワード"}

// tailEnds are the last bytes of tails.
var tailEnds = func() (t [256]bool) {
	for _, w := range tails {
		t[w[len(w)-1]] = true
	}
	return t
}()

// lookUp asks the table only for what the sieve lets through.
func lookUp[T any](s *sieve, table map[string][]T, word string) []T {
	if !s.may(word) {
		return nil
	}
	return table[word]
}

// words goes from word to word once, and reads on only behind those it knows.
func (f *folded) words(out []Finding) []Finding {
	for i := 0; i < len(f.low); {
		if !isLetter(f.low[i]) {
			i++
			continue
		}
		start := i
		for i < len(f.low) && isLetter(f.low[i]) {
			i++
		}
		if start > 0 && isDigit(f.low[start-1]) {
			continue
		}
		if end, ok := f.shape(start, i); ok {
			out = append(out, Finding{Key, start, end, "key or token ••••"})
			i = end
			continue
		}
		if x, ok := f.named(start, i); ok {
			out = append(out, x)
			i = max(i, x.End)
		}
	}
	return out
}

// named looks the word up that stands from start to end.
func (f *folded) named(start, end int) (Finding, bool) {
	first := f.low[start:end]
	if len(first) > 80 {
		return Finding{}, false
	}
	for _, w := range lookUp(&namerSieve, namers, first) {
		after := start + len(w.text)
		if !strings.HasPrefix(f.low[start:], w.text) || after < len(f.low) && isAlnum(f.low[after]) {
			continue
		}
		if last, ok := w.is(f, after); ok {
			return Finding{w.kind, start, last, w.text + " ••••"}, true
		}
	}
	if !tailEnds[first[len(first)-1]] {
		return Finding{}, false
	}
	for _, t := range tails {
		if len(first) > len(t) && strings.HasSuffix(first, t) {
			last, ok := f.password(end)
			return Finding{Secret, start, last, t + " ••••"}, ok
		}
	}
	return Finding{}, false
}

// joiners may stand between a word and its value.
var joiners = []string{"is", "was", "number", "code", "no", "nr", "ist", "lautet", "war", "neu", "am", "on", "est", "es", "é", "le", "el", "il", "jest", "are",
	"for your account", "für ihr konto", "nummer"}

// join reads over what stands between a word and its value: joining words, a
// sign, a quote, at most two line ends.
func (f *folded) join(i int) (at int, joined, sign bool) {
	at = f.blank(i)
	for range 2 {
		for _, j := range joiners {
			if after := at + len(j); strings.HasPrefix(f.low[at:], j) && after < len(f.low) && (f.low[after] == ' ' || f.low[after] == ':' || f.low[after] == '.') {
				at, joined = f.blank(after), true
				break
			}
		}
	}
	for at < len(f.low) && at-i < 60 {
		r, n := utf8.DecodeRuneInString(f.low[at:])
		switch {
		case strings.ContainsRune(":=>\"'„“”«»‚‘’`*", r):
			sign = true
		case r == '\n' && !sign, r != ' ' && r != '-' && r != '\r' && r != '\n' && r != '\t' && r != '(' && r != '.' && r != '/':
			return at, joined || sign, sign
		}
		at += n
	}
	return at, joined || sign, sign
}

func (f *folded) blank(i int) int {
	for i < len(f.low) && (f.low[i] == ' ' || f.low[i] == '\t') {
		i++
	}
	return i
}
