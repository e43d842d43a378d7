// Package centre is the support centre without a wall: the topics that people
// choose from, the form that takes a message from anybody, and the receipt that
// leads back to it without an account.
//
// Two doors stand at the end of every list of topics, Something else and Report a
// security problem. They are no topics: no tree, setting, import or template holds
// them, so none can take them away.
package centre

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"postern/internal/fail"
	"postern/internal/lang"
)

// The two doors, as the form and a case name them.
const (
	SomethingElse = "something-else"
	Security      = "security"
)

// doorKeys are the doors' words in the catalogue.
var doorKeys = map[string]string{SomethingElse: "door.else", Security: "door.security"}

// IsDoor reports whether this is one of the two doors.
func IsDoor(id string) bool { return doorKeys[id] != "" }

// Words are a name and a line below it, in one language.
type Words struct{ Name, Hint string }

// A Topic is one entry of the tree.
type Topic struct {
	ID        string // of its English name; what a case keeps
	Depth     int    // 0, 1, 2
	Sensitive bool   // what is written about it stays protected, whatever somebody chose
	Mailbox   string // our address it goes to; empty: the first
	words     map[lang.Lang]Words
}

// In is the topic in a language, in English where it has no words of its own.
func (t Topic) In(l lang.Lang) Words {
	if w, ok := t.words[l]; ok {
		return w
	}
	return t.words[lang.English]
}

// A Tree is what the organisation lists, in the order of the page. The doors are
// not in it.
type Tree struct {
	Version int64
	Text    string // as it was written
	Topics  []Topic
}

// A Choice is one entry of the list that people see.
type Choice struct {
	ID    string
	Depth int
	Door  bool
	Words
}

// List is what somebody chooses from. Whatever the tree is, it ends with the doors.
func (t *Tree) List(l lang.Lang) []Choice {
	var out []Choice
	if t != nil {
		for _, x := range t.Topics {
			out = append(out, Choice{x.ID, x.Depth, false, x.In(l)})
		}
	}
	for _, id := range []string{SomethingElse, Security} {
		out = append(out, Choice{id, 0, true, Words{l.Must(doorKeys[id]), l.Must(doorKeys[id] + ".hint")}})
	}
	return out
}

// Name is what a topic or a door is called; "": there is none with this id.
func (t *Tree) Name(l lang.Lang, id string) string {
	if IsDoor(id) {
		return l.Must(doorKeys[id])
	}
	if x := t.Topic(id); x != nil {
		return x.In(l).Name
	}
	return ""
}

// Topic returns the topic with the id; nil if there is none.
func (t *Tree) Topic(id string) *Topic {
	if t == nil {
		return nil
	}
	if i := slices.IndexFunc(t.Topics, func(x Topic) bool { return x.ID == id }); i >= 0 {
		return &t.Topics[i]
	}
	return nil
}

// Protected reports whether what is written about a topic stays protected. One that
// was on the list once and is not any more does: nobody said it need not.
func (t *Tree) Protected(id string) bool {
	if id == "" || IsDoor(id) {
		return id == Security
	}
	x := t.Topic(id)
	return x == nil || x.Sensitive
}

// Limits of a tree.
const (
	maxTree  = 40_000 // bytes of its text
	maxDepth = 3
	maxName  = 80 // letters
	maxHint  = 160
)

// Parse reads a tree: a topic a line, "Name | what it is about"; two spaces in
// front put it below the one above; [sensitive] and [to tax@example.org] say what is
// special; "de: Name | ..." right below it are its words in another language. What
// is wrong is Invalid, by line.
func Parse(text string) (*Tree, error) {
	t := &Tree{Text: strings.ReplaceAll(text, "\r\n", "\n")}
	if len(t.Text) > maxTree {
		return nil, fail.New(fail.Invalid, "the list is longer than 40,000 characters")
	}
	n := 0
	for line := range strings.Lines(t.Text) {
		n++
		line = strings.TrimRight(line, " \t\n")
		if line == "" {
			continue
		}
		if err := t.line(line); err != nil {
			return nil, fail.New(fail.Invalid, "line %d: %s", n, fail.Text(err))
		}
	}
	return t, nil
}

