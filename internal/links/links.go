// Package links finds links in what leaves the desk, and says which must not leave.
//
// Three parts, each usable alone. Find and Judge look at the text and at nothing
// else: they are pure and fast, and asked at every keystroke. Checker follows one
// link to its end, by GET through safehttp, and reports what it met. Guard joins
// them for the way out: what is written is judged at once, what is found behind a
// link is kept for a while, and both are asked again when a message leaves.
//
// The rows in here are those of the table of link cases in the design: what a row
// says is the specification of the code that bears its number.
package links

import (
	"regexp"
	"strings"
)

// plain is a link over plain HTTP, as a mail program would find one: it also opens over
// HTTP what begins with www.
var plain = regexp.MustCompile(`(?i)http://[^\s<>"']+|(?:^|[\s(<\["'>|])(www\.[^\s<>"']+)`)

// unseen are characters that a mail program drops inside an address.
var unseen = strings.NewReplacer("\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "")

// bare takes the unseen characters out. Nearly no text holds one, and to look for
// them is a tenth of what it costs to replace them.
func bare(text string) string {
	for _, c := range []string{"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"} {
		if strings.Contains(text, c) {
			return unseen.Replace(text)
		}
	}
	return text
}

// InClear returns the first link in the text that leads over plain HTTP; "" if there is
// none. What is quoted counts too: it leaves with our signature.
func InClear(text string) string {
	text = bare(text)
	if small := strings.ToLower(text); !strings.Contains(small, "http://") && !strings.Contains(small, "www.") {
		return "" // nearly all of them; the expression below is slow
	}
	m := plain.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	found := m[1]
	if found == "" {
		found = m[0]
	}
	return strings.TrimRight(found, ".,;:!?)]}")
}

// Grade is what a finding does to a message.
type Grade string

const (
	Block Grade = "block" // it does not leave
	Warn  Grade = "warn"  // it leaves once somebody has said that they mean it
	Info  Grade = "info"  // worth knowing
)

// Kind names what is wrong.
type Kind string

// A Finding is one thing that is wrong with one link, in words for whoever wrote it.
type Finding struct {
	Link  string `json:"link"` // as it stands in the text
	Grade Grade  `json:"grade"`
	Row   int    `json:"row"` // of the table of link cases
	Kind  Kind   `json:"kind"`
	Why   string `json:"why"`  // follows "the link ... "
	Mend  string `json:"mend"` // what to do instead
}

// String is the finding as one sentence without its end.
func (f Finding) String() string { return "the link " + short(f.Link) + " " + f.Why + "; " + f.Mend }

// Plain says what is wrong without a word of what was written: for a record that is not
// sealed, as the reason of a delivery.
func (f Finding) Plain() string {
	why := "a link in it leads where none may"
	switch f.Kind {
	case Clear:
		why = "a link in it leads over plain HTTP; write the https address, or leave it out"
	case Downgrade, Refresh:
		why = "a link in it leads on over plain HTTP; write the https address of the page, or have the redirect mended"
	case ClearForm, Mixed:
		why = "a link in it leads to a page that sends or loads something over plain HTTP; have the page mended"
	case Script:
		why = "a link in it has a host name in other letters than plain ones; if it is the right one, have it put on the list links.listed"
	case LookAlike:
		why = "a link in it looks like one of our own names and leads to somebody else; write our own address"
	case UserInfo:
		why = "a link in it holds a name before an @, which looks like the place it leads to; leave that out"
	case Disguise:
		why = "a link in it is shown as another address than it leads to; show that one, or words"
	case Shortener, PassOn:
		why = "a link in it hides where it leads; write the address that it ends at"
	case Number:
		why = "a link in it has a number or a port, or leads to a place inside a network; write the name of a host that everybody reaches"
	case Scheme, Malformed:
		why = "a link in it makes a program do something, or is read by programs in different ways; write https://host.example/path"
	case BadCert:
		why = "a link in it leads to a host whose certificate vouches for nothing; leave it out until that is mended"
	}
	return why
}

// Blocked returns the first finding that keeps a message from leaving, or nil.
func Blocked(found []Finding) *Finding {
	for i := range found {
		if found[i].Grade == Block {
			return &found[i]
		}
	}
	return nil
}

// short keeps a link from filling a page. Control characters are shown, not obeyed.
func short(link string) string {
	link = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, link)
	if r := []rune(link); len(r) > 120 {
		return string(r[:117]) + "..."
	}
	return link
}
