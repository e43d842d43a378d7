package evidence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/pgp"
)

// Attacks on who a mail is from, and on whose key signed it.
func TestAttacksOnIdentity(t *testing.T) {
	l := newLab(t)
	good := l.sealed()
	l.good(t, good)
	const from = "From: Ada <ada@brandt.example>"
	t.Run("row10 signer is not the sender", func(t *testing.T) {
		r := l.expect(t, swap(t, good, from, "From: Bob <bob@brandt.example>"), Mismatch, Accept)
		because(t, r, "signer-is-not-sender")
		if r.Signature.Signer != l.adaAddr {
			t.Errorf("signer %q", r.Signature.Signer)
		}
		l.expect(t, swap(t, good, from, "From: Carl <carl@brandt.example>"), Mismatch, Accept)
		l.expect(t, l.g.Encrypted(l.mail(), l.bob, l.usFpr), Mismatch, Accept)
	})
	t.Run("row10 key of a stranger", func(t *testing.T) {
		m := l.g.Encrypted(l.mail(), l.eve, l.usFpr)
		r := l.expect(t, m, Unsigned, Accept) // unknown here: none
		because(t, r, "unknown-key")
		o := l.options()
		o.Keys = &ring{append([]Known{{Key: l.eveKey, Trust: "seen"}}, l.keys.all...)}
		expectWith(t, m, o, Mismatch, Accept)
		eve := l.mail()
		eve.From = "eve@evil.example"
		r = expectWith(t, l.g.Encrypted(eve, l.eve, l.usFpr), o, Signed, Accept)
		because(t, r, "unverified-key")
	})
	t.Run("row11 display name with an address", func(t *testing.T) {
		for _, f := range []string{
			`"eve@evil.example" <ada@brandt.example>`, `eve@evil.example <ada@brandt.example>`, `=?utf-8?q?eve=40evil=2Eexample?= <ada@brandt.example>`,
			`ada@brandt.example (eve@evil.example)`, `"Eve ＠ evil" <ada@brandt.example>`, `"ada@brandt.example via eve@evil.example" <ada@brandt.example>`,
		} {
			r := l.expect(t, swap(t, good, from, "From: "+f), Mismatch, Accept)
			if r.From == nil || r.From.Name != "" || r.From.Address != l.adaAddr {
				t.Errorf("%s: %+v", f, r.From)
			}
		}
		for _, f := range []string{`"ada@brandt.example" <ada@brandt.example>`, `Ada <ADA@Brandt.EXAMPLE>`, `ada@brandt.example`, `<ada@brandt.example>`, `"ada"@brandt.example (Ada)`} {
			l.good(t, swap(t, good, from, "From: "+f))
		}
	})
	t.Run("row12 two senders", func(t *testing.T) {
		for name, f := range map[string]string{
			"two fields": from + "\r\nFrom: Eve <eve@evil.example>", "two fields, the same": from + "\r\n" + from, "two mailboxes": "From: ada@brandt.example, eve@evil.example",
			"semicolon": "From: ada@brandt.example; eve@evil.example", "no comma": "From: ada@brandt.example <eve@evil.example> <x@y.example>", "odd blank": from + "\r\nFrom : eve@evil.example",
			"lower case": from + "\r\nfrom: eve@evil.example", "none": "X-From: ada@brandt.example", "empty": "From: ", "only a name": "From: Ada", "only brackets": "From: <>",
			"folded second": from + ",\r\n eve@evil.example", "route and more": "From: <@evil.example:ada@brandt.example>, eve@evil.example", "group of two": "From: Team: ada@brandt.example, eve@evil.example;",
			"kelvin": "From: <\u212aim@brandt.example>", "masked": "From: <i\u017fa@brandt.example>", "masked domain": "From: <ada@ban\u212a.example>", "dotted": "From: <\u0130da@brandt.example>",
			"open quote": `From: "Ada <ada@brandt.example>`, "open comment": `From: ada@brandt.example (`, "two at": "From: ada@brandt.example@evil.example",
			"very long": from + "," + strings.Repeat("\r\n ", 30000) + "eve@evil.example",
		} {
			r := l.expect(t, swap(t, good, from, f), Mismatch, Refuse)
			if r.From != nil {
				t.Errorf("%s: %+v", name, r.From)
			}
		}
		l.good(t, swap(t, good, from, from+"\r\nSender: eve@evil.example\r\nReply-To: eve@evil.example"))
	})
	t.Run("row30 and 31 protected fields", func(t *testing.T) {
		seal := func(head string) []byte {
			return l.encrypted(l.g.SignEncrypt([]byte(head+"\r\n"+secretWords), l.ada, l.usFpr))
		}
		for _, hp := range []string{`hp="cipher"`, `protected-headers="v1"`} {
			r := l.good(t, seal("Content-Type: text/plain; "+hp+"\r\nSubject: =?utf-8?q?Gehe=C3=ADm?=\r\nFrom: ada@brandt.example\r\n"))
			if r.Subject != "Geheím" || r.OuterSubject != "Payment" {
				t.Errorf("%q %q", r.Subject, r.OuterSubject)
			}
			r = l.expect(t, seal("Content-Type: text/plain; "+hp+"\r\nFrom: bob@brandt.example\r\n"), Mismatch, Accept)
			because(t, r, "from-differs")
			if r.From == nil || r.From.Address != l.adaAddr {
				t.Errorf("%+v", r.From)
			}
			l.expect(t, seal("Content-Type: text/plain; "+hp+"\r\nFrom: ada@brandt.example\r\nFrom: bob@brandt.example\r\n"), Mismatch, Accept)
			l.expect(t, seal("Content-Type: text/plain; "+hp+"\r\nFrom: ada@brandt.example, bob@brandt.example\r\n"), Mismatch, Accept)
		}
		r := l.good(t, seal("Content-Type: text/plain\r\nSubject: phony\r\nFrom: bob@brandt.example\r\n"))
		if r.Subject != "Payment" {
			t.Errorf("not marked as protected, but used: %q", r.Subject)
		}
		r = l.good(t, seal("Content-Type: multipart/mixed; boundary=\"q\"\r\n\r\n--q\r\nContent-Type: text/plain; protected-headers=\"v1\"\r\nSubject: misplaced\r\n\r\n1.204,50\r\n--q--\r\n"))
		if r.Subject != "Payment" {
			t.Errorf("misplaced, but used: %q", r.Subject)
		}
		r = l.expect(t, []byte(strings.Replace(l.head(`text/plain; protected-headers="v1"; hp="cipher"`), "Subject", "Subject: phony\r\nX-Subject", 1)+secretWords), Unsigned, Accept)
		if r.Subject != "phony" {
			t.Errorf("%q", r.Subject)
		}
	})
	t.Run("row37 forged results", func(t *testing.T) {
		r := l.expect(t, []byte("Authentication-Results: mx.northmere.example; dkim=pass; dmarc=pass; openpgp=pass\r\nX-Postern-Verdict: V\r\nX-PGP-Signature: good\r\n"+string(l.mail().Plain())), Unsigned, Accept)
		if r.Signature.Scheme != "none" {
			t.Errorf("%+v", r.Signature)
		}
	})
}

