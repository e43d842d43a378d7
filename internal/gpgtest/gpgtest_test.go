package gpgtest_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postern/internal/gpgtest"
)

func TestTwoPeopleReadEachOther(t *testing.T) {
	ada, ben := gpgtest.New(t), gpgtest.New(t)
	a := ada.Generate("Ada <ada@home.example>", "0", time.Time{})
	b := ben.Generate("Ben <ben@home.example>", "2y", time.Time{})
	ada.Import(ben.Export(b))
	ben.Import(ada.Export(a))

	text := []byte("the number is 4711\r\n")
	plain, status, err := ben.Decrypt(ada.SignEncrypt(text, a, b))
	if err != nil || !bytes.Equal(plain, text) {
		t.Fatalf("%q, %v", plain, err)
	}
	if !status.Has("GOODSIG") || !status.Has("DECRYPTION_OKAY") || status.Field("VALIDSIG") != a {
		t.Errorf("status:\n%s\nwant a good signature by %s", status, a)
	}
	if _, status, err := ben.Decrypt(ada.Encrypt(text, b)); err != nil || status.Has("GOODSIG") {
		t.Errorf("unsigned: %v\n%s", err, status)
	}
	sig := ada.Sign(text, a)
	if status, err := ben.Verify(sig, text); err != nil || !status.Has("GOODSIG") {
		t.Errorf("detached: %v\n%s", err, status)
	}
	if status, err := ben.Verify(sig, []byte("the number is 4712\r\n")); err == nil || !status.Has("BADSIG") {
		t.Errorf("changed text: %v\n%s", err, status)
	}
	if status, err := gpgtest.New(t).Verify(sig, text); err == nil || !status.Has("ERRSIG") {
		t.Errorf("unknown key: %v\n%s", err, status)
	}
	if out, status, err := ben.Run(ada.Clearsign(text, a), "--decrypt"); err != nil || !status.Has("GOODSIG") || !bytes.Contains(out, []byte("4711")) {
		t.Errorf("clear-signed: %q %v\n%s", out, err, status)
	}
}

func TestAKeyMadeLongAgoHasExpired(t *testing.T) {
	ada := gpgtest.New(t)
	fpr := ada.Generate("Ada <ada@home.example>", "1y", time.Now().AddDate(-3, 0, 0))
	if _, status, err := ada.Run([]byte("x"), "--local-user", fpr, "--detach-sign"); err == nil {
		t.Errorf("an expired key signed:\n%s", status)
	}
}

func TestMailsAreWellFormed(t *testing.T) {
	ada := gpgtest.New(t)
	fpr := ada.Generate("Ada <ada@home.example>", "0", time.Time{})
	m := &gpgtest.Mail{From: "Ada <ada@home.example>", To: "desk@example", Subject: "Hi", Text: "one\ntwo", Headers: ada.Autocrypt("ada@home.example", fpr)}
	for name, raw := range map[string][]byte{"plain": m.Plain(), "signed": ada.Signed(m, fpr), "encrypted": ada.Encrypted(m, fpr, fpr), "unsigned": ada.Encrypted(m, "", fpr)} {
		if s := strings.ReplaceAll(string(raw), "\r\n", ""); strings.ContainsAny(s, "\r\n") {
			t.Errorf("%s: a bare line end", name)
		}
		if head, _, _ := strings.Cut(string(raw), "\r\n\r\n"); strings.Count(head, "Content-Type:") != 1 || !strings.Contains(head, "\r\nAutocrypt: addr=ada@home.example; keydata=\r\n ") {
			t.Errorf("%s: head:\n%s", name, head)
		}
	}
	// What is signed is the part byte for byte (RFC 3156, 5).
	parts := strings.Split(string(ada.Signed(m, fpr)), "\r\n--sig")
	_, sig, _ := strings.Cut(parts[2], "\r\n\r\n")
	if status, err := ada.Verify([]byte(sig), []byte(strings.TrimPrefix(parts[1], "\r\n"))); err != nil {
		t.Errorf("signed part: %v\n%s", err, status)
	}
}
