// Package gpgtest is the customer's side of the tests: a real GnuPG with a home
// folder of its own, driven as a subprocess. Nothing in it is used by the desk.
package gpgtest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// GPG is one person's GnuPG.
type GPG struct {
	t    testing.TB
	home string
}

// New makes a home folder with a short path (agents have sockets, and sockets
// have short names) and ends its agent with the test.
func New(t testing.TB) *GPG {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Fatal("GnuPG is not installed; install it with: apt-get install gnupg")
	}
	home, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	g := &GPG{t, home}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	return g
}

// Status is what gpg reports on its status lines.
type Status string

// Has reports whether a keyword stands on a status line.
func (s Status) Has(word string) bool { return strings.Contains(string(s), "[GNUPG:] "+word) }

// Field returns the first word behind a keyword, such as a fingerprint.
func (s Status) Field(word string) string {
	_, rest, ok := strings.Cut(string(s), "[GNUPG:] "+word+" ")
	if !ok {
		return ""
	}
	return strings.FieldsFunc(rest, func(r rune) bool { return r == ' ' || r == '\n' })[0]
}

// Run runs gpg on input and returns what it wrote and reported; err is its exit.
func (g *GPG) Run(input []byte, args ...string) (out []byte, status Status, err error) {
	g.t.Helper()
	args = append([]string{"--homedir", g.home, "--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "",
		"--trust-model", "always", "--status-fd", "2"}, args...)
	c := exec.Command("gpg", args...)
	var o, e bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &o, &e
	err = c.Run()
	return o.Bytes(), Status(e.String()), err
}

func (g *GPG) must(input []byte, args ...string) []byte {
	g.t.Helper()
	out, status, err := g.Run(input, args...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, status)
	}
	return out
}

// Generate makes a key (Ed25519 with a Curve25519 subkey) and returns its
// fingerprint. expire is gpg's, such as "0" or "2y"; at moves gpg's clock.
func (g *GPG) Generate(uid, expire string, at time.Time) string {
	g.t.Helper()
	var clock []string
	if !at.IsZero() {
		clock = []string{"--faked-system-time", at.UTC().Format("20060102T150405")}
	}
	_, status, err := g.Run(nil, append(clock, "--quick-generate-key", uid, "ed25519", "cert,sign", expire)...)
	if err != nil {
		g.t.Fatalf("make a key: %v\n%s", err, status)
	}
	_, rest, _ := strings.Cut(string(status), "KEY_CREATED P ")
	fpr, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	fpr = strings.Fields(fpr)[0]
	if !at.IsZero() { // making the first took a moment, and the clock began anew
		clock[1] = at.Add(5 * time.Second).UTC().Format("20060102T150405")
	}
	g.must(nil, append(clock, "--quick-add-key", fpr, "cv25519", "encr", expire)...)
	return fpr
}

// Export returns a public key, armoured.
func (g *GPG) Export(who string) []byte { return g.must(nil, "--armor", "--export", who) }

// Import adds keys.
func (g *GPG) Import(keys []byte) { g.must(keys, "--import") }

// Sign makes a detached armoured signature with SHA-256.
func (g *GPG) Sign(data []byte, by string) []byte {
	return g.must(data, "--armor", "--digest-algo", "SHA256", "--local-user", by, "--detach-sign")
}

// Clearsign makes an inline signature.
func (g *GPG) Clearsign(data []byte, by string) []byte {
	return g.must(data, "--digest-algo", "SHA256", "--local-user", by, "--clearsign")
}

// SignEncrypt signs and encrypts, armoured.
func (g *GPG) SignEncrypt(data []byte, by string, to ...string) []byte {
	args := []string{"--armor", "--digest-algo", "SHA256", "--local-user", by, "--sign", "--encrypt"}
	for _, r := range to {
		args = append(args, "--recipient", r)
	}
	return g.must(data, args...)
}

// Encrypt encrypts without a signature, armoured.
func (g *GPG) Encrypt(data []byte, to ...string) []byte {
	args := []string{"--armor", "--encrypt"}
	for _, r := range to {
		args = append(args, "--recipient", r)
	}
	return g.must(data, args...)
}

// Decrypt opens a message; status says who signed it.
func (g *GPG) Decrypt(data []byte) ([]byte, Status, error) { return g.Run(data, "--decrypt") }

// Verify checks a detached signature.
func (g *GPG) Verify(signature, data []byte) (Status, error) {
	g.t.Helper()
	f, err := os.CreateTemp(g.home, "sig")
	if err != nil {
		g.t.Fatal(err)
	}
	f.Write(signature)
	f.Close()
	_, status, err := g.Run(data, "--verify", f.Name(), "-")
	return status, err
}

// Mail is what a mail program would write.
type Mail struct {
	From, To, Subject, Text string
	Headers                 string // further header lines, each with CRLF
	Date                    time.Time
}

func (m *Mail) head(contentType string) string {
	if m.Date.IsZero() {
		m.Date = time.Now()
	}
	var id [9]byte
	rand.Read(id[:])
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@customer.example>\r\nMIME-Version: 1.0\r\n%sContent-Type: %s\r\n",
		m.From, m.To, m.Subject, m.Date.UTC().Format(time.RFC1123Z), hex.EncodeToString(id[:]), m.Headers, contentType)
}

// Part is the MIME part of the text, CRLF throughout.
func (m *Mail) Part() []byte {
	text := strings.ReplaceAll(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\n", "\r\n")
	return []byte("Content-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n")
}

// Plain is the mail without any cryptography.
func (m *Mail) Plain() []byte {
	text := strings.ReplaceAll(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\n", "\r\n")
	return []byte(m.head("text/plain; charset=utf-8") + "\r\n" + text + "\r\n")
}

// Signed is the mail as multipart/signed (RFC 3156, 5).
func (g *GPG) Signed(m *Mail, by string) []byte {
	part := m.Part()
	return []byte(m.head(`multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary="sig"`) + "\r\n--sig\r\n" + string(part) +
		"\r\n--sig\r\nContent-Type: application/pgp-signature; name=\"signature.asc\"\r\n\r\n" + crlf(g.Sign(part, by)) + "\r\n--sig--\r\n")
}

// Encrypted is the mail as multipart/encrypted (RFC 3156, 4), signed inside by
// by unless that is empty.
func (g *GPG) Encrypted(m *Mail, by string, to ...string) []byte {
	part := m.Part()
	var body []byte
	if by == "" {
		body = g.Encrypt(part, to...)
	} else {
		body = g.SignEncrypt(part, by, to...)
	}
	return []byte(m.head(`multipart/encrypted; protocol="application/pgp-encrypted"; boundary="enc"`) +
		"\r\n--enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--enc\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n" +
		crlf(body) + "\r\n--enc--\r\n")
}

func crlf(b []byte) string { return strings.ReplaceAll(string(b), "\n", "\r\n") }

// Autocrypt is the header line that carries a public key.
func (g *GPG) Autocrypt(address, who string) string {
	key := g.must(nil, "--export", "--export-options", "export-minimal", who)
	return "Autocrypt: addr=" + address + "; keydata=\r\n " + strings.Join(chunks(base64.StdEncoding.EncodeToString(key), 70), "\r\n ") + "\r\n"
}

func chunks(s string, n int) (out []string) {
	for len(s) > n {
		out, s = append(out, s[:n]), s[n:]
	}
	return append(out, s)
}
