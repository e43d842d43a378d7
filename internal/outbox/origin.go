package outbox

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/pgp"
)

// Origin is what can be said of a message that somebody shows us.
type Origin string

const (
	Ours    Origin = "ours"    // we sent it, and not a letter was changed
	Changed Origin = "changed" // something of ours is in it, and something that is not
	Foreign Origin = "foreign" // nothing shows that it is ours
)

// A Finding says where a message is from, and why we say so.
type Finding struct {
	Origin Origin
	How    string    // "signature", "register", "text"; what it rests on
	Sent   time.Time // of ours
	To     string    // whom it was sent to: a mail of ours can be passed on by anybody
	Key    pgp.Fingerprint
}

// IsOurs says whether a message is from us: by our signature over all of it, by the
// mail as we keep it, or by its text together with the token in its last lines, which
// nobody can make up. Who only guesses a text of ours learns nothing.
func (o *Outbox) IsOurs(ctx context.Context, shown []byte) (Finding, error) {
	if looksLikeMail(shown) {
		f, err := o.mailIsOurs(ctx, shown)
		if err != nil || f.Origin != Foreign {
			return f, err
		}
	}
	return o.textIsOurs(ctx, string(shown))
}

var headerLine = regexp.MustCompile(`(?im)^(message-id|mime-version|content-type|received|dkim-signature):`)

// looksLikeMail reports whether it is a whole mail, with its header.
func looksLikeMail(b []byte) bool {
	head, _, ok := bytes.Cut(unix(b), []byte("\n\n"))
	return ok && len(headerLine.FindAll(head, 3)) >= 2
}

func unix(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

// house is our own keys, as evidence looks for them.
type house struct{ keys []evidence.Known }

func (h house) ByAddress(address string) (out []evidence.Known) {
	for _, k := range h.keys {
		if slices.ContainsFunc(k.Addresses, func(a string) bool { return strings.EqualFold(a, address) }) {
			out = append(out, k)
		}
	}
	return out
}

func (h house) ByID(ids []uint64, _ []pgp.Fingerprint) (out []evidence.Known) {
	for _, k := range h.keys {
		if slices.ContainsFunc(k.Key.KeyIDs(), func(id uint64) bool { return slices.Contains(ids, id) }) {
			out = append(out, k)
		}
	}
	return out
}

func (o *Outbox) mailIsOurs(ctx context.Context, raw []byte) (Finding, error) {
	var h house
	for _, b := range o.boxes.All() {
		h.keys = append(h.keys, evidence.Known{Key: b.Secret.Public(), Trust: evidence.VerifiedTrust, Owner: b.Address, Addresses: []string{b.Address}, Via: "ours"})
	}
	o.cpu <- struct{}{}
	rep := evidence.Examine(bytes.ReplaceAll(unix(raw), []byte("\n"), []byte("\r\n")), evidence.Options{At: o.d.Now(), Keys: h})
	<-o.cpu
	d, sent, err := o.kept(ctx, rep.MessageID)
	if err != nil {
		return Finding{Origin: Foreign}, err
	}
	if d != nil && d.SealedTo == withoutSignature { // it left otherwise than it is kept: its text is compared
		return o.textIsOurs(ctx, rep.Text)
	}
	if d != nil {
		f := Finding{Origin: Changed, How: "register", Sent: d.Done, To: d.Address}
		if sameMail(unix(raw), unix(sent)) {
			f.Origin = Ours
		}
		return f, nil
	}
	if rep.Signature.Verdict == evidence.Verified && rep.Signature.Covers == "whole" {
		f := Finding{Origin: Ours, How: "signature", Sent: rep.Signature.SignedAt, Key: rep.Signature.Fingerprint}
		if len(rep.To) > 0 {
			f.To = rep.To[0].Address
		}
		return f, nil
	}
	return Finding{Origin: Foreign}, nil
}

// sameMail reports whether a mail is one as it left: its body, and those lines of its
// header that say whom it is from, where an answer goes and what it is about.
func sameMail(shown, sent []byte) bool {
	a, bodyA, _ := bytes.Cut(shown, []byte("\n\n"))
	b, bodyB, _ := bytes.Cut(sent, []byte("\n\n"))
	for _, name := range []string{"from", "sender", "reply-to", "to", "cc", "subject", "content-type", "list-unsubscribe"} {
		if headerOf(a, name) != headerOf(b, name) {
			return false
		}
	}
	return bytes.Equal(bytes.TrimRight(bodyA, "\n \t"), bytes.TrimRight(bodyB, "\n \t"))
}

// headerOf is the value of a field, unfolded, without spaces; of several, all.
func headerOf(head []byte, name string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(string(head)) {
		if line[0] != ' ' && line[0] != '\t' {
			key, rest, _ := strings.Cut(line, ":")
			if in = strings.EqualFold(strings.TrimSpace(key), name); in {
				line = rest + "\x00"
			}
		}
		if in {
			b.WriteString(strings.Join(strings.Fields(line), ""))
		}
	}
	return b.String()
}

// kept is the mail of ours with this Message-ID, as it left; nil: none.
func (o *Outbox) kept(ctx context.Context, mailID string) (d *Delivery, raw []byte, err error) {
	if mailID == "" {
		return nil, nil, nil
	}
	err = o.d.View(ctx, func(tx *db.Tx) error {
		if d, err = o.OfMail(ctx, tx, mailID); err != nil || d.RawBlob == "" {
			return err
		}
		b, err := o.v.GetBlob(ctx, tx, d.RawBlob)
		if err == nil {
			raw, err = b.Open()
		}
		return err
	})
	if fail.Is(err, fail.NotFound) {
		return nil, nil, nil
	}
	if err != nil || d.RawBlob == "" {
		return nil, nil, err
	}
	return d, raw, nil
}

// plainText takes away what mail programs put around a text: marks of quoting, and how
// lines are broken. Every other character stays, also those that nobody sees.
func plainText(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for line := range strings.Lines(text) {
		for w := range strings.FieldsSeq(strings.TrimLeft(line, " \t>|")) {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w)
		}
	}
	return norm.NFC.String(b.String())
}

