package authorise_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postern/internal/authorise"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/passkeytest"
	"postern/internal/portal"
	"postern/internal/staff"
)

func (x *lab) begin(c contacts.ID, i *instructions.Instruction) any {
	x.Helper()
	options, err := x.BeginPasskey(x.Context(), c, i.ID)
	if err != nil {
		x.Fatal(err)
	}
	return options
}

func TestP3PasskeyProvesTheTextOnThePage(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		x.pass(authorise.Fresh)
		i := x.propose(ada, "payment", payment, "staff:mara")
		if i = x.get(i); i.Need != instructions.Passkey {
			t.Fatalf("somebody with a passkey needs %s", instructions.KindOf(i.Need))
		}
		options := x.begin(ada, i)
		a.Counter++
		if err := x.FinishPasskey(t.Context(), ada, i.ID, a.Login(options)); err != nil {
			t.Fatal(err)
		}
		if i = x.get(i); i.State != instructions.Approved {
			t.Fatalf("%s", i.State)
		}
		// What is kept lets anybody check that this very text was signed.
		x.must(func(ctx context.Context, tx *db.Tx) error {
			p, err := x.Instructions.ProofOf(ctx, tx, i.ID)
			if err != nil {
				return err
			}
			key, err := x.Vault.Get(ctx, tx, i.KeyID)
			if err != nil {
				return err
			}
			e, err := p.Evidence(key)
			if err != nil {
				return err
			}
			var answer struct {
				Response struct{ ClientDataJSON string }
			}
			json.Unmarshal([]byte(e.Answer), &answer)
			client, _ := base64.RawURLEncoding.DecodeString(answer.Response.ClientDataJSON)
			nonce, _ := hex.DecodeString(e.Nonce)
			sum := sha256.Sum256(append(nonce, i.Doc.Text...))
			if len(nonce) != 32 || !strings.Contains(string(client), base64.RawURLEncoding.EncodeToString(sum[:])) {
				t.Errorf("the evidence does not hold: %s", client)
			}
			return nil
		})
	})
}

func TestP3NoOtherPasskeyAnswerProves(t *testing.T) {
	each(t, func(x *lab) {
		ada, bob := x.customer("ada", false), x.customer("bob", false)
		a, b := x.passkey(ada), x.passkey(bob)
		x.pass(authorise.Fresh)
		for name, try := range map[string]func(i *instructions.Instruction) error{
			"another origin": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.Origin = "https://localhost.evil.example" })
			},
			"another site": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.RP = "evil.example" })
			},
			"not verified": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.Flags = passkeytest.UP })
			},
			"a copy": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.Counter = 1 })
			},
			"another's key": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.Key = b.Key })
			},
			"another's credential": func(i *instructions.Instruction) error {
				return x.lie(ada, i, a, func(l *passkeytest.Authenticator) { l.ID, l.Key, l.Handle = b.ID, b.Key, b.Handle })
			},
			"a stolen challenge": func(i *instructions.Instruction) error {
				return x.FinishPasskey(x.Context(), bob, i.ID, b.Login(x.begin(ada, i)))
			},
			"another's instruction": func(i *instructions.Instruction) error {
				b.Counter++
				return x.FinishPasskey(x.Context(), ada, i.ID, b.Login(x.begin(ada, i)))
			},
			"the answer for another instruction": func(i *instructions.Instruction) error {
				other := x.propose(ada, "payment", payment, "staff:mara")
				a.Counter++
				return x.FinishPasskey(x.Context(), ada, i.ID, a.Login(x.begin(ada, other)))
			},
			"an answer to a sign-in": func(i *instructions.Instruction) error {
				options, err := x.Passkeys.BeginLogin(x.Context(), staff.Owner{Kind: "contact", ID: string(ada)})
				if err != nil {
					return err
				}
				a.Counter++
				return x.FinishPasskey(x.Context(), ada, i.ID, a.Login(options))
			},
			"six minutes later": func(i *instructions.Instruction) error {
				options := x.begin(ada, i)
				x.pass(6 * time.Minute)
				a.Counter++
				return x.FinishPasskey(x.Context(), ada, i.ID, a.Login(options))
			},
		} {
			i := x.propose(ada, "payment", payment, "staff:mara")
			if err := try(i); err == nil || x.get(i).State != instructions.Proposed {
				t.Errorf("%s: %v, %s", name, err, x.get(i).State)
			}
			x.must2(x.Cancel(t.Context(), "staff:mara", i.ID))
		}
		// And the truth still counts.
		i := x.propose(ada, "payment", payment, "staff:mara")
		options := x.begin(ada, i)
		a.Counter += 10
		answer := a.Login(options)
		if err := x.FinishPasskey(t.Context(), ada, i.ID, answer); err != nil {
			t.Error(err)
		}
		if err := x.FinishPasskey(t.Context(), ada, i.ID, answer); err == nil {
			t.Error("one answer counted twice")
		}
	})
}

