package evidence_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/evidence"
	"postern/internal/gpgtest"
)

// TestInspectHearsARevocation: who gives a key as it was checked, and again as its owner took
// it back, is not told that it counts.
func TestInspectHearsARevocation(t *testing.T) {
	g, dir := gpgtest.New(t), t.TempDir()
	made := time.Now().Add(-48 * time.Hour)
	fpr := g.Generate("Ada <ada@brandt.example>", "1y", made)
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	old := write("old.asc", g.Export(fpr))
	body := "Content-Type: text/plain\r\n\r\nPlease close my account.\r\n"
	sig, status, err := g.Run([]byte(body), "--armor", "--detach-sign", "--local-user", fpr)
	if err != nil {
		t.Fatalf("%v\n%s", err, status)
	}
	mail := write("mail.eml", fmt.Appendf(nil, "From: Ada <ada@brandt.example>\r\nTo: support@northmere.example\r\nSubject: Close\r\nDate: %s\r\nMessage-ID: <1@brandt.example>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n--b\r\n%s\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n%s\r\n--b--\r\n",
		time.Now().UTC().Format(time.RFC1123Z), body, bytes.ReplaceAll([]byte(sig), []byte("\n"), []byte("\r\n"))))
	revocation, status, err := g.Run([]byte("y\n0\n\ny\n"), "--no-batch", "--command-fd", "0", "--armor", "--gen-revoke", fpr)
	if err != nil {
		t.Fatalf("revoke: %v\n%s", err, status)
	}
	g.Import(revocation)
	revoked := write("revoked.asc", g.Export(fpr))
	for name, x := range map[string]struct {
		args []string
		want string
	}{"as checked": {nil, "V"}, "and as it was taken back": {[]string{"--key", revoked}, "N"}} {
		var out, errs bytes.Buffer
		evidence.Inspect(append(append([]string{"--json", "--contact", "ada@brandt.example=" + old}, x.args...), mail), nil, &out, &errs)
		var row struct{ Signature struct{ Verdict string } }
		if err := json.Unmarshal(out.Bytes(), &row); err != nil || row.Signature.Verdict != x.want {
			t.Errorf("%s: %s, want %s: %v\n%s%s", name, row.Signature.Verdict, x.want, err, out.String(), errs.String())
		}
	}
}

// TestAnEncryptedPartInsideIsTold: it stays closed, and nobody reads that the mail came in
// clear and no more.
func TestAnEncryptedPartInsideIsTold(t *testing.T) {
	mail := "From: Ada <ada@brandt.example>\r\nTo: support@northmere.example\r\nSubject: x\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@brandt.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=i\r\n\r\n--i\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--i\r\n" +
		"Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhF4D\r\n-----END PGP MESSAGE-----\r\n\r\n--i--\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nA footer of the gateway.\r\n--o--\r\n"
	r := evidence.Examine([]byte(mail), evidence.Options{At: time.Now()})
	if r.Encryption.Scheme != "none" || len(r.Reasons) == 0 || !bytes.HasPrefix([]byte(r.Reasons[0]), []byte("nested-ciphertext: ")) {
		t.Errorf("%+v %q", r.Encryption, r.Reasons)
	}
}
