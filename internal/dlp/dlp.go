// Package dlp finds sensitive data in a text: payment cards, bank accounts,
// passwords and keys, dates of birth and identity numbers. It is the first
// detector; what it finds raises a message's protection, and nothing it misses
// lowers it.
//
// A number counts only with its checksum or beside a word that names it; a word
// alone is nothing. A finding never holds the value, only what may be shown of
// it. Time is linear in the text, and the text is bounded.
package dlp

import "sort"

// Kind says what was found, in words that follow "it holds".
type Kind string

const (
	Card     Kind = "a payment card number"
	IBAN     Kind = "a bank account number"
	Secret   Kind = "a password or code"
	Key      Kind = "a private key"
	Birth    Kind = "a date of birth"
	Identity Kind = "an identity number"
)

// Finding is one place in a text.
type Finding struct {
	Kind       Kind
	Start, End int    // byte offsets
	Masked     string // fit to be shown
}

// maxText is how much of a text is looked at, in bytes, and maxFound how many
// findings are told.
const (
	maxText  = 2 << 20
	maxFound = 50
)

// Find returns what the text holds, in order.
func Find(text string) []Finding {
	if len(text) > maxText {
		text = text[:maxText]
	}
	f := fold(text)
	out := f.cards(nil)
	out = f.ibans(out)
	out = f.blocks(out)
	out = f.words(out)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Start < out[j].Start })
	if len(out) > maxFound {
		out = out[:maxFound]
	}
	for i := range out {
		out[i].Start, out[i].End = f.at(out[i].Start), f.at(out[i].End)
	}
	return out
}