// lie answers with one thing wrong.
func (x *lab) lie(c contacts.ID, i *instructions.Instruction, a *passkeytest.Authenticator, spoil func(*passkeytest.Authenticator)) error {
	l := *a
	l.Counter += 2
	spoil(&l)
	return x.FinishPasskey(x.Context(), c, i.ID, l.Login(x.begin(c, i)))
}

func TestP3NewPasskeyWaitsForRiskyInstructions(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		a := x.passkey(ada)
		i := x.propose(ada, "payment", payment, "staff:mara")
		a.Counter++
		if err := x.FinishPasskey(t.Context(), ada, i.ID, a.Login(x.begin(ada, i))); !fail.Is(err, fail.Denied) || !strings.Contains(fail.Text(err), "counts from") {
			t.Errorf("a passkey of this minute paid: %v", err)
		}
		calm := x.propose(ada, "postal-address", moving, "staff:mara")
		a.Counter++
		if err := x.FinishPasskey(t.Context(), ada, calm.ID, a.Login(x.begin(ada, calm))); err != nil {
			t.Errorf("an address: %v", err)
		}
	})
}

func TestP3AppCode(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		secret := "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
		code := func() string { c, _ := totp.GenerateCode(secret, x.clock()); return c }
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Passkeys.BindApp(ctx, tx, string(ada), &staff.MadeApp{Secret: secret}, "")
		})
		x.pass(authorise.Fresh)
		ses := &portal.Session{Contact: ada, Factor: portal.CodeApp}
		i := x.propose(ada, "payment", payment, "contact:"+string(ada))
		other := x.propose(ada, "payment", payment, "contact:"+string(ada))
		if err := x.ByApp(t.Context(), ses, i.ID, "000000"); err == nil {
			t.Error("a wrong code")
		}
		bob := &portal.Session{Contact: x.customer("bob", false), Factor: portal.CodeApp}
		if err := x.ByApp(t.Context(), bob, i.ID, code()); !fail.Is(err, fail.NotFound) {
			t.Errorf("another's instruction: %v", err)
		}
		if err := x.ByApp(t.Context(), ses, i.ID, code()); err != nil {
			t.Fatal(err)
		}
		if err := x.ByApp(t.Context(), ses, other.ID, code()); err == nil {
			t.Error("one code served two instructions")
		}
		big := x.propose(ada, "payment", map[string]string{"amount": "5000 EUR", "payee": "Zoe", "account": payment["account"]}, "contact:"+string(ada))
		x.pass(time.Minute)
		if err := x.ByApp(t.Context(), ses, big.ID, code()); err == nil {
			t.Error("a code where a passkey is needed")
		}
	})
}

func TestP3CallBackCrossesBothWaysAndTwoPeople(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		phone := ""
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			phone = c.Phones[0].ID
			return err
		})
		let := &portal.Session{Contact: ada, Factor: portal.AccessCode, By: "ivo"} // Ivo read out the code that let her in
		// The agent reads out, she types.
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		if _, err := x.ReadOut(t.Context(), "mara", i.ID, phone); !fail.Is(err, fail.Denied) {
			t.Errorf("the proposer calls: %v", err)
		}
		if _, err := x.ReadOut(t.Context(), "noor", i.ID, "made-up"); err == nil {
			t.Error("a number that is not hers")
		}
		code, err := x.ReadOut(t.Context(), "ivo", i.ID, phone)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.ByCall(t.Context(), let, i.ID, code); !fail.Is(err, fail.Denied) || x.get(i).State != instructions.Proposed {
			t.Errorf("Ivo stood on both sides: %v, %s", err, x.get(i).State)
		}
		if code, err = x.ReadOut(t.Context(), "noor", i.ID, phone); err != nil {
			t.Fatal(err)
		}
		if err := x.ByCall(t.Context(), let, i.ID, code); err != nil {
			t.Fatal(err)
		}
		if got := x.get(i); got.State != instructions.Proved {
			t.Errorf("%s", got.State)
		}
		if err := x.Approve(t.Context(), "noor", i.ID); !fail.Is(err, fail.Denied) {
			t.Errorf("who took the call approves: %v", err)
		}
		// The page shows, she reads out, the agent types.
		j := x.propose(ada, "postal-address", moving, "contact:"+string(ada))
		if code, err = x.ShowCode(t.Context(), let, j.ID); err != nil {
			t.Fatal(err)
		}
		if err := x.Heard(t.Context(), "ivo", j.ID, phone, code); err == nil {
			t.Error("Ivo let her in and heard the code")
		}
		if code, err = x.ShowCode(t.Context(), let, j.ID); err != nil {
			t.Fatal(err)
		}
		if err := x.Heard(t.Context(), "noor", j.ID, phone, "0000 0000"); err == nil {
			t.Error("a wrong code")
		}
		if err := x.Heard(t.Context(), "noor", j.ID, phone, code); err != nil {
			t.Error(err)
		}
		// A number that was changed lately.
		x.must(func(ctx context.Context, tx *db.Tx) error {
			return x.Contacts.ReplacePhone(ctx, tx, ada, "+49 30 7654321", "ins")
		})
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			phone = c.Phones[0].ID
			if len(c.Phones) != 1 || !c.Phones[0].Changed {
				t.Errorf("%+v", c.Phones)
			}
			return err
		})
		k := x.propose(ada, "postal-address", moving, "staff:mara")
		if _, err := x.ReadOut(t.Context(), "noor", k.ID, phone); !fail.Is(err, fail.Conflict) {
			t.Errorf("a number changed today: %v", err)
		}
		x.pass(instructions.PhoneRest)
		k = x.propose(ada, "postal-address", moving, "staff:mara")
		if _, err := x.ReadOut(t.Context(), "noor", k.ID, phone); err != nil {
			t.Errorf("after 30 days: %v", err)
		}
	})
}

