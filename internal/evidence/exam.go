package evidence

import (
	"bytes"
	"errors"
	"strings"

	"postern/internal/message"
	"postern/internal/pgp"
)

// layer is a signature, or what should be one, with what it is over.
type layer struct {
	sig    pgp.Signature
	inside bool // the encryption
	inline bool // not PGP/MIME: never above S
	whole  bool // it covers everything that is shown
}

// exam is one examination under way.
type exam struct {
	*Report
	o       Options
	m       *message.Mail
	payload *message.Part // what is shown: the root of the cryptographic payload
	inner   *message.Mail // the decrypted mail, if any
	layers  []layer
	broken  bool         // a signature is there that cannot even be read
	over    bool         // signed outside the ciphertext, not inside
	text    *string      // shown instead of the payload's own text
	files   []Attachment // shown instead of the payload's own files
	keys    []Known      // see mine
	fromIn  *Address     // protected From
	fields  bool         // the payload has protected fields that were not restored
}

func addr(a message.Address) Address { return Address{a.Name, a.Addr} }

func addrs(list []message.Address) []Address {
	out := []Address{}
	for _, a := range list {
		out = append(out, addr(a))
	}
	return out
}

// outer reads the head as it came.
func (e *exam) outer() {
	h := e.m.Header()
	e.To, e.Cc, e.ReplyTo = addrs(h.Addresses("To")), addrs(h.Addresses("Cc")), addrs(h.Addresses("Reply-To"))
	e.OuterSubject, e.Date, e.MessageID = h.Text("Subject"), h.Date(), h.MessageID()
	e.Subject, e.InReplyTo, e.References = e.OuterSubject, h.InReplyTo(), h.References()
	e.Automatic, e.Bounce = e.m.Automatic(e.o.ReturnPath), e.m.Bounce()
	for _, p := range []message.Problem{message.BareLF, message.BareCR, message.NUL} {
		if e.m.Has(p) {
			e.put(Refuse, string(p), "a line ends in a way that mail does not allow")
		}
	}
	switch f := h.From(); {
	case f != nil:
		a := addr(*f)
		e.From = &a
	case h.Count("From") > 1:
		e.put(Refuse, "two-from", "it names two senders")
	case h.Count("From") == 0 || strings.TrimSpace(h.Get("From")) == "":
		e.put(Refuse, "no-from", "it names no sender")
	default:
		e.put(Refuse, "ambiguous-from", "its sender cannot be read as one address")
	}
	for _, p := range []message.Problem{message.TooDeep, message.TooManyParts, message.TooBig} {
		if e.m.Has(p) {
			e.put(Quarantine, string(p), "it is built so that it cannot be read within reason")
		}
	}
}

// open finds the cryptographic layers, from the root inwards (RFC 9787, 4): only
// what wraps the whole mail is opened by itself.
func (e *exam) open() {
	root := e.m.Root
	e.payload = root
	switch {
	case isEncrypted(root):
		e.openMIME(ciphertext(root), true)
	case isSigned(root):
		e.openSigned(root, true)
	case smime(root):
		e.Encryption.Scheme, e.Encryption.Whole = "none", false
	case root.IsMultipart() && e.mangled(root):
	default:
		e.openInline(root)
	}
	if len(e.layers) == 0 {
		e.deepSigned(e.payload)
	}
}

func isEncrypted(p *message.Part) bool {
	return p.Type == "multipart/encrypted" && strings.EqualFold(p.Params["protocol"], "application/pgp-encrypted") && len(p.Parts) >= 2
}

func isSigned(p *message.Part) bool { return p.Type == "multipart/signed" && len(p.Parts) > 0 }

// ciphertext is the second part of multipart/encrypted (RFC 3156, 4).
func ciphertext(p *message.Part) *message.Part {
	if len(p.Parts) != 2 || p.Parts[0].Type != "application/pgp-encrypted" {
		return nil
	}
	return p.Parts[1]
}

// openMIME decrypts a layer whose cleartext is a MIME entity.
func (e *exam) openMIME(part *message.Part, whole bool) {
	e.Encryption.Scheme, e.Encryption.Whole = "openpgp", whole
	if part == nil {
		e.put(Quarantine, "malformed-encryption", "it says that it is encrypted, but is not built so")
		e.Encryption.Error = "it is not built as an encrypted mail"
		return
	}
	data, _ := part.Data()
	opened, ok := e.decrypt(data)
	if !ok {
		return
	}
	e.inner = message.Parse(opened.Data)
	e.payload = e.inner.Root
	for _, s := range opened.Signatures {
		e.layers = append(e.layers, layer{sig: s, inside: true, whole: true})
	}
	// A detached signature may stand inside the ciphertext (RFC 3156, 6.1).
	if isSigned(e.payload) {
		if e.detached(e.payload, true) {
			e.payload = e.payload.Parts[0]
		}
	} else if isEncrypted(e.payload) {
		e.because("nested-encryption", "inside is another encrypted mail; it is kept as a file")
	}
}

