package authorise_test

import (
	"strings"
	"testing"
	"time"

	"postern/internal/authorise"
	"postern/internal/evidence"
	"postern/internal/instructions"
)

func TestP3SignedMailProves(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		for name, build := range map[string]func(i *instructions.Instruction) []byte{
			"signed":    func(i *instructions.Instruction) []byte { return x.gpg.Signed(x.letter("ada", approval(i)), "ada") },
			"encrypted": func(i *instructions.Instruction) []byte { return x.encrypted("ada", approval(i), "ada") },
		} {
			i := x.propose(ada, "payment", payment, "staff:mara")
			if n := x.mail(ada, build(i)); n != 1 {
				t.Errorf("%s: proved %d; %+v", name, n, x.get(i))
			}
			x.settle()
			got := x.get(i)
			if got.State != instructions.Approved { // a small payment needs nobody's yes
				t.Errorf("%s: %s", name, got.State)
			}
		}
	})
}

// encrypted is signed inside and encrypted to our mailbox.
func (x *lab) encrypted(name, text, by string) []byte {
	x.Helper()
	b := x.Mailboxes.All()[0].Secret.Public()
	x.gpg.Import(b.Armored())
	return x.gpg.Encrypted(x.letter(name, text), by, string(b.Fingerprint()))
}

// TestP3NothingElseByMailProves: each differs from the good mail by one thing.
func TestP3NothingElseByMailProves(t *testing.T) {
	each(t, func(x *lab) {
		ada, bob := x.customer("ada", true), x.customer("bob", true)
		stranger := x.newKey("ada") // another key with Ada's address on it
		other := x.propose(ada, "postal-address", moving, "staff:mara")
		_ = stranger
		for name, try := range map[string]func(i *instructions.Instruction) int{
			"unsigned": func(i *instructions.Instruction) int { return x.mail(ada, x.letter("ada", approval(i)).Plain()) },
			"encrypted, not signed": func(i *instructions.Instruction) int {
				return x.mail(ada, x.encrypted("ada", approval(i), ""))
			},
			"another's key": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", approval(i)), "bob"))
			},
			"another's key and address": func(i *instructions.Instruction) int {
				return x.mail(bob, x.gpg.Signed(x.letter("bob", approval(i)), "bob"))
			},
			"a key nobody compared": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", approval(i)), string(stranger.Fingerprint())))
			},
			"edited after showing": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", strings.Replace(approval(i), "250.00", "950.00", 1)), "ada@"))
			},
			"a payee that looks alike": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", strings.Replace(approval(i), "Müller", "Mülӏer", 1)), "ada@"))
			},
			"the right signature, the wrong reference": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", strings.ReplaceAll(approval(i), i.Doc.Ref, other.Doc.Ref)), "ada@"))
			},
			"no approving line": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", i.Doc.Text), "ada@"))
			},
			"a condition": func(i *instructions.Instruction) int {
				return x.mail(ada, x.gpg.Signed(x.letter("ada", "Only next week!\n"+approval(i)), "ada@"))
			},
			"back-dated": func(i *instructions.Instruction) int {
				return x.mail(ada, x.signedAt(approval(i), x.clock().Add(-2*time.Hour)))
			},
			"out of the future": func(i *instructions.Instruction) int {
				return x.mail(ada, x.signedAt(approval(i), x.clock().Add(2*time.Hour)))
			},
			"one byte flipped": func(i *instructions.Instruction) int {
				raw := x.gpg.Signed(x.letter("ada", approval(i)), "ada@")
				return x.mail(ada, []byte(strings.Replace(string(raw), "I approve", "I  approve", 1)))
			},
			"attached to another mail": func(i *instructions.Instruction) int {
				inner := x.gpg.Signed(x.letter("ada", approval(i)), "ada@")
				raw := "From: ada@customer.example\r\nTo: " + box + "\r\nSubject: fwd " + i.Doc.Ref + "\r\nMIME-Version: 1.0\r\nDate: " + x.clock().Format(time.RFC1123Z) + "\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\n" + i.Doc.Ref + "\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" + string(inner) + "\r\n--o--\r\n"
				return x.mail(ada, []byte(raw))
			},
			"an hour after its end": func(i *instructions.Instruction) int {
				raw := x.gpg.Signed(x.letter("ada", approval(i)), "ada@")
				x.pass(121 * time.Hour)
				defer x.pass(-121 * time.Hour)
				return x.mail(ada, raw)
			},
		} {
			i := x.propose(ada, "payment", payment, "staff:mara")
			if n := try(i); n != 0 || x.get(i).State != instructions.Proposed {
				t.Errorf("%s: taken (%d, %s)", name, n, x.get(i).State)
			}
			if x.audited(i, "instruction.proof-refused")+x.audited(other, "instruction.proof-refused") == 0 {
				t.Errorf("%s: no audit row", name)
			}
			x.must2(x.Cancel(t.Context(), "staff:mara", i.ID))
		}
	})
}

