package dlp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// words name what must not be sent about, in the languages of our customers. A
// word alone is nothing: a value must follow it.
var words = []string{"password", "passwort", "kennwort", "passphrase", "passcode", "mot de passe", "contraseña", "senha", "wachtwoord", "hasło",
	"pin", "tan", "cvv", "cvc", "secret key", "api key", "api-key", "apikey", "access token", "zugangscode", "geheimzahl"}

// secrets finds private keys and words for secrets with a value behind them.
func secrets(text string) []Finding {
	var out []Finding
	for i := 0; ; {
		j := strings.Index(text[i:], "PRIVATE KEY-----")
		if k := strings.Index(text[i:], "PRIVATE KEY BLOCK-----"); k >= 0 && (j < 0 || k < j) {
			j = k
		}
		if j < 0 {
			break
		}
		begin := strings.LastIndex(text[i:i+j], "-----BEGIN ")
		if begin >= 0 && j-begin < 40 {
			out = append(out, Finding{Key, i + begin, i + j, "private key"})
		}
		i += j + 10
	}
	low := lower(text)
	for _, w := range words {
		for i := 0; i < len(low); {
			j := strings.Index(low[i:], w)
			if j < 0 {
				break
			}
			at := i + j
			i = at + len(w)
			if letterAt(low, at-1, true) || letterAt(low, i, false) {
				continue
			}
			if end, ok := value(text, i, len(w) <= 3); ok {
				out = append(out, Finding{Secret, at, end, text[at:at+len(w)] + " ••••"})
			}
		}
	}
	return out
}

// lower folds without changing lengths, so that offsets stay those of the text.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return string(b)
}

func letterAt(s string, i int, before bool) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	var r rune
	if before {
		r, _ = utf8.DecodeLastRuneInString(s[:i+1])
	} else {
		r, _ = utf8.DecodeRuneInString(s[i:])
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_'
}

// joiners may stand between the word and its value.
var joiners = []string{"is", "ist", "lautet", "est", "es", "é", "code", "for your account", "für ihr konto"}

// value looks for what follows the word: a sign or a joining word, then
// something that is no ordinary word. A short word wants digits.
func value(text string, i int, digitsOnly bool) (end int, ok bool) {
	stop := min(len(text), i+80)
	rest := text[i:stop]
	trimmed := strings.TrimLeft(rest, " \t\u00a0")
	joined := false
	for _, j := range joiners {
		if low := lower(trimmed); strings.HasPrefix(low, j) && len(trimmed) > len(j) && (trimmed[len(j)] == ' ' || trimmed[len(j)] == ':') {
			trimmed, joined = strings.TrimLeft(trimmed[len(j):], " \t"), true
			break
		}
	}
	if t := strings.TrimLeft(trimmed, ":=\"'„“»- \t"); len(t) < len(trimmed) && strings.ContainsAny(trimmed[:len(trimmed)-len(t)], ":=\"'„“»") {
		trimmed, joined = t, true
	}
	if !joined && !digitsOnly {
		return 0, false
	}
	token := trimmed
	if k := strings.IndexFunc(token, unicode.IsSpace); k >= 0 {
		token = token[:k]
	}
	token = strings.TrimRight(token, ".,;!?\"'“”«)")
	if !secretLike(token, digitsOnly) {
		return 0, false
	}
	return i + len(rest) - len(trimmed) + len(token), true
}

func secretLike(t string, digitsOnly bool) bool {
	var letters, digits, others int
	for _, r := range t {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		default:
			others++
		}
	}
	if digitsOnly {
		return digits >= 3 && digits <= 8 && letters == 0 && others == 0
	}
	n := letters + digits + others
	return n >= 4 && n <= 128 && (digits > 0 || others > 0 && letters > 0 && !strings.HasPrefix(t, "http"))
}
