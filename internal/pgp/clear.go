package pgp

import (
	"bytes"
	"fmt"
	"strings"
)

// Block is a piece of inline OpenPGP found in a text.
type Block struct {
	Before, After []byte // of the text
	Encrypted     []byte // an armoured message; nil if this is a signed text
	Text          []byte // the signed text, as it may be shown
	Signatures    []Signature
}

// Inline finds the first block of inline OpenPGP in a text: an encrypted
// message or a signed text. ok is false if there is none that begins a line. A
// block that is damaged is an error.
func Inline(text []byte) (b *Block, ok bool, err error) {
	defer guard(&err)
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte("-----BEGIN PGP "))
		if i < 0 {
			return nil, false, nil
		}
		if at += i; at > 0 && text[at-1] != '\n' {
			at++ // quoted, or in the middle of a line: no block
			continue
		}
		line, _ := cutLine(text, at)
		switch string(line) {
		case "-----BEGIN " + kindMessage + "-----":
			a, _, err := readArmor(text, at)
			if err != nil {
				return nil, true, err
			}
			return &Block{Before: text[:a.start], After: text[a.end:], Encrypted: text[a.start:a.end]}, true, nil
		case "-----BEGIN " + kindSigned + "-----":
			b, err := clearsigned(text, at)
			return b, true, err
		}
		at++
	}
}

// clearsigned reads a signed text (RFC 9580, 7). It is strict: nothing but Hash
// lines before the text, every line of it escaped as it must be.
func clearsigned(text []byte, start int) (*Block, error) {
	bad := func(what string) error { return fmt.Errorf("%w: %s in a signed text", ErrMalformed, what) }
	_, at := cutLine(text, start)
	for {
		line, next := rawLine(text, at)
		if next == at {
			return nil, bad("no end")
		}
		at = next
		if len(line) == 0 {
			break
		}
		if !strings.HasPrefix(string(line), "Hash: ") || bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 127 }) {
			return nil, bad("a strange header")
		}
	}
	var shown, signed []byte
	for n := 0; ; n++ {
		line, next := rawLine(text, at)
		if next == at {
			return nil, bad("no signature")
		}
		if bytes.HasPrefix(line, []byte("-----BEGIN PGP SIGNATURE-----")) {
			break
		}
		at = next
		if bytes.HasPrefix(line, []byte("- ")) {
			line = line[2:]
		} else if bytes.HasPrefix(line, []byte("-")) {
			return nil, bad("an unescaped dash")
		}
		if bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }) {
			return nil, bad("a control character") // others break lines there
		}
		line = bytes.TrimRight(line, " \t") // 7.2: blanks at the end are not signed
		if n > 0 {
			signed, shown = append(signed, "\r\n"...), append(shown, '\n')
		}
		signed, shown = append(signed, line...), append(shown, line...)
	}
	a, _, err := readArmor(text, at)
	if err != nil {
		return nil, err
	}
	b := &Block{Before: text[:start], After: text[a.end:], Text: shown}
	packets, err := split(a.data, maxSignatures+1)
	if err != nil {
		return nil, err
	}
	for _, p := range packets {
		if p.tag != tagSignature {
			return nil, bad("no signature")
		}
		b.Signatures = append(b.Signatures, signatureOf(p, signed))
	}
	if len(b.Signatures) == 0 || len(b.Signatures) > maxSignatures {
		return nil, bad("no signature")
	}
	return b, nil
}

// rawLine is a line without its line end; blanks stay.
func rawLine(text []byte, i int) (line []byte, next int) {
	end, next := len(text), len(text)
	if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
		end, next = i+n, i+n+1
	}
	return bytes.TrimSuffix(text[i:end], []byte("\r")), next
}

// Whole reports whether nothing but blanks stands around the block.
func (b *Block) Whole() bool {
	return len(bytes.TrimSpace(b.Before)) == 0 && len(bytes.TrimSpace(b.After)) == 0
}
