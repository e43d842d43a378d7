package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"postern/internal/fail"
	"postern/internal/lang"
)

// A Wording is what somebody reads before they give a protection up: one title,
// what it means, and five lines of what can happen. It is never changed: another
// text is another version, and the old ones stay, because receipts name them.
// Each language has versions of its own, so that a version names every letter that was
// read.
type Wording struct {
	Scope   Scope
	Version int64
	Lang    lang.Lang
	Title   string
	Means   string // what is different from then on
	Lines   [5]string
	Still   string // what stays protected all the same
}

// current is the version that is shown today, in each language.
var current = map[lang.Lang]int64{lang.English: 1, lang.German: 2}

const still = "Other people’s data, and topics that we list, stay protected whatever you choose."

var wordings = []Wording{
	{Encryption, 1, lang.English, "Encryption of my mails",
		"What is sensitive comes in a signed mail that can be read on the way, and no longer encrypted or on our secure page.",
		[5]string{
			"Whoever runs a mail server, a network or a wireless hot spot on the way can read the mail. Nobody notices.",
			"One wrong letter in an address, ours or yours, and a stranger has it. A mail cannot be called back.",
			"Whoever gets into your mailbox, now or in ten years, reads everything that we ever sent you.",
			"With an account number, a date of birth and a statement others can pretend to be you, to us and elsewhere.",
			"Copies stay where mail is forwarded, backed up, printed, or shown on a screen that you share."}, still},
	{Signature, 1, lang.English, "Signatures on my mails",
		"Our mails to you come without a signature beside them. We make it all the same and keep it, so that we can show later what we wrote. What tells you of your protection, or of a message on our secure page, stays signed.",
		[5]string{
			"A forged mail in our name looks just like ours. No mail program can tell you the difference.",
			"“Our account number has changed” is believed, by you or by whoever reads your mail for you.",
			"A number, a date or a link that was changed on the way stays unnoticed.",
			"Whether a mail is from us you learn only by asking us, on our page or by telephone.",
			"If you and somebody else disagree about what we wrote, you have nothing in hand; the proof is with us."}, still},
	{Factor, 1, lang.English, "The second proof on the secure page",
		"A message that waits on our secure page opens by the link in our mail and one button, without a code and without your passkey.",
		[5]string{
			"Whoever has the mail has the message: somebody in your household, at your workplace, or with your unlocked telephone.",
			"If you forward our mail, you hand the message on with it.",
			"A program that follows links and presses buttons can open the message before you do.",
			"Once it was opened we cannot take it back, even if it went to the wrong person.",
			"Our record says that it was opened. It can no longer say by whom."}, still},
	{Proof, 1, lang.English, "Proof of my instructions",
		"For what you ask us to do a call-back to the number that we hold is enough, without a signature and without your passkey.",
		[5]string{
			"Whoever answers your telephone can agree in your name.",
			"A number can be moved to another card by somebody who talks your telephone company into it. It happens every day.",
			"Voices can be imitated, from a few seconds of a recording.",
			"What was agreed was said and not signed: a wrong digit in an account number is noticed later, or never.",
			"If we ever disagree, there is a note of a call, and no proof."}, still},
}

// shown are all wordings of any time.
var shown = slices.Concat(wordings, german)

// Current is the wording that is shown today in English.
func Current(s Scope) (Wording, error) { return Shown(s, current[lang.English]) }

// In is the wording that is shown today in a language; in English where there is none.
func In(s Scope, l lang.Lang) (Wording, error) {
	if v, ok := current[l]; ok {
		return Shown(s, v)
	}
	return Current(s)
}

// Shown is a wording of any time.
func Shown(s Scope, version int64) (Wording, error) {
	for _, w := range shown {
		if w.Scope == s && w.Version == version {
			return w, nil
		}
	}
	return Wording{}, fail.New(fail.NotFound, "there is no such wording")
}

// today reports whether the wording is still shown.
func (w Wording) today() bool { return current[w.Lang] == w.Version }

// Text is the whole wording, as its hash is taken over it. What stands around the parts
// is part of it, and is not changed either.
func (w Wording) Text() string {
	frame := "%s (version %d)\n\n%s\n\nWhat can happen:\n- %s\n\n%s\n"
	if w.Lang == lang.German {
		frame = "%s (Fassung %d)\n\n%s\n\nWas geschehen kann:\n- %s\n\n%s\n"
	}
	return fmt.Sprintf(frame, w.Title, w.Version, w.Means, strings.Join(w.Lines[:], "\n- "), w.Still)
}

// Sum is the SHA-256 of the text, in hexadecimal.
func (w Wording) Sum() string {
	h := sha256.Sum256([]byte(w.Text()))
	return hex.EncodeToString(h[:])
}