// Attacks by keys that are not good any more, or not good yet.
func TestAttacksByKeys(t *testing.T) {
	l := newLab(t)
	with := func(k *pgp.Key, at time.Time) Options {
		return Options{At: at, Secrets: []*pgp.Secret{l.us}, Keys: &ring{[]Known{{Key: k, Trust: VerifiedTrust, Addresses: []string{"carl@brandt.example"}}}}}
	}
	carl := func(fpr string, at time.Time) []byte {
		m := l.mail()
		m.From, m.Date = "carl@brandt.example", at
		part := m.Part()
		clock := at.UTC().Format("20060102T150405")
		sig, status, err := l.g.Run(part, "--faked-system-time", clock, "--armor", "--digest-algo", "SHA256", "--local-user", fpr, "--detach-sign")
		if err != nil {
			t.Fatalf("%v %s", err, status)
		}
		head := strings.Replace(strings.Replace(l.head(signedType), "Ada <ada@", "Carl <carl@", 1), l.now.UTC().Format(time.RFC1123Z), at.UTC().Format(time.RFC1123Z), 1)
		return []byte(head + signedBody(part, sig))
	}
	day := 24 * time.Hour
	born := l.now.Add(-30 * day)
	t.Run("row16 expired key", func(t *testing.T) {
		fpr := l.g.Generate("Carl <carl@brandt.example>", "10d", born)
		k, mail := l.key(t, fpr), carl(fpr, born.Add(5*day))
		expectWith(t, mail, with(k, born.Add(5*day)), Verified, Accept)
		because(t, expectWith(t, mail, with(k, l.now), Unsigned, Accept), "expired-key")
	})
	t.Run("row16 before the key was made", func(t *testing.T) {
		fpr := l.g.Generate("Carl2 <carl@brandt.example>", "0", l.now.Add(-2*day))
		expectWith(t, carl(fpr, l.now.Add(-day)), with(l.key(t, fpr), l.now), Verified, Accept)
		m := l.mail()
		part := m.Part()
		sig, _, err := l.g.Run(part, "--faked-system-time", born.UTC().Format("20060102T150405"), "--ignore-time-conflict", "--ignore-valid-from", "--armor", "--local-user", fpr, "--detach-sign")
		if err != nil {
			t.Log("gpg does not back-date so far")
			return
		}
		head := strings.Replace(strings.Replace(l.head(signedType), "Ada <ada@", "Carl <carl@", 1), l.now.UTC().Format(time.RFC1123Z), born.UTC().Format(time.RFC1123Z), 1)
		expectWith(t, []byte(head+signedBody(part, sig)), with(l.key(t, fpr), l.now), Unsigned, Accept)
	})
	for i, c := range []struct {
		name, reason string
		at           time.Duration // of the signature
		want         Verdict
	}{
		{"hard, signed before", "1", -20 * day, Unsigned},
		{"hard without reason, signed before", "0", -20 * day, Unsigned},
		{"soft superseded, received after", "2", -20 * day, Unsigned},
		{"soft retired, received after", "3", -20 * day, Unsigned},
	} {
		t.Run("row16 revoked "+c.name, func(t *testing.T) {
			fpr := l.g.Generate(fmt.Sprintf("Carl r%d <carl@brandt.example>", i), "0", born)
			mail := carl(fpr, l.now.Add(c.at))
			expectWith(t, mail, with(l.key(t, fpr), l.now), Verified, Accept)
			revoke(t, l, fpr, c.reason)
			k := l.key(t, fpr)
			because(t, expectWith(t, mail, with(k, l.now.Add(time.Hour)), c.want, Accept), "revoked-key")
			if c.reason == "2" { // it counts from its day on
				expectWith(t, mail, with(k, l.now.Add(-19*day)), Verified, Accept)
			}
		})
	}
	t.Run("signature by a subkey", func(t *testing.T) {
		fpr := l.g.Generate("Carl sub <carl@brandt.example>", "0", born)
		if _, s, err := l.g.Run(nil, "--faked-system-time", born.Add(time.Minute).UTC().Format("20060102T150405"), "--quick-add-key", fpr, "ed25519", "sign", "0"); err != nil {
			t.Fatal(s)
		}
		r := expectWith(t, carl(fpr, l.now), with(l.key(t, fpr), l.now), Verified, Accept)
		if string(r.Signature.Fingerprint) != fpr {
			t.Errorf("named by %s, not by its certificate", r.Signature.Fingerprint)
		}
	})
	t.Run("row19 another key of the contact", func(t *testing.T) {
		o := l.options()
		other := l.g.Generate("Ada new <ada@brandt.example>", "0", born)
		o.Keys = &ring{append([]Known{{Key: l.key(t, other), Trust: "harvested", Addresses: []string{l.adaAddr}}}, l.keys.all...)}
		r := expectWith(t, l.g.Encrypted(l.mail(), other, l.usFpr), o, Signed, Accept)
		because(t, r, "other-key")
		if !r.OtherKey {
			t.Error("OtherKey is not set")
		}
		r = expectWith(t, l.sealed(), o, Verified, Accept)
		if r.OtherKey {
			t.Error("OtherKey is set")
		}
	})
}

// revoke makes a revocation with a reason and takes it in.
func revoke(t *testing.T, l *lab, fpr, reason string) {
	t.Helper()
	out, status, err := l.g.Run([]byte("y\n"+reason+"\n\ny\n"), "--no-batch", "--command-fd", "0", "--armor", "--gen-revoke", fpr)
	if err != nil || len(out) == 0 {
		t.Fatalf("revoke: %v\n%s", err, status)
	}
	l.g.Import(out)
}