func (t *Tree) line(line string) error {
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	if strings.HasPrefix(body, "\t") || indent%2 != 0 {
		return fail.New(fail.Invalid, "two spaces put a topic below the one above; no tabs, no single spaces")
	}
	if tag, rest, ok := strings.Cut(body, ": "); ok {
		if l, known := lang.Parse(tag); known && l != lang.English && l != lang.Pseudo {
			return t.translate(l, rest)
		}
	}
	x := Topic{Depth: indent / 2, words: map[lang.Lang]Words{}}
	body, err := x.marks(body)
	if err != nil {
		return err
	}
	w, err := words(body)
	if err != nil {
		return err
	}
	x.ID, x.words[lang.English] = slug(w.Name), w
	above := -1
	if len(t.Topics) > 0 {
		above = t.Topics[len(t.Topics)-1].Depth
	}
	switch {
	case x.Depth > above+1:
		return fail.New(fail.Invalid, "%q has nothing above it that it could stand below", w.Name)
	case x.Depth >= maxDepth:
		return fail.New(fail.Invalid, "three levels are the most that anybody finds their way in")
	case x.ID == "":
		return fail.New(fail.Invalid, "%q has no letter in it", w.Name)
	case t.Topic(x.ID) != nil:
		return fail.New(fail.Invalid, "%q stands in the list already; each name once", w.Name)
	}
	t.Topics = append(t.Topics, x)
	return nil
}

// marks takes what stands in brackets off the line.
func (x *Topic) marks(s string) (string, error) {
	for {
		from := strings.IndexByte(s, '[')
		if from < 0 {
			return s, nil
		}
		to := strings.IndexByte(s[from:], ']')
		if to < 0 {
			return "", fail.New(fail.Invalid, "a bracket is not closed")
		}
		mark := strings.TrimSpace(s[from+1 : from+to])
		address, isTo := strings.CutPrefix(mark, "to ")
		switch {
		case mark == "sensitive":
			x.Sensitive = true
		case isTo:
			x.Mailbox = strings.ToLower(strings.TrimSpace(address))
		default:
			return "", fail.New(fail.Invalid, "[%s] is not known; write [sensitive] or [to an address of ours]", mark)
		}
		s = strings.TrimSpace(s[:from]) + " " + strings.TrimSpace(s[from+to+1:])
	}
}

func (t *Tree) translate(l lang.Lang, s string) error {
	if len(t.Topics) == 0 {
		return fail.New(fail.Invalid, "%q stands before the topic it would translate", s)
	}
	w, err := words(s)
	if err != nil {
		return err
	}
	t.Topics[len(t.Topics)-1].words[l] = w
	return nil
}

func words(s string) (Words, error) {
	name, hint, _ := strings.Cut(s, "|")
	w := Words{strings.TrimSpace(name), strings.TrimSpace(hint)}
	switch {
	case w.Name == "":
		return w, fail.New(fail.Invalid, "a topic needs a name")
	case len([]rune(w.Name)) > maxName || len([]rune(w.Hint)) > maxHint:
		return w, fail.New(fail.Invalid, "a name has 80 letters at most, the line behind it 160")
	case strings.ContainsFunc(w.Name+w.Hint, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return w, fail.New(fail.Invalid, "%q holds letters that cannot be seen", w.Name)
	}
	for _, l := range lang.All {
		for _, key := range doorKeys {
			if lang.Alike(w.Name) == lang.Alike(l.Must(key)) {
				return w, fail.New(fail.Invalid, "%q stands at the end of the list by itself and cannot be moved, renamed or marked; leave it out", w.Name)
			}
		}
	}
	return w, nil
}

// slug names a topic for ever: letters and digits of its English name.
func slug(name string) string {
	var b strings.Builder
	for _, f := range strings.FieldsFunc(norm.NFKD.String(strings.ToLower(name)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}) {
		f = strings.Map(func(r rune) rune {
			if unicode.IsMark(r) {
				return -1
			}
			return r
		}, f)
		if f == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		b.WriteString(f)
	}
	return b.String()
}

// Default is the tree of a new desk.
const Default = `Payments and bills | Where it is, stop it, charged twice
de: Zahlungen und Rechnungen | Wo sie bleibt, anhalten, doppelt abgebucht
Documents and copies | Statements, confirmations, for somebody else [sensitive]
de: Unterlagen und Kopien | Auszüge, Bestätigungen, für jemand anderen
Moving, name, telephone | Changes need your approval
de: Umzug, Name, Telefon | Änderungen brauchen Ihre Zustimmung
Getting in | New telephone, passkey, locked out
de: Zugang | Neues Telefon, Passkey, ausgesperrt
A complaint | Something went wrong, or an answer did not help
de: Eine Beschwerde | Etwas ging schief, oder eine Antwort half nicht
`

// parsed is Default, which a test holds to be right.
func parsed() *Tree {
	t, err := Parse(Default)
	if err != nil {
		panic(fmt.Errorf("default topics: %w", err))
	}
	return t
}
