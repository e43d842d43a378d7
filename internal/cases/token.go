package cases

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"postern/internal/vault"
)

// alphabet has no letters that look like digits, so that a reference survives
// the telephone.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	refPrefix = "PN-"
	refLen    = len("PN-XXXX-XXX")
	macLen    = 8
	tokenLen  = refLen + 1 + macLen
)

// NewRef makes a reference: six random characters and one to catch a slip. It
// tells nobody how many cases there are.
func NewRef() Ref {
	var b [6]byte
	rand.Read(b[:])
	s := make([]byte, 7)
	for i, x := range b {
		s[i] = alphabet[x&31]
	}
	s[6] = check(string(s[:6]))
	return Ref(refPrefix + string(s[:4]) + "-" + string(s[4:]))
}

func check(s string) byte {
	sum := 0
	for i := range len(s) {
		sum = sum*31 + strings.IndexByte(alphabet, s[i])
	}
	return alphabet[sum%31]
}

// ParseRef reads a reference as people type it; ok is false for a slip.
func ParseRef(s string) (ref Ref, ok bool) {
	var b []byte
	for _, r := range strings.ToUpper(s) {
		switch r {
		case ' ', '-', '#', '[', ']':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if r > 127 {
			return "", false
		}
		b = append(b, byte(r))
	}
	t := strings.TrimPrefix(string(b), "PN")
	if len(t) != 7 {
		return "", false
	}
	for i := range t {
		if strings.IndexByte(alphabet, t[i]) < 0 {
			return "", false
		}
	}
	if check(t[:6]) != t[6] {
		return "", false
	}
	return Ref(refPrefix + t[:4] + "-" + t[4:]), true
}

// Tokens makes and reads reference tokens: a reference with a MAC, put into
// subjects and reply addresses. A token says which case a mail speaks of; it
// does not say that its sender belongs to it.
type Tokens struct{ key []byte }

// NewTokens returns the tokens of this desk.
func NewTokens(v *vault.Vault) Tokens { return Tokens{v.Derive("reference-token")} }

// Make returns the token of a case, such as "PN-7K2M-9QX.h3k9m2ab".
func (t Tokens) Make(ref Ref) string { return string(ref) + "." + t.mac(ref) }

var macEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func (t Tokens) mac(ref Ref) string {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte(ref))
	return macEncoding.EncodeToString(h.Sum(nil))[:macLen]
}

// Find returns the references of the good tokens in a text, each once, at most
// four. A token inside a longer word does not count.
func (t Tokens) Find(text string) []Ref {
	var out []Ref
	if len(text) > 1<<16 {
		text = text[:1<<16]
	}
	upper := asciiUpper(text)
	for i := 0; i+tokenLen <= len(upper) && len(out) < 4; i++ {
		if upper[i] != 'P' || upper[i:i+len(refPrefix)] != refPrefix {
			continue
		}
		if i > 0 && wordByte(upper[i-1]) || i+tokenLen < len(upper) && wordByte(upper[i+tokenLen]) {
			continue
		}
		if upper[i+refLen] != '.' {
			continue
		}
		ref, ok := ParseRef(upper[i : i+refLen])
		if !ok || string(ref) != upper[i:i+refLen] {
			continue
		}
		mac := strings.ToLower(upper[i+refLen+1 : i+tokenLen])
		if !hmac.Equal([]byte(mac), []byte(t.mac(ref))) {
			continue
		}
		if !contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}

func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '_' || c == '"' || c == '=' || c >= 0x80
}

func contains(list []Ref, r Ref) bool {
	for _, x := range list {
		if x == r {
			return true
		}
	}
	return false
}

// PlusAddress puts the token into the local part of our address, so that a
// reply finds its case even if the subject is changed.
func (t Tokens) PlusAddress(mailbox string, ref Ref) string {
	at := strings.LastIndexByte(mailbox, '@')
	if at < 0 {
		return mailbox
	}
	return mailbox[:at] + "+" + strings.ToLower(t.Make(ref)) + mailbox[at:]
}

// SplitPlus returns our mailbox and the token text of an address.
func SplitPlus(address string) (mailbox, token string) {
	at := strings.LastIndexByte(address, '@')
	plus := strings.IndexByte(address, '+')
	if at < 0 || plus < 0 || plus > at {
		return address, ""
	}
	return address[:plus] + address[at:], address[plus+1 : at]
}