// textSum is under what a sent text is found again.
func (o *Outbox) textSum(text string) string { return o.v.Index("sent-text", plainText(text)) }

// A frame is what mail programs put before a text of ours when they show or forward it,
// as far as it is ours too: nobody slips a word of theirs in as a subject, a sender or a
// date.
type frame struct {
	from, to string          // our address, and the one it went to
	names    []string        // that may stand with our address
	subjects map[string]bool // plain
}

var (
	around  = regexp.MustCompile(`(?i)^[\s>|*-]*(-* ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht)[\s-]*|begin forwarded message:|)\s*$`)
	fieldOf = regexp.MustCompile(`(?i)^[\s>|*]*(from|to|date|sent|subject|von|an|datum|gesendet|betreff)\s*:\**\s*(.*)$`)
	dateOf  = regexp.MustCompile(`(?i)^((mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|mo|di|mi|do|fr|sa|so)(day)?\.?,? )?\d{1,4}([./-]\d{1,2}[./-]\d{2,4}|\.? (jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)\pL{0,6}\.? \d{4})?,?( (at|um|,))? ?\d{1,2}:\d{2}(:\d{2})?( ?([ap]m|uhr|utc|gmt|cet|cest|mez|mesz|[+-]\d{4}))?$`)
	answers = regexp.MustCompile(`(?i)^((re|aw|fwd?|wg): ?)+`)
	luring  = regexp.MustCompile(`(?i)[\pL\d-]\.\pL{2,}|://|@|\d[\d ()/.-]{4,}\d`) // what leads somewhere, or can be called
)

