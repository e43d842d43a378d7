package outbox

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/mailboxes"
	"postern/internal/message"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/vault"
)

// Words says who we are in the mails we write.
type Words struct {
	Org     string // the organisation's name
	BaseURL string // https://host, no trailing slash
	Phone   string // how to reach a person, may be empty
	Promise string // when a person will answer: "within one working day"
}

// letter is everything one mail is made of; it is filled by gather.
type letter struct {
	d        *Delivery
	c        *cases.Case
	m        *cases.Message
	key      *vault.Key // the case's data key
	box      *mailboxes.Mailbox
	name     string   // the contact's name, as they gave it
	to       *pgp.Key // nil: signed only
	answers  []string // Message-IDs of theirs, newest last
	token    string   // the case's reference token
	replyTo  string
	link     string // portal only
	own      counts // what they chose, where it counts
	back     string // ends the link for going back; only in what is less protected by choice
	backSig  string // the same, in what leaves without its signature
	files    []message.Attachment
	decision policy.Verdict
}

// compose makes the draft of the mail. What is in it depends on the protection
// alone: a notice holds nothing of the message it announces.
func (o *Outbox) compose(l *letter, now time.Time) pgp.Outgoing {
	dr := message.Draft{
		From:      message.Address{Name: l.box.Name, Addr: l.box.Address},
		To:        []message.Address{{Addr: l.d.Address}},
		Date:      now,
		MessageID: l.d.MailID,
		Headers:   [][2]string{{"Reply-To", l.replyTo}, {"Autocrypt", Autocrypt(l.box.Address, l.box.Secret.Public())}},
	}
	if n := len(l.answers); n > 0 {
		dr.InReplyTo, dr.References = l.answers[n-1], l.answers
	}
	out := pgp.Outgoing{Signer: l.box.Secret, Now: now}
	switch l.decision.Protection {
	case policy.Portal:
		dr.Subject = fmt.Sprintf("A secure message from %s is waiting for you [%s]", o.words().Org, l.token)
		dr.Text = o.noticeText(l)
		dr.AutoSubmitted = "auto-generated"
	default:
		dr.Subject = subject(l)
		dr.Text = l.m.Doc.Text + "\n\n" + o.footer(l)
		dr.Attachments = l.files
	}
	switch l.d.Kind {
	case Ack:
		dr.AutoSubmitted = "auto-replied"
	case Notice, Receipt:
		dr.AutoSubmitted = "auto-generated"
	}
	if l.to != nil {
		dr.To[0].Name = l.name
		out.To = []*pgp.Key{l.to}
		out.OuterSubject = "[" + l.token + "]"
	}
	out.Draft = dr
	return out
}

// subject of a mail that carries its content: the agent's, else the case's.
func subject(l *letter) string {
	s := l.m.Doc.Subject
	if s == "" && l.c.Door == "form" {
		s = "Your message to " + l.box.Name // whoever typed this address into the form does not write our subjects
	}
	if s == "" {
		s = "Re: " + strings.TrimSpace(strings.TrimPrefix(l.c.Subject, "Re:"))
	}
	return s + " [" + l.token + "]"
}

// footer is the human line under every mail: how to go on, how to check us.
func (o *Outbox) footer(l *letter) string {
	s := "-- \nReply to this mail to go on; your reference is " + string(l.c.Ref) + "."
	if o.words().Phone != "" {
		s += " To speak to a person: " + o.words().Phone + "."
	}
	s += "\nThis did not answer you? Get a person, by one button: " + o.words().BaseURL + "/person/" + l.token
	if l.back != "" {
		s += "\nThis mail is less protected because you chose so. To be protected again, press the button here: " + o.backURL(l.back)
	}
	if l.backSig != "" {
		return s + "\nIt comes without our signature because you chose so. To get signed mail again, press the button here: " + o.backURL(l.backSig) +
			"\nHow to check that this is from us: " + o.words().BaseURL + "/check\n"
	}
	return s + "\nSigned with our key " + group(string(l.box.Secret.Public().Fingerprint())) + ". How to check that this is from us: " + o.words().BaseURL + "/keys\n"
}

