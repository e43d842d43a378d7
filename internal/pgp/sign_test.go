package pgp_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/gpgtest"
)

// TestPublishedTextsAndFilesVerify: GnuPG and we ourselves agree that they are ours,
// and that one changed letter makes them nobody's.
func TestPublishedTextsAndFilesVerify(t *testing.T) {
	us, g, at := key(t, "Support"), gpgtest.New(t), time.Now()
	g.Import(us.Public().Armored())
	text := "Contact: https://a.example/report  \n-- dash\nFrom here\n\ngrün\t\nend"
	signed, err := us.SignedText(text, at)
	if err != nil {
		t.Fatal(err)
	}
	plain, status, err := g.Decrypt(signed)
	if err != nil || !status.Has("GOODSIG") {
		t.Fatalf("gpg: %v\n%s\n%s", err, status, signed)
	}
	if want := "Contact: https://a.example/report\n-- dash\nFrom here\n\ngrün\nend"; strings.TrimSpace(strings.ReplaceAll(string(plain), "\r\n", "\n")) != want {
		t.Errorf("gpg reads %q", plain)
	}
	if _, status, err := g.Decrypt(bytes.Replace(signed, []byte("a.example"), []byte("b.example"), 1)); err == nil || !status.Has("BADSIG") {
		t.Errorf("a changed text: %v, %s", err, status)
	}
	file := []byte("{\"a\": 1}\n")
	sig, err := us.Detached(file, at)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := g.Verify(sig, file); err != nil || !status.Has("GOODSIG") {
		t.Errorf("gpg: %v, %s", err, status)
	}
	if status, err := g.Verify(sig, append(file, ' ')); err == nil || !status.Has("BADSIG") {
		t.Errorf("a changed file: %v, %s", err, status)
	}
}

func TestTheSameIsSignedTheSame(t *testing.T) {
	us, at := key(t, "Support"), time.Now()
	a, err := us.SignedText("one\ntwo", at)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := us.SignedText("one\r\ntwo\r\n", at)
	c, _ := us.SignedText("one\ntwo", at.Add(time.Second))
	if !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Error("signatures depend on something else than text and time")
	}
	if _, err := us.SignedText("one\x1btwo", at); err == nil {
		t.Error("a control character was signed")
	}
	if _, err := us.SignedText("one", at.Add(-24*time.Hour)); err == nil {
		t.Error("signed before there was a key")
	}
	if _, err := us.Detached([]byte("x"), at.Add(-24*time.Hour)); err == nil {
		t.Error("signed before there was a key")
	}
}
