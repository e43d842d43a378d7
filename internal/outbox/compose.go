package outbox

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/lang"
	"postern/internal/links"
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
	Desk    string // where staff reach their pages; empty: BaseURL
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
		dr.Subject = l.c.Lang.Must("mail.notice.subject", o.words().Org) + " [" + l.token + "]"
		dr.Text = o.noticeText(l)
		dr.AutoSubmitted = "auto-generated"
	case policy.Signed:
		if l.d.Kind == Nudge { // it says that there is a message, and holds nothing of it
			dr.Subject, dr.Text = l.c.Lang.Must("mail.nudge.subject")+" ["+l.token+"]", l.c.Lang.Must("mail.nudge.text", string(l.c.Ref))+"\n\n"+o.footer(l)
			break
		}
		fallthrough
	default:
		dr.Subject = o.subject(l)
		dr.Text = l.m.Doc.Text + "\n\n" + o.footer(l)
		if l.d.Kind == Survey {
			dr.Text = l.m.Doc.Text + "\n\n" + o.surveyLink(l) + "\n\n" + o.footer(l)
		}
		dr.Attachments = l.files
	}
	switch l.d.Kind {
	case Ack:
		dr.AutoSubmitted = "auto-replied"
	case Notice, Receipt, Survey, Nudge, Call, Summary, Report:
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
func (o *Outbox) subject(l *letter) string {
	s := l.m.Doc.Subject
	if s == "" && (l.c.Door == "form" || l.c.Door == "api") {
		s = l.c.Lang.Must("mail.form.subject", l.box.Name) // whoever typed this address into the form does not write our subjects
	}
	if s == "" && links.Blocked(o.links.Look(l.c.Subject)) != nil {
		s = l.c.Lang.Must("mail.form.subject", l.box.Name) // no mail of ours leads where none may, whoever wrote that
	}
	if s == "" {
		s = "Re: " + strings.TrimSpace(strings.TrimPrefix(l.c.Subject, "Re:"))
	}
	return s + " [" + l.token + "]"
}

// footer is the human lines under every mail: how to go on, how to reach a person,
// how to check us.
func (o *Outbox) footer(l *letter) string {
	say, base := l.c.Lang.Must, o.words().BaseURL
	signed := say("mail.foot.signed", group(string(l.box.Secret.Public().Fingerprint())), base+"/keys") + "\n"
	if l.d != nil && l.d.Kind.House() { // whoever works here goes on in the desk; a button would call on their own behalf
		return "-- \nGo on in the desk: " + cmp.Or(o.words().Desk, base) + "/desk/cases/" + string(l.c.ID) + "\n" + signed
	}
	s := "-- \n" + say("mail.foot.reply", string(l.c.Ref))
	if o.words().Phone != "" {
		s += " " + say("mail.foot.phone", o.words().Phone)
	}
	s += "\n" + say("mail.foot.case", base+"/case") + "\n" + say("mail.foot.person", base+"/person/"+l.token)
	if l.back != "" {
		s += "\n" + say("mail.foot.back", o.backURL(l.back))
	}
	if l.backSig != "" {
		return s + "\n" + say("mail.foot.unsigned", o.backURL(l.backSig)) + "\n" + say("mail.foot.check", base+"/check") + "\n"
	}
	return s + "\n" + signed
}

func (o *Outbox) backURL(token string) string { return o.words().BaseURL + "/back/" + token }

func (o *Outbox) noticeText(l *letter) string {
	say, w := l.c.Lang.Must, o.words()
	proof := say("mail.notice.proof")
	if l.own.linkOnly != nil {
		proof = say("mail.notice.link-only")
	}
	return strings.Join([]string{say("mail.notice.waits", w.Org), say("mail.notice.open") + "\n" + w.BaseURL + "/m/" + l.link,
		proof + " " + say("mail.notice.typed", strings.TrimPrefix(w.BaseURL, "https://")), say("mail.notice.never"), o.footer(l)}, "\n\n")
}

// AckText acknowledges what somebody wrote. It holds nothing of it.
func (o *Outbox) AckText(ref cases.Ref, l lang.Lang) string {
	w := o.words()
	s := l.Must("mail.ack.came", w.Org, string(ref)) + "\n\n" + l.Must("mail.ack.person", o.promise(l))
	// The same for everybody, whether anybody has an account or not.
	s += "\n\n" + l.Must("mail.ack.change", strings.TrimPrefix(w.BaseURL, "https://")) + "\n\n" + l.Must("mail.ack.more")
	if w.Phone != "" {
		s += " " + l.Must("mail.ack.phone", w.Phone)
	}
	return s + "\n\n" + l.Must("mail.ack.automatic")
}

// promise is when a person answers: in the organisation's words, which are in one
// language; else in ours.
func (o *Outbox) promise(l lang.Lang) string {
	if p := o.words().Promise; p != lang.English.Must("promise") {
		return p
	}
	return l.Must("promise")
}

// RuleText is a canned reply as a rule sends it: nothing of theirs is filled in.
func (o *Outbox) RuleText(text string, c *cases.Case) string {
	filled, _ := centre.Fill(text, map[string]string{"reference": string(c.Ref), "organisation": o.words().Org, "promise": o.promise(c.Lang)})
	return filled
}

// FormReceipt is a mail, signed by us, that says what came by the form and when. It
// holds neither the text nor the code.
func (o *Outbox) FormReceipt(mailbox string, ref cases.Ref, at time.Time, sum string, l lang.Lang) ([]byte, error) {
	box, err := o.boxes.Get(mailbox)
	if err != nil {
		return nil, err
	}
	domain := box.Address[strings.LastIndexByte(box.Address, '@')+1:]
	text := fmt.Sprintf("%s\n\n%s\n\n%s", l.Must("mail.receipt.title", o.words().Org),
		l.Must("mail.receipt.facts", string(ref), at.UTC().Format("2006-01-02 15:04:05 UTC"), sum)+"\n\n"+l.Must("mail.receipt.next", o.promise(l), o.words().BaseURL+"/case"),
		o.footer(&letter{c: &cases.Case{Ref: ref, Lang: l}, box: box, token: o.cases.Tokens.Make(ref)}))
	out := pgp.Outgoing{Signer: box.Secret, Now: o.d.Now(), Draft: message.Draft{From: message.Address{Name: box.Name, Addr: box.Address}, To: []message.Address{{Addr: box.Address}},
		Subject: l.Must("mail.receipt.subject", string(ref)), Date: o.d.Now(), MessageID: db.NewSecret() + "@" + domain, Text: text}}
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