// decrypt opens a message and says why it did not.
func (e *exam) decrypt(data []byte) (*pgp.Opened, bool) {
	opened, err := pgp.Open(data, e.o.Secrets)
	switch {
	case err == nil:
		e.Encryption.Decrypted = true
		return opened, true
	case errors.Is(err, pgp.ErrNoPackets):
		e.Encryption = Encryption{Scheme: "none"}
		e.because("fake-encryption", "it says that it is encrypted, and holds nothing encrypted")
	case errors.Is(err, pgp.ErrNoSecret):
		e.Encryption.Error, e.SealedTo = "no secret key of ours opens it", opened.Recipients
		e.because("no-secret-key", "it is encrypted to a key we do not hold")
	default:
		e.Encryption.Error = err.Error()
		word := "broken-encryption"
		for w, target := range map[string]error{"password-encryption": pgp.ErrPassword, "no-integrity": pgp.ErrNoMDC, "too-big": pgp.ErrTooBig, "too-many-recipients": pgp.ErrTooMany, "malformed-encryption": pgp.ErrMalformed} {
			if errors.Is(err, target) {
				word = w
			}
		}
		e.put(Quarantine, word, "it could not be opened safely: %s", firstClause(err.Error()))
	}
	return nil, false
}

// sealedTo notes to which keys something is encrypted that is not opened here.
func (e *exam) sealedTo(data []byte) {
	if o, err := pgp.Open(data, nil); errors.Is(err, pgp.ErrNoSecret) && o != nil {
		e.SealedTo = append(e.SealedTo, o.Recipients...)
	}
}

// firstClause keeps the words of ours and drops what a library adds.
func firstClause(s string) string {
	s, _, _ = strings.Cut(s, " (")
	s, _, _ = strings.Cut(s, ": ")
	return s
}

// openSigned reads a multipart/signed that wraps the whole mail.
func (e *exam) openSigned(p *message.Part, whole bool) {
	if strings.HasPrefix(p.Parts[len(p.Parts)-1].Type, "application/pkcs7") || strings.HasPrefix(p.Parts[len(p.Parts)-1].Type, "application/x-pkcs7") {
		e.Signature.Scheme = "smime"
		e.because("smime", "an S/MIME signature is not checked yet")
		e.payload = p.Parts[0]
		return
	}
	if !e.detached(p, false) {
		return // everything in it is shown, as in any unsigned mail
	}
	e.payload = p.Parts[0]
	if isEncrypted(e.payload) {
		// Encrypted, then signed: the signer need not have known the content
		// (RFC 8551, 3.7). It is opened, and what was signed outside says nothing.
		e.over = len(e.layers) > 0
		e.layers = nil
		e.openMIME(ciphertext(e.payload), whole)
	}
}

// detached reads the signature part of a multipart/signed (RFC 3156, 5) over
// the exact bytes of the first; false if it is not built so.
func (e *exam) detached(p *message.Part, inside bool) bool {
	protocol := p.Params["protocol"]
	if len(p.Parts) != 2 || !strings.EqualFold(protocol, "application/pgp-signature") || p.Parts[1].Type != "application/pgp-signature" {
		e.broken = true
		e.because("malformed-signature", "it says that it is signed, but is not built so")
		return false
	}
	data, _ := p.Parts[1].Data()
	list, err := pgp.Detached(p.Parts[0].Raw, data)
	if err != nil {
		e.broken = true
		e.because("malformed-signature", "its signature cannot be read")
		return true
	}
	for _, s := range list {
		e.layers = append(e.layers, layer{sig: s, inside: inside, whole: true})
	}
	return true
}

func smime(p *message.Part) bool {
	return p.Type == "application/pkcs7-mime" || p.Type == "application/x-pkcs7-mime"
}

// mangled knows the forms that mail systems make of an encrypted mail on its way:
// the parts under multipart/mixed, an empty text before them, the version part
// gone. Such a mail is opened for reading; only a signature inside counts.
func (e *exam) mangled(root *message.Part) bool {
	if root.Type != "multipart/mixed" {
		return false
	}
	var cipher *message.Part
	for _, p := range root.Parts {
		data, _ := p.Data()
		blank := len(strings.TrimSpace(string(data))) == 0
		switch {
		case p.IsMultipart():
			return false
		case blank, p.Type == "application/pgp-encrypted" && strings.HasPrefix(strings.TrimSpace(string(data)), "Version:"):
		case cipher == nil && p.Type != "text/plain" && p.Type != "text/html" && strings.Contains(string(data[:min(len(data), 200)]), "-----BEGIN PGP MESSAGE-----"):
			cipher = p
		default:
			return false
		}
	}
	if cipher == nil {
		return false
	}
	e.because("mangled", "a mail system on the way has rebuilt it")
	e.openMIME(cipher, true)
	return true
}

