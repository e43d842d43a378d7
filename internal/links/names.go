package links

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// ownName is a name of ours, taken apart the way somebody does who imitates it.
type ownName struct {
	registered string // bank.example
	label      string // bank
	skeleton   string
}

// nameOf takes a host apart; a host that is registered nowhere has no name to imitate.
func nameOf(host string) ownName {
	r := registered(host)
	if r == "" {
		return ownName{}
	}
	label, _, _ := strings.Cut(r, ".")
	return ownName{r, label, skeleton(label)}
}

func registered(host string) string {
	r, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	return r
}

// like returns the name of ours that a host imitates, or "".
//
// It compares what a person registers and reads: the label before the public suffix.
// Short names are near to everything, so the distance that is too near grows with the
// name: none below five letters, one from five on, two from nine on.
func (j *Judge) like(host string) string {
	r := registered(host)
	label, _, _ := strings.Cut(r, ".")
	skel := skeleton(label)
	for _, n := range j.names {
		if r == n.registered {
			return ""
		}
		if strings.HasPrefix(host, n.registered+".") || strings.Contains(host, "."+n.registered+".") {
			return n.registered // bank.example.evil.example
		}
		switch {
		case skel == n.skeleton, // another TLD, bаnk, b4nk, extra hyphens
			len(n.label) >= 4 && hasPart(label, n.label), // bank-login
			near(label, n.label), near(skel, n.skeleton):
			return n.registered
		}
	}
	return ""
}

// hasPart reports whether one of the parts between hyphens is the name.
func hasPart(label, name string) bool {
	for part := range strings.SplitSeq(label, "-") {
		if part == name {
			return true
		}
	}
	return false
}

func near(a, b string) bool {
	allowed := 0
	switch n := len(b); {
	case n >= 9:
		allowed = 2
	case n >= 5:
		allowed = 1
	}
	return allowed > 0 && distance(a, b, allowed) <= allowed
}

// distance counts the letters to add, drop, change or swap with their neighbour
// (optimal string alignment), and stops caring above limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit || len(a) > 63 {
		return limit + 1
	}
	var rows [3][64]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		now, last, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

// looks are letters that are read for others: pairs first, then the letters of other
// alphabets that have a Latin twin (after Unicode TS 39, the ones a name can hold).
var looks = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "-", "", "0", "o", "1", "l", "i", "l", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b",
	"а", "a", "в", "b", "е", "e", "ё", "e", "к", "k", "м", "m", "н", "h", "о", "o", "р", "p", "с", "c", "т", "t", "у", "y", "х", "x", "і", "l", "ї", "l", "ј", "j", "ѕ", "s", "ԁ", "d", "ԛ", "q", "ԝ", "w", "һ", "h", "ӏ", "l", "ь", "b", "п", "n", "г", "r",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "l", "κ", "k", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "ω", "w", "γ", "y",
	"ı", "l", "ɩ", "l", "ɑ", "a", "ɡ", "g", "ß", "b", "ł", "l", "ø", "o", "đ", "d", "ħ", "h")

// accents maps a letter with an accent to the one below it.
var accents = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ä", "a", "ã", "a", "å", "a", "ā", "a", "ă", "a", "ą", "a", "ạ", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ē", "e", "ę", "e", "ě", "e", "ẹ", "e", "ğ", "g", "ģ", "g", "í", "i", "ì", "i", "î", "i", "ï", "i", "ī", "i", "į", "i", "ị", "i", "ķ", "k", "ḳ", "k", "ļ", "l", "ľ", "l",
	"ñ", "n", "ń", "n", "ň", "n", "ņ", "n", "ṇ", "n", "ó", "o", "ò", "o", "ô", "o", "ö", "o", "õ", "o", "ő", "o", "ō", "o", "ọ", "o", "ŕ", "r", "ř", "r", "ś", "s", "š", "s", "ş", "s", "ș", "s", "ť", "t", "ţ", "t", "ț", "t",
	"ú", "u", "ù", "u", "û", "u", "ü", "u", "ű", "u", "ū", "u", "ů", "u", "ụ", "u", "ý", "y", "ÿ", "y", "ź", "z", "ż", "z", "ž", "z", "ḅ", "b", "ṃ", "m", "ṁ", "m")

// skeleton is a label as a hurried eye reads it.
func skeleton(label string) string {
	if strings.HasPrefix(label, "xn--") {
		if u, err := idna.ToUnicode(label); err == nil {
			label = u
		}
	}
	return looks.Replace(accents.Replace(strings.ToLower(label)))
}

// foreign says what is strange about a name that is not in plain letters.
func foreign(host string) string {
	u, err := idna.Lookup.ToUnicode(host)
	if err != nil {
		return "has a host name that only looks like one: " + host
	}
	for label := range strings.SplitSeq(u, ".") {
		if mixed(label) {
			return "leads to " + u + ", which mixes letters of several alphabets: it is looked up as " + host
		}
	}
	return "leads to " + u + ", which is looked up as " + host
}

// mixed reports whether a label has letters of alphabets that no language writes
// together (Unicode TS 39, 5.1).
func mixed(label string) bool {
	seen := map[string]bool{}
	for _, r := range label {
		if s := script(r); s != "" {
			seen[s] = true
		}
	}
	for _, together := range [][]string{{"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Hangul"}, {"Latin", "Han", "Bopomofo"}} {
		n := 0
		for _, s := range together {
			if seen[s] {
				n++
			}
		}
		if n == len(seen) && (seen["Han"] || seen["Hiragana"] || seen["Katakana"] || seen["Hangul"] || seen["Bopomofo"]) {
			return false
		}
	}
	return len(seen) > 1
}

func script(r rune) string {
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

// shorteners hide where they lead. A branded one is not in here, and is warned about
// as any stranger.
var shorteners = set(`bit.ly bitly.com j.mp t.co tinyurl.com goo.gl ow.ly is.gd v.gd buff.ly cutt.ly rebrand.ly rb.gy shorturl.at short.io
	tiny.cc t.ly s.id lnkd.in fb.me db.tt adf.ly bl.ink clck.ru trib.al dlvr.it shorte.st soo.gd qr.ae qrco.de x.co u.to surl.li urlz.fr
	1url.com mcaf.ee po.st hyperurl.co zpr.io kutt.it kurzelinks.de kurzlinks.de goo.su vk.cc v.ht tny.im snip.ly amzn.to aka.ms g.co forms.gle`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
