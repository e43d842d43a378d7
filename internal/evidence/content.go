package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"

	"postern/internal/message"
	"postern/internal/pgp"
)

// content works out what is shown, and restores protected header fields.
func (e *exam) content() {
	e.protected()
	c := e.payload.Display()
	for _, p := range c.Problems {
		e.problem(p)
	}
	for _, p := range e.m.Problems {
		e.problem(p)
	}
	if e.inner != nil {
		for _, p := range e.inner.Problems {
			e.problem(p)
		}
	}
	e.Text, e.HTML, e.Plain = c.Text, c.HTML, plain(e.payload)
	for _, f := range c.Attachments {
		e.Attachments = append(e.Attachments, attachment(f))
	}
	if e.text != nil {
		e.Text, e.HTML = *e.text, ""
	}
	if e.files != nil {
		e.Attachments = e.files
	}
	if e.Encryption.Scheme != "none" && !e.Encryption.Decrypted {
		e.Text, e.HTML = "", ""
	}
	if e.Encryption.Scheme == "none" && sealedInside(e.m.Root) { // what stands around it could be anybody's, so it is not opened
		e.because("nested-ciphertext", "an encrypted part inside it was not opened")
	}
	if smime(e.m.Root) {
		e.Text, e.HTML = "", ""
		kind := strings.ToLower(e.m.Root.Params["smime-type"])
		if kind == "signed-data" {
			e.Signature.Scheme = "smime"
		} else {
			e.Encryption = Encryption{Scheme: "smime", Whole: true, Error: "S/MIME is not opened yet"}
		}
		e.because("smime", "S/MIME is not opened yet")
	}
	e.findKeys()
}

// sealedInside reports whether an encrypted mail stands among the parts of another.
func sealedInside(p *message.Part) bool {
	for _, x := range p.Parts {
		if x.Type == "multipart/encrypted" && len(x.Parts) == 2 || sealedInside(x) {
			return true
		}
	}
	return false
}

// problem turns what is wrong with the structure into a reason, and into
// quarantine where nobody could trust what is shown.
func (e *exam) problem(p message.Problem) {
	switch p {
	case message.BadCharset:
		e.put(Quarantine, string(p), "its text is in a character set that is not read")
	case message.TooDeep, message.TooManyParts, message.TooBig:
		e.put(Quarantine, string(p), "it is built so that it cannot be read within reason")
	case message.AlternativesDiffer:
		e.because(string(p), "its HTML says something else than its text; the text is shown")
	case message.Bidi:
		e.because(string(p), "it holds characters that turn the direction of writing; they were taken out")
	case message.WrongCharset:
		e.because(string(p), "some letters are not of the character set it names")
	default:
		if p.Ambiguous() {
			e.because(string(p), "two readers could see two different mails in it")
		}
	}
}

func attachment(f message.File) Attachment {
	return Attachment{Name: f.Name, Type: f.Type, Size: len(f.Data), SHA256: f.SHA256, Data: f.Data}
}

// plainFile is a file that was encrypted by itself; its name loses what the
// encryption added.
func plainFile(name, mediaType string, data []byte) Attachment {
	for _, ext := range []string{".pgp", ".gpg", ".asc"} {
		if strings.HasSuffix(strings.ToLower(name), ext) {
			name = name[:len(name)-len(ext)]
			break
		}
	}
	if name = path.Base(name); name == "." || name == "/" {
		name = "file"
	}
	if mediaType == "application/pgp-encrypted" {
		mediaType = "application/octet-stream"
	}
	sum := sha256.Sum256(data)
	return Attachment{Name: name, Type: mediaType, Size: len(data), SHA256: hex.EncodeToString(sum[:]), Data: data}
}

// protected restores what the sender put under the protection of the payload's
// root, and nowhere else (RFC 9788, 4; the older protected-headers="v1").
func (e *exam) protected() {
	if len(e.layers) == 0 && !e.Encryption.Decrypted || e.text != nil {
		return
	}
	p := e.payload
	hp := p.Params["hp"] == "cipher" || p.Params["hp"] == "clear" || strings.EqualFold(p.Params["protected-headers"], "v1")
	if !hp || e.payload == e.m.Root || e.partOnly() {
		return
	}
	h := &p.Header
	e.fields = true
	if f := h.From(); f != nil {
		a := addr(*f)
		e.fromIn = &a
	}
	if h.Has("From") && e.fromIn == nil {
		e.because("ambiguous-protected-from", "under protection its sender cannot be read as one address")
		e.fromIn = &Address{}
	}
	if e.Encryption.Decrypted {
		e.restore()
	}
}