func (x *lab) must2(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// signedAt is Ada's mail with a signature of another moment.
func (x *lab) signedAt(text string, at time.Time) []byte {
	x.Helper()
	m := x.letter("ada", text)
	m.Date = at
	part := m.Part()
	sig, status, err := x.gpg.Run(part, "--faked-system-time", at.UTC().Format("20060102T150405")+"!", "--armor", "--digest-algo", "SHA256", "--local-user", "ada@", "--detach-sign")
	if err != nil {
		x.Fatal(err, status)
	}
	head, _, _ := strings.Cut(string(m.Plain()), "Content-Type:")
	return []byte(head + "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=sig\r\n\r\n--sig\r\n" + string(part) +
		"\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\n" + strings.ReplaceAll(string(sig), "\n", "\r\n") + "\r\n--sig--\r\n")
}

func TestP3MailIsPlayedOnce(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		raw := x.gpg.Signed(x.letter("ada", approval(i)), "ada")
		if n := x.mail(ada, raw); n != 1 {
			t.Fatal("the good mail was refused")
		}
		if n := x.mail(ada, raw); n != 0 {
			t.Error("it was played again")
		}
		if n := x.audited(i, "instruction.proof-refused"); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestP3PastedSignature(t *testing.T) {
	each(t, func(x *lab) {
		ada, _ := x.customer("ada", true), x.customer("bob", true)
		i := x.propose(ada, "payment", payment, "contact:"+string(ada))
		text := instructions.ApproveLine(i.Doc.Ref) + "\n\n" + i.Doc.Text
		for name, data := range map[string][]byte{
			"not signed":       []byte(text),
			"another's":        x.gpg.Clearsign([]byte(text), "bob"),
			"words around it":  append([]byte("yes\n"), x.gpg.Clearsign([]byte(text), "ada@")...),
			"edited after":     []byte(strings.Replace(string(x.gpg.Clearsign([]byte(text), "ada@")), "250.00", "950.00", 1)),
			"edited before":    x.gpg.Clearsign([]byte(strings.Replace(text, "250.00", "950.00", 1)), "ada@"),
			"without the line": x.gpg.Clearsign([]byte(i.Doc.Text), "ada@"),
			"nothing":          nil,
		} {
			if err := x.Pasted(t.Context(), ada, i.ID, data); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if x.get(i).State != instructions.Proposed {
			t.Fatal(x.get(i).State)
		}
		if err := x.Pasted(t.Context(), ada, i.ID, x.gpg.Clearsign([]byte(text), "ada@")); err != nil {
			t.Error(err)
		}
	})
}

func TestP3HTMLOnlyIsNoApproval(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		i := x.propose(ada, "payment", payment, "staff:mara")
		c := x.get(i)
		rep := &evidence.Report{Text: approval(i), Plain: false, Disposition: evidence.Accept, Signature: evidence.Signature{Verdict: evidence.Verified, Covers: "whole", SignedAt: x.clock(), Known: &evidence.Known{Owner: string(ada)}}}
		if n, err := x.FromMail(t.Context(), &authorise.Mail{Contact: ada, Case: c.Case, Message: "m", Report: rep, Came: x.clock()}); n != 0 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}