func (o *Outbox) backURL(token string) string { return o.words().BaseURL + "/back/" + token }

func (o *Outbox) noticeText(l *letter) string {
	proof := "Before it opens you prove that it is you: with your passkey, or with a code that we read to you on the telephone number we hold."
	if l.own.linkOnly != nil {
		proof = "It opens with this link and one button, as you chose. Whoever has this mail can open it."
	}
	return fmt.Sprintf(`%s has written to you. For your protection the message is not in this mail: it waits on our secure page.

Open it here:
%s/m/%s

%s If you would rather not follow a link, type %s/m/ and the letters after it into your browser yourself.

We never ask for a password, a PIN or a code by mail.

%s`, o.words().Org, o.words().BaseURL, l.link, proof, strings.TrimPrefix(o.words().BaseURL, "https://"), o.footer(l))
}

// AckText acknowledges a mail. It holds nothing that the sender wrote.
func (o *Outbox) AckText(ref cases.Ref) string {
	s := fmt.Sprintf("Thank you for writing to %s. Your message has arrived and has the reference %s.\n\nA person will answer you %s.", o.words().Org, ref, o.words().Promise)
	// The same for everybody, whether anybody has an account or not.
	s += "\n\nIf you ask for a change, of an address, a payee, a number or a key: a mail alone changes nothing here, because anybody can write in your name. You prove it yourself, at " +
		strings.TrimPrefix(o.words().BaseURL, "https://") + "/my, or by a signed answer to the mail that we send you for it."
	s += "\n\nTo add something, just reply to this mail."
	if o.words().Phone != "" {
		s += " If it cannot wait, call us: " + o.words().Phone + "."
	}
	return s + "\n\nThis is an automatic receipt. If you did not write to us, ignore it, or reply and tell us."
}

// FormReceipt is a mail, signed by us, that says what came by the form and when. It
// holds neither the text nor the code.
func (o *Outbox) FormReceipt(mailbox string, ref cases.Ref, at time.Time, sum string) ([]byte, error) {
	box, err := o.boxes.Get(mailbox)
	if err != nil {
		return nil, err
	}
	domain := box.Address[strings.LastIndexByte(box.Address, '@')+1:]
	text := fmt.Sprintf("RECEIPT from %s\n\nA message reached us by the form.\nReference: %s\nReceived: %s\nSHA-256 of its text: %s\n\nA person answers %s. How it stands: %s/case, with the reference and the code that was shown with it.\n\n%s",
		o.words().Org, ref, at.UTC().Format("2 January 2006, 15:04:05 UTC"), sum, o.words().Promise, o.words().BaseURL,
		o.footer(&letter{c: &cases.Case{Ref: ref}, box: box, token: o.cases.Tokens.Make(ref)}))
	out := pgp.Outgoing{Signer: box.Secret, Now: o.d.Now(), Draft: message.Draft{From: message.Address{Name: box.Name, Addr: box.Address}, To: []message.Address{{Addr: box.Address}},
		Subject: "Receipt " + string(ref), Date: o.d.Now(), MessageID: db.NewSecret() + "@" + domain, Text: text}}
	sealed, err := pgp.Seal(out)
	if err != nil {
		return nil, fmt.Errorf("seal a receipt: %w", err)
	}
	return sealed.Raw, sealed.Check(out.Signer.Public(), nil)
}

func group(fingerprint string) string {
	var b strings.Builder
	for i := 0; i < len(fingerprint); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(fingerprint[i:min(i+4, len(fingerprint))])
	}
	return b.String()
}

// Autocrypt is the field that carries a key to a mail program (Autocrypt 1.1, 2.1).
func Autocrypt(address string, key *pgp.Key) string {
	return "addr=" + address + "; prefer-encrypt=mutual; keydata=" + base64.StdEncoding.EncodeToString(key.Minimal(address))
}
