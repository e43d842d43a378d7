package instructions

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// TextVersion is the version of the form below; it stands in every text.
const TextVersion = 1

// Facts is what the canonical text is made of.
type Facts struct {
	Org, Ref, For string
	By            string // in words: "by you, on our pages"
	Made, Expires time.Time
	Values        map[string]string // normal forms
	Note          []string          // more lines, such as what the desk would replace
}

// Canonical writes the one text of an instruction. Words only, one fact a line,
// every field, and times in UTC. Letters that could pass for others are named.
func (t *Type) Canonical(f Facts) string {
	var b strings.Builder
	line := func(parts ...string) { b.WriteString(strings.Join(parts, "") + "\n") }
	line("INSTRUCTION TO ", oneLine(f.Org))
	line("Reference: ", f.Ref)
	line("For: ", oneLine(f.For))
	line("What: ", t.Title)
	for _, field := range t.Fields {
		v := f.Values[field.Name]
		if v == "" {
			v = "(nothing)"
		}
		line("  ", field.Label, ": ", v)
		if s := spelling(v); s != "" {
			line("    Letters: ", s)
		}
	}
	for _, n := range f.Note {
		line("  ", oneLine(n))
	}
	if t.Cooling > 0 {
		line("It is done ", waitWords(t.Cooling), " after the proof at the earliest.")
	}
	line("Proposed: ", stamp(f.Made), ", ", f.By)
	line("Open until: ", stamp(f.Expires))
	line("END OF INSTRUCTION (form 1)")
	return b.String()
}

func stamp(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// oneLine keeps a name, which others gave, from writing lines of its own.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if hidden(string(r)) != 0 {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > 100 {
		s = string(r[:100]) + "…"
	}
	return s
}

const refLetters = "23456789ABCDEFGHJKMNPQRSTVWXYZ" // none that another could be taken for

// NewRef returns a one-time reference: 16 letters of 30, some 78 random bits.
func NewRef() string {
	var out []byte
	var b [1]byte
	for len(out) < 19 {
		if len(out)%5 == 4 {
			out = append(out, '-')
			continue
		}
		if rand.Read(b[:]); int(b[0]) < 240 { // 240 is a multiple of 30: no letter comes more often
			out = append(out, refLetters[int(b[0])%len(refLetters)])
		}
	}
	return string(out)
}

// Refs finds the one-time references a text speaks of, a few at most. Every mail
// is looked through: it steps from hyphen to hyphen.
func Refs(text string) []string {
	var out []string
	for at := 4; at < len(text); {
		i := strings.IndexByte(text[at:], '-')
		if i < 0 {
			break
		}
		at += i + 1
		if start := at - 5; isRef(text, start) && !slices.Contains(out, text[start:start+refLength]) {
			out = append(out, text[start:start+refLength])
			at = start + refLength
		}
		if len(out) == 4 {
			break
		}
	}
	return out
}

const refLength = 19

// isRef reports whether a reference stands at i, as a word of its own.
func isRef(s string, i int) bool {
	if i+refLength > len(s) || i > 0 && wordByte(s[i-1]) || i+refLength < len(s) && wordByte(s[i+refLength]) {
		return false
	}
	for n := range refLength {
		if c := s[i+n]; n%5 == 4 && c != '-' || n%5 != 4 && strings.IndexByte(refLetters, c) < 0 {
			return false
		}
	}
	return true
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' || c >= 0x80
}

// ApproveLine is what a customer writes above the text when they sign it.
func ApproveLine(ref string) string { return "I approve " + ref }

// Approves reports whether a signed text approves exactly this canonical text:
// it holds the whole of it, word by word, quoted or not, and beside it, not
// quoted, the approving line and nothing else. Whoever adds a word of their own
// ("but only half of it") wants something else, and a person reads that.
//
// ours are addresses of ours: the line with which a mail program opens a quote
// ("On Monday support@… wrote:") names one and ends with a colon.
func Approves(signed, text, ref string, ours []string) bool {
	words := strings.Fields(text)
	all := read(signed)
	at := find(all, words)
	if at < 0 {
		return false
	}
	rest := append(append([]word{}, all[:at]...), all[at+len(words):]...)
	return onlyApproval(rest, ref, ours)
}

type word struct {
	s      string
	quoted bool
	line   int
}

// read splits a text into words; what stands below a signature line is left out.
func read(text string) (out []word) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\u00a0", " ")
	for n, l := range strings.Split(text, "\n") {
		quoted := false
		for strings.HasPrefix(strings.TrimLeft(l, " \t"), ">") {
			l, quoted = strings.TrimLeft(l, " \t")[1:], true
		}
		if !quoted && (l == "-- " || l == "--") {
			break
		}
		for _, w := range strings.Fields(l) {
			out = append(out, word{w, quoted, n})
		}
	}
	return out
}

// find returns where the words stand one after another, all quoted or all not.
func find(all []word, words []string) int {
outer:
	for i := 0; i+len(words) <= len(all); i++ {
		for j, w := range words {
			if all[i+j].s != w || all[i+j].quoted != all[i].quoted {
				continue outer
			}
		}
		return i
	}
	return -1
}

// onlyApproval: what is not quoted beside the text is the approving line, and at
// most the opening of the quote.
func onlyApproval(rest []word, ref string, ours []string) bool {
	var own []word
	for _, w := range rest {
		if !w.quoted {
			own = append(own, w)
		}
	}
	want := strings.Fields(ApproveLine(ref))
	if len(own) < len(want) {
		return false
	}
	for i, w := range want {
		got := own[i].s
		if i == len(want)-1 {
			got = strings.TrimSuffix(got, ".")
		}
		if !strings.EqualFold(got, w) || own[i].line != own[0].line {
			return false
		}
	}
	return opening(own[len(want):], ours)
}

func opening(own []word, ours []string) bool {
	if len(own) == 0 {
		return true
	}
	if own[len(own)-1].line-own[0].line > 1 || !strings.HasSuffix(own[len(own)-1].s, ":") {
		return false
	}
	for _, w := range own {
		for _, a := range ours {
			if strings.EqualFold(strings.Trim(w.s, `<>(),;:"'[]`), a) {
				return true
			}
		}
	}
	return false
}
