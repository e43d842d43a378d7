package intake_test

// What customers choose about their own protection, and what leaves because of
// it: on the desk that takes their mails.

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
	"postern/internal/portal"
)

const (
	giveUpMail = "I give up: encryption of my mails (version 1)"
	secret     = "We charged 4111 1111 1111 1111 canary."
	backLine   = "To be protected again, press the button here: https://support.northmere.example/back/"
)

// optOut gives a protection up behind the portal's passkey.
func (x *desk) optOut(who contacts.ID, s consent.Scope) {
	x.Helper()
	ses := portal.Session{Contact: who, Factor: portal.Passkey, Made: x.d.Now()}
	if _, err := x.out.GiveUp(x.Context(), who, []consent.Scope{s}, 1, ses.Proof()); err != nil {
		x.Fatal(err)
	}
	x.settle()
}

func (x *desk) stands(who contacts.ID, s consent.Scope) bool {
	x.Helper()
	var list []consent.Consent
	x.view(func(ctx context.Context, tx *db.Tx) (err error) { list, err = consent.Of(ctx, tx, who); return err })
	return consent.Standing(list, s, x.d.Now()) != nil
}

// emre is a case with a customer who has a telephone and no key.
func (x *desk) emre() *cases.Case {
	x.Helper()
	c := x.take(&letter{from: "emre@kestrel.example", subject: "Balance", text: "how much?"})
	x.phone(c)
	return c
}

// left is the newest mail to an address, as it can be read on the way.
func (x *desk) left(to string) (text string, m *message.Mail) {
	x.Helper()
	all := x.tray(to)
	if len(all) == 0 {
		x.Fatalf("nothing went to %s", to)
	}
	m = message.Parse(all[0])
	return m.Root.Display().Text, m
}

func TestP5SensitiveMailIsReadableByTheirChoiceAlone(t *testing.T) {
	each(t, func(x *desk) {
		c := x.emre()
		x.answer(c, outbox.Answer{Text: secret})
		if s := x.last(c); s.Protection != policy.Portal {
			x.Fatalf("without a choice: %s", s.Protection)
		}
		x.optOut(c.Contact, consent.Encryption)
		if _, err := x.answer(c, outbox.Answer{Text: secret}); err != nil {
			x.Fatal(err)
		}
		text, m := x.left("emre@kestrel.example")
		if s := x.last(c); s.Protection != policy.OptedOut || s.State != outbox.Captured || m.Root.Type != "multipart/signed" || !strings.Contains(text, "canary") {
			x.Errorf("by choice: %s %s, %s: %q", s.Protection, s.State, m.Root.Type, text)
		}
		if !strings.Contains(text, backLine) {
			x.Errorf("it does not say how to go back: %q", text)
		}
		var sent string
		x.view(func(ctx context.Context, tx *db.Tx) error {
			rows, err := audit.About(ctx, tx, string(c.ID), 100)
			for _, r := range rows {
				sent += r.Detail + "\n"
			}
			return err
		})
		if !strings.Contains(sent, "opted-out, attempt 1, by consent ") || strings.Contains(sent, "canary") {
			x.Errorf("recorded: %s", sent)
		}
	})
}

// TestP5AKeyDoesNotUndoTheChoice: whoever has a key and gave encryption up gets
// readable mail, the routine one too; each says how to go back.
func TestP5AKeyDoesNotUndoTheChoice(t *testing.T) {
	each(t, func(x *desk) {
		c, _ := x.adaCase()
		x.answer(c, outbox.Answer{Text: secret})
		if s := x.last(c); s.Protection != policy.Encrypted {
			x.Fatalf("without a choice: %s", s.Protection)
		}
		if text, _ := x.left("ada@brandt.example"); strings.Contains(text, "/back/") {
			x.Error("a protected mail offers a way back to protection")
		}
		x.optOut(c.Contact, consent.Encryption)
		x.answer(c, outbox.Answer{Text: secret})
		if s := x.last(c); s.Protection != policy.OptedOut || s.SealedTo != "" {
			x.Errorf("by choice: %s to %q", s.Protection, s.SealedTo)
		}
		if text, _ := x.left("ada@brandt.example"); !strings.Contains(text, "canary") || !strings.Contains(text, backLine) {
			x.Errorf("%q", text)
		}
		if _, err := x.out.Protect(x.Context(), c.Contact, consent.Encryption, consent.ByPortal); err != nil {
			x.Fatal(err)
		}
		x.answer(c, outbox.Answer{Text: secret})
		if s := x.last(c); s.Protection != policy.Encrypted {
			x.Errorf("after going back: %s", s.Protection)
		}
	})
}