// restore puts the protected fields in the place of the outer ones. Under a
// signature that does not count they are not protected, and nobody calls it.
func (e *exam) restore() {
	h := &e.payload.Header
	if e.fields = false; h.Count("Subject") == 1 {
		e.Subject = h.Text("Subject")
	}
	for name, list := range map[string]*[]Address{"To": &e.To, "Cc": &e.Cc, "Reply-To": &e.ReplyTo} {
		if h.Has(name) {
			*list = addrs(h.Addresses(name))
		}
	}
	if h.Has("In-Reply-To") {
		e.InReplyTo = h.InReplyTo()
	}
	if h.Has("References") {
		e.References = h.References()
	}
}

// partOnly reports whether no signature wraps the whole and nothing was opened.
func (e *exam) partOnly() bool {
	for _, l := range e.layers {
		if l.whole {
			return false
		}
	}
	return !e.Encryption.Decrypted
}

// maxFoundKeys bounds how many certificates one mail can bring.
const maxFoundKeys = 4

// maxTriedKeys bounds how many are looked at to find them.
const maxTriedKeys = 8

// findKeys collects the sender's certificate from the Autocrypt field and from
// attachments: only one that names the sender's address.
func (e *exam) findKeys() {
	if e.From == nil {
		return
	}
	from, tried := strings.ToLower(e.From.Address), 0
	add := func(data []byte, source string) {
		if tried++; tried > maxTriedKeys || len(data) > 256<<10 {
			return
		}
		keys, err := e.read(data)
		if err != nil {
			return
		}
		for _, k := range keys {
			for _, a := range k.Addresses() {
				if a == from && len(e.Keys) < maxFoundKeys {
					e.Keys = append(e.Keys, FoundKey{k, source})
					break
				}
			}
		}
	}
	// More than one field is none (Autocrypt 1.1, 2.3).
	if v := e.m.Header().All("Autocrypt"); len(v) == 1 {
		if a, data, ok := autocrypt(v[0]); ok && strings.EqualFold(a, from) {
			add(data, "autocrypt")
		}
	}
	for _, f := range e.Attachments {
		if f.Type == "application/pgp-keys" || strings.HasSuffix(strings.ToLower(f.Name), ".asc") && strings.Contains(string(f.Data[:min(len(f.Data), 4096)]), "BEGIN PGP PUBLIC KEY") {
			add(f.Data, "attached")
		}
	}
}

// read parses certificates. One that the sender is known by already, to the
// byte, was parsed before.
func (e *exam) read(data []byte) ([]*pgp.Key, error) {
	for _, k := range e.mine() {
		if bytes.Equal(k.Key.Bytes(), data) {
			return []*pgp.Key{k.Key}, nil
		}
	}
	return pgp.ParseKeys(data)
}

// autocrypt reads the field (Autocrypt 1.1, 2.1): unknown attributes without an
// underscore void it.
func autocrypt(v string) (address string, key []byte, ok bool) {
	if len(v) > 64<<10 {
		return "", nil, false
	}
	for _, item := range strings.Split(v, ";") {
		name, value, _ := strings.Cut(item, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "addr":
			address = strings.TrimSpace(value)
		case "prefer-encrypt", "":
		case "keydata":
			b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
			if err != nil {
				return "", nil, false
			}
			key = b
		default:
			if !strings.HasPrefix(name, "_") {
				return "", nil, false
			}
		}
	}
	return address, key, address != "" && key != nil
}

// plain reports whether what is shown of a part is the text of one text/plain
// part, so that it is what its author wrote and signed, word for word.
func plain(p *message.Part) bool {
	switch {
	case p == nil:
		return false
	case len(p.Parts) == 0:
		return p.Type == "text/plain"
	case p.Type == "multipart/alternative", p.Type == "multipart/mixed":
		for _, q := range p.Parts[1:] {
			if len(q.Parts) > 0 || q.Type == "text/plain" || p.Type == "multipart/mixed" && strings.HasPrefix(q.Type, "text/") {
				return false
			}
		}
		return len(p.Parts[0].Parts) == 0 && p.Parts[0].Type == "text/plain"
	}
	return false
}
