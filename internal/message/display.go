package message

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Content is what a part and all below it show.
type Content struct {
	Text        string // plain text, LF line ends
	HTML        string // the HTML body as it came, to be cleaned before anybody sees it; "" if none or several
	Attachments []File
	Problems    []Problem
}

// A File is an attachment, decoded.
type File struct {
	Name, Type string
	Data       []byte
	SHA256     string // of Data
	Inline     bool   // an image of the HTML body and the like
}

const (
	maxFiles = 500
	maxText  = 8 << 20
)

// Display works out what the part shows: plain text first, HTML as text where
// there is nothing else, everything else as attachments. Mails inside and
// encrypted things inside are attachments; they are not opened here.
func (p *Part) Display() *Content {
	c := &collector{}
	c.part(p, true)
	out := &Content{Text: strings.Join(c.texts, "\n\n"), Attachments: c.files, Problems: c.problems}
	out.Text = cut(out.Text, maxText)
	switch {
	case c.htmls == 1:
		out.HTML = c.html
	case c.htmls > 1:
		c.note(SeveralHTML) // never joined: one could swallow the other
		out.Problems = c.problems
	}
	return out
}

type collector struct {
	texts    []string
	html     string
	htmls    int
	files    []File
	problems []Problem
}

func (c *collector) note(p Problem) {
	if p != "" && !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

func (c *collector) notes(list []Problem) {
	for _, p := range list {
		c.note(p)
	}
}

// part collects p; body says that p is where the text of a mail is looked for.
func (c *collector) part(p *Part, body bool) {
	switch {
	case p.Type == "multipart/alternative" && body:
		c.alternative(p)
	case p.Type == "multipart/related" && len(p.Parts) > 0:
		c.part(p.Parts[0], body)
		for _, q := range p.Parts[1:] {
			c.file(q, true)
		}
	case p.Type == "multipart/signed" && len(p.Parts) > 0:
		c.part(p.Parts[0], body)
		for _, q := range p.Parts[1:] {
			if !isSignature(q.Type) {
				c.part(q, false)
			}
		}
	case p.Type == "multipart/encrypted":
		for _, q := range p.Parts {
			c.file(q, false)
		}
	case len(p.Parts) > 0:
		for _, q := range p.Parts {
			c.part(q, body)
		}
	case body && isText(p):
		c.text(p)
	case p.IsMultipart():
		// Nothing could be found in it. Its bytes are in the raw mail.
	default:
		c.file(p, p.Disposition == "inline")
	}
}

func isSignature(t string) bool {
	return t == "application/pgp-signature" || t == "application/pkcs7-signature" || t == "application/x-pkcs7-signature"
}

// isText reports whether a leaf is text to be shown, not a file.
func isText(p *Part) bool {
	return (p.Type == "text/plain" || p.Type == "text/html") && p.Disposition != "attachment" && p.Name == ""
}

func (c *collector) text(p *Part) {
	text, problems := p.Text()
	c.notes(problems)
	if p.Type == "text/html" {
		c.html = text
		c.htmls++
		text = htmlText(text)
	}
	if text = strings.Trim(text, "\n"); strings.TrimSpace(text) != "" {
		c.texts = append(c.texts, text)
	}
}

// alternative takes the plain text of several forms of one thing (RFC 2046,
// 5.1.4), and keeps the HTML for those who ask for it.
func (c *collector) alternative(p *Part) {
	var forms []*collector
	plain := -1
	for _, q := range p.Parts {
		f := &collector{}
		f.part(q, true)
		forms = append(forms, f)
		if plain < 0 && f.htmls == 0 && len(f.texts) > 0 {
			plain = len(forms) - 1
		}
	}
	chosen := plain
	for i, f := range forms {
		if chosen < 0 && len(f.texts) > 0 {
			chosen = i
		}
	}
	tries := 3 // comparing is the dear part; more forms than that nobody sends
	differs := func(a, b string) {
		if tries--; tries >= 0 && differ(a, b) {
			c.note(AlternativesDiffer)
		}
	}
	for i, f := range forms {
		c.notes(f.problems)
		for _, file := range f.files {
			c.add(file)
		}
		if f.htmls > 0 {
			c.html = f.html
			c.htmls += f.htmls
			if plain >= 0 {
				differs(strings.Join(forms[plain].texts, "\n"), strings.Join(f.texts, "\n"))
			}
		} else if i != chosen && i != plain && plain >= 0 && len(f.texts) > 0 {
			differs(forms[plain].texts[0], f.texts[0])
		}
	}
	if tries < 0 {
		c.note(AlternativesDiffer) // not all were looked at
	}
	if chosen >= 0 {
		c.texts = append(c.texts, forms[chosen].texts...)
	}
}

// file lists a leaf, or every leaf below, as an attachment.
func (c *collector) file(p *Part, inline bool) {
	if len(p.Parts) > 0 {
		for _, q := range p.Parts {
			c.file(q, inline)
		}
		return
	}
	data, problem := p.Data()
	c.note(problem)
	sum := sha256.Sum256(data)
	f := File{Name: p.Name, Type: p.Type, Data: data, SHA256: hex.EncodeToString(sum[:]), Inline: inline}
	if f.Name == "" {
		f.Name = nameFor(p.Type)
	}
	c.add(f)
}

func (c *collector) add(f File) {
	if len(c.files) >= maxFiles {
		c.note(TooManyParts)
		return
	}
	c.files = append(c.files, f)
}

func nameFor(mediaType string) string {
	switch mediaType {
	case "message/rfc822":
		return "message.eml"
	case "text/plain":
		return "text.txt"
	case "text/html":
		return "text.html"
	case "application/pgp-keys":
		return "key.asc"
	case "text/calendar":
		return "invitation.ics"
	case "message/delivery-status":
		return "delivery-status.txt"
	case "image/png", "image/jpeg", "image/gif":
		return "image." + strings.TrimPrefix(mediaType, "image/")
	}
	return "attachment"
}

// differ reports whether two forms of a text say different things: another
// number anywhere (an amount, an account), or more than a tenth other words.
func differ(a, b string) bool {
	wa, wb := words(a), words(b)
	total, other := 0, 0
	for w, n := range wa {
		total += n
		if d := n - wb[w]; d > 0 {
			other += d
			if strings.ContainsAny(w, "0123456789") {
				return true
			}
		}
	}
	for w, n := range wb {
		total += n
		if d := n - wa[w]; d > 0 {
			other += d
			if strings.ContainsAny(w, "0123456789") {
				return true
			}
		}
	}
	return other*10 > total
}

// words counts the words of a text, without addresses of links: HTML shows
// them where plain text does not.
func words(s string) map[string]int {
	out := map[string]int{}
	for f := range strings.FieldsSeq(cut(s, 200<<10)) {
		if strings.Contains(f, "://") || strings.Contains(f, "mailto:") {
			continue
		}
		f = strings.Trim(strings.ToLower(f), ".,;:!?()[]{}<>*_-\"'#|=")
		if f != "" {
			out[f]++
		}
	}
	return out
}