// TestP5OtherPeoplesDataStaysProtected: each case differs by one thing from one
// in which the choice counts.
func TestP5OtherPeoplesDataStaysProtected(t *testing.T) {
	for name, near := range map[string]func(x *desk, c *cases.Case) outbox.Answer{
		"somebody else is part of the case": func(x *desk, c *cases.Case) outbox.Answer {
			ben := x.take(&letter{from: "ben@other.example", subject: "x", text: "x"})
			if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return cases.Join(x.Context(), tx, c.ID, ben.Contact) }); err != nil {
				x.Fatal(err)
			}
			return outbox.Answer{Text: secret}
		},
		"the same message goes to somebody else": func(x *desk, c *cases.Case) outbox.Answer {
			ben := x.take(&letter{from: "ben@other.example", subject: "x", text: "x"})
			x.phone(ben)
			return outbox.Answer{Text: secret, To: []contacts.ID{c.Contact, ben.Contact}}
		},
		"the mailbox is on the list": func(x *desk, c *cases.Case) outbox.Answer {
			if err := x.boxes.Save(x.Context(), audit.System, box, "Northmere Savings", true, false); err != nil {
				x.Fatal(err)
			}
			return outbox.Answer{Text: "Routine words."}
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(x *desk) {
				c := x.emre()
				x.optOut(c.Contact, consent.Encryption)
				a := near(x, c)
				if _, err := x.answer(c, a); err != nil {
					x.Fatal(err)
				}
				for _, s := range x.deliveries(c) {
					if s.Kind == outbox.Reply && (s.Protection != policy.Portal || s.Shown != policy.Portal) {
						x.Errorf("it was shown as %s and goes %s", s.Shown, s.Protection)
					}
				}
				for _, raw := range x.tray("emre@kestrel.example") {
					if text := message.Parse(raw).Root.Display().Text; strings.Contains(text, "canary") {
						x.Errorf("it is readable: %q", text)
					}
				}
			})
		})
	}
}

// TestP5AnothersCaseStaysProtected: the choice of somebody who is only added to
// the case of another does not count in it.
func TestP5AnothersCaseStaysProtected(t *testing.T) {
	each(t, func(x *desk) {
		c := x.emre()
		x.optOut(c.Contact, consent.Encryption)
		ben := x.take(&letter{from: "ben@other.example", subject: "Mine", text: "x"})
		if _, err := x.answer(ben, outbox.Answer{Text: secret, To: []contacts.ID{c.Contact}}); err != nil {
			x.Fatal(err)
		}
		if s := x.last(ben); s.Protection != policy.Portal {
			x.Errorf("it goes %s", s.Protection)
		}
	})
}

// TestP5WhatIsTakenBackCountsAtOnce: the outbox asks again when it sends.
func TestP5WhatIsTakenBackCountsAtOnce(t *testing.T) {
	for name, back := range map[string]func(x *desk, c *cases.Case){
		"taken back": func(x *desk, c *cases.Case) {
			if stood, err := x.out.Protect(x.Context(), c.Contact, consent.Encryption, consent.ByLink); err != nil || !stood {
				x.Fatal(stood, err)
			}
		},
		"its year is over": func(x *desk, c *cases.Case) { x.clock.add(consent.Life) },
		"somebody joined": func(x *desk, c *cases.Case) {
			if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return cases.Join(x.Context(), tx, c.ID, "ben") }); err != nil {
				x.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(x *desk) {
				c := x.emre()
				x.optOut(c.Contact, consent.Encryption)
				x.compose(c, outbox.Answer{Text: secret})
				if s := x.last(c); s.Shown != policy.OptedOut {
					x.Fatalf("shown as %s", s.Shown)
				}
				back(x, c)
				x.due()
				if s := x.last(c); s.Protection != policy.Portal || s.State != outbox.Captured {
					x.Errorf("it went %s, %s", s.Protection, s.State)
				}
			})
		})
	}
}