// strip takes the frame off the top of a text, each field once, and the empty lines off
// its end.
func (f *frame) strip(lines []string) []string {
	seen := map[string]bool{}
	for n := 0; len(lines) > 0 && n < edge; n++ {
		kind, ok := f.kind(lines[0])
		if !ok || kind != "" && seen[kind] {
			break
		}
		seen[kind] = true
		lines = lines[1:]
	}
	for len(lines) > 0 && around.MatchString(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// kind says which part of the frame a line is; "" is one that says nothing.
func (f *frame) kind(line string) (string, bool) {
	if around.MatchString(line) {
		return "", true
	}
	m := fieldOf.FindStringSubmatch(line)
	if m == nil {
		return "", false
	}
	value := strings.TrimSpace(m[2])
	switch strings.ToLower(m[1]) {
	case "date", "sent", "datum", "gesendet":
		return "date", dateOf.MatchString(value)
	case "from", "von":
		return "from", isPerson(value, f.from, f.names)
	case "to", "an":
		return "to", isPerson(value, f.to, nil)
	}
	return "subject", f.subjects[answers.ReplaceAllString(plainText(value), "")]
}

// isPerson reports whether a value is an address, alone or with one of the names.
func isPerson(value, address string, names []string) bool {
	name, rest, angled := strings.Cut(value, "<")
	if !angled {
		return strings.EqualFold(value, address)
	}
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	return strings.EqualFold(strings.TrimRight(rest, "> "), address) && (name == "" || slices.Contains(names, name) || strings.EqualFold(name, address))
}

// frameOf is the frame of one delivery.
func (o *Outbox) frameOf(c *cases.Case, d *Delivery) *frame {
	f := &frame{from: d.Mailbox, to: d.Address, names: []string{o.words().Org}, subjects: map[string]bool{}}
	if box, err := o.boxes.Get(d.Mailbox); err == nil {
		f.names = append(f.names, box.Name)
	}
	token := "[" + o.cases.Tokens.Make(c.Ref) + "]"
	subjects := []string{c.Subject}
	for _, l := range lang.All {
		subjects = append(subjects, l.Must("mail.ack.subject"), l.Must("mail.survey.subject"), l.Must("mail.nudge.subject"), l.Must("mail.notice.subject", o.words().Org))
	}
	for _, s := range subjects {
		if s = answers.ReplaceAllString(plainText(s), ""); !luring.MatchString(s) { // a stranger may have chosen it
			f.subjects[s], f.subjects[s+" "+token] = true, true
		}
	}
	return f
}

// edge is how many lines before a text of ours are looked past; lately, with how many
// texts of a case one is compared.
const (
	edge   = 20
	lately = 40
)

// maxPasted is how long a text may be that is compared with ours, in bytes.
const maxPasted = MaxText + 10_000

func (o *Outbox) textIsOurs(ctx context.Context, text string) (Finding, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	f := Finding{Origin: Foreign}
	var sent []left
	err := o.d.View(ctx, func(tx *db.Tx) error {
		sent = nil
		for _, ref := range o.cases.Tokens.Find(text) {
			c, err := o.cases.ByRef(ctx, tx, ref)
			if fail.Is(err, fail.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			f.Origin = Changed // the token is ours: at least that
			list, err := o.leftIn(ctx, tx, c)
			if err != nil {
				return err
			}
			sent = append(sent, list...)
		}
		return nil
	})
	if err != nil || f.Origin == Foreign || len(text) > maxPasted {
		return f, err
	}
	o.cpu <- struct{}{}
	defer func() { <-o.cpu }()
	lines := strings.Split(text, "\n")
	sums := map[int]string{} // by where the text begins and ends
	for _, x := range sent {
		rest := x.frame.strip(lines)
		at := len(rest)
		if sums[at] == "" {
			sums[at] = o.textSum(strings.Join(rest, "\n"))
		}
		if sums[at] == x.sum {
			return Finding{Origin: Ours, How: "text", Sent: x.at, To: x.to}, nil
		}
	}
	return f, nil
}

// left is a text that left: when, where to, and what may stand around it.
type left struct {
	sum   string
	at    time.Time
	to    string
	frame *frame
}

// leftIn lists the newest texts that left in a case.
func (o *Outbox) leftIn(ctx context.Context, tx *db.Tx, c *cases.Case) (out []left, err error) {
	sent, err := o.OfCase(ctx, tx, c.ID)
	for i := len(sent) - 1; i >= 0 && len(out) < lately; i-- {
		switch d := &sent[i]; d.State {
		case Sent, Captured, Bounced, Sending, Deferred:
			if d.textSum != "" {
				out = append(out, left{d.textSum, d.Done, d.Address, o.frameOf(c, d)})
			}
		}
	}
	return out, err
}
