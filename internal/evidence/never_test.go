package evidence

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"postern/internal/message"
)

// A mail that was changed at random may keep its verdict only if what was signed,
// who sent it and when are the same as in the good one, and the same is shown.
func TestNeverVerifiedAfterAChange(t *testing.T) {
	l := newLab(t)
	rng := rand.New(rand.NewPCG(1, 2))
	alt := []byte("Content-Type: multipart/mixed; boundary=\"in\"\r\n\r\n--in\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + secretWords + "\r\n--in\r\nContent-Type: text/csv; name=\"a.csv\"\r\n\r\n1,2\r\n--in--\r\n")
	n := 4000
	if testing.Short() {
		n = 400
	}
	for name, good := range map[string][]byte{
		"signed": l.signed(), "sealed": l.sealed(), "parts": l.signedMail(alt, l.g.Sign(alt, l.ada)),
		"detached inside": l.encrypted(l.g.Encrypt([]byte(signedEntity(alt, l.g.Sign(alt, l.ada))), l.usFpr)),
	} {
		want := Examine(good, l.options())
		if want.Signature.Verdict != Verified {
			t.Fatalf("%s: %q", name, want.Reasons)
		}
		kept := 0
		for range n {
			raw := mutate(rng, good)
			got := Examine(raw, l.options())
			if got.Signature.Verdict != Verified {
				continue
			}
			kept++
			same := strings.EqualFold(got.From.Address, want.From.Address) && got.Text == want.Text && got.HTML == want.HTML && len(got.Attachments) == len(want.Attachments) && got.Disposition != Quarantine
			for i := range got.Attachments {
				same = same && got.Attachments[i].SHA256 == want.Attachments[i].SHA256 && got.Attachments[i].Name == want.Attachments[i].Name
			}
			if d := got.Date.Sub(want.Date).Abs(); d > maxApart {
				same = false
			}
			if !same || !covered(raw, good) {
				t.Fatalf("%s: still V:\n%q\nshows %q %+v", name, raw, got.Text, got.Attachments)
			}
		}
		t.Logf("%s: %d of %d kept their verdict", name, kept, n)
	}
}

// covered reports whether the signed bytes, or the ciphertext, are the same.
func covered(raw, good []byte) bool {
	a, b := message.Parse(raw).Root, message.Parse(good).Root
	if len(a.Parts) != 2 || len(b.Parts) != 2 {
		return false
	}
	if b.Type == "multipart/signed" {
		return a.Type == b.Type && bytes.Equal(a.Parts[0].Raw, b.Parts[0].Raw)
	}
	return a.Type == b.Type || a.Type == "multipart/mixed" // a form known from the way
}

// mutate changes a mail in one to three places.
func mutate(rng *rand.Rand, good []byte) []byte {
	raw := bytes.Clone(good)
	for range 1 + rng.IntN(3) {
		i := rng.IntN(len(raw))
		switch rng.IntN(9) {
		case 0:
			raw[i] ^= 1 << rng.IntN(8)
		case 1:
			raw[i] = "\r\n -=;:\"<>@,()\x00Aa1"[rng.IntN(18)]
		case 2: // cut out
			j := min(len(raw), i+1+rng.IntN(40))
			raw = append(raw[:i:i], raw[j:]...)
		case 3: // twice
			j := min(len(raw), i+1+rng.IntN(80))
			raw = append(raw[:j:j], append(bytes.Clone(raw[i:j]), raw[j:]...)...)
		case 4: // the end
			if rng.IntN(8) == 0 {
				raw = raw[:max(1, i)]
			}
		case 5: // two lines change places
			lines := strings.SplitAfter(string(raw), "\r\n")
			a, b := rng.IntN(len(lines)), rng.IntN(len(lines))
			lines[a], lines[b] = lines[b], lines[a]
			raw = []byte(strings.Join(lines, ""))
		case 6: // a line again somewhere else
			lines := strings.SplitAfter(string(raw), "\r\n")
			a, b := rng.IntN(len(lines)), rng.IntN(len(lines))
			lines[b] = lines[a] + lines[b]
			raw = []byte(strings.Join(lines, ""))
		case 7: // a field or a part is put in
			lines := strings.SplitAfter(string(raw), "\r\n")
			b := rng.IntN(len(lines))
			lines[b] = inserts[rng.IntN(len(inserts))] + lines[b]
			raw = []byte(strings.Join(lines, ""))
		case 8: // parts change places
			p := bytes.SplitAfter(raw, []byte("--sig\r\n"))
			if len(p) > 2 {
				p[1], p[2] = p[2], p[1]
			}
			raw = bytes.Join(p, nil)
		}
		if len(raw) == 0 {
			return []byte("x")
		}
	}
	return raw
}

var inserts = []string{
	"From: eve@evil.example\r\n", "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\n", "Content-Type: text/plain\r\n", "Content-Type: multipart/mixed; boundary=\"sig\"\r\n", "Content-Transfer-Encoding: base64\r\n",
	"--sig\r\n", "--sig--\r\n", "--in\r\n", "--in--\r\n", "--enc\r\n", "--enc--\r\n", "\r\n", "Pay Eve 9999\r\n", "--sig\r\n\r\nPay Eve\r\n", "--in\r\n\r\nPay Eve\r\n", " folded\r\n", "Subject: other\r\n",
	"-----BEGIN PGP MESSAGE-----\r\n", "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n", "Content-Disposition: attachment\r\n", "Sender: eve@evil.example\r\n", "X-Foo: bar\r\n", "MIME-Version: 1.0\r\n",
}