// TestP5ShownProtectedNeverLeavesReadable: a choice made while an answer waits
// does not change what the agent was shown; a person looks at it.
func TestP5ShownProtectedNeverLeavesReadable(t *testing.T) {
	each(t, func(x *desk) {
		c := x.emre()
		x.compose(c, outbox.Answer{Text: secret})
		x.optOut(c.Contact, consent.Encryption)
		x.due()
		if s := x.last(c); s.State != outbox.Held || !x.caseOf(c.ID).Held {
			x.Errorf("%s %s", s.State, s.Protection)
		}
		err := x.onDelivery(c, func(ctx context.Context, tx *db.Tx, c *cases.Case, id outbox.ID) error {
			return x.out.Retry(ctx, tx, c, id, "noor")
		})
		if err != nil {
			x.Fatal(err)
		}
		x.due()
		if s := x.last(c); s.State != outbox.Captured || s.Protection != policy.OptedOut {
			x.Errorf("released by a person: %s %s", s.State, s.Protection)
		}
	})
}

// TestP5SignedMailGivesUp: the mail of a verified key with the phrase alone, and
// a receipt to every address.
func TestP5SignedMailGivesUp(t *testing.T) {
	for name, encrypt := range map[string]bool{"signed": false, "signed and encrypted": true} {
		t.Run(name, func(t *testing.T) { each(t, func(x *desk) { x.givesUpByMail(encrypt) }) })
	}
}

func (x *desk) givesUpByMail(encrypt bool) {
	c, s := x.adaCase()
	if err := x.d.Update(x.Context(), func(tx *db.Tx) error {
		return x.book.AddAddress(x.Context(), tx, c.Contact, "ada@work.example", "staff")
	}); err != nil {
		x.Fatal(err)
	}
	mail := x.takeRaw(x.signedMail(s, "My choice", giveUpMail+"\n\n-- \nAda", encrypt), &letter{})
	if !x.stands(c.Contact, consent.Encryption) || x.stands(c.Contact, consent.Factor) || x.stands(c.Contact, consent.Proof) {
		x.Fatal("it gives up something else than it says")
	}
	var list []consent.Consent
	x.view(func(ctx context.Context, tx *db.Tx) (err error) {
		list, err = consent.Of(ctx, tx, c.Contact)
		return err
	})
	if g := list[0]; g.Channel != consent.SignedMail || g.Fingerprint != string(s.Public().Fingerprint()) || g.Message != string(x.inbound(mail)[0].ID) || g.Wording != 1 {
		x.Errorf("%+v", g)
	}
	for _, to := range []string{"ada@brandt.example", "ada@work.example"} {
		text, m := x.left(to)
		if m.Root.Type != "multipart/signed" || m.Header().Get("Auto-Submitted") != "auto-generated" || !strings.Contains(text, "You gave up: Encryption of my mails.") ||
			!strings.Contains(text, "version 1, SHA-256 "+list[0].Sum) || !strings.Contains(text, "/back/"+consent.Token(x.v, list[0].ID)) {
			x.Errorf("receipt to %s: %s %q", to, m.Root.Type, text)
		}
	}
	if n := x.count(`SELECT COUNT(*) FROM cases WHERE contact_id = $1 AND state = 'closed'`, c.Contact); n != 1 {
		x.Errorf("the receipt is kept in %d cases", n)
	}
}