// openInline looks for inline OpenPGP in the text, and for encrypted files
// beside an encrypted text.
func (e *exam) openInline(root *message.Part) {
	body := root
	for body.IsMultipart() && len(body.Parts) > 0 && (body.Type == "multipart/mixed" || body.Type == "multipart/alternative") {
		body = body.Parts[0]
	}
	if body.Type != "text/plain" {
		return
	}
	data, _ := body.Data()
	b, ok, err := pgp.Inline(data)
	if !ok {
		return
	}
	if err != nil {
		e.broken = true
		e.because("malformed-inline", "a block of OpenPGP in the text is damaged")
		return
	}
	alone := b.Whole() && body == root
	if b.Encrypted != nil {
		e.inlineEncrypted(root, body, b, alone)
		return
	}
	for _, s := range b.Signatures {
		e.layers = append(e.layers, layer{sig: s, inline: true, whole: alone})
	}
	if alone {
		e.show(body, b.Text)
	}
}

// inlineEncrypted opens a text that is an encrypted block from end to end, and
// the files beside it. With other text around the block nothing is opened:
// decrypted words must not stand among a stranger's (EFAIL).
func (e *exam) inlineEncrypted(root, body *message.Part, b *pgp.Block, alone bool) {
	if !b.Whole() {
		e.sealedTo(b.Encrypted)
		e.because("partly-encrypted", "only a part of the text is encrypted; it was not opened")
		return
	}
	e.Encryption.Scheme, e.Encryption.Whole = "openpgp", alone
	opened, ok := e.decrypt(b.Encrypted)
	if !ok {
		return
	}
	for _, s := range opened.Signatures {
		e.layers = append(e.layers, layer{sig: s, inside: true, inline: true, whole: alone})
	}
	e.show(body, opened.Data)
	if alone {
		return
	}
	e.Encryption.Whole = e.openFiles(root) && onlyText(root, body)
	e.keepClear(root)
}

// keepClear keeps texts that were not encrypted, as files: among the opened words
// they would look like them, and nothing of a mail may get lost.
func (e *exam) keepClear(root *message.Part) {
	if root.Type != "multipart/mixed" {
		return
	}
	for i, p := range root.Parts {
		if text := p.Display().Text; i > 0 && text != "" {
			e.files = append(e.files, plainFile("text.txt", "text/plain", []byte(text)))
		}
	}
}

// maxOpened bounds what the encrypted files of one mail may grow to together.
const maxOpened = 64 << 20

// openFiles opens the files that were encrypted by themselves, and reports
// whether all were.
func (e *exam) openFiles(root *message.Part) bool {
	all, total := true, 0
	for _, f := range root.Display().Attachments {
		a := attachment(f)
		if total > maxOpened {
			e.put(Quarantine, "too-big", "its encrypted files grow beyond all measure when unpacked")
			return false
		}
		if o, err := pgp.Open(f.Data, e.o.Secrets); err == nil {
			a = plainFile(f.Name, f.Type, o.Data)
			total += len(o.Data)
		} else {
			all = false
		}
		e.files = append(e.files, a)
	}
	return all
}

// onlyText reports whether no other text stands beside the body.
func onlyText(root, body *message.Part) bool {
	return root.Each(func(p *message.Part) bool {
		data, _ := p.Data()
		return p == body || p.IsMultipart() || !strings.HasPrefix(p.Type, "text/") || p.Name != "" || len(bytes.TrimSpace(data)) == 0
	})
}

// show puts an opened text in the place of the body, read by the body's charset.
func (e *exam) show(body *message.Part, data []byte) {
	text, problems := message.DecodeText(body.Params["charset"], data)
	for _, p := range problems {
		e.problem(p)
	}
	e.text = &text
}

// deepSigned looks for a signed part inside an unsigned mail, such as one that a
// mailing list put a footer under. It is reported; it proves nothing of the whole.
func (e *exam) deepSigned(root *message.Part) {
	root.Each(func(p *message.Part) bool {
		if p == root || p.Type != "multipart/signed" || len(p.Parts) != 2 {
			return true
		}
		data, _ := p.Parts[1].Data()
		if list, err := pgp.Detached(p.Parts[0].Raw, data); err == nil {
			for _, s := range list {
				e.layers = append(e.layers, layer{sig: s})
			}
		}
		return len(e.layers) < 4
	})
}
