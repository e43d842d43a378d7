package dlp

import (
	"strings"
	"unicode"
)

// blocks finds armoured private keys.
func (f *folded) blocks(out []Finding) []Finding {
	const begin = "-----BEGIN "
	for i := 0; ; {
		j := strings.Index(f.s[i:], begin)
		if j < 0 {
			return out
		}
		at := i + j
		i = at + len(begin)
		label, _, ok := strings.Cut(f.s[i:min(len(f.s), i+40)], "-----")
		if ok && strings.Contains(label, "PRIVATE KEY") {
			out = append(out, Finding{Key, at, i + len(label) + 5, "private key"})
		}
	}
}

// shapes are how well-known services begin their keys. What follows must be
// long and hold digits.
var shapes = map[string][]string{
	"sk": {"sk_live_", "sk_test_", "sk-"}, "rk": {"rk_live_"}, "whsec": {"whsec_"}, "ghp": {"ghp_"}, "gho": {"gho_"}, "ghs": {"ghs_"}, "github": {"github_pat_"}, "glpat": {"glpat-"},
	"xoxb": {"xoxb-"}, "xoxp": {"xoxp-"}, "xoxa": {"xoxa-"}, "hf": {"hf_"}, "npm": {"npm_"}, "pypi": {"pypi-"}, "sg": {"sg."},
}

var shapeSieve = func() (s sieve) {
	for first := range shapes {
		s.add(first)
	}
	return s
}()

// shape reports whether a key begins with the word from start to end.
func (f *folded) shape(start, end int) (int, bool) {
	if start > 0 && (f.s[start-1] == '_' || f.s[start-1] == '-' || f.s[start-1] == '.') { // in the midst of a token
		return 0, false
	}
	w := f.s[start:end]
	switch {
	case strings.HasPrefix(w, "AKIA"), strings.HasPrefix(w, "ASIA"):
		last, digits := f.token(start)
		return last, last-start == 20 && digits > 0 && w == strings.ToUpper(w)
	case strings.HasPrefix(w, "AIza"):
		last, digits := f.token(start)
		return last, last-start == 39 && digits > 0
	case strings.HasPrefix(w, "eyJ"): // a signed web token: three parts
		last, _ := f.token(start)
		return last, last-start >= 40 && strings.Count(f.s[start:last], ".") == 2
	}
	if len(w) > 6 {
		return 0, false
	}
	for _, p := range lookUp(&shapeSieve, shapes, f.low[start:end]) {
		if strings.HasPrefix(f.low[start:], p) {
			last, digits := f.token(start + len(p))
			return last, last-start-len(p) >= 16 && digits >= 2
		}
	}
	return 0, false
}

// token reads what keys are made of.
func (f *folded) token(i int) (end, digits int) {
	for ; i < len(f.s); i++ {
		c := f.s[i]
		if isDigit(c) {
			digits++
		} else if c >= 0x80 || !isLetter(c) && c != '_' && c != '-' && !(c == '.' && i+1 < len(f.s) && isAlnum(f.s[i+1])) {
			break
		}
	}
	return i, digits
}

// value reads up to the next space, without what ends a sentence or a quote.
func (f *folded) value(i int) string {
	t := f.s[i:min(len(f.s), i+160)]
	if k := strings.IndexFunc(t, unicode.IsSpace); k >= 0 {
		t = t[:k]
	}
	return strings.TrimRight(t, ".,;\"'“”’«»)`*")
}

// password reads what follows a word for a password. Behind a sign a plain word
// counts if nothing follows it on its line; otherwise it must look like none.
func (f *folded) password(i int) (int, bool) {
	at, joined, sign := f.join(i)
	t := f.value(at)
	end := at + len(t)
	if len(t) < 4 || len(t) > 128 || strings.ContainsAny(t[:1], "<[{") || strings.HasSuffix(t, ":") || strings.HasSuffix(t, "?") || strings.HasPrefix(t, "http") {
		return 0, false
	}
	letters, digits, signs := count(t)
	switch {
	case joined && digits > 0, joined && signs > 0 && letters > 0:
		return end, true
	case digits > 0 && letters > 0 && len(t) >= 6 && signs == 0 && !strings.ContainsAny(t, "-/.,"):
		return end, true
	case sign && letters >= 6:
		return end, f.lineEnds(end) && !ordinary[strings.ToLower(t)]
	}
	return 0, false
}

func count(t string) (letters, digits, signs int) {
	for _, r := range t {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		case !strings.ContainsRune("-'’./,()", r):
			signs++
		}
	}
	return letters, digits, signs
}

func (f *folded) lineEnds(i int) bool {
	for ; i < len(f.s) && f.s[i] != '\n'; i++ {
		if isAlnum(f.s[i]) {
			return false
		}
	}
	return true
}

// ordinary words stand behind "Password:" in forms and letters.
var ordinary = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`required optional changed forgotten expired unknown invalid incorrect missing hidden redacted secret correct wrong empty protected
		encrypted reset-password forgot-password yes/no unchanged erforderlich geändert vergessen abgelaufen unbekannt ungültig falsch fehlt obligatoire oublié requerida`) {
		m[w] = true
	}
	return m
}()

// code reads a short number behind a word for a code.
func (f *folded) code(i int) (int, bool) {
	if i < len(f.s) && f.s[i] == '-' { // PIN-Brief, TAN-Verfahren
		return 0, false
	}
	at, _, _ := f.join(i)
	end := at
	for end < len(f.s) && isDigit(f.s[end]) {
		end++
	}
	n := end - at
	if end+4 <= len(f.s) && n == 3 && (f.s[end] == ' ' || f.s[end] == '-') && isDigit(f.s[end+1]) && isDigit(f.s[end+2]) && isDigit(f.s[end+3]) { // 123 456
		end += 4
	}
	return end, n >= 3 && n <= 8 && !(end < len(f.s) && (isAlnum(f.s[end]) || f.s[end] == '-' && end+1 < len(f.s) && isAlnum(f.s[end+1])))
}