// TestP5NoOtherMailGivesUp is S11: each mail differs by one thing from the one
// that counts.
func TestP5NoOtherMailGivesUp(t *testing.T) {
	for name, raw := range map[string]func(x *desk, s *pgp.Secret) []byte{
		"not signed": func(x *desk, _ *pgp.Secret) []byte {
			return x.raw(&letter{from: "Ada Brandt <ada@brandt.example>", subject: "My choice", text: giveUpMail})
		},
		"signed by another key": func(x *desk, _ *pgp.Secret) []byte {
			other, err := pgp.Generate("Ada", "ada@brandt.example", x.d.Now().Add(-time.Hour))
			if err != nil {
				x.Fatal(err)
			}
			return x.signedMail(other, "My choice", giveUpMail, false)
		},
		"quoted": func(x *desk, s *pgp.Secret) []byte { return x.signedMail(s, "My choice", "> "+giveUpMail, false) },
		"among other words": func(x *desk, s *pgp.Secret) []byte {
			return x.signedMail(s, "x", "Should I write this?\n"+giveUpMail, false)
		},
		"an old wording": func(x *desk, s *pgp.Secret) []byte {
			return x.signedMail(s, "x", strings.Replace(giveUpMail, "1", "0", 1), false)
		},
		"another one's name": func(x *desk, s *pgp.Secret) []byte {
			return []byte(strings.Replace(string(x.signedMail(s, "x", giveUpMail, false)), "From: Ada Brandt <ada@brandt.example>", "From: Emre <emre@kestrel.example>", 1))
		},
		"changed on the way": func(x *desk, s *pgp.Secret) []byte {
			return []byte(strings.Replace(string(x.signedMail(s, "x", "I give up: proof of my instructions (version 1)", false)), "proof of my instructions", "encryption of my mails", 1))
		},
		"signed last week": func(x *desk, s *pgp.Secret) []byte {
			raw := x.signedMail(s, "x", giveUpMail, false)
			x.clock.add(7 * 24 * time.Hour)
			return raw
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(x *desk) {
				c, s := x.adaCase()
				x.takeRaw(raw(x, s), &letter{})
				if n := x.count(`SELECT COUNT(*) FROM consents`); n != 0 {
					x.Errorf("%d consents", n)
				}
				if x.count(`SELECT COUNT(*) FROM messages WHERE kind = 'in'`) != 2 {
					x.Error("the mail itself was not filed")
				}
				if _, err := x.answer(c, outbox.Answer{Text: secret}); err != nil || x.last(c).Protection != policy.Encrypted {
					x.Errorf("%v %s", err, x.last(c).Protection)
				}
			})
		})
	}
}

