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