// TestP3AnAgreedCodeStandsBesideNoCallBack: who came in by it can stop something,
// and approve nothing by telephone, in either direction.
func TestP3AnAgreedCodeStandsBesideNoCallBack(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		phone := ""
		x.must(func(ctx context.Context, tx *db.Tx) error {
			c, err := x.Contacts.Get(ctx, tx, ada)
			phone = c.Phones[0].ID
			return err
		})
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		for _, f := range []portal.Factor{portal.Agreed, portal.LinkOnly, ""} {
			code, err := x.ReadOut(t.Context(), "noor", i.ID, phone)
			if err != nil {
				t.Fatal(err)
			}
			ses := &portal.Session{Contact: ada, Factor: f}
			if err := x.ByCall(t.Context(), ses, i.ID, code); !fail.Is(err, fail.Denied) {
				t.Errorf("%q approved by call: %v", f, err)
			}
			if code, err := x.ShowCode(t.Context(), ses, i.ID); !fail.Is(err, fail.Denied) || code != "" {
				t.Errorf("%q was shown a code: %v", f, err)
			}
			if got := x.get(i); got.State != instructions.Proposed || got.Tries != 0 {
				t.Errorf("%q: %s after %d tries", f, got.State, got.Tries)
			}
		}
		// What it was refused for is the session, not the code.
		code, err := x.ReadOut(t.Context(), "noor", i.ID, phone)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.ByCall(t.Context(), &portal.Session{Contact: ada, Factor: portal.TextCode}, i.ID, code); err != nil {
			t.Error(err)
		}
	})
}

func TestP3FiveTriesThenStoppedWithNotice(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", false)
		ses := &portal.Session{Contact: ada, Factor: portal.Passkey}
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		for range 5 {
			if err := x.ByCall(t.Context(), ses, i.ID, "0000 0000"); !fail.Is(err, fail.Denied) {
				t.Fatal(err)
			}
		}
		x.settle()
		got := x.get(i)
		if got.State != instructions.Refused || got.Why != "five wrong tries" {
			t.Errorf("%s, %s", got.State, got.Why)
		}
		sent, texts := x.letters(got)
		if !strings.Contains(strings.Join(sent, "\n"), "refused-notice notice ada@customer.example") {
			t.Errorf("%v", sent)
		}
		for _, text := range texts {
			if strings.Contains(text, "Elm Street") && strings.Contains(text, "not carried out") {
				t.Error("the notice says what it was")
			}
		}
	})
}

func TestTheirChoiceLowersOnlyWhatIsNotRisky(t *testing.T) {
	each(t, func(x *lab) {
		ada := x.customer("ada", true)
		x.chosen = true
		defer func() { x.chosen = false }()
		// Without a consent row the database itself refuses: the choice is not only asked for.
		_, _, err := x.Propose(t.Context(), &authorise.Proposal{Contact: ada, Type: "limit", Values: map[string]string{"what": "card", "amount": "100 EUR"}, Proposer: "staff:mara"})
		if err != nil {
			t.Errorf("a risky one does not ask for the choice: %v", err)
		}
		i := x.propose(ada, "postal-address", moving, "staff:mara")
		if i.Need != instructions.Call {
			t.Errorf("needs %s", instructions.KindOf(i.Need))
		}
	})
}