// TestP5PlayedAgainMailCountsOnce: a mail of theirs that somebody sends again
// after they went back, under another Message-ID, gives nothing up; it is filed,
// and recorded as refused.
func TestP5PlayedAgainMailCountsOnce(t *testing.T) {
	each(t, func(x *desk) {
		c, s := x.adaCase()
		raw := x.signedMail(s, "My choice", giveUpMail, false)
		x.takeRaw(raw, &letter{})
		if !x.stands(c.Contact, consent.Encryption) {
			x.Fatal("it did not count at all")
		}
		if _, err := x.out.Protect(x.Context(), c.Contact, consent.Encryption, consent.ByLink); err != nil {
			x.Fatal(err)
		}
		x.takeRaw([]byte(strings.Replace(string(raw), "Message-ID: <", "Message-ID: <again", 1)), &letter{})
		if x.stands(c.Contact, consent.Encryption) {
			x.Error("it counts again")
		}
		if n := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'consent.refused'`); n != 1 {
			x.Errorf("%d refusals recorded", n)
		}
	})
}

// TestP5AskedOnceAndBackWithoutAnAnswer: one question a month before the end, by
// a signed mail with the way to the page; then the protection is back, with a
// receipt.
func TestP5AskedOnceAndBackWithoutAnAnswer(t *testing.T) {
	each(t, func(x *desk) {
		c := x.emre()
		x.optOut(c.Contact, consent.Encryption)
		run := func() int {
			if err := x.out.Lapse(x.Context()); err != nil {
				x.Fatal(err)
			}
			if err := x.out.AskAgain(x.Context()); err != nil {
				x.Fatal(err)
			}
			x.settle()
			return len(x.tray("emre@kestrel.example"))
		}
		first := run()
		x.clock.add(consent.Life - consent.AskAhead)
		if n := run(); n != first+1 || run() != n {
			x.Errorf("%d mails, then %d", first, n)
		}
		if text, m := x.left("emre@kestrel.example"); m.Root.Type != "multipart/signed" || !strings.Contains(text, "https://support.northmere.example/my/protection") || !strings.Contains(text, "If you do nothing, the protection comes back") {
			x.Errorf("the question: %q", text)
		}
		x.clock.add(consent.AskAhead)
		if n := run(); n != first+2 || run() != n || x.stands(c.Contact, consent.Encryption) {
			x.Errorf("%d mails at its end", n-first)
		}
		if text, _ := x.left("emre@kestrel.example"); !strings.Contains(text, "This protection is back: Encryption of my mails.") || strings.Contains(text, "/back/") {
			x.Errorf("the receipt: %q", text)
		}
		if n := x.count(`SELECT COUNT(*) FROM consents`); n != 1 {
			x.Errorf("%d rows are left", n)
		}
	})
}

// TestP5NoticeOfALinkAloneSaysSo: with the second proof given up, what is
// sensitive waits on the portal without a telephone or a passkey, and the notice
// says who can open it.
func TestP5NoticeOfALinkAloneSaysSo(t *testing.T) {
	each(t, func(x *desk) {
		c := x.take(&letter{from: "emre@kestrel.example", subject: "Balance", text: "how much?"})
		if _, err := x.answer(c, outbox.Answer{Text: secret}); !fail.Is(err, fail.Conflict) {
			x.Fatalf("without a factor: %v", err)
		}
		x.optOut(c.Contact, consent.Factor)
		if _, err := x.answer(c, outbox.Answer{Text: secret}); err != nil {
			x.Fatal(err)
		}
		text, _ := x.left("emre@kestrel.example")
		if s := x.last(c); s.Protection != policy.Portal || strings.Contains(text, "canary") || !strings.Contains(text, "Whoever has this mail can open it") || !strings.Contains(text, backLine) {
			x.Errorf("%s: %q", s.Protection, text)
		}
		if _, err := x.out.Protect(x.Context(), c.Contact, consent.Factor, consent.ByPortal); err != nil {
			x.Fatal(err)
		}
		if _, err := x.answer(c, outbox.Answer{Text: secret}); !fail.Is(err, fail.Conflict) {
			x.Errorf("after going back: %v", err)
		}
	})
}

// TestP5BackLineStandsInReadableMailByChoiceOnly: nobody who chose nothing is
// told of a choice.
func TestP5BackLineStandsInReadableMailByChoiceOnly(t *testing.T) {
	each(t, func(x *desk) {
		c := x.emre()
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		x.answer(c, outbox.Answer{Text: secret})
		offers := func() (n int) {
			for _, raw := range x.tray("emre@kestrel.example") {
				if strings.Contains(message.Parse(raw).Root.Display().Text, backLine) {
					n++
				}
			}
			return n
		}
		if n := offers(); n != 0 {
			x.Errorf("%d mails offer a way back from nothing", n)
		}
		x.optOut(c.Contact, consent.Encryption)
		before := offers()
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		x.answer(c, outbox.Answer{Text: secret})
		if n := offers() - before; n != 2 {
			x.Errorf("%d of two readable mails offer the way back", n)
		}
		var states []string
		for _, s := range x.deliveries(c) {
			states = append(states, string(s.Protection))
		}
		if !slices.Equal(states, []string{"signed", "signed", "portal", "signed", "opted-out"}) {
			x.Errorf("%v", states)
		}
	})
}
